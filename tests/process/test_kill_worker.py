"""SIGKILL of the background worker, at every stage of its work: the next process makes everything right."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.process.waiting import until
from tests.process.world import World

#: Where the worker dies while it carries an edit of two scenes to Plex -> how the next one is started.
AT_WORK = {
    "worker starting": "wake",
    "worker taking back": "hook",
    "worker before lease commits": "task",
    "worker after lease": "hook",
    "worker after reading scenes": "wake",
    "worker within a page of the index": "hook",
    "worker after a page of the index": "wake",
    "worker before the index is whole": "hook",
    "worker after matching": "task",
    "worker after reading items": "hook",
    "worker before the intents commit": "wake",
    "worker before a PUT": "hook",
    "worker after a PUT": "wake",
    "worker after the read-back": "hook",
    "worker before an upload": "task",
    "worker after an upload": "hook",
    "worker after storing": "wake",
    "worker before settling commits": "hook",
    "worker after settling": "wake",
    "worker exporting, file written": "task",
    "worker becoming the waiter": "hook",
    "waiter starting": "hook",
    "waiter waiting": "hook",
}


@pytest.mark.parametrize("point", AT_WORK)
def test_killed_at_work(tmp_path: Path, point: str) -> None:
    """Wherever the worker dies, its edits arrive, no attempt is spent, and nobody else's item is touched."""
    with World(tmp_path) as world:
        world.plex.modes.fewer_rows = 3
        world.arm(point)
        world.edit(1)
        world.edit(2)
        world.await_death(point)
        assert {attempts for (attempts,) in world.rows("attempts")} <= {0}
        world.restart(AT_WORK[point], spare=3)
        world.check()
        assert len(world.victims(point)) == 1
