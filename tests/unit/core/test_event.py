"""Reading Stash's stdin: what is extracted, and that no input makes the reader raise."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from plexsync import hook
from plexsync.core import event as events
from tests.support import hook_events
from tests.support.hook_events import GOOD, OPERATION, RECORDED, TASK, VECTORS, Vector

TEXTS = ("scheme", "host", "cookie", "stash_dir", "type", "mode", "problem", "text")
named = pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector.name)


@named
def test_every_event_is_told_apart(vector: Vector) -> None:
    """An event names exactly its key, is rejected with a sentence, or is ignored."""
    event = events.read(vector.raw)
    kind = hook.KINDS.get(event.type)
    key = f"{kind}:{event.id}" if event.is_hook and kind and event.id and event.stash_dir else ""
    assert key == vector.key
    if event.problem:
        assert vector.said in event.problem


@pytest.mark.parametrize("vector", RECORDED, ids=lambda vector: vector.name)
def test_recordings_are_read_whole(vector: Vector) -> None:
    """The connection and the whole text are read from every hook that Stash v0.30.1 sent."""
    event = events.read(vector.raw)
    assert (event.scheme, event.host, event.port) == ("http", "127.0.0.1", 9999)
    assert (event.cookie, event.stash_dir) == ("c2Vzc2lvbg==", hook_events.DIR)
    assert (event.is_hook, event.mode, event.problem) == (True, "", "")
    assert event.text == vector.raw.decode()


@pytest.mark.parametrize(("raw", "mode"), [(TASK, "sync_all"), (OPERATION, "status")])
def test_tasks_and_operations_carry_their_mode(raw: bytes, mode: str) -> None:
    """A task or operation is not a hook, and its mode and connection are read."""
    event = events.read(raw)
    assert (event.is_hook, event.mode, event.problem) == (False, mode, "")
    assert (event.port, event.cookie, event.stash_dir) == (9999, "c2Vzc2lvbg==", hook_events.DIR)


@pytest.mark.parametrize(
    ("connection", "wanted"),
    [
        ({"Host": "0.0.0.0"}, ("http", "127.0.0.1", 9999)),
        ({"Host": "::"}, ("http", "127.0.0.1", 9999)),
        ({"Host": "[::]"}, ("http", "127.0.0.1", 9999)),
        ({"Host": "*"}, ("http", "127.0.0.1", 9999)),
        ({"Host": ""}, ("http", "127.0.0.1", 9999)),
        ({"Host": " "}, ("http", "127.0.0.1", 9999)),
        ({"Host": None}, ("http", "127.0.0.1", 9999)),
        ({"Host": 7}, ("http", "127.0.0.1", 9999)),
        ({"Host": "192.168.1.5", "Port": 1}, ("http", "192.168.1.5", 1)),
        ({"Host": "fe80::1", "Port": 65535}, ("http", "fe80::1", 65535)),
        ({"Scheme": "https", "Host": " stash.lan "}, ("https", "stash.lan", 9999)),
        ({"Scheme": "HTTPS"}, ("http", "127.0.0.1", 9999)),
        ({"Scheme": "javascript"}, ("http", "127.0.0.1", 9999)),
        ({"Scheme": None, "Port": None}, ("http", "127.0.0.1", 9999)),
        ({"Port": 0}, ("http", "127.0.0.1", 9999)),
        ({"Port": -1}, ("http", "127.0.0.1", 9999)),
        ({"Port": 65536}, ("http", "127.0.0.1", 9999)),
        ({"Port": "8080"}, ("http", "127.0.0.1", 9999)),
        ({"Port": 8080.5}, ("http", "127.0.0.1", 9999)),
        ({"Port": True}, ("http", "127.0.0.1", 9999)),
        ({"Port": 10**30}, ("http", "127.0.0.1", 9999)),
    ],
)
def test_the_address_can_be_called(connection: dict[str, Any], wanted: tuple[str, str, int]) -> None:
    """Whatever address Stash names, the result is one that a client can connect to."""
    event = events.read(hook_events.hook(1, "Scene.Update.Post", **connection))
    assert (event.scheme, event.host, event.port) == wanted


@pytest.mark.parametrize("cookie", [None, {}, [], "x", {"Value": None}, {"Value": 5}, {"Value": ["x"]}, {"Value": ""}])
def test_a_cookie_of_another_kind_is_none(cookie: object) -> None:
    """An event without a usable cookie is valid, with an empty cookie."""
    event = events.read(hook_events.hook(1, "Scene.Update.Post", SessionCookie=cookie))
    assert (event.cookie, event.id, event.problem) == ("", 1, "")


def test_lone_surrogates_do_not_lose_the_event() -> None:
    """The slow path reads what SQLite cannot extract: the same event, surrogates replaced, text unchanged."""
    raw = hook_events.hook(4, "Tag.Merge.Post", {"x": "\ud800"}, SessionCookie={"Value": "a\udc00b"})
    event = events.read(raw)
    assert (event.id, event.type, event.cookie, event.problem) == (4, "Tag.Merge.Post", "a?b", "")
    assert event.text == raw.decode()


@pytest.mark.parametrize(
    "odd", [b"[" * 2_000 + b"]" * 2_000, b"[" * 200_000, b"9" * 5_000], ids=["deep", "deeper", "long"]
)
def test_what_no_reader_can_follow_is_refused(odd: bytes) -> None:
    """Nesting or a number beyond the limits of both paths ends in a sentence."""
    event = events.read(GOOD.replace(b"Scene", b"\\ud800").replace(b": null", b": " + odd))
    assert "could not read the JSON" in event.problem


@pytest.mark.parametrize("size", [events.LARGE - 2_000, events.LARGE + 2_000])
@pytest.mark.parametrize(
    ("raw", "wanted"),
    [
        (GOOD, (1, "Scene.Update.Post", "")),
        (hook_events.hook(None, "Gallery.Update.Post"), (0, "Gallery.Update.Post", "")),
        (GOOD[:-1], (0, "", "PlexSync ignored the event: it could not read the JSON on stdin.")),
        (hook_events.document([]), (0, "", "PlexSync ignored the event: the JSON on stdin has no args.")),
    ],
)
def test_a_large_event_reads_as_a_small_one(size: int, raw: bytes, wanted: tuple[int, str, str]) -> None:
    """An event reads the same by SQLite and, because of its size, by ``json``."""
    event = events.read(raw.replace(b'"server_connection"', b'"cover": "%s", "server_connection"' % (b"x" * size)))
    assert (event.id, event.type, event.problem) == wanted


def test_a_large_cover_is_never_looked_into() -> None:
    """A key inside a hook's input is not taken for one of the event."""
    event = events.read(hook_events.hook(5, "Scene.Update.Post", {"args": {"mode": "x"}, "id": 9, "type": "y"}))
    assert (event.id, event.type, event.mode) == (5, "Scene.Update.Post", "")


@pytest.mark.parametrize("text", ["", "plain", 'q"uo\\te', "a\nb\tc", "\ud800", "\0", "\u2028", "é" * 500])
def test_answers_are_json(text: str) -> None:
    """Any sentence is printed as one JSON document on one line."""
    answer = events.to_json("error", text)
    assert json.loads(answer) == {"error": text.encode("utf-8", "replace").decode()}
    assert "\n" not in answer


def well_formed(event: events.Event) -> None:
    """Check what ``Event`` promises, whatever was read."""
    assert all(isinstance(getattr(event, name), str) for name in TEXTS)
    assert type(event.id) is int
    assert 0 <= event.id < 2**63
    assert 0 < event.port < 65536
    assert event.scheme in ("http", "https")
    assert event.host
    assert event.problem or event.is_hook or event.mode


@settings(max_examples=300, deadline=None)
@given(st.one_of(st.binary(max_size=200), st.text(st.characters()).map(lambda t: t.encode("utf-8", "surrogatepass"))))
def test_arbitrary_bytes_never_raise(raw: bytes) -> None:
    """No bytes on stdin make the reader raise, and the result is well formed."""
    well_formed(events.read(raw))


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_damaged_documents_never_raise(data: st.DataObject) -> None:
    """A document with bytes cut out, overwritten or inserted is read or rejected, without an exception."""
    raw = bytearray(data.draw(st.sampled_from([v.raw for v in RECORDED] + [TASK, OPERATION])))
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(raw)))
        raw[at : at + data.draw(st.integers(0, 20))] = data.draw(st.binary(max_size=8))
    well_formed(events.read(bytes(raw)))


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(), max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)
PLACES: list[tuple[str, ...]] = [
    (), ("args",), ("args", "mode"), ("args", "hookContext"), ("args", "hookContext", "id"),
    ("args", "hookContext", "type"), ("server_connection",), ("server_connection", "SessionCookie"),
    ("server_connection", "SessionCookie", "Value"), ("server_connection", "Host"), ("server_connection", "Port"),
    ("server_connection", "Scheme"), ("server_connection", "Dir"),
]  # fmt: skip


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(PLACES), values), min_size=1, max_size=3))
def test_any_value_at_any_place_never_raises(changes: list[tuple[tuple[str, ...], object]]) -> None:
    """JSON of any type in the wrong place is read or rejected, without an exception."""
    document: Any = json.loads(GOOD)
    for place, value in changes:
        inside = document
        for name in place[:-1]:
            inside = inside.get(name) if isinstance(inside, dict) else None
        if not place:
            document = value
        elif isinstance(inside, dict):
            inside[place[-1]] = value
    well_formed(events.read(json.dumps(document).encode()))
