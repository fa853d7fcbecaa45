"""Jobs: every statement that moves a job between states. ``schema.py`` has the table.

The table is persist-queue's (its columns first, its status numbers, a JSON payload as a BLOB) with further columns that
have defaults, so the stock ``SQLiteAckQueue`` opens the same file. Shared by worker, idle worker and operations:
standard library alone, no dataclasses. Every function takes an open connection in autocommit mode. A function that
changes rows does so in one transaction, or in chunks. Times are seconds since the epoch.

What tasks mark in bulk is in ``bulk.py``; what people do with dead letters in ``dead_letters.py``.
"""

from __future__ import annotations

import sqlite3
import time
from typing import NamedTuple

from plexsync.core.db import in_chunks, transaction
from plexsync.core.enqueue import PUT
from plexsync.model.job_key import JobKey
from plexsync.queue.stock import adopt

TYPE_CHECKING = False  # keeps this module's imports to what it runs
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

#: Priority of the scenes of a changed performer, studio or tag: after edits by hand (``BY_HAND``), before bulk (2).
FAN_OUT = 1

#: Priority of what was tried and failed: after everything that was not tried since.
RETRY = 3

#: Jobs of that priority in one batch: each may take long, and edits wait for the batch.
RETRIES_AT_ONCE = 20

#: Seconds after which one of them is due beside untried work that fills the batch, and how many are then taken.
OVERDUE, OVERDUE_AT_ONCE = 60.0, 2

#: A job rescued this often is leased alone, and this often dead-lettered: it may be what crashes the worker.
ALONE_AFTER, DEAD_AFTER = 2, 5

#: Scenes per transaction when they are made due: each takes two look-ups.
WAKE_CHUNK = 500

# An existing row stays as it is, in whatever state.
_ADD = """
INSERT INTO ack_queue_default (data, timestamp, status, key, due, priority, first_seen, last_seen)
VALUES (
  CAST(json_object('key', :key, 'reason', :reason, 'at', :now) AS BLOB), :now, 1, :key, :now, :priority, :now, :now)
ON CONFLICT (key) DO NOTHING
"""


_PUT = PUT.replace("timestamp = excluded.timestamp", "timestamp = max(COALESCE(timestamp, 0), excluded.timestamp)")


def enqueue_many(
    conn: sqlite3.Connection,
    keys: Iterable[JobKey],
    reason: str,
    now: float,
    priority: int,
    sleep: Callable[[float], None] = time.sleep,
) -> None:
    """Queue many keys, due at ``now``, as an edit would (``enqueue.PUT``), in chunks that let hooks in between.

    ``now``: may be when their reason was found; a row that was edited since keeps the time of its edit.
    """
    values = [{"key": str(key), "reason": reason, "now": now, "due": now, "priority": priority} for key in keys]
    in_chunks(conn, (_PUT,), values, sleep)


def add_missing(
    conn: sqlite3.Connection,
    keys: Iterable[JobKey],
    reason: str,
    now: float,
    priority: int,
    sleep: Callable[[float], None] = time.sleep,
) -> int:
    """Queue those of ``keys`` that have no row, due now; return how many. No existing row is touched."""
    values = [{"key": str(key), "reason": reason, "now": now, "priority": priority} for key in keys]
    return in_chunks(conn, (_ADD,), values, sleep)[0]


_COLUMNS = (
    "_id, key, generation, priority, attempts, rescues, waiting, bulk, task, first_seen, reason, last_seen, timestamp"
)

# Each half is one range of the index job_due: a single OR would read all rows that are not due yet.
_DUE = f"""
SELECT {_COLUMNS}, due FROM ack_queue_default WHERE status = 1 AND priority IN (0, 1, 2) AND {{when}}
ORDER BY priority, due LIMIT :limit"""
LEASE = (
    f"SELECT * FROM ({_DUE.format(when='due <= :now')}) UNION ALL SELECT * FROM ({_DUE.format(when='due > :far')})"
    " ORDER BY priority, due LIMIT :limit"
)
LEASE_RETRIES = LEASE.replace("IN (0, 1, 2)", f"= {RETRY}")


def lease(conn: sqlite3.Connection, now: float, far: float, limit: int) -> list[tuple[object, ...]]:
    """Lease up to ``limit`` due jobs, by priority and then by due time; return rows of ``_COLUMNS`` and ``due``.

    What was tried and failed comes last, up to ``RETRIES_AT_ONCE`` jobs; if untried ones fill the batch, only what has
    been due for ``OVERDUE`` seconds, a few at a time.
    ``far`` (not before ``now``): a due time beyond it was set by a wrong clock and counts as due. A job that was
    rescued ``ALONE_AFTER`` times is leased alone, after the others: if it crashes the worker, they are done.
    """
    adopt(conn, now)
    with transaction(conn):
        rows = conn.execute(LEASE, {"now": now, "far": far, "limit": limit}).fetchall()
        left = min(limit - len(rows), RETRIES_AT_ONCE)
        retried = {"now": now if left else now - OVERDUE, "far": far, "limit": left or OVERDUE_AT_ONCE}
        rows += conn.execute(LEASE_RETRIES, retried).fetchall()
        alone = [row for row in rows if row[5] >= ALONE_AFTER]
        if alone:
            others = [row for row in rows if row[5] < ALONE_AFTER]
            rows = others or [min(alone, key=lambda row: int(str(row[5])))]
        conn.executemany(
            "UPDATE ack_queue_default SET status = 2, leased = generation WHERE _id = ?", [(row[0],) for row in rows]
        )
    return rows


#: What a settled row becomes. Each statement acts only while the generation is the leased one: nobody edited the row.
_STILL = "WHERE _id = :id AND status = 2 AND generation = :generation"
_SETTLE = {
    "done": f"DELETE FROM ack_queue_default {_STILL}",
    "later": "UPDATE ack_queue_default SET status = 1, leased = NULL, due = :due, attempts = :attempts,"
    " priority = max(priority, :priority),"
    " waiting = :waiting, rescues = 0, reason = :reason, message = :message, candidates = :candidates,"
    f" last_seen = :now, counted = CASE WHEN task IS NULL THEN NULL ELSE :outcome END {_STILL}",
    "dead": "UPDATE ack_queue_default SET status = 9, leased = NULL, attempts = :attempts, waiting = NULL,"
    " rescues = 0, bulk = 0, task = NULL, reason = :reason, message = :message, candidates = :candidates,"
    f" last_seen = :now {_STILL}",
    "release": f"UPDATE ack_queue_default SET status = 1, leased = NULL {_STILL}",
}
_EDITED_MEANWHILE = (
    "UPDATE ack_queue_default SET status = 1, leased = NULL, attempts = 0, rescues = 0, waiting = NULL,"
    " reason = NULL, message = NULL, candidates = NULL WHERE _id = :id AND status = 2"
)
_COUNTED = "SELECT counted FROM ack_queue_default WHERE _id = :id AND task = :task AND counted IS NOT NULL"
_REMEMBER = "UPDATE ack_queue_default SET counted = :outcome WHERE _id = :id AND task = :task"
_UNCOUNT = "UPDATE outcome SET n = n - 1 WHERE task = :task AND outcome = :counted"
_COUNT = "INSERT INTO outcome VALUES (:task, :outcome, 1) ON CONFLICT (task, outcome) DO UPDATE SET n = n + 1"


def settle(conn: sqlite3.Connection, settlements: list[dict[str, object]], now: float) -> None:
    """Settle leased rows in one transaction.

    Each settlement has ``id``, ``generation``, ``to`` (``done``, ``later``, ``dead``, ``release``), the row's new
    values ``due``, ``attempts``, ``waiting`` (since when, or None), ``reason``, ``message``, ``candidates`` (JSON), and
    ``task`` and ``outcome``: outcomes are counted for the task that follows; of a row that comes again, only the last
    one counts. A row edited meanwhile becomes pending instead, due as it was.
    """
    with transaction(conn):
        for values in settlements:
            values["now"] = now
            counts = bool(values.get("task") and values.get("outcome"))
            before = conn.execute(_COUNTED, values).fetchone() if counts else None
            if conn.execute(_SETTLE[str(values["to"])], values).rowcount == 0:
                conn.execute(_EDITED_MEANWHILE, values)
                if counts:
                    conn.execute(_REMEMBER, values)
            # Written, edited meanwhile and then found unchanged: for the task, it was written.
            if counts and (before, values["outcome"]) != (("synced",), "unchanged"):
                conn.execute(_COUNT, values)
                if before is not None:
                    conn.execute(_UNCOUNT, {"task": values["task"], "counted": before[0]})


def rescue(conn: sqlite3.Connection, now: float) -> int:
    """Make the rows that a dead worker had leased pending again, and count it; return how many rows.

    A row rescued ``DEAD_AFTER`` times is dead-lettered instead. Only the lock's holder may call this.
    """
    with transaction(conn):
        dead = conn.execute(
            "UPDATE ack_queue_default SET status = 9, leased = NULL, rescues = rescues + 1, bulk = 0, task = NULL,"
            " waiting = NULL, reason = 'retries_exhausted', last_seen = ?, message = 'The worker died ' ||"
            " (rescues + 1) || ' times while it worked on ' || CASE WHEN key LIKE 'item:%'"
            " THEN 'the undo of ' || key || '. Run' ELSE COALESCE(key, 'this row') || '. Edit it in Stash, or run' END"
            " || ' Process DLQ, to try again.'"
            " WHERE status = 2 AND rescues + 1 >= ?",
            (now, DEAD_AFTER),
        ).rowcount
        pending = conn.execute(
            "UPDATE ack_queue_default SET status = 1, leased = NULL, rescues = rescues + 1 WHERE status = 2"
        )
    return dead + pending.rowcount


def next_due(conn: sqlite3.Connection, now: float, far: float) -> float | None:
    """Return when the next pending row is due (``now`` or earlier: at once), or None if no row is pending."""
    row = conn.execute("SELECT min(due), max(due) FROM ack_queue_default WHERE status < 2").fetchone()
    if row[0] is None:
        return None
    return now if row[1] > far else float(row[0])


def has_edit_due(conn: sqlite3.Connection, now: float) -> bool:
    """Return whether an edit by hand is due."""
    sql = "SELECT 1 FROM ack_queue_default WHERE status = 1 AND priority = 0 AND due <= ? LIMIT 1"
    return conn.execute(sql, (now,)).fetchone() is not None


def wake_trial(conn: sqlite3.Connection, reason: str, now: float, last: int) -> bool:
    """Make one of the rows due that are held back for ``reason``; return whether there is one.

    The one that was not tried for longest; not the row ``last`` unless it is the only one.
    """
    row = conn.execute(
        "SELECT _id FROM ack_queue_default WHERE status = 1 AND reason = ?"
        " ORDER BY _id = ?, priority, last_seen LIMIT 1",
        (reason, last),
    ).fetchone()
    if row is not None:
        conn.execute("UPDATE ack_queue_default SET due = ? WHERE _id = ? AND status = 1", (now, row[0]))
    return row is not None


def wake_held(conn: sqlite3.Connection, reason: str, now: float, sleep: Callable[[float], None] = time.sleep) -> None:
    """Make the rows that are held back for ``reason`` (``dry_run``) due now, and drop the reason."""
    held = "status = 1 AND reason = :reason"
    rows = conn.execute(f"SELECT _id FROM ack_queue_default WHERE {held}", {"reason": reason}).fetchall()
    wake = f"UPDATE ack_queue_default SET due = :now, reason = NULL, message = NULL WHERE _id = :id AND {held}"
    in_chunks(conn, (wake,), [{"id": row[0], "now": now, "reason": reason} for row in rows], sleep)


def is_held(conn: sqlite3.Connection, reason: str) -> bool:
    """Return whether a pending row is held back for ``reason``."""
    sql = "SELECT 1 FROM ack_queue_default WHERE status = 1 AND reason = ? LIMIT 1"
    return conn.execute(sql, (reason,)).fetchone() is not None


def pending_scenes(conn: sqlite3.Connection, since: float) -> list[int]:
    """Return the ids of scenes with a pending row whose newest edit is not older than ``since``, oldest first."""
    rows = conn.execute(
        "SELECT CAST(substr(key, 7) AS INTEGER) FROM ack_queue_default"
        " WHERE status = 1 AND bulk = 0 AND timestamp >= ? AND key LIKE 'scene:%' ORDER BY timestamp",
        (since,),
    )
    return [row[0] for row in rows]


def without_row(conn: sqlite3.Connection, scene_ids: Iterable[int]) -> list[int]:
    """Return those of the scenes that have no row, in whatever state."""
    sql = "SELECT 1 FROM ack_queue_default WHERE key = ?"
    return [one for one in scene_ids if conn.execute(sql, (str(JobKey.scene(one)),)).fetchone() is None]


def counts(conn: sqlite3.Connection) -> dict[str, float]:
    """Return ``pending``, ``waiting``, ``in_progress``, ``dead`` rows, and ``oldest``: first_seen of the oldest job."""
    row = conn.execute(
        "SELECT COALESCE(SUM(status < 2 AND waiting IS NULL), 0), COALESCE(SUM(status < 2 AND waiting IS NOT NULL), 0),"
        " COALESCE(SUM(status = 2), 0), COALESCE(SUM(status = 9), 0),"
        " MIN(CASE WHEN status <= 2 THEN COALESCE(first_seen, timestamp) END) FROM ack_queue_default"
    ).fetchone()
    names = ("pending", "waiting", "in_progress", "dead", "oldest")
    return {name: value or 0 for name, value in zip(names, row, strict=True)}


class Waiting(NamedTuple):
    """A scene of which Plex does not have the file yet: since when, and when it is looked for next."""

    scene_id: int
    since: float
    due: float


def waiting(conn: sqlite3.Connection, limit: int = -1) -> list[Waiting]:
    """Return up to ``limit`` (-1: all) of the scenes that wait for Plex to have their file, the newest wait first."""
    rows = conn.execute(
        "SELECT key, waiting, due FROM ack_queue_default WHERE waiting IS NOT NULL AND status < 2"
        " AND key LIKE 'scene:%' ORDER BY waiting DESC LIMIT ?",
        (limit,),
    )
    return [Waiting(JobKey.of_row(key).id, since, due) for key, since, due in rows]


class JobState(NamedTuple):
    """How a job stands. ``waiting``: since when Plex has lacked the file, or None. ``message``: why it was put off."""

    is_leased: bool
    due: float
    waiting: float | None
    message: str


def state_of(conn: sqlite3.Connection, key: JobKey) -> JobState | None:
    """Return how the job of ``key`` stands, None if there is none or it is dead."""
    sql = "SELECT status, due, waiting, message FROM ack_queue_default WHERE key = ? AND status <= 2"
    row = conn.execute(sql, (str(key),)).fetchone()
    return None if row is None else JobState(row[0] == 2, row[1], row[2], row[3] or "")


def has_any(conn: sqlite3.Connection) -> bool:
    """Return whether any job is left, dead letters aside."""
    sql = "SELECT 1 FROM ack_queue_default WHERE status <= 2 LIMIT 1"
    return conn.execute(sql).fetchone() is not None


# Plex has gained a file that may belong to them: waiting jobs become due, and low-confidence dead letters are matched
# again. Neither costs an attempt.
_WAKE = (
    "UPDATE ack_queue_default SET due = :now WHERE {which} AND status < 2 AND waiting IS NOT NULL AND due > :now",
    (
        "UPDATE ack_queue_default SET status = 1, due = :now, priority = 1, bulk = 0, task = NULL, waiting = NULL,"
        " reason = NULL, message = NULL, candidates = NULL WHERE {which} AND status = 9 AND reason = 'low_confidence'"
    ),
)
_WAKE_KEY = tuple(statement.format(which="key = :key") for statement in _WAKE)
_WAKE_ROW = tuple(statement.format(which="_id = :id") for statement in _WAKE)


def wake_scenes(
    conn: sqlite3.Connection, scene_ids: Iterable[int], now: float, sleep: Callable[[float], None] = time.sleep
) -> int:
    """Make those of the scenes due now that wait for a file or are dead as ``low_confidence``; return how many."""
    values = [{"key": str(JobKey.scene(scene_id)), "now": now} for scene_id in scene_ids]
    return sum(in_chunks(conn, _WAKE_KEY, values, sleep, WAKE_CHUNK))


def wake_all_waiting(conn: sqlite3.Connection, now: float, sleep: Callable[[float], None] = time.sleep) -> int:
    """Make all jobs due now that wait for a file or are dead as ``low_confidence``; return how many."""
    rows = conn.execute(
        "SELECT _id FROM ack_queue_default WHERE waiting IS NOT NULL AND status < 2 AND due > ?"
        " UNION ALL SELECT _id FROM ack_queue_default WHERE status = 9 AND reason = 'low_confidence'",
        (now,),
    ).fetchall()
    return sum(in_chunks(conn, _WAKE_ROW, [{"id": row[0], "now": now} for row in rows], sleep, WAKE_CHUNK))
