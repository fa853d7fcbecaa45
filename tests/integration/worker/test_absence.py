"""Absence needs two witnesses: one answer without an item forgets nothing, and what was written is taken up again."""

from __future__ import annotations

import pytest

from plexsync.state.ledger import Record, State, open_state
from tests.support.in_process import HOUR, Bench

READS = r"/library/metadata/[\d,]+$"


@pytest.fixture
def bench(bench: Bench) -> Bench:
    """A bench that sends covers, with eight synced films."""
    bench.stash.configure(skipPoster=False, skipBackground=False)
    for number in range(8):
        bench.film(details=f"Words {number}.", cover=b"\xff\xd8\xff\xe0" + bytes([number]))
    for scene in bench.stash.scenes:
        bench.hook(f"scene:{scene}")
    for _ in range(2):
        bench.now += HOUR
        bench.turn()
    bench.plex.clear_log()
    bench.log.lines.clear()
    return bench


def records(bench: Bench) -> dict[int, Record]:
    """What is known of the items that were written."""
    conn = open_state(str(bench.folder))
    try:
        return State(conn).records(bench.plex.machine, range(100, 200))
    finally:
        conn.close()


def clear_details(bench: Bench) -> None:
    """Empty the details of every scene in Stash."""
    for scene in bench.stash.scenes:
        bench.edit(scene, details="")


def summaries(bench: Bench) -> set[str]:
    """The summaries of the items in Plex."""
    return {item.summary for item in bench.plex.items.values()}


@pytest.mark.parametrize(
    ("kind", "path"),
    [("404_proxy", "/library/metadata/"), ("404", READS), ("empty_container", READS), ("404_proxy", "/")],
)
@pytest.mark.parametrize("count", [1, 2, 3])
def test_one_answer_forgets_nothing(bench: Bench, kind: str, path: str, count: int) -> None:
    """A proxy's 404, Plex's 404 or an empty container, once or three times: what was cleared in Stash is cleared."""
    bench.plex.fault(kind, count=count, path=path)
    clear_details(bench)
    bench.live(300)
    assert summaries(bench) == {""}
    assert len(records(bench)) == 8
    assert bench.plex.uploads() == []
    assert bench.count("dead") == bench.count("waiting") == bench.count("pending") == 0


@pytest.mark.parametrize("kind", ["404", "empty_container", "404_proxy"])
def test_a_minute_without_items_forgets_nothing(bench: Bench, kind: str) -> None:
    """While Plex names no item for a minute, what was written is set aside at most, and taken up again."""
    bench.plex.fault(kind, path=READS)
    clear_details(bench)
    bench.live(60)
    bench.plex.clear_faults()
    bench.live(2 * HOUR)
    assert summaries(bench) == {""}
    assert set(records(bench)) == set(bench.plex.items)
    assert bench.plex.uploads() == []
    assert bench.count("dead") == 0


def test_with_keep_plex_edits_nobody_is_forgotten(bench: Bench) -> None:
    """Our own values are no person's after the item was away: the next edit arrives."""
    bench.stash.configure(keepPlexEdits=True)
    bench.plex.fault("404", path=READS)
    bench.edit(1, title="Second")
    bench.live(60)
    bench.plex.clear_faults()
    bench.live(2 * HOUR)
    bench.edit(1, title="Third")
    bench.live(HOUR)
    assert bench.plex.items[100].title == "Third"


def test_a_first_absence_costs_no_attempt(bench: Bench) -> None:
    """The scene comes again within seconds, with all its attempts."""
    bench.plex.fault("empty_container", count=1, path=READS)
    bench.edit(1, title="Second")
    bench.turn()
    assert bench.said("retrying scene", "scene=1 ", "second look")
    assert not bench.said("attempt=")
    bench.live(5)
    assert bench.plex.items[100].title == "Second"


@pytest.mark.parametrize("named", [7, 3, 1])
def test_a_server_that_names_fewer_items_than_asked_for(bench: Bench, named: int) -> None:
    """Items that a long read leaves out are not gone: they are read in smaller portions."""
    bench.plex.modes.max_named = named
    clear_details(bench)
    bench.live(30)
    assert summaries(bench) == {""}
    assert bench.keys() == []
    assert len(records(bench)) == 8


@pytest.mark.parametrize("how", ["rekey", "recreate"])
def test_the_same_file_under_another_item_takes_up_what_was_written(bench: Bench, how: str) -> None:
    """The record moves to the new key: own values are known there, and covers are sent only where they are not."""
    bench.stash.configure(keepPlexEdits=True)
    new = getattr(bench.plex, how)(100).rating_key
    bench.edit(1, title="Second", details="")
    bench.live(2 * HOUR)
    item = bench.plex.items[new]
    assert (item.title, item.summary) == ("Second", "")
    assert len(bench.plex.uploads()) == (0 if how == "rekey" else 2)
    assert records(bench)[new].scene_id == 1
    assert 100 not in records(bench)


def test_who_wrote_an_item_is_known_again(bench: Bench) -> None:
    """Between two scenes that are equally near, the one that wrote the item before keeps it when it comes back."""
    scene = bench.stash.add_scene("First", files=[("/data/a/f.mp4", 4711, 60.0)])
    item = bench.plex.add_item(1, "/films/f.mp4", 4711, 60_000).rating_key
    bench.edit(scene)
    bench.live(5)
    bench.plex.edit_item(item, deleted_at=int(bench.now))
    bench.live(HOUR)
    twin = bench.stash.add_scene("Twin", files=[("/data/b/f.mp4", 4711, 60.0)])
    bench.plex.edit_item(item, deleted_at=None)
    bench.edit(twin)
    bench.live(2 * HOUR)
    assert bench.plex.items[item].title == "First"
    bench.edit(scene, title="Second")
    bench.live(5)
    assert bench.plex.items[item].title == "Second"


def test_a_server_that_does_not_name_sections(bench: Bench) -> None:
    """Where no reply says in which library an item is, the index knows."""
    bench.plex.modes.section_ids = False
    bench.edit(1, title="Second")
    bench.live(5)
    assert bench.plex.items[100].title == "Second"
    assert not bench.plex.disaster
