"""How fast: pauses that follow Plex's answer times, and batch sizes that follow how long a job takes."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from plexsync.sync.throttle import BATCH_SECONDS, FIRST, LEAST, LONGEST, MOST, QUICK, WEIGHT, BatchSize, Pace


def test_a_quick_plex_is_used_fully() -> None:
    """Answers within a quarter of a second are followed by no pause at all."""
    slept: list[float] = []
    pace = Pace(slept.append)
    for _ in range(500):
        pace.after_write(QUICK)
    assert slept == []


def test_a_slow_plex_gets_a_pause_that_follows_its_answers() -> None:
    """The pause is the running mean of the answer times, less that of an idle Plex."""
    slept: list[float] = []
    pace = Pace(slept.append)
    for _ in range(60):
        pace.after_write(1.25)
    assert slept == sorted(slept)
    assert slept[-1] == pytest.approx(1.0, abs=0.001)
    assert slept[0] == pytest.approx(WEIGHT * 1.25 - QUICK)


def test_no_pause_is_longer_than_two_seconds() -> None:
    """However slow Plex is, no pause exceeds two seconds."""
    slept: list[float] = []
    pace = Pace(slept.append)
    for _ in range(10):
        pace.after_write(60.0)
    assert max(slept) == LONGEST == 2.0


def test_one_slow_answer_is_soon_forgotten() -> None:
    """After one answer of five seconds and then quick ones, the pauses end within a dozen writes."""
    slept: list[float] = []
    pace = Pace(slept.append)
    pace.after_write(5.0)
    for _ in range(12):
        pace.after_write(0.01)
    count = len(slept)
    for _ in range(100):
        pace.after_write(0.01)
    assert len(slept) == count


@settings(max_examples=200, deadline=None)
@given(st.lists(st.floats(0, 100), max_size=50))
def test_pauses_are_positive_and_bounded(answers: list[float]) -> None:
    """For any answer times, a pause is between 0 and 2 s and never longer than the longest answer."""
    slept: list[float] = []
    pace = Pace(slept.append)
    for seconds in answers:
        pace.after_write(seconds)
    assert all(0 < pause <= min(LONGEST, max(answers)) for pause in slept)


@pytest.mark.parametrize(
    ("jobs", "seconds", "limit"),
    [
        (200, 8.0, 200),
        (200, 80.0, 20),
        (200, 16.0, 100),
        (200, 2000.0, LEAST),
        (200, 0.1, MOST),
        (100, 4.0, 200),
        (200, 0.0, FIRST),
        (200, -5.0, FIRST),
        (LEAST - 1, 100.0, FIRST),
        (LEAST, 8.0, LEAST),
    ],
)
def test_a_batch_takes_about_eight_seconds(jobs: int, seconds: float, limit: int) -> None:
    """The next batch holds what fits into eight seconds; too few jobs, or a clock set back, prove nothing."""
    size = BatchSize()
    size.took(jobs, seconds)
    assert size.limit == limit
    assert BATCH_SECONDS == 8.0


def test_it_grows_by_no_more_than_doubling() -> None:
    """After a slow phase one quick batch at most doubles the size."""
    size = BatchSize()
    size.took(200, 1000.0)
    grown = []
    for _ in range(6):
        size.took(size.limit, 0.1)
        grown.append(size.limit)
    assert grown == [20, 40, 80, 160, MOST, MOST]


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 300), st.floats(-10, 1000)), max_size=30))
def test_a_batch_is_never_too_small_or_too_big(history: list[tuple[int, float]]) -> None:
    """For any history the limit stays within its bounds."""
    size = BatchSize()
    for jobs, seconds in history:
        size.took(jobs, seconds)
        assert LEAST <= size.limit <= MOST
