"""The writer in this process: intents before the edit, the read-back after it, rejections, long requests."""

from __future__ import annotations

from typing import Any

import pytest

from plexsync.model.errors import ItemGone, KindPaused, PlexBusy, PlexUnavailable, Rejected
from plexsync.model.fields import fingerprint
from tests.servers.plex_http import Request
from tests.support.writing_bench import Killed, WritingBench


@pytest.fixture(params=[True, False], ids=["append", "replace"])
def both(request: pytest.FixtureRequest, bench: WritingBench) -> WritingBench:
    """The same, once for each way in which Plex may take a list."""
    bench.plex.modes.tags_append = request.param
    return bench


def die(*_: Any, **__: Any) -> None:
    """Raise what may end a worker at any moment."""
    raise Killed


# -- intents


def test_the_intent_is_committed_before_the_edit(bench: WritingBench) -> None:
    """When Plex receives an edit, ``state.db`` already shows every reader what it will be."""
    scene = bench.scene(title="New", tags=bench.tags("G"))
    seen = []
    bench.plex.before_write = lambda request: seen.append(bench.other_reader().written)
    bench.one(scene)
    assert [written.ours["title"] for written in seen] == [(fingerprint("title", "New"),)]
    assert seen[0].names == {"genre": ("G",)}


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_killed_edit_counts_as_ours(both: WritingBench, monkeypatch: pytest.MonkeyPatch, when: str) -> None:
    """A worker killed around its edit leaves fields of ours: keepPlexEdits does not take them for a person's."""
    bench = both
    scene = bench.scene(title="First", details="Text", tags=bench.tags("G1", "G2"))
    bench.new_planner(keep_plex_edits=True)
    put = bench.client.put

    def killed(*args: Any) -> None:
        if when == "after":
            put(*args)
        die()

    monkeypatch.setattr(bench.client, "put", killed)
    with pytest.raises(Killed):
        bench.one(scene)
    monkeypatch.undo()
    assert (bench.plex.items[100].title == "First") == (when == "after")
    bench.stash.change_scene(scene, title="Second", details="", tags=[])
    assert bench.one(scene).error is None
    assert (bench.plex.items[100].title, bench.plex.items[100].summary) == ("Second", "")
    assert bench.plex.items[100].genres == []
    assert bench.quiet(scene)


def test_a_lock_without_its_upload_is_no_persons_choice(bench: WritingBench, monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker killed between lock and upload of a poster uploads it later, with keepPlexEdits too."""
    bench.new_planner(skip=frozenset({"background"}), keep_plex_edits=True)
    scene = bench.scene(cover=b"\xff\xd8 cover")
    monkeypatch.setattr(bench.client, "upload", die)
    with pytest.raises(Killed):
        bench.one(scene)
    assert "thumb" in bench.plex.items[100].locked
    monkeypatch.undo()
    assert bench.one(scene).uploaded
    assert bench.plex.items[100].selected_poster is not None
    assert bench.quiet(scene)


# -- the read-back


def test_a_field_that_plex_did_not_keep_is_not_done(bench: WritingBench) -> None:
    """An edit that was accepted but changed nothing is retried, and succeeds once Plex keeps it."""
    scene = bench.scene(title="New")
    bench.plex.modes.drop_updates = True
    work = bench.one(scene)
    assert isinstance(work.error, PlexBusy)
    assert "did not keep the title" in str(work.error)
    assert bench.record().desired == {}
    bench.plex.modes.drop_updates = False
    assert bench.one(scene).error is None
    assert bench.record().desired["title"] == fingerprint("title", "New")


def test_clearing_spares_what_a_person_added_for_good(both: WritingBench) -> None:
    """An emptied list removes our tags and never, in a later sync either, the one that a person added."""
    bench = both
    scene = bench.scene(tags=bench.tags("Ours"))
    bench.one(scene)
    bench.plex.edit_item(100, genres=["Ours", "Theirs"])
    bench.stash.change_scene(scene, tags=[])
    for _ in range(2):
        assert bench.one(scene).error is None
        assert bench.plex.items[100].genres == ["Theirs"]
    assert bench.quiet(scene)


def test_what_plex_keeps_differently_is_sent_once(both: WritingBench) -> None:
    """Every kind of field that Plex alters is reported once, remembered, and not sent again until it changes."""
    bench = both
    bench.plex.modes.keep_differently = lambda field, value: (
        value if value in ("", "Theirs") else value.rstrip("!") + "!"
    )
    bench.plex.add_item(5, "/films/a/a.mp4", 1, collections=("Theirs",))
    scene = bench.scene(
        title="New", details="Text", tags=bench.tags("G1", "G2"), studio=bench.stash.add_studio("Studio")
    )
    assert bench.one(scene).error is None
    assert len([text for text in bench.warnings() if "Plex stored another value than was sent" in text]) == 5
    item = bench.plex.items[100]
    assert (item.title, item.genres, item.collections) == ("New!", ["G1!", "G2!"], ["Theirs", "Studio!"])
    assert bench.quiet(scene)
    assert bench.warnings() == []
    bench.plex.edit_item(100, title="A person's")
    bench.stash.change_scene(scene, details="Other")
    assert bench.one(scene).error is None
    assert (item.title, item.summary) == ("New!", "Other!")
    assert bench.quiet(scene)
    bench.stash.change_scene(scene, tags=[], details="", studio=None)
    assert bench.one(scene).error is None
    assert (item.genres, item.summary, item.collections) == ([], "", ["Theirs"])


def test_a_value_known_to_be_kept_differently_needs_no_change(bench: WritingBench) -> None:
    """If it is sent again beside other fields, and Plex alters it as before, that is no failure."""
    bench.plex.modes.keep_differently = lambda field, value: "Other" if value == "Studio" else value
    scene = bench.scene(studio=bench.stash.add_studio("Studio"))
    assert bench.one(scene).error is None
    item = bench.plex.items[100]
    assert (item.studio, item.collections) == ("Other", ["Other"])
    bench.plex.edit_item(100, studio="Mine", collections=["Other", "Added"])
    bench.plex.modes.keep_differently = {"studio": "Mine", "collection": "Other"}.get
    assert bench.one(scene).error is None
    assert item.studio == "Mine"
    assert "Added" in item.collections
    assert bench.quiet(scene)


def test_an_edit_that_broke_off_teaches_nothing(both: WritingBench) -> None:
    """If only part of an edit's requests arrived, what differs is sent again, not remembered as Plex's way."""
    bench = both
    old = [f"a rather long name of a tag {number:03}" for number in range(400)]
    bench.plex.add_item(5, "/films/a/a.mp4", 1, genres=old)
    scene = bench.scene(tags=bench.tags("Only"))
    bench.plex.fault("500", count=1, query=r"genre\[0\]")
    work = bench.one(scene)
    assert isinstance(work.error, PlexBusy)
    assert 0 < len(bench.plex.items[100].genres) < 400
    assert "genre" not in bench.record().written.kept
    assert bench.one(scene).error is None
    assert bench.plex.items[100].genres == ["Only"]
    assert bench.quiet(scene)


def test_an_item_that_vanishes_is_gone(bench: WritingBench) -> None:
    """Whether it vanishes before the edit, the read-back or the upload: the scene is matched again."""
    bench.new_planner(skip=frozenset())
    scenes = [bench.scene(name, cover=b"\xff\xd8 cover") for name in "abc"]

    def vanish(request: Request) -> None:
        key = int(request.param("id") or request.path.split("/")[3])
        if (key, request.method) in ((101, "PUT"), (102, "POST")):
            bench.plex.remove_item(key)

    works = bench.works(*scenes)
    bench.plex.remove_item(100)
    bench.plex.after_write = vanish
    bench.send(works)
    assert [type(work.error) for work in works] == [ItemGone] * 3


def test_what_is_no_longer_wanted_is_not_written(bench: WritingBench) -> None:
    """A scene whose task was stopped meanwhile is left out of the batch."""
    first, second = bench.scene("a"), bench.scene("b")
    bench.unwanted = {first}
    assert [work.target.scene.id for work in bench.sync(first, second)] == [second]
    assert bench.plex.items[100].title == "a"


# -- refusals


def test_a_refused_field_is_named_and_the_others_count(bench: WritingBench) -> None:
    """After a 400 each field goes alone; the sentence names the rejected one and what to do."""
    bench.plex.modes.reject_values = {"studio": "bad"}
    scene = bench.scene(title="New", studio=bench.stash.add_studio("bad"), details="Text")
    work = bench.one(scene)
    assert isinstance(work.error, Rejected)
    assert work.rejected == ("studio",)
    assert "Plex rejected the studio of scene" in str(work.error)
    item = bench.plex.items[100]
    assert (item.title, item.summary, item.studio, item.collections) == ("New", "Text", "", ["bad"])


def test_a_refused_lock_is_no_dead_letter(bench: WritingBench) -> None:
    """A lock alone that Plex refuses leaves a person nothing to do: all else arrives, and it is not sent again."""
    bench.new_planner(skip=frozenset({"background"}))
    bench.plex.fault("400", query="thumb.locked", method="PUT")
    scene = bench.scene(cover=b"\xff\xd8 cover")
    work = bench.one(scene)
    assert work.error is None
    assert bench.plex.items[100].title == "Title of a"
    assert bench.plex.items[100].selected_poster
    assert bench.quiet(scene)


def test_locks_ride_along_when_fields_go_alone(bench: WritingBench) -> None:
    """If a rejection sends every field alone, the poster is still locked."""
    bench.new_planner(skip=frozenset({"background"}))
    bench.plex.fault("400", count=1, method="PUT")
    work = bench.one(bench.scene(cover=b"\xff\xd8 cover", details="Text"))
    assert (work.error, work.uploaded) == (None, True)
    assert "thumb" in bench.plex.items[100].locked


def test_a_500_that_stays_while_others_succeed_is_a_refusal(bench: WritingBench) -> None:
    """At first it is retried; after that field by field, where the others show which field is at fault."""
    scene, other = bench.scene("a", details="Text"), bench.scene("b")
    bench.plex.fault("500", query="summary.value")
    assert isinstance(bench.sync(scene, other)[0].error, PlexBusy)
    work = bench.one(scene, attempts=2)
    assert isinstance(work.error, Rejected)
    assert (work.rejected, work.error.status) == (("summary",), 500)
    assert bench.plex.items[100].title == "Title of a"


def test_a_500_for_everything_is_no_refusal(bench: WritingBench) -> None:
    """While nothing at all can be written, an edit counts as retryable, however often it was tried."""
    scene = bench.scene("a", details="Text")
    bench.plex.fault("500", method="PUT")
    work = bench.one(scene, attempts=2)
    assert isinstance(work.error, KindPaused)
    bench.plex.clear_faults()
    assert bench.one(scene, attempts=3).error is None


@pytest.mark.parametrize(("fault", "kind"), [("504", PlexBusy), ("404", ItemGone)])
def test_a_passing_failure_while_fields_go_alone(bench: WritingBench, fault: str, kind: type[Exception]) -> None:
    """A field that fails in a way that may pass is not called rejected."""
    bench.plex.fault("400", count=1, method="PUT")
    bench.plex.fault(fault, count=1, query="summary.value")
    work = bench.one(bench.scene(details="Text"))
    assert type(work.error) is kind
    assert bench.plex.items[100].title == "Title of a"


def test_if_nothing_can_be_written_each_edit_by_hand_is_tried_once(bench: WritingBench) -> None:
    """Six edits that fail one after the other, and two that would change nothing, say that Plex takes none."""
    scenes = [bench.scene(name) for name in "abcdef"]
    bench.plex.fault("500", method="PUT")
    works = bench.sync(*scenes)
    assert {(type(work.error), getattr(work.error, "tried", None)) for work in works} == {(KindPaused, True)}
    assert len(bench.plex.writes()) == len(scenes) + 2


def test_a_busy_item_while_plex_is_away(bench: WritingBench) -> None:
    """After one failed edit and a failed probe Plex is unreachable, and the batch ends."""
    scenes = [bench.scene(name) for name in "ab"]
    works = bench.works(*scenes)
    bench.plex.fault("500", path=r"/library/sections/5/all")
    with pytest.raises(PlexUnavailable):
        bench.send(works)
    assert len(bench.plex.writes()) == 1
