"""Repair damaged databases: ``state.db`` is rebuilt, ``queue.db`` is read row by row. Nothing is deleted.

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
from plexsync.core import db, enqueue, environment, leftovers, locks
from plexsync.log import Log
from plexsync.model.job_key import JobKey
from plexsync.queue import jobs, schema, stock
from plexsync.queue.meta import QueueMeta
from plexsync.state import ledger
from plexsync.state.ledger import State

#: Parts of SQLite's messages about a file that is itself damaged, not merely locked, full or read-only.
_DAMAGED = ("image is malformed", "malformed database schema", "not a database")

#: Endings of the files that belong to one database.
_PARTS = ("", "-wal", "-shm")


def is_damaged(error: BaseException) -> bool:
    """Return whether the error says that the database file itself is damaged."""
    return isinstance(error, sqlite3.DatabaseError) and any(sign in str(error) for sign in _DAMAGED)


def open_state(folder: str, log: Log, now: float, *, thorough: bool = False) -> State:
    """Open ``state.db``; set a damaged one aside and make a new one with what was exported earlier.

    ``thorough`` reads the whole file. Raise ``sqlite3.Error`` for anything but damage.
    """
    path = os.path.join(folder, environment.STATE_DB)
    is_new = not os.path.exists(path) or not os.path.getsize(path)
    try:
        conn = ledger.open_state(folder)
        if is_new:
            return _with_times(folder, conn)
        if not thorough or _is_whole(conn):
            return State(conn)
    except sqlite3.DatabaseError as error:  # the connection is closed: Windows renames no open file
        if not is_damaged(error):
            raise
    kept = set_aside(path, now)
    log.error(
        f"repaired state.db: the damaged file was kept as {os.path.basename(kept)} and a new one was made. No edit is"
        " lost; what PlexSync wrote earlier counts as your own edit until it is written again, and items"
        " that you chose have to be chosen again."
    )
    return _with_times(folder, ledger.open_state(folder))


def _with_times(folder: str, conn: sqlite3.Connection) -> State:
    """Return a new state with the exported times of the last syncs; close the connection if that fails."""
    state = State(conn)
    try:
        state.import_synced(status.read_timestamps(folder))
    except BaseException:
        conn.close()
        raise
    return state


def _is_whole(conn: sqlite3.Connection) -> bool:
    """Return whether the whole file can be read; close the connection if not."""
    try:
        if conn.execute("PRAGMA quick_check(1)").fetchone()[0] == "ok":
            return True
    except BaseException:
        conn.close()
        raise
    conn.close()
    return False


def repair_queue(folder: str, log: Log, now: float, *, thorough: bool) -> None:
    """Check ``queue.db``, and rebuild a damaged one from the rows that can be read.

    Only the lock's holder may call this. ``thorough`` reads the whole file. Raise ``sqlite3.Error`` for anything but
    damage.
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
        if not is_damaged(error):
            raise
    _salvage(folder, log, now)


def _salvage(folder: str, log: Log, now: float) -> None:
    """Read what can be read, set the file aside, and queue the keys in a new one. Hooks wait for ``init.lock``."""
    path = os.path.join(folder, environment.QUEUE_DB)
    with db.creation_lock(folder):
        rest = _read(path)
        kept = set_aside(path, now)
    with contextlib.closing(schema.open_queue(folder, now)) as conn:
        _restore(conn, rest, now)
    log.error(
        f"repaired queue.db: {len(rest.keys)} jobs were saved from the damaged file, which was kept as"
        f" {os.path.basename(kept)}. Run Sync recent to make sure nothing is missing."
    )


class _Rest:
    """What could be read of a damaged queue.

    ``keys``: row id -> key. ``dead``: row id -> (reason, message) of a dead letter. ``meta``, ``cleared``: the rows of
    the tables of these names.
    """

    def __init__(self) -> None:
        self.keys: dict[int, JobKey] = {}
        self.dead: dict[int, tuple[str, str]] = {}
        self.meta: dict[str, float] = {}
        self.cleared: dict[str, float] = {}


def _restore(conn: sqlite3.Connection, rest: _Rest, now: float) -> None:
    jobs.enqueue_many(conn, rest.keys.values(), "repaired", now, enqueue.BY_HAND)
    meta = QueueMeta(conn)
    with db.transaction(conn):
        for row in rest.dead.keys() & rest.keys.keys():
            sql = "SELECT _id FROM ack_queue_default WHERE key = ?"
            row_id = conn.execute(sql, (str(rest.keys[row]),)).fetchone()[0]
            stock.dead_letter(conn, row_id, *rest.dead[row], now)
        for name in _KEPT:
            if name in rest.meta:
                setattr(meta, name, rest.meta[name])
        conn.executemany("INSERT OR IGNORE INTO cleared VALUES (?, ?)", rest.cleared.items())


#: What catch-up needs: when PlexSync was installed, the last Clear queue, and the last catch-up.
_KEPT = ("started_at", "cleared_at", "caught_up_at")

#: Ways to a row's key and state: the table, and two indexes that hold them even where the table is unreadable.
_TABLE = "SELECT _id, key, status, reason, message FROM ack_queue_default NOT INDEXED ORDER BY _id {order}"
_BY_KEY = "SELECT _id, key, 1, '', '' FROM ack_queue_default WHERE key > '' ORDER BY key {order}"
_BY_STATE = (
    "SELECT _id, NULL, status, '', '' FROM ack_queue_default INDEXED BY job_due WHERE status = 9"
    " ORDER BY priority {order}, due {order}"
)
_LOST = "This job's row in queue.db was damaged. Edit the scene in Stash, or run Process DLQ, to try again."


def _read(path: str) -> _Rest:
    """Return every key that can be read, with its state where that is known."""
    rest = _Rest()
    sure: set[int] = set()
    for sql in (_TABLE, _BY_KEY, _BY_STATE):
        for row, key, state, reason, message in _rows(path, sql):
            if row in sure:
                continue
            parsed = JobKey.parse(key)
            if parsed is not None:
                rest.keys[row] = parsed
            if state == stock.DEAD:
                rest.dead[row] = (str(reason or "retries_exhausted"), str(message or _LOST))
        if sql is _TABLE:
            sure = set(rest.keys)
    rest.meta = _numbers(path, "SELECT name, value FROM meta ORDER BY name {order}")
    rest.cleared = _numbers(path, "SELECT key, at FROM cleared ORDER BY key {order}")
    return rest


def _numbers(path: str, sql: str) -> dict[str, float]:
    return {str(name): float(value) for name, value in _rows(path, sql) if isinstance(value, int | float)}


def _rows(path: str, sql: str) -> Iterator[tuple[Any, ...]]:
    """Yield the rows that can be read, one by one from both ends: some may come twice."""
    for order in ("ASC", "DESC"):
        conn = sqlite3.connect(path, timeout=enqueue.BUSY_TIMEOUT, isolation_level=None)
        conn.text_factory = lambda raw: raw.decode("utf-8", "replace")
        try:
            conn.execute("PRAGMA writable_schema=ON")  # without it, SQLite refuses to read a truncated file at all
            yield from conn.execute(sql.format(order=order))
        except sqlite3.Error:
            pass  # the rest of this direction cannot be read
        finally:
            conn.close()


def set_aside(path: str, now: float) -> str:
    """Rename a database and the files beside it (WAL, shared memory), all or none; return the new path.

    Raise ``OSError`` if that is not possible, on Windows while another process has one of them open.
    """
    stamp = time.strftime("%Y%m%d-%H%M%S", time.gmtime(now))
    kept = f"{path}.damaged-{stamp}"
    number = 0
    while os.path.exists(kept):
        number += 1
        kept = f"{path}.damaged-{stamp}-{number}"
    moved: list[str] = []
    try:
        for part in _PARTS:
            if os.path.exists(path + part):
                environment.publish(path + part, kept + part)
                moved.append(part)
    except OSError:
        for part in moved:  # a WAL must not be left to another database of that name
            environment.publish(kept + part, path + part)
        raise
    return kept


#: Names of temporary files that were to replace ours; they end in the writer's pid.
_PART = re.compile(rf"(?:[a-z_]+\.(?:json|csv)|{re.escape(environment.METRICS)}|{environment.CLIENT_ID})\.(\d+)")
#: Seconds without a change after which a temporary file is stale: if its writer is dead, and in any case. Another
#: process may have the pid by then, and a writer in another container seems dead.
PART_SECONDS, LONGEST_PART_SECONDS = 60.0, 3600.0


def sweep(folder: str, now: float) -> None:
    """Remove temporary files left by killed processes (a hook's holds a cookie), and none that is in use.

    So goes a sign-in with Plex that nobody finished.
    """
    leftovers.end_sign_in(folder, now)
    with os.scandir(folder) as entries:
        parts = [(entry.path, int(found[1])) for entry in entries if (found := _PART.fullmatch(entry.name))]
    for part, pid in parts:
        with contextlib.suppress(OSError):  # its writer has just renamed it
            age = abs(now - os.stat(part).st_mtime)  # a file written meanwhile, or by a wrong clock, is from the future
            if age >= (LONGEST_PART_SECONDS if _lives(pid) else PART_SECONDS):
                os.unlink(part)


def _lives(pid: int) -> bool:
    """Return whether there is such a process; where that cannot be asked (on Windows), True."""
    if locks.WINDOWS:
        return True
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except OSError:
        return True
    return pid > 0
