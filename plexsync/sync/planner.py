"""From scenes to planned edits: match against the index, ask Stash who else has such a file, read the items, compare.

Reads only; the worker, the preview and Check setup share it. Writes nothing to Plex, and to ``state.db`` only the index
and the learned path map.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from plexsync import matching
from plexsync.matching import Candidate, Known, Match, Remembered, Rival, path_map
from plexsync.model import fields
from plexsync.model.fields import Desired
from plexsync.model.item import IndexPart, Item, Section
from plexsync.model.paths import name_key
from plexsync.model.scene import Scene
from plexsync.model.settings import Settings
from plexsync.plex.client import PlexClient
from plexsync.plex.index import Library, Refresh
from plexsync.stash.api import Stash
from plexsync.stash.files import StashFiles
from plexsync.state.ledger import Record, State
from plexsync.sync.edit import EditPlan, plan

K = TypeVar("K", str, int)

#: Seconds for which a folder that Plex was asked to scan is not asked for again.
SCAN_PAUSE = 600.0

#: Seconds for which the index counts as fresh while nothing is missing from it.
FRESH = 30.0


@dataclass(frozen=True, slots=True)
class Target:
    """One item that a scene is to be written to, as it is now and as it should be."""

    scene: Scene
    candidate: Candidate
    item: Item
    desired: Desired
    record: Record
    edit: EditPlan


class _BatchView:
    """The library index for one batch, each look-up asked once."""

    def __init__(self, library: Library) -> None:
        self.complete = library.complete
        self.fold_case = library.fold_case
        self._library = library
        self._names: dict[str, Sequence[IndexPart]] = {}
        self._sizes: dict[int, Sequence[IndexPart]] = {}
        self._items: dict[int, Sequence[IndexPart]] = {}

    def by_name(self, keys: Collection[str]) -> Mapping[str, Sequence[IndexPart]]:
        return _once(self._names, self._library.by_name, keys)

    def by_size(self, sizes: Collection[int]) -> Mapping[int, Sequence[IndexPart]]:
        return _once(self._sizes, self._library.by_size, sizes)

    def by_item(self, rating_keys: Collection[int]) -> Mapping[int, Sequence[IndexPart]]:
        return _once(self._items, self._library.by_item, rating_keys)


def _once(
    known: dict[K, Sequence[IndexPart]],
    ask: Callable[[Collection[K]], Mapping[K, Sequence[IndexPart]]],
    keys: Collection[K],
) -> Mapping[K, Sequence[IndexPart]]:
    """Return what lies under ``keys``, asking only for those that are not ``known`` yet."""
    new = [key for key in keys if key not in known]
    if new:
        answer = ask(new)
        known.update({key: answer.get(key, ()) for key in new})
    return {key: known[key] for key in keys}


class Planner:
    """Plans for one Plex server under one copy of the settings."""

    def __init__(
        self,
        stash: Stash,
        client: PlexClient,
        library: Library,
        state: State,
        settings: Settings,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._clock = clock
        self._refreshed = float("-inf")
        self._stash_files = StashFiles(clock)
        self._scanned: dict[tuple[int, str], float] = {}
        self.sections: tuple[Section, ...] = ()
        self.stash = stash
        self.client = client
        self.library = library
        self.state = state
        self.settings = settings

    @property
    def listing_seconds(self) -> float:
        """Seconds spent so far on listing Stash's files for many batches."""
        return self._stash_files.seconds

    def close(self) -> None:
        """Forget what was listed of Stash."""
        self._stash_files.close()

    @property
    def machine(self) -> str:
        """The Plex server's machineIdentifier."""
        return self.client.identity.machine

    def refresh(self, *, missing: bool = False) -> Refresh | None:
        """Bring the index of the chosen libraries up to date; return None if that was done within ``FRESH`` seconds.

        ``missing``: a scene has no item, so Plex is asked at once. An older index does no harm: the full item that is
        read before each write lists the files that it holds.
        """
        now = self._clock()
        if not missing and self.library.complete and 0 <= now - self._refreshed < FRESH:
            return None
        refresh = self.library.refresh(self.settings.libraries, missing=missing)
        self._refreshed, self.sections = now, refresh.sections
        return refresh

    def stale(self) -> None:
        """An item was not as the index has it: make the next refresh ask Plex what took the place of it."""
        self._refreshed = float("-inf")
        self.library.expect_more()

    def scan_once(self, section: int, folder: str) -> None:
        """Ask Plex to scan a folder, but each at most every ``SCAN_PAUSE`` seconds."""
        now = self._clock()
        if not 0 <= now - self._scanned.get((section, folder), float("-inf")) < SCAN_PAUSE:
            self._scanned[section, folder] = now
            self.client.scan(section, folder)

    def match(self, scenes: Sequence[Scene]) -> dict[int, Match]:
        """Return which items these scenes belong to, asking Stash little about the files of other scenes."""
        view = _BatchView(self.library)
        known = self._known(scenes)
        first = matching.match(scenes, view, known)
        names = matching.names_to_ask(scenes, first, view)
        alike = matching.sizes_to_ask(first.values())
        if not names and not alike:
            return first
        claims = self._claims(first)
        known = _claiming(replace(known, rivals=self._rivals(names, alike, scenes)), claims)
        found = matching.match(scenes, view, known)
        turned_to = self._claims(found)
        if turned_to.keys() - claims.keys():  # a scene that lost its item may have turned to another's
            found = matching.match(scenes, view, _claiming(known, claims | turned_to))
        self._learn(found)
        return found

    def _claims(self, matches: Mapping[int, Match]) -> dict[int, Record]:
        """Return what was written to the items of these matches before, by rating key."""
        return self.state.records(
            self.machine, {candidate.rating_key for one in matches.values() for candidate in one.items}
        )

    def _known(self, scenes: Sequence[Scene]) -> Known:
        records = self.state.records_of(self.machine, [scene.id for scene in scenes])
        remembered = {
            scene_id: tuple(Remembered(one.rating_key, one.path, one.stash_path) for one in several)
            for scene_id, several in records.items()
        }
        known = Known(self.settings.path_map, self.learned(), remembered)
        return _claiming(known, {one.rating_key: one for several in records.values() for one in several})

    def learned(self) -> path_map.LearnedMap:
        """Return the path map learned from the matches on this server."""
        return path_map.learned_from(path_map.Tally(*row) for row in self.state.tallies(self.machine))

    def _learn(self, found: Mapping[int, Match]) -> None:
        pairs = matching.unambiguous_pairs(found.values())
        if not pairs:
            return
        before = [path_map.Tally(*row) for row in self.state.tallies(self.machine)]
        after = path_map.tally(before, pairs)
        if tuple(before) != tuple(after):
            self.state.store_tallies(self.machine, [(one.stash_prefix, one.plex_prefix, one.seen) for one in after])

    def _rivals(
        self, names: Collection[str], alike: Collection[tuple[int, float]], scenes: Sequence[Scene]
    ) -> dict[str, tuple[Rival, ...]]:
        told = self._stash_files.with_names(self.stash, names, scenes) if names else []
        told += self._stash_files.alike(self.stash, alike, scenes) if alike else []
        found: dict[str, list[Rival]] = {name_key(name): [] for name in names}
        for scene_id, file in told:
            found.setdefault(name_key(file.path), []).append(Rival(scene_id, file))
        return {key: tuple(rivals) for key, rivals in found.items()}

    def read(self, candidates: Iterable[Candidate]) -> dict[int, Item]:
        """Return the full items by rating key, in one request; what Plex no longer has is absent."""
        keys = {candidate.rating_key for candidate in candidates}
        return self.client.items(keys) if keys else {}

    def plan(self, scene: Scene, candidate: Candidate, item: Item, record: Record | None) -> Target:
        """Return what would change on ``item`` for ``scene``."""
        desired = fields.desired(scene, self.settings)
        record = record or Record(item.rating_key, scene.id)
        record = replace(record, scene_id=scene.id, path=candidate.part.path, stash_path=candidate.file.path)
        edit = plan(item, desired, record.written, keep_plex_edits=self.settings.keep_plex_edits)
        return Target(scene, candidate, item, desired, record, edit)


def _claiming(known: Known, records: Mapping[int, Record]) -> Known:
    """Return the same with the claims of these records, which are by rating key."""
    return replace(
        known,
        claims={key: one.scene_id for key, one in records.items()},
        claim_paths={key: one.path for key, one in records.items() if one.path},
    )
