"""When nothing can be sent: the breaker and its probes, how a pause begins and ends. Knows no single job.

The loop calls it with the error that it caught; the idle worker and the tasks read the pause that it stored.
"""

from __future__ import annotations

import sqlite3

from plexsync.app import App
from plexsync.core import environment
from plexsync.model.errors import PlexUnavailable, StashNeedsTls, StashUnavailable
from plexsync.queue.worker_queue import JobQueue
from plexsync.stash.api import StashRefused
from plexsync.state import breaker, pause
from plexsync.state.pause import Pause
from plexsync.worker import requeue, tagging_pass

#: Longest wait in seconds that the full worker sleeps through; a longer one is stored for the idle worker.
SHORT = 5.0
#: Why Plex is not asked, where another pause ends while the breaker is open.
BEFORE = "it was before"


class Pauses:
    """Begins and ends the pauses of one worker. Methods that take an error return whether a pause began.

    ``edits``: the queue's counter of edits, read before the request that failed.
    """

    def __init__(self, app: App, queue: JobQueue) -> None:
        self._app = app
        self._queue = queue

    def stash_unavailable(self, error: StashUnavailable, edits: float) -> bool:
        """Pause because Stash does not answer or rejects the login; try the cookie first if it was the API key."""
        app = self._app
        if error.refused and app.api_key:
            app.log.info("using the session cookie: Stash rejected the API key")
            app.api_key = ""
            app.reconnect()
            return False
        problem = ""
        if error.refused:
            problem = (
                "PlexSync is paused: Stash rejects the background worker's login. Save any scene or open any page in"
                " Stash to renew it. With an API key (Settings > Security) it never expires."
            )
        if isinstance(error, StashRefused) and error.invalid:
            why = str(error).rstrip(".")
            problem = f"PlexSync is paused: {why}. This PlexSync does not support this version of Stash. Update both."
        if isinstance(error, StashNeedsTls):
            problem = f"PlexSync is paused: {error}"
        return self._pause(pause.STASH, problem, str(error), edits)

    def plex_unavailable(self, error: PlexUnavailable, edits: float) -> bool:
        """Count a failure of Plex as a whole, and pause once the breaker is open."""
        app, meta, now = self._app, self._app.state.meta, self._app.world.clock()
        reset, cap = environment.seconds("PLEXSYNC_BREAKER_RESET"), environment.seconds("PLEXSYNC_BREAKER_RESET_CAP")
        was_open = meta.breaker.is_open
        meta.breaker = after = breaker.failed(meta.breaker, now, reset, cap)
        if not after.is_open:
            app.world.sleep(min(after.wait(now, cap), SHORT))
            return False
        if not was_open:
            why = str(error).rstrip(".")
            app.log.warning(f"paused: Plex is unreachable ({why}). Retrying every {after.reset:g} s; no edit is lost.")
        return self._pause(pause.PLEX, "", str(error), edits)

    def pause_for(self, kind: str, problem: str, edits: float, *, is_connection: bool = False) -> bool:
        """Pause for a problem of the setup or this machine (``kind``); log and status show the sentence.

        ``is_connection``: Plex's address or token has to be corrected.
        """
        sentence = problem if problem.startswith("PlexSync is paused") else f"PlexSync is paused: {problem}"
        return self._pause(kind, sentence, sentence, edits, is_connection=is_connection)

    def _pause(self, kind: str, problem: str, why: str, edits: float, *, is_connection: bool = False) -> bool:
        app, meta, now = self._app, self._app.state.meta, self._app.world.clock()
        before, settings = meta.pause, app.settings
        reset = environment.seconds("PLEXSYNC_BREAKER_RESET")
        interval = pause.LOCAL_INTERVAL if kind == pause.LOCAL else reset
        after = Pause(
            kind,
            now + interval,
            problem,
            interval=interval,
            breaker=meta.breaker,
            edits=edits,
            settings=app.saved_digest,
            section=meta.section,
            tagging=settings.tag_stash_ids and not settings.dry_run,
            is_connection=is_connection,
        )
        after.continues(before, now)
        after.plan_settings_check(now)
        app.state.begin_pause(after, now, _cause(kind, problem, why), self._held)
        if problem and (before is None or before.problem != problem):
            app.log.error(problem.removeprefix("PlexSync is "))
        elif kind == pause.STASH and (before is None or before.kind != kind):
            app.log.warning(f"paused: {_cause(kind, problem, why)}. Edits stay queued until it answers again.")
        else:
            app.log.debug("paused", kind=kind, why=why)
        return True

    def is_waiting_out(self, now: float) -> bool:
        """Return whether it is too early to probe Plex and nobody asked for a probe. Tag scenes in Stash meanwhile."""
        meta, queue_meta = self._app.state.meta, self._queue.meta
        if queue_meta.is_wake_pending or not meta.breaker.wait(now, environment.seconds("PLEXSYNC_BREAKER_RESET_CAP")):
            return False
        edits, current = queue_meta.edits, meta.pause
        if current is None:  # without a pause, the idle worker would start the full worker again at once
            self._pause(pause.PLEX, "", BEFORE, edits)
            return True
        if current.kind in (pause.STASH, pause.LOCAL):  # over by now, but the breaker is still open
            current.kind, current.problem = pause.PLEX, ""
        if 0 < current.settings_check_at <= now and self._has_new_settings(current, now):
            return False
        if current.tagging:
            tagging_pass.run(self._app, self._queue, current)
            current.edits, current.looked_at = edits, now
        self._app.state.begin_pause(current, now, _cause(current.kind, current.problem, BEFORE), self._held)
        return True

    def _has_new_settings(self, current: Pause, now: float) -> bool:
        """Re-read the settings; return whether they changed: the address of Plex may have been corrected."""
        app = self._app
        app.load_settings()
        app.require_enabled()
        requeue.after_settings(app, self._queue)
        current.settings = app.saved_digest
        current.plan_settings_check(now)
        return not app.state.meta.breaker.is_open

    def probe(self) -> None:
        """Read one row from Plex before any scene is touched. Raise ``PlexUnavailable``."""
        app = self._app
        if not app.saved_digest:
            app.load_settings()
            app.require_enabled()
        with app.client.whole() as client:
            client.probe(app.state.meta.section)
        app.state.meta.breaker = breaker.probed(app.state.meta.breaker)

    def resume(self, *, plex: bool) -> None:
        """End the pause after a batch that succeeded; ``plex``: Plex answered in it, which also closes the breaker."""
        app, meta = self._app, self._app.state.meta
        before = meta.breaker
        if plex and before != breaker.succeeded():
            meta.breaker = breaker.succeeded()
            if before.reset:
                app.log.summary("resumed: Plex is reachable again")
        current, outage = meta.pause, app.state.history.open_outage()
        kinds = {current.kind if current is not None else "", outage.kind if outage is not None else ""} - {""}
        if kinds and (plex or kinds <= {pause.STASH, pause.LOCAL}):
            if current is not None and current.problem:
                app.log.summary("resumed")
            app.state.end_pause(app.world.clock(), self._held)

    def _held(self) -> int:
        """Return how many jobs wait; 0 if the queue cannot be read, which must not keep a pause from being stored."""
        try:
            return self._queue.held()
        except sqlite3.Error:
            return 0


def _cause(kind: str, problem: str, why: str) -> str:
    """Return in words, without a full stop, why nothing can be written. ``problem``: the sentence for the user."""
    if kind in (pause.PLEX, pause.STASH) and not problem:
        unreachable, why = f"{kind.capitalize()} is unreachable", why.rstrip(".")
        return why if why.startswith(unreachable) else f"{unreachable} ({why})"
    return pause.cause(problem)


def local_problem(error: Exception) -> str:
    """Return the user's sentence about a failure of this machine. It names no path: the log may have to hide them."""
    return (
        f"error on this machine ({error}). Free disk space, or let Stash write in PlexSync's data folder"
        " (plugin_data/PlexSync). Retrying every minute; no edit is lost."
    )
