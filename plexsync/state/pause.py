"""Why nothing is sent for now, and until when: one row of ``state.db``, written by the lock's holder.

Waiter, status and tasks read it, so it needs the standard library alone and makes no file that is not there.
"""

from __future__ import annotations

import json
import os
import sqlite3
from typing import Any

from plexsync.core import environment

#: What pauses: Plex away, Stash away, something for the user to put right, this machine, or ``dryRun`` with edits held.
PLEX, STASH, SETUP, LOCAL, DRY = "plex", "stash", "setup", "local", "dry"

#: Kinds during which an edit is a reason to look at once: whoever saves has Stash, and perhaps the settings, at hand.
LOOK_AT_EDITS = (STASH, SETUP)


class Pause:
    """``until``: when to look again, ``interval``: seconds between looks. ``problem``: the user's sentence, or ``""``.

    ``wake``: the counter of edits when the pause began. ``settings``: digest of what Stash had saved. ``section``: the
    library that a probe reads. ``tagging``: edits are read all the same, to be tagged in Stash. ``glance``: when the
    settings alone are looked at, between two probes of Plex that lie further apart; 0 for never.
    """

    __slots__ = ("glance", "interval", "kind", "problem", "section", "settings", "tagging", "until", "wake")

    def __init__(
        self,
        kind: str,
        until: float,
        problem: str = "",
        *,
        interval: float = 60.0,
        wake: float = 0.0,
        settings: str = "",
        section: int | None = None,
        tagging: bool = False,
        glance: float = 0.0,
    ) -> None:
        self.kind = kind
        self.until = until
        self.problem = problem
        self.interval = interval
        self.wake = wake
        self.settings = settings
        self.section = section
        self.tagging = tagging
        self.glance = glance

    @property
    def looks_at_edits(self) -> bool:
        """Whether an edit ends the pause."""
        return self.tagging or self.kind in LOOK_AT_EDITS


def store(conn: sqlite3.Connection, pause: Pause | None) -> None:
    """Write the pause, or that there is none."""
    if pause is None:
        conn.execute("DELETE FROM meta WHERE name = 'pause'")
        return
    text = json.dumps({name: getattr(pause, name) for name in Pause.__slots__})
    conn.execute("INSERT OR REPLACE INTO meta VALUES ('pause', ?)", (text,))


def load(conn: sqlite3.Connection) -> Pause | None:
    """The pause that stands, or None."""
    raw = value(conn, "pause")
    if not isinstance(raw, dict):
        return None
    rest = {name: raw[name] for name in Pause.__slots__ if name in raw and name not in ("kind", "until", "problem")}
    return Pause(str(raw.get("kind")), float(raw.get("until") or 0), str(raw.get("problem") or ""), **rest)


def value(conn: sqlite3.Connection, name: str) -> Any:
    """A JSON value of ``state.db``'s ``meta`` table, None where there is none."""
    try:
        row = conn.execute("SELECT value FROM meta WHERE name = ?", (name,)).fetchone()
    except sqlite3.OperationalError:  # no such table: nothing was stored yet
        return None
    return None if row is None or row[0] is None else json.loads(row[0])


def connect(folder: str) -> sqlite3.Connection:
    """``state.db`` for looking: an empty database in memory where there is no file."""
    path = os.path.join(folder, environment.STATE_DB)
    return sqlite3.connect(path if os.path.exists(path) else ":memory:", timeout=5.0, isolation_level=None)


def is_file(conn: sqlite3.Connection) -> bool:
    """Whether the connection is to the file, not to the empty stand-in."""
    return bool(conn.execute("PRAGMA database_list").fetchone()[2])
