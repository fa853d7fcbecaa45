"""Dead letters: what people see of them and do with them. Standard library alone; no state outside ``queue.db``."""

import sqlite3
import time

from plexsync import jobs

REASONS = ("low_confidence", "not_in_plex", "rejected", "retries_exhausted", "invalid")

# A clean slate, and nobody's bulk: a dead letter that is put back is never dropped with a task.
_REVIVE = (
    "UPDATE ack_queue_default SET status = 1, due = :now, attempts = 0, takebacks = 0, waiting = NULL, bulk = 0,"
    " priority = 1, mark = :mark, reason = NULL, message = NULL, candidates = NULL, first_seen = :now,"
    " generation = generation + 1"
    " WHERE _id IN (SELECT _id FROM ack_queue_default WHERE status = 9 AND key IS NOT NULL {which} LIMIT :chunk)"
)


def dead_letters(conn: sqlite3.Connection) -> list[tuple[object, ...]]:
    """Every dead letter: id, key, reason, message, attempts, first_seen, last_seen, candidates (JSON text or None)."""
    return conn.execute(
        "SELECT _id, key, reason, message, attempts, first_seen, last_seen, candidates"
        " FROM ack_queue_default WHERE status = 9 ORDER BY last_seen DESC, _id DESC"
    ).fetchall()


def by_reason(conn: sqlite3.Connection) -> dict[str, int]:
    """How many dead letters there are for each reason that occurs."""
    return dict(
        conn.execute(
            "SELECT COALESCE(reason, 'retries_exhausted'), count(*) FROM ack_queue_default WHERE status = 9 GROUP BY 1"
        ).fetchall()
    )


def retry(conn: sqlite3.Connection, ids: list[int], now: float) -> int:
    """Put these dead letters back with a clean slate; how many there were."""
    return sum(
        conn.execute(_REVIVE.format(which="AND _id = :id"), {"now": now, "mark": None, "id": one, "chunk": 1}).rowcount
        for one in ids
    )


def retry_all(conn: sqlite3.Connection, now: float, mark: str | None = None, keep: tuple[str, ...] = ()) -> int:
    """Put back every dead letter whose reason is not in ``keep``; followed under ``mark``. How many."""
    which = "AND COALESCE(reason, '') NOT IN ({})".format(", ".join(f"'{r}'" for r in keep if r in REASONS) or "''")
    return _chunks(conn, _REVIVE.format(which=which), {"now": now, "mark": mark})


def discard(conn: sqlite3.Connection, ids: list[int]) -> int:
    """Forget these dead letters; how many there were."""
    return sum(
        conn.execute("DELETE FROM ack_queue_default WHERE status = 9 AND _id = ?", (one,)).rowcount for one in ids
    )


def clear_dead(conn: sqlite3.Connection) -> int:
    """Forget all dead letters; how many."""
    return _chunks(conn, _DELETE.format(which="status = 9"), {})


def clear_pending(conn: sqlite3.Connection, now: float) -> int:
    """Forget all pending and waiting jobs, and what catch-up would find of the time before ``now``; how many."""
    jobs.set_meta(conn, "cleared", now)
    return _chunks(conn, _DELETE.format(which="status < 2"), {})


_DELETE = "DELETE FROM ack_queue_default WHERE _id IN (SELECT _id FROM ack_queue_default WHERE {which} LIMIT :chunk)"


def _chunks(conn: sqlite3.Connection, sql: str, values: dict[str, object]) -> int:
    total = 0
    while True:
        changed = conn.execute(sql, values | {"chunk": jobs.CHUNK}).rowcount
        total += changed
        if changed < jobs.CHUNK:
            return total
        time.sleep(jobs.PAUSE)
