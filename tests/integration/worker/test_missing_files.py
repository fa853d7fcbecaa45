"""Plex does not have the file yet: the scene waits on its own schedule, and is written as soon as the file is there."""

from __future__ import annotations

import pytest

from plexsync.model.job_key import JobKey
from plexsync.queue import bulk, dead_letters
from plexsync.queue.meta import QueueMeta
from tests.support.in_process import Bench


def test_waiting_grows_from_half_a_minute_to_an_hour(bench: Bench) -> None:
    """Each pause is about as long as the scene has waited; no attempt is counted, and nothing is dead."""
    film = bench.film(in_plex=False)
    bench.edit(film.scene)
    bench.turn()
    pauses: list[float] = []
    while sum(pauses) < 20_000:
        row = bench.job(film.scene)
        assert (row["status"], row["attempts"], row["waiting"]) == (1, 0, pytest.approx(bench.now - sum(pauses), abs=1))
        pauses.append(row["due"] - bench.now)
        bench.now += pauses[-1]
        QueueMeta(bench.conn).caught_up_at = bench.now
        bench.turn()
    for number, pause in enumerate(pauses):
        whole = min(3600.0, max(30.0, sum(pauses[:number])))
        assert 0.75 * whole <= pause <= whole
    assert bench.status()["queue"] | {"oldest_seconds": 0} == {
        "pending": 0, "waiting": 1, "in_progress": 0, "dead": 0, "oldest_seconds": 0,
    }  # fmt: skip


def test_scenes_that_wait_about_as_long_are_taken_together(bench: Bench) -> None:
    """Two hundred scenes that were scanned over two hours cost a few runs an hour, not two hundred."""
    for _ in range(200):
        bench.edit(bench.film(in_plex=False).scene)
        bench.live(36)
    assert bench.count("waiting") == 200
    bench.live(3600)
    dues: list[float] = []
    before = len(bench.plex.at)
    for _ in range(360):
        bench.live(10)
        dues += [float(row[0]) for row in bench.conn.execute("SELECT DISTINCT due FROM ack_queue_default")]
    assert len(set(dues)) <= 40
    assert len(bench.plex.at) - before <= 60
    assert bench.count("waiting") == 200


def test_waiting_is_quiet(bench: Bench) -> None:
    """Each scene that waits is told once, and a run that changed nothing says nothing: Stash's log stays readable."""
    films = [bench.film(in_plex=False) for _ in range(3)]
    for film in films:
        bench.edit(film.scene)
        bench.live(240)
    bench.live(3000)
    assert len(bench.said("waiting for Plex to have the file")) == 3
    assert bench.said("finished a run") == []
    assert len(bench.log.lines) == 3
    bench.edit(bench.film().scene)
    bench.live(10)
    assert bench.said("finished a run") == ["finished a run jobs=1 synced=1"]


def test_it_is_written_at_once_when_the_index_gains_its_file(bench: Bench) -> None:
    """Any refresh that finds the file ends the waiting, long before the scene is due."""
    film, other = bench.film(in_plex=False), bench.film()
    bench.edit(film.scene)
    bench.live(2000)
    assert bench.job(film.scene)["due"] - bench.now > 500
    item = bench.arrives(film.scene)
    bench.edit(other.scene)
    bench.live(1)
    assert bench.plex.items[item].title == "Film 1"
    assert bench.job(film.scene) == {}


def test_it_is_written_when_its_turn_comes_and_nobody_does_anything(bench: Bench) -> None:
    """Without any other edit the scene's schedule finds the file within the hour."""
    film = bench.film(in_plex=False)
    bench.edit(film.scene)
    bench.live(7000)
    item = bench.arrives(film.scene)
    bench.live(3601)
    assert bench.plex.items[item].title == "Film 1"
    assert bench.count("waiting") == 0


def test_one_that_waits_holds_up_no_other(bench: Bench) -> None:
    """A hundred waiting scenes do not delay one edit that can be done."""
    waiting = bench.films(100, in_plex=False)
    bench.edit(*[film.scene for film in waiting])
    bench.turn()
    film = bench.film()
    bench.edit(film.scene)
    bench.turn()
    assert bench.titles([film]) == ["Film 101"]
    assert bench.count("waiting") == 100


def test_an_edit_is_tried_at_once_and_restarts_the_waiting(bench: Bench) -> None:
    """An edit of a waiting scene is tried now, not when the scene is due."""
    film = bench.film(in_plex=False)
    bench.edit(film.scene)
    bench.live(3000)
    bench.edit(film.scene, title="Newer")
    bench.live(1)
    assert bench.job(film.scene)["waiting"] == pytest.approx(bench.now, abs=2)
    item = bench.arrives(film.scene)
    bench.edit(film.scene)
    bench.live(1)
    assert bench.plex.items[item].title == "Newer"


def test_it_is_given_up_after_a_week_and_a_failed_attempt(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """The give-up time alone dead-letters nothing: the next failed attempt does, with a reason; an edit revives it."""
    monkeypatch.setenv("PLEXSYNC_MISSING_GIVE_UP", "1000")
    film = bench.film(in_plex=False)
    bench.edit(film.scene)
    bench.turn()
    bench.now += 999
    bench.turn()
    assert bench.job(film.scene)["status"] == 1
    bench.now += 100_000
    assert bench.job(film.scene)["status"] == 1
    bench.turn()
    reason, message = bench.dead_letter(film.scene)
    assert reason == "not_in_plex"
    assert message
    item = bench.arrives(film.scene)
    bench.edit(film.scene)
    bench.turn()
    assert bench.plex.items[item].title == "Film 1"


def test_a_file_that_came_in_the_last_moment_is_no_dead_letter(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine that slept through the give-up time tries once more before it gives up."""
    monkeypatch.setenv("PLEXSYNC_MISSING_GIVE_UP", "1000")
    film = bench.film(in_plex=False)
    bench.edit(film.scene)
    bench.turn()
    bench.now += 100_000
    item = bench.arrives(film.scene)
    bench.turn()
    assert bench.plex.items[item].title == "Film 1"
    assert bench.count("dead") == 0


def test_an_outage_is_no_failed_attempt(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """If Plex is unreachable when the give-up time has passed, the scene keeps waiting."""
    monkeypatch.setenv("PLEXSYNC_MISSING_GIVE_UP", "1000")
    film = bench.film(in_plex=False)
    bench.edit(film.scene)
    bench.turn()
    bench.plex.stop()
    bench.live(20_000)
    assert (bench.job(film.scene)["status"], bench.count("dead")) == (1, 0)
    item = bench.arrives(film.scene)
    bench.plex.start()
    bench.live(601)
    assert bench.plex.items[item].title == "Film 1"


def test_missing_ignore_ends_the_job(bench: Bench) -> None:
    """If Plex holds a subset on purpose, a scene without an item is done: skipped, not waited for."""
    bench.stash.configure(missingIgnore=True)
    films = [bench.film(), bench.film(in_plex=False)]
    bench.edit(*[film.scene for film in films])
    bench.turn()
    assert (bench.count("pending"), bench.count("waiting"), bench.count("dead")) == (0, 0, 0)
    assert bench.status()["totals"] == {"synced": 1, "unchanged": 0, "retried": 0, "dead": 0, "skipped": 1}


def test_missing_ignore_waits_for_the_whole_index(bench: Bench) -> None:
    """While a library was not listed completely, a scene that is not found waits: it may be in Plex all the same."""
    bench.stash.configure(missingIgnore=True)
    film = bench.film(in_plex=False, path="/data/acme/one.mp4")
    item = bench.arrives(film.scene, "/films/elsewhere/one.mp4")
    bench.plex.modes.total_off = 1
    bench.edit(film.scene)
    bench.live(120)
    assert bench.count("waiting") == 1
    bench.plex.modes.total_off = 0
    bench.live(3700)
    assert bench.title(item) == "Film 1"


def test_missing_scan_asks_for_the_folder_once(bench: Bench) -> None:
    """One request for the right folder of the right library within ten minutes; what it brings in is written."""
    bench.stash.configure(missingScan=True, plexPathMap="/data => /films/all")
    bench.plex.add_section("Others", key=2, locations=("/others", "/film"))
    bench.plex.add_item(1, file="/films/all/acme/two.mp4")
    film = bench.film(in_plex=False, path="/data/acme/one.mp4")
    bench.edit(film.scene)
    bench.live(590)
    assert bench.plex.scans == [(1, "/films/all/acme")]
    bench.live(3000)
    assert len(bench.plex.scans) <= 4
    assert set(bench.plex.scans) == {(1, "/films/all/acme")}


def test_missing_scan_finds_what_plex_had_not_seen(bench: Bench) -> None:
    """The file that the scan brings in is written when the scene's turn comes."""
    bench.stash.configure(missingScan=True)
    film = bench.film(in_plex=False)
    bench.plex.scan_adds(1, "/films/1/film1.mp4", size=1_000_001, duration_ms=60_000)
    bench.edit(film.scene)
    bench.live(65)
    assert [item.title for item in bench.plex.items.values()] == ["Film 1"]


#: Platform, the library's folder, path map, the file in Stash, another one in Plex, the file's folder in Plex, and the
#: folder to be scanned.
SPELLED = {
    "Windows": (
        "Windows", "D:\\Media", "/data => D:\\Media", "/data/Acme/Sub/one.mp4", "D:\\Media\\Acme\\two.mp4",
        "D:\\Media\\Acme\\Sub", "D:\\Media\\Acme",
    ),
    "Windows, typed otherwise": (
        "Windows", "D:\\Media\\", '"/data/" -> "d:/media/"', "/data/acme/one.mp4", "D:\\Media\\ACME\\two.mp4",
        "D:\\Media\\ACME", "D:\\Media\\ACME",
    ),
    "a whole drive": (
        "Windows", "D:\\", "/data => D:", "/data/new/one.mp4", "D:\\other\\two.mp4", "D:\\new", "D:\\"
    ),
    "a UNC share": (
        "Windows", "\\\\nas\\Share", "/data => \\\\NAS\\share", "/data/a/b/one.mp4", "\\\\nas\\Share\\a\\two.mp4",
        "\\\\nas\\Share\\a\\b", "\\\\nas\\Share\\a",
    ),
    "a UNC share in both": (
        "Windows", "\\\\nas\\share\\", "", "\\\\NAS\\share\\new\\one.mp4", "", "\\\\nas\\share\\new", "\\\\nas\\share\\"
    ),
    "macOS": (
        "MacOSX", "/Volumes/Vide\u0301os", "/data => /volumes/vid\u00e9os", "/data/\u00e9t\u00e9/one.mp4",
        "/Volumes/Vide\u0301os/E\u0301te\u0301/sub/two.mp4", "/Volumes/Vide\u0301os/E\u0301te\u0301",
        "/Volumes/Vide\u0301os/E\u0301te\u0301",
    ),
    "a slash at the end": (
        "Linux", "/media/", "/data => /media", "/data/new/one.mp4", "/media/other/two.mp4", "/media/new", "/media/"
    ),
    "another case is another folder": (
        "Linux", "/media", "/data => /media", "/data/Acme/one.mp4", "/media/acme/two.mp4", "/media/Acme", "/media"
    ),
    "two folders deep": (
        "Linux", "/media", "/data => /media", "/data/a/b/c/one.mp4", "/media/a/x/y/two.mp4", "/media/a/b/c", "/media/a"
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", SPELLED)
def test_what_plex_is_asked_to_scan_is_spelled_as_plex_spells_it(bench: Bench, name: str) -> None:
    """The nearest folder that Plex has, in its case, Unicode form and slashes: it finds the file, no other would."""
    platform, location, path_map, stash_path, there, place, folder = SPELLED[name]
    bench.plex.platform = platform
    bench.plex.sections[1].locations = (location,)
    bench.stash.configure(missingScan=True, plexPathMap=path_map)
    if there:
        bench.plex.add_item(1, file=there)
    film = bench.film(in_plex=False, path=stash_path)
    slash = "\\" if "\\" in place else "/"
    bench.plex.scan_adds(1, f"{place}{slash}one.mp4", size=1_000_001, duration_ms=60_000)
    bench.edit(film.scene)
    bench.live(65)
    assert bench.plex.scans == [(1, folder)]
    assert "Film 1" in [item.title for item in bench.plex.items.values()]


def test_many_missing_scenes_ask_for_each_folder_once(bench: Bench) -> None:
    """Scenes of new folders below one that Plex has share one request."""
    bench.stash.configure(missingScan=True)
    films = [bench.film(in_plex=False, path=f"/films/new {number}/one.mp4") for number in range(30)]
    bench.edit(*[film.scene for film in films])
    bench.live(65)
    assert bench.plex.scans == [(1, "/films")]


@pytest.mark.parametrize(
    ("settings", "path"), [({"missingScan": False}, ""), ({"dryRun": True}, ""), ({}, "/nowhere/one.mp4")]
)
def test_no_scan_is_asked_for(bench: Bench, settings: dict[str, object], path: str) -> None:
    """Not without the switch, not under dryRun, and not for a folder in no library."""
    bench.stash.configure(**{"missingScan": True} | settings)
    film = bench.film(in_plex=False, path=path)
    bench.edit(film.scene)
    bench.turn()
    assert bench.plex.scans == []
    assert bench.count("waiting") == 1


@pytest.mark.parametrize("kind", ["500", "400"])
def test_a_scan_that_plex_does_not_want_costs_nothing(bench: Bench, kind: str) -> None:
    """If Plex rejects the scan, the scene waits as usual, and the others are written."""
    bench.stash.configure(missingScan=True)
    film, other = bench.film(in_plex=False), bench.film()
    bench.edit(film.scene, other.scene)
    bench.plex.fault(kind, path="/refresh")
    bench.turn()
    row = bench.job(film.scene)
    assert (row["attempts"], row["waiting"] is None) == (0, False)
    assert bench.titles([other]) == ["Film 2"]
    assert bench.said("failed to ask Plex for a scan", f"scene={film.scene} ")


def test_a_scene_without_a_file_is_invalid_until_it_has_one(bench: Bench) -> None:
    """It cannot match anything, so it does not wait; when catch-up later sees a file, the scene is retried."""
    scene = bench.stash.add_scene("without a file")
    bench.edit(scene)
    bench.live(30)
    assert bench.dead_letter(scene)[0] == "invalid"
    assert "no file" in bench.dead_letter(scene)[1]
    file = bench.stash.store.add_file(("/films/late/late.mp4", 4242, 60.0), bench.stash.store.stamp())
    bench.stash.scenes[scene].files.append(file)
    item = bench.arrives(scene)
    bench.live(3700)
    assert bench.job(scene) == {}
    assert bench.plex.items[item].title == "without a file"


def test_with_missing_ignore_a_scene_without_a_file_is_done(bench: Bench) -> None:
    """If Plex holds a subset on purpose, a scene without a file makes no dead letter either."""
    bench.stash.configure(missingIgnore=True)
    scene = bench.stash.add_scene("without a file")
    bench.edit(scene)
    bench.live(30)
    assert bench.job(scene) == {}


def sync_all(bench: Bench, *scenes: int) -> None:
    """Mark the scenes as Sync all does, and let the worker do them."""
    bench.now += 60
    bulk.mark_many(bench.conn, [JobKey.scene(scene) for scene in scenes], "Sync all", "", bench.now, bench.sleep)
    bench.turn()


def test_a_scene_without_files_is_told_once(bench: Bench) -> None:
    """However often Sync all comes by or settings change, it is one dead letter, told once, until the scene changes."""
    scene = bench.stash.add_scene("Nothing", files=[])
    bench.edit(scene)
    bench.turn()
    first = bench.job(scene)["first_seen"]
    for number in range(3):
        sync_all(bench, scene)
        bench.stash.configure(maxTags=10 + number)
        bench.edit(bench.film().scene)
        bench.turn()
    assert len(bench.said("dead-lettered scene")) == 1
    assert (bench.count("dead"), bench.job(scene)["first_seen"]) == (1, first)
    assert bench.status()["totals"]["dead"] == 1
    bench.edit(scene, title="Still nothing")
    bench.turn()
    assert len(bench.said("dead-lettered scene")) == 2
    sync_all(bench, scene)
    assert len(bench.said("dead-lettered scene")) == 2


def test_a_scene_that_gains_a_file_is_found_by_sync_all(bench: Bench) -> None:
    """A dead letter told before is looked at again all the same: with a file the scene is written."""
    film = bench.film()
    files, bench.stash.scenes[film.scene].files = bench.stash.scenes[film.scene].files, []
    bench.edit(film.scene)
    bench.turn()
    assert bench.dead_letter(film.scene)[0] == "invalid"
    bench.stash.scenes[film.scene].files = files
    sync_all(bench, film.scene)
    assert (bench.titles([film]), bench.count("dead")) == (["Film 1"], 0)


def test_a_person_who_retries_it_is_told_again(bench: Bench) -> None:
    """Whoever runs Process DLQ or retries it wants to know: it is told again."""
    scene = bench.stash.add_scene("Nothing", files=[])
    bench.edit(scene)
    bench.turn()
    dead_letters.retry_all(bench.conn, bench.now, "task")
    bench.turn()
    dead_letters.retry(bench.conn, [bench.job(scene)["_id"]], bench.now)
    bench.turn()
    assert len(bench.said("dead-lettered scene")) == 3
