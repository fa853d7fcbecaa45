"""Which Plex items are a scene's: evidence, confidence, and whose an item is. Pure over an index interface.

Owns the rules and their order (``RULES``) and what a match says to people. Must not know HTTP, SQL or jobs. A batch
costs one ``by_name`` and at most one ``by_item`` and one ``by_size``, whatever its size. How each kind of evidence is
found is in ``rungs.py``, whose an item is in ``ownership.py``, the values in ``evidence.py``; others import from here.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from plexsync.matching.model import Candidate, Confidence, Evidence, Known, Match, View
from plexsync.matching.ownership import Ruling, Stake, settle, tier
from plexsync.matching.path_map import Pair, apply_map, pair_of, sole_source
from plexsync.matching.rules import (
    Clue,
    Wanted,
    equal_path,
    learned_path,
    name_folders,
    name_only,
    name_size,
    remembered,
    size_duration,
)
from plexsync.matching.shelf import WITH_FOLDER, Shelf
from plexsync.model.item import IndexPart, Item
from plexsync.model.paths import base_name, components, fold, name_key, normal_path, slashed, spellings
from plexsync.model.scene import Scene, SceneFile, same_duration

_HINT = re.compile(r"plex/library/metadata/(\d+)")
_BY_SIZE = frozenset((Evidence.REMEMBERED, Evidence.NAME_SIZE, Evidence.NAME_FOLDERS, Evidence.SIZE_DURATION))


@dataclass(frozen=True, slots=True)
class Rule:
    """One line of the table: where to look, when it is HIGH; ``unique``: it counts only on a complete index."""

    evidence: Evidence
    look: Callable[[Wanted, Shelf], list[Clue]]
    high: str
    unique: bool


#: The ladder, tried from the top for each file of a scene; the first rule that finds something decides. What size and
#: duration both contradict decides nothing: such files stay candidates (LOW) while the rules below are tried.
RULES = (
    Rule(
        Evidence.EQUAL_PATH,
        equal_path,
        "always, in the exact spelling; in another unless the size differs",
        unique=False,
    ),
    Rule(
        Evidence.LEARNED_PATH,
        learned_path,
        "unless size and duration both contradict; in another spelling if one of them agrees",
        unique=False,
    ),
    Rule(
        Evidence.REMEMBERED,
        remembered,
        "while scene and item still hold that file, unless size and duration both contradict",
        unique=False,
    ),
    Rule(Evidence.NAME_SIZE, name_size, "one such item, or one with the longest common path suffix", unique=True),
    Rule(Evidence.NAME_FOLDERS, name_folders, "nearest folders unique, and equal size or duration", unique=True),
    Rule(Evidence.SIZE_DURATION, size_duration, "unique in Plex and in Stash (the file was renamed)", unique=True),
    Rule(Evidence.NAME_ONLY, name_only, "never", unique=True),
)
_PATH_RULES, _NEAR_RULES, _FAR_RULES = RULES[:2], RULES[2:5], RULES[5:]
_ORDER = {rule.evidence: number for number, rule in enumerate(RULES)}


@dataclass(slots=True)
class _Search:
    """One file of a scene (or of a rival) and what was found for it so far."""

    scene_id: int
    wanted: Wanted
    clues: list[Clue] = field(default_factory=list)
    decided: bool = False

    @property
    def by_path(self) -> bool:
        return any(clue.high and tier(clue) < 2 for clue in self.clues)

    def climb(self, rules: Iterable[Rule], shelf: Shelf) -> None:
        """Tries ``rules`` in order unless it is decided. One that finds no certainty lets none follow, only doubts."""
        if self.decided:
            return
        for rule in rules:
            found = rule.look(self.wanted, shelf)
            if any(clue.high for clue in found) and not self.decided:
                self.clues, self.decided = [clue for clue in found if clue.high], True
                return
            self.clues += [replace(clue, high=False) for clue in found]
            self.decided = self.decided or any(not clue.doubtful for clue in found)


def match(scenes: Sequence[Scene], view: View, known: Known) -> dict[int, Match]:
    """The match of every scene, by scene id. Call again with ``known.rivals`` once ``questions`` are answered."""
    owners: dict[tuple[int, str], set[int]] = {}
    mine, theirs = _searches(scenes, known, owners)
    both = [*mine, *theirs]
    shelf = _shelf(both, view, known.claimed)
    for search in both:
        search.climb(_PATH_RULES, shelf)
        if search.by_path:
            for clue in search.clues:
                owners.setdefault(_place(clue.part), set()).add(search.scene_id)
    near = _NEAR_RULES if view.complete else tuple(rule for rule in _NEAR_RULES if not rule.unique)
    for search in both:
        search.climb(near, shelf)
    names_far = _climb_far(mine, theirs, shelf, view) if view.complete else {}
    crowd = _Crowd(both)
    for search in both:
        search.clues = [crowd.judged(search, clue) for clue in search.clues]
    rulings = _rulings(mine, theirs, known, shelf)
    mine_of: dict[int, list[_Search]] = {}
    for search in mine:
        mine_of.setdefault(search.scene_id, []).append(search)
    answer = _Answer(view, shelf, crowd, known, rulings, names_far)
    return {scene.id: answer.of(scene, mine_of.get(scene.id, [])) for scene in scenes}


def questions(scenes: Sequence[Scene], matches: Mapping[int, Match], view: View) -> frozenset[str]:
    """The file names that Stash must be asked about before these matches may be written, as Stash or Plex spells them.

    Empty if all rest on paths that are equal letter by letter, to items with one file, and no two prefixes of the
    user's map lead to one path.
    """
    asked = [matches[scene.id] for scene in scenes if scene.id in matches]
    items = view.by_item({c.rating_key for m in asked for c in m.items})
    names = {name for m in asked for name in m.ask}
    for candidate in (c for m in asked for c in m.items):
        parts = [part for part in items.get(candidate.rating_key, ()) if not part.trashed and not part.optimised]
        if candidate.evidence is not Evidence.EQUAL_PATH or len(parts) > 1:
            names.update(base_name(path) for path in (candidate.file.path, *(part.path for part in parts)))
    return frozenset(spelling for name in names for spelling in spellings(name))


def alike(matches: Iterable[Match]) -> frozenset[tuple[int, float]]:
    """The (size in bytes, duration in seconds) of files that Stash must be asked for: a renamed file must be unique."""
    return frozenset(one for match in matches for one in match.alike)


def write_targets(match: Match, low_allowed: bool) -> tuple[Candidate, ...]:
    """The candidates to write: all HIGH ones; with ``low_allowed`` an only LOW one that no other scene contests."""
    if match.verdict == "high":
        return match.items
    sole = match.items[0] if match.verdict == "low" and len(match.items) == 1 else None
    return (sole,) if low_allowed and sole and not sole.contested else ()


def unambiguous_pairs(matches: Iterable[Match]) -> list[Pair]:
    """What a matched batch teaches the path map: name, size and folder agree with one file, unique on both sides."""
    found = (pair_of(c.file.path, c.part.path) for m in matches if m.verdict == "high" for c in m.items if c.sole)
    return [pair for pair in found if pair is not None]


def confirm(candidate: Candidate, item: Item) -> bool:
    """Whether the item, just read in full, is not trashed and still holds the candidate's file."""
    if item.rating_key != candidate.rating_key or item.trashed:
        return False
    path = slashed(candidate.part.path)
    parts = [part for part in item.parts if slashed(part.path) == path and not part.trashed and not part.optimised]
    return any(_same_file(candidate, part) for part in parts)


def _same_file(candidate: Candidate, part: IndexPart) -> bool:
    """A file replaced in place is no longer what its size had proved."""
    sizes = (candidate.part.size, part.size)
    return candidate.evidence not in _BY_SIZE or min(sizes) <= 0 or sizes[0] == sizes[1]


def _searches(
    scenes: Sequence[Scene], known: Known, owners: Mapping[tuple[int, str], set[int]]
) -> tuple[list[_Search], list[_Search]]:
    """The batch's own files, and those of other scenes that bear the same names."""
    batch = {scene.id for scene in scenes}
    mine = [_search(scene.id, file, known, owners) for scene in scenes for file in scene.files if file.path]
    rivals = {(r.scene_id, r.file.path): r for found in (known.rivals or {}).values() for r in found}
    others = [r for r in rivals.values() if r.scene_id not in batch]
    return mine, [_search(rival.scene_id, rival.file, known, owners) for rival in others]


def _place(part: IndexPart) -> tuple[int, str]:
    """A file of an item: what a path proves of one file it does not prove of the item's others."""
    return part.rating_key, normal_path(part.path)


def _search(scene_id: int, file: SceneFile, known: Known, owners: Mapping[tuple[int, str], set[int]]) -> _Search:
    path = normal_path(file.path)
    mapped = apply_map(path, known.path_map)

    def foreign(part: IndexPart) -> bool:
        return bool(owners) and scene_id not in owners.get(_place(part), (scene_id,))

    wanted = Wanted(
        file, components(slashed(file.path)), components(path), components(fold(path)), name_key(path), mapped,
        known.learned.translate(path), known.remembered.get(scene_id, ()), foreign,
    )  # fmt: skip
    return _Search(scene_id, wanted)


def _shelf(searches: Sequence[_Search], view: View, claimed: Collection[int]) -> Shelf:
    names = {search.wanted.key for search in searches} | {name_key(search.wanted.mapped) for search in searches}
    items = {memory.rating_key for search in searches for memory in search.wanted.remembered} | set(claimed)
    shelf = Shelf((row for rows in view.by_name(names).values() for row in rows), view.fold_case)
    if items:
        shelf.add(row for rows in view.by_item(items).values() for row in rows)
    return shelf


def _climb_far(mine: Sequence[_Search], theirs: Sequence[_Search], shelf: Shelf, view: View) -> dict[int, set[str]]:
    """The last rules. Also, by ``id`` of a search, the names of renamed files that a second look could fall back to."""
    seeking = [search for search in mine if not search.by_path]
    sizes = {search.wanted.file.size for search in seeking if search.wanted.file.size > 0}
    if sizes:
        shelf.add(row for rows in view.by_size(sizes).values() for row in rows)
    for search in seeking:
        search.climb(_FAR_RULES, shelf)
    for search in theirs:
        search.climb(_FAR_RULES[1:], shelf)
    return {
        id(search): {base_name(clue.part.path) for clue in size_duration(search.wanted, shelf)} for search in seeking
    }


class _Crowd:
    """All files of a batch and its rivals, to tell what is unique on Stash's side."""

    def __init__(self, searches: Sequence[_Search]) -> None:
        self._sizes: dict[int, list[tuple[int, float]]] = {}
        self._names: dict[tuple[str, int], set[int]] = {}
        for search in searches:
            file = search.wanted.file
            self._sizes.setdefault(file.size, []).append((search.scene_id, file.duration))
            self._names.setdefault((search.wanted.key, file.size), set()).add(search.scene_id)

    def judged(self, search: _Search, clue: Clue) -> Clue:
        """The clue; without its confidence if it is a renamed file's and another scene has a file just like it."""
        file = search.wanted.file
        if not clue.high or clue.evidence is not Evidence.SIZE_DURATION:
            return clue
        alike = {one for one, duration in self._sizes.get(file.size, ()) if same_duration(duration, file.duration)}
        others = alike - {search.scene_id}
        if not others:
            return clue
        return replace(clue, high=False, why=f"{clue.why}, but scene {min(others)} has such a file too")

    def sole_name(self, search: _Search) -> bool:
        """Whether no other scene that is known has a file of that name and size."""
        return self._names[search.wanted.key, search.wanted.file.size] == {search.scene_id}


def _rank(clue: Clue) -> tuple[bool, int, int, int, int]:
    """Sorts the best clue first."""
    return (not clue.high, _ORDER[clue.evidence], -clue.size, -clue.suffix, -clue.exact)


def _rulings(
    mine: Sequence[_Search], theirs: Sequence[_Search], known: Known, shelf: Shelf
) -> dict[int, dict[int, Ruling]]:
    """By rating key and scene id, for every item that a file of the batch points at."""
    stakes: dict[int, dict[int, Stake]] = {}
    for number, search in enumerate((*mine, *theirs)):
        for clue in search.clues:
            key = clue.part.rating_key
            if number >= len(mine) and key not in stakes:
                continue
            held = stakes.setdefault(key, {}).get(search.scene_id)
            if held is None or _rank(clue) < _rank(held.clue):
                stakes[key][search.scene_id] = Stake(search.scene_id, search.wanted.file, clue, number < len(mine))
    placed = {search.scene_id for search in (*mine, *theirs) if any(clue.high for clue in search.clues)}
    return {
        key: settle(list(found.values()), _claim(key, found, known, placed, shelf)) for key, found in stakes.items()
    }


def _claim(key: int, found: Mapping[int, Stake], known: Known, placed: set[int], shelf: Shelf) -> int | None:
    """The scene that wrote the item before, unless its files are certain elsewhere by now, or the item holds others."""
    claim, basis = known.claims.get(key), slashed(known.claimed.get(key, ""))
    gone = bool(basis) and all(row.spelt != basis for row in shelf.of_item(key))
    if gone and all(stake.clue.size == 2 for stake in found.values() if stake.clue.high):  # else it may just have moved
        return None
    if claim is None or claim not in found:
        return None if claim in placed else claim
    paths = {slashed(one.path) for one in known.remembered.get(claim, ()) if one.rating_key == key}
    return claim if not paths or slashed(found[claim].clue.part.path) in paths else None


@dataclass(frozen=True, slots=True)
class _Answer:
    """Puts a scene's clues and rulings into a match."""

    view: View
    shelf: Shelf
    crowd: _Crowd
    known: Known
    rulings: Mapping[int, Mapping[int, Ruling]]
    names_far: Mapping[int, set[str]]

    def of(self, scene: Scene, searches: Sequence[_Search]) -> Match:
        """The scene's match."""
        found: dict[int, tuple[tuple[bool, int, int, int, int], Candidate]] = {}
        lost = False
        for search in searches:
            for clue in search.clues:
                ruling = self.rulings[clue.part.rating_key][scene.id]
                lost = lost or ruling.lost
                if ruling.lost:
                    continue
                rank = _rank(clue)
                held = found.get(clue.part.rating_key)
                if held is None or rank < held[0]:
                    found[clue.part.rating_key] = (rank, self._candidate(search, clue, ruling))
        hints = {int(n) for url in scene.urls for n in _HINT.findall(url)}
        ranked = sorted(found.values(), key=lambda pair: (pair[1].rating_key not in hints, pair[0], pair[1].rating_key))
        ordered = [candidate for _, candidate in ranked]
        highs = tuple(candidate for candidate in ordered if candidate.confidence is Confidence.HIGH)
        asked = self._ask(searches), self._alike(searches)
        if highs:
            return Match(scene.id, "high", highs, "", *asked)
        if ordered:
            return Match(scene.id, "low", tuple(ordered), _why_low(scene.id, ordered), *asked)
        return Match(scene.id, "none", (), self._why_none(scene, searches, lost), *asked)

    def _candidate(self, search: _Search, clue: Clue, ruling: Ruling) -> Candidate:
        high = clue.high and not ruling.others
        why = clue.why
        if ruling.others:
            why += f", but {_scenes(ruling.others)} could be meant as well"
        return Candidate(
            clue.part.rating_key, clue.part.section, clue.part, search.wanted.file, clue.evidence,
            Confidence.HIGH if high else Confidence.LOW, why, ruling.others, high and self._sole(search, clue),
        )  # fmt: skip

    def _sole(self, search: _Search, clue: Clue) -> bool:
        asked = self.known.rivals is not None or clue.evidence is Evidence.EQUAL_PATH
        alike = self.shelf.named_sized(search.wanted.key, search.wanted.file.size)
        agrees = clue.size == 2 and clue.suffix >= WITH_FOLDER
        return asked and self.view.complete and agrees and len(alike) == 1 and self.crowd.sole_name(search)

    def _ask(self, searches: Sequence[_Search]) -> frozenset[str]:
        """The names on which the evidence rests, also of files passed over: a second look may turn to them."""
        names: set[str] = set()
        for search in searches:
            certain = any(clue.evidence is Evidence.EQUAL_PATH and clue.high and clue.literal for clue in search.clues)
            if search.clues and not (certain and sole_source(search.wanted.file.path, self.known.path_map)):
                names.add(base_name(search.wanted.file.path))
                names |= self.shelf.spelt(search.wanted.key) | self.names_far.get(id(search), set())
        return frozenset(names)

    def _alike(self, searches: Sequence[_Search]) -> frozenset[tuple[int, float]]:
        """Size and duration of the files that may have been renamed."""
        files = [search.wanted.file for search in searches if self.names_far.get(id(search))]
        return frozenset((file.size, file.duration) for file in files)

    def _why_none(self, scene: Scene, searches: Sequence[_Search], lost: bool) -> str:
        who = f"Scene {scene.id}"
        if not searches:
            return f"{who} has no file in Stash, so nothing in Plex can be its: give it a file, or discard this letter."
        if lost:
            return f"{who} is not in Plex: the item most like it belongs to another scene, whose file matches better."
        if not self.view.complete:
            return f"{who} is not found yet: the library index is not complete yet; it is tried again when it is."
        if any(search.wanted.key in self.shelf.trashed for search in searches):
            return f"{who} is only in Plex's trash: let Plex scan the folder that holds the file now."
        return f"{who} is not in Plex: check that a chosen library holds the file's folder and has been scanned."


def _scenes(ids: Sequence[int]) -> str:
    return ("scene " if len(ids) == 1 else "scenes ") + ", ".join(map(str, ids[:5])) + (", ..." if len(ids) > 5 else "")


def _why_low(scene_id: int, candidates: Sequence[Candidate]) -> str:
    first = candidates[0]
    if len(candidates) > 1:
        text = f"{len(candidates)} items in Plex could be scene {scene_id}: for the likeliest, {first.why}"
    else:
        text = f"One item in Plex could be scene {scene_id}: {first.why}"
    if first.contested:
        return f"{text}. Give each scene its own file and item, or set plexPathMap so that paths tell them apart."
    return f"{text}. Set plexPathMap so that the paths agree" + (
        ", or switch on matchLowConfidence." if len(candidates) == 1 else "."
    )
