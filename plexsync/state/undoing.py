"""The items that are to be put back as they were before PlexSync. Keyed by the Plex server's machineIdentifier.

The mark here is the truth, the job in ``queue.db`` only its wake-up. Standard library alone: operations write it.
Times are seconds since the epoch.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable

from plexsync.core.db import portions, transaction
from plexsync.state.history import Entry, History

SCHEMA = """
CREATE TABLE IF NOT EXISTS undoing (machine TEXT, rating_key INTEGER, at REAL, PRIMARY KEY (machine, rating_key))
  WITHOUT ROWID;
"""

#: The tables that hold something of an item.
_OF_ITEM = ("written", "aside", "readback", "absent", "undoing")

_ITEM = "machine, rating_key, scene_id"
_WRITTEN = f"(SELECT {_ITEM} FROM written UNION ALL SELECT {_ITEM} FROM aside)"


def mark(conn: sqlite3.Connection, machine: str, rating_keys: Iterable[int], now: float) -> None:
    """Note that these items are to be put back, in one transaction."""
    with transaction(conn):
        rows = [(machine, key, now) for key in rating_keys]
        conn.executemany("INSERT OR REPLACE INTO undoing VALUES (?, ?, ?)", rows)


def unmark(conn: sqlite3.Connection, machine: str, rating_keys: Iterable[int]) -> None:
    """Note that these items stay as they are."""
    with transaction(conn):
        rows = [(machine, key) for key in rating_keys]
        conn.executemany("DELETE FROM undoing WHERE machine = ? AND rating_key = ?", rows)


def marks(conn: sqlite3.Connection, machine: str) -> dict[int, float]:
    """Return rating key -> when it was asked for, of all items of that server that are to be put back."""
    return dict(conn.execute("SELECT rating_key, at FROM undoing WHERE machine = ?", (machine,)).fetchall())


def items_of(conn: sqlite3.Connection, machine: str, scene_ids: Iterable[int] | None = None) -> dict[int, int]:
    """Return rating key -> scene id of the items that PlexSync wrote for these scenes; None: of all that it wrote.

    Those whose record is set aside are among them; scene id 0: the scene is gone from Stash.
    """
    if scene_ids is None:
        sql = f"SELECT rating_key, scene_id FROM {_WRITTEN} WHERE machine = ? ORDER BY rating_key"
        return dict(conn.execute(sql, (machine,)).fetchall())
    found: dict[int, int] = {}
    for portion, placeholders in portions(sorted(set(scene_ids) - {0})):
        for table in ("aside", "written"):
            # "+": by scene, as there are few machines and many scenes.
            sql = f"SELECT rating_key, scene_id FROM {table} WHERE +machine = ? AND scene_id IN ({placeholders})"
            found.update(conn.execute(sql, (machine, *portion)).fetchall())
    return found


def marked_scenes(conn: sqlite3.Connection, machine: str) -> dict[int, tuple[float, tuple[int, ...]]]:
    """Return scene id -> when its undo was asked for last, and the items that are to be put back."""
    asked = marks(conn, machine)
    if not asked:
        return {}
    found: dict[int, tuple[float, tuple[int, ...]]] = {}
    for key, scene_id in scenes_of(conn, machine, asked).items():
        at, keys = found.get(scene_id, (0.0, ()))
        found[scene_id] = max(at, asked[key]), (*keys, key)
    found.pop(0, None)
    return found


def scenes_of(conn: sqlite3.Connection, machine: str, rating_keys: Iterable[int]) -> dict[int, int]:
    """Return rating key -> id of the scene that PlexSync wrote to the item; others are absent."""
    found: dict[int, int] = {}
    for portion, placeholders in portions(sorted(set(rating_keys))):
        for table in ("aside", "written"):
            sql = f"SELECT rating_key, scene_id FROM {table} WHERE machine = ? AND rating_key IN ({placeholders})"
            found.update(conn.execute(sql, (machine, *portion)).fetchall())
    return found


def finish(conn: sqlite3.Connection, machine: str, rating_key: int, entry: Entry | None = None) -> None:
    """Forget all that is known of an item that was put back, its mark as well, in one transaction.

    A scene without any other item counts as never synced. ``entry``: what the page shows of it.
    """
    with transaction(conn):
        scene_id = scenes_of(conn, machine, [rating_key]).get(rating_key, 0)
        for table in _OF_ITEM:
            conn.execute(f"DELETE FROM {table} WHERE machine = ? AND rating_key = ?", (machine, rating_key))
        if scene_id and not items_of(conn, machine, [scene_id]):
            conn.execute("UPDATE seen SET synced = NULL WHERE kind = 'scene' AND id = ?", (scene_id,))
        if entry is not None:
            History(conn).add([entry])
