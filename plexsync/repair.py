"""Broken databases: ``state.db`` is set aside and built anew, ``queue.db`` is salvaged row by row. Nothing is deleted.

Standard library alone.
"""

from __future__ import annotations

import contextlib
import os
import re
import sqlite3
import time
from collections.abc import Iterator
from typing import Any

from plexsync import status
from plexsync.core import db, enqueue, environment, locks
from plexsync.log import Log
from plexsync.queue import jobs, schema, stock
from plexsync.state import ledger
from plexsync.state.ledger import State

#: What SQLite says when the file itself is broken, not merely locked, full or read-only.
_BROKEN = ("image is malformed", "malformed database schema", "not a database")

#: Endings of the files that belong to one database.
_PARTS = ("", "-wal", "-shm")


def is_broken(error: BaseException) -> bool:
    """Whether the error says that the database file itself is broken."""
    return isinstance(error, sqlite3.DatabaseError) and any(sign in str(error) for sign in _BROKEN)


def open_state(folder: str, log: Log, now: float, *, thorough: bool = False) -> State:
    """``state.db``; a broken one is set aside and a new one made, with what was exported earlier.

    ``thorough`` reads the whole file. Raises ``sqlite3.Error`` for anything else.
    """
    path = os.path.join(folder, environment.STATE_DB)
    is_new = not os.path.exists(path) or not os.path.getsize(path)
    try:
        conn = ledger.open_state(folder)
        if is_new:
            return _with_times(folder, conn)
        if not thorough or _is_whole(conn):
            return State(conn)
    except sqlite3.DatabaseError as error:
        if not is_broken(error):
            raise
    kept = set_aside(path, now)
    log.error(
        f"found state.db damaged; it was kept as {os.path.basename(kept)} and a new one made. No edit is lost;"
        " what PlexSync wrote earlier counts as yours until it is written again."
    )
    return _with_times(folder, ledger.open_state(folder))


def _with_times(folder: str, conn: sqlite3.Connection) -> State:
    """A new state that takes over the times of the last syncs."""
    made = State(conn)
    made.import_synced(status.read_timestamps(folder))
    return made


def _is_whole(conn: sqlite3.Connection) -> bool:
    """Whether the whole file can be read; the connection is closed if not."""
    try:
        if conn.execute("PRAGMA quick_check(1)").fetchone()[0] == "ok":
            return True
    except sqlite3.Error:
        conn.close()
        raise
    conn.close()
    return False


def mend_queue(folder: str, log: Log, now: float, *, thorough: bool) -> None:
    """See to it that ``queue.db`` can be used: a broken one is salvaged row by row. Only the lock's holder may.

    ``thorough`` reads the whole file.
    """
    try:
        conn = schema.open_queue(folder, now)
        try:
            jobs.counts(conn)
            if not thorough or _is_whole(conn):
                return
        finally:
            conn.close()
    except sqlite3.DatabaseError as error:
        if not is_broken(error):
            raise
    _salvage(folder, log, now)


def _salvage(folder: str, log: Log, now: float) -> None:
    """Read what can be read, set the file aside, put the keys into a new one. Hooks wait at ``init.lock`` meanwhile."""
    path = os.path.join(folder, environment.QUEUE_DB)
    fd = locks.open_lock(os.path.join(folder, environment.INIT_LOCK))
    try:
        if not locks.wait_lock(fd, enqueue.BUSY_TIMEOUT):
            raise sqlite3.OperationalError("database is locked: another process has been creating it for 10 s")
        found = _read(path)
        kept = set_aside(path, now)
    finally:
        os.close(fd)
    conn = schema.open_queue(folder, now)
    try:
        _put_back(conn, found, now)
    finally:
        conn.close()
    log.error(
        f"found queue.db damaged; {len(found.keys)} jobs were saved out of it, and it was kept as"
        f" {os.path.basename(kept)}. Run Sync recent to be sure that nothing is missing."
    )


class _Found:
    """What could be read. ``keys``: row id -> key. ``dead``: row id -> reason and message of a dead letter.

    ``meta`` and ``cleared``: rows of the tables of these names.
    """

    def __init__(self) -> None:
        self.keys: dict[int, str] = {}
        self.dead: dict[int, tuple[str, str]] = {}
        self.meta: dict[str, float] = {}
        self.cleared: dict[str, float] = {}


def _put_back(conn: sqlite3.Connection, found: _Found, now: float) -> None:
    jobs.put_many(conn, list(found.keys.values()), "salvaged", now, enqueue.BY_HAND)
    with conn:
        db.begin(conn)
        for row in found.dead.keys() & found.keys.keys():
            sql = "SELECT _id FROM ack_queue_default WHERE key = ?"
            stock.bury(conn, conn.execute(sql, (found.keys[row],)).fetchone()[0], *found.dead[row], now)
        known = [(name, found.meta[name]) for name in _KEPT if name in found.meta]
        conn.executemany("INSERT OR REPLACE INTO meta VALUES (?, ?)", known)
        conn.executemany("INSERT OR IGNORE INTO cleared VALUES (?, ?)", found.cleared.items())


#: What catch-up must know as it was: when PlexSync came, the last Clear queue, and the last catch-up.
_KEPT = ("start", "cleared", "catchup")

#: Ways to a row's key and state: the table, and the two indexes, which hold the same where the table is unreadable.
_TABLE = "SELECT _id, key, status, reason, message FROM ack_queue_default NOT INDEXED ORDER BY _id {order}"
_BY_KEY = "SELECT _id, key, 1, '', '' FROM ack_queue_default WHERE key > '' ORDER BY key {order}"
_BY_STATE = (
    "SELECT _id, NULL, status, '', '' FROM ack_queue_default INDEXED BY job_due WHERE status = 9"
    " ORDER BY priority {order}, due {order}"
)
_LOST = "This job's row in queue.db was damaged; edit its scene in Stash or run Process DLQ to try again."


def _read(path: str) -> _Found:
    """Every key, with what is known of its state, of a file parts of which cannot be read."""
    found = _Found()
    sure: set[int] = set()
    for sql in (_TABLE, _BY_KEY, _BY_STATE):
        for row, key, now_as, reason, message in _rows(path, sql):
            if row in sure:
                continue
            if stock.is_key(key):
                found.keys[row] = key
            if now_as == stock.DEAD:
                found.dead[row] = (str(reason or "retries_exhausted"), str(message or _LOST))
        if sql is _TABLE:
            sure = set(found.keys)
    found.meta = _numbers(path, "SELECT name, value FROM meta ORDER BY name {order}")
    found.cleared = _numbers(path, "SELECT key, at FROM cleared ORDER BY key {order}")
    return found


def _numbers(path: str, sql: str) -> dict[str, float]:
    return {str(name): float(value) for name, value in _rows(path, sql) if isinstance(value, int | float)}


def _rows(path: str, sql: str) -> Iterator[tuple[Any, ...]]:
    """The rows that can be read, one by one from both ends: some may come twice."""
    for order in ("ASC", "DESC"):
        conn = sqlite3.connect(path, timeout=enqueue.BUSY_TIMEOUT, isolation_level=None)
        conn.text_factory = lambda raw: raw.decode("utf-8", "replace")
        try:
            conn.execute("PRAGMA writable_schema=ON")  # or SQLite refuses a file of which the end is missing as a whole
            yield from conn.execute(sql.format(order=order))
        except sqlite3.Error:
            pass  # the rest of this direction cannot be read
        finally:
            conn.close()


def set_aside(path: str, now: float) -> str:
    """Rename a database and its side files; the new name."""
    stamp = time.strftime("%Y%m%d-%H%M%S", time.gmtime(now))
    kept = f"{path}.damaged-{stamp}"
    number = 0
    while os.path.exists(kept):
        number += 1
        kept = f"{path}.damaged-{stamp}-{number}"
    for part in _PARTS:
        if os.path.exists(path + part):
            os.replace(path + part, kept + part)
    return kept


#: What was to replace one of our files, named after the pid of its writer; seconds after which nobody writes it.
_PART = re.compile(rf"(?:[a-z_]+\.json|{re.escape(environment.METRICS)}|{environment.CLIENT_ID})\.\d+")
PART_SECONDS = 60.0


def sweep(folder: str, now: float) -> None:
    """Remove what processes that were killed left half-way to a file: the hook's has a cookie in it."""
    with os.scandir(folder) as found:
        parts = [entry.path for entry in found if _PART.fullmatch(entry.name)]
    for part in parts:
        with contextlib.suppress(OSError):  # its writer has just finished
            if not 0 <= now - os.stat(part).st_mtime < PART_SECONDS:
                os.unlink(part)
