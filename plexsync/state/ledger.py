"""``state.db``: what PlexSync wrote to which item, what catch-up last saw, breaker and statistics. Knows no HTTP.

What concerns a Plex server is keyed by its machineIdentifier: another server inherits nothing. The library index lies
in the same file; ``plex/library.py`` owns its tables.
"""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from plexsync.core import db, enqueue, environment, locks
from plexsync.core.db import portions
from plexsync.model.written import Written
from plexsync.state.breaker import Breaker

#: ``PRAGMA user_version`` of the schema below.
SCHEMA_VERSION = 1

SCHEMA = """
CREATE TABLE IF NOT EXISTS meta (name TEXT PRIMARY KEY, value TEXT) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS written (
  machine TEXT, rating_key INTEGER, scene_id INTEGER, path TEXT, stash_path TEXT, record TEXT, wish TEXT,
  cover TEXT, cover_seen TEXT, PRIMARY KEY (machine, rating_key)) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS written_scene ON written (scene_id);
CREATE TABLE IF NOT EXISTS seen (kind TEXT, id INTEGER, signature TEXT, name TEXT, synced REAL,
  PRIMARY KEY (kind, id)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS hoped (scene_id INTEGER, name_key TEXT, size INTEGER, PRIMARY KEY (scene_id, name_key, size))
  WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS hoped_name ON hoped (name_key);
CREATE INDEX IF NOT EXISTS hoped_size ON hoped (size);
CREATE TABLE IF NOT EXISTS tally (machine TEXT, stash_prefix TEXT, plex_prefix TEXT, seen TEXT,
  PRIMARY KEY (machine, stash_prefix, plex_prefix)) WITHOUT ROWID;
"""


@dataclass(frozen=True, slots=True)
class Record:
    """What PlexSync did to one item.

    ``path``: the Plex file that proved the match, ``stash_path`` the scene's own. ``wish``: field -> fingerprint of
    what it last wished there. ``cover``: sha1 of the image last uploaded or found unusable, ``cover_seen`` the scene's
    ``updated_at`` at that time.
    """

    rating_key: int
    scene_id: int
    path: str = ""
    stash_path: str = ""
    written: Written = field(default_factory=Written)
    wish: Mapping[str, str] = field(default_factory=dict)
    cover: str = ""
    cover_seen: str = ""


def open_state(folder: str) -> sqlite3.Connection:
    """``state.db`` of the data folder, with its schema; raises ``sqlite3.Error`` or ``OSError``."""
    conn = db.connect(os.path.join(folder, environment.STATE_DB))
    try:
        if _version(conn) < SCHEMA_VERSION:
            _create(conn, folder)
    except BaseException:
        conn.close()  # a damaged file is renamed next, and Windows renames no open one
        raise
    return conn


def _create(conn: sqlite3.Connection, folder: str) -> None:
    """Make the schema, one process at a time: the switch to WAL ignores the busy timeout."""
    fd = locks.open_lock(os.path.join(folder, environment.INIT_LOCK))
    try:
        if not locks.wait_lock(fd, enqueue.BUSY_TIMEOUT):
            raise sqlite3.OperationalError("database is locked: another process has been creating it for 10 s")
        if _version(conn) >= SCHEMA_VERSION:
            return
        conn.execute("PRAGMA journal_mode=WAL")
        conn.execute("BEGIN IMMEDIATE")
        for statement in SCHEMA.split(";"):
            conn.execute(statement)
        conn.execute(f"PRAGMA user_version={SCHEMA_VERSION}")
        conn.execute("COMMIT")
    finally:
        os.close(fd)


def _version(conn: sqlite3.Connection) -> int:
    return int(conn.execute("PRAGMA user_version").fetchone()[0])


def get(conn: sqlite3.Connection, name: str, default: Any = None) -> Any:
    """A JSON value of the ``meta`` table."""
    row = conn.execute("SELECT value FROM meta WHERE name = ?", (name,)).fetchone()
    return default if row is None else json.loads(row[0])


def put(conn: sqlite3.Connection, name: str, value: Any) -> None:
    """Store a JSON value in the ``meta`` table."""
    conn.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (name, json.dumps(value)))


class State:
    """The worker's view of ``state.db``; every method that writes is one transaction."""

    def __init__(self, conn: sqlite3.Connection) -> None:
        self.conn = conn

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Everything inside is committed together, or not at all."""
        self.conn.execute("BEGIN IMMEDIATE")
        try:
            yield
            self.conn.execute("COMMIT")
        except BaseException:
            if self.conn.in_transaction:  # a full disk has rolled it back already
                self.conn.execute("ROLLBACK")
            raise

    def records(self, machine: str, rating_keys: Iterable[int]) -> dict[int, Record]:
        """What was written to these items."""
        return {row[0]: _record(row) for row in self._select(machine, "rating_key", rating_keys)}

    def records_of(self, machine: str, scene_ids: Iterable[int]) -> dict[int, tuple[Record, ...]]:
        """What these scenes wrote: scene id -> its items."""
        found: dict[int, tuple[Record, ...]] = {}
        for row in self._select(machine, "scene_id", scene_ids):
            found[row[1]] = (*found.get(row[1], ()), _record(row))
        return found

    def _select(self, machine: str, column: str, values: Iterable[int]) -> Iterator[tuple[Any, ...]]:
        wanted = sorted(set(values))
        for part, marks in portions(wanted):
            # "+": SQLite takes a machine for rarer than a scene, and would go through all that was ever written.
            server = "+machine" if column == "scene_id" else "machine"
            yield from self.conn.execute(
                "SELECT rating_key, scene_id, path, stash_path, record, wish, cover, cover_seen FROM written"
                f" WHERE {server} = ? AND {column} IN ({marks})",
                (machine, *part),
            )

    def store(self, machine: str, records: Sequence[Record]) -> None:
        """Store what was intended or written. Committed before each PUT, and again after the read-back."""
        with self.transaction():
            self.conn.executemany(
                "INSERT OR REPLACE INTO written VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                [(machine, *_row(record)) for record in records],
            )

    def drop_item(self, machine: str, rating_key: int) -> None:
        """The item is gone from Plex."""
        self.conn.execute("DELETE FROM written WHERE machine = ? AND rating_key = ?", (machine, rating_key))

    def drop_scenes(self, scene_ids: Sequence[int]) -> None:
        """These scenes are gone from Stash: they give up their claims, on every server."""
        with self.transaction():
            for scene_id in scene_ids:
                self.conn.execute("UPDATE written SET scene_id = 0, path = '' WHERE scene_id = ?", (scene_id,))
                self.conn.execute("DELETE FROM seen WHERE kind = 'scene' AND id = ?", (scene_id,))
                self.conn.execute("DELETE FROM hoped WHERE scene_id = ?", (scene_id,))

    def written_scenes(self, machine: str | None = None) -> set[int]:
        """The ids of all scenes that PlexSync has written to some item."""
        where, values = ("", ()) if machine is None else (" AND machine = ?", (machine,))
        return {row[0] for row in self.conn.execute(f"SELECT scene_id FROM written WHERE scene_id > 0{where}", values)}

    def see(self, rows: Sequence[tuple[str, int, str, str]], synced: float | None = None) -> None:
        """A finished job saw these: (kind, id, signature, name), whatever its outcome; ``synced`` dates a success."""
        with self.transaction():
            self.conn.executemany(
                "INSERT INTO seen VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT (kind, id) DO UPDATE SET"
                " signature = excluded.signature, name = excluded.name, synced = COALESCE(excluded.synced, synced)",
                [(*row, synced) for row in rows],
            )

    def see_all(self, rows: Sequence[tuple[str, int, str, str, bool]], now: float) -> None:
        """The same with, for each row, whether Plex has it since ``now``."""
        for has_it in (True, False):
            part = [(kind, number, mark, name) for kind, number, mark, name, synced in rows if synced is has_it]
            if part:
                self.see(part, now if has_it else None)

    def remember(self, name: str, value: Any) -> None:
        """Store a JSON value of the ``meta`` table if it is another than before."""
        if get(self.conn, name) != value:
            put(self.conn, name, value)

    def seen(self, kind: str, ids: Iterable[int]) -> dict[int, tuple[str, str]]:
        """id -> (signature, name) of what the last finished job saw; nothing for those that none saw.

        A scene of which only the time of its last sync was imported was seen by none.
        """
        wanted, found = sorted(set(ids)), {}
        for part, marks in portions(wanted):
            sql = f"SELECT id, signature, name FROM seen WHERE kind = ? AND signature > '' AND id IN ({marks})"
            found.update({row[0]: (row[1], row[2] or "") for row in self.conn.execute(sql, (kind, *part))})
        return found

    def synced(self) -> Iterator[tuple[int, float]]:
        """Scene id and time of its last success, in the order of the ids."""
        sql = "SELECT id, synced FROM seen WHERE kind = 'scene' AND synced IS NOT NULL ORDER BY id"
        yield from self.conn.execute(sql).fetchall()  # no cursor stays open where SIGTERM interrupts the reader

    def import_synced(self, rows: Iterable[tuple[int, float]]) -> None:
        """Take over times of last successes, into a new ``state.db``; a scene counts as seen no more than before."""
        with self.transaction():
            self.conn.executemany(
                "INSERT INTO seen (kind, id, synced) VALUES ('scene', ?, ?) ON CONFLICT (kind, id) DO UPDATE SET"
                " synced = max(COALESCE(synced, 0), excluded.synced)",
                rows,
            )

    def hope(self, files: Mapping[int, Iterable[tuple[str, int]]]) -> None:
        """These scenes (id -> (name key, size) of each file) would be matched again if Plex gained such a file."""
        with self.transaction():
            for scene_id, wanted in files.items():
                self.conn.execute("DELETE FROM hoped WHERE scene_id = ?", (scene_id,))
                self.conn.executemany(
                    "INSERT OR IGNORE INTO hoped VALUES (?, ?, ?)", [(scene_id, name, size) for name, size in wanted]
                )

    def hoping(self, gained: Iterable[tuple[str, int]]) -> set[int]:
        """The scenes that hope for a file of one of these names or sizes."""
        found: set[int] = set()
        for name, size in gained:
            sql = "SELECT scene_id FROM hoped WHERE name_key = ? OR (size = ? AND size > 0)"
            found.update(row[0] for row in self.conn.execute(sql, (name, size)))
        return found

    def tallies(self, machine: str) -> list[tuple[str, str, tuple[int, ...]]]:
        """The learned path map's rows: stash prefix, plex prefix, marks of the files that speak for it."""
        sql = "SELECT stash_prefix, plex_prefix, seen FROM tally WHERE machine = ?"
        rows = self.conn.execute(sql, (machine,))
        return [(stash, plex, tuple(json.loads(seen))) for stash, plex, seen in rows]

    def store_tallies(self, machine: str, rows: Iterable[tuple[str, str, tuple[int, ...]]]) -> None:
        """Replace the learned path map's rows."""
        with self.transaction():
            self.conn.execute("DELETE FROM tally WHERE machine = ?", (machine,))
            self.conn.executemany(
                "INSERT INTO tally VALUES (?, ?, ?, ?)",
                [(machine, stash, plex, json.dumps(seen)) for stash, plex, seen in rows],
            )

    @property
    def breaker(self) -> Breaker:
        """The breaker as it was last stored."""
        return Breaker(**get(self.conn, "breaker", {}))

    @breaker.setter
    def breaker(self, breaker: Breaker) -> None:
        values = {name: getattr(breaker, name) for name in Breaker.__slots__}
        put(self.conn, "breaker", values)


def _record(row: tuple[Any, ...]) -> Record:
    raw = json.loads(row[4] or "{}")
    written = Written(
        ours={name: tuple(values) for name, values in raw.get("ours", {}).items()},
        names={name: tuple(values) for name, values in raw.get("names", {}).items()},
        kept={name: (wish, kept) for name, (wish, kept) in raw.get("kept", {}).items()},
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
        json.dumps(dict(record.wish)),
        record.cover,
        record.cover_seen,
    )
