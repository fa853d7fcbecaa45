"""Stop means stop: the cross beside a running task ends what that task began, and nothing that somebody else wants."""

from __future__ import annotations

import pytest

from plexsync.core import enqueue
from tests.servers.stash_jobs import Task
from tests.support.installation import Installation
from tests.support.processes import until

SCENES = 12
DROPPED = "dropped what a stopped task had marked"


@pytest.fixture
def here(here: Installation) -> Installation:
    """Twelve scenes, and a Plex that takes a quarter of a second for each edit."""
    here.new_films(SCENES)
    here.plex.modes.edit_delay = 0.25
    return here


def begun(here: Installation, mode: str = "sync_all") -> Task:
    """A task of which Plex has carried out the first edit."""
    task = here.stash.start_task(mode)
    until(lambda: any(title.startswith("New") for title in here.titles()), what="the first edit")
    return task


def stopped(task: Task) -> None:
    """The user presses the cross."""
    task.stop()
    assert task.wait().killed
    assert task.status == "CANCELLED"


def new(here: Installation) -> int:
    """How many titles have arrived."""
    return sum(title.startswith("New") for title in here.titles())


def test_stop(here: Installation) -> None:
    """The worker finishes the edit under way, drops the rest with one line in the log, and lives on."""
    stopped(begun(here))
    sent = len(here.plex.writes())
    until(lambda: here.rows() == [], what="dropping the rest")
    assert len(here.plex.writes()) <= sent + 2
    assert new(here) < SCENES
    until(lambda: DROPPED in here.said(), what="the line in Stash's log")
    assert (here.folder / "plexsync.log").read_text("utf-8").count(DROPPED) == 1
    here.plex.modes.edit_delay = 0
    assert here.task("sync_all").output["marked"] == SCENES
    assert new(here) == SCENES


def test_an_edit_of_a_marked_scene_survives(here: Installation) -> None:
    """A scene edited while the task runs, or after Stop, is somebody's edit and is delivered; others are dropped."""
    task = begun(here)
    assert here.stash.update_scene(SCENES, title="New, edited before").error is None
    stopped(task)
    assert here.stash.update_scene(SCENES - 1, title="New, edited after").error is None
    until(lambda: here.titles()[-2:] == ["New, edited after", "New, edited before"], what="the edits")
    until(lambda: here.rows() == [], what="dropping the rest")
    assert new(here) < SCENES


def test_edits_that_were_waiting_survive(here: Installation) -> None:
    """What was queued before the task began is not its own: Stop of Process queue leaves it to the worker."""
    conn = here.queue()
    for number in range(1, SCENES + 1):
        enqueue.put(conn, f"scene:{number}", "x", 1, 1)
    stopped(begun(here, "process_queue"))
    here.plex.modes.edit_delay = 0
    until(lambda: new(here) == SCENES, what="every edit")
    assert DROPPED not in here.said()


def test_dead_letters_put_back_are_never_dropped(here: Installation) -> None:
    """Process DLQ gives dead letters a new start; Stop ends the bar, not their start."""
    conn = here.queue()
    for number in range(1, SCENES + 1):
        enqueue.put(conn, f"scene:{number}", "x", 1, 1)
    conn.execute("UPDATE ack_queue_default SET status = 9, reason = 'rejected'")
    stopped(begun(here, "process_dlq"))
    here.plex.modes.edit_delay = 0
    until(lambda: new(here) == SCENES, what="every dead letter")
    assert DROPPED not in here.said()


def test_dead_letters_that_sync_all_met_are_never_dropped(here: Installation) -> None:
    """Sync all gives the dead letters of its scenes a new start too; Stop drops what it marked anew, and not those."""
    conn = here.queue()
    enqueue.put(conn, f"scene:{SCENES}", "x", 1, 1)
    conn.execute("UPDATE ack_queue_default SET status = 9, reason = 'rejected'")
    stopped(begun(here))
    until(lambda: here.titles()[-1] == f"New {SCENES}", what="the dead letter")
    until(lambda: here.rows() == [], what="dropping the rest")
    assert new(here) < SCENES


def test_stop_while_plex_is_away(here: Installation) -> None:
    """A task stopped before it could hand over leaves nothing for the time when Plex is back."""
    here.plex.fault("stall")  # the worker cannot tell that Plex is away before the task is dead
    task = here.stash.start_task("sync_all")
    until(lambda: len(here.rows()) == SCENES and here.plex.log, what="marking, and a request that hangs")
    stopped(task)
    here.plex.clear_faults()
    here.plex.stop()
    here.plex.release()
    here.plex.start()
    assert here.call("wake")["running"]
    until(lambda: here.rows() == [], what="dropping")
    assert here.plex.writes() == []


def test_the_next_task_takes_over_nothing(here: Installation) -> None:
    """Process queue right after Stop does not take what the stopped task left for its own."""
    stopped(begun(here))
    here.task("process_queue")
    until(lambda: here.rows() == [], what="dropping the rest")
    assert new(here) < SCENES
