"""What the Plex test server lists: order, filters, pages, rows, in XML and JSON."""

from __future__ import annotations

import http.client
import xml.etree.ElementTree as ET
from collections.abc import Iterator

import pytest
import requests

from tests.servers.plex import PlexServer
from tests.support.plex_probe import PAGE, TOKEN, get, keys, put, rows


@pytest.fixture
def server() -> Iterator[PlexServer]:
    """A Plex with a section of personal videos (5) and one item (101)."""
    with PlexServer() as plex:
        plex.add_section("Scenes", key=5, locations=("/media", "/more"))
        plex.add_section("Series", key=6, type="show")
        plex.add_item(5, file="/media/d/x.mp4", size=123, duration_ms=60000, rating_key=101, updated_at=1000)
        yield plex


def test_listing_rows_are_cut_and_full_items_are_not(server: PlexServer) -> None:
    """A listing has 2 genres, 3 roles, 2 collections and no locks; the full item has all in insertion order."""
    names = ["d", "c", "b", "a"]
    server.edit_item(101, genres=names, actors=list(names), collections=list(names), locked={"title"})
    row = rows(server)[0]
    full = get(server, "/library/metadata/101", Accept="application/json").json()["MediaContainer"]["Metadata"][0]
    assert [len(row[name]) for name in ("Genre", "Role", "Collection")] == [2, 3, 2]
    assert "Field" not in row
    for name in ("Genre", "Role", "Collection"):
        assert [tag["tag"] for tag in full[name]] == names
    assert full["Field"] == [{"locked": True, "name": "title"}]
    assert (row["ratingKey"], row["duration"], row["Media"][0]["Part"][0]["size"]) == ("101", 60000, 123)


@pytest.mark.parametrize(
    ("query", "wanted"),
    [
        ("type=1&sort=id", [101, 200, 300]),
        ("type=1&sort=addedAt:desc", [200, 300, 101]),
        ("type=1", [300, 200, 101]),
        ("type=2&sort=id", []),
        ("type=1&sort=id&updatedAt%3E%3E=1000", [200, 300]),
        ("type=1&sort=id&updatedAt%3E%3E=2000", [300]),
        ("type=1&sort=id&updatedAt%253E%253E=2000", [101, 200, 300]),
        ("type=1&sort=id&addedAt%3E%3E=40", [200]),
        ("type=1&sort=id&title%3D=b", [200]),
        ("type=1&sort=id&id=300,101", [101, 300]),
        ("type=1&sort=id&mediaSize=77", [200]),
        ("type=1&sort=id&file=%2Fmedia%2Fb.mp4", [101, 200, 300]),
    ],
)
def test_listing_filters_and_order(server: PlexServer, query: str, wanted: list[int]) -> None:
    """Known filters hold, strictly; unknown and wrongly encoded ones are ignored; the default order is by title."""
    server.items[101].added_at = 10
    server.add_item(5, file="/media/b.mp4", size=77, rating_key=200, updated_at=2000, added_at=50)
    server.add_item(5, file="/media/a.mp4", rating_key=300, updated_at=3000, added_at=40)
    requested = get(server, f"/library/sections/5/all?{query}", Accept="application/json")
    assert [int(row["ratingKey"]) for row in requested.json()["MediaContainer"].get("Metadata", [])] == wanted


def test_a_bare_operator_is_ignored(server: PlexServer) -> None:
    """An operator sent without percent-encoding filters nothing."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=5)
    connection.request("GET", "/library/sections/5/all?type=1&updatedAt>>=2000", headers=PAGE)
    assert len(ET.fromstring(connection.getresponse().read())) == 1
    connection.close()
    assert keys(server, "type=1&updatedAt%3E%3E=2000") == []


def test_default_order_reacts_to_edits(server: PlexServer) -> None:
    """An edit of a title moves the row in the default order while sort=id stays."""
    server.add_item(5, file="/media/y.mp4", rating_key=200)
    assert keys(server, "type=1") == [101, 200]
    put(server, "type=1&id=101&title.value=zzz")
    assert keys(server, "type=1") == [200, 101]
    assert keys(server, "type=1&sort=id") == [101, 200]


def test_paging_modes(server: PlexServer) -> None:
    """Pages can be refused without a size, be shorter than asked, lack the total, and tell only the number."""
    for number in range(9):
        server.add_item(5, file=f"/media/{number}.mp4")
    counted = get(server, "/library/sections/5/all?type=1", X_Plex_Container_Size="0")
    assert counted.headers["X-Plex-Container-Total-Size"] == "10"
    assert ET.fromstring(counted.content).attrib["size"] == "0"
    server.modes.fewer_rows = 4
    assert len(rows(server, X_Plex_Container_Start="8")) == 2
    assert len(rows(server)) == 4
    server.modes.total_size = False
    assert "totalSize" not in ET.fromstring(get(server, "/library/sections/5/all?type=1").content).attrib
    server.modes.page_size_required = True
    assert get(server, "/library/sections/5/all?type=1", X_Plex_Container_Size="1001").status_code == 400
    bare = requests.get(f"{server.url}/library/sections/5/all?type=1", headers=TOKEN, timeout=5)
    assert bare.status_code == 400


def test_excludes_and_hidden_clock(server: PlexServer) -> None:
    """Excludes take elements and fields away unless the mode ignores them; updatedAt may be missing."""
    server.edit_item(101, genres=["g"], actors=["a"], summary="s")
    query = "type=1&excludeElements=Genre,Actor&excludeFields=summary"
    assert not {"Genre", "Role", "summary"} & rows(server, query)[0].keys()
    server.modes.honour_excludes = False
    server.modes.hide_updated_at = True
    row = rows(server, query)[0]
    assert {"Genre", "Role", "summary", "Media"} <= row.keys()
    assert "updatedAt" not in row


def test_odd_rows(server: PlexServer) -> None:
    """Two versions, stacked parts, an optimised version, a trashed item and an item without media look like Plex's."""
    stacked = [("/media/1.mp4", 1, 10), ("/media/2.mp4", 2, 20)]
    server.add_item(5, files=stacked, versions=[("/media/v.mkv", 3, 30)], optimised=[("/o.mp4", 4)], rating_key=200)
    server.add_item(5, file="/media/gone.mp4", trashed=True, rating_key=201)
    server.add_item(5, file="/media/none.mp4", no_media=True, rating_key=202)
    found = {row["ratingKey"]: row for row in rows(server)}
    assert [len(media["Part"]) for media in found["200"]["Media"]] == [2, 1, 1]
    assert [media.get("proxyType") for media in found["200"]["Media"]] == [None, None, 42]
    assert "deletedAt" in found["201"]
    assert "Media" not in found["202"]


def test_rows_show_direct_changes(server: PlexServer) -> None:
    """A row that was rendered before shows what a test changed since, in lists and parts too."""
    assert rows(server)[0]["title"] == "x"
    server.items[101].title = "changed"
    server.items[101].genres.append("late")
    server.move_item(101, file="/media/moved.mp4")
    row = rows(server)[0]
    assert (row["title"], row["Genre"]) == ("changed", [{"tag": "late"}])
    assert row["Media"][0]["Part"][0]["file"] == "/media/moved.mp4"


def test_bad_character_reference_breaks_xml(server: PlexServer) -> None:
    """A page with a reference to a control character is no well-formed XML; a stored one does the same."""
    assert ET.fromstring(get(server, "/library/sections/5/all?type=1").content) is not None
    server.modes.bad_char_ref = True
    with pytest.raises(ET.ParseError):
        ET.fromstring(get(server, "/library/sections/5/all?type=1").content)
    server.modes.bad_char_ref = False
    server.items[101].title = "a\x04b"
    assert b"&#4;" in get(server, "/library/sections/5/all?type=1").content


def test_missing_ids_in_a_list(server: PlexServer) -> None:
    """A comma list answers with the items that exist; 404 when none does, or by mode when any is missing."""
    assert get(server, "/library/metadata/101,999").status_code == 200
    assert get(server, "/library/metadata/998,999").status_code == 404
    server.modes.list_404 = True
    assert get(server, "/library/metadata/101,999").status_code == 404


def test_key_churn(server: PlexServer) -> None:
    """After a rekey the old key is 404 and the new one holds the same file."""
    server.rekey(101, 777)
    assert get(server, "/library/metadata/101").status_code == 404
    assert keys(server, "type=1&sort=id") == [777]
    assert server.items[777].parts[0].file == "/media/d/x.mp4"
    server.remove_item(777)
    assert keys(server, "type=1&sort=id") == []


def test_xml_and_json_tell_the_same(server: PlexServer) -> None:
    """The two formats of a row agree, but for XML's having only text."""
    server.edit_item(101, title='<&">\n', genres=["é"])
    video = ET.fromstring(get(server, "/library/sections/5/all?type=1").content)[0]
    row = rows(server)[0]
    scalars = {name: str(value) for name, value in row.items() if not isinstance(value, list)}
    assert video.attrib == scalars
    assert [child.tag for child in video] == ["Media", "Genre"]


def test_a_large_library_is_listed_from_kept_rows(server: PlexServer) -> None:
    """Every item of a library of several pages is listed once, and a second listing renders no row anew."""
    for number in range(2500):
        server.add_item(5, file=f"/media/{number}.mp4")
    server.warm(as_json=True)
    before = [next(iter(item.rows.values())) for item in server.items.values()]
    found = [row for start in (0, 1000, 2000) for row in rows(server, X_Plex_Container_Start=str(start))]
    assert len({row["ratingKey"] for row in found}) == len(found) == 2501
    after = [next(iter(item.rows.values())) for item in server.items.values()]
    assert all(row is other for row, other in zip(before, after, strict=True))
