"""Dead letters: list, retry and discard them; clear the queue. Standard library alone."""

from __future__ import annotations

import sqlite3
import time
from typing import NamedTuple

from plexsync.core.db import in_chunks
from plexsync.model.job_key import JobKey
from plexsync.queue.meta import QueueMeta

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

REASONS = ("low_confidence", "not_in_plex", "rejected", "retries_exhausted", "invalid")

#: Reason of a dead letter that was put back, until it is tried: what Plex refused is then sent once more.
RETRIED = "retry"

# A clean slate, and never bulk: Stop must not drop a dead letter that was retried.
_REVIVE = (
    "UPDATE ack_queue_default SET status = 1, due = :now, attempts = 0, rescues = 0, waiting = NULL, bulk = 0,"
    " priority = 1, task = :task, message = NULL, candidates = NULL, generation = generation + 1,"
    " reason = CASE WHEN :known AND reason = 'invalid' THEN reason ELSE 'retry' END,"
    " first_seen = CASE WHEN :known AND reason = 'invalid' THEN first_seen ELSE :now END"
    " WHERE _id = :id AND status = 9 AND key IS NOT NULL"
)
# Remembered with the time of its newest edit: catch-up would revive a scene that crashed the worker, as no finished job
# has seen it. A later edit without a hook is still found.
_DISCARD = (
    (
        "INSERT INTO cleared SELECT key, COALESCE(timestamp, 0) FROM ack_queue_default"
        " WHERE _id = :id AND status = 9 AND key IS NOT NULL"
        " ON CONFLICT (key) DO UPDATE SET at = max(at, excluded.at)"
    ),
    "DELETE FROM ack_queue_default WHERE _id = :id AND status = 9",
)

# Rows that the stock class dead-lettered have no reason.
_REASON = "COALESCE(reason, 'retries_exhausted')"
_SELECT = (
    f"SELECT _id, key, {_REASON}, message, attempts, first_seen, last_seen, candidates"
    " FROM ack_queue_default WHERE status = 9"
)


class DeadLetter(NamedTuple):
    """One dead letter. ``key``: its text, None if the row has none. ``candidates``: JSON text, or None."""

    row: int
    key: str | None
    reason: str
    message: str | None
    attempts: int
    first_seen: float | None
    last_seen: float | None
    candidates: str | None


def dead_letters(conn: sqlite3.Connection, limit: int = -1) -> list[DeadLetter]:
    """Return the newest ``limit`` dead letters (-1: all), newest first."""
    rows = conn.execute(f"{_SELECT} ORDER BY last_seen DESC, _id DESC LIMIT ?", (limit,))
    return [DeadLetter(*row) for row in rows]


def scenes_of(conn: sqlite3.Connection, ids: list[int] | None = None) -> list[int]:
    """Return the scenes of these dead letters, of all by default."""
    wanted = None if ids is None else set(ids)
    rows = conn.execute("SELECT _id, key FROM ack_queue_default WHERE status = 9")
    keys = (JobKey.parse(key) for row, key in rows if wanted is None or row in wanted)
    return [key.id for key in keys if key is not None and key.is_scene]


def first_of(conn: sqlite3.Connection, keys: Iterable[JobKey]) -> DeadLetter | None:
    """Return the dead letter of the first of these keys that has one, or None."""
    rows = (row for key in keys for row in conn.execute(f"{_SELECT} AND key = ?", (str(key),)))
    return next((DeadLetter(*row) for row in rows), None)


def by_reason(conn: sqlite3.Connection) -> dict[str, int]:
    """Return reason -> number of dead letters, for reasons that occur."""
    return dict(
        conn.execute(f"SELECT {_REASON}, count(*) FROM ack_queue_default WHERE status = 9 GROUP BY 1").fetchall()
    )


def retry(conn: sqlite3.Connection, ids: list[int], now: float, sleep: Callable[[float], None] = time.sleep) -> int:
    """Make these dead letters pending again, with a clean slate; return how many of the rows were dead letters."""
    values = [{"id": row, "now": now, "task": None, "known": False} for row in ids]
    return in_chunks(conn, (_REVIVE,), values, sleep)[0]


def retry_all(
    conn: sqlite3.Connection,
    now: float,
    task_id: str | None = None,
    keep: tuple[str, ...] = (),
    sleep: Callable[[float], None] = time.sleep,
) -> int:
    """Retry every dead letter whose reason is not in ``keep``; ``task_id``: the task that follows. Return how many.

    Without a task nobody asked for it: an ``invalid`` one that stays is not told again.
    """
    rows = conn.execute(f"SELECT _id, {_REASON} FROM ack_queue_default WHERE status = 9").fetchall()
    known = task_id is None
    values = [
        {"id": row_id, "now": now, "task": task_id, "known": known} for row_id, reason in rows if reason not in keep
    ]
    return in_chunks(conn, (_REVIVE,), values, sleep)[0]


def retry_invalid(conn: sqlite3.Connection, keys: Iterable[JobKey], now: float) -> int:
    """Retry those of ``keys`` that are dead-lettered as ``invalid``, because they changed; return how many."""
    return _retry_dead_of(conn, keys, "invalid", now)


def retry_missing(conn: sqlite3.Connection, keys: Iterable[JobKey], now: float) -> int:
    """Retry those of ``keys`` that are dead-lettered as ``not_in_plex``, because Plex has the file; return how many."""
    return _retry_dead_of(conn, keys, "not_in_plex", now)


def _retry_dead_of(conn: sqlite3.Connection, keys: Iterable[JobKey], reason: str, now: float) -> int:
    sql = "SELECT _id FROM ack_queue_default WHERE key = ? AND status = 9 AND reason = ?"
    ids = [row[0] for key in keys for row in conn.execute(sql, (str(key), reason))]
    return retry(conn, ids, now)


def discard(conn: sqlite3.Connection, ids: list[int], sleep: Callable[[float], None] = time.sleep) -> int:
    """Delete these dead letters until their scenes are edited again; return how many were deleted."""
    return in_chunks(conn, _DISCARD, [{"id": row} for row in ids], sleep)[1]


def clear_dead(conn: sqlite3.Connection, sleep: Callable[[float], None] = time.sleep) -> int:
    """Delete all dead letters until their scenes are edited again; return how many."""
    rows = conn.execute("SELECT _id FROM ack_queue_default WHERE status = 9").fetchall()
    return discard(conn, [row[0] for row in rows], sleep)


_CLEAR = (
    (
        "INSERT OR REPLACE INTO cleared SELECT key, :now FROM ack_queue_default"
        " WHERE _id = :id AND status < 2 AND key IS NOT NULL"
    ),
    "DELETE FROM ack_queue_default WHERE _id = :id AND status < 2",
)


def clear_pending(conn: sqlite3.Connection, now: float, sleep: Callable[[float], None] = time.sleep) -> int:
    """Delete all pending and waiting jobs, and have catch-up ignore earlier changes; return how many jobs.

    Their keys are remembered (``cleared_at``), because a scene edited in this very second was cleared too.
    """
    QueueMeta(conn).cleared_at = now
    rows = conn.execute("SELECT _id FROM ack_queue_default WHERE status < 2").fetchall()
    return in_chunks(conn, _CLEAR, [{"id": row[0], "now": now} for row in rows], sleep)[1]


def is_cleared(conn: sqlite3.Connection, scene_id: int) -> bool:
    """Return whether the scene's job or dead letter was cleared or discarded, whatever came since."""
    return bool(cleared_at(conn, [JobKey.scene(scene_id)]))


def cleared_at(conn: sqlite3.Connection, keys: Iterable[JobKey]) -> dict[JobKey, float]:
    """Return key -> time up to which its edits were cleared or discarded; keys that never were are absent."""
    rows = ((key, conn.execute("SELECT at FROM cleared WHERE key = ?", (str(key),)).fetchone()) for key in keys)
    return {key: row[0] for key, row in rows if row is not None}
