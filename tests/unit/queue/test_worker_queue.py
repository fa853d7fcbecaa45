"""The queue as the worker uses it: typed jobs and settlements over a real file, with a clock of the test."""

from __future__ import annotations

import json
import os
import sqlite3
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from plexsync import repair
from plexsync.core import enqueue, environment, locks
from plexsync.model.job_key import JobKey
from plexsync.queue import bulk, dead_letters, jobs
from plexsync.queue.worker_queue import Job, JobQueue, Settlement
from tests.support.queue_tools import NOW, change, job, job_keys, keys, made, put, scenes


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
    assert leased == Job(1, "performer", 7, 4, 1, 3, 1, NOW - 5, True, "t1", NOW - 60, "busy", NOW, NOW)
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


def test_settlements(queue: JobQueue, clock: Clock) -> None:
    """One batch settles each job in a different way, at the clock's time, candidates as JSON."""
    put(queue.conn, *(f"scene:{number}" for number in (1, 2, 3, 4)))
    one, two, three, four = queue.lease(10)
    candidates = [{"title": "Größe", "item": 5}]
    clock.now += 5
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
    assert job(queue.conn, "scene:3")["last_seen"] == NOW + 5
    assert keys(queue.conn, "status = 1 AND attempts = 0") == ["scene:4"]


def test_ways_to_settle() -> None:
    """Each way to settle a job sets what it says, keeps the job's own numbers otherwise, and no more."""
    leased = Job(1, "scene", 5, 2, attempts=3, waiting=NOW - 9)
    found = [{"item": 5}]
    assert [Settlement.done(leased), Settlement.done(leased, "synced"), Settlement.release(leased)] == [
        Settlement(leased, "done", ""), Settlement(leased, "done", "synced"), Settlement(leased, "release"),
    ]  # fmt: skip
    assert Settlement.later(leased, NOW, "m") == Settlement(
        leased, "later", "retried", NOW, 4, NOW - 9, None, "m", (), 3
    )
    assert Settlement.snooze(leased, "retried", NOW, "m", tried=True).priority == jobs.RETRY
    assert Settlement.snooze(leased, "waiting", NOW, "m") == Settlement(
        leased, "later", "waiting", NOW, 3, None, None, "m"
    )
    assert Settlement.snooze(leased, "held", NOW, "m", waiting=NOW, reason="dry_run") == Settlement(
        leased, "later", "held", NOW, 3, NOW, "dry_run", "m"
    )
    assert Settlement.dead(leased, "invalid", "m") == Settlement(
        leased, "dead", "dead", 0.0, 3, None, "invalid", "m", ()
    )
    assert Settlement.dead(leased, "rejected", "m", attempts=0, candidates=found) == Settlement(
        leased, "dead", "dead", 0.0, 0, None, "rejected", "m", found
    )


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
    change(queue.conn, "scene:1", rescues=jobs.DEAD_AFTER - 1)
    clock.now += 5
    second.resume_unack_tasks()
    assert [(letter.key, letter.last_seen) for letter in second.dead_letters()] == [("scene:1", NOW + 5)]
    second.close()


def test_a_closed_queue_is_closed(tmp_path: Path) -> None:
    """Closing ends the connection; nothing can be done with it by mistake."""
    queue = JobQueue(str(tmp_path))
    queue.close()
    with pytest.raises(sqlite3.ProgrammingError):
        queue.lease(1)


def test_numbers_beside_the_jobs(queue: JobQueue) -> None:
    """The queue's numbers are those of its file."""
    put(queue.conn, "scene:1", "scene:1")
    assert queue.meta.edits == 2


def test_what_the_stock_class_puts(queue: JobQueue, clock: Clock) -> None:
    """A plain ``put`` of persist-queue is JSON, and becomes a job when jobs are leased, due at the clock's time."""
    clock.now += 5
    queue.put({"key": "scene:3"})
    assert queue.lease(1) == [Job(2, "scene", 3, 1, first_seen=NOW + 5, last_seen=NOW + 5, edited_at=NOW + 5)]
    assert job(queue.conn, "scene:3")["due"] == NOW + 5


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


def zoo(queue: JobQueue) -> None:
    """Scenes 1 to 6: two that wait for a file, one that ``dryRun`` held back, and three dead letters."""
    put(queue.conn, *(f"scene:{number}" for number in range(1, 7)))
    for number in (1, 2):
        change(queue.conn, f"scene:{number}", waiting=NOW, due=NOW + 900, attempts=3)
    change(queue.conn, "scene:3", reason="dry_run", due=NOW + 900, attempts=1)
    for number, reason in ((4, "low_confidence"), (5, "retries_exhausted"), (6, "invalid")):
        change(queue.conn, f"scene:{number}", status=9, reason=reason)


def due_now(queue: JobQueue) -> list[str]:
    """The keys of what could be leased at once."""
    return keys(queue.conn, f"status = 1 AND due <= {queue.clock()}")


def test_waking_by_scene(queue: JobQueue, clock: Clock) -> None:
    """Of the scenes named, what waits for a file or was unsure is due at the clock's time, and counted."""
    zoo(queue)
    clock.now += 5
    assert queue.wake_scenes([1, 4, 5, 99]) == 2
    assert due_now(queue) == ["scene:1", "scene:4"]
    assert job(queue.conn, "scene:1")["due"] == NOW + 5


def test_waking_all(queue: JobQueue, clock: Clock) -> None:
    """When the index was filled, all that waits for a file or was unsure is due at the clock's time, and counted."""
    zoo(queue)
    clock.now += 5
    assert queue.wake_all_waiting() == 3
    assert due_now(queue) == ["scene:1", "scene:2", "scene:4"]
    assert job(queue.conn, "scene:2")["due"] == NOW + 5


def test_waking_after_a_change_of_settings(queue: JobQueue, clock: Clock) -> None:
    """Other settings may decide otherwise about all but what failed too often: that alone stays a dead letter."""
    zoo(queue)
    clock.now += 5
    assert queue.is_held("dry_run")
    assert queue.has_dead("invalid")
    queue.wake_after_settings_change()
    assert due_now(queue) == [f"scene:{number}" for number in (1, 2, 3, 4, 6)]
    assert {job(queue.conn, key)["due"] for key in due_now(queue)} == {NOW + 5}
    assert (queue.is_held("dry_run"), queue.has_dead("invalid")) == (False, False)
    assert [letter.key for letter in queue.dead_letters()] == ["scene:5"]
    assert queue.has_dead("retries_exhausted")


def test_changed_scene_is_tried_again(queue: JobQueue, clock: Clock) -> None:
    """A scene that could not be sent as it was gets another chance once it has changed, at the clock's time."""
    zoo(queue)
    clock.now += 5
    assert queue.retry_invalid(job_keys(["scene:5", "scene:6", "scene:99"])) == 1
    assert due_now(queue) == ["scene:6"]
    assert job(queue.conn, "scene:6")["due"] == NOW + 5


def test_new_jobs(queue: JobQueue, clock: Clock) -> None:
    """What a rename fans out to, and what catch-up finds, is due at the clock's time, after edits by hand."""
    put(queue.conn, "scene:1")
    clock.now += 5
    queue.enqueue_many(job_keys(["scene:1", "scene:2"]), "fan-out")
    assert queue.add_missing(job_keys(["scene:2", "scene:3"]), "catch-up") == 1
    rows = [job(queue.conn, f"scene:{number}") for number in (1, 2, 3)]
    assert [(row["due"], row["priority"], row["generation"]) for row in rows] == [
        (NOW, 0, 2), (NOW + 5, jobs.FAN_OUT, 1), (NOW + 5, jobs.FAN_OUT, 1),
    ]  # fmt: skip
    assert [json.loads(row["data"])["reason"] for row in rows[1:]] == ["fan-out", "catch-up"]
    queue.enqueue_many(job_keys(["scene:1", "scene:4"]), "fan-out", NOW - 9)
    assert [job(queue.conn, f"scene:{number}")["timestamp"] for number in (1, 4)] == [NOW + 5, NOW - 9]
    assert sorted(queue.pending_scenes(NOW + 5)) == [1, 2, 3]
    assert queue.pending_scenes(NOW + 6) == []


def test_what_was_cleared(queue: JobQueue, clock: Clock) -> None:
    """The worker knows up to when edits of a key were cleared."""
    put(queue.conn, "scene:1")
    dead_letters.clear_pending(queue.conn, NOW + 9)
    assert queue.cleared_at(job_keys(["scene:1", "scene:2"])) == {JobKey.scene(1): NOW + 9}


def test_what_a_stopped_task_had_marked(queue: JobQueue, tmp_path: Path) -> None:
    """It is not wanted any longer and dropped, its counts forgotten; a job of nobody's, or not in bulk, is wanted."""
    bulk.mark_many(queue.conn, job_keys(["scene:1", "scene:2"]), "Sync all", "t1", NOW, lambda _: None)
    put(queue.conn, "scene:3", priority=2)
    change(queue.conn, "scene:3", bulk=1)
    first, second, third = sorted(queue.lease(10), key=lambda leased: leased.row)
    assert [queue.is_wanted(leased) for leased in (first, second, third)] == [False, False, True]
    change(queue.conn, "scene:2", bulk=0)
    assert queue.is_wanted(second)
    change(queue.conn, "scene:2", bulk=1)
    assert queue.is_wanted(replace(first, bulk=False))
    fd = locks.open_lock(str(tmp_path / environment.TASK_LOCK))
    assert locks.try_lock(fd)
    locks.write_text(fd, "t1")
    assert queue.is_wanted(first)
    queue.settle([Settlement(second, "later", "retried", due=NOW)])
    queue.forget_ended_tasks()
    assert (queue.drop_stopped(), bulk.outcomes(queue.conn, "t1")) == (0, {"retried": 1})
    locks.unlock(fd)
    os.close(fd)
    assert not queue.is_wanted(first)
    queue.forget_ended_tasks()
    assert bulk.outcomes(queue.conn, "t1") == {}
    assert queue.drop_stopped() == 1
    assert keys(queue.conn) == ["scene:1", "scene:3"]


#: What the worker does to thousands of rows, and the state in which it finds them.
MANY: dict[str, tuple[str, Callable[[JobQueue], object]]] = {
    "enqueue_many": ("", lambda queue: queue.enqueue_many(job_keys(scenes(1100)), "x")),
    "add_missing": ("", lambda queue: queue.add_missing(job_keys(f"tag:{n}" for n in range(1, 1101)), "x")),
    "wake_scenes": ("waiting = 1, due = due + 900", lambda queue: queue.wake_scenes(range(1, 1101))),
    "wake_all_waiting": ("waiting = 1, due = due + 900", lambda queue: queue.wake_all_waiting()),
    "wake_held": ("reason = 'dry_run'", lambda queue: queue.wake_after_settings_change()),
    "retry_all": ("status = 9, reason = 'invalid'", lambda queue: queue.wake_after_settings_change()),
    "drop_stopped": ("bulk = 1, task = 't0'", lambda queue: queue.drop_stopped()),
}


@pytest.mark.parametrize("name", MANY)
def test_pause_between_chunks(tmp_path: Path, clock: Clock, name: str) -> None:
    """Whatever the worker does to thousands of rows, it pauses in between as it was told to."""
    pauses: list[float] = []
    queue = JobQueue(str(tmp_path), clock, pauses.append)
    prepare, act = MANY[name]
    jobs.enqueue_many(queue.conn, job_keys(scenes(1100)), "x", NOW, 0, lambda _: None)
    if prepare:
        queue.conn.execute(f"UPDATE ack_queue_default SET {prepare}")
    act(queue)
    assert pauses
    queue.close()


def test_release_after_an_interruption(queue: JobQueue) -> None:
    """What an interruption left open is rolled back before jobs are put back."""
    put(queue.conn, "scene:1")
    leased = queue.lease(1)
    queue.conn.execute("BEGIN IMMEDIATE")
    queue.conn.execute("DELETE FROM ack_queue_default")
    queue.release(leased)
    assert keys(queue.conn, "status = 1") == ["scene:1"]


def test_a_newer_queue(queue: JobQueue) -> None:
    """A queue that a later PlexSync has made its own is told apart."""
    assert not queue.is_newer
    queue.conn.execute(f"PRAGMA user_version = {enqueue.SCHEMA_VERSION + 1}")
    assert queue.is_newer


def test_due_beyond_any_honest_time(queue: JobQueue) -> None:
    """A due time further off than any delay was set by a wrong clock and is due now."""
    put(queue.conn, "scene:1", now=NOW + environment.horizon() + 1)
    assert queue.next_due() == NOW
