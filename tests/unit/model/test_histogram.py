"""A histogram keeps what it counted over restarts, and never trusts a stored form that is not its own."""

from __future__ import annotations

import json
from typing import Any

import pytest

from plexsync.model.histogram import Histogram


def filled() -> Histogram:
    """Return a histogram with three durations."""
    histogram = Histogram((1, 5))
    for seconds in (0.5, 1, 7):
        histogram.observe(seconds)
    return histogram


def test_stored_and_restored() -> None:
    """After a restart it counts on."""
    after = Histogram((1, 5))
    after.restore(json.loads(json.dumps(filled().as_json())))
    after.observe(2)
    assert list(after.cumulative()) == [(1, 2), (5, 3), (float("inf"), 4)]
    assert (after.count, after.sum) == (4, 10.5)


@pytest.mark.parametrize(
    "change",
    [
        {"bounds": [1, 6]}, {"counts": [1, 2]}, {"counts": [1, 2, -3]}, {"counts": [1, 2, "x"]}, {"counts": None},
        {"sum": "x"}, {"sum": None}, {"sum": True},
    ],
)  # fmt: skip
def test_another_form(change: dict[str, Any]) -> None:
    """Other bounds, as another version may have, or damaged numbers begin at zero."""
    after = Histogram((1, 5))
    after.restore(filled().as_json() | change)
    assert (after.count, after.sum) == (0, 0)
    after.restore(None)
    assert after.count == 0
