"""One turn of the full worker: everything it needs is loaded and opened here, and closed again."""

from __future__ import annotations

from plexsync import pause, salvage
from plexsync.app import App, World, worker_log
from plexsync.log import StashSink
from plexsync.process import PluginFiles, Terminated
from plexsync.queue import JobQueue
from plexsync.worker import WAIT, Worker

#: Seconds after which a worker that ended by a fault of its own starts again.
AFTER_FAULT = 60.0


def drain(folder: str, api_key: str, files: PluginFiles, *, fresh: bool) -> tuple[str, str]:
    """Drain the queue of ``folder``: why it ended (see ``worker``), and Stash's ApiKey as it is known now."""
    world = World()
    sink = StashSink()
    log = worker_log(folder, sink, world.clock)
    app = App(folder, log, world=world, api_key=api_key)
    try:
        salvage.mend_queue(folder, log, world.clock(), thorough=fresh)
        queue = JobQueue(folder, world.clock)
        try:
            return Worker(app, queue, sink, files, fresh=fresh).drain(), app.api_key
        finally:
            queue.close()
    except Terminated:
        raise
    except Exception as error:
        log.error("ended by a fault of its own", kind=type(error).__name__, why=str(error))
        log.trace(error)
        problem = f"PlexSync is paused: {type(error).__name__} ({error}). See plexsync.log; it tries again by itself."
        standing = pause.Pause(pause.LOCAL, world.clock() + AFTER_FAULT, problem, interval=AFTER_FAULT)
        pause.store(app.state.conn, standing)
        return WAIT, app.api_key
    finally:
        app.close()
        log.close()
