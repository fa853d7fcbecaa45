"""From scenes to planned edits: match against the index, ask Stash for rival scenes, read the items, compare.

Shared by the worker, the preview and Check setup. Writes nothing to Plex, and to ``state.db`` only the index, the
learned path map, and where the files of chosen items are.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from plexsync import matching
from plexsync.matching import Candidate, Known, Match, Remembered, Rival, path_map
from plexsync.model import fields
from plexsync.model.errors import ItemGone, PlexBusy, Rejected
from plexsync.model.fields import Desired
from plexsync.model.item import IndexPart, Item, Section
from plexsync.model.paths import name_key
from plexsync.model.scene import Scene, SceneFile
from plexsync.model.settings import Settings
from plexsync.plex.client import Element, PlexClient
from plexsync.plex.images import Picture
from plexsync.plex.index import Library, Refresh, pause
from plexsync.stash.api import Stash
from plexsync.stash.files import StashFiles
from plexsync.state.ledger import Record, State
from plexsync.sync import chosen
from plexsync.sync.edit import EditPlan, plan
from plexsync.sync.kinds import Kinds

K = TypeVar("K", str, int)

#: Seconds for which Plex is not asked again to scan the same folder.
SCAN_PAUSE = 600.0

#: Seconds for which the index counts as fresh while nothing is missing from it.
FRESH = 30.0


@dataclass(frozen=True, slots=True)
class Target:
    """One item to write a scene to: as it is now, and as it should be. ``keep_edits``: ``keepPlexEdits`` is on."""

    scene: Scene
    candidate: Candidate
    item: Item
    desired: Desired
    record: Record
    edit: EditPlan
    keep_edits: bool = False


class _BatchView:
    """The library index for one batch: each look-up is made once."""

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
    """Return the parts under ``keys``, looking up only those that are not ``known`` yet."""
    new = [key for key in keys if key not in known]
    if new:
        answer = ask(new)
        known.update({key: answer.get(key, ()) for key in new})
    return {key: known[key] for key in keys}


class Planner:
    """Plans edits for one Plex server under one copy of the settings."""

    def __init__(
        self,
        stash: Stash,
        client: PlexClient,
        library: Library,
        state: State,
        settings: Settings,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.clock = clock
        self._refreshed = float("-inf")
        self._stash_files = StashFiles(clock)
        self._scanned: dict[tuple[int, str], float] = {}
        self.sections: tuple[Section, ...] = ()
        self.path_map = settings.path_map
        self.stash = stash
        self.client = client
        self.library = library
        self.state = state
        self.settings = settings
        self.kinds = Kinds(state.meta, clock)

    @property
    def listing_seconds(self) -> float:
        """Seconds spent so far on listings of Stash's files that serve many batches."""
        return self._stash_files.seconds

    def close(self) -> None:
        """Drop the listing of Stash's files."""
        self._stash_files.close()

    @property
    def machine(self) -> str:
        """The Plex server's machineIdentifier."""
        return self.client.identity.machine

    def refresh(self, *, missing: bool = False) -> Refresh | None:
        """Bring the index of the chosen libraries up to date; return None if that was done within ``FRESH`` seconds.

        ``missing``: a scene has no item, so ask Plex at once. An older index does no harm: the full item that is read
        before each write lists the item's files.
        """
        now = self.clock()
        if not missing and 0 <= now - self._refreshed < (FRESH if self.library.complete else pause()):
            return None
        refresh = self.library.refresh(self.settings.libraries, missing=missing)
        self._refreshed, self.sections = now, refresh.sections
        locations = [location for section in refresh.sections for location in section.locations]
        self.path_map = path_map.as_plex_spells(self.settings.path_map, locations, fold_case=self.library.fold_case)
        return refresh

    def plex_time(self) -> int:
        """Return Plex's time at its last reply, in seconds since the epoch; ours, if it does not tell."""
        return self.client.session.time(self.clock())

    def stale(self) -> None:
        """Note that an item was not as the index has it: the next refresh asks Plex whatever its age."""
        self._refreshed = float("-inf")

    @property
    def is_unlistable(self) -> bool:
        """True if no chosen library can be listed."""
        return bool(self.sections) and len(self.library.unlisted) == len(self.sections)

    @property
    def probe_section(self) -> int | None:
        """The library whose first row a probe reads: one that can be listed, None for the list of libraries."""
        return next((section.key for section in self.sections if section.key not in self.library.unlisted), None)

    def probe(self) -> None:
        """Find out whether Plex as a whole answers. Raise ``PlexUnavailable`` or ``SetupError`` if it does not."""
        with self.client.whole() as client:
            client.probe(self.probe_section)

    def scan_once(self, section: int, folder: str) -> None:
        """Ask Plex to scan a folder, unless it was asked less than ``SCAN_PAUSE`` seconds ago."""
        now = self.clock()
        if not 0 <= now - self._scanned.get((section, folder), float("-inf")) < SCAN_PAUSE:
            self._scanned[section, folder] = now
            self.client.scan(section, folder)

    def match(self, scenes: Sequence[Scene]) -> dict[int, Match]:
        """Return scene id -> match, asking Stash only for files of other scenes that could make a difference."""
        view = _BatchView(self.library)
        choices = chosen.in_force(self.state, self.machine, view, [scene.id for scene in scenes], self.clock())
        known = self._known(scenes, choices)
        first = matching.match(scenes, view, known)
        if self._take_up(first):
            known = self._known(scenes, choices)
            first = matching.match(scenes, view, known)
        names = matching.names_to_ask(scenes, first, view)
        alike = matching.sizes_to_ask(first.values())
        if not names and not alike:
            return first
        claims = self._claims(first)
        known = _claiming(replace(known, rivals=self._rivals(names, alike, scenes)), claims)
        matches = matching.match(scenes, view, known)
        new_claims = self._claims(matches)
        if new_claims.keys() - claims.keys():  # a scene that lost its item may now match one claimed by another scene
            matches = matching.match(scenes, view, _claiming(known, claims | new_claims))
        self._learn(matches)
        return matches

    def _take_up(self, matches: Mapping[int, Match]) -> bool:
        """Take up the records that were set aside and belong to these candidates; return whether there were any.

        Before it is decided who owns an item: who wrote it counts.
        """
        state, machine = self.state, self.machine
        if not state.has_aside(machine):
            return False
        candidates = [candidate for match in matches.values() for candidate in match.items]
        known = state.records(machine, [candidate.rating_key for candidate in candidates])
        taken: set[int] = set()
        for scene_id, match in matches.items():
            for candidate in match.items:
                key, sure = candidate.rating_key, match.verdict == "high"
                if key in known or key in taken:
                    continue
                record = state.aside(machine, key, candidate.part.path, scene_id if sure else 0, candidate.file.path)
                if record is not None:
                    state.take_up(machine, record, key)
                    taken.add(key)
        return bool(taken)

    def _claims(self, matches: Mapping[int, Match]) -> dict[int, Record]:
        """Return what was written before to the items of these matches: rating key -> record."""
        rating_keys = {candidate.rating_key for match in matches.values() for candidate in match.items}
        return self.state.records(self.machine, rating_keys)

    def _known(self, scenes: Sequence[Scene], choices: Mapping[int, int]) -> Known:
        records = self.state.records_of(self.machine, [scene.id for scene in scenes])
        remembered = {
            scene_id: tuple(
                Remembered(record.rating_key, record.path, record.stash_path)
                for record in of_scene
                if record.evidence != chosen.CHOSEN
            )
            for scene_id, of_scene in records.items()
        }
        known = Known(self.path_map, self.learned(), remembered, chosen=choices)
        return _claiming(known, {record.rating_key: record for of_scene in records.values() for record in of_scene})

    def learned(self) -> path_map.LearnedMap:
        """Return the path map learned from the matches on this server."""
        return path_map.learned_from(path_map.Tally(*row) for row in self.state.tallies(self.machine))

    def _learn(self, matches: Mapping[int, Match]) -> None:
        pairs = matching.unambiguous_pairs(matches.values())
        if not pairs:
            return
        before = [path_map.Tally(*row) for row in self.state.tallies(self.machine)]
        after = path_map.tally(before, pairs)
        if tuple(before) != tuple(after):
            rows = [(tally.stash_prefix, tally.plex_prefix, tally.seen) for tally in after]
            self.state.store_tallies(self.machine, rows)

    def _rivals(
        self, names: Collection[str], alike: Collection[tuple[int, float]], scenes: Sequence[Scene]
    ) -> dict[str, tuple[Rival, ...]]:
        """Return the files of other scenes with these names or sizes: name key -> rivals."""
        files = self._stash_files.with_names(self.stash, names, scenes) if names else []
        files += self._stash_files.alike(self.stash, alike, scenes) if alike else []
        rivals: dict[str, list[Rival]] = {name_key(name): [] for name in names}
        for scene_id, file in files:
            rivals.setdefault(name_key(file.path), []).append(Rival(scene_id, file))
        return {key: tuple(of_name) for key, of_name in rivals.items()}

    def files_named(self, names: Collection[str]) -> list[tuple[int, SceneFile]]:
        """Return every (scene id, file) in Stash with one of these base names, in any letter case."""
        return self._stash_files.with_names(self.stash, names, ())

    def read(self, candidates: Iterable[Candidate]) -> dict[int, Item]:
        """Return rating key -> full item, in one request; items that Plex does not name are absent."""
        sections = {candidate.rating_key: candidate.section for candidate in candidates}
        return placed(self.client.items(sections), sections) if sections else {}

    def plan(self, scene: Scene, candidate: Candidate, item: Item, record: Record | None) -> Target:
        """Return what to change on ``item`` for ``scene``; ``record``: what was written to it before, if anything."""
        desired = fields.desired(scene, self.settings)
        record = record or Record(item.rating_key, scene.id)
        if record.scene_id != scene.id:  # the scene takes the item over, and clears nothing that others wrote
            record = replace(record, written=replace(record.written, own=()), cover_stamp="")
        record = replace(record, scene_id=scene.id, path=candidate.part.path, stash_path=candidate.file.path)
        title = desired.values.get("title") or item.title
        size = candidate.part.size
        record = replace(record, evidence=candidate.evidence.key, title=str(title), size=size)
        keep = self.settings.keep_plex_edits
        edit = plan(item, desired, record.written, keep_plex_edits=keep)
        return Target(scene, candidate, item, desired, record, edit, keep)

    def look(self, item: Item) -> Callable[[Element], Sequence[Picture] | None]:
        """Return what asks Plex for the pictures of an item; it returns None where Plex does not say."""

        def pictures(element: Element) -> Sequence[Picture] | None:
            try:
                return self.client.pictures(item.rating_key, element)
            except (PlexBusy, Rejected, ItemGone):
                return None

        return pictures


def placed(items: Mapping[int, Item], sections: Mapping[int, int]) -> dict[int, Item]:
    """Return the items with their sections (rating key -> section): some servers do not name it, and an edit has to."""
    return {key: item if item.section else replace(item, section=sections[key]) for key, item in items.items()}


def _claiming(known: Known, records: Mapping[int, Record]) -> Known:
    """Return ``known`` with the claims of these records (rating key -> record)."""
    records = {key: record for key, record in records.items() if record.evidence != chosen.CHOSEN}
    return replace(
        known,
        claims={key: record.scene_id for key, record in records.items()},
        claim_paths={key: record.path for key, record in records.items() if record.path},
    )
