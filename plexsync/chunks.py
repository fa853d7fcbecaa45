"""Transactions on ``queue.db`` that let hooks in between: what changes many rows does so a thousand at a time.

Knows no jobs. Standard library alone, without ``typing``.
"""

from __future__ import annotations

import sqlite3
import time

TYPE_CHECKING = False  # typing's own would load typing, a tenth of the hook's time
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

#: Rows per transaction and the pause between two, in seconds: no hook waits longer than 10 ms for a bulk write.
CHUNK, PAUSE = 1000, 0.005


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
    """Run ``statements`` for each of ``values``, ``size`` of them a transaction, with a pause between two.

    How many rows each statement changed.
    """
    changed = [0] * len(statements)
    for at in range(0, len(values), size):
        if at:
            sleep(PAUSE)
        with conn:
            begin(conn)
            for number, statement in enumerate(statements):
                changed[number] += conn.executemany(statement, values[at : at + size]).rowcount
    return changed
