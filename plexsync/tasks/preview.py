"""Preview: write what Sync all would change to two files. Writes to neither server and queues nothing.

Works page by page, with the worker's matching and comparison.
"""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack
from typing import Any, TextIO

from plexsync import matching
from plexsync.app import App
from plexsync.core import environment
from plexsync.matching import Candidate, Match
from plexsync.model.errors import StashUnavailable
from plexsync.model.item import Item
from plexsync.model.scene import Scene
from plexsync.model.settings import Settings, require_setup
from plexsync.plex.images import check_cover, image_digest
from plexsync.stash.api import Stash
from plexsync.stash.queries import SCENE
from plexsync.stash.reading import read_scene
from plexsync.sync import covers
from plexsync.sync.entries import name_of
from plexsync.sync.planner import Planner, Target
from plexsync.tasks.call import ProgressBar
from plexsync.tasks.preview_rows import COLUMNS, UNMATCHED_COLUMNS, names_of

#: Scenes in one request to Stash and one to Plex.
PAGE = 250

CsvRow = tuple[object, ...]


def run(app: App, bar: ProgressBar) -> dict[str, Any]:
    """Write ``preview.csv`` and ``unmatched.csv``; return the counts. Raise ``PlexSyncError``."""
    settings = app.load_settings()
    require_setup(settings)
    with app.client.whole():
        planner = app.connect_plex()
        planner.library.strict = True
        planner.refresh(missing=True)
        counts, names = _Preview(planner, settings, bar).write(app.folder, app.stash)
    folder = "PlexSync's data folder" if settings.log_hide_paths else app.folder
    app.log.info(f"finished Preview: nothing was written to Plex; see {' and '.join(names)} in {folder}", **counts)
    for name in (name for name in (environment.PREVIEW, environment.UNMATCHED) if name not in names):
        app.log.warning(f"left {name} as it was, because another program has it open.")
    return {**counts, "files": names}


class _Preview:
    """One run, with one copy of the settings."""

    def __init__(self, planner: Planner, settings: Settings, bar: ProgressBar) -> None:
        self._planner = planner
        self._settings = settings
        self._bar = bar
        self._counts = dict.fromkeys(
            ("scenes", "changed", "locked", "unchanged", "unmatched", "low_confidence", "skipped", "fields"), 0
        )

    def write(self, folder: str, stash: Stash) -> tuple[dict[str, int], list[str]]:
        """Write both files, replacing those of the last preview only when they are complete.

        Return the counts and the files' names.
        """
        total = stash.count({})
        names = (environment.PREVIEW, environment.UNMATCHED)
        try:
            with ExitStack() as stack:
                changes, unmatched = (csv.writer(stack.enter_context(_fresh(folder, name))) for name in names)
                changes.writerow(COLUMNS)
                unmatched.writerow(UNMATCHED_COLUMNS)
                for page in stash.pages({}, SCENE, PAGE):
                    changed_rows, unmatched_rows = self._page([read_scene(raw) for raw in page])
                    changes.writerows(changed_rows)
                    unmatched.writerows(unmatched_rows)
                    self._bar.progress(min(1.0, self._counts["scenes"] / max(total, 1)))
            return self._counts, [_publish(folder, name) for name in names]
        finally:
            for name in names:
                environment.discard(_part(folder, name))

    def _page(self, scenes: Sequence[Scene]) -> tuple[list[CsvRow], list[CsvRow]]:
        """Return the rows of both files for one page of scenes."""
        wanted = [scene for scene in scenes if scene.organized or not self._settings.skip_unorganized]
        self._counts["scenes"] += len(scenes)
        self._counts["skipped"] += len(scenes) - len(wanted)
        matches = self._planner.match(wanted)
        items = self._read(matches)
        moved = [scene for scene in wanted if not self._all_there(matches[scene.id], items)]
        if moved:
            matches |= self._match_again(moved, matches, items)
            items |= self._read({scene.id: matches[scene.id] for scene in moved})
        records = self._planner.state.records(self._planner.machine, items)
        changes: list[CsvRow] = []
        unmatched: list[CsvRow] = []
        for scene in wanted:
            match = matches[scene.id]
            targets = [
                self._planner.plan(scene, candidate, items[candidate.rating_key], records.get(candidate.rating_key))
                for candidate in self._chosen(match)
                if self._is_there(candidate, items)
            ]
            if targets:
                changes += self._changes(targets)
            else:
                unmatched.append(_unmatched(scene, match))
                self._counts["low_confidence" if match.verdict == "low" else "unmatched"] += 1
        return changes, unmatched

    def _chosen(self, match: Match) -> tuple[Candidate, ...]:
        return matching.write_targets(match, self._settings.match_low_confidence)

    def _read(self, matches: Mapping[int, Match]) -> dict[int, Item]:
        return self._planner.read(candidate for match in matches.values() for candidate in self._chosen(match))

    def _is_there(self, candidate: Candidate, items: Mapping[int, Item]) -> bool:
        return matching.confirm(candidate, items.get(candidate.rating_key))

    def _all_there(self, match: Match, items: Mapping[int, Item]) -> bool:
        return all(self._is_there(candidate, items) for candidate in self._chosen(match))

    def _match_again(
        self, moved: Sequence[Scene], matches: Mapping[int, Match], items: Mapping[int, Item]
    ) -> dict[int, Match]:
        """Do what the worker does when an item is gone or has another file: refresh the index and match again."""
        planner = self._planner
        for scene in moved:
            for candidate in self._chosen(matches[scene.id]):
                if not self._is_there(candidate, items):
                    planner.library.forget(candidate.rating_key)
        planner.stale()
        planner.refresh(missing=True)
        return planner.match(moved)

    def _changes(self, targets: Sequence[Target]) -> list[CsvRow]:
        """Return the rows for one scene, which may be several items in Plex."""
        rows = [_row(target, *field) for target in targets for field in (*_fields(target), *self._images(target))]
        locked = any(not target.edit.empty for target in targets)
        self._counts["changed" if rows else "locked" if locked else "unchanged"] += 1
        self._counts["fields"] += len(rows)
        return rows

    def _images(self, target: Target) -> Iterable[tuple[str, str, str]]:
        """Yield the images that would be uploaded, as (field, old hash, new hash)."""
        look = self._planner.look(target.item)
        record = covers.looked(target, target.record, look)
        if not covers.is_due(target, record):
            return
        try:
            cover = self._planner.stash.cover(target.scene.id)
        except StashUnavailable:
            return
        if check_cover(cover.data, cover.kind):
            return
        sha1 = image_digest(cover.data)
        for element in covers.elements(target, record, sha1, look)[1]:
            name = "poster" if element == "posters" else "background"
            yield name, covers.images(record).get(element, covers.Image()).newest, sha1


def _fields(target: Target) -> list[tuple[str, str, str]]:
    changes = (change for change in target.edit.changes if change.old != change.new)  # else only the lock goes
    return [(change.field, _plain(change.old), _plain(change.new)) for change in changes]


def _plain(value: str | tuple[str, ...]) -> str:
    return value if isinstance(value, str) else "; ".join(value)


def _row(target: Target, field: str, old: str, new: str) -> CsvRow:
    scene, candidate = target.scene, target.candidate
    why = candidate.confidence.value, candidate.evidence.key
    return scene.id, name_of(scene).title, candidate.rating_key, *why, field, old, new


def _unmatched(scene: Scene, match: Match) -> CsvRow:
    candidates = (
        json.dumps([candidate.as_dict() for candidate in match.items], ensure_ascii=False) if match.items else ""
    )
    name = name_of(scene)
    return scene.id, name.title, name.path, match.reason, candidates


def _part(folder: str, name: str) -> str:
    return environment.part_of(os.path.join(folder, name))


def _fresh(folder: str, name: str) -> TextIO:
    return open(_part(folder, name), "w", encoding="utf-8", errors="replace", newline="")


def _publish(folder: str, name: str) -> str:
    """Move the complete file to ``name``, or to another name while a program has that one open; return the name.

    Excel keeps what it shows open, and nobody wants to wait for a second run. Raise ``OSError``.
    """
    *others, last = names_of(name)
    for chosen in others:
        try:
            environment.publish(_part(folder, name), os.path.join(folder, chosen))
        except PermissionError:
            continue
        return chosen
    environment.publish(_part(folder, name), os.path.join(folder, last))
    return last
