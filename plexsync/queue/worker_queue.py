"""The queue as the worker uses it: persist-queue's ``SQLiteAckQueue`` on ``queue.db``, a thin layer over this package.

Overrides only public names of the base class and uses a separate connection, so an upgrade of persist-queue changes
nothing. The base class's automatic resume stays off: it would take rows from a running worker.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

import persistqueue
from persistqueue.serializers import json as json_serializer

from plexsync.core import db, enqueue, environment
from plexsync.model.job_key import JobKey
from plexsync.queue import bulk, dead_letters, jobs, schema, undo_jobs
from plexsync.queue.dead_letters import DeadLetter
from plexsync.queue.meta import QueueMeta


@dataclass(frozen=True, slots=True)
class Job:
    """One leased row. ``kind`` is one of ``job_key.KINDS``; times are seconds since the epoch.

    ``rescues``: how often a worker died while it had the job leased. ``waiting``: since when Plex has lacked the file,
    or None. ``task_id``: the task that follows it, or None. ``reason``: why it was last snoozed, ``retry`` for a dead
    letter that was put back, or None. ``last_seen``: when it was last edited or settled. ``edited_at``: when it was
    last edited, or wanted by a task or a person.
    """

    row: int
    kind: str
    id: int
    generation: int
    priority: int = enqueue.BY_HAND
    attempts: int = 0
    rescues: int = 0
    waiting: float | None = None
    bulk: bool = False
    task_id: str | None = None
    first_seen: float = 0.0
    reason: str | None = None
    last_seen: float = 0.0
    edited_at: float = 0.0

    @property
    def tried_at(self) -> float | None:
        """When the job was last tried and failed; None if it was not tried since the edit."""
        return self.last_seen if self.priority == jobs.RETRY else None

    @property
    def key(self) -> JobKey:
        """The job's key, ``scene:5`` for example."""
        return JobKey(self.kind, self.id)


@dataclass(frozen=True, slots=True)
class Settlement:
    """What becomes of a leased job. Made by ``done``, ``later``, ``snooze``, ``dead`` and ``release``.

    ``to``: the name of that method, but ``later`` for ``snooze``. ``outcome``: what the following task counts
    (``synced``, ``unchanged``, ...), ``""`` for nothing. The other fields are the row's columns; a ``priority`` only
    moves a row back.
    """

    job: Job
    to: str
    outcome: str = ""
    due: float = 0.0
    attempts: int = 0
    waiting: float | None = None
    reason: str | None = None
    message: str | None = None
    candidates: Sequence[Mapping[str, Any]] = ()
    priority: int = enqueue.BY_HAND

    @classmethod
    def done(cls, job: Job, outcome: str = "") -> Settlement:
        """Remove the job."""
        return cls(job, "done", outcome)

    @classmethod
    def later(cls, job: Job, due: float, message: str) -> Settlement:
        """Try again at ``due``, after everything that was not tried since; this attempt counts."""
        return cls(job, "later", "retried", due, job.attempts + 1, job.waiting, None, message, priority=jobs.RETRY)

    @classmethod
    def snooze(
        cls,
        job: Job,
        outcome: str,
        due: float,
        message: str,
        *,
        waiting: float | None = None,
        reason: str | None = None,
        tried: bool = False,
    ) -> Settlement:
        """Try again at ``due`` without counting an attempt; ``waiting``: since when Plex has lacked the file.

        ``tried``: after everything that was not tried since.
        """
        priority = jobs.RETRY if tried else enqueue.BY_HAND
        return cls(job, "later", outcome, due, job.attempts, waiting, reason, message, priority=priority)

    @classmethod
    def dead(
        cls,
        job: Job,
        reason: str,
        message: str,
        *,
        attempts: int | None = None,
        candidates: Sequence[Mapping[str, Any]] = (),
    ) -> Settlement:
        """Dead-letter the job; ``attempts``: how many to show, by default those of the job."""
        shown = job.attempts if attempts is None else attempts
        return cls(job, "dead", "dead", 0.0, shown, None, reason, message, candidates=candidates)

    @classmethod
    def release(cls, job: Job) -> Settlement:
        """Make the job pending again, as it was."""
        return cls(job, "release")

    def as_row(self) -> dict[str, object]:
        """Return the values that ``jobs.settle`` binds."""
        values: dict[str, object] = {name: getattr(self, name) for name in _SETTLED}
        values["candidates"] = json.dumps(list(self.candidates)) if self.candidates else None
        values |= {"id": self.job.row, "generation": self.job.generation, "task": self.job.task_id}
        return values


#: The fields of a settlement that are bound under their names. (``asdict`` would copy the job and every candidate.)
_SETTLED = tuple(field.name for field in fields(Settlement) if field.name != "job")


class JobQueue(persistqueue.SQLiteAckQueue):  # type: ignore[misc]
    """The queue of one data folder: the worker's only interface to it. ``meta``: the numbers beside the jobs.

    Only the lock's holder opens it; everybody else calls the modules of this package with a connection.
    """

    is_open = False

    def __init__(
        self, folder: str, clock: Callable[[], float] = time.time, sleep: Callable[[float], None] = time.sleep
    ) -> None:
        """Open ``queue.db`` in ``folder``, creating it on first contact. Raise ``sqlite3.Error``."""
        self.conn = schema.open_queue(folder, clock())
        self.is_open = True
        self.clock = clock
        self.meta = QueueMeta(self.conn)
        self._sleep = sleep
        self._folder = folder
        try:
            super().__init__(
                folder,
                auto_resume=False,
                db_file_name=environment.QUEUE_DB,
                serializer=json_serializer,
                multithreading=False,
            )
        except BaseException:
            self.is_open = False
            self.conn.close()
            raise

    @property
    def size(self) -> int:
        """Number of pending rows now: the base class would remember the number from when it was opened."""
        return int(self.conn.execute("SELECT count(*) FROM ack_queue_default WHERE status < 2").fetchone()[0])

    @property
    def is_newer(self) -> bool:
        """True if a later version of PlexSync made or changed the queue."""
        return schema.is_newer(self.conn)

    def __bool__(self) -> bool:
        """Return True: an empty queue is still a queue."""
        return True

    def close(self) -> None:
        """Close every connection, once: the base class's finaliser calls it again, in any thread."""
        if self.is_open:
            self.is_open = False
            self.conn.close()
            super().close()

    # -- a batch

    def lease(self, limit: int) -> list[Job]:
        """Lease up to ``limit`` due jobs in one transaction, edits by hand first."""
        now = self.clock()
        return [_job(row) for row in jobs.lease(self.conn, now, now + environment.horizon(), limit)]

    def settle(self, settlements: Sequence[Settlement]) -> None:
        """Settle jobs in one transaction; a job edited since it was leased becomes pending instead."""
        if settlements:
            jobs.settle(self.conn, [settlement.as_row() for settlement in settlements], self.clock())

    def release(self, leased: Sequence[Job]) -> None:
        """Make jobs pending again, as they were, at no cost; roll back an interrupted transaction first."""
        db.roll_back(self.conn)
        self.settle([Settlement.release(job) for job in leased])

    def resume_unack_tasks(self) -> None:
        """Rescue the jobs that a dead worker had leased. Only the lock's holder may call this."""
        jobs.rescue(self.conn, self.clock())

    def next_due(self) -> float | None:
        """Return when the next pending row is due, or None if no row is pending."""
        now = self.clock()
        return jobs.next_due(self.conn, now, now + environment.horizon())

    # -- new jobs

    def enqueue_many(self, keys: Iterable[JobKey], reason: str, found_at: float | None = None) -> None:
        """Queue these keys, due now, behind edits by hand; a row that exists is due again.

        ``found_at``: when the search that found them began, now if None. An undo that is asked for later wins.
        """
        at = self.clock() if found_at is None else found_at
        jobs.enqueue_many(self.conn, keys, reason, at, jobs.FAN_OUT, self._sleep)

    def add_missing(self, keys: Iterable[JobKey], reason: str, found_at: float | None = None) -> int:
        """Queue those of ``keys`` that have no row, likewise; return how many."""
        at = self.clock() if found_at is None else found_at
        return jobs.add_missing(self.conn, keys, reason, at, jobs.FAN_OUT, self._sleep)

    def cleared_at(self, keys: Iterable[JobKey]) -> dict[JobKey, float]:
        """Return key -> time up to which its edits were cleared or discarded; keys that never were are absent."""
        return dead_letters.cleared_at(self.conn, keys)

    def held(self) -> int:
        """Return how many jobs are left but for those that wait for Plex to have their file."""
        counts = jobs.counts(self.conn)
        return int(counts["pending"] + counts["in_progress"])

    def without_job(self, scene_ids: Iterable[int]) -> list[int]:
        """Return those of the scenes that have no row."""
        return jobs.without_row(self.conn, scene_ids)

    def pending_scenes(self, since: float) -> list[int]:
        """Return the ids of scenes with a pending row whose newest edit is not older than ``since``."""
        return jobs.pending_scenes(self.conn, since)

    # -- making waiting and dead jobs due

    def wake_scenes(self, scene_ids: Iterable[int]) -> int:
        """Make those of the scenes due that wait for a file or are dead as ``low_confidence``; return how many."""
        return jobs.wake_scenes(self.conn, scene_ids, self.clock(), self._sleep)

    def wake_all_waiting(self) -> int:
        """Make all jobs due that wait for a file or are dead as ``low_confidence``; return how many."""
        return jobs.wake_all_waiting(self.conn, self.clock(), self._sleep)

    def wake_after_settings_change(self) -> None:
        """Make due what other settings may help: waiting jobs, those ``dryRun`` holds back, and most dead letters.

        Not those that ran out of attempts or crashed the worker (``retries_exhausted``).
        """
        self.wake_all_waiting()
        jobs.wake_held(self.conn, "dry_run", self.clock(), self._sleep)
        dead_letters.retry_all(self.conn, self.clock(), keep=("retries_exhausted",), sleep=self._sleep)

    def has_edit_due(self) -> bool:
        """Return whether an edit by hand is due: a batch of bulk work then makes way for it."""
        return jobs.has_edit_due(self.conn, self.clock())

    def wake_held(self, reason: str) -> None:
        """Make the rows due that are held back for ``reason``."""
        jobs.wake_held(self.conn, reason, self.clock(), self._sleep)

    def wake_trial(self, reason: str, last: int) -> bool:
        """Make one of them due, another than the row ``last`` if there is one; return whether any row is held back."""
        return jobs.wake_trial(self.conn, reason, self.clock(), last)

    def is_held(self, reason: str) -> bool:
        """Return whether a pending row is held back for ``reason``."""
        return jobs.is_held(self.conn, reason)

    def dead_letters(self) -> list[DeadLetter]:
        """Return all dead letters, newest first."""
        return dead_letters.dead_letters(self.conn)

    def has_dead(self, reason: str) -> bool:
        """Return whether there is a dead letter for ``reason``."""
        return reason in dead_letters.by_reason(self.conn)

    def retry_invalid(self, keys: Iterable[JobKey]) -> int:
        """Retry those of ``keys`` that are dead-lettered as ``invalid``, because they changed; return how many."""
        return dead_letters.retry_invalid(self.conn, keys, self.clock())

    def retry_missing(self, keys: Iterable[JobKey]) -> int:
        """Retry those of ``keys`` that are dead-lettered as ``not_in_plex``: Plex has the file; return how many."""
        return dead_letters.retry_missing(self.conn, keys, self.clock())

    # -- undo

    def forget_edits(self, scenes: Mapping[int, float]) -> None:
        """Forget the edits of scenes (scene id -> time) up to that time, see ``undo_jobs.forget_edits``."""
        undo_jobs.forget_edits(self.conn, scenes, self._sleep)

    def drop_undo(self, rating_keys: Iterable[int]) -> None:
        """Drop the undo jobs and dead letters of these items."""
        undo_jobs.drop(self.conn, rating_keys, self._sleep)

    # -- tasks

    def drop_stopped(self) -> int:
        """Drop the pending bulk rows of stopped tasks; return how many."""
        return bulk.drop_stopped(self.conn, self._folder, self._sleep)

    def is_wanted(self, job: Job) -> bool:
        """Return whether a leased job is still wanted: False for a bulk job whose task was stopped meanwhile."""
        return not job.bulk or job.task_id is None or bulk.is_wanted(self.conn, job.row, job.task_id, self._folder)

    def forget_ended_tasks(self) -> None:
        """Delete the counts of tasks that are gone."""
        bulk.forget_ended(self.conn, self._folder)


def _job(row: tuple[Any, ...]) -> Job:
    row_id, key, generation, priority, attempts, rescues, waiting, is_bulk, task = row[:9]
    first_seen, reason, last_seen, edited_at = row[9:13]
    counts, times = (generation, priority, attempts, rescues), (last_seen or 0.0, edited_at or 0.0)
    return Job(row_id, *JobKey.of_row(key), *counts, waiting, bool(is_bulk), task, first_seen or 0.0, reason, *times)
