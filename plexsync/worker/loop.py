"""The one loop that drains the queue: lease, sync, settle, and when to stop. Knows no HTTP and no SQL.

Every way in which a whole server, the setup or this machine fails ends a batch without cost to its jobs, and becomes a
pause; the waiter then watches until there is a reason to go on.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

from plexsync import status
from plexsync.app import App
from plexsync.core import environment
from plexsync.daemon.plugin_files import PluginFiles
from plexsync.log import StashSink
from plexsync.model.errors import LocalError, PlexBusy, PlexSyncError, PlexUnavailable, SetupError, StashUnavailable
from plexsync.model.settings import require_setup
from plexsync.queue import bulk, dead_letters, jobs, schema
from plexsync.queue.worker_queue import Job, JobQueue, Settlement
from plexsync.state import counters, pause
from plexsync.sync.throttle import Throttle
from plexsync.worker import outcomes, reconcile, requeue
from plexsync.worker.batch import Batch
from plexsync.worker.pauses import SHORT, Pauses

#: Seconds between two looks at the queue while the worker waits by itself.
LINGER_TICK = 0.1
#: Seconds between two exports of the status while there is work.
EXPORT_EVERY = 10.0
#: A catch-up interval below so many seconds is a test's or a tuner's: work is never held up for it.
OFTEN = 60.0

#: Why the loop ends: nothing to do for now, the plugin's files changed, or the plugin is disabled.
WAIT, UPDATE, DISABLED = "wait", "update", "disabled"


class Worker:
    """Drains one data folder. The caller holds the lock."""

    def __init__(self, app: App, queue: JobQueue, sink: StashSink, files: PluginFiles, *, fresh: bool) -> None:
        self._app = app
        self._queue = queue
        self._sink = sink
        self._files = files
        self._fresh = fresh
        self._stats = counters.load(app.state.conn)
        self._before = self._base()
        self._throttle = Throttle(app.world.clock, self._rest, lambda: app.listing_seconds)
        self._pauses = Pauses(app, queue, self._throttle)
        app.heard = self._tick
        self._drain = {"jobs": 0}
        self._exported = app.world.clock()
        self._leased: list[Job] = []

    # -- the loop

    def drain(self) -> str:
        """Work until nothing is due, or nothing can be done; why it ended."""
        self._queue.resume_unack_tasks()
        while True:
            if self._files.state() == "changed":
                return UPDATE
            nudge, wake = self._counters()
            ended = self._guarded(wake)
            schema.set_meta(self._queue.conn, "looked", nudge)
            self._hand_over_lines()
            if ended is None:
                continue
            self._finish()
            if ended != WAIT or not self._linger():
                self._hand_over_lines(force=True)  # as the waiter it could not
                self._count_requests()
                return ended

    def _linger(self) -> bool:
        """Wait a moment as the full worker, because becoming the waiter and back costs more; whether there is work."""
        app, conn = self._app, self._queue.conn
        until = app.world.clock() + (0.0 if pause.load(app.state.conn) is not None else SHORT)
        while (now := app.world.clock()) < until and self._files.state() == "same":
            due = self._queue.next_due()
            if (due is not None and due <= now) or schema.get_meta(conn, "nudge") > schema.get_meta(conn, "looked"):
                return True
            if due is None or due > until:
                return False
            app.world.sleep(min(LINGER_TICK, max(0.0, due - now)))
        return False

    def _guarded(self, wake: float) -> str | None:
        """One round; what concerns a whole server, the setup or this machine becomes a pause."""
        try:
            return self._round()
        except StashUnavailable as error:
            return WAIT if self._pauses.stash_away(error, wake) else None
        except PlexUnavailable as error:
            return WAIT if self._pauses.plex_away(error, wake) else None
        except SetupError as error:
            return WAIT if self._pauses.problem(pause.SETUP, str(error), wake) else None
        except (LocalError, OSError, sqlite3.Error) as error:
            sentence = f"this machine could not do it ({error})."
            return WAIT if self._pauses.problem(pause.LOCAL, sentence, wake) else None
        finally:
            self._release()

    def _round(self) -> str | None:
        app, conn, now = self._app, self._queue.conn, self._app.world.clock()
        app.renew_stash()
        dropped = bulk.drop_stopped(conn, app.folder, app.world.sleep)
        if dropped:
            app.log.summary("dropped what a stopped task had marked", jobs=dropped)
        standing = app.state.breaker
        if standing.is_open:
            if self._pauses.is_waiting_out(standing, now):
                return WAIT
            self._pauses.probe()
        interval = environment.seconds("PLEXSYNC_CATCHUP")
        if interval < OFTEN or not jobs.catchup_due(conn, now, 2 * interval):
            self._leased = self._queue.lease(self._throttle.batch_size)
        if self._leased:
            self._work(self._leased)
            return None
        if self._fresh or jobs.catchup_due(conn, now, interval):
            return self._catch_up()
        self._calm()
        return WAIT

    def _catch_up(self) -> str | None:
        app, conn = self._app, self._queue.conn
        self._fresh = False
        settings = app.load_settings()
        requeue.after_settings(app, self._queue)
        if app.stash.plugin_enabled() is False:
            app.log.summary("ended: the plugin is disabled")
            return DISABLED
        made = reconcile.run(app, conn)
        if made:
            app.log.summary("found changes that fired no hook", jobs=made)
        require_setup(settings)
        if dead_letters.by_reason(conn).get("low_confidence"):  # nothing else would notice that the right file has come
            self._refresh()
        return None

    def _work(self, leased: Sequence[Job]) -> None:
        """A batch that raises what nobody expected is repeated job by job, so that only the culprit pays."""
        began = self._throttle.begin()
        try:
            self._batch(leased)
        except (StashUnavailable, PlexUnavailable, SetupError, LocalError, OSError, sqlite3.Error):
            raise
        except Exception as error:
            self._blame(leased, error)
        self._throttle.end(began, len(leased) - len(self._leased))

    def _blame(self, leased: Sequence[Job], error: Exception) -> None:
        """What failed may be one scene's doing, or Plex as a whole: the probe tells, then each job alone."""
        if isinstance(error, PlexBusy):
            self._pauses.probe()
        if len(leased) > 1:
            for job in [job for job in leased if job in self._leased]:
                self._work([job])
            return
        job, app = leased[0], self._app
        if isinstance(error, PlexBusy):
            self._throttle.busy_reading(job, error)
        if not isinstance(error, PlexSyncError):
            app.log.error("failed at a fault of its own", job=job.key, kind=type(error).__name__)
            app.log.trace(error)
            error = PlexSyncError(f"PlexSync failed at {job.key} by a fault of its own ({type(error).__name__})")
        self._settle([outcomes.failed(app, job, error)])

    def _batch(self, leased: Sequence[Job]) -> None:
        batch = Batch(self._app, self._queue, self._throttle, leased)
        before = self._app.requests
        try:
            batch.run()
            if batch.read:
                self._throttle.read()
            self._pauses.alive(plex=self._app.requests[:2] != before[:2])
        finally:
            self._app.state.see_all(batch.seen(), self._app.world.clock())
            self._settle(batch.settled)
        self._note_key()

    def _settle(self, settled: Sequence[Settlement]) -> None:
        self._queue.settle(settled)
        rows = {one.job.row for one in settled}
        self._leased = [job for job in self._leased if job.row not in rows]
        for one in settled:
            self._stats.count(one.outcome)
            if one.outcome:
                self._drain[one.outcome] = self._drain.get(one.outcome, 0) + 1
        self._drain["jobs"] += len(settled)
        self._count_requests()
        self._tick()

    def _release(self) -> None:
        """Put back what is still leased, as it was; an interrupted transaction first."""
        for conn in (self._queue.conn, self._app.state.conn):
            if conn.in_transaction:
                conn.execute("ROLLBACK")
        if self._leased:
            leased, self._leased = self._leased, []
            self._queue.release(leased)

    # -- what surrounds the work

    def _calm(self) -> None:
        """Nothing is due. What paused is made sure of; ``dryRun`` with edits held back goes on being looked at."""
        app = self._app
        if pause.load(app.state.conn) is not None:
            settings = app.load_settings()
            requeue.after_settings(app, self._queue)
            require_setup(settings)
            self._refresh()
            self._pauses.alive(plex=True)
        if app.settings.dry_run and jobs.is_held(self._queue.conn, "dry_run"):
            interval = environment.seconds("PLEXSYNC_BREAKER_RESET")
            until = app.world.clock() + interval
            pause.store(app.state.conn, pause.Pause(pause.DRY, until, interval=interval, settings=app.saved_digest))

    def _refresh(self) -> None:
        with self._app.client.whole():
            refresh = self._app.connect_plex().refresh()
        requeue.after_refresh(self._app, self._queue, refresh)

    def _rest(self, seconds: float) -> None:
        """Leave a busy Plex in peace for so long."""
        self._app.world.sleep(seconds)
        self._tick()

    def _tick(self, *_: object, **__: object) -> None:
        """Whatever takes long, the status is told every ``EXPORT_EVERY`` seconds. Called at each answer too."""
        now = self._app.world.clock()
        if not 0 <= now - self._exported < EXPORT_EVERY:
            self._exported = now
            self._hand_over_lines()
            self._count_requests()
            self._export()

    def _counters(self) -> tuple[float, float]:
        conn = self._queue.conn
        return schema.get_meta(conn, "nudge"), schema.get_meta(conn, "wake")

    def _note_key(self) -> None:
        """Read Stash's ApiKey once, while the cookie is good: past its hour the worker needs it."""
        app = self._app
        if not app.api_key and not app.asked_for_key:
            app.asked_for_key = True
            try:
                app.api_key = app.stash.api_key()
            except StashUnavailable:
                return
            app.log.secret(app.api_key)
        planner = app.planner
        if planner is not None:
            if planner.sections and self._pauses.probe_section() is None:
                app.state.remember("section", planner.sections[0].key)
            app.state.remember("machine", planner.machine)

    def _base(self) -> tuple[int, int, int]:
        return (self._stats.plex_reads, self._stats.plex_writes, self._stats.stash)

    def _count_requests(self) -> None:
        reads, writes, stash = (old + new for old, new in zip(self._before, self._app.requests, strict=True))
        self._stats.plex_reads, self._stats.plex_writes, self._stats.stash = reads, writes, stash
        self._stats.store(self._app.state.conn)

    def _hand_over_lines(self, *, force: bool = False) -> None:
        def tell(lines: Sequence[dict[str, str]]) -> None:
            self._app.stash.tell(lines)

        standing = pause.load(self._app.state.conn)
        if standing is not None and standing.kind == pause.STASH:
            return
        try:
            self._sink.flush(tell, self._app.world.clock(), force)
        except StashUnavailable:
            return

    def _finish(self) -> None:
        """A drain's end: one summary line, the exports, and the time since when the queue is empty."""
        conn, app = self._queue.conn, self._app
        if self._drain["jobs"]:
            values = {name: number for name, number in self._drain.items() if number}
            app.log.summary("finished a drain", **values)
            self._drain = {"jobs": 0}
            bulk.sweep(conn, app.folder)
            self._export_timestamps()
        if self._queue.size:
            schema.set_meta(conn, "empty_since", 0)
        elif not schema.get_meta(conn, "empty_since"):
            schema.set_meta(conn, "empty_since", app.world.clock())
        self._count_requests()
        self._export()

    def _export_timestamps(self) -> None:
        try:
            status.export_timestamps(self._app.folder, self._app.state)
        except OSError as error:
            self._app.log.warning(f"could not write the times of the last syncs: {error}")

    def _export(self) -> None:
        self._exported = self._app.world.clock()
        try:
            status.export_status(self._app.folder, self._exported)
        except OSError as error:
            self._app.log.warning(f"could not write the status files: {error}")
