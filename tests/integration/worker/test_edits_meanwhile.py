"""Edits that come while the worker works, and who goes first."""

from __future__ import annotations

from pathlib import Path

import pytest

from plexsync.core import enqueue, environment, locks
from plexsync.model.job_key import JobKey
from plexsync.queue import bulk, jobs, schema
from plexsync.sync import throttle
from tests.servers.plex import Request
from tests.support.in_process import Bench, Film
from tests.support.queue_tools import job_keys


def order(bench: Bench) -> list[int]:
    """Return the items in the order in which they were written."""
    return [int(request.param("id") or 0) for request in bench.plex.writes()]


def mark(bench: Bench, films: list[Film], name: str = "1-1") -> None:
    """Mark the scenes for a task; whether it runs is up to the test."""
    keys = [f"scene:{film.scene}" for film in films]
    bulk.mark_many(bench.conn, job_keys(keys), "Sync all", name, bench.now, lambda _: None)


def hold_task_lock(bench: Bench, name: str = "1-1") -> int:
    """Let the task run; return the descriptor of its lock."""
    fd = locks.open_lock(str(Path(bench.folder, environment.TASK_LOCK)))
    assert locks.try_lock(fd)
    locks.write_text(fd, name)
    return fd


@pytest.mark.parametrize("moment", ["before_write", "after_write"])
def test_an_edit_during_the_write_of_its_scene_is_written_too(bench: Bench, moment: str) -> None:
    """The newer values follow in a separate write, never merged into the one under way."""
    film = bench.film("First")

    def meanwhile(request: Request) -> None:
        setattr(bench.plex, moment, None)
        conn = schema.open_queue(str(bench.folder), bench.now)
        bench.stash.change_scene(film.scene, title="Second")
        enqueue.enqueue(conn, f"scene:{film.scene}", "Scene.Update.Post", bench.now, bench.now + 2)
        conn.close()

    setattr(bench.plex, moment, meanwhile)
    bench.edit(film.scene)
    bench.turn()
    assert [request.param("title.value") for request in bench.plex.writes()] == ["First", "Second"]
    assert bench.titles([film]) == ["Second"]
    assert bench.job(film.scene) == {}


def test_an_edit_during_the_write_survives_whatever_comes_of_it(bench: Bench) -> None:
    """If the write fails for good, there is no dead letter: the newer edit is due, with a clean slate."""
    bench.stash.configure(maxRetries=1)
    film = bench.film("First")
    bench.plex.modes.reject_values["title"] = "First"

    def meanwhile(request: Request) -> None:
        conn = schema.open_queue(str(bench.folder), bench.now)
        bench.stash.change_scene(film.scene, title="Second")
        enqueue.enqueue(conn, f"scene:{film.scene}", "Scene.Update.Post", bench.now, bench.now)
        conn.close()
        bench.plex.before_write = None

    bench.plex.before_write = meanwhile
    bench.edit(film.scene)
    bench.turn()
    assert bench.titles([film]) == ["Second"]
    assert bench.count("dead") == 0


def test_an_edit_by_hand_goes_before_bulk_work(bench: Bench) -> None:
    """A scene saved after a whole library was marked is the first to be written."""
    films = bench.films(30)
    fd = hold_task_lock(bench)
    mark(bench, films[:29])
    bench.edit(films[29].scene)
    bench.turn()
    locks.unlock(fd)
    assert order(bench)[0] == films[29].item
    assert len(order(bench)) == 30


def slow(bench: Bench, seconds: float) -> None:
    """Make Plex take ``seconds`` for each edit, by the bench's clock."""

    def wait(_: Request) -> None:
        bench.now += seconds

    bench.plex.before_write = wait


@pytest.mark.parametrize("priority", [jobs.FAN_OUT, 2])
def test_a_slow_batch_is_cut_short_for_an_edit_by_hand(bench: Bench, priority: int) -> None:
    """Plex takes 4 s per edit: a scene saved meanwhile waits for about ten of them, not for a hundred."""
    films = bench.films(100)
    by_hand = bench.film()
    keys = [f"scene:{film.scene}" for film in films]
    jobs.enqueue_many(bench.conn, job_keys(keys), "bulk", bench.now, priority, lambda _: None)
    slow(bench, 4.0)
    saved: list[float] = []

    def save(_: Request) -> None:
        bench.now += 4.0
        if not saved:
            saved.append(bench.now)
            conn = schema.open_queue(str(bench.folder), bench.now)
            enqueue.enqueue(conn, f"scene:{by_hand.scene}", "Scene.Update.Post", bench.now, bench.now + 2)
            conn.close()

    bench.plex.before_write = save
    bench.turn()
    assert order(bench).index(by_hand.item) <= throttle.LEAST + 2
    assert sorted(order(bench)) == sorted(film.item for film in [*films, by_hand])
    assert bench.count("pending") == 0


def test_a_batch_that_is_read_slowly_still_progresses(bench: Bench) -> None:
    """However long reading took, some scenes of each batch are written: it is never only read again."""
    films = bench.films(25)
    jobs.enqueue_many(bench.conn, [JobKey.scene(film.scene) for film in films], "bulk", bench.now, 2, lambda _: None)
    reads = len(bench.plex.at)
    answer = bench.plex._router.answer

    def late(request: Request, body: bytes) -> object:
        if request.path.startswith("/library/metadata/"):
            bench.now += 40.0
        return answer(request, body)

    bench.plex._router.answer = late  # type: ignore[method-assign,assignment]
    bench.turn()
    assert [bench.writes_of(film) for film in films] == [1] * 25
    assert len(bench.plex.at) - reads < 60


def test_stop_means_stop_between_batches(bench: Bench) -> None:
    """What a stopped task had marked is dropped; an edited scene of it stays, and one line says so."""
    films = bench.films(5)
    mark(bench, films)
    bench.edit(films[2].scene)
    bench.turn()
    assert order(bench) == [films[2].item]
    assert bench.count("pending") == 0
    assert bench.said("dropped the rest") == ["dropped the rest of a stopped task jobs=4"]


def test_stop_means_stop_within_a_batch(bench: Bench) -> None:
    """If the task is stopped while its batch is written, the rest of the batch is not written."""
    films = bench.films(6)
    fd = hold_task_lock(bench)
    mark(bench, films)

    def stop(_: Request) -> None:
        if len(order(bench)) == 2:
            locks.unlock(fd)

    bench.plex.after_write = stop
    bench.turn()
    assert order(bench) == [films[0].item, films[1].item]
    assert bench.titles(films[2:]) == ["film3", "film4", "film5", "film6"]
    assert bench.count("pending") == 0


def test_what_a_task_handed_over_is_finished(bench: Bench) -> None:
    """A task that ended normally leaves its rows to the worker."""
    films = bench.films(3)
    mark(bench, films)
    bulk.hand_over(bench.conn, "1-1")
    bench.turn()
    assert [bench.writes_of(film) for film in films] == [1] * 3


def test_a_scene_with_two_items_is_written_to_both(bench: Bench) -> None:
    """Two versions of a scene may be two items in Plex: one job, one line each, one settlement."""
    film = bench.film("Both")
    scene = bench.stash.scenes[film.scene]
    bench.stash.change_scene(film.scene, files=[*scene.files, ("/films/1/film1-4k.mkv", 77_000, 60.0)])
    second = bench.plex.add_item(1, file="/films/1/film1-4k.mkv", size=77_000, duration_ms=60_000).rating_key
    bench.edit(film.scene)
    bench.turn()
    assert bench.titles([film, Film(film.scene, second)]) == ["Both", "Both"]
    assert bench.status()["totals"]["synced"] == 1


def test_a_busy_plex_is_left_in_peace_and_an_idle_one_used_fully(bench: Bench) -> None:
    """Writes go one by one; while Plex's database is busy a pause follows each, and none while it answers at once."""
    idle = bench.films(3)
    bench.edit(*[film.scene for film in idle])
    bench.turn()
    assert bench.titles(idle) == [f"Film {number}" for number in (1, 2, 3)]
    quick = [seconds for seconds in bench.slept if seconds > 0]
    bench.slept.clear()
    bench.plex.modes.edit_delay = 0.8
    busy = bench.films(3)
    bench.edit(*[film.scene for film in busy])
    bench.turn()
    paused = [seconds for seconds in bench.slept if seconds > 0]
    assert [bench.writes_of(film) for film in busy] == [1] * 3
    assert sum(quick) < sum(paused)
    assert sum(paused) > 0.3
    assert max(paused) <= 2.0
