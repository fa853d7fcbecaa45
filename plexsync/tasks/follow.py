"""How a task follows the rows that it marked, without doing any of the work itself. Standard library alone."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from enum import Enum, auto
from typing import NamedTuple, Protocol

from plexsync.core import wake
from plexsync.queue import bulk
from plexsync.queue.meta import QueueMeta
from plexsync.state import pause
from plexsync.state.meta import Meta
from plexsync.tasks.call import ProgressBar

#: Seconds between two counts of the rows, and between two checks that a worker runs.
COUNT_INTERVAL, WAKE_INTERVAL = 0.1, 1.0
#: Counting reads an index row for each row that is left: after a slow count, sleep this many times as long as it took.
REST = 20
#: Starts of a worker without a single row settled in between, after which the task gives up on it.
STARTS = 5


class Ending(Enum):
    """Why a task stops following."""

    DONE = auto()
    PLEX_AWAY = auto()
    STASH_AWAY = auto()
    PROBLEM = auto()


class Ended(NamedTuple):
    """Why following ended; ``sentence``: what the user has to fix."""

    ending: Ending
    sentence: str = ""


class Clock(Protocol):
    """Time and sleep."""

    @property
    def clock(self) -> Callable[[], float]:
        """Seconds since the epoch."""

    @property
    def sleep(self) -> Callable[[float], None]:
        """Sleeps so many seconds."""


def follow(folder: str, conn: sqlite3.Connection, task_id: str, total: int, bar: ProgressBar, world: Clock) -> Ended:
    """Wait until each row of the task is settled or put back, or the worker is paused; return why it ended."""
    since = world.clock()
    numbers = QueueMeta(conn)
    request = numbers.request_wake()
    state = Meta.open(folder)
    starts, woken_at, last, shown = 0, float("-inf"), total, 0.0
    try:
        while True:
            began = world.clock()
            left = bulk.left(conn, task_id, since)
            took = world.clock() - began
            if not left:
                return Ended(Ending.DONE)
            if left != last:
                starts, last = 0, left
            done = 1.0 - left / max(total, left)
            if done > shown:  # a row that was put back and is worked on again counts once more
                shown = done
                bar.progress(shown)
            state = state if state.is_file else _reopened(state, folder)
            if numbers.wake_seen >= request:
                paused = state.pause
                if paused is not None and paused.kind in _ENDINGS:
                    return Ended(_ENDINGS[paused.kind], paused.problem)
            if world.clock() - woken_at >= WAKE_INTERVAL:
                woken_at = world.clock()
                starts += wake.wake(folder)
                if starts > STARTS:
                    return Ended(Ending.PROBLEM, "The background worker does not start. See plexsync.log.")
            world.sleep(min(max(COUNT_INTERVAL, REST * took), WAKE_INTERVAL))
    finally:
        state.close()


_ENDINGS = {
    pause.PLEX: Ending.PLEX_AWAY,
    pause.STASH: Ending.STASH_AWAY,
    pause.SETUP: Ending.PROBLEM,
    pause.LOCAL: Ending.PROBLEM,
}


def _reopened(state: Meta, folder: str) -> Meta:
    """Connect again: the worker may have made the file only now."""
    state.close()
    return Meta.open(folder)
