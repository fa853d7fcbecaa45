"""The gates: which kinds of request Plex takes at present, and when the next one of a paused kind is tried. Pure.

A kind is ``read`` (items in full), ``edit``, ``upload`` (an image) or ``list:<section key>`` (a library's files). Each
pauses and resumes apart from the others; ``meta.py`` stores them across restarts. Standard library alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

READ, EDIT, UPLOAD, LIST = "read", "edit", "upload", "list:"

#: Seconds of a kind's first pause: short enough for a hiccup. The next ones are the breaker's.
FIRST_PAUSE = 5.0
#: Failed requests in a row from which on ``problem`` names the kind; a library at once, as its next trial takes longer.
TOLD_FROM = 2


class Gate(NamedTuple):
    """One kind of request. Times are seconds since the epoch.

    ``failures``: requests that failed since the last success. ``succeeded_at``: the last success. ``paused_at``: None
    while requests pass. ``retry_at``: when the next trial is due; ``reset``: the last interval in seconds.
    ``trial``: the row of the last trial, 0 for none. ``stalled``: requests were not answered in time, so not even an
    edit by hand passes. ``why``: the status or a short reason. ``title``: of the library, for ``list``.
    """

    failures: int = 0
    succeeded_at: float = 0.0
    paused_at: float | None = None
    retry_at: float = 0.0
    reset: float = 0.0
    trial: int = 0
    stalled: bool = False
    why: str = ""
    title: str = ""

    @property
    def is_paused(self) -> bool:
        """True while only trials, and edits by hand that were not tried yet, may pass."""
        return self.paused_at is not None

    def is_told(self, kind: str) -> bool:
        """Return whether the user is told of the pause."""
        return self.is_paused and (kind.startswith(LIST) or self.failures >= TOLD_FROM)

    def is_trial_due(self, now: float, cap: float) -> bool:
        """Return whether a trial is due; so is one further off than ``cap``: a wrong clock set it."""
        return self.is_paused and (now >= self.retry_at or self.retry_at - now > cap + FIRST_PAUSE)


def paused(gate: Gate, now: float, reset: float, cap: float, *, failures: int, why: str, stalled: bool = False) -> Gate:
    """Return the gate after ``failures`` requests that no success disproved: paused, each time for twice as long.

    ``reset``, ``cap``: the breaker's first and longest interval, in seconds.
    """
    if not gate.is_paused:
        interval = min(FIRST_PAUSE, reset)
    else:
        interval = min(cap, reset if gate.reset < reset else gate.reset * 2)
    return gate._replace(
        failures=gate.failures + failures,
        paused_at=now if gate.paused_at is None else gate.paused_at,
        retry_at=now + interval,
        reset=interval,
        stalled=stalled,
        why=why,
    )


def succeeded(gate: Gate, now: float) -> Gate:
    """Return the gate after a request that Plex took."""
    return Gate(succeeded_at=now)


def problem(gates: Mapping[str, Gate]) -> str:
    """Return the sentence about the most important paused kind, or ``""``."""
    told = {kind: gate for kind, gate in gates.items() if gate.is_told(kind)}
    for kind in (EDIT, READ, *sorted(kind for kind in told if kind.startswith(LIST)), UPLOAD):
        if kind in told:
            return sentence(kind, told[kind])
    return ""


def sentence(kind: str, gate: Gate) -> str:
    """Return what is wrong with a paused kind, what it means, and what to do."""
    if kind == EDIT:
        return (
            f"Plex refuses every edit ({gate.why}), though it answers. Edits stay queued and are tried again by"
            " themselves. See Plex's log, and restart Plex if it stays so."
        )
    if kind == READ:
        return (
            f"Plex cannot show its items in full ({gate.why}), though it answers. Edits stay queued and are tried"
            " again by themselves. See Plex's log, and restart Plex if it stays so."
        )
    if kind == UPLOAD:
        return f"Plex refuses every image ({gate.why}): {_image_hint(gate.why)} Other fields are synced meanwhile."
    return (
        f'Plex cannot list the library "{gate.title}" ({gate.why}). Scenes that may be in it wait, unless their path'
        " is known; the other libraries are synced. Open it in Plex, and see Plex's log."
    )


def _image_hint(why: str) -> str:
    if why == "413":
        return "a proxy in front of Plex limits the size of a request. Raise its limit (nginx: client_max_body_size)."
    if why in ("401", "403"):
        return "a proxy or firewall in front of Plex may refuse uploads. Let POST requests pass."
    if not why.isdigit():
        return "it may be too slow or its disk too full for them. See Plex's log, and restart Plex if it stays so."
    return "the disk or folder of its metadata may be full or not writable. Free space, or correct its permissions."
