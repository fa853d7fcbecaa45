"""The gates: pauses of one kind of request that double, trials that fall due, and the one sentence that is told."""

from __future__ import annotations

import json

import pytest

from plexsync.state import gates
from plexsync.state.gates import EDIT, LIST, READ, UPLOAD, Gate, paused

NOW = 1_000_000.0
RESET, CAP = 60.0, 600.0


def failing(times: int, why: str = "500") -> Gate:
    """Return a gate after so many pauses, each at the end of the one before."""
    gate, now = Gate(), NOW
    for _ in range(times):
        gate = paused(gate, now, RESET, CAP, failures=1, why=why)
        now = gate.retry_at
    return gate


def test_a_pause_is_short_at_first_and_then_doubles() -> None:
    """5 s, then the breaker's intervals from a minute to ten."""
    assert [failing(times).reset for times in range(1, 8)] == [5, 60, 120, 240, 480, 600, 600]
    assert failing(7).paused_at == NOW
    assert failing(7).failures == 7


def test_a_short_breaker_makes_a_short_pause() -> None:
    """No pause is longer than the breaker's first."""
    assert paused(Gate(), NOW, 0.3, 0.5, failures=1, why="500").reset == 0.3


def test_when_a_trial_is_due() -> None:
    """At the end of the pause, or at once if a wrong clock set it too far off; never while requests pass."""
    gate = failing(2)
    assert not gate.is_trial_due(gate.retry_at - 1, CAP)
    assert gate.is_trial_due(gate.retry_at, CAP)
    assert gate.is_trial_due(gate.retry_at - 86_400, CAP)
    assert not Gate().is_trial_due(NOW, CAP)
    assert not gates.succeeded(gate, NOW).is_paused


def test_the_most_important_sentence_is_told() -> None:
    """Edits before items, items before libraries, libraries before images; one failure alone is not told."""
    told = {UPLOAD: failing(2), f"{LIST}2": failing(2)._replace(title="Clips"), READ: failing(2), EDIT: failing(2)}
    said = []
    while told:
        said.append(gates.problem(told))
        told.pop(next(kind for kind in (EDIT, READ, f"{LIST}2", UPLOAD) if kind in told))
    assert [text[:24] for text in said] == [
        "Plex refuses every edit ", "Plex cannot show its ite", 'Plex cannot list the lib', "Plex refuses every image",
    ]  # fmt: skip
    assert '"Clips" (500)' in said[2]
    assert gates.problem({UPLOAD: failing(1)}) == gates.problem({EDIT: Gate()}) == ""


@pytest.mark.parametrize(
    ("why", "word"),
    [("413", "client_max_body_size"), ("403", "firewall"), ("500", "full"), ("no answer in time", "slow")],
)
def test_what_to_do_about_images(why: str, word: str) -> None:
    """The sentence says what usually is the cause of the status."""
    sentence = gates.problem({UPLOAD: failing(2, why)})
    assert sentence.startswith(f"Plex refuses every image ({why}): ")
    assert word in sentence


def test_it_survives_a_restart() -> None:
    """A gate is the same after it was stored."""
    gate = failing(3)._replace(trial=7, stalled=True, title="Clips")
    assert Gate(**json.loads(json.dumps(gate._asdict()))) == gate
