"""The counters of an installation since it was made. ``meta.py`` stores them. Standard library alone.

Only the lock's holder writes them, as absolute values, so nothing is counted twice.
"""

from __future__ import annotations

from typing import Any

from plexsync.model.histogram import Histogram

TOTALS = ("synced", "unchanged", "retried", "dead", "skipped")
REQUESTS = ("plex_reads", "plex_writes", "stash")

#: Upper bounds in seconds: of a request to Plex that writes, which may take up to a minute, and of the time from an
#: edit to its arrival in Plex, which an outage may stretch to days.
WRITE_BOUNDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
DELAY_BOUNDS = (1, 2.5, 5, 10, 30, 60, 300, 900, 3600, 21600, 86400)


class Stats:
    """``synced`` ... ``skipped``: jobs by outcome. ``plex_reads``, ``plex_writes``, ``stash``: HTTP requests.

    ``write_latency``: of the requests that write to Plex. ``sync_delay``: from an edit to its arrival in Plex.
    """

    __slots__ = (*TOTALS, *REQUESTS, "sync_delay", "write_latency")

    synced: int
    unchanged: int
    retried: int
    dead: int
    skipped: int
    plex_reads: int
    plex_writes: int
    stash: int

    def __init__(self, **values: int) -> None:
        for name in (*TOTALS, *REQUESTS):
            setattr(self, name, int(values.get(name, 0)))
        self.write_latency = Histogram(WRITE_BOUNDS)
        self.sync_delay = Histogram(DELAY_BOUNDS)

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

    def as_json(self) -> dict[str, Any]:
        """Return the stored form."""
        histograms = {"write_latency": self.write_latency.as_json(), "sync_delay": self.sync_delay.as_json()}
        return {**self.totals, **self.requests, **histograms}

    @classmethod
    def from_json(cls, raw: object) -> Stats:
        """Return the counters from their stored form; a value that is missing or not a number becomes 0."""
        known = raw if isinstance(raw, dict) else {}
        counted = (name for name in (*TOTALS, *REQUESTS) if isinstance(known.get(name), int))
        stats = cls(**{name: known[name] for name in counted})
        stats.write_latency.restore(known.get("write_latency"))
        stats.sync_delay.restore(known.get("sync_delay"))
        return stats
