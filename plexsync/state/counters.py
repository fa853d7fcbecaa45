"""What is counted over the life of an installation: absolute numbers, written by the lock's holder alone.

One writer and absolute values: nothing is added up twice. ``meta.py`` stores them. Standard library alone.
"""

from __future__ import annotations

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
        """Count one job that ended so; outcomes that are no total are not counted."""
        if outcome in TOTALS:
            setattr(self, outcome, getattr(self, outcome) + 1)

    def as_json(self) -> dict[str, int]:
        """Return what is stored."""
        return self.totals | self.requests

    @classmethod
    def from_json(cls, raw: object) -> Stats:
        """Return the numbers that ``as_json`` made; whatever is missing or no number is zero."""
        known = raw if isinstance(raw, dict) else {}
        return cls(**{name: known[name] for name in cls.__slots__ if isinstance(known.get(name), int)})
