"""The circuit breaker: when to ask an unreachable Plex again. Pure; ``meta.py`` stores it across restarts."""

from __future__ import annotations

from typing import NamedTuple

#: Consecutive failures (``PlexUnavailable``) at which it opens.
THRESHOLD = 5

#: Seconds to wait after each failure before it opens: short enough for a hiccup, and never a request storm.
FIRST_PAUSES = (0.5, 1.0, 2.0, 4.0)


class Breaker(NamedTuple):
    """The breaker's state. Times are seconds since the epoch.

    ``failures``: consecutive ones. ``opened_at``: None while closed. ``retry_at``: no request before it. ``reset``: the
    last interval in seconds; kept after a successful probe, until a real success follows, and so is ``planned``: when
    the next probe was due at the time of that probe.
    """

    failures: int = 0
    opened_at: float | None = None
    retry_at: float = 0.0
    reset: float = 0.0
    planned: float = 0.0

    def state(self, now: float) -> str:
        """Return ``closed``, ``open``, or ``half_open`` once a probe is due."""
        if self.opened_at is None:
            return "closed"
        return "open" if now < self.retry_at else "half_open"

    @property
    def is_open(self) -> bool:
        """True while Plex counts as unreachable: only a probe may pass."""
        return self.opened_at is not None

    def wait(self, now: float, cap: float) -> float:
        """Return the seconds until Plex may be asked again; 0 if further off than ``cap``: a wrong clock set it."""
        return _left(self.retry_at, now, cap)


def failed(breaker: Breaker, now: float, reset: float, cap: float, *, at_once: bool = False) -> Breaker:
    """Return the breaker after one more failure at ``now``; ``reset``, ``cap``: first and longest interval, seconds.

    Once open, the interval doubles with each probe that came due. One that somebody asked for before that time leaves
    the next probe as it was planned. ``at_once`` opens it whatever the count: enough different items failed in a row.
    """
    failures = breaker.failures + 1
    if failures < THRESHOLD and not breaker.is_open and not at_once:
        return breaker._replace(failures=failures, retry_at=now + min(FIRST_PAUSES[failures - 1], reset))
    opened_at = now if breaker.opened_at is None else breaker.opened_at
    planned = breaker.retry_at if breaker.is_open else breaker.planned
    if breaker.reset > 0 and _left(planned, now, cap):
        return Breaker(failures, opened_at, planned, breaker.reset)
    interval = min(cap, breaker.reset * 2 if breaker.reset > 0 else reset)
    return Breaker(failures, opened_at, now + interval, interval)


def _left(at: float, now: float, cap: float) -> float:
    """Return the seconds until ``at``; 0 if it is further off than ``cap``: a wrong clock set it."""
    left = at - now
    return 0.0 if left <= 0 or left > max(cap, FIRST_PAUSES[-1]) + 1 else left


def probed(breaker: Breaker) -> Breaker:
    """Return the breaker after a successful probe: closed, but the next interval still doubles.

    Plex may answer a small read while every write fails; only a real success resets the interval.
    """
    return Breaker(reset=breaker.reset, planned=breaker.retry_at if breaker.is_open else breaker.planned)


def succeeded() -> Breaker:
    """Return the breaker after a real success; a 404 or 400 for an item is a success too: Plex is alive."""
    return Breaker()
