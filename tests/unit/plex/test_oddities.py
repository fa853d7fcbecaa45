"""Unexpected replies and servers: none makes an empty library or a wrong write."""

from __future__ import annotations

import itertools
import os
import sqlite3
import sys
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence

import pytest
import requests
import responses
from plexapi.exceptions import BadRequest

from plexsync.model.errors import ItemGone, PlexBusy, SetupError
from plexsync.model.item import Item, Section
from plexsync.plex.client import Body, Identity, PlexClient, load_plexapi
from plexsync.plex.errors import classify
from plexsync.plex.index import Library
from plexsync.plex.listing import Listing
from plexsync.plex.session import PlexSession

URL = "http://plex.test:32400"
ROOT = '<MediaContainer machineIdentifier="m" version="1" platform="Linux"/>'


@pytest.fixture
def plex() -> Iterator[responses.RequestsMock]:
    """Mock prepared answers instead of a network."""
    with responses.RequestsMock(assert_all_requests_are_fired=False) as prepared:
        prepared.get(URL + "/", body=ROOT)
        yield prepared


def client() -> PlexClient:
    """Return a client of that address."""
    return PlexClient(URL, "tok", client_id="c", connect_timeout=1, read_timeout=1)


def test_a_torn_first_answer_is_busy() -> None:
    """A first reply that breaks off is busy, not a proxy's page."""
    with responses.RequestsMock() as prepared:
        prepared.get(URL + "/", body="<MediaContainer machineId", content_type="text/xml")
        with pytest.raises(PlexBusy):
            client().connect()


def test_a_listing_without_a_body_is_busy(plex: responses.RequestsMock) -> None:
    """A success without a page (204) is not an empty library."""
    plex.get(f"{URL}/library/sections/5/all", status=204)
    with pytest.raises(PlexBusy):
        list(Listing(client(), 5))


def test_a_missing_plexapi_is_no_answer_of_plex(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the module its absence is raised, for those who know the remedy, and Plex is not blamed."""
    monkeypatch.setitem(sys.modules, "plexapi", None)
    with pytest.raises(ImportError):
        client().connect()


def test_variables_for_plexapi_do_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    """What somebody set for another program that uses plexapi changes nothing here: no log file, no other headers."""
    monkeypatch.setenv("PLEXAPI_LOG_PATH", "plexapi.log")
    monkeypatch.setenv("plexapi_header_device", "Another")
    load_plexapi("client")
    assert {name for name in os.environ if name.upper().startswith("PLEXAPI_")} == {
        "PLEXAPI_PLEXAPI_AUTORELOAD", "PLEXAPI_LOG_SHOW_SECRETS", "PLEXAPI_CONFIG_PATH",
    }  # fmt: skip


@pytest.mark.parametrize("number", [0, -3, True])
def test_no_request_without_a_number(plex: responses.RequestsMock, number: int) -> None:
    """Uploads, reads of images and scans need a positive integer, as edits do."""
    made = client()
    for call in (
        lambda: made.upload(number, "posters", b"x", "image/jpeg"),
        lambda: made.has_image(number, "posters", "0"),
        lambda: made.scan(number, "/m"),
    ):
        with pytest.raises(ValueError, match="positive integer"):
            call()
    assert len(plex.calls) == 0


class Pages:
    """A Plex that answers every listing with prepared pages."""

    def __init__(self, *contents: str) -> None:
        self.contents = list(contents)
        self.session = PlexSession(connect_timeout=1, read_timeout=1)
        self.identity = Identity("m", platform="Linux")
        self.clock = "1"
        self.asked: list[Sequence[tuple[str, str]]] = []

    def sections(self) -> tuple[Section, ...]:
        """One library."""
        return (Section(5, "Films", clock=self.clock),)

    def items(self, rating_keys: Iterable[int]) -> dict[int, Item]:
        """None of them."""
        return {}

    def stream(self, path: str, query: Sequence[tuple[str, str]], headers: Mapping[str, str]) -> Body:
        """The next page; the last one for ever."""
        self.asked.append(query)
        content = self.contents.pop(0) if len(self.contents) > 1 else self.contents[0]
        kind = "application/json" if content.startswith("{") else "text/xml"
        return Body(content.encode(), kind, {})


@pytest.mark.parametrize("content", ['{"error": {}}', '{"MediaContainer": [1]}', "<Response code='200'></Response>"])
def test_another_document_is_no_listing(content: str) -> None:
    """A document that is not a listing is busy, not an empty page."""
    with pytest.raises(PlexBusy):
        list(Listing(Pages(content), 5))


def test_one_unreadable_page_of_xml(monkeypatch: pytest.MonkeyPatch) -> None:
    """Unreadable rows of XML are left out one by one, and the listing is not complete."""
    bad = "<MediaContainer totalSize='2'><Video ratingKey='1' <></MediaContainer>"
    good = "<MediaContainer totalSize='2'><Video ratingKey='2'/></MediaContainer>"
    listing = Listing(Pages(bad, bad, good, good), 5, page=2)
    assert [page.keys for page in listing] == [(2,)]
    assert not listing.complete
    assert len(listing.warnings) == 1


def row(key: int, updated: int) -> str:
    """Return a row with one file."""
    return (
        f'{{"ratingKey": "{key}", "updatedAt": {updated}, "Media": [{{"Part": [{{"id": {key}, "file": "/f/{key}.mp4",'
        f' "size": {key}}}]}}]}}'
    )


def page(*rows: str) -> str:
    """Return a page of JSON."""
    return f'{{"MediaContainer": {{"totalSize": {len(rows)}, "Metadata": [{", ".join(rows)}]}}}}'


def test_an_ignored_filter_makes_a_sweep() -> None:
    """A server that answers a delta with every row is taken at its word: other rows are dropped."""
    pages = Pages(page(row(1, 5), row(2, 5)))
    library = Library(sqlite3.connect(":memory:", isolation_level=None), pages, "m", lambda: 1_000_000.0)
    assert library.refresh().filled
    pages.session.last = None
    library._conn.execute("UPDATE section SET listed = 900000")
    pages.clock, pages.contents = "2", [page(row(2, 5), row(3, 5))]
    found = library.refresh()
    assert found.gained == {("3.mp4", 3)}
    assert sorted(library.by_item([1, 2, 3])) == [2, 3]
    assert [name for name, _ in pages.asked[-1]][2] == "updatedAt>>"


def test_an_ignored_filter_on_a_torn_listing_drops_nothing() -> None:
    """An incomplete listing with old rows drops nothing, and the delta is repeated."""
    pages = Pages(page(row(1, 5), row(2, 5)))
    times = itertools.count(1_000_000.0, 60)
    library = Library(sqlite3.connect(":memory:", isolation_level=None), pages, "m", lambda: next(times))
    library.refresh()
    library._conn.execute("UPDATE section SET listed = 900000")
    pages.clock, pages.contents = "2", [page(row(2, 5)).replace('"totalSize": 1', '"totalSize": 9')]
    library.refresh()
    assert sorted(library.by_item([1, 2])) == [1, 2]
    asked = len(pages.asked)
    library.refresh()
    assert len(pages.asked) > asked


def test_a_page_that_cannot_be_stored_leaves_no_half() -> None:
    """An error while storing a page leaves the index unchanged and no transaction open."""
    pages = Pages(page(row(1, 5)))
    conn = sqlite3.connect(":memory:", isolation_level=None)
    library = Library(conn, pages, "m", lambda: 1_000_000.0)
    conn.execute("CREATE TRIGGER full BEFORE INSERT ON part BEGIN SELECT RAISE(ABORT, 'full'); END")
    with pytest.raises(sqlite3.Error, match="full"):
        library.refresh()
    assert not conn.in_transaction
    conn.execute("DROP TRIGGER full")
    conn.execute("CREATE TRIGGER full BEFORE INSERT ON part BEGIN SELECT RAISE(ROLLBACK, 'disk'); END")
    with pytest.raises(sqlite3.Error, match="disk"):
        library.refresh()
    assert not conn.in_transaction
    assert library.by_item([1]) == {}


def test_what_is_classified_stays_so() -> None:
    """Our errors are unchanged, plexapi's at status 200 are busy, others are classified."""
    gone = ItemGone("gone")
    assert classify(gone, 500, {}, "item") is gone
    assert type(classify(BadRequest("(200) ok"), 200, {}, "item")) is PlexBusy
    missing = classify(requests.HTTPError(), 404, {}, "server")
    assert isinstance(missing, SetupError)
    assert '"Plex address"' in str(missing)
    redirects = classify(requests.exceptions.TooManyRedirects(), None, {}, "server")
    assert isinstance(redirects, SetupError)
    assert '"Plex address"' in str(redirects)


def test_any_certificate_is_taken_in_silence() -> None:
    """With "Accept any certificate" no request warns about it."""
    with warnings.catch_warnings(record=True):
        session = PlexSession(connect_timeout=1, read_timeout=1, verify=False)
        assert session.verify is False
        assert any("InsecureRequestWarning" in str(filter_[2]) for filter_ in warnings.filters)
