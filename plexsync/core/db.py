"""Transactions on ``queue.db`` that let hooks in between: what changes many rows does so a thousand at a time.

Knows no jobs. Standard library alone, without ``typing``.
"""

from __future__ import annotations

import sqlite3
import time

from plexsync.core.enqueue import BUSY_TIMEOUT

TYPE_CHECKING = False  # typing's own would load typing, a tenth of the hook's time
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from typing import Any

#: Rows per transaction, and the least pause between two in seconds. A pause is also as long as the transaction before
#: it took, about 10 ms: SQLite looks for a lock in steps of up to 25 ms, and on a busy machine a hook would come each
#: time when the next one has begun (measured: 1.5 s of waiting, instead of tens of ms).
CHUNK, PAUSE = 1000, 0.005

#: Values bound to one statement; SQLite's own limit was 999 until 3.32.
MANY = 500


def begin(conn: sqlite3.Connection) -> None:
    """Begin a transaction that writes, inside ``with conn``, which commits it, or rolls it back when anything raises.

    A transaction left open by an error would keep every hook waiting.
    """
    conn.execute("BEGIN IMMEDIATE")


def in_chunks(
    conn: sqlite3.Connection,
    statements: Sequence[str],
    values: Sequence[Mapping[str, object]],
    sleep: Callable[[float], None] = time.sleep,
    size: int = CHUNK,
) -> list[int]:
    """Run ``statements`` for each of ``values``, ``size`` of them a transaction, with a pause (``sleep``) between two.

    How many rows each statement changed.
    """
    changed = [0] * len(statements)
    took = 0.0
    for at in range(0, len(values), size):
        if at:
            sleep(max(PAUSE, took))
        began = time.perf_counter()
        with conn:
            begin(conn)
            for number, statement in enumerate(statements):
                changed[number] += conn.executemany(statement, values[at : at + size]).rowcount
        took = time.perf_counter() - began
    return changed


def portions(values: Sequence[Any]) -> Iterator[tuple[Sequence[Any], str]]:
    """``values`` in portions of ``MANY``, each with the question marks for its ``IN (...)``."""
    for start in range(0, len(values), MANY):
        portion = values[start : start + MANY]
        yield portion, ",".join("?" * len(portion))


def connect(path: str) -> sqlite3.Connection:
    """An autocommit connection to ``path`` that survives power loss with every commit; no schema is made."""
    conn = sqlite3.connect(path, timeout=BUSY_TIMEOUT, isolation_level=None)
    conn.execute("PRAGMA synchronous=FULL")
    return conn
