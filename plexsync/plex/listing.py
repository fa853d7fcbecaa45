"""A section's files, read page by page from a trimmed listing, each page forgotten before the next.

Knows nothing of the index's tables. Tags are never taken from here: Plex cuts them short in a listing.
"""

from __future__ import annotations

import json
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from plexsync.model.errors import PlexBusy
from plexsync.model.item import IndexPart
from plexsync.plex.client import Body
from plexsync.plex.errors import parse_xml
from plexsync.plex.parse import parts_of, row_of, whole

#: Plex warns about larger pages, and some servers refuse them.
PAGE = 1000
#: Half of a row is text that the index has no use for. A request, not a guarantee; Media and Part must never be in it.
EXCLUDED_ELEMENTS = (
    "Genre,Country,Guid,Rating,Collection,Director,Writer,Role,Producer,Similar,Image,UltraBlurColors,Label"
)
EXCLUDED_FIELDS = "summary,tagline,studio,thumb,art"
#: Rows that may be unreadable by themselves before the whole listing counts as unreadable.
UNREADABLE_ROWS = 20


class Streams(Protocol):
    """What a listing needs of the client."""

    def stream(self, path: str, query: Sequence[tuple[str, str]], headers: Mapping[str, str]) -> Body:
        """One page of a listing, unparsed."""
        ...


@dataclass(frozen=True, slots=True)
class Page:
    """One page: the rating keys not seen on an earlier page, and the files that those items hold."""

    keys: tuple[int, ...]
    parts: tuple[IndexPart, ...]


class Listing:
    """An iterable of ``Page``; after the last one its attributes tell how it went.

    ``complete``: every row that the server counted was received (for a delta: that it matched). ``honoured``: a filter
    was obeyed as far as the rows show. ``keys``: every rating key seen. ``warnings``: sentences about rows left out.
    """

    def __init__(
        self,
        client: Streams,
        section_key: int,
        *,
        since_updated: int | None = None,
        since_added: int | None = None,
        page: int = PAGE,
    ) -> None:
        self.complete = False
        self.honoured = True
        self.keys: set[int] = set()
        self.warnings: list[str] = []
        self._client = client
        self._section = section_key
        marks = {"updatedAt": since_updated, "addedAt": since_added}
        self._marks = {name: mark for name, mark in marks.items() if mark is not None}
        self._page = page
        self._nameless = 0
        self._unreadable = 0
        self._shrank = False
        self._total: int | None = None

    def __iter__(self) -> Iterator[Page]:
        start, size, trouble_ends = 0, self._page, 0
        while True:
            try:
                rows, total = self._rows(start, size)
            except _Unreadable:
                trouble_ends = max(trouble_ends, start + size)
                if size > 1:
                    size = (size + 1) // 2
                else:
                    self._leave_out(start)
                    start, size = start + 1, max(1, trouble_ends - start - 1)
                continue
            self._count(total)
            if not rows:
                break
            page = self._fresh(rows)
            if page is None:
                break
            yield page
            start += len(rows)
            if start >= trouble_ends:
                size = self._page
            if self._total is not None and start >= self._total:
                break
        self.complete = self._agrees()

    def _count(self, total: int | None) -> None:
        if total is not None:
            self._shrank = self._shrank or (self._total is not None and total < self._total)
            self._total = total

    def _agrees(self) -> bool:
        received = len(self.keys) + self._nameless
        # Rows that vanish while paging move later ones to a page that was read already.
        return not self._shrank and not self._unreadable and (self._total is None or received >= self._total)

    def _leave_out(self, position: int) -> None:
        self._unreadable += 1
        if self._unreadable > UNREADABLE_ROWS:
            raise PlexBusy("Plex's listing of a library cannot be read.", status=200)
        self.warnings.append(f"row {position} of library {self._section} cannot be read and is left out of the index")

    def _fresh(self, rows: Sequence[Mapping[str, Any]]) -> Page | None:
        """The rows not seen before, None if there are none: a server that ignores the start never ends."""
        keys: list[int] = []
        parts: list[IndexPart] = []
        nameless = 0
        for row in rows:
            key = whole(row.get("ratingKey"))
            if key <= 0:
                nameless += 1
                continue
            if key in self.keys:
                continue
            self.keys.add(key)
            keys.append(key)
            parts.extend(parts_of(row, self._section))
            if self._marks:
                self._check(row)
        self._nameless += nameless
        return Page(tuple(keys), tuple(parts)) if keys else None

    def _check(self, row: Mapping[str, Any]) -> None:
        for name, mark in self._marks.items():
            if 0 < whole(row.get(name)) < mark:
                self.honoured = False

    def _rows(self, start: int, size: int) -> tuple[Sequence[Mapping[str, Any]], int | None]:
        query = [("type", "1"), ("sort", "id")]
        # Plex's operator is "after": one second less makes it "since".
        query += [(f"{name}>>", str(mark - 1)) for name, mark in self._marks.items()]
        query += [("excludeElements", EXCLUDED_ELEMENTS), ("excludeFields", EXCLUDED_FIELDS)]
        body = self._client.stream(
            f"/library/sections/{self._section}/all",
            query,
            {
                "Accept": "application/json",
                "X-Plex-Container-Start": str(start),
                "X-Plex-Container-Size": str(size),
            },
        )
        return _parse(body)


def rows(
    client: Streams,
    section_key: int,
    *,
    since_updated: int | None = None,
    since_added: int | None = None,
    page: int = PAGE,
) -> Listing:
    """The section's rows; with ``since_...`` (epoch seconds by Plex's clock) those changed or added since."""
    return Listing(client, section_key, since_updated=since_updated, since_added=since_added, page=page)


class _Unreadable(Exception):
    """A page that ends properly, yet cannot be parsed: one row of it is to blame."""


def _parse(body: Body) -> tuple[Sequence[Mapping[str, Any]], int | None]:
    start, end = body.content[:64].lstrip()[:1], body.content[-64:].rstrip()[-1:]
    if body.content_type == "text/html" or start not in (b"{", b"<") or end not in (b"}", b">"):
        raise PlexBusy("Plex sent no listing, or one that was cut short.", status=200)
    found, total = _json_rows(body.content) if start == b"{" else _xml_rows(body.content)
    header = next((text for name, text in body.headers.items() if name.lower() == "x-plex-container-total-size"), None)
    return found, (whole(total) if total is not None else whole(header) if header is not None else None)


def _json_rows(content: bytes) -> tuple[Sequence[Mapping[str, Any]], object]:
    try:
        document = json.loads(content.decode("utf-8", "replace"), strict=False)
    except ValueError:
        raise _Unreadable from None
    container = document.get("MediaContainer")
    if not isinstance(container, dict):
        raise PlexBusy("Plex sent no listing.", status=200)
    found = container.get("Metadata") or container.get("Video") or ()
    return [row for row in found if isinstance(row, dict)], container.get("totalSize")


def _xml_rows(content: bytes) -> tuple[Sequence[Mapping[str, Any]], object]:
    try:
        root = parse_xml(content)
    except ElementTree.ParseError:
        raise _Unreadable from None
    if root.tag != "MediaContainer":
        raise PlexBusy("Plex sent no listing.", status=200)
    return [row_of(element) for element in root if element.get("ratingKey") or element.tag == "Video"], root.get(
        "totalSize"
    )
