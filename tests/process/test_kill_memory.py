"""What PlexSync remembers after SIGKILL: whose an edit in Plex is, and which scene kills the worker."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.process_model import LOCKS, World
from tests.support.processes import until, worker_held

POISON = "worker while planning a scene"


@pytest.mark.parametrize("point", ["worker after a PUT", "worker after an upload", "worker before settling commits"])
def test_what_a_dead_worker_wrote_is_ours(tmp_path: Path, point: str) -> None:
    """With keepPlexEdits a value that arrived just before the death is no person's edit: the next one replaces it."""
    with World(tmp_path) as world:
        world.stash.configure(keepPlexEdits=True)
        world.save(1)
        world.check()
        world.arm(point)
        world.save(1)
        world.await_death(point)
        assert world.plex.items[101].title == world.stash.scenes[1].title
        world.restart("hook", spare=1)
        world.check()


def test_what_a_person_wrote_stays_theirs(tmp_path: Path) -> None:
    """With keepPlexEdits a person's edit outlives the death of the worker that was about to write that item."""
    with World(tmp_path) as world:
        world.stash.configure(keepPlexEdits=True)
        world.save(1)
        world.check()
        world.plex.edit_item(101, summary="A person's own words.", locked=set(LOCKS) | {"thumb", "art"})
        world.arm("worker before a PUT")
        world.save(1)
        world.await_death("worker before a PUT")
        world.restart("wake", spare=3)
        until(lambda: not world.rows())
        assert list(world.different()) == ["1.summary"]
        assert world.plex.items[101].summary == "A person's own words."


def test_a_scene_that_kills_the_worker(tmp_path: Path) -> None:
    """A scene that kills the worker is leased alone from the third time, after the others; five deaths end it."""
    with World(tmp_path, scenes=5, PLEXSYNC_SETTLE="0") as world:
        world.arm(POISON, times=5, scene=1)
        with worker_held(world.folder):  # else a hook's worker may be dead before the next hook, which starts another
            for number in (1, 2, 3):
                world.save(number)
        world.restart("wake", spare=5)
        for deaths in (1, 2, 3):
            world.await_death(POISON, deaths)
            world.restart("wake", spare=5)
        world.await_death(POISON, 4)
        assert world.rows("key, rescues, attempts") == [("scene:1", 3, 0)]
        assert world.different([2, 3]) == {}
        world.save(4)
        world.await_death(POISON, 5)
        assert world.different([2, 3, 4]) == {}
        world.restart("wake", spare=5)
        until(lambda: world.rows("key, status, reason") == [("scene:1", 9, "retries_exhausted")])
        (dead,) = world.stash.run_operation({"mode": "dead_letters"}).output["items"]
        assert dead["scene_id"] == 1
        assert dead["message"].startswith("The worker died 5 times while it worked on scene:1.")
        assert world.stash.run_task("process_dlq").output == {"marked": 1, "synced": 1}
        world.check()
