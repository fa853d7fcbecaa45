"""A required module that is missing or broken: the exact command, once, in status and logs."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from plexsync import requirements
from plexsync.core import enqueue, environment
from plexsync.queue import jobs
from plexsync.queue.meta import QueueMeta
from plexsync.state import ledger, pause
from plexsync.state.meta import Meta
from tests.servers.stash import StashServer
from tests.support.queue_tools import NOW, made

TEXT = "PlexSync is paused: the Python module plexapi is missing. Run: something"


@pytest.mark.parametrize(
    ("modules", "managed", "wanted"),
    [
        (["plexapi"], False, "the Python module plexapi is missing. Run: {python} -m pip install plexapi"),
        (
            ["persistqueue", "plexapi"],
            False,
            "the Python modules persistqueue, plexapi are missing. Run: {python} -m pip install persist-queue plexapi",
        ),
        (
            ["stashapi"],
            True,
            "the Python module stashapi is missing. Run: {python} -m pip install --break-system-packages stashapi",
        ),
    ],
)
def test_the_sentence_has_the_exact_command(modules: list[str], managed: bool, wanted: str) -> None:
    """The command names this interpreter, the packages (not the modules), and what PEP 668 requires."""
    text = requirements.missing_sentence(modules, managed=managed)
    assert text == "PlexSync is paused: " + wanted.format(python=sys.executable)


@pytest.mark.parametrize("managed", [True, False])
def test_modules_that_cannot_be_loaded(monkeypatch: pytest.MonkeyPatch, managed: bool) -> None:
    """If all modules are there, but not one that they need, the command reinstalls all of them."""
    monkeypatch.setattr(requirements, "is_managed", lambda: managed)
    text = requirements.broken_sentence(ModuleNotFoundError("No module named 'urllib3'", name="no_such_package"))
    guard = " --break-system-packages" if managed else ""
    assert "(No module named 'urllib3')" in text
    assert text.endswith(
        f"Run: {sys.executable} -m pip install{guard} --force-reinstall"
        " stashapi plexapi persist-queue requests unidecode"
    )


@pytest.mark.parametrize(
    "error", [SyntaxError("'(' was never closed"), ImportError("gone", name="plexsync.worker.loop")]
)
def test_a_plugin_that_is_half_there(error: Exception) -> None:
    """If PlexSync's own files are to blame, no package is."""
    text = requirements.broken_sentence(error)
    assert f"({error})" in text
    assert "Reinstall PlexSync under Settings > Plugins" in text
    assert "pip" not in text


def test_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Here nothing is missing; with an empty search path everything is."""
    assert requirements.missing() == []
    monkeypatch.setattr(sys, "path", [])
    monkeypatch.setattr(sys, "path_importer_cache", {})
    for name in requirements.PACKAGES:
        monkeypatch.delitem(sys.modules, name, raising=False)
    assert requirements.missing() == ["stashapi", "plexapi", "persistqueue", "requests", "unidecode"]


@pytest.mark.parametrize(
    ("marked", "venv", "managed"), [(True, False, True), (True, True, False), (False, False, False)]
)
def test_a_guarded_python(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, marked: bool, venv: bool, managed: bool
) -> None:
    """Only a Python that the system manages (PEP 668) needs the option; a virtual environment never does."""
    monkeypatch.setattr("sysconfig.get_path", lambda name: str(tmp_path))
    monkeypatch.setattr(sys, "base_prefix", "elsewhere" if venv else sys.prefix)
    if marked:
        (tmp_path / "EXTERNALLY-MANAGED").touch()
    assert requirements.is_managed() is managed
    assert ("--break-system-packages" in requirements.missing_sentence(["plexapi"])) is managed


def current_pause(folder: Path) -> pause.Pause:
    """Return the current pause."""
    conn = ledger.open_state(str(folder))
    found = Meta(conn).pause
    conn.close()
    assert found is not None
    return found


def lines(folder: Path) -> list[str]:
    """Return the messages in the log."""
    return [json.loads(line)["message"] for line in (folder / environment.LOG).read_text("utf-8").splitlines()]


def connect(folder: Path, stash: StashServer, cookie: str = "") -> None:
    """Save the connection to Stash."""
    where = {"scheme": "http", "host": "127.0.0.1", "port": stash.port, "cookie": cookie}
    (folder / environment.CONNECTION).write_text(json.dumps(where), "utf-8")


def test_it_is_said_once(tmp_path: Path) -> None:
    """Each attempt starts a new pause with the sentence, and the log has it once as long as it stays the same."""
    for later in (0, 60):
        requirements.pause_for(str(tmp_path), NOW + later, TEXT)
        found = current_pause(tmp_path)
        assert (found.kind, found.problem, found.until) == (pause.SETUP, TEXT, NOW + later + 60)
    assert lines(tmp_path) == [TEXT]
    requirements.pause_for(str(tmp_path), NOW, TEXT + " else")
    assert lines(tmp_path) == [TEXT, TEXT + " else"]


def test_earlier_edits_are_no_reason_to_try_at_once(tmp_path: Path) -> None:
    """Edits and wake requests before the pause count as seen: only a later one ends it early."""
    conn = made(tmp_path)
    enqueue.enqueue(conn, "scene:1", "hook", NOW, NOW)
    QueueMeta(conn).request_wake()
    requirements.pause_for(str(tmp_path), NOW, TEXT)
    assert current_pause(tmp_path).edits == QueueMeta(conn).edits == 1
    assert QueueMeta(conn).wake_seen == QueueMeta(conn).wake_requested == 1
    assert jobs.counts(conn)["pending"] == 1


@pytest.mark.parametrize("key", ["", "the-api-key"])
def test_stash_is_told(tmp_path: Path, key: str) -> None:
    """Stash's log gets the line through the ``log`` operation, by cookie or by key."""
    with StashServer(tmp_path / "stash") as stash:
        stash.credentials = ("somebody", "secret")
        stash.api_key = "the-api-key"
        connect(tmp_path, stash, "" if key else stash.new_cookie())
        requirements.pause_for(str(tmp_path), NOW, TEXT, key)
        (asked,) = stash.requests_for("runPluginOperation")
        wanted = {"mode": "log", "lines": [{"level": "e", "message": TEXT}]}
        assert asked.variables == {"args": wanted}
        assert asked.status == 200


@pytest.mark.parametrize("fault", ["nowhere", "no way", "refused", "http_500", "html"])
def test_a_stash_that_does_not_listen(tmp_path: Path, fault: str) -> None:
    """Whatever Stash does, the sentence is in status and log."""
    with StashServer(tmp_path / "stash") as stash:
        stash.modes.status_500, stash.modes.html = fault == "http_500", fault == "html"
        if fault == "refused":
            stash.credentials = ("somebody", "secret")
        if fault != "no way":
            connect(tmp_path, stash)
        if fault == "nowhere":
            stash.stop()
        requirements.pause_for(str(tmp_path), NOW, TEXT)
    assert current_pause(tmp_path).problem == TEXT
    assert lines(tmp_path) == [TEXT]
