"""Every way in which Stash can fail is a ``StashUnavailable`` with a sentence without secrets."""

from __future__ import annotations

import threading
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from plexsync.core.connection import Connection
from plexsync.model.errors import StashUnavailable
from plexsync.stash.api import Stash
from plexsync.stash.transport import StashRefused
from tests.servers.stash import FAULTS, StashServer

SECRETS = ("cookie-0815", "key-4711", "apikey=", "session=", "?")
#: What the sentence says, and whether the login counts as refused.
SAID = {
    "hang": ("timeout", False),
    "status_500": ("status 500", False),
    "html": ("text/html instead of JSON", False),
    "locked_database": ("database is busy", False),
    "setup_needed": ("database has not been initialised", False),
    "redirect": ("rejected the login", True),
    "reset": ("the connection failed", False),
    "stopped": ("the connection failed", False),
}
QUESTIONS: dict[str, Callable[[Stash], object]] = {
    "ask": lambda stash: stash.ask("query { version { hash } }"),
    "settings": lambda stash: stash.settings(),
    "api_key": lambda stash: stash.api_key(),
    "batch": lambda stash: stash.batch([1, 2]),
    "ids": lambda stash: list(stash.ids({})),
    "changed": lambda stash: list(stash.changed("studio", "2026")),
    "changes": lambda stash: list(stash.changes("2026")),
    "entities": lambda stash: stash.entities("tag", [1]),
    "scenes_with": lambda stash: list(stash.scenes_with("tag", [1])),
    "count": lambda stash: stash.count({}),
    "sample": lambda stash: stash.sample(3),
    "files_named": lambda stash: stash.files_named(["a.mp4"]),
    "tag_id": lambda stash: stash.tag_id("new"),
    "add_tag": lambda stash: stash.add_tag([1], 1),
    "tell": lambda stash: stash.tell([{"level": "i", "message": "m"}]),
}


@pytest.fixture
def server(tmp_path: Path) -> Iterator[StashServer]:
    """Start a Stash with two scenes, a tag and our key."""
    with StashServer(tmp_path / "stash") as running:
        running.api_key = "key-4711"
        running.add_scene("one", files=[("/d/a.mp4", 1, 1)], tags=[running.add_tag("t")], cover=b"jpeg")
        running.add_scene("two")
        yield running
        running.release()


def connect(server: StashServer, read_timeout: float = 10) -> Stash:
    """Return a client with both secrets."""
    return Stash(Connection(port=server.port, cookie="cookie-0815", api_key="key-4711"), 5, read_timeout)


def misbehave(server: StashServer, kind: str) -> None:
    """Make every request fail with that fault from now on."""
    if kind == "stopped":
        server.stop()
    else:
        server.fault(kind)


def recover(server: StashServer) -> None:
    """End all faults."""
    server.faults.clear()
    server.release()
    server.start()


def test_every_fault_of_the_server_is_expected_here() -> None:
    """The table below has every fault of the test server."""
    assert set(SAID) == {*FAULTS, "stopped"}


@pytest.mark.parametrize("kind", SAID)
@pytest.mark.parametrize("stage", ["constructor", "question"])
def test_a_fault_is_one_sentence_and_passes(server: StashServer, kind: str, stage: str) -> None:
    """At any request a fault is ``StashUnavailable`` without a secret, and the client works afterwards."""
    stash = connect(server, 0.2 if kind == "hang" else 10)
    if stage == "question" and kind != "hang":
        stash.settings()
    words, refused = SAID[kind]
    misbehave(server, kind)
    with pytest.raises(StashUnavailable, match=words) as caught:
        stash.settings()
    assert caught.value.refused is refused
    assert isinstance(caught.value, StashRefused) is (kind == "setup_needed")
    assert_clean(caught.value)
    recover(server)
    assert connect(server).settings() == {}
    if kind != "hang":
        assert stash.settings() == {}
    stash.close()


def assert_clean(error: StashUnavailable) -> None:
    """Check that neither the sentence nor the printed error has a secret or a URL's query."""
    for text in (str(error), repr(error), "".join(traceback.format_exception_only(error))):
        assert text.strip()
        assert not any(secret in text for secret in SECRETS), text
    whole = "".join(traceback.format_exception(error))
    assert "cookie-0815" not in whole
    assert "key-4711" not in whole


@pytest.mark.parametrize("operation", ["StashVersion", "getApiKey", "findScenes", "screenshot"])
def test_nothing_waits_for_ever(server: StashServer, operation: str) -> None:
    """A Stash that stops answering at any request, also in stashapi's constructor, is a timeout."""
    server.fault("hang", operation=operation)
    stash = connect(server, 0.5)
    with pytest.raises(StashUnavailable, match="timeout"):
        stash.cover(1) if operation == "screenshot" else stash.count({})
    stash.close()


@pytest.mark.parametrize("kind", ["hang", "status_500", "redirect", "reset", "stopped"])
def test_a_cover_that_does_not_come(server: StashServer, kind: str) -> None:
    """A fault of a cover is the same error, and the cover comes later."""
    misbehave(server, kind)
    stash = connect(server, 0.2 if kind == "hang" else 10)
    words, refused = SAID[kind]
    with pytest.raises(StashUnavailable, match=words) as caught:
        stash.cover(1)
    assert caught.value.refused is refused
    assert_clean(caught.value)
    recover(server)
    assert connect(server).cover(1)[:2] == (b"jpeg", "image/jpeg")


@pytest.mark.parametrize("name", QUESTIONS)
@pytest.mark.parametrize("kind", ["status_500", "locked_database", "reset"])
def test_every_question_fails_in_the_same_way(server: StashServer, name: str, kind: str) -> None:
    """No query raises another error or returns something invented."""
    stash = connect(server)
    stash.settings()
    server.fault(kind)
    with pytest.raises(StashUnavailable, match=SAID[kind][0]) as caught:
        QUESTIONS[name](stash)
    assert not isinstance(caught.value, StashRefused)
    stash.close()


def test_a_question_that_stash_does_not_know_is_invalid(server: StashServer) -> None:
    """A query outside the schema (422) is invalid, and one refused for its content (200) is not."""
    stash = connect(server)
    with pytest.raises(StashRefused, match="Cannot query field") as invalid:
        stash.ask("query { nonsense }")
    with pytest.raises(StashRefused, match="not found") as refused:
        stash.ask("query { findScenes(ids: [99]) { count } }")
    assert (invalid.value.invalid, refused.value.invalid) == (True, False)
    with pytest.raises(StashRefused) as long:
        stash.ask("query { " + "x" * 5000 + " }")
    assert len(str(long.value)) < 400
    stash.close()


def test_https_spoken_to_http_says_so(server: StashServer) -> None:
    """HTTPS to a Stash that now speaks HTTP is reported as a failed TLS connection."""
    stash = Stash(Connection("https", port=server.port, api_key="key-4711"), 5, 5)
    for question in (stash.settings, lambda: stash.cover(1)):
        with pytest.raises(StashUnavailable, match="the TLS connection failed"):
            question()


@contextmanager
def answering(body: bytes, status: int = 200, kind: str = "application/json") -> Iterator[Stash]:
    """Return a client of a server that answers everything alike."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Nothing is printed."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http:
        thread = threading.Thread(target=http.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        stash = Stash(Connection(port=http.server_address[1]), 5, 5)
        yield stash
        stash.close()
        http.shutdown()
        thread.join()


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 200), (b"no JSON", 200), (b"\xff\xfe", 200), (b"[]", 200), (b"null", 200), (b'"text"', 200), (b"{}", 200),
        (b'{"data": null}', 200), (b'{"data": 7}', 200), (b'{"data": []}', 200), (b'{"data": {}}', 200),
        (b'{"errors": "no list"}', 200), (b'{"errors": [1]}', 200), (b'{"error": "not found"}', 404),
        (b'{"message": "slow down"}', 429),
    ],
)  # fmt: skip
def test_json_that_is_no_answer(body: bytes, status: int) -> None:
    """JSON that is not a GraphQL answer is ``StashUnavailable``, never a bare exception."""
    with answering(body, status) as stash, pytest.raises(StashUnavailable, match="cannot read") as caught:
        stash.settings()
    assert not isinstance(caught.value, StashRefused)


@pytest.mark.parametrize(
    ("body", "said"), [(b'{"errors": [{}]}', "None"), (b'{"errors": [{"message": "a"}, {"message": "b"}]}', "a; b")]
)
def test_errors_without_words(body: bytes, said: str) -> None:
    """An error without a message is still a refusal; several are all quoted."""
    with answering(body) as stash, pytest.raises(StashRefused, match=f": {said}$"):
        stash.settings()


ALMOST = (
    b'{"data": {"version": {"version": "v0.30.1", "hash": "d70ff551"}, "configuration": {"general": {"apiKey": ""}}}}'
)


@pytest.mark.parametrize("name", ["batch", "ids", "count", "sample", "files_named", "tag_id"])
def test_an_answer_to_another_question(name: str) -> None:
    """An answer without the requested data is ``StashUnavailable`` too."""
    with answering(ALMOST) as stash, pytest.raises(StashUnavailable, match="Stash's answer: find"):
        QUESTIONS[name](stash)


@pytest.mark.parametrize("kind", ["text/plain", "text/html; charset=utf-8", ""])
def test_an_answer_that_is_not_json(kind: str) -> None:
    """Another content type is rejected by name before it is read."""
    with (
        answering(b'{"data": {}}', kind=kind) as stash,
        pytest.raises(StashUnavailable, match="instead of JSON") as caught,
    ):
        stash.settings()
    assert (kind or "nothing") in str(caught.value)


def test_a_count_that_is_never_reached_ends_a_listing() -> None:
    """A Stash that counts more scenes than it lists is not asked for further pages for ever."""
    body = ALMOST.replace(b'{"data": {', b'{"data": {"findScenes": {"count": 5, "scenes": []}, ')
    with answering(body) as stash:
        assert list(stash.ids({})) == []
        assert stash.requests == 3
