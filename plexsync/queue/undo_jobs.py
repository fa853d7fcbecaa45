"""Rows for Undo: the jobs that put items back, and the scenes whose earlier edits no longer count.

A job is only the wake-up of a mark in ``state.db``, which is the truth. Standard library alone.
"""

from __future__ import annotations

import sqlite3
import time

from plexsync.core.db import in_chunks
from plexsync.core.enqueue import BY_HAND
from plexsync.model.job_key import JobKey
from plexsync.queue import jobs

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

#: The reason of these jobs.
UNDO = "undo"

#: Undo jobs up to which they come as edits by hand do; more give way to those.
FEW = 100

# Catch-up then takes an earlier change for seen, as after Clear queue.
_FORGET = (
    "INSERT INTO cleared VALUES (:key, :at) ON CONFLICT (key) DO UPDATE SET at = max(at, excluded.at)",
    ("DELETE FROM ack_queue_default WHERE key = :key AND (status < 2 OR status = 9) AND COALESCE(timestamp, 0) <= :at"),
)


def forget_edits(
    conn: sqlite3.Connection, scenes: Mapping[int, float], sleep: Callable[[float], None] = time.sleep
) -> None:
    """Forget the edits of scenes (scene id -> time) up to that time: their jobs go, but for those that are leased."""
    values = [{"key": str(JobKey.scene(scene_id)), "at": at} for scene_id, at in scenes.items()]
    in_chunks(conn, _FORGET, values, sleep)


def enqueue(
    conn: sqlite3.Connection,
    rating_keys: Iterable[int],
    now: float,
    sleep: Callable[[float], None] = time.sleep,
) -> None:
    """Queue the jobs that put these items back, due now."""
    keys = [JobKey.item(rating_key) for rating_key in rating_keys]
    jobs.enqueue_many(conn, keys, UNDO, now, BY_HAND if len(keys) <= FEW else jobs.FAN_OUT, sleep)


def drop(conn: sqlite3.Connection, rating_keys: Iterable[int], sleep: Callable[[float], None] = time.sleep) -> None:
    """Drop the undo jobs and dead letters of these items, but for those that are leased."""
    statement = "DELETE FROM ack_queue_default WHERE key = :key AND (status < 2 OR status = 9)"
    in_chunks(conn, (statement,), [{"key": str(JobKey.item(key))} for key in rating_keys], sleep)


def queued(conn: sqlite3.Connection) -> set[int]:
    """Return the items that have an undo job, in whatever state."""
    return {key for _, key, _ in _rows(conn)}


def rating_keys(conn: sqlite3.Connection, *, dead: bool, rows: Iterable[int] | None = None) -> list[int]:
    """Return the items of the undo jobs that are ``dead`` (or pending); ``rows``: of these rows alone."""
    wanted = None if rows is None else set(rows)
    states = (9,) if dead else (0, 1)
    return [key for row, key, status in _rows(conn) if status in states and (wanted is None or row in wanted)]


def _rows(conn: sqlite3.Connection) -> list[tuple[int, int, int]]:
    """Return row, rating key and status of every undo job."""
    sql = "SELECT _id, key, status FROM ack_queue_default WHERE key >= 'item:' AND key < 'item;'"
    return [(row, JobKey.of_row(key).id, status) for row, key, status in conn.execute(sql)]
