"""When nothing can be sent: the breaker and its probes, how a pause begins, and how it ends. Knows no single job.

The worker calls it with what it caught; the idle worker and the tasks read the pause that it left.
"""

from __future__ import annotations

from plexsync.app import App
from plexsync.core import environment
from plexsync.model.errors import PlexUnavailable, StashUnavailable
from plexsync.queue.worker_queue import JobQueue
from plexsync.stash.api import StashRefused
from plexsync.state import breaker, pause
from plexsync.state.breaker import Breaker
from plexsync.state.pause import Pause
from plexsync.sync.throttle import Throttle
from plexsync.worker import requeue, tagging_pass

#: Longest pause, in seconds, that is slept out at once; longer ones are stored for the idle worker.
SHORT = 5.0


class Pauses:
    """The pauses of one worker. Methods that take an error return whether a pause began.

    ``edits``: the counter of edits before either server was asked.
    """

    def __init__(self, app: App, queue: JobQueue, throttle: Throttle) -> None:
        self._app = app
        self._queue = queue
        self._throttle = throttle

    def stash_away(self, error: StashUnavailable, edits: float) -> bool:
        """Stash does not answer, or refuses."""
        app = self._app
        if error.refused and app.api_key:
            app.log.info("using the session cookie: Stash rejected the API key")
            app.api_key = ""
            app.reconnect()
            return False
        problem = ""
        if error.refused:
            problem = (
                "PlexSync is paused: Stash rejects the background worker's login. Save any scene or open a page of"
                " Stash to renew it; with an API key (Settings > Security) it never expires."
            )
        if isinstance(error, StashRefused) and error.invalid:
            problem = f"PlexSync is paused: {error}. This PlexSync does not support this version of Stash: update both."
        return self._pause(pause.STASH, problem, str(error), edits)

    def plex_away(self, error: PlexUnavailable, edits: float) -> bool:
        """Plex as a whole does not answer: attempts are refunded, and the breaker counts."""
        app, meta, now = self._app, self._app.state.meta, self._app.world.clock()
        at_once = self._throttle.is_outage
        rows = self._throttle.refund()
        if rows:  # they were not at fault: neither an attempt nor a dead letter may remain of it
            self._queue.refund_attempts(rows)
        reset, cap = environment.seconds("PLEXSYNC_BREAKER_RESET"), environment.seconds("PLEXSYNC_BREAKER_RESET_CAP")
        was_open = meta.breaker.is_open
        meta.breaker = after = breaker.failed(meta.breaker, now, reset, cap, at_once=at_once)
        if not after.is_open:
            app.world.sleep(min(after.wait(now, cap), SHORT))
            return False
        if not was_open:
            app.log.warning(f"paused: Plex is unreachable ({error}) Retrying every {after.reset:g} s; no edit is lost.")
        return self._pause(pause.PLEX, "", str(error), edits)

    def problem(self, kind: str, problem: str, edits: float) -> bool:
        """Pause for something to be put right by the user, or on this machine; log and status have the sentence."""
        sentence = problem if problem.startswith("PlexSync is paused") else f"PlexSync is paused: {problem}"
        return self._pause(kind, sentence, sentence, edits)

    def _pause(self, kind: str, problem: str, why: str, edits: float) -> bool:
        app, meta, now = self._app, self._app.state.meta, self._app.world.clock()
        before, settings = meta.pause, app.settings
        reset = environment.seconds("PLEXSYNC_BREAKER_RESET")
        interval = pause.LOCAL_INTERVAL if kind == pause.LOCAL else reset
        made = Pause(
            kind,
            now + interval,
            problem,
            interval=interval,
            breaker=meta.breaker,
            edits=edits,
            settings=app.saved_digest,
            section=meta.section,
            tagging=settings.tag_stash_ids and not settings.dry_run,
        )
        if kind == pause.PLEX:
            made.check_settings_within(reset, now)
        meta.pause = made
        if problem and (before is None or before.problem != problem):
            app.log.error(problem.removeprefix("PlexSync is "))
        elif kind == pause.STASH and (before is None or before.kind != kind):
            app.log.warning(f"paused: Stash is unreachable ({why}). Edits wait until it is reachable again.")
        else:
            app.log.debug("paused", kind=kind, why=why)
        return True

    def is_waiting_out(self, now: float) -> bool:
        """Return whether it is too early to probe Plex and nobody asked for it. Scenes are tagged all the same."""
        meta, numbers = self._app.state.meta, self._queue.meta
        if numbers.is_wake_pending or not meta.breaker.wait(now, environment.seconds("PLEXSYNC_BREAKER_RESET_CAP")):
            return False
        edits, standing = numbers.edits, meta.pause
        if standing is None:  # a breaker without a pause would have the idle worker start this one at once
            self._pause(pause.PLEX, "", "Plex was unreachable before", edits)
            return True
        if standing.kind in (pause.STASH, pause.LOCAL):  # over by now, and Plex's wait goes on
            standing.kind, standing.problem = pause.PLEX, ""
        if 0 < standing.settings_check_at <= now and self._has_new_settings(standing, now):
            return False
        if standing.tagging:
            tagging_pass.run(self._app, self._queue, standing)
            standing.edits = edits
        meta.pause = standing
        return True

    def _has_new_settings(self, standing: Pause, now: float) -> bool:
        """Re-read the settings; return whether they changed: the unreachable address may have been corrected."""
        app = self._app
        app.load_settings()
        requeue.after_settings(app, self._queue)
        standing.settings = app.saved_digest
        standing.settings_check_at = now + environment.seconds("PLEXSYNC_BREAKER_RESET")
        return not app.state.meta.breaker.is_open

    def probe(self) -> None:
        """One small read, before any scene is touched."""
        app = self._app
        if not app.saved_digest:
            app.load_settings()
        with app.client.whole() as client:
            client.probe(app.state.meta.section)
        app.state.meta.breaker = breaker.probed(app.state.meta.breaker)

    def alive(self, *, plex: bool) -> None:
        """Resume after a batch that went through; ``plex``: Plex answered in it."""
        app, meta = self._app, self._app.state.meta
        standing: Breaker = meta.breaker
        ended = breaker.probed(standing) if self._throttle.failing else breaker.succeeded()
        if plex and standing != ended:
            meta.breaker = ended
            if standing.reset and not ended.reset:
                app.log.summary("resumed: Plex is reachable again")
        before = meta.pause
        if before is not None and (plex or before.kind in (pause.STASH, pause.LOCAL)):
            if before.problem:
                app.log.summary("resumed")
            meta.pause = None
