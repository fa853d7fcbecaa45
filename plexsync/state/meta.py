"""The single values that ``state.db`` keeps, one attribute each: pause, breaker, counters and others.

The idle worker, status, tasks and operations use it too, so it needs only the standard library and creates no file.
"""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Mapping
from typing import Any, Generic, TypeVar

from plexsync.core import db, environment
from plexsync.state.breaker import Breaker
from plexsync.state.counters import Stats
from plexsync.state.gates import Gate
from plexsync.state.pause import PLEX, Pause

T = TypeVar("T")


class _Value(Generic[T]):
    """A JSON value of the ``meta`` table; ``default`` if there is none. Assigning an equal value writes nothing."""

    def __init__(self, default: T) -> None:
        self._default = default

    def __set_name__(self, owner: type[Meta], name: str) -> None:
        self._name = name

    def __get__(self, meta: Meta, owner: type[Meta]) -> T:
        value: T | None = meta.read(self._name)
        return self._default if value is None else value

    def __set__(self, meta: Meta, value: T) -> None:
        if meta.read(self._name) != value:
            meta.write(self._name, value)


class Meta:
    """The values of one ``state.db``, as they are now; every assignment is committed.

    ``machine``: the Plex server's machineIdentifier. ``section``: the library whose first row a probe reads.
    ``settings``: digest of the settings saved in Stash at the last batch. ``warned``: the warnings logged about them.
    ``tagged_at``: edits up to this time were tagged while Plex was unreachable. ``tag_warned``: stash-box source -> the
    setting that named a tag which does not exist. ``compared``: progress of the weekly comparison, [time, last scene].
    """

    machine = _Value[str]("")
    section = _Value[int | None](None)
    settings = _Value[str]("")
    warned = _Value[list[str]]([])
    tagged_at = _Value[float](0.0)
    tag_warned = _Value[dict[str, str]]({})
    compared = _Value[list[float] | None](None)

    def __init__(self, conn: sqlite3.Connection) -> None:
        self.conn = conn

    @classmethod
    def open(cls, folder: str) -> Meta:
        """Open ``state.db`` of the data folder, or an empty database in memory if there is no file."""
        path = os.path.join(folder, environment.STATE_DB)
        where = path if os.path.exists(path) else ":memory:"
        return cls(sqlite3.connect(where, timeout=5.0, isolation_level=None))

    def close(self) -> None:
        """Close the connection."""
        self.conn.close()

    @property
    def is_file(self) -> bool:
        """True if there is a file, False for the empty stand-in."""
        return bool(self.conn.execute("PRAGMA database_list").fetchone()[2])

    @property
    def breaker(self) -> Breaker:
        """The stored breaker, or a closed one."""
        raw = self.read("breaker")
        return Breaker(**raw) if isinstance(raw, dict) else Breaker()

    @breaker.setter
    def breaker(self, breaker: Breaker) -> None:
        self.write("breaker", breaker._asdict())

    @property
    def gates(self) -> dict[str, Gate]:
        """The stored gates by kind of request; a kind that never failed or succeeded is absent."""
        raw = self.read("gates")
        known = raw.items() if isinstance(raw, dict) else ()
        return {kind: Gate(**gate) for kind, gate in known if isinstance(gate, dict)}

    @gates.setter
    def gates(self, gates: Mapping[str, Gate]) -> None:
        raw = {kind: gate._asdict() for kind, gate in gates.items()}
        if raw != (self.read("gates") or {}):
            self.write("gates", raw)

    def gate(self, kind: str) -> Gate:
        """Return the gate of one kind of request, an open one if nothing is stored."""
        return self.gates.get(kind, Gate())

    def store_gate(self, kind: str, gate: Gate | None) -> None:
        """Store the gate of one kind; None: forget it."""
        others = {name: one for name, one in self.gates.items() if name != kind}
        self.gates = others if gate is None else {**others, kind: gate}

    @property
    def pause(self) -> Pause | None:
        """The current pause or None. While Plex is unreachable, it is stored together with the breaker."""
        raw = self.read("pause")
        return Pause.from_json(raw, self.breaker) if isinstance(raw, dict) else None

    @pause.setter
    def pause(self, pause: Pause | None) -> None:
        if pause is None:
            self.conn.execute("DELETE FROM meta WHERE name = 'pause'")
            return
        with db.transaction(self.conn):
            if pause.kind == PLEX:
                self.breaker = pause.breaker
            self.write("pause", pause.as_json())

    @property
    def stats(self) -> Stats:
        """The stored counters, or zeros."""
        return Stats.from_json(self.read("stats"))

    @stats.setter
    def stats(self, stats: Stats) -> None:
        self.write("stats", stats.as_json())

    def read(self, name: str) -> Any:
        """Return a stored value, None if there is none."""
        try:
            row = self.conn.execute("SELECT value FROM meta WHERE name = ?", (name,)).fetchone()
        except sqlite3.OperationalError as error:
            if "no such table" not in str(error):
                raise
            return None  # nothing was stored yet
        return None if row is None or row[0] is None else json.loads(row[0])

    def write(self, name: str, value: Any) -> None:
        """Store a value that JSON can represent."""
        self.conn.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (name, json.dumps(value)))
