"""Why nothing is sent for now, and until when. A value; ``meta.py`` stores it, and the lock's holder alone writes it.

Idle worker, status and tasks read it, so it needs the standard library alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from plexsync.state.breaker import THRESHOLD, Breaker, failed

#: What pauses: Plex unreachable, Stash unreachable, something for the user to put right, this machine, or ``dryRun``
#: with edits held back.
PLEX, STASH, SETUP, LOCAL, DRY = "plex", "stash", "setup", "local", "dry"

#: Seconds after which work is tried again after a fault of this machine (a full disk, say) or an internal error.
LOCAL_INTERVAL = 60.0

#: Kinds that an edit may end: whoever saves has Stash, and perhaps the settings, at hand.
ENDED_BY_EDITS = (STASH, SETUP)

#: What is stored, beside the breaker.
_STORED = ("kind", "until", "problem", "interval", "edits", "settings", "section", "tagging", "settings_check_at")


class Pause:
    """A pause of one ``kind``. ``problem``: the user's sentence, or ``""``.

    ``until``: when to probe again, ``interval``: seconds between probes; while Plex is unreachable (``PLEX``) both are
    the ``breaker``'s, which no other kind has. ``edits``: the counter of edits when the pause began. ``settings``:
    digest of what Stash had saved. ``section``: the library that a probe reads. ``tagging``: edits are read all the
    same, to be tagged in Stash. ``settings_check_at``: next time to re-read only the settings; 0: never.
    """

    __slots__ = ("_interval", "_until", "breaker", *_STORED[4:], "kind", "problem")

    def __init__(
        self,
        kind: str,
        until: float = 0.0,
        problem: str = "",
        *,
        interval: float = 60.0,
        breaker: Breaker | None = None,
        edits: float = 0.0,
        settings: str = "",
        section: int | None = None,
        tagging: bool = False,
        settings_check_at: float = 0.0,
    ) -> None:
        self.kind = kind
        self.problem = problem
        self._until = until
        self._interval = interval
        self.breaker = breaker or Breaker(THRESHOLD, until - interval, until, interval)
        self.edits = edits
        self.settings = settings
        self.section = section
        self.tagging = tagging
        self.settings_check_at = settings_check_at

    @property
    def until(self) -> float:
        """When to probe again, seconds since the epoch."""
        return self.breaker.retry_at if self.kind == PLEX else self._until

    @until.setter
    def until(self, at: float) -> None:
        if self.kind == PLEX:
            self.breaker = self.breaker._replace(retry_at=at)
        else:
            self._until = at

    @property
    def interval(self) -> float:
        """Seconds between two probes."""
        return self.breaker.reset if self.kind == PLEX else self._interval

    @property
    def is_ended_by_edits(self) -> bool:
        """Whether an edit ends the pause."""
        return self.tagging or self.kind in ENDED_BY_EDITS

    def prolong(self, now: float, reset: float, cap: float, *, plex_failed: bool = False) -> None:
        """Move the pause on after a probe that found nothing; ``reset`` and ``cap``: the breaker's, in seconds.

        The breaker counts and doubles where Plex itself failed, an unreachable Stash is asked ever less often, and
        everything else at the same interval.
        """
        if self.kind == PLEX and plex_failed:
            self.breaker = failed(self.breaker, now, reset, cap, at_once=True)
            self.check_settings_within(reset, now)
            return
        if self.kind == STASH:
            self._interval = min(cap, max(self._interval, reset) * 2)
        self.until = now + self.interval

    def check_settings_within(self, seconds: float, now: float) -> None:
        """Have the settings re-read in so many seconds where the next probe is further off: they may name the fault."""
        self.settings_check_at = now + seconds if self.interval > seconds else 0.0

    def as_json(self) -> dict[str, Any]:
        """Return what is stored."""
        return {name: getattr(self, name) for name in _STORED}

    @classmethod
    def from_json(cls, raw: Mapping[str, Any], breaker: Breaker) -> Pause:
        """Return the pause that ``as_json`` made, with the breaker as it is now."""
        rest = {name: raw[name] for name in _STORED[3:] if name in raw}
        return cls(
            str(raw.get("kind")), float(raw.get("until") or 0), str(raw.get("problem") or ""), breaker=breaker, **rest
        )
