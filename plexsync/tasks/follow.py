"""How a task follows the rows that it marked, without doing any of the work itself. Standard library alone."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from typing import NamedTuple, Protocol

from plexsync.core import wake
from plexsync.queue import bulk
from plexsync.queue.meta import QueueMeta
from plexsync.state import pause
from plexsync.state.meta import Meta

DONE, AWAY, STASH_AWAY, PROBLEM = "done", "away", "stash away", "problem"

#: Seconds between two looks at the rows, and between two looks at whether a worker is there.
LOOK, KEEP_AWAKE = 0.1, 1.0
#: A look reads an index row for each that is left: after one that took long, so many times as long nothing is done.
LEISURE = 20
#: Starts of a worker without a single row settled in between, after which the task gives up on it.
STARTS = 5


class Ended(NamedTuple):
    """Why following ended; ``sentence``: what stands in the way."""

    kind: str
    sentence: str = ""


class Progress(Protocol):
    """Shows progress."""

    def progress(self, done: float) -> None:
        """0 to 1."""


class Clock(Protocol):
    """Time and sleep."""

    @property
    def clock(self) -> Callable[[], float]:
        """Seconds since the epoch."""

    @property
    def sleep(self) -> Callable[[float], None]:
        """Sleeps so many seconds."""


def follow(folder: str, conn: sqlite3.Connection, task_id: str, total: int, progress: Progress, world: Clock) -> Ended:
    """Wait until each row of the task is settled or put back, or the worker is paused; why it ended."""
    since = world.clock()
    numbers = QueueMeta(conn)
    request = numbers.request_wake()
    state = Meta.open(folder)
    starts, awake, last, shown = 0, float("-inf"), total, 0.0
    try:
        while True:
            began = world.clock()
            left = bulk.left(conn, task_id, since)
            took = world.clock() - began
            if not left:
                return Ended(DONE)
            if left != last:
                starts, last = 0, left
            done = 1.0 - left / max(total, left)
            if done > shown:  # a row that was put back and is worked on again counts once more
                shown = done
                progress.progress(shown)
            state = state if state.is_file else _reopened(state, folder)
            if numbers.wake_seen >= request:
                standing = state.pause
                if standing is not None and standing.kind in _KINDS:
                    return Ended(_KINDS[standing.kind], standing.problem)
            if world.clock() - awake >= KEEP_AWAKE:
                awake = world.clock()
                starts += wake.wake(folder)
                if starts > STARTS:
                    return Ended(PROBLEM, "PlexSync's background worker does not start; plexsync.log may say why.")
            world.sleep(min(max(LOOK, LEISURE * took), KEEP_AWAKE))
    finally:
        state.close()


_KINDS = {pause.PLEX: AWAY, pause.STASH: STASH_AWAY, pause.SETUP: PROBLEM, pause.LOCAL: PROBLEM}


def _reopened(state: Meta, folder: str) -> Meta:
    """The worker may have made the file only now."""
    state.close()
    return Meta.open(folder)
