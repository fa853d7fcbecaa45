"""What changed in Stash without a hook: found by comparing Stash with what the last finished job saw.

Makes jobs only where Stash's value is different, never touches an existing row, and ignores what is older than
PlexSync's first contact and than the last Clear queue. Knows nothing of Plex.

Every scene is listed each time, with little of each, rather than those of a window of ``updated_at``: a file that was
assigned to another scene moves no time at all, and a Stash before v0.29 cannot be asked for the times of files. That is
one request for a library of 1,000 scenes and 100 for one of 100,000, each 0.2 MB, and it cannot be misled by clocks,
zones or equal seconds. Performers, studios and tags are asked for by a window, in the first of these requests.
"""

from __future__ import annotations

import json
import zlib
from bisect import bisect_right
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from plexsync.app import App
from plexsync.model import fields
from plexsync.model.fields import fingerprint
from plexsync.model.job_key import JobKey
from plexsync.model.paths import base_name
from plexsync.model.scene import epoch, file_signature
from plexsync.model.settings import Settings
from plexsync.queue.worker_queue import JobQueue
from plexsync.stash.queries import stash_text
from plexsync.state.ledger import Seen

#: Seconds in which every written scene is compared once with what was last wished, a portion at a time.
WEEK = 7 * 86400.0
#: Scenes in one portion: one request for whole scenes, during which edits wait.
PORTION = 250

Row = Mapping[str, Any]


def run(app: App, queue: JobQueue) -> int:
    """Make jobs for what changed; return how many. Raise ``StashUnavailable``; what was found by then is queued."""
    now, stash = app.world.clock(), app.stash
    found = _Pass(app, queue, now)
    for kind, rows in stash.changes(stash_text(min(now, found.last or found.start))):
        if kind == "scene":
            found.scenes(rows)
        else:
            found.named(kind, rows)
    if not stash.skipped.get("scene"):
        found.vanished()
    found.new_owners()
    made = found.made + weekly(app, queue, now, found.absent)
    queue.meta.caught_up_at = now
    return made


class _Pass:
    """One catch-up. ``made``: jobs so far. ``absent``: scenes written, or dead letters, that Stash did not list."""

    def __init__(self, app: App, queue: JobQueue, now: float) -> None:
        self.last = queue.meta.caught_up_at
        self.start = queue.meta.started_at or now
        self.made = 0
        self._app = app
        self._queue = queue
        self._cleared = float(int(queue.meta.cleared_at))  # Stash's times are whole seconds
        dead = (JobKey.parse(letter.key) for letter in queue.dead_letters())
        self._dead = {key.id for key in dead if key and key.is_scene}
        self.absent = app.state.written_scenes() | self._dead
        self._left_paths: set[str] = set()

    def scenes(self, page: Iterable[Row]) -> None:
        """Jobs for the scenes of a page that are not as they were last seen."""
        rows = {int(raw["id"]): raw for raw in page}
        self.absent -= rows.keys()
        seen = self._app.state.seen("scene", rows)
        marks = {scene_id: _signature(raw) for scene_id, raw in rows.items()}
        different = [one for one, mark in marks.items() if seen.get(one, ("",))[0] != mark]
        news, over = self._sorted(different, rows, {one: mark for one, (mark, _) in seen.items()})
        self._add([JobKey.scene(one) for one in news])
        # What a Clear queue has swept away is done with, so that what comes later can be told from it.
        self._app.state.see([Seen("scene", one, marks[one]) for one in over])
        self._note_left_paths({one: rows[one] for one in news if one in seen})

    def _sorted(
        self, different: Iterable[int], rows: Mapping[int, Row], seen: Mapping[int, str]
    ) -> tuple[list[int], list[int]]:
        """Which of the ``different`` scenes want a job, and which of those seen before are older than a Clear queue."""
        times = {one: _latest(rows[one]) for one in different}
        times = {one: at for one, at in times.items() if one in seen or at >= self.start}
        cleared = self._queue.cleared_at([JobKey.scene(one) for one in times])
        news, over = [], []
        for one, at in times.items():
            at_clear = cleared.get(JobKey.scene(one), 0.0)
            undated = one in seen and not self._is_edit(seen[one], rows[one]) and at_clear <= self.last
            if undated or self._is_new(at, at_clear, known=one in seen):
                news.append(one)
            elif one in seen:
                over.append(one)
        return news, over

    def _is_new(self, at: float, at_clear: float, *, known: bool) -> bool:
        """Whether a change of that time counts: after the Clear queue, and of what nobody saw before, the start."""
        return at >= (self._cleared if known else max(self.start, self._cleared)) and at > at_clear

    @staticmethod
    def _is_edit(before: str, raw: Row) -> bool:
        """Whether the scene's own time moved. A file that was assigned to another scene moves none."""
        return before.rpartition(" ")[0] != str(raw.get("updated_at") or "")

    def _note_left_paths(self, rows: Mapping[int, Row]) -> None:
        """The files by which changed scenes were matched and that they no longer have."""
        machine = self._app.state.meta.machine
        for scene_id, records in self._app.state.records_of(machine, rows).items():
            paths = {file["path"] for file in rows[scene_id].get("files") or ()}
            self._left_paths |= {one.stash_path for one in records} - paths - {""}

    def new_owners(self) -> None:
        """Jobs for the scenes that such files belong to now, where nobody has seen them before."""
        if not self._left_paths:
            return
        named = self._app.stash.files_named([base_name(path) for path in self._left_paths])
        owners = {scene_id for scene_id, file in named if file.path in self._left_paths}
        self._add([JobKey.scene(one) for one in sorted(owners - self._app.state.seen("scene", owners).keys())])

    def vanished(self) -> None:
        """Jobs for scenes that Stash no longer has: they give up their claims, and their dead letters end."""
        self._add([JobKey.scene(one) for one in sorted(self.absent - self._dead)])
        ended = [JobKey.scene(one) for one in sorted(self.absent & self._dead)]
        self._queue.enqueue_many(ended, "catch-up")
        self.made += len(ended)

    def named(self, kind: str, page: Iterable[Row]) -> None:
        """Jobs for the performers, studios or tags whose ``updated_at`` or name is not as it was last seen."""
        rows = {int(raw["id"]): raw for raw in page}
        seen = self._app.state.seen(kind, rows)
        cleared = self._queue.cleared_at([JobKey(kind, one) for one in rows])
        different = []
        for number, raw in rows.items():
            mark, before = str(raw.get("updated_at") or ""), seen.get(number)
            key = JobKey(kind, number)
            if before != (mark, str(raw.get("name") or "")) and self._is_new(
                epoch(mark), cleared.get(key, 0.0), known=before is not None
            ):
                different.append(key)
        self._add(different)

    def _add(self, keys: list[JobKey]) -> None:
        # Not as if edited by hand: the auto-tag task may have touched the whole library.
        self.made += self._queue.retry_invalid(keys) + self._queue.add_missing(keys, "catch-up")


def weekly(app: App, queue: JobQueue, now: float, gone: Collection[int] = ()) -> int:
    """Compare the portions of written scenes that are due with what was last wished: a deleted tag touches no scene.

    How many jobs were made. Each scene comes once a ``WEEK``; ``compared`` keeps the time and the last scene. ``gone``:
    scenes that Stash no longer has.
    """
    machine, meta = app.state.meta.machine, app.state.meta
    written = sorted(app.state.written_scenes(machine).difference(gone)) if machine else []
    if not written:
        return 0
    gap = WEEK / -(-len(written) // PORTION)
    at, after = meta.compared or (queue.meta.started_at or now, 0)
    at = min(max(at, now - WEEK), now)  # no scene twice at once, and a clock that was wrong holds up nothing
    made = 0
    while now - at >= gap:
        begin = bisect_right(written, after) % len(written)
        part = written[begin : begin + PORTION]
        made += _compare(app, queue, machine, part, app.settings)
        at, after = at + gap, part[-1]
        meta.compared = [at, after]
    meta.compared = [at, after]
    return made


def _compare(app: App, queue: JobQueue, machine: str, part: Sequence[int], settings: Settings) -> int:
    """One portion. A difference that was found before is not asked for again: its job may have ended otherwise."""
    scenes = app.stash.batch(part).scenes
    records = app.state.records_of(machine, part)
    before = app.state.seen("desired", scenes)
    different: list[JobKey] = []
    news: list[Seen] = []
    for scene_id, scene in scenes.items():
        values = fields.desired(scene, settings).values
        desired = {name: fingerprint(name, value) for name, value in values.items()}
        differs = any(
            desired.items() - record.desired.items() for record in records.get(scene_id, ()) if record.desired
        ) and not (settings.skip_unorganized and not scene.organized)
        signature = f"{zlib.crc32(json.dumps(desired, sort_keys=True).encode()):08x}" if differs else ""
        if signature != before.get(scene_id, ("",))[0]:
            news.append(Seen("desired", scene_id, signature))
            different += [JobKey.scene(scene_id)] if differs else []
    made = queue.add_missing(different, "weekly")
    app.state.see(news)
    return made


def _signature(raw: Row) -> str:
    files = [(int(file.get("id") or 0), file["path"]) for file in raw.get("files") or () if file.get("path")]
    return file_signature(str(raw.get("updated_at") or ""), files)


def _latest(raw: Row) -> float:
    """The newest time of a scene and its files."""
    return max(epoch(one.get("updated_at")) for one in (raw, *(raw.get("files") or ())))
