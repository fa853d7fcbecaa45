"""The breaker: how long an absent Plex is left alone. Pure; persisted by ``state.py`` so that it survives a restart."""

from __future__ import annotations

from dataclasses import dataclass, replace

#: Consecutive ``PlexUnavailable`` after which it opens.
THRESHOLD = 5

#: Seconds to wait after each failure before it opens: quick enough for a blip, and never a storm.
FIRST_PAUSES = (0.5, 1.0, 2.0, 4.0)


@dataclass(frozen=True, slots=True)
class Breaker:
    """``failures``: consecutive ones. ``retry_at``: no request before it. ``reset``: the current interval, seconds."""

    failures: int = 0
    opened_at: float | None = None
    retry_at: float = 0.0
    reset: float = 0.0

    def state(self, now: float) -> str:
        """``closed``, ``open``, or ``half_open`` once a probe is due."""
        if self.opened_at is None:
            return "closed"
        return "open" if now < self.retry_at else "half_open"

    @property
    def is_open(self) -> bool:
        """Whether Plex counts as away: only a probe may pass."""
        return self.opened_at is not None

    def wait(self, now: float, cap: float) -> float:
        """Seconds until Plex may be asked again; a time further off than ``cap`` was set by a wrong clock."""
        left = self.retry_at - now
        return 0.0 if left <= 0 or left > max(cap, FIRST_PAUSES[-1]) + 1 else left


def failed(breaker: Breaker, now: float, reset: float, cap: float) -> Breaker:
    """The breaker after one more failure: ``reset`` seconds once it opens, then doubling to ``cap``."""
    failures = breaker.failures + 1
    if failures < THRESHOLD and not breaker.is_open:
        return replace(breaker, failures=failures, retry_at=now + min(FIRST_PAUSES[failures - 1], reset))
    interval = min(cap, breaker.reset * 2) if breaker.is_open else reset
    return Breaker(failures, breaker.opened_at or now, now + interval, max(interval, reset))


def succeeded() -> Breaker:
    """The breaker after any sign of life; a 404 and a 400 are such signs."""
    return Breaker()
