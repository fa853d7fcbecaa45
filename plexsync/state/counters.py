"""The counters of an installation since it was made. ``meta.py`` stores them. Standard library alone.

Only the lock's holder writes them, as absolute values, so nothing is counted twice.
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
        """``totals`` of the status object: outcome -> jobs."""
        return {name: getattr(self, name) for name in TOTALS}

    @property
    def requests(self) -> dict[str, int]:
        """``requests`` of the status object: kind -> HTTP requests."""
        return {name: getattr(self, name) for name in REQUESTS}

    def count(self, outcome: str) -> None:
        """Count one job; an outcome that is not one of ``TOTALS`` is ignored."""
        if outcome in TOTALS:
            setattr(self, outcome, getattr(self, outcome) + 1)

    def as_json(self) -> dict[str, int]:
        """Return the stored form."""
        return self.totals | self.requests

    @classmethod
    def from_json(cls, raw: object) -> Stats:
        """Return the counters from their stored form; a value that is missing or not a number becomes 0."""
        known = raw if isinstance(raw, dict) else {}
        return cls(**{name: known[name] for name in cls.__slots__ if isinstance(known.get(name), int)})
