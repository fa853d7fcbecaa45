"""The health: the first state that holds, a sentence that says why, and what to do."""

from __future__ import annotations

from typing import Any

import pytest

from plexsync import health
from plexsync.health import STATES, Facts, Health, duration
from plexsync.model.settings import NO_TOKEN
from plexsync.state.breaker import Breaker
from plexsync.state.pause import DRY, LOCAL, PLEX, SETUP, STASH, Pause
from tests.support.queue_tools import NOW

PROBLEM = "PlexSync is paused: something is wrong."
OPEN = Breaker(5, NOW - 720, NOW + 30, 60)


def facts(pause: Pause | None = None, *, problem: str | None = None, running: bool = True, **values: Any) -> Facts:
    """What holds where nothing is said: Plex was reached, no job is left, and nothing was written yet."""
    queue = {name: values.pop(name, 0) for name in ("pending", "waiting", "in_progress", "dead")}
    totals = {"synced": values.pop("synced", 0), "unchanged": 0}
    left = values.pop("doctor_left", False)
    report = {
        "queue": queue, "problem": problem, "worker": {"running": running}, "totals": totals, "doctor_left": left,
    }  # fmt: skip
    known: dict[str, Any] = {"breaker": Breaker(), "connected": True, "written_at": None, "now": NOW}
    return Facts(report, pause, **(known | values))


def paused(kind: str, problem: str = "", **values: Any) -> Pause:
    """A pause until in 30 s."""
    return Pause(kind, NOW + 30, problem, **values)


#: What holds -> the state, words of the sentence, and words of what to do (None: there is nothing).
CASES: dict[str, tuple[Facts, str, str, str | None]] = {
    "nothing saved yet": (facts(connected=False), "setup", "has not connected", '"Plex address" and "Plex token"'),
    "no token yet": (
        facts(paused(SETUP, NO_TOKEN, is_connection=True), problem=NO_TOKEN, connected=False),
        "setup", "has not connected", "below",
    ),
    "the token was taken away": (
        facts(paused(SETUP, NO_TOKEN, is_connection=True), problem=NO_TOKEN),
        "setup", "no Plex token any more", "below",
    ),
    "a wrong token": (facts(paused(SETUP, PROBLEM, is_connection=True), problem=PROBLEM), "setup", PROBLEM, "at once"),
    "token refused later": (
        facts(paused(SETUP, PROBLEM, is_connection=True), problem=PROBLEM, dead=3, pending=5),
        "setup", PROBLEM, "Correct",
    ),
    "never reached, Plex is away": (
        facts(paused(PLEX), breaker=OPEN, connected=False), "setup", "Next attempt in 30 seconds.", "Plex runs",
    ),
    "never reached, something else is wrong": (
        facts(paused(LOCAL, PROBLEM), problem=PROBLEM, connected=False), "setup", PROBLEM, "Correct this first",
    ),
    "a library is unknown": (facts(paused(SETUP, PROBLEM), problem=PROBLEM), "problem", PROBLEM, "Settings > Plugins"),
    "Stash refuses the login": (facts(paused(STASH, PROBLEM), problem=PROBLEM), "problem", PROBLEM, "Save any scene"),
    "Stash is away": (facts(paused(STASH)), "problem", "Stash does not answer", "Save any scene"),
    "the disk is full": (facts(paused(LOCAL, PROBLEM), problem=PROBLEM), "problem", PROBLEM, "every minute"),
    "Plex refuses every image": (facts(problem=PROBLEM, pending=2), "problem", PROBLEM, "no edit is lost"),
    "the doctor left an item": (
        facts(doctor_left=True, dead=1, written_at=NOW), "problem", "as the doctor changed it", "doctor --put-back",
    ),
    "the doctor left an item, and syncing is paused": (
        facts(paused(SETUP, PROBLEM), problem=PROBLEM, doctor_left=True), "problem", PROBLEM, "Settings > Plugins",
    ),
    "Plex is away": (
        facts(paused(PLEX), breaker=OPEN, pending=2, in_progress=1),
        "away", "for 12 minutes. Next attempt in 30 seconds. 3 jobs wait for it.", "Plex runs",
    ),
    "Plex is away, a probe is due": (
        facts(breaker=OPEN._replace(retry_at=NOW)), "away", "attempt is due now. No edit is lost.", "Plex runs",
    ),
    "Plex was away as another pause ended": (facts(paused(PLEX)), "away", "unreachable. Next", "Plex runs"),
    "one dead letter": (facts(dead=1, pending=9), "attention", "1 job needs you: PlexSync cannot finish it", "Choose"),
    "dead letters": (facts(dead=3, waiting=1), "attention", "3 jobs need you", "discard"),
    "work": (facts(pending=11, in_progress=1, waiting=4), "busy", "Syncing: 12 jobs left.", None),
    "work without a worker": (facts(pending=1, running=False), "busy", "1 job is left, and the", "starts it"),
    "a dry run": (facts(paused(DRY), pending=2), "busy", '"Dry run" is on: 2 changes are held back.', "off in"),
    "one file is missing": (
        facts(waiting=1), "waiting", "1 scene waits for Plex to have the file. Nothing else is left to do.", "scan it",
    ),
    "files are missing": (facts(waiting=2), "waiting", "2 scenes wait", "scan it"),
    "all is well": (
        facts(written_at=NOW - 300), "ok",
        "Every edit has reached Plex. The last change was written 5 minutes ago.", None,
    ),
    "nothing had to be written": (
        facts(synced=2), "ok", "Nothing is left to do: every edit has reached Plex.", None,
    ),
    "nothing was synced yet": (facts(), "ok", "Nothing was synced yet.", "Sync all"),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_each_state_has_its_words(case: str) -> None:
    """Each state and what lies behind it has a sentence of its own, and says what to do if there is anything."""
    given, state, sentence, what = CASES[case]
    found = health.judge(given)
    assert found.state == state
    assert sentence in found.sentence
    assert (what in found.what_to_do) if what else found.what_to_do == ""


def test_every_state_is_told() -> None:
    """No state of the contract is left out."""
    assert {case[1] for case in CASES.values()} == set(STATES)


#: What makes each state hold, the most urgent first.
LADDER: tuple[dict[str, Any], ...] = (
    {"connected": False}, {"problem": PROBLEM}, {"breaker": OPEN}, {"dead": 1}, {"pending": 1}, {"waiting": 1}, {},
)  # fmt: skip


@pytest.mark.parametrize("first", range(len(LADDER)))
def test_the_first_that_holds(first: int) -> None:
    """Whatever less urgent holds besides, the most urgent state is told."""
    together: dict[str, Any] = {}
    for values in LADDER[first:]:
        together |= values
    assert health.judge(facts(**together)).state == STATES[first]


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(-5, "0 seconds"), (1, "1 second"), (59.9, "59 seconds"), (60, "1 minute"), (7300, "2 hours"), (86400, "1 day")],
)
def test_durations_in_words(seconds: float, words: str) -> None:
    """Durations are said in the largest unit that fits; a clock that was set back makes none."""
    assert duration(seconds) == words


def test_nothing_is_to_do_by_default() -> None:
    """A state without anything to do says so by an empty text."""
    assert Health("ok", "Every edit has reached Plex.").what_to_do == ""
