"""Try Plex: what the page says about an address and a token before anything is saved, whatever answers there."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from plexsync.model.errors import PlexSyncError
from plexsync.tasks import try_plex
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
    """Another program's page, with status 200."""

    def do_GET(self) -> None:
        body = b"<html><body>Welcome to the router</body></html>"
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Silence."""


def test_something_else_answers(here: Installation) -> None:
    """A page of another program is not Plex."""
    server = HTTPServer(("127.0.0.1", 0), _Page)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    said = failure(here, url=f"http://127.0.0.1:{server.server_address[1]}")
    server.shutdown()
    server.server_close()
    assert "does not identify itself as Plex" in said


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
