"""Which scenes of Stash have a file of a name: asked for a few batches, listed once where many follow each other.

Each question makes Stash look at every file that it has, so bulk work would cost batches times library. A listing is
kept in a temporary table, and counts only while nothing that Stash can tell of has moved. Knows nothing of Plex.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Collection, Iterable
from typing import Any

from plexsync.names import name_key
from plexsync.scene import Scene, SceneFile
from plexsync.stash import Stash, StashRefused

Found = list[tuple[int, SceneFile]]

#: Batches in a row after which a listing is cheaper than their questions: Stash v0.30.1 takes 10 us a file for a
#: question of 200 names, and 120 us a file for a listing (20,000 and 100,000 scenes, SSD).
QUESTIONS = 12
#: Seconds without a batch that end such a row.
PAUSE = 60.0
#: Seconds for which a listing counts, at least, and how many times as long as it took: it then takes no more than a
#: fifth of the time. A file or folder that a scan finds renamed moves no time that one could ask for.
LASTS, TIMES = 30.0, 4.0
#: Stash's times are whole seconds: what changed so short ago may change once more with the same time.
SETTLED = 2.0
#: SQLite's oldest limit of variables in a statement is 999.
CHUNK = 500


class Twins:
    """The answers for one worker. ``clock``: seconds since the epoch."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._able = True
        self._table: sqlite3.Connection | None = None
        self._mark = ""
        self._listed = self._lasts = 0.0
        self._batches = 0
        self._last = float("-inf")

    def named(self, stash: Stash, names: Collection[str], scenes: Iterable[Scene]) -> Found:
        """Every (scene id, file) whose base name is one of ``names`` in any letter case; as ``Stash.files_named``.

        ``scenes`` are the batch's, just read: a listing that does not agree with them is not believed.
        """
        now = self._clock()
        self._batches = self._batches + 1 if 0 <= now - self._last < PAUSE else 1
        self._last = now
        keys = {name_key(name) for name in names} - {""}
        try:
            if self._able and (self._holds(stash, now) or (self._batches > QUESTIONS and self._list(stash, now))):
                found = self._look_up(keys)
                if _agree(found, keys, scenes):
                    return found
        except (StashRefused, sqlite3.Error):  # an older Stash, or no room for the table
            self._able = False
        self._mark = ""
        return stash.files_named(names)

    def close(self) -> None:
        """Forget the listing."""
        self._mark = ""
        if self._table is not None:
            self._table.close()
        self._table = None

    def _holds(self, stash: Stash, now: float) -> bool:
        """Whether the listing is still as Stash is."""
        young = 0 <= now - self._listed < self._lasts
        return bool(self._mark) and young and stash.files_mark()[0] == self._mark

    def _list(self, stash: Stash, now: float) -> bool:
        """List every file; whether the listing may be used."""
        self._batches, self._mark = 0, ""
        mark, newest = stash.files_mark()
        if newest >= now - SETTLED:
            return False
        self._fill(stash)
        if stash.skipped.get("scene") or stash.files_mark()[0] != mark:
            return False
        self._mark, self._listed = mark, now
        self._lasts = max(LASTS, TIMES * (self._clock() - now))
        return True

    def _open(self) -> sqlite3.Connection:
        """The table's own database: a file without a name, gone when it is closed."""
        if self._table is None:
            self._table = sqlite3.connect("", isolation_level=None)
            self._table.execute("PRAGMA journal_mode = OFF")
        return self._table

    def _fill(self, stash: Stash) -> None:
        table = self._open()
        table.execute("DROP TABLE IF EXISTS file")
        table.execute("CREATE TABLE file (name, scene, id, path, size, duration)")
        for page in stash.files():
            table.execute("BEGIN")
            table.executemany(
                "INSERT INTO file VALUES (?, ?, ?, ?, ?, ?)",
                [(name_key(one.path), scene, one.id, one.path, one.size, one.duration) for scene, one in page],
            )
            table.execute("COMMIT")
        table.execute("CREATE INDEX file_name ON file (name)")

    def _look_up(self, keys: Collection[str]) -> Found:
        rows: list[tuple[Any, ...]] = []
        ordered = sorted(keys)
        for start in range(0, len(ordered), CHUNK):
            chunk = ordered[start : start + CHUNK]
            marks = ",".join("?" * len(chunk))
            sql = f"SELECT rowid, scene, id, path, size, duration FROM file WHERE name IN ({marks})"
            rows += self._open().execute(sql, chunk)
        return [(scene, SceneFile(*file)) for _, scene, *file in sorted(rows)]


def _agree(found: Found, keys: Collection[str], scenes: Iterable[Scene]) -> bool:
    """Whether the listing has the batch's own files as they were just read: a file may have gone to another scene."""
    batch = list(scenes)
    own = {(one.id, file.id, file.path) for one in batch for file in one.files if name_key(file.path) in keys}
    ids, files = {one.id for one in batch}, {file for _, file, _ in own}
    return own == {(scene, file.id, file.path) for scene, file in found if scene in ids or file.id in files}
