"""One batch of leased jobs: read the scenes, match, plan, write, and say what becomes of each job.

Raises what concerns a whole server or the setup; what was settled until then stands in ``settled``. Knows no HTTP.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from plexsync import matching
from plexsync.app import App
from plexsync.core import environment
from plexsync.log import Private
from plexsync.matching import Candidate, Match
from plexsync.model.errors import (
    Invalid,
    ItemGone,
    LowConfidence,
    NotInPlex,
    PlexBusy,
    PlexSyncError,
    PlexUnavailable,
)
from plexsync.model.paths import name_key
from plexsync.model.scene import Scene, epoch, signature
from plexsync.model.settings import Settings, require_setup
from plexsync.plex.index import Refresh
from plexsync.queue.worker_queue import Job, JobQueue, Settlement
from plexsync.stash import tagging
from plexsync.stash.api import StashRefused
from plexsync.state import breaker
from plexsync.state.ledger import Seen
from plexsync.sync import covers, scan
from plexsync.sync.planner import SCAN_PAUSE, Target
from plexsync.sync.throttle import Streak
from plexsync.sync.writer import Work, Writer
from plexsync.worker import fan_out, retry

T = TypeVar("T")

#: Seconds after which an edit that ``dryRun`` holds back is looked at again; switching it off makes it due at once.
DRY_PAUSE = 3600.0


@dataclass(frozen=True, slots=True)
class Tools:
    """What a batch needs from the worker: its app and queue, the streak of busy items, a pause after each write.

    ``tick`` is called at each answer of Plex.
    """

    app: App
    queue: JobQueue
    streak: Streak
    pace: Callable[[float], None]
    still_wanted: Callable[[Job], bool]
    tick: Callable[..., None]


class Batch:
    """One batch. ``settled`` grows while it runs, so that nothing done is forgotten when it raises.

    ``read``: items were read from Plex.
    """

    def __init__(self, tools: Tools, leased: Sequence[Job]) -> None:
        self.settled: list[Settlement] = []
        self.read = False
        self._app = tools.app
        self._tools = tools
        self._leased = leased
        self._now = self._read_at = tools.app.world.clock()
        self._scenes: dict[int, Scene] = {}

    def run(self) -> None:
        """Carry the batch out. Raises ``StashUnavailable``, ``PlexUnavailable``, ``SetupError``, and our own bugs."""
        by_id = {job.id: job for job in self._leased if job.kind == "scene"}
        stash = self._app.stash
        try:
            saved, self._scenes = stash.batch(by_id)
        except StashRefused as error:
            if error.invalid or not stash.refused:
                raise
            saved = stash.settings()
        self._read_at = self._app.world.clock()
        settings = self._app.use(saved)
        note_settings(self._app, self._tools.queue, settings)
        try:
            self._carry_out(by_id, settings)
        except StashRefused as error:
            if error.invalid:
                raise
            # Stash answers, so it is some scene's doing: each is asked about alone, and only the culprit pays.
            raise PlexSyncError(str(error)) from None
        for job in self._leased:
            if job.kind != "scene":
                require_setup(settings)
                self._expand(job)

    def _carry_out(self, by_id: dict[int, Job], settings: Settings) -> None:
        stash = self._app.stash
        self._drop_gone([job for key, job in by_id.items() if key not in self._scenes and key not in stash.refused])
        for key in stash.refused & by_id.keys():
            self._fail(by_id[key], PlexSyncError(f"Stash refuses to tell scene {key}"))
        todo = [job for key, job in by_id.items() if key in self._scenes]
        if settings.skip_unorganized:
            todo = self._skip_unorganized(todo)
        if settings.tag_stash_ids and not settings.dry_run and todo:
            scenes = [self._scenes[job.id] for job in todo]
            tagging.tag(stash, scenes, settings, self._app.log, self._app.state.meta)
        if todo:
            require_setup(settings)
            self._sync(todo, settings)

    # -- what needs no Plex

    def _expand(self, job: Job) -> None:
        app = self._app
        try:
            machine = whole_plex(lambda: app.client.identity.machine)
            number = fan_out.expand(job, app.stash, app.state, self._tools.queue, machine)
        except StashRefused as error:
            if error.invalid:
                raise
            self._fail(job, PlexSyncError(str(error)))
            return
        app.log.debug("queued scenes", of=job.key, number=number)
        self.settled.append(Settlement(job, "done"))

    def _drop_gone(self, gone: Sequence[Job]) -> None:
        if not gone:
            return
        self._app.state.drop_scenes([job.id for job in gone])
        for job in gone:
            self._app.log.info("dropped scene that Stash no longer has", scene=job.id)
            self.settled.append(Settlement(job, "done", "gone"))

    def _skip_unorganized(self, todo: Sequence[Job]) -> list[Job]:
        kept: list[Job] = []
        for job in todo:
            if self._scenes[job.id].organized:
                kept.append(job)
            else:
                self._app.log.debug("skipped scene that is not organized", scene=job.id)
                self._finish(job, "skipped")
        return kept

    def _finish(self, job: Job, outcome: str) -> None:
        self.settled.append(Settlement(job, "done", outcome))

    def seen(self) -> list[Seen]:
        """Return what the finished jobs saw.

        Stash dates edits to the second: of a scene read in the second of its edit, another may follow with the same
        date. Such a scene counts as not seen, and catch-up looks at it once more.
        """
        now = self._app.world.clock()
        ended = {
            one.job.id: one.outcome for one in self.settled if one.job.kind == "scene" and one.to in ("done", "dead")
        }
        return [
            Seen("scene", scene_id, self._mark(scene), "", now if ended[scene_id] in ("synced", "unchanged") else None)
            for scene_id, scene in self._scenes.items()
            if scene_id in ended
        ]

    def _mark(self, scene: Scene) -> str:
        edited = epoch(scene.updated_at)
        return "" if int(self._now) <= edited < int(self._read_at) + 1 else signature(scene)

    # -- what needs Plex

    def _sync(self, todo: Sequence[Job], settings: Settings) -> None:
        hooks = self._app.client.session.hooks["response"]
        if self._tools.tick not in hooks:
            hooks.append(self._tools.tick)
        planner = whole_plex(lambda: self._app.planner)
        note_gained(self._app, self._tools.queue, whole_plex(planner.refresh))
        scenes = [self._scenes[job.id] for job in todo]
        found = planner.match(scenes)
        lost = [scene for scene in scenes if found[scene.id].verdict == "none" and scene.files]
        if lost:
            fresh = whole_plex(lambda: planner.refresh(missing=True))
            note_gained(self._app, self._tools.queue, fresh)
            if fresh is not None and (fresh.gained or fresh.filled):
                found |= planner.match(lost)
        self._write(todo, self._targets(todo, found, settings), settings)

    def _targets(self, todo: Sequence[Job], found: dict[int, Match], settings: Settings) -> list[tuple[Job, Target]]:
        """The items to write, each confirmed by a full read of the batch's items."""
        app = self._app
        chosen: list[tuple[Job, Candidate]] = []
        hopes: dict[int, list[tuple[str, int]]] = {}
        for job in todo:
            match, scene = found[job.id], self._scenes[job.id]
            candidates = matching.write_targets(match, settings.match_low_confidence)
            hopes[job.id] = [] if candidates else [(name_key(file.path), file.size) for file in scene.files]
            if candidates:
                chosen += [(job, candidate) for candidate in candidates]
            elif match.verdict == "low":
                self._fail(job, LowConfidence(match.reason, [one.as_dict() for one in match.items]))
            else:
                self._missing(job, scene, match, settings)
        app.state.await_files(hopes)
        planner = app.planner  # once: asked for it, the app looks for a newer connection to Stash
        items = planner.read(candidate for _, candidate in chosen)
        self.read = bool(chosen)
        records = app.state.records(planner.machine, items)
        targets: list[tuple[Job, Target]] = []
        gone: set[int] = set()
        for job, candidate in chosen:
            item = items.get(candidate.rating_key)
            if item is None or not matching.confirm(candidate, item):
                self._forget(candidate.rating_key, gone=item is None)
                gone.add(job.id)
                continue
            record = records.get(item.rating_key)
            targets.append((job, planner.plan(self._scenes[job.id], candidate, item, record)))
        for job in todo:
            if job.id in gone:
                self._fail(job, ItemGone(f"Scene {job.id}: its item in Plex is gone or holds another file now"))
        return [(job, target) for job, target in targets if job.id not in gone]

    def _forget(self, rating_key: int, *, gone: bool) -> None:
        planner = self._app.planner
        planner.library.forget(rating_key)
        planner.stale()
        if gone:
            self._app.state.drop_item(planner.machine, rating_key)

    def _missing(self, job: Job, scene: Scene, match: Match, settings: Settings) -> None:
        if settings.missing_ignore:
            self._app.log.debug("skipped scene that Plex does not have", scene=job.id)
            self._finish(job, "skipped")
            return
        if not scene.files:
            self._fail(job, Invalid(match.reason))
            return
        waited = 0.0 if job.waiting is None else self._now - job.waiting
        if settings.missing_scan and not settings.dry_run and not 0 < waited < SCAN_PAUSE:
            scan.ask(self._app.planner, scene, self._app.log)
        self._fail(job, NotInPlex(match.reason))

    def _write(self, todo: Sequence[Job], targets: Sequence[tuple[Job, Target]], settings: Settings) -> None:
        by_scene = {job.id: job for job in todo}
        told = {(job.id, warning): None for job, target in targets for warning in target.wanted.warnings}
        for scene_id, sentence in told:
            self._app.log.warning("noticed", scene=scene_id, what=sentence)
        if settings.dry_run:
            self._dry_run(targets)
            return
        tools = self._tools
        writer = Writer(
            self._app.planner,
            self._app.log,
            tools.pace,
            wanted_still=lambda target: tools.still_wanted(by_scene[target.scene.id]),
            streak=lambda target, well: tools.streak.note(target.item.rating_key, by_scene[target.scene.id].row, well),
        )
        works = writer.write([(target, job.attempts) for job, target in targets])
        ended: dict[int, list[Work]] = {}
        for work in works:
            ended.setdefault(work.target.scene.id, []).append(work)
        expected = Counter(target.scene.id for _, target in targets)
        for job in todo:
            if job.id in expected and len(ended.get(job.id, ())) == expected[job.id]:
                self._judge(job, ended[job.id])

    def _judge(self, job: Job, works: Sequence[Work]) -> None:
        errors = [work.error for work in works if work.error is not None]
        for work in works:
            if work.error is None:
                self._tell(work)
        gone = [work for work in works if isinstance(work.error, ItemGone)]
        for work in gone:
            self._forget(work.target.item.rating_key, gone=True)
        if errors:
            self._fail(job, errors[0])
        else:
            self._finish(job, "synced" if any(work.outcome == "synced" for work in works) else "unchanged")

    def _tell(self, work: Work) -> None:
        """One line a scene at info, with each change as ``old -> new``."""
        log, scene = self._app.log, work.target.scene
        if work.outcome == "unchanged":
            log.debug("compared scene, nothing differs", scene=scene.id, item=work.target.item.rating_key)
            return
        images: dict[str, object] = {"images": work.cover.elements} if work.cover and work.uploaded else {}
        log.info("wrote scene", scene=scene.id, item=work.target.item.rating_key, **_changes(work.target), **images)

    def _dry_run(self, targets: Sequence[tuple[Job, Target]]) -> None:
        """Log what would be written. An edit stays pending; what a task marked ends here."""
        told: set[int] = set()
        differing = {job.id for job, target in targets if not target.edit.empty or covers.is_due(target, target.record)}
        for job, target in targets:
            if job.id not in differing:
                if job.id not in told:
                    self._finish(job, "unchanged")
                told.add(job.id)
                continue
            if job.reason != "dry_run":
                self._app.log.info("would write scene", scene=job.id, item=target.item.rating_key, **_changes(target))
            if job.id in told:
                continue
            told.add(job.id)
            if job.bulk:
                self._finish(job, "dry_run")
            else:
                due = self._now + min(DRY_PAUSE, environment.horizon() - 1)  # later would be a wrong clock's
                self.settled.append(
                    Settlement(job, "later", "dry_run", due, job.attempts, None, "dry_run", "held back by dryRun")
                )

    def _fail(self, job: Job, error: Exception) -> None:
        app = self._app
        settings = app.settings or Settings()
        settlement = failed(job, error, app, settings.max_retries)
        self.settled.append(settlement)
        named: dict[str, object] = {job.kind: job.id}
        if settlement.to == "dead":
            app.log.warning(f"gave up on {job.kind}", **named, reason=settlement.reason, why=str(error))
        else:
            app.log.info(f"put {job.kind} back", **named, outcome=settlement.outcome, why=str(error))


def failed(job: Job, error: Exception, app: App, max_retries: int) -> Settlement:
    """What becomes of a job that failed by itself."""
    decision = retry.decide(
        error,
        retry.Attempt(job.attempts, job.waiting),
        now=app.world.clock(),
        rng=app.world.rng,
        delays=retry.Delays.from_environment(),
        max_retries=max_retries,
    )
    return Settlement(
        job,
        decision.to,
        decision.outcome,
        decision.due,
        decision.attempts,
        decision.waiting,
        decision.reason,
        decision.message,
        decision.candidates,
    )


def whole_plex(call: Callable[[], T]) -> T:
    """What is asked of Plex as a whole: busy is then as good as away, and no scene pays for it."""
    try:
        return call()
    except PlexBusy as error:
        raise PlexUnavailable(str(error)) from None


def note_gained(app: App, queue: JobQueue, refresh: Refresh | None) -> None:
    """Make due the scenes that await a file which the index has gained."""
    if refresh is None:
        return
    for sentence in refresh.warnings:
        app.log.warning(f"noticed that {sentence}")
    if refresh.filled:
        queue.wake_all_waiting()
    elif refresh.gained:
        queue.wake_scenes(sorted(app.state.scenes_awaiting(refresh.gained)))


def note_settings(app: App, queue: JobQueue, settings: Settings) -> None:
    """Changed settings may help: the breaker closes, waiting rows and dead letters become due."""
    meta = app.state.meta
    known, meta.settings = meta.settings, settings.fingerprint
    if known in ("", meta.settings):
        return
    app.log.info("noticed changed settings")
    meta.breaker = breaker.succeeded()
    queue.wake_after_settings_change()


def _changes(target: Target) -> dict[str, object]:
    """Each change as ``old -> new``; private, because titles are."""
    return {
        change.field: Private(f"{_short(change.old)} -> {_short(change.new)}") for change in target.edit.changes
    } | ({"locks": ",".join(target.edit.locks)} if target.edit.locks else {})


def _short(value: str | tuple[str, ...]) -> str:
    text = value if isinstance(value, str) else ", ".join(value)
    return text if len(text) <= 80 else f"{text[:77]}..."
