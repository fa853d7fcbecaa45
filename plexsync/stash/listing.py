"""Stash's listings, page by page: scenes, files, and what changed. Rows that Stash cannot read are left out.

Knows nothing of Plex. All other queries are in ``api``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from plexsync.core.connection import Connection
from plexsync.model.scene import SceneFile
from plexsync.stash.queries import FILES, KINDS, listing, page_of, sort_key, updated_after
from plexsync.stash.reading import part, scene_files
from plexsync.stash.transport import Link, StashRefused

#: Rows per page where a listing selects only a few fields.
PAGE = 1000
#: Rows that Stash may fail to read before the whole listing counts as refused.
MOST_BROKEN = 10

Rows = list[dict[str, Any]]


class Listings(Link):
    """The listings, over one connection. ``skipped``: kind -> rows of its last listing that Stash could not read."""

    def __init__(self, connection: Connection, connect_timeout: float, read_timeout: float) -> None:
        super().__init__(connection, connect_timeout, read_timeout)
        self.skipped: dict[str, int] = {}

    def pages(self, scene_filter: Mapping[str, Any], selection: str, per_page: int = PAGE) -> Iterator[Rows]:
        """Yield the scenes that match ``scene_filter``, sorted by id; ``selection`` is GraphQL such as ``{ id }``."""
        yield from self._rows("scene", selection, scene_filter, per_page)

    def ids(self, scene_filter: Mapping[str, Any]) -> Iterator[list[int]]:
        """Yield the ids of the scenes that match ``scene_filter``, a list per page."""
        for page in self.pages(scene_filter, "{ id }"):
            yield [int(raw["id"]) for raw in page]

    def scenes_with(self, kind: str, ids: Sequence[int]) -> Iterator[list[int]]:
        """Yield the ids of the scenes with any of these performers, studios or tags (``kind``), without children."""
        criterion: dict[str, Any] = {"value": [str(number) for number in ids], "modifier": "INCLUDES"}
        if kind != "performer":
            criterion["depth"] = 0
        yield from self.ids({f"{kind}s": criterion})

    def files(self) -> Iterator[list[tuple[int, SceneFile]]]:
        """Yield every (scene id, file), a list per page."""
        for page in self.pages({}, FILES):
            yield scene_files(page)

    def changed(self, kind: str, since: str) -> Iterator[Rows]:
        """Yield the rows of ``kind`` (scene, performer, studio, tag) whose ``updated_at`` is later than ``since``.

        Each row has ``id`` and ``updated_at``; scenes also have ``files``, the others ``name``. Stash compares the
        times as text, so ``since`` must be in Stash's time zone; other rows of the same second are left out.
        """
        yield from self._rows(kind, KINDS[kind], updated_after(since))

    def changes(self, since: str) -> Iterator[tuple[str, Rows]]:
        """Yield what reconciling compares, as (kind, rows): all scenes, and the other kinds as ``changed`` lists them.

        One request, and more pages only for a kind that does not fit on one.
        """
        self.skipped = {}
        conditions: dict[str, Any] = {kind: {} if kind == "scene" else updated_after(since) for kind in KINDS}
        data = self._first_pages(conditions)
        for kind, selection in KINDS.items():
            answer = data.get(f"find{kind.capitalize()}s") or {}
            rows, count = answer.get(f"{kind}s") or [], int(answer.get("count") or 0)
            if rows:
                yield kind, rows
            if not answer or count > PAGE:
                for page in self._rows(kind, selection, conditions[kind], page=2 if answer else 1):
                    yield kind, page

    def _first_pages(self, conditions: Mapping[str, Any]) -> dict[str, Any]:
        """Return the first page of every kind, ``{}`` if Stash refuses the request for one row or filter."""
        listings = " ".join(
            listing(kind, f"$by_{sort_key(kind)}", f"${kind}", selection) for kind, selection in KINDS.items()
        )
        types = ", ".join(f"${kind}: {kind.capitalize()}FilterType" for kind in KINDS)
        orders = {f"by_{sort_key(kind)}": page_of(kind, 1, PAGE) for kind in KINDS}
        query = f"query($by_id: FindFilterType, $by_name: FindFilterType, {types}) {{ {listings} }}"
        try:
            return self.ask(query, {**orders, **conditions})
        except StashRefused:
            return {}

    def _rows(
        self, kind: str, selection: str, condition: Mapping[str, Any], per_page: int = PAGE, page: int = 1
    ) -> Iterator[Rows]:
        """Yield the rows that match, from ``page`` on, without those that Stash cannot read."""
        self.skipped[kind] = 0
        while True:
            rows, count = self._page(kind, selection, condition, page, per_page)
            if rows:
                yield rows
            if page * per_page >= count:
                return
            page += 1

    def _page(
        self, kind: str, selection: str, condition: Mapping[str, Any], page: int, per_page: int
    ) -> tuple[Rows, int]:
        """Return one page, and the number of rows that match."""
        query = (
            f"query($filter: FindFilterType, $which: {kind.capitalize()}FilterType) {{"
            f" {listing(kind, '$filter', '$which', selection)} }}"
        )
        try:
            data = self.ask(query, {"filter": page_of(kind, page, per_page), "which": dict(condition)})
        except StashRefused as error:
            if error.invalid or not per_page:
                raise
            return self._readable(kind, selection, condition, page, per_page)
        answer = part(data, f"find{kind.capitalize()}s")
        return list(part(answer, f"{kind}s")), int(answer.get("count") or 0)

    def _readable(
        self, kind: str, selection: str, condition: Mapping[str, Any], page: int, per_page: int
    ) -> tuple[Rows, int]:
        """Return a page without the rows that Stash cannot read, by reading ever smaller pages, down to single rows.

        Raise ``StashRefused`` if Stash refuses to count, or cannot read more than ``MOST_BROKEN`` rows.
        """
        count = self._page(kind, selection, condition, 1, 0)[1]
        if per_page == 1:
            self.skipped[kind] += 1
            if self.skipped[kind] > MOST_BROKEN:
                raise StashRefused(f"Stash cannot read more than {MOST_BROKEN} of its {kind}s; see Stash's log")
            return [], count
        smaller = per_page // 10 if per_page % 10 == 0 else 1
        parts = per_page // smaller
        rows: Rows = []
        for number in range((page - 1) * parts + 1, page * parts + 1):
            if (number - 1) * smaller < count:
                rows += self._page(kind, selection, condition, number, smaller)[0]
        return rows, count
