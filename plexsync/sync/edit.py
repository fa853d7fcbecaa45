"""What to write to an item, in which requests, and whether it arrived. Pure.

Knows nothing of Stash, HTTP or databases. Every list in an edit ends up right whether the server appends or replaces.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal
from urllib.parse import quote

from plexsync.model.fields import Desired, Value, distinct_tags, fingerprint, same_value, tag_key, tags_of
from plexsync.model.item import FIELDS, LIST_FIELDS, Item
from plexsync.model.text import cut_encoded
from plexsync.model.written import Change, Written

Params = tuple[tuple[str, str], ...]
Outcome = Literal["as_sent", "kept", "unchanged"]

#: Characters of a request line. Plex's exact limits are unknown; an nginx in front of it accepts 8 KB.
SOFT_LIMIT = 4096
HARD_LIMIT = 7168
#: ``PUT /library/sections/<4 digits>/all?type=1&id=<9 digits> HTTP/1.1``, and a proxy's path in front.
BASE_LENGTH = 96
#: A lock on ``collection`` would keep Plex's own agents from adding theirs.
UNLOCKED = frozenset({"collection"})
#: The reason for leaving a list alone that others add to and that does not fit one request line.
TOO_LONG = "too long for one request"


@dataclass(frozen=True, slots=True)
class EditPlan:
    """What to write to one item. ``locks``: locks to set without a value (``thumb``, ``art``).

    ``left``: (field, reason) of fields left alone. ``warnings``: sentences about values that had to be cut or left
    alone because no request can carry them.
    """

    changes: tuple[Change, ...] = ()
    locks: tuple[str, ...] = ()
    left: tuple[tuple[str, str], ...] = ()
    warnings: tuple[str, ...] = ()

    @property
    def empty(self) -> bool:
        """True if there is nothing to send."""
        return not self.changes and not self.locks


@dataclass(frozen=True, slots=True)
class Requests:
    """The parameters of each edit in the order of sending, and sentences about what a lower limit cut."""

    edits: tuple[Params, ...]
    warnings: tuple[str, ...] = ()


def plan(item: Item, desired: Desired, written: Written, *, keep_plex_edits: bool) -> EditPlan:
    """Return the difference between an item and the desired values, but for what Plex's normalisation explains."""
    changes: list[Change] = []
    left: list[tuple[str, str]] = []
    warnings: list[str] = []
    for name in FIELDS:
        if name not in desired.values:
            continue
        value, old = _distinct(name, desired.values[name]), item.value(name)
        new = _final(name, item, value, written)
        if new is None or same_value(name, old, new):
            continue
        whole = Change(name, old, new, value)
        change = fitted(whole, HARD_LIMIT)
        reason = _left_alone(whole, item, written, keep_plex_edits)
        if reason or change is None:
            left.append((name, reason or TOO_LONG))
            warnings += [] if reason else [_cut_short(whole, None)]
        elif not same_value(name, old, change.new):
            changes.append(change)
            warnings += [_cut_short(whole, change)] if change is not whole else []
    return EditPlan(tuple(changes), (), tuple(left), tuple(warnings))


def _distinct(name: str, desired: Value) -> Value:
    return distinct_tags(tags_of(desired)) if name in LIST_FIELDS else desired


def _final(name: str, item: Item, desired: Value, written: Written) -> Value | None:
    """Return the field's final value, or None to leave it. An empty value clears only what PlexSync wrote."""
    old = item.value(name)
    if isinstance(old, tuple):
        return _final_list(name, old, tags_of(desired), written.names.get(name, ()))
    if desired:
        return desired
    if name == "title" or fingerprint(name, old) not in written.ours.get(name, ()):
        return None
    return ""


def _final_list(name: str, old: tuple[str, ...], desired: tuple[str, ...], ours: tuple[str, ...]) -> tuple[str, ...]:
    if desired and name != "collection":
        return desired
    drop = {tag_key(tag) for tag in ours} - {tag_key(tag) for tag in desired}
    rest = [tag for tag in old if tag_key(tag) not in drop]
    have = {tag_key(tag) for tag in rest}
    return (*rest, *(tag for tag in desired if tag_key(tag) not in have))


def _left_alone(change: Change, item: Item, written: Written, keep_plex_edits: bool) -> str | None:
    name, now = change.field, fingerprint(change.field, change.old)
    if written.kept.get(name) == (fingerprint(name, change.desired), now):
        return "Plex stores another value"
    if keep_plex_edits and name in item.locked and now not in written.ours.get(name, ()):
        return "edited in Plex"
    return None


def fitted(change: Change, limit: int) -> Change | None:
    """Return ``change`` itself if its value fits a request line of ``limit`` characters, else a shorter one.

    A text is cut between characters, a list after a name. Return None if nothing would be left, and for a list that
    others add to. Removals do not count: they can go in separate requests.
    """
    space = limit - BASE_LENGTH
    name, new = change.field, change.new
    if isinstance(new, str):
        if _length(_scalar(name, new)) <= space:
            return change
        text = cut_encoded(new, max(1, space - _length(_scalar(name, ""))))
        return replace(change, new=text) if text else None
    if _length(_list(name, new, ())) <= space:
        return change
    if change.is_shared:
        return None
    low, high = 0, len(new)
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if _length(_list(name, new[:middle], ())) <= space else (low, middle - 1)
    return replace(change, new=new[:low]) if low else None


def _cut_short(whole: Change, sent: Change | None) -> str:
    name = whole.field
    if sent is None:
        return f"{name} is too long for one request and was left alone"
    if isinstance(sent.new, str):
        return f"{name} is too long for one request and was shortened"
    return f"{name} is too long for one request: the first {len(sent.new)} of {len(whole.new)} are sent"


def requests_for(plan: EditPlan, item: Item, *, soft_limit: int = SOFT_LIMIT, hard_limit: int = HARD_LIMIT) -> Requests:
    """Return the edits that carry out the plan: normally one.

    A request line over ``soft_limit`` characters is split by field, scalars first. A field stays whole and may reach
    ``hard_limit`` alone; removals that do not fit beside their list go before it, in separate requests. That is right
    whether the server appends or replaces: the last request carries the complete list. With a lower limit than the plan
    was made for, fields are cut as by ``fitted``, or left out.
    """
    soft = min(soft_limit, hard_limit) - BASE_LENGTH
    warnings: list[str] = []
    pieces: list[Params] = []
    for change in plan.changes:
        part = fitted(change, hard_limit)
        warnings += [_cut_short(change, part)] if part is not change else []
        pieces += _pieces(part, hard_limit - BASE_LENGTH) if part is not None else []
    pieces += [((f"{name}.locked", "1"),) for name in plan.locks]
    edits: list[Params] = []
    current: Params = ()
    for piece in pieces:
        if current and _length(current + piece) > soft:
            edits.append(current)
            current = ()
        current += piece
    return Requests((*edits, current) if current else tuple(edits), tuple(warnings))


def _pieces(change: Change, space: int) -> list[Params]:
    """Return the parameters of one field: one piece, or several if the removals do not fit beside the list."""
    name, new = change.field, change.new
    if isinstance(new, str):
        return [_scalar(name, new)]
    stays = {tag_key(tag) for tag in new}
    # A tag must not be in both lists, and Plex compares tags without case.
    gone = [tag for tag in distinct_tags(tags_of(change.old)) if tag_key(tag) not in stays]
    whole = _list(name, new, gone)
    if _length(whole) <= space:
        return [whole]
    pieces: list[Params] = []
    portion: list[str] = []
    for tag in gone:
        if portion and _length(_removal(name, [*portion, tag])) > space:
            pieces.append(_removal(name, portion))
            portion = []
        portion.append(tag)
    return [*pieces, _removal(name, portion), _list(name, new, ())]


def _scalar(name: str, value: str) -> Params:
    return ((f"{name}.value", value), (f"{name}.locked", "1"))


def _list(name: str, tags: Sequence[str], gone: Sequence[str]) -> Params:
    """Return the parameters of a list: its tags by index, the removals, the lock."""
    params = tuple((f"{name}[{index}].tag.tag", tag) for index, tag in enumerate(tags))
    params += _removal(name, gone) if gone else ()
    return params if name in UNLOCKED else (*params, (f"{name}.locked", "1"))


def _removal(name: str, gone: Sequence[str]) -> Params:
    # Each name is quoted here, and all of them again as a query value: a comma inside a name survives.
    return ((f"{name}[].tag.tag-", ",".join(quote(tag, safe="") for tag in gone)),)


def _length(params: Params) -> int:
    return sum(2 + len(quote(name, safe="")) + len(quote(value, safe="")) for name, value in params)


def verify(item_after: Item, plan: EditPlan, item_before: Item) -> dict[str, Outcome]:
    """Return field -> ``as_sent``, ``kept`` (Plex stored another value) or ``unchanged`` (still the old value)."""
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
