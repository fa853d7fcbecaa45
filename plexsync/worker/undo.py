"""The undo jobs of one batch: which items are put back, and what becomes of each job.

The mark in ``state.db`` decides; a job without one ends. Writes nothing to an item that holds another file by now.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from plexsync.app import App
from plexsync.model.errors import PlexSyncError
from plexsync.model.item import Item
from plexsync.model.job_key import JobKey
from plexsync.model.paths import name_key, slashed
from plexsync.model.scene import Scene
from plexsync.queue import undo_jobs
from plexsync.queue.worker_queue import Job, JobQueue, Settlement
from plexsync.state import undoing
from plexsync.state.history import Entry
from plexsync.state.ledger import Record
from plexsync.sync import absence, restoration
from plexsync.sync.entries import entry_of_undo
from plexsync.sync.planner import Planner, placed
from plexsync.sync.reading import Reader, Reading
from plexsync.sync.restorer import Restorer, prepared
from plexsync.sync.throttle import Throttle
from plexsync.sync.work import Undo, named
from plexsync.sync.writer import Writer
from plexsync.worker import outcomes, requeue

#: What the task that follows counts.
UNDONE = "undone"
#: The reason of a job whose item is gone or holds another file, until its file was looked for twice.
MOVED = "moved"
#: Seconds between the two looks: no library is listed more often.
LOOK_AGAIN = 60.0


def queue_marked(app: App, queue: JobQueue) -> int:
    """Queue the items that are to be put back and have no job; return how many.

    Whoever asked was killed in between, or left so many to the worker.
    """
    conn, machine = app.state.conn, app.state.meta.machine
    marks = undoing.marks(conn, machine)
    new = sorted(marks.keys() - undo_jobs.queued(queue.conn)) if marks else []
    if new:
        scenes = undoing.scenes_of(conn, machine, new)
        queue.forget_edits({scene_id: marks[key] for key, scene_id in scenes.items() if scene_id})
        queue.add_missing(map(JobKey.item, new), undo_jobs.UNDO)
    return len(new)


def give_way(app: App, queue: JobQueue, machine: str, jobs: Sequence[Job]) -> tuple[list[Job], list[Settlement]]:
    """Return the scene jobs that are carried out, and what becomes of those whose scene was undone since their edit.

    A later edit ends the undo: the items of its scene keep what is written to them.
    """
    marked = undoing.marked_scenes(app.state.conn, machine)
    todo: list[Job] = []
    dropped: list[Settlement] = []
    for job in jobs:
        at, keys = marked.get(job.id, (0.0, ()))
        if keys and job.edited_at <= at:
            app.log.debug("left scene as it is, it is to be put back", scene=job.id)
            queue.forget_edits({job.id: at})
            dropped.append(Settlement.done(job, "skipped"))
            continue
        if keys:
            app.log.info("dropped the undo, the scene was edited since", scene=job.id, items=len(keys))
            queue.drop_undo(keys)
            undoing.unmark(app.state.conn, machine, keys)
        todo.append(job)
    return todo, dropped


class UndoBatch:
    """The undo jobs of one batch. ``settled`` is the batch's: it is valid even if ``run`` raises.

    ``hold_back``: returns what becomes of a job under ``dryRun``.
    """

    def __init__(
        self,
        app: App,
        queue: JobQueue,
        throttle: Throttle,
        planner: Planner,
        settled: list[Settlement],
        hold_back: Callable[[Job], Settlement],
    ) -> None:
        self._app = app
        self._queue = queue
        self._throttle = throttle
        self._planner = planner
        self._settled = settled
        self._hold_back = hold_back
        self._marks: Mapping[int, float] = {}
        self._records: dict[int, Record] = {}

    def run(self, jobs: Sequence[Job]) -> None:
        """Put the items back. Raise ``PlexUnavailable`` or ``SetupError``."""
        state, machine = self._app.state, self._planner.machine
        self._marks = undoing.marks(state.conn, machine)
        for job in jobs:
            if job.id not in self._marks:
                self._app.log.debug("skipped item, it is not to be put back", item=job.id)
                self._settled.append(Settlement.done(job))
        jobs = [job for job in jobs if job.id in self._marks]
        self._records = state.records_for_undo(machine, [job.id for job in jobs])
        for job in jobs:
            if job.id not in self._records:
                self._finish(job, "nothing of it is known any more")
        jobs = [job for job in jobs if job.id in self._records]
        self._mark_others({self._records[job.id].scene_id: self._marks[job.id] for job in jobs})
        if self._app.settings.dry_run:
            self._settled += [self._dry(job) for job in jobs]
        elif jobs:
            self._restore(self._works(jobs))

    def _mark_others(self, scenes: Mapping[int, float]) -> None:
        """Mark the other items of these scenes: one may have been written while the undo was asked for."""
        conn, machine = self._app.state.conn, self._planner.machine
        for key, scene_id in undoing.items_of(conn, machine, scenes).items():
            if key not in self._marks:
                undoing.mark(conn, machine, [key], scenes[scene_id])

    def _dry(self, job: Job) -> Settlement:
        if job.reason != "dry_run":
            self._app.log.info("would put back item", **self._who(job))
        return self._hold_back(job)

    # -- reading

    def _works(self, jobs: Sequence[Job]) -> list[Undo]:
        """Read the items in full; settle the jobs of those that are gone, hold another file or cannot be read."""
        planner, wanted = self._planner, {job.id: job for job in jobs}
        sections = {key: parts[0].section for key, parts in planner.library.by_item(wanted).items() if parts}
        sections = dict.fromkeys(wanted, 0) | sections
        reading = Reader(planner, self._queue.has_edit_due).read(wanted)
        items = placed(reading.items, sections)
        absent = {key: sections[key] for key in wanted if self._is_absent(key, reading)}
        gone = absence.gone(planner, absent, items, self._app.world.clock())
        works: list[Undo] = []
        for key, job in wanted.items():
            if key in reading.failed and key not in reading.left:
                self._fail(job, reading.failed[key])
            elif key in gone:
                self._follow(job, "Plex no longer has it")
            elif key in absent:
                self._look_again(job)
            elif key in items:
                works += self._work(job, items[key])
        return works

    @staticmethod
    def _is_absent(key: int, reading: Reading) -> bool:
        return key not in reading.items and key not in reading.failed and key not in reading.left

    def _work(self, job: Job, item: Item) -> list[Undo]:
        record = self._records[job.id]
        if not restoration.is_same_file(record, item) and not restoration.shows_ours(record, item):
            self._follow(job, "it holds another file now, so nothing was written")
            return []
        if not self._app.state.records(self._planner.machine, [job.id]):  # it was set aside, and is back
            self._app.state.take_up(self._planner.machine, record, job.id)
        return [prepared(job, item, record)]

    def _follow(self, job: Job, why: str) -> None:
        """Put back the item that holds the file now instead; where there is none, after a second look, forget it all.

        Plex may have given an item another key, or may be about to.
        """
        key = self._holder(job)
        if key is None and job.reason != MOVED:
            due = self._app.world.clock() + LOOK_AGAIN
            text = f"Item {job.id} is not what it was ({why}), and its file is looked for once more"
            self._settled.append(Settlement.snooze(job, "retried", due, text, reason=MOVED))
        elif key is None:
            self._finish(job, why)
        else:
            state, machine = self._app.state, self._planner.machine
            state.take_up(machine, self._records[job.id], key)
            undoing.mark(state.conn, machine, [key], self._marks[job.id])
            undoing.finish(state.conn, machine, job.id)
            self._queue.add_missing([JobKey.item(key)], undo_jobs.UNDO, self._marks[job.id])
            self._settled.append(Settlement.done(job))

    def _holder(self, job: Job) -> int | None:
        """Return the other item that holds the file of a record, if there is one that PlexSync never wrote.

        Of an item that was known to be gone, the file was looked for before.
        """
        planner, record = self._planner, self._records[job.id]
        if not self._app.state.records(planner.machine, [job.id]):
            return None
        planner.library.forget(job.id)
        planner.stale()
        requeue.after_refresh(self._app, self._queue, planner.refresh(missing=True))
        name = name_key(record.path)
        parts = planner.library.by_name([name]).get(name, ()) if record.path else ()
        holds = (part for part in parts if slashed(part.path) == slashed(record.path) and not part.optimised)
        found = {part.rating_key for part in holds} - {job.id}
        known = self._app.state.records_for_undo(planner.machine, sorted(found))
        return found.pop() if len(found) == 1 and not known else None

    def _look_again(self, job: Job) -> None:
        """Have a job come again whose item Plex did not name: one answer does not count, and costs no attempt."""
        due = absence.look_again(self._planner, [job.id], self._app.world.clock())
        why = f"Plex did not name item {job.id}. It counts as gone if a second look agrees"
        self._app.log.info("retrying item", **self._who(job), why=why)
        self._settled.append(Settlement.snooze(job, "retried", due, why, reason=job.reason))

    # -- writing

    def _restore(self, works: Sequence[Undo]) -> None:
        app, queue = self._app, self._queue
        writer = Writer(self._planner, app.log, self._throttle, queue.is_wanted, queue.has_edit_due)
        Restorer(self._planner, writer).restore(works)
        for work in works:
            if work.ended and work.error is not None:
                self._fail(work.job, work.error)
            elif work.ended:
                self._done(work)

    def _done(self, work: Undo) -> None:
        """Forget the item, log what was put back, and settle the job."""
        now = self._app.world.clock()
        reasons = ", ".join(f"{name} {why}" for name, why in (*work.edit.left, *work.left))
        left = {"left": reasons} if reasons else {}
        self._app.log.info("wrote item back as it was", **self._who(work.job), **outcomes.changes(work), **left)
        self._forget(work.job, entry_of_undo(work, now))
        self._settled.append(Settlement.done(work.job, UNDONE))

    def _finish(self, job: Job, why: str) -> None:
        """Forget an item to which nothing can be written back."""
        self._app.log.info("dropped item", **self._who(job), why=why)
        self._forget(job, None)
        self._settled.append(Settlement.done(job, UNDONE))

    def _forget(self, job: Job, entry: Entry | None) -> None:
        """Forget the item and its mark, last of all: a worker that is killed before repeats the undo."""
        record = self._records.get(job.id)
        if record is not None and record.scene_id:
            self._queue.forget_edits({record.scene_id: self._marks[job.id]})
        undoing.finish(self._app.state.conn, self._planner.machine, job.id, entry)

    # -- failing

    def _fail(self, job: Job, error: PlexSyncError) -> None:
        record = self._records[job.id]
        self._settled.append(outcomes.failed(self._app, job, _told(error, job, record), _scene(record)))

    def _who(self, job: Job) -> dict[str, object]:
        record = self._records.get(job.id)
        scene = _scene(record) if record is not None else None
        return {**(named(scene) if scene else {}), "item": job.id}


def _scene(record: Record) -> Scene | None:
    """Return the scene of a record as far as it is known without Stash; None if it is gone."""
    return Scene(record.scene_id, title=record.title) if record.scene_id else None


def _told(error: PlexSyncError, job: Job, record: Record) -> PlexSyncError:
    """Return the error with a sentence that says whose undo failed."""
    of = f"scene {record.scene_id}" if record.scene_id else f"item {job.id}, whose scene is gone"
    sentence = str(error).replace("of scene 0", f"of item {job.id}")
    error.args = (f"Undo of {of}: {sentence}", *error.args[1:])
    return error
