"""Databases: files opened by many processes and created by one, and transactions that let hooks in between.

Knows no tables. Standard library alone, without ``typing`` and ``contextlib``: a first hook loads it.
"""

from __future__ import annotations

import os
import sqlite3
import time

from plexsync.core import enqueue, environment, locks

TYPE_CHECKING = False  # typing's own would load typing, a tenth of the hook's time
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from types import TracebackType
    from typing import Any

#: Rows per transaction, and the shortest pause in seconds between two. A pause is at least as long as the transaction
#: before it, about 10 ms: SQLite retries a lock in steps of up to 25 ms, and on a busy machine a hook would retry
#: whenever the next transaction has begun (measured: 1.5 s of waiting, instead of tens of ms).
CHUNK, PAUSE = 1000, 0.005

#: Values bound to one statement; SQLite's own limit was 999 until 3.32.
MANY = 500


class transaction:
    """A transaction that writes: committed at the end of the block, or rolled back if anything raises.

    A transaction left open by an error would block every hook.
    """

    def __init__(self, conn: sqlite3.Connection) -> None:
        self._conn = conn

    def __enter__(self) -> None:
        self._conn.execute("BEGIN IMMEDIATE")

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is not None:
            roll_back(self._conn)
            return
        try:
            self._conn.execute("COMMIT")
        except BaseException:
            roll_back(self._conn)
            raise


def roll_back(conn: sqlite3.Connection) -> None:
    """Roll back a transaction that an interruption left open. After a full disk, SQLite has done so already."""
    if conn.in_transaction:
        conn.execute("ROLLBACK")


def in_chunks(
    conn: sqlite3.Connection,
    statements: Sequence[str],
    values: Sequence[Mapping[str, object]],
    sleep: Callable[[float], None] = time.sleep,
    size: int = CHUNK,
) -> list[int]:
    """Run ``statements`` with each of ``values``, ``size`` per transaction, with a pause (``sleep``) between two.

    Return how many rows each statement changed.
    """
    changed = [0] * len(statements)
    took = 0.0
    for at in range(0, len(values), size):
        if at:
            sleep(max(PAUSE, took))
        began = time.perf_counter()
        with transaction(conn):
            for number, statement in enumerate(statements):
                changed[number] += conn.executemany(statement, values[at : at + size]).rowcount
        took = time.perf_counter() - began
    return changed


def portions(values: Sequence[Any]) -> Iterator[tuple[Sequence[Any], str]]:
    """Yield ``values`` in portions of ``MANY``, each with the placeholders for its ``IN (...)``."""
    for start in range(0, len(values), MANY):
        portion = values[start : start + MANY]
        yield portion, ",".join("?" * len(portion))


def connect(path: str) -> sqlite3.Connection:
    """Open an autocommit connection to ``path`` whose commits survive a power loss; create no schema."""
    conn = sqlite3.connect(path, timeout=enqueue.BUSY_TIMEOUT, isolation_level=None)
    try:
        conn.execute("PRAGMA synchronous=FULL")
    except BaseException:
        conn.close()  # the caller may rename a damaged file, and Windows renames no open one
        raise
    return conn


def open_once(
    path: str, version: int, schema: str, prepare: Callable[[sqlite3.Connection], None] | None = None
) -> sqlite3.Connection:
    """Open the database ``path``; if it is new, run the statements of ``schema`` and then ``prepare``, in one process.

    ``version``: the ``PRAGMA user_version`` of that schema; a file with a higher one is left as it is. Raise
    ``sqlite3.Error`` or ``OSError`` if it cannot be opened or created.
    """
    conn = connect(path)
    try:
        if version_of(conn) < version:
            with creation_lock(os.path.dirname(path)):
                if version_of(conn) < version:
                    _create(conn, version, schema, prepare)
    except BaseException:
        conn.close()
        raise
    return conn


def _create(
    conn: sqlite3.Connection, version: int, schema: str, prepare: Callable[[sqlite3.Connection], None] | None
) -> None:
    conn.execute("PRAGMA journal_mode=WAL")
    with transaction(conn):
        for statement in schema.split(";"):
            conn.execute(statement)
        if prepare is not None:
            prepare(conn)
        conn.execute(f"PRAGMA user_version={version}")


def version_of(conn: sqlite3.Connection) -> int:
    """Return the version of the file's schema, 0 before it exists."""
    return int(conn.execute("PRAGMA user_version").fetchone()[0])


class creation_lock:
    """Hold ``init.lock`` of ``folder``: one process at a time creates a database, as the switch to WAL never waits.

    Raise ``sqlite3.OperationalError`` if another process holds it for longer than ``BUSY_TIMEOUT``. Where the file
    system has no locks there is nothing to hold: an edit is stored all the same, though no worker can run.
    """

    def __init__(self, folder: str) -> None:
        self._path = os.path.join(folder, environment.INIT_LOCK)
        self._fd = -1

    def __enter__(self) -> None:
        self._fd = locks.open_lock(self._path)
        try:
            if not locks.wait_lock(self._fd, enqueue.BUSY_TIMEOUT):
                raise sqlite3.OperationalError("database is locked: another process has been creating it for 10 s")
        except BaseException as error:
            if not locks.lacking(error, self._path):
                os.close(self._fd)
                raise

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.close(self._fd)
