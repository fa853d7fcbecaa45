"""Catch-up: find what changed in Stash without a hook, by comparing Stash with what the last finished job saw.

Makes jobs only where Stash's value is different, never touches an existing row, and ignores what is older than
PlexSync's first contact and than the last Clear queue. Knows nothing of Plex.

Every scene is listed each time, with few fields, instead of only those whose ``updated_at`` is recent: assigning a file
to another scene changes no time at all, and a Stash before v0.29 cannot be asked for the times of files. That is one
request for a library of 1,000 scenes and 100 for one of 100,000, each 0.2 MB, and clocks, time zones and equal seconds
cannot mislead it. Performers, studios and tags are asked for by ``updated_at``, in the first of these requests.
"""

from __future__ import annotations

import json
import zlib
from bisect import bisect_left, bisect_right
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from plexsync.app import App, settings_from
from plexsync.core.db import transaction
from plexsync.model import fields
from plexsync.model.fields import fingerprint
from plexsync.model.job_key import JobKey
from plexsync.model.paths import base_name
from plexsync.model.scene import epoch, file_signature
from plexsync.queue.meta import COMPARE_EVERY
from plexsync.queue.worker_queue import JobQueue
from plexsync.stash.queries import stash_text
from plexsync.state.ledger import Seen

#: Seconds in which every written scene is compared once with the values last wanted in Plex, a portion at a time.
WEEK = 7 * 86400.0
#: Scenes in one portion: one request for whole scenes, during which edits wait.
PORTION = 250

Row = Mapping[str, Any]


def run(app: App, queue: JobQueue) -> int:
    """Make jobs for what changed; return how many. Raise ``StashUnavailable``; jobs made before that stay queued."""
    now, stash = app.world.clock(), app.stash
    catchup = _CatchUp(app, queue, now)
    for kind, rows in stash.changes(stash_text(min(now, catchup.last or catchup.start))):
        if kind == "scene":
            catchup.compare_scenes(rows)
        else:
            catchup.compare_entities(kind, rows)
    if not stash.skipped.get("scene"):
        catchup.queue_absent()
    catchup.queue_new_owners()
    jobs = catchup.jobs + weekly(app, queue, now, catchup.absent)
    queue.meta.caught_up_at = now
    return jobs


class _CatchUp:
    """One catch-up. ``jobs``: how many it made. ``absent``: ids of written or dead scenes that Stash did not list."""

    def __init__(self, app: App, queue: JobQueue, now: float) -> None:
        self.last, self._now = queue.meta.caught_up_at, now
        self.start = queue.meta.started_at or now
        self.jobs = 0
        self._app = app
        self._queue = queue
        self._cleared = float(int(queue.meta.cleared_at))  # Stash's times are whole seconds
        dead = (JobKey.parse(dead_letter.key) for dead_letter in queue.dead_letters())
        self._dead = {key.id for key in dead if key and key.is_scene}
        self.absent = app.state.written_scenes() | self._dead
        self._left_paths: set[str] = set()

    def compare_scenes(self, page: Iterable[Row]) -> None:
        """Make jobs for the scenes of a page that differ from what was last seen of them."""
        rows = {int(raw["id"]): raw for raw in page}
        self.absent -= rows.keys()
        seen = {scene_id: signature for scene_id, (signature, _) in self._app.state.seen("scene", rows).items()}
        signatures = {scene_id: _signature(raw) for scene_id, raw in rows.items()}
        different = [scene_id for scene_id, signature in signatures.items() if seen.get(scene_id, "") != signature]
        changed, cleared = self._split(different, rows, seen)
        self._add([JobKey.scene(scene_id) for scene_id in changed])
        # A change that Clear queue swept away counts as seen from now on: a later one must differ from it.
        self._app.state.see([Seen("scene", scene_id, signatures[scene_id]) for scene_id in cleared])
        self._note_left_paths({scene_id: rows[scene_id] for scene_id in changed if scene_id in seen})

    def _split(
        self, different: Iterable[int], rows: Mapping[int, Row], seen: Mapping[int, str]
    ) -> tuple[list[int], list[int]]:
        """Return which ``different`` scenes need a job, and which of those seen before changed before a Clear queue."""
        times = {scene_id: _latest(rows[scene_id]) for scene_id in different}
        times = {scene_id: at for scene_id, at in times.items() if scene_id in seen or at >= self.start}
        cleared_at = self._queue.cleared_at([JobKey.scene(scene_id) for scene_id in times])
        changed, cleared = [], []
        for scene_id, at in times.items():
            at_clear, is_known = cleared_at.get(JobKey.scene(scene_id), 0.0), scene_id in seen
            undated = is_known and not self._is_edit(seen[scene_id], rows[scene_id]) and at_clear <= self.last
            if undated or self._is_new(at, at_clear, known=is_known):
                changed.append(scene_id)
            elif is_known:
                cleared.append(scene_id)
        return changed, cleared

    def _is_new(self, at: float, at_clear: float, *, known: bool) -> bool:
        """Return whether a change at that time counts: after the last Clear queue; if never seen, after the start."""
        return at >= (self._cleared if known else max(self.start, self._cleared)) and at > at_clear

    @staticmethod
    def _is_edit(before: str, raw: Row) -> bool:
        """Return whether the scene's ``updated_at`` changed. Assigning a file to another scene leaves it as it is."""
        return before.rpartition(" ")[0] != str(raw.get("updated_at") or "")

    def _note_left_paths(self, rows: Mapping[int, Row]) -> None:
        """Note the files by which changed scenes were matched and which they no longer have."""
        machine = self._app.state.meta.machine
        for scene_id, records in self._app.state.records_of(machine, rows).items():
            paths = {file["path"] for file in rows[scene_id].get("files") or ()}
            self._left_paths |= {record.stash_path for record in records} - paths - {""}

    def queue_new_owners(self) -> None:
        """Make jobs for the scenes that such files belong to now, if those were never seen before."""
        if not self._left_paths:
            return
        files = self._app.stash.files_named([base_name(path) for path in self._left_paths])
        owners = {scene_id for scene_id, file in files if file.path in self._left_paths}
        new = owners - self._app.state.seen("scene", owners).keys()
        self._add([JobKey.scene(scene_id) for scene_id in sorted(new)])

    def queue_absent(self) -> None:
        """Make jobs for scenes that Stash no longer has: they give up their items, and their dead letters end."""
        self._add([JobKey.scene(scene_id) for scene_id in sorted(self.absent - self._dead)])
        dead = [JobKey.scene(scene_id) for scene_id in sorted(self.absent & self._dead)]
        self._queue.enqueue_many(dead, "catch-up", self._now)
        self.jobs += len(dead)

    def compare_entities(self, kind: str, page: Iterable[Row]) -> None:
        """Make jobs for the performers, studios or tags whose ``updated_at`` or name differs from what was seen."""
        rows = {int(raw["id"]): raw for raw in page}
        seen = self._app.state.seen(kind, rows)
        cleared_at = self._queue.cleared_at([JobKey(kind, entity_id) for entity_id in rows])
        different = []
        for entity_id, raw in rows.items():
            key, before = JobKey(kind, entity_id), seen.get(entity_id)
            updated_at, name = str(raw.get("updated_at") or ""), str(raw.get("name") or "")
            at_clear, is_known = cleared_at.get(key, 0.0), before is not None
            if before != (updated_at, name) and self._is_new(epoch(updated_at), at_clear, known=is_known):
                different.append(key)
        self._add(different)

    def _add(self, keys: list[JobKey]) -> None:
        # Not as if edited by hand: the auto-tag task may have touched the whole library.
        self.jobs += self._queue.retry_invalid(keys) + self._queue.add_missing(keys, "catch-up", self._now)


def forget_names(app: App, queue: JobQueue) -> None:
    """Forget the names of scenes that have no job any more, however that came: Stop, Clear queue, a kill."""
    history = app.state.history
    gone = queue.without_job(history.named())
    if gone:
        with transaction(app.state.conn):
            history.forget_names(gone)


def weekly(app: App, queue: JobQueue, now: float, gone: Collection[int] = ()) -> int:
    """Compare the portions of written scenes that are due with the values last wanted; return how many jobs were made.

    Finds what changes no scene's time, a deleted tag for example. Each scene is compared once a ``WEEK``; ``compared``
    keeps the time and the last scene. ``gone``: scenes that Stash no longer has.
    """
    machine, meta = app.state.meta.machine, app.state.meta
    written = sorted(app.state.written_scenes(machine).difference(gone)) if machine else []
    if not written:
        return 0
    gap = WEEK / -(-len(written) // PORTION)
    at, last_scene = meta.compared or (queue.meta.started_at or now, 0)
    at = min(max(at, now - WEEK), now)  # no scene twice in a row, and a clock that was wrong delays nothing
    jobs = 0
    while now - at >= gap:
        begin = bisect_right(written, last_scene) % len(written)
        portion = written[begin : begin + PORTION]
        jobs += _compare(app, queue, machine, portion, now)
        at, last_scene = at + gap, portion[-1]
        meta.compared = [at, last_scene]
    meta.compared = [at, last_scene]
    return jobs


def compare_deleted(app: App, queue: JobQueue, *, busy: bool) -> bool:
    """Compare one portion of all written scenes, if something was deleted in Stash; return whether there was one.

    Reads Stash alone. ``busy``: other jobs are due, among them perhaps further deletions: begin only when it is late.
    Which portion is next is stored, so a worker that is killed loses nothing.
    """
    now, meta = app.world.clock(), queue.meta
    if not meta.compare_next:
        if meta.compare_due(now) > now or (busy and 0 <= now - meta.compare_at < COMPARE_EVERY):
            return False
        with transaction(queue.conn):
            meta.compare_began, meta.compare_next, meta.compare_jobs, meta.compare_at = now, 1, 0, 0
    machine = app.state.meta.machine
    written = sorted(app.state.written_scenes(machine)) if machine else []
    begin = bisect_left(written, meta.compare_next)
    portion = written[begin : begin + PORTION]
    if portion:
        meta.compare_jobs += _compare(app, queue, machine, portion, now)
        meta.compare_next = portion[-1] + 1
    if begin + PORTION >= len(written):
        if meta.compare_jobs:
            app.log.summary("found scenes whose performers, studio or tags were deleted", jobs=int(meta.compare_jobs))
        meta.compare_next = 0
    return True


def _compare(app: App, queue: JobQueue, machine: str, portion: Sequence[int], now: float) -> int:
    """Compare one portion; return how many jobs were made. Raise ``StashUnavailable`` or ``PluginDisabled``.

    A difference that was found before makes no job again: the scene's job may have ended without removing it. ``now``:
    before it was read which scenes were written.
    """
    answer = app.stash.batch(portion)
    app.require_enabled()
    scenes, settings = answer.scenes, app.apply(settings_from(answer.saved))
    records = app.state.records_of(machine, portion)
    before = app.state.seen("desired", scenes)
    different: list[JobKey] = []
    new: list[Seen] = []
    for scene_id, scene in scenes.items():
        values = fields.desired(scene, settings).values
        desired = {name: fingerprint(name, value) for name, value in values.items()}
        differs = any(
            desired.items() - record.desired.items() for record in records.get(scene_id, ()) if record.desired
        ) and not (settings.skip_unorganized and not scene.organized)
        signature = f"{zlib.crc32(json.dumps(desired, sort_keys=True).encode()):08x}" if differs else ""
        if signature != before.get(scene_id, ("",))[0]:
            new.append(Seen("desired", scene_id, signature))
            different += [JobKey.scene(scene_id)] if differs else []
    jobs = queue.add_missing(different, "weekly", now)
    app.state.see(new)
    return jobs


def _signature(raw: Row) -> str:
    files = [(int(file.get("id") or 0), file["path"]) for file in raw.get("files") or () if file.get("path")]
    return file_signature(str(raw.get("updated_at") or ""), files)


def _latest(raw: Row) -> float:
    """Return the newest ``updated_at`` of a scene and its files, in seconds since the epoch."""
    return max(epoch(row.get("updated_at")) for row in (raw, *(raw.get("files") or ())))
