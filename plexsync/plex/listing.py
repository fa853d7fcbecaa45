"""Read a section's files page by page from a trimmed listing, with one page in memory at a time.

Knows nothing of the index's tables. Never reads tags: Plex cuts them short in listings.
"""

from __future__ import annotations

import json
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from plexsync.model.errors import PlexBusy
from plexsync.model.item import IndexPart
from plexsync.plex.client import Body
from plexsync.plex.errors import parse_xml
from plexsync.plex.parse import as_int, parts_of, row_of

#: Rows per page: Plex warns about larger pages, and some servers refuse them.
PAGE = 1000
#: Elements that the index does not need, half of every row. Plex may ignore this. Never exclude Media or Part.
EXCLUDED_ELEMENTS = (
    "Genre,Country,Guid,Rating,Collection,Director,Writer,Role,Producer,Similar,Image,UltraBlurColors,Label"
)
EXCLUDED_FIELDS = "summary,tagline,studio,thumb,art"
#: Unreadable rows after which the whole listing counts as unreadable.
UNREADABLE_ROWS = 20


class Streams(Protocol):
    """The part of the client that a listing needs."""

    def stream(self, path: str, query: Sequence[tuple[str, str]], headers: Mapping[str, str]) -> Body:
        """Return one page of a listing, unparsed."""
        ...


@dataclass(frozen=True, slots=True)
class Page:
    """One page: the rating keys that no earlier page had, those items' files, and their ``updatedAt`` (0: not told)."""

    keys: tuple[int, ...]
    parts: tuple[IndexPart, ...]
    times: Mapping[int, int] = field(default_factory=dict)


class Listing:
    """A section's rows, to iterate over page by page; the attributes are final after the last page.

    ``since_updated``, ``since_added``: only rows changed or added since then (seconds since the epoch, by Plex's
    clock). ``complete``: every row that the server counted was received. ``honoured``: no row shows that the server
    ignored the filter. ``keys``: every rating key seen. ``warnings``: one sentence for each missing row.
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
        since = {"updatedAt": since_updated, "addedAt": since_added}
        self._since = {name: seconds for name, seconds in since.items() if seconds is not None}
        self._page = page
        self._trimmed = True
        self._nameless = 0
        self._unreadable = 0
        self._shrank = False
        self._total: int | None = None

    def __iter__(self) -> Iterator[Page]:
        start, size, trouble_ends, longest = 0, self._page, 0, 0
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
            page = self._unseen(rows)
            if page is None:
                break
            yield page
            start += len(rows)
            is_last = len(rows) < (min(longest, size) if longest else size)
            longest = max(longest, len(rows))
            if start >= trouble_ends:
                size = self._page
            # The total alone proves nothing: it may be too low.
            if is_last and self._total is not None and start >= self._total:
                break
        self.complete = self._agrees()

    def _count(self, total: int | None) -> None:
        if total is not None:
            self._shrank = self._shrank or (self._total is not None and total < self._total)
            self._total = total

    def _agrees(self) -> bool:
        received = len(self.keys) + self._nameless
        # When a row is deleted meanwhile, a later one moves to a page that has been read already.
        return not self._shrank and not self._unreadable and (self._total is None or received >= self._total)

    def _leave_out(self, position: int) -> None:
        self._unreadable += 1
        if self._unreadable > UNREADABLE_ROWS:
            raise PlexBusy("Plex's listing of a library cannot be read.", status=200)
        self.warnings.append(f"row {position} of library {self._section} cannot be read and is missing from the index")

    def _unseen(self, rows: Sequence[Mapping[str, Any]]) -> Page | None:
        """Return the rows not seen before, None if there are none: a server may send the same page for ever."""
        keys: list[int] = []
        parts: list[IndexPart] = []
        times: dict[int, int] = {}
        nameless = 0
        for row in rows:
            key = as_int(row.get("ratingKey"))
            if key <= 0:
                nameless += 1
                continue
            if key in self.keys:
                continue
            self.keys.add(key)
            keys.append(key)
            times[key] = as_int(row.get("updatedAt"))
            parts.extend(parts_of(row, self._section))
            if self._since:
                self._check(row)
        self._nameless += nameless
        return Page(tuple(keys), tuple(parts), times) if keys else None

    def _check(self, row: Mapping[str, Any]) -> None:
        for name, seconds in self._since.items():
            if 0 < as_int(row.get(name)) < seconds:
                self.honoured = False

    @property
    def total(self) -> int | None:
        """Return how many rows the server counted last, None if it does not tell."""
        return self._total

    def count(self) -> int | None:
        """Ask how many rows there are, without reading them: one request."""
        self._count(self._rows(0, 1)[1])
        return self._total

    def _rows(self, start: int, size: int) -> tuple[Sequence[Mapping[str, Any]], int | None]:
        """Return a page's rows, and how many there are in all; whole ones, if trimmed ones have no file at all.

        A Plex that takes Media or Part for excluded as well would otherwise have an empty index.
        """
        found = self._read(start, size)
        if self._trimmed and found[0] and not self._has_files(found[0]):
            self._trimmed = False
            found = self._read(start, size)
            self._trimmed = not self._has_files(found[0])
        return found

    def _has_files(self, rows: Sequence[Mapping[str, Any]]) -> bool:
        return any(parts_of(row, self._section) for row in rows)

    def _read(self, start: int, size: int) -> tuple[Sequence[Mapping[str, Any]], int | None]:
        query = [("type", "1"), ("sort", "id")]
        # Plex's operator means "after"; one second less makes it "since".
        query += [(f"{name}>>", str(seconds - 1)) for name, seconds in self._since.items()]
        if self._trimmed:
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


class _Unreadable(Exception):
    """A page that arrived whole but cannot be parsed, because of one row."""


def _parse(body: Body) -> tuple[Sequence[Mapping[str, Any]], int | None]:
    start, end = body.content[:64].lstrip()[:1], body.content[-64:].rstrip()[-1:]
    if body.content_type == "text/html" or start not in (b"{", b"<") or end not in (b"}", b">"):
        raise PlexBusy("Plex sent an incomplete listing, or none.", status=200)
    rows, total = _json_rows(body.content) if start == b"{" else _xml_rows(body.content)
    header = next((text for name, text in body.headers.items() if name.lower() == "x-plex-container-total-size"), None)
    count = total if total is not None else header
    return rows, None if count is None else as_int(count)


def _json_rows(content: bytes) -> tuple[Sequence[Mapping[str, Any]], object]:
    try:
        document = json.loads(content.decode("utf-8", "replace"), strict=False)
    except ValueError:
        raise _Unreadable from None
    container = document.get("MediaContainer")
    if not isinstance(container, dict):
        raise PlexBusy("Plex sent no listing.", status=200)
    rows = container.get("Metadata") or container.get("Video") or ()
    return [row for row in rows if isinstance(row, dict)], container.get("totalSize")


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
