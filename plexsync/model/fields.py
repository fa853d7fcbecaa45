"""What Plex should have of a scene, field by field, and when two values of a field are the same. Pure.

Must not know what Plex has now, what PlexSync wrote before, or how an edit is sent.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from plexsync.model.item import LIST_FIELDS
from plexsync.model.scene import Scene
from plexsync.model.settings import Settings
from plexsync.model.text import NAME_LIMIT, ascii_line, cut, cut_encoded, date_text, name_text, one_line, summary_text

Value = str | tuple[str, ...]

#: Bytes that a percent-encoded summary may take in the request line, where it travels alone if need be: a proxy
#: before Plex commonly takes lines of 8 KB, and address, path and lock need their part.
SUMMARY_BUDGET = 6500


@dataclass(frozen=True, slots=True)
class Wanted:
    """What Plex should have of one scene.

    ``values``: field (of ``plex.item.FIELDS``) -> value. An absent field is left alone; an empty value means that
    Stash has none. ``poster``, ``background``: whether the cover goes there. ``warnings``: one sentence each.
    """

    values: Mapping[str, Value]
    poster: bool
    background: bool
    warnings: tuple[str, ...]


def wanted(scene: Scene, settings: Settings, *, summary_budget: int = SUMMARY_BUDGET) -> Wanted:
    """The fields that Plex should have of ``scene``; ``summary_budget`` in bytes of its percent-encoded form."""
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
        values["actor"] = _distinct(name_text(performer.name) for performer in scene.performers)
    if "genres" not in skip:
        _add_genres(values, problems, (tag.name for tag in scene.tags), settings.max_tags)
    if "collection" not in skip:
        values["collection"] = (studio,) if studio else ()
    return Wanted(
        values=MappingProxyType(values),
        poster="poster" not in skip,
        background="background" not in skip,
        warnings=tuple(f"Scene {scene.id}: {problem}." for problem in problems),
    )


def same_value(field: str, a: Value, b: Value) -> bool:
    """Whether Plex would keep ``a`` and ``b`` as the same value of ``field`` (of ``plex.item.FIELDS``).

    Texts: equal but for blanks around them. Lists: the same names, letter case and order aside.
    """
    return _normal(field, a) == _normal(field, b)


def fingerprint(field: str, value: Value) -> str:
    """16 hex digits that are equal for two values of ``field`` exactly when they are the ``same_value``."""
    text = json.dumps(_normal(field, value))
    return hashlib.sha1(text.encode("ascii"), usedforsecurity=False).hexdigest()[:16]


def _add_title(values: dict[str, Value], problems: list[str], raw: str, to_ascii: bool) -> None:
    whole = ascii_line(raw) if to_ascii else one_line(raw)
    title = cut(whole, NAME_LIMIT)
    if title:
        values["title"] = title
    elif to_ascii and one_line(raw):
        problems.append("nothing of the title can be written in ASCII (cleanTitles), Plex's title is left alone")
    if title != whole:
        problems.append(f"the title was shortened from {len(whole)} to {len(title)} characters")


def _add_summary(values: dict[str, Value], problems: list[str], raw: str, budget: int) -> None:
    whole = summary_text(raw)
    summary = cut_encoded(whole, budget)
    values["summary"] = summary
    if summary != whole:
        problems.append(f"the summary was shortened from {len(whole)} to {len(summary)} characters to fit a request")


def _add_date(values: dict[str, Value], problems: list[str], raw: str) -> None:
    day, problem = date_text(raw)
    if problem:
        problems.append(f"{problem}, Plex's date is left alone; correct the scene's date in Stash")
    else:
        values["originallyAvailableAt"] = day


def _add_genres(values: dict[str, Value], problems: list[str], raw: Iterable[str], limit: int) -> None:
    genres = _distinct(sorted(map(name_text, raw), key=lambda name: (name.casefold(), name)))
    values["genre"] = genres[:limit]
    if len(genres) > limit:
        problems.append(f"only the first {limit} of {len(genres)} tags are sent (maxTags)")


def _distinct(names: Iterable[str]) -> tuple[str, ...]:
    """The names that are not empty, in their order; of those that differ by letter case only, the first."""
    first: dict[str, str] = {}
    for name in names:
        if name:
            first.setdefault(name.casefold(), name)
    return tuple(first.values())


def _normal(field: str, value: Value) -> str | list[str]:
    """``value`` as Plex tells values apart: tags without regard to case, order and blanks around them."""
    if field not in LIST_FIELDS:
        if not isinstance(value, str):
            raise TypeError(f"{field} is one text, not {type(value).__name__}")
        return value.strip()
    if isinstance(value, str):
        raise TypeError(f"{field} is a list of names, not a text")
    return sorted({name.strip().casefold() for name in value} - {""})
