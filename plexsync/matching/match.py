"""Find the Plex items of each scene of a batch: evidence, confidence, and the reason where there is none. Pure.

Owns the order of the rules (``RULES``). ``rules`` finds the evidence, ``ownership`` decides between scenes, ``reasons``
words the result, ``model`` has the values. Knows no HTTP, SQL or jobs. A batch of any size costs one ``by_name`` and at
most one ``by_item`` and one ``by_size`` of the index.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from plexsync.matching.batch_index import WITH_FOLDER, BatchIndex
from plexsync.matching.model import Candidate, Confidence, Evidence, Known, LibraryView, Match
from plexsync.matching.ownership import Claimant, Ownership, by_choice, resolve, tier
from plexsync.matching.path_map import Pair, apply_map, pair_of, sole_source
from plexsync.matching.reasons import why_choice_yields, why_low, why_no_choice, why_none, with_rivals
from plexsync.matching.rules import (
    FileQuery,
    Hit,
    chosen,
    equal_path,
    learned_path,
    name_folders,
    name_only,
    name_size,
    remembered,
    size_duration,
)
from plexsync.model.item import IndexPart, Item
from plexsync.model.paths import base_name, name_key, normal_path, slashed, spellings
from plexsync.model.scene import Scene, SceneFile, same_duration

_HINT = re.compile(r"plex/library/metadata/(\d+)")
_BY_SIZE = frozenset((Evidence.REMEMBERED, Evidence.NAME_SIZE, Evidence.NAME_FOLDERS, Evidence.SIZE_DURATION))
#: A file of an item, as rating key and normal path: a path proves one file, and says nothing of the item's others.
_Place = tuple[int, str]


@dataclass(frozen=True, slots=True)
class Rule:
    """One kind of evidence: ``find`` returns the hits for a file, ``high`` says in words when they are certain.

    ``needs_complete_index``: the rule relies on uniqueness, so it counts only once every section has been listed. Until
    then, only an equal path accepts a file of another size.
    """

    evidence: Evidence
    find: Callable[[FileQuery, BatchIndex], list[Hit]]
    high: str
    needs_complete_index: bool


#: The rules in the order in which they are tried for each file of a scene; the first with a hit decides. Hits that both
#: size and duration contradict do not decide: they stay candidates (LOW), and the next rules are tried. Where a person
#: chose, nothing else is tried.
RULES = (
    Rule(
        Evidence.CHOSEN,
        chosen,
        "always, unless another scene has the item by an equal path",
        needs_complete_index=False,
    ),
    Rule(
        Evidence.EQUAL_PATH,
        equal_path,
        "always, in the exact spelling; in another unless the size differs",
        needs_complete_index=False,
    ),
    Rule(
        Evidence.LEARNED_PATH,
        learned_path,
        "unless size and duration both contradict; in another spelling if one of them agrees",
        needs_complete_index=False,
    ),
    Rule(
        Evidence.REMEMBERED,
        remembered,
        "while scene and item still hold that file, unless size and duration both contradict",
        needs_complete_index=False,
    ),
    Rule(
        Evidence.NAME_SIZE,
        name_size,
        "one such item, or one with the longest common path suffix",
        needs_complete_index=True,
    ),
    Rule(
        Evidence.NAME_FOLDERS,
        name_folders,
        "nearest folders unique, and equal size or duration",
        needs_complete_index=True,
    ),
    Rule(
        Evidence.SIZE_DURATION,
        size_duration,
        "unique in Plex and in Stash (the file was renamed)",
        needs_complete_index=True,
    ),
    Rule(Evidence.NAME_ONLY, name_only, "never", needs_complete_index=True),
)
_CHOICE, _PATH_RULES, _NEAR_RULES, _FAR_RULES = RULES[0], RULES[1:3], RULES[3:6], RULES[6:]
_ORDER = {rule.evidence: number for number, rule in enumerate(RULES)}


@dataclass(slots=True)
class _Search:
    """One file of a scene (of the batch, or of a rival) and its hits so far."""

    scene_id: int
    query: FileQuery
    hits: list[Hit] = field(default_factory=list)
    decided: bool = False

    @property
    def by_path(self) -> bool:
        return any(hit.high and tier(hit) < 2 for hit in self.hits)

    @property
    def settled(self) -> bool:
        """Return whether a path decided, and no file of this size elsewhere in Plex can contradict it."""
        return self.by_path and all(hit.size == 2 or hit.evidence is Evidence.EQUAL_PATH for hit in self.hits)

    def restart(self) -> None:
        """Drop the hits, so that the rules can be applied anew."""
        self.hits, self.decided = [], False

    def apply(self, rules: Iterable[Rule], index: BatchIndex) -> None:
        """Try ``rules`` in order until one is certain. After a rule that decided without certainty, none can be."""
        if self.decided:
            return
        for rule in rules:
            hits = rule.find(self.query, index)
            if any(hit.high for hit in hits) and not self.decided:
                self.hits, self.decided = [hit for hit in hits if hit.high], True
                return
            self.hits += [replace(hit, high=False) for hit in hits]
            self.decided = self.decided or any(not hit.contradicted for hit in hits)


def match(scenes: Sequence[Scene], view: LibraryView, known: Known) -> dict[int, Match]:
    """Return the match of each scene, by scene id.

    Call this again with ``known.rivals`` once Stash has answered ``names_to_ask`` and ``sizes_to_ask``.
    """
    owners: dict[_Place, set[int]] = {}
    mine, theirs = _searches(scenes, known, owners)
    both = [*mine, *theirs]
    index = _batch_index(both, view, known.claim_paths)
    _apply_path_rules(mine, theirs, index, view)
    for search in both:
        if search.by_path:
            for hit in search.hits:
                owners.setdefault(_place(hit.part), set()).add(search.scene_id)
    near = _NEAR_RULES if view.complete else tuple(rule for rule in _NEAR_RULES if not rule.needs_complete_index)
    for search in both:
        search.apply(near, index)
    renamed = _apply_far_rules(mine, theirs, index) if view.complete else {}
    if not view.complete:
        for search in both:
            search.hits = [hit for hit in search.hits if hit.size or hit.evidence is Evidence.EQUAL_PATH]
    known_files = _KnownFiles(both)
    for search in both:
        search.hits = [known_files.checked(search, hit) for hit in search.hits if _may_claim(search, hit)]
    choosers = _choosers(known)
    ownerships = _ownerships(mine, theirs, known, choosers, index)
    by_scene: dict[int, list[_Search]] = {}
    for search in mine:
        by_scene.setdefault(search.scene_id, []).append(search)
    builder = _MatchBuilder(view, index, known_files, known, choosers, ownerships, renamed)
    return {scene.id: builder.build(scene, by_scene.get(scene.id, [])) for scene in scenes}


def names_to_ask(scenes: Sequence[Scene], matches: Mapping[int, Match], view: LibraryView) -> frozenset[str]:
    """Return the file names to ask Stash about before these matches are written, as Stash or Plex spells them.

    Empty if every match has the same path in the same spelling, in an item with one file, and no two prefixes of the
    user's path map lead to the same path.
    """
    batch = [matches[scene.id] for scene in scenes if scene.id in matches]
    items = view.by_item({candidate.rating_key for match in batch for candidate in match.items})
    names = {name for match in batch for name in match.ask_names}
    for candidate in (candidate for match in batch for candidate in match.items):
        parts = [part for part in items.get(candidate.rating_key, ()) if not part.trashed and not part.optimised]
        if candidate.evidence is not Evidence.EQUAL_PATH or len(parts) > 1:
            own = () if candidate.evidence is Evidence.CHOSEN else (candidate.file.path,)
            names.update(base_name(path) for path in (*own, *(part.path for part in parts)))
    return frozenset(spelling for name in names for spelling in spellings(name))


def sizes_to_ask(matches: Iterable[Match]) -> frozenset[tuple[int, float]]:
    """Return (bytes, seconds) of the files to ask Stash about: a renamed file must be unique in Stash."""
    return frozenset(measure for match in matches for measure in match.ask_sizes)


def write_targets(match: Match, low_allowed: bool) -> tuple[Candidate, ...]:
    """Return the candidates to write: all HIGH ones, or with ``low_allowed`` a single LOW one that is not contested."""
    if match.verdict == "high":
        return match.items
    sole = match.items[0] if match.verdict == "low" and len(match.items) == 1 else None
    return (sole,) if low_allowed and sole and not sole.contested else ()


def unambiguous_pairs(matches: Iterable[Match]) -> list[Pair]:
    """Return the path pairs that the path map may learn from: name, size and folder agree, unique on both sides."""
    candidates = (candidate for match in matches if match.verdict == "high" for candidate in match.items)
    pairs = (pair_of(candidate.file.path, candidate.part.path) for candidate in candidates if candidate.sole)
    return [pair for pair in pairs if pair is not None]


def confirm(candidate: Candidate, item: Item | None) -> bool:
    """Return whether ``item``, just read in full, still has the candidate's file and is not in the trash.

    An item that a person chose may hold any file. None: Plex no longer has the item.
    """
    if item is None or item.rating_key != candidate.rating_key or item.trashed:
        return False
    path = slashed(candidate.part.path)
    parts = [part for part in item.parts if not part.trashed and not part.optimised]
    if candidate.evidence is Evidence.CHOSEN:
        return bool(parts)
    parts = [part for part in parts if slashed(part.path) == path]
    return any(_same_file(candidate, part) for part in parts)


def _same_file(candidate: Candidate, part: IndexPart) -> bool:
    """Return whether the file has not been replaced by one of another size, where the size was evidence."""
    sizes = (candidate.part.size, part.size)
    return candidate.evidence not in _BY_SIZE or min(sizes) <= 0 or sizes[0] == sizes[1]


def _may_claim(search: _Search, hit: Hit) -> bool:
    """Return whether a hit counts: of a scene for which a person chose an item, only that one, and what paths prove.

    The scene is written to no other item. But a file that is its own by the path is not another scene's either.
    """
    return search.query.chosen in (0, hit.part.rating_key) or (hit.high and tier(hit) < 2)


def _searches(
    scenes: Sequence[Scene], known: Known, owners: Mapping[_Place, set[int]]
) -> tuple[list[_Search], list[_Search]]:
    """Return the searches for the batch's files, and those for the files of other scenes (rivals)."""
    batch, choosers = {scene.id for scene in scenes}, _choosers(known)
    mine = [_search(scene.id, file, known, owners, choosers) for scene in scenes for file in _files(scene, known)]
    rivals = {(rival.scene_id, rival.file.path): rival for group in (known.rivals or {}).values() for rival in group}
    others = [rival for rival in rivals.values() if rival.scene_id not in batch]
    return mine, [_search(rival.scene_id, rival.file, known, owners, choosers) for rival in others]


def _choosers(known: Known) -> dict[int, int]:
    """Return rating key -> the scene for which a person chose the item."""
    return {rating_key: scene_id for scene_id, rating_key in known.chosen.items()}


def _files(scene: Scene, known: Known) -> list[SceneFile]:
    """Return the scene's files; where a person chose an item, a scene without one has a file without a path."""
    files = [file for file in scene.files if file.path]
    return files or ([SceneFile(0, "")] if scene.id in known.chosen else [])


def _place(part: IndexPart) -> _Place:
    return part.rating_key, normal_path(part.path)


def _search(
    scene_id: int, file: SceneFile, known: Known, owners: Mapping[_Place, set[int]], choosers: Mapping[int, int]
) -> _Search:
    def belongs_elsewhere(part: IndexPart) -> bool:
        if choosers.get(part.rating_key, scene_id) != scene_id:
            return True
        return bool(owners) and scene_id not in owners.get(_place(part), (scene_id,))

    path = normal_path(file.path)
    query = FileQuery.of(
        file,
        mapped_path=apply_map(path, known.path_map),
        learned_paths=known.learned.translate(path),
        remembered=known.remembered.get(scene_id, ()),
        belongs_elsewhere=belongs_elsewhere,
        chosen=known.chosen.get(scene_id, 0),
    )
    return _Search(scene_id, query)


def _batch_index(searches: Sequence[_Search], view: LibraryView, claimed: Collection[int]) -> BatchIndex:
    names = {search.query.name_key for search in searches} | {name_key(search.query.mapped_path) for search in searches}
    items = {memory.rating_key for search in searches for memory in search.query.remembered} | set(claimed)
    items |= {search.query.chosen for search in searches if search.query.chosen}
    index = BatchIndex((row for rows in view.by_name(names).values() for row in rows), view.fold_case)
    if items:
        index.add(row for rows in view.by_item(items).values() for row in rows)
    return index


def _apply_path_rules(mine: Sequence[_Search], theirs: Sequence[_Search], index: BatchIndex, view: LibraryView) -> None:
    """Apply the first rules, again where another item may have the file: then with the rows of its size."""
    for search in (*mine, *theirs):
        search.apply(_PATH_RULES, index)
    unsettled = [search for search in mine if not search.settled] if view.complete else []
    sizes = {search.query.file.size for search in unsettled if search.query.file.size > 0}
    if sizes:
        index.add(row for rows in view.by_size(sizes).values() for row in rows)
    for search in unsettled:
        search.restart()
        search.apply(_PATH_RULES, index)


def _apply_far_rules(mine: Sequence[_Search], theirs: Sequence[_Search], index: BatchIndex) -> dict[int, set[str]]:
    """Apply the last rules. Return, by ``id`` of a search, the names in Plex that its file may have been renamed to."""
    seeking = [search for search in mine if not search.by_path]
    for search in seeking:
        search.apply(_FAR_RULES, index)
    for search in theirs:
        search.apply(_FAR_RULES[1:], index)
    return {id(search): {base_name(hit.part.path) for hit in size_duration(search.query, index)} for search in seeking}


class _KnownFiles:
    """The files of a batch and its rivals in Stash, to find out which are unique."""

    def __init__(self, searches: Sequence[_Search]) -> None:
        self._sizes: dict[int, list[tuple[int, float]]] = {}
        self._names: dict[tuple[str, int], set[int]] = {}
        for search in searches:
            file = search.query.file
            self._sizes.setdefault(file.size, []).append((search.scene_id, file.duration))
            self._names.setdefault((search.query.name_key, file.size), set()).add(search.scene_id)

    def checked(self, search: _Search, hit: Hit) -> Hit:
        """Return the hit, uncertain if another scene has a file just like the one that was renamed or replaced."""
        measure = _measure(search, hit)
        if measure is None:
            return hit
        sized = self._sizes.get(measure[0], ())
        others = {scene_id for scene_id, duration in sized if same_duration(duration, measure[1])}
        others.discard(search.scene_id)
        if not others:
            return hit
        return replace(hit, high=False, why=f"{hit.why}, and scene {min(others)} has such a file too")

    def sole_name(self, search: _Search) -> bool:
        """Return whether no other scene has a file with the search's name and size."""
        return self._names[search.query.name_key, search.query.file.size] == {search.scene_id}


def _measure(search: _Search, hit: Hit) -> tuple[int, float] | None:
    """Return the size and duration that no other scene's file may have if the hit is to be certain, None if any may.

    A renamed file must be the only one like it, and a file that differs in size in Plex must not be another scene's.
    """
    if not hit.high or hit.evidence is Evidence.EQUAL_PATH:
        return None
    if hit.evidence is Evidence.SIZE_DURATION:
        return search.query.file.size, search.query.file.duration
    return None if hit.size else (hit.part.size, hit.part.duration)


def _rank(hit: Hit) -> tuple[bool, int, int, int, int]:
    """Return a sort key that puts the best hit first."""
    return (not hit.high, _ORDER[hit.evidence], -hit.size, -hit.suffix, -hit.exact)


def _ownerships(
    mine: Sequence[_Search], theirs: Sequence[_Search], known: Known, choosers: Mapping[int, int], index: BatchIndex
) -> dict[int, dict[int, Ownership]]:
    """Return, by rating key and scene id, who owns each item that a file of the batch may be in."""
    wanted = {search.query.chosen for search in mine if search.query.chosen}
    claimants: dict[int, dict[int, Claimant]] = {key: {} for key in wanted}
    for number, search in enumerate((*mine, *theirs)):
        in_batch = number < len(mine)
        for hit in search.hits:
            key = hit.part.rating_key
            if not in_batch and key not in claimants:
                continue
            best = claimants.setdefault(key, {}).get(search.scene_id)
            if best is None or _rank(hit) < _rank(best.hit):
                claimants[key][search.scene_id] = Claimant(search.scene_id, search.query.file, hit, in_batch)
    placed = {search.scene_id for search in (*mine, *theirs) if any(hit.high for hit in search.hits)}
    rights: dict[int, dict[int, Ownership]] = {}
    for key, by_scene in claimants.items():
        claim = _claim(key, by_scene, known, placed, index)
        chooser, of_item = choosers.get(key), list(by_scene.values())
        rights[key] = by_choice(chooser, of_item, claim, known.chosen) if chooser else resolve(of_item, claim)
    return rights


def _claim(
    key: int, claimants: Mapping[int, Claimant], known: Known, placed: set[int], index: BatchIndex
) -> int | None:
    """Return the scene that wrote the item last, None if its files are certain elsewhere or the item has others.

    Nor does a scene have a claim for which a person has chosen another item since.
    """
    claim, basis = known.claims.get(key), slashed(known.claim_paths.get(key, ""))
    if claim is not None and known.chosen.get(claim, key) != key:
        return None
    gone = bool(basis) and all(row.spelt != basis for row in index.of_item(key))
    highs = [claimant for claimant in claimants.values() if claimant.hit.high]
    if gone and all(claimant.hit.size == 2 for claimant in highs):  # otherwise the file may have moved
        return None
    if claim is None or claim not in claimants:
        return None if claim in placed else claim
    paths = {slashed(memory.path) for memory in known.remembered.get(claim, ()) if memory.rating_key == key}
    return claim if not paths or slashed(claimants[claim].hit.part.path) in paths else None


@dataclass(frozen=True, slots=True)
class _MatchBuilder:
    """Turns the hits and ownerships of a scene into its match."""

    view: LibraryView
    index: BatchIndex
    known_files: _KnownFiles
    known: Known
    choosers: Mapping[int, int]
    ownerships: Mapping[int, Mapping[int, Ownership]]
    renamed: Mapping[int, set[str]]

    def build(self, scene: Scene, searches: Sequence[_Search]) -> Match:
        """Return the scene's match."""
        if scene.id in self.known.chosen:
            return self._by_choice(scene, searches, self.known.chosen[scene.id])
        best: dict[int, tuple[tuple[bool, int, int, int, int], Candidate]] = {}
        lost, chosen_for = False, 0
        for search in searches:
            for hit in search.hits:
                ownership = self.ownerships[hit.part.rating_key][scene.id]
                lost, chosen_for = lost or ownership.lost, chosen_for or ownership.chosen_for
                if ownership.lost:
                    continue
                rank = _rank(hit)
                so_far = best.get(hit.part.rating_key)
                if so_far is None or rank < so_far[0]:
                    best[hit.part.rating_key] = (rank, self._candidate(search, hit, ownership))
        hints = {int(key) for url in scene.urls for key in _HINT.findall(url)}
        ranked = sorted(best.values(), key=lambda pair: (pair[1].rating_key not in hints, pair[0], pair[1].rating_key))
        candidates = tuple(candidate for _, candidate in ranked)
        highs = tuple(candidate for candidate in candidates if candidate.confidence is Confidence.HIGH)
        ask = self._ask_names(searches), self._ask_sizes(searches)
        if highs:
            return Match(scene.id, "high", highs, "", *ask)
        if candidates:
            return Match(scene.id, "low", candidates, why_low(scene.id, candidates), *ask)
        in_trash = any(search.query.name_key in self.index.trashed for search in searches)
        reason = why_none(
            scene.id,
            has_file=bool(searches),
            lost=lost,
            chosen_for=chosen_for or self._chosen_for(searches),
            complete=self.view.complete,
            in_trash=in_trash,
        )
        return Match(scene.id, "none", (), reason, *ask)

    def _by_choice(self, scene: Scene, searches: Sequence[_Search], chosen: int) -> Match:
        """Return the match of a scene for which a person chose an item: that one, and no other."""
        best = min(
            ((search, hit) for search in searches for hit in _CHOICE.find(search.query, self.index)),
            key=lambda pair: _rank(pair[1]),
            default=None,
        )
        if best is None:
            reason = why_no_choice(scene.id, in_trash=chosen in self.index.trashed_items)
            return Match(scene.id, "none", (), reason, chosen=chosen)
        candidate = self._candidate(*best, self.ownerships[chosen][scene.id])
        if candidate.contested:
            return Match(scene.id, "low", (candidate,), why_choice_yields(scene.id, candidate), chosen=chosen)
        return Match(scene.id, "high", (candidate,), chosen=chosen)

    def _chosen_for(self, searches: Iterable[_Search]) -> int:
        """Return the scene for which an item was chosen that looks like one of these files, 0 if there is none."""
        for search in searches if self.choosers else ():
            file = search.query.file
            alike = (row for row in self.index.sized(file.size) if same_duration(file.duration, row.part.duration) == 2)
            for row in (*self.index.named(search.query.name_key), *alike):
                if row.part.rating_key in self.choosers:
                    return self.choosers[row.part.rating_key]
        return 0

    def _candidate(self, search: _Search, hit: Hit, ownership: Ownership) -> Candidate:
        high = hit.high and not ownership.others
        return Candidate(
            rating_key=hit.part.rating_key,
            section=hit.part.section,
            part=hit.part,
            file=search.query.file,
            evidence=hit.evidence,
            confidence=Confidence.HIGH if high else Confidence.LOW,
            why=with_rivals(hit.why, ownership.others) if ownership.others else hit.why,
            contested=ownership.others,
            sole=high and self._sole(search, hit),
        )

    def _sole(self, search: _Search, hit: Hit) -> bool:
        if hit.evidence is Evidence.CHOSEN:  # says nothing of where files lie
            return False
        asked = self.known.rivals is not None or hit.evidence is Evidence.EQUAL_PATH
        rows = self.index.named_sized(search.query.name_key, search.query.file.size)
        agrees = hit.size == 2 and hit.suffix >= WITH_FOLDER
        return asked and self.view.complete and agrees and len(rows) == 1 and self.known_files.sole_name(search)

    def _ask_names(self, searches: Sequence[_Search]) -> frozenset[str]:
        """Return the names that the evidence relies on, of rejected hits too: the second match may choose those."""
        names: set[str] = set()
        for search in searches:
            certain = any(hit.evidence is Evidence.EQUAL_PATH and hit.high and hit.literal for hit in search.hits)
            if search.hits and not (certain and sole_source(search.query.file.path, self.known.path_map)):
                names.add(base_name(search.query.file.path))
                names |= self.index.names(search.query.name_key) | self.renamed.get(id(search), set())
        return frozenset(names)

    def _ask_sizes(self, searches: Sequence[_Search]) -> frozenset[tuple[int, float]]:
        """Return size and duration of the files that may have been renamed, and of those that differ in Plex."""
        files = [search.query.file for search in searches if self.renamed.get(id(search))]
        measures = (_measure(search, hit) for search in searches for hit in search.hits)
        return frozenset((file.size, file.duration) for file in files) | {each for each in measures if each}
