"""Try Plex: what the page says about an address and a token before anything is saved, whatever answers there."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any, ClassVar

import pytest

from plexsync.model.errors import PlexSyncError
from plexsync.state.ledger import open_state
from plexsync.state.meta import Meta
from plexsync.tasks import try_plex
from tests.servers.plex import PlexServer
from tests.support.installation import Installation

TOKEN = "try-Token-7gH2pQ"


@pytest.fixture
def here(tmp_path: Path) -> Iterator[Installation]:
    """Start both servers, with two libraries in Plex."""
    with Installation(tmp_path, token=TOKEN) as made:
        made.new_films(3)
        made.plex.add_section("Shows", key=2, type="show")
        yield made


def tried(here: Installation, **args: Any) -> dict[str, Any]:
    """Return the answer, which is no error and no line in any log."""
    before = len(here.stash.plugin_log)
    found: dict[str, Any] = here.call("try_plex", **args)
    assert set(found) == {"ok", "sentence", "version", "ms", "libraries"}
    assert found["sentence"].endswith(".")
    assert TOKEN not in str(found)
    assert here.stash.plugin_log[before:] == []
    return found


def failure(here: Installation, **args: Any) -> str:
    """Return the sentence of an attempt that fails."""
    found = tried(here, **args)
    assert not found["ok"]
    sentence: str = found["sentence"]
    return sentence


@contextmanager
def answering(send: Callable[[socket.socket], None]) -> Iterator[str]:
    """Listen, and let ``send`` answer each connection; yield the address."""
    server = socket.create_server(("127.0.0.1", 0))
    over = threading.Event()

    def serve() -> None:
        while not over.is_set():
            try:
                connection, _ = server.accept()
            except OSError:
                return
            threading.Thread(target=_quietly, args=(send, connection), daemon=True).start()

    threading.Thread(target=serve, daemon=True).start()
    try:
        yield f"127.0.0.1:{server.getsockname()[1]}"
    finally:
        over.set()
        server.close()


def _quietly(send: Callable[[socket.socket], None], connection: socket.socket) -> None:
    try:
        with connection:
            send(connection)
    except OSError:
        return


def test_what_is_saved(here: Installation) -> None:
    """Without arguments the saved address and token are tried; libraries come with their items."""
    before = dict(here.stash.plugin_settings)
    found = tried(here)
    assert found["ok"]
    assert found["sentence"] == (
        f"Plex {found['version']} answers in {found['ms']} ms and accepts the token."
        " It has 1 library of the type Movies."
    )
    assert found["libraries"] == [
        {"title": "Films", "type": "movie", "items": 3, "usable": True},
        {"title": "Shows", "type": "show", "items": 0, "usable": False},
    ]
    assert here.stash.plugin_settings == before
    assert here.plex.writes() == []


def test_before_anything_is_saved(here: Installation) -> None:
    """Address and token of the call are used, in whatever form they were pasted, and not kept."""
    here.stash.save_settings("PlexSync", {})
    assert failure(here, url=here.plex.url).startswith("No Plex token is set.")
    for url in (here.plex.url, here.plex.url + "/web/index.html#!/", f' "{here.plex.url.removeprefix("http://")}" '):
        assert tried(here, url=url, token=TOKEN)["ok"]
    assert tried(here, url=f"{here.plex.url}/library/sections?X-Plex-Token=x", token=f"X-Plex-Token={TOKEN}")["ok"]
    assert here.stash.plugin_settings == {}


def test_without_stash(here: Installation) -> None:
    """With both arguments even a Stash that does not answer is no obstacle; else the sentence says what is."""
    here.stash.fault("status_500")
    assert tried(here, url=here.plex.url, token=TOKEN)["ok"]
    assert failure(here, token=TOKEN).startswith("Stash ")


def test_the_wrong_box(here: Installation) -> None:
    """A token in the box of the address, an address in that of the token, and what is neither, are told apart."""
    assert failure(here, url="Zq8vRk3mXw7Ls2Yd_4u-").startswith("This looks like a token, not an address.")
    assert failure(here, token=here.plex.url).startswith("The Plex token is a text without a token in it")
    assert failure(here, url="http://a b").startswith('"Plex address" cannot be used as an address.')
    assert "Plex's website" in failure(here, url="https://app.plex.tv")
    for args in ({"url": 5}, {"token": ["x"]}):
        said = here.stash.run_operation({"mode": "try_plex", **args}).error
        assert said == f"The {next(iter(args))} must be a text. Leave it out to try what is saved."


def test_the_token_is_refused(here: Installation) -> None:
    """A wrong token is told as such."""
    found = tried(here, token="wrong-token-wrong-token")
    assert found["sentence"] == 'Plex rejected the token (401). Check "Plex token".'
    assert (found["ok"], found["libraries"]) == (False, [])


def test_a_right_address_is_told_before_the_token(here: Installation) -> None:
    """The version says that Plex answers there, though the token is missing or wrong; else it is empty."""
    version = tried(here)["version"]
    assert version
    assert tried(here, token="wrong-token-wrong-token")["version"] == version
    here.stash.plugin_settings.clear()
    found = tried(here, url=here.plex.url)
    assert (found["ok"], found["version"]) == (False, version)
    assert found["sentence"].startswith("No Plex token is set.")
    found = tried(here, url="http://127.0.0.1:9")
    assert (found["version"], found["ms"]) == ("", None)
    assert '"Plex address"' in found["sentence"]


def test_nothing_listens(here: Installation) -> None:
    """A refused connection, with a hint about containers where it is one's own machine."""
    said = failure(here, url="http://127.0.0.1:9")
    assert said.startswith('Nothing listens at 127.0.0.1:9 in "Plex address".')
    assert "container" in said


def test_the_wrong_scheme_and_certificate(here: Installation) -> None:
    """``https`` to a server that has none is told; ``http`` to one that hangs up at once names the other scheme."""
    assert "does not use HTTPS" in failure(here, url=here.plex.url.replace("http://", "https://"))
    with answering(lambda connection: None) as where:
        assert "must begin with https://" in failure(here, url=f"http://{where}")


class _Page(BaseHTTPRequestHandler):
    """Another program's answer to everything; ``seen``: the requests, with their headers."""

    seen: ClassVar[list[str]] = []
    status, kind, body = 200, "text/html", b"<html><body>Welcome to the router</body></html>"

    def do_GET(self) -> None:
        body = self.body
        self.seen.append(f"{self.path} {self.headers}")
        self.send_response(self.status)
        self.send_header("Content-Type", self.kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Silence."""


@contextmanager
def another(status: int = 200, kind: str = "text/html", body: bytes = _Page.body) -> Iterator[tuple[str, list[str]]]:
    """Start a server that is not Plex; yield its address and the requests that it gets."""
    handler: type[_Page] = type("_Other", (_Page,), {"status": status, "kind": kind, "body": body, "seen": []})
    server = HTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}", handler.seen
    finally:
        server.shutdown()
        server.server_close()


def test_something_else_answers(here: Installation) -> None:
    """A page of another program is not Plex, at the saved address too, and gets no token, whoever asks."""
    with another() as (url, seen):
        here.stash.save_settings("PlexSync", {"plexUrl": url, "plexToken": TOKEN})
        for args in ({}, {"url": url, "token": TOKEN}, {"url": url, "saved_token": True}):
            found = tried(here, **args)
            assert (found["ok"], found["version"], found["ms"]) == (False, "", None)
            assert "does not identify itself as Plex" in found["sentence"]
    assert [one.split()[0] for one in seen] == ["/identity"] * 3
    assert TOKEN not in str(seen)


@pytest.mark.parametrize(
    ("status", "kind", "body", "says"),
    [
        (200, "text/html", b"<html/>", "does not identify itself as Plex"),
        (200, "application/json", b'{"data": {"version": "0.30.1"}}', "does not identify itself as Plex"),
        (200, "text/xml", b'<MediaContainer version="1.41.0"/>', "does not identify itself as Plex"),
        (200, "text/xml", b'<MediaContainer machineIdentifier="m"/>', "does not identify itself as Plex"),
        (200, "text/plain", b"", "does not identify itself as Plex"),
        (401, "text/html", b"Log in", "does not identify itself as Plex"),
        (403, "text/plain", b"Forbidden", "does not identify itself as Plex"),
        (404, "text/plain", b"Not found", "is not Plex (404)"),
        (302, "text/plain", b"", "redirect (302)"),
        (503, "text/plain", b"Maintenance", "starting or in maintenance"),
    ],
)
def test_no_token_before_plex_says_who_it_is(tmp_path: Path, status: int, kind: str, body: bytes, says: str) -> None:
    """Whatever a server answers: without machineIdentifier and version it gets no token."""
    with another(status, kind, body) as (url, seen):
        found = try_plex.run(str(tmp_path), {"url": url, "token": TOKEN})
    assert (found["ok"], found["version"]) == (False, "")
    assert says in found["sentence"]
    assert [one.split()[0] for one in seen] == ["/identity"]
    assert TOKEN not in str(seen)


def sent(server: PlexServer) -> set[str | None]:
    """Return the tokens that the server got."""
    return {request.header("X-Plex-Token") for request in server.log}


def know(here: Installation) -> None:
    """Let Plex be the one that the saved token was last accepted by."""
    here.folder.mkdir(parents=True, exist_ok=True)
    with closing(open_state(str(here.folder))) as state:
        Meta(state).machine = here.plex.machine


def test_the_saved_token_stays_with_its_plex(here: Installation) -> None:
    """Another Plex than the one that took it gets the saved token only if the person asks, and the answer says so."""
    with PlexServer(TOKEN) as other:
        know(here)
        other.machine = "another"
        other.add_section("Elsewhere", key=1)
        found = tried(here, url=other.url)
        assert (found["ok"], found["libraries"]) == (False, [])
        assert found["version"]
        assert "the saved token was not sent to it" in found["sentence"]
        assert sent(other) == {None}
        assert tried(here, url=other.url, saved_token=True)["ok"]
        assert sent(other) == {None, TOKEN}
        other.log.clear()
        assert not tried(here, url=other.url, token="typed-token-typed-token")["ok"]
        assert sent(other) == {None, "typed-token-typed-token"}
    said = here.stash.run_operation({"mode": "try_plex", "saved_token": "yes"}).error
    assert said == "The saved_token must be true or false."


def test_the_saved_token_follows_its_plex(here: Installation) -> None:
    """At the saved address in another spelling it is tried at once; elsewhere only where the same Plex answers."""
    assert tried(here, url=f"{here.plex.url}/web/index.html")["ok"]
    moved = here.plex.url.replace("127.0.0.1", "localhost")
    here.plex.log.clear()
    assert "was not sent" in failure(here, url=moved), "nothing was written yet, so nobody knows whose token it is"
    assert sent(here.plex) == {None}
    know(here)
    assert tried(here, url=moved)["ok"]


def test_no_saved_token_without_encryption(here: Installation) -> None:
    """A token that was saved for https is not sent over http to the same Plex, unless the person asks."""
    know(here)
    here.stash.configure(plexUrl=here.plex.url.replace("http://", "https://"))
    here.plex.log.clear()
    assert "was not sent" in failure(here, url=here.plex.url)
    assert tried(here, url=here.plex.url, saved_token=True)["ok"]


def _drip(connection: socket.socket) -> None:
    """Send a header that never ends, byte by byte."""
    connection.recv(1000)
    connection.sendall(b"HTTP/1.1 200 OK\r\nX-Slow: ")
    while True:
        connection.sendall(b"a")
        time.sleep(0.05)


def test_it_always_ends(here: Installation) -> None:
    """A server that takes the connection and says nothing, or says it byte by byte, costs the timeouts and no more."""
    here.stash.env |= {"PLEXSYNC_CONNECT_TIMEOUT": "0.5", "PLEXSYNC_READ_TIMEOUT": "1"}
    with answering(lambda connection: time.sleep(30)) as where:
        assert failure(here, url=where).startswith(("Plex took too long to answer.", '"Plex address" did not answer'))
    with answering(_drip) as where:
        said = failure(here, url=where)
    assert said.startswith('"Plex address" did not answer completely within 1.5 s.')
    assert try_plex.LIMIT < 10


def test_no_library_to_use(here: Installation) -> None:
    """A Plex without a library of the type Movies is not ok, and its libraries are shown."""
    del here.plex.sections[1]
    found = tried(here)
    assert found["sentence"].startswith("Plex has no library of the type Movies")
    assert [library["title"] for library in found["libraries"]] == ["Shows"]


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (socket.gaierror(-2, "unknown"), 'The name h in "Plex address" was not found.'),
        (TimeoutError(), 'No answer came from h:1 in "Plex address" within 4 s.'),
        (OSError(113, "no route"), "There is no way from Stash's machine to h:1"),
        (UnicodeError(), 'The name h in "Plex address" was not found.'),
    ],
)
def test_no_connection(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception, says: str) -> None:
    """Each way in which no connection comes about has its own sentence."""

    def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr(socket, "create_connection", fail)
    found = try_plex.run(str(tmp_path), {"url": "http://h:1", "token": TOKEN})
    assert found["sentence"].startswith(says)
    assert not found["ok"]


def test_a_bug_is_no_finding(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An error of ours is told as one, not as a problem of Plex."""

    def fail(*_: object) -> None:
        raise KeyError("x")

    monkeypatch.setattr(try_plex, "read_settings", fail)
    with pytest.raises(KeyError):
        try_plex.run(str(tmp_path), {"url": "http://h:1", "token": TOKEN})
    with pytest.raises(PlexSyncError, match="must be a text"):
        try_plex.run(str(tmp_path), {"url": []})
