"""SIGKILL of the background worker, at every stage of its work: the next process makes everything right."""

from __future__ import annotations

import random
import time
from pathlib import Path

import pytest

from tests.support.process_model import World
from tests.support.processes import until

#: Where the worker dies while it carries an edit of two scenes to Plex -> how the next one is started.
AT_WORK = {
    "worker starting": "wake",
    "worker before lease commits": "task",
    "worker after lease": "hook",
    "worker after reading scenes": "wake",
    "worker within a page of the index": "hook",
    "worker before the index is whole": "hook",
    "worker after matching": "task",
    "worker before the intents commit": "wake",
    "worker before a PUT": "hook",
    "worker after a PUT": "wake",
    "worker before an upload": "task",
    "worker after an upload": "hook",
    "worker after storing": "wake",
    "worker before settling commits": "hook",
    "worker exporting, file written": "task",
    "worker becoming idle": "hook",
    "idle worker starting": "hook",
    "idle worker waiting": "hook",
}


@pytest.mark.parametrize("point", AT_WORK)
def test_killed_at_work(tmp_path: Path, point: str) -> None:
    """Wherever the worker dies, its edits arrive, no attempt is spent, and no other item is touched."""
    with World(tmp_path) as world:
        world.plex.modes.fewer_rows = 3
        world.arm(point)
        world.save(1)
        world.save(2)
        world.await_death(point)  # the second hook may have started another worker since
        assert {attempts for (attempts,) in world.rows("attempts")} <= {0}
        world.restart(AT_WORK[point], spare=3)
        world.check()
        assert len(world.victims(point)) == 1


@pytest.mark.parametrize("method", ["PUT", "POST"], ids=["edit", "image"])
@pytest.mark.parametrize("moment", ["before_write", "after_write"])
def test_killed_while_plex_writes(tmp_path: Path, moment: str, method: str) -> None:
    """If the worker dies while Plex carries out its request, the edit is not sent again."""
    with World(tmp_path) as world:
        killed = world.kill_at_write(moment, method)
        world.save(1)
        until(lambda: killed, what="the worker's death")
        world.restart("hook", spare=3)
        world.check()
        assert len([request for request in world.plex.writes() if request.param("id") == "101"]) == 1


def test_killed_while_plex_is_away(tmp_path: Path) -> None:
    """If it dies in the middle of an outage, the wait continues and the edits arrive afterwards."""
    with World(tmp_path) as world:
        world.plex.stop()
        world.arm("idle worker waiting")
        world.save(1)
        world.await_death("idle worker waiting")
        world.restart("wake", spare=3)
        until(lambda: world.seen()["breaker"]["state"] != "closed")
        assert world.kill_worker()
        world.plex.start()
        world.restart("wake", spare=3)
        world.check()


@pytest.mark.parametrize("point", ["idle worker ending", "idle worker ended, lock released"])
def test_killed_while_ending(tmp_path: Path, point: str) -> None:
    """If it dies while ending, with the lock or just without it, the next edit is not blocked."""
    with World(tmp_path, PLEXSYNC_IDLE_EXIT="0") as world:
        world.arm(point)
        world.save(1)
        world.await_death(point)
        world.restart("hook", spare=3)
        world.check()


def test_killed_in_catch_up(tmp_path: Path) -> None:
    """If it dies before the jobs for changes without a hook are made, the next catch-up makes them."""
    with World(tmp_path) as world:
        world.arm("worker in catch-up")
        world.stash.update_scene(1, hook=False, **world.changes(1))
        world.restart("wake", spare=3)
        world.await_death("worker in catch-up")
        world.restart("wake", spare=3)
        world.check()


def test_killed_in_fan_out(tmp_path: Path) -> None:
    """If it dies while a rename becomes jobs, every scene of the performer still gets the new name."""
    with World(tmp_path) as world:
        for number in (1, 2):
            world.save(number, performers=[world.performers[0]])
        world.check()
        world.arm("worker after fan-out")
        world.stash.update_performer(world.performers[0], "Renamed")
        world.await_death("worker after fan-out")
        world.restart("wake", spare=3)
        world.check()


def test_killed_at_random_instants(tmp_path: Path) -> None:
    """If it dies at random instants, up to four times on the way of one edit, the edit arrives."""
    chance = random.Random(23)
    with World(tmp_path) as world:
        for deaths in (4, 2):
            world.save(1)
            for _ in range(deaths):
                time.sleep(chance.uniform(0, 0.05))
                world.kill_worker()
                until(lambda: not world.worker_pid(), what="the worker's end")
                world.restart("wake", spare=3)
            world.check()
