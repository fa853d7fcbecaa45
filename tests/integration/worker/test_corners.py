"""Other duties of the worker: plugin updates, old Stashes, tags in Stash while Plex is unreachable, the API key."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from plexsync.core import enqueue
from plexsync.daemon.plugin_files import NEEDED, STILL, PluginFiles, Stamp
from plexsync.model.job_key import JobKey
from plexsync.model.lifecycle import Next
from plexsync.model.scene import SceneFile
from plexsync.queue import jobs
from plexsync.queue.meta import QueueMeta
from plexsync.stash.api import Stash
from plexsync.state import pause
from plexsync.state.ledger import open_state
from plexsync.state.meta import Meta
from tests.support.in_process import Bench


def test_an_updated_plugin_is_started_anew_between_batches(bench: Bench) -> None:
    """Changed files that are complete and still end the run before anything is leased."""
    needed = NEEDED
    version: dict[str, int] = {"now": 1}

    def read() -> Stamp:
        return dict.fromkeys(needed, (version["now"], 1))

    film = bench.film()
    bench.edit(film.scene)
    files = PluginFiles(bench.clock, read)
    version["now"] = 2
    bench.now += 6
    files.state()
    bench.now += STILL
    with bench.worker(files.state) as worker:
        assert worker.drain() is Next.RESTART
    assert (bench.count("pending"), bench.count("in_progress"), bench.plex.at) == (1, 0, [])


@pytest.mark.parametrize("other", ["refused_401", "no token"])
def test_a_problem_is_checked_while_nothing_is_due(bench: Bench, other: str) -> None:
    """A wake request with an empty queue checks the problem, which then stays or goes."""
    right = bench.stash.plugin_settings["plexToken"]
    bench.edit(bench.film().scene)
    bench.stash.configure(plexToken="" if other == "no token" else "wrong")
    bench.turn()
    bench.conn.execute("DELETE FROM ack_queue_default")
    QueueMeta(bench.conn).request_wake()
    bench.turn()
    assert "oken" in bench.status()["problem"]
    bench.stash.configure(plexToken=right)
    QueueMeta(bench.conn).request_wake()
    bench.turn()
    assert (bench.status()["problem"], bench.pause) == (None, None)


def test_a_plex_that_is_back_is_seen_with_an_empty_queue(bench: Bench) -> None:
    """The breaker closes at the probe that reaches Plex, although there is nothing left to send."""
    bench.edit(bench.film().scene)
    bench.plex.fault("503_xml")
    bench.live(100)
    bench.conn.execute("DELETE FROM ack_queue_default")
    bench.plex.clear_faults()
    bench.live(601)
    assert (bench.breaker.is_open, bench.breaker.failures, bench.pause) == (False, 0, None)


def test_an_older_stash_that_lacks_a_field_pauses_and_costs_nothing(bench: Bench) -> None:
    """An unknown field fails every request alike, so no scene loses an attempt."""
    film = bench.film(in_plex=False)
    bench.arrives(film.scene, "/elsewhere/film1.mp4")
    bench.edit(film.scene)
    enqueue.enqueue(bench.conn, "tag:3", "rename", bench.now, bench.now + 1)
    bench.stash.forget("SceneFilterType", "path")
    bench.stash.forget("Tag", "updated_at")
    bench.live(30)
    current = bench.pause
    assert current is not None
    assert current.kind == pause.STASH
    assert [row[0] for row in bench.conn.execute("SELECT attempts FROM ack_queue_default")] == [0, 0]


def test_a_rename_that_an_older_stash_cannot_answer_waits(bench: Bench) -> None:
    """The same for a tag whose change time that Stash does not know."""
    enqueue.enqueue(bench.conn, "tag:3", "rename", bench.now, bench.now)
    bench.stash.forget("Tag", "updated_at")
    bench.turn()
    assert bench.conn.execute("SELECT attempts FROM ack_queue_default").fetchone() == (0,)
    assert bench.pause is not None


def test_scenes_are_tagged_in_stash_while_plex_is_away(bench: Bench) -> None:
    """tagStashIDs does not wait for Plex, and the waiting edits stay as they are."""
    bench.stash.configure(tagStashIDs=True)
    films = bench.films(2)
    bench.plex.stop()
    bench.edit(films[0].scene)
    bench.live(20)
    bench.edit(films[1].scene)
    before = bench.job(films[1].scene)
    bench.live(20)
    names = {tag.id: tag.name for tag in bench.stash.tags.values()}
    for film in films:
        assert [names[tag] for tag in bench.stash.scenes[film.scene].tags] == ["stash-box: none"]
    assert bench.job(films[1].scene) == before
    assert bench.breaker.is_open


def test_only_organized_scenes(bench: Bench) -> None:
    """With skipUnorganized the other scenes are done, not written, and counted as skipped."""
    bench.stash.configure(skipUnorganized=True)
    films = [bench.film(organized=True), bench.film()]
    bench.edit(*[film.scene for film in films])
    bench.turn()
    assert bench.titles(films) == ["Film 1", "film2"]
    assert bench.status()["totals"]["skipped"] == 1


def test_a_stash_that_keeps_its_key_to_itself(bench: Bench) -> None:
    """The key is only needed later: failing to read it delays nothing."""
    film = bench.film()
    bench.edit(film.scene)
    bench.stash.fault("status_500", operation=r"^query \{ configuration \{ general")
    bench.turn()
    assert bench.titles([film]) == ["Film 1"]
    assert (bench.api_key, bench.pause) == ("", None)


def test_a_control_character_in_plex_spoils_nothing(bench: Bench) -> None:
    """A title with one makes every reply bad XML: the library is read all the same, and the scene written."""
    film = bench.film()
    bench.plex.modes.bad_char_ref = True
    bench.edit(film.scene)
    bench.turn()
    assert bench.titles([film]) == ["Film 1"]


def test_under_dry_run_a_scene_with_two_equal_items_is_settled_once(bench: Bench) -> None:
    """Nothing differs on either: one outcome."""
    film = bench.film("Both")
    scene = bench.stash.scenes[film.scene]
    bench.stash.change_scene(film.scene, files=[*scene.files, ("/films/1/film1-4k.mkv", 77_000, 60.0)])
    bench.plex.add_item(1, file="/films/1/film1-4k.mkv", size=77_000, duration_ms=60_000)
    bench.edit(film.scene)
    bench.turn()
    bench.stash.configure(dryRun=True)
    bench.edit(film.scene)
    bench.turn()
    assert bench.status()["totals"]["unchanged"] == 1
    assert bench.count("pending") == 0
    bench.edit(film.scene, title="Other")
    bench.turn()
    assert len(bench.said("would write scene", "Both -> Other")) == 2
    assert bench.count("pending") == 1


def test_a_breaker_that_lost_its_pause_gets_one(bench: Bench) -> None:
    """If a worker dies between storing breaker and pause, no idle worker restarts the full one over and over."""
    bench.edit(bench.film().scene)
    bench.plex.fault("503_xml")
    bench.turn()
    conn = open_state(str(bench.folder))
    Meta(conn).pause = None
    conn.close()
    before = len(bench.plex.at)
    bench.turn()
    current = bench.pause
    assert current is not None
    assert (current.kind, len(bench.plex.at)) == (pause.PLEX, before)


def test_a_long_listing_of_stash_is_no_slow_batch(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """A listing of Stash's files serves many batches: it cuts none short, and the status is exported meanwhile."""
    statuses: list[dict[str, Any]] = []

    def slow(stash: Stash) -> Iterator[list[tuple[int, SceneFile]]]:
        bench.now += 60
        yield from files(stash)
        statuses.append(json.loads(Path(bench.folder, "status.json").read_text("utf-8")))

    files = Stash.files
    monkeypatch.setattr(Stash, "files", slow)
    monkeypatch.setattr("plexsync.stash.files.QUERIES", 0)
    films = bench.films(30)
    for film in films:
        file = bench.stash.scenes[film.scene].files[0]
        file.path = file.path.replace("/films", "/data")
    bench.now += 100
    jobs.enqueue_many(bench.conn, [JobKey.scene(film.scene) for film in films], "test", bench.now, 2)
    bench.plex.clear_log()
    bench.turn()
    assert (bench.count("pending"), bench.count("dead")) == (0, 0)
    assert bench.plex.count("GET", r"/library/metadata/[\d,]+$") == 2  # all in one batch: read, and read back
    assert [status["queue"]["in_progress"] for status in statuses] == [30]
