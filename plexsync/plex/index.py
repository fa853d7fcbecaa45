"""The index of every file in the chosen libraries: its tables in ``state.db``, and how they are kept up to date.

Knows nothing of Stash or jobs. It answers the look-ups of matching, and does not match.
"""

from __future__ import annotations

import gc
import sqlite3
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar

from plexsync.core import environment
from plexsync.core.db import portions, transaction
from plexsync.model.errors import PlexBusy, PlexSyncError, PlexUnavailable, Refused
from plexsync.model.item import IndexPart, Item, Section
from plexsync.model.paths import name_key
from plexsync.plex.client import Identity
from plexsync.plex.listing import Listing, Page, Streams
from plexsync.plex.sections import choose
from plexsync.plex.session import PlexSession
from plexsync.state import gates
from plexsync.state.gates import LIST, Gate
from plexsync.state.meta import Meta

#: Seconds between two full listings (sweeps): a delta never shows deletions.
SWEEP = 86_400
#: Seconds until the next sweep if the library changed during the last one.
SWEEP_AGAIN = 3_600
#: Seconds by which a delta overlaps the one before: Plex sets a row's time before it shows the row.
OVERLAP = 60
#: Minimum seconds between two listings of one section, full or delta, whatever Plex answers: no work wakes itself.
#: Less where ``PLEXSYNC_CATCHUP`` or ``PLEXSYNC_MISSING_BASE`` is less, but never less than a second.
PAUSE = 30.0
#: Listings that may come sooner, one after the other, if the last one was complete and the section's clock moved since:
#: Plex itself announces news. Over time there is no more than one listing in ``PAUSE`` seconds.
SOONER = 3
#: Rows that may be missing from one full listing, and the share of all rows, before a second one must agree.
FEW, SHARE = 10, 0.1
#: Seconds per item of a library between two full listings for a file that the delta did not show: a file that moves or
#: returns from the trash may leave the item's times unchanged.
RELIST_PER_ITEM = 0.02
#: Platforms, as Plex names them, whose file systems ignore case.
FOLDING = {"Windows", "MacOSX"}

TABLES = (
    """CREATE TABLE IF NOT EXISTS section (
        id INTEGER PRIMARY KEY, machine TEXT NOT NULL, key INTEGER NOT NULL, title TEXT NOT NULL DEFAULT '',
        clock TEXT NOT NULL DEFAULT '', complete INTEGER NOT NULL DEFAULT 0, listed INTEGER NOT NULL DEFAULT 0,
        swept REAL NOT NULL DEFAULT 0, listed_clock TEXT NOT NULL DEFAULT '', UNIQUE (machine, key))""",
    """CREATE TABLE IF NOT EXISTS part (
        section INTEGER NOT NULL, rating_key INTEGER NOT NULL, part_id INTEGER NOT NULL, path TEXT NOT NULL,
        name_key TEXT NOT NULL, size INTEGER NOT NULL, duration REAL NOT NULL, trashed INTEGER NOT NULL,
        optimised INTEGER NOT NULL)""",
    # Our times, of each section: of the newest listing, of the newest full one, until when listings are used up, and
    # since when Plex does not name the section.
    """CREATE TABLE IF NOT EXISTS listing (
        section INTEGER PRIMARY KEY, at REAL NOT NULL DEFAULT 0, full REAL NOT NULL DEFAULT 0,
        used REAL NOT NULL DEFAULT 0, agreed INTEGER NOT NULL DEFAULT 0, unnamed REAL)""",
    # How many rows Plex counted, how many items the index had then, and the section's clock.
    """CREATE TABLE IF NOT EXISTS counted (
        section INTEGER PRIMARY KEY, total INTEGER, items INTEGER NOT NULL, clock TEXT NOT NULL)""",
    # The items that many others were missing with from the newest full listing.
    "CREATE TABLE IF NOT EXISTS unlisted (section INTEGER, rating_key INTEGER, PRIMARY KEY (section, rating_key))",
    # The sections that were chosen at the last refresh: an operation cannot ask for the settings.
    "CREATE TABLE IF NOT EXISTS used (section INTEGER PRIMARY KEY)",
)
INDEXES = {"part_name": "name_key", "part_size": "size", "part_item": "rating_key, section"}
_COLUMNS = "p.rating_key, s.key, p.part_id, p.path, p.size, p.duration, p.trashed, p.optimised"
Gained = set[tuple[str, int]]
#: A row of the table ``part``.
Line = tuple[Any, ...]
K = TypeVar("K")


class Plex(Streams, Protocol):
    """The part of the client that the index needs."""

    session: PlexSession

    @property
    def identity(self) -> Identity:
        """Return the server's identity."""
        ...

    def sections(self) -> tuple[Section, ...]:
        """Return the libraries of the type Movies."""
        ...

    def items(self, rating_keys: Iterable[int]) -> Mapping[int, Item]:
        """Return the full items by rating key, without those that Plex does not name."""
        ...


@dataclass(frozen=True, slots=True)
class Refresh:
    """The result of a refresh.

    ``complete``: every chosen section has been listed completely. ``gained``: (name key, size in bytes) of the files
    that are new in the index. ``filled``: a section has rows, or is complete, for the first time; the files of a first
    listing are not in ``gained``. ``swept``: a section was listed in full.
    """

    complete: bool
    gained: frozenset[tuple[str, int]] = frozenset()
    sections: tuple[Section, ...] = ()
    filled: bool = False
    warnings: tuple[str, ...] = ()
    swept: bool = False


@dataclass(slots=True)
class _SectionRow:
    """A row of the table ``section``.

    ``listed``: Plex's time at the start of the newest listing, ``swept``: our time of the last full one, both in
    seconds since the epoch. ``listed_clock``: the section's clock at the last full listing. ``at``, ``full``: our times
    of the newest listing and the newest full one, complete or not. ``used``: our time until which listings are used up.
    ``agreed``: the newest listing was complete.
    """

    id: int
    section: Section
    clock: str
    complete: bool
    listed: int
    swept: float
    listed_clock: str
    at: float
    full: float
    used: float
    agreed: bool


@dataclass(slots=True)
class _Changes:
    """What changed in the index during a refresh."""

    gained: Gained = field(default_factory=set)
    filled: bool = False
    swept: bool = False
    warnings: list[str] = field(default_factory=list)


class _SeemsEmpty(PlexBusy):
    """A library that had items was listed without any."""


class Watch(Protocol):
    """Whoever wants to know what a listing shows. ``changed`` and ``gained`` are called within a transaction."""

    def listed(self, times: Mapping[int, int]) -> None:
        """Take the ``updatedAt`` of listed items by rating key, 0 where a row has none."""
        ...

    def changed(self, rating_keys: Iterable[int]) -> None:
        """Take the items whose rows changed, or are gone."""
        ...

    def gained(self, rating_keys: Iterable[int]) -> None:
        """Take the items that are new, or have a new file."""
        ...


class Library:
    """The index of one Plex server. ``conn``: in autocommit mode; a transaction lasts for one page.

    ``unlisted``: key -> title of the sections that cannot be listed at present. ``strict``: raise the error of such a
    section instead of pausing it alone, for the tasks that tell a person; only the worker stores pauses.
    """

    def __init__(
        self,
        conn: sqlite3.Connection,
        client: Plex,
        machine: str,
        clock: Callable[[], float] = time.time,
        watch: Watch | None = None,
    ) -> None:
        self.complete = False
        self._sections: tuple[Section, ...] = ()
        self.unlisted: dict[int, str] = {}
        self.strict = False
        self._meta = Meta(conn)
        self._conn = conn
        self._client = client
        self._machine = machine
        self._clock = clock
        self._chosen: tuple[int, ...] | None = None
        self._watch = watch
        self._added = 0
        for statement in TABLES:
            conn.execute(statement)
        self._index()

    @property
    def fold_case(self) -> bool:
        """Return whether the server's file system ignores case."""
        return self._client.identity.platform in FOLDING

    def refresh(self, chosen: Sequence[str] = (), *, missing: bool = False) -> Refresh:
        """Bring the index of the chosen libraries (none: all of the type Movies) up to date.

        One request if nothing changed. ``missing``: a file was not found, so read new rows even if no section's clock
        changed. No section is listed twice within ``PAUSE`` seconds. A section that cannot be listed is paused alone
        (``unlisted``), and its older rows stay. Raise ``SetupError`` for an unknown library, ``PlexBusy`` if Plex names
        no library any more, and the errors of the client.
        """
        named = self._client.sections()
        self._drop_unnamed(named)
        sections = self._sections = choose(named, chosen)
        known = [self._row(section) for section in sections]
        self._chosen = tuple(row.id for row in known)
        self._note_used()
        self.complete = bool(known) and all(row.complete for row in known)
        changes = _Changes()
        filled = self._conn.execute("SELECT EXISTS (SELECT 1 FROM part)").fetchone()[0]
        first = not filled and any(not row.complete for row in known)
        with self._unindexed() if first else nullcontext():
            for row in known:
                self._update_gated(row, missing, changes)
        if not self.strict:
            self._forget_gates({section.key for section in sections})
        self.complete = bool(known) and all(row.complete for row in known) and not self.unlisted
        return self._result(changes)

    def _note_used(self) -> None:
        if {row[0] for row in self._conn.execute("SELECT section FROM used")} != set(self._chosen or ()):
            with transaction(self._conn):
                self._conn.execute("DELETE FROM used")
                self._conn.executemany("INSERT INTO used VALUES (?)", [(row_id,) for row_id in self._chosen or ()])

    def list_shrunk(self) -> Refresh | None:
        """List the sections in full that have fewer rows than they should: no delta shows deletions.

        One request for each section whose clock moved since it was counted; return None if none shrank.
        """
        changes = _Changes()
        for section in self._sections:
            row = self._row(section)
            with suppress(PlexBusy, Refused):  # the next refresh finds out, and pauses the section alone
                if row.complete and section.key not in self.unlisted and self._has_shrunk(row):
                    self._list_all(row, changes)
        return self._result(changes) if changes.swept else None

    def _result(self, changes: _Changes) -> Refresh:
        gained, warnings = frozenset(changes.gained), tuple(changes.warnings)
        return Refresh(self.complete, gained, self._sections, changes.filled, warnings, changes.swept)

    def _has_shrunk(self, row: _SectionRow) -> bool:
        """Return whether Plex counts fewer rows than at the last count and the items added since make."""
        sql = "SELECT total, items, clock FROM counted WHERE section = ?"
        before, items = self._conn.execute(sql, (row.id,)).fetchone(), self._count(row.id)
        if before is not None and before[2] == row.section.clock:
            return False
        total = Listing(self._client, row.section.key).count()
        if before is None or before[0] is None or total is None or total >= before[0] + items - before[1]:
            self._note_count(row, total)
            return False
        return not 0 <= self._clock() - row.full < RELIST_PER_ITEM * items

    def _note_count(self, row: _SectionRow, total: int | None) -> None:
        self._conn.execute(
            "INSERT OR REPLACE INTO counted VALUES (?, ?, ?, ?)",
            (row.id, total, self._count(row.id), row.section.clock),
        )

    def forget(self, rating_key: int) -> None:
        """Drop an item that Plex no longer has, or that holds another file; a later listing adds what is there.

        Deltas show neither, so the next search for a missing file may list the section in full.
        """
        sections = "(SELECT id FROM section WHERE machine = ?)"
        item = (rating_key, self._machine)
        with transaction(self._conn):
            of_item = f"SELECT section FROM part WHERE rating_key = ? AND section IN {sections}"
            self._conn.execute(f"UPDATE section SET listed_clock = '' WHERE id IN ({of_item})", item)
            self._conn.execute(f"DELETE FROM part WHERE rating_key = ? AND section IN {sections}", item)

    def by_name(self, keys: Collection[str]) -> dict[str, list[IndexPart]]:
        """Return the files with these names, by ``name_key``; a name without a file is absent."""
        return self._grouped("name_key", keys, str)

    def by_size(self, sizes: Collection[int]) -> dict[int, list[IndexPart]]:
        """Return the files with these sizes in bytes, by size."""
        return self._grouped("size", sizes, int)

    def by_item(self, rating_keys: Collection[int]) -> dict[int, list[IndexPart]]:
        """Return the files of these items, by rating key."""
        return self._grouped("rating_key", rating_keys, int)

    def paths(self) -> Iterator[tuple[int, str]]:
        """Yield (section key, path as Plex spells it) of every file that is not in the trash."""
        yield from self._conn.execute(
            "SELECT s.key, p.path FROM part p JOIN section s ON s.id = p.section "
            f"WHERE {self._where()} AND NOT p.trashed AND NOT p.optimised",
            self._scope(),
        )

    def other_item(self, without: Collection[int]) -> int | None:
        """Return the rating key of an item that is not among these, None if there is none."""
        keys = self._conn.execute(
            f"SELECT p.rating_key FROM part p JOIN section s ON s.id = p.section WHERE {self._where()}"
            " AND p.trashed = 0 LIMIT ?",
            (*self._scope(), len(without) * 8 + 1),
        )
        return next((key for (key,) in keys if key not in without), None)

    def counts(self) -> dict[str, int]:
        """Return the number of items with a file, by library title."""
        return dict(
            self._conn.execute(
                "SELECT s.title, COUNT(DISTINCT p.rating_key) FROM section s LEFT JOIN part p ON p.section = s.id "
                f"WHERE {self._where()} GROUP BY s.id ORDER BY s.id",
                self._scope(),
            )
        )

    def _where(self) -> str:
        if self._chosen is None:
            return "s.machine = ?"
        return f"s.machine = ? AND s.id IN ({','.join('?' * len(self._chosen))})"

    def _scope(self) -> tuple[str | int, ...]:
        return (self._machine, *(self._chosen or ()))

    def _grouped(self, column: str, values: Iterable[K], kind: Callable[..., K]) -> dict[K, list[IndexPart]]:
        distinct = list(dict.fromkeys(values))
        grouped: dict[K, list[IndexPart]] = {}
        for portion, placeholders in portions(distinct):
            # CROSS JOIN makes SQLite use the index of `part`.
            lines = self._conn.execute(
                f"SELECT p.{column}, {_COLUMNS} FROM part p CROSS JOIN section s ON s.id = p.section "
                f"WHERE p.{column} IN ({placeholders}) AND {self._where()}",
                (*portion, *self._scope()),
            )
            for value, *line in lines:
                grouped.setdefault(kind(value), []).append(_part(line))
        return grouped

    def _row(self, section: Section) -> _SectionRow:
        self._conn.execute(
            "INSERT INTO section (machine, key, title) VALUES (?, ?, ?) "
            "ON CONFLICT (machine, key) DO UPDATE SET title = excluded.title WHERE title <> excluded.title",
            (self._machine, section.key, section.title),
        )
        row_id, clock, complete, *rest = self._conn.execute(
            "SELECT s.id, clock, complete, listed, swept, listed_clock, COALESCE(l.at, 0), COALESCE(l.full, 0),"
            " COALESCE(l.used, 0), COALESCE(l.agreed, 0) FROM section s LEFT JOIN listing l ON l.section = s.id"
            " WHERE machine = ? AND key = ?",
            (self._machine, section.key),
        ).fetchone()
        return _SectionRow(row_id, section, clock, bool(complete), *rest)

    def _drop_unnamed(self, named: Sequence[Section]) -> None:
        """Drop the rows of libraries that Plex does not name, the second time that it does not. Suspect their items."""
        keys, now = {section.key for section in named}, self._clock()
        sql = "SELECT s.id, s.key, l.unnamed FROM section s LEFT JOIN listing l ON l.section = s.id WHERE machine = ?"
        known = self._conn.execute(sql, (self._machine,)).fetchall()
        if known and not named:
            raise PlexBusy("Plex names none of its libraries. It may be starting.", status=200)
        for row_id, key, unnamed in known:
            if key not in keys and unnamed is not None and not 0 <= now - unnamed < pause():
                self._drop_section(row_id)
            elif (key in keys) != (unnamed is None):
                since = None if key in keys else now
                sql = "INSERT INTO listing (section, unnamed) VALUES (?, ?) ON CONFLICT DO UPDATE SET unnamed = ?"
                self._conn.execute(sql, (row_id, since, since))

    def _drop_section(self, section: int) -> None:
        with transaction(self._conn):
            self._drop_items(section, self._items_of(section))
            for table, column in (
                ("section", "id"),
                *((name, "section") for name in ("listing", "unlisted", "counted")),
            ):
                self._conn.execute(f"DELETE FROM {table} WHERE {column} = ?", (section,))

    def _items_of(self, section: int) -> list[int]:
        return [
            row[0] for row in self._conn.execute("SELECT DISTINCT rating_key FROM part WHERE section = ?", (section,))
        ]

    def _drop_items(self, section: int, rating_keys: Sequence[int]) -> None:
        self._conn.executemany(
            "DELETE FROM part WHERE rating_key = ? AND section = ?", [(key, section) for key in rating_keys]
        )
        if self._watch is not None:
            self._watch.changed(rating_keys)

    def _update_gated(self, row: _SectionRow, missing: bool, changes: _Changes) -> None:
        """Bring one section up to date unless it is paused; if it cannot be listed, pause it alone."""
        if self.strict:
            self._update(row, missing, changes)
            return
        kind, now = f"{LIST}{row.section.key}", self._clock()
        gate, cap = self._meta.gate(kind), environment.seconds("PLEXSYNC_BREAKER_RESET_CAP")
        if gate.is_paused and not gate.is_trial_due(now, cap):
            self.unlisted[row.section.key] = row.section.title
            return
        try:
            self._update(row, missing or gate.is_paused, changes)
        except PlexUnavailable:
            raise
        except (PlexBusy, Refused) as error:
            self.unlisted[row.section.key] = row.section.title
            self._meta.store_gate(kind, self._paused(gate, row.section.title, error))
            return
        self.unlisted.pop(row.section.key, None)
        if gate.is_paused:
            self._meta.store_gate(kind, gates.succeeded(gate, now))

    def _paused(self, gate: Gate, title: str, error: PlexSyncError) -> Gate:
        reset, cap = environment.seconds("PLEXSYNC_BREAKER_RESET"), environment.seconds("PLEXSYNC_BREAKER_RESET_CAP")
        status, now = getattr(error, "status", None), self._clock()
        words = "it seems empty" if isinstance(error, _SeemsEmpty) else "no usable answer"
        why = str(status) if status and status != 200 else words
        paused = gates.paused(gate._replace(title=title), now, reset, cap, failures=1, why=why)
        return paused._replace(retry_at=max(paused.retry_at, now + pause()))  # the trial may not come sooner

    def _forget_gates(self, keys: set[int]) -> None:
        """Drop what is known of sections that are not chosen any more."""
        kept = {f"{LIST}{key}" for key in keys}
        self._meta.gates = {
            kind: gate for kind, gate in self._meta.gates.items() if kind in kept or not kind.startswith(LIST)
        }
        self.unlisted = {key: title for key, title in self.unlisted.items() if key in keys}

    def _update(self, row: _SectionRow, missing: bool, changes: _Changes) -> None:
        now = self._clock()
        if not _may_list(row, now):
            return
        if not row.complete or not 0 <= now - row.swept < SWEEP:
            self._list_all(row, changes)
        elif missing or row.clock != row.section.clock:
            before = len(changes.gained)
            self._list_changes(row, changes)
            if missing and len(changes.gained) == before and self._may_hold_more(row, now):
                self._list_all(row, changes)

    def _may_hold_more(self, row: _SectionRow, now: float) -> bool:
        """Return whether the section may have files that a delta does not show, and a full listing is due."""
        if row.section.clock.strip("|") and row.section.clock == row.listed_clock:
            return False
        return not 0 <= now - row.full < RELIST_PER_ITEM * self._count(row.id)

    def _list_all(self, row: _SectionRow, changes: _Changes) -> None:
        """List every row, then drop what Plex no longer has; after an incomplete listing drop nothing, repeat soon."""
        had_rows = bool(self._count(row.id))
        listing = Listing(self._client, row.section.key)
        server_time = self._take(row, listing, changes.gained if had_rows else None, has_rows=had_rows)
        changes.warnings += listing.warnings
        # Many missing rows are listed once more, and a library without any is looked at again soon.
        sure = listing.complete and self._drop_others(row, listing.keys)
        if listing.complete and had_rows and not listing.keys and not sure:
            raise _SeemsEmpty("Plex lists no item of a library that had some.")
        sure = sure and bool(listing.keys)
        swept = self._clock() if sure else self._clock() - SWEEP + SWEEP_AGAIN
        was_complete = row.complete
        # An unreadable row stays unreadable, and must not keep the index incomplete for ever.
        row.complete = row.complete or listing.complete or bool(listing.warnings)
        changes.filled = changes.filled or row.complete > was_complete or (not had_rows and bool(listing.keys))
        changes.swept = True
        row.listed_clock, row.full = row.section.clock if listing.keys or was_complete else "", self._clock()
        self._save(row, server_time, swept)
        self._note_listing(row, agreed=listing.complete)
        if listing.complete:
            self._note_count(row, listing.total)

    def _list_changes(self, row: _SectionRow, changes: _Changes) -> None:
        since = max(0, row.listed - OVERLAP)
        updated = Listing(self._client, row.section.key, since_updated=since)
        server_time = self._take(row, updated, changes.gained)
        complete, seen = updated.complete, bool(updated.keys)
        if updated.honoured:
            added = Listing(self._client, row.section.key, since_added=since)
            self._take(row, added, changes.gained)
            complete, seen = complete and added.complete, seen or bool(added.keys)
        elif updated.complete:
            self._drop_others(row, updated.keys)
        changes.warnings += updated.warnings
        if complete or updated.warnings:
            # Something moved the clock: if no row shows what, the next delta begins where this one did.
            self._save(row, server_time if seen else row.listed, row.swept)
        self._note_listing(row, agreed=complete)

    def _note_listing(self, row: _SectionRow, *, agreed: bool) -> None:
        row.at, row.agreed = self._clock(), agreed
        row.used = min(max(row.used, row.at), row.at + SOONER * pause()) + pause()
        self._conn.execute(
            "INSERT INTO listing (section, at, full, used, agreed) VALUES (?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET"
            " at = excluded.at, full = excluded.full, used = excluded.used, agreed = excluded.agreed",
            (row.id, row.at, row.full, row.used, row.agreed),
        )

    def _count(self, section: int) -> int:
        sql = "SELECT COUNT(DISTINCT rating_key) FROM part WHERE section = ?"
        return int(self._conn.execute(sql, (section,)).fetchone()[0])

    def _take(self, row: _SectionRow, listing: Listing, gained: Gained | None, *, has_rows: bool = True) -> int:
        """Store every page; return Plex's time (seconds since the epoch) at the first page.

        ``has_rows``: the index has rows of this section already.
        """
        server_time = 0
        with _uncollected():
            for page in listing:
                server_time = server_time or self._server_time()
                self._store(row.id, page, self._stored(row.id, page.keys) if has_rows else {}, gained)
                if self._watch is not None:
                    self._watch.listed(page.times)
        return server_time or self._server_time()

    def _server_time(self) -> int:
        return self._client.session.time(self._clock())

    def _store(self, section: int, page: Page, before: Mapping[int, set[Line]], gained: Gained | None) -> None:
        """Replace the files of the page's items that differ from the rows stored ``before``."""
        after: dict[int, set[Line]] = {key: set() for key in page.keys}
        for key, _, number, path, size, duration, trashed, optimised in page.parts:
            after[key].add((section, key, number, path, name_key(path), size, duration, trashed, optimised))
        changed = [key for key in page.keys if before.get(key, set()) != after[key]]
        if not changed:
            return
        lines = [line for key in changed for line in after[key]]
        with transaction(self._conn):
            self._conn.executemany(
                "DELETE FROM part WHERE rating_key = ? AND section = ?",
                [(key, section) for key in changed if key in before],
            )
            self._conn.executemany("INSERT INTO part VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", lines)
            fresh = [
                line for key in changed for line in after[key] - before.get(key, set()) if not line[7] and not line[8]
            ]
            if self._watch is not None:
                self._watch.changed(changed)
                self._watch.gained({line[1] for line in fresh})
        self._added += len(lines)
        if gained is not None:
            gained.update((line[4], line[5]) for line in fresh)

    def _stored(self, section: int, keys: Sequence[int]) -> dict[int, set[Line]]:
        stored: dict[int, set[Line]] = {}
        for portion, placeholders in portions(keys):
            query = f"SELECT * FROM part WHERE rating_key IN ({placeholders}) AND section = ?"
            for line in self._conn.execute(query, (*portion, section)):
                stored.setdefault(line[1], set()).add(line)
        return stored

    def _drop_others(self, row: _SectionRow, keys: set[int]) -> bool:
        """Drop the items that a full listing did not name and that, asked for one by one, Plex does not name either.

        Return False if that is not certain: if all are missing, or more than ``FEW`` and ``SHARE``, a second listing
        must agree first, and one that leaves out what Plex names alone is a fault of Plex's.
        """
        stored = self._items_of(row.id)
        missing = gone = [key for key in stored if key not in keys]
        if len(missing) > max(FEW, SHARE * len(stored)) or (missing and len(missing) == len(stored)):
            sql = "SELECT rating_key FROM unlisted WHERE section = ?"
            before = {key for (key,) in self._conn.execute(sql, (row.id,))}
            gone = [key for key in missing if key in before]
        unsure = set(missing).difference(gone)
        with transaction(self._conn):
            self._conn.execute("DELETE FROM unlisted WHERE section = ?", (row.id,))
            self._conn.executemany("INSERT INTO unlisted VALUES (?, ?)", [(row.id, key) for key in unsure])
        there = self._named_alone(gone)
        for portion, _ in portions([key for key in gone if key not in there]):
            with transaction(self._conn):
                self._drop_items(row.id, portion)
        return not unsure and not there

    def _named_alone(self, rating_keys: Sequence[int]) -> Collection[int]:
        """Return which of these items Plex names when it is asked for them, all of them if it does not answer."""
        try:
            return self._client.items(rating_keys) if rating_keys else ()
        except (PlexBusy, Refused):
            return rating_keys

    def _index(self) -> None:
        for name, columns in INDEXES.items():
            self._conn.execute(f"CREATE INDEX IF NOT EXISTS {name} ON part ({columns})")

    @contextmanager
    def _unindexed(self) -> Iterator[None]:
        """Fill the table without its indexes: building them once at the end takes a quarter of the time."""
        self._added = 0
        for name in INDEXES:
            self._conn.execute(f"DROP INDEX IF EXISTS {name}")
        try:
            yield
        finally:
            rows = self._conn.execute("SELECT count(*) FROM part").fetchone()[0]
            if rows > self._added:  # another process has been filling the table as well
                self._conn.execute(
                    "DELETE FROM part WHERE rowid NOT IN"
                    " (SELECT min(rowid) FROM part GROUP BY section, rating_key, part_id, path)"
                )
            self._index()

    def _save(self, row: _SectionRow, server_time: int, swept: float) -> None:
        row.clock, row.listed, row.swept = row.section.clock, server_time, swept
        self._conn.execute(
            "UPDATE section SET clock = ?, complete = ?, listed = ?, swept = ?, listed_clock = ? WHERE id = ?",
            (row.clock, int(row.complete), server_time, swept, row.listed_clock, row.id),
        )


def _may_list(row: _SectionRow, now: float) -> bool:
    """Return whether the section may be listed: its last listing is old enough, or Plex announces news."""
    if not 0 <= now - row.at < pause():
        return True
    news = row.agreed and row.clock != row.section.clock
    return news and row.used - now <= SOONER * pause()


def pause() -> float:
    """Return the seconds that lie between two listings of one section."""
    return max(1.0, min(PAUSE, *(environment.seconds(f"PLEXSYNC_{name}") for name in ("CATCHUP", "MISSING_BASE"))))


@contextmanager
def _uncollected() -> Iterator[None]:
    """Turn off garbage collection: a page has no cycles, but its 5,000 containers would trigger it often."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def _part(line: Sequence[Any]) -> IndexPart:
    rating_key, section, part_id, path, size, duration, trashed, optimised = line
    return IndexPart(rating_key, section, part_id, path, size, duration, bool(trashed), bool(optimised))
