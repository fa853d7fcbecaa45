"""Insert one edit into an existing ``queue.db``. Standard library only.

Separate from ``queue/jobs.py``: without cached bytecode a hook compiles everything that it loads, and ``jobs.py`` would
cost a fifth of an interpreter's start.
"""

import os

from plexsync.core import environment
from plexsync.core.sqlite import sqlite3

#: ``PRAGMA user_version`` of the schema in ``queue/schema.py``. A later schema has a higher number.
SCHEMA_VERSION = 1

#: The priority of edits, ahead of all other jobs.
BY_HAND = 0

#: Seconds for which a statement waits for another process's transaction.
BUSY_TIMEOUT = 10.0

# ON CONFLICT: an edit brings a pending row forward and revives a dead one. For a leased row (status 2) it only raises
# the generation, because the worker has read the scene already.
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
    """Open the queue in ``folder``; return None if it has not been created yet. Raise ``sqlite3.Error``."""
    conn = sqlite3.connect(os.path.join(folder, environment.QUEUE_DB), timeout=BUSY_TIMEOUT, isolation_level=None)
    try:
        if conn.execute("PRAGMA user_version").fetchone()[0] >= SCHEMA_VERSION:
            conn.execute("PRAGMA synchronous=FULL")
            return conn
    except BaseException:
        conn.close()
        raise
    conn.close()
    return None


def enqueue(conn: sqlite3.Connection, key: str, reason: str, now: float, due: float, priority: int = BY_HAND) -> None:
    """Insert the row of ``key`` or bring it forward, and count the edit, in one commit.

    ``now`` and ``due`` are Unix times in seconds. Raise ``sqlite3.Error``.
    """
    with conn:  # commits, or rolls back unless SQLite has done so already, as on a full disk
        conn.execute("BEGIN IMMEDIATE")
        conn.execute(PUT, {"key": key, "reason": reason, "now": now, "due": due, "priority": priority})
        conn.execute("INSERT INTO meta VALUES ('edits', 1) ON CONFLICT (name) DO UPDATE SET value = value + 1")
