"""Listings of a Stash on real sockets: pages, what changed since, whose scenes, counts and samples."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from plexsync.model.scene import Scene
from plexsync.stash.api import Stash
from plexsync.stash.listing import PAGE
from tests.servers.stash import StashServer

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
KINDS = ("performer", "studio", "tag")


@pytest.fixture
def server(tmp_path: Path) -> Iterator[StashServer]:
    """Start an empty Stash whose clock is at noon, two hours east of Greenwich."""
    with StashServer(tmp_path / "stash") as running:
        running.now, running.clock = lambda: NOON, timedelta(hours=2)
        yield running


def add(server: StashServer, kind: str, name: str) -> int:
    """Add a performer, studio or tag."""
    return server.store.add_entity(kind, name)


def all_of(pages: Iterator[list[Any]]) -> list[Any]:
    """Return the rows of all pages."""
    return [row for page in pages for row in page]


@pytest.mark.parametrize(
    ("scenes", "wanted", "requests"), [(0, [], 1), (1, [1], 1), (4, [2, 2], 2), (5, [2, 2, 1], 3), (6, [2, 2, 2], 3)]
)
def test_pages_end_where_the_scenes_end(
    server: StashServer, stash: Stash, scenes: int, wanted: list[int], requests: int
) -> None:
    """Every scene comes once, by id, no page is empty, and no request is made beyond the last page."""
    for number in range(scenes):
        server.add_scene(f"{9 - number}")
    pages = list(stash.pages({}, "{ id title }", per_page=2))
    assert [len(page) for page in pages] == wanted
    assert [row["id"] for page in pages for row in page] == [str(number + 1) for number in range(scenes)]
    assert len(server.log) == requests


def test_pages_are_fetched_as_they_are_wanted(server: StashServer, stash: Stash) -> None:
    """Leaving a listing after its first page costs one request."""
    for _ in range(6):
        server.add_scene()
    assert [row["id"] for row in next(stash.pages({}, "{ id }", per_page=2))] == ["1", "2"]
    assert len(server.log) == 1


def test_a_listing_ends_though_scenes_vanish_under_it(server: StashServer, stash: Stash) -> None:
    """Deleting scenes between two pages ends the listing early, not never."""
    for _ in range(6):
        server.add_scene()
    listing = stash.pages({}, "{ id }", per_page=4)
    next(listing)
    server.scenes.clear()
    assert list(listing) == []


def test_ids_are_numbers_of_the_scenes_that_match(server: StashServer, stash: Stash) -> None:
    """The filter is Stash's own; other scenes are not listed."""
    for number in range(1, 6):
        server.add_scene(organized=number % 2 == 0)
    assert list(stash.ids({"organized": True})) == [[2, 4]]
    assert list(stash.ids({"organized": True, "id": {"value": 9, "modifier": "GREATER_THAN"}})) == []


@pytest.mark.parametrize("kind", ["scene", *KINDS])
def test_changed_rows_are_those_after_the_mark(server: StashServer, stash: Stash, kind: str) -> None:
    """Only rows whose time is later as text are listed, and none of the same second."""
    for second in (0, 1, 2):
        server.now = lambda second=second: NOON + timedelta(seconds=second)  # type: ignore[misc]
        server.add_scene() if kind == "scene" else add(server, kind, f"n{second}")
    rows = all_of(stash.changed(kind, "2026-03-01T14:00:01+02:00"))
    named: dict[str, Any] = {"files": []} if kind == "scene" else {"name": "n2"}
    assert rows == [{"id": "3", **named, "updated_at": "2026-03-01T14:00:02+02:00"}]
    assert len(all_of(stash.changed(kind, ""))) == 3
    assert list(stash.changed(kind, "2026-03-01T14:00:02+02:00")) == []


@pytest.mark.parametrize(("kind", "sort"), [("scene", "id"), *((kind, "name") for kind in KINDS)])
def test_changes_come_in_pages_with_a_stable_order(server: StashServer, stash: Stash, kind: str, sort: str) -> None:
    """More changes than fit a page come in several, sorted by what does not change while they are read."""
    for number in range(PAGE + 2):
        server.add_scene() if kind == "scene" else add(server, kind, f"{number:05}")
    pages = list(stash.changed(kind, "2026"))
    assert [len(page) for page in pages] == [PAGE, 2]
    assert len({row["id"] for page in pages for row in page}) == PAGE + 2
    assert [request.variables["filter"]["sort"] for request in server.log] == [sort, sort]


@pytest.mark.parametrize("kind", KINDS)
def test_the_scenes_of_a_performer_studio_or_tag(server: StashServer, stash: Stash, kind: str) -> None:
    """Only its own scenes are listed, not those of a studio's or tag's children."""
    mine, other = add(server, kind, "mine"), add(server, kind, "other")
    for has in ([mine], [other], [other, mine], []):
        fields: dict[str, Any] = {"studio": has[-1] if has else None} if kind == "studio" else {f"{kind}s": has}
        server.add_scene(**fields)
    assert list(stash.scenes_with(kind, [mine])) == [[1, 3]]
    assert list(stash.scenes_with(kind, [99])) == []
    assert list(stash.scenes_with(kind, [99, mine])) == [[1, 3]]
    (criterion,) = server.log[0].variables["which"].values()
    assert criterion.get("depth") == (None if kind == "performer" else 0)


def test_counting_reads_no_scene(server: StashServer, stash: Stash) -> None:
    """The count of a filter is one request for no rows."""
    for number in range(30):
        server.add_scene(organized=number < 26)
    assert (stash.count({}), stash.count({"organized": True}), stash.count({"is_missing": "cover"})) == (30, 26, 30)
    assert len(server.log) == 3
    assert "per_page: 0" in server.log[0].operation


def test_a_sample_is_spread_over_the_library(server: StashServer, stash: Stash) -> None:
    """A sample has whole scenes, each once, from all over the library, and the same for the same seed."""
    for number in range(1, 201):
        server.add_scene(f"s{number}", files=[(f"/d/{number}.mp4", number, 1)])
    sample = stash.sample(20)
    ids = {scene.id for scene in sample}
    assert (len(sample), len(ids)) == (20, 20)
    assert max(ids) > 100
    assert all(scene.title == f"s{scene.id}" and scene.files[0].path == f"/d/{scene.id}.mp4" for scene in sample)
    assert stash.sample(20) == sample
    assert stash.sample(20, seed=2) != sample
    assert len(server.log) == 3


@pytest.mark.parametrize(("n", "wanted"), [(5, 3), (3, 3), (2, 2), (0, 0), (-1, 0)])
def test_a_sample_is_never_more_than_asked_for(server: StashServer, stash: Stash, n: int, wanted: int) -> None:
    """A small library is its own sample, and a sample of none is none."""
    for _ in range(3):
        server.add_scene()
    sample = stash.sample(n)
    assert len({scene.id for scene in sample}) == len(sample) == wanted
    assert all(isinstance(scene, Scene) for scene in sample)
