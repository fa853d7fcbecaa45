"""Jobs that become due because something else changed: Plex gained their files, or the settings changed."""

from __future__ import annotations

from plexsync.app import App
from plexsync.plex.index import Refresh
from plexsync.queue.worker_queue import JobQueue
from plexsync.state import breaker
from plexsync.state.gates import EDIT, READ, UPLOAD

#: Reasons for which rows are held back until Plex takes requests of that kind.
HELD = (EDIT, READ, UPLOAD)


def after_refresh(app: App, queue: JobQueue, refresh: Refresh | None) -> None:
    """Make the scenes due that await a file which the index gained; log what the index left out."""
    if refresh is None:
        return
    for sentence in refresh.warnings:
        app.log.warning(f"found that {sentence}")
    if refresh.filled:
        queue.wake_all_waiting()
    elif refresh.gained:
        queue.wake_scenes(sorted(app.state.scenes_awaiting(refresh.gained)))


def after_settings(app: App, queue: JobQueue) -> None:
    """If the saved settings changed, end Plex's pauses, and make waiting jobs and dead letters due."""
    meta = app.state.meta
    before, meta.settings = meta.settings, app.saved_digest
    if before in ("", meta.settings):
        return
    app.log.info("using changed settings")
    meta.breaker = breaker.succeeded()
    meta.gates = {}
    for reason in HELD:
        queue.wake_held(reason)
    queue.wake_after_settings_change()
