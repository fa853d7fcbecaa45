"""The items that a person chose for scenes. Keyed by the Plex server's machineIdentifier.

Standard library alone: operations write it. Times are seconds since the epoch.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Iterable
from typing import Any, NamedTuple

from plexsync.core.db import portions, transaction

# ``chosen`` are the choices in force, one a scene and one an item. ``chosen_file`` tells the item's file of each; its
# row stays when the item is ``gone``: the choice is in force again once the file is back.
SCHEMA = """
CREATE TABLE IF NOT EXISTS chosen (machine TEXT, scene_id INTEGER, rating_key INTEGER, at REAL,
  PRIMARY KEY (machine, scene_id)) WITHOUT ROWID;
CREATE UNIQUE INDEX IF NOT EXISTS chosen_item ON chosen (machine, rating_key);
CREATE TABLE IF NOT EXISTS chosen_file (machine TEXT, scene_id INTEGER, rating_key INTEGER, path TEXT, size INTEGER,
  duration REAL, gone REAL, PRIMARY KEY (machine, scene_id)) WITHOUT ROWID;
"""
#: The tables that name a scene.
TABLES = ("chosen", "chosen_file")


class ChosenFile(NamedTuple):
    """The file of a chosen item. ``size`` in bytes, ``duration`` in seconds.

    ``gone``: since when Plex has not had the item, None while the choice is in force.
    """

    scene_id: int
    rating_key: int
    path: str
    size: int = 0
    duration: float = 0.0
    gone: float | None = None


class IndexedFile(NamedTuple):
    """A file of an item in the library index. ``library``: its title; ``used``: 1 if PlexSync syncs that library.

    ``trashed``: 1 if the item is in Plex's trash.
    """

    library: str
    used: int
    path: str
    size: int
    duration: float
    trashed: int


class Choices:
    """The tables above; every method that writes is one transaction."""

    def __init__(self, conn: sqlite3.Connection) -> None:
        self._conn = conn

    def choose(self, machine: str, file: ChosenFile, now: float) -> int | None:
        """Store a choice. Return the scene for which the item was chosen before, if that was another: it lost it."""
        item = (machine, file.rating_key)
        with transaction(self._conn):
            row = self._conn.execute("SELECT scene_id FROM chosen WHERE machine = ? AND rating_key = ?", item)
            before = next((scene_id for (scene_id,) in row.fetchall()), None)
            displaced = None if before == file.scene_id else before
            for scene_id in (file.scene_id, displaced):
                for table in TABLES:
                    self._conn.execute(f"DELETE FROM {table} WHERE machine = ? AND scene_id = ?", (machine, scene_id))
            self._conn.execute("INSERT INTO chosen VALUES (?, ?, ?, ?)", (machine, file.scene_id, file.rating_key, now))
            self._conn.execute("INSERT INTO chosen_file VALUES (?, ?, ?, ?, ?, ?, NULL)", (machine, *file[:5]))
        return displaced

    def take_back(self, machine: str, scene_id: int) -> int | None:
        """Delete a scene's choice, also one that has ended; return the item's rating key, None if there was none."""
        item = next((file.rating_key for file in self.files(machine, [scene_id])), None)
        with transaction(self._conn):
            for table in TABLES:
                self._conn.execute(f"DELETE FROM {table} WHERE machine = ? AND scene_id = ?", (machine, scene_id))
        return item

    def of_scenes(self, machine: str, scene_ids: Iterable[int]) -> dict[int, int]:
        """Return scene id -> rating key of the item chosen for it; scenes without a choice are absent."""
        return {row[0]: row[1] for row in self._select("scene_id, rating_key", machine, "scene_id", scene_ids)}

    def of_items(self, machine: str, rating_keys: Iterable[int]) -> dict[int, int]:
        """Return rating key -> scene for which the item was chosen; items that were not chosen are absent."""
        return {row[0]: row[1] for row in self._select("rating_key, scene_id", machine, "rating_key", rating_keys)}

    def in_force(self, machine: str) -> dict[int, int]:
        """Return every choice: scene id -> rating key."""
        return dict(self._conn.execute("SELECT scene_id, rating_key FROM chosen WHERE machine = ?", (machine,)))

    def files(self, machine: str, scene_ids: Iterable[int]) -> list[ChosenFile]:
        """Return the files of the items chosen for these scenes, also of those that are gone."""
        columns = "scene_id, rating_key, path, size, duration, gone"
        return [ChosenFile(*row) for row in self._select(columns, machine, "scene_id", scene_ids, "chosen_file")]

    def note_files(self, machine: str, files: Collection[ChosenFile]) -> None:
        """Store how the files of chosen items are now. One whose choice was taken back meanwhile is left out."""
        sql = (
            "UPDATE chosen_file SET path = ?, size = ?, duration = ?"
            " WHERE machine = ? AND scene_id = ? AND rating_key = ? AND gone IS NULL"
        )
        values = [(one.path, one.size, one.duration, machine, one.scene_id, one.rating_key) for one in files]
        if values:
            with transaction(self._conn):
                self._conn.executemany(sql, values)

    def end(self, machine: str, rating_keys: Iterable[int], now: float) -> dict[int, int]:
        """End the choices of items that are gone from Plex; return rating key -> scene of those that ended."""
        ended = self.of_items(machine, rating_keys)
        if ended:
            with transaction(self._conn):
                for rating_key, scene_id in ended.items():
                    scene = (machine, scene_id, rating_key)
                    sql = "WHERE machine = ? AND scene_id = ? AND rating_key = ?"
                    self._conn.execute(f"DELETE FROM chosen {sql}", scene)
                    self._conn.execute(f"UPDATE chosen_file SET gone = ? {sql}", (now, *scene))
        return ended

    def follow(self, machine: str, old: ChosenFile, new: ChosenFile, now: float) -> bool:
        """Choose the item that has a chosen file now (``new``), and put the choice in force again if it had ended.

        Return False if that item is another scene's choice, or this one was taken back or changed meanwhile.
        """
        with transaction(self._conn):
            known = self._conn.execute(
                "UPDATE chosen_file SET rating_key = ?, path = ?, size = ?, duration = ?, gone = NULL"
                " WHERE machine = ? AND scene_id = ? AND rating_key = ? AND NOT EXISTS"
                " (SELECT 1 FROM chosen WHERE machine = ? AND rating_key = ? AND scene_id <> ?)",
                (*new[1:5], machine, old.scene_id, old.rating_key, machine, new.rating_key, old.scene_id),
            ).rowcount
            if known:
                sql = "INSERT OR REPLACE INTO chosen VALUES (?, ?, ?, ?)"
                self._conn.execute(sql, (machine, old.scene_id, new.rating_key, now))
        return bool(known)

    def forget_ended(self, now: float, after: float) -> None:
        """Delete what is known of choices whose items have been gone for ``after`` seconds."""
        self._conn.execute("DELETE FROM chosen_file WHERE gone NOT BETWEEN ? AND ?", (now - after, now + after))

    def indexed(self, machine: str, rating_key: int) -> list[IndexedFile]:
        """Return the files of an item in the library index, whose tables ``plex/index.py`` owns; no optimised ones."""
        sql = (
            "SELECT s.title, s.id IN (SELECT section FROM used), p.path, p.size, p.duration, p.trashed"
            " FROM part p CROSS JOIN section s ON s.id = p.section"
            " WHERE s.machine = ? AND p.rating_key = ? AND NOT p.optimised ORDER BY p.rowid"
        )
        try:
            rows = self._conn.execute(sql, (machine, rating_key)).fetchall()
        except sqlite3.OperationalError as error:
            if "no such table" not in str(error):
                raise
            return []  # nothing was listed yet
        return [IndexedFile(*row) for row in rows]

    def _select(
        self, columns: str, machine: str, column: str, values: Iterable[int], table: str = "chosen"
    ) -> list[tuple[Any, ...]]:
        rows: list[tuple[Any, ...]] = []
        for portion, placeholders in portions(sorted(set(values))):
            sql = f"SELECT {columns} FROM {table} WHERE machine = ? AND {column} IN ({placeholders})"
            rows += self._conn.execute(sql, (machine, *portion)).fetchall()
        return rows
