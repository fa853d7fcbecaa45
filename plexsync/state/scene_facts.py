"""What ``state.db`` knows of one scene, read without a change, also from a file of an earlier version.

Standard library alone: operations read it.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from contextlib import suppress
from typing import NamedTuple

from plexsync.state import undoing
from plexsync.state.choices import Choices
from plexsync.state.history import Entry, History, Name
from plexsync.state.ledger import Record, State


class SceneFacts(NamedTuple):
    """One scene. ``records``: its items. ``chosen``: the rating key that a person chose for it, or None.

    ``is_seen``: a finished job saw it. ``synced_at``: its last success, seconds since the epoch, or None. ``last``:
    what was written last. ``name``: if it has not arrived. ``is_undoing``: its items are to be put back.
    """

    records: tuple[Record, ...] = ()
    chosen: int | None = None
    is_seen: bool = False
    synced_at: float | None = None
    last: Entry | None = None
    name: Name | None = None
    is_undoing: bool = False

    @property
    def title(self) -> str:
        """By what a person knows it, ``""`` if that is not stored."""
        if self.name is not None:
            return self.name.title
        return self.last.title if self.last is not None else next((record.title for record in self.records), "")

    @property
    def is_undoable(self) -> bool:
        """True if PlexSync wrote anything to one of its items, or was about to."""
        return any(record.written.ours or record.written.names or record.cover for record in self.records)


def read(conn: sqlite3.Connection, scene_id: int) -> SceneFacts:
    """Return what ``state.db`` knows of a scene. Raise ``sqlite3.Error`` for a damaged file."""
    state, history = State(conn), History(conn)
    machine = state.meta.machine
    records = state.records_of(machine, [scene_id]).get(scene_id, ()) if machine else ()
    synced_at, is_seen = _seen(conn, scene_id)
    return SceneFacts(
        records,
        chosen(conn, machine, [scene_id]).get(scene_id),
        is_seen,
        synced_at,
        history.last_of(scene_id),
        history.names([scene_id]).get(scene_id),
        _is_undoing(conn, machine, [record.rating_key for record in records]),
    )


def _is_undoing(conn: sqlite3.Connection, machine: str, rating_keys: list[int]) -> bool:
    with suppress(sqlite3.OperationalError):
        return not undoing.marks(conn, machine).keys().isdisjoint(rating_keys)
    return False


def _seen(conn: sqlite3.Connection, scene_id: int) -> tuple[float | None, bool]:
    with suppress(sqlite3.OperationalError):
        row = conn.execute("SELECT synced FROM seen WHERE kind = 'scene' AND id = ?", (scene_id,)).fetchone()
        return (row[0], True) if row is not None else (None, False)
    return None, False


def chosen(conn: sqlite3.Connection, machine: str, scene_ids: Iterable[int]) -> dict[int, int]:
    """Return scene id -> rating key of the item that a person chose for it, of those that have one."""
    with suppress(sqlite3.OperationalError):
        return Choices(conn).of_scenes(machine, scene_ids)
    return {}
