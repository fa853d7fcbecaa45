"""The values that Plex should have for a scene, field by field, and when two values are the same. Pure.

Knows neither what Plex has now, nor what PlexSync wrote before, nor how an edit is sent.
"""

from __future__ import annotations

import hashlib
import json
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from plexsync.model.item import LIST_FIELDS
from plexsync.model.paths import fold
from plexsync.model.scene import Performer, Scene
from plexsync.model.settings import Settings, display_name
from plexsync.model.text import NAME_LIMIT, ascii_line, cut, cut_encoded, date_text, name_text, one_line, summary_text

Value = str | tuple[str, ...]

#: Bytes of a percent-encoded summary, which may have a request line to itself: proxies commonly accept lines of 8 KB,
#: and the address, the path and the lock need some of that.
SUMMARY_BUDGET = 6500

#: Plex's name of a field or a lock -> (what a person calls it, the switch that skips it).
NAMES = {
    "title": ("title", "skipTitle"),
    "studio": ("studio", "skipStudio"),
    "summary": ("summary", "skipSummary"),
    "originallyAvailableAt": ("date", "skipDate"),
    "actor": ("actors", "skipActors"),
    "genre": ("genres", "skipGenres"),
    "collection": ("collection", "skipCollection"),
    "thumb": ("poster", "skipPoster"),
    "art": ("background", "skipBackground"),
}


def field_names(fields: Iterable[str]) -> str:
    """Return what a person calls these fields or locks, ``date and poster``."""
    *others, last = (NAMES[field][0] for field in fields)
    return f"{', '.join(others)} and {last}" if others else last


def skip_switches(fields: Iterable[str]) -> str:
    """Return the switches that skip these fields, as Stash's page shows them: ``"Skip date", "Skip poster"``."""
    return ", ".join(f'"{display_name(NAMES[field][1])}"' for field in fields)


@dataclass(frozen=True, slots=True)
class Desired:
    """The values that Plex should have for one scene.

    ``values``: field (of ``item.FIELDS``) -> value. An absent field is left alone; an empty value means that Stash has
    none. ``poster``, ``background``: send the cover as such. ``warnings``: sentences for the log.
    """

    values: Mapping[str, Value]
    poster: bool
    background: bool
    warnings: tuple[str, ...]


def desired(scene: Scene, settings: Settings, *, summary_budget: int = SUMMARY_BUDGET) -> Desired:
    """Return the values that Plex should have; ``summary_budget``: bytes of the percent-encoded summary."""
    skip = settings.skip
    studio = name_text(scene.studio.name) if scene.studio else ""
    values: dict[str, Value] = {}
    problems: list[str] = []
    if "title" not in skip:
        _add_title(values, problems, scene.title, settings.clean_titles)
    if "studio" not in skip:
        values["studio"] = studio
    if "summary" not in skip:
        _add_summary(values, problems, scene.details, summary_budget)
    if "date" not in skip:
        _add_date(values, problems, scene.date)
    if "actors" not in skip:
        values["actor"] = distinct_tags(_actor_names(scene.performers))
    if "genres" not in skip:
        _add_genres(values, problems, (tag.name for tag in scene.tags), settings.max_tags)
    if "collection" not in skip:
        values["collection"] = (studio,) if studio else ()
    return Desired(
        values=MappingProxyType(values),
        poster="poster" not in skip,
        background="background" not in skip,
        warnings=tuple(f"Scene {scene.id}: {problem}." for problem in problems),
    )


def tags_of(value: Value) -> tuple[str, ...]:
    """Return a list value unchanged, and a text as a list of one."""
    return (value,) if isinstance(value, str) else value


def tag_key(tag: str) -> str:
    """Return ``tag`` in the form in which Plex compares tags: in NFC, without case and outer blanks."""
    return fold(tag.strip())


def loose_key(tag: str) -> str:
    """Return what any server might take for the same tag: letters and digits, without case, marks and width.

    Nobody documents how far Plex goes when it compares tags, so nothing relies on two tags with one key being the same.
    """
    return "".join(filter(str.isalnum, unicodedata.normalize("NFKD", tag.casefold()))).casefold() or tag_key(tag)


def distinct_tags(tags: Iterable[str]) -> tuple[str, ...]:
    """Return the tags that are not blank, in order; of those with the same ``tag_key``, only the first."""
    first: dict[str, str] = {}
    for tag in tags:
        if tag.strip():
            first.setdefault(tag_key(tag), tag)
    return tuple(first.values())


def same_value(field: str, a: Value, b: Value) -> bool:
    """Return whether Plex stores ``a`` and ``b`` as the same value of ``field`` (of ``item.FIELDS``).

    Texts are compared without the blanks around them, lists without case and order.
    """
    return _comparable(field, a) == _comparable(field, b)


def fingerprint(field: str, value: Value) -> str:
    """Return 16 hex digits that are equal for two values of ``field`` if and only if ``same_value`` holds."""
    text = json.dumps(_comparable(field, value))
    return hashlib.sha1(text.encode("ascii"), usedforsecurity=False).hexdigest()[:16]


def _add_title(values: dict[str, Value], problems: list[str], raw: str, to_ascii: bool) -> None:
    whole = ascii_line(raw) if to_ascii else one_line(raw)
    title = cut(whole, NAME_LIMIT)
    if title or not one_line(raw):
        values["title"] = title
    else:
        problems.append(f'"{display_name("cleanTitles")}" leaves nothing of the title, so Plex keeps the title it has')
    if title != whole:
        problems.append(f"the title was shortened from {len(whole)} to {len(title)} characters")


def _actor_names(performers: Sequence[Performer]) -> list[str]:
    """Return the names of a scene's performers: those that Plex would fold into one with their disambiguations."""
    names = [name_text(performer.name) for performer in performers]
    shared = Counter(map(tag_key, names))
    return [
        _told_apart(name, one_line(performer.disambiguation)) if shared[tag_key(name)] > 1 else name
        for name, performer in zip(names, performers, strict=True)
    ]


def _told_apart(name: str, disambiguation: str) -> str:
    """Return ``Name (disambiguation)``, of which the name is cut first."""
    if not name or not disambiguation:
        return name
    suffix = f" ({cut(disambiguation, NAME_LIMIT // 2)})"
    return cut(name, NAME_LIMIT - len(suffix)) + suffix


def _add_summary(values: dict[str, Value], problems: list[str], raw: str, budget: int) -> None:
    whole = summary_text(raw)
    summary = cut_encoded(whole, budget)
    values["summary"] = summary
    if summary != whole:
        problems.append(f"the summary was shortened from {len(whole)} to {len(summary)} characters to fit a request")


def _add_date(values: dict[str, Value], problems: list[str], raw: str) -> None:
    day, problem = date_text(raw)
    if problem:
        problems.append(f"{problem}, so Plex keeps the date it has. Correct the scene's date in Stash")
    else:
        values["originallyAvailableAt"] = day


def _add_genres(values: dict[str, Value], problems: list[str], raw: Iterable[str], limit: int) -> None:
    genres = distinct_tags(sorted(map(name_text, raw), key=lambda name: (name.casefold(), name)))
    values["genre"] = genres[:limit]
    if len(genres) > limit:
        problems.append(f'only the first {limit} of {len(genres)} tags are sent ("{display_name("maxTags")}")')


def _comparable(field: str, value: Value) -> str | list[str]:
    """Return ``value`` in the form in which Plex compares it: without outer blanks, tags without case and order."""
    if field not in LIST_FIELDS:
        if not isinstance(value, str):
            raise TypeError(f"{field} is a text, not {type(value).__name__}")
        return value.strip()
    if isinstance(value, str):
        raise TypeError(f"{field} is a list of names, not a text")
    return sorted({tag_key(tag) for tag in value} - {""})
