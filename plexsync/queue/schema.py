"""``queue.db``: its tables, how it is made by one process at a time, and the numbers of its ``meta`` table.

Standard library alone. Every function takes an open connection in autocommit mode.
"""

from __future__ import annotations

import os
import sqlite3

from plexsync.core import enqueue, environment, locks
from plexsync.core.db import begin, connect
from plexsync.core.enqueue import BUSY_TIMEOUT, SCHEMA_VERSION

SCHEMA = """
CREATE TABLE IF NOT EXISTS ack_queue_default (
  _id INTEGER PRIMARY KEY AUTOINCREMENT, data BLOB, timestamp FLOAT, status INTEGER,
  key TEXT UNIQUE, generation INTEGER NOT NULL DEFAULT 1, leased INTEGER,
  due REAL NOT NULL DEFAULT 0, priority INTEGER NOT NULL DEFAULT 0,
  attempts INTEGER NOT NULL DEFAULT 0, takebacks INTEGER NOT NULL DEFAULT 0,
  waiting REAL, bulk INTEGER NOT NULL DEFAULT 0, mark TEXT,
  reason TEXT, message TEXT, candidates TEXT, first_seen REAL, last_seen REAL, counted TEXT);
CREATE INDEX IF NOT EXISTS job_due ON ack_queue_default (status, priority, due);
CREATE INDEX IF NOT EXISTS job_waiting ON ack_queue_default (waiting) WHERE waiting IS NOT NULL;
CREATE INDEX IF NOT EXISTS job_mark ON ack_queue_default (mark, status, due) WHERE mark IS NOT NULL;
CREATE INDEX IF NOT EXISTS job_bulk ON ack_queue_default (mark) WHERE bulk = 1;
CREATE TABLE IF NOT EXISTS meta (name TEXT PRIMARY KEY, value) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS outcome (
  mark TEXT, outcome TEXT, n INTEGER NOT NULL, PRIMARY KEY (mark, outcome)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS cleared (key TEXT PRIMARY KEY, at REAL) WITHOUT ROWID;
"""


def open_queue(folder: str, now: float) -> sqlite3.Connection:
    """The queue of the data folder ``folder``, made on first contact; ``now`` dates that contact.

    Raises ``sqlite3.Error`` when the file cannot be opened or is no database.
    """
    conn = enqueue.open_made(folder)
    if conn is None:
        conn = connect(os.path.join(folder, environment.QUEUE_DB))
        _create(conn, folder, now)
    return conn


def _create(conn: sqlite3.Connection, folder: str, now: float) -> None:
    """Make the schema, one process at a time: the switch to WAL ignores the busy timeout."""
    fd = locks.open_lock(os.path.join(folder, environment.INIT_LOCK))
    try:
        if not locks.wait_lock(fd, BUSY_TIMEOUT):
            raise sqlite3.OperationalError("database is locked: another process has been creating it for 10 s")
        if conn.execute("PRAGMA user_version").fetchone()[0] >= SCHEMA_VERSION:
            return
        conn.execute("PRAGMA journal_mode=WAL")
        with conn:
            begin(conn)
            for statement in SCHEMA.split(";"):
                conn.execute(statement)
            conn.execute("INSERT OR IGNORE INTO meta VALUES ('start', ?)", (first_contact(now),))
            conn.execute(f"PRAGMA user_version={SCHEMA_VERSION}")
    finally:
        os.close(fd)


def first_contact(now: float) -> float:
    """When PlexSync came to this machine: its manifest's change time, at most an hour before ``now``.

    Catch-up begins there, so that even the very first hook may be killed without losing its edit.
    """
    try:
        installed = os.stat(environment.MANIFEST).st_ctime
    except OSError:
        installed = now
    return float(int(max(min(installed, now), now - 3600)))


def raise_counter(conn: sqlite3.Connection, name: str) -> int:
    """Raise the counter ``wake`` (an edit came) or ``nudge`` (somebody wants a look now); its new value."""
    conn.execute("INSERT INTO meta VALUES (?, 1) ON CONFLICT (name) DO UPDATE SET value = value + 1", (name,))
    return int(conn.execute("SELECT value FROM meta WHERE name = ?", (name,)).fetchone()[0])


def get_meta(conn: sqlite3.Connection, name: str, default: float = 0.0) -> float:
    """A number of the ``meta`` table: ``start``, ``cleared``, ``wake``, ``nudge``, ``looked``, ``catchup``."""
    row = conn.execute("SELECT value FROM meta WHERE name = ?", (name,)).fetchone()
    return default if row is None or row[0] is None else float(row[0])


def set_meta(conn: sqlite3.Connection, name: str, value: float) -> None:
    """Store a number in the ``meta`` table."""
    conn.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (name, value))
