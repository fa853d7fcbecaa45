"""What the tests of the queue share: a made queue, a look at its rows, and a watch over its transactions."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from plexsync.core import db, enqueue, environment
from plexsync.model.job_key import JobKey
from plexsync.queue import jobs, schema

#: A Tuesday in 2024; the tests' clock begins here.
NOW = 1_710_000_000.0


def made(folder: Path) -> sqlite3.Connection:
    """The queue of ``folder``, made if need be."""
    return schema.open_queue(str(folder), NOW)


def put(conn: sqlite3.Connection, *keys: str, now: float = NOW, priority: int = 0) -> None:
    """One edit of each key, due at once."""
    for key in keys:
        enqueue.enqueue(conn, key, "Scene.Update.Post", now, now, priority)


def job(conn: sqlite3.Connection, key: str) -> dict[str, Any]:
    """The row of ``key`` by column, or ``{}`` without one."""
    cursor = conn.execute("SELECT * FROM ack_queue_default WHERE key = ?", (key,))
    found = cursor.fetchone()
    return {} if found is None else dict(zip([column[0] for column in cursor.description], found, strict=True))


def change(conn: sqlite3.Connection, key: str, **values: object) -> None:
    """Put the row of ``key`` into a state, as some history would have."""
    names = ", ".join(f"{name} = :{name}" for name in values)
    assert conn.execute(f"UPDATE ack_queue_default SET {names} WHERE key = :key", values | {"key": key}).rowcount == 1


def keys(conn: sqlite3.Connection, where: str = "1") -> list[str]:
    """The keys of the rows for which ``where`` holds, sorted."""
    return sorted(row[0] for row in conn.execute(f"SELECT key FROM ack_queue_default WHERE {where}"))


def leased(conn: sqlite3.Connection, limit: int = 100, now: float = NOW) -> list[str]:
    """Lease at ``now``; the keys, in order."""
    return [str(row[1]) for row in jobs.lease(conn, now, now + environment.horizon(), limit)]


def settle(conn: sqlite3.Connection, key: str, to: str, now: float = NOW, **values: object) -> None:
    """Settle the leased row of ``key`` at the generation that it was leased with."""
    row = job(conn, key)
    known: dict[str, object] = dict.fromkeys(("waiting", "reason", "message", "candidates", "task", "outcome"))
    known |= {"id": row["_id"], "generation": row["leased"], "to": to, "due": now, "attempts": 0, "priority": 0}
    jobs.settle(conn, [known | values], now)


def scenes(count: int) -> list[str]:
    """``scene:1`` to ``scene:count``"""
    return [f"scene:{number}" for number in range(1, count + 1)]


def plan(conn: sqlite3.Connection, sql: str, values: Mapping[str, object]) -> str:
    """How SQLite would carry out a statement, as one text."""
    return "\n".join(str(row[3]) for row in conn.execute(f"EXPLAIN QUERY PLAN {sql}", values))


class Pauses:
    """Stands for ``sleep``: a hook comes in each pause, and what each transaction changed is noted."""

    def __init__(self, conn: sqlite3.Connection, hook: sqlite3.Connection) -> None:
        hook.execute("PRAGMA busy_timeout = 0")
        self._conn, self._hook = conn, hook
        self._before = conn.total_changes
        self.seconds: list[float] = []
        self.sizes: list[int] = []
        conn.set_trace_callback(self._see)

    def __call__(self, seconds: float) -> None:
        put(self._hook, f"tag:{len(self.seconds) + 1}")
        self.seconds.append(seconds)

    def _see(self, statement: str) -> None:
        if statement.startswith("BEGIN"):
            self._before = self._conn.total_changes
        elif statement.startswith("COMMIT"):
            self.sizes.append(self._conn.total_changes - self._before)

    def check(self, sizes: list[int], cost: int = 1) -> None:
        """The transactions had these sizes, in keys (``cost`` rows each), and at least 5 ms between each two."""
        assert self.sizes == [size * cost for size in sizes]
        assert len(self.seconds) == len(sizes) - 1
        assert all(seconds >= db.PAUSE for seconds in self.seconds)
        assert db.PAUSE >= 0.005
        assert max(self.sizes) <= 1000 * cost


Sleep = Callable[[float], None]


def job_keys(texts: Iterable[str]) -> list[JobKey]:
    """The keys that these texts spell."""
    return [JobKey.of_row(text) for text in texts]
