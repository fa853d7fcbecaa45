"""What is counted over the life of an installation: absolute numbers, written by the lock's holder alone.

One writer and absolute values: nothing is added up twice. Standard library alone.
"""

from __future__ import annotations

import json
import sqlite3

from plexsync.state import pause

TOTALS = ("synced", "unchanged", "retried", "dead", "skipped")
REQUESTS = ("plex_reads", "plex_writes", "stash")


class Stats:
    """``synced`` ... ``skipped``: jobs by outcome. ``plex_reads``, ``plex_writes``, ``stash``: HTTP requests."""

    __slots__ = (*TOTALS, *REQUESTS)

    synced: int
    unchanged: int
    retried: int
    dead: int
    skipped: int
    plex_reads: int
    plex_writes: int
    stash: int

    def __init__(self, **values: int) -> None:
        for name in self.__slots__:
            setattr(self, name, int(values.get(name, 0)))

    @property
    def totals(self) -> dict[str, int]:
        """The status object's ``totals``."""
        return {name: getattr(self, name) for name in TOTALS}

    @property
    def requests(self) -> dict[str, int]:
        """The status object's ``requests``."""
        return {name: getattr(self, name) for name in REQUESTS}

    def count(self, outcome: str) -> None:
        """One job ended so; outcomes that are no total are not counted."""
        if outcome in TOTALS:
            setattr(self, outcome, getattr(self, outcome) + 1)

    def store(self, conn: sqlite3.Connection) -> None:
        """Write the numbers."""
        text = json.dumps({name: getattr(self, name) for name in self.__slots__})
        conn.execute("INSERT OR REPLACE INTO meta VALUES ('stats', ?)", (text,))


def load(conn: sqlite3.Connection) -> Stats:
    """The numbers so far, zeros where there are none."""
    raw = pause.value(conn, "stats")
    known = raw if isinstance(raw, dict) else {}
    return Stats(**{name: known[name] for name in Stats.__slots__ if isinstance(known.get(name), int)})
