"""A pause as a value: when to probe again, how it is prolonged, and that the wait for Plex is the breaker's."""

from __future__ import annotations

from typing import Any

import pytest

from plexsync.state.breaker import Breaker
from plexsync.state.pause import DRY, LOCAL, PLEX, SETUP, STASH, Pause

NOW = 1_710_000_000.0
RESET, CAP = 60.0, 600.0


def values(pause: Pause) -> dict[str, Any]:
    """Return everything that a pause stores."""
    names = ("kind", "problem", "until", "interval", "edits", "settings", "section", "tagging", "settings_check_at")
    return {name: getattr(pause, name) for name in names}


@pytest.mark.parametrize("kind", [PLEX, STASH, SETUP, LOCAL, DRY])
def test_it_is_stored_and_comes_back(kind: str) -> None:
    """A stored pause is read as it was, with the breaker stored beside it."""
    pause = Pause(
        kind, NOW + 60, "why", interval=60.0, edits=3, settings="d", section=7, tagging=True, settings_check_at=NOW + 9
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
    """The breaker counts and doubles to the cap; from the second interval on the settings are re-read in between."""
    pause = Pause(PLEX, breaker=Breaker(4, None, NOW, 0.0))
    seen = []
    for _ in range(6):
        now = pause.until
        pause.prolong(now, RESET, CAP, plex_failed=True)
        seen.append((pause.until - now, pause.settings_check_at - now if pause.settings_check_at else 0.0))
    assert seen == [(60, 0), (120, 60), (240, 60), (480, 60), (600, 60), (600, 60)]
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


@pytest.mark.parametrize(
    ("kind", "tagging", "wanted"),
    [(PLEX, False, False), (PLEX, True, True), (STASH, False, True), (SETUP, False, True), (LOCAL, False, False)],
)
def test_which_pauses_an_edit_ends(kind: str, tagging: bool, wanted: bool) -> None:
    """An edit may end pauses for Stash or the setup; it does not help with Plex or this machine."""
    assert Pause(kind, NOW, tagging=tagging).is_ended_by_edits is wanted
