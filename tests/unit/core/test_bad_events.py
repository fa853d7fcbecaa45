"""Ten thousand malformed events: each gets one JSON document, and none leaves a row."""

from __future__ import annotations

import copy
import json
import random
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from plexsync import hook
from plexsync.core import event as events
from plexsync.queue import schema
from plexsync.tasks import dispatch
from tests.support.hook_events import GOOD, VECTORS, document
from tests.support.processes import worker_held

#: Events made from one seed; with ``SEEDS`` of them it is ten thousand.
MANY, SEEDS = 100, 100

#: The documents that are spoilt: recorded ones, short ones, and none with megabytes.
WHOLE = [vector.raw for vector in VECTORS if len(vector.raw) < 20_000]

#: Values that may stand where another was expected.
VALUES: list[Any] = [
    None, True, False, 0, -1, 1, 12, 1.0, 1e300, 2**63, 10**40, "", "0", "1", " 7 ", "no mode", "\x00", "\ud800", "é",
    "Tag.Merge.Post", "'; DROP TABLE ack_queue_default; --", [], {}, [1], [[[]]], {"id": 1}, {"type": "Tag.Merge.Post"},
]  # fmt: skip

#: Bytes that are put where they do not belong.
BITS = [
    b"\0",
    b"\xff",
    b"\xc3\x28",
    b'"',
    b"\\",
    b"\\u",
    b"\\ud800",
    b"{",
    b"}",
    b"[",
    b"]",
    b",",
    b":",
    b"NaN",
    b"//",
    b"\n",
]


def first_wins(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return an object as SQLite reads one with equal keys: the first counts."""
    first: dict[str, Any] = {}
    for key, value in pairs:
        first.setdefault(key, value)
    return first


def refuse(text: str) -> None:
    """Reject NaN, which is not JSON."""
    raise ValueError(text)


def named(raw: bytes) -> str:
    """Return the key that an event names by the contract, as Python's JSON parser reads it.

    ``""`` for rubbish, ``?`` if it is too deep to tell.
    """
    text = raw.removeprefix(b"\xef\xbb\xbf").decode("utf-8", "replace")
    try:
        context = json.loads(text, strict=False, object_pairs_hook=first_wins, parse_constant=refuse)
    except ValueError:
        return ""
    except RecursionError:
        return "?"  # how deep Python reads depends on the stack of the moment
    for name in ("args", "hookContext"):
        context = context.get(name) if isinstance(context, dict) else None
    if not isinstance(context, dict) or type(context.get("id")) is not int or not 0 < context["id"] < 2**63:
        return ""
    kind = context.get("type")
    return f"{hook.KINDS[kind]}:{context['id']}" if isinstance(kind, str) and kind in hook.KINDS else ""


def places(value: Any) -> list[tuple[Any, Any]]:
    """Return every (container, key or index) in a document, which may be deeper than Python calls."""
    found: list[tuple[Any, Any]] = []
    left = [value]
    while left:
        one = left.pop()
        inner = list(one.items() if isinstance(one, dict) else enumerate(one) if isinstance(one, list) else ())
        found += [(one, key) for key, _ in inner]
        left += [child for _, child in inner]
    return found


def replaced(raw: bytes, chance: random.Random) -> bytes:
    """Return the document with some values replaced, renamed or removed; unchanged if it is not JSON."""
    try:
        document = json.loads(raw)
    except (ValueError, RecursionError):
        return raw
    for _ in range(chance.randint(1, 4)):
        where = places(document)
        if not where:
            break
        container, key = chance.choice(where)
        if chance.random() < 0.2:
            del container[key]
        elif chance.random() < 0.2 and isinstance(container, dict):
            container[chance.choice(["id", "type", "mode", "args", "Dir", "x"])] = container.pop(key)
        else:
            container[key] = copy.deepcopy(chance.choice(VALUES))
    try:
        return json.dumps(document).encode()
    except RecursionError:  # some versions read deeper documents than they write
        return raw


def broken(raw: bytes, chance: random.Random) -> bytes:
    """Return the document with bytes cut out, repeated, inserted or changed."""
    for _ in range(chance.randint(1, 3)):
        start = chance.randint(0, len(raw))
        end = min(len(raw), start + chance.choice([1, 2, 10, 100, len(raw)]))
        piece = chance.choice([b"", raw[start:end] * 2, chance.choice(BITS), chance.randbytes(3)])
        raw = raw[:start] + piece + raw[end:]
    return raw


def noise(raw: bytes, chance: random.Random) -> bytes:
    """Return bytes that do not resemble an event."""
    made = [
        chance.randbytes(chance.randint(0, 200)),
        json.dumps(chance.choice(VALUES)).encode(),
        b" " * chance.randint(0, 9),
    ]
    return chance.choice([*made, b'{"args":' + chance.choice(made) + b"}", document(chance.choice(VALUES))])


WAYS: list[Callable[[bytes, random.Random], bytes]] = [replaced, replaced, broken, broken, noise]


@pytest.fixture
def queue(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[sqlite3.Connection]:
    """Create the queue of the one data folder that every event is for; a worker seems to be running."""
    monkeypatch.setenv("PLEXSYNC_DATA_DIR", str(tmp_path))
    with worker_held(tmp_path):
        conn = schema.open_queue(str(tmp_path), 0)
        yield conn
        conn.close()


def answered(raw: bytes) -> str:
    """Return what the entry prints for these bytes before its ``os._exit``."""
    event = events.read(raw)
    if event.problem:
        return events.to_json("error", event.problem)
    return hook.handle(event) if event.is_hook else dispatch.answer(event)


def spoilt(chance: random.Random) -> bytes:
    """Return an event that no longer names anything."""
    raw = chance.choice(WHOLE)
    while True:
        raw = chance.choice(WAYS)(raw, chance)
        if not named(raw):
            return raw


def well_said(raw: bytes) -> dict[str, Any]:
    """Return the one document of an answer: it has one key, and one line of text if it is an error."""
    said: dict[str, Any] = json.loads(answered(raw))
    assert list(said) in (["output"], ["error"]), raw
    if "error" in said:
        assert isinstance(said["error"], str), raw
        assert said["error"].strip(), raw
        assert "Traceback" not in said["error"], raw
        assert "\n" not in said["error"], raw
    return said


def keys(queue: sqlite3.Connection) -> list[str]:
    """Return the keys in the queue."""
    return [key for (key,) in queue.execute("SELECT key FROM ack_queue_default")]


@settings(
    max_examples=SEEDS,
    deadline=None,
    phases=[Phase.explicit, Phase.generate],  # a smaller seed is no simpler case
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(seed=st.integers(0, 2**32))
def test_ten_thousand_malformed_events(queue: sqlite3.Connection, capfd: pytest.CaptureFixture[str], seed: int) -> None:
    """However an event is damaged, there is one JSON document, no traceback, and no row for rubbish."""
    chance = random.Random(seed)
    for _ in range(MANY):
        raw = spoilt(chance)
        well_said(raw)
        assert keys(queue) == [], raw
    assert "Traceback" not in capfd.readouterr().err


JSON = st.recursive(
    st.sampled_from(VALUES) | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["id", "type", "x"]), inner, max_size=3)
    ),
    max_leaves=6,
)


@settings(
    max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(number=JSON, kind=st.sampled_from([*hook.KINDS]) | JSON, connection=JSON, given=JSON)
def test_any_json_where_it_does_not_belong(
    queue: sqlite3.Connection, number: Any, kind: Any, connection: Any, given: Any
) -> None:
    """Id, type, connection and input may be any JSON: only a usable id and type make a row."""
    context = {"id": number, "type": kind, "input": given}
    whole = {"server_connection": connection, "args": {"hookContext": context}}
    said = well_said(json.dumps(whole, allow_nan=False).encode())
    is_good = type(number) is int and 0 < number < 2**63 and isinstance(kind, str) and kind in hook.KINDS
    wanted = [f"{hook.KINDS[kind]}:{number}"] if is_good else []
    assert (keys(queue), said.get("output") == f"queued {''.join(wanted)}") == (wanted, is_good)
    queue.execute("DELETE FROM ack_queue_default")


def test_the_good_one_is_queued(queue: sqlite3.Connection) -> None:
    """The undamaged event is queued, so the other tests do not pass because nothing ever is."""
    assert named(GOOD) == "scene:1"
    assert well_said(GOOD) == {"output": "queued scene:1"}
    assert keys(queue) == ["scene:1"]
