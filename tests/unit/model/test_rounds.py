"""How often one scene is tagged before PlexSync leaves it alone: rounds as values."""

from __future__ import annotations

import pytest

from plexsync.model.rounds import HOLD, LONGEST, MOST, WINDOW, Rounds

NOW = 1_710_000_000.0


def after(times: int, step: float, now: float = NOW) -> Rounds:
    """Return the rounds after ``times`` taggings, ``step`` seconds apart."""
    rounds = Rounds()
    for number in range(times):
        rounds = rounds.tagged(now + number * step)
    return rounds


def test_ten_rounds_within_ten_minutes_are_enough() -> None:
    """The tenth one begins the hold; nine do not, nor do ten in a longer time."""
    assert (MOST, WINDOW) == (10, 600.0)
    assert not after(9, 5).is_held(NOW + 41)
    assert after(10, 5).is_held(NOW + 46)
    assert after(10, 5).until == NOW + 45 + HOLD
    assert not after(50, WINDOW / 9).is_held(NOW + 50 * WINDOW / 9)


def test_each_further_round_doubles_the_hold() -> None:
    """Five minutes, then ten, up to a day; a day without a round forgets it all."""
    rounds, holds = after(10, 5), []
    for _ in range(12):
        holds.append(rounds.hold)
        rounds = rounds.tagged(rounds.until + 1)
    assert holds[:4] == [300, 600, 1200, 2400]
    assert holds[-1] == LONGEST
    assert rounds.tagged(rounds.until + LONGEST) == Rounds(1, rounds.until + LONGEST)


@pytest.mark.parametrize("jump", [-30 * 86400.0, -3600.0])
def test_a_wrong_clock_holds_nothing(jump: float) -> None:
    """After the clock was set back, the scene is tagged as before."""
    rounds = after(10, 5)
    assert not rounds.is_held(NOW + jump)
    assert rounds.tagged(NOW + jump) == Rounds(1, NOW + jump)


@pytest.mark.parametrize("times", [1, 9, 10])
def test_they_are_stored(times: int) -> None:
    """The stored form brings back the same rounds."""
    assert Rounds.from_text(after(times, 5).as_text()) == after(times, 5)
