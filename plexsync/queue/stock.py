"""Turn rows that persist-queue's stock class put into the queue into jobs like any other.

Owns the status numbers, which are persist-queue's, and how a row is dead-lettered. Standard library alone.
"""

from __future__ import annotations

import sqlite3
import time

from plexsync.core.db import CHUNK, PAUSE, transaction
from plexsync.core.enqueue import BY_HAND, PUT
from plexsync.model.job_key import JobKey

TYPE_CHECKING = False  # keeps this module's imports to what it runs
if TYPE_CHECKING:
    from collections.abc import Callable

#: persist-queue's AckStatus, as numbers. A stock ``put`` leaves INITED; ours are READY from the start.
INITED, READY, LEASED, DONE, DEAD = 0, 1, 2, 5, 9

#: Rows that the stock class put; after a ``nack`` they have status 1, but still no key.
_PUT_BY_STOCK = "SELECT _id, data FROM ack_queue_default WHERE status = 0 OR (status = 1 AND key IS NULL)"


def adopt(conn: sqlite3.Connection, now: float, sleep: Callable[[float], None] = time.sleep) -> None:
    """Turn rows of the stock class into jobs. Costs one look-up when there are none."""
    while conn.execute(f"{_PUT_BY_STOCK} LIMIT 1").fetchone() is not None:
        with transaction(conn):
            for row_id, data in conn.execute(f"{_PUT_BY_STOCK} LIMIT {CHUNK}").fetchall():
                _adopt(conn, row_id, _key_in(conn, data), now)
        sleep(PAUSE)


def _adopt(conn: sqlite3.Connection, row_id: int, key: JobKey | None, now: float) -> None:
    if key is None:
        message = "This row of the queue names no scene, performer, studio or tag. Discard it."
        dead_letter(conn, row_id, "invalid", message, now)
        return
    conn.execute("DELETE FROM ack_queue_default WHERE _id = ?", (row_id,))
    conn.execute(PUT, {"key": str(key), "reason": "put", "now": now, "due": now, "priority": BY_HAND})


def _key_in(conn: sqlite3.Connection, data: object) -> JobKey | None:
    """Return the job key in a payload, or None."""
    text = data.decode("utf-8", "replace") if isinstance(data, bytes) else str(data)
    try:
        stored = conn.execute("SELECT json_extract(?1, '$.key') WHERE json_valid(?1)", (text,)).fetchone()
    except sqlite3.OperationalError:  # an escaped lone surrogate
        return None
    return JobKey.parse(stored[0]) if stored else None


def dead_letter(conn: sqlite3.Connection, row_id: int, reason: str, message: str, now: float) -> None:
    """Turn one row into a dead letter, inside the caller's transaction."""
    conn.execute(
        "UPDATE ack_queue_default SET status = 9, bulk = 0, task = NULL, waiting = NULL, reason = ?, message = ?,"
        " last_seen = ? WHERE _id = ?",
        (reason, message, now, row_id),
    )
