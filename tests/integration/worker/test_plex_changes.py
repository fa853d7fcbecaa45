"""What Plex loses comes back by itself: catch-up looks at Plex, too, and makes the scenes due that lost something."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from plexsync.queue import dead_letters, jobs, stock
from plexsync.state.ledger import State, open_state
from plexsync.worker import plex_changes
from tests.support.in_process import HOUR, Bench, Film

JPEG = b"\xff\xd8\xff\xe0 a cover"


@pytest.fixture
def bench(bench: Bench) -> Bench:
    """A bench that sends covers, with three films in Plex, synced an hour ago and compared once since."""
    bench.stash.configure(skipPoster=False, skipBackground=False)
    for number in range(3):
        bench.film(details=f"Words {number}.", cover=JPEG + bytes([number]))
    for scene in bench.stash.scenes:
        bench.hook(f"scene:{scene}")
    hours(bench, 2)
    bench.plex.clear_log()
    bench.log.lines.clear()
    return bench


def hours(bench: Bench, count: int) -> None:
    """Let so many hours pass, each with one turn of the worker, which catches up."""
    for _ in range(count):
        bench.now += HOUR
        bench.turn()


def films(bench: Bench) -> list[Film]:
    """The scenes and the items that hold their files now and are not in the trash."""
    items = {item.parts[0].file: key for key, item in bench.plex.items.items() if item.deleted_at is None}
    return [Film(number, items[scene.files[0].path]) for number, scene in bench.stash.scenes.items()]


def is_right(bench: Bench) -> bool:
    """Whether each scene's item has its title, summary and pictures, locked."""
    for scene, key in films(bench):
        item, wanted = bench.plex.items[key], bench.stash.scenes[scene]
        pictures = item.selected_poster and item.selected_art
        if (item.title, item.summary) != (wanted.title, wanted.details) or not pictures:
            return False
        if not {"title", "summary", "thumb", "art"} <= item.locked:
            return False
    return True


def renamed(bench: Bench) -> None:
    """Rename the file: the job of the scene, which follows in Stash, finds the old item; then Plex has a bare one."""
    file = bench.stash.scenes[1].files[0]
    file.path = "/films/1/other.mp4"
    bench.edit(1)
    bench.now += 60
    bench.turn()
    assert bench.keys() == []
    bench.plex.rename_file(100, file.path)


def unlocked(bench: Bench) -> None:
    item = bench.plex.items[100]
    bench.plex.edit_item(100, title="film1", locked=item.locked - {"title"})


def another_version(bench: Bench) -> None:
    bench.plex.add_item(1, "/films/1/film1.mp4", 1_000_001, 60_000)


CHANGES: dict[str, Callable[[Bench], object]] = {
    "renamed": renamed,
    "created anew": lambda bench: bench.plex.recreate(100),
    "another key": lambda bench: bench.plex.rekey(100),
    "poster dropped": lambda bench: bench.plex.lose_image(100),
    "background dropped": lambda bench: bench.plex.lose_image(100, "arts"),
    "title replaced by Plex": unlocked,
    "a lock gone": lambda bench: bench.plex.edit_item(100, locked=bench.plex.items[100].locked - {"summary"}),
    "all locks gone": lambda bench: bench.plex.edit_item(100, locked=set()),
    "summary emptied": lambda bench: bench.plex.edit_item(100, summary=""),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=list(CHANGES))
def test_what_plex_loses_is_right_after_one_catch_up(bench: Bench, change: Callable[[Bench], object]) -> None:
    """Nobody presses a button: the next catch-up finds it, and its job is done in the same run; then all is quiet."""
    assert is_right(bench)
    change(bench)
    hours(bench, 1)
    assert is_right(bench)
    assert bench.keys() == []
    writes, uploads = len(bench.plex.writes()), len(bench.plex.uploads())
    hours(bench, 3)
    assert (len(bench.plex.writes()), len(bench.plex.uploads())) == (writes, uploads)


def test_an_item_that_is_gone_is_noticed_by_the_count(bench: Bench) -> None:
    """No delta shows a deletion: where the library has fewer items than it should, the scene waits for its file, and
    has everything again once that is back, whatever else was added meanwhile."""
    film = bench.plex.items[100].parts[0]
    bench.plex.remove_item(100)
    bench.plex.add_item(1, "/films/x/new.mp4", 77, 60_000)
    hours(bench, 1)
    assert bench.keys() == ["scene:1"]
    assert bench.job(1)["waiting"]
    bench.plex.add_item(1, film.file, film.size, 60_000)
    hours(bench, 1)
    assert is_right(bench)
    assert bench.keys() == []


@pytest.mark.parametrize("kind", ["posters", "arts"])
@pytest.mark.parametrize("by", ["catch-up", "Sync all"])
def test_a_lost_picture_is_seen_where_its_address_stays(bench: Bench, kind: str, by: str) -> None:
    """An item that changed is asked for its pictures, as some servers name them the same whichever is selected."""
    bench.plex.model.plain_addresses = True
    bench.now += HOUR
    bench.edit(1, title="Once more")
    hours(bench, 2)
    bench.plex.lose_image(100, kind)
    if by == "Sync all":
        bench.edit(1)
        bench.work()
    else:
        hours(bench, 1)
    assert is_right(bench)


def test_a_library_made_anew_is_written_again(bench: Bench) -> None:
    """All items under new keys in a new library: everything is there again, and no scene waits or is dead."""
    old = list(bench.plex.items.values())
    for item in old:
        bench.plex.remove_item(item.rating_key)
    del bench.plex.sections[1]
    bench.plex.add_section("Films", key=2, locations=("/films",))
    for item in old:
        bench.plex.add_item(2, item.parts[0].file, item.parts[0].size, 60_000)
    hours(bench, 2)
    assert is_right(bench)
    assert bench.keys() == []


def test_a_disk_that_was_away(bench: Bench) -> None:
    """All items in the trash and back: what was written is taken up, and no cover is uploaded again."""
    for key in list(bench.plex.items):
        bench.plex.edit_item(key, deleted_at=int(bench.now))
    hours(bench, 3)
    assert bench.count("waiting") == 3
    for key in list(bench.plex.items):
        bench.plex.edit_item(key, deleted_at=None)
    hours(bench, 1)
    assert is_right(bench)
    assert bench.keys() == []
    assert bench.plex.uploads() == []
    bench.edit(1, details="")
    bench.turn()
    assert bench.plex.items[100].summary == ""


def test_a_disk_that_was_away_for_long(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Scenes that were given up meanwhile are tried again when their files are back, under whatever keys."""
    monkeypatch.setenv("PLEXSYNC_MISSING_GIVE_UP", "3600")
    old = list(bench.plex.items.values())
    for item in old:
        bench.plex.edit_item(item.rating_key, deleted_at=int(bench.now))
    hours(bench, 4)
    assert bench.count("dead") == 3
    for item in old:
        bench.plex.remove_item(item.rating_key)
        bench.plex.add_item(1, item.parts[0].file, item.parts[0].size, 60_000)
    hours(bench, 1)
    assert is_right(bench)
    assert bench.keys() == []


def test_the_jobs_go_behind_edits_and_cost_no_attempt(bench: Bench) -> None:
    """A scene that is due again has the priority of catch-up's, and an existing row stays as it is."""
    bench.plex.edit_item(100, summary="")
    bench.plex.edit_item(101, summary="")
    bench.now += HOUR
    bench.hook("scene:2")
    bench.conn.execute("UPDATE ack_queue_default SET due = due + 500, attempts = 3")
    bench.app.load_settings()
    plex_changes.run(bench.app, bench.queue)
    rows = bench.rows()
    assert rows["scene:1"] == (stock.READY, jobs.FAN_OUT)
    assert rows["scene:2"] == (stock.READY, 0)
    assert bench.job(2)["attempts"] == 3


def test_a_discarded_dead_letter_stays_away(bench: Bench) -> None:
    """A scene whose dead letter was discarded is not made due by what Plex loses, until it is edited again."""
    bench.plex.modes.reject_values["summary"] = "Words 0"
    bench.plex.edit_item(100, summary="")
    hours(bench, 1)
    (letter,) = dead_letters.dead_letters(bench.conn)
    dead_letters.discard(bench.conn, [letter.row])
    bench.plex.edit_item(100, summary="other")
    hours(bench, 3)
    assert bench.keys() == []
    bench.plex.modes.reject_values.clear()
    bench.edit(1, details="New words.")
    bench.turn()
    assert bench.plex.items[100].summary == "New words."


@pytest.mark.parametrize("what", ["summary", "poster"])
def test_with_keep_plex_edits_a_persons_change_stays(bench: Bench, what: str) -> None:
    """It is judged once and makes no job again, pictures included; a second look and Sync all write nothing."""
    bench.stash.configure(keepPlexEdits=True)
    hours(bench, 1)
    bench.plex.clear_log()
    bench.log.lines.clear()
    if what == "summary":
        bench.plex.edit_item(100, summary="A person's words.")
    else:
        item = bench.plex.items[100]
        bench.plex.model.store_image(item, "posters", b"a person's", "0" * 40)
        bench.plex.model.touch(item)
    before = bench.plex.snapshot()
    hours(bench, 5)
    assert bench.plex.snapshot() == before
    assert len(bench.said("found changes in Plex")) == 1
    for scene in bench.stash.scenes:
        bench.hook(f"scene:{scene}")
    bench.turn()
    assert (bench.plex.snapshot(), bench.plex.writes(), bench.plex.uploads()) == (before, [], [])


def test_sync_all_restores_a_dropped_poster(bench: Bench) -> None:
    """Also without a catch-up: a batch that reads an item sees that its poster's address changed, and asks."""
    bench.plex.lose_image(101)
    bench.edit(1, 2, 3)
    bench.turn()
    assert is_right(bench)
    assert len(bench.plex.uploads()) == 1
    bench.plex.clear_log()
    bench.now += HOUR
    bench.edit(1, 2, 3)
    bench.turn()
    assert bench.plex.requests("GET", "posters|arts") + bench.plex.uploads() + bench.plex.writes() == []


def test_an_unchanged_library_costs_one_request(bench: Bench) -> None:
    """A catch-up that finds the section clocks where they were asks Plex one thing."""
    hours(bench, 1)
    bench.plex.clear_log()
    for _ in range(5):
        bench.now += HOUR
        bench.turn()
        assert [request.path for request in bench.plex.log if request.path != "/"] == ["/library/sections"]
        bench.plex.clear_log()


def test_own_writes_are_looked_at_once(bench: Bench) -> None:
    """What PlexSync wrote itself is compared once at the next catch-up, and not again."""
    bench.edit(1, title="Edited")
    bench.now += 5
    bench.turn()
    bench.plex.clear_log()
    hours(bench, 1)
    assert bench.plex.count("GET", r"/library/metadata/[\d,]+$") == 1
    bench.plex.clear_log()
    hours(bench, 2)
    assert bench.plex.count("GET", "/library/metadata/") == 0


def test_a_loss_that_no_clock_tells_is_found_within_a_week(bench: Bench) -> None:
    """Each written item is read in full once a week, with the daily listing."""
    item = bench.plex.items[100]
    item.summary = "changed behind the clocks"
    hours(bench, 24 * 8)
    assert is_right(bench)


def test_items_written_by_an_earlier_version_are_read_back(bench: Bench) -> None:
    """Nothing is known of how they looked, so nothing is due at first; from the daily listing on they are watched."""
    bench.app.state.conn.execute("DELETE FROM readback")
    bench.plex.edit_item(100, summary="A person's words.")
    hours(bench, 30)
    assert bench.plex.items[100].summary == "A person's words."
    bench.plex.edit_item(101, summary="")
    hours(bench, 1)
    assert bench.plex.items[101].summary == "Words 1."


def test_items_that_plexsync_never_wrote_are_left_alone(bench: Bench) -> None:
    """A scene that was never synced makes no job, whatever Plex gains or changes."""
    bench.stash.add_scene("Old", files=[("/films/9/old.mp4", 999, 60.0)])
    bench.stash.scenes[4].updated_at = bench.stash.scenes[4].files[0].updated_at = "2020-01-01T00:00:00Z"
    item = bench.plex.add_item(1, "/films/9/old.mp4", 999, 60_000).rating_key
    hours(bench, 1)
    bench.plex.edit_item(item, summary="x")
    hours(bench, 2)
    assert (bench.plex.writes(), bench.keys()) == ([], [])


def test_an_item_that_plex_cannot_read_holds_up_no_other(bench: Bench) -> None:
    """It stays suspected, and the others are right after this catch-up."""
    for key in (100, 101, 102):
        bench.plex.edit_item(key, summary="")
    bench.plex.fault("500", path=r"/library/metadata/.*\b101\b")
    hours(bench, 1)
    assert [bench.plex.items[key].summary for key in (100, 101, 102)] == ["Words 0.", "", "Words 2."]
    assert bench.pause is None
    bench.plex.clear_faults()
    hours(bench, 1)
    assert is_right(bench)


def test_edits_do_not_wait_for_many_suspects(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Items are looked at in portions; what is due meanwhile goes first, and the rest follows at once."""
    monkeypatch.setattr(plex_changes, "ITEMS", 1)
    for key in (100, 101, 102):
        bench.plex.edit_item(key, summary="")
    order: list[str | None] = []
    bench.plex.before_write = lambda request: order.append(request.param("id"))
    hours(bench, 1)
    assert order == ["100", "101", "102"]
    read = [request.path.rpartition("/")[2] for request in bench.plex.requests("GET", r"metadata/[\d,]+$")]
    assert read[:2] == ["100", "100"]  # looked at, then written, before the next one is looked at
    assert is_right(bench)


def test_a_dry_run_only_waits(bench: Bench) -> None:
    """Under dryRun nothing is made due; what was noted is looked at when it is switched off."""
    bench.stash.configure(dryRun=True)
    bench.plex.edit_item(100, summary="")
    hours(bench, 2)
    assert bench.keys() == []
    bench.stash.configure(dryRun=False)
    hours(bench, 1)
    assert is_right(bench)


def test_what_was_set_aside_is_pruned_after_90_days(bench: Bench) -> None:
    """The record of an item that is gone is kept for 90 days."""
    bench.plex.remove_item(100)
    bench.plex.lose_image(101)  # deltas show no deletion, the daily listing does
    hours(bench, 26)
    with open_state(str(bench.folder)) as conn:
        state = State(conn)
        assert state.aside(bench.plex.machine, 100, "/films/1/film1.mp4", 1, "/films/1/film1.mp4") is not None
        assert bench.count("waiting") == 1
    bench.now += 90 * 24 * HOUR
    bench.turn()
    with open_state(str(bench.folder)) as conn:
        assert not State(conn).has_aside(bench.plex.machine)
