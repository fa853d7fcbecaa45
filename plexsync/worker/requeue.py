"""Jobs that are due because something else changed: Plex gained their files, or the settings are others now."""

from __future__ import annotations

from plexsync.app import App
from plexsync.plex.index import Refresh
from plexsync.queue.worker_queue import JobQueue
from plexsync.state import breaker


def after_refresh(app: App, queue: JobQueue, refresh: Refresh | None) -> None:
    """Make the scenes due that await a file which the index has gained; log what the index left out."""
    if refresh is None:
        return
    for sentence in refresh.warnings:
        app.log.warning(f"found that {sentence}")
    if refresh.filled:
        queue.wake_all_waiting()
    elif refresh.gained:
        queue.wake_scenes(sorted(app.state.scenes_awaiting(refresh.gained)))


def after_settings(app: App, queue: JobQueue) -> None:
    """Close the breaker and make waiting rows and dead letters due if the settings in use are others than before."""
    meta = app.state.meta
    known, meta.settings = meta.settings, app.saved_digest
    if known in ("", meta.settings):
        return
    app.log.info("using changed settings")
    meta.breaker = breaker.succeeded()
    queue.wake_after_settings_change()
