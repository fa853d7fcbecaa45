"""SIGKILL during an undo, at every stage: in the end Plex is as it was before PlexSync, or as a later edit says."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.process_model import World

FRAME = "media://frames/1.jpg"

#: Where the worker dies while it puts the items of two scenes back.
AT_UNDO = (
    "worker after lease", "worker before planning an undo", "worker before a PUT", "worker after a PUT",
    "worker before a picture is shown", "worker after a picture is shown", "worker after a picture is taken away",
    "worker after the read-back", "worker before an undo is forgotten", "worker after an undo is forgotten",
    "worker before settling commits", "worker after settling",
)  # fmt: skip


class Past(World):
    """A Stash whose times are over, for an undo tells later edits by their time."""

    behind = 600.0


@pytest.fixture(params=[True, False], ids=["append", "replace"])
def world(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[World]:
    """Two scenes that were synced, of the first of which Plex has a poster of its own."""
    with Past(tmp_path) as made:
        made.plex.modes.tags_append = request.param
        made.shows_its_own(1, FRAME)
        made.save(1)
        made.save(2)
        made.check()
        made.wait_for_clock()
        yield made


@pytest.mark.parametrize("point", AT_UNDO)
def test_killed_while_it_puts_back(world: World, point: str) -> None:
    """Wherever the worker dies, both items are as they were, no attempt is spent, and no other item is touched."""
    world.arm(point)
    assert world.undo(1, 2).output == {"queued": 2, "nothing": 0}
    world.await_death(point)
    world.restart("wake", spare=3)
    world.check()
    assert len(world.victims(point)) == 1
    assert world.plex.items[101].selected_poster == FRAME


@pytest.mark.parametrize("point", ["undo after marking", "undo before queueing"])
def test_killed_while_it_asks(world: World, point: str) -> None:
    """If the one who asks dies once the undo is marked, the next worker carries it out."""
    world.arm(point)
    assert world.undo(1).returncode == -9
    world.kill_worker()
    world.restart("hook", spare=3)
    world.check()


@pytest.mark.parametrize("point", ["worker before a PUT", "worker after a PUT", "worker before settling commits"])
def test_an_edit_after_the_undo_wins(world: World, point: str) -> None:
    """If the worker dies while both wait, the edit that came last is what Plex shows."""
    world.plex.stop()
    world.undo(1, 2)
    world.save(1)
    world.arm(point)
    world.plex.start()
    world.restart("wake", spare=3)
    world.await_death(point)
    world.restart("wake", spare=3)
    world.check()
    assert world.undone == {2}


def test_undo_through_an_outage_and_the_command_line(world: World) -> None:
    """Asked for while Plex is away, by the command line: it says how many, and the worker does it later."""
    world.plex.stop()
    said: Any = world.stash.run_operation({"mode": "undo", "all": True}).output
    assert said == {"queued": 2}
    world.undone |= {1, 2}
    world.plex.start()
    world.restart("wake", spare=3)
    world.check()
    assert world.stash.run_operation({"mode": "undo", "all": True}).output == {"queued": 0}
