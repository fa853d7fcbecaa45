"""The client against a Plex on real sockets: identity, reads, edits, images, scans, and every fault."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from http.client import HTTPConnection

import pytest
import urllib3.connection

from plexsync.model.errors import ItemGone, PlexBusy, PlexSyncError, PlexUnavailable, Refused, Rejected, SetupError
from plexsync.model.fields import Desired, Value, fingerprint
from plexsync.model.written import Written
from plexsync.plex.client import PlexClient
from plexsync.plex.images import image_digest
from plexsync.sync.edit import plan, requests_for, verify
from tests.servers.plex import PlexServer

TOKEN = "tok-live-42"
TITLE = [("title.value", "New"), ("title.locked", "1")]


@pytest.fixture
def server() -> Iterator[PlexServer]:
    """Start a Plex with one movie library and another one."""
    with PlexServer(token=TOKEN) as running:
        running.add_section("Scenes", key=5, locations=("/media/a", "/media/b"))
        running.add_section("Series", key=6, type="show")
        yield running
        running.release()


@pytest.fixture
def client(server: PlexServer) -> Iterator[PlexClient]:
    """Return a connected client."""
    made = PlexClient(server.url, TOKEN, client_id="installation-1", verify=True, connect_timeout=20, read_timeout=20)
    made.connect()
    server.clear_log()
    yield made
    made.close()


def test_connect_is_one_request_with_our_identity(server: PlexServer) -> None:
    """Connecting is one ``GET /`` with our identifier, and the token only in a header."""
    client = PlexClient(server.url + "/", TOKEN, client_id="installation-9")
    identity = client.connect()
    (request,) = server.log
    assert (identity.machine, identity.platform) == (server.machine, server.platform)
    assert request.header("X-Plex-Token") == TOKEN
    assert TOKEN not in request.target
    assert request.header("X-Plex-Product") == "PlexSync"
    assert server.client_identifiers == {"installation-9"}
    client.close()


def test_sections_are_the_libraries_of_all_types(server: PlexServer, client: PlexClient) -> None:
    """Libraries are listed with their type, folders and a clock that follows changes."""
    before, series = client.sections()
    server.add_item(5, "/media/a/x.mp4")
    after, _ = client.sections()
    assert (series.title, series.type) == ("Series", "show")
    assert (before.key, before.title, before.locations, before.type) == (5, "Scenes", ("/media/a", "/media/b"), "movie")
    assert before.clock != after.clock
    assert server.count() == 2


def test_full_items_in_one_request(server: PlexServer, client: PlexClient) -> None:
    """A batch of full items is one request, with all tags, locks and files; missing keys are absent."""
    names = [f"Person {n}" for n in range(12)]
    item = server.add_item(
        5,
        "/media/a/x.mp4",
        size=7,
        duration_ms=1500,
        title="T",
        studio="S",
        summary="a\nb",
        date="2024-01-02",
        actors=names,
        genres=("G, 1", "50%"),
        collections=("C",),
        locked=("title", "thumb"),
        rating_key=101,
    )
    for key in range(200, 590):
        server.add_item(5, f"/media/a/{key}.mp4", rating_key=key)
    found = client.items([101, 999, *range(200, 590)])
    assert server.count("GET") == 1
    assert len(found) == 391
    got = found[101]
    assert (got.section, got.title, got.studio, got.summary, got.originallyAvailableAt) == (
        5,
        "T",
        "S",
        "a\nb",
        "2024-01-02",
    )
    assert (got.actor, got.genre, got.collection) == (tuple(names), ("G, 1", "50%"), ("C",))
    assert got.locked == {"title", "thumb"}
    assert [(p.path, p.size, p.duration, p.part_id) for p in got.parts] == [
        ("/media/a/x.mp4", 7, 1.5, item.parts[0].id)
    ]


def test_request_lines_of_reads_stay_short(server: PlexServer, client: PlexClient) -> None:
    """A thousand long rating keys are read in several requests, none over 4 KB."""
    for key in range(1_000_000_000, 1_000_001_000):
        server.add_item(5, f"/media/{key}.mp4", rating_key=key)
    assert len(client.items(range(1_000_000_000, 1_000_001_000))) == 1000
    assert server.largest_request_line <= 4096
    assert server.count() <= 4


def test_one_missing_item_spoils_no_list(server: PlexServer, client: PlexClient) -> None:
    """If one missing id makes a list a 404, the others are read, and only that one is absent."""
    server.modes.list_404 = True
    for key in range(100, 140):
        server.add_item(5, f"/media/{key}.mp4", rating_key=key)
    assert set(client.items(range(99, 141))) == set(range(100, 140))
    assert client.items([7]) == {}
    assert client.items([]) == {}


@pytest.mark.parametrize("mode", ["max_ids", "max_named"])
def test_a_server_that_reads_few_items_at_once(server: PlexServer, client: PlexClient, mode: str) -> None:
    """Where a read may name only so many items, or a reply names only the first, all are read; it is remembered."""
    for key in range(100, 140):
        server.add_item(5, f"/media/{key}.mp4", rating_key=key)
    setattr(server.modes, mode, 7)
    assert set(client.items(range(100, 140))) == set(range(100, 140))
    server.clear_log()
    assert set(client.items(range(100, 140))) == set(range(100, 140))
    assert server.count() <= 9
    assert all(request.status == 200 for request in server.log)


def test_a_404_of_a_proxy_is_no_absence(server: PlexServer, client: PlexClient) -> None:
    """A 404 without the mark of Plex's replies is a busy server; where no reply is marked, it is Plex's word."""
    server.add_item(5, "/m/1.mp4", rating_key=101)
    for call in (lambda: client.items([101]), client.sections, lambda: client.put(5, 101, TITLE)):
        server.fault("404_proxy", count=1)
        with pytest.raises(PlexBusy, match="between"):
            call()
    server.modes.marked = False
    bare = PlexClient(server.url, TOKEN, client_id="c")
    bare.connect()
    server.fault("404_proxy", count=1)
    assert bare.items([101]) == {}
    bare.close()


def test_xml_is_asked_for(server: PlexServer) -> None:
    """A server that sends JSON unless asked for XML is understood."""
    server.modes.json_default = True
    server.add_item(5, "/m/1.mp4", rating_key=101, title="T")
    client = PlexClient(server.url, TOKEN, client_id="c")
    assert [section.title for section in client.sections()] == ["Scenes", "Series"]
    client.put(5, 101, TITLE)
    assert client.items([101])[101].title == "New"
    client.upload(101, "posters", b"picture", "image/jpeg")
    assert client.has_image(101, "posters", image_digest(b"picture"))
    client.close()


def test_a_read_on_a_connection_that_was_closed_is_repeated(server: PlexServer, client: PlexClient) -> None:
    """A kept connection that ends as the next request arrives costs a read nothing, and an edit is not sent twice."""
    server.add_item(5, "/m/1.mp4", rating_key=101)
    server.modes.close_kept = True
    for _ in range(3):
        assert set(client.items([101])) == {101}
    server.clear_log()
    with pytest.raises(PlexBusy):
        client.put(5, 101, TITLE)
    assert server.count("PUT") == 1
    server.modes.close_kept = False
    server.fault("reset", count=1)
    with pytest.raises(PlexBusy):
        client.items([101])


def test_edits_arrive_at_a_server_that_closes_every_connection(server: PlexServer, client: PlexClient) -> None:
    """Where each connection ends as its second request arrives, an edit fails once; the next ones get a fresh one."""
    server.add_item(5, "/m/1.mp4", rating_key=101)
    server.modes.close_kept = True
    client.items([101])
    with pytest.raises(PlexBusy):
        client.put(5, 101, TITLE)
    for _ in range(2):
        client.items([101])
        client.put(5, 101, TITLE)


def test_an_edit_that_no_connection_took_is_sent_again(
    server: PlexServer, client: PlexClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A kept connection that takes no byte of an edit: the edit goes over a new one. A new one fails for good."""
    server.add_item(5, "/m/1.mp4", rating_key=101)
    client.items([101])
    refused: list[object] = []

    def refuse(connection: HTTPConnection, data: bytes) -> None:
        if len(refused) < limit:
            refused.append(data)
            raise ConnectionResetError
        HTTPConnection.send(connection, data)

    monkeypatch.setattr(urllib3.connection.HTTPConnection, "send", refuse, raising=False)
    server.clear_log()
    for limit in (1, 3):
        refused.clear()
        if limit == 1:
            client.put(5, 101, TITLE)
        else:
            with pytest.raises(PlexBusy):
                client.put(5, 101, TITLE)
    assert (server.items[101].title, server.count("PUT"), len(refused)) == ("New", 1, 2)


def test_control_character_in_an_item_is_survived(server: PlexServer, client: PlexClient) -> None:
    """A control character breaks neither its item's read nor the others'."""
    server.add_item(5, "/m/1.mp4", rating_key=1, summary="bad\x04text")
    server.add_item(5, "/m/2.mp4", rating_key=2)
    found = client.items([1, 2])
    assert found[1].summary == "badtext"
    assert 2 in found


@pytest.mark.parametrize(
    ("fault", "wanted"),
    [
        ("503_xml", PlexUnavailable),
        ("503_json", PlexUnavailable),
        ("500", PlexBusy),
        ("502", PlexBusy),
        ("504", PlexBusy),
        ("429", PlexBusy),
        ("408", PlexBusy),
        ("409", Rejected),
        ("400", Rejected),
        ("404", ItemGone),
        ("reset", PlexBusy),
        ("html_200", PlexBusy),
        ("redirect_302", Refused),
        ("redirect_301", Refused),
    ],
)
def test_each_fault_of_an_edit(server: PlexServer, client: PlexClient, fault: str, wanted: type[PlexSyncError]) -> None:
    """An edit that fails raises its class, changes nothing, and the next one works with the same client."""
    server.add_item(5, "/m/1.mp4", rating_key=101, title="Old")
    server.fault(fault, count=1, method="PUT")
    with pytest.raises(wanted) as caught:
        client.put(5, 101, TITLE)
    assert type(caught.value) is wanted
    assert server.items[101].title == "Old"
    assert server.count() == 1
    client.put(5, 101, TITLE)
    assert server.items[101].title == "New"
    assert not server.disaster


@pytest.mark.parametrize("fault", ["reset", "reset_mid_body", "truncated_xml", "empty_200", "html_200"])
def test_each_fault_of_a_read(server: PlexServer, client: PlexClient, fault: str) -> None:
    """A read that breaks off or gets another reply is busy, never an empty result."""
    server.add_item(5, "/m/1.mp4", rating_key=101)
    server.fault(fault)
    for call in (client.sections, lambda: client.items([101]), lambda: client.probe(5)):
        with pytest.raises(PlexBusy):
            call()


@pytest.mark.parametrize("fault", ["400", "409"])
def test_a_refused_read_is_no_scenes_fault(server: PlexServer, client: PlexClient, fault: str) -> None:
    """Only an edit can be rejected: a refused read is busy, and makes no dead letter."""
    server.fault(fault)
    for call in (client.sections, lambda: client.items([101]), lambda: client.probe(5), lambda: client.scan(5, "/m")):
        with pytest.raises(PlexBusy):
            call()


def test_stall_and_absence(server: PlexServer) -> None:
    """A server that hangs is busy after the read timeout; one that is down is unreachable."""
    client = PlexClient(server.url, TOKEN, client_id="c", connect_timeout=20, read_timeout=20)
    client.connect()
    client.session.read_timeout = 0.1
    server.fault("stall")
    with pytest.raises(PlexBusy):
        client.probe(5)
    server.release()
    server.stop()
    with pytest.raises(PlexUnavailable):
        client.probe(None)
    client.close()


@pytest.mark.parametrize("mode", ["expired_498", "refused_401"])
def test_token_refused(server: PlexServer, client: PlexClient, mode: str) -> None:
    """A rejected token pauses everything, when connecting and later."""
    server.modes.token_mode = mode
    for call in (client.connect, client.sections):
        with pytest.raises(SetupError) as caught:
            call()
        assert '"Plex token"' in str(caught.value)


def test_reading_but_not_writing(server: PlexServer, client: PlexClient) -> None:
    """A shared user's token reads but may not edit: that is an error in the setup, not of the item."""
    server.modes.token_mode = "forbidden_writes_403"
    server.add_item(5, "/m/1.mp4", rating_key=101)
    assert 101 in client.items([101])
    with pytest.raises(SetupError) as caught:
        client.put(5, 101, TITLE)
    assert '"Plex token"' in str(caught.value)


def test_redirect_reaches_nobody(server: PlexServer, client: PlexClient) -> None:
    """A redirected edit is not followed: the other server gets no request."""
    server.fault("redirect_302", method="PUT")
    with pytest.raises(SetupError):
        client.put(5, 101, TITLE)
    assert [request.method for request in server.log] == ["PUT"]


def test_probe_is_one_row(server: PlexServer, client: PlexClient) -> None:
    """The probe reads one row of a section, or the list of libraries; an unknown section is an error."""
    client.probe(5)
    client.probe(None)
    assert server.log[0].header("X-Plex-Container-Size") == "1"
    assert client.session.reads == 3
    with pytest.raises(SetupError) as caught:
        client.probe(77)
    assert "librar" in str(caught.value)


@pytest.mark.parametrize("append", [True, False])
def test_edits_arrive_and_verify(server: PlexServer, client: PlexClient, append: bool) -> None:
    """Every kind of field is sent in one edit, tags added or replaced, and a second plan is empty."""
    server.modes.tags_append = append
    server.modes.capitalise_collections = True
    server.add_item(
        5,
        "/m/1.mp4",
        rating_key=101,
        title="Old",
        studio="X",
        summary="gone",
        date="2020-01-01",
        actors=("Stays", "Goes, Too", "100%"),
        genres=("alpha", "B, c"),
        collections=("Theirs",),
    )
    values: dict[str, Value] = {
        "title": "N\u00e9w \U0001f600 & <b> ; #",
        "studio": "Y",
        "summary": "",
        "originallyAvailableAt": "",
        "actor": ("Zo\u00eb, A", "stays", "50% + x"),
        "genre": ("ALPHA", "\U0001f468\u200d\U0001f469"),
        "collection": ("y",),
    }
    desired = Desired(values=values, poster=False, background=False, warnings=())
    before = client.items([101])[101]
    ours = {name: (fingerprint(name, before.value(name)),) for name in ("summary", "originallyAvailableAt")}
    todo = replace(plan(before, desired, Written(ours=ours, own=tuple(ours)), keep_plex_edits=False), locks=("thumb",))
    (edit,) = requests_for(todo, before).edits
    client.put(5, 101, edit)
    after = client.items([101])[101]
    assert set(verify(after, todo, before).values()) == {"as_sent"}
    assert {tag.casefold() for tag in after.actor} == {"zo\u00eb, a", "stays", "50% + x"}
    assert {tag.casefold() for tag in after.genre} == {"alpha", "\U0001f468\u200d\U0001f469"}
    assert after.collection == ("Theirs", "Y")
    assert (after.title, after.summary, after.originallyAvailableAt) == (values["title"], "", "")
    assert "collection" not in after.locked
    assert {"title", "actor", "genre", "summary", "thumb"} <= after.locked
    mine = Written(ours=ours, names={"collection": ("y",)})
    assert plan(after, desired, mine, keep_plex_edits=False).empty
    assert not server.disaster


@pytest.mark.parametrize("append", [True, False])
def test_clearing_lists_over_the_wire(server: PlexServer, client: PlexClient, append: bool) -> None:
    """A cleared list is empty afterwards by both ways of editing, despite commas and case."""
    server.modes.tags_append = append
    server.add_item(5, "/m/1.mp4", rating_key=101, genres=("a, b", "C%2C", "D"))
    before = client.items([101])[101]
    desired = Desired(values={"genre": ()}, poster=False, background=False, warnings=())
    written = Written(names={"genre": ("A, B", "c%2c", "d")}, own=("genre",))
    todo = plan(before, desired, written, keep_plex_edits=False)
    (edit,) = requests_for(todo, before).edits
    client.put(5, 101, edit)
    assert server.items[101].genres == []


def test_too_long_is_rejected_then_split(server: PlexServer, client: PlexClient) -> None:
    """A 414 is rejected with its status, and the same plan works with a smaller limit."""
    server.modes.max_request_line = 1200
    server.add_item(5, "/m/1.mp4", rating_key=101)
    desired = Desired(
        values={"title": "T", "summary": "word " * 400, "genre": tuple(f"genre {n}" for n in range(15))},
        poster=False,
        background=False,
        warnings=(),
    )
    before = client.items([101])[101]
    todo = plan(before, desired, Written(), keep_plex_edits=False)
    (whole,) = requests_for(todo, before).edits
    with pytest.raises(Rejected) as caught:
        client.put(5, 101, whole)
    assert caught.value.status == 414
    for edit in requests_for(todo, before, soft_limit=1200, hard_limit=1200).edits:
        client.put(5, 101, edit)
    outcomes = verify(client.items([101])[101], todo, before)
    assert outcomes == {"title": "as_sent", "summary": "kept", "genre": "as_sent"}


def test_refused_and_differently_kept_values(server: PlexServer, client: PlexClient) -> None:
    """A value that Plex drops reads back as unchanged, one that it alters as kept."""
    server.add_item(5, "/m/1.mp4", rating_key=101, title="Old", studio="Old")
    server.modes.keep_differently = lambda field, value: value.upper() if field == "title" else "Old"
    before = client.items([101])[101]
    desired = Desired(values={"title": "new", "studio": "new"}, poster=False, background=False, warnings=())
    todo = plan(before, desired, Written(), keep_plex_edits=False)
    client.put(5, 101, requests_for(todo, before).edits[0])
    assert verify(client.items([101])[101], todo, before) == {"title": "kept", "studio": "unchanged"}


def test_upload(server: PlexServer, client: PlexClient) -> None:
    """An image is one POST of its bytes and is selected; poster and background are separate."""
    server.add_item(5, "/m/1.mp4", rating_key=101)
    client.upload(101, "posters", b"\xff\xd8poster", "image/jpeg")
    client.upload(101, "arts", b"\xff\xd8art", "image/jpeg")
    item = server.items[101]
    assert (item.selected_poster, item.selected_art) == (image_digest(b"\xff\xd8poster"), image_digest(b"\xff\xd8art"))
    assert server.uploads()[0].header("Content-Type") == "image/jpeg"
    assert server.count() == 2


@pytest.mark.parametrize(("stored", "fault"), [(True, "reset_mid_body"), (False, "reset")])
def test_upload_without_an_answer_is_looked_up(
    server: PlexServer, client: PlexClient, stored: bool, fault: str
) -> None:
    """Where no full answer came, a stored and selected image is success; otherwise an error."""
    server.add_item(5, "/m/1.mp4", rating_key=101)
    server.fault(fault, count=1, method="POST")
    if stored:
        client.upload(101, "posters", b"\xff\xd8poster", "image/jpeg")
    else:
        with pytest.raises(PlexBusy):
            client.upload(101, "posters", b"\xff\xd8poster", "image/jpeg")
    assert len(server.uploads()) == 1
    assert (server.items[101].selected_poster is not None) == stored


def test_refused_upload_is_not_looked_up(server: PlexServer, client: PlexClient) -> None:
    """An error status counts, even if the same image is selected from an earlier upload."""
    server.add_item(5, "/m/1.mp4", rating_key=101)
    client.upload(101, "posters", b"img", "image/jpeg")
    server.fault("500", count=1, method="POST")
    with pytest.raises(PlexBusy):
        client.upload(101, "posters", b"img", "image/jpeg")
    assert server.count("GET") == 0


def test_slow_upload_that_succeeded(server: PlexServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """An upload that outlasts the read timeout but succeeds counts, and is not sent again."""
    monkeypatch.setattr("plexsync.plex.client.IMAGE_READ_TIMEOUT", 0.1)
    client = PlexClient(server.url, TOKEN, client_id="c", connect_timeout=20, read_timeout=1)
    client.connect()
    server.add_item(5, "/m/1.mp4", rating_key=101)
    server.items[101].posters.append(image_digest(b"img"))
    server.items[101].selected_poster = image_digest(b"img")
    server.fault("stall", count=1, method="POST")
    client.upload(101, "posters", b"img", "image/jpeg")
    assert len(server.uploads()) == 1
    client.close()


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_scan_by_either_method(server: PlexServer, client: PlexClient, method: str) -> None:
    """A scan of a folder is requested by GET, and by POST where Plex does not know GET."""
    server.modes.refresh_method = method
    client.scan(5, "/media/a/sub & dir")
    assert server.scans == [(5, "/media/a/sub & dir")]


def test_configuration_of_plexapi_has_no_say(server: PlexServer) -> None:
    """A client without token or address never uses plexapi's own configuration."""
    for url, token in ((server.url, ""), ("", TOKEN)):
        with pytest.raises(SetupError):
            PlexClient(url, token, client_id="c").connect()
    assert server.count() == 0


def test_a_plex_that_wants_https_is_hinted_at(server: PlexServer, client: PlexClient) -> None:
    """A Plex that requires secure connections drops others; the sentence says what to try."""
    server.fault("reset")
    with pytest.raises(PlexBusy, match="must begin with https://") as caught:
        client.connect()
    assert server.url not in str(caught.value)
