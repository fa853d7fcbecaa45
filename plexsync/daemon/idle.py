"""The idle worker: what the worker becomes while nothing is due. Standard library alone, at most 20 MB, no requests.

Watches for new rows, due times, wake requests, the hourly catch-up and an update of the plugin, and then becomes the
full worker again. During a pause, a probe (``probe.py``) finds out whether Plex or Stash is reachable again; on POSIX
it runs in a separate process, which keeps this one small.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable
from typing import NamedTuple

from plexsync.core import environment, leftovers, locks
from plexsync.daemon.plugin_files import PluginFiles
from plexsync.daemon.process import pipe_key
from plexsync.model.lifecycle import Next
from plexsync.queue import jobs, schema
from plexsync.queue.meta import QueueMeta
from plexsync.state.meta import Meta
from plexsync.state.pause import DRY, Pause

#: Longest sleep in seconds: new rows are seen within it, and so is a change of the clock.
TICK = 1.0


class Observed(NamedTuple):
    """What the idle worker decides on. Times are seconds since the epoch.

    ``files``: see ``PluginFiles.state``. ``newer``: a later PlexSync made the queue. ``wake_requested``: a task or the
    page wants the worker now. ``edited``: an edit came since the pause began. ``due``: when the next pending row is
    due, None without one. ``idle_until``: when the process ends if the queue stays empty. ``trial_at``: when the next
    request of a paused kind is tried.
    """

    files: str = "same"
    newer: bool = False
    wake_requested: bool = False
    edited: bool = False
    pause: Pause | None = None
    due: float | None = None
    catchup_at: float = float("inf")
    idle_until: float = float("inf")
    trial_at: float = float("inf")


def decide(observed: Observed, now: float) -> tuple[Next, float]:
    """Return ``WORK``, ``PROBE``, ``STOP`` or ``IDLE``, and until when to stay idle (seconds since the epoch)."""
    if observed.files == "gone" or observed.newer:
        return Next.STOP, now
    if observed.files == "moving":
        return Next.IDLE, now + TICK
    pause = observed.pause
    is_free = pause is None or pause.kind == DRY
    asked_at = _asked_at(observed, now)
    if observed.files == "changed" or asked_at <= now:
        return Next.WORK, now
    wakes = [observed.catchup_at, observed.trial_at, *([] if observed.due is None else [observed.due])]
    if is_free and now >= min(wakes):
        return Next.WORK, now
    if observed.due is None and now >= observed.idle_until:
        return Next.STOP, now
    if pause is not None and is_probe_due(pause, now):
        return Next.PROBE, now
    times = [*wakes, *([observed.idle_until] if observed.due is None else [])] if is_free else []
    times.append(asked_at)
    if pause is not None:
        times += [pause.until, pause.settings_check_at] if pause.settings_check_at else [pause.until]
    return Next.IDLE, min(times)


def _asked_at(observed: Observed, now: float) -> float:
    """Return when an edit, a task or a page that asks for the worker gets it, infinity if none asks."""
    pause = observed.pause
    edited = pause is not None and pause.kind != DRY and pause.is_ended_by_edits and observed.edited
    if not (observed.wake_requested or edited):
        return float("inf")
    return now if pause is None else pause.next_look(now)


def is_probe_due(pause: Pause, now: float) -> bool:
    """Return whether a probe is due; so is one further off than any interval: a wrong clock set it."""
    wrong = pause.until - now > pause.interval + environment.horizon()
    return now >= pause.until or wrong or 0 < pause.settings_check_at <= now


class Idle:
    """Watches one data folder. ``probe`` returns whether there is work; if not, it has prolonged the pause."""

    def __init__(
        self,
        folder: str,
        *,
        probe: Callable[[], bool],
        files: PluginFiles,
        clock: Callable[[], float] = time.time,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._folder = folder
        self._probe = probe
        self._files = files
        self._clock = clock
        self._sleep = sleep
        self._conn = schema.open_queue(folder, clock())
        try:
            self._state = Meta.open(folder)
        except BaseException:
            self._conn.close()
            raise
        self._version = -1
        self._now = 0.0
        self._due: float | None = None
        self._wake_requested = self._newer = False
        self._edits = self._catchup_at = self._compare_at = self._idle_until = 0.0

    def run(self) -> Next:
        """Wait; return ``WORK`` when the full worker is needed, ``STOP`` when the process may end."""
        try:
            while True:
                step, until = decide(self._observe(), self._clock())
                if step is Next.WORK or (step is Next.PROBE and self._probe()):
                    return Next.WORK
                if step is Next.STOP:
                    return Next.STOP
                if step is Next.PROBE:
                    self._postpone()
                self._sleep(min(TICK, max(0.005, until - self._clock())))
        finally:
            self._conn.close()
            self._state.close()

    def _postpone(self) -> None:
        """Prolong the pause if the probe crashed before it could: the next probe must not follow at once."""
        pause = self._state.pause
        now = self._clock()
        if pause is not None and is_probe_due(pause, now):
            if not pause.is_early(now):
                pause.until = now + max(pause.interval, TICK)
            pause.plan_settings_check(now)
            self._state.pause = pause

    def _observe(self) -> Observed:
        """Read the data version first, then the queue: a row that comes in between is seen the next time.

        The queue is also read again after the clock was set back, which changes what its times mean.
        """
        version = self._conn.execute("PRAGMA data_version").fetchone()[0]
        now = self._clock()
        if version != self._version or now < self._now:
            self._version = version
            self._read(now)
        self._now = now
        leftovers.end_sign_in(self._folder, now)
        pause = self._state.pause
        return Observed(
            files=self._files.state(),
            newer=self._newer,
            wake_requested=self._wake_requested,
            edited=pause is not None and self._edits != pause.edits,
            pause=pause,
            due=self._due,
            catchup_at=min(self._catchup_at, self._compare_at),
            idle_until=float("inf") if self._compare_at < float("inf") else self._idle_until,
            trial_at=min(
                (gate.retry_at for gate in self._state.gates.values() if gate.is_paused), default=float("inf")
            ),
        )

    def _read(self, now: float) -> None:
        meta = QueueMeta(self._conn)
        self._newer = schema.is_newer(self._conn)
        self._due = jobs.next_due(self._conn, now, now + environment.horizon())
        self._wake_requested = meta.is_wake_pending
        self._edits = meta.edits
        self._catchup_at = min(meta.caught_up_at, now) + max(environment.seconds("PLEXSYNC_CATCHUP"), TICK)
        self._compare_at = meta.compare_due(now)
        empty = meta.empty_since
        if not 0 < empty <= now:
            empty = now
            if self._due is None:
                meta.empty_since = now
        self._idle_until = empty + environment.seconds("PLEXSYNC_IDLE_EXIT")


def probe_apart(folder: str, api_key: str) -> bool:
    """Probe once, on POSIX in a separate process; return whether there is work."""
    if locks.WINDOWS:
        from plexsync.daemon.probe import probe

        return probe(folder, api_key)
    command = [sys.executable or "python3", environment.ENTRY, Next.PROBE.value, "--data-dir", folder]
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
    except BaseException:  # asked to end: a probe that outlives us would write into the next worker's state
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        raise
    return os.waitstatus_to_exitcode(status) == 0
