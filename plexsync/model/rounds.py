"""How often PlexSync tagged one scene lately, and when it holds off because something else keeps undoing it. Pure."""

from __future__ import annotations

from typing import NamedTuple

#: So many taggings of one scene within so many seconds are a struggle with another plugin, not edits by a person.
MOST, WINDOW = 10, 600.0
#: Seconds for which the scene is then left alone: doubled each time that it had to be tagged again, up to a day.
HOLD, LONGEST = 300.0, 86400.0


class Rounds(NamedTuple):
    """``times`` taggings since the time ``since``; held off until ``until``, for ``hold`` seconds (0: never so far)."""

    times: int = 0
    since: float = 0.0
    until: float = 0.0
    hold: float = 0.0

    def is_held(self, now: float) -> bool:
        """Return whether the scene is left alone at ``now``; a hold that a wrong clock began is over."""
        return 0 < self.until - now <= self.hold

    def tagged(self, now: float) -> Rounds:
        """Return the rounds after one more tagging. After a day without any, everything begins anew."""
        if self.hold and 0 <= now - self.until < LONGEST:
            hold = min(LONGEST, self.hold * 2)
            return Rounds(self.times + 1, self.since, now + hold, hold)
        if self.hold or not 0 <= now - self.since < WINDOW:
            return Rounds(1, now)
        hold = HOLD if self.times + 1 >= MOST else 0.0
        return Rounds(self.times + 1, self.since, now + hold if hold else 0.0, hold)

    def as_text(self) -> str:
        """Return the stored form."""
        return " ".join(map(repr, self))

    @classmethod
    def from_text(cls, text: str) -> Rounds:
        """Return the rounds from their stored form."""
        times, since, until, hold = text.split()
        return cls(int(times), float(since), float(until), float(hold))
