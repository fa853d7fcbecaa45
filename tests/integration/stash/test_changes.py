"""Catch-up's queries to a Stash on real sockets: everything in one request, and further pages only where needed."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from plexsync.stash.api import Stash
from plexsync.stash.listing import MOST_BROKEN, PAGE
from plexsync.stash.transport import StashRefused
from tests.servers.stash import StashServer

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
KINDS = ("performer", "studio", "tag")


@pytest.fixture
def server(tmp_path: Path) -> Iterator[StashServer]:
    """Start an empty Stash whose clock is at noon, two hours east of Greenwich."""
    with StashServer(tmp_path / "stash") as running:
        running.now, running.clock = lambda: NOON, timedelta(hours=2)
        yield running


def ids(stash: Stash, since: str = "2026") -> dict[str, list[int]]:
    """Return kind -> the ids that ``changes`` yielded, in order."""
    by_kind: dict[str, list[int]] = {}
    for kind, rows in stash.changes(since):
        by_kind.setdefault(kind, []).extend(int(row["id"]) for row in rows)
    return by_kind


def test_one_request_tells_all(server: StashServer, stash: Stash) -> None:
    """One request lists every scene with its files' times, and the other kinds since the given time."""
    server.add_scene(files=[("/d/1.mp4", 1, 1)], updated_at=NOON - timedelta(days=900))
    for kind in KINDS:
        server.store.add_entity(kind, "old")
    server.now = lambda: NOON + timedelta(hours=1)
    server.move_file(1, "/d/moved.mp4")
    for kind in KINDS:
        server.store.add_entity(kind, f"new {kind}")
    pages = list(stash.changes("2026-03-01T14:00:00+02:00"))
    file = {"id": "1", "path": "/d/moved.mp4", "updated_at": "2026-03-01T15:00:00+02:00"}
    named = {"id": "2", "updated_at": "2026-03-01T15:00:00+02:00"}
    assert pages == [
        ("scene", [{"id": "1", "updated_at": "2023-09-13T14:00:00+02:00", "files": [file]}]),
        *((kind, [{**named, "name": f"new {kind}"}]) for kind in KINDS),
    ]
    assert len(server.log) == 1


def test_nothing_is_one_request(server: StashServer, stash: Stash) -> None:
    """An empty Stash yields no page and costs one request."""
    assert (list(stash.changes("2026")), len(server.log)) == ([], 1)


@pytest.mark.parametrize(
    ("scenes", "tags", "requests"), [(PAGE, PAGE, 1), (PAGE + 1, 0, 2), (2 * PAGE + 1, PAGE + 1, 4)]
)
def test_only_what_does_not_fit_is_paged_on(
    server: StashServer, stash: Stash, scenes: int, tags: int, requests: int
) -> None:
    """Only a kind with more than a page costs further requests; every row comes once."""
    for _ in range(scenes):
        server.add_scene()
    for number in range(tags):
        server.add_tag(f"{number:05}")
    listed = ids(stash)
    assert listed.get("scene", []) == list(range(1, scenes + 1))
    assert listed.get("tag", []) == list(range(1, tags + 1))
    assert len(server.log) == requests


def test_a_scene_that_stash_cannot_read_hides_no_other(server: StashServer, stash: Stash) -> None:
    """Rows that Stash cannot read are left out and counted; all others come, of every kind."""
    for _ in range(PAGE + 30):
        server.add_scene()
    server.add_tag("t")
    server.broken |= {7, PAGE + 30}
    listed = ids(stash)
    assert listed["scene"] == [number for number in range(1, PAGE + 30) if number != 7]
    assert listed["tag"] == [1]
    assert stash.skipped["scene"] == 2
    assert len(server.log) < 100
    server.broken.clear()
    for number in range(PAGE, PAGE + 31):
        server.scenes.pop(number, None)
    assert len(ids(stash)["scene"]) == PAGE - 1
    assert not stash.skipped.get("scene")


def test_the_listing_of_a_sync_goes_around_what_cannot_be_read(server: StashServer, stash: Stash) -> None:
    """Pages of any size leave out an unreadable row, even if it is alone."""
    for _ in range(5):
        server.add_scene()
    server.broken |= {2, 5}
    assert list(stash.pages({}, "{ id }", per_page=2)) == [[{"id": "1"}], [{"id": "3"}, {"id": "4"}]]


def test_many_rows_that_cannot_be_read_are_stash_refusing(server: StashServer, stash: Stash) -> None:
    """If nothing can be read the listing is refused after a few requests."""
    for _ in range(200):
        server.add_scene()
    server.broken |= set(range(1, 201))
    with pytest.raises(StashRefused, match=f"more than {MOST_BROKEN} of its scenes"):
        list(stash.changes("2026"))
    assert len(server.log) < 60


def test_a_stash_that_lacks_a_filter_says_so(server: StashServer, stash: Stash) -> None:
    """A Stash that cannot filter changed tags is reported in its own words, once."""
    server.add_scene()
    server.forget("TagFilterType", "updated_at")
    changes = stash.changes("2026")
    assert next(changes)[0] == "scene"
    with pytest.raises(StashRefused, match="updated_at"):
        list(changes)


@pytest.mark.parametrize("kind", KINDS)
def test_one_name(server: StashServer, stash: Stash, kind: str) -> None:
    """A performer, studio or tag has name and time; None if Stash does not have the id."""
    number = server.store.add_entity(kind, "Ünique")
    wanted: Any = ("Ünique", "2026-03-01T14:00:00+02:00")
    assert stash.entities(kind, [99, number, number]) == {number: wanted}
    assert stash.entities(kind, []) == {}
