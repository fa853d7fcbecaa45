"""The paged listing of a section, from a Plex on real sockets and from prepared unreadable pages."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence

import pytest

from plexsync.model.errors import PlexBusy
from plexsync.model.item import IndexPart
from plexsync.plex.client import Body, PlexClient
from plexsync.plex.listing import Listing
from tests.servers.plex import PlexServer


@pytest.fixture
def server() -> Iterator[PlexServer]:
    """Start a Plex with one empty movie library."""
    with PlexServer() as running:
        running.add_section("Scenes", key=5)
        yield running


@pytest.fixture
def client(server: PlexServer) -> Iterator[PlexClient]:
    """Return a connected client."""
    made = PlexClient(server.url, server.token, client_id="c")
    made.connect()
    server.clear_log()
    yield made
    made.close()


def fill(server: PlexServer, count: int) -> None:
    """Add items 1 to ``count``, with one file each."""
    for key in range(1, count + 1):
        server.add_item(
            5, f"/m/{key}.mp4", size=key, duration_ms=key * 1000, rating_key=key, updated_at=key, added_at=key
        )


def parts(listing: Listing) -> list[IndexPart]:
    """Return the files of all pages."""
    return [part for page in listing for part in page.parts]


@pytest.mark.parametrize("as_json", [True, False])
@pytest.mark.parametrize("total", [True, False])
@pytest.mark.parametrize("fewer", [None, 7])
def test_every_row_once(server: PlexServer, client: PlexClient, as_json: bool, total: bool, fewer: int | None) -> None:
    """In JSON and XML, with or without a total, in full or short pages, every file comes once."""
    server.modes.json, server.modes.total_size, server.modes.fewer_rows = as_json, total, fewer
    server.modes.page_size_required = True
    fill(server, 55)
    listing = Listing(client, 5, page=20)
    found = parts(listing)
    assert [part.rating_key for part in found] == list(range(1, 56))
    assert found[9] == IndexPart(10, 5, found[9].part_id, "/m/10.mp4", 10, 10.0)
    assert listing.complete
    assert all(request.param("sort") == "id" and request.param("type") == "1" for request in server.log)


@pytest.mark.parametrize("as_json", [True, False])
def test_odd_rows(server: PlexServer, client: PlexClient, as_json: bool) -> None:
    """Versions, stacked files, copies, trash and rows without media are recognised, with excludes ignored."""
    server.modes.json = as_json
    server.modes.honour_excludes = False
    server.modes.hide_updated_at = True
    server.add_item(5, rating_key=1, files=[("/m/a1.mp4", 1, 10), ("/m/a2.mp4", 2, 10)], versions=[("/m/b.mkv", 3, 10)])
    server.add_item(5, "/m/c.mp4", rating_key=2, optimised=[("/m/Plex Versions/Mobile/c.mp4", 9)])
    server.add_item(5, "/m/d.mp4", rating_key=3, trashed=True)
    server.add_item(5, rating_key=4, no_media=True)
    server.add_item(5, "/m/clip.mp4", rating_key=5, kind="clip")
    listing = Listing(client, 5)
    found = {part.path: (part.trashed, part.optimised) for part in parts(listing)}
    assert found == {
        "/m/a1.mp4": (False, False),
        "/m/a2.mp4": (False, False),
        "/m/b.mkv": (False, False),
        "/m/c.mp4": (False, False),
        "/m/Plex Versions/Mobile/c.mp4": (False, True),
        "/m/d.mp4": (True, False),
    }
    assert listing.keys == {1, 2, 3, 4}


@pytest.mark.parametrize("as_json", [True, False])
def test_control_characters_cost_no_row(server: PlexServer, client: PlexClient, as_json: bool) -> None:
    """A page with a forbidden character reference is read nevertheless."""
    server.modes.json, server.modes.bad_char_ref = as_json, True
    fill(server, 30)
    listing = Listing(client, 5, page=10)
    assert len(parts(listing)) == 30
    assert listing.complete
    assert not listing.warnings


def test_trimming_halves_the_rows(server: PlexServer, client: PlexClient) -> None:
    """Summaries and tags are excluded, files are not, and no version header is sent."""
    server.add_item(5, "/m/a.mp4", summary="x" * 5000, genres=("G",), rating_key=1)
    body = client.stream("/library/sections/5/all", [("type", "1")], {"Accept": "application/json"})
    assert len(body.content) > 5000
    assert len(parts(Listing(client, 5))) == 1
    assert "summary" in (server.log[-1].param("excludeFields") or "")
    assert server.log[-1].header("X-Plex-Pms-Api-Version") is None


@pytest.mark.parametrize("dropped", ["Media", "Part"])
def test_files_that_are_lost_by_trimming_are_read_whole(server: PlexServer, client: PlexClient, dropped: str) -> None:
    """A Plex that drops Media or Part with what is excluded is asked for whole rows, one page more in all."""
    fill(server, 5)
    server.modes.excludes_drop = dropped
    listing = Listing(client, 5, page=2)
    assert [part.path for part in parts(listing)] == [f"/m/{key}.mp4" for key in range(1, 6)]
    assert listing.complete
    trimmed = [request.param("excludeElements") is not None for request in server.log]
    assert trimmed == [True, *[False] * (len(trimmed) - 1)]


def test_items_without_files_do_not_end_trimming(server: PlexServer, client: PlexClient) -> None:
    """Where whole rows have no file either, as of items that Plex has just made, the next pages are trimmed again."""
    fill(server, 4)
    for key in (1, 2):
        server.items[key].parts.clear()
    assert [part.path for part in parts(Listing(client, 5, page=2))] == ["/m/3.mp4", "/m/4.mp4"]
    trimmed = [request.param("excludeElements") is not None for request in server.log]
    assert trimmed[:3] == [True, False, True]


def test_deltas(server: PlexServer, client: PlexClient) -> None:
    """A delta has the rows changed or added since a time, that second included."""
    fill(server, 20)
    updated = Listing(client, 5, since_updated=15)
    assert [part.rating_key for part in parts(updated)] == [15, 16, 17, 18, 19, 20]
    assert updated.honoured
    assert len(parts(Listing(client, 5, since_added=19))) == 2
    assert "updatedAt%3E%3E=14" in server.log[0].target


def test_ignored_filter_is_noticed() -> None:
    """Old rows show that a server ignores the filter; the rows are good for the index all the same."""
    listing = Listing(Pages([row(key) | {"updatedAt": key} for key in range(1, 31)]), 5, since_updated=25, page=10)
    assert len(parts(listing)) == 30
    assert not listing.honoured
    assert listing.complete


def test_items_added_and_removed_while_paging(server: PlexServer, client: PlexClient) -> None:
    """Rows added while paging are included; a removal shifts rows, so the listing is incomplete."""
    fill(server, 30)
    listing = Listing(client, 5, page=10)
    pages = iter(listing)
    next(pages)
    server.add_item(5, "/m/new.mp4", rating_key=99)
    assert sum(len(page.parts) for page in pages) == 21
    assert listing.complete
    listing = Listing(client, 5, page=10)
    pages = iter(listing)
    next(pages)
    server.remove_item(3)
    list(pages)
    assert not listing.complete


def test_empty_section(client: PlexClient) -> None:
    """An empty library is complete at once."""
    listing = Listing(client, 5)
    assert parts(listing) == []
    assert listing.complete


@pytest.mark.parametrize("fault", ["truncated_xml", "empty_200", "html_200", "reset_mid_body", "500"])
def test_no_listing_is_busy(server: PlexServer, client: PlexClient, fault: str) -> None:
    """Half a page, none, or another server's is an error after one request, not an empty library."""
    fill(server, 30)
    server.fault(fault)
    with pytest.raises(PlexBusy):
        parts(Listing(client, 5))
    assert server.count() == 1


def row(key: int) -> dict[str, object]:
    """Return a minimal row."""
    return {"ratingKey": str(key), "Media": [{"Part": [{"id": key, "file": f"/m/{key}.mp4"}]}]}


class Pages:
    """Prepared rows; those in ``broken`` make every page with them unreadable. ``stuck``: the start is ignored."""

    def __init__(
        self, all_rows: Sequence[Mapping[str, object]], broken: Sequence[int] = (), stuck: bool = False
    ) -> None:
        self.rows, self.broken, self.stuck = all_rows, broken, stuck
        self.requests = 0

    def stream(self, path: str, query: Sequence[tuple[str, str]], headers: Mapping[str, str]) -> Body:
        """Return one page."""
        self.requests += 1
        start = 0 if self.stuck else int(headers["X-Plex-Container-Start"])
        page = self.rows[start : start + int(headers["X-Plex-Container-Size"])]
        text = json.dumps({"MediaContainer": {"totalSize": len(self.rows), "Metadata": list(page)}})
        if any(position in range(start, start + len(page)) for position in self.broken):
            text = text.replace('"Metadata": [', '"Metadata": [nonsense')
        return Body(text.encode(), "application/json", {})


@pytest.mark.parametrize("broken", [[0], [41], [99], [10, 11], [3, 50, 97]])
def test_an_unreadable_row_is_isolated(broken: list[int]) -> None:
    """An unreadable row is left out with a warning, all others are kept, for a few more requests."""
    pages = Pages([row(key) for key in range(1, 101)], broken)
    listing = Listing(pages, 5, page=100)
    assert [part.rating_key for part in parts(listing)] == [key for key in range(1, 101) if key - 1 not in broken]
    assert len(listing.warnings) == len(broken)
    assert not listing.complete
    assert pages.requests <= 20 * len(broken)


def test_a_library_of_unreadable_rows_gives_up() -> None:
    """If nearly every row is unreadable, the whole listing is."""
    with pytest.raises(PlexBusy):
        parts(Listing(Pages([row(key) for key in range(1, 101)], range(100)), 5))


def test_a_server_that_ignores_the_start_ends() -> None:
    """If the same page comes again and again, the listing ends incomplete."""
    pages = Pages([row(key) for key in range(1, 101)], stuck=True)
    listing = Listing(pages, 5, page=10)
    assert len(parts(listing)) == 10
    assert not listing.complete
    assert pages.requests == 2


def test_rows_repeated_on_a_later_page_come_once() -> None:
    """A row that moved to a later page while paging is listed once."""
    listing = Listing(Pages([row(1), row(2), row(2), row(3), row(1), row(4)]), 5, page=2)
    assert [part.rating_key for part in parts(listing)] == [1, 2, 3, 4]
    assert not listing.complete


@pytest.mark.parametrize(
    "odd",
    [
        {},
        {"ratingKey": "x"},
        {"ratingKey": 9},
        {"ratingKey": "9", "Media": [{}]},
        {"ratingKey": "9", "Media": [{"Part": [{"id": 1}]}]},
    ],
)
def test_missing_attributes_are_survived(odd: dict[str, object]) -> None:
    """A row may lack anything; it then has no file, and the other rows stay."""
    assert [part.rating_key for part in parts(Listing(Pages([row(1), odd, row(2)]), 5))] == [1, 2]
