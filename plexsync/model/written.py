"""What counts as written by PlexSync: before a write, as an intention, and after the read-back. Pure.

Knows nothing of requests, servers or databases.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType

from plexsync.model.fields import Value, fingerprint, tag_key, tags_of
from plexsync.model.item import FIELDS, LIST_FIELDS, Item

#: Fingerprints remembered for each field.
MAX_REMEMBERED = 8


@dataclass(frozen=True, slots=True)
class Written:
    """What PlexSync wrote, or was about to write, to one item.

    ``ours``: field -> fingerprints of those values, the newest last, at most ``MAX_REMEMBERED``. ``names``: list field
    -> the tags sent last. ``kept``: field -> (fingerprint of the desired value, fingerprint of what Plex stored), and
    ``<field>.locked`` of each lock that Plex did not keep. ``own``: the fields that the item's present scene itself
    filled. ``before``: field -> the value before PlexSync's first write to it, and ``thumb``, ``art`` -> the name of
    the picture that was shown before its first upload, ``""`` for none; under ``locked`` those that were locked then.
    ``moved``: ``before`` is of another item, which held the same file. ``refused``: field or image -> fingerprint of
    the value that Plex refused.
    """

    ours: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    names: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    kept: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    own: tuple[str, ...] = ()
    before: Mapping[str, Value] = field(default_factory=dict)
    moved: bool = False
    refused: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Change:
    """A change of one field. ``new``: the complete new text or list. ``desired``: what Stash has.

    ``lock``: lock the field; False gives it back to Plex, unlocked.
    """

    field: str
    old: Value
    new: Value
    desired: Value
    lock: bool = True

    @property
    def is_shared(self) -> bool:
        """Return whether the new list may hold tags of others, which would be lost if it were cut."""
        return isinstance(self.new, tuple) and (self.field == "collection" or not self.desired)


def intended(
    written: Written,
    item: Item,
    changes: Sequence[Change],
    locks: Sequence[str] = (),
    pictures: Mapping[str, str] = MappingProxyType({}),
) -> Written:
    """Return ``written`` with the values of ``changes`` added as ours, before it is known whether they arrive.

    ``item``: as it is now. ``locks``: what is locked without a change; its fields have the values that Stash has, which
    count as ours from then on. ``pictures``: ``thumb``, ``art`` -> the picture that is shown before our first upload.
    """
    written = _of_this_item(written, item)
    ours = {name: tuple(values) for name, values in written.ours.items()}
    names = {name: tuple(values) for name, values in written.names.items()}
    before, locked = dict(written.before), set(written.before.get("locked", ()))
    equal = [Change(name, item.value(name), item.value(name), item.value(name)) for name in locks if name in FIELDS]
    changes = (*changes, *equal)
    for change in changes:
        if change.field not in ours and change.field not in before:
            before[change.field] = change.old
            locked |= {change.field} & item.locked
        ours[change.field] = _latest(ours.get(change.field, ()), fingerprint(change.field, change.new))
        if change.field in LIST_FIELDS:
            mine = _mine(change)
            names[change.field] = tuple(dict.fromkeys((*names.get(change.field, ()), *mine)))
    before |= pictures
    locked = (locked - pictures.keys()) | (item.locked & pictures.keys())
    before |= {"locked": tuple(sorted(locked))} if locked or "locked" in before else {}
    own = (*written.own, *(change.field for change in changes if change.desired))
    return replace(written, ours=ours, names=names, own=tuple(dict.fromkeys(own)), before=before)


def _of_this_item(written: Written, item: Item) -> Written:
    """Return ``written`` with what this very item had before, where its record was another item's: none of ours."""
    if not written.moved:
        return written
    before, locked = dict(written.before), set(written.before.get("locked", ()))
    for name in before.keys() & set(FIELDS):
        if fingerprint(name, item.value(name)) not in written.ours.get(name, ()):
            before[name] = item.value(name)
            locked = (locked - {name}) | ({name} & item.locked)
    return replace(written, before=before | {"locked": tuple(sorted(locked))}, moved=False)


def confirmed(written: Written, changes: Sequence[Change], outcomes: Mapping[str, str], after: Item) -> Written:
    """Return ``written`` after the read-back: the tags sent, and what Plex stored instead of a desired value.

    ``outcomes``: field -> ``as_sent``, ``kept`` (Plex stored another value) or ``unchanged``. ``after``: the item now.
    """
    ours, names, kept = dict(written.ours), dict(written.names), dict(written.kept)
    for change in changes:
        outcome = outcomes.get(change.field)
        if outcome == "as_sent":
            kept.pop(change.field, None)
            if change.field in LIST_FIELDS:
                names[change.field] = _mine(change, names.get(change.field, ()))
        elif outcome == "kept":
            now = fingerprint(change.field, after.value(change.field))
            kept[change.field] = (fingerprint(change.field, change.desired), now)
            ours[change.field] = _latest(ours.get(change.field, ()), now)
            if change.field in LIST_FIELDS:
                names[change.field] = _with_new(names.get(change.field, ()), change, after)
    return replace(written, ours=ours, names=names, kept=kept)


def locks_kept(written: Written, locks: Iterable[str], after: Item) -> Written:
    """Return ``written`` after the read-back of ``locks``: one that Plex did not keep is not sent again by itself."""
    kept = dict(written.kept)
    for name in locks:
        if name in after.locked:
            kept.pop(f"{name}.locked", None)
        else:
            kept[f"{name}.locked"] = ("1", "0")
    return replace(written, kept=kept)


def owned(written: Written, desired: Mapping[str, Value], filled: Iterable[str]) -> Written:
    """Return ``written`` after a sync that went well: the scene has ``filled`` these fields, and no other desired one.

    ``desired``: field -> the value that Stash has, ``""`` or ``()`` for none; fields that are not synced are absent.
    """
    own = (*(name for name in written.own if name not in desired), *filled)
    return replace(written, own=tuple(sorted(set(own))))


def _mine(change: Change, before: Sequence[str] = ()) -> tuple[str, ...]:
    """Return our tags of the new list: all of them, or in a shared list those that we added, now or before."""
    new = tags_of(change.new)
    if not change.is_shared:
        return new
    old, ours = set(map(tag_key, tags_of(change.old))), set(map(tag_key, before))
    return tuple(name for name in new if tag_key(name) not in old or tag_key(name) in ours)


def _with_new(mine: Sequence[str], change: Change, after: Item) -> tuple[str, ...]:
    """Return our tags, and the tags that Plex stored instead of some."""
    old = set(map(tag_key, tags_of(change.old)))
    new = (name for name in tags_of(after.value(change.field)) if tag_key(name) not in old)
    return tuple(dict.fromkeys((*mine, *new)))


def _latest(values: Sequence[str], value: str) -> tuple[str, ...]:
    return (*(earlier for earlier in values if earlier != value), value)[-MAX_REMEMBERED:]
