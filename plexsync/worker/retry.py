"""Decide what becomes of a failed job, from the type of its error. Pure: time and randomness are passed in.

Outages are not decided here: they cost no job an attempt.
"""

from __future__ import annotations

import math
import random
from dataclasses import dataclass, replace

from plexsync.core import environment
from plexsync.model.errors import Invalid, ItemGone, KindPaused, LowConfidence, NotInPlex, PlexBusy, Rejected
from plexsync.queue.worker_queue import Job, Settlement

#: Longest time in seconds for which a job waits until Plex takes requests of a kind: it becomes due as soon as it does.
HOLD = 3600.0

#: The exponent beyond which doubling no longer matters: base * 2**30 exceeds every cap.
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
        """Read the durations from the environment variables."""
        names = ("RETRY_BASE", "RETRY_CAP", "MISSING_BASE", "MISSING_CAP", "MISSING_GIVE_UP")
        return cls(*(environment.seconds(f"PLEXSYNC_{name}") for name in names))


def decide(
    error: Exception, job: Job, *, now: float, rng: random.Random, delays: Delays, max_retries: int
) -> Settlement:
    """Return what becomes of ``job`` after ``error``.

    A missing file is waited for, and so is a kind of request that Plex does not take; what only a person can fix is
    dead-lettered at once, anything else costs an attempt.
    ``now``: seconds since the epoch. ``max_retries``: attempts before the job is dead-lettered.
    """
    message = str(error)
    if isinstance(error, KindPaused):
        due = now + min(HOLD, environment.horizon() - 1)  # a later time would be taken for a wrong clock's
        if error.cause is not None:
            due = now + _delay(error.cause, job.attempts + 1, rng, delays)
        reason = error.kind if error.cause is None else None
        return Settlement.snooze(job, "retried", due, message, waiting=job.waiting, reason=reason, tried=error.tried)
    if isinstance(error, NotInPlex):
        return _missing(message, job, now, rng, delays)
    if isinstance(error, LowConfidence):
        return Settlement.dead(job, "low_confidence", message, candidates=error.candidates)
    if isinstance(error, Invalid):
        return Settlement.dead(job, "invalid", message)
    if isinstance(error, Rejected):
        return Settlement.dead(job, "rejected", message, attempts=job.attempts + (0 if error.known else 1))
    attempts = job.attempts + 1
    if attempts >= max_retries:
        sentence = message.rstrip(". ") or type(error).__name__
        hint = "Run Process DLQ to try again." if job.key.is_undo else "Edit the scene or run Process DLQ to try again."
        return Settlement.dead(job, "retries_exhausted", f"{sentence}. {hint}", attempts=attempts)
    later = Settlement.later(job, now + _delay(error, attempts, rng, delays), message)
    if isinstance(error, ItemGone) and attempts == 1:
        return replace(later, priority=job.priority)  # no culprit: its next item is read together with others
    return later


def _delay(error: Exception, attempts: int, rng: random.Random, delays: Delays) -> float:
    """Return the seconds until the next attempt: at least what Plex asked for in ``Retry-After``."""
    first_gone = isinstance(error, ItemGone) and attempts == 1  # matched again, it may find another item at once
    delay = 0.0 if first_gone else backoff(attempts, rng, delays)
    if isinstance(error, PlexBusy) and error.retry_after:
        delay = max(delay, min(error.retry_after, max(delays.cap, 1.0)))
    return delay


def backoff(attempts: int, rng: random.Random, delays: Delays) -> float:
    """Return a delay in seconds with full jitter: uniform in 0 .. ``min(cap, base * 2**(attempts - 1))``."""
    top = min(delays.cap, delays.base * 2.0 ** min(attempts - 1, MAX_DOUBLINGS))
    return rng.uniform(0.0, top)


def await_listing(job: Job, message: str, now: float) -> Settlement:
    """Return what becomes of a job while a library cannot be listed: it waits, on no account for the last time."""
    since = now if job.waiting is None or job.waiting > now else job.waiting
    due = now + min(HOLD, environment.horizon() - 1)
    return Settlement.snooze(job, "waiting", due, message, waiting=since)


def _missing(message: str, job: Job, now: float, rng: random.Random, delays: Delays) -> Settlement:
    """Wait as long again as the job has waited, between base and cap: doubling without a counter.

    Whatever waits about as long becomes due together, as one batch: due times lie on a grid.
    """
    since = now if job.waiting is None or job.waiting > now else job.waiting
    waited = now - since
    if waited >= delays.give_up and (job.waiting is not None or delays.give_up == 0):
        return Settlement.dead(job, "not_in_plex", message)
    delay = min(delays.missing_cap, max(delays.missing_base, waited))
    return Settlement.snooze(job, "waiting", _on_grid(now + delay, delay), message, waiting=since)


def _on_grid(at: float, delay: float) -> float:
    """Return the last moment up to ``at`` of a grid whose step, a power of two, is at most a quarter of ``delay``."""
    if delay <= 0:
        return at
    step = 2.0 ** math.floor(math.log2(delay / 4))
    return math.floor(at / step) * step
