"""What an edit request does to the items of the Plex test server: values, locks, tags. Knows no sockets.

The rules are Plex's: an edit without ``id`` changes every item of the section, or those that its filters leave.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from urllib.parse import unquote

from tests.servers.plex_model import Item, Model
from tests.servers.plex_modes import Modes
from tests.servers.plex_query import Pairs, first, kind_test, numbers, select
from tests.servers.plex_render import ELEMENTS

#: Plex's name of a text field -> the attribute of ``Item``.
SCALARS = {
    "title": "title",
    "titleSort": "title_sort",
    "originalTitle": "original_title",
    "studio": "studio",
    "summary": "summary",
    "tagline": "tagline",
    "contentRating": "content_rating",
    "userRating": "user_rating",
    "originallyAvailableAt": "date",
}
LOCKS = frozenset(SCALARS) | frozenset(ELEMENTS) | {"thumb", "art", "addedAt"}

_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f]")
_TAG = re.compile(r"(\w+)\[(\d*)\]\.(tag|tagging)(?:\.(.+))?")


@dataclass(slots=True)
class TagChange:
    """What one edit asks for one tag type; ``adds`` maps the written index to (name, role, thumb)."""

    adds: dict[int, list[str]] = field(default_factory=dict)
    removals: list[str] = field(default_factory=list)
    clear: bool = False


@dataclass(slots=True)
class Edit:
    """A parsed edit. ``selectors`` are the pairs that are no field: ids, type, filters, unknown words."""

    values: dict[str, str] = field(default_factory=dict)
    locks: dict[str, bool] = field(default_factory=dict)
    tags: dict[str, TagChange] = field(default_factory=dict)
    unknown: list[str] = field(default_factory=list)
    selectors: Pairs = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Outcome:
    """How an edit ended: the HTTP status, and whether it hit items that nobody named by id."""

    status: int
    disaster: bool = False


def parse(pairs: Pairs) -> Edit:
    """Sort the decoded pairs of an edit's query into what they ask for."""
    edit = Edit()
    for key, value in pairs:
        name, _, what = key.rpartition(".")
        if found := _TAG.fullmatch(key):
            _tag_pair(edit, found, value)
        elif what == "value":
            known = name in SCALARS or name == "addedAt"
            edit.values[name] = value
            edit.unknown.extend([] if known else [name])
        elif what == "locked":
            edit.locks[name] = value not in ("0", "false", "")
            edit.unknown.extend([] if name in LOCKS else [name])
        else:
            edit.selectors.append((key, value))
    return edit


def _tag_pair(edit: Edit, found: re.Match[str], value: str) -> None:
    kind, index, group, leaf = found.groups()
    if kind not in ELEMENTS:
        edit.unknown.append(kind)
        return
    change = edit.tags.setdefault(kind, TagChange())
    if not index and group == "tag" and leaf is None:
        change.clear = True
    elif group == "tag" and leaf == "tag-":
        change.removals.extend(unquote(piece) for piece in value.split(",") if piece)
    else:
        number = int(index) if index else 10**6 + len(change.adds)
        slot = {"tag.tag": 0, "tagging.text": 1, "tag.thumb": 2}.get(f"{group}.{leaf}")
        if slot is not None:
            change.adds.setdefault(number, ["", "", ""])[slot] = value


def targets(model: Model, section: int, selectors: Pairs) -> tuple[Sequence[Item], bool]:
    """The items an edit of a section means, and whether no id named them."""
    wanted = numbers(first(selectors, "id") or "")
    if not wanted:
        return select(model, section, [pair for pair in selectors if pair[0] != "id"], "id"), True
    kind = kind_test(selectors)
    items = [model.items[key] for key in wanted if key in model.items]
    return [item for item in items if item.section == section and (kind is None or kind(item))], False


def refusal(edit: Edit, modes: Modes) -> int | None:
    """The status with which Plex refuses what the edit says, or None."""
    if edit.unknown and modes.unknown_field_400:
        return 400
    tags = [(kind, add[0]) for kind, change in edit.tags.items() for add in change.adds.values()]
    said = [*edit.values.items(), *tags]
    if any(name in modes.reject_values and modes.reject_values[name] in value for name, value in said):
        return 400
    title = edit.values.get("title", "")
    if modes.long_title_status and modes.title_limit is not None and len(title) > modes.title_limit:
        return modes.long_title_status
    if modes.control_chars == "400" and any(_CONTROL.search(value) for _, value in said):
        return 400
    day = edit.values.get("originallyAvailableAt", "")
    if not day and "originallyAvailableAt" in edit.values and modes.empty_date.isdigit():
        return int(modes.empty_date)
    if day and modes.bad_date_500 and not _is_date(day):
        return 500
    return None


def _is_date(text: str) -> bool:
    try:
        return bool(re.fullmatch(r"\d{4}-\d\d-\d\d", text) and date.fromisoformat(text))
    except ValueError:
        return False


def apply(model: Model, modes: Modes, items: Sequence[Item], edit: Edit) -> None:
    """Carry an accepted edit out on each item and move the clocks."""
    if modes.drop_updates or not (edit.values or edit.tags or edit.locks):
        return
    for item in items:
        for name, value in edit.values.items():
            _set_value(item, name, _kept(modes, name, value), modes)
        for kind, change in edit.tags.items():
            _change_tags(model, modes, item, kind, change)
        for name, locked in edit.locks.items() if modes.locks_stick else ():
            (item.locked.add if locked else item.locked.discard)(name)
        model.touch(item, own_clock=modes.edits_move_updated_at, section_clock=modes.edits_move_clocks)


def _kept(modes: Modes, name: str, value: str) -> str:
    if modes.control_chars == "stripped":
        value = _CONTROL.sub("", value)
    if name == "title" and modes.title_limit is not None:
        value = value[: modes.title_limit]
    return modes.keep_differently(name, value) if modes.keep_differently else value


def _set_value(item: Item, name: str, value: str, modes: Modes) -> None:
    if name == "originallyAvailableAt" and not value and modes.empty_date == "ignored":
        return
    if name == "title" and modes.sort_title_stays and not item.title_sort:
        item.title_sort = item.title
    if name == "addedAt":
        item.added_at = int(value) if value.isdigit() else item.added_at
    elif name in SCALARS:
        setattr(item, SCALARS[name], value)


def _change_tags(model: Model, modes: Modes, item: Item, kind: str, change: TagChange) -> None:
    have = item.tags(kind)
    if change.clear or (change.adds and (not modes.tags_append or kind in modes.replaces)):
        have.clear()
    new: list[str] = []
    for _, (raw, role, thumb) in sorted(change.adds.items()):
        kept = _kept(modes, kind, raw.strip())
        if not kept:
            continue
        if modes.capitalise_collections and kind in ("collection", "label"):
            kept = kept[:1].upper() + kept[1:]
        name = model.tags.spell(kind, kept)
        if name in have and modes.reorders:
            have.remove(name)
        if name not in have and name not in new:
            new.append(name)
        if role:
            item.roles[name] = role
        if thumb:
            model.tags.thumbs[name] = thumb
    have.extend(reversed(new) if modes.tag_order == "reversed" else new)
    if new and modes.tag_order == "sorted":
        have.sort(key=str.casefold)
    gone = {model.tags.fold(name.strip()) for name in change.removals}
    have[:] = [name for name in have if model.tags.fold(name) not in gone]
