"""The numbers that ``queue.db`` keeps besides the jobs, one attribute each. Standard library alone."""

from __future__ import annotations

import sqlite3


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
    """

    started_at = _Number()
    cleared_at = _Number()
    caught_up_at = _Number()
    empty_since = _Number()
    edits = _Number()  # raised under this name by ``enqueue.py``
    wake_requested = _Number()
    wake_seen = _Number()

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

    def is_catchup_due(self, now: float, interval: float) -> bool:
        """Return whether the last catch-up was ``interval`` seconds ago, or in the future: then the clock was wrong."""
        return not 0 <= now - self.caught_up_at < interval
