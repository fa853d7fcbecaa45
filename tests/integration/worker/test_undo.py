"""Undo: an item in Plex is again as it was before PlexSync, and stays so until its scene is edited."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from plexsync.model.job_key import JobKey
from plexsync.queue import bulk, dead_letters
from plexsync.stash.listing import Listings
from plexsync.state import undoing
from plexsync.tasks import undo
from plexsync.worker import reconcile
from tests.servers.plex_http import Request
from tests.support.in_process import HOUR, Bench

JPEG = b"\xff\xd8\xff\xe0 a cover"
FRAME, WALL = "media://frames/1.jpg", "metadata://arts/wall"
ITEM = 100


@pytest.fixture(params=[True, False], ids=["append", "replace"])
def bench(request: pytest.FixtureRequest, bench: Bench) -> Bench:
    """A bench with covers, and two films: Plex had something of its own of the first, nothing of the second."""
    bench.plex.modes.tags_append = request.param
    stash = bench.stash
    stash.configure(skipPoster=False, skipBackground=False)
    fields: dict[str, Any] = {
        "details": "Of Stash.", "date": "2020-05-04", "studio": stash.add_studio("Acme"), "cover": JPEG,
        "performers": [stash.add_performer("Ada"), stash.add_performer("Bea")], "tags": [stash.add_tag("sea")],
    }  # fmt: skip
    bench.film(**fields)
    bench.film(**fields)
    bench.plex.edit_item(
        ITEM, studio="Plex's", summary="Plex's own", date="1999-01-02", actors=["Zoe", "Ada"], genres=["Noir", "Sea"],
        collections=["Favourites"], locked={"summary", "genre", "art"}, posters=[FRAME], selected_poster=FRAME,
        arts=[WALL], selected_art=WALL,
    )  # fmt: skip
    return bench


def shown(bench: Bench, item: int = ITEM) -> dict[str, Any]:
    """What Plex shows of an item; the pictures to choose from, which Plex keeps for ever, aside."""
    found = {name: sorted(value) if isinstance(value, list) else value for name, value in visible(bench, item).items()}
    return {name: value for name, value in found.items() if name not in ("posters", "arts")}


def visible(bench: Bench, item: int) -> dict[str, Any]:
    """All of it."""
    return bench.plex.snapshot()[item]


def ask(bench: Bench, *scenes: int) -> int:
    """Ask for the undo of these scenes, or of all; how many items. A moment later than all before."""
    bench.now += 1
    return len(undo.mark(str(bench.folder), list(scenes) or None, bench.now))


def undone(bench: Bench, *scenes: int) -> None:
    """Ask, and let the worker put back what is due."""
    ask(bench, *scenes)
    bench.work()
    assert bench.keys() == []


def hours(bench: Bench, count: int = 1) -> None:
    """Let so many hours pass, each with a catch-up."""
    for _ in range(count):
        bench.now += HOUR
        bench.turn()


def held(bench: Bench, item: int = ITEM) -> list[str]:
    """The tables that hold something of the item."""
    conn = bench.app.state.conn
    tables = ("written", "aside", "readback", "absent", "undoing")
    return [name for name in tables if conn.execute(f"SELECT 1 FROM {name} WHERE rating_key = ?", (item,)).fetchone()]


def test_plex_is_as_before(bench: Bench) -> None:
    """Fields, lists, locks, poster and background; nothing of it is known any more; the other scene stays."""
    before, other = shown(bench), shown(bench, ITEM + 1)
    bench.written("scene:1", "scene:2")
    assert shown(bench)["title"] == "Film 1"
    assert shown(bench) != before
    bench.plex.clear_log()
    undone(bench, 1)
    assert shown(bench) == before
    assert shown(bench, ITEM + 1) != other
    assert held(bench) == []
    assert bench.said("wrote item back as it was scene=1")
    edits = [request for request in bench.plex.writes() if "title.value" in request.target]
    assert len(edits) == 1
    assert bench.plex.uploads() == []


def test_a_picture_that_plex_had_is_selected_again_and_none_is_uploaded(bench: Bench) -> None:
    """A person's upload and Plex's own picture are chosen by their names; where there was none, none is shown."""
    theirs = "0" * 40
    bench.plex.edit_item(ITEM, posters=[FRAME, theirs], selected_poster=theirs)
    bench.written("scene:1", "scene:2")
    undone(bench)
    first, second = bench.plex.items[ITEM], bench.plex.items[ITEM + 1]
    assert (first.selected_poster, first.selected_art) == (theirs, WALL)
    assert (second.selected_poster, second.selected_art) == (None, None)
    assert len(first.posters) == 3
    assert [lock for lock in ("thumb", "art") if lock in first.locked] == ["art"]
    assert second.locked == set()


def test_one_read_of_the_pictures_at_the_first_upload_alone(bench: Bench) -> None:
    """What Plex shows is asked once for each image, where there is one; a later cover costs no such question."""
    pictures = r"/library/metadata/\d+/(posters|arts)$"
    bench.written("scene:1", "scene:2")
    assert bench.plex.count("GET", pictures) == 3  # the second item has no background
    bench.plex.clear_log()
    bench.edit(1, cover=JPEG + b" other")
    bench.work()
    assert bench.plex.count("GET", pictures) == 0


def test_a_persons_change_stays(bench: Bench) -> None:
    """What a person changed in Plex since stays, with its lock; of a list, only what PlexSync added goes."""
    bench.written("scene:1")
    item = bench.plex.items[ITEM]
    theirs = "f" * 40
    bench.plex.edit_item(
        ITEM, summary="A person's", genres=[*item.genres, "Mine"], actors=[], posters=[*item.posters, theirs],
        selected_poster=theirs,
    )  # fmt: skip
    undone(bench, 1)
    now = shown(bench)
    assert (now["summary"], now["genres"], now["actors"]) == ("A person's", ["Mine", "Sea"], [])
    assert (now["selected_poster"], now["selected_art"]) == (theirs, WALL)
    assert (now["title"], now["studio"]) == ("film1", "Plex's")
    assert now["locked"] == ["actor", "art", "genre", "summary", "thumb"]
    assert held(bench) == []


def test_undo_is_the_state_before_plexsync_each_time(bench: Bench) -> None:
    """Twice in a row changes nothing; after an edit, a second undo leads to the same state as the first."""
    before = shown(bench)
    bench.written("scene:1")
    undone(bench, 1)
    assert ask(bench, 1) == 0
    bench.edit(1, title="Once more")
    bench.work()
    assert shown(bench)["title"] == "Once more"
    undone(bench, 1)
    assert shown(bench) == before


def test_edits_between_do_not_become_what_was_before(bench: Bench) -> None:
    """After many edits of values, covers and back to nothing, undo leads to what was before the first."""
    before = shown(bench)
    bench.written("scene:1")
    for number in range(3):
        bench.edit(1, title=f"Take {number}", tags=[], details="", cover=JPEG + bytes([number]))
        bench.work()
    undone(bench, 1)
    assert shown(bench) == before


def changed(bench: Bench, kind: str) -> None:
    """A performer is renamed, or a tag deleted, and the hook comes."""
    if kind == "performer":
        bench.stash._rename("performer", 1, "Renamed", (), False)
    else:
        bench.stash.tags.pop(1)
    bench.hook(f"{kind}:1")


PATHS: dict[str, Callable[[Bench], object]] = {
    "catch-up": lambda bench: None,
    "a week": lambda bench: setattr(bench.app.state.meta, "compared", [bench.now - 8 * 86400, 0]),
    "a renamed performer": lambda bench: changed(bench, "performer"),
    "a deleted tag": lambda bench: changed(bench, "tag"),
    "changed settings": lambda bench: bench.stash.configure(skipDate=True),
    "a change in Plex": lambda bench: bench.plex.edit_item(ITEM, summary="By Plex"),
    "a new key": lambda bench: bench.plex.rekey(ITEM, 500),
}  # fmt: skip


@pytest.mark.parametrize("path", PATHS)
def test_nothing_but_an_edit_brings_it_back(bench: Bench, path: str) -> None:
    """Neither catch-up, the weekly comparison, renames, settings nor what happens in Plex; an edit does."""
    bench.written("scene:1", "scene:2")
    hours(bench)
    undone(bench, 1)
    PATHS[path](bench)
    bench.plex.clear_log()
    hours(bench, 2)
    key = 500 if path == "a new key" else ITEM
    assert [one for one in bench.plex.writes() if one.param("id") == str(key)] == []
    assert bench.title(key) == "film1"
    bench.edit(1, title="Edited")
    bench.turn()
    assert bench.title(key) == "Edited"


def test_sync_all_brings_it_back(bench: Bench) -> None:
    """Sync all marks the scene, also while the undo still waits: it was pressed later."""
    bench.written("scene:1")
    undone(bench, 1)
    mark_all(bench)
    bench.work()
    assert bench.title(ITEM) == "Film 1"
    ask(bench, 1)
    mark_all(bench)
    bench.work()
    assert (bench.title(ITEM), bench.keys(), held(bench)) == ("Film 1", [], ["readback", "written"][::-1])


def mark_all(bench: Bench) -> None:
    """What Sync all does."""
    bench.now += 1
    bulk.mark_many(bench.conn, [JobKey.scene(1)], "Sync all", "t", bench.now, bench.sleep)
    bulk.hand_over(bench.conn, "t", bench.sleep)


def test_an_edit_that_waited_is_dropped_by_the_undo(bench: Bench) -> None:
    """A pending edit and a dead letter that are older than the undo go, and catch-up does not find them again."""
    before = shown(bench)
    bench.written("scene:1")
    hours(bench)
    bench.edit(1, title="Older")
    undone(bench, 1)
    hours(bench, 2)
    assert (shown(bench), bench.keys()) == (before, [])


def test_a_later_edit_wins_in_one_batch(bench: Bench) -> None:
    """An edit after the undo was asked ends it, though both are carried out in one batch."""
    bench.written("scene:1")
    ask(bench, 1)
    bench.now += 1
    bench.edit(1, title="Later")
    bench.work()
    assert (bench.title(ITEM), bench.keys()) == ("Later", [])
    assert held(bench) == ["written", "readback"]
    undone(bench, 1)
    assert bench.title(ITEM) == "film1"


def test_an_older_edit_that_was_under_way_does_not_come_back(bench: Bench) -> None:
    """A scene's job that was leased when the undo was asked, and failed, is dropped: before the undo and after it."""
    before = shown(bench)
    bench.written("scene:1")
    bench.edit(1, title="Under way")
    (job,) = bench.queue.lease(1)
    ask(bench, 1)
    bench.queue.release([job])
    bench.work()
    assert (shown(bench), bench.keys()) == (before, [])
    hours(bench, 2)
    assert shown(bench) == before


def test_an_outage_costs_nothing(bench: Bench) -> None:
    """While Plex is away the undo waits, and is carried out when it is back, with no attempt counted."""
    before = shown(bench)
    bench.written("scene:1")
    bench.plex.stop()
    ask(bench, 1)
    bench.live(2 * HOUR)
    assert bench.conn.execute("SELECT key, attempts FROM ack_queue_default").fetchall() == [(f"item:{ITEM}", 0)]
    bench.plex.start()
    bench.live(HOUR)
    assert (shown(bench), bench.keys()) == (before, [])


def test_a_rename_during_an_outage_does_not_end_the_undo(bench: Bench) -> None:
    """A renamed performer is no edit of the scene."""
    before = shown(bench)
    bench.written("scene:1", "scene:2")
    ask(bench, 1)
    bench.stash._rename("performer", 1, "Renamed", (), False)
    bench.hook("performer:1")
    hours(bench, 2)
    assert shown(bench) == before
    assert "Renamed" in shown(bench, ITEM + 1)["actors"]


def test_an_item_that_another_film_took_over_is_left_alone(bench: Bench) -> None:
    """If the item holds and shows another film by now, nothing is written, and it is forgotten with one line."""
    bench.written("scene:1")
    bench.plex.move_item(ITEM, "/films/9/another.mp4")
    bench.plex.edit_item(ITEM, title="Another")
    now = shown(bench)
    bench.plex.clear_log()
    ask(bench, 1)
    bench.live(600)
    assert (shown(bench), bench.plex.writes(), held(bench)) == (now, [], [])
    assert len(bench.said("dropped item", "it holds another file now")) == 1


def test_an_item_that_moved_to_another_folder_is_put_back(bench: Bench) -> None:
    """The same name and size in another folder is the same file."""
    before = shown(bench)
    bench.written("scene:1")
    bench.plex.move_item(ITEM, "/elsewhere/film1.mp4")
    undone(bench, 1)
    assert shown(bench) == before | {"files": ["/elsewhere/film1.mp4"]}


def test_an_item_that_is_gone_is_forgotten(bench: Bench) -> None:
    """After two looks that agree; nothing is written."""
    bench.written("scene:1")
    bench.plex.remove_item(ITEM)
    ask(bench, 1)
    bench.live(HOUR)
    assert (bench.keys(), held(bench)) == ([], [])


def test_an_item_in_the_trash_is_put_back(bench: Bench) -> None:
    """Its record may be set aside by then."""
    before = shown(bench)
    bench.written("scene:1")
    bench.plex.edit_item(ITEM, deleted_at=int(bench.now))
    hours(bench)
    assert held(bench) == ["aside"]
    undone(bench, 1)
    assert (shown(bench), held(bench)) == (before | {"trashed": True}, [])


def test_an_item_made_anew_is_as_it_was_made(bench: Bench) -> None:
    """What the earlier item of the file had is not written to the new one."""
    bench.written("scene:1")
    key = bench.plex.recreate(ITEM).rating_key
    before = shown(bench, key)
    hours(bench, 2)
    assert shown(bench, key)["title"] == "Film 1"
    ask(bench, 1)
    bench.live(HOUR)
    assert (shown(bench, key), bench.keys()) == (before, [])


def test_every_item_of_a_scene(bench: Bench) -> None:
    """A scene with two items: both are put back."""
    file = bench.stash.scenes[1].files[0]
    other = bench.plex.add_item(bench.section, file=file.path, size=file.size, duration_ms=60_000).rating_key
    before = shown(bench), shown(bench, other)
    bench.written("scene:1")
    assert bench.title(other) == "Film 1"
    assert ask(bench, 1) == 2
    bench.work()
    assert (shown(bench), shown(bench, other)) == before


def test_an_item_that_was_written_meanwhile(bench: Bench) -> None:
    """If the scene's job, under way when the undo was asked, wrote another item, that one is put back as well."""
    file = bench.stash.scenes[1].files[0]
    other = bench.plex.add_item(bench.section, file=file.path, size=file.size, duration_ms=60_000).rating_key
    before = shown(bench), shown(bench, other)
    bench.written("scene:1")
    bench.now += 1
    undoing.mark(bench.app.state.conn, bench.plex.machine, [ITEM], bench.now)
    bench.live(HOUR)
    assert (shown(bench), shown(bench, other)) == before


def test_the_items_of_a_scene_that_is_gone(bench: Bench) -> None:
    """Undo of all takes them along."""
    before = shown(bench)
    bench.written("scene:1")
    bench.stash.scenes.pop(1)
    bench.written("scene:1")
    assert ask(bench) == 1
    bench.work()
    assert (shown(bench), held(bench)) == (before, [])


def test_another_server_is_left_alone(bench: Bench) -> None:
    """A mark for another Plex server does nothing on this one."""
    bench.written("scene:1")
    ask(bench, 1)
    bench.plex.machine = "0" * 40
    now = shown(bench)
    bench.reopen()
    bench.work()
    assert (shown(bench), bench.keys()) == (now, [])


def test_dry_run_writes_nothing(bench: Bench) -> None:
    """The job is held back as an edit is, and carried out once the switch is off."""
    before = shown(bench)
    bench.written("scene:1")
    bench.stash.configure(dryRun=True)
    now = shown(bench)
    ask(bench, 1)
    bench.turn()
    assert (shown(bench), bench.keys()) == (now, [f"item:{ITEM}"])
    assert len(bench.said("would put back item")) == 1
    bench.stash.configure(dryRun=False)
    bench.live(HOUR)
    assert (shown(bench), bench.keys()) == (before, [])


def test_a_refusal_ends_in_a_dead_letter_that_says_so(bench: Bench) -> None:
    """It names undo and scene; Process DLQ tries again; the other fields are back by then."""
    before = shown(bench)
    bench.written("scene:1")
    bench.plex.fault("400", method="PUT", query=r"summary\.value=")
    ask(bench, 1)
    bench.work()
    (letter,) = bench.queue.dead_letters()
    assert (letter.key, letter.reason) == (f"item:{ITEM}", "rejected")
    assert str(letter.message).startswith("Undo of scene 1: Plex rejected the summary of scene 1 (status 400).")
    assert shown(bench)["title"] == before["title"]
    bench.plex.clear_faults()
    bench.now += 1
    dead_letters.retry_all(bench.conn, bench.now, "t")
    bench.work()
    assert (shown(bench), bench.keys()) == (before, [])


def test_an_edit_ends_a_failed_undo(bench: Bench) -> None:
    """With a later edit the dead letter of the undo goes."""
    bench.written("scene:1")
    bench.plex.fault("400", 2, method="PUT", query=r"summary\.value=Plex")
    ask(bench, 1)
    bench.work()
    assert bench.queue.has_dead("rejected")
    bench.edit(1, title="Later")
    bench.work()
    assert (bench.title(ITEM), bench.keys(), held(bench)) == ("Later", [], ["written", "readback"])


@pytest.mark.parametrize("how", ["discard", "clear queue"])
def test_what_is_discarded_stays_as_it_is(bench: Bench, how: str) -> None:
    """With its dead letter, or with the queue, the mark goes, so nothing is queued again; the record stays."""
    bench.written("scene:1")
    bench.plex.fault("400", method="PUT", query=r"summary\.value=")
    ask(bench, 1)
    if how == "discard":
        bench.work()
    undo.forget(str(bench.folder), dead=how == "discard")
    dead_letters.clear_dead(bench.conn)
    dead_letters.clear_pending(bench.conn, bench.now)
    hours(bench, 2)
    assert (bench.keys(), held(bench)) == ([], ["written", "readback"])


def test_a_plex_that_cannot_show_none(bench: Bench) -> None:
    """An older Plex keeps our picture where there was none: the log says so, and the lock is released."""
    bench.plex.modes.pictures_unset = False
    bench.written("scene:2")
    undone(bench, 2)
    item = bench.plex.items[ITEM + 1]
    assert item.selected_poster
    assert item.locked == set()
    assert bench.said("wrote item back", "thumb this Plex cannot show none")


def test_a_record_of_an_earlier_version(bench: Bench) -> None:
    """Where the picture before was not kept, ours stays, unlocked, and the log says so."""
    bench.written("scene:1")
    conn = bench.app.state.conn
    ((raw,),) = conn.execute("SELECT record FROM written").fetchall()
    record = json.loads(raw)
    for name in ("thumb", "art", "locked"):
        del record["before"][name]
    conn.execute("UPDATE written SET record = ?", (json.dumps(record),))
    ours = bench.plex.items[ITEM].selected_poster
    undone(bench, 1)
    item = bench.plex.items[ITEM]
    assert (item.selected_poster, item.title, item.locked) == (ours, "film1", set())
    assert bench.said("thumb not kept by the earlier version")


def test_pictures_that_cannot_be_read_are_not_lost(bench: Bench) -> None:
    """If Plex does not tell what it shows, the cover waits, as the fields do not: undo can still show it again."""
    before = shown(bench)
    bench.plex.fault("500", 1, method="GET", path="/posters$")
    bench.hook("scene:1")
    bench.work()
    assert (bench.title(ITEM), bench.plex.items[ITEM].selected_poster) == ("Film 1", FRAME)
    bench.live(HOUR)
    assert bench.plex.items[ITEM].selected_poster != FRAME
    undone(bench, 1)
    assert shown(bench) == before


@pytest.mark.parametrize("fault", ["500", "503_xml", "reset", "429"])
@pytest.mark.parametrize("method", ["PUT", "GET", "DELETE"])
def test_faults_pass(bench: Bench, fault: str, method: str) -> None:
    """Whatever fails a few times, in the end all is as it was, and nothing is dead."""
    before = shown(bench), shown(bench, ITEM + 1)
    bench.written("scene:1", "scene:2")
    bench.plex.fault(fault, 3, method=method)
    ask(bench)
    bench.live(HOUR)
    assert ((shown(bench), shown(bench, ITEM + 1)), bench.keys()) == (before, [])


def test_a_long_list_survives_a_kill_between_its_requests(bench: Bench) -> None:
    """A list too long for one request is gone for a moment; the next worker does not take that for a person's."""
    long = [f"genre number {number} {'x' * 80}" for number in range(60)]
    bench.plex.edit_item(ITEM, genres=long)
    before = shown(bench)
    bench.written("scene:1")
    bench.edit(1, tags=[bench.stash.add_tag(f"tag {number} {'y' * 80}") for number in range(50)])
    bench.work()

    def strike(request: Request) -> None:
        if request.param("genre[].tag.tag-") and not request.param("genre[0].tag.tag"):
            bench.plex.after_write = None
            struck.append(list(bench.plex.items[ITEM].genres))
            bench.plex.stop()

    struck: list[list[str]] = []

    ask(bench, 1)
    bench.plex.after_write = strike
    bench.turn()
    assert struck == [[]]
    bench.plex.start()
    bench.live(HOUR)
    assert (shown(bench), bench.keys()) == (before, [])


def test_the_history_has_a_row(bench: Bench) -> None:
    """What was put back is shown with its kind, the changes and the pictures."""
    bench.written("scene:1")
    undone(bench, 1)
    sql = "SELECT scene_id, title, rating_key, changes, images FROM recent WHERE kind = 'undo'"
    ((scene, title, item, changes, images),) = bench.app.state.conn.execute(sql).fetchall()
    assert (scene, title, item, json.loads(images)) == (1, "Film 1", ITEM, ["poster", "background"])
    assert {"field": "title", "old": "Film 1", "new": "film1"} in json.loads(changes)


def test_a_mark_without_a_job_is_queued(bench: Bench) -> None:
    """Whoever asked and was killed before the job was queued is served by the next worker."""
    before = shown(bench)
    bench.written("scene:1")
    bench.now += 1
    undoing.mark(bench.app.state.conn, bench.plex.machine, [ITEM], bench.now)
    bench.now += 1
    bench.turn()
    assert (shown(bench), bench.keys()) == (before, [])


def test_a_mark_without_a_job_is_older_than_what_catch_up_finds(bench: Bench) -> None:
    """An edit before the undo, whose hook was lost as well, does not end it."""
    before = shown(bench)
    bench.written("scene:1")
    hours(bench)
    bench.stash.change_scene(1, title="Older, and its hook was lost")
    bench.now += 2
    undoing.mark(bench.app.state.conn, bench.plex.machine, [ITEM], bench.now)
    hours(bench, 2)
    assert (shown(bench), bench.keys()) == (before, [])


def test_more_items_than_are_queued_at_once(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """The worker queues the rest."""
    monkeypatch.setattr(undo, "MOST", 1)
    before = shown(bench), shown(bench, ITEM + 1)
    bench.written("scene:1", "scene:2")
    assert ask(bench) == 2
    assert bench.keys() == [f"item:{ITEM}"]
    bench.work()
    assert ((shown(bench), shown(bench, ITEM + 1)), bench.keys()) == (before, [])


@pytest.mark.parametrize("search", ["fan-out", "comparison", "sync all"])
def test_what_was_found_before_does_not_end_the_undo(
    bench: Bench, search: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An undo that is asked for while scenes are being looked for wins over the jobs that this search makes."""
    bench.written("scene:1", "scene:2")
    asked: list[int] = []

    def undo_meanwhile(call: Callable[..., Any]) -> Callable[..., Any]:
        def meanwhile(*args: Any, **others: Any) -> Any:
            if not asked:
                asked.append(ask(bench))
                bench.now += 1
            return call(*args, **others)

        return meanwhile

    if search == "fan-out":
        monkeypatch.setattr(Listings, "scenes_with", undo_meanwhile(Listings.scenes_with))
        changed(bench, "performer")
    elif search == "comparison":
        monkeypatch.setattr(reconcile, "_compare", undo_meanwhile(reconcile._compare))
        changed(bench, "tag")
    else:
        undo_meanwhile(bulk.mark_many)(bench.conn, [JobKey.scene(1)], "Sync all", "t", bench.now, bench.sleep)
        bulk.hand_over(bench.conn, "t", bench.sleep)
    bench.live(600)
    assert (asked, bench.keys()) == ([2], [])
    assert (held(bench, ITEM), held(bench, ITEM + 1)) == ([], [])


def test_an_item_with_another_key_is_put_back(bench: Bench) -> None:
    """Also if nobody noticed yet that Plex gave it another one."""
    before = shown(bench)
    bench.written("scene:1")
    bench.plex.rekey(ITEM, 500)
    ask(bench, 1)
    bench.live(600)
    assert shown(bench, 500) == before
    assert (held(bench), held(bench, 500), bench.keys()) == ([], [], [])


def test_items_that_exchanged_their_files_are_put_back(bench: Bench) -> None:
    """Each is what it was, as it shows what PlexSync wrote to it."""
    items = (ITEM, ITEM + 1)
    before = [shown(bench, item) for item in items]
    bench.written("scene:1", "scene:2")
    parts = [bench.plex.items[item].parts for item in items]
    for item, others in zip(items, reversed(parts), strict=True):
        bench.plex.edit_item(item, parts=others)
    ask(bench)
    bench.live(600)
    assert [shown(bench, item) | {"files": []} for item in items] == [one | {"files": []} for one in before]
    assert (held(bench, ITEM), held(bench, ITEM + 1), bench.keys()) == ([], [], [])
