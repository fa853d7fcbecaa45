"""When nothing can be sent: the breaker and its probes, the pause that stands, and its end. Knows no single job.

The worker calls it with what it caught; the waiter and the tasks read what it left.
"""

from __future__ import annotations

from plexsync.app import App
from plexsync.core import environment
from plexsync.model.errors import PlexUnavailable, StashUnavailable
from plexsync.queue import dead_letters, jobs, schema
from plexsync.queue.worker_queue import JobQueue
from plexsync.stash.api import StashRefused
from plexsync.state import breaker, pause
from plexsync.sync.throttle import Throttle
from plexsync.worker import requeue, tagging_pass

#: Seconds after which this machine's trouble (a full disk, say) is looked at again.
LOCAL_PAUSE = 60.0

#: Longest pause, in seconds, that is slept out at once; longer ones are stored for the waiter.
SHORT = 5.0


class Pauses:
    """What stands in the way of one worker. Methods that take an error return whether a pause began."""

    def __init__(self, app: App, queue: JobQueue, throttle: Throttle) -> None:
        self._app = app
        self._queue = queue
        self._throttle = throttle

    def stash_away(self, error: StashUnavailable, wake: float) -> bool:
        """Stash does not answer, or refuses; ``wake``: the counter of edits before it was asked."""
        app = self._app
        if error.refused and app.api_key:
            app.log.info("dropped Stash's ApiKey, which is refused, for the cookie")
            app.api_key = ""
            app.reconnect()
            return False
        problem = ""
        if error.refused:
            problem = (
                "PlexSync is paused: Stash refuses its background worker. Save any scene or open a page of Stash to let"
                " it in again; with an API key (Settings > Security) it will stay in."
            )
        if isinstance(error, StashRefused) and error.invalid:
            problem = f"PlexSync is paused: {error}. This Stash and this PlexSync do not fit together: update both."
        return self._pause(pause.STASH, problem, str(error), wake)

    def plex_away(self, error: PlexUnavailable, wake: float) -> bool:
        """Plex as a whole does not answer: attempts are given back, and the breaker counts."""
        app, now = self._app, self._app.world.clock()
        at_once = self._throttle.is_outage
        self._give_back(now)
        reset, cap = environment.seconds("PLEXSYNC_BREAKER_RESET"), environment.seconds("PLEXSYNC_BREAKER_RESET_CAP")
        was_open = app.state.breaker.is_open
        app.state.breaker = after = breaker.failed(app.state.breaker, now, reset, cap, at_once=at_once)
        if not after.is_open:
            app.world.sleep(min(after.wait(now, cap), SHORT))
            return False
        if not was_open:
            app.log.warning(
                f"found Plex away: {error} Nothing is lost; edits wait until it is back, and it is looked for every"
                f" {after.reset:g} s at first."
            )
        return self._pause(pause.PLEX, "", str(error), wake)

    def _give_back(self, now: float) -> None:
        """Those that failed in a row were not at fault: neither an attempt nor a dead letter may remain of it."""
        conn, rows = self._queue.conn, self._throttle.refund()
        if not rows:
            return
        jobs.give_back(conn, rows, now)
        exhausted = {letter[0] for letter in dead_letters.dead_letters(conn) if letter[2] == "retries_exhausted"}
        dead_letters.retry(conn, [row for row in dict.fromkeys(rows) if row in exhausted], now, self._app.world.sleep)

    def problem(self, kind: str, problem: str, wake: float) -> bool:
        """Something for the user, or on this machine, to be put right; the sentence stands in log and status."""
        sentence = problem if problem.startswith("PlexSync is paused") else f"PlexSync is paused: {problem}"
        return self._pause(kind, sentence, sentence, wake)

    def _pause(self, kind: str, problem: str, why: str, wake: float) -> bool:
        app, now = self._app, self._app.world.clock()
        before = pause.load(app.state.conn)
        interval = LOCAL_PAUSE if kind == pause.LOCAL else environment.seconds("PLEXSYNC_BREAKER_RESET")
        until = now + interval
        if kind == pause.PLEX:
            standing = app.state.breaker
            until, interval = now + standing.wait(now, standing.reset), standing.reset
        reset = environment.seconds("PLEXSYNC_BREAKER_RESET")
        settings = app.settings
        made = pause.Pause(
            kind,
            until,
            problem,
            interval=interval,
            wake=wake,
            settings=app.saved_digest,
            section=self.probe_section(),
            tagging=settings.tag_stash_ids and not settings.dry_run,
            glance=now + reset if kind == pause.PLEX and interval > reset else 0.0,
        )
        pause.store(app.state.conn, made)
        if problem and (before is None or before.problem != problem):
            app.log.error(problem.removeprefix("PlexSync is "))
        elif kind == pause.STASH and (before is None or before.kind != kind):
            app.log.warning(f"found Stash away: {why}. Edits wait until it is back.")
        else:
            app.log.debug("paused", kind=kind, why=why)
        return True

    def is_waiting_out(self, standing: breaker.Breaker, now: float) -> bool:
        """Whether it is not yet time to probe Plex and nobody wants a look. Scenes are tagged in Stash all the same."""
        conn = self._queue.conn
        nudged = schema.get_meta(conn, "nudge") > schema.get_meta(conn, "looked")
        cap = environment.seconds("PLEXSYNC_BREAKER_RESET_CAP")
        before = pause.load(self._app.state.conn)
        if nudged or not standing.wait(now, cap):
            return False
        wake = schema.get_meta(conn, "wake")
        if before is None:  # a breaker without a pause would have the waiter wake the worker at once
            self._pause(pause.PLEX, "", "Plex was away before", wake)
            return True
        if 0 < before.glance <= now and self._changed(before, now):
            return False
        if before.tagging:
            tagging_pass.run(self._app, conn, before)
            before.wake = wake
        pause.store(self._app.state.conn, before)
        return True

    def _changed(self, standing: pause.Pause, now: float) -> bool:
        """Whether the settings are others by now: the address that is away may have been corrected."""
        app = self._app
        app.load_settings()
        requeue.after_settings(app, self._queue)
        standing.settings = app.saved_digest
        standing.glance = now + environment.seconds("PLEXSYNC_BREAKER_RESET")
        return not app.state.breaker.is_open

    def probe(self) -> None:
        """One small read, before any scene is touched."""
        app = self._app
        if not app.saved_digest:
            app.load_settings()
        with app.client.whole() as client:
            client.probe(self.probe_section())
        app.state.breaker = breaker.probed(app.state.breaker)

    def probe_section(self) -> int | None:
        """The library whose first row a probe reads, None while none is known."""
        value = pause.value(self._app.state.conn, "section")
        return value if isinstance(value, int) else None

    def alive(self, *, plex: bool) -> None:
        """A batch went through; ``plex``: Plex answered in it. What stood in the way stands there no longer."""
        app = self._app
        standing = app.state.breaker
        ended = breaker.probed(standing) if self._throttle.failing else breaker.succeeded()
        if plex and standing != ended:
            app.state.breaker = ended
            if standing.reset and not ended.reset:
                app.log.summary("found Plex back")
        before = pause.load(app.state.conn)
        if before is not None and (plex or before.kind in (pause.STASH, pause.LOCAL)):
            if before.problem:
                app.log.summary("went on: what stood in the way is gone")
            pause.store(app.state.conn, None)
