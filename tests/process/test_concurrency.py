"""Several processes at once: workers, hooks and tasks on one data folder. Nothing is done twice, nothing is lost."""

from __future__ import annotations

import threading
import time
from collections import Counter

from plexsync.core import enqueue
from plexsync.model.job_key import JobKey
from plexsync.queue import jobs
from tests.servers.plex_http import Request
from tests.support.installation import Installation
from tests.support.processes import PATIENCE, rows, until

WORKERS = 8
SCENES = 2_000


def test_eight_workers_do_2000_jobs_once(here: Installation) -> None:
    """Of eight workers started at the same instant one drains the queue: each item gets exactly one edit, no error."""
    here.plex.modes.edits_move_clocks = False
    for _ in range(SCENES):
        here.film()
    here.connect()
    conn = here.queue()
    now = time.time()
    jobs.enqueue_many(conn, [JobKey.scene(film.scene) for film in here.films], "test", now, enqueue.BY_HAND)
    conn.close()
    started = [here.start_worker() for _ in range(WORKERS)]
    until(lambda: rows(here.folder) == [], what="an empty queue")
    here.stash.end_worker()
    ends = [(*process.communicate(timeout=PATIENCE), process.returncode) for process in started]
    losers = [end for end in ends if end[1]]
    assert [end[2] for end in ends] == [0] * WORKERS
    told = b"already running: another PlexSync worker uses this data folder\n"
    assert [err for _, err, _ in losers] == [told] * (WORKERS - 1)
    assert Counter(one.param("id") for one in here.plex.writes()) == {str(film.item): 1 for film in here.films}
    assert [here.title(film) for film in here.films] == [here.stash.scenes[film.scene].title for film in here.films]
    assert here.status()["totals"] == {"synced": SCENES, "unchanged": 0, "retried": 0, "dead": 0, "skipped": 0}
    assert '"level": "error"' not in here.log()


def test_hooks_during_sync_all(here: Installation) -> None:
    """Scenes edited by several people while Sync all writes every scene arrive as they were saved last."""
    films = [here.film() for _ in range(60)]
    here.plex.modes.edit_delay = 0.01
    task = here.stash.start_task("sync_all")
    until(here.plex.writes, what="the first edit of Sync all")
    failed: list[BaseException] = []

    def person(number: int) -> None:
        try:
            for take in range(3):
                for film in films[number::12]:
                    here.edit(film, f"Person {number}, take {take}")
        except BaseException as error:
            failed.append(error)

    people = [threading.Thread(target=person, args=(number,)) for number in range(3)]
    for one in people:
        one.start()
    for one in people:
        one.join()
    ended = task.wait()
    assert (failed, ended.error) == ([], None)
    assert ended.output["marked"] == len(films)
    here.settles()
    assert [here.title(film) for film in films] == [here.stash.scenes[film.scene].title for film in films]
    assert here.title(films[0]) == "Person 0, take 2"
    status = here.status()
    assert (status["queue"]["dead"], status["totals"]["retried"]) == (0, 0)


def test_an_edit_of_the_scene_that_is_being_written(here: Installation) -> None:
    """An edit that comes while Plex is given the one before is written too, although its row was there already."""
    film = here.film()
    edited = threading.Event()

    def meanwhile(request: Request) -> None:
        if not edited.is_set():
            edited.set()
            here.edit(film, "second")

    here.plex.before_write = meanwhile
    here.edit(film, "first")
    here.arrives(film, "second")
    assert edited.is_set()
    assert [one.param("title.value") for one in here.plex.writes()] == ["first", "second"]
    assert here.status()["totals"] == {"synced": 2, "unchanged": 0, "retried": 0, "dead": 0, "skipped": 0}
