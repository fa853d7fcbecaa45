"""The queue as the worker uses it: persist-queue's ``SQLiteAckQueue`` over ``queue.db``, thin over ``jobs.py``.

Only public names of the base class are overridden, on a connection of our own, so an upgrade of persist-queue changes
nothing. Its automatic resume stays off everywhere: it would take rows from a living worker.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

import persistqueue
from persistqueue.serializers import json as json_serializer

from plexsync.core import enqueue, environment
from plexsync.queue import jobs, schema, stock


@dataclass(frozen=True, slots=True)
class Job:
    """One leased row. ``kind`` is ``scene``, ``performer``, ``studio`` or ``tag``; times are seconds since the epoch.

    ``waiting``: since when Plex has lacked the file, or None. ``mark``: the task that follows it, or None. ``reason``:
    why it was put back the last time, or None.
    """

    row: int
    kind: str
    id: int
    generation: int
    priority: int = enqueue.BY_HAND
    attempts: int = 0
    takebacks: int = 0
    waiting: float | None = None
    bulk: bool = False
    mark: str | None = None
    first_seen: float = 0.0
    reason: str | None = None

    @property
    def key(self) -> str:
        """``scene:12``"""
        return f"{self.kind}:{self.id}"


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
        """The values that ``jobs.settle`` binds."""
        values: dict[str, object] = {name: getattr(self, name) for name in _SETTLED}
        values["candidates"] = json.dumps(list(self.candidates)) if self.candidates else None
        values |= {"id": self.job.row, "generation": self.job.generation, "mark": self.job.mark}
        return values


#: What a settlement says of a row by its own name. (``asdict`` would copy the job, and every candidate, for each row.)
_SETTLED = tuple(one.name for one in fields(Settlement) if one.name != "job")


class JobQueue(persistqueue.SQLiteAckQueue):  # type: ignore[misc]
    """The queue of one data folder. Opened by the lock's holder alone; everybody else goes through ``jobs.py``."""

    is_open = False

    def __init__(self, folder: str, clock: Callable[[], float] = time.time) -> None:
        """Open (and on first contact make) ``queue.db`` in ``folder``; raises ``sqlite3.Error``."""
        self.conn = schema.open_queue(folder, clock())
        self.is_open = True
        self.clock = clock
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

    def __bool__(self) -> bool:
        """An empty queue is still a queue."""
        return True

    def lease(self, limit: int) -> list[Job]:
        """Up to ``limit`` due jobs in one transaction, edits by hand first."""
        now = self.clock()
        return [_job(row) for row in jobs.lease(self.conn, now, now + environment.horizon(), limit)]

    def settle(self, settlements: Sequence[Settlement]) -> None:
        """Settle a batch in one transaction; what was edited since it was leased becomes pending instead."""
        if settlements:
            jobs.settle(self.conn, [settlement.as_row() for settlement in settlements], self.clock())

    def release(self, leased: Sequence[Job]) -> None:
        """Put jobs back as they were: no attempt is consumed."""
        self.settle([Settlement.release(job) for job in leased])

    def resume_unack_tasks(self) -> None:
        """Take back what a worker that died had leased, counting it. Only the lock's holder may."""
        jobs.take_back(self.conn, self.clock())

    def get(self, *args: Any, **kwargs: Any) -> Any:
        """The base class's lease, which knows no due time. What it gives is our payload, so no ``pqid`` is in it."""
        stock.adopt(self.conn, self.clock())
        item = super().get(*args, **kwargs)
        jobs.note_lease(self.conn)
        return item

    def ack(self, item: Any = None, id: int | None = None) -> int | None:
        """Remove a leased row, unless it was edited meanwhile: done rows are never kept."""
        row: int | None = super().ack(item, id)
        jobs.after_stock(self.conn, row, self.clock())
        return row

    def ack_failed(self, item: Any = None, id: int | None = None) -> int | None:
        """Make a leased row a dead letter, unless it was edited meanwhile."""
        row: int | None = super().ack_failed(item, id)
        jobs.after_stock(self.conn, row, self.clock())
        return row

    def next_due(self) -> float | None:
        """When the next pending row is due, or None without one."""
        now = self.clock()
        return jobs.next_due(self.conn, now, now + environment.horizon())

    def close(self) -> None:
        """Close every connection, once: the base class's finaliser calls it again, in whatever thread it runs."""
        if self.is_open:
            self.is_open = False
            self.conn.close()
            super().close()


def _job(row: tuple[Any, ...]) -> Job:
    kind, _, number = str(row[1]).partition(":")
    return Job(
        row[0], kind, int(number), row[2], row[3], row[4], row[5], row[6], bool(row[7]), row[8], row[9] or 0.0, row[10]
    )
