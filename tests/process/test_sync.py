"""What reaches Plex, by real processes: Stash starts the plugin at each edit, and its worker writes."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.servers.plex import PlexServer
from tests.support.installation import Installation, Seconds
from tests.support.processes import until, worker_lives

JPEG = b"\xff\xd8\xff\xe0 cover"
TOKEN = "t0ken-of-the-owner"
SWITCHES = {
    "skipTitle": ("title", "a"),
    "skipStudio": ("studio", ""),
    "skipSummary": ("summary", ""),
    "skipDate": ("date", ""),
    "skipActors": ("actors", []),
    "skipGenres": ("genres", []),
    "skipCollection": ("collections", ["Theirs"]),
    "skipPoster": ("selected_poster", None),
    "skipBackground": ("selected_art", None),
}


class Site(Installation):
    """An installation that syncs covers, whose Plex has series too."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, token=TOKEN, images=True, PLEXSYNC_BREAKER_RESET="1", PLEXSYNC_BREAKER_RESET_CAP="1")
        self.plex.add_section("Series", key=6, type="show")
        self.stash.now = Seconds()

    def untitled(self, name: str = "a", **item: Any) -> tuple[int, Any]:
        """Add a scene without a title, with its file in Plex; return the scene's id and the item."""
        path, size = f"/films/{name}/{name}.mp4", 1_000_000 + len(self.plex.items)
        scene = self.stash.add_scene("", files=[(path, size, 60.0)])
        return scene, self.plex.add_item(1, path, size, 60_000, **item)

    def whole(self, cover: bytes | None = None) -> dict[str, Any]:
        """Return a value for every field."""
        stash = self.stash
        return {
            "title": "New \u00e9\U0001f600 & <b> 100%; #",
            "details": "Two\n\nparagraphs",
            "date": "2024-05",
            "studio": stash.add_studio("Studio, Inc"),
            "performers": [stash.add_performer(name) for name in ("Zo\u00eb, A", "50% + x", "Bo")],
            "tags": [stash.add_tag(name) for name in ("sea", "Alpha", "B, c")],
            "cover": cover,
        }

    def save(self, scene: int, **changes: Any) -> None:
        """Save an edit in Stash and wait for the result."""
        assert self.stash.update_scene(scene, **changes).output == f"queued scene:{scene}"
        self.settles()

    def sent(self) -> int:
        """Return the edits and uploads so far."""
        return len(self.plex.writes()) + len(self.plex.uploads())

    def quiet(self, *scenes: int) -> bool:
        """Return whether saving the scenes again, unchanged, sends nothing."""
        before = self.sent()
        for scene in scenes:
            self.stash.update_scene(scene)
        self.settles()
        return self.sent() == before


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    """Start both servers; check that no test edits a whole section or puts a token in a URL."""
    with Site(tmp_path) as made:
        yield made
        assert not made.plex.disaster
        assert len(made.plex.client_identifiers) == 1
        assert all(TOKEN not in request.target and request.header("X-Plex-Token") == TOKEN for request in made.plex.log)


@pytest.fixture(params=[True, False], ids=["append", "replace"])
def both(request: pytest.FixtureRequest, site: Site) -> Site:
    """Run once for each way in which Plex may interpret a list."""
    site.plex.modes.tags_append = request.param
    return site


def test_every_field_by_its_rule(both: Site) -> None:
    """Filled, changed, cleared and filled again: each field is exactly what it should be, and locked but for the title.

    A title that is emptied in Stash is the earlier one again.
    """
    site, plex = both, both.plex
    scene, item = site.untitled(
        studio="X", summary="gone", actors=("Gone",), genres=("ALPHA", "Old"), collections=("Theirs",)
    )
    site.save(scene, **site.whole())
    assert (item.title, item.studio, item.summary, item.date) == (
        "New \u00e9\U0001f600 & <b> 100%; #",
        "Studio, Inc",
        "Two\n\nparagraphs",
        "2024-05-01",
    )
    assert sorted(item.actors) == ["50% + x", "Bo", "Zo\u00eb, A"]
    assert sorted(item.genres) == ["ALPHA", "B, c", "sea"]
    assert item.collections == ["Theirs", "Studio, Inc"]
    assert item.locked == {"title", "studio", "summary", "originallyAvailableAt", "actor", "genre"}
    assert len(plex.writes()) == 1
    first = plex.writes()[0]
    assert [first.param(f"actor[{at}].tag.tag") for at in range(4)] == ["Zo\u00eb, A", "50% + x", "Bo", None]
    assert [first.param(f"genre[{at}].tag.tag") for at in range(3)] == ["Alpha", "B, c", "sea"]
    assert site.quiet(scene)

    plex.edit_item(100, collections=[*item.collections, "Added by hand"], genres=[*item.genres, "by hand"])
    site.save(scene, performers=[2], tags=[1], studio=site.stash.add_studio("Other"), date="2025")
    assert (item.actors, item.genres, item.date) == (["50% + x"], ["sea"], "2025-01-01")
    assert item.collections == ["Theirs", "Added by hand", "Other"]
    assert site.quiet(scene)

    plex.edit_item(100, genres=["sea", "by hand"], summary="by hand")
    site.save(scene, title="", details="", date="", studio=None, performers=[], tags=[])
    assert (item.title, "title" in item.locked) == ("a", False)
    assert (item.studio, item.date, item.actors) == ("", "", [])
    assert (item.genres, item.summary) == (["by hand"], "by hand")
    assert item.collections == ["Theirs", "Added by hand"]
    assert site.quiet(scene)
    site.save(scene, title="Again", details="Again", date="2024-13-40", tags=[2])
    assert (item.title, item.summary, item.date, item.genres) == ("Again", "Again", "", ["ALPHA"])
    assert site.quiet(scene)


def test_every_switch_leaves_its_field_alone(both: Site) -> None:
    """Each skip switch keeps its own field and no other; turned off again, the field is sent."""
    site, stash = both, both.stash
    full = site.whole(JPEG)
    films = {switch: site.untitled(switch, title="a", collections=("Theirs",)) for switch in SWITCHES}
    fields = dict(SWITCHES.values())
    for switch, (scene, item) in films.items():
        stash.configure(**{name: name == switch for name in SWITCHES})
        site.save(scene, **full)
        same = {field for field, empty in fields.items() if getattr(item, field) == empty}
        assert same == {SWITCHES[switch][0]}, switch
        lock = {"skipPoster": "thumb", "skipBackground": "art"}.get(switch)
        assert {"thumb", "art"} - item.locked == ({lock} if lock else set())
    stash.configure(**dict.fromkeys(SWITCHES, False))
    for scene, _ in films.values():
        stash.update_scene(scene)
    site.settles()
    assert all(getattr(item, field) != empty for _, item in films.values() for field, empty in fields.items())
    assert site.quiet(*(scene for scene, _ in films.values()))


def test_a_second_sync_writes_nothing_whatever_plex_makes_of_it(both: Site) -> None:
    """Names in Plex's own spelling, capitalised collections and altered texts are written once."""
    site, plex = both, both.plex
    plex.modes.capitalise_collections = True
    plex.modes.keep_differently = lambda field, value: value[:12].strip() if field in ("title", "genre") else value
    site.untitled("b", genres=("SEA", "aLPHA"), actors=("bO",), collections=("sTUDIO",))
    scene, item = site.untitled()
    stash = site.stash
    tags = [stash.add_tag(name) for name in ("sea", "Alpha", "a tag that is too long for this server")]
    studio, actor = stash.add_studio("studio"), stash.add_performer("Bo")
    site.save(scene, title=" A title longer than that ", tags=tags, studio=studio, performers=[actor])
    assert (item.title, item.actors, item.collections) == ("A title long", ["bO"], ["sTUDIO"])
    assert sorted(item.genres) == ["SEA", "a tag that i", "aLPHA"]
    assert len(plex.writes()) == 1
    assert site.quiet(scene)
    site.save(scene, title="Short")
    assert item.title == "Short"
    assert site.quiet(scene)


def test_max_tags_and_clean_titles(site: Site) -> None:
    """At most "Maximum genres" are sent, in order, and "Plain titles" sends an ASCII title."""
    scene, item = site.untitled()
    site.stash.configure(maxTags=2, cleanTitles=True)
    site.save(scene, title="\u201cCaf\u00e9\u201d", tags=[site.stash.add_tag(name) for name in "cab"])
    assert (item.title, item.genres) == ('"Cafe"', ["a", "b"])
    assert site.stash.scenes[scene].title == "\u201cCaf\u00e9\u201d"
    assert site.quiet(scene)


def test_pictures_by_their_bytes(site: Site) -> None:
    """A picture is uploaded once, and again only when its bytes change; other files never are."""
    stash, plex = site.stash, site.plex
    scene, item = site.untitled()
    other, bare = site.untitled("b")
    site.save(other, title="B")
    assert (plex.uploads(), bare.locked & {"thumb", "art"}) == ([], set())
    site.save(scene, title="A", cover=JPEG)
    assert len(plex.uploads()) == 2
    assert plex.images[item.selected_poster] == plex.images[item.selected_art] == JPEG
    assert {"thumb", "art"} <= item.locked
    site.save(scene, details="Text")
    assert len(plex.uploads()) == 2
    site.save(scene, cover=b"\xff\xd8 other bytes")
    assert len(plex.uploads()) == 4
    assert plex.images[item.selected_poster] == b"\xff\xd8 other bytes"
    for cover, kind in ((b"x" * 10_600_000, "image/jpeg"), (b"\x00 ftypmp42", "video/mp4"), (None, "image/jpeg")):
        site.save(scene, cover=cover, cover_type=kind, title=f"With {kind} {len(cover or b'')}")
    assert item.title == "With image/jpeg 0"
    assert len(plex.uploads()) == 4
    assert plex.images[item.selected_poster] == b"\xff\xd8 other bytes"
    log = (stash.data_dir / "plexsync.log").read_text("utf-8")
    assert [
        words in log for words in ("Plex accepts up to 10480000", "is not an image (video/mp4)", "placeholder")
    ] == [
        True,
        True,
        False,
    ]
    assert site.quiet(scene, other)


def test_a_login_page_is_no_poster(site: Site) -> None:
    """A web page instead of the cover is not uploaded; the cover is, once Stash sends it."""
    scene, item = site.untitled()
    site.stash.change_scene(scene, cover=b"<!DOCTYPE html><html>login</html>", cover_type="text/html")
    site.stash.update_scene(scene, title="A")
    until(lambda: item.title == "A" and site.stash.count("screenshot") >= 2)
    assert site.plex.uploads() == []
    site.stash.scenes[scene].cover, site.stash.scenes[scene].cover_type = JPEG, "image/jpeg"
    site.settles()
    assert site.plex.images[item.selected_poster] == JPEG


def test_a_persons_edits_in_plex(both: Site) -> None:
    """With "Keep edits made in Plex" a field that a person edited stays; without it, Stash wins."""
    site, plex = both, both.plex
    scene, item = site.untitled()
    studio = site.stash.add_studio("S")
    site.stash.configure(keepPlexEdits=True)
    site.save(scene, title="Ours", details="Ours", tags=[site.stash.add_tag("G")], studio=studio, date="2024-01-01")
    plex.edit_item(
        100, title="Theirs", genres=["Theirs"], date="2020-02-02", locked=item.locked - {"originallyAvailableAt"}
    )
    site.save(scene, title="New", details="New", date="2024-02-02", tags=[site.stash.add_tag("H")])
    assert (item.title, item.genres) == ("Theirs", ["Theirs"])
    assert (item.summary, item.date) == ("New", "2024-02-02")
    assert site.quiet(scene)
    site.stash.configure(keepPlexEdits=False)
    site.save(scene)
    assert (item.title, item.genres) == ("New", ["H"])
    assert site.quiet(scene)


def test_the_right_items_and_no_others(both: Site) -> None:
    """Both items of a scene are written; namesakes, a show of that name and trash never are."""
    site, plex = both, both.plex
    plex.add_item(1, "/films/x/cut.mp4", 10, 60_000, rating_key=101)
    plex.add_item(1, "/films/y/cut.mp4", 20, 90_000, rating_key=102)
    plex.add_item(1, "/films/z/cut.mp4", 30, 30_000, rating_key=103, genres=("Keep",), collections=("Keep",))
    plex.add_item(1, "/films/x/cut.mp4", 10, 60_000, rating_key=104, trashed=True)
    plex.add_item(6, "/films/x/cut.mp4", 10, 60_000, rating_key=105)
    before = plex.snapshot()
    scene = site.stash.add_scene("", files=[("/data/x/cut.mp4", 10, 60.0), ("/data/y/cut.mp4", 20, 90.0)])
    old = datetime.now(UTC) - timedelta(days=9)
    site.stash.add_scene("Twin", files=[("/data/z/cut.mp4", 30, 30.0)], updated_at=old)
    site.save(scene, **site.whole(JPEG))
    after = plex.snapshot()
    assert [key for key in after if after[key] != before[key]] == [101, 102]
    assert after[101]["title"] == after[102]["title"] == site.stash.scenes[scene].title
    assert len(plex.uploads()) == 4
    assert site.quiet(scene)


def test_one_identity_over_restarts(site: Site) -> None:
    """The client identifier is created once; the token is in a header, and in no URL or file."""
    scene, item = site.untitled()
    site.save(scene, title="First")
    (first,) = site.plex.client_identifiers
    assert first == (site.stash.data_dir / "client_id").read_text("ascii")
    site.stash.end_worker()
    until(lambda: not worker_lives(site.stash.data_dir))
    site.plex.clear_log()
    site.save(scene, title="Second")
    assert item.title == "Second"
    assert site.plex.client_identifiers == {first}
    assert all(TOKEN not in request.target and request.header("X-Plex-Token") == TOKEN for request in site.plex.log)
    assert not any(TOKEN.encode() in path.read_bytes() for path in site.stash.data_dir.iterdir() if path.is_file())


def test_a_redirect_is_never_followed(site: Site) -> None:
    """A redirected edit is not done, nothing reaches the other address, and the status says so."""
    with PlexServer(TOKEN) as elsewhere:
        site.plex.redirect_target = elsewhere.url + "/library/sections/5/all"
        site.plex.fault("redirect_302", method="PUT")
        scene, item = site.untitled()
        site.stash.update_scene(scene, title="New")
        until(lambda: "redirect" in str(site.seen()["problem"]))
        assert elsewhere.log == []
        assert (item.title, site.rows()) == ("a", [(f"scene:{scene}",)])
        site.plex.clear_faults()
        site.settles()
        assert item.title == "New"
        assert elsewhere.log == []


@pytest.mark.parametrize("kind", ["performer", "studio", "tag"])
def test_what_is_deleted_in_stash_leaves_plex(tmp_path: Path, kind: str) -> None:
    """Its own hook, run as Stash runs it, takes a deleted performer, studio or tag out of every written item."""
    with Installation(tmp_path) as here:
        number = getattr(here.stash, f"add_{kind}")("Gone soon")
        own: dict[str, Any] = {"studio": number} if kind == "studio" else {f"{kind}s": [number]}
        films = [here.film(f"Film {index}", **own) for index in range(3)]
        for film in films:
            here.edit(film, "Written")
        for film in films:
            here.arrives(film, "Written")

        def holds() -> list[bool]:
            items = [here.plex.items[film.item] for film in films]
            return ["Gone soon" in (item.studio, *item.actors, *item.genres, *item.collections) for item in items]

        assert holds() == [True] * 3
        assert getattr(here.stash, f"destroy_{kind}")(number).output == f"queued {kind}:{number}"
        until(lambda: holds() == [False] * 3, what="the deletion in Plex")
        here.settles()
        assert "found scenes whose performers, studio or tags were deleted jobs=3" in here.log()
