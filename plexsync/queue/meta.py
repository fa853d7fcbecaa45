"""The numbers that ``queue.db`` keeps besides the jobs, one attribute each. Standard library alone."""

from __future__ import annotations

import sqlite3

#: Seconds between the beginnings of two comparisons after deletions.
COMPARE_EVERY = 300.0


class _Number:
    """A number of the ``meta`` table under the attribute's name; 0 if there is none."""

    def __set_name__(self, owner: type[QueueMeta], name: str) -> None:
        self.name = name

    def __get__(self, meta: QueueMeta, owner: type[QueueMeta]) -> float:
        row = meta.conn.execute("SELECT value FROM meta WHERE name = ?", (self.name,)).fetchone()
        return 0.0 if row is None or row[0] is None else float(row[0])

    def __set__(self, meta: QueueMeta, value: float) -> None:
        meta.conn.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (self.name, value))


class QueueMeta:
    """The numbers of one queue, as they are now. Times are seconds since the epoch, 0 for never.

    ``started_at``: the first contact of any PlexSync process; catch-up begins there. ``cleared_at``: the last Clear
    queue. ``caught_up_at``: the last catch-up. ``empty_since``: when the last run left the queue empty.
    ``edits``: how many edits hooks have queued. ``wake_requested``: how often a paused or waiting worker was asked to
    act now; ``wake_seen``: the last of these requests on which it acted.

    The comparison of all written scenes after something was deleted in Stash: ``compare_at``: when the next one is to
    begin, 0 without; ``compare_began``: when the last one did; ``compare_next``: the id from which it continues, 0 if
    it has ended; ``compare_jobs``: how many jobs it made so far.
    """

    started_at = _Number()
    cleared_at = _Number()
    caught_up_at = _Number()
    empty_since = _Number()
    edits = _Number()  # raised under this name by ``enqueue.py``
    wake_requested = _Number()
    wake_seen = _Number()
    compare_at = _Number()
    compare_began = _Number()
    compare_next = _Number()
    compare_jobs = _Number()

    def __init__(self, conn: sqlite3.Connection) -> None:
        self.conn = conn

    def request_wake(self) -> float:
        """Ask the worker to act now, whatever it waits for; return the number of the request."""
        sql = "INSERT INTO meta VALUES (?, 1) ON CONFLICT (name) DO UPDATE SET value = value + 1"
        self.conn.execute(sql, ("wake_requested",))
        return self.wake_requested

    @property
    def is_wake_pending(self) -> bool:
        """True while there is a request on which the worker has not acted."""
        return self.wake_requested > self.wake_seen

    def compare_due(self, now: float) -> float:
        """Return when a portion of that comparison is due: ``now`` while one runs, infinity if none is asked for."""
        if self.compare_next:
            return now
        at = self.compare_at
        if not at:
            return float("inf")
        return at if at - now <= COMPARE_EVERY else now  # a wrong clock set it

    def request_comparison(self, now: float) -> None:
        """Ask for a comparison: at once, or ``COMPARE_EVERY`` after the beginning of the last one."""
        if not self.compare_at:
            began = self.compare_began
            self.compare_at = began + COMPARE_EVERY if 0 <= now - began < COMPARE_EVERY else now

    def is_catchup_due(self, now: float, interval: float) -> bool:
        """Return whether the last catch-up was ``interval`` seconds ago, or in the future: then the clock was wrong."""
        return not 0 <= now - self.caught_up_at < interval
