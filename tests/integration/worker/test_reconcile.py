"""Every change in Stash that fires no hook, or whose hook was lost, reaches Plex within one catch-up."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from plexsync.model.errors import StashUnavailable
from plexsync.queue import jobs, stock
from plexsync.queue.meta import QueueMeta
from plexsync.stash.queries import stash_text
from plexsync.state.ledger import Seen
from plexsync.state.meta import Meta
from plexsync.worker import reconcile
from tests.support.in_process import DAY, HOUR, Bench


@pytest.fixture
def bench(bench: Bench) -> Bench:
    """A bench with two scenes that Plex has."""
    bench.named("one")
    bench.named("two")
    bench.written("scene:1", "scene:2")
    bench.catch_up()
    bench.now += HOUR
    bench.stash.log.clear()
    return bench


def listed(bench: Bench, scene: int) -> dict[str, Any]:
    """Return a scene as a listing shows it."""
    stored = bench.stash.scenes[scene]
    files = [{"id": file.id, "path": file.path} for file in stored.files]
    return {"id": scene, "updated_at": stored.updated_at, "files": files}


def auto_tagged(bench: Bench) -> None:
    bench.stash.auto_tag(1, [bench.stash.add_tag("found")])


def hook_lost(bench: Bench) -> None:
    bench.stash.update_scene(1, hook=False, title="edited")


def merged(bench: Bench) -> None:
    bench.stash.merge_scenes(1, [2])


def moved(bench: Bench) -> None:
    bench.plex.move_item(100, "/media/moved.mp4")
    bench.stash.move_file(1, "/media/moved.mp4")
    bench.stash.scenes[1].title = "moved"


def cover(bench: Bench) -> None:
    bench.stash.configure(skipPoster=False)
    bench.stash.generate_cover(1, b"\xff\xd8\xff\xe0 a cover")


def away_for_a_day(bench: Bench) -> None:
    bench.stash.update_scene(1, hook=False, details="early")
    bench.now += DAY
    bench.stash.update_scene(2, hook=False, title="late")


@pytest.mark.parametrize(
    ("change", "found", "arrived"),
    [
        (auto_tagged, ["scene:1", "tag:1"], lambda bench: bench.plex.items[100].genres == ["found"]),
        (hook_lost, ["scene:1"], lambda bench: bench.title(100) == "edited"),
        (merged, ["scene:1", "scene:2"], lambda bench: bench.title(101) == "one"),
        (moved, ["scene:1"], lambda bench: bench.title(100) == "moved"),
        (cover, ["scene:1"], lambda bench: bench.plex.items[100].selected_poster is not None),
        (away_for_a_day, ["scene:1", "scene:2"], lambda bench: bench.title(101) == "late"),
    ],
)
def test_a_change_without_a_hook_reaches_plex(
    bench: Bench, change: Callable[[Bench], None], found: list[str], arrived: Callable[[Bench], bool]
) -> None:
    """Auto-tag, a lost hook, merge, move, cover, a day switched off: exactly those scenes, in Plex, and never twice."""
    change(bench)
    assert (bench.catch_up(), bench.keys()) == (len(found), found)
    assert set(bench.rows().values()) == {(stock.READY, jobs.FAN_OUT)}
    bench.work()
    assert bench.keys() == []
    assert arrived(bench)
    writes = len(bench.plex.writes())
    bench.now += HOUR
    assert (bench.catch_up(), len(bench.plex.writes())) == (0, writes)


def test_a_reassigned_file_reaches_plex(bench: Bench) -> None:
    """A file that changes its scene changes no time: both scenes are found by the files they have now."""
    bench.stash.store.scenes[1].files.append(
        bench.stash.store.add_file(("/media/b.mp4", 77, 60.0), bench.stash.store.stamp())
    )
    bench.plex.add_item(1, file="/media/b.mp4", size=77, duration_ms=60_000)
    bench.written("scene:1")
    assert (bench.title(102), bench.catch_up()) == ("one", 0)
    bench.now += HOUR
    bench.stash.reassign_file(3, 2)
    assert bench.catch_up() == 2
    bench.work()
    assert (bench.title(102), bench.title(101), bench.title(100)) == ("two", "two", "one")
    bench.now += HOUR
    assert bench.catch_up() == 0


def test_a_reassigned_file_reaches_a_scene_that_nobody_had_seen(bench: Bench) -> None:
    """The new scene of a file that PlexSync has written is found even if it is older than PlexSync."""
    bench.stash.store.scenes[1].files.append(
        bench.stash.store.add_file(("/media/b.mp4", 77, 60.0), bench.stash.store.stamp())
    )
    bench.plex.add_item(1, file="/media/b.mp4", size=77, duration_ms=60_000)
    old = bench.stash.add_scene("old", files=[("/media/old.mp4", 5, 5.0)])
    bench.stash.scenes[old].updated_at = bench.stash.scenes[old].files[0].updated_at = "2020-01-01T00:00:00Z"
    bench.stash.scenes[1].files[1].updated_at = "2020-01-01T00:00:00Z"
    bench.written("scene:1")
    bench.now += HOUR
    bench.stash.reassign_file(3, old)
    assert bench.asked(bench.catch_up) == 3
    assert bench.keys() == ["scene:1", f"scene:{old}"]
    assert bench.catch_up() == 0
    bench.conn.execute("DELETE FROM ack_queue_default WHERE key = 'scene:3'")
    bench.app.state.see([Seen("scene", old, reconcile._signature(listed(bench, old)))])
    assert bench.catch_up() == 0
    bench.hook(f"scene:{old}")
    bench.work()
    assert bench.title(102) == "old"


def test_a_scene_that_vanished_gives_up_its_claim(bench: Bench) -> None:
    """A scene deleted without a hook ends in one job; Plex keeps what it has, and nothing more is done about it."""
    before = bench.plex.items[101].visible()
    bench.stash.destroy_scene(2, hook=False)
    assert (bench.catch_up(), bench.keys()) == (1, ["scene:2"])
    bench.work()
    assert bench.app.state.written_scenes() == {1}
    assert bench.plex.items[101].visible() == before
    assert bench.catch_up() == 0


def test_the_dead_letter_of_a_vanished_scene_ends(bench: Bench) -> None:
    """The dead letter of a scene deleted without a hook goes away; other dead letters stay."""
    for number in (3, 4):
        bench.stash.add_scene(str(number))
    for key in ("scene:3", "scene:4", "tag:77"):
        bench.hook(key)
    bench.conn.execute("UPDATE ack_queue_default SET status = 9, reason = 'rejected'")
    bench.stash.destroy_scene(3, hook=False)
    assert bench.catch_up() == 1
    assert bench.rows()["scene:3"] == (stock.READY, jobs.FAN_OUT)
    bench.work()
    assert bench.keys() == ["scene:4", "tag:77"]
    assert (bench.catch_up(), bench.keys()) == (0, ["scene:4", "tag:77"])


def test_a_scene_that_stash_cannot_read_harms_nothing(bench: Bench) -> None:
    """A row that Stash's database cannot read is not a deleted scene, and other scenes' changes still arrive."""
    bench.stash.broken.add(2)
    hook_lost(bench)
    assert (bench.catch_up(), bench.keys()) == (1, ["scene:1"])


@pytest.mark.parametrize("interrupted", ["findScenes", "findScene"])
def test_what_stash_cuts_short_is_found_the_next_time(bench: Bench, interrupted: str) -> None:
    """If Stash does not answer, the catch-up counts as not made, and the next one finds the change."""
    hook_lost(bench)
    last = QueueMeta(bench.conn).caught_up_at
    fault = bench.stash.fault("status_500", operation=interrupted)
    with pytest.raises(StashUnavailable):
        reconcile.run(bench.app, bench.queue)
    bench.stash.faults.remove(fault)
    assert QueueMeta(bench.conn).caught_up_at == last
    assert bench.catch_up() == 1
    assert QueueMeta(bench.conn).caught_up_at == bench.now


def test_another_process_knows_what_was_seen(bench: Bench) -> None:
    """What the last jobs saw is on disk: a new worker finds the same changes, and no others."""
    bench.reopen()
    assert bench.catch_up() == 0
    hook_lost(bench)
    bench.reopen()
    assert (bench.catch_up(), bench.keys()) == (1, ["scene:1"])


def test_a_quiet_hour_is_one_request(bench: Bench) -> None:
    """With nothing changed a catch-up makes one request for each 1,000 scenes."""
    bench.app.load_settings()
    bench.now += 50 * DAY
    last = QueueMeta(bench.queue.conn).caught_up_at
    assert bench.asked(lambda: reconcile.run(bench.app, bench.queue)) <= 2
    bench.now += HOUR
    assert bench.asked(lambda: reconcile.run(bench.app, bench.queue)) == 1
    since = [request.variables["tag"]["updated_at"]["value"] for request in bench.stash.requests_for("findTags")]
    assert since == [stash_text(last), stash_text(bench.now - HOUR)]
    for number in range(2998):
        bench.stash.add_scene(str(number))
        bench.stash.scenes[number + 3].updated_at = "2020-01-01T00:00:00Z"
    bench.now += HOUR
    assert bench.asked(lambda: reconcile.run(bench.app, bench.queue)) == 3
    assert bench.keys() == []


def test_an_old_stash_finds_moved_files_too(bench: Bench) -> None:
    """A Stash that cannot filter by files (before v0.29) is asked for nothing that it does not know."""
    bench.stash.forget("SceneFilterType", "files_filter")
    moved(bench)
    assert (bench.catch_up(), bench.keys()) == (1, ["scene:1"])
    assert all(request.status == 200 for request in bench.stash.log)


def test_a_page_is_small(bench: Bench) -> None:
    """Of a scene only id, time and files are listed, so that a page of 1,000 stays near 0.2 MB."""
    bench.app.load_settings()
    reconcile.run(bench.app, bench.queue)
    (asked,) = bench.stash.requests_for("findScenes")
    assert "scenes { id updated_at files { id path updated_at } }" in asked.operation
    assert Meta(bench.app.state.conn).compared is not None


def test_a_second_edit_within_the_second_of_the_first_is_not_lost(bench: Bench) -> None:
    """Stash dates edits to the second: what was read in the second of its edit is compared once more, then no more."""
    bench.stash.update_scene(1, hook=False, title="first")
    bench.hook("scene:1")
    bench.now -= 1  # the worker reads in the very second
    bench.work()
    assert bench.title(100) == "first"
    bench.stash.update_scene(1, hook=False, title="second, its hook killed")
    bench.now += HOUR
    assert (bench.catch_up(), bench.keys()) == (1, ["scene:1"])
    bench.work()
    assert bench.title(100) == "second, its hook killed"
    assert bench.catch_up() == 0
