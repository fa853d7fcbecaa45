"""What tasks mark: bulk rows of one task, how the task follows them, and that Stop drops them."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from plexsync.core import environment, locks
from plexsync.queue import bulk, stock
from tests.support.queue_tools import NOW, change, job, job_keys, keys, leased, made, put, settle


@contextmanager
def task(folder: Path, task_id: str) -> Iterator[None]:
    """Hold ``task.lock`` as the running task ``task_id``."""
    fd = locks.open_lock(str(folder / environment.TASK_LOCK))
    try:
        assert locks.try_lock(fd)
        locks.write_text(fd, task_id)
        yield
    finally:
        os.close(fd)


def mark(conn: sqlite3.Connection, name: str, *names: str, now: float = NOW) -> None:
    """Mark keys for the task ``name``."""
    bulk.mark_many(conn, job_keys(list(names)), "Sync all", name, now, lambda _: None)


def test_new_row_is_bulk(tmp_path: Path) -> None:
    """A new row is bulk, belongs to the task, is due now, and comes after everything else."""
    conn = made(tmp_path)
    mark(conn, "t1", "scene:1")
    row = job(conn, "scene:1")
    assert (row["status"], row["bulk"], row["task"], row["priority"], row["due"]) == (stock.READY, 1, "t1", 2, NOW)
    assert row["data"] == b'{"key":"scene:1","reason":"Sync all","at":%.1f}' % NOW
    put(conn, "scene:2")
    assert leased(conn, 1) == ["scene:2"]


def test_pending_row_keeps_its_priority(tmp_path: Path) -> None:
    """A pending edit only comes forward, with its attempts reset: it keeps its priority and never becomes bulk."""
    conn = made(tmp_path)
    put(conn, "scene:1", now=NOW - 9, priority=1)
    change(conn, "scene:1", due=NOW + 900, attempts=3, waiting=NOW, rescues=2, reason="busy")
    mark(conn, "t1", "scene:1")
    row = job(conn, "scene:1")
    assert (row["due"], row["priority"], row["bulk"], row["task"], row["generation"]) == (NOW, 1, 0, "t1", 2)
    assert (row["attempts"], row["waiting"], row["rescues"], row["reason"]) == (0, None, 0, None)
    assert row["first_seen"] == NOW - 9


def test_mark_never_delays(tmp_path: Path) -> None:
    """Marking never delays a due row."""
    conn = made(tmp_path)
    put(conn, "scene:1", now=NOW - 60)
    mark(conn, "t1", "scene:1")
    assert job(conn, "scene:1")["due"] == NOW - 60


def test_retried_dead_letter_is_never_bulk(tmp_path: Path) -> None:
    """A dead letter that a task marks is retried for good: Stop does not drop it."""
    conn = made(tmp_path)
    put(conn, "scene:1")
    change(conn, "scene:1", status=stock.DEAD, bulk=1, reason="rejected", first_seen=NOW - 900)
    mark(conn, "t1", "scene:1")
    row = job(conn, "scene:1")
    assert (row["status"], row["bulk"], row["reason"], row["first_seen"]) == (stock.READY, 0, None, NOW)
    assert bulk.drop_stopped(conn, str(tmp_path)) == 0


def test_mark_of_leased(tmp_path: Path) -> None:
    """A marked row in progress is done again afterwards: only its generation rises."""
    conn = made(tmp_path)
    put(conn, "scene:1", now=NOW - 1)
    leased(conn)
    mark(conn, "t1", "scene:1")
    row = job(conn, "scene:1")
    assert (row["status"], row["generation"], row["bulk"], row["due"]) == (stock.LEASED, 2, 0, NOW - 1)
    settle(conn, "scene:1", "done")
    assert leased(conn) == ["scene:1"]


def test_following(tmp_path: Path) -> None:
    """A task's rows count as left until each is settled or due later; rows of other tasks do not count."""
    conn = made(tmp_path)
    mark(conn, "t1", "scene:1", "scene:2", "scene:3", "scene:4")
    mark(conn, "t2", "scene:5")
    assert bulk.left(conn, "t1", NOW) == 4
    leased(conn)
    assert bulk.left(conn, "t1", NOW) == 4
    settle(conn, "scene:1", "done", task="t1", outcome="synced")
    settle(conn, "scene:2", "later", due=NOW + 30, task="t1", outcome="retried")
    settle(conn, "scene:3", "dead", task="t1", outcome="dead")
    settle(conn, "scene:4", "done", task="t1", outcome="synced")
    assert (bulk.left(conn, "t1", NOW), bulk.left(conn, "t2", NOW)) == (0, 1)
    assert bulk.outcomes(conn, "t1") == {"synced": 2, "retried": 1, "dead": 1}
    bulk.forget_counts(conn, "t1")
    assert bulk.outcomes(conn, "t1") == {}


def test_follow_what_is_due(tmp_path: Path) -> None:
    """Process queue follows what is due now, wrong clocks included, without owning it."""
    conn = made(tmp_path)
    for number, due in enumerate((-5.0, 0.0, 60.0, 9e6), 1):
        put(conn, f"scene:{number}", now=NOW + due)
    put(conn, "scene:5", "scene:6")
    change(conn, "scene:5", status=stock.LEASED)
    change(conn, "scene:6", status=stock.DEAD)
    assert bulk.follow_due(conn, "t1", NOW, NOW + 3660) == 3
    assert keys(conn, "task = 't1'") == ["scene:1", "scene:2", "scene:4"]
    assert keys(conn, "bulk = 1") == []
    assert bulk.follow_due(conn, "t1", NOW, NOW + 3660) == 0
    assert bulk.follow_due(conn, "t2", NOW, NOW + 3660) == 3


def test_stop(tmp_path: Path) -> None:
    """Once the task is gone, its pending bulk rows are dropped, leased ones when they are released; edits stay."""
    conn = made(tmp_path)
    put(conn, "scene:9")
    with task(tmp_path, "t1"):
        mark(conn, "t1", "scene:1", "scene:2", "scene:3", "scene:9")
        put(conn, "scene:3")
        assert bulk.drop_stopped(conn, str(tmp_path)) == 0
        change(conn, "scene:2", status=stock.LEASED, leased=1)
        settle(conn, "scene:9", "later", task="t1", outcome="x", due=NOW)
    assert bulk.drop_stopped(conn, str(tmp_path)) == 1
    assert keys(conn) == ["scene:2", "scene:3", "scene:9"]
    assert bulk.outcomes(conn, "t1") == {}
    settle(conn, "scene:2", "later", due=NOW + 30)
    assert bulk.drop_stopped(conn, str(tmp_path)) == 1
    assert keys(conn) == ["scene:3", "scene:9"]


def test_handed_over(tmp_path: Path) -> None:
    """What a task hands over at its end stays, as the background worker's."""
    conn = made(tmp_path)
    put(conn, "scene:9")
    with task(tmp_path, "t1"):
        mark(conn, "t1", "scene:1", "scene:2", "scene:9")
        leased(conn, 2)
        assert bulk.hand_over(conn, "t1") == 2
    assert bulk.drop_stopped(conn, str(tmp_path)) == 0
    assert keys(conn, "bulk = 0") == ["scene:1", "scene:2", "scene:9"]


def test_only_the_stopped_task(tmp_path: Path) -> None:
    """Rows of the running task stay while those of stopped tasks are dropped."""
    conn = made(tmp_path)
    mark(conn, "1710000000-7", "scene:4")
    mark(conn, "t1", "scene:1")
    mark(conn, "t2", "scene:2")
    mark(conn, "t3", "scene:3")
    with task(tmp_path, "t2"):
        assert bulk.drop_stopped(conn, str(tmp_path)) == 3
    assert keys(conn) == ["scene:2"]


def test_task_that_starts_meanwhile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A task that starts and marks while a stopped task's rows are dropped loses none of its rows."""
    conn = made(tmp_path)
    mark(conn, "t1", "scene:1")
    running_task = bulk.running_task

    def read_just_before(folder: str) -> str:
        alive = running_task(folder)
        mark(conn, "t2", "scene:2")
        return alive

    monkeypatch.setattr(bulk, "running_task", read_just_before)
    assert bulk.drop_stopped(conn, str(tmp_path)) == 1
    assert keys(conn) == ["scene:2"]


def test_running_task(tmp_path: Path) -> None:
    """The running task is the one that holds the lock; the file of a killed task means nothing."""
    assert bulk.running_task(str(tmp_path)) == ""
    with task(tmp_path, "t1"):
        assert bulk.running_task(str(tmp_path)) == "t1"
    assert (tmp_path / environment.TASK_LOCK).read_text() == "t1"
    assert bulk.running_task(str(tmp_path)) == ""
    with task(tmp_path, "t2"):
        assert bulk.running_task(str(tmp_path)) == "t2"


def test_is_wanted(tmp_path: Path) -> None:
    """A leased bulk row is wanted while its task runs, or after an edit or a hand-over; not after Stop."""
    conn = made(tmp_path)
    mark(conn, "t1", "scene:1", "scene:2", "scene:3")
    leased(conn)
    rows = {number: job(conn, f"scene:{number}")["_id"] for number in (1, 2, 3)}
    with task(tmp_path, "t1"):
        assert all(bulk.is_wanted(conn, row, "t1", str(tmp_path)) for row in rows.values())
    put(conn, "scene:2")
    change(conn, "scene:3", bulk=0)
    wanted = [number for number, row in rows.items() if bulk.is_wanted(conn, row, "t1", str(tmp_path))]
    assert wanted == [2, 3]


def test_sweep(tmp_path: Path) -> None:
    """The counts of tasks that are gone are deleted; those of the running task stay."""
    conn = made(tmp_path)
    bulk.forget_ended(conn, str(tmp_path))
    for name in ("t1", "t2"):
        conn.execute("INSERT INTO outcome VALUES (?, 'synced', 3)", (name,))
    with task(tmp_path, "t2"):
        bulk.forget_ended(conn, str(tmp_path))
    assert (bulk.outcomes(conn, "t1"), bulk.outcomes(conn, "t2")) == ({}, {"synced": 3})
    bulk.forget_ended(conn, str(tmp_path))
    assert bulk.outcomes(conn, "t2") == {}
