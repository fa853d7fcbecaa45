"""One turn of the full worker: everything it needs is loaded and opened here, and closed again."""

from __future__ import annotations

import contextlib
import sqlite3

from plexsync import repair
from plexsync.app import App, World, own_client_id, worker_log
from plexsync.core import enqueue
from plexsync.daemon.plugin_files import PluginFiles
from plexsync.daemon.process import Terminated
from plexsync.log import StashSink
from plexsync.model.errors import StashUnavailable
from plexsync.plex.client import load_plexapi
from plexsync.queue.worker_queue import JobQueue
from plexsync.state import pause
from plexsync.worker.loop import DISABLED, WAIT, Worker

#: Seconds after which a worker that ended by a fault of its own starts again.
AFTER_FAULT = 60.0


def drain(folder: str, api_key: str, files: PluginFiles, *, fresh: bool, world: World | None = None) -> tuple[str, str]:
    """Drain the queue of ``folder``: why it ended (see ``worker``), and Stash's ApiKey as it is known now.

    ``fresh``: the process has just started. Raises ``OSError`` or ``sqlite3.Error`` where not even a pause can be
    noted.
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
        repair.mend_queue(folder, log, world.clock(), thorough=thorough)
        queue = JobQueue(folder, world.clock)
        try:
            if queue.conn.execute("PRAGMA user_version").fetchone()[0] > enqueue.SCHEMA_VERSION:
                log.warning("ended: queue.db belongs to a later PlexSync")
                return DISABLED, app.api_key
            return Worker(app, queue, sink, files, fresh=fresh).drain(), app.api_key
        finally:
            queue.close()
    except Terminated:
        raise
    except Exception as error:
        try:
            _note(app, error)
        finally:
            _hand_over(app, sink)
        return WAIT, app.api_key
    finally:
        app.close()
        log.close()


def _note(app: App, error: Exception) -> None:
    """Say what ended the worker, and pause; raises where this machine lets nothing be noted."""
    log, clock = app.log, app.world.clock
    if isinstance(error, (OSError, sqlite3.Error)):
        sentence = f"this machine could not do it ({error}). Free its disk, or allow Stash to write in {app.folder}."
        log.error(f"paused: {sentence} Every edit stays queued, and PlexSync tries again by itself.")
        problem = f"PlexSync is paused: {sentence}"
    else:
        kind = type(error).__name__  # its text may hold anything, a title or a token too
        log.error("ended by a fault of its own", kind=kind)
        problem = f"PlexSync is paused by a fault of its own ({kind}); it tries again by itself. See plexsync.log."
    log.trace(error)
    standing = pause.Pause(pause.LOCAL, clock() + AFTER_FAULT, problem, interval=AFTER_FAULT)
    pause.store(app.state.conn, standing)


def _hand_over(app: App, sink: StashSink) -> None:
    """What the worker could not say before it ended: its own log may be on the very disk that is full."""
    with contextlib.suppress(StashUnavailable):
        sink.flush(app.stash.tell, app.world.clock(), force=True)


def _was_this_machine(folder: str) -> bool:
    """Whether this machine's trouble was what paused: a damaged file may be behind it."""
    try:
        conn = pause.connect(folder)
        try:
            standing = pause.load(conn)
        finally:
            conn.close()
    except (sqlite3.Error, ValueError):
        return True
    return standing is not None and standing.kind == pause.LOCAL
