"""What each question sends to Plex, and what it notes of the replies. Decides nothing; puts nothing back.

No edit here changes anything if Plex ignored its id and edited the whole library: see ``unknown_id`` and ``form_body``.
"""

from __future__ import annotations

import json
import re
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import quote

from plexsync.doctor.desk import JSON, XML, Desk, Unanswered, cover_of
from plexsync.doctor.saved import LISTS
from plexsync.model.errors import PlexBusy
from plexsync.plex.client import Trial, url_for_edit
from plexsync.plex.errors import parse_xml
from plexsync.plex.listing import EXCLUDED_ELEMENTS, EXCLUDED_FIELDS
from plexsync.plex.parse import as_int, item_of, row_of

Noted = Mapping[str, Any]

#: Lengths of request lines in characters, in the order in which they are tried.
LENGTHS = (2048, 4096, 7168, 8192, 16384, 32768)
#: Rating keys that no item has, or the next one is tried.
UNKNOWN_IDS = (2_147_483_646, 2_147_483_629, 1_999_999_993)
#: Seconds since the epoch: the year 2100, after which nothing was changed.
FUTURE = 4_102_444_800
#: Seconds after which the clocks of Plex, which counts whole ones, show another time.
NEXT_SECOND = 1.1
#: Characters of the long title.
LONG = 300
#: Titles that come first and last in most libraries.
FIRST, LAST = "!! PlexSync doctor", "zzzz PlexSync doctor"
#: The control character that readers of XML cannot take.
CONTROL = "\x04"
#: What a listing without its excludes has in every row.
EXCLUDED_IN_EVERY_ROW = ("summary", "thumb")


def _tags(desk: Desk, name: str) -> list[str]:
    return [tag.get("tag", "") for tag in desk.video().findall(LISTS[name])]


def one_list(name: str) -> Callable[[Desk], Noted]:
    """Return what asks whether an edit of a list adds to it: one tag is written, then another one alone."""

    def ask(desk: Desk) -> Noted:
        desk.may_write(name)
        one, two = desk.tag("A"), desk.tag("B")
        lock = (f"{name}.locked", "1" if name in desk.before.locked else "0")
        statuses = [desk.edit([(f"{name}[0].tag.tag", tag), lock]) for tag in (one, two)]
        now = _tags(desk, name)
        return {"statuses": statuses, "first": one in now, "second": two in now}

    return ask


def order_of_actors(desk: Desk) -> Noted:
    """Write three actors, then the same in another order."""
    desk.may_write("actor")
    names = [desk.tag(name) for name in ("M", "Z", "A")]

    def written(order: tuple[int, ...]) -> tuple[int, ...]:
        params = [(f"actor[{index}].tag.tag", names[number]) for index, number in enumerate(order)]
        status = desk.edit([*params, ("actor.locked", "1" if "actor" in desk.before.locked else "0")])
        if status >= 400:
            raise Unanswered(f"status {status}")
        return tuple(names.index(tag) for tag in _tags(desk, "actor") if tag in names)

    return {"first": written((0, 1, 2)), "second": written((1, 0, 2))}


def request_line(desk: Desk) -> Noted:
    """Remove a tag that no item has, with longer and longer names, until one is refused."""
    taken, refused, why = 0, 0, ""
    for length in LENGTHS:
        params = [("genre[].tag.tag-", "")]
        rest = length - _line(desk, params)
        try:
            status = desk.edit([("genre[].tag.tag-", "x" * rest)])
        except PlexBusy as error:
            refused, why = length, "no answer" if error.status is None else str(error.status)
            break
        if status >= 400:
            refused, why = length, str(status)
            break
        taken = length
    return {"taken": taken, "refused": refused, "why": why}


def _line(desk: Desk, params: list[tuple[str, str]]) -> int:
    """Return the length of an edit's request line."""
    return len(f"PUT {url_for_edit(desk.before.section, desk.before.rating_key, params)} HTTP/1.1")


def clocks(desk: Desk) -> Noted:
    """Look at the clocks of item and library before and after an edit, in different seconds."""

    def read() -> tuple[int, str, str]:
        library = desk.library()
        return item_of(desk.video()).updated, library.get("contentChangedAt", ""), library.get("updatedAt", "")

    desk.may_write("genre")
    before = read()
    desk.sleep(NEXT_SECOND)
    status = desk.edit([("genre[0].tag.tag", desk.tag("A"))])
    after = read()
    return {"status": status, "item": before[0] != after[0], "library": before[1:] != after[1:]}


def filters(desk: Desk) -> Noted:
    """Ask for rows in two orders, changed in the future, and of the item's size."""
    up, down = ([as_int(row.get("ratingKey")) for row in desk.rows([("sort", way)])] for way in ("id", "id:desc"))
    size = next((part.size for part in item_of(desk.video()).parts if part.size), 0)
    sizes = [[part.size for part in item_of(row).parts] for row in desk.rows([("mediaSize", str(size))])]
    return {
        "up": up,
        "down": down,
        "later": len(desk.rows([("updatedAt>>", str(FUTURE))])),
        "sized": all(size in of_row for of_row in sizes) and bool(sizes) if size else None,
        "none": len(desk.rows([("mediaSize", "1")])),
    }


def excludes(desk: Desk) -> Noted:
    """List some rows as the index does, in both formats."""
    query = [("excludeElements", EXCLUDED_ELEMENTS), ("excludeFields", EXCLUDED_FIELDS)]
    return {kind: _row_of(desk.listing(query, size=20, accept=accept)) for kind, accept in FORMATS}


FORMATS = (("XML", XML), ("JSON", JSON))


def _row_of(reply: Trial) -> dict[str, bool]:
    """Return what the rows of a listing have: files, versions, and what was excluded."""
    if reply.status != 200:
        raise Unanswered(f"status {reply.status}")
    as_json = reply.content.lstrip()[:1] == b"{"
    try:
        rows = _json_rows(reply.content) if as_json else _xml_rows(reply.content)
    except (ElementTree.ParseError, ValueError, KeyError, TypeError):
        raise Unanswered("the reply cannot be read") from None
    if not rows:
        raise Unanswered("the listing has no rows")
    return {
        "json": as_json,
        "excluded": not any(name in row for row in rows for name in EXCLUDED_IN_EVERY_ROW),
        "media": any(row.get("Media") for row in rows),
        "part": any(media.get("Part") for row in rows for media in row.get("Media") or ()),
    }


def _json_rows(content: bytes) -> list[dict[str, Any]]:
    container = json.loads(content)["MediaContainer"]
    return list(container.get("Metadata") or container.get("Video") or ())


def _xml_rows(content: bytes) -> list[dict[str, Any]]:
    return [row_of(video) for video in parse_xml(content).iter("Video")]


def empty_date(desk: Desk) -> Noted:
    """Send a date that is empty. An item without one gets none: perhaps it could not be cleared again."""
    lock = ("originallyAvailableAt.locked", "1" if "originallyAvailableAt" in desk.before.locked else "0")
    had = desk.before.texts.get("originallyAvailableAt", "")
    if not had:
        raise Unanswered("the item has no date")
    status = desk.edit([("originallyAvailableAt.value", ""), lock])
    now = desk.video().get("originallyAvailableAt", "")
    return {"status": status, "now": "empty" if not now else "kept" if now == had else "another"}


def refresh(desk: Desk) -> Noted:
    """Ask for a scan of the item's own folder, both ways."""
    return {method: desk.refresh(method) for method in ("GET", "POST")}


def unknown_id(desk: Desk) -> Noted:
    """Send an edit with an id that no item has.

    It removes a tag that no item has and sets no lock: nothing changes even in a library that is edited as a whole.
    That Plex did so is seen by the clock of this item, which nobody named.
    """
    key = next((key for key in UNKNOWN_IDS if not desk.is_there(key)), 0)
    if not key:
        raise Unanswered("Plex has items of every key that was tried")
    before = item_of(desk.video()).updated
    desk.sleep(NEXT_SECOND)
    status = desk.edit([("genre[].tag.tag-", quote(desk.tag("none"), safe=""))], key=key)
    return {"status": status, "touched": item_of(desk.video()).updated != before}


def long_title(desk: Desk) -> Noted:
    """Write a title of ``LONG`` characters."""
    title = ("PlexSync doctor " + "x" * LONG)[:LONG]
    status = desk.edit([("title.value", title), _title_lock(desk)])
    now = desk.video().get("title", "")
    kept = len(now) if title.startswith(now) else -1
    return {"status": status, "kept": kept}


def _title_lock(desk: Desk) -> tuple[str, str]:
    return "title.locked", "1" if "title" in desk.before.locked else "0"


def control_character(desk: Desk) -> Noted:
    """Write a summary with a control character, read it in both formats, and write one without it at once."""
    lock = ("summary.locked", "1" if "summary" in desk.before.locked else "0")
    try:
        status = desk.edit([("summary.value", f"PlexSync{CONTROL}doctor"), lock])
        found = {kind: desk.item(accept).content for kind, accept in FORMATS}
    finally:
        desk.edit([("summary.value", desk.before.texts.get("summary", "")), lock], is_checked=True)
    return {"status": status} | {kind: _kept_control(content) for kind, content in found.items()}


def _kept_control(content: bytes) -> str:
    """Return how a reply shows the summary."""
    found = re.search(rb"PlexSync(.{0,10}?)doctor", content)
    between = found[1] if found else None
    if between is None:
        return "gone"
    return "stripped" if between in (b"", b" ") else "stored"


def same_upload(own: Callable[[], tuple[bytes, str]]) -> Callable[[Desk], Noted]:
    """Return what uploads the same poster again. ``own``: the cover that PlexSync would upload."""

    def ask(desk: Desk) -> Noted:
        data, kind, has_it = cover_of(desk, desk.video(), own)
        statuses = [] if has_it else [desk.upload(data, kind)]
        before = len(desk.posters())
        statuses.append(desk.upload(data, kind))
        return {"statuses": statuses, "more": len(desk.posters()) - before}

    return ask


def form_body(desk: Desk) -> Noted:
    """Remove the item's own new tag by a form's body; the id stays in the query.

    No other item has that tag, so nothing else changes even if Plex reads the body alone, which names no id.
    """
    desk.may_write("genre")
    tag = desk.tag("A")
    status = desk.edit([("genre[0].tag.tag", tag)])
    if status >= 400 or tag not in _tags(desk, "genre"):
        raise Unanswered(f"Plex did not take the tag (status {status})")
    nothing = ("genre[].tag.tag-", quote(desk.tag("none"), safe=""))
    status = desk.edit([nothing], form=[("genre[].tag.tag-", quote(tag, safe=""))])
    return {"status": status, "removed": tag not in _tags(desk, "genre")}


def sort_title(desk: Desk) -> Noted:
    """Write two titles; look at the sort title, and where it is not told, whether the item comes first and last."""
    key, seen = str(desk.before.rating_key), []
    total = len(desk.rows([], size=2))
    for title, order in ((FIRST, "titleSort"), (LAST, "titleSort:desc")):
        status = desk.edit([("title.value", title), _title_lock(desk)])
        if status >= 400:
            raise Unanswered(f"status {status}")
        top = [row.get("ratingKey") for row in desk.rows([("sort", order)], size=1)]
        told = desk.video().get("titleSort", "")
        seen.append({"told": _told(told, title, desk.before.texts.get("titleSort", "")), "top": top[:1] == [key]})
    return {"seen": seen, "alone": total < 2}


def _told(text: str, title: str, before: str) -> str:
    if not text:
        return "nothing"
    return "new" if text.casefold() == title.casefold() else "old" if before else "other"


def posters(desk: Desk) -> Noted:
    """Look at the list of posters: elements, marks and the forms of the names."""
    photos = list(desk.posters())
    return {
        "elements": sorted({photo.tag for photo in photos}),
        "marks": sorted({photo.get("selected", "none") for photo in photos}),
        "names": sorted({_form(photo) for photo in photos}),
    }


def _form(photo: ElementTree.Element) -> str:
    """Return the form of a picture's name without what it names."""
    attribute = "ratingKey" if photo.get("ratingKey") else "key"
    name = photo.get(attribute) or ""
    scheme = re.match(r"([a-z]{2,10})://", name)
    kind = f"{scheme[1]}://" if scheme else "a path" if name.startswith("/") else "something else" if name else "none"
    is_upload = kind in ("upload://", "a path")
    digest = " with SHA-1" if is_upload and re.search(r"[0-9a-f]{40}", name) else ""
    return f"{attribute} {kind}{digest}"
