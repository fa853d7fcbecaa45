"""The breaker: how long an unreachable Plex is left alone. Pure; ``meta.py`` stores it, so it survives a restart."""

from __future__ import annotations

from typing import NamedTuple

#: Consecutive ``PlexUnavailable`` after which it opens.
THRESHOLD = 5

#: Seconds to wait after each failure before it opens: quick enough for a blip, and never a storm.
FIRST_PAUSES = (0.5, 1.0, 2.0, 4.0)


class Breaker(NamedTuple):
    """``failures``: consecutive ones. ``opened_at``: None while closed. ``retry_at``: no request before it.

    ``reset``: the last interval, seconds; kept after a probe that succeeded, until a real success follows.
    """

    failures: int = 0
    opened_at: float | None = None
    retry_at: float = 0.0
    reset: float = 0.0

    def state(self, now: float) -> str:
        """Return ``closed``, ``open``, or ``half_open`` once a probe is due."""
        if self.opened_at is None:
            return "closed"
        return "open" if now < self.retry_at else "half_open"

    @property
    def is_open(self) -> bool:
        """Whether Plex counts as unreachable: only a probe may pass."""
        return self.opened_at is not None

    def wait(self, now: float, cap: float) -> float:
        """Return the seconds until Plex may be asked again; a time further off than ``cap`` was a wrong clock's."""
        left = self.retry_at - now
        return 0.0 if left <= 0 or left > max(cap, FIRST_PAUSES[-1]) + 1 else left


def failed(breaker: Breaker, now: float, reset: float, cap: float, *, at_once: bool = False) -> Breaker:
    """Return the breaker after one more failure: ``reset`` seconds once it opens, then doubling to ``cap``.

    ``at_once`` opens it whatever the count: so many different items failed in a row that Plex as a whole is
    unreachable.
    """
    failures = breaker.failures + 1
    if failures < THRESHOLD and not breaker.is_open and not at_once:
        return breaker._replace(failures=failures, retry_at=now + min(FIRST_PAUSES[failures - 1], reset))
    interval = min(cap, breaker.reset * 2 if breaker.reset > 0 else reset)
    return Breaker(failures, now if breaker.opened_at is None else breaker.opened_at, now + interval, interval)


def probed(breaker: Breaker) -> Breaker:
    """Return the breaker after a probe that succeeded: closed, but the interval goes on doubling until a success.

    Plex may answer a small read while every write fails.
    """
    return Breaker(reset=breaker.reset)


def succeeded() -> Breaker:
    """Return the breaker after a real success; a 404 and a 400 on an item are such signs of life too."""
    return Breaker()
