"""The Plex test server against an independent reader, the real plexapi; its edits, tokens, faults and instruments."""

from __future__ import annotations

import hashlib
import threading
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from typing import Any

import pytest
import requests
from plexapi.exceptions import BadRequest, NotFound, Unauthorized
from plexapi.server import PlexServer as Client

from tests.servers.plex import PlexServer
from tests.support.plex_probe import TOKEN, get, keys, put


@pytest.fixture
def server() -> Iterator[PlexServer]:
    """A Plex with a section of personal videos (5) and one item (101)."""
    with PlexServer() as plex:
        plex.add_section("Scenes", key=5, locations=("/media", "/more"))
        plex.add_section("Series", key=6, type="show")
        plex.add_item(5, file="/media/d/x.mp4", size=123, duration_ms=60000, rating_key=101, updated_at=1000)
        yield plex


def test_plexapi_reads_sections_and_items(server: PlexServer) -> None:
    """plexapi finds the server's identity, its sections, and an item with its file."""
    client = Client(server.url, "plex-token")
    section = client.library.section("scenes")
    item = section.all()[0]
    assert (client.machineIdentifier, client.platform) == (server.machine, "Linux")
    assert (section.key, section.type, section.agent, section.locations) == (
        5, "movie", "com.plexapp.agents.none", ["/media", "/more"],
    )  # fmt: skip
    assert (item.ratingKey, item.title, item.duration, item.locations) == (101, "x", 60000, ["/media/d/x.mp4"])
    assert item.media[0].parts[0].size == 123
    assert client.fetchItem(101).librarySectionID == 5
    assert [section.title for section in client.library.sections()] == ["Scenes", "Series"]
    assert client.identity().machineIdentifier == server.machine


def test_plexapi_pages_through_everything(server: PlexServer) -> None:
    """A section larger than a page, and a comma list larger than a page, arrive whole and once."""
    wanted = {server.add_item(5, file=f"/media/{number}.mp4").rating_key for number in range(250)} | {101}
    client = Client(server.url, "plex-token")
    assert sorted(item.ratingKey for item in client.library.section("Scenes").all()) == sorted(wanted)
    assert sorted(item.ratingKey for item in client.fetchItems(sorted(wanted))) == sorted(wanted)


def test_plexapi_batch_edit_is_one_write(server: PlexServer) -> None:
    """A batch of plexapi edits arrives as one PUT that sets values, tags and locks."""
    item = Client(server.url, "plex-token").fetchItem(101)
    item.batchEdits().editTitle("New").editSummary("a\nb & <c>").editStudio("S", locked=False)
    item.addGenre(["One", "Two"]).saveEdits()
    again = Client(server.url, "plex-token").fetchItem(101)
    assert (again.title, again.summary, again.studio) == ("New", "a\nb & <c>", "S")
    assert [genre.tag for genre in again.genres] == ["One", "Two"]
    assert {field.name for field in again.fields if field.locked} == {"title", "summary", "genre"}
    assert len(server.writes()) == 1
    assert not server.disaster


def test_plexapi_removes_tags_with_commas(server: PlexServer) -> None:
    """plexapi's doubly quoted removal takes away exactly the tag with the comma and the percent sign."""
    server.edit_item(101, genres=["x, y", "100% z", "stays"])
    Client(server.url, "plex-token").fetchItem(101).removeGenre(["x, y", "100% z"])
    assert server.items[101].genres == ["stays"]


def test_plexapi_uploads_posters(server: PlexServer) -> None:
    """An upload is kept under its digest and selected; the same bytes again add nothing; nothing is ever deleted."""
    item = Client(server.url, "plex-token").fetchItem(101)
    for data in (b"one", b"two", b"one"):
        requests.post(f"{server.url}/library/metadata/101/posters", data=data, headers=TOKEN, timeout=60)
    item.uploadPoster(url="http://127.0.0.1/picture.jpg")
    digests = [hashlib.sha1(data).hexdigest() for data in (b"one", b"two", b"http://127.0.0.1/picture.jpg")]
    assert [poster.ratingKey for poster in item.posters()] == [f"upload://posters/{digest}" for digest in digests]
    assert [poster.selected for poster in item.posters()] == [False, False, True]
    assert server.images[digests[1]] == b"two"


def test_plexapi_uploads_art_from_a_file(server: PlexServer, tmp_path: Any) -> None:
    """A background sent as a file's bytes is the selected art."""
    (tmp_path / "art.jpg").write_bytes(b"art")
    item = Client(server.url, "plex-token").fetchItem(101)
    item.uploadArt(filepath=str(tmp_path / "art.jpg"))
    assert server.items[101].selected_art == hashlib.sha1(b"art").hexdigest()
    assert [art.selected for art in item.arts()] == [True]


def test_upload_above_ten_megabytes_is_500(server: PlexServer) -> None:
    """An image of more than 10 MB is refused and not kept."""
    url = f"{server.url}/library/metadata/101/posters"
    assert requests.post(url, data=b"x" * (10 * 1024 * 1024 + 1), headers=TOKEN, timeout=20).status_code == 500
    assert server.items[101].posters == []


def test_plexapi_sees_a_scan(server: PlexServer) -> None:
    """A scan of a folder that Plex has makes the file below appear; activities and timeline tell of it meanwhile."""
    now = [0.0]
    server._scans.clock = lambda: now[0]
    server.scan_adds(5, "/media/new/File Name.mp4", delay=5, process=5, rating_key=900)
    section = Client(server.url, "plex-token").library.section("Scenes")
    for folder in ("/more", "/media/d", "/media/new", "\\media", "/MEDIA", "/med"):
        section.update(folder)
        assert list(section._server.activities) == []
    section.update("/media/")
    assert [activity.type for activity in section._server.activities] == ["library.update.section"]
    now[0] = 5
    assert server.items[900].title == "File Name"
    assert section.timeline().updateQueueSize == 1
    put(server, "type=1&id=900&title.value=Early")
    now[0] = 10
    assert section.timeline().updateQueueSize == 0
    assert server.items[900].title == "File Name"
    assert server.scans[::6] == [(5, "/more"), (5, "/media/")]


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_refresh_by_the_other_method_is_404(server: PlexServer, method: str) -> None:
    """Only the method of the mode starts a scan."""
    server.modes.refresh_method = "POST" if method == "GET" else "GET"
    url = f"{server.url}/library/sections/5/refresh?path=/media"
    assert requests.request(method, url, headers=TOKEN, timeout=60).status_code == 404


@pytest.mark.parametrize(
    ("mode", "token", "read", "write"),
    [
        ("required", "", 401, 401),
        ("required", "wrong", 401, 401),
        ("required", "plex-token", 200, 200),
        ("allowed_network", "", 200, 200),
        ("expired_498", "plex-token", 498, 498),
        ("refused_401", "plex-token", 401, 401),
        ("forbidden_writes_403", "plex-token", 200, 403),
    ],
)
def test_tokens(server: PlexServer, mode: str, token: str, read: int, write: int) -> None:
    """Each token mode answers reads and writes as it says; identity never asks."""
    server.modes.token_mode = mode
    headers = {"X-Plex-Token": token} if token else {}
    assert requests.get(f"{server.url}/library/sections", headers=headers, timeout=60).status_code == read
    url = f"{server.url}/library/sections/5/all?type=1&id=101&title.value=N"
    assert requests.put(url, headers=headers, timeout=60).status_code == write
    assert requests.get(f"{server.url}/identity", timeout=60).status_code == 200
    assert server.items[101].title == ("N" if write == 200 else "x")


def test_plexapi_names_its_errors(server: PlexServer) -> None:
    """plexapi raises what it raises for a real server: Unauthorized, NotFound, BadRequest."""
    with pytest.raises(Unauthorized):
        Client(server.url, "wrong")
    client = Client(server.url, "plex-token")
    with pytest.raises(NotFound):
        client.fetchItem(999)
    server.fault("500", path="/library/metadata/101$", count=1)
    with pytest.raises(BadRequest, match="500"):
        client.fetchItem(101)
    assert client.fetchItem(101).title == "x"


@pytest.mark.parametrize(("query", "hit"), [("type=1", 2), ("type=1&ID=101", 2), ("type=1&title%3D=x", 1)])
def test_edit_without_id_is_a_disaster(server: PlexServer, query: str, hit: int) -> None:
    """An edit without id changes every item of the section, or those of a filter that Plex knows."""
    server.add_item(5, file="/media/other.mp4")
    assert put(server, f"{query}&studio.value=Gone").status_code == 200
    assert server.disaster
    assert sum(item.studio == "Gone" for item in server.items.values()) == hit


def test_edit_moves_clocks(server: PlexServer) -> None:
    """An edit moves the item's updatedAt and the section's clocks, and comes up in a delta."""
    before = server.sections[5].content_changed_at
    put(server, "type=1&id=101&title.value=N&title.locked=1")
    assert server.items[101].updated_at > 1000
    assert server.sections[5].content_changed_at > before
    assert server.items[101].locked == {"title"}
    put(server, "type=1&id=101&title.locked=0")
    assert server.items[101].locked == set()


@pytest.mark.parametrize(
    ("append", "query", "wanted"),
    [
        (True, "genre[0].tag.tag=C", ["A", "B", "C"]),
        (False, "genre[0].tag.tag=C", ["C"]),
        (True, "genre[1].tag.tag=D&genre[0].tag.tag=C&genre[].tag.tag-=a,b", ["C", "D"]),
        (False, "genre[].tag.tag-=A", ["B"]),
        (True, "genre[].tag=", []),
        (True, "genre[].tag=&genre[0].tag.tag=Z", ["Z"]),
        (True, "genre[0].tag.tag=%20spelt%20&genre[1].tag.tag=a", ["A", "B", "Spelt"]),
    ],
)
def test_tag_edits(server: PlexServer, append: bool, query: str, wanted: list[str]) -> None:
    """Tags are added or replaced by mode, removed in any letter case, cleared; the first spelling wins."""
    server.add_item(5, file="/media/o.mp4", genres=["Spelt"])
    server.edit_item(101, genres=["A", "B"])
    server.model.tags.spell("genre", "A")
    server.modes.tags_append = append
    assert put(server, "type=1&id=101&" + query).status_code == 200
    assert server.items[101].genres == wanted


def test_actors_keep_role_thumb_and_order(server: PlexServer) -> None:
    """Actors come back in the order of their index, with the role, and one thumb per name for the whole server."""
    query = "actor[1].tag.tag=B&actor[0].tag.tag=A&actor[0].tagging.text=lead&actor[0].tag.thumb=http%3A%2F%2Fh%2Fa.jpg"
    put(server, "type=1&id=101&" + query)
    roles = Client(server.url, "plex-token").fetchItem(101).roles
    assert [(role.tag, role.role, role.thumb) for role in roles] == [("A", "lead", "http://h/a.jpg"), ("B", None, None)]


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("id=101&director_name.value=x", 400),
        ("id=101&originallyAvailableAt.value=2024-13-40", 500),
        ("id=101&originallyAvailableAt.value=2024", 500),
        ("id=101&originallyAvailableAt.value=", 200),
        ("id=101&summary.value=a%20bad%20word", 400),
        ("id=101&genre[0].tag.tag=bad", 400),
        ("id=999&title.value=x", 404),
    ],
)
def test_refused_edits_change_nothing(server: PlexServer, query: str, status: int) -> None:
    """An unknown field, an impossible date, a rejected value or an unknown id is refused whole."""
    server.modes.reject_values = {"summary": "bad", "genre": "bad"}
    before = server.snapshot()
    assert put(server, f"type=1&title.value=x&{query}").status_code == status
    assert server.snapshot() == before


def test_kept_differently_capitalised_and_dropped(server: PlexServer) -> None:
    """The server may store another value, capitalise a collection, or say yes and do nothing."""
    server.modes.keep_differently = lambda field, value: value.strip("!") if field == "title" else value
    server.modes.capitalise_collections = True
    put(server, "type=1&id=101&title.value=Hey!!&collection[0].tag.tag=mine")
    assert (server.items[101].title, server.items[101].collections) == ("Hey", ["Mine"])
    server.modes.drop_updates = True
    assert put(server, "type=1&id=101&title.value=Other").status_code == 200
    assert server.items[101].title == "Hey"


@pytest.mark.parametrize(
    ("kind", "status"),
    [("503_xml", 503), ("503_json", 503), ("500", 500), ("429", 429), ("408", 408), ("409", 409), ("empty_200", 200),
     ("html_200", 200), ("redirect_302", 302), ("redirect_301", 301)],
)  # fmt: skip
def test_faults_with_a_status(server: PlexServer, kind: str, status: int) -> None:
    """A fault answers instead of Plex, changes nothing, and is over after its count."""
    server.fault(kind, count=1, method="PUT")
    reply = put(server, "type=1&id=101&title.value=N")
    assert reply.status_code == status
    assert server.items[101].title == "x"
    assert reply.headers.get("Retry-After") == ("1" if kind == "429" else None)
    assert ("Location" in reply.headers) == kind.startswith("redirect")
    assert put(server, "type=1&id=101&title.value=N").status_code == 200
    assert server.items[101].title == "N"


def test_a_followed_redirect_loses_the_edit(server: PlexServer) -> None:
    """A client that follows a 302 sees 200 although nothing was written."""
    server.fault("redirect_302", count=1)
    url = f"{server.url}/library/sections/5/all?type=1&id=101&title.value=N"
    assert requests.put(url, headers=TOKEN, timeout=60).status_code == 200
    assert [request.path for request in server.log] == ["/library/sections/5/all", "/login"]
    assert server.items[101].title == "x"


@pytest.mark.parametrize(("kind", "applied"), [("reset", False), ("reset_mid_body", True)])
def test_faults_that_break_the_connection(server: PlexServer, kind: str, applied: bool) -> None:
    """A reset at once applies nothing; a body cut short comes after the edit was applied."""
    server.fault(kind, count=1)
    with pytest.raises((requests.ConnectionError, requests.exceptions.ChunkedEncodingError)):
        put(server, "type=1&id=101&title.value=N")
    assert (server.items[101].title == "N") == applied


def test_truncated_xml(server: PlexServer) -> None:
    """A truncated page arrives whole by its length and does not parse."""
    server.fault("truncated_xml", count=1)
    reply = get(server, "/library/sections/5/all?type=1")
    assert reply.status_code == 200
    with pytest.raises(ET.ParseError):
        ET.fromstring(reply.content)


def test_stall_hangs_until_released(server: PlexServer) -> None:
    """A stalled request hangs, applies nothing, and ends without an answer when released."""
    server.fault("stall", count=1)
    with pytest.raises(requests.ReadTimeout):
        requests.get(f"{server.url}/identity", timeout=(20, 0.05))
    server.release()
    assert server.log[0].status == 0
    assert requests.get(f"{server.url}/identity", timeout=60).status_code == 200
    with pytest.raises(ValueError, match="unknown fault"):
        server.fault("typo")


def test_slow_upload_succeeds_after_the_client_left(server: PlexServer) -> None:
    """An upload whose client timed out is applied all the same."""
    done = threading.Event()
    server.modes.poster_delay = 0.5
    server.after_write = lambda request: done.set()
    url = f"{server.url}/library/metadata/101/posters"
    with pytest.raises(requests.ReadTimeout):
        requests.post(url, data=b"late", headers=TOKEN, timeout=(20, 0.05))
    assert done.wait(120)
    assert server.items[101].posters == [hashlib.sha1(b"late").hexdigest()]


def test_write_hooks_stand_around_the_change(server: PlexServer) -> None:
    """The hooks see the item before and after the edit, and the request that does it."""
    seen: list[tuple[str | None, str]] = []
    server.before_write = lambda request: seen.append((request.param("id"), server.items[101].title))
    server.after_write = server.before_write
    put(server, "type=1&id=101&title.value=N")
    assert seen == [("101", "x"), ("101", "N")]


def test_long_request_lines_are_414(server: PlexServer) -> None:
    """Beyond the set length the request line is refused; the largest one is on record."""
    server.modes.max_request_line = 200
    assert put(server, "type=1&id=101&title.value=" + "x" * 200).status_code == 414
    assert put(server, "type=1&id=101&title.value=ok").status_code == 200
    assert server.largest_request_line > 200


def test_restart_keeps_port_and_data(server: PlexServer) -> None:
    """A stopped server refuses connects and drops open ones; started again it has the same address and items."""
    port = server.port
    with requests.Session() as session:
        session.get(f"{server.url}/identity", timeout=60)
        server.stop()
        assert not server.running
        with pytest.raises(requests.ConnectionError):
            session.get(f"{server.url}/identity", timeout=60)
        server.start()
        assert session.get(f"{server.url}/identity", timeout=60).status_code == 200
    assert server.port == port
    assert keys(server, "type=1&sort=id") == [101]


def test_the_log_measures(server: PlexServer) -> None:
    """Requests are counted by method and path, with query, headers, body, status; identifiers are collected."""
    get(server, "/library/metadata/101?a=b%20c", X_Plex_Client_Identifier="me")
    put(server, "type=1&id=101&title.value=%C3%A9")
    requests.post(f"{server.url}/library/metadata/101/arts", data=b"art", headers=TOKEN, timeout=60)
    assert (server.count(), server.count("PUT"), server.count(path=r"^/library/metadata/")) == (3, 1, 2)
    assert server.reads()[0].query == [("a", "b c")]
    assert server.writes()[0].param("title.value") == "é"
    assert (server.uploads()[0].body, server.uploads()[0].body_length, server.uploads()[0].status) == (b"art", 3, 200)
    assert server.client_identifiers == {"me"}
    server.clear_log()
    assert (server.log, server.client_identifiers, server.largest_request_line) == ([], set(), 0)
