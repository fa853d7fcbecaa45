"""``tagStashIDs`` while Plex is unreachable: tag scenes edited meanwhile in Stash and leave their jobs untouched."""

from __future__ import annotations

from plexsync.app import App, settings_from
from plexsync.queue.worker_queue import JobQueue
from plexsync.stash import tagging
from plexsync.state.pause import Pause

#: Scenes per request.
CHUNK = 100


def run(app: App, queue: JobQueue, pause: Pause) -> None:
    """Tag the pending scenes whose edit is newer than the last pass. Raise ``StashUnavailable``."""
    now = app.world.clock()
    since = app.state.meta.tagged_at
    ids = queue.pending_scenes(since if since <= now else 0.0)  # a clock that was wrong must hide no edit
    for at in range(0, len(ids), CHUNK):
        answer = app.stash.batch(ids[at : at + CHUNK])
        app.require_enabled()
        settings = app.apply(settings_from(answer.saved))
        if not settings.tag_stash_ids or settings.dry_run:
            pause.tagging = False
            return
        chosen = [scene for scene in answer.scenes.values() if scene.organized or not settings.skip_unorganized]
        tagging.tag(app.stash, chosen, settings, app.log, app.state, now)
    app.state.meta.tagged_at = now
