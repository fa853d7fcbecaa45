"""The hook's part of the jobs: the insert of one edit into a ``queue.db`` that is already made.

A file of its own because a hook that finds no cached bytecode compiles all that it loads: ``jobs.py``, which owns the
rest, would cost it a fifth of an interpreter's start. Standard library alone.
"""

import os

from plexsync.core import environment
from plexsync.core.sqlite import sqlite3

#: ``PRAGMA user_version`` of the schema in ``jobs.py``. A file with a higher one was written by a later PlexSync.
SCHEMA_VERSION = 1

#: Edits by hand go before all other jobs.
BY_HAND = 0

#: How long a statement waits for another process's transaction, in seconds.
BUSY_TIMEOUT = 10.0

# In "ON CONFLICT" an edit of a pending row brings it forward, of a dead one revives it, of a leased one only raises
# the generation: nothing is merged into work already read. (`status` is 2: LEASED.)
PUT = """
INSERT INTO ack_queue_default (data, timestamp, status, key, due, priority, first_seen, last_seen)
VALUES (
  CAST(json_object('key', :key, 'reason', :reason, 'at', :now) AS BLOB), :now, 1, :key, :due, :priority, :now, :now)
ON CONFLICT (key) DO UPDATE SET
  data = excluded.data, timestamp = excluded.timestamp, last_seen = excluded.last_seen, generation = generation + 1,
  due = CASE WHEN status = 2 OR (status < 2 AND due < excluded.due) THEN due ELSE excluded.due END,
  priority = CASE WHEN status < 5 THEN min(priority, excluded.priority) ELSE excluded.priority END,
  first_seen = CASE WHEN status < 5 THEN first_seen ELSE excluded.first_seen END,
  status = CASE WHEN status = 2 THEN 2 ELSE 1 END,
  attempts = 0, rescues = 0, bulk = 0, waiting = NULL, reason = NULL, message = NULL, candidates = NULL
"""


def open_made(folder: str) -> sqlite3.Connection | None:
    """The queue of the data folder ``folder``, or None where it has to be made first. Raises ``sqlite3.Error``."""
    conn = sqlite3.connect(os.path.join(folder, environment.QUEUE_DB), timeout=BUSY_TIMEOUT, isolation_level=None)
    try:
        if conn.execute("PRAGMA user_version").fetchone()[0] >= SCHEMA_VERSION:
            conn.execute("PRAGMA synchronous=FULL")
            return conn
    except sqlite3.Error:
        conn.close()
        raise
    conn.close()
    return None


def put(conn: sqlite3.Connection, key: str, reason: str, now: float, due: float, priority: int = BY_HAND) -> None:
    """One event: make or bring forward the row of ``key`` and raise the wake counter, in one commit."""
    with conn:  # commits, or rolls back what SQLite has not rolled back itself (on a full disk it has)
        conn.execute("BEGIN IMMEDIATE")
        conn.execute(PUT, {"key": key, "reason": reason, "now": now, "due": due, "priority": priority})
        conn.execute("INSERT INTO meta VALUES ('wake', 1) ON CONFLICT (name) DO UPDATE SET value = value + 1")
