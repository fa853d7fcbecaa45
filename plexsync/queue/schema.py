"""The tables of ``queue.db``, and how the first process creates them. Standard library alone."""

from __future__ import annotations

import os
import sqlite3

from plexsync.core import db, enqueue, environment
from plexsync.core.enqueue import SCHEMA_VERSION

SCHEMA = """
CREATE TABLE IF NOT EXISTS ack_queue_default (
  _id INTEGER PRIMARY KEY AUTOINCREMENT, data BLOB, timestamp FLOAT, status INTEGER,
  key TEXT UNIQUE, generation INTEGER NOT NULL DEFAULT 1, leased INTEGER,
  due REAL NOT NULL DEFAULT 0, priority INTEGER NOT NULL DEFAULT 0,
  attempts INTEGER NOT NULL DEFAULT 0, rescues INTEGER NOT NULL DEFAULT 0,
  waiting REAL, bulk INTEGER NOT NULL DEFAULT 0, task TEXT,
  reason TEXT, message TEXT, candidates TEXT, first_seen REAL, last_seen REAL, counted TEXT);
CREATE INDEX IF NOT EXISTS job_due ON ack_queue_default (status, priority, due);
CREATE INDEX IF NOT EXISTS job_waiting ON ack_queue_default (waiting) WHERE waiting IS NOT NULL;
CREATE INDEX IF NOT EXISTS job_task ON ack_queue_default (task, status, due) WHERE task IS NOT NULL;
CREATE INDEX IF NOT EXISTS job_bulk ON ack_queue_default (task) WHERE bulk = 1;
CREATE TABLE IF NOT EXISTS meta (name TEXT PRIMARY KEY, value) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS outcome (
  task TEXT, outcome TEXT, n INTEGER NOT NULL, PRIMARY KEY (task, outcome)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS cleared (key TEXT PRIMARY KEY, at REAL) WITHOUT ROWID;
"""


def open_queue(folder: str, now: float) -> sqlite3.Connection:
    """Open the queue of the data folder ``folder``; create it on first contact, which ``now`` dates.

    Raise ``sqlite3.Error`` if the file cannot be opened or is not a database.
    """

    def note_contact(conn: sqlite3.Connection) -> None:
        conn.execute("INSERT OR IGNORE INTO meta VALUES ('started_at', ?)", (first_contact(now),))

    conn = enqueue.open_made(folder)
    if conn is None:
        conn = db.open_once(os.path.join(folder, environment.QUEUE_DB), SCHEMA_VERSION, SCHEMA, note_contact)
    return conn


def is_newer(conn: sqlite3.Connection) -> bool:
    """Return whether a later version of PlexSync made or changed the queue."""
    return db.version_of(conn) > SCHEMA_VERSION


def first_contact(now: float) -> float:
    """Return when PlexSync was installed: the last change of its manifest, at most an hour before ``now``.

    Catch-up begins there, so no edit is lost even if the very first hook is killed. ``st_ctime`` is the change of the
    inode on POSIX, but the file's creation on Windows, where a file that was overwritten keeps it. Zips hold times
    without a zone, so ``st_mtime`` may be in the future.
    """
    try:
        manifest = os.stat(environment.MANIFEST)
        installed = max((at for at in (manifest.st_ctime, manifest.st_mtime) if at <= now), default=now)
    except OSError:
        installed = now
    return float(int(max(installed, now - 3600)))
