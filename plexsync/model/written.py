"""What counts as written by PlexSync: before a write, as an intention, and after the read-back. Pure.

Knows nothing of requests, servers or databases.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from plexsync.model.fields import Value, fingerprint, tags_of
from plexsync.model.item import LIST_FIELDS, Item

#: Fingerprints remembered for each field.
MAX_REMEMBERED = 8


@dataclass(frozen=True, slots=True)
class Written:
    """What PlexSync wrote, or was about to write, to one item.

    ``ours``: field -> fingerprints of those values, the newest last, at most ``MAX_REMEMBERED``. ``names``: list field
    -> the tags sent last. ``kept``: field -> (fingerprint of the desired value, fingerprint of what Plex stored).
    ``own``: the fields that the item's present scene itself filled. ``before``: field -> the value before PlexSync's
    first write to it. ``refused``: field or image -> fingerprint of the value that Plex refused.
    """

    ours: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    names: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    kept: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    own: tuple[str, ...] = ()
    before: Mapping[str, Value] = field(default_factory=dict)
    refused: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Change:
    """A change of one field. ``new``: the complete new text or list. ``desired``: what Stash has."""

    field: str
    old: Value
    new: Value
    desired: Value

    @property
    def is_shared(self) -> bool:
        """Return whether the new list may hold tags of others, which would be lost if it were cut."""
        return isinstance(self.new, tuple) and (self.field == "collection" or not self.desired)


def intended(written: Written, changes: Sequence[Change]) -> Written:
    """Return ``written`` with the values of ``changes`` added as ours, before it is known whether they arrive."""
    ours = {name: tuple(values) for name, values in written.ours.items()}
    names = {name: tuple(values) for name, values in written.names.items()}
    for change in changes:
        ours[change.field] = _latest(ours.get(change.field, ()), fingerprint(change.field, change.new))
        if change.field in LIST_FIELDS:
            mine = _mine(change)
            names[change.field] = tuple(dict.fromkeys((*names.get(change.field, ()), *mine)))
    return replace(written, ours=ours, names=names)


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


def _mine(change: Change, before: Sequence[str] = ()) -> tuple[str, ...]:
    """Return our tags of the new list: all of them, or in a shared list those that we added, now or before."""
    new = tags_of(change.new)
    if not change.is_shared:
        return new
    old = {name.casefold() for name in tags_of(change.old)}
    ours = {name.casefold() for name in before}
    return tuple(name for name in new if name.casefold() not in old or name.casefold() in ours)


def _with_new(mine: Sequence[str], change: Change, after: Item) -> tuple[str, ...]:
    """Return our tags, and the tags that Plex stored instead of some."""
    old = {name.casefold() for name in tags_of(change.old)}
    new = (name for name in tags_of(after.value(change.field)) if name.casefold() not in old)
    return tuple(dict.fromkeys((*mine, *new)))


def _latest(values: Sequence[str], value: str) -> tuple[str, ...]:
    return (*(earlier for earlier in values if earlier != value), value)[-MAX_REMEMBERED:]
