"""The queue as the worker uses it: persist-queue's ``SQLiteAckQueue`` over ``queue.db``, thin over the modules beside.

Only public names of the base class are overridden, on a connection of our own, so an upgrade of persist-queue changes
nothing. Its automatic resume stays off everywhere: it would take rows from a living worker.
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
from plexsync.queue import bulk, dead_letters, jobs, schema
from plexsync.queue.dead_letters import DeadLetter
from plexsync.queue.meta import QueueMeta


@dataclass(frozen=True, slots=True)
class Job:
    """One leased row. ``kind`` is ``scene``, ``performer``, ``studio`` or ``tag``; times are seconds since the epoch.

    ``rescues``: how often a worker died while it had the job. ``waiting``: since when Plex has lacked the file.
    ``task_id``: the task that follows it, or None. ``reason``: why it was put back the last time, or None.
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

    @property
    def key(self) -> JobKey:
        """What the job is about."""
        return JobKey(self.kind, self.id)


@dataclass(frozen=True, slots=True)
class Settlement:
    """What becomes of a leased job. Made by ``done``, ``later``, ``snooze``, ``dead`` and ``release``.

    ``to``: which of them, ``later`` for ``snooze`` too. ``outcome``: what the task that follows the job counts
    (``synced``, ``unchanged``, ...), ``""`` for nothing. The other fields are the row's columns.
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

    @classmethod
    def done(cls, job: Job, outcome: str = "") -> Settlement:
        """Remove the row."""
        return cls(job, "done", outcome)

    @classmethod
    def later(cls, job: Job, due: float, message: str) -> Settlement:
        """Try again at ``due``; this attempt counts."""
        return cls(job, "later", "retried", due, job.attempts + 1, job.waiting, None, message)

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
    ) -> Settlement:
        """Try again at ``due`` without counting an attempt; ``waiting``: since when Plex has lacked the file."""
        return cls(job, "later", outcome, due, job.attempts, waiting, reason, message)

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
        """Make it a dead letter; ``attempts``: how many it shows, the job's own if not given."""
        shown = job.attempts if attempts is None else attempts
        return cls(job, "dead", "dead", 0.0, shown, None, reason, message, candidates)

    @classmethod
    def release(cls, job: Job) -> Settlement:
        """Put the row back as it was."""
        return cls(job, "release")

    def as_row(self) -> dict[str, object]:
        """Return the values that ``jobs.settle`` binds."""
        values: dict[str, object] = {name: getattr(self, name) for name in _SETTLED}
        values["candidates"] = json.dumps(list(self.candidates)) if self.candidates else None
        values |= {"id": self.job.row, "generation": self.job.generation, "task": self.job.task_id}
        return values


#: What a settlement says of a row by its own name. (``asdict`` would copy the job, and every candidate, for each row.)
_SETTLED = tuple(one.name for one in fields(Settlement) if one.name != "job")


class JobQueue(persistqueue.SQLiteAckQueue):  # type: ignore[misc]
    """The queue of one data folder, all that the worker knows of it. ``meta``: its numbers.

    Opened by the lock's holder alone; everybody else calls the modules beside with a connection.
    """

    is_open = False

    def __init__(
        self, folder: str, clock: Callable[[], float] = time.time, sleep: Callable[[float], None] = time.sleep
    ) -> None:
        """Open (and on first contact make) ``queue.db`` in ``folder``. Raise ``sqlite3.Error``."""
        self.conn = schema.open_queue(folder, clock())
        self.is_open = True
        self.clock = clock
        self.meta = QueueMeta(self.conn)
        self._sleep = sleep
        self._folder = folder
        super().__init__(
            folder,
            auto_resume=False,
            db_file_name=environment.QUEUE_DB,
            serializer=json_serializer,
            multithreading=False,
        )

    @property
    def size(self) -> int:
        """Pending rows, as they are now: the base class would remember them from when it was opened."""
        return int(self.conn.execute("SELECT count(*) FROM ack_queue_default WHERE status < 2").fetchone()[0])

    @property
    def is_newer(self) -> bool:
        """Whether a later PlexSync has made the queue its own."""
        return schema.is_newer(self.conn)

    def __bool__(self) -> bool:
        """Return True: an empty queue is still a queue."""
        return True

    def close(self) -> None:
        """Close every connection, once: the base class's finaliser calls it again, in whatever thread it runs."""
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
        """Settle a batch in one transaction; what was edited since it was leased becomes pending instead."""
        if settlements:
            jobs.settle(self.conn, [settlement.as_row() for settlement in settlements], self.clock())

    def release(self, leased: Sequence[Job]) -> None:
        """Put jobs back as they were: no attempt is consumed. What an interruption left open is rolled back first."""
        db.roll_back(self.conn)
        self.settle([Settlement.release(job) for job in leased])

    def resume_unack_tasks(self) -> None:
        """Rescue what a worker that died had leased, counting it. Only the lock's holder may."""
        jobs.rescue(self.conn, self.clock())

    def next_due(self) -> float | None:
        """Return when the next pending row is due, or None without one."""
        now = self.clock()
        return jobs.next_due(self.conn, now, now + environment.horizon())

    def refund_attempts(self, rows: Sequence[int]) -> None:
        """Take back what an outage did to these rows: an attempt, and dead letters of too many attempts."""
        jobs.refund_attempts(self.conn, list(rows), self.clock())
        exhausted = {letter.row for letter in self.dead_letters() if letter.reason == "retries_exhausted"}
        dead = [row for row in dict.fromkeys(rows) if row in exhausted]
        dead_letters.retry(self.conn, dead, self.clock(), self._sleep)

    # -- new jobs

    def enqueue_many(self, keys: Iterable[JobKey], reason: str, priority: int = jobs.FAN_OUT) -> None:
        """Queue these keys as an edit would, due now."""
        jobs.enqueue_many(self.conn, keys, reason, self.clock(), priority, self._sleep)

    def add_missing(self, keys: Iterable[JobKey], reason: str) -> int:
        """Queue those of ``keys`` that have no row, not as if edited by hand; return how many."""
        return jobs.add_missing(self.conn, keys, reason, self.clock(), jobs.FAN_OUT, self._sleep)

    def cleared_at(self, keys: Iterable[JobKey]) -> dict[JobKey, float]:
        """Return up to when edits of these keys were cleared or discarded; keys without are left out."""
        return dead_letters.cleared_at(self.conn, keys)

    def pending_scenes(self, since: float) -> list[int]:
        """Return the scenes with a pending row whose newest edit is not older than ``since``."""
        return jobs.pending_scenes(self.conn, since)

    # -- what makes waiting and dead jobs due

    def wake_scenes(self, scene_ids: Iterable[int]) -> int:
        """Make due those of the scenes that wait for a file or are dead for ``low_confidence``; return how many."""
        return jobs.wake_scenes(self.conn, scene_ids, self.clock(), self._sleep)

    def wake_all_waiting(self) -> int:
        """Do the same for all scenes."""
        return jobs.wake_all_waiting(self.conn, self.clock(), self._sleep)

    def wake_after_settings_change(self) -> None:
        """Make due what waits, what ``dryRun`` held back, and dead letters that were not the worker's fault."""
        self.wake_all_waiting()
        jobs.wake_held(self.conn, "dry_run", self.clock(), self._sleep)
        dead_letters.retry_all(self.conn, self.clock(), keep=("retries_exhausted",), sleep=self._sleep)

    def is_held(self, reason: str) -> bool:
        """Return whether a pending row was put back for ``reason``."""
        return jobs.is_held(self.conn, reason)

    def dead_letters(self) -> list[DeadLetter]:
        """Return all dead letters, the newest first."""
        return dead_letters.dead_letters(self.conn)

    def has_dead(self, reason: str) -> bool:
        """Return whether there is a dead letter for ``reason``."""
        return reason in dead_letters.by_reason(self.conn)

    def retry_invalid(self, keys: Iterable[JobKey]) -> int:
        """Put back those of ``keys`` that could not be sent as they were, for they have changed; return how many."""
        return dead_letters.retry_invalid(self.conn, keys, self.clock())

    # -- tasks

    def drop_stopped(self) -> int:
        """Drop what stopped tasks had marked; return how many rows."""
        return bulk.drop_stopped(self.conn, self._folder, self._sleep)

    def is_wanted(self, job: Job) -> bool:
        """Return whether a leased job is still to be done: not what a task had marked that was stopped meanwhile."""
        return not job.bulk or job.task_id is None or bulk.is_wanted(self.conn, job.row, job.task_id, self._folder)

    def forget_ended_tasks(self) -> None:
        """Drop the counts of tasks that are gone."""
        bulk.forget_ended(self.conn, self._folder)


def _job(row: tuple[Any, ...]) -> Job:
    key = JobKey.of_row(row[1])
    return Job(row[0], *key, row[2], row[3], row[4], row[5], row[6], bool(row[7]), row[8], row[9] or 0.0, row[10])
