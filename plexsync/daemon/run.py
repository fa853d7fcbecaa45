"""One run of the full worker: load and open everything that it needs, drain the queue, close everything."""

from __future__ import annotations

import contextlib
import sqlite3

from plexsync import repair, requirements
from plexsync.app import App, World, own_client_id, worker_log
from plexsync.daemon.plugin_files import PluginFiles
from plexsync.daemon.process import Terminated
from plexsync.log import StashSink
from plexsync.model.errors import StashUnavailable
from plexsync.model.lifecycle import Next
from plexsync.plex.client import load_plexapi
from plexsync.queue.worker_queue import JobQueue
from plexsync.state import pause
from plexsync.state.meta import Meta
from plexsync.state.pause import Pause
from plexsync.worker.loop import Worker
from plexsync.worker.pauses import local_problem


def load(folder: str) -> None:
    """Load what is only loaded when it is needed. Raise ``OSError``, or whatever a package raises."""
    requirements.load()
    load_plexapi(own_client_id(folder))


def drain(
    folder: str, api_key: str, files: PluginFiles, *, fresh: bool, world: World | None = None
) -> tuple[Next, str]:
    """Drain the queue of ``folder``; return what to do next and Stash's API key, ``""`` if unknown.

    ``fresh``: the process has just started. Raise ``OSError`` or ``sqlite3.Error`` if not even a pause can be stored.
    """
    world = world or World()
    sink = StashSink()
    log = worker_log(folder, sink, world.clock)
    app = App(folder, log, world=world, api_key=api_key)
    try:
        repair.sweep(folder, world.clock())
        thorough = fresh or _was_local_pause(folder)
        app.open_state(thorough=thorough)
        repair.repair_queue(folder, log, world.clock(), thorough=thorough)
        queue = JobQueue(folder, world.clock, world.sleep)
        try:
            if queue.is_newer:
                log.warning("ended: queue.db was made by a later version of PlexSync. Update PlexSync in Stash.")
                return Next.STOP, app.api_key
            return Worker(app, queue, sink, files.state, fresh=fresh).drain(), app.api_key
        finally:
            queue.close()
    except Terminated:
        raise
    except Exception as error:
        try:
            _pause(app, error)
        finally:
            _send_lines(app, sink)
        return Next.IDLE, app.api_key
    finally:
        app.close()
        log.close()


def _pause(app: App, error: Exception) -> None:
    """Log what ended the worker, and pause. Raise ``OSError`` or ``sqlite3.Error`` if nothing can be stored."""
    log, clock = app.log, app.world.clock
    if isinstance(error, (OSError, sqlite3.Error)):
        sentence = local_problem(error)
        log.error(f"paused: {sentence}")
        problem = f"PlexSync is paused: {sentence}"
    else:
        kind = type(error).__name__  # the error's text may hold anything, even a title or a token
        log.error("failed: internal error", kind=kind)
        what = f"internal error ({kind}). This is a bug; see plexsync.log."
        problem = f"PlexSync is paused: {what} Retrying every minute; no edit is lost."
    log.trace(error)
    now = clock()
    begun = Pause(pause.LOCAL, now + pause.LOCAL_INTERVAL, problem, interval=pause.LOCAL_INTERVAL, began=now)
    app.state.begin_pause(begun, now, pause.cause(problem), lambda: 0)


def _send_lines(app: App, sink: StashSink) -> None:
    """Send the last lines to Stash's log: plexsync.log may be on the very disk that is full."""
    with contextlib.suppress(StashUnavailable):
        sink.flush(app.stash.tell, app.world.clock(), force=True)


def _was_local_pause(folder: str) -> bool:
    """Return whether the last pause was for an error on this machine: a damaged file may be the cause."""
    try:
        with contextlib.closing(Meta.open(folder)) as meta:
            last = meta.pause
    except (sqlite3.Error, ValueError):
        return True
    return last is not None and last.kind == pause.LOCAL
