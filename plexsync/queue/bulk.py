"""What a task marks: its bulk rows, how it follows them, and how Stop makes the worker drop them.

A task holds ``task.lock`` while it runs, with its task id as text. The worker drops rows with ``bulk`` set once no
process holds the lock for their task; a task that is not stopped hands its rows over when it ends. Standard library
alone.
"""

import os
import sqlite3
import time
from collections.abc import Callable, Iterable

from plexsync.core import environment, locks
from plexsync.core.db import in_chunks
from plexsync.model.job_key import JobKey

# A new row is bulk. A row that exists, whether pending, leased or dead, was wanted before and only comes forward. One
# that is dead as ``invalid``, which only a change of the scene can help, keeps its reason: it is not told again.
_MARK = """
INSERT INTO ack_queue_default (data, timestamp, status, key, due, priority, first_seen, last_seen, bulk, task)
VALUES (
  CAST(json_object('key', :key, 'reason', :reason, 'at', :now) AS BLOB), :now, 1, :key, :now, 2, :now, :now, 1, :task)
ON CONFLICT (key) DO UPDATE SET
  generation = generation + 1, task = excluded.task, last_seen = excluded.last_seen,
  timestamp = max(COALESCE(timestamp, 0), excluded.timestamp),
  due = CASE WHEN status = 2 THEN due WHEN status < 5 THEN min(due, excluded.due) ELSE excluded.due END,
  first_seen = CASE WHEN status < 5 OR reason = 'invalid' THEN first_seen ELSE excluded.first_seen END,
  priority = CASE WHEN status < 5 THEN min(priority, excluded.priority) ELSE excluded.priority END,
  bulk = CASE WHEN status < 5 THEN bulk ELSE 0 END,
  attempts = 0, rescues = 0, waiting = NULL, message = NULL, candidates = NULL, counted = NULL,
  reason = CASE WHEN reason = 'invalid' AND status IN (1, 9) THEN reason END,
  status = CASE WHEN status = 2 THEN 2 ELSE 1 END
"""


def mark_many(
    conn: sqlite3.Connection,
    keys: Iterable[JobKey],
    reason: str,
    task_id: str,
    now: float,
    sleep: Callable[[float], None],
) -> None:
    """Mark ``keys`` for the task, due now, in chunks with pauses that let hooks in between."""
    in_chunks(conn, (_MARK,), [{"key": str(key), "reason": reason, "task": task_id, "now": now} for key in keys], sleep)


def left(conn: sqlite3.Connection, task_id: str, since: float) -> int:
    """Return how many rows of the task are not settled yet; rows due after ``since`` were retried or snoozed."""
    return int(
        conn.execute(
            "SELECT count(*) FROM ack_queue_default WHERE task = ? AND (status = 2 OR (status = 1 AND due <= ?))",
            (task_id, since),
        ).fetchone()[0]
    )


def outcomes(conn: sqlite3.Connection, task_id: str) -> dict[str, int]:
    """Return how the rows of the task ended so far: outcome -> number of rows."""
    return dict(conn.execute("SELECT outcome, n FROM outcome WHERE task = ? AND n > 0", (task_id,)).fetchall())


def follow_due(
    conn: sqlite3.Connection,
    task_id: str,
    now: float,
    far: float,
    sleep: Callable[[float], None] = time.sleep,
    *,
    orphans: bool = False,
) -> int:
    """Have the task follow every row that is due now, without owning it; return how many rows.

    ``far``: a due time beyond it was set by a wrong clock and counts as due. ``orphans``: no worker runs, so rows that
    are leased were left by one that died and are due as well, except those that a stopped task had marked.
    """
    rows = conn.execute(
        "SELECT _id FROM ack_queue_default WHERE status < 2 AND (due <= ? OR due > ?) AND task IS NOT ?"
        " UNION ALL SELECT _id FROM ack_queue_default WHERE status = 2 AND bulk = 0 AND ?",
        (now, far, task_id, orphans),
    ).fetchall()
    follow = "UPDATE ack_queue_default SET task = :task, counted = NULL WHERE _id = :id AND status <= 2"
    return in_chunks(conn, (follow,), [{"id": row[0], "task": task_id} for row in rows], sleep)[0]


def hand_over(conn: sqlite3.Connection, task_id: str, sleep: Callable[[float], None] = time.sleep) -> int:
    """Leave the rows of a task that ends to the background worker; return how many were still its own."""
    keep = f"UPDATE ack_queue_default SET bulk = 0 WHERE _id = :id AND {_OWNED}"
    return in_chunks(conn, (keep,), _owned(conn, task_id), sleep)[0]


_OWNED = "bulk = 1 AND task = :task"


def _owned(conn: sqlite3.Connection, task_id: str) -> list[dict[str, object]]:
    rows = conn.execute(f"SELECT _id FROM ack_queue_default WHERE {_OWNED}", {"task": task_id}).fetchall()
    return [{"id": row[0], "task": task_id} for row in rows]


def forget_counts(conn: sqlite3.Connection, task_id: str) -> None:
    """Delete the counts of a task that has reported them."""
    conn.execute("DELETE FROM outcome WHERE task = ?", (task_id,))


def forget_ended(conn: sqlite3.Connection, folder: str) -> None:
    """Delete the counts of tasks that are gone; rows of theirs that are still settled are counted until then."""
    if conn.execute("SELECT 1 FROM outcome LIMIT 1").fetchone() is not None:
        conn.execute("DELETE FROM outcome WHERE task <> ?", (running_task(folder),))


def drop_stopped(conn: sqlite3.Connection, folder: str, sleep: Callable[[float], None] = time.sleep) -> int:
    """Drop the pending bulk rows of tasks that are gone and did not hand them over; return how many.

    Leased rows stay: they are the caller's, which calls this again once it has settled them.
    """
    tasks = _bulk_tasks(conn)
    if not tasks:
        return 0
    # Read after the rows: a task that starts in between has marked none of these.
    alive = running_task(folder)
    drop = f"DELETE FROM ack_queue_default WHERE _id = :id AND status = 1 AND {_OWNED}"
    dropped = sum(in_chunks(conn, (drop,), _owned(conn, task_id), sleep)[0] for task_id in tasks if task_id != alive)
    conn.execute("DELETE FROM outcome WHERE task <> ?", (alive,))
    return dropped


def _bulk_tasks(conn: sqlite3.Connection) -> list[str]:
    """Return the ids of the tasks that have bulk rows, with one look-up per task, however many rows it has."""
    tasks = [""]
    while tasks[-1] is not None:
        sql = "SELECT min(task) FROM ack_queue_default WHERE bulk = 1 AND task > ?"
        tasks.append(conn.execute(sql, (tasks[-1],)).fetchone()[0])
    return tasks[1:-1]


def is_wanted(conn: sqlite3.Connection, row: int, task_id: str, folder: str) -> bool:
    """Return whether a leased bulk row is still wanted: its task runs or handed it over, or it was edited since."""
    if running_task(folder) == task_id:
        return True
    stored = conn.execute("SELECT bulk FROM ack_queue_default WHERE _id = ?", (row,)).fetchone()
    return stored is not None and not stored[0]


def running_task(folder: str) -> str:
    """Return the id of the running task, or ``""``."""
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
