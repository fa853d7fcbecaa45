"""What a task marks: bulk rows that belong to it, how it follows them, and how Stop makes the worker drop them.

A task holds ``task.lock`` while it runs, with its mark as text. Rows with ``bulk`` set are dropped by the worker once
no process holds the lock for their mark; a task that ends by itself hands them over first. Standard library alone.
"""

import os
import sqlite3
import time
from collections.abc import Callable

from plexsync.core import environment, locks
from plexsync.core.db import in_chunks

# A row that nobody asked for yet is bulk; a pending, leased or dead one is somebody's already and only comes forward.
_MARK = """
INSERT INTO ack_queue_default (data, timestamp, status, key, due, priority, first_seen, last_seen, bulk, mark)
VALUES (
  CAST(json_object('key', :key, 'reason', :reason, 'at', :now) AS BLOB), :now, 1, :key, :now, 2, :now, :now, 1, :mark)
ON CONFLICT (key) DO UPDATE SET
  generation = generation + 1, mark = excluded.mark, last_seen = excluded.last_seen,
  due = CASE WHEN status = 2 THEN due WHEN status < 5 THEN min(due, excluded.due) ELSE excluded.due END,
  first_seen = CASE WHEN status < 5 THEN first_seen ELSE excluded.first_seen END,
  priority = CASE WHEN status < 5 THEN priority ELSE excluded.priority END,
  bulk = CASE WHEN status < 5 THEN bulk ELSE 0 END,
  attempts = 0, takebacks = 0, waiting = NULL, reason = NULL, message = NULL, candidates = NULL, counted = NULL,
  status = CASE WHEN status = 2 THEN 2 ELSE 1 END
"""


def mark_many(
    conn: sqlite3.Connection, keys: list[str], reason: str, mark: str, now: float, sleep: Callable[[float], None]
) -> None:
    """Mark ``keys`` for the task ``mark``, due now, in chunks with a pause so that no hook waits."""
    in_chunks(conn, (_MARK,), [{"key": key, "reason": reason, "mark": mark, "now": now} for key in keys], sleep)


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
    return dict(conn.execute("SELECT outcome, n FROM outcome WHERE mark = ? AND n > 0", (mark,)).fetchall())


def mark_due(
    conn: sqlite3.Connection,
    mark: str,
    now: float,
    far: float,
    sleep: Callable[[float], None] = time.sleep,
    *,
    orphans: bool = False,
) -> int:
    """Follow everything that is due now under ``mark`` without owning it; how many rows.

    ``orphans``: no worker lives, so what is leased was left by one that died, and is due as well; not what a stopped
    task had marked.
    """
    rows = conn.execute(
        "SELECT _id FROM ack_queue_default WHERE status < 2 AND (due <= ? OR due > ?) AND mark IS NOT ?"
        " UNION ALL SELECT _id FROM ack_queue_default WHERE status = 2 AND bulk = 0 AND ?",
        (now, far, mark, orphans),
    ).fetchall()
    follow = "UPDATE ack_queue_default SET mark = :mark, counted = NULL WHERE _id = :id AND status <= 2"
    return in_chunks(conn, (follow,), [{"id": row[0], "mark": mark} for row in rows], sleep)[0]


def hand_over(conn: sqlite3.Connection, mark: str, sleep: Callable[[float], None] = time.sleep) -> int:
    """The task ends by itself: its rows stay, as the background worker's own. How many were still bulk."""
    keep = f"UPDATE ack_queue_default SET bulk = 0 WHERE _id = :id AND {_OWNED}"
    return in_chunks(conn, (keep,), _owned(conn, mark), sleep)[0]


_OWNED = "bulk = 1 AND mark = :mark"


def _owned(conn: sqlite3.Connection, mark: str) -> list[dict[str, object]]:
    rows = conn.execute(f"SELECT _id FROM ack_queue_default WHERE {_OWNED}", {"mark": mark}).fetchall()
    return [{"id": row[0], "mark": mark} for row in rows]


def forget(conn: sqlite3.Connection, mark: str) -> None:
    """Drop the counts of a task that has told them."""
    conn.execute("DELETE FROM outcome WHERE mark = ?", (mark,))


def sweep(conn: sqlite3.Connection, folder: str) -> None:
    """Drop the counts of tasks that are gone: their rows may still be under way and go on being counted."""
    if conn.execute("SELECT 1 FROM outcome LIMIT 1").fetchone() is not None:
        conn.execute("DELETE FROM outcome WHERE mark <> ?", (running_mark(folder),))


def drop_stopped(conn: sqlite3.Connection, folder: str, sleep: Callable[[float], None] = time.sleep) -> int:
    """Stop means stop: drop pending bulk rows whose task is gone without handing them over; how many.

    Leased rows are the caller's own: it asks again when it has settled them.
    """
    found = _bulk_marks(conn)
    if not found:
        return 0
    # The lock is looked at after the rows: a task that starts meanwhile has marked none of those.
    alive = running_mark(folder)
    drop = f"DELETE FROM ack_queue_default WHERE _id = :id AND status = 1 AND {_OWNED}"
    dropped = sum(in_chunks(conn, (drop,), _owned(conn, mark), sleep)[0] for mark in found if mark != alive)
    conn.execute("DELETE FROM outcome WHERE mark <> ?", (alive,))
    return dropped


def _bulk_marks(conn: sqlite3.Connection) -> list[str]:
    """Whose rows there are: one look-up for each mark, however many rows it has."""
    found = [""]
    while found[-1] is not None:
        sql = "SELECT min(mark) FROM ack_queue_default WHERE bulk = 1 AND mark > ?"
        found.append(conn.execute(sql, (found[-1],)).fetchone()[0])
    return found[1:-1]


def is_wanted(conn: sqlite3.Connection, row: int, mark: str, folder: str) -> bool:
    """Whether a leased bulk row is still to be done: its task runs, or has handed it over, or it was edited since."""
    if running_mark(folder) == mark:
        return True
    found = conn.execute("SELECT bulk FROM ack_queue_default WHERE _id = ?", (row,)).fetchone()
    return found is not None and not found[0]


def running_mark(folder: str) -> str:
    """The mark of the task that runs now, or ``""``."""
    path = os.path.join(folder, environment.TASK_LOCK)
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
