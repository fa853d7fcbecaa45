"""Rows of the queue that did not come from PlexSync: what persist-queue's stock class put, put back or acknowledged.

Owns its status numbers, what a key is, and how such a row becomes one of ours. Standard library alone.
"""

from __future__ import annotations

import sqlite3
import time

from plexsync.core.db import CHUNK, PAUSE, begin
from plexsync.core.enqueue import BY_HAND, PUT

TYPE_CHECKING = False  # as in chunks.py
if TYPE_CHECKING:
    from collections.abc import Callable

#: persist-queue's AckStatus, as numbers. A stock ``put`` leaves INITED; ours are READY from the start.
INITED, READY, LEASED, DONE, DEAD = 0, 1, 2, 5, 9

#: What a job can be about.
KINDS = ("scene", "performer", "studio", "tag")

#: Digits of an id: as many as always fit SQLite's integers.
_DIGITS = 18

#: Rows that the stock class put (and maybe put back) or acknowledged.
FOREIGN = "SELECT _id, status, key, data FROM ack_queue_default WHERE status IN (0, 5) OR (status = 1 AND key IS NULL)"


def adopt(conn: sqlite3.Connection, now: float, sleep: Callable[[float], None] = time.sleep) -> None:
    """Make rows that the stock class put, or acknowledged, rows of ours. Costs one look-up when there are none."""
    while conn.execute(f"{FOREIGN} LIMIT 1").fetchone() is not None:
        with conn:
            begin(conn)
            for row_id, status, key, data in conn.execute(f"{FOREIGN} LIMIT {CHUNK}").fetchall():
                _adopt(conn, row_id, status, key or key_of(conn, data), now)
        sleep(PAUSE)


def _adopt(conn: sqlite3.Connection, row_id: int, status: int, key: str | None, now: float) -> None:
    if key is None and status != DONE:
        bury(conn, row_id, "invalid", "This row holds no scene, performer, studio or tag; discard it.", now)
        return
    conn.execute("DELETE FROM ack_queue_default WHERE _id = ? AND (status = 5 OR key IS NULL)", (row_id,))
    if status != DONE:
        conn.execute(PUT, {"key": key, "reason": "put", "now": now, "due": now, "priority": BY_HAND})


def key_of(conn: sqlite3.Connection, data: object) -> str | None:
    """The job key in a payload, or None."""
    text = data.decode("utf-8", "replace") if isinstance(data, bytes) else str(data)
    try:
        found = conn.execute("SELECT json_extract(?1, '$.key') WHERE json_valid(?1)", (text,)).fetchone()
    except sqlite3.OperationalError:  # an escaped lone surrogate
        return None
    return found[0] if found and is_key(found[0]) else None


def is_key(key: object) -> bool:
    """Whether ``key`` is one that a job can have: ``scene:12``."""
    kind, _, number = key.partition(":") if isinstance(key, str) else ("", "", "")
    digits = number.isascii() and number.isdecimal() and len(number) <= _DIGITS
    return kind in KINDS and digits and number[0] != "0"


def bury(conn: sqlite3.Connection, row_id: int, reason: str, message: str, now: float) -> None:
    """Make one row a dead letter, inside the caller's transaction."""
    conn.execute(
        "UPDATE ack_queue_default SET status = 9, bulk = 0, mark = NULL, waiting = NULL, reason = ?, message = ?,"
        " last_seen = ? WHERE _id = ?",
        (reason, message, now, row_id),
    )
