"""What PlexSync last saw on Plex's side: items as they were read back, which may have changed since, which are new.

The items are those that PlexSync wrote; ``ledger`` has what was written. Everything is keyed by the Plex server's
machineIdentifier. Knows no HTTP and no jobs.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Iterable, Mapping
from typing import NamedTuple

from plexsync.core.db import portions, transaction

SCHEMA = """
CREATE TABLE IF NOT EXISTS readback (machine TEXT, rating_key INTEGER, updated INTEGER, read INTEGER, shown TEXT,
  suspect INTEGER, PRIMARY KEY (machine, rating_key)) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS readback_suspect ON readback (machine) WHERE suspect > 0;
CREATE TABLE IF NOT EXISTS gained (machine TEXT, rating_key INTEGER, PRIMARY KEY (machine, rating_key)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS absent (machine TEXT, rating_key INTEGER, at REAL, PRIMARY KEY (machine, rating_key))
  WITHOUT ROWID;
"""


#: ``suspect``: the item may have changed since it was read back; by its time it has.
SUSPECT, MOVED = 1, 2


class Readback(NamedTuple):
    """A written item as it was last read in full.

    ``updated``: the item's ``updatedAt``, ``read``: Plex's time of that read, both in seconds since the epoch.
    ``shown``: what the item showed, see ``sync/readback.py``; ``""``: it was written, but not read back yet.
    ``suspect``: 0, ``SUSPECT`` or ``MOVED``, as the listings since then say.
    """

    rating_key: int
    updated: int
    read: int
    shown: str
    suspect: int = 0


class PlexSide:
    """The tables above."""

    def __init__(self, conn: sqlite3.Connection) -> None:
        self._conn = conn

    # -- as read back

    def readbacks(self, machine: str, rating_keys: Iterable[int]) -> dict[int, Readback]:
        """Return rating key -> how the item was last read; items never read back are absent."""
        found: dict[int, Readback] = {}
        for portion, placeholders in portions(sorted(set(rating_keys))):
            sql = f"SELECT {_COLUMNS} FROM readback WHERE machine = ? AND rating_key IN ({placeholders})"
            found.update({row[0]: Readback(*row) for row in self._conn.execute(sql, (machine, *portion))})
        return found

    def note(self, machine: str, rows: Iterable[Readback]) -> None:
        """Store how items are, whatever was suspected of them."""
        with transaction(self._conn):
            self._conn.executemany(
                "INSERT OR REPLACE INTO readback VALUES (?, ?, ?, ?, ?, 0)", [(machine, *row[:4]) for row in rows]
            )

    def suspects(self, machine: str) -> list[int]:
        """Return the rating keys of the items that may have changed since they were read back."""
        sql = "SELECT rating_key FROM readback WHERE machine = ? AND suspect > 0 ORDER BY rating_key"
        return [row[0] for row in self._conn.execute(sql, (machine,))]

    def suspect_oldest(self, machine: str, before: int, limit: int) -> None:
        """Suspect up to ``limit`` items that were read before that time, the longest ago first."""
        sql = "SELECT rating_key FROM readback WHERE machine = ? AND suspect = 0 AND read < ? ORDER BY read LIMIT ?"
        keys = [row[0] for row in self._conn.execute(sql, (machine, before, limit)).fetchall()]
        with transaction(self._conn):
            Watch(self._conn, machine).changed(keys)

    def suspect_unread(self, machine: str, limit: int) -> None:
        """Suspect up to ``limit`` items that were written, but never read back: by an earlier version."""
        self._conn.execute(
            "INSERT INTO readback SELECT machine, rating_key, 0, 0, '', 1 FROM written WHERE machine = ? AND rating_key"
            " NOT IN (SELECT rating_key FROM readback WHERE machine = ?) LIMIT ?",
            (machine, machine, limit),
        )

    def count(self, machine: str) -> int:
        """Return the number of items that were read back."""
        sql = "SELECT count(*) FROM readback WHERE machine = ?"
        return int(self._conn.execute(sql, (machine,)).fetchone()[0])

    def forget(self, machine: str, rating_keys: Iterable[int]) -> None:
        """Delete what is known of these items."""
        with transaction(self._conn):
            for table in ("readback", "absent"):
                sql = f"DELETE FROM {table} WHERE machine = ? AND rating_key = ?"
                self._conn.executemany(sql, [(machine, key) for key in rating_keys])

    # -- new in the index

    def gained(self, machine: str) -> list[int]:
        """Return the rating keys of the items that the index gained, or that gained a file, since they were handled."""
        return [row[0] for row in self._conn.execute("SELECT rating_key FROM gained WHERE machine = ?", (machine,))]

    def handled(self, machine: str, rating_keys: Iterable[int]) -> None:
        """Note that the jobs for these gained items are made."""
        with transaction(self._conn):
            sql = "DELETE FROM gained WHERE machine = ? AND rating_key = ?"
            self._conn.executemany(sql, [(machine, key) for key in rating_keys])

    # -- absent

    def absences(self, machine: str, rating_keys: Iterable[int]) -> dict[int, float]:
        """Return rating key -> when Plex first did not name the item (seconds since the epoch), if it named it not."""
        found: dict[int, float] = {}
        for portion, placeholders in portions(sorted(set(rating_keys))):
            sql = f"SELECT rating_key, at FROM absent WHERE machine = ? AND rating_key IN ({placeholders})"
            found.update(self._conn.execute(sql, (machine, *portion)).fetchall())
        return found

    def note_absent(self, machine: str, rating_keys: Iterable[int], now: float) -> None:
        """Note that Plex did not name these items; the time of an earlier absence stays."""
        with transaction(self._conn):
            sql = "INSERT OR IGNORE INTO absent VALUES (?, ?, ?)"
            self._conn.executemany(sql, [(machine, key, now) for key in rating_keys])

    def note_present(self, machine: str, rating_keys: Collection[int]) -> None:
        """Note that Plex has these items."""
        back = self.absences(machine, rating_keys)
        if back:
            with transaction(self._conn):
                sql = "DELETE FROM absent WHERE machine = ? AND rating_key = ?"
                self._conn.executemany(sql, [(machine, key) for key in back])


_COLUMNS = "rating_key, updated, read, shown, suspect"


class Watch:
    """What the index tells while it lists one server. ``changed`` and ``gained`` write in the caller's transaction."""

    def __init__(self, conn: sqlite3.Connection, machine: str) -> None:
        self._conn = conn
        self._machine = machine

    def listed(self, times: Mapping[int, int]) -> None:
        """Suspect the items whose ``updatedAt`` (rating key -> seconds since the epoch) is not the one read back.

        A time in whole seconds is no version: an item that was read about the second of its last change is suspected,
        too, once, because a second change may have followed.
        """
        suspects: list[tuple[int, int, str, int]] = []
        for portion, placeholders in portions(list(times)):
            sql = f"SELECT rating_key, updated, read FROM readback WHERE machine = ? AND rating_key IN ({placeholders})"
            for key, updated, read in self._conn.execute(sql, (self._machine, *portion)):
                now = times[key]
                if now and (now != updated or now >= read - 1):
                    suspects.append((MOVED if now != updated else SUSPECT, now, self._machine, key))
        if suspects:
            sql = "UPDATE readback SET suspect = max(suspect, ?), updated = ? WHERE machine = ? AND rating_key = ?"
            with transaction(self._conn):
                self._conn.executemany(sql, suspects)

    def changed(self, rating_keys: Iterable[int]) -> None:
        """Suspect these items, if they were read back."""
        sql = f"UPDATE readback SET suspect = max(suspect, {SUSPECT}) WHERE machine = ? AND rating_key = ?"
        self._conn.executemany(sql, [(self._machine, key) for key in rating_keys])

    def gained(self, rating_keys: Iterable[int]) -> None:
        """Note items that are new or have a new file, if anything was ever written to this server."""
        if any(
            self._conn.execute(f"SELECT 1 FROM {table} WHERE machine = ? LIMIT 1", (self._machine,)).fetchone()
            for table in ("written", "aside")
        ):
            sql = "INSERT OR IGNORE INTO gained VALUES (?, ?)"
            self._conn.executemany(sql, [(self._machine, key) for key in rating_keys])
