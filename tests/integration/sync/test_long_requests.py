"""Requests that are too long, for us or for Plex: split, cut, rejected, and what Plex has in the end."""

from __future__ import annotations

import pytest

from plexsync.model.errors import Rejected
from tests.support.writing_bench import WritingBench


@pytest.fixture(params=[True, False], ids=["append", "replace"])
def both(request: pytest.FixtureRequest, bench: WritingBench) -> WritingBench:
    """The same, once for each way in which Plex may take a list."""
    bench.plex.modes.tags_append = request.param
    return bench


LONG = [f"a rather long name of a tag {number:03}" for number in range(400)]


def test_a_line_over_4_kb_is_split(both: WritingBench) -> None:
    """Scalars go first, each tag type whole in one request, none over 4 KB where it need not be."""
    bench = both
    bench.plex.add_item(5, "/films/a/a.mp4", 1, genres=["Old"], actors=["Gone"])
    performers = [bench.stash.add_performer(f"performer number {number:03}") for number in range(60)]
    scene = bench.scene(title="New", details="word " * 300, tags=bench.tags(*LONG[:45]), performers=performers)
    assert bench.one(scene).error is None
    item = bench.plex.items[100]
    assert (item.genres, len(item.actors), item.summary) == (LONG[:45], 60, ("word " * 300).strip())
    assert bench.plex.largest_request_line <= 4096
    assert bench.plex.writes()[0].param("title.value") == "New"
    for name in ("actor", "genre"):
        assert len([request for request in bench.plex.writes() if request.param(f"{name}[0].tag.tag")]) == 1
    assert bench.warnings() == []
    assert bench.quiet(scene)


def test_a_list_up_to_7_kb_goes_alone(both: WritingBench) -> None:
    """One tag type over 4 KB is one separate request, whole."""
    bench = both
    scene = bench.scene(title="New", tags=bench.tags(*LONG[:80]))
    assert bench.one(scene).error is None
    assert bench.plex.items[100].genres == LONG[:80]
    assert len(bench.plex.writes()) == 2
    assert 4096 < bench.plex.largest_request_line <= 7168
    assert bench.warnings() == []
    assert bench.quiet(scene)


def test_a_longer_list_is_cut_with_one_warning(both: WritingBench) -> None:
    """Beyond 7 KB the beginning goes, with one warning; that is then what Plex should have."""
    bench = both
    bench.new_planner(max_tags=400)
    scene = bench.scene(tags=bench.tags(*LONG))
    assert bench.one(scene).error is None
    (warning,) = bench.warnings()
    assert "genre is too long for one request" in warning
    kept = len(bench.plex.items[100].genres)
    assert 80 < kept < 400
    assert bench.plex.items[100].genres == LONG[:kept]
    assert bench.plex.largest_request_line <= 7168
    assert bench.quiet(scene)
    bench.stash.change_scene(scene, tags=[*bench.stash.scenes[scene].tags, *bench.tags("z")])
    assert bench.quiet(scene)


def test_removals_beyond_7_kb_all_go(both: WritingBench) -> None:
    """A list whose removals do not fit a request ends as desired, also on a server that appends."""
    bench = both
    bench.plex.add_item(5, "/films/a/a.mp4", 1, genres=LONG)
    scene = bench.scene(tags=bench.tags("Only"))
    assert bench.one(scene).error is None
    assert bench.plex.items[100].genres == ["Only"]
    assert bench.plex.largest_request_line <= 7168
    assert bench.quiet(scene)


@pytest.mark.parametrize("limit", [3000, 2000, 700])
def test_414_below_our_own_limit(both: WritingBench, limit: int) -> None:
    """Whatever length Plex or a proxy takes: what fits goes whole, what does not is cut once with one warning."""
    bench = both
    bench.plex.modes.max_request_line = limit
    bench.plex.add_item(5, "/films/a/a.mp4", 1, genres=LONG[100:180])
    scene = bench.scene(title="New", details="word " * 500, tags=bench.tags(*LONG[:50]))
    work = bench.one(scene)
    assert work.error is None
    item = bench.plex.items[100]
    assert item.title == "New"
    assert 0 < len(item.summary) < 2500
    assert ("word " * 500).startswith(item.summary)
    assert 0 < len(item.genres) <= 50
    assert item.genres == LONG[: len(item.genres)]
    warnings = bench.warnings()
    assert ["summary was cut" in text for text in warnings].count(True) == 1
    assert ["genre was cut" in text for text in warnings].count(True) == (len(item.genres) < 50)
    assert bench.quiet(scene)
    bench.stash.change_scene(scene, tags=bench.stash.scenes[scene].tags[:3], details="Short")
    assert bench.one(scene).error is None
    assert (item.genres, item.summary) == (LONG[:3], "Short")


def test_414_for_what_cannot_be_cut(bench: WritingBench) -> None:
    """A value that no shorter request carries is rejected by name, without being sent over and over."""
    works = bench.works(bench.scene(title="New title", details="x"))
    bench.plex.modes.max_request_line = 70
    (work,) = bench.send(works)
    assert isinstance(work.error, Rejected)
    assert (work.rejected, work.error.status) == (("title", "summary"), 414)
    assert len(bench.plex.writes()) == 3


def test_a_shared_list_is_refused_rather_than_cut(bench: WritingBench) -> None:
    """Collections of others are never cut away to fit a line."""
    bench.plex.modes.max_request_line = 1500
    bench.plex.add_item(5, "/films/a/a.mp4", 1, collections=LONG[:50])
    work = bench.one(bench.scene(studio=bench.stash.add_studio("Studio")))
    assert isinstance(work.error, Rejected)
    assert work.rejected == ("collection",)
    assert bench.plex.items[100].collections == LONG[:50]
    assert bench.plex.items[100].studio == "Studio"


def test_refused_while_it_is_shortened(bench: WritingBench) -> None:
    """A field that is rejected for its content once it is short enough is not shortened further."""
    bench.plex.modes.max_request_line = 2500
    bench.plex.modes.reject_values = {"summary": "word"}
    work = bench.one(bench.scene(details="word " * 600))
    assert isinstance(work.error, Rejected)
    assert (work.rejected, work.error.status) == (("summary",), 400)


def test_removals_are_split_after_414(both: WritingBench) -> None:
    """A short list whose removals make the line too long loses none of its tags."""
    bench = both
    bench.plex.modes.max_request_line = 1500
    bench.plex.add_item(5, "/films/a/a.mp4", 1, genres=LONG[:60])
    scene = bench.scene(tags=bench.tags("One", "Two"))
    assert bench.one(scene).error is None
    assert bench.plex.items[100].genres == ["One", "Two"]
    assert bench.warnings() == []
    assert bench.quiet(scene)


def test_a_list_of_others_that_fits_nowhere_is_left_with_a_warning(bench: WritingBench) -> None:
    """An item with more collections than a request carries keeps them all; a warning says so, the rest is written."""
    bench.plex.add_item(5, "/films/a/a.mp4", 1, collections=LONG)
    work = bench.one(bench.scene(studio=bench.stash.add_studio("Studio")))
    assert work.error is None
    assert bench.plex.items[100].collections == LONG
    assert [text for text in bench.warnings() if "collection is too long" in text]
