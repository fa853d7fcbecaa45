"""Stop: the cross beside a running task cancels what that task began, and nothing else."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from plexsync.core import enqueue
from tests.servers.plex_http import Request
from tests.servers.stash_jobs import Task
from tests.support.installation import Installation
from tests.support.processes import PATIENCE, until

SCENES = 12
DROPPED = "dropped the rest of a stopped task"


class Site(Installation):
    """Twelve scenes, and a Plex that applies one edit at once and the next ones after ``let_on``."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.new_films(SCENES)
        self._first, self._on = threading.Event(), threading.Event()
        self.plex.before_write = self._hold

    def __exit__(self, *error: Any) -> None:
        self.let_on()
        super().__exit__(*error)

    def _hold(self, request: Request) -> None:
        if self._first.is_set():
            self._on.wait(PATIENCE)
        self._first.set()

    def let_on(self) -> None:
        """Let Plex apply every edit from now on."""
        self._on.set()


@pytest.fixture
def here(tmp_path: Path) -> Iterator[Site]:
    """Start both servers."""
    with Site(tmp_path) as made:
        yield made


def begun(here: Site, mode: str = "sync_all") -> Task:
    """Start a task whose first edit Plex has applied."""
    task = here.stash.start_task(mode)
    until(lambda: any(title.startswith("New") for title in here.titles()), what="the first edit")
    return task


def stopped(here: Site, task: Task) -> None:
    """Press the cross while Plex has the second edit, or none."""
    task.stop()
    assert task.wait().killed
    assert task.status == "CANCELLED"
    here.let_on()


def new(here: Site) -> int:
    """Return the number of titles that have arrived."""
    return sum(title.startswith("New") for title in here.titles())


def test_stop(here: Site) -> None:
    """The worker finishes the edit in progress, drops the rest with one log line, and keeps running."""
    stopped(here, begun(here))
    sent = len(here.plex.writes())
    until(lambda: here.rows() == [], what="dropping the rest")
    assert len(here.plex.writes()) <= sent + 2
    assert new(here) < SCENES
    until(lambda: DROPPED in here.said(), what="the line in Stash's log")
    assert (here.folder / "plexsync.log").read_text("utf-8").count(DROPPED) == 1
    assert here.task("sync_all").output["marked"] == SCENES
    assert new(here) == SCENES


def test_an_edit_of_a_marked_scene_survives(here: Site) -> None:
    """A scene edited during the task, or after Stop, is synced; the others are dropped."""
    task = begun(here)
    assert here.stash.update_scene(SCENES, title="New, edited before").error is None
    stopped(here, task)
    assert here.stash.update_scene(SCENES - 1, title="New, edited after").error is None
    until(lambda: here.titles()[-2:] == ["New, edited after", "New, edited before"], what="the edits")
    until(lambda: here.rows() == [], what="dropping the rest")
    assert new(here) < SCENES


def test_edits_that_were_waiting_survive(here: Site) -> None:
    """Jobs queued before the task are not its own: Stop of Process queue leaves them."""
    conn = here.queue()
    for number in range(1, SCENES + 1):
        enqueue.enqueue(conn, f"scene:{number}", "x", 1, 1)
    stopped(here, begun(here, "process_queue"))
    until(lambda: new(here) == SCENES, what="every edit")
    assert DROPPED not in here.said()


def test_dead_letters_put_back_are_never_dropped(here: Site) -> None:
    """Process DLQ queues dead letters again; Stop does not undo that."""
    conn = here.queue()
    for number in range(1, SCENES + 1):
        enqueue.enqueue(conn, f"scene:{number}", "x", 1, 1)
    conn.execute("UPDATE ack_queue_default SET status = 9, reason = 'rejected'")
    stopped(here, begun(here, "process_dlq"))
    until(lambda: new(here) == SCENES, what="every dead letter")
    assert DROPPED not in here.said()


def test_dead_letters_that_sync_all_met_are_never_dropped(here: Site) -> None:
    """Sync all queues dead letters again too; Stop drops only the rows it added."""
    conn = here.queue()
    enqueue.enqueue(conn, f"scene:{SCENES}", "x", 1, 1)
    conn.execute("UPDATE ack_queue_default SET status = 9, reason = 'rejected'")
    stopped(here, begun(here))
    until(lambda: here.titles()[-1] == f"New {SCENES}", what="the dead letter")
    until(lambda: here.rows() == [], what="dropping the rest")
    assert new(here) < SCENES


def test_stop_while_plex_is_away(here: Site) -> None:
    """A task stopped before it could hand over leaves nothing to do when Plex is back."""
    here.plex.fault("stall")  # the worker cannot tell that Plex is away before the task is dead
    task = here.stash.start_task("sync_all")
    until(lambda: len(here.rows()) == SCENES and here.plex.log, what="marking, and a request that hangs")
    stopped(here, task)
    here.plex.clear_faults()
    here.plex.stop()
    here.plex.release()
    here.plex.start()
    assert here.call("wake")["running"]
    until(lambda: here.rows() == [], what="dropping")
    assert here.plex.writes() == []


def test_the_next_task_takes_over_nothing(here: Site) -> None:
    """Process queue right after Stop does not take over the stopped task's rows."""
    stopped(here, begun(here))
    here.task("process_queue")
    until(lambda: here.rows() == [], what="dropping the rest")
    assert new(here) < SCENES
