"""The counters of an installation: absolute numbers that survive a restart."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from plexsync.state import counters, ledger
from plexsync.state.counters import Stats
from plexsync.state.meta import Meta


@pytest.fixture
def conn(tmp_path: Path) -> sqlite3.Connection:
    """A fresh ``state.db``."""
    return ledger.open_state(str(tmp_path))


def test_outcomes_are_counted() -> None:
    """Each outcome that is a total adds one to it; others (gone, later, none) add nothing."""
    counted = Stats()
    for outcome in ("synced", "synced", "unchanged", "retried", "dead", "skipped", "gone", "dry_run", ""):
        counted.count(outcome)
    assert counted.totals == {"synced": 2, "unchanged": 1, "retried": 1, "dead": 1, "skipped": 1}
    assert counted.requests == {"plex_reads": 0, "plex_writes": 0, "stash": 0}


def test_numbers_survive(conn: sqlite3.Connection) -> None:
    """What one process stored the next one reads, and storing it again adds nothing."""
    counted = Stats(synced=5, stash=7, plex_reads=11, plex_writes=13)
    for _ in range(3):
        Meta(conn).stats = counted
    stats = Meta(conn).stats
    assert stats.totals["synced"] == 5
    assert stats.requests == {"plex_reads": 11, "plex_writes": 13, "stash": 7}


@pytest.mark.parametrize("raw", ["null", "[1]", '"x"', '{"synced": "many", "other": 4}', None])
def test_nothing_usable_means_zero(conn: sqlite3.Connection, raw: str | None) -> None:
    """Values that are missing or not numbers count as zero; unknown ones are ignored."""
    conn.execute("INSERT INTO meta VALUES ('stats', ?)", (raw,))
    stats = Meta(conn).stats
    assert set((stats.totals | stats.requests).values()) == {0}


def test_no_database_means_zero() -> None:
    """Without a ``state.db`` the status still has numbers: zeros."""
    assert Meta(sqlite3.connect(":memory:")).stats.totals == dict.fromkeys(counters.TOTALS, 0)
