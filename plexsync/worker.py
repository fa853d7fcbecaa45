"""The one loop that drains the queue: lease, sync, settle, and when to stop. Knows no HTTP and no SQL.

Every way in which a whole server, the setup or this machine fails ends a batch without cost to its jobs, and becomes a
pause; the waiter then watches until there is a reason to go on.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

from plexsync import breaker, catchup, durations, export, jobs, marks, pause, stats, tagpass
from plexsync.app import App
from plexsync.batch import Batch, Tools, failed, note_settings
from plexsync.errors import LocalError, PlexBusy, PlexSyncError, PlexUnavailable, SetupError, StashUnavailable
from plexsync.log import StashSink
from plexsync.pace import BATCH_SECONDS, BatchSize, Pace
from plexsync.process import PluginFiles
from plexsync.queue import Job, JobQueue, Settlement
from plexsync.settings import Settings, setup_problem
from plexsync.streak import Streak

#: Seconds that the worker sleeps by itself; longer waits are the waiter's.
SHORT = 5.0
#: Seconds between two looks at the queue while the worker waits by itself.
LINGER_TICK = 0.1
#: Seconds between two exports of the status while there is work.
EXPORT_EVERY = 10.0
#: A catch-up interval below so many seconds is a test's or a tuner's: work is never held up for it.
OFTEN = 60.0
#: Seconds after which this machine's trouble (a full disk, say) is looked at again.
LOCAL_PAUSE = 60.0

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
        self._stats = stats.load(app.state.conn)
        self._before = self._base()
        self._streak = Streak()
        self._pace = Pace(app.world.sleep)
        self._size = BatchSize()
        self._drain = {"jobs": 0}
        self._exported = app.world.clock()
        self._tools = Tools(app, queue, self._streak, self._after_write, self._still_wanted)
        self._leased: list[Job] = []
        self._began = app.world.clock()

    # -- the loop

    def drain(self) -> str:
        """Work until nothing is due, or nothing can be done; why it ended."""
        self._queue.resume_unack_tasks()
        while True:
            if self._files.state() == "changed":
                return UPDATE
            nudge, wake = self._counters()
            ended = self._guarded(wake)
            jobs.set_meta(self._queue.conn, "looked", nudge)
            self._hand_over_lines()
            if ended is None:
                continue
            self._finish()
            if ended != WAIT or not self._linger():
                return ended

    def _linger(self) -> bool:
        """Wait a moment as the full worker, because becoming the waiter and back costs more; whether there is work."""
        app, conn = self._app, self._queue.conn
        until = app.world.clock() + (0.0 if pause.load(app.state.conn) is not None else SHORT)
        while (now := app.world.clock()) < until and self._files.state() == "same":
            due = self._queue.next_due()
            if (due is not None and due <= now) or jobs.get_meta(conn, "nudge") > jobs.get_meta(conn, "looked"):
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
            return self._stash_away(error, wake)
        except PlexUnavailable as error:
            return self._plex_away(error, wake)
        except SetupError as error:
            return self._problem(pause.SETUP, str(error), wake)
        except (LocalError, OSError, sqlite3.Error) as error:
            return self._problem(pause.LOCAL, f"PlexSync is paused: this machine could not do it ({error}).", wake)
        finally:
            self._release()

    def _round(self) -> str | None:
        app, conn, now = self._app, self._queue.conn, self._app.world.clock()
        dropped = marks.drop_stopped(conn, app.folder, app.world.sleep)
        if dropped:
            app.log.summary("dropped what a stopped task had marked", jobs=dropped)
        standing = app.state.breaker
        if standing.is_open:
            if self._is_waiting_out(standing, now):
                return WAIT
            self._probe()
        interval = durations.seconds("PLEXSYNC_CATCHUP")
        if interval < OFTEN or not jobs.catchup_due(conn, now, 2 * interval):
            self._leased = self._queue.lease(self._size.limit)
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
        settings = app.use(app.stash.settings())
        note_settings(app, self._queue, settings)
        if app.stash.plugin_enabled() is False:
            app.log.summary("ends: the plugin is disabled")
            return DISABLED
        made = catchup.run(app, conn)
        if made:
            app.log.summary("found changes that fired no hook", jobs=made)
        problem = setup_problem(settings)
        if problem:
            raise SetupError(problem, code="token")
        return None

    def _work(self, leased: Sequence[Job]) -> None:
        """A batch that raises what nobody expected is repeated job by job, so that only the culprit pays."""
        self._began = began = self._app.world.clock()
        try:
            self._batch(leased)
        except (StashUnavailable, PlexUnavailable, SetupError, LocalError, OSError, sqlite3.Error):
            raise
        except Exception as error:
            self._blame(leased, error)
        self._size.took(len(leased) - len(self._leased), self._app.world.clock() - began)

    def _blame(self, leased: Sequence[Job], error: Exception) -> None:
        """What failed may be one scene's doing, or Plex as a whole: the probe tells, then each job alone."""
        if isinstance(error, PlexBusy):
            self._probe()
        if len(leased) > 1:
            for job in [job for job in leased if job in self._leased]:
                self._work([job])
            return
        job, app = leased[0], self._app
        if not isinstance(error, PlexSyncError):
            app.log.error("failed at a fault of its own", job=job.key, kind=type(error).__name__)
            app.log.trace(error)
            error = PlexSyncError(f"PlexSync failed at {job.key} by a fault of its own ({type(error).__name__})")
        retries = (app.settings or Settings()).max_retries
        self._settle([failed(job, error, app, retries)])

    def _batch(self, leased: Sequence[Job]) -> None:
        batch = Batch(self._tools, leased)
        try:
            batch.run()
            self._alive()
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
        if self._app.world.clock() - self._exported >= EXPORT_EVERY:
            self._export()

    def _release(self) -> None:
        """Put back what is still leased, as it was; an interrupted transaction first."""
        for conn in (self._queue.conn, self._app.state.conn):
            if conn.in_transaction:
                conn.execute("ROLLBACK")
        if self._leased:
            leased, self._leased = self._leased, []
            self._queue.release(leased)

    # -- pauses

    def _stash_away(self, error: StashUnavailable, wake: float) -> str | None:
        app = self._app
        if error.refused and app.api_key:
            app.log.info("dropped Stash's ApiKey, which is refused, for the cookie")
            app.api_key = ""
            app.drop_connections()
            return None
        problem = ""
        if error.refused:
            problem = (
                "PlexSync is paused: Stash refuses its background worker. Save any scene or open a page of Stash to let"
                " it in again; with an API key (Settings > Security) it will stay in."
            )
        return self._pause(pause.STASH, problem, str(error), wake)

    def _plex_away(self, error: PlexUnavailable, wake: float) -> str | None:
        app, now = self._app, self._app.world.clock()
        at_once = bool(self._streak)
        jobs.give_back(self._queue.conn, self._streak.rows, now)
        reset, cap = durations.seconds("PLEXSYNC_BREAKER_RESET"), durations.seconds("PLEXSYNC_BREAKER_RESET_CAP")
        was_open = app.state.breaker.is_open
        app.state.breaker = after = breaker.failed(app.state.breaker, now, reset, cap, at_once=at_once)
        if not after.is_open:
            app.world.sleep(min(after.wait(now, cap), SHORT))
            return None
        if not was_open:
            app.log.warning(
                f"found Plex away: {error} Nothing is lost; edits wait until it is back, and it is looked for every"
                f" {after.reset:g} s at first."
            )
        return self._pause(pause.PLEX, "", str(error), wake)

    def _problem(self, kind: str, problem: str, wake: float) -> str:
        sentence = problem if problem.startswith("PlexSync is paused") else f"PlexSync is paused: {problem}"
        return self._pause(kind, sentence, sentence, wake)

    def _pause(self, kind: str, problem: str, why: str, wake: float) -> str:
        app, now = self._app, self._app.world.clock()
        before = pause.load(app.state.conn)
        interval = LOCAL_PAUSE if kind == pause.LOCAL else durations.seconds("PLEXSYNC_BREAKER_RESET")
        until = now + interval
        if kind == pause.PLEX:
            standing = app.state.breaker
            until, interval = now + standing.wait(now, standing.reset), standing.reset
        settings = app.settings
        made = pause.Pause(
            kind,
            until,
            problem,
            interval=interval,
            wake=wake,
            settings=app.saved_digest,
            section=self._probe_section(),
            tagging=bool(settings and settings.tag_stash_ids and not settings.dry_run),
        )
        pause.store(app.state.conn, made)
        if problem and (before is None or before.problem != problem):
            app.log.error(problem)
        else:
            app.log.debug("paused", kind=kind, why=why)
        return WAIT

    def _is_waiting_out(self, standing: breaker.Breaker, now: float) -> bool:
        """Whether it is not yet time to probe Plex and nobody wants a look. Scenes are tagged in Stash all the same."""
        conn = self._queue.conn
        nudged = jobs.get_meta(conn, "nudge") > jobs.get_meta(conn, "looked")
        cap = durations.seconds("PLEXSYNC_BREAKER_RESET_CAP")
        before = pause.load(self._app.state.conn)
        if nudged or not standing.wait(now, cap):
            return False
        wake = jobs.get_meta(conn, "wake")
        if before is None:  # a breaker without a pause would have the waiter wake the worker at once
            self._pause(pause.PLEX, "", "Plex was away before", wake)
        elif before.tagging:
            tagpass.run(self._app, conn, before)
            before.wake = wake
            pause.store(self._app.state.conn, before)
        return True

    def _probe(self) -> None:
        """One small read, before any scene is touched."""
        app = self._app
        if app.settings is None:
            app.use(app.stash.settings())
        try:
            app.client.probe(self._probe_section())
        except PlexSyncError as error:
            if isinstance(error, SetupError):
                raise
            raise PlexUnavailable(str(error)) from None
        app.state.breaker = breaker.probed(app.state.breaker)

    def _probe_section(self) -> int | None:
        value = pause.value(self._app.state.conn, "section")
        return value if isinstance(value, int) else None

    def _alive(self) -> None:
        """A batch went through: whatever stood in the way stands there no longer."""
        app = self._app
        standing = app.state.breaker
        if standing.failures or standing.is_open or (standing.reset and not self._streak):
            app.state.breaker = breaker.probed(standing) if self._streak else breaker.succeeded()
            if standing.is_open:
                app.log.summary("found Plex back")
        before = pause.load(app.state.conn)
        if before is not None:
            if before.problem:
                app.log.summary("went on: what stood in the way is gone")
            pause.store(app.state.conn, None)

    def _calm(self) -> None:
        """Nothing is due. What paused is made sure of; ``dryRun`` with edits held back goes on being looked at."""
        app = self._app
        if pause.load(app.state.conn) is not None:
            settings = app.use(app.stash.settings())
            note_settings(app, self._queue, settings)
            problem = setup_problem(settings)
            if problem:
                raise SetupError(problem, code="token")
            app.planner.refresh()
            self._alive()
        if app.settings and app.settings.dry_run and jobs.is_held(self._queue.conn, "dry_run"):
            interval = durations.seconds("PLEXSYNC_BREAKER_RESET")
            until = app.world.clock() + interval
            pause.store(app.state.conn, pause.Pause(pause.DRY, until, interval=interval, settings=app.saved_digest))

    # -- what surrounds the work

    def _after_write(self, seconds: float) -> None:
        """Leave a busy Plex in peace; the status goes on being told during a long batch."""
        self._pace.after_write(seconds)
        if self._app.world.clock() - self._exported >= EXPORT_EVERY:
            self._count_requests()
            self._export()
            self._hand_over_lines()

    def _still_wanted(self, job: Job) -> bool:
        """Whether to write this job now: a batch that takes long is cut short, and Stop means stop within it too."""
        if job.priority == jobs.BULK and self._app.world.clock() - self._began > 2 * BATCH_SECONDS:
            return False
        return (
            not job.bulk or job.mark is None or marks.is_wanted(self._queue.conn, job.row, job.mark, self._app.folder)
        )

    def _counters(self) -> tuple[float, float]:
        conn = self._queue.conn
        return jobs.get_meta(conn, "nudge"), jobs.get_meta(conn, "wake")

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
        if app.has_planner:
            planner = app.planner
            if planner.sections and self._probe_section() is None:
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
            marks.sweep(conn, app.folder)
            self._export_timestamps()
        if self._queue.size:
            jobs.set_meta(conn, "empty_since", 0)
        elif not jobs.get_meta(conn, "empty_since"):
            jobs.set_meta(conn, "empty_since", app.world.clock())
        self._count_requests()
        self._hand_over_lines(force=True)
        self._export()

    def _export_timestamps(self) -> None:
        try:
            export.timestamps(self._app.folder, self._app.state)
        except OSError as error:
            self._app.log.warning(f"could not write the times of the last syncs: {error}")

    def _export(self) -> None:
        self._exported = self._app.world.clock()
        try:
            export.status(self._app.folder, self._exported)
        except OSError as error:
            self._app.log.warning(f"could not write the status files: {error}")
