"""Which scenes of Stash have a file of a name or a size: asked for a few batches, listed once where many follow.

Each question makes Stash look at every file that it has, so bulk work would cost batches times library. A listing is
kept in a temporary table, and counts only while nothing that Stash can tell of has moved. Knows nothing of Plex.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Collection, Sequence
from typing import Any

from plexsync.core.db import portions, transaction
from plexsync.model.paths import name_key
from plexsync.model.scene import Scene, SceneFile, same_duration
from plexsync.stash.api import Stash, StashRefused

Found = list[tuple[int, SceneFile]]

#: Questions in a row after which a listing is cheaper: Stash v0.30.1 takes 10 us a file for a
#: question of 200 names, and 120 us a file for a listing (20,000 and 100,000 scenes, SSD).
QUESTIONS = 12
#: Seconds without one that end such a row.
PAUSE = 60.0
#: Seconds for which a listing counts, at least, and how many times as long as it took: it then takes no more than a
#: fifth of the time. A file or folder that a scan finds renamed moves no time that one could ask for.
LASTS, TIMES = 30.0, 4.0
#: Seconds for which Stash is not asked again whether anything moved: far less than lies between any question and the
#: last write of its batch, and the answer costs 0.03 s with 100,000 files.
CHECKED = 2.0
#: Stash's times are whole seconds: what changed so short ago may change once more with the same time.
SETTLED = 2.0


class Twins:
    """The answers for one worker. ``clock``: seconds since the epoch; ``seconds``: spent on listings so far."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self.seconds = 0.0
        self._patience = QUESTIONS
        self._clock = clock
        self._able = True
        self._table: sqlite3.Connection | None = None
        self._mark = ""
        self._listed = self._lasts = self._checked = 0.0
        self._questions = 0
        self._last = float("-inf")

    def named(self, stash: Stash, names: Collection[str], scenes: Sequence[Scene]) -> Found:
        """Every (scene id, file) whose base name is one of ``names`` in any letter case; as ``Stash.files_named``.

        ``scenes`` are the batch's, just read: a listing that does not agree with them is not believed.
        """
        keys = {name_key(name) for name in names} - {""}
        found = self._listed_by(stash, 1, "name", keys)
        own = _own(scenes, lambda file: name_key(file.path) in keys)
        return found if found is not None and self._agrees(found, own, scenes) else stash.files_named(names)

    def alike(self, stash: Stash, wanted: Collection[tuple[int, float]], scenes: Sequence[Scene]) -> Found:
        """The same for files of one of these sizes in bytes that last as many seconds, or an unknown time."""
        sizes = {size for size, _ in wanted}
        found = self._listed_by(stash, len(wanted), "size", sizes)
        if found is None or not self._agrees(found, _own(scenes, lambda file: file.size in sizes), scenes):
            found = stash.files_lasting({seconds for _, seconds in wanted})
        return [
            (scene, file)
            for scene, file in found
            if any(file.size == size and same_duration(file.duration, seconds) for size, seconds in wanted)
        ]

    def _listed_by(self, stash: Stash, weight: int, column: str, values: Collection[str | int]) -> Found | None:
        """The files of these names or sizes from a listing, None without one; ``weight``: questions that it spares."""
        now = self._clock()
        self._questions = weight + (self._questions if 0 <= now - self._last < PAUSE else 0)
        self._last = now
        try:
            if self._able and (
                self._holds(stash, now) or (self._questions > self._patience and self._list(stash, now))
            ):
                return self._look_up(column, values)
        except (StashRefused, sqlite3.Error):  # an older Stash, or no room for the table
            self._able = False
            self.close()
        return None

    def close(self) -> None:
        """Forget the listing."""
        self._mark = ""
        if self._table is not None:
            self._table.close()
        self._table = None

    def _holds(self, stash: Stash, now: float) -> bool:
        """Whether the listing is still as Stash is."""
        if not self._mark or not 0 <= now - self._listed < self._lasts:
            return False
        if 0 <= now - self._checked < CHECKED:
            return True
        self._checked = now
        return stash.files_mark()[0] == self._mark

    def _agrees(self, found: Found, own: set[tuple[int, int, str]], scenes: Sequence[Scene]) -> bool:
        """Whether the listing has the batch's files as they were just read: one may have gone to another scene."""
        ids, files = {one.id for one in scenes}, {file for _, file, _ in own}
        agree = own == {(scene, file.id, file.path) for scene, file in found if scene in ids or file.id in files}
        self._mark = self._mark if agree else ""
        return agree

    def _list(self, stash: Stash, now: float) -> bool:
        """List every file; whether the listing may be used."""
        self._questions, self._mark = 0, ""
        mark, newest = stash.files_mark()
        if newest >= now - SETTLED:
            return False
        self._fill(stash)
        took = max(0.0, self._clock() - now)
        self.seconds += took
        if stash.skipped.get("scene") or stash.files_mark()[0] != mark:
            self._patience *= 2  # it would be void the next time too
            return False
        self._mark, self._listed, self._patience = mark, now, QUESTIONS
        self._checked = self._clock()
        self._lasts = max(LASTS, TIMES * took)
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
            with transaction(table):
                table.executemany(
                    "INSERT INTO file VALUES (?, ?, ?, ?, ?, ?)",
                    [(name_key(one.path), scene, one.id, one.path, one.size, one.duration) for scene, one in page],
                )
        table.execute("CREATE INDEX file_name ON file (name)")
        table.execute("CREATE INDEX file_size ON file (size)")

    def _look_up(self, column: str, values: Collection[str | int]) -> Found:
        rows: list[tuple[Any, ...]] = []
        for portion, marks in portions(list(values)):
            sql = f"SELECT rowid, scene, id, path, size, duration FROM file WHERE {column} IN ({marks})"
            rows += self._open().execute(sql, portion)
        return [(scene, SceneFile(*file)) for _, scene, *file in sorted(rows)]


def _own(scenes: Sequence[Scene], which: Callable[[SceneFile], bool]) -> set[tuple[int, int, str]]:
    """The batch's own files that a listing must have: scene, file, path."""
    return {(one.id, file.id, file.path) for one in scenes for file in one.files if which(file)}
