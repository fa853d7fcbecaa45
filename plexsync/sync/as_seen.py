"""Keep and compare how written items look in Plex: what a batch read back, and the pictures that Plex lost.

Writes to ``state.db`` alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from plexsync.model.errors import PlexBusy
from plexsync.model.item import Item
from plexsync.plex.client import Element
from plexsync.state.ledger import Record
from plexsync.state.plex_side import Readback
from plexsync.sync import covers, readback
from plexsync.sync.planner import Planner
from plexsync.sync.work import Work


def note_readbacks(planner: Planner, works: Sequence[Work], planned_at: int) -> None:
    """Store how the items of these works are, as far as they ended well.

    ``planned_at``: Plex's time when they were read for the plan, in seconds since the epoch.
    """
    done = {work.record.rating_key: work for work in works if work.ended and work.error is None}
    items = {key: (work.after or work.target.item, work.after_at or planned_at) for key, work in done.items()}
    uploaded = [key for key, work in done.items() if work.uploaded]
    try:
        latest = planner.client.items(uploaded)
        items |= {key: (item, planner.plex_time()) for key, item in latest.items()}
    except PlexBusy:
        pass  # then the items are compared once more when they are listed
    planner.state.plex.note(
        planner.machine,
        [
            Readback(key, item.updated, at, readback.shown(item, done[key].target.desired.values))
            for key, (item, at) in items.items()
        ],
    )


def seen_pictures(planner: Planner, items: Mapping[int, Item], records: Mapping[int, Record]) -> dict[int, Record]:
    """Return the records of these items; of a picture whose address changed it is unknown whether it is ours."""
    before = planner.state.plex.readbacks(planner.machine, records)
    return {
        key: covers.look_again(record, readback.pictures(before[key].shown, items[key])) if key in before else record
        for key, record in records.items()
    }


def lost_pictures(planner: Planner, item: Item, record: Record, before: str) -> bool:
    """Return whether the item shows another picture than the one uploaded to it.

    ``before``: what the item showed, see ``readback``. Plex is asked only where the picture's address changed.
    """
    switches: dict[Element, str] = {"posters": "poster", "arts": "background"}
    changed = (one for one in readback.pictures(before, item) if switches[one] not in planner.settings.skip)
    return any(covers.is_lost(record, element, planner.look(item)) for element in changed)
