"""What Sync all would change, field by field, as two files; reads both servers, writes to neither, leaves no job.

Works page by page, like the worker's batches, with the same matching and the same difference.
"""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from typing import Any, Protocol, TextIO

from plexsync import covers, matching, paths
from plexsync.app import App
from plexsync.errors import PlexBusy, PlexUnavailable, SetupError, StashUnavailable
from plexsync.matching import Candidate, Match
from plexsync.planning import Planner, Target
from plexsync.plex.images import check_cover, digest
from plexsync.scene import Scene
from plexsync.settings import setup_problem
from plexsync.stash import SCENE, read_scene

#: Scenes in one request to Stash and one to Plex.
PAGE = 250

COLUMNS = ("scene_id", "scene_title", "rating_key", "confidence", "evidence", "field", "old", "new")
UNMATCHED_COLUMNS = ("scene_id", "scene_title", "path", "reason", "candidates")


class Progress(Protocol):
    """Shows progress."""

    def progress(self, done: float) -> None:
        """0 to 1."""


def run(app: App, progress: Progress) -> dict[str, Any]:
    """Write ``preview.csv`` and ``unmatched.csv``; the counts. Raises ``PlexSyncError`` with one sentence."""
    settings = app.use(app.stash.settings())
    problem = setup_problem(settings)
    if problem:
        raise SetupError(problem, code="token")
    try:
        app.planner.refresh(missing=True)
        return _Preview(app, progress).write()
    except PlexBusy as error:
        raise PlexUnavailable(str(error)) from None


class _Preview:
    def __init__(self, app: App, progress: Progress) -> None:
        self._app = app
        self._progress = progress
        self._counts = dict.fromkeys(
            ("scenes", "changed", "unchanged", "unmatched", "low_confidence", "skipped", "fields"), 0
        )

    def write(self) -> dict[str, Any]:
        app = self._app
        total = app.stash.count({})
        with ExitStack() as stack:
            changes = csv.writer(stack.enter_context(_fresh(app.folder, paths.PREVIEW)))
            missing = csv.writer(stack.enter_context(_fresh(app.folder, paths.UNMATCHED)))
            changes.writerow(COLUMNS)
            missing.writerow(UNMATCHED_COLUMNS)
            for page in app.stash.pages({}, SCENE, PAGE):
                scenes = [read_scene(raw) for raw in page]
                self._counts["scenes"] += len(scenes)
                rows, lost = self._page(scenes)
                changes.writerows(rows)
                missing.writerows(lost)
                self._progress.progress(self._counts["scenes"] / max(total, 1))
        for name in (paths.PREVIEW, paths.UNMATCHED):
            os.replace(_part(app.folder, name), os.path.join(app.folder, name))
        return {**self._counts, "files": [paths.PREVIEW, paths.UNMATCHED]}

    def _page(self, scenes: Sequence[Scene]) -> tuple[list[tuple[object, ...]], list[tuple[object, ...]]]:
        settings, planner = self._app.use(self._app.stash.settings()), self._app.planner
        wanted = [scene for scene in scenes if scene.organized or not settings.skip_unorganized]
        self._counts["skipped"] += len(scenes) - len(wanted)
        found = planner.match(wanted)
        chosen: list[tuple[Scene, Candidate]] = []
        lost: list[tuple[object, ...]] = []
        for scene in wanted:
            candidates = matching.write_targets(found[scene.id], settings.match_low_confidence)
            chosen += [(scene, candidate) for candidate in candidates]
            if not candidates:
                lost.append(_unmatched(scene, found[scene.id]))
                self._counts["low_confidence" if found[scene.id].verdict == "low" else "unmatched"] += 1
        return self._changes(planner, chosen), lost

    def _changes(self, planner: Planner, chosen: Sequence[tuple[Scene, Candidate]]) -> list[tuple[object, ...]]:
        items = planner.read(candidate for _, candidate in chosen)
        records = planner.state.records(planner.machine, items)
        rows: list[tuple[object, ...]] = []
        for scene, candidate in chosen:
            item = items.get(candidate.rating_key)
            if item is None or not matching.confirm(candidate, item):
                self._counts["unmatched"] += 1
                continue
            target = planner.plan(scene, candidate, item, records.get(item.rating_key))
            found = [*_fields(target), *self._images(planner, target)]
            self._counts["changed" if found else "unchanged"] += 1
            self._counts["fields"] += len(found)
            rows += [_row(target, *one) for one in found]
        return rows

    def _images(self, planner: Planner, target: Target) -> Iterable[tuple[str, str, str]]:
        """The images that would be uploaded, by hash."""
        if not covers.is_due(target, target.record):
            return
        try:
            data, kind = planner.stash.cover(target.scene.id)
        except StashUnavailable:
            return
        if check_cover(data, kind):
            return
        sha1 = digest(data)
        keep = planner.settings.keep_plex_edits
        for element in covers.elements(target, target.record, sha1, keep_plex_edits=keep):
            name = "poster" if element == "posters" else "background"
            yield name, covers.held(target.record).get(element, ""), sha1


def _fields(target: Target) -> list[tuple[str, str, str]]:
    return [(change.field, _plain(change.old), _plain(change.new)) for change in target.edit.changes]


def _plain(value: str | tuple[str, ...]) -> str:
    return value if isinstance(value, str) else "; ".join(value)


def _row(target: Target, field: str, old: str, new: str) -> tuple[object, ...]:
    scene, candidate = target.scene, target.candidate
    evidence = candidate.evidence.value
    return scene.id, scene.title, candidate.rating_key, candidate.confidence.value, evidence, field, old, new


def _unmatched(scene: Scene, match: Match) -> tuple[object, ...]:
    candidates = json.dumps([one.as_dict() for one in match.items], ensure_ascii=False) if match.items else ""
    return scene.id, scene.title, scene.files[0].path if scene.files else "", match.reason, candidates


def _part(folder: str, name: str) -> str:
    return os.path.join(folder, f"{name}.part")


def _fresh(folder: str, name: str) -> TextIO:
    return open(_part(folder, name), "w", encoding="utf-8", newline="")
