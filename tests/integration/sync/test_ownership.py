"""Who may clear what: a scene clears only what it filled itself, and a title goes back to what Plex had."""

from __future__ import annotations

import unicodedata
from typing import Any

import pytest

from plexsync.model.fields import fingerprint
from tests.support.writing_bench import Killed, WritingBench

LOCKED = {"title", "summary", "studio", "originallyAvailableAt", "actor", "genre"}


def filled(bench: WritingBench, **fields: Any) -> int:
    """Sync a scene with something in each field; its id."""
    stash = bench.stash
    whole: dict[str, Any] = {"title": "T", "details": "D", "date": "2024-01-02", "studio": stash.add_studio("S")}
    scene = bench.scene(**whole, performers=[stash.add_performer("P")], tags=bench.tags("G"), **fields)
    assert bench.one(scene).error is None
    return scene


def empty(bench: WritingBench, scene: int) -> None:
    """Take everything from a scene in Stash."""
    bench.stash.change_scene(scene, title="", details="", date="", studio=None, performers=[], tags=[])


def values(bench: WritingBench) -> tuple[Any, ...]:
    """The item's title, summary, date, studio, actors, genres and collections."""
    item = bench.plex.items[100]
    return item.title, item.summary, item.date, item.studio, item.actors, item.genres, item.collections


WHOLE = ("T", "D", "2024-01-02", "S", ["P"], ["G"], ["S"])


def test_a_scene_clears_what_it_filled(bench: WritingBench) -> None:
    """Emptied in Stash, everything that the scene itself had goes from Plex, and the title is the earlier one again."""
    scene = filled(bench)
    empty(bench, scene)
    assert bench.one(scene).error is None
    assert values(bench) == ("a", "", "", "", [], [], [])
    assert bench.record().written.own == ()
    assert bench.quiet(scene)


@pytest.mark.parametrize("released", [True, False])
def test_a_scene_that_takes_over_clears_nothing(bench: WritingBench, released: bool) -> None:
    """A file that comes back as a new, bare scene leaves its item as it is, however often it is synced."""
    old = filled(bench)
    new = bench.scene(title="")
    bench.stash.scenes.pop(old)
    if released:
        bench.state.drop_scenes([old])
    for _ in range(2):
        assert bench.one(new).error is None
        assert values(bench) == WHOLE
    assert bench.record().scene_id == new
    assert bench.quiet(new)


def test_a_scene_that_takes_over_adds_what_it_has(bench: WritingBench) -> None:
    """Its own values replace the earlier scene's; later it clears these, and still none of the others."""
    bench.stash.scenes.pop(filled(bench))
    new = bench.scene(title="Mine", tags=bench.tags("Mine"))
    assert bench.one(new).error is None
    assert values(bench) == ("Mine", "D", "2024-01-02", "S", ["P"], ["Mine"], ["S"])
    empty(bench, new)
    assert bench.one(new).error is None
    assert values(bench) == ("a", "D", "2024-01-02", "S", ["P"], [], ["S"])
    assert bench.quiet(new)


def test_a_field_that_is_skipped_meanwhile_stays_the_scenes(bench: WritingBench) -> None:
    """What a scene filled before its field was skipped is cleared when the field is synced again."""
    scene = filled(bench)
    bench.new_planner(skip=bench.settings.skip | {"summary"})
    bench.stash.change_scene(scene, title="Other", details="")
    assert bench.one(scene).error is None
    assert bench.plex.items[100].summary == "D"
    bench.new_planner(skip=bench.settings.skip - {"summary"})
    assert bench.one(scene).error is None
    assert bench.plex.items[100].summary == ""


def test_a_cover_is_never_removed(bench: WritingBench) -> None:
    """A scene that takes over without a cover leaves the poster; with one it sends it, though the times are equal."""
    bench.new_planner(skip=frozenset())
    old = filled(bench, cover=b"\xff\xd8\xff one")
    poster = bench.plex.items[100].selected_poster
    bare = bench.scene(title="")
    bench.stash.scenes.pop(old)
    assert bench.one(bare).error is None
    assert bench.plex.items[100].selected_poster == poster
    bench.stash.scenes.pop(bare)
    other = bench.scene(title="", cover=b"\xff\xd8\xff two")
    assert bench.one(other).uploaded
    assert bench.plex.items[100].selected_poster != poster


# -- the title


def test_a_title_goes_back_and_is_unlocked(bench: WritingBench) -> None:
    """A title that PlexSync wrote and that is emptied in Stash becomes what Plex had, without a lock."""
    bench.plex.add_item(5, "/films/a/a.mp4", 1, title="Before")
    scene = bench.scene(title="")
    assert bench.one(scene).outcome == "unchanged"
    bench.stash.change_scene(scene, title="Wrong")
    bench.one(scene)
    bench.stash.change_scene(scene, title="Wrong again")
    bench.one(scene)
    assert bench.plex.items[100].title == "Wrong again"
    bench.stash.change_scene(scene, title=" ")
    assert bench.one(scene).outcome == "synced"
    assert bench.plex.items[100].title == "Before"
    assert "title" not in bench.plex.items[100].locked
    assert bench.quiet(scene)
    bench.stash.change_scene(scene, title="Right")
    bench.one(scene)
    assert (bench.plex.items[100].title, "title" in bench.plex.items[100].locked) == ("Right", True)


def test_a_title_that_was_equal_is_unlocked(bench: WritingBench) -> None:
    """A title that needed only a lock gives up the lock when it is emptied in Stash."""
    scene = bench.scene(title="a")
    bench.one(scene)
    assert bench.plex.items[100].locked == {"title"}
    bench.stash.change_scene(scene, title="")
    assert bench.one(scene).outcome == "synced"
    assert (bench.plex.items[100].title, bench.plex.items[100].locked) == ("a", set())
    assert bench.quiet(scene)


@pytest.mark.parametrize(
    ("file", "title"),
    [("/films/a/a.b.mp4", "a.b"), ("/films/a/plain", "plain"), (r"D:\films\Caf\x.mkv", "x"), ("/films/.mp4", "mp4")],
)
def test_without_an_earlier_title_it_is_the_files_name(bench: WritingBench, file: str, title: str) -> None:
    """Where it is not known what Plex had, the title is the file's name without its ending."""
    scene = filled(bench)
    item = bench.plex.items[100]
    item.parts = [type(item.parts[0])(item.parts[0].id, item.parts[0].media_id, file, item.parts[0].size, 60_000)]
    bench.stash.scenes[scene].files[0].path = file
    record = bench.record()
    stored = type(record.written)(record.written.ours, record.written.names, record.written.kept, record.written.own)
    bench.state.store(bench.planner.machine, [type(record)(100, scene, file, file, stored)])
    bench.stash.change_scene(scene, title="")
    (work,) = bench.sync(scene)
    assert work.error is None
    assert bench.plex.items[100].title == title


@pytest.mark.parametrize("keep", [True, False])
def test_a_persons_title_stays(bench: WritingBench, keep: bool) -> None:
    """A title that a person gave the item since is not taken back."""
    bench.new_planner(keep_plex_edits=keep)
    scene = filled(bench)
    bench.plex.edit_item(100, title="A person's")
    bench.stash.change_scene(scene, title="")
    assert bench.one(scene).error is None
    assert bench.plex.items[100].title == "A person's"
    assert bench.quiet(scene)


def test_a_title_that_cannot_be_plain_stays(bench: WritingBench) -> None:
    """With Plain titles a title of which nothing is left is no empty title."""
    bench.new_planner(clean_titles=True)
    scene = filled(bench)
    bench.stash.change_scene(scene, title="\U0001f468")
    assert bench.one(scene).error is None
    assert bench.plex.items[100].title == "T"
    bench.stash.change_scene(scene, title="")
    assert bench.one(scene).error is None
    assert bench.plex.items[100].title == "a"


# -- what Plex had before


def test_what_plex_had_is_kept(bench: WritingBench) -> None:
    """The first write to each field keeps its value and lock; later writes change nothing of it."""
    bench.plex.add_item(5, "/films/a/a.mp4", 1, summary="Old", genres=("X", "Y"), locked=("summary",))
    scene = bench.scene(title="First")
    bench.one(scene)
    assert bench.record().written.before == {"title": "a"}
    bench.stash.change_scene(scene, title="Second", details="New", tags=bench.tags("G"))
    bench.one(scene)
    before = {"title": "a", "summary": "Old", "genre": ("X", "Y"), "locked": ("summary",)}
    assert bench.record().written.before == before
    bench.stash.change_scene(scene, title="Third", details="Newer", tags=[])
    bench.one(scene)
    assert bench.record().written.before == before


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_kill_does_not_make_our_value_the_earlier_one(
    bench: WritingBench, monkeypatch: pytest.MonkeyPatch, when: str
) -> None:
    """A worker killed around its first edit still knows what Plex had, and that the scene filled the field."""
    scene = bench.scene(title="Ours", details="Text")
    put = bench.client.put

    def killed(*args: Any) -> None:
        if when == "after":
            put(*args)
        raise Killed

    monkeypatch.setattr(bench.client, "put", killed)
    with pytest.raises(Killed):
        bench.one(scene)
    monkeypatch.undo()
    assert bench.record().written.before == {"title": "a", "summary": ""}
    if when == "before":
        assert bench.one(scene).error is None
    bench.stash.change_scene(scene, title="", details="")
    assert bench.one(scene).error is None
    assert (bench.plex.items[100].title, bench.plex.items[100].summary) == ("a", "")


# -- locks of equal fields


def test_equal_fields_are_locked_by_one_edit(bench: WritingBench) -> None:
    """What equals Stash at the first sync is locked in one edit, but for the collection; the second writes nothing."""
    bench.plex.add_item(
        5, "/films/a/a.mp4", 1, title="T", summary="D", date="2024-01-02", studio="S", actors=("P",), genres=("g",),
        collections=("S",),
    )  # fmt: skip
    scene = filled(bench)
    (put,) = bench.plex.writes()
    assert {name for name, _ in put.query} == {"type", "id", *(f"{name}.locked" for name in LOCKED)}
    assert bench.plex.items[100].locked == LOCKED
    assert bench.quiet(scene)
    empty(bench, scene)
    bench.one(scene)
    assert values(bench) == ("T", "", "", "", [], [], ["S"])


def test_missing_locks_ride_with_changes(bench: WritingBench) -> None:
    """Beside a change the locks of the equal fields cost no edit of their own; empty fields get none."""
    bench.plex.add_item(5, "/films/a/a.mp4", 1, title="T")
    scene = bench.scene(title="T", details="D")
    bench.one(scene)
    assert len(bench.plex.writes()) == 1
    assert bench.plex.items[100].locked == {"title", "summary"}
    bench.plex.edit_item(100, locked=set())
    bench.one(scene)
    assert bench.plex.items[100].locked == {"title", "summary"}
    assert bench.quiet(scene)


@pytest.mark.parametrize("title", ["T", "Other"])
def test_locks_that_do_not_stick_are_sent_once(bench: WritingBench, title: str) -> None:
    """A server that forgets locks gets them once for each value, whether with the value or alone."""
    bench.new_planner(skip=frozenset({"background"}))
    bench.plex.modes.locks_stick = False
    bench.plex.add_item(5, "/films/a/a.mp4", 1, title=title)
    scene = bench.scene(title="T", details="D", cover=b"\xff\xd8\xff x")
    assert bench.one(scene).error is None
    assert bench.quiet(scene)
    bench.plex.modes.locks_stick = True
    bench.stash.change_scene(scene, title="New")
    bench.one(scene)
    bench.plex.edit_item(100, locked=set())
    bench.one(scene)
    assert "title" in bench.plex.items[100].locked


def test_a_persons_edit_after_our_lock_is_a_persons(bench: WritingBench) -> None:
    """With keepPlexEdits a field that we only locked is ours until a person changes it."""
    bench.new_planner(keep_plex_edits=True)
    bench.plex.add_item(5, "/films/a/a.mp4", 1, title="T", summary="D")
    scene = bench.scene(title="T", details="D")
    bench.one(scene)
    bench.plex.edit_item(100, summary="A person's")
    bench.stash.change_scene(scene, title="New", details="New")
    bench.one(scene)
    assert (bench.plex.items[100].title, bench.plex.items[100].summary) == ("New", "A person's")
    assert bench.quiet(scene)


def test_an_intent_to_lock_counts_as_ours(bench: WritingBench, monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker killed after a lock-only edit does not take its own lock for a person's."""
    bench.new_planner(keep_plex_edits=True)
    scene = bench.scene(title="a")
    put = bench.client.put

    def killed(*args: Any) -> None:
        put(*args)
        raise Killed

    monkeypatch.setattr(bench.client, "put", killed)
    with pytest.raises(Killed):
        bench.one(scene)
    monkeypatch.undo()
    assert bench.record().written.ours == {"title": (fingerprint("title", "a"),)}
    bench.stash.change_scene(scene, title="New")
    bench.one(scene)
    assert bench.plex.items[100].title == "New"


# -- tags that Plex folds into one


def bare(name: str) -> str:
    """A tag without case, blanks, marks and width: as far as a server could go."""
    text = unicodedata.normalize("NFKD", name.casefold())
    return "".join(letter for letter in text if letter.isalnum()).casefold()


FOLDED = [
    ("Cafe", "Caf\u00e9"), ("A  B", "A B"), ("\u0130x", "ix"), ("Stra\u00dfe", "strasse"), ("Caf\u00e9", "Cafe\u0301"),
    ("\uff21bc", "Abc"), ("A-B", "A B"), ("x", "X"),
]  # fmt: skip


@pytest.mark.parametrize(("old", "new"), FOLDED)
@pytest.mark.parametrize("append", [True, False])
def test_folded_tags_are_not_lost(bench: WritingBench, old: str, new: str, append: bool) -> None:
    """However far Plex goes in taking two spellings for one tag, the item keeps it, and it is sent once."""
    bench.plex.modes.tags_append = append
    bench.plex.model.tags.fold = bare
    bench.plex.add_item(5, "/films/a/a.mp4", 1, genres=(old, "Gone"), actors=(old,))
    scene = bench.scene(tags=bench.tags(new), performers=[bench.stash.add_performer(new)])
    assert bench.one(scene).error is None
    item = bench.plex.items[100]
    assert ([bare(tag) for tag in item.genres], [bare(tag) for tag in item.actors]) == ([bare(new)], [bare(new)])
    assert bench.quiet(scene)


@pytest.mark.parametrize(("old", "new"), [("Cafe", "Caf\u00e9"), ("A  B", "A B"), ("A-B", "A B")])
def test_spellings_that_plex_tells_apart_are_exact(bench: WritingBench, old: str, new: str) -> None:
    """Where Plex does not fold them, the old spelling goes and the new one comes."""
    bench.plex.add_item(5, "/films/a/a.mp4", 1, genres=(old, "Stays"))
    scene = bench.scene(tags=bench.tags(new, "Stays"))
    assert bench.one(scene).error is None
    assert sorted(bench.plex.items[100].genres) == sorted([new, "Stays"])
    assert bench.quiet(scene)
