"""How long an unreachable Plex is left alone: when the breaker opens, how its interval grows, what closes it."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from plexsync.state.breaker import FIRST_PAUSES, THRESHOLD, Breaker, failed, probed, succeeded

NOW = 1_000_000.0
RESET, CAP = 60.0, 600.0


def fail(breaker: Breaker, times: int = 1, now: float = NOW, at_once: bool = False) -> Breaker:
    """Return the breaker after ``times`` failures at one moment."""
    for _ in range(times):
        breaker = failed(breaker, now, RESET, CAP, at_once=at_once)
    return breaker


def intervals(breaker: Breaker, count: int) -> list[float]:
    """Return the seconds it stays open after each of ``count`` failed probes, each made when it was due."""
    seconds = []
    for _ in range(count):
        now = breaker.retry_at
        breaker = failed(breaker, now, RESET, CAP)
        seconds.append(breaker.retry_at - now)
    return seconds


def test_a_new_breaker_is_closed() -> None:
    """Without failures Plex may be asked at once."""
    assert Breaker().state(NOW) == "closed"
    assert not Breaker().is_open
    assert Breaker().wait(NOW, CAP) == 0
    assert Breaker().state(0.0) == "closed"


def test_five_failures_in_a_row_open_it() -> None:
    """Four failures leave it closed, the fifth opens it for a minute; it remembers when."""
    four = fail(Breaker(), THRESHOLD - 1)
    five = fail(four)
    assert (THRESHOLD, four.is_open, four.state(NOW)) == (5, False, "closed")
    assert five == Breaker(failures=5, opened_at=NOW, retry_at=NOW + 60, reset=60)
    assert five.state(NOW + 59.9) == "open"
    assert five.state(NOW + 60) == "half_open"


def test_a_success_between_begins_the_count_anew() -> None:
    """Only consecutive failures count."""
    assert succeeded() == Breaker()
    assert not fail(succeeded(), THRESHOLD - 1).is_open


@pytest.mark.parametrize(("failures", "pause"), list(enumerate(FIRST_PAUSES, 1)))
def test_the_first_failures_are_followed_by_short_pauses(failures: int, pause: float) -> None:
    """Before it opens, each failure waits a little longer than the one before."""
    breaker = fail(Breaker(), failures)
    assert breaker.wait(NOW, CAP) == pause
    assert breaker.wait(NOW + pause, CAP) == 0


def test_short_pauses_are_never_longer_than_the_interval() -> None:
    """With an interval of zero nothing waits at all, open or not."""
    breaker = Breaker()
    for _ in range(THRESHOLD + 2):
        breaker = failed(breaker, NOW, 0.0, 0.0)
        assert breaker.wait(NOW, 0.0) == 0
    assert breaker.state(NOW) == "half_open"


def test_the_interval_doubles_up_to_its_cap() -> None:
    """Each failed probe doubles the minute, up to ten; the time of opening stays the first."""
    breaker = fail(Breaker(), THRESHOLD)
    assert intervals(breaker, 6) == [120, 240, 480, 600, 600, 600]
    assert failed(breaker, NOW + 60, RESET, CAP).opened_at == NOW
    assert failed(Breaker(5, 0.0, 60.0, 60.0), 60.0, RESET, CAP).opened_at == 0.0


def test_the_first_interval_is_capped_too() -> None:
    """A cap below the first interval holds from the beginning."""
    breaker = Breaker()
    for _ in range(THRESHOLD):
        breaker = failed(breaker, NOW, 60.0, 10.0)
    assert breaker.wait(NOW, 10.0) == 10


def test_many_different_items_open_it_at_once() -> None:
    """If Plex as a whole is unreachable, it opens whatever the count, for the same minute."""
    breaker = fail(Breaker(), at_once=True)
    assert breaker == Breaker(failures=1, opened_at=NOW, retry_at=NOW + 60, reset=60)
    assert intervals(breaker, 2) == [120, 240]


def test_a_probe_closes_it_but_the_doubling_goes_on() -> None:
    """A server that answers probes and fails every write is left alone longer and longer."""
    opened = fail(Breaker(), at_once=True)
    after = probed(opened)
    assert after == Breaker(failures=0, opened_at=None, retry_at=0.0, reset=60.0, planned=NOW + 60)
    waits = []
    for _ in range(5):
        now = opened.retry_at
        opened = fail(probed(opened), now=now, at_once=True)
        waits.append(opened.wait(now, CAP))
    assert waits == [120, 240, 480, 600, 600]
    assert fail(after, THRESHOLD, NOW + 60).wait(NOW + 60, CAP) == 120


@pytest.mark.parametrize("answered", [False, True])
def test_a_probe_before_its_time_never_makes_the_next_one_later(answered: bool) -> None:
    """Whoever asks for a probe early, and however it ends, the next one comes when it was planned, and doubles then."""
    opened = fail(Breaker(), THRESHOLD)
    for early in range(1, 60, 5):
        opened = fail(probed(opened) if answered else opened, now=NOW + early, at_once=True)
        assert (opened.retry_at, opened.reset, opened.is_open) == (NOW + 60, 60, True)
    assert intervals(opened, 1) == [120]


def test_a_plan_of_a_wrong_clock_counts_for_nothing() -> None:
    """A probe that was planned further off than the cap was planned by a wrong clock: this one counts as due."""
    opened = fail(Breaker(), THRESHOLD, NOW + 7200)
    assert fail(opened).retry_at == NOW + 120


def test_after_an_early_success_five_failures_keep_the_plan() -> None:
    """An answer to an early probe allows five more attempts, and then the next probe comes as it was planned."""
    opened = fail(Breaker(), THRESHOLD)
    assert fail(probed(opened), THRESHOLD, NOW + 10).retry_at == NOW + 60


def test_a_probe_leaves_a_fresh_count() -> None:
    """After a probe four more failures are allowed, with the short pauses."""
    breaker = fail(probed(fail(Breaker(), THRESHOLD)), THRESHOLD - 1)
    assert not breaker.is_open
    assert breaker.wait(NOW, CAP) == FIRST_PAUSES[-1]


def test_a_success_forgets_the_doubling() -> None:
    """After a real success the next outage begins with one minute again."""
    fail(probed(fail(Breaker(), THRESHOLD)), at_once=True)
    assert fail(succeeded(), at_once=True).wait(NOW, CAP) == 60


@pytest.mark.parametrize(("jump", "wait"), [(0, 60), (30, 30), (3600, 0), (-3600, 0), (-86_400 * 365, 0)])
def test_a_clock_that_jumps_never_blocks(jump: float, wait: float) -> None:
    """A clock set forward ends the interval; set back, a time further off than the cap counts as over."""
    assert fail(Breaker(), THRESHOLD).wait(NOW + jump, CAP) == wait


@settings(deadline=None, max_examples=200)
@given(st.lists(st.sampled_from(["fail", "at_once", "probe", "success"]), max_size=40), st.floats(-7200, 7200))
def test_no_history_makes_it_wait_longer_than_the_cap(events: list[str], step: float) -> None:
    """Whatever happens, and however the clock runs, the wait is between 0 and the cap."""
    breaker, now = Breaker(), NOW
    for event in events:
        now += step
        if event == "success":
            breaker = succeeded()
        elif event == "probe":
            breaker = probed(breaker)
        else:
            breaker = failed(breaker, now, RESET, CAP, at_once=event == "at_once")
            assert breaker.is_open or breaker.failures < THRESHOLD
        assert 0 <= breaker.wait(now, CAP) <= CAP
        assert breaker.reset <= CAP
