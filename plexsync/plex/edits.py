"""What to write to an item, as which requests, and whether it arrived. Pure: values in, values out.

Knows nothing of Stash, HTTP or databases. Every list in an edit is right whether the server appends or replaces.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal
from urllib.parse import quote

from plexsync.metadata import Wanted, fingerprint, same_value
from plexsync.plex.item import FIELDS, Item
from plexsync.sanitize import cut_encoded

Value = str | tuple[str, ...]
Params = tuple[tuple[str, str], ...]
Outcome = Literal["as_sent", "kept", "unchanged"]

#: Characters of a request line. Exact limits of Plex are unknown; nginx before it takes 8 KB.
SOFT_LIMIT = 4096
HARD_LIMIT = 7168
#: ``PUT /library/sections/<4 digits>/all?type=1&id=<9 digits> HTTP/1.1`` and a path before it.
BASE_LENGTH = 96
#: A lock on ``collection`` would keep Plex's own agents from adding theirs.
UNLOCKED = frozenset({"collection"})
#: Fingerprints of a field worth remembering.
REMEMBERED = 8


@dataclass(frozen=True, slots=True)
class Written:
    """What PlexSync wrote, or was about to write, to one item.

    ``ours``: field -> fingerprints of those values, newest last, at most 8. ``names``: list field -> tags last sent.
    ``kept``: field -> (fingerprint of our wish, fingerprint of what Plex keeps instead).
    """

    ours: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    names: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    kept: Mapping[str, tuple[str, str]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Change:
    """One field that is to become ``new``: the whole final text, or the whole final list."""

    field: str
    old: Value
    new: Value


@dataclass(frozen=True, slots=True)
class EditPlan:
    """What one item needs. ``locks``: locks to set without a value (``thumb``, ``art``). ``left``: (field, reason)."""

    changes: tuple[Change, ...] = ()
    locks: tuple[str, ...] = ()
    left: tuple[tuple[str, str], ...] = ()

    @property
    def empty(self) -> bool:
        """Whether nothing is to be sent."""
        return not self.changes and not self.locks


@dataclass(frozen=True, slots=True)
class Requests:
    """The parameters of each edit, in the order in which they go, and sentences about what had to be shortened."""

    edits: tuple[Params, ...]
    warnings: tuple[str, ...] = ()


def plan(
    item: Item, wanted: Wanted, written: Written, *, keep_plex_edits: bool, lock_images: tuple[str, ...] = ()
) -> EditPlan:
    """The difference between an item and what it should be; nothing at all if Plex's own normalisation explains it.

    ``lock_images``: ``thumb`` and ``art`` as far as they are to be locked; those that are locked already are not sent.
    """
    changes: list[Change] = []
    left: list[tuple[str, str]] = []
    for name in FIELDS:
        if name not in wanted.values:
            continue
        old, new = item.value(name), _final(name, item, wanted.values[name], written)
        if new is None or same_value(name, old, new):
            continue
        reason = _left_alone(name, item, wanted.values[name], new, written, keep_plex_edits)
        if reason:
            left.append((name, reason))
        else:
            changes.append(Change(name, old, new))
    locks = tuple(name for name in lock_images if name not in item.locked)
    return EditPlan(tuple(changes), locks, tuple(left))


def _final(name: str, item: Item, wish: Value, written: Written) -> Value | None:
    """What the field should hold in the end, or None to leave it: an empty wish clears only what PlexSync wrote."""
    old = item.value(name)
    if isinstance(old, tuple):
        names = _distinct((wish,) if isinstance(wish, str) else wish)
        return _final_list(name, old, names, written.names.get(name, ()))
    if isinstance(wish, str) and wish:
        return wish
    if name == "title" or fingerprint(name, old) not in written.ours.get(name, ()):
        return None
    return ""


def _final_list(name: str, old: tuple[str, ...], wish: tuple[str, ...], ours: tuple[str, ...]) -> tuple[str, ...]:
    if wish and name != "collection":
        return wish
    wanted = {_fold(tag) for tag in wish}
    drop = {_fold(tag) for tag in ours} - wanted
    rest = [tag for tag in old if _fold(tag) not in drop]
    have = {_fold(tag) for tag in rest}
    return (*rest, *(tag for tag in wish if _fold(tag) not in have))


def _left_alone(
    name: str, item: Item, wish: Value, final: Value, written: Written, keep_plex_edits: bool
) -> str | None:
    now = fingerprint(name, item.value(name))
    if written.kept.get(name) in ((fingerprint(name, wish), now), (fingerprint(name, final), now)):
        return "Plex keeps it differently"
    if keep_plex_edits and name in item.locked and now not in written.ours.get(name, ()):
        return "edited in Plex"
    return None


def requests_for(
    plan: EditPlan,
    item: Item,
    *,
    soft_limit: int = SOFT_LIMIT,
    hard_limit: int = HARD_LIMIT,
    base_length: int = BASE_LENGTH,
) -> Requests:
    """The edits that carry the plan out: normally one.

    A request line over ``soft_limit`` characters is split by field, scalars first. A field always stays whole, may
    reach ``hard_limit`` alone, and beyond it a list is cut and a text shortened (``verify`` then says ``kept``).
    ``base_length``: the line without parameters.
    """
    soft, hard = soft_limit - base_length, hard_limit - base_length
    warnings: list[str] = []
    pieces = [_piece(change, hard, warnings) for change in plan.changes]
    pieces += [((f"{name}.locked", "1"),) for name in plan.locks]
    edits: list[Params] = []
    current: Params = ()
    for piece in pieces:
        if current and _length(current + piece) > soft:
            edits.append(current)
            current = ()
        current += piece
    return Requests((*edits, current) if current else tuple(edits), tuple(warnings))


def _piece(change: Change, hard: int, warnings: list[str]) -> Params:
    if isinstance(change.new, str):
        made = _scalar(change.field, change.new)
        spare = hard - _length(_scalar(change.field, ""))
        if _length(made) > hard:
            made = _scalar(change.field, cut_encoded(change.new, max(1, spare)))
            warnings.append(f"{change.field} is too long for one request and was shortened")
        return made
    old = (change.old,) if isinstance(change.old, str) else change.old
    return _fitting(change.field, old, change.new, hard, warnings)


def _scalar(name: str, value: str) -> Params:
    return ((f"{name}.value", value), (f"{name}.locked", "1"))


def _fitting(name: str, old: Sequence[str], new: Sequence[str], hard: int, warnings: list[str]) -> Params:
    """The longest beginning of the list that fits, and as many removals as go with it."""
    whole = _list(name, old, new)
    if _length(whole) <= hard:
        return whole
    low, high = 0, len(new)
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if _length(_list(name, old, new[:middle], new)) <= hard else (low, middle - 1)
    warnings.append(f"{name} is too long for one request: {low} of {len(new)} were sent")
    made = _list(name, old, new[:low], new)
    while _length(made) > hard and old:
        # So many removals that they alone do not fit: the rest goes with a later sync.
        old = old[: len(old) // 2]
        made = _list(name, old, new[:low], new)
    return made


def _list(name: str, old: Sequence[str], sent: Sequence[str], wanted: Sequence[str] | None = None) -> Params:
    """The indexed list and the removals. No tag is in both: Plex compares them without case."""
    stays = {_fold(tag) for tag in (sent if wanted is None else wanted)}
    gone = [tag for tag in _distinct(old) if _fold(tag) not in stays]
    made: list[tuple[str, str]] = [(f"{name}[{index}].tag.tag", tag) for index, tag in enumerate(sent)]
    if gone:
        # Each name is quoted once here, and the whole again as a query value: a comma inside a name survives.
        made.append((f"{name}[].tag.tag-", ",".join(quote(tag, safe="") for tag in gone)))
    if name not in UNLOCKED:
        made.append((f"{name}.locked", "1"))
    return tuple(made)


def _length(params: Params) -> int:
    return sum(2 + len(quote(name, safe="")) + len(quote(value, safe="")) for name, value in params)


def verify(item_after: Item, plan: EditPlan, item_before: Item) -> dict[str, Outcome]:
    """How each changed field ended: as sent, kept differently by Plex, or still the old value."""
    outcomes: dict[str, Outcome] = {}
    for change in plan.changes:
        now = item_after.value(change.field)
        if same_value(change.field, now, change.new):
            outcomes[change.field] = "as_sent"
        elif same_value(change.field, now, item_before.value(change.field)):
            outcomes[change.field] = "unchanged"
        else:
            outcomes[change.field] = "kept"
    return outcomes


def _distinct(tags: Sequence[str]) -> tuple[str, ...]:
    first: dict[str, str] = {}
    for tag in tags:
        if tag.strip():
            first.setdefault(_fold(tag), tag)
    return tuple(first.values())


def _fold(tag: str) -> str:
    return tag.strip().casefold()
