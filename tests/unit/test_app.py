"""The composition root: what is made once, what follows the settings and the newest connection, and what is closed."""

from __future__ import annotations

import json
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from plexsync import app as composition
from plexsync.app import App, own_client_id, settings_from, worker_log
from plexsync.core import environment
from plexsync.core.connection import Connection
from plexsync.log import Log, StashSink
from plexsync.model.errors import SetupError
from plexsync.model.settings import Settings
from tests.servers.plex import PlexServer
from tests.servers.stash import StashServer
from tests.support.in_process import Lines


@pytest.fixture
def said() -> Lines:
    """What is logged."""
    return Lines()


@pytest.fixture
def app(tmp_path: Path, said: Lines) -> Iterator[App]:
    """An app over an empty data folder."""
    made = App(str(tmp_path), Log([said]))
    yield made
    made.close()


@pytest.fixture
def plex() -> Iterator[PlexServer]:
    """A Plex with one library."""
    with PlexServer() as server:
        server.add_section("Films", key=1)
        yield server


@pytest.fixture
def stash(tmp_path: Path) -> Iterator[StashServer]:
    """A Stash, and the way to it."""
    with StashServer(tmp_path / "stash") as server:
        leave(tmp_path, server)
        yield server


def leave(folder: Path, stash: StashServer, cookie: str = "a-cookie") -> None:
    """What a hook leaves."""
    where = {"scheme": "http", "host": "127.0.0.1", "port": stash.port, "cookie": cookie}
    (folder / environment.CONNECTION).write_text(json.dumps(where), "utf-8")


def saved(plex: PlexServer, **more: object) -> dict[str, object]:
    """Settings that fit."""
    return {"plexUrl": plex.url, "plexToken": plex.token, **more}


def use(app: App, values: dict[str, object]) -> Settings:
    """Have the app use what was saved."""
    return app.apply(settings_from(values))


@pytest.mark.parametrize(
    "text",
    [None, "", "{", "[]", "null", '{"scheme": "http"}', '{"scheme": "http", "host": "h", "port": "x"}', "\xff"],
)
def test_a_connection_that_says_nothing(tmp_path: Path, app: App, text: str | None) -> None:
    """Without a usable file the usual address is used, and the key that is known."""
    if text is not None:
        (tmp_path / environment.CONNECTION).write_bytes(text.encode("latin-1"))
    app.api_key = "key"
    app.renew_stash()
    assert app.stash.connection == Connection(api_key="key")


def test_the_newest_connection(tmp_path: Path, app: App, stash: StashServer) -> None:
    """Another cookie is used from the next question on; the same one costs no new connection."""
    app.renew_stash()
    first = app.stash
    app.renew_stash()
    assert app.stash is first
    leave(tmp_path, stash, "another")
    app.renew_stash()
    app.stash.settings()
    assert stash.log[-1].cookie == "session=another"
    assert app.stash is first
    stash.stop()
    with StashServer(tmp_path / "stash2") as moved:
        leave(tmp_path, moved, "third")
        app.renew_stash()
        app.stash.settings()
        assert moved.log[-1].cookie == "session=third"


def test_secrets_stay_out_of_the_log(tmp_path: Path, app: App, said: Lines, stash: StashServer) -> None:
    """Cookie, key and token are struck out of whatever is logged, from the moment in which they are known."""
    leave(tmp_path, stash, "the-cookie")
    app.api_key = "the-api-key"
    app.renew_stash()
    leave(tmp_path, stash, "a-newer-cookie")
    app.renew_stash()
    use(app, {"plexToken": "the-token"})
    app.log.info("said the-cookie, a-newer-cookie, the-api-key and the-token")
    assert said.lines == [("info", "said ***, ***, *** and ***")]
    with_key = App(str(tmp_path), Log([said]), api_key="first-key")
    with_key.log.info("said first-key")
    assert said.lines[-1] == ("info", "said ***")
    with_key.close()


def test_settings_are_kept_while_they_are_the_same(app: App, plex: PlexServer) -> None:
    """One object for all batches, and one connection, until something was changed that matters."""
    first, client = use(app, saved(plex)), app.client
    assert use(app, saved(plex)) is first
    assert app.client is client
    use(app, saved(plex, unknownKey=1))
    assert app.client is client
    use(app, saved(plex, maxTags=5))
    assert app.client is not client
    assert app.settings.max_tags == 5


def test_warnings_are_said_once(tmp_path: Path, app: App, said: Lines) -> None:
    """A setting that cannot be used is told once, over restarts as well, and again when it changed."""
    use(app, {"maxTags": "many"})
    use(app, {"maxTags": "many", "plexToken": "x" * 8})
    assert len(said.of("warning")) == 1
    app.close()
    again = App(str(tmp_path), Log([said]))
    use(again, {"maxTags": "many"})
    assert len(said.of("warning")) == 1
    use(again, {"maxTags": -1})
    assert len(said.of("warning")) == 2
    again.close()


def test_the_log_follows_the_settings(app: App) -> None:
    """Paths stay hidden until the settings have been read; then it is the user's choice."""
    assert app.log.hide
    use(app, {"logDebug": True})
    assert (app.log.hide, app.log.debug_on) == (False, True)
    use(app, {"logHidePaths": True})
    assert (app.log.hide, app.log.debug_on) == (True, False)


def test_plex_needs_settings(app: App) -> None:
    """Before the settings have been read Plex is not asked at some address: without a token nothing is sent."""
    assert app.saved_digest == ""
    with pytest.raises(SetupError, match='"Plex token" is empty'):
        app.connect_plex()
    assert app.requests == (0, 0, 0)


def test_plex_is_asked_as_the_settings_say(app: App, plex: PlexServer, tmp_path: Path) -> None:
    """The planner connects once, with the installation's identifier, and is made anew with the settings."""
    use(app, saved(plex))
    assert app.planner is None
    planner = app.connect_plex()
    assert app.connect_plex() is planner is app.planner
    assert planner.machine == plex.machine
    assert plex.client_identifiers == {(tmp_path / environment.CLIENT_ID).read_text("ascii")}
    app.reconnect()
    assert app.planner is None


def test_requests_are_counted_over_connections(app: App, plex: PlexServer, stash: StashServer) -> None:
    """What was asked before a connection was dropped still counts."""
    app.renew_stash()
    app.load_settings()
    use(app, saved(plex))
    app.client.identity  # noqa: B018 - it asks
    reads, writes, asked = app.requests
    assert (reads, writes, asked) == (len(plex.log), 0, len(stash.log))
    app.reconnect()
    assert app.requests == (reads, writes, asked)
    app.stash.settings()
    app.client.identity  # noqa: B018 - it asks
    assert app.requests == (len(plex.log), 0, len(stash.log))


def test_the_state_is_opened_once(app: App) -> None:
    """One connection for the process, a new one after closing."""
    first = app.state
    assert app.state is app.open_state(thorough=True) is first
    app.close()
    assert app.state is not first


def files(folder: Path) -> set[str]:
    """Return the names of the files in ``folder``, locks apart."""
    return {path.name for path in folder.iterdir() if path.suffix != ".lock"}


def test_the_client_id_is_made_once(tmp_path: Path) -> None:
    """One identifier for the installation, whoever asks; nothing half-written, nothing left over."""
    made = own_client_id(str(tmp_path))
    assert len(made) == 36
    assert own_client_id(str(tmp_path)) == made
    assert files(tmp_path) == {environment.CLIENT_ID}


def test_another_process_was_quicker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of two that make the identifier at once, both use the first one's."""
    answers = iter(["", "first-one"])
    monkeypatch.setattr(composition, "client_id", lambda folder: next(answers))
    (tmp_path / environment.CLIENT_ID).write_text("first-one", "ascii")
    assert own_client_id(str(tmp_path)) == "first-one"
    assert (tmp_path / environment.CLIENT_ID).read_text("ascii") == "first-one"


def test_an_identifier_that_was_lost(tmp_path: Path) -> None:
    """An empty file, as a power loss may leave it, is filled: a new one each time would be a new device each time."""
    (tmp_path / environment.CLIENT_ID).touch()
    made = own_client_id(str(tmp_path))
    assert own_client_id(str(tmp_path)) == made
    assert files(tmp_path) == {environment.CLIENT_ID}


def test_the_workers_log(tmp_path: Path) -> None:
    """The worker writes to its file, and keeps warnings for Stash; a file that cannot be written is told there."""
    sink = StashSink()
    told: list[list[dict[str, str]]] = []
    log = worker_log(str(tmp_path), sink, lambda: 0.0)
    log.info("noted")
    log.warning("warned")
    assert [json.loads(line)["message"] for line in (tmp_path / environment.LOG).read_text().splitlines()] == [
        "noted",
        "warned",
    ]
    log.close()
    (tmp_path / environment.LOG).unlink()
    (tmp_path / environment.LOG).mkdir()
    log = worker_log(str(tmp_path), sink, lambda: 0.0)
    log.info("lost")
    sink.flush(lambda lines: told.append(list(lines)), 0.0)
    assert [line["level"] for line in told[0]] == ["w", "w"]
    assert "failed to write plexsync.log" in told[0][1]["message"]
    assert stat.S_ISDIR((tmp_path / environment.LOG).stat().st_mode)
    log.close()
