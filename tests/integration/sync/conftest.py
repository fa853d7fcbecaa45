"""Fixtures shared by the tests of planning and writing."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.writing_bench import WritingBench


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[WritingBench]:
    """Planner and writer between a Stash and a Plex."""
    with WritingBench(tmp_path) as stage:
        yield stage
