"""Items that Plex does not name: one answer is no proof, so a second look, after a good probe, must agree.

Deletes nothing. The times of first absences are in ``state.db``.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

from plexsync.model.errors import PlexBusy, Refused
from plexsync.sync.planner import Planner

#: Seconds between the two looks.
LOOK_AGAIN = 2.0
#: Seconds after which an absence counts although the library shows no other item: it may really be empty.
EMPTY = 60.0
#: Seconds after which an absence that was never looked at again counts as the first.
FORGOTTEN = 86400.0


def gone(planner: Planner, absent: Mapping[int, int], present: Collection[int], now: float) -> set[int]:
    """Return which of the ``absent`` items are gone; of the others, the first absence is noted.

    ``absent``: rating key -> section (0: unknown), items that a read did not name. ``present``: items that it named.
    ``now``: seconds since the epoch. Raise ``PlexUnavailable`` if Plex as a whole fails meanwhile.
    """
    side, machine = planner.state.plex, planner.machine
    side.note_present(machine, present)
    if not absent:
        return set()
    first = side.absences(machine, absent)
    stale = {key for key, at in first.items() if not 0 <= now - at < FORGOTTEN}
    side.note_present(machine, stale)
    side.note_absent(machine, absent, now)
    suspects = [key for key, at in first.items() if key not in stale and now - at >= 1]
    if not suspects:
        return set()
    rows = {section: _has_rows(planner, section) for section in {absent[key] for key in suspects}}
    sure = [key for key in suspects if rows[absent[key]] or now - first[key] >= EMPTY]
    try:
        back = planner.client.items(sure)  # alone: a reply may name fewer items than were asked for
    except (PlexBusy, Refused):
        return set()  # these will be looked at again
    if back and present:
        planner.client.read_fewer(len(present))
    side.note_present(machine, back)
    lost = set(sure).difference(back)
    side.forget(machine, lost)
    return lost


def _has_rows(planner: Planner, section: int) -> bool:
    """Return whether the library shows an item. One that cannot be listed shows none, if Plex answers otherwise."""
    known = {one.key for one in planner.sections} - planner.library.unlisted.keys()
    try:
        return planner.client.probe(section if section in known else None)
    except (PlexBusy, Refused):
        planner.probe()
        return False


def look_again(planner: Planner, absent: Collection[int], now: float) -> float:
    """Return when to look again for absent items, in seconds since the epoch: later each time."""
    first = planner.state.plex.absences(planner.machine, absent)
    return now + max(LOOK_AGAIN, *(now - at for at in first.values()), 0.0)
