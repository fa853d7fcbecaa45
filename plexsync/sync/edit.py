"""What to write to an item, in which requests, and whether it arrived. Pure.

Knows nothing of Stash, HTTP or databases. Every list in an edit ends up right whether the server appends or replaces.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal
from urllib.parse import quote, unquote

from plexsync.model.fields import (
    Desired,
    Value,
    distinct_tags,
    field_names,
    fingerprint,
    loose_key,
    same_value,
    tag_key,
    tags_of,
)
from plexsync.model.item import FIELDS, LIST_FIELDS, Item
from plexsync.model.paths import base_name
from plexsync.model.text import cut_encoded, name_text
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
#: The reason for leaving a field alone that PlexSync wrote, and that Plex stored in its own way.
STORED_DIFFERENTLY = "Plex stores another value"


@dataclass(frozen=True, slots=True)
class EditPlan:
    """What to write to one item. ``locks``: locks to set without a value: of pictures (``thumb``, ``art``), and of
    fields that have Stash's value already. ``unlocks``: locks to release without a value.

    ``whole``: a value that is longer than any known limit is sent all the same, not cut.
    ``left``: (field, reason) of fields left alone. ``warnings``: sentences about values that had to be cut or left
    alone because no request can carry them. ``filled``: the fields that hold Stash's value once this is written.
    """

    changes: tuple[Change, ...] = ()
    locks: tuple[str, ...] = ()
    left: tuple[tuple[str, str], ...] = ()
    warnings: tuple[str, ...] = ()
    filled: tuple[str, ...] = ()
    unlocks: tuple[str, ...] = ()
    whole: bool = False

    @property
    def empty(self) -> bool:
        """True if there is nothing to send."""
        return not self.changes and not self.locks and not self.unlocks


@dataclass(frozen=True, slots=True)
class Requests:
    """The parameters of each edit in the order of sending, and sentences about what a lower limit cut."""

    edits: tuple[Params, ...]
    warnings: tuple[str, ...] = ()


def plan(item: Item, desired: Desired, written: Written, *, keep_plex_edits: bool) -> EditPlan:
    """Return the difference between an item and the desired values, but for what Plex's normalisation explains."""
    changes: list[Change] = []
    filled: list[str] = []
    left: list[tuple[str, str]] = []
    warnings: list[str] = []
    for name in FIELDS:
        whole = _wanted(name, item, desired, written)
        if whole is None:
            continue
        change, reason = _reduced(whole, item, written, keep_plex_edits)
        if change is not None:
            changes.append(change)
        if reason:
            left.append((name, reason))
        if reason == TOO_LONG or (change is not None and change is not whole):
            warnings.append(_cut_short(whole, change))
        if whole.desired and reason in ("", STORED_DIFFERENTLY):
            filled.append(name)
    locks = _missing_locks(filled, item, changes, written)
    return EditPlan(tuple(changes), locks, tuple(left), tuple(warnings), tuple(filled))


def _wanted(name: str, item: Item, desired: Desired, written: Written) -> Change | None:
    """Return the change to a field's final value, which it may have already; None to leave the field alone.

    An empty value clears only what PlexSync wrote for this very scene; a title goes back to what Plex had before.
    """
    if name not in desired.values:
        return None
    value, old = _distinct(name, desired.values[name]), item.value(name)
    if isinstance(old, tuple):
        ours = written.names.get(name, ()) if value or name in written.own else ()
        return Change(name, old, _final_list(name, old, tags_of(value), ours), value)
    if value:
        return Change(name, old, value, value)
    if name not in written.own or fingerprint(name, old) not in written.ours.get(name, ()):
        return None
    if name != "title":
        return Change(name, old, "", value)
    title = written.before.get(name) or _file_title(item)
    return Change(name, old, title, value, lock=False) if title else None


def _reduced(whole: Change, item: Item, written: Written, keep_plex_edits: bool) -> tuple[Change | None, str]:
    """Return what of a change is to be sent, None for nothing; and why the field is left alone, ``""`` if it is not."""
    if _is_there(whole, item):
        return None, ""
    reason = _left_alone(whole, item, written, keep_plex_edits)
    if reason:
        return None, reason
    change = fitted(whole, HARD_LIMIT)
    if change is None:
        return None, TOO_LONG
    return (None if _is_there(change, item) else change), ""


def _file_title(item: Item) -> str:
    """Return the title that Plex gives a video without metadata: the name of its file without the ending."""
    name = next((base_name(part.path) for part in item.parts if not part.optimised), "")
    stem, _, ending = name.rpartition(".")
    return name_text(stem or ending)


def _is_there(change: Change, item: Item) -> bool:
    """Return whether Plex has the value of ``change``, and no lock where it is to have none."""
    return same_value(change.field, change.old, change.new) and (change.lock or change.field not in item.locked)


def _missing_locks(filled: Sequence[str], item: Item, changes: Sequence[Change], written: Written) -> tuple[str, ...]:
    """Return the ``filled`` fields that are neither locked nor changed, but for those whose lock Plex does not keep."""
    done = {change.field for change in changes} | item.locked | UNLOCKED
    return tuple(name for name in filled if name not in done and f"{name}.locked" not in written.kept)


def _distinct(name: str, desired: Value) -> Value:
    return distinct_tags(tags_of(desired)) if name in LIST_FIELDS else desired


def _final_list(name: str, old: tuple[str, ...], desired: tuple[str, ...], ours: tuple[str, ...]) -> tuple[str, ...]:
    if desired and name != "collection":
        return desired
    drop = {tag_key(tag) for tag in ours} - {tag_key(tag) for tag in desired}
    rest = [tag for tag in old if tag_key(tag) not in drop]
    have = {tag_key(tag) for tag in rest}
    return (*rest, *(tag for tag in desired if tag_key(tag) not in have))


def _left_alone(change: Change, item: Item, written: Written, keep_plex_edits: bool) -> str:
    """Return why a difference is not written, ``""`` if it is."""
    name, now = change.field, fingerprint(change.field, change.old)
    if written.kept.get(name) == (fingerprint(name, change.desired), now):
        return STORED_DIFFERENTLY
    if keep_plex_edits and name in item.locked and now not in written.ours.get(name, ()):
        return "edited in Plex"
    return ""


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
    name = field_names([whole.field])
    if sent is None:
        return f"{name}: too long for one request, left alone"
    if isinstance(sent.new, str):
        return f"{name}: too long for one request, shortened"
    return f"{name}: too long for one request, the first {len(sent.new)} of {len(whole.new)} are sent"


def requests_for(plan: EditPlan, item: Item, *, soft_limit: int = SOFT_LIMIT, hard_limit: int = HARD_LIMIT) -> Requests:
    """Return the edits that carry out the plan: normally one.

    A request line over ``soft_limit`` characters is split by field, scalars first. A field stays whole and may reach
    ``hard_limit`` alone; removals that do not fit beside their list, or that Plex might take for a tag of it, go before
    it, in separate requests. That is right whether the server appends or replaces: the last request carries the
    complete list. With a lower limit than the plan was made for, fields are cut as by ``fitted``, or left out.
    """
    soft = min(soft_limit, hard_limit) - BASE_LENGTH
    warnings: list[str] = []
    pieces: list[Params] = []
    for change in plan.changes:
        part = change if plan.whole else fitted(change, hard_limit)
        warnings += [_cut_short(change, part)] if part is not change else []
        parts = _pieces(part, hard_limit - BASE_LENGTH) if part is not None else []
        pieces += [piece for piece in parts if piece]  # an empty list without a lock is only removals
    pieces += [((f"{name}.locked", "1"),) for name in plan.locks]
    pieces += [((f"{name}.locked", "0"),) for name in plan.unlocks]
    return Requests(_joined(pieces, soft), tuple(warnings))


def _joined(pieces: Sequence[Params], space: int) -> tuple[Params, ...]:
    """Return the pieces in as few edits as possible: none is longer than ``space`` or has two pieces of one field."""
    edits: list[Params] = []
    fields: set[str] = set()
    for piece in pieces:
        name = piece[0][0].partition("[")[0].partition(".")[0]
        if edits and name not in fields and _length(edits[-1] + piece) <= space:
            edits[-1] += piece
        else:
            edits.append(piece)
            fields = set()
        fields.add(name)
    return tuple(edits)


def _pieces(change: Change, space: int) -> list[Params]:
    """Return the parameters of one field: one piece, or several if the removals do not fit beside the list."""
    name, new = change.field, change.new
    if isinstance(new, str):
        return [_scalar(name, new, change.lock)]
    stays, alike = set(map(tag_key, new)), set(map(loose_key, new))
    # A tag must not be in both lists: Plex would compare the two spellings without case, or more loosely.
    gone = [tag for tag in distinct_tags(tags_of(change.old)) if tag_key(tag) not in stays]
    first = [tag for tag in gone if loose_key(tag) in alike]
    rest = [tag for tag in gone if loose_key(tag) not in alike]
    whole = _list(name, new, rest, change.lock)
    if _length(whole) <= space:
        return [*_removals(name, first, space), whole]
    alone = _list(name, new, (), change.lock)
    if not gone:
        return [alone]
    *pieces, last = _removals(name, [*first, *rest], space)
    joined = (*last, *alone)
    return [*pieces, joined] if not first and _length(joined) <= space else [*pieces, last, alone]


def _removals(name: str, gone: Sequence[str], space: int) -> list[Params]:
    """Return the removal of these tags, in as few requests as possible."""
    pieces: list[Params] = []
    portion: list[str] = []
    for tag in gone:
        if portion and _length(_removal(name, [*portion, tag])) > space:
            pieces.append(_removal(name, portion))
            portion = []
        portion.append(tag)
    return [*pieces, _removal(name, portion)] if portion else pieces


def _scalar(name: str, value: str, lock: bool = True) -> Params:
    return ((f"{name}.value", value), (f"{name}.locked", "1" if lock else "0"))


def _list(name: str, tags: Sequence[str], gone: Sequence[str], lock: bool = True) -> Params:
    """Return the parameters of a list: its tags by index, the removals, the lock."""
    params = tuple((f"{name}[{index}].tag.tag", tag) for index, tag in enumerate(tags))
    params += _removal(name, gone) if gone else ()
    return params if name in UNLOCKED else (*params, (f"{name}.locked", "1" if lock else "0"))


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
        elif same_value(change.field, now, item_before.value(change.field)) and not _alike(now, change.new):
            outcomes[change.field] = "unchanged"
        else:
            outcomes[change.field] = "kept"
    return outcomes


def fingerprints_between(requests: Sequence[Params], change: Change) -> tuple[str, ...]:
    """Return the fingerprints of what a list is between the requests that carry its change: some tags are gone."""
    left, between = list(tags_of(change.old)), []
    for params in requests:
        values = dict(params)
        if f"{change.field}[0].tag.tag" in values or f"{change.field}[].tag.tag-" not in values:
            continue
        gone = {tag_key(unquote(tag)) for tag in values[f"{change.field}[].tag.tag-"].split(",")}
        left = [tag for tag in left if tag_key(tag) not in gone]
        between.append(fingerprint(change.field, tuple(left)))
    return tuple(between)


def locks_of(plan: EditPlan, outcomes: Mapping[str, Outcome]) -> tuple[str, ...]:
    """Return the locks that an edit set; ``outcomes``: how its changes ended, see ``verify``."""
    written = (change.field for change in plan.changes if change.lock and outcomes[change.field] != "unchanged")
    return (*(name for name in written if name not in UNLOCKED), *plan.locks)


def _alike(a: Value, b: Value) -> bool:
    """Return whether two lists differ only in what a server may fold: it keeps the spelling that it knows."""
    if isinstance(a, str) or isinstance(b, str):
        return False
    return set(map(loose_key, a)) == set(map(loose_key, b))
