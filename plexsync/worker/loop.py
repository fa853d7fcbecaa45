"""The loop that drains the queue: lease, sync, settle, and when to stop. Knows no HTTP and no SQL.

A failure of a whole server, of the setup or of this machine ends the batch, costs its jobs nothing and becomes a pause;
the idle worker then watches until there is a reason to resume.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Callable, Sequence

from plexsync import status
from plexsync.app import App
from plexsync.core import db, environment, leftovers
from plexsync.log import StashSink
from plexsync.model.errors import (
    LocalError,
    PlexBusy,
    PlexSyncError,
    PlexUnavailable,
    PluginDisabled,
    SetupError,
    StashUnavailable,
)
from plexsync.model.lifecycle import Next
from plexsync.model.settings import require_setup
from plexsync.queue.worker_queue import Job, JobQueue, Settlement
from plexsync.state import pause
from plexsync.state.pause import Pause
from plexsync.sync.throttle import Throttle
from plexsync.worker import outcomes, plex_changes, reconcile, requeue, undo
from plexsync.worker.batch import Batch
from plexsync.worker.pauses import SHORT, Pauses, local_problem
from plexsync.worker.trials import Trials

#: Seconds between two reads of the queue while the full worker waits.
LINGER_TICK = 0.1
#: Seconds between two exports of the status while there is work.
EXPORT_EVERY = 10.0
#: Seconds within which changes of performers, studios and tags are taken together: each batch costs two requests.
TOGETHER = 1.0
#: Outcomes of jobs that changed something; of a run without them there is nothing to say.
CHANGES = ("synced", "dead", "gone", undo.UNDONE)
#: With a catch-up interval below this many seconds (tests, tuning), a late catch-up never delays jobs.
OFTEN = 60.0


class Worker:
    """Drains the queue of one data folder. The caller holds the lock.

    ``files`` returns the state of the plugin's files: ``same``, ``changed``, ``moving`` or ``gone``. ``fresh``: the
    process has just started, so it catches up even if the last catch-up is recent.
    """

    def __init__(self, app: App, queue: JobQueue, sink: StashSink, files: Callable[[], str], *, fresh: bool) -> None:
        self._app = app
        self._queue = queue
        self._sink = sink
        self._files = files
        self._fresh = self._is_new_process = fresh
        self._looked_at_plex = True
        self._stats = app.state.meta.stats
        self._before = self._base()
        self._throttle = Throttle(app.world.clock, self._rest, lambda: app.listing_seconds)
        self._trials = Trials(app, queue)
        self._pauses = Pauses(app, queue)
        app.heard = self._tick
        app.wrote = self._stats.write_latency.observe
        self._totals = {"jobs": 0}
        self._exported = app.world.clock()
        self._leased: list[Job] = []

    # -- the loop

    def drain(self) -> Next:
        """Work until nothing is due or nothing can be done; return what to do next."""
        self._queue.resume_unack_tasks()
        while True:
            if self._files() == "changed":
                return Next.RESTART
            meta = self._queue.meta
            requested, edits = meta.wake_requested, meta.edits
            step = self._guarded_round(edits)
            meta.wake_seen = requested
            self._hand_over_lines()
            if step is Next.WORK:
                continue
            self._finish()
            if step is not Next.IDLE or not self._linger():
                self._hand_over_lines(force=True)  # the idle worker sends nothing
                self._count_requests()
                return step

    def _linger(self) -> bool:
        """Wait briefly, as becoming idle and back costs more than a short wait; return whether there is work."""
        app, queue = self._app, self._queue
        until = app.world.clock() + (0.0 if app.state.meta.pause is not None else SHORT)
        while (now := app.world.clock()) < until and self._files() == "same":
            due = queue.next_due()
            if (due is not None and due <= now) or queue.meta.is_wake_pending:
                return True
            if due is None or due > until:
                return False
            app.world.sleep(min(LINGER_TICK, max(0.0, due - now)))
        return False

    def _guarded_round(self, edits: float) -> Next:
        """Do one round; a failure of a whole server, the setup or this machine becomes a pause."""
        try:
            return self._round()
        except PluginDisabled as error:
            self._app.log.summary(f"ended: {error}")
            return Next.STOP
        except StashUnavailable as error:
            paused = self._pauses.stash_unavailable(error, edits)
        except PlexUnavailable as error:
            paused = self._pauses.plex_unavailable(error, edits)
        except SetupError as error:
            paused = self._pauses.pause_for(pause.SETUP, str(error), edits, is_connection=error.is_connection)
        except (LocalError, OSError, sqlite3.Error) as error:
            paused = self._pauses.pause_for(pause.LOCAL, local_problem(error), edits)
        finally:
            self._release()
        return Next.IDLE if paused else Next.WORK

    def _round(self) -> Next:
        app, queue, now = self._app, self._queue, self._app.world.clock()
        app.renew_stash()
        dropped = queue.drop_stopped()
        if dropped:
            app.log.summary("dropped the rest of a stopped task", jobs=dropped)
        if app.state.meta.breaker.is_open:
            if self._pauses.is_waiting_out(now):
                return Next.IDLE
            self._pauses.probe()
        if self._trials.make_due(now):
            if not app.saved_digest:
                app.load_settings()
            self._list_again()
            self._trials.drop_stale(now)
        interval = environment.seconds("PLEXSYNC_CATCHUP")
        if interval < OFTEN or not queue.meta.is_catchup_due(now, 2 * interval):
            self._leased = queue.lease(self._throttle.batch_size)
            self._lease_more()
        if self._leased:
            self._work(self._leased)
            reconcile.compare_deleted(app, queue, busy=True)
            return Next.WORK
        if self._fresh or queue.meta.is_catchup_due(now, interval):
            return self._catch_up()
        if reconcile.compare_deleted(app, queue, busy=False):
            return Next.WORK
        if not self._looked_at_plex:
            return self._look_at_plex()
        if undo.queue_marked(app, queue):
            return Next.WORK
        self._nothing_due()
        return Next.IDLE

    def _lease_more(self) -> None:
        """Where performers, studios or tags change one after the other, wait briefly and take them together."""
        queue, world = self._queue, self._app.world
        if self._leased and not any(job.key.is_scene or job.key.is_undo for job in self._leased):
            due = queue.next_due()
            if due is not None and due <= world.clock() + TOGETHER:
                world.sleep(TOGETHER)
                self._leased += queue.lease(self._throttle.batch_size)

    def _catch_up(self) -> Next:
        app, queue = self._app, self._queue
        self._fresh = False
        settings = app.load_settings()
        requeue.after_settings(app, queue)
        app.require_enabled()
        undo.queue_marked(app, queue)  # first: an edit from before the undo is none that catch-up finds
        jobs = reconcile.run(app, queue)
        reconcile.forget_names(app, queue)
        if jobs:
            app.log.summary("found changes that fired no hook", jobs=jobs)
        require_setup(settings)
        self._connect_first()
        return self._look_at_plex()

    def _connect_first(self) -> None:
        """Connect to Plex if that never was: until then the page asks for its address and the token."""
        if not self._app.state.meta.machine:
            with self._app.client.whole():
                self._app.connect_plex()
            self._note_server()

    def _look_at_plex(self) -> Next:
        """Make jobs for what Plex lost, in portions: edits that become due go first."""
        jobs, done = plex_changes.run(self._app, self._queue)
        self._looked_at_plex = done
        if jobs:
            self._app.log.summary("found changes in Plex", jobs=jobs)
        return Next.WORK

    def _work(self, leased: Sequence[Job]) -> None:
        """Sync these jobs as one batch; after an unexpected error repeat them one by one, and only the culprit pays."""
        began = self._throttle.begin()
        try:
            self._batch(leased)
        except (PluginDisabled, StashUnavailable, PlexUnavailable, SetupError, LocalError, OSError, sqlite3.Error):
            raise
        except Exception as error:
            self._blame(leased, error)
        self._throttle.end(began, len(leased) - len(self._leased))

    def _blame(self, leased: Sequence[Job], error: Exception) -> None:
        """Find out whether Plex as a whole or one job is at fault: by a probe, then by each job alone."""
        if isinstance(error, PlexBusy):
            self._pauses.probe()
        if len(leased) > 1:
            for job in [job for job in leased if job in self._leased]:
                self._work([job])
            return
        job, app = leased[0], self._app
        if not isinstance(error, PlexSyncError):
            app.log.error("failed: internal error", job=job.key, kind=type(error).__name__)
            app.log.trace(error)
            error = PlexSyncError(
                f"Internal error in {job.key} ({type(error).__name__}). This is a bug; see plexsync.log."
            )
        self._settle([outcomes.failed(app, job, error)])

    def _batch(self, leased: Sequence[Job]) -> None:
        batch = Batch(self._app, self._queue, self._throttle, leased)
        before = self._app.requests
        try:
            batch.run()
            self._pauses.resume(plex=self._app.requests[:2] != before[:2])
        finally:
            if self._app.planner is not None:
                self._app.planner.kinds.end()
            self._app.state.see(batch.seen(), batch.names())
            self._settle(batch.settled)
            self._trials.note_changes()
        self._note_key()
        self._note_server()

    def _settle(self, settlements: Sequence[Settlement]) -> None:
        self._queue.settle(settlements)
        rows = {settlement.job.row for settlement in settlements}
        self._leased = [job for job in self._leased if job.row not in rows]
        self._measure(settlements)
        for outcome in (settlement.outcome for settlement in settlements if settlement.outcome):
            self._stats.count(outcome)
            self._totals[outcome] = self._totals.get(outcome, 0) + 1
        self._totals["jobs"] += len(settlements)
        self._count_requests()
        self._tick()

    def _measure(self, settlements: Sequence[Settlement]) -> None:
        """Count how long the edits took that have arrived in Plex; what a task marked was no edit."""
        now = self._app.world.clock()
        for job in (settlement.job for settlement in settlements if settlement.outcome == "synced"):
            if job.kind == "scene" and job.first_seen and not job.bulk:
                self._stats.sync_delay.observe(now - job.first_seen)

    def _release(self) -> None:
        """Roll back an interrupted transaction and release the jobs that are still leased."""
        db.roll_back(self._app.state.conn)
        leased, self._leased = self._leased, []
        self._queue.release(leased)

    # -- around the work

    def _nothing_due(self) -> None:
        """End a pause that is over; pause for ``dryRun`` while it holds edits back, to see it switched off."""
        app = self._app
        if app.state.meta.pause is not None:
            settings = app.load_settings()
            app.require_enabled()
            requeue.after_settings(app, self._queue)
            require_setup(settings)
            self._refresh()
            self._pauses.resume(plex=True)
        if app.settings.dry_run and self._queue.is_held("dry_run"):
            interval = environment.seconds("PLEXSYNC_BREAKER_RESET")
            until = app.world.clock() + interval
            app.state.meta.pause = Pause(pause.DRY, until, interval=interval, settings=app.saved_digest)

    def _list_again(self) -> None:
        """Try to list the libraries whose trial is due, however fresh the index is."""
        with self._app.client.whole():
            self._app.connect_plex().stale()
        self._refresh()

    def _refresh(self) -> None:
        with self._app.client.whole():
            refresh = self._app.connect_plex().refresh()
        self._note_server()
        requeue.after_refresh(self._app, self._queue, refresh)
        self._trials.note_changes()

    def _rest(self, seconds: float) -> None:
        """Sleep for ``seconds`` between two writes to a busy Plex."""
        self._app.world.sleep(seconds)
        self._tick()

    def _tick(self, *_: object, **__: object) -> None:
        """Export the status every ``EXPORT_EVERY`` seconds. Called at every answer of a server: long work shows too."""
        now = self._app.world.clock()
        if not 0 <= now - self._exported < EXPORT_EVERY:
            self._exported = now
            self._hand_over_lines()
            self._count_requests()
            self._export()
            leftovers.end_sign_in(self._app.folder, now)

    def _note_key(self) -> None:
        """Read Stash's API key once, while the cookie is valid: after its hour only the key lets the worker in."""
        app = self._app
        if app.api_key or app.asked_for_key:
            return
        app.asked_for_key = True
        with contextlib.suppress(StashUnavailable):
            app.api_key = app.stash.api_key()
            app.log.secret(app.api_key)

    def _note_server(self) -> None:
        """Store which Plex server this is, and the library that a probe reads."""
        planner, meta = self._app.planner, self._app.state.meta
        if planner is not None:
            if planner.sections and (meta.section is None or meta.section in planner.library.unlisted):
                meta.section = planner.probe_section
            meta.machine, meta.plex_url = planner.machine, self._app.settings.plex_url

    def _base(self) -> tuple[int, int, int]:
        return (self._stats.plex_reads, self._stats.plex_writes, self._stats.stash)

    def _count_requests(self) -> None:
        reads, writes, stash = (old + new for old, new in zip(self._before, self._app.requests, strict=True))
        self._stats.plex_reads, self._stats.plex_writes, self._stats.stash = reads, writes, stash
        self._app.state.meta.stats = self._stats

    def _hand_over_lines(self, *, force: bool = False) -> None:
        def tell(lines: Sequence[dict[str, str]]) -> None:
            self._app.stash.tell(lines)

        current = self._app.state.meta.pause
        if current is not None and current.kind == pause.STASH:
            return
        try:
            self._sink.flush(tell, self._app.world.clock(), force)
        except StashUnavailable:
            return

    def _finish(self) -> None:
        """Write the exports, the summary line if anything changed, and note since when the queue is empty."""
        queue, app = self._queue, self._app
        has_worked = self._totals["jobs"] > 0
        if has_worked:
            if any(self._totals.get(outcome) for outcome in CHANGES):
                app.log.summary("finished a run", **self._totals)
            self._totals = {"jobs": 0}
            queue.forget_ended_tasks()
            self._export_timestamps()
        if queue.size:
            queue.meta.empty_since = 0
        elif has_worked or self._is_new_process or not queue.meta.empty_since:
            queue.meta.empty_since = app.world.clock()
        self._is_new_process = False
        self._count_requests()
        self._export()

    def _export_timestamps(self) -> None:
        try:
            status.export_timestamps(self._app.folder, self._app.state)
        except OSError as error:
            self._app.log.warning(f"failed to write sync_timestamps.json: {error}")

    def _export(self) -> None:
        self._exported = self._app.world.clock()
        try:
            status.export_status(self._app.folder, self._exported)
        except OSError as error:
            self._app.log.warning(f"failed to write status.json and metrics.prom: {error}")
