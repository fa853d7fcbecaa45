"""Follow the rows that a task marked while the worker processes them. Standard library only."""

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
#: The pause after a count, as a multiple of the time that it took: counting reads an index entry for each row left.
REST = 20
#: Starts of the worker without a single row settled in between, after which the task gives up.
STARTS = 5


class Ending(Enum):
    """The reason why a task stops following."""

    DONE = auto()
    PLEX_AWAY = auto()
    STASH_AWAY = auto()
    PROBLEM = auto()


class Ended(NamedTuple):
    """How following ended. ``sentence``: what the user has to fix, ``""`` if nothing."""

    ending: Ending
    sentence: str = ""


class Clock(Protocol):
    """Time and sleep."""

    @property
    def clock(self) -> Callable[[], float]:
        """Return the function that returns the seconds since the epoch."""

    @property
    def sleep(self) -> Callable[[float], None]:
        """Return the function that sleeps for a number of seconds."""


def follow(folder: str, conn: sqlite3.Connection, task_id: str, total: int, bar: ProgressBar, world: Clock) -> Ended:
    """Wait until every row of the task is settled or put back, or the worker is paused; return how it ended."""
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
            share = 1.0 - left / max(total, left)
            if share > shown:  # a row that was put back and is retried makes the share smaller
                shown = share
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
    """Connect again, because the worker may have created the file meanwhile."""
    state.close()
    return Meta.open(folder)
