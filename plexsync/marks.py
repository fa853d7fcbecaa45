"""What a task marks: bulk rows that belong to it, how it follows them, and how Stop makes the worker drop them.

A task holds ``task.lock`` while it runs, with its mark as text. Rows with ``bulk`` set are dropped by the worker once
no process holds the lock for their mark; a task that ends by itself hands them over first. Standard library alone.
"""

import os
import sqlite3
import time
from collections.abc import Callable

from plexsync import jobs, locks, paths

# A row that nobody asked for yet is bulk; a pending, leased or dead one is somebody's already and only comes forward.
_MARK = """
INSERT INTO ack_queue_default (data, timestamp, status, key, due, priority, first_seen, last_seen, bulk, mark)
VALUES (
  CAST(json_object('key', :key, 'reason', :reason, 'at', :now) AS BLOB), :now, 1, :key, :now, 2, :now, :now, 1, :mark)
ON CONFLICT (key) DO UPDATE SET
  generation = generation + 1, mark = excluded.mark, last_seen = excluded.last_seen,
  due = CASE WHEN status = 2 THEN due ELSE min(due, excluded.due) END,
  first_seen = CASE WHEN status < 5 THEN first_seen ELSE excluded.first_seen END,
  priority = CASE WHEN status < 5 THEN priority ELSE excluded.priority END,
  bulk = CASE WHEN status < 5 THEN bulk ELSE 0 END,
  attempts = 0, takebacks = 0, waiting = NULL, reason = NULL, message = NULL, candidates = NULL,
  status = CASE WHEN status = 2 THEN 2 ELSE 1 END
"""


def mark_many(
    conn: sqlite3.Connection, keys: list[str], reason: str, mark: str, now: float, sleep: Callable[[float], None]
) -> None:
    """Mark ``keys`` for the task ``mark``, due now, in chunks with a pause so that no hook waits."""
    for at in range(0, len(keys), jobs.CHUNK):
        jobs.begin(conn)
        conn.executemany(
            _MARK, [{"key": key, "reason": reason, "mark": mark, "now": now} for key in keys[at : at + jobs.CHUNK]]
        )
        conn.execute("COMMIT")
        sleep(jobs.PAUSE)


def left(conn: sqlite3.Connection, mark: str, since: float) -> int:
    """How many rows of ``mark`` are neither settled nor put back: a row that was put back is due after ``since``."""
    return int(
        conn.execute(
            "SELECT count(*) FROM ack_queue_default WHERE mark = ? AND (status = 2 OR (status = 1 AND due <= ?))",
            (mark, since),
        ).fetchone()[0]
    )


def outcomes(conn: sqlite3.Connection, mark: str) -> dict[str, int]:
    """How the rows of ``mark`` ended so far: outcome -> number."""
    return dict(conn.execute("SELECT outcome, n FROM outcome WHERE mark = ?", (mark,)).fetchall())


def mark_due(conn: sqlite3.Connection, mark: str, now: float, far: float) -> int:
    """Follow everything that is due now under ``mark`` without owning it; how many rows."""
    return _in_chunks(
        conn,
        "UPDATE ack_queue_default SET mark = :mark WHERE _id IN (SELECT _id FROM ack_queue_default"
        " WHERE status < 2 AND (due <= :now OR due > :far) AND mark IS NOT :mark LIMIT :chunk)",
        {"mark": mark, "now": now, "far": far},
    )


def hand_over(conn: sqlite3.Connection, mark: str) -> int:
    """The task ends by itself: its rows stay, as the background worker's own. How many were still bulk."""
    return _in_chunks(
        conn,
        "UPDATE ack_queue_default SET bulk = 0 WHERE _id IN (SELECT _id FROM ack_queue_default"
        " WHERE mark = :mark AND bulk = 1 LIMIT :chunk)",
        {"mark": mark},
    )


def forget(conn: sqlite3.Connection, mark: str) -> None:
    """Drop the counts of a task that has told them."""
    conn.execute("DELETE FROM outcome WHERE mark = ?", (mark,))


def drop_stopped(conn: sqlite3.Connection, folder: str, sleep: Callable[[float], None] = time.sleep) -> int:
    """Stop means stop: drop pending bulk rows whose task is gone without handing them over; how many.

    Leased rows are the caller's own: it asks again when it has settled them.
    """
    if conn.execute("SELECT 1 FROM ack_queue_default WHERE mark IS NOT NULL AND bulk = 1 LIMIT 1").fetchone() is None:
        return 0
    alive = running_mark(folder)
    dropped = _in_chunks(
        conn,
        "DELETE FROM ack_queue_default WHERE _id IN (SELECT _id FROM ack_queue_default"
        " WHERE bulk = 1 AND status = 1 AND mark IS NOT NULL AND mark <> :alive LIMIT :chunk)",
        {"alive": alive},
        sleep,
    )
    conn.execute("DELETE FROM outcome WHERE mark <> ?", (alive,))
    return dropped


def running_mark(folder: str) -> str:
    """The mark of the task that runs now, or ``""``."""
    path = os.path.join(folder, paths.TASK_LOCK)
    if not os.path.exists(path):
        return ""
    fd = locks.open_lock(path)
    try:
        if locks.try_lock(fd):
            locks.unlock(fd)
            return ""
        return locks.read_text(fd)
    finally:
        os.close(fd)


def _in_chunks(
    conn: sqlite3.Connection, sql: str, values: dict[str, object], sleep: Callable[[float], None] = time.sleep
) -> int:
    total = 0
    while True:
        changed = conn.execute(sql, values | {"chunk": jobs.CHUNK}).rowcount
        total += changed
        if changed < jobs.CHUNK:
            return total
        sleep(jobs.PAUSE)
