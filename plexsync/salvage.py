"""Broken databases: ``state.db`` is set aside and built anew, ``queue.db`` is salvaged row by row. Nothing is deleted.

Standard library alone.
"""

from __future__ import annotations

import os
import sqlite3
import time

from plexsync import export, jobs, locks, paths, state
from plexsync.log import Log
from plexsync.state import State

#: What SQLite says when the file itself is broken, not merely locked, full or read-only.
_BROKEN = ("malformed", "not a database", "disk image")

#: Endings of the files that belong to one database.
_PARTS = ("", "-wal", "-shm")


def is_broken(error: BaseException) -> bool:
    """Whether the error says that the database file itself is broken."""
    return isinstance(error, sqlite3.DatabaseError) and any(sign in str(error) for sign in _BROKEN)


def open_state(folder: str, log: Log, now: float) -> State:
    """``state.db``; a broken one is set aside and a new one made, with what was exported earlier.

    Raises ``sqlite3.Error`` for anything else.
    """
    is_new = not os.path.exists(os.path.join(folder, paths.STATE_DB))
    try:
        found = State(state.open_state(folder))
        if is_new:
            found.import_synced(export.read_timestamps(folder))
        return found
    except sqlite3.DatabaseError as error:
        if not is_broken(error):
            raise
    kept = set_aside(os.path.join(folder, paths.STATE_DB), now)
    log.error(
        f"found state.db damaged; it was kept as {os.path.basename(kept)} and a new one made. No edit is lost;"
        " what PlexSync wrote earlier counts as yours until it is written again."
    )
    made = State(state.open_state(folder))
    made.import_synced(export.read_timestamps(folder))
    return made


def mend_queue(folder: str, log: Log, now: float, *, thorough: bool) -> None:
    """See to it that ``queue.db`` can be used: a broken one is salvaged row by row. Only the lock's holder may.

    ``thorough`` reads the whole file.
    """
    try:
        conn = jobs.open_queue(folder, now)
        try:
            jobs.counts(conn)
            found = conn.execute("PRAGMA quick_check(1)").fetchone() if thorough else ("ok",)
        finally:
            conn.close()
        if found[0] == "ok":
            return
    except sqlite3.DatabaseError as error:
        if not is_broken(error):
            raise
    _salvage(folder, log, now)


def _salvage(folder: str, log: Log, now: float) -> None:
    """Read what can be read, set the file aside, put the keys into a new one. Hooks wait at ``init.lock`` meanwhile."""
    path = os.path.join(folder, paths.QUEUE_DB)
    fd = locks.open_lock(os.path.join(folder, paths.INIT_LOCK))
    try:
        locks.wait_lock(fd, jobs.BUSY_TIMEOUT)
        rows = _readable(path)
        kept = set_aside(path, now)
    finally:
        locks.unlock(fd)
        os.close(fd)
    conn = jobs.open_queue(folder, now)
    try:
        for key, status, reason, message in rows:
            jobs.put(conn, key, "salvaged", now, now)
            if status == jobs.DEAD:
                _bury(conn, key, reason, message, now)
    finally:
        conn.close()
    log.error(
        f"found queue.db damaged; {len(rows)} jobs were saved out of it, and it was kept as {os.path.basename(kept)}."
        " Run Sync recent to be sure that nothing is missing."
    )


def _bury(conn: sqlite3.Connection, key: str, reason: str, message: str, now: float) -> None:
    row = conn.execute("SELECT _id FROM ack_queue_default WHERE key = ?", (key,)).fetchone()
    jobs.begin(conn)
    jobs.bury(conn, row[0], reason, message, now)
    conn.execute("COMMIT")


def _readable(path: str) -> list[tuple[str, int, str, str]]:
    """Key, status, reason and message of every row that can still be read, one by one, from both ends."""
    found: dict[str, tuple[str, int, str, str]] = {}
    for order in ("ASC", "DESC"):
        try:
            conn = sqlite3.connect(path, timeout=jobs.BUSY_TIMEOUT, isolation_level=None)
        except sqlite3.Error:
            continue
        try:
            rows = conn.execute(
                f"SELECT key, status, reason, message FROM ack_queue_default NOT INDEXED ORDER BY _id {order}"
            )
            for key, status, reason, message in rows:
                if jobs.is_key(key):
                    found[key] = (key, int(status or 0), str(reason or "retries_exhausted"), str(message or ""))
        except (sqlite3.Error, ValueError, TypeError):
            pass  # the rest of this direction cannot be read
        finally:
            conn.close()
    return list(found.values())


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
