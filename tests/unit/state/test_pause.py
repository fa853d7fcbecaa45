"""A pause as a value: when to probe again, how it is prolonged, and that the wait for Plex is the breaker's."""

from __future__ import annotations

from typing import Any

import pytest

from plexsync.state.breaker import THRESHOLD, Breaker
from plexsync.state.pause import DRY, LOCAL, PLEX, SETUP, STASH, Pause

NOW = 1_710_000_000.0
RESET, CAP = 60.0, 600.0


def values(pause: Pause) -> dict[str, Any]:
    """Return everything that a pause stores."""
    names: tuple[str, ...]
    names = ("kind", "problem", "until", "interval", "edits", "settings", "section", "tagging", "settings_check_at")
    names += ("began", "looked_at")
    return {name: getattr(pause, name) for name in names}


@pytest.mark.parametrize("kind", [PLEX, STASH, SETUP, LOCAL, DRY])
def test_it_is_stored_and_comes_back(kind: str) -> None:
    """A stored pause is read as it was, with the breaker stored beside it."""
    pause = Pause(
        kind,
        NOW + 60,
        "why",
        interval=60.0,
        edits=3,
        settings="d",
        section=7,
        tagging=True,
        settings_check_at=NOW + 9,
        began=NOW - 1,
        looked_at=NOW,
    )
    again = Pause.from_json(pause.as_json(), pause.breaker)
    assert values(again) == values(pause)
    assert (again.until, again.interval) == (NOW + 60, 60.0)


def test_the_wait_for_plex_is_the_breakers() -> None:
    """While Plex is unreachable the pause ends when the breaker says so, whatever was stored with the pause."""
    pause = Pause(PLEX, NOW + 60)
    after = Breaker(9, NOW, NOW + 300, 240.0)
    again = Pause.from_json(pause.as_json(), after)
    assert (again.until, again.interval) == (NOW + 300, 240.0)
    again.until = NOW + 400
    assert again.breaker == after._replace(retry_at=NOW + 400)


def test_plex_that_fails_again() -> None:
    """The breaker counts and doubles to the cap."""
    pause = Pause(PLEX, breaker=Breaker(4, None, NOW, 0.0))
    seen = []
    for _ in range(6):
        now = pause.until
        pause.prolong(now, RESET, CAP, plex_failed=True)
        seen.append(pause.until - now)
    assert seen == [60, 120, 240, 480, 600, 600]
    assert (pause.breaker.failures, pause.breaker.opened_at) == (10, NOW)


@pytest.mark.parametrize(
    ("kind", "waits"),
    [(PLEX, [60, 60, 60]), (STASH, [120, 240, 480, 600, 600]), (SETUP, [60, 60]), (LOCAL, [60, 60]), (DRY, [60, 60])],
)
def test_what_plex_is_not_to_blame_for(kind: str, waits: list[float]) -> None:
    """Stash is asked ever less often, everything else at the same interval, and the breaker counts nothing."""
    pause = Pause(kind, NOW, interval=60.0)
    before = pause.breaker.failures
    seen = []
    for _ in waits:
        now = pause.until
        pause.prolong(now, RESET, CAP)
        seen.append(pause.until - now)
    assert (seen, pause.breaker.failures) == (waits, before)


@pytest.mark.parametrize("kind", [PLEX, STASH, SETUP, LOCAL, DRY])
def test_a_probe_before_its_time_changes_nothing(kind: str) -> None:
    """However often somebody has a pause looked at, the next probe that comes by itself comes when it was planned."""
    opened = Breaker(THRESHOLD, NOW, NOW + 60, 60.0)
    pause = Pause(kind, NOW + 60, interval=60.0, breaker=opened)
    for second in range(1, 60, 7):
        pause.prolong(NOW + second, RESET, CAP, plex_failed=kind == PLEX)
        assert (pause.until, pause.interval, pause.looked_at) == (NOW + 60, 60.0, NOW + second)


def test_the_same_problem_goes_on() -> None:
    """A pause that is begun again for the same problem keeps its beginning and its plan; another problem is new."""
    before = Pause(SETUP, NOW + 60, "why", began=NOW)
    again, other = Pause(SETUP, NOW + 110, "why"), Pause(SETUP, NOW + 110, "other")
    for pause in (again, other):
        pause.continues(before, NOW + 50)
    assert (again.began, again.until, other.began, other.until) == (NOW, NOW + 60, NOW + 50, NOW + 110)


@pytest.mark.parametrize(
    ("age", "kind", "settings", "wait"),
    [
        (0, SETUP, "d", 4.5),
        (599, SETUP, "d", 4.5),
        (0, PLEX, "d", 4.5),
        (600, PLEX, "d", 60),
        (-5, PLEX, "d", 60),
        (0, SETUP, "", None),
        (0, STASH, "d", None),
        (0, LOCAL, "d", None),
        (0, DRY, "d", None),
    ],
)
def test_the_settings_are_looked_at_soon(age: float, kind: str, settings: str, wait: float | None) -> None:
    """For ten minutes a correction is looked for every few seconds, then each minute: if settings can be the cause."""
    opened = Breaker(THRESHOLD, NOW, NOW + 300, 300.0)
    pause = Pause(kind, NOW + 300, interval=300.0, breaker=opened, settings=settings, began=NOW - age)
    pause.plan_settings_check(NOW)
    assert pause.settings_check_at == (NOW + wait if wait else 0.0)


def test_a_probe_that_comes_first_needs_no_look_at_the_settings() -> None:
    """Where the next probe is nearer than the next look at the settings, it is the look."""
    pause = Pause(SETUP, NOW + 4, interval=60.0, settings="d", began=NOW)
    pause.plan_settings_check(NOW)
    assert pause.settings_check_at == 0.0


@pytest.mark.parametrize(
    ("kind", "tagging", "wanted"),
    [(PLEX, False, False), (PLEX, True, True), (STASH, False, True), (SETUP, False, True), (LOCAL, False, False)],
)
def test_which_pauses_an_edit_ends(kind: str, tagging: bool, wanted: bool) -> None:
    """An edit may end pauses for Stash or the setup; it does not help with Plex or this machine."""
    assert Pause(kind, NOW, tagging=tagging).is_ended_by_edits is wanted
