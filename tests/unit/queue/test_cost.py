"""What the queue's statements cost: an index for each, and no transaction long enough to make a hook wait."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from plexsync.core import db, enqueue
from plexsync.queue import bulk, dead_letters, jobs, stock
from tests.support.queue_tools import NOW, Pauses, job, job_keys, keys, made, plan, scenes

VALUES = {
    "key": "scene:1", "reason": "x", "now": NOW, "due": NOW, "priority": 0, "far": NOW + 1, "limit": 9, "id": 1,
    "generation": 1, "task": "t1",
}  # fmt: skip

#: Statement -> what SQLite must use for it.
PLANS = {
    jobs.LEASE: [
        "USING INDEX job_due (status=? AND priority=? AND due<?)",
        "USING INDEX job_due (status=? AND priority=? AND due>?)",
    ],
    f"{stock._PUT_BY_STOCK} LIMIT 1": [
        "USING INDEX job_due (status=?)",
        "sqlite_autoindex_ack_queue_default_1 (key=?)",
    ],
    jobs._SETTLE["done"]: ["USING INTEGER PRIMARY KEY"],
    jobs._WAKE_KEY[0]: ["INDEX sqlite_autoindex_ack_queue_default_1 (key=?)"],
    jobs._WAKE_KEY[1]: ["INDEX sqlite_autoindex_ack_queue_default_1 (key=?)"],
}


@pytest.mark.parametrize("filled", [False, True], ids=["empty", "5,000 rows"])
@pytest.mark.parametrize("statement", PLANS, ids=range(len(PLANS)))
def test_plans(tmp_path: Path, statement: str, filled: bool) -> None:
    """Lease, adoption, settlement, the check for stopped tasks and the look-up of a key read no more than they need."""
    conn = made(tmp_path)
    if filled:
        jobs.enqueue_many(conn, job_keys(scenes(5000)), "x", NOW, 0, lambda _: None)
    steps = plan(conn, statement, VALUES)
    assert "SCAN ack_queue_default" not in steps
    assert [part for part in PLANS[statement] if part not in steps] == []


def opcodes(conn: sqlite3.Connection, act: Callable[[], object]) -> int:
    """Return how many steps of SQLite's machine an act takes, in tens: a cost that no other process changes."""
    steps = 0

    def count() -> int:
        nonlocal steps
        steps += 1
        return 0

    conn.set_progress_handler(count, 10)
    try:
        act()
    finally:
        conn.set_progress_handler(None, 10)
    return steps


def test_cost_does_not_grow(tmp_path: Path) -> None:
    """An insert, an edit, a lease and the worker's checks cost as much with 20,000 rows waiting as with none."""
    conn = made(tmp_path)
    number = iter(range(50_000, 60_000))

    def cost() -> list[int]:
        return [
            opcodes(conn, lambda: enqueue.enqueue(conn, f"scene:{next(number)}", "x", NOW, NOW)),
            opcodes(conn, lambda: enqueue.enqueue(conn, "scene:1", "x", NOW, NOW)),
            opcodes(conn, lambda: jobs.lease(conn, NOW, NOW + 3660, 10)),
            opcodes(conn, lambda: bulk.drop_stopped(conn, str(tmp_path))),
            opcodes(conn, lambda: jobs.rescue(conn, NOW)),
        ]

    enqueue.enqueue(conn, "scene:1", "x", NOW, NOW)
    cost()
    before = cost()
    jobs.enqueue_many(conn, job_keys(scenes(20_000)[1:]), "x", NOW + 900, 1, lambda _: None)
    after = cost()
    assert [late <= early + 10 for early, late in zip(before, after, strict=True)] == [True] * 5, (before, after)


Act = Callable[[sqlite3.Connection, Pauses], object]


def dead(conn: sqlite3.Connection) -> None:
    """Make every row a dead letter."""
    conn.execute("UPDATE ack_queue_default SET status = 9, reason = 'low_confidence'")


def waits(conn: sqlite3.Connection) -> None:
    """Make every row wait for a file."""
    conn.execute("UPDATE ack_queue_default SET waiting = 1, due = due + 900")


def held(conn: sqlite3.Connection) -> None:
    """Make every row one that ``dryRun`` holds back."""
    conn.execute("UPDATE ack_queue_default SET reason = 'dry_run'")


def stopped(conn: sqlite3.Connection) -> None:
    """Make every row one that a stopped task had marked."""
    conn.execute("UPDATE ack_queue_default SET bulk = 1, task = 't0'")


def as_stock(conn: sqlite3.Connection) -> None:
    """Make every row one that the stock class put."""
    conn.execute("UPDATE ack_queue_default SET status = 0, key = NULL")


def as_it_is(conn: sqlite3.Connection) -> None:
    """Leave the pending rows as they are."""


IDS = list(range(1, 2501))
STUDIOS = job_keys([f"studio:{n}" for n in IDS])
#: Act -> the state of the 2,500 rows before it, and rows changed for each.
BULK: dict[str, tuple[Callable[[sqlite3.Connection], None], Act, int]] = {
    "put_many": (as_it_is, lambda conn, sleep: jobs.enqueue_many(conn, job_keys(scenes(2500)), "x", NOW, 1, sleep), 1),
    "add_new": (
        as_it_is, lambda conn, sleep: jobs.add_missing(conn, STUDIOS, "x", NOW, 1, sleep), 1,
    ),
    "mark_many": (as_it_is, lambda conn, sleep: bulk.mark_many(conn, job_keys(scenes(2500)), "x", "t1", NOW, sleep), 1),
    "mark_due": (as_it_is, lambda conn, sleep: bulk.follow_due(conn, "t1", NOW, NOW + 9, sleep), 1),
    "hand_over": (stopped, lambda conn, sleep: bulk.hand_over(conn, "t0", sleep), 1),
    "retry": (dead, lambda conn, sleep: dead_letters.retry(conn, IDS, NOW, sleep), 1),
    "retry_all": (dead, lambda conn, sleep: dead_letters.retry_all(conn, NOW, sleep=sleep), 1),
    "discard": (dead, lambda conn, sleep: dead_letters.discard(conn, IDS, sleep), 2),
    "clear_dead": (dead, dead_letters.clear_dead, 2),
    "clear_pending": (as_it_is, lambda conn, sleep: dead_letters.clear_pending(conn, NOW, sleep), 2),
    "wake_held": (held, lambda conn, sleep: jobs.wake_held(conn, "dry_run", NOW, sleep), 1),
}  # fmt: skip


@pytest.mark.parametrize("name", BULK)
def test_chunks(tmp_path: Path, name: str) -> None:
    """What changes many rows does so a thousand at a time, and a hook gets in between without waiting."""
    conn, hook = made(tmp_path), made(tmp_path)
    jobs.enqueue_many(conn, job_keys(scenes(2500)), "x", NOW, 0, lambda _: None)
    prepare, act, cost = BULK[name]
    prepare(conn)
    pauses = Pauses(conn, hook)
    act(conn, pauses)
    pauses.check([1000, 1000, 500], cost)
    assert keys(conn, "key LIKE 'tag:%'") == ["tag:1", "tag:2"]


@pytest.mark.parametrize(
    ("prepare", "act"),
    [
        (waits, lambda conn, sleep: jobs.wake_scenes(conn, IDS[:1200], NOW, sleep)),
        (dead, lambda conn, sleep: jobs.wake_scenes(conn, IDS[:1200], NOW, sleep)),
        (waits, lambda conn, sleep: jobs.wake_all_waiting(conn, NOW, sleep)),
        (dead, lambda conn, sleep: jobs.wake_all_waiting(conn, NOW, sleep)),
    ],
    ids=["waiting", "unsure", "all waiting", "all unsure"],
)
def test_waking(tmp_path: Path, prepare: Callable[[sqlite3.Connection], None], act: Act) -> None:
    """Scenes are made due five hundred per transaction, with a pause that lets a hook in."""
    conn, hook = made(tmp_path), made(tmp_path)
    jobs.enqueue_many(conn, job_keys(scenes(1200)), "x", NOW, 0, lambda _: None)
    prepare(conn)
    pauses = Pauses(conn, hook)
    assert act(conn, pauses) == 1200
    pauses.check([500, 500, 200])
    assert len(keys(conn, f"status = 1 AND due = {NOW} AND key LIKE 'scene:%'")) == 1200


def test_stop_in_chunks(tmp_path: Path) -> None:
    """Stop drops what a task had marked in chunks too."""
    conn, hook = made(tmp_path), made(tmp_path)
    bulk.mark_many(conn, job_keys(scenes(2500)), "x", "t1", NOW, lambda _: None)
    pauses = Pauses(conn, hook)
    assert bulk.drop_stopped(conn, str(tmp_path), pauses) == 2500
    pauses.check([1000, 1000, 500])


def test_adoption_in_chunks(tmp_path: Path) -> None:
    """Thousands of rows of the stock class become jobs in chunks; a hook gets in between."""
    conn, hook = made(tmp_path), made(tmp_path)
    jobs.enqueue_many(conn, job_keys(scenes(2500)), "x", NOW, 0, lambda _: None)
    as_stock(conn)
    pauses = Pauses(conn, hook)
    stock.adopt(conn, NOW, pauses)
    assert [size // 2 for size in pauses.sizes] == [1000, 1000, 500]
    assert pauses.seconds == [db.PAUSE] * 3
    assert keys(conn, "status = 1 AND key LIKE 'scene:%'") == sorted(scenes(2500))


def test_pause_as_long_as_the_lock(tmp_path: Path) -> None:
    """After a long transaction the pause is as long: a hook finds the queue free half of the time."""
    conn = made(tmp_path)
    jobs.enqueue_many(conn, job_keys(scenes(3)), "x", NOW, 0, lambda _: None)

    def slowly(seconds: float) -> int:
        time.sleep(seconds)
        return 1

    conn.create_function("slowly", 1, slowly)
    pauses: list[float] = []
    update = "UPDATE ack_queue_default SET priority = 2 WHERE key = :key AND slowly(:seconds)"
    values = [{"key": key, "seconds": seconds} for key, seconds in zip(scenes(3), (0.03, 0.01, 0.0), strict=True)]
    db.in_chunks(conn, (update,), values, pauses.append, 1)
    assert pauses[0] >= 0.03
    assert pauses[1] >= 0.01
    assert len(pauses) == 2


def test_no_pause_after_the_last(tmp_path: Path) -> None:
    """What fits one transaction is not slowed down."""
    conn = made(tmp_path)
    pauses: list[float] = []
    jobs.enqueue_many(conn, job_keys(scenes(1000)), "x", NOW, 0, pauses.append)
    jobs.enqueue_many(conn, job_keys([]), "x", NOW, 0, pauses.append)
    assert pauses == []
    assert job(conn, "scene:1000")["status"] == stock.READY
