"""Jobs that are due because something else changed: Plex gained their files, or the settings are others now."""

from __future__ import annotations

from plexsync.app import App
from plexsync.plex.index import Refresh
from plexsync.queue import dead_letters, jobs
from plexsync.queue.worker_queue import JobQueue
from plexsync.state import breaker, ledger


def after_refresh(app: App, queue: JobQueue, refresh: Refresh | None) -> None:
    """Make the scenes due that wait for a file which the index has gained; log what the index left out."""
    if refresh is None:
        return
    for sentence in refresh.warnings:
        app.log.warning(f"found that {sentence}")
    if refresh.filled:
        jobs.wake_all_waiting(queue.conn, app.world.clock())
    elif refresh.gained:
        jobs.wake_scenes(queue.conn, sorted(app.state.hoping(refresh.gained)), app.world.clock())


def after_settings(app: App, queue: JobQueue) -> None:
    """Close the breaker and make waiting rows and dead letters due if the settings in use are others than before."""
    known = ledger.get(app.state.conn, "settings")
    if known == app.saved_digest:
        return
    ledger.put(app.state.conn, "settings", app.saved_digest)
    if known is None:
        return
    app.log.info("using changed settings")
    now = app.world.clock()
    app.state.breaker = breaker.succeeded()
    jobs.wake_all_waiting(queue.conn, now)
    jobs.wake_held(queue.conn, "dry_run", now)
    dead_letters.retry_all(queue.conn, now, keep=("retries_exhausted",))
