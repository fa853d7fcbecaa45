"""A pause: why nothing is sent to Plex, and until when. ``meta.py`` stores it; only the lock's holder writes it.

The idle worker, status and tasks read it, so it needs only the standard library.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from plexsync.state.breaker import THRESHOLD, Breaker, failed

#: Kinds of pause: Plex unreachable, Stash unreachable, a setup that the user must fix, an error on this machine, or
#: ``dryRun`` holding edits back.
PLEX, STASH, SETUP, LOCAL, DRY = "plex", "stash", "setup", "local", "dry"

#: Seconds between two attempts after an error on this machine (a full disk, say) or an internal error.
LOCAL_INTERVAL = 60.0

#: Kinds that an edit may end: whoever edits uses Stash right now, and may have fixed the login or the settings.
ENDED_BY_EDITS = (STASH, SETUP)

#: Seconds between two looks at the settings in the first ``SOON`` seconds of a problem, and later. With the start of a
#: probe, what the user corrects is noticed within 5 s.
SETTINGS_SOON, SETTINGS_LATER, SOON = 4.5, 60.0, 600.0

#: Seconds between two looks that edits, tasks or pages ask for: hundreds of them are no storm of requests.
LOOK_INTERVAL = 3.0

#: The stored attributes; the breaker is stored separately.
_STORED = (
    *("kind", "until", "problem", "interval", "edits", "settings", "section", "tagging", "settings_check_at"),
    *("began", "looked_at", "is_connection"),
)


def cause(problem: str) -> str:
    """Return the sentence about a problem without that PlexSync is paused, and without a full stop."""
    words = problem.removeprefix("PlexSync is paused: ").rstrip(".")
    return words[:1].upper() + words[1:]


class Pause:
    """A pause of one ``kind``. ``problem``: the sentence for the user, or ``""``.

    ``until``: when to probe again; ``interval``: seconds between probes. While Plex is unreachable (``PLEX``) both come
    from the ``breaker``, which no other kind has. ``edits``: the queue's counter of edits when the pause began.
    ``settings``: digest of the settings saved in Stash. ``section``: the library that a probe reads. ``tagging``:
    edited scenes are still read, to be tagged in Stash. ``settings_check_at``: next time to re-read only the settings;
    0: never. ``began``: when this problem began; ``looked_at``: when it was last looked at. ``is_connection``: Plex's
    address or token has to be corrected. Times are seconds since the epoch.
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
        began: float = 0.0,
        looked_at: float = 0.0,
        is_connection: bool = False,
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
        self.began = began
        self.looked_at = looked_at
        self.is_connection = is_connection

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
        """True if an edit ends the pause."""
        return self.tagging or self.kind in ENDED_BY_EDITS

    def continues(self, before: Pause | None, now: float) -> None:
        """Take over from ``before`` if this is the same problem: when it began, and no later probe than was planned."""
        self.began = self.looked_at = now
        if before is None or (before.kind, before.problem) != (self.kind, self.problem):
            return
        self.began = min(before.began, now)
        if now < before.until <= now + before.interval and self.kind != PLEX:
            self.until = min(self.until, before.until)

    def is_early(self, now: float) -> bool:
        """Return whether the next probe is still to come. A wrong clock set one further off than the interval."""
        return now < self.until <= now + self.interval

    def next_look(self, now: float) -> float:
        """Return when an edit, a task or a page may have this looked at before its time: ``now`` or later."""
        at = self.looked_at + min(LOOK_INTERVAL, self.interval)
        return at if self.looked_at <= now < at else now

    def prolong(self, now: float, reset: float, cap: float, *, plex_failed: bool = False) -> None:
        """Set the next probe after one that found no reason to resume.

        ``reset``, ``cap``: the breaker's first and longest interval, in seconds. If Plex itself failed, the breaker
        counts it; an unreachable Stash is asked ever less often; everything else keeps its interval. A probe before its
        time, which somebody asked for, changes nothing about the next one.
        """
        self.looked_at = now
        if self.kind == PLEX and plex_failed:
            self.breaker = failed(self.breaker, now, reset, cap, at_once=True)
        elif not self.is_early(now):
            if self.kind == STASH:
                self._interval = min(cap, max(self._interval, reset) * 2)
            self.until = now + self.interval

    def plan_settings_check(self, now: float) -> None:
        """Have the settings re-read soon where the user may correct them, unless the next probe comes before."""
        self.settings_check_at = 0.0
        if self.kind in (PLEX, SETUP) and self.settings:
            wait = SETTINGS_SOON if 0 <= now - self.began < SOON else SETTINGS_LATER
            if now + wait < self.until:
                self.settings_check_at = now + wait

    def as_json(self) -> dict[str, Any]:
        """Return the stored form."""
        return {name: getattr(self, name) for name in _STORED}

    @classmethod
    def from_json(cls, raw: Mapping[str, Any], breaker: Breaker) -> Pause:
        """Return the pause from its stored form, with the breaker as stored now."""
        rest = {name: raw[name] for name in _STORED[3:] if name in raw}
        return cls(
            str(raw.get("kind")), float(raw.get("until") or 0), str(raw.get("problem") or ""), breaker=breaker, **rest
        )
