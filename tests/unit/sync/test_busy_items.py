"""Different items that fail in a row, and whose attempts are refunded."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from plexsync.sync.throttle import BUSY_IN_A_ROW, Streak


def test_different_items_in_a_row_are_counted() -> None:
    """Each new item that fails makes the streak longer; five are the contract's number."""
    streak = Streak()
    assert [streak.failed(item, item) for item in range(1, 6)] == [1, 2, 3, 4, BUSY_IN_A_ROW]
    assert len(streak) == 5


def test_one_item_is_one_item_however_often_it_fails() -> None:
    """A single broken item never counts as an outage."""
    streak = Streak()
    assert [streak.failed(1, 1) for _ in range(20)] == [1] * 20
    assert len(streak) == 1


@pytest.mark.parametrize("reading", [False, True])
def test_a_success_of_the_same_sort_ends_it(reading: bool) -> None:
    """After a success the count restarts, and no attempt is refunded any more."""
    streak = Streak()
    for item in range(4):
        streak.failed(item, item, reading=reading)
    streak.ended(reading=reading)
    assert (len(streak), streak.refund()) == (0, [])


@pytest.mark.parametrize("reading", [False, True])
def test_a_success_of_the_other_sort_does_not(reading: bool) -> None:
    """Successful reads say nothing about writes, and the other way round."""
    streak = Streak()
    for item in range(4):
        streak.failed(item, item, reading=reading)
    streak.ended(reading=not reading)
    assert len(streak) == 4
    assert streak.refund() == [0, 1, 2, 3]


def test_reads_and_writes_do_not_add_up() -> None:
    """Three failures of each kind are not a streak of six."""
    streak = Streak()
    for item in range(3):
        streak.failed(item, item)
        streak.failed(item + 10, item + 10, reading=True)
    assert len(streak) == 3


def test_each_attempt_is_refunded_once() -> None:
    """A job that lost two attempts gets both back, only once; the count stays until a success."""
    streak = Streak()
    for row in (7, 8, 7):
        streak.failed(row, row)
    assert streak.refund() == [7, 7, 8]
    assert streak.refund() == []
    assert len(streak) == 2


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(st.integers(1, 6), st.booleans(), st.booleans()), max_size=40))
def test_it_counts_what_failed_since_the_last_success(notes: list[tuple[int, bool, bool]]) -> None:
    """For any history: the different items and all rows since the last success of each kind."""
    streak = Streak()
    since: dict[bool, list[int]] = {False: [], True: []}
    for item, well, reading in notes:
        since[reading] = [] if well else [*since[reading], item]
        if well:
            streak.ended(reading=reading)
        else:
            assert streak.failed(item, item * 10, reading=reading) == len(set(since[reading]))
    assert len(streak) == max(len(set(items)) for items in since.values())
    assert streak.refund() == sorted(item * 10 for items in since.values() for item in items)
