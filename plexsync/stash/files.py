"""Which scenes in Stash have a file of a name or a size: queried for a few batches, listed once for many.

Stash reads every file for each query, so in bulk work the cost would be batches times files. A listing is kept in a
temporary table and is valid until Stash reports a change. Knows nothing of Plex.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Collection, Sequence
from typing import Any

from plexsync.core.db import portions, transaction
from plexsync.model.paths import name_key
from plexsync.model.scene import Scene, SceneFile, same_duration
from plexsync.stash.api import Stash, StashRefused

#: (scene id, file)
SceneFiles = list[tuple[int, SceneFile]]

#: Consecutive queries after which a listing is cheaper: Stash v0.30.1 takes 10 us a file for a query of 200 names, and
#: 120 us a file for a listing (20,000 and 100,000 scenes, SSD).
QUERIES = 12
#: Seconds without a query after which the count starts again.
PAUSE = 60.0
#: A listing is valid for at least so many seconds, and for so many times as long as it took: listing then takes no
#: more than a fifth of the time. It must expire, because renaming a file or folder changes no time that Stash reports.
LASTS, TIMES = 30.0, 4.0
#: Seconds for which Stash is not asked again whether anything changed: far less than between a query and the last write
#: of its batch. The answer takes 0.03 s with 100,000 files.
CHECKED = 2.0
#: Seconds after which a file's time is final: Stash's times are whole seconds, and a second change may share one.
SETTLED = 2.0


class StashFiles:
    """The files of Stash's scenes, for one worker.

    ``clock`` returns seconds since the epoch. ``seconds``: time spent on listings so far.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self.seconds = 0.0
        self._patience = QUERIES
        self._clock = clock
        self._can_list = True
        self._table: sqlite3.Connection | None = None
        self._version = ""
        self._listed_at = self._lasts = self._checked_at = 0.0
        self._queries = 0
        self._queried_at = float("-inf")

    def with_names(self, stash: Stash, names: Collection[str], scenes: Sequence[Scene]) -> SceneFiles:
        """Return every (scene id, file) whose base name is one of ``names`` (any letter case), as ``files_named``.

        ``scenes``: the batch, just read; a listing that disagrees with it is discarded.
        """
        keys = {name_key(name) for name in names} - {""}
        files = self._listed(stash, 1, "name", keys)
        own = _own(scenes, lambda file: name_key(file.path) in keys)
        return files if files is not None and self._agrees(files, own, scenes) else stash.files_named(names)

    def alike(self, stash: Stash, wanted: Collection[tuple[int, float]], scenes: Sequence[Scene]) -> SceneFiles:
        """Return every (scene id, file) with one of the sizes (bytes) and its duration (s), or an unknown one."""
        sizes = {size for size, _ in wanted}
        files = self._listed(stash, len(wanted), "size", sizes)
        if files is None or not self._agrees(files, _own(scenes, lambda file: file.size in sizes), scenes):
            files = stash.files_lasting({seconds for _, seconds in wanted})
        return [
            (scene, file)
            for scene, file in files
            if any(file.size == size and same_duration(file.duration, seconds) for size, seconds in wanted)
        ]

    def _listed(self, stash: Stash, weight: int, column: str, values: Collection[str | int]) -> SceneFiles | None:
        """Return the files with these names or sizes from the listing, None where a query is cheaper.

        ``weight``: the number of queries that a listing saves.
        """
        now = self._clock()
        self._queries = weight + (self._queries if 0 <= now - self._queried_at < PAUSE else 0)
        self._queried_at = now
        try:
            if self._can_list and (
                self._is_valid(stash, now) or (self._queries > self._patience and self._list(stash, now))
            ):
                return self._look_up(column, values)
        except (StashRefused, sqlite3.Error):  # an older Stash, or no space for the table
            self._can_list = False
            self.close()
        return None

    def close(self) -> None:
        """Discard the listing."""
        self._version = ""
        if self._table is not None:
            self._table.close()
        self._table = None

    def _is_valid(self, stash: Stash, now: float) -> bool:
        """Return whether Stash has not changed since the listing."""
        if not self._version or not 0 <= now - self._listed_at < self._lasts:
            return False
        if 0 <= now - self._checked_at < CHECKED:
            return True
        self._checked_at = now
        return stash.files_version()[0] == self._version

    def _agrees(self, files: SceneFiles, own: set[tuple[int, int, str]], scenes: Sequence[Scene]) -> bool:
        """Return whether the listing has the batch's files as just read; discard it if a file has changed scenes."""
        scene_ids, file_ids = {scene.id for scene in scenes}, {file for _, file, _ in own}
        agrees = own == {
            (scene, file.id, file.path) for scene, file in files if scene in scene_ids or file.id in file_ids
        }
        self._version = self._version if agrees else ""
        return agrees

    def _list(self, stash: Stash, now: float) -> bool:
        """List every file; return whether the listing may be used."""
        self._queries, self._version = 0, ""
        version, newest = stash.files_version()
        if newest >= now - SETTLED:
            return False
        self._fill(stash)
        took = max(0.0, self._clock() - now)
        self.seconds += took
        if stash.skipped.get("scene") or stash.files_version()[0] != version:
            self._patience *= 2  # Stash is changing: the next listing would be invalid too
            return False
        self._version, self._listed_at, self._patience = version, now, QUERIES
        self._checked_at = self._clock()
        self._lasts = max(LASTS, TIMES * took)
        return True

    def _open(self) -> sqlite3.Connection:
        """Return the table's database: an unnamed temporary file that SQLite deletes when it is closed."""
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
                    [
                        (name_key(file.path), scene, file.id, file.path, file.size, file.duration)
                        for scene, file in page
                    ],
                )
        table.execute("CREATE INDEX file_name ON file (name)")
        table.execute("CREATE INDEX file_size ON file (size)")

    def _look_up(self, column: str, values: Collection[str | int]) -> SceneFiles:
        rows: list[tuple[Any, ...]] = []
        for portion, placeholders in portions(list(values)):
            sql = f"SELECT rowid, scene, id, path, size, duration FROM file WHERE {column} IN ({placeholders})"
            rows += self._open().execute(sql, portion)
        return [(scene, SceneFile(*file)) for _, scene, *file in sorted(rows)]


def _own(scenes: Sequence[Scene], wanted: Callable[[SceneFile], bool]) -> set[tuple[int, int, str]]:
    """Return the batch's files that a listing must have, as (scene id, file id, path)."""
    return {(scene.id, file.id, file.path) for scene in scenes for file in scene.files if wanted(file)}
