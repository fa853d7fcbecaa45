"""``state.db``: what PlexSync wrote to which item, what catch-up last saw, which files are awaited. Knows no HTTP.

What concerns a Plex server is keyed by that server's machineIdentifier: another server inherits nothing. The library
index is in the same file; ``plex/index.py`` owns its tables.
"""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any, NamedTuple

from plexsync.core import db, environment
from plexsync.core.db import portions, transaction
from plexsync.model.written import Written
from plexsync.state import choices, history, plex_side, undoing
from plexsync.state.choices import Choices
from plexsync.state.history import Entry, History, Name
from plexsync.state.meta import Meta
from plexsync.state.pause import DRY, SETUP, Pause
from plexsync.state.plex_side import PlexSide

#: ``PRAGMA user_version`` of the schema below.
SCHEMA_VERSION = 3
#: Seconds for which a record stays set aside: 90 days.
ASIDE = 90 * 86400.0

SCHEMA = f"""
CREATE TABLE IF NOT EXISTS meta (name TEXT PRIMARY KEY, value TEXT) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS written (
  machine TEXT, rating_key INTEGER, scene_id INTEGER, path TEXT, stash_path TEXT, record TEXT, desired TEXT,
  cover TEXT, cover_stamp TEXT, PRIMARY KEY (machine, rating_key)) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS written_scene ON written (scene_id);
CREATE INDEX IF NOT EXISTS written_path ON written (path);
CREATE TABLE IF NOT EXISTS aside (
  machine TEXT, rating_key INTEGER, scene_id INTEGER, path TEXT, stash_path TEXT, record TEXT, desired TEXT,
  cover TEXT, cover_stamp TEXT, at REAL, PRIMARY KEY (machine, rating_key)) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS aside_path ON aside (path);
CREATE INDEX IF NOT EXISTS aside_scene ON aside (scene_id);
CREATE TABLE IF NOT EXISTS seen (kind TEXT, id INTEGER, signature TEXT, name TEXT, synced REAL,
  PRIMARY KEY (kind, id)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS awaited (scene_id INTEGER, name_key TEXT, size INTEGER,
  PRIMARY KEY (scene_id, name_key, size)) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS awaited_name ON awaited (name_key);
CREATE INDEX IF NOT EXISTS awaited_size ON awaited (size);
CREATE TABLE IF NOT EXISTS tally (machine TEXT, stash_prefix TEXT, plex_prefix TEXT, seen TEXT,
  PRIMARY KEY (machine, stash_prefix, plex_prefix)) WITHOUT ROWID;
{plex_side.SCHEMA}{history.SCHEMA}{choices.SCHEMA}{undoing.SCHEMA}"""


@dataclass(frozen=True, slots=True)
class Record:
    """What PlexSync did to one item.

    ``path``: the Plex file by which the item was matched, ``stash_path``: the scene's file. ``desired``: field
    -> fingerprint of the value last wanted there. ``cover``, ``cover_stamp``: see ``sync/covers.py``. ``evidence``: by
    which the item was matched (a name of ``matching.Evidence`` in lower case). ``title``: the item's, for people.
    ``size``: of the Plex file in bytes, 0 if not known.
    """

    rating_key: int
    scene_id: int
    path: str = ""
    stash_path: str = ""
    written: Written = field(default_factory=Written)
    desired: Mapping[str, str] = field(default_factory=dict)
    cover: str = ""
    cover_stamp: str = ""
    evidence: str = ""
    title: str = ""
    size: int = 0


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
    """The tables of ``state.db``; every method that writes is one transaction.

    ``meta``: the single values. ``plex``: what was last seen on Plex's side. ``history``: what the page shows.
    ``choices``: the items that were chosen.
    """

    def __init__(self, conn: sqlite3.Connection) -> None:
        self.conn = conn
        self.meta = Meta(conn)
        self.plex = PlexSide(conn)
        self.history = History(conn)
        self.choices = Choices(conn)

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
                f"SELECT {_COLUMNS} FROM written WHERE {server} = ? AND {column} IN ({placeholders})",
                (machine, *part),
            )

    def store(self, machine: str, records: Sequence[Record], entries: Iterable[Entry] = ()) -> None:
        """Store what is intended or was written, ``entries`` for the page too.

        Called before each PUT and again after the read-back.
        """
        with transaction(self.conn):
            self.conn.executemany(
                "INSERT OR REPLACE INTO written VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                [(machine, *_row(record)) for record in records],
            )
            self.history.add(entries)

    def set_aside(self, machine: str, rating_key: int, now: float) -> None:
        """Set the record of an item aside that is gone from Plex or in its trash. Forget what it showed."""
        item = (machine, rating_key)
        with transaction(self.conn):
            self.conn.execute(
                f"INSERT OR REPLACE INTO aside SELECT machine, {_COLUMNS}, ? FROM written"
                " WHERE machine = ? AND rating_key = ?",
                (now, *item),
            )
            self.conn.execute("DELETE FROM written WHERE machine = ? AND rating_key = ?", item)
        self.plex.forget(machine, [rating_key])

    def forget_aside(self, now: float) -> None:
        """Delete the records that have been set aside for 90 days, and what is known of choices that ended then."""
        self.conn.execute("DELETE FROM aside WHERE at NOT BETWEEN ? AND ?", (now - ASIDE, now + ASIDE))
        self.choices.forget_ended(now, ASIDE)

    def scenes_by_path(self, machine: str, paths: Iterable[str]) -> set[int]:
        """Return the scenes that were written to items by these files of Plex, also those of records set aside."""
        scenes: set[int] = set()
        for table in ("written", "aside"):
            for part, placeholders in portions(sorted(set(paths) - {""})):
                # "+": by path, as there are few machines and many paths.
                sql = f"SELECT scene_id FROM {table} WHERE +machine = ? AND scene_id > 0 AND path IN ({placeholders})"
                scenes.update(row[0] for row in self.conn.execute(sql, (machine, *part)))
        return scenes

    def has_aside(self, machine: str) -> bool:
        """Return whether any record is set aside."""
        return self.conn.execute("SELECT 1 FROM aside WHERE machine = ? LIMIT 1", (machine,)).fetchone() is not None

    def aside(self, machine: str, rating_key: int, path: str, scene_id: int, stash_path: str) -> Record | None:
        """Return the record set aside for an item, None if there is none.

        That is the record of the same item, if it held the file ``path`` (Plex's) or no scene claims it; else of
        another item that held this file, or that was written for this scene by its file ``stash_path``.
        """
        wanted = {"machine": machine, "key": rating_key, "path": path, "scene": scene_id, "file": stash_path}
        row = self.conn.execute(
            f"SELECT {_COLUMNS} FROM aside WHERE machine = :machine AND ((rating_key = :key AND path IN (:path, ''))"
            " OR (path = :path AND path > '') OR (scene_id = :scene AND stash_path = :file AND scene_id > 0))"
            " ORDER BY rating_key = :key DESC, path = :path DESC, at DESC LIMIT 1",
            wanted,
        ).fetchone()
        return None if row is None else _record(row)

    def take_up(self, machine: str, aside: Record, rating_key: int) -> None:
        """Make a record that was set aside that of an item again: the same one, or another, as the first may come back.

        Whether the item still shows our images is unknown.
        """
        # As ``sync/covers.py`` marks what is to be asked; a cover that was unfit is none of the item's.
        entries = (part.partition("=") for part in aside.cover.split(",") if part and not part.startswith("unfit="))
        unknown = ",".join(f"{element}=?{text.lstrip('?-!')}" for element, _, text in entries)
        written = replace(aside.written, moved=aside.written.moved or aside.rating_key != rating_key)
        record = replace(aside, rating_key=rating_key, written=written, cover=unknown, cover_stamp="")
        with transaction(self.conn):
            self.conn.execute(
                "INSERT OR REPLACE INTO written VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", (machine, *_row(record))
            )
            self.conn.execute("DELETE FROM aside WHERE machine = ? AND rating_key = ?", (machine, rating_key))

    def records_for_undo(self, machine: str, rating_keys: Sequence[int]) -> dict[int, Record]:
        """Return what was written to these items, also of those whose record is set aside."""
        found: dict[int, Record] = {}
        for part, placeholders in portions(rating_keys):
            sql = f"SELECT {_COLUMNS} FROM aside WHERE machine = ? AND rating_key IN ({placeholders})"
            found |= {row[0]: _record(row) for row in self.conn.execute(sql, (machine, *part))}
        return found | self.records(machine, rating_keys)

    def others(self, machine: str, rating_key: int, limit: int, *, covered: bool = False) -> list[Record]:
        """Return up to ``limit`` records of other written items; ``covered``: only of those with an uploaded poster."""
        poster = " AND cover LIKE '%posters=_%'" if covered else " AND desired <> '{}'"
        rows = self.conn.execute(
            "SELECT rating_key, scene_id, path, stash_path, record, desired, cover, cover_stamp FROM written"
            f" WHERE machine = ? AND rating_key <> ? AND scene_id > 0{poster} LIMIT ?",
            (machine, rating_key, limit),
        )
        return [_record(row) for row in rows]

    def drop_scenes(self, scene_ids: Sequence[int]) -> None:
        """Release the items of scenes that are gone from Stash, on every server, and forget the scenes."""
        with transaction(self.conn):
            for scene_id in scene_ids:
                for table in ("written", "aside"):
                    self.conn.execute(f"UPDATE {table} SET scene_id = 0, path = '' WHERE scene_id = ?", (scene_id,))
                self.conn.execute("DELETE FROM seen WHERE kind = 'scene' AND id = ?", (scene_id,))
                for table in ("awaited", *choices.TABLES):
                    self.conn.execute(f"DELETE FROM {table} WHERE scene_id = ?", (scene_id,))
            self.history.forget_names(scene_ids)

    def written_scenes(self, machine: str | None = None) -> set[int]:
        """Return the ids of all scenes written to an item of ``machine``, but for those that are to be put back.

        None: of any server, set aside, or chosen.
        """
        sql = "SELECT scene_id FROM written WHERE scene_id > 0"
        if machine is not None:
            rows = self.conn.execute(f"{sql} AND machine = ?", (machine,))
            return {row[0] for row in rows} - undoing.marked_scenes(self.conn, machine).keys()
        sql += " UNION SELECT scene_id FROM aside WHERE scene_id > 0 UNION SELECT scene_id FROM chosen"
        return {row[0] for row in self.conn.execute(sql)}

    def synced_at(self, scene_ids: Iterable[int]) -> dict[int, float]:
        """Return scene id -> time of its last success; scenes that never had one are absent."""
        found: dict[int, float] = {}
        for part, placeholders in portions(sorted(set(scene_ids))):
            sql = f"SELECT id, synced FROM seen WHERE kind = 'scene' AND synced IS NOT NULL AND id IN ({placeholders})"
            found.update(self.conn.execute(sql, part).fetchall())
        return found

    def see(self, rows: Iterable[Seen], names: Mapping[int, Name | None] | None = None) -> None:
        """Store what finished jobs saw, whatever their outcome; the time of an earlier success stays.

        ``names``: scene id -> by what to name a scene that has not arrived, None for one that has.
        """
        with transaction(self.conn):
            self.history.name(names or {})
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

    def begin_pause(self, pause: Pause, now: float, cause: str, held: Callable[[], int]) -> None:
        """Store a pause, and the outage that it is: one for ``dryRun``, or for the first setup, is none.

        ``cause``: in words. ``held``: tells how many jobs wait.
        """
        with transaction(self.conn):
            self.meta.put_pause(pause)
            if pause.kind != DRY and (pause.kind != SETUP or self.meta.machine):
                self.history.begin_outage(now, pause.kind, cause, held)

    def end_pause(self, now: float, held: Callable[[], int]) -> None:
        """Forget the pause, and end its outage."""
        with transaction(self.conn):
            self.meta.pause = None
            self.history.end_outage(now, held)

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


_COLUMNS = "rating_key, scene_id, path, stash_path, record, desired, cover, cover_stamp"
#: Attributes of a record that are stored beside those of its ``Written``, in the same column.
_ABOUT = ("evidence", "title", "size")


def _record(row: tuple[Any, ...]) -> Record:
    raw = json.loads(row[4] or "{}")
    written = Written(
        ours={name: tuple(values) for name, values in raw.get("ours", {}).items()},
        names={name: tuple(values) for name, values in raw.get("names", {}).items()},
        kept={name: (desired, kept) for name, (desired, kept) in raw.get("kept", {}).items()},
        own=tuple(raw.get("own", ())),
        before={name: tuple(old) if isinstance(old, list) else old for name, old in raw.get("before", {}).items()},
        moved=bool(raw.get("moved", False)),
        refused=dict(raw.get("refused", {})),
    )
    about = str(raw.get("evidence", "")), str(raw.get("title", "")), int(raw.get("size", 0))
    desired = json.loads(row[5] or "{}")
    return Record(row[0], row[1], row[2] or "", row[3] or "", written, desired, row[6], row[7], *about)


def _row(record: Record) -> tuple[Any, ...]:
    written = {field.name: value for field in fields(Written) if (value := getattr(record.written, field.name))}
    written |= {name: value for name in _ABOUT if (value := getattr(record, name))}
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
