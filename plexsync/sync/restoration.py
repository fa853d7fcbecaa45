"""What Undo writes back to an item: the fields that still hold what PlexSync wrote, and the locks. Pure.

What Plex had before is in the item's record. Whatever a person changed since then stays.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from plexsync.model.fields import Value, distinct_tags, fingerprint, same_value, tag_key, tags_of
from plexsync.model.item import FIELDS, LIST_FIELDS, Item
from plexsync.model.paths import base_name, slashed
from plexsync.model.written import Change, Written
from plexsync.plex.client import Element
from plexsync.plex.images import Picture
from plexsync.state.ledger import Record
from plexsync.sync import covers
from plexsync.sync.edit import UNLOCKED, EditPlan

#: Why something stays as it is.
BY_A_PERSON, NOT_KEPT, LOST = "changed in Plex since", "not kept by the earlier version", "Plex has it no more"


#: Values of ours, among them the title, by which an item is known that holds another file.
ENOUGH = 2


@dataclass(frozen=True, slots=True)
class Shown:
    """What becomes of one picture. ``name``: the one to show again, ``""`` for none, None to leave what is shown.

    ``lock``: whether it is to be locked, None to leave that too. ``why``: the reason why it stays, or ``""``.
    """

    name: str | None = None
    lock: bool | None = None
    why: str = ""


def is_same_file(record: Record, item: Item) -> bool:
    """Return whether the item still holds the file of its record: by path, or by name and size.

    A record without a path is of a scene that is gone; the scene's file tells its name.
    """
    parts = [part for part in item.parts if not part.optimised]
    if record.path and any(slashed(part.path) == slashed(record.path) for part in parts):
        return True
    name = base_name(record.path or record.stash_path)
    alike = [part for part in parts if name and base_name(part.path) == name]
    if record.size:
        return any(part.size == record.size for part in alike)
    return bool(alike) and not record.path


def shows_ours(record: Record, item: Item) -> bool:
    """Return whether the item shows at least ``ENOUGH`` values that PlexSync wrote, so that it is no other one.

    Plex may have exchanged the files of two items: what was written to each is still there.
    """
    ours = record.written.ours
    shown = [name for name in FIELDS if item.value(name) and fingerprint(name, item.value(name)) in ours.get(name, ())]
    return len(shown) >= ENOUGH and "title" in shown


def plan(item: Item, written: Written) -> EditPlan:
    """Return the edit that puts an item back, without its pictures.

    A text or list that still is what PlexSync wrote becomes what it was before, with the lock that it had. Of a list
    that a person changed since, only the tags that PlexSync added go; if nothing else is in it, it becomes what it was.
    """
    changes: list[Change] = []
    locks: list[str] = []
    unlocks: list[str] = []
    left: list[tuple[str, str]] = []
    for name in FIELDS:
        if name not in written.before or (name == "title" and not written.before[name]):
            left += [(name, NOT_KEPT)] if written.ours.get(name) else []
            continue
        new = _value(name, item, written)
        was_locked, is_locked = name in written.before.get("locked", ()), name in item.locked
        if new is None:
            left.append((name, BY_A_PERSON))
        elif not same_value(name, new, item.value(name)):
            before = same_value(name, new, written.before[name])
            left += [] if before else [(name, BY_A_PERSON)]
            changes.append(Change(name, item.value(name), new, new, lock=was_locked if before else is_locked))
        elif was_locked != is_locked and name not in UNLOCKED:
            (locks if was_locked else unlocks).append(name)
    return EditPlan(tuple(changes), tuple(locks), tuple(left), unlocks=tuple(unlocks), whole=True)


def _value(name: str, item: Item, written: Written) -> Value | None:
    """Return the value that a field is to have, None if a person changed it and all of it stays."""
    now, before = item.value(name), written.before[name]
    if same_value(name, now, before) or fingerprint(name, now) in written.ours.get(name, ()):
        return distinct_tags(tags_of(before)) if name in LIST_FIELDS else before
    if name not in LIST_FIELDS:
        return None
    theirs = {tag_key(tag) for tag in tags_of(before)}
    added = {tag_key(tag) for tag in written.names.get(name, ())} - theirs
    rest = tuple(tag for tag in tags_of(now) if tag_key(tag) not in added)
    if len(rest) == len(now):
        return None
    return rest or tags_of(before)


def elements(record: Record) -> tuple[Element, ...]:
    """Return the images that PlexSync uploaded to, or was about to."""
    known = covers.images(record)
    return tuple(
        element
        for element, lock in covers.LOCKS.items()
        if (element in known and known[element].uploads) or lock in record.written.before
    )


def shown(record: Record, element: Element, item: Item, pictures: Sequence[Picture]) -> Shown:
    """Return what becomes of one picture of an item, now that Plex has told its ``pictures``."""
    lock, before = covers.LOCKS[element], record.written.before
    was_locked = lock in before.get("locked", ())
    ours = covers.images(record).get(element, covers.Image()).uploads
    chosen = [picture.name for picture in pictures if picture.selected]
    is_ours = any(one in name for one in ours for name in chosen)
    earlier = str(before.get(lock, "")) if lock in before else None
    if earlier is not None and earlier in chosen:
        return Shown(lock=was_locked)
    if earlier == "" and not is_ours and not any(name.startswith("upload:") for name in chosen):
        return Shown(lock=was_locked)  # none, or one that Plex chose itself when ours was taken away
    if chosen and not is_ours:
        return Shown(why=BY_A_PERSON)
    if earlier is None:
        return Shown(lock=was_locked, why=NOT_KEPT)
    if earlier and all(picture.name != earlier for picture in pictures):
        return Shown(lock=was_locked, why=LOST)
    return Shown(earlier, was_locked)
