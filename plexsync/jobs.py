"""The jobs: their one table in ``queue.db``, how it is opened, and every statement that moves a job between states.

The table is persist-queue's own (its columns first, its status numbers, JSON payload as a BLOB) with further columns
that have defaults, so the stock ``SQLiteAckQueue`` opens the same file. Shared by hook, worker, waiter and operations:
standard library alone, no dataclasses (their import is a tenth of the hook's time). Every function takes an open
connection in autocommit mode; what changes rows is one transaction. Times are seconds since the epoch.

What tasks mark in bulk is in ``marks.py``; what people do with dead letters in ``letters.py``.
"""

import os
import sqlite3
import time

from plexsync import locks, paths

#: ``PRAGMA user_version`` of the schema below. A file with a higher one was written by a later PlexSync.
SCHEMA_VERSION = 1

#: persist-queue's AckStatus, as numbers. A stock ``put`` leaves INITED; ours are READY from the start.
INITED, READY, LEASED, DONE, DEAD = 0, 1, 2, 5, 9

#: Edits by hand go before what a rename fans out to, and that before bulk work.
BY_HAND, FAN_OUT, BULK = 0, 1, 2

#: Takings-back after which a row is leased alone, and after which it is dead: it may be what kills the worker.
ALONE_AFTER, DEAD_AFTER = 2, 5

#: Rows per transaction and the pause after it, in seconds: no hook waits longer than 10 ms for a bulk write.
CHUNK, PAUSE = 1000, 0.005

#: How long a statement waits for another process's transaction, in seconds.
BUSY_TIMEOUT = 10.0

SCHEMA = """
CREATE TABLE IF NOT EXISTS ack_queue_default (
  _id INTEGER PRIMARY KEY AUTOINCREMENT, data BLOB, timestamp FLOAT, status INTEGER,
  key TEXT UNIQUE, generation INTEGER NOT NULL DEFAULT 1, leased INTEGER,
  due REAL NOT NULL DEFAULT 0, priority INTEGER NOT NULL DEFAULT 0,
  attempts INTEGER NOT NULL DEFAULT 0, takebacks INTEGER NOT NULL DEFAULT 0,
  waiting REAL, bulk INTEGER NOT NULL DEFAULT 0, mark TEXT,
  reason TEXT, message TEXT, candidates TEXT, first_seen REAL, last_seen REAL);
CREATE INDEX IF NOT EXISTS job_due ON ack_queue_default (status, priority, due);
CREATE INDEX IF NOT EXISTS job_waiting ON ack_queue_default (waiting) WHERE waiting IS NOT NULL;
CREATE INDEX IF NOT EXISTS job_mark ON ack_queue_default (mark, status, due) WHERE mark IS NOT NULL;
CREATE TABLE IF NOT EXISTS meta (name TEXT PRIMARY KEY, value) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS outcome (
  mark TEXT, outcome TEXT, n INTEGER NOT NULL, PRIMARY KEY (mark, outcome)) WITHOUT ROWID;
"""

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
  attempts = 0, takebacks = 0, bulk = 0, waiting = NULL, reason = NULL, message = NULL, candidates = NULL
"""


def connect(path: str) -> sqlite3.Connection:
    """An autocommit connection to ``path`` that survives power loss with every commit; no schema is made."""
    conn = sqlite3.connect(path, timeout=BUSY_TIMEOUT, isolation_level=None)
    conn.execute("PRAGMA synchronous=FULL")
    return conn


def open_queue(folder: str, now: float) -> sqlite3.Connection:
    """The queue of the data folder ``folder``, made on first contact; ``now`` dates that contact.

    Raises ``sqlite3.Error`` when the file cannot be opened or is no database.
    """
    conn = sqlite3.connect(os.path.join(folder, paths.QUEUE_DB), timeout=BUSY_TIMEOUT, isolation_level=None)
    if conn.execute("PRAGMA user_version").fetchone()[0] < SCHEMA_VERSION:
        _create(conn, folder, now)
    conn.execute("PRAGMA synchronous=FULL")
    return conn


def _create(conn: sqlite3.Connection, folder: str, now: float) -> None:
    """Make the schema, one process at a time: the switch to WAL ignores the busy timeout."""
    fd = locks.open_lock(os.path.join(folder, paths.INIT_LOCK))
    try:
        if not locks.wait_lock(fd, BUSY_TIMEOUT):
            raise sqlite3.OperationalError("database is locked: another process has been creating it for 10 s")
        if conn.execute("PRAGMA user_version").fetchone()[0] >= SCHEMA_VERSION:
            return
        conn.execute("PRAGMA journal_mode=WAL")
        conn.execute("BEGIN IMMEDIATE")
        for statement in SCHEMA.split(";"):
            conn.execute(statement)
        conn.execute("INSERT OR IGNORE INTO meta VALUES ('start', ?)", (first_contact(now),))
        conn.execute(f"PRAGMA user_version={SCHEMA_VERSION}")
        conn.execute("COMMIT")
    finally:
        os.close(fd)


def first_contact(now: float) -> float:
    """When PlexSync came to this machine: its manifest's change time, at most an hour before ``now``.

    Catch-up begins there, so that even the very first hook may be killed without losing its edit.
    """
    try:
        installed = os.stat(paths.MANIFEST).st_ctime
    except OSError:
        installed = now
    return float(int(max(min(installed, now), now - 3600)))


def begin(conn: sqlite3.Connection) -> None:
    """Begin a transaction that writes."""
    conn.execute("BEGIN IMMEDIATE")


def put(conn: sqlite3.Connection, key: str, reason: str, now: float, due: float, priority: int = BY_HAND) -> None:
    """One event: make or bring forward the row of ``key`` and raise the wake counter, in one commit."""
    begin(conn)
    try:
        conn.execute(PUT, {"key": key, "reason": reason, "now": now, "due": due, "priority": priority})
        raise_counter(conn, "wake")
    except BaseException:
        conn.execute("ROLLBACK")
        raise
    conn.execute("COMMIT")


def put_many(conn: sqlite3.Connection, keys: list[str], reason: str, now: float, priority: int) -> None:
    """Fan-out and catch-up: the same as ``put`` for many keys, due now, in chunks that let hooks in between."""
    for at in range(0, len(keys), CHUNK):
        begin(conn)
        conn.executemany(
            PUT,
            [{"key": k, "reason": reason, "now": now, "due": now, "priority": priority} for k in keys[at : at + CHUNK]],
        )
        conn.execute("COMMIT")
        time.sleep(PAUSE if at + CHUNK < len(keys) else 0)


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


_DUE = "status = 1 AND priority IN (0, 1, 2) AND (due <= :now OR due > :far)"
_COLUMNS = "_id, key, generation, priority, attempts, takebacks, waiting, bulk, mark, first_seen, data"


def lease(conn: sqlite3.Connection, now: float, far: float, limit: int) -> list[tuple[object, ...]]:
    """Take up to ``limit`` due jobs, by priority and then by due time, as rows of ``queue.Job``'s fields.

    ``far``: a due time beyond it was set by a wrong clock and counts as due. A row that was taken back twice comes
    alone.
    """
    adopt(conn, now)
    begin(conn)
    rows = conn.execute(
        f"SELECT {_COLUMNS} FROM ack_queue_default WHERE {_DUE} ORDER BY priority, due LIMIT :limit",
        {"now": now, "far": far, "limit": limit},
    ).fetchall()
    alone = [row for row in rows if row[5] >= ALONE_AFTER]
    if alone:
        others = [row for row in rows if row[5] < ALONE_AFTER]
        rows = others or alone[:1]
    conn.executemany(
        "UPDATE ack_queue_default SET status = 2, leased = generation WHERE _id = ?", [(row[0],) for row in rows]
    )
    conn.execute("COMMIT")
    return rows


def adopt(conn: sqlite3.Connection, now: float) -> None:
    """Make rows that the stock class put, or acknowledged, rows of ours. Costs one look-up when there are none."""
    if conn.execute("SELECT 1 FROM ack_queue_default WHERE status IN (0, 5) LIMIT 1").fetchone() is None:
        return
    begin(conn)
    conn.execute("DELETE FROM ack_queue_default WHERE status = 5")
    rows = conn.execute("SELECT _id, key, data FROM ack_queue_default WHERE status = 0").fetchall()
    for row_id, key, data in rows:
        known = key or key_of(conn, data)
        if known is None:
            bury(conn, row_id, "invalid", "This row holds no scene, performer, studio or tag; discard it.", now)
            continue
        conn.execute("DELETE FROM ack_queue_default WHERE _id = ? AND key IS NULL", (row_id,))
        conn.execute(PUT, {"key": known, "reason": "put", "now": now, "due": now, "priority": BY_HAND})
    conn.execute("COMMIT")


def key_of(conn: sqlite3.Connection, data: object) -> str | None:
    """The job key in a payload, or None."""
    text = data.decode("utf-8", "replace") if isinstance(data, bytes) else str(data)
    found = conn.execute("SELECT json_extract(?1, '$.key') WHERE json_valid(?1)", (text,)).fetchone()
    kind, _, number = str(found[0] if found else "").partition(":")
    return f"{kind}:{number}" if kind in KINDS and number.isdigit() and int(number) > 0 else None


KINDS = ("scene", "performer", "studio", "tag")


def bury(conn: sqlite3.Connection, row_id: int, reason: str, message: str, now: float) -> None:
    """Make one row a dead letter, inside the caller's transaction."""
    conn.execute(
        "UPDATE ack_queue_default SET status = 9, bulk = 0, mark = NULL, waiting = NULL, reason = ?, message = ?,"
        " last_seen = ? WHERE _id = ?",
        (reason, message, now, row_id),
    )


#: What a settled row becomes. Each statement acts only while the generation is still the leased one.
_STILL = "WHERE _id = :id AND status = 2 AND generation = :generation"
_SETTLE = {
    "done": f"DELETE FROM ack_queue_default {_STILL}",
    "later": "UPDATE ack_queue_default SET status = 1, due = :due, attempts = :attempts, waiting = :waiting,"
    f" takebacks = 0, reason = :reason, message = :message, candidates = :candidates, last_seen = :now {_STILL}",
    "dead": "UPDATE ack_queue_default SET status = 9, attempts = :attempts, waiting = NULL, takebacks = 0, bulk = 0,"
    f" mark = NULL, reason = :reason, message = :message, candidates = :candidates, last_seen = :now {_STILL}",
    "release": f"UPDATE ack_queue_default SET status = 1 {_STILL}",
}
_EDITED_MEANWHILE = (
    "UPDATE ack_queue_default SET status = 1, due = :now, attempts = 0, takebacks = 0, waiting = NULL, reason = NULL,"
    " message = NULL, candidates = NULL WHERE _id = :id AND status = 2"
)


def settle(conn: sqlite3.Connection, settlements: list[dict[str, object]], now: float) -> None:
    """Settle leased rows in one transaction.

    Each settlement has ``id``, ``generation``, ``to`` (``done``, ``later``, ``dead``, ``release``) and, for the row,
    ``due``, ``attempts``, ``waiting`` (since when, or None), ``reason``, ``message``, ``candidates`` (JSON text), and
    ``mark`` and ``outcome``, which are counted for the task that follows. A row edited meanwhile becomes due.
    """
    begin(conn)
    for values in settlements:
        values["now"] = now
        if conn.execute(_SETTLE[str(values["to"])], values).rowcount == 0:
            conn.execute(_EDITED_MEANWHILE, values)
        if values.get("mark") and values.get("outcome"):
            conn.execute(
                "INSERT INTO outcome VALUES (:mark, :outcome, 1) ON CONFLICT (mark, outcome) DO UPDATE SET n = n + 1",
                values,
            )
    conn.execute("COMMIT")


def take_back(conn: sqlite3.Connection, now: float) -> int:
    """What a worker that died had leased becomes pending again, counted; how many rows. Only for the lock's holder."""
    begin(conn)
    taken = conn.execute("UPDATE ack_queue_default SET status = 1, takebacks = takebacks + 1 WHERE status = 2").rowcount
    conn.execute(
        "UPDATE ack_queue_default SET status = 9, bulk = 0, mark = NULL, waiting = NULL, reason = 'retries_exhausted',"
        " message = 'The worker ended ' || takebacks || ' times while it worked on ' || key ||"
        " '; edit it in Stash or run Process DLQ to try again.', last_seen = ?"
        " WHERE status = 1 AND takebacks >= ?",
        (now, DEAD_AFTER),
    )
    conn.execute("COMMIT")
    return taken


def next_due(conn: sqlite3.Connection, now: float, far: float) -> float | None:
    """When the next pending row is due (``now`` or earlier: at once), or None without pending rows."""
    row = conn.execute("SELECT min(due), max(due) FROM ack_queue_default WHERE status < 2").fetchone()
    if row[0] is None:
        return None
    return now if row[1] > far else float(row[0])


def counts(conn: sqlite3.Connection) -> dict[str, float]:
    """``pending``, ``waiting``, ``in_progress``, ``dead`` rows, and ``oldest``: first_seen of the oldest undone one."""
    row = conn.execute(
        "SELECT COALESCE(SUM(status < 2 AND waiting IS NULL), 0), COALESCE(SUM(status < 2 AND waiting IS NOT NULL), 0),"
        " COALESCE(SUM(status = 2), 0), COALESCE(SUM(status = 9), 0),"
        " MIN(CASE WHEN status <= 2 THEN COALESCE(first_seen, timestamp) END) FROM ack_queue_default"
    ).fetchone()
    names = ("pending", "waiting", "in_progress", "dead", "oldest")
    return {name: value or 0 for name, value in zip(names, row, strict=True)}


def wake_rows(conn: sqlite3.Connection, ids: list[int], now: float) -> None:
    """Bring pending rows forward to ``now``: Plex has gained a file that may be theirs."""
    begin(conn)
    conn.executemany(
        "UPDATE ack_queue_default SET due = ? WHERE _id = ? AND status = 1", [(now, row_id) for row_id in ids]
    )
    conn.execute("COMMIT")
