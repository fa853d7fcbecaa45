"""The queue as the worker uses it: typed jobs and settlements over a real file, with a clock of the test."""

from __future__ import annotations

import json
import sqlite3
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from plexsync import repair
from plexsync.core import environment
from plexsync.model.job_key import JobKey
from plexsync.queue.worker_queue import Job, JobQueue, Settlement
from tests.support.queue_tools import NOW, change, job, keys, made, put


class Clock:
    """Time that stands still until it is moved."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    """A clock at ``NOW``."""
    return Clock()


@pytest.fixture
def queue(tmp_path: Path, clock: Clock) -> Iterator[JobQueue]:
    """An empty queue."""
    opened = JobQueue(str(tmp_path), clock)
    yield opened
    opened.close()


def test_job(queue: JobQueue) -> None:
    """A leased job has everything that its row holds."""
    put(queue.conn, "performer:7", priority=1)
    change(
        queue.conn, "performer:7", attempts=3, rescues=1, waiting=NOW - 5, bulk=1, task="t1", reason="busy",
        generation=4, first_seen=NOW - 60,
    )  # fmt: skip
    (leased,) = queue.lease(10)
    assert leased == Job(1, "performer", 7, 4, 1, 3, 1, NOW - 5, True, "t1", NOW - 60, "busy")
    assert leased.key == JobKey("performer", 7)


def test_job_without_history(queue: JobQueue) -> None:
    """Empty columns become the defaults of a job."""
    queue.conn.execute("INSERT INTO ack_queue_default (key, status) VALUES ('tag:3', 1)")
    assert queue.lease(10) == [Job(1, "tag", 3, 1)]


def test_lease_by_the_clock(queue: JobQueue, clock: Clock) -> None:
    """A job is leased once the clock says that it is due, and at most the limit at once."""
    for number in (1, 2, 3):
        put(queue.conn, f"scene:{number}", now=NOW + number)
    assert queue.next_due() == NOW + 1
    assert queue.lease(2) == []
    clock.now += 3
    assert [job.id for job in queue.lease(2)] == [1, 2]
    assert [job.id for job in queue.lease(2)] == [3]
    assert queue.next_due() is None


@pytest.mark.parametrize("jump", [-3600.0, 3600.0])
def test_clock_jump(queue: JobQueue, clock: Clock, jump: float) -> None:
    """After a jump of an hour either way every job is leased within the hour, and an edit of it at once."""
    put(queue.conn, "scene:1", "scene:2")
    clock.now += jump
    put(queue.conn, "scene:2", now=clock.now)
    first = [job.id for job in queue.lease(10)]
    clock.now = NOW
    assert 2 in first
    assert sorted(first + [job.id for job in queue.lease(10)]) == [1, 2]


def test_settlements(queue: JobQueue) -> None:
    """One batch settles each job in a different way, candidates as JSON."""
    put(queue.conn, *(f"scene:{number}" for number in (1, 2, 3, 4)))
    one, two, three, four = queue.lease(10)
    candidates = [{"title": "Größe", "item": 5}]
    queue.settle(
        [
            Settlement(one, "done", "synced"),
            Settlement(two, "later", due=NOW + 30, attempts=2, reason="busy", message="why"),
            Settlement(three, "dead", reason="low_confidence", message="two", candidates=candidates, attempts=1),
        ]
    )
    queue.release([four])
    assert keys(queue.conn) == ["scene:2", "scene:3", "scene:4"]
    row = job(queue.conn, "scene:2")
    assert (row["due"], row["attempts"], row["reason"], row["candidates"]) == (NOW + 30, 2, "busy", None)
    assert json.loads(job(queue.conn, "scene:3")["candidates"]) == candidates
    assert keys(queue.conn, "status = 1 AND attempts = 0") == ["scene:4"]


def test_outcome_counts_for_the_task(queue: JobQueue) -> None:
    """An outcome counts for the task that followed the job when it was leased."""
    put(queue.conn, "scene:1", "scene:2")
    change(queue.conn, "scene:1", task="t1")
    queue.settle([Settlement(job, "done", "synced") for job in queue.lease(10)])
    assert queue.conn.execute("SELECT * FROM outcome").fetchall() == [("t1", "synced", 1)]


def test_empty_batch(queue: JobQueue) -> None:
    """Settling or releasing nothing writes nothing."""
    before = queue.conn.total_changes
    queue.settle([])
    queue.release([])
    assert queue.conn.total_changes == before


def test_empty_queue_is_a_queue(queue: JobQueue) -> None:
    """An empty queue is truthy: "no queue" and "nothing in it" cannot be confused."""
    assert queue.size == 0
    assert bool(queue) is True


def test_size_is_live(queue: JobQueue, tmp_path: Path) -> None:
    """The size is that of the file now, whoever put the rows."""
    other = made(tmp_path)
    put(other, "scene:1", "scene:2")
    assert (queue.size, queue.qsize(), len(queue), queue.empty()) == (2, 2, 2, False)
    queue.lease(1)
    assert (queue.size, queue.unack_count()) == (1, 1)


def test_no_resume_at_opening(queue: JobQueue, tmp_path: Path, clock: Clock) -> None:
    """Opening the queue takes nothing from a running worker; only the lock's holder rescues, and counts it."""
    put(queue.conn, "scene:1")
    queue.lease(1)
    second = JobQueue(str(tmp_path), clock)
    assert (second.unack_count(), second.lease(1)) == (1, [])
    second.resume_unack_tasks()
    assert [(job.id, job.rescues) for job in second.lease(1)] == [(1, 1)]
    second.close()


def test_broken_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that is not a database raises one clear error, and deleting the object prints nothing."""
    (tmp_path / environment.QUEUE_DB).write_bytes(b"nothing that SQLite knows, for more than a page " * 100)
    muttered: list[Any] = []
    monkeypatch.setattr(sys, "unraisablehook", muttered.append)
    with pytest.raises(sqlite3.DatabaseError) as caught:
        JobQueue(str(tmp_path))
    assert repair.is_damaged(caught.value)
    del caught
    assert muttered == []


def test_closing_twice_is_closing_once(tmp_path: Path) -> None:
    """The base class's finaliser closes again, perhaps in another thread, to which SQLite would object."""
    queue = JobQueue(str(tmp_path))
    queue.close()
    failed: list[Exception] = []

    def again() -> None:
        try:
            queue.close()
        except sqlite3.Error as error:
            failed.append(error)

    thread = threading.Thread(target=again)
    thread.start()
    thread.join()
    assert failed == []
