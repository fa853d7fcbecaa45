"""Every change in Stash that fires no hook, or whose hook was lost, reaches Plex within one catch-up."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from plexsync.model.errors import StashUnavailable
from plexsync.queue import jobs, stock
from plexsync.queue.meta import QueueMeta
from plexsync.stash import api
from plexsync.state.ledger import Seen
from plexsync.state.meta import Meta
from plexsync.worker import reconcile
from tests.support.desk import DAY, HOUR, Desk, desk


@pytest.fixture
def here(tmp_path: Path) -> Iterator[Desk]:
    """A desk with two scenes that Plex has."""
    with desk(tmp_path) as made:
        made.pair("one")
        made.pair("two")
        made.written("scene:1", "scene:2")
        made.catch_up()
        made.at += HOUR
        made.stash.log.clear()
        yield made


def listed(here: Desk, scene: int) -> dict[str, Any]:
    """A scene as a listing tells of it."""
    found = here.stash.scenes[scene]
    files = [{"id": one.id, "path": one.path} for one in found.files]
    return {"id": scene, "updated_at": found.updated_at, "files": files}


def auto_tagged(here: Desk) -> None:
    here.stash.auto_tag(1, [here.stash.add_tag("found")])


def hook_lost(here: Desk) -> None:
    here.stash.update_scene(1, hook=False, title="edited")


def merged(here: Desk) -> None:
    here.stash.merge_scenes(1, [2])


def moved(here: Desk) -> None:
    here.plex.move_item(100, "/media/moved.mp4")
    here.stash.move_file(1, "/media/moved.mp4")
    here.stash.scenes[1].title = "moved"


def cover(here: Desk) -> None:
    here.stash.configure(skipPoster=False)
    here.stash.generate_cover(1, b"\xff\xd8\xff\xe0 a cover")


def away_for_a_day(here: Desk) -> None:
    here.stash.update_scene(1, hook=False, details="early")
    here.at += DAY
    here.stash.update_scene(2, hook=False, title="late")


@pytest.mark.parametrize(
    ("change", "found", "arrived"),
    [
        (auto_tagged, ["scene:1", "tag:1"], lambda here: here.plex.items[100].genres == ["found"]),
        (hook_lost, ["scene:1"], lambda here: here.title(100) == "edited"),
        (merged, ["scene:1", "scene:2"], lambda here: here.title(101) == "one"),
        (moved, ["scene:1"], lambda here: here.title(100) == "moved"),
        (cover, ["scene:1"], lambda here: here.plex.items[100].selected_poster is not None),
        (away_for_a_day, ["scene:1", "scene:2"], lambda here: here.title(101) == "late"),
    ],
)
def test_a_change_without_a_hook_reaches_plex(
    here: Desk, change: Callable[[Desk], None], found: list[str], arrived: Callable[[Desk], bool]
) -> None:
    """Auto-tag, a lost hook, merge, move, cover, a day switched off: exactly those scenes, in Plex, and never twice."""
    change(here)
    assert (here.catch_up(), here.keys()) == (len(found), found)
    assert set(here.rows().values()) == {(stock.READY, jobs.FAN_OUT)}
    here.work()
    assert here.keys() == []
    assert arrived(here)
    writes = len(here.plex.writes())
    here.at += HOUR
    assert (here.catch_up(), len(here.plex.writes())) == (0, writes)


def test_a_reassigned_file_reaches_plex(here: Desk) -> None:
    """A file that changes its scene moves no time: both scenes are found by the files they have now."""
    here.stash.store.scenes[1].files.append(
        here.stash.store.add_file(("/media/b.mp4", 77, 60.0), here.stash.store.stamp())
    )
    here.plex.add_item(1, file="/media/b.mp4", size=77, duration_ms=60_000)
    here.written("scene:1")
    assert (here.title(102), here.catch_up()) == ("one", 0)
    here.at += HOUR
    here.stash.reassign_file(3, 2)
    assert here.catch_up() == 2
    here.work()
    assert (here.title(102), here.title(101), here.title(100)) == ("two", "two", "one")
    here.at += HOUR
    assert here.catch_up() == 0


def test_a_reassigned_file_reaches_a_scene_that_nobody_had_seen(here: Desk) -> None:
    """The new scene of a file that PlexSync has written is found even where it is older than PlexSync."""
    here.stash.store.scenes[1].files.append(
        here.stash.store.add_file(("/media/b.mp4", 77, 60.0), here.stash.store.stamp())
    )
    here.plex.add_item(1, file="/media/b.mp4", size=77, duration_ms=60_000)
    old = here.stash.add_scene("old", files=[("/media/old.mp4", 5, 5.0)])
    here.stash.scenes[old].updated_at = here.stash.scenes[old].files[0].updated_at = "2020-01-01T00:00:00Z"
    here.stash.scenes[1].files[1].updated_at = "2020-01-01T00:00:00Z"
    here.written("scene:1")
    here.at += HOUR
    here.stash.reassign_file(3, old)
    assert here.asked(here.catch_up) == 3
    assert here.keys() == ["scene:1", f"scene:{old}"]
    assert here.catch_up() == 0
    here.queue.conn.execute("DELETE FROM ack_queue_default WHERE key = 'scene:3'")
    here.app.state.see([Seen("scene", old, reconcile._signature(listed(here, old)))])
    assert here.catch_up() == 0
    here.hook(f"scene:{old}")
    here.work()
    assert here.title(102) == "old"


def test_a_scene_that_vanished_gives_up_its_claim(here: Desk) -> None:
    """A scene deleted without a hook ends in one job; Plex keeps what it has, and nothing is done about it again."""
    before = here.plex.items[101].visible()
    here.stash.destroy_scene(2, hook=False)
    assert (here.catch_up(), here.keys()) == (1, ["scene:2"])
    here.work()
    assert here.app.state.written_scenes() == {1}
    assert here.plex.items[101].visible() == before
    assert here.catch_up() == 0


def test_the_dead_letter_of_a_vanished_scene_ends(here: Desk) -> None:
    """A dead letter whose scene was deleted without a hook goes away by itself; others, and other kinds', stay."""
    for number in (3, 4):
        here.stash.add_scene(str(number))
    for key in ("scene:3", "scene:4", "tag:77"):
        here.hook(key)
    here.queue.conn.execute("UPDATE ack_queue_default SET status = 9, reason = 'rejected'")
    here.stash.destroy_scene(3, hook=False)
    assert here.catch_up() == 1
    assert here.rows()["scene:3"] == (stock.READY, jobs.FAN_OUT)
    here.work()
    assert here.keys() == ["scene:4", "tag:77"]
    assert (here.catch_up(), here.keys()) == (0, ["scene:4", "tag:77"])


def test_a_scene_that_stash_cannot_read_harms_nothing(here: Desk) -> None:
    """A row that Stash's database cannot read is no deleted scene, and the other scenes' changes still arrive."""
    here.stash.broken.add(2)
    hook_lost(here)
    assert (here.catch_up(), here.keys()) == (1, ["scene:1"])


@pytest.mark.parametrize("interrupted", ["findScenes", "findScene"])
def test_what_stash_cuts_short_is_found_the_next_time(here: Desk, interrupted: str) -> None:
    """Where Stash does not answer the catch-up counts as not made, and the next one finds the change."""
    hook_lost(here)
    last = QueueMeta(here.queue.conn).caught_up_at
    fault = here.stash.fault("status_500", operation=interrupted)
    with pytest.raises(StashUnavailable):
        reconcile.run(here.app, here.queue)
    here.stash.faults.remove(fault)
    assert QueueMeta(here.queue.conn).caught_up_at == last
    assert here.catch_up() == 1
    assert QueueMeta(here.queue.conn).caught_up_at == here.at


def test_another_process_knows_what_was_seen(here: Desk) -> None:
    """What the last jobs saw is on disk: a new worker finds the same changes, and no others."""
    here.reopen()
    assert here.catch_up() == 0
    hook_lost(here)
    here.reopen()
    assert (here.catch_up(), here.keys()) == (1, ["scene:1"])


def test_a_quiet_hour_is_one_request(here: Desk) -> None:
    """With nothing changed a catch-up asks once for a library of up to 1,000 scenes, and 1 more for each 1,000."""
    here.app.use(here.app.stash.settings())
    here.at += 50 * DAY
    last = QueueMeta(here.queue.conn).caught_up_at
    assert here.asked(lambda: reconcile.run(here.app, here.queue)) <= 2
    here.at += HOUR
    assert here.asked(lambda: reconcile.run(here.app, here.queue)) == 1
    since = [one.variables["tag"]["updated_at"]["value"] for one in here.stash.requests_for("findTags")]
    assert since == [api.stash_text(last), api.stash_text(here.at - HOUR)]
    for number in range(2998):
        here.stash.add_scene(str(number))
        here.stash.scenes[number + 3].updated_at = "2020-01-01T00:00:00Z"
    here.at += HOUR
    assert here.asked(lambda: reconcile.run(here.app, here.queue)) == 3
    assert here.keys() == []


def test_an_old_stash_finds_moved_files_too(here: Desk) -> None:
    """A Stash that cannot filter by files (before v0.29) is asked for nothing that it does not know."""
    here.stash.forget("SceneFilterType", "files_filter")
    moved(here)
    assert (here.catch_up(), here.keys()) == (1, ["scene:1"])
    assert all(one.status == 200 for one in here.stash.log)


def test_a_page_is_small(here: Desk) -> None:
    """What is listed of a scene is its id, its time and its files, so that a page of 1,000 stays near 0.2 MB."""
    here.app.use(here.app.stash.settings())
    reconcile.run(here.app, here.queue)
    (asked,) = here.stash.requests_for("findScenes")
    assert "scenes { id updated_at files { id path updated_at } }" in asked.operation
    assert Meta(here.app.state.conn).compared is not None


def test_a_second_edit_within_the_second_of_the_first_is_not_lost(here: Desk) -> None:
    """Stash dates edits to the second: what was read in the second of its edit is looked at once more, then no more."""
    here.stash.update_scene(1, hook=False, title="first")
    here.hook("scene:1")
    here.at -= 1  # the worker reads in the very second
    here.work()
    assert here.title(100) == "first"
    here.stash.update_scene(1, hook=False, title="second, its hook killed")
    here.at += HOUR
    assert (here.catch_up(), here.keys()) == (1, ["scene:1"])
    here.work()
    assert here.title(100) == "second, its hook killed"
    assert here.catch_up() == 0
