"""How PlexSync is, in one sentence with what to do: the first of ``STATES`` that holds. Pure.

``status.py`` has the numbers; this module words what they mean for the user.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from plexsync.model.settings import NO_TOKEN, display_name
from plexsync.state.breaker import Breaker
from plexsync.state.pause import DRY, LOCAL, PLEX, SETUP, STASH, Pause
from plexsync.status import DOCTOR_LEFT, PUT_BACK, counted

#: The states, the most urgent first.
STATES = ("setup", "problem", "away", "attention", "busy", "waiting", "ok")

_SETTINGS = "Settings > Plugins > PlexSync"
_CONNECTION = f'"{display_name("plexUrl")}" and "{display_name("plexToken")}"'
_NEVER = "PlexSync has not connected to Plex yet."


class Health(NamedTuple):
    """One of ``STATES``, a sentence for the user, and what to do, ``""`` for nothing."""

    state: str
    sentence: str
    what_to_do: str = ""


class Facts(NamedTuple):
    """What decides. ``status``: the status object. ``connected``: Plex was reached once.

    ``written_at``: when an item was last written, None for never. ``now``, ``written_at``: seconds since the epoch.
    """

    status: Mapping[str, Any]
    pause: Pause | None
    breaker: Breaker
    connected: bool
    written_at: float | None
    now: float

    @property
    def kind(self) -> str:
        """The kind of the pause, ``""`` without one."""
        return self.pause.kind if self.pause is not None else ""

    @property
    def is_away(self) -> bool:
        """True while Plex counts as unreachable."""
        return self.breaker.is_open or self.kind == PLEX

    def jobs(self, name: str) -> int:
        """Return a number of ``queue`` in the status object."""
        return int(self.status["queue"][name])


def judge(facts: Facts) -> Health:
    """Return the health: the first state that holds."""
    found = (check(facts) for check in _CHECKS)
    return next(health for health in found if health is not None)


def _setup(facts: Facts) -> Health | None:
    problem, pause = facts.status["problem"], facts.pause
    if problem == NO_TOKEN:  # its sentence leads to another page; the checklist is on this one
        sentence = "PlexSync has no Plex token any more." if facts.connected else _NEVER
        return Health("setup", sentence, f"Enter {_CONNECTION} below.")
    if pause is not None and pause.kind == SETUP and pause.is_connection:
        return Health("setup", problem or pause.problem, f"Correct {_CONNECTION} below. They are tried at once.")
    if facts.connected:
        return None
    if problem:
        return Health("setup", problem, f"Correct this first, then enter {_CONNECTION} below.")
    if facts.is_away:
        sentence = f"PlexSync has not reached Plex yet. {_next_attempt(facts)}"
        return Health("setup", sentence, f"See that Plex runs, and correct {_CONNECTION} below.")
    return Health("setup", _NEVER, f"Enter {_CONNECTION} below.")


def _problem(facts: Facts) -> Health | None:
    problem = facts.status["problem"]
    if problem:
        return Health("problem", problem, _ABOUT.get(facts.kind, _BY_ITSELF))
    if facts.kind == STASH:
        sentence = "PlexSync is paused: Stash does not answer its background worker. Edits stay queued."
        return Health("problem", sentence, _ABOUT[STASH])
    return Health("problem", DOCTOR_LEFT, PUT_BACK) if facts.status["doctor_left"] else None


#: Kind of the pause -> what to do about the problem, beside what its sentence says.
_ABOUT = {
    SETUP: f"Correct it in {_SETTINGS}, or install what is missing. PlexSync looks again at once when you open this"
    " page, and by itself every minute.",
    STASH: "Save any scene, or open this page again: that renews the login. PlexSync tries again by itself, too.",
    LOCAL: "PlexSync tries again every minute. If it stays so, send a bug report.",
}
_BY_ITSELF = "PlexSync tries again by itself, and no edit is lost."


def _away(facts: Facts) -> Health | None:
    if not facts.is_away:
        return None
    opened_at = facts.breaker.opened_at
    since = f" for {duration(facts.now - opened_at)}" if opened_at is not None else ""
    left = facts.jobs("pending") + facts.jobs("in_progress")
    held = f" {counted(left, 'job')} {'waits' if left == 1 else 'wait'} for it." if left else ""
    sentence = f"Plex has been unreachable{since}. {_next_attempt(facts)}{held} No edit is lost."
    return Health("away", sentence, "See that Plex runs, and that Stash's machine can reach it. The rest is automatic.")


def _next_attempt(facts: Facts) -> str:
    left = (facts.breaker.retry_at if facts.breaker.is_open else facts.pause.until if facts.pause else 0) - facts.now
    return f"Next attempt in {duration(left)}." if left >= 1 else "The next attempt is due now."


def _attention(facts: Facts) -> Health | None:
    dead = facts.jobs("dead")
    if not dead:
        return None
    them = "it" if dead == 1 else "them"
    sentence = f"{counted(dead, 'job')} {'needs' if dead == 1 else 'need'} you: PlexSync cannot finish {them} alone."
    return Health(
        "attention", sentence, "Choose an item for each; or correct what its reason says and retry; or discard it."
    )


def _busy(facts: Facts) -> Health | None:
    left = facts.jobs("pending") + facts.jobs("in_progress")
    if not left:
        return None
    if facts.kind == DRY:
        switch = display_name("dryRun")
        sentence = f'"{switch}" is on: {counted(left, "change")} {"is" if left == 1 else "are"} held back.'
        return Health("busy", sentence, f'Turn "{switch}" off in {_SETTINGS} to have Plex updated.')
    if not facts.status["worker"]["running"]:
        sentence = (
            f"{counted(left, 'job')} {'is' if left == 1 else 'are'} left, and the background worker does not run."
        )
        return Health("busy", sentence, "Open this page again, or save any scene: that starts it.")
    return Health("busy", f"Syncing: {counted(left, 'job')} left.")


def _waiting(facts: Facts) -> Health | None:
    waiting = facts.jobs("waiting")
    if not waiting:
        return None
    verb = "waits" if waiting == 1 else "wait"
    sentence = f"{counted(waiting, 'scene')} {verb} for Plex to have the file. Nothing else is left to do."
    return Health("waiting", sentence, "See that Plex's library holds the folder, and scan it in Plex.")


def _ok(facts: Facts) -> Health:
    if facts.written_at is not None:
        ago = duration(facts.now - facts.written_at)
        return Health("ok", f"Every edit has reached Plex. The last change was written {ago} ago.")
    totals = facts.status["totals"]
    if totals["synced"] or totals["unchanged"]:
        return Health("ok", "Nothing is left to do: every edit has reached Plex.")
    return Health("ok", "PlexSync is connected to Plex. Nothing was synced yet.", "Edit a scene, or press Sync all.")


_CHECKS: tuple[Callable[[Facts], Health | None], ...] = (_setup, _problem, _away, _attention, _busy, _waiting, _ok)


def duration(seconds: float) -> str:
    """Return a duration in words, ``5 minutes``; a negative one counts as none."""
    whole = max(0, int(seconds))
    for size, unit in ((86400, "day"), (3600, "hour"), (60, "minute")):
        if whole >= size:
            return counted(whole // size, unit)
    return counted(whole, "second")
