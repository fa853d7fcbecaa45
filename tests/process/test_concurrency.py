"""Several processes at once: workers, hooks and tasks on one data folder. Nothing is done twice, nothing is lost."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from plexsync.core import enqueue
from plexsync.model.job_key import JobKey
from plexsync.queue import jobs
from tests.servers.plex_http import Request
from tests.support.pair import Pair
from tests.support.plugin import rows
from tests.support.waiting import until

WORKERS = 8
SCENES = 2_000


@pytest.fixture
def pair(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Pair]:
    """Both servers, no film yet."""
    monkeypatch.delenv("PLEXSYNC_DATA_DIR", raising=False)
    with Pair(tmp_path) as made:
        yield made


def test_eight_workers_do_2000_jobs_once(pair: Pair) -> None:
    """Of eight workers started at the same instant one drains the queue: each item gets exactly one edit, no error."""
    pair.plex.modes.edits_move_clocks = False
    for _ in range(SCENES):
        pair.film()
    pair.connect()
    conn = pair.queue()
    now = time.time()
    jobs.enqueue_many(conn, [JobKey.scene(film.scene) for film in pair.films], "test", now, enqueue.BY_HAND)
    conn.close()
    started = [pair.start_worker() for _ in range(WORKERS)]
    until(lambda: rows(pair.folder) == [], seconds=120, what="an empty queue")
    pair.stash.end_worker()
    ends = [(*process.communicate(timeout=20), process.returncode) for process in started]
    losers = [end for end in ends if end[1]]
    assert [end[2] for end in ends] == [0] * WORKERS
    assert [err for _, err, _ in losers] == [b"A PlexSync worker for this data folder runs already.\n"] * (WORKERS - 1)
    assert Counter(one.param("id") for one in pair.plex.writes()) == {str(film.item): 1 for film in pair.films}
    assert [pair.title(film) for film in pair.films] == [pair.stash.scenes[film.scene].title for film in pair.films]
    assert pair.status()["totals"] == {"synced": SCENES, "unchanged": 0, "retried": 0, "dead": 0, "skipped": 0}
    assert '"level": "error"' not in pair.log()


def test_hooks_during_sync_all(pair: Pair) -> None:
    """Scenes edited by several people while Sync all writes every scene arrive as they were saved last."""
    films = [pair.film() for _ in range(60)]
    pair.plex.modes.edit_delay = 0.01
    task = pair.stash.start_task("sync_all")
    until(pair.plex.writes, what="the first edit of Sync all")
    failed: list[BaseException] = []

    def person(number: int) -> None:
        try:
            for take in range(3):
                for film in films[number::12]:
                    pair.edit(film, f"Person {number}, take {take}")
        except BaseException as error:
            failed.append(error)

    people = [threading.Thread(target=person, args=(number,)) for number in range(3)]
    for one in people:
        one.start()
    for one in people:
        one.join()
    ended = task.wait(60)
    assert (failed, ended.error) == ([], None)
    assert ended.output["marked"] == len(films)
    pair.settles()
    assert [pair.title(film) for film in films] == [pair.stash.scenes[film.scene].title for film in films]
    assert pair.title(films[0]) == "Person 0, take 2"
    status = pair.status()
    assert (status["queue"]["dead"], status["totals"]["retried"]) == (0, 0)


def test_an_edit_of_the_scene_that_is_being_written(pair: Pair) -> None:
    """An edit that comes while Plex is given the one before is written too, although its row was there already."""
    film = pair.film()
    edited = threading.Event()

    def meanwhile(request: Request) -> None:
        if not edited.is_set():
            edited.set()
            pair.edit(film, "second")

    pair.plex.before_write = meanwhile
    pair.edit(film, "first")
    pair.arrives(film, "second")
    assert edited.is_set()
    assert [one.param("title.value") for one in pair.plex.writes()] == ["first", "second"]
    assert pair.status()["totals"] == {"synced": 2, "unchanged": 0, "retried": 0, "dead": 0, "skipped": 0}
