"""The jobs: their one table in ``queue.db``, how it is opened, and every statement that moves a job between states.

The table is persist-queue's own (its columns first, its status numbers, JSON payload as a BLOB) with further columns
that have defaults, so the stock ``SQLiteAckQueue`` opens the same file. Shared by hook, worker, waiter and operations:
standard library alone, no dataclasses (their import is a tenth of the hook's time). Every function takes an open
connection in autocommit mode; what changes rows is one transaction. Times are seconds since the epoch.

What tasks mark in bulk is in ``marks.py``; what people do with dead letters in ``letters.py``.
"""

from __future__ import annotations

import sqlite3
import time

from plexsync.core.db import begin, in_chunks
from plexsync.core.enqueue import PUT
from plexsync.queue.schema import get_meta
from plexsync.queue.stock import adopt

TYPE_CHECKING = False  # typing's own would load typing, a tenth of the hook's time
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

#: Edits by hand (``BY_HAND``) go before what a rename fans out to, and that before bulk work.
FAN_OUT, BULK = 1, 2

#: Takings-back after which a row is leased alone, and after which it is dead: it may be what kills the worker.
ALONE_AFTER, DEAD_AFTER = 2, 5

#: Scenes per transaction when they are woken: each is two look-ups.
WAKE_CHUNK = 500


# A row that is there already, in whatever state, is somebody's and stays as it is.
_ADD = """
INSERT INTO ack_queue_default (data, timestamp, status, key, due, priority, first_seen, last_seen)
VALUES (
  CAST(json_object('key', :key, 'reason', :reason, 'at', :now) AS BLOB), :now, 1, :key, :now, :priority, :now, :now)
ON CONFLICT (key) DO NOTHING
"""


def put_many(
    conn: sqlite3.Connection,
    keys: list[str],
    reason: str,
    now: float,
    priority: int,
    sleep: Callable[[float], None] = time.sleep,
) -> None:
    """Fan-out: the same as ``put`` for many keys, due now, in chunks that let hooks in between."""
    values = [{"key": key, "reason": reason, "now": now, "due": now, "priority": priority} for key in keys]
    in_chunks(conn, (PUT,), values, sleep)


def add_new(
    conn: sqlite3.Connection,
    keys: list[str],
    reason: str,
    now: float,
    priority: int,
    sleep: Callable[[float], None] = time.sleep,
) -> int:
    """Catch-up: rows, due now, for those ``keys`` that have none; how many were made. No existing row is touched."""
    values = [{"key": key, "reason": reason, "now": now, "priority": priority} for key in keys]
    return in_chunks(conn, (_ADD,), values, sleep)[0]


_COLUMNS = "_id, key, generation, priority, attempts, takebacks, waiting, bulk, mark, first_seen, reason"

# Each half is one range of job_due: in a single OR, the rows that wait would all be read.
_DUE = f"""
SELECT {_COLUMNS}, due FROM ack_queue_default WHERE status = 1 AND priority IN (0, 1, 2) AND {{when}}
ORDER BY priority, due LIMIT :limit"""
LEASE = (
    f"SELECT * FROM ({_DUE.format(when='due <= :now')}) UNION ALL SELECT * FROM ({_DUE.format(when='due > :far')})"
    " ORDER BY priority, due LIMIT :limit"
)


def lease(conn: sqlite3.Connection, now: float, far: float, limit: int) -> list[tuple[object, ...]]:
    """Take up to ``limit`` due jobs, by priority and then by due time, as rows of ``queue.Job``'s fields.

    ``far`` (not before ``now``): a due time beyond it was set by a wrong clock and counts as due. A row that was taken
    back twice comes alone, and after those that were so less often: if it kills the worker, they have been done.
    """
    adopt(conn, now)
    with conn:
        begin(conn)
        rows = conn.execute(LEASE, {"now": now, "far": far, "limit": limit}).fetchall()
        alone = [row for row in rows if row[5] >= ALONE_AFTER]
        if alone:
            others = [row for row in rows if row[5] < ALONE_AFTER]
            rows = others or [min(alone, key=lambda row: int(str(row[5])))]
        conn.executemany(
            "UPDATE ack_queue_default SET status = 2, leased = generation WHERE _id = ?", [(row[0],) for row in rows]
        )
    return rows


#: What a settled row becomes. Each statement acts only while the generation is still the leased one.
_STILL = "WHERE _id = :id AND status = 2 AND generation = :generation"
_SETTLE = {
    "done": f"DELETE FROM ack_queue_default {_STILL}",
    "later": "UPDATE ack_queue_default SET status = 1, leased = NULL, due = :due, attempts = :attempts,"
    " waiting = :waiting, takebacks = 0, reason = :reason, message = :message, candidates = :candidates,"
    f" last_seen = :now, counted = CASE WHEN mark IS NULL THEN NULL ELSE :outcome END {_STILL}",
    "dead": "UPDATE ack_queue_default SET status = 9, leased = NULL, attempts = :attempts, waiting = NULL,"
    " takebacks = 0, bulk = 0, mark = NULL, reason = :reason, message = :message, candidates = :candidates,"
    f" last_seen = :now {_STILL}",
    "release": f"UPDATE ack_queue_default SET status = 1, leased = NULL {_STILL}",
}
_EDITED_MEANWHILE = (
    "UPDATE ack_queue_default SET status = 1, leased = NULL, attempts = 0, takebacks = 0, waiting = NULL,"
    " reason = NULL, message = NULL, candidates = NULL WHERE _id = :id AND "
)
_COUNTED = "SELECT counted FROM ack_queue_default WHERE _id = :id AND mark = :mark AND counted IS NOT NULL"
_REMEMBER = "UPDATE ack_queue_default SET counted = :outcome WHERE _id = :id AND mark = :mark"
_UNCOUNT = "UPDATE outcome SET n = n - 1 WHERE mark = :mark AND outcome = :counted"
_COUNT = "INSERT INTO outcome VALUES (:mark, :outcome, 1) ON CONFLICT (mark, outcome) DO UPDATE SET n = n + 1"


def settle(conn: sqlite3.Connection, settlements: list[dict[str, object]], now: float) -> None:
    """Settle leased rows in one transaction.

    Each settlement has ``id``, ``generation``, ``to`` (``done``, ``later``, ``dead``, ``release``) and, for the row,
    ``due``, ``attempts``, ``waiting`` (since when, or None), ``reason``, ``message``, ``candidates`` (JSON text), and
    ``mark`` and ``outcome``, which are counted for the task that follows: of a row that comes again, its last outcome.
    A row edited meanwhile is pending again, due as it was.
    """
    with conn:
        begin(conn)
        for values in settlements:
            values["now"] = now
            counts = bool(values.get("mark") and values.get("outcome"))
            before = conn.execute(_COUNTED, values).fetchone() if counts else None
            if conn.execute(_SETTLE[str(values["to"])], values).rowcount == 0:
                conn.execute(_EDITED_MEANWHILE + "status = 2", values)
                if counts:
                    conn.execute(_REMEMBER, values)
            # Written, edited meanwhile and then found equal: for the task it was written.
            if counts and (before, values["outcome"]) != (("synced",), "unchanged"):
                conn.execute(_COUNT, values)
                if before is not None:
                    conn.execute(_UNCOUNT, {"mark": values["mark"], "counted": before[0]})


def note_lease(conn: sqlite3.Connection) -> None:
    """Note the generation that the stock class's ``get`` has leased."""
    conn.execute("UPDATE ack_queue_default SET leased = generation WHERE status = 2 AND leased IS NULL")


def after_stock(conn: sqlite3.Connection, row_id: int | None, now: float) -> None:
    """Finish what the stock class's ``ack`` or ``ack_failed`` began, by the rules of ``settle``."""
    values = {"id": row_id, "now": now}
    with conn:
        begin(conn)
        conn.execute(_EDITED_MEANWHILE + "status IN (5, 9) AND generation > leased", values)
        conn.execute("DELETE FROM ack_queue_default WHERE _id = :id AND status = 5", values)
        conn.execute(
            "UPDATE ack_queue_default SET leased = NULL, bulk = 0, mark = NULL, waiting = NULL, last_seen = :now,"
            " reason = COALESCE(reason, 'retries_exhausted') WHERE _id = :id AND status = 9",
            values,
        )


def take_back(conn: sqlite3.Connection, now: float) -> int:
    """What a worker that died had leased becomes pending again, counted; how many rows. Only for the lock's holder."""
    with conn:
        begin(conn)
        dead = conn.execute(
            "UPDATE ack_queue_default SET status = 9, leased = NULL, takebacks = takebacks + 1, bulk = 0, mark = NULL,"
            " waiting = NULL, reason = 'retries_exhausted', last_seen = ?, message = 'The worker ended ' ||"
            " (takebacks + 1) || ' times while it worked on ' || COALESCE(key, 'it') ||"
            " '; edit it in Stash or run Process DLQ to try again.'"
            " WHERE status = 2 AND takebacks + 1 >= ?",
            (now, DEAD_AFTER),
        ).rowcount
        pending = conn.execute(
            "UPDATE ack_queue_default SET status = 1, leased = NULL, takebacks = takebacks + 1 WHERE status = 2"
        )
    return dead + pending.rowcount


def next_due(conn: sqlite3.Connection, now: float, far: float) -> float | None:
    """When the next pending row is due (``now`` or earlier: at once), or None without pending rows."""
    row = conn.execute("SELECT min(due), max(due) FROM ack_queue_default WHERE status < 2").fetchone()
    if row[0] is None:
        return None
    return now if row[1] > far else float(row[0])


def wake_held(conn: sqlite3.Connection, reason: str, now: float, sleep: Callable[[float], None] = time.sleep) -> None:
    """What was put back for ``reason`` (``dry_run``) is due now, as if it had never been."""
    held = "status = 1 AND reason = :reason"
    rows = conn.execute(f"SELECT _id FROM ack_queue_default WHERE {held}", {"reason": reason}).fetchall()
    wake = f"UPDATE ack_queue_default SET due = :now, reason = NULL, message = NULL WHERE _id = :id AND {held}"
    in_chunks(conn, (wake,), [{"id": row[0], "now": now, "reason": reason} for row in rows], sleep)


def is_held(conn: sqlite3.Connection, reason: str) -> bool:
    """Whether a pending row was put back for ``reason``."""
    sql = "SELECT 1 FROM ack_queue_default WHERE status = 1 AND reason = ? LIMIT 1"
    return conn.execute(sql, (reason,)).fetchone() is not None


def pending_scenes(conn: sqlite3.Connection, since: float) -> list[int]:
    """The scenes with a pending row whose newest edit is younger than ``since``."""
    rows = conn.execute(
        "SELECT CAST(substr(key, 7) AS INTEGER) FROM ack_queue_default"
        " WHERE status = 1 AND bulk = 0 AND timestamp >= ? AND key LIKE 'scene:%' ORDER BY timestamp",
        (since,),
    )
    return [row[0] for row in rows]


def catchup_due(conn: sqlite3.Connection, now: float, interval: float) -> bool:
    """Whether the last catch-up is further back than ``interval`` seconds (or in the future: the clock was wrong)."""
    return not 0 <= now - get_meta(conn, "catchup") < interval


def counts(conn: sqlite3.Connection) -> dict[str, float]:
    """``pending``, ``waiting``, ``in_progress``, ``dead`` rows, and ``oldest``: first_seen of the oldest undone one."""
    row = conn.execute(
        "SELECT COALESCE(SUM(status < 2 AND waiting IS NULL), 0), COALESCE(SUM(status < 2 AND waiting IS NOT NULL), 0),"
        " COALESCE(SUM(status = 2), 0), COALESCE(SUM(status = 9), 0),"
        " MIN(CASE WHEN status <= 2 THEN COALESCE(first_seen, timestamp) END) FROM ack_queue_default"
    ).fetchone()
    names = ("pending", "waiting", "in_progress", "dead", "oldest")
    return {name: value or 0 for name, value in zip(names, row, strict=True)}


# Plex has gained a file that may be theirs: what waits for one is due, and what was unsure is matched again. Neither
# costs an attempt.
_WAKE = (
    "UPDATE ack_queue_default SET due = :now WHERE {one} AND status < 2 AND waiting IS NOT NULL AND due > :now",
    (
        "UPDATE ack_queue_default SET status = 1, due = :now, priority = 1, bulk = 0, mark = NULL, waiting = NULL,"
        " reason = NULL, message = NULL, candidates = NULL WHERE {one} AND status = 9 AND reason = 'low_confidence'"
    ),
)
_WAKE_KEY = tuple(statement.format(one="key = :key") for statement in _WAKE)
_WAKE_ROW = tuple(statement.format(one="_id = :id") for statement in _WAKE)


def wake_scenes(
    conn: sqlite3.Connection, scene_ids: Iterable[int], now: float, sleep: Callable[[float], None] = time.sleep
) -> int:
    """Those of the scenes that wait for a file, or are dead for ``low_confidence``, are due now; how many."""
    values = [{"key": f"scene:{scene_id}", "now": now} for scene_id in scene_ids]
    return sum(in_chunks(conn, _WAKE_KEY, values, sleep, WAKE_CHUNK))


def wake_all_waiting(conn: sqlite3.Connection, now: float, sleep: Callable[[float], None] = time.sleep) -> int:
    """The same for all that wait, or are dead for ``low_confidence``: the index was filled. How many."""
    rows = conn.execute(
        "SELECT _id FROM ack_queue_default WHERE waiting IS NOT NULL AND status < 2 AND due > ?"
        " UNION ALL SELECT _id FROM ack_queue_default WHERE status = 9 AND reason = 'low_confidence'",
        (now,),
    ).fetchall()
    return sum(in_chunks(conn, _WAKE_ROW, [{"id": row[0], "now": now} for row in rows], sleep, WAKE_CHUNK))


def give_back(conn: sqlite3.Connection, row_ids: list[int], now: float) -> None:
    """An outage consumes no attempt: of these rows, those that are pending after one get it back, and are due now.

    Due since their edit, so that a task that follows them sees them as still to be done.
    """
    back = (
        "UPDATE ack_queue_default SET attempts = attempts - 1, due = min(:now, timestamp), reason = NULL,"
        " message = NULL WHERE _id = :id AND status = 1 AND attempts > 0"
    )
    in_chunks(conn, (back,), [{"id": row_id, "now": now} for row_id in row_ids])
