"""The small waiter: what the worker becomes while nothing is due. Standard library alone, no request but its looks.

Watches for new rows, due times, somebody's wish for a look, the hourly catch-up, and an update of the plugin; then it
becomes the worker again. While Plex or Stash is away, a look (``look.py``, a process of its own on POSIX, so that this
one stays small) tells whether it is back.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable
from typing import NamedTuple

from plexsync.core import enqueue, environment, locks
from plexsync.daemon.plugin_files import PluginFiles
from plexsync.daemon.process import pipe_key
from plexsync.queue import jobs, schema
from plexsync.state import pause

#: Longest sleep in seconds: new rows are seen within it, and after it the clock is read again.
TICK = 1.0

WORK, END, LOOK, WAIT = "work", "end", "look", "wait"


class Sight(NamedTuple):
    """What the waiter sees. Times are seconds since the epoch.

    ``files``: see ``PluginFiles.state``. ``nudged``: somebody wants a look now. ``woken``: an edit came since the pause
    began. ``due``: when the next pending row is due, None without one. ``idle_until``: when an empty queue ends the
    waiter. ``newer``: the queue belongs to a later PlexSync.
    """

    files: str = "same"
    newer: bool = False
    nudged: bool = False
    woken: bool = False
    pause: pause.Pause | None = None
    due: float | None = None
    catchup_at: float = float("inf")
    idle_until: float = float("inf")


def decide(sight: Sight, now: float) -> tuple[str, float]:
    """What to do, and for ``WAIT`` until when."""
    if sight.files == "gone" or sight.newer:
        return END, now
    if sight.files == "moving":
        return WAIT, now + TICK
    if sight.files == "changed" or sight.nudged:
        return WORK, now
    standing = sight.pause
    is_dry = standing is not None and standing.kind == pause.DRY
    if standing is not None and standing.looks_at_edits and sight.woken and not is_dry:
        return WORK, now
    is_free = standing is None or is_dry
    if is_free and (now >= sight.catchup_at or (sight.due is not None and sight.due <= now)):
        return WORK, now
    if sight.due is None and now >= sight.idle_until:
        return END, now
    if standing is not None and wants_look(standing, now):
        return LOOK, now
    times = [sight.idle_until if sight.due is None else sight.due, sight.catchup_at] if is_free else []
    if standing is not None:
        times += [standing.until, standing.glance] if standing.glance else [standing.until]
    return WAIT, min(times)


def wants_look(standing: pause.Pause, now: float) -> bool:
    """Whether it is time for a look; a time further off than any interval was set by a wrong clock."""
    wrong = standing.until - now > standing.interval + environment.horizon()
    return now >= standing.until or wrong or 0 < standing.glance <= now


class Waiter:
    """Waits in one data folder. ``look`` makes one look and tells whether there is work; it moves ``pause.until``."""

    def __init__(
        self,
        folder: str,
        *,
        look: Callable[[], bool],
        files: PluginFiles,
        clock: Callable[[], float] = time.time,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._folder = folder
        self._look = look
        self._files = files
        self._clock = clock
        self._sleep = sleep
        self._conn = schema.open_queue(folder, clock())
        self._state = pause.connect(folder)
        self._version = -1
        self._now = 0.0
        self._due: float | None = None
        self._nudged = self._newer = False
        self._wake = self._catchup = self._empty = 0.0

    def run(self) -> str:
        """Wait; ``WORK`` when the worker is needed, ``END`` when nothing will be for long."""
        try:
            while True:
                verdict, until = decide(self._sight(), self._clock())
                if verdict == WORK or (verdict == LOOK and self._look()):
                    return WORK
                if verdict == END:
                    return END
                if verdict == LOOK:
                    self._postpone()
                self._sleep(min(TICK, max(0.005, until - self._clock())))
        finally:
            self._conn.close()
            self._state.close()

    def _postpone(self) -> None:
        """A look that found nothing has moved the pause itself; one that crashed has not, and must not come at once."""
        standing = pause.load(self._state)
        now = self._clock()
        if standing is not None and wants_look(standing, now):
            standing.until = now + max(standing.interval, TICK)
            standing.glance = 0.0
            pause.store(self._state, standing)

    def _sight(self) -> Sight:
        """Reads the data version first, then the queue: a row that comes in between is seen the next time.

        A clock that was put back changes what the times in the queue mean, so it is read again then too.
        """
        version = self._conn.execute("PRAGMA data_version").fetchone()[0]
        now = self._clock()
        if version != self._version or now < self._now:
            self._version = version
            self._read(now)
        self._now = now
        standing = pause.load(self._state)
        return Sight(
            files=self._files.state(),
            newer=self._newer,
            nudged=self._nudged,
            woken=standing is not None and self._wake != standing.wake,
            pause=standing,
            due=self._due,
            catchup_at=self._catchup + max(environment.seconds("PLEXSYNC_CATCHUP"), TICK),
            idle_until=self._empty + environment.seconds("PLEXSYNC_IDLE_EXIT"),
        )

    def _read(self, now: float) -> None:
        conn = self._conn
        self._newer = conn.execute("PRAGMA user_version").fetchone()[0] > enqueue.SCHEMA_VERSION
        self._due = jobs.next_due(conn, now, now + environment.horizon())
        self._nudged = schema.get_meta(conn, "nudge") > schema.get_meta(conn, "looked")
        self._wake = schema.get_meta(conn, "wake")
        self._catchup = min(schema.get_meta(conn, "catchup"), now)
        self._empty = schema.get_meta(conn, "empty_since")
        if not 0 < self._empty <= now:
            self._empty = now
            if self._due is None:
                schema.set_meta(conn, "empty_since", now)


def look_apart(folder: str, api_key: str) -> bool:
    """Make one look in a process of its own; whether there is work."""
    if locks.WINDOWS:
        from plexsync.daemon.probe import look

        return look(folder, api_key)
    command = [sys.executable or "python3", environment.ENTRY, "look", "--data-dir", folder]
    reader = pipe_key(api_key)
    if reader is not None:
        command += ["--key-fd", str(reader)]
    try:
        child = os.posix_spawn(command[0], command, os.environ)
    finally:
        if reader is not None:
            os.close(reader)
    try:
        _, status = os.waitpid(child, 0)
    except BaseException:  # told to end: what goes on looking would write into another worker's state
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        raise
    return os.waitstatus_to_exitcode(status) == 0
