"""How the Plex test server writes things down: one nested dict per element, sent as XML or JSON.

In a dict, scalars are attributes and lists of dicts are child elements. Rows of listings are kept as finished text,
so that 100,000 of them can be listed in seconds. Knows the model, not HTTP.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from tests.servers.plex_model import Item, Model, Part, Section

Element = dict[str, Any]

_SPECIAL = re.compile(r"[&<>\"\x00-\x1f]")
_NAMED = {"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;"}
#: Tag type of an edit -> element name in an answer.
ELEMENTS = {
    "actor": "Role",
    "genre": "Genre",
    "collection": "Collection",
    "label": "Label",
    "director": "Director",
    "writer": "Writer",
    "producer": "Producer",
    "country": "Country",
}
_CUTS = {"actor": 3, "genre": 2, "collection": 2}


@dataclass(frozen=True, slots=True)
class RowStyle:
    """How a listing row is to look; equal styles share the rows that are kept."""

    as_json: bool
    truncate: bool = True
    hide_updated_at: bool = False
    without: frozenset[str] = frozenset()


def escape(text: str) -> str:
    """Text as an attribute value. Control characters become references, as Plex does to every reader's grief."""
    if not _SPECIAL.search(text):
        return text
    return _SPECIAL.sub(lambda found: _NAMED.get(found[0]) or f"&#{ord(found[0])};", text)


def xml(tag: str, element: Element, inner: str = "") -> str:
    """One element; ``inner`` is finished XML put after its own children."""
    attributes: list[str] = []
    children: list[str] = []
    for name, value in element.items():
        if type(value) is list:
            children.extend(xml(name, child) for child in value)
        elif type(value) is bool:
            attributes.append(f' {name}="{int(value)}"')
        elif type(value) is str:
            attributes.append(f' {name}="{escape(value)}"')
        else:
            attributes.append(f' {name}="{value}"')
    body = "".join(children) + inner
    return f"<{tag}{''.join(attributes)}>{body}</{tag}>" if body else f"<{tag}{''.join(attributes)}/>"


def container(element: Element, as_json: bool, rows: Iterable[str] = (), rows_name: str = "Metadata") -> bytes:
    """A whole answer; ``rows`` are finished texts of the same format."""
    joined = list(rows)
    if not as_json:
        return ('<?xml version="1.0" encoding="UTF-8"?>\n' + xml("MediaContainer", element, "".join(joined))).encode()
    text = json.dumps({"MediaContainer": element}, ensure_ascii=False)
    if joined:
        text = f'{text[:-2]}, "{rows_name}": [{", ".join(joined)}]}}}}'
    return text.encode("utf-8", "surrogatepass")


def _part(part: Part) -> Element:
    kind = part.file.rpartition(".")[2].lower()
    return {
        "id": part.id,
        "key": f"/library/parts/{part.id}/1700000000/file.{kind}",
        "duration": part.duration_ms,
        "file": part.file,
        "size": part.size,
        "container": kind,
    }


def media(parts: list[Part], with_parts: bool = True) -> list[Element]:
    """The Media elements of an item, one per version, with the stacked files of each."""
    made: dict[int, Element] = {}
    for part in parts:
        version = made.get(part.media_id)
        if version is None:
            version = made[part.media_id] = {
                "id": part.media_id,
                "duration": 0,
                "width": 1920,
                "height": 1080,
                "videoCodec": "h264",
                "videoResolution": "1080",
                "container": part.file.rpartition(".")[2].lower(),
            }
            if part.optimised:
                version |= {"proxyType": 42, "target": "Optimized for Mobile", "title": "Optimized for Mobile"}
            if with_parts:
                version["Part"] = []
            else:
                version["partCount"] = 0
        version["duration"] += part.duration_ms
        if with_parts:
            version["Part"].append(_part(part))
        else:
            version["partCount"] += 1
    return list(made.values())


def _scalars(item: Item) -> Element:
    key = item.rating_key
    row: Element = {"ratingKey": str(key), "key": f"/library/metadata/{key}", "guid": f"local://{key}"}
    if item.studio:
        row["studio"] = item.studio
    row["type"] = item.kind
    row["title"] = item.title
    optional = (
        ("titleSort", item.title_sort),
        ("originalTitle", item.original_title),
        ("contentRating", item.content_rating),
        ("tagline", item.tagline),
    )
    row.update((name, value) for name, value in optional if value)
    row["summary"] = item.summary
    if item.date:
        row["year"] = int(item.date[:4])
    row["thumb"] = f"/library/metadata/{key}/thumb/{item.updated_at}"
    if item.selected_art:
        row["art"] = f"/library/metadata/{key}/art/{item.updated_at}"
    if item.parts:
        row["duration"] = item.parts[0].duration_ms
    if item.date:
        row["originallyAvailableAt"] = item.date
    row["addedAt"] = item.added_at
    row["updatedAt"] = item.updated_at
    if item.deleted_at is not None:
        row["deletedAt"] = item.deleted_at
    return row


def row_element(item: Item, style: RowStyle) -> Element:
    """One row of a listing: few tags, names only, no locks."""
    row = _scalars(item)
    if style.hide_updated_at:
        del row["updatedAt"]
    for name in style.without & row.keys():
        if name in ("summary", "tagline", "studio", "art", "thumb", "originalTitle"):
            del row[name]
    if item.parts and "Media" not in style.without:
        row["Media"] = media(item.parts, "Part" not in style.without)
        if "file" in style.without:
            for part in (part for version in row["Media"] for part in version.get("Part", ())):
                del part["file"]
    for kind in ("genre", "collection", "actor"):
        names = item.tags(kind)
        if names and ELEMENTS[kind] not in style.without:
            row[ELEMENTS[kind]] = [{"tag": name} for name in (names[: _CUTS[kind]] if style.truncate else names)]
    return row


def row(item: Item, style: RowStyle) -> str:
    """The finished text of a listing row, made anew only when something it shows has changed."""
    shown = (
        item.title, item.updated_at, item.summary, item.studio, item.date, item.deleted_at, item.title_sort,
        item.selected_art, item.tagline, item.added_at, item.original_title, item.content_rating, item.rating_key,
        tuple(item.actors), tuple(item.genres), tuple(item.collections), tuple(item.parts),
    )  # fmt: skip
    kept = item.rows.get(style)
    if kept and kept[0] == shown:
        return str(kept[1])
    element = row_element(item, style)
    tag = "Directory" if item.kind == "show" else "Video"
    text = json.dumps(element, ensure_ascii=False) if style.as_json else xml(tag, element)
    item.rows[style] = (shown, text)
    return text


def full(item: Item, model: Model) -> Element:
    """The item as ``/library/metadata/{id}`` tells it: every tag with its number, and the locks."""
    section = model.sections[item.section]
    element = _scalars(item)
    if model.plain_addresses:
        element |= {name: element[name].rpartition("/")[0] for name in ("thumb", "art") if name in element}
    element |= {
        "librarySectionTitle": section.title,
        "librarySectionID": section.key,
        "librarySectionKey": f"/library/sections/{section.key}",
    }
    if item.parts:
        element["Media"] = media(item.parts)
    for kind, name in ELEMENTS.items():
        tags = [_tag(model, item, kind, tag) for tag in item.tags(kind)]
        if tags:
            element[name] = tags
    if item.locked:
        element["Field"] = [{"locked": True, "name": name} for name in sorted(item.locked)]
    return element


def _tag(model: Model, item: Item, kind: str, name: str) -> Element:
    number = model.tags.number(kind, name)
    element: Element = {"id": number, "filter": f"{kind}={number}", "tag": name}
    if kind == "actor":
        if item.roles.get(name):
            element["role"] = item.roles[name]
        if name in model.tags.thumbs:
            element["thumb"] = model.tags.thumbs[name]
    return element


def section_element(section: Section) -> Element:
    """One Directory of ``/library/sections``."""
    element: Element = {
        "allowSync": True,
        "art": "/:/resources/movie-fanart.jpg",
        "composite": f"/library/sections/{section.key}/composite/{section.scanned_at}",
        "filters": True,
        "refreshing": section.refreshing,
        "thumb": "/:/resources/video.png",
        "key": str(section.key),
        "type": section.type,
        "title": section.title,
        "agent": section.agent,
        "scanner": section.scanner,
        "language": "xn",
        "uuid": section.uuid,
        "updatedAt": section.updated_at,
        "createdAt": section.created_at,
        "scannedAt": section.scanned_at,
        "content": True,
        "directory": True,
        "contentChangedAt": section.content_changed_at,
        "hidden": 0,
    }
    if section.locations:
        element["Location"] = [
            {"id": section.key * 100 + number, "path": path} for number, path in enumerate(section.locations)
        ]
    return element


def photo_key(kind: str, name: str) -> str:
    """The rating key of a picture: an upload's holds its digest, Plex's own pictures have whole names."""
    return name if "://" in name else f"upload://{kind}/{name}"


def photo_path(item: Item, address: str) -> str:
    """Where a picture of the item can be had."""
    return f"/library/metadata/{item.rating_key}/file?url={quote(address, safe='')}"


def photos(item: Item, kind: str, marks: str = "digits", keys: str = "ratingKey") -> list[Element]:
    """The pictures of an item as ``/posters`` and ``/arts`` list them. ``marks``, ``keys``: see ``Modes``."""
    names, chosen = (item.posters, item.selected_poster) if kind == "posters" else (item.arts, item.selected_art)
    made = []
    for name in names:
        address = photo_key(kind, name)
        path, is_chosen = photo_path(item, address), name == chosen
        mark = {"digits": is_chosen, "words": str(is_chosen).lower(), "none": None}[marks]
        entry = {"key": path, "ratingKey": address, "selected": mark, "thumb": path}
        left_out = {"ratingKey"} if keys == "key" else set()
        made.append({name: value for name, value in entry.items() if value is not None and name not in left_out})
    return made
