"""Parse Plex's XML elements and JSON rows into the values of ``model.item``. Any attribute may be missing. Pure."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from collections.abc import Mapping
from typing import Any

from plexsync.model.item import IndexPart, Item, Section

_TRUE = {"1", "true", "True"}
_OPTIMISED_PROXY = {"42", 42}
OPTIMISED_FOLDER = "/Plex Versions/"


def as_int(value: object) -> int:
    """Return a number, or a text that spells one, as an integer; anything else as 0."""
    if type(value) is int:  # the usual case, half a million times in a listing
        return value
    if type(value) is not str and not isinstance(value, int | float):
        return 0
    try:
        return int(value)
    except (ValueError, OverflowError):  # also NaN and infinity, which Python's JSON parser accepts
        return 0


def section_of(directory: ElementTree.Element) -> Section | None:
    """Return the library in an element, of whatever type; None for an element that is no library."""
    key, kind = as_int(directory.get("key")), directory.get("type", "")
    if not kind or key <= 0:
        return None
    clock = "|".join(directory.get(name, "") for name in ("updatedAt", "scannedAt", "contentChangedAt"))
    places = tuple(place.get("path", "") for place in directory.iter("Location"))
    return Section(key, directory.get("title", ""), places, clock, kind)


def item_of(video: ElementTree.Element, section: int = 0) -> Item:
    """Return a full item. ``section``: the container's library, for a video that names none."""
    own = as_int(video.get("librarySectionID")) or section
    row = row_of(video)
    locked = frozenset(field.get("name", "") for field in video.findall("Field") if field.get("locked", "0") in _TRUE)
    return Item(
        rating_key=as_int(video.get("ratingKey")),
        section=own,
        title=video.get("title", ""),
        studio=video.get("studio", ""),
        summary=video.get("summary", ""),
        originallyAvailableAt=video.get("originallyAvailableAt", ""),
        actor=_tags(video, "Role"),
        genre=_tags(video, "Genre"),
        collection=_tags(video, "Collection"),
        locked=locked,
        parts=tuple(parts_of(row, own)),
        trashed=bool(row.get("deletedAt")),
        updated=as_int(video.get("updatedAt")),
        thumb=video.get("thumb", ""),
        art=video.get("art", ""),
    )


def row_of(video: ElementTree.Element) -> dict[str, Any]:
    """Return an XML row in the shape of a JSON row, as far as ``parts_of`` reads it."""
    row: dict[str, Any] = dict(video.attrib)
    row["Media"] = [
        {**media.attrib, "Part": [part.attrib for part in media.findall("Part")]} for media in video.findall("Media")
    ]
    return row


def parts_of(row: Mapping[str, Any], section: int) -> list[IndexPart]:
    """Return the files in one row of a listing or in a full item; none for a row without Media."""
    parts: list[IndexPart] = []
    rating_key = as_int(row.get("ratingKey"))
    trashed = bool(row.get("deletedAt"))
    item_duration = row.get("duration")
    for media in row.get("Media") or ():
        by_media = media.get("proxyType") in _OPTIMISED_PROXY or bool(media.get("target"))
        for part in media.get("Part") or ():
            path = part.get("file")
            if not path:
                continue
            milliseconds = as_int(part.get("duration") or media.get("duration") or item_duration)
            optimised = by_media or OPTIMISED_FOLDER in path or OPTIMISED_FOLDER in path.replace("\\", "/")
            number, size = as_int(part.get("id")), as_int(part.get("size"))
            parts.append(IndexPart(rating_key, section, number, path, size, milliseconds / 1000, trashed, optimised))
    return parts


def _tags(video: ElementTree.Element, name: str) -> tuple[str, ...]:
    return tuple(tag for tag in (element.get("tag", "") for element in video.findall(name)) if tag)
