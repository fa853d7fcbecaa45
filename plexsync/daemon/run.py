"""One turn of the full worker: everything it needs is loaded and opened here, and closed again."""

from __future__ import annotations

import contextlib
import sqlite3

from plexsync import repair
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


def drain(
    folder: str, api_key: str, files: PluginFiles, *, fresh: bool, world: World | None = None
) -> tuple[Next, str]:
    """Drain the queue of ``folder``; return what to do next, and Stash's API key as it is known now.

    ``fresh``: the process has just started. Raise ``OSError`` or ``sqlite3.Error`` where not even a pause can be
    stored.
    """
    world = world or World()
    load_plexapi(own_client_id(folder))
    sink = StashSink()
    log = worker_log(folder, sink, world.clock)
    app = App(folder, log, world=world, api_key=api_key)
    try:
        if fresh:
            repair.sweep(folder, world.clock())
        thorough = fresh or _was_this_machine(folder)
        app.open_state(thorough=thorough)
        repair.repair_queue(folder, log, world.clock(), thorough=thorough)
        queue = JobQueue(folder, world.clock, world.sleep)
        try:
            if queue.is_newer:
                log.warning("ended: queue.db belongs to a later version of PlexSync")
                return Next.STOP, app.api_key
            return Worker(app, queue, sink, files.state, fresh=fresh).drain(), app.api_key
        finally:
            queue.close()
    except Terminated:
        raise
    except Exception as error:
        try:
            _note(app, error)
        finally:
            _hand_over(app, sink)
        return Next.IDLE, app.api_key
    finally:
        app.close()
        log.close()


def _note(app: App, error: Exception) -> None:
    """Log what ended the worker, and pause. Raise where this machine lets nothing be stored."""
    log, clock = app.log, app.world.clock
    if isinstance(error, (OSError, sqlite3.Error)):
        sentence = f"this machine could not do it ({error}). Free its disk, or allow Stash to write in {app.folder}."
        log.error(f"paused: {sentence} Every edit stays queued; PlexSync tries again every minute.")
        problem = f"PlexSync is paused: {sentence}"
    else:
        kind = type(error).__name__  # its text may hold anything, a title or a token too
        log.error("failed: internal error", kind=kind)
        problem = (
            f"PlexSync is paused: internal error ({kind}). This is a bug; see plexsync.log. Retrying every minute."
        )
    log.trace(error)
    app.state.meta.pause = Pause(pause.LOCAL, clock() + pause.LOCAL_INTERVAL, problem, interval=pause.LOCAL_INTERVAL)


def _hand_over(app: App, sink: StashSink) -> None:
    """Send what the worker could not say before it ended: its log may be on the very disk that is full."""
    with contextlib.suppress(StashUnavailable):
        sink.flush(app.stash.tell, app.world.clock(), force=True)


def _was_this_machine(folder: str) -> bool:
    """Return whether a fault of this machine was what paused: a damaged file may be behind it."""
    try:
        with contextlib.closing(Meta.open(folder)) as meta:
            standing = meta.pause
    except (sqlite3.Error, ValueError):
        return True
    return standing is not None and standing.kind == pause.LOCAL
