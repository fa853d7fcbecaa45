"""SIGKILL of the hook, and of a task: what was saved in Stash arrives, what was stopped stops."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from tests.support.process_model import World
from tests.support.processes import until

#: Where the hook dies -> whether its row is in the queue, and how the worker comes to run.
POINTS = {
    "hook while making the queue": (False, "wake"),
    "hook before insert": (False, "hook"),
    "hook before commit": (False, "wake"),
    "hook after commit": (True, "hook"),
    "hook before wake-up": (True, "wake"),
    "hook with the lock": (True, "hook"),
    "hook with a new worker": (True, ""),
    "hook before the answer": (True, ""),
}


@pytest.mark.parametrize("point", POINTS)
def test_killed_hook(tmp_path: Path, point: str) -> None:
    """Wherever the very first hook dies, its edit arrives: by its row, or by catch-up if it left none."""
    queued, way = POINTS[point]
    with World(tmp_path) as world:
        world.arm(point)
        killed = world.save(1)
        assert killed.returncode == -9
        assert killed.stdout == ""
        if way:  # else a worker runs, and may be done with it already
            assert (("scene:1",) in world.rows()) is queued
            assert not world.worker_pid()
            world.restart(way, spare=3)
        world.check()


def test_killed_hook_of_a_known_scene(tmp_path: Path) -> None:
    """If the hook of a later edit dies before its commit while a worker runs, catch-up carries that edit too."""
    with World(tmp_path, PLEXSYNC_CATCHUP="1") as world:
        world.save(1)
        world.check()
        world.arm("hook before commit")
        assert world.save(1).returncode == -9
        world.restart("wake", spare=3)
        world.check()


def test_hooks_killed_at_random_instants(tmp_path: Path) -> None:
    """Hooks of a bulk edit die at random instants, as when the browser is closed: every scene arrives."""
    chance = random.Random(17)
    with World(tmp_path, scenes=9, PLEXSYNC_CATCHUP="1") as world:
        for number in range(1, 9):
            world.stash.change_scene(number, **world.changes(number))
            world.stash.run_hook("Scene.Update.Post", number, kill_after=chance.uniform(0, 0.06))
        world.restart("wake", spare=9)
        world.check()


@pytest.mark.parametrize("point", ["task before marking", "task after marking", "task before handing over"])
def test_killed_task(tmp_path: Path, point: str) -> None:
    """Sync all is stopped: waiting edits arrive, what the task had marked is dropped, and the next one does it."""
    with World(tmp_path) as world:
        world.plex.stop()
        world.save(1)
        world.arm(point)
        assert world.stash.run_task("sync_all").returncode == -9
        world.plex.start()
        world.restart("wake", spare=3)
        world.check()
        until(lambda: not world.rows())
        world.edited |= world.stash.scenes.keys()
        for number in world.stash.scenes:
            world.stash.update_scene(number, hook=False, **world.changes(number))
        assert world.stash.run_task("sync_all").output["marked"] == len(world.stash.scenes)
        world.check()


def test_process_queue_finishes_what_a_dead_worker_left(tmp_path: Path) -> None:
    """With nothing in the queue but a dead worker's batch, Process queue starts a worker and follows it to the end."""
    with World(tmp_path) as world:
        world.arm("worker before a PUT")
        world.save(1)
        world.await_death("worker before a PUT")
        until(lambda: {status for (status,) in world.rows("status")} == {2})
        assert world.stash.run_task("process_queue").output == {"marked": 1, "synced": 1}
        assert world.different() == {}
