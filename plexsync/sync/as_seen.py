"""Keep and compare how written items look in Plex: what a batch read back, and the pictures that Plex lost.

Writes to ``state.db`` alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from plexsync.model.errors import ItemGone, PlexBusy, PlexUnavailable, Refused, Rejected
from plexsync.model.item import Item
from plexsync.plex.client import Element
from plexsync.state.ledger import Record
from plexsync.state.plex_side import MOVED, Readback
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
    except (PlexBusy, Refused, PlexUnavailable):
        pass  # then the items are compared once more when they are listed
    planner.state.plex.note(
        planner.machine,
        [
            Readback(key, item.updated, at, readback.shown(item, done[key].target.desired.values))
            for key, (item, at) in items.items()
        ],
    )


def seen_pictures(planner: Planner, items: Mapping[int, Item], records: Mapping[int, Record]) -> dict[int, Record]:
    """Return the records of these items, such that Plex is asked for the pictures of those that changed."""
    before = planner.state.plex.readbacks(planner.machine, records)
    return {
        key: covers.look_again(record, _in_doubt(items[key], record, earlier))
        if (earlier := before.get(key)) is not None
        else record
        for key, record in records.items()
    }


def lost_pictures(planner: Planner, item: Item, record: Record, before: Readback, *, by_address: bool) -> list[Element]:
    """Return the pictures that were uploaded to an item and that it does not show.

    ``by_address``: ask Plex only where the picture's address changed since ``before``.
    """
    changed = readback.pictures(before.shown, item) if by_address else tuple(readback.PICTURES)
    return [
        element
        for element in _uploaded(record, changed)
        if not _is_shown(planner, item.rating_key, element, covers.images(record)[element].newest)
    ]


def _in_doubt(item: Item, record: Record, before: Readback) -> list[Element]:
    """Return the pictures whose address changed, or all of an item that changed, as far as PlexSync uploaded them."""
    if not before.shown:
        return []
    has_changed = before.suspect == MOVED or 0 < before.updated != item.updated > 0
    return _uploaded(record, tuple(readback.PICTURES) if has_changed else readback.pictures(before.shown, item))


def _uploaded(record: Record, elements: Sequence[Element]) -> list[Element]:
    """Return those of the pictures that PlexSync uploaded, if no person chose another."""
    known = covers.images(record)
    return [one for one in elements if one in known and known[one].uploads and known[one].mark != covers.CHOSEN]


def _is_shown(planner: Planner, rating_key: int, element: Element, sha1: str) -> bool:
    try:
        return planner.client.has_image(rating_key, element, sha1)
    except (PlexBusy, Refused, Rejected, ItemGone):
        return True  # the fields do not wait for a picture
