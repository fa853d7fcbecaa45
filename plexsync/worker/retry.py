"""What becomes of a job after its outcome: pure decisions over typed errors, with time and randomness passed in."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from plexsync.core import environment
from plexsync.model.errors import Invalid, ItemGone, LowConfidence, NotInPlex, PlexBusy, Rejected

#: The exponent beyond which doubling cannot matter any more: base * 2**30 exceeds every cap.
MAX_DOUBLINGS = 30


@dataclass(frozen=True, slots=True)
class Delays:
    """The contract's durations that decide about retries, in seconds."""

    base: float = 5.0
    cap: float = 300.0
    missing_base: float = 30.0
    missing_cap: float = 3600.0
    give_up: float = 604800.0

    @classmethod
    def from_environment(cls) -> Delays:
        """The durations as the environment has them."""
        names = ("RETRY_BASE", "RETRY_CAP", "MISSING_BASE", "MISSING_CAP", "MISSING_GIVE_UP")
        return cls(*(environment.seconds(f"PLEXSYNC_{name}") for name in names))


@dataclass(frozen=True, slots=True)
class Attempt:
    """What is known of a job when it fails: attempts so far, since when it waits for Plex to have the file."""

    attempts: int = 0
    waiting: float | None = None


@dataclass(frozen=True, slots=True)
class Decision:
    """``to``: ``done``, ``later`` or ``dead``. ``outcome``: what is counted. ``waiting``: since when, or None."""

    to: str
    outcome: str
    due: float = 0.0
    attempts: int = 0
    waiting: float | None = None
    reason: str | None = None
    message: str | None = None
    candidates: Sequence[Mapping[str, Any]] = ()


def decide(
    error: Exception, attempt: Attempt, *, now: float, rng: random.Random, delays: Delays, max_retries: int
) -> Decision:
    """What becomes of one scene's job that failed with ``error``; outages are not decided here: they touch no job."""
    message = str(error)
    if isinstance(error, NotInPlex):
        return _missing(message, attempt, now, rng, delays)
    if isinstance(error, LowConfidence):
        return Decision("dead", "dead", 0.0, attempt.attempts, None, "low_confidence", message, error.candidates)
    if isinstance(error, Invalid):
        return Decision("dead", "dead", 0.0, attempt.attempts, None, "invalid", message)
    if isinstance(error, Rejected):
        return Decision("dead", "dead", 0.0, attempt.attempts + 1, None, "rejected", message)
    return _transient(error, message, attempt, now, rng, delays, max_retries)


def _transient(
    error: Exception, message: str, attempt: Attempt, now: float, rng: random.Random, delays: Delays, max_retries: int
) -> Decision:
    attempts = attempt.attempts + 1
    if attempts >= max_retries:
        said = message.rstrip(". ") or type(error).__name__
        hint = "Edit the scene or run Process DLQ to try again."
        return Decision("dead", "dead", 0.0, attempts, None, "retries_exhausted", f"{said}. {hint}")
    delay = 0.0 if isinstance(error, ItemGone) and attempt.attempts == 0 else backoff(attempts, rng, delays)
    if isinstance(error, PlexBusy) and error.retry_after:
        delay = max(delay, min(error.retry_after, max(delays.cap, 1.0)))
    return Decision("later", "retried", now + delay, attempts, attempt.waiting, None, message)


def backoff(attempts: int, rng: random.Random, delays: Delays) -> float:
    """Full jitter: uniform between 0 and ``min(cap, base * 2**(attempts - 1))`` seconds."""
    top = min(delays.cap, delays.base * 2.0 ** min(attempts - 1, MAX_DOUBLINGS))
    return rng.uniform(0.0, top)


def _missing(message: str, attempt: Attempt, now: float, rng: random.Random, delays: Delays) -> Decision:
    """Wait as long again as it has waited already, between base and cap: a doubling schedule that keeps no counter."""
    since = now if attempt.waiting is None or attempt.waiting > now else attempt.waiting
    waited = now - since
    if waited >= delays.give_up and (attempt.waiting is not None or delays.give_up == 0):
        return Decision("dead", "dead", 0.0, attempt.attempts, None, "not_in_plex", message)
    delay = min(delays.missing_cap, max(delays.missing_base, waited)) * rng.uniform(0.75, 1.0)
    return Decision("later", "waiting", now + delay, attempt.attempts, since, None, message)
