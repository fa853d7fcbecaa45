"""What the page shows of the past: items written last, outages, and the names of scenes that have not arrived.

Standard library alone: operations read it, also from a file of an earlier version, which lacks the tables. What writes
does so in the caller's transaction. Times are seconds since the epoch.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

from plexsync.core.db import portions

SCHEMA = """
CREATE TABLE IF NOT EXISTS recent (number INTEGER PRIMARY KEY AUTOINCREMENT, at REAL, scene_id INTEGER, title TEXT,
  rating_key INTEGER, changes TEXT, images TEXT, kind TEXT);
CREATE INDEX IF NOT EXISTS recent_scene ON recent (scene_id);
CREATE TABLE IF NOT EXISTS outage (began REAL PRIMARY KEY, ended REAL, kind TEXT, cause TEXT, held INTEGER)
  WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS named (scene_id INTEGER PRIMARY KEY, title TEXT, path TEXT) WITHOUT ROWID;
"""

#: Rows that are kept.
MOST_RECENT, MOST_OUTAGES = 500, 100

SYNC, UNDO = "sync", "undo"


class Entry(NamedTuple):
    """One item that was written. ``changes``: (what a person calls the field, old value, new value) of each.

    ``images``: what a person calls the images that were uploaded. ``kind``: ``SYNC`` or ``UNDO``.
    """

    at: float
    scene_id: int
    title: str
    rating_key: int
    changes: tuple[tuple[str, str, str], ...] = ()
    images: tuple[str, ...] = ()
    kind: str = SYNC


class Outage(NamedTuple):
    """A time in which nothing could be written. ``ended``: None while it lasts; ``kind``: that of the pause.

    ``cause``: in words. ``held``: how many jobs had to wait.
    """

    began: float
    ended: float | None
    kind: str
    cause: str
    held: int


class Name(NamedTuple):
    """By what a person knows a scene: its title, or the name of its file, and the path of its first file."""

    title: str = ""
    path: str = ""


class History:
    """The tables above."""

    def __init__(self, conn: sqlite3.Connection) -> None:
        self._conn = conn

    # -- items written

    def add(self, entries: Iterable[Entry]) -> None:
        """Store what was written, and drop what is older than the newest ``MOST_RECENT`` rows."""
        rows = [(*entry[:4], _changes_of(entry), json.dumps(entry.images), entry.kind) for entry in entries]
        if rows:
            self._conn.executemany(
                "INSERT INTO recent (at, scene_id, title, rating_key, changes, images, kind)"
                " VALUES (?, ?, ?, ?, ?, ?, ?)",
                rows,
            )
            self._conn.execute(
                "DELETE FROM recent WHERE number <= (SELECT max(number) FROM recent) - ?", (MOST_RECENT,)
            )

    def recent(self, limit: int) -> list[Entry]:
        """Return what was written last, up to ``limit`` items, the newest first."""
        return [_entry(row) for row in self._rows(f"SELECT {_ENTRY} FROM recent ORDER BY number DESC LIMIT ?", limit)]

    def last_of(self, scene_id: int) -> Entry | None:
        """Return what was written last for a scene, None if that is not kept."""
        sql = f"SELECT {_ENTRY} FROM recent WHERE scene_id = ? ORDER BY number DESC LIMIT 1"
        return next((_entry(row) for row in self._rows(sql, scene_id)), None)

    # -- outages

    def begin_outage(self, now: float, kind: str, cause: str, held: Callable[[], int]) -> None:
        """Note that nothing can be written; ``held``: asked how many jobs wait. One of that kind goes on, if open."""
        current = self.open_outage()
        if current is not None and current.kind == kind:
            return
        self.end_outage(now, held)
        self._conn.execute("INSERT OR REPLACE INTO outage VALUES (?, NULL, ?, ?, ?)", (now, kind, cause, held()))
        self._conn.execute(
            "DELETE FROM outage WHERE began NOT IN (SELECT began FROM outage ORDER BY began DESC LIMIT ?)",
            (MOST_OUTAGES,),
        )

    def end_outage(self, now: float, held: Callable[[], int]) -> None:
        """Note that things can be written again, if an outage is open."""
        if self.open_outage() is not None:
            self._conn.execute(
                "UPDATE outage SET ended = max(began, ?), held = max(held, ?) WHERE ended IS NULL", (now, held())
            )

    def open_outage(self) -> Outage | None:
        """Return the outage that lasts, or None."""
        return next((Outage(*row) for row in self._rows(f"{_OUTAGES} WHERE ended IS NULL")), None)

    def outages(self) -> list[Outage]:
        """Return the outages, the newest first."""
        return [Outage(*row) for row in self._rows(f"{_OUTAGES} ORDER BY began DESC")]

    # -- scenes that have not arrived

    def name(self, names: Mapping[int, Name | None]) -> None:
        """Store the names of scenes that have not arrived; None: forget it, the scene has arrived or is gone."""
        self.forget_names([scene_id for scene_id, name in names.items() if name is None])
        self._conn.executemany(
            "INSERT INTO named VALUES (?, ?, ?) ON CONFLICT (scene_id) DO UPDATE SET title = excluded.title,"
            " path = excluded.path WHERE title <> excluded.title OR path <> excluded.path",
            [(scene_id, *name) for scene_id, name in names.items() if name is not None],
        )

    def forget_names(self, scene_ids: Iterable[int]) -> None:
        """Forget the names of these scenes."""
        for portion, placeholders in portions(list(scene_ids)):
            self._conn.execute(f"DELETE FROM named WHERE scene_id IN ({placeholders})", portion)

    def names(self, scene_ids: Iterable[int]) -> dict[int, Name]:
        """Return scene id -> name; scenes that have arrived are absent."""
        found: dict[int, Name] = {}
        for portion, placeholders in portions(list(scene_ids)):
            sql = f"SELECT scene_id, title, path FROM named WHERE scene_id IN ({placeholders})"
            found.update({row[0]: Name(*row[1:]) for row in self._rows(sql, *portion)})
        return found

    def named(self) -> list[int]:
        """Return the ids of all scenes of which the name is stored."""
        return [row[0] for row in self._rows("SELECT scene_id FROM named")]

    def _rows(self, sql: str, *values: object) -> list[tuple[Any, ...]]:
        """Return the rows of a query, none if the file is of a version before these tables."""
        try:
            return self._conn.execute(sql, values).fetchall()
        except sqlite3.OperationalError as error:
            if "no such table" not in str(error):
                raise
            return []


_ENTRY = "at, scene_id, title, rating_key, changes, images, kind"
_OUTAGES = "SELECT began, ended, kind, cause, held FROM outage"


def _changes_of(entry: Entry) -> str:
    return json.dumps([{"field": field, "old": old, "new": new} for field, old, new in entry.changes])


def _entry(row: tuple[Any, ...]) -> Entry:
    changes = tuple((one["field"], _text(one["old"]), _text(one["new"])) for one in json.loads(row[4] or "[]"))
    return Entry(row[0], row[1], row[2] or "", row[3], changes, tuple(json.loads(row[5] or "[]")), row[6] or SYNC)


def _text(value: str | list[str]) -> str:
    return value if isinstance(value, str) else ", ".join(value)
