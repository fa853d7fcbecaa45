"""``state.db``: what PlexSync wrote to which item, what catch-up last saw, which files are awaited. Knows no HTTP.

What concerns a Plex server is keyed by that server's machineIdentifier: another server inherits nothing. The library
index is in the same file; ``plex/index.py`` owns its tables.
"""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from plexsync.core import db, environment
from plexsync.core.db import portions, transaction
from plexsync.model.written import Written
from plexsync.state.meta import Meta

#: ``PRAGMA user_version`` of the schema below.
SCHEMA_VERSION = 1

SCHEMA = """
CREATE TABLE IF NOT EXISTS meta (name TEXT PRIMARY KEY, value TEXT) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS written (
  machine TEXT, rating_key INTEGER, scene_id INTEGER, path TEXT, stash_path TEXT, record TEXT, desired TEXT,
  cover TEXT, cover_stamp TEXT, PRIMARY KEY (machine, rating_key)) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS written_scene ON written (scene_id);
CREATE TABLE IF NOT EXISTS seen (kind TEXT, id INTEGER, signature TEXT, name TEXT, synced REAL,
  PRIMARY KEY (kind, id)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS awaited (scene_id INTEGER, name_key TEXT, size INTEGER,
  PRIMARY KEY (scene_id, name_key, size)) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS awaited_name ON awaited (name_key);
CREATE INDEX IF NOT EXISTS awaited_size ON awaited (size);
CREATE TABLE IF NOT EXISTS tally (machine TEXT, stash_prefix TEXT, plex_prefix TEXT, seen TEXT,
  PRIMARY KEY (machine, stash_prefix, plex_prefix)) WITHOUT ROWID;
"""


@dataclass(frozen=True, slots=True)
class Record:
    """What PlexSync did to one item.

    ``path``: the Plex file by which the item was matched, ``stash_path``: the scene's file. ``desired``: field
    -> fingerprint of the value last wanted there. ``cover``, ``cover_stamp``: see ``sync/covers.py``.
    """

    rating_key: int
    scene_id: int
    path: str = ""
    stash_path: str = ""
    written: Written = field(default_factory=Written)
    desired: Mapping[str, str] = field(default_factory=dict)
    cover: str = ""
    cover_stamp: str = ""


class Seen(NamedTuple):
    """What a finished job saw of one scene, performer, studio or tag.

    ``signature``: what must change for catch-up to make a job, see ``model/scene.py``; ``""`` counts as not seen.
    ``synced_at``: when it was last synced, None if it was not. The weekly comparison keeps its own rows under the
    kind ``desired``: the signature is then that of the wanted values; ``tagged`` rows hold ``model/rounds.py``.
    """

    kind: str
    id: int
    signature: str
    name: str = ""
    synced_at: float | None = None


def open_state(folder: str) -> sqlite3.Connection:
    """Open ``state.db`` of the data folder, with its schema. Raise ``sqlite3.Error`` or ``OSError``."""
    return db.open_once(os.path.join(folder, environment.STATE_DB), SCHEMA_VERSION, SCHEMA)


class State:
    """The tables of ``state.db``; every method that writes is one transaction. ``meta``: the single values."""

    def __init__(self, conn: sqlite3.Connection) -> None:
        self.conn = conn
        self.meta = Meta(conn)

    def records(self, machine: str, rating_keys: Iterable[int]) -> dict[int, Record]:
        """Return what was written to these items: rating key -> record; items never written are absent."""
        return {row[0]: _record(row) for row in self._select(machine, "rating_key", rating_keys)}

    def records_of(self, machine: str, scene_ids: Iterable[int]) -> dict[int, tuple[Record, ...]]:
        """Return what was written for these scenes: scene id -> records of its items."""
        records: dict[int, tuple[Record, ...]] = {}
        for row in self._select(machine, "scene_id", scene_ids):
            records[row[1]] = (*records.get(row[1], ()), _record(row))
        return records

    def _select(self, machine: str, column: str, values: Iterable[int]) -> Iterator[tuple[Any, ...]]:
        for part, placeholders in portions(sorted(set(values))):
            # "+": SQLite thinks that a machine is rarer than a scene, and would scan all that was ever written.
            server = "+machine" if column == "scene_id" else "machine"
            yield from self.conn.execute(
                "SELECT rating_key, scene_id, path, stash_path, record, desired, cover, cover_stamp FROM written"
                f" WHERE {server} = ? AND {column} IN ({placeholders})",
                (machine, *part),
            )

    def store(self, machine: str, records: Sequence[Record]) -> None:
        """Store what is intended or was written. Called before each PUT and again after the read-back."""
        with transaction(self.conn):
            self.conn.executemany(
                "INSERT OR REPLACE INTO written VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                [(machine, *_row(record)) for record in records],
            )

    def drop_item(self, machine: str, rating_key: int) -> None:
        """Delete the record of an item that is gone from Plex."""
        self.conn.execute("DELETE FROM written WHERE machine = ? AND rating_key = ?", (machine, rating_key))

    def drop_scenes(self, scene_ids: Sequence[int]) -> None:
        """Release the items of scenes that are gone from Stash, on every server, and forget the scenes."""
        with transaction(self.conn):
            for scene_id in scene_ids:
                self.conn.execute("UPDATE written SET scene_id = 0, path = '' WHERE scene_id = ?", (scene_id,))
                self.conn.execute("DELETE FROM seen WHERE kind = 'scene' AND id = ?", (scene_id,))
                self.conn.execute("DELETE FROM awaited WHERE scene_id = ?", (scene_id,))

    def written_scenes(self, machine: str | None = None) -> set[int]:
        """Return the ids of all scenes that were written to an item, of ``machine`` or of any server."""
        where, values = ("", ()) if machine is None else (" AND machine = ?", (machine,))
        return {row[0] for row in self.conn.execute(f"SELECT scene_id FROM written WHERE scene_id > 0{where}", values)}

    def see(self, rows: Iterable[Seen]) -> None:
        """Store what finished jobs saw, whatever their outcome; the time of an earlier success stays."""
        with transaction(self.conn):
            self.conn.executemany(
                "INSERT INTO seen VALUES (?, ?, ?, ?, ?) ON CONFLICT (kind, id) DO UPDATE SET"
                " signature = excluded.signature, name = excluded.name, synced = COALESCE(excluded.synced, synced)",
                list(rows),
            )

    def seen(self, kind: str, ids: Iterable[int]) -> dict[int, tuple[str, str]]:
        """Return id -> (signature, name) as the last finished job saw them; ids that no job saw are absent.

        A scene whose last sync was only imported (``import_synced``) was seen by no job.
        """
        seen: dict[int, tuple[str, str]] = {}
        for part, placeholders in portions(sorted(set(ids))):
            sql = f"SELECT id, signature, name FROM seen WHERE kind = ? AND signature > '' AND id IN ({placeholders})"
            seen.update({row[0]: (row[1], row[2] or "") for row in self.conn.execute(sql, (kind, *part))})
        return seen

    def forget_seen(self, kind: str, before: float) -> None:
        """Forget the rows of a kind that were stored with an earlier time."""
        self.conn.execute("DELETE FROM seen WHERE kind = ? AND synced < ?", (kind, before))

    def synced(self) -> Iterator[tuple[int, float]]:
        """Yield (scene id, time of the last success), by scene id."""
        sql = "SELECT id, synced FROM seen WHERE kind = 'scene' AND synced IS NOT NULL ORDER BY id"
        yield from self.conn.execute(sql).fetchall()  # no cursor may stay open if SIGTERM interrupts the reader

    def import_synced(self, rows: Iterable[tuple[int, float]]) -> None:
        """Import (scene id, time of the last success) into a new ``state.db``; the scenes still count as not seen."""
        with transaction(self.conn):
            self.conn.executemany(
                "INSERT INTO seen (kind, id, synced) VALUES ('scene', ?, ?) ON CONFLICT (kind, id) DO UPDATE SET"
                " synced = max(COALESCE(synced, 0), excluded.synced)",
                rows,
            )

    def await_files(self, files: Mapping[int, Iterable[tuple[str, int]]]) -> None:
        """Store the files that Plex must gain for a scene to be matched again: scene id -> (name key, size) of each."""
        with transaction(self.conn):
            for scene_id, wanted in files.items():
                self.conn.execute("DELETE FROM awaited WHERE scene_id = ?", (scene_id,))
                self.conn.executemany(
                    "INSERT OR IGNORE INTO awaited VALUES (?, ?, ?)", [(scene_id, name, size) for name, size in wanted]
                )

    def scenes_awaiting(self, gained: Iterable[tuple[str, int]]) -> set[int]:
        """Return the scenes that await a file of one of these names or sizes."""
        scene_ids: set[int] = set()
        for name, size in gained:
            sql = "SELECT scene_id FROM awaited WHERE name_key = ? OR (size = ? AND size > 0)"
            scene_ids.update(row[0] for row in self.conn.execute(sql, (name, size)))
        return scene_ids

    def tallies(self, machine: str) -> list[tuple[str, str, tuple[int, ...]]]:
        """Return the rows of the learned path map: Stash prefix, Plex prefix, hashes of the files that support it."""
        sql = "SELECT stash_prefix, plex_prefix, seen FROM tally WHERE machine = ?"
        rows = self.conn.execute(sql, (machine,))
        return [(stash, plex, tuple(json.loads(seen))) for stash, plex, seen in rows]

    def store_tallies(self, machine: str, rows: Iterable[tuple[str, str, tuple[int, ...]]]) -> None:
        """Replace the rows of the learned path map."""
        with transaction(self.conn):
            self.conn.execute("DELETE FROM tally WHERE machine = ?", (machine,))
            self.conn.executemany(
                "INSERT INTO tally VALUES (?, ?, ?, ?)",
                [(machine, stash, plex, json.dumps(seen)) for stash, plex, seen in rows],
            )


def _record(row: tuple[Any, ...]) -> Record:
    raw = json.loads(row[4] or "{}")
    written = Written(
        ours={name: tuple(values) for name, values in raw.get("ours", {}).items()},
        names={name: tuple(values) for name, values in raw.get("names", {}).items()},
        kept={name: (desired, kept) for name, (desired, kept) in raw.get("kept", {}).items()},
    )
    return Record(row[0], row[1], row[2] or "", row[3] or "", written, json.loads(row[5] or "{}"), row[6], row[7])


def _row(record: Record) -> tuple[Any, ...]:
    written = {
        "ours": dict(record.written.ours),
        "names": dict(record.written.names),
        "kept": dict(record.written.kept),
    }
    return (
        record.rating_key,
        record.scene_id,
        record.path,
        record.stash_path,
        json.dumps(written),
        json.dumps(dict(record.desired)),
        record.cover,
        record.cover_stamp,
    )
