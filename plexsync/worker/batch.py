"""One batch of leased jobs: read the scenes, match, plan, write, and settle each job.

Raises what concerns a whole server or the setup. Knows no HTTP.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence

from plexsync import matching
from plexsync.app import App, settings_from
from plexsync.core import environment
from plexsync.matching import Candidate, Match
from plexsync.model.errors import Invalid, ItemGone, LowConfidence, NotInPlex, PlexSyncError, Rejected
from plexsync.model.item import Item
from plexsync.model.paths import name_key
from plexsync.model.scene import Scene, epoch, signature
from plexsync.model.settings import Settings, display_name, require_setup
from plexsync.queue.worker_queue import Job, JobQueue, Settlement
from plexsync.stash import tagging
from plexsync.stash.api import StashRefused
from plexsync.state.history import Name
from plexsync.state.ledger import Record, Seen
from plexsync.sync import absence, scan, titles
from plexsync.sync.as_seen import note_readbacks, seen_pictures
from plexsync.sync.entries import name_of
from plexsync.sync.planner import SCAN_PAUSE, Planner, placed
from plexsync.sync.reading import Reader, Reading
from plexsync.sync.throttle import Throttle
from plexsync.sync.work import Work, named
from plexsync.sync.writer import DryWriter, Writer
from plexsync.worker import outcomes, requeue, retry
from plexsync.worker.fan_out import fan_out
from plexsync.worker.undo import UndoBatch, give_way

#: Seconds after which an edit that ``dryRun`` holds back is compared again; switching it off makes it due at once.
DRY_PAUSE = 3600.0


class Batch:
    """One batch. ``settled`` grows while it runs, and is valid even if ``run`` raises."""

    def __init__(self, app: App, queue: JobQueue, throttle: Throttle, leased: Sequence[Job]) -> None:
        self.settled: list[Settlement] = []
        self._app = app
        self._queue = queue
        self._throttle = throttle
        self._leased = leased
        self._settings = Settings()
        self._scenes: dict[int, Scene] = {}
        self._to_scan: list[Scene] = []
        self._items_at = 0
        self._now = self._read_at = app.world.clock()
        self._again: set[int] = set()
        self._planner: Planner | None = None
        self._undone: set[int] = set()

    def run(self) -> None:
        """Sync the batch. Raise ``StashUnavailable``, ``PlexUnavailable``, ``SetupError``, or whatever a bug raises."""
        app = self._app
        jobs = [job for job in self._leased if job.key.is_scene]
        answer = app.stash.batch([job.id for job in jobs])
        self._scenes, self._read_at = answer.scenes, app.world.clock()
        if any(job.rescues for job in jobs):  # the worker may die of it again, and the dead letter needs a name
            app.state.see([], self.names())
        app.require_enabled()
        self._settings = app.apply(settings_from(answer.saved))
        requeue.after_settings(app, self._queue)
        try:
            self._carry_out(jobs, answer.refused)
        except StashRefused as error:
            if error.invalid:
                raise
            # Stash is reachable, so one scene is at fault: each job is repeated alone, and only the culprit pays.
            raise PlexSyncError(str(error)) from None
        undo = [job for job in self._leased if job.key.is_undo]
        others = [job for job in self._leased if not job.key.is_scene and not job.key.is_undo]
        if undo or others:
            require_setup(self._settings)
        if undo:
            planner = self._connect()
            UndoBatch(app, self._queue, self._throttle, planner, self.settled, self._hold_back).run(undo)
        for kind in sorted({job.kind for job in others}):
            self._fan_out(kind, [job for job in others if job.kind == kind])

    def seen(self) -> list[Seen]:
        """Return what the finished jobs saw of their scenes.

        Stash dates edits to the second, so a scene that was read in the second of its edit, or whose cover was, may be
        edited again under the same date. Such a scene counts as not seen, and catch-up compares it once more.
        """
        ended = {
            settlement.job.id: settlement.outcome
            for settlement in self.settled
            if settlement.job.kind == "scene" and settlement.to in ("done", "dead")
        }
        now = self._app.world.clock()
        return [
            Seen(
                "scene",
                scene_id,
                self._signature(scene),
                "",
                now if ended[scene_id] in ("synced", "unchanged") else None,
            )
            for scene_id, scene in self._scenes.items()
            if scene_id in ended and scene_id not in self._undone
        ]

    def names(self) -> dict[int, Name | None]:
        """Return by what the page names the scenes that have not arrived; None for those that have, or need not.

        A scene that is alone and not settled may be what ends the batch with an error.
        """
        names: dict[int, Name | None] = {}
        settled = {settlement.job.row: settlement for settlement in self.settled}
        for job in self._leased:
            settlement, scene = settled.get(job.row), self._scenes.get(job.id) if job.kind == "scene" else None
            if scene is None or (settlement is None and len(self._leased) > 1):
                continue
            if settlement is not None and settlement.to == "done":
                names[job.id] = None
            elif settlement is None or settlement.reason != "dry_run":
                names[job.id] = name_of(scene)
        return names

    def _signature(self, scene: Scene) -> str:
        edited = epoch(scene.updated_at)
        again = scene.id in self._again or int(self._now) <= edited < int(self._read_at) + 1
        return "" if again else signature(scene)

    # -- without Plex

    def _carry_out(self, jobs: Sequence[Job], refused: Collection[int]) -> None:
        self._drop_gone([job for job in jobs if job.id not in self._scenes and job.id not in refused])
        for job in jobs:
            if job.id in refused:
                sentence = f"Stash returned an error for scene {job.id}. See Stash's log."
                self._fail(job, PlexSyncError(sentence))
        todo = [job for job in jobs if job.id in self._scenes]
        settings = self._settings
        if settings.skip_unorganized:
            todo = self._skip_unorganized(todo)
        if not todo:
            return
        if settings.tag_stash_ids and not settings.dry_run:
            scenes = [self._scenes[job.id] for job in todo]
            tagging.tag(self._app.stash, scenes, settings, self._app.log, self._app.state, self._now)
        require_setup(settings)
        self._sync(todo)

    def _drop_gone(self, gone: Sequence[Job]) -> None:
        if not gone:
            return
        self._app.state.drop_scenes([job.id for job in gone])
        for job in gone:
            self._app.log.info("dropped scene, no longer in Stash", scene=job.id)
            self.settled.append(Settlement.done(job, "gone"))

    def _skip_unorganized(self, jobs: Sequence[Job]) -> list[Job]:
        organized: list[Job] = []
        for job in jobs:
            scene = self._scenes[job.id]
            if scene.organized:
                organized.append(job)
            else:
                self._app.log.debug("skipped scene, not organized", **named(scene))
                self.settled.append(Settlement.done(job, "skipped"))
        return organized

    def _fan_out(self, kind: str, jobs: Sequence[Job]) -> None:
        """Fan out all jobs of one kind at once; where Stash refuses that, each alone, and only the culprit pays."""
        app = self._app
        try:
            with app.client.whole() as client:
                machine = client.identity.machine
            count = fan_out(kind, [job.id for job in jobs], app.stash, app.state, self._queue, machine)
        except StashRefused as error:
            if error.invalid:
                raise
            if len(jobs) > 1:
                for job in jobs:
                    self._fan_out(kind, [job])
            else:
                self._fail(jobs[0], PlexSyncError(str(error)))
            return
        app.log.debug("queued scenes", of=jobs[0].key if len(jobs) == 1 else f"{len(jobs)} {kind}s", count=count)
        self.settled += [Settlement.done(job) for job in jobs]

    # -- with Plex

    def _sync(self, jobs: Sequence[Job]) -> None:
        planner = self._connect()
        jobs, dropped = give_way(self._app, self._queue, planner.machine, jobs)
        self.settled += dropped
        self._undone = {settlement.job.id for settlement in dropped}
        if not jobs:
            return
        matches = self._match(planner, [self._scenes[job.id] for job in jobs])
        planned = self._plan(planner, self._choose(planner, jobs, matches))
        self._warn(planned)
        writer = (
            DryWriter()
            if self._settings.dry_run
            else Writer(planner, self._app.log, self._throttle, self._queue.is_wanted, self._queue.has_edit_due)
        )
        writer.write([work for works in planned for work in works])
        if not self._settings.dry_run:
            note_readbacks(planner, [work for works in planned for work in works], self._items_at)
        for works in planned:
            if all(work.ended for work in works):
                self._judge(planner, works)

    def _connect(self) -> Planner:
        """Return the planner; connect, and bring the index up to date, once in the batch."""
        if self._planner is None:
            with self._app.client.whole():
                planner = self._app.connect_plex()
                planner.kinds.begin()
                refresh = planner.refresh()
            self._planner = planner
            requeue.after_refresh(self._app, self._queue, refresh)
        return self._planner

    def _match(self, planner: Planner, scenes: Sequence[Scene]) -> dict[int, Match]:
        """Match the scenes, and those without an item once more if Plex has gained files by then."""
        matches = planner.match(scenes)
        none = [scene for scene in scenes if matches[scene.id].verdict == "none"]
        missing = [scene for scene in none if scene.files or matches[scene.id].chosen]
        if missing:
            with planner.client.whole():
                refresh = planner.refresh(missing=True)
            requeue.after_refresh(self._app, self._queue, refresh)
            if refresh is not None and (refresh.gained or refresh.filled):
                matches |= planner.match(missing)
        return matches

    def _choose(
        self, planner: Planner, jobs: Sequence[Job], matches: dict[int, Match]
    ) -> list[tuple[Job, Sequence[Candidate]]]:
        """Return the jobs with the items to write to; settle the jobs that have none."""
        chosen: list[tuple[Job, Sequence[Candidate]]] = []
        awaited: dict[int, list[tuple[str, int]]] = {}
        unsure: list[tuple[Job, Match]] = []
        lost: list[tuple[Job, Match]] = []
        for job in jobs:
            match, scene = matches[job.id], self._scenes[job.id]
            candidates = matching.write_targets(match, self._settings.match_low_confidence)
            awaited[job.id] = [] if candidates else [(name_key(file.path), file.size) for file in scene.files]
            if candidates:
                chosen.append((job, candidates))
            elif planner.library.unlisted and (scene.files or match.chosen):
                self._await_listing(job, list(planner.library.unlisted.values()))
            elif match.verdict == "low":
                unsure.append((job, match))
            elif match.chosen:
                lost.append((job, match))
            else:
                self._missing(job, match, in_doubt=not planner.library.complete)
        self._app.state.await_files(awaited | self._chosen_files(planner, lost))
        self._settle_unsure(planner, unsure)
        self._settle_lost(planner, lost)
        scan.ask(planner, self._to_scan, self._app.log)
        return chosen

    def _settle_unsure(self, planner: Planner, unsure: Sequence[tuple[Job, Match]]) -> None:
        """Settle the scenes whose items are uncertain: a person decides, who sees the items' titles."""
        known = titles.titles(planner, (one.rating_key for _, match in unsure for one in match.items))
        for job, match in unsure:
            candidates = [one.as_dict(known.get(one.rating_key, "")) for one in match.items]
            self._fail(job, LowConfidence(match.reason, candidates))

    def _chosen_files(self, planner: Planner, lost: Sequence[tuple[Job, Match]]) -> dict[int, list[tuple[str, int]]]:
        files = self._app.state.choices.files(planner.machine, [job.id for job, _ in lost])
        return {file.scene_id: [(name_key(file.path), file.size)] for file in files}

    def _settle_lost(self, planner: Planner, lost: Sequence[tuple[Job, Match]]) -> None:
        """Settle the scenes whose chosen item the index does not have: they wait, unless Plex has lost the item."""
        if not lost:
            return
        keys = {match.chosen: job for job, match in lost}
        reading = self._read(planner, keys)
        items, unread = reading.items, reading.failed.keys() | reading.left
        absent = {key: 0 for key in keys if key not in items and key not in unread}
        gone = absence.gone(planner, absent, items, self._app.world.clock())
        self._end_choices(planner, gone)
        for key, job in keys.items():
            if key in unread:
                self._fail_unread(job, reading, [key])
            elif key in gone:
                self._forget(planner, key, gone=True)
                self._fail(job, ItemGone(f"The item chosen for scene {job.id} is gone from Plex"))
            elif key in absent:
                self._look_again(planner, job, [key])
            else:
                why = matching.why_no_choice(job.id, in_trash=items[key].trashed)
                self._fail(job, NotInPlex(why))

    def _end_choices(self, planner: Planner, gone: Collection[int]) -> None:
        """End the choices of items that are gone from Plex: two looks agreed."""
        for key, scene_id in self._app.state.choices.end(planner.machine, gone, self._now).items():
            self._app.log.info("dropped choice, the item is gone from Plex", scene=scene_id, item=key)

    def _await_listing(self, job: Job, titles: Sequence[str]) -> None:
        """Have a job wait, without an attempt, because no item is certain while a library cannot be listed."""
        names = " and ".join(f'"{title}"' for title in titles)
        libraries = "libraries" if len(titles) > 1 else "library"
        sentence = f"Scene {job.id} waits: Plex cannot list the {libraries} {names}, where its file may be"
        self._app.log.debug("waiting for Plex to list its libraries", **named(self._scenes[job.id]), why=sentence)
        self.settled.append(retry.await_listing(job, f"{sentence}.", self._app.world.clock()))

    def _missing(self, job: Job, match: Match, *, in_doubt: bool) -> None:
        """Settle a scene without an item. ``in_doubt``: Plex may have it, not every library was listed completely."""
        settings, scene = self._settings, self._scenes[job.id]
        if settings.missing_ignore and not in_doubt:
            self._app.log.debug("skipped scene, not in Plex", **named(scene))
            self.settled.append(Settlement.done(job, "skipped"))
            return
        if not scene.files:
            self._fail(job, Invalid(match.reason))
            return
        waited = 0.0 if job.waiting is None else self._now - job.waiting
        if settings.missing_scan and not settings.dry_run and not 0 < waited < SCAN_PAUSE:
            self._to_scan.append(scene)
        self._fail(job, NotInPlex(match.reason))

    def _plan(self, planner: Planner, chosen: Sequence[tuple[Job, Sequence[Candidate]]]) -> list[list[Work]]:
        """Read all items in full and return the works of each job; a job of which an item moved is retried."""
        wanted = {candidate.rating_key: candidate.section for _, candidates in chosen for candidate in candidates}
        jobs = {candidate.rating_key: job for job, candidates in chosen for candidate in candidates}
        reading = self._read(planner, jobs)
        items, unread = placed(reading.items, wanted), reading.failed.keys() | reading.left
        absent = {key: section for key, section in wanted.items() if key not in items and key not in unread}
        gone = absence.gone(planner, absent, items, self._app.world.clock())
        self._end_choices(planner, gone)
        for key in gone:
            self._forget(planner, key, gone=True)
        records = seen_pictures(planner, items, self._app.state.records(planner.machine, items))
        planned: list[list[Work]] = []
        for job, candidates in chosen:
            keys = {candidate.rating_key for candidate in candidates}
            if keys & unread:
                self._fail_unread(job, reading, keys)
                continue
            unnamed = absent.keys() & keys
            moved = [
                candidate
                for candidate in candidates
                if candidate.rating_key in items and not matching.confirm(candidate, items[candidate.rating_key])
            ]
            for candidate in moved:
                self._forget(planner, candidate.rating_key, gone=items[candidate.rating_key].trashed)
            if moved or unnamed & gone:
                self._fail(job, ItemGone(f"The item of scene {job.id} is gone from Plex, or holds another file now"))
            elif unnamed:
                self._look_again(planner, job, unnamed)
            else:
                planned.append(self._works(planner, job, candidates, items, records))
        return planned

    def _read(self, planner: Planner, keys: Mapping[int, Job]) -> Reading:
        reading = Reader(planner, self._queue.has_edit_due).read(keys) if keys else Reading()
        self._items_at = planner.plex_time()
        return reading

    def _fail_unread(self, job: Job, reading: Reading, keys: Collection[int]) -> None:
        """Settle a job of which an item could not be read, unless it was left for the next batch."""
        failed = [reading.failed[key] for key in keys if key in reading.failed]
        if failed and not reading.left.intersection(keys):
            self._fail(job, failed[0])

    def _look_again(self, planner: Planner, job: Job, unnamed: Collection[int]) -> None:
        """Settle a job of which Plex did not name an item: one answer does not count, and costs no attempt."""
        due = absence.look_again(planner, unnamed, self._app.world.clock())
        why = f"Plex did not name the item of scene {job.id}. It counts as gone if a second look agrees"
        self._app.log.info("retrying scene", **named(self._scenes[job.id]), why=why)
        self.settled.append(Settlement.snooze(job, "retried", due, why, waiting=job.waiting))

    def _works(
        self,
        planner: Planner,
        job: Job,
        candidates: Iterable[Candidate],
        items: dict[int, Item],
        records: dict[int, Record],
    ) -> list[Work]:
        scene = self._scenes[job.id]
        return [
            Work(job, planner.plan(scene, candidate, items[candidate.rating_key], records.get(candidate.rating_key)))
            for candidate in candidates
        ]

    def _warn(self, planned: Iterable[Sequence[Work]]) -> None:
        """Log which values of a scene cannot be sent as they are, once per scene."""
        for works in planned:
            for sentence in dict.fromkeys(sentence for work in works for sentence in work.target.desired.warnings):
                self._app.log.warning(
                    "found a value that cannot be sent as it is in scene",
                    **named(works[0].target.scene),
                    why=sentence,
                )

    # -- settling

    def _judge(self, planner: Planner, works: Sequence[Work]) -> None:
        """Settle a job; ``works``: all of its works, each ended."""
        job, errors = works[0].job, [work.error for work in works if work.error is not None]
        self._again |= {job.id} if any(work.again for work in works) else set()
        for work in works:
            if work.error is None:
                outcomes.succeeded(self._app.log, work)
        ended = {work.outcome for work in works}
        if errors:
            # What may pass outweighs what was refused, which must not end the job before the rest.
            self._fail(job, min(errors, key=lambda error: isinstance(error, Rejected)))
        elif "dry_run" in ended:
            self.settled.append(self._hold_back(job))
        else:
            self.settled.append(Settlement.done(job, "synced" if "synced" in ended else "unchanged"))

    def _hold_back(self, job: Job) -> Settlement:
        """Return what becomes of a job under ``dryRun``: an edit stays pending, a task's bulk job ends."""
        if job.bulk:
            return Settlement.done(job, "dry_run")
        due = self._now + min(DRY_PAUSE, environment.horizon() - 1)  # a later time would be taken for a wrong clock's
        return Settlement.snooze(job, "dry_run", due, f'held back: "{display_name("dryRun")}" is on', reason="dry_run")

    def _forget(self, planner: Planner, rating_key: int, *, gone: bool) -> None:
        planner.library.forget(rating_key)
        planner.stale()
        if gone:
            self._app.state.set_aside(planner.machine, rating_key, self._now)

    def _fail(self, job: Job, error: Exception) -> None:
        scene = self._scenes.get(job.id) if job.kind == "scene" else None
        self.settled.append(outcomes.failed(self._app, job, error, scene))
