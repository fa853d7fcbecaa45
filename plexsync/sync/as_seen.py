"""Keep and compare how written items look in Plex: what a batch read back, and the pictures that Plex lost.

Writes to ``state.db`` alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from plexsync.model.errors import ItemGone, PlexBusy, Rejected
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
    """Return the records of these items, with a picture as unknown that Plex no longer shows.

    With ``keep_plex_edits``, one that a person chose instead is that person's.
    """
    before = planner.state.plex.readbacks(planner.machine, records)
    return {
        key: _seen(planner, items[key], record, before[key].shown) if key in before else record
        for key, record in records.items()
    }


def lost_pictures(planner: Planner, item: Item, record: Record, before: str) -> dict[Element, str]:
    """Return the pictures uploaded to an item that it does not show any more: element -> what it shows instead.

    ``before``: what the item showed, see ``readback``. Plex is asked only where the picture's address changed.
    """
    uploads, skip = covers.uploads(record), planner.settings.skip
    switches: dict[Element, str] = {"posters": "poster", "arts": "background"}
    lost: dict[Element, str] = {}
    for element in readback.pictures(before, item):
        sha1 = uploads.get(element)
        if not sha1 or switches[element] in skip:
            continue
        try:
            instead = planner.client.shown_instead(item.rating_key, element, sha1)
        except (PlexBusy, Rejected, ItemGone):
            continue  # the fields do not wait for a picture
        if instead is not None:
            lost[element] = instead
    return lost


def _seen(planner: Planner, item: Item, record: Record, before: str) -> Record:
    lost = lost_pictures(planner, item, record, before)
    if not lost:
        return record
    uploads = covers.uploads(record)
    for element, instead in lost.items():
        if instead and planner.settings.keep_plex_edits:
            del uploads[element]
        else:
            uploads[element] = ""
    return replace(record, cover=covers.text(uploads), cover_stamp="")
