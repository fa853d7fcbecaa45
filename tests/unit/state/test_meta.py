"""The single values of ``state.db``: each under its name, with a default, and stored only when it changed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from plexsync.core import environment
from plexsync.state import ledger
from plexsync.state.breaker import Breaker
from plexsync.state.meta import Meta
from plexsync.state.pause import PLEX, SETUP, Pause

NOW = 1_710_000_000.0

VALUES: dict[str, Any] = {
    "machine": "m\u6771",
    "section": 7,
    "settings": "abc",
    "warned": ["one", "two"],
    "tagged_at": 12.5,
    "tag_warned": {"stashdb.org": "5"},
    "compared": [12.5, 3],
}


@pytest.fixture
def meta(tmp_path: Path) -> Iterator[Meta]:
    """The values of a fresh ``state.db``."""
    values = Meta(ledger.open_state(str(tmp_path)))
    yield values
    values.close()


def test_each_has_a_default(meta: Meta) -> None:
    """What was never stored is its default."""
    assert {name: getattr(meta, name) for name in VALUES} == {
        "machine": "", "section": None, "settings": "", "warned": [], "tagged_at": 0.0, "tag_warned": {},
        "compared": None,
    }  # fmt: skip
    assert (meta.pause, meta.breaker, meta.stats.totals["synced"]) == (None, Breaker(), 0)


@pytest.mark.parametrize("name", VALUES)
def test_values_are_kept_and_stored_once(meta: Meta, tmp_path: Path, name: str) -> None:
    """The next process finds what was stored; storing the same again writes nothing."""
    setattr(meta, name, VALUES[name])
    again = Meta.open(str(tmp_path))
    assert getattr(again, name) == VALUES[name]
    before = meta.conn.total_changes
    setattr(meta, name, VALUES[name])
    assert meta.conn.total_changes == before
    again.close()


def test_a_pause_for_plex_brings_its_breaker(meta: Meta) -> None:
    """The breaker stored with a pause for Plex is the one everybody reads; any other pause leaves it alone."""
    opened = Breaker(5, NOW, NOW + 60, 60.0)
    meta.pause = Pause(PLEX, breaker=opened)
    assert meta.breaker == opened
    meta.pause = Pause(SETUP, NOW + 60, "why")
    stored = meta.pause
    assert stored is not None
    assert (stored.kind, stored.until, stored.breaker, meta.breaker) == (SETUP, NOW + 60, opened, opened)
    meta.pause = None
    assert (meta.pause, meta.breaker) == (None, opened)


def test_reading_makes_no_file(tmp_path: Path) -> None:
    """Without a ``state.db`` everything has its default, and no file is made."""
    meta = Meta.open(str(tmp_path))
    assert (meta.is_file, meta.pause, meta.machine) == (False, None, "")
    meta.close()
    assert not (tmp_path / environment.STATE_DB).exists()
    ledger.open_state(str(tmp_path)).close()
    meta = Meta.open(str(tmp_path))
    assert meta.is_file
    meta.close()
