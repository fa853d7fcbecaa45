"""How often matching is right: a made-up library of 10,000 scenes with every kind of trouble, whose truth is known.

    python -m benchmarks.matching [scenes] [seed]

Prints, for each kind, how many scenes were certain and right, certain and wrong, LOW, or not found. Target: nothing
wrong, and at least 99 % of those that a careful person would match are certain. Exits with 1 if that is missed.

Three tables: each scene matched in a batch of ``BATCH``, as in Sync all; again alone on a fresh state, as a single edit
(this takes minutes: hundreds of scenes bear one name, and each is weighed against all of them); and in batches again
after the library has changed, with what was remembered of the first time. The kinds are in ``benchmarks/_library.py``.
"""

from __future__ import annotations

import random
import sys
import time
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace

from benchmarks._library import Case, later, library
from plexsync.matching import (
    Known,
    Match,
    Remembered,
    Rival,
    match,
    names_to_ask,
    sizes_to_ask,
    unambiguous_pairs,
    write_targets,
)
from plexsync.matching.path_map import Tally, learned_from, tally
from plexsync.model.item import IndexPart
from plexsync.model.paths import base_name, name_key
from plexsync.model.scene import Scene, SceneFile

SCENES, SEED, BATCH = 10_000, 7, 100
WANTED_RECALL = 0.99


class Servers:
    """Plex's index and Stash's file names, as dictionaries."""

    complete, fold_case = True, False

    def __init__(self, cases: Sequence[Case]) -> None:
        self._names: dict[str, list[IndexPart]] = {}
        self._sizes: dict[int, list[IndexPart]] = {}
        self._items: dict[int, list[IndexPart]] = {}
        self._stash: dict[str, list[Scene]] = {}
        self._stash_sizes: dict[int, list[tuple[Scene, SceneFile]]] = {}
        for row in (row for case in cases for row in case.rows):
            self._names.setdefault(name_key(row.path), []).append(row)
            self._sizes.setdefault(row.size, []).append(row)
            self._items.setdefault(row.rating_key, []).append(row)
        for scene in (case.scene for case in cases):
            for file in scene.files:
                self._stash.setdefault(base_name(file.path).lower(), []).append(scene)
                self._stash_sizes.setdefault(file.size, []).append((scene, file))

    def by_name(self, keys: Collection[str]) -> dict[str, list[IndexPart]]:
        """Rows by name key."""
        return {key: self._names.get(key, []) for key in keys}

    def by_size(self, sizes: Collection[int]) -> dict[int, list[IndexPart]]:
        """Rows by size in bytes."""
        return {size: self._sizes.get(size, []) for size in sizes}

    def by_item(self, rating_keys: Collection[int]) -> dict[int, list[IndexPart]]:
        """Rows by rating key."""
        return {key: self._items.get(key, []) for key in rating_keys}

    def files_named(self, names: Iterable[str]) -> dict[str, tuple[Rival, ...]]:
        """What Stash answers to the question about other scenes."""
        scenes = {scene.id: scene for name in names for scene in self._stash.get(name.lower(), ())}
        found: dict[str, tuple[Rival, ...]] = {}
        for scene in scenes.values():
            for file in scene.files:
                key = name_key(file.path)
                found[key] = (*found.get(key, ()), Rival(scene.id, file))
        return found

    def files_alike(self, wanted: Iterable[tuple[int, float]]) -> dict[str, tuple[Rival, ...]]:
        """What Stash answers when it is asked for files of these sizes and durations."""
        found = [
            Rival(scene.id, file)
            for size, seconds in wanted
            for scene, file in self._stash_sizes.get(size, ())
            if abs(file.duration - seconds) <= 1
        ]
        return {f"alike {number}": (one,) for number, one in enumerate(found)}

    def look(self, scenes: Sequence[Scene], known: Known) -> dict[int, Match]:
        """Both steps of matching a batch."""
        first = match(scenes, self, known)
        rivals = self.files_named(names_to_ask(scenes, first, self)) | self.files_alike(sizes_to_ask(first.values()))
        return match(scenes, self, replace(known, rivals=rivals))


def verdict(case: Case, found: Match) -> str:
    """One of the columns."""
    written = {one.rating_key for one in write_targets(found, low_allowed=False)}
    if written - case.own:
        return "wrong"
    if written:
        return "right" if written == case.own else "partly"
    return found.verdict


COLUMNS = ("right", "partly", "wrong", "low", "none")


def report(title: str, cases: Sequence[Case], matches: dict[int, Match]) -> bool:
    """Prints the table; whether the targets are met."""
    counts = Counter((case.kind, verdict(case, matches[case.scene.id])) for case in cases)
    findable = [case for case in cases if case.findable]
    right = sum(verdict(case, matches[case.scene.id]) == "right" for case in findable)
    wrong = sum(number for (_, column), number in counts.items() if column == "wrong")
    print(f"\n{title}\n{'kind':<18}" + "".join(f"{column:>8}" for column in COLUMNS))
    for kind in sorted({case.kind for case in cases}):
        print(f"{kind:<18}" + "".join(f"{counts[kind, column]:>8}" for column in COLUMNS))
    recall = right / len(findable)
    print(f"wrong: {wrong} (target 0); certain and right: {recall:.2%} of {len(findable)} (target {WANTED_RECALL:.0%})")
    return not wrong and recall >= WANTED_RECALL


def in_batches(
    cases: Sequence[Case], known: Known, taught: tuple[Tally, ...] = ()
) -> tuple[dict[int, Match], tuple[Tally, ...]]:
    """The matches of all, batch by batch, each taught by those before; and what was learned."""
    servers, found = Servers(cases), dict[int, Match]()
    for at in range(0, len(cases), BATCH):
        batch = [case.scene for case in cases[at : at + BATCH]]
        matches = servers.look(batch, replace(known, learned=learned_from(taught)))
        taught = tally(taught, unambiguous_pairs(matches.values()))
        found |= matches
    return found, taught


def written(matches: Mapping[int, Match]) -> Known:
    """What ``state.db`` holds after these matches were written."""
    by_evidence = {scene: one for scene, one in matches.items() if not one.chosen}
    targets = {scene: write_targets(one, low_allowed=False) for scene, one in by_evidence.items()}
    remembered = {
        scene: tuple(Remembered(one.rating_key, one.part.path, one.file.path) for one in several)
        for scene, several in targets.items()
    }
    return Known(
        remembered=remembered,
        claims={one.rating_key: scene for scene, several in targets.items() for one in several},
        claim_paths={one.rating_key: one.part.path for several in targets.values() for one in several},
    )


def main(arguments: Sequence[str]) -> int:
    """Runs all ways; the exit status."""
    count, seed = (int(arguments[0]) if arguments else SCENES), (int(arguments[1]) if len(arguments) > 1 else SEED)
    rng = random.Random(seed)
    cases = library(count, rng)
    start = time.perf_counter()
    chosen = {case.scene.id: case.chosen for case in cases if case.chosen}
    batched, taught = in_batches(cases, Known(chosen=chosen))
    took = time.perf_counter() - start
    changed = later(cases, rng)
    again, _ = in_batches(changed, replace(written(batched), chosen=chosen), taught)
    servers = Servers(cases)
    alone = {case.scene.id: servers.look([case.scene], Known(chosen=chosen))[case.scene.id] for case in cases}
    good = [
        report("in batches, with the learned map", cases, batched),
        report("each alone, on a fresh state", cases, alone),
        report("in batches, after the library has changed, with what was remembered", changed, again),
    ]
    print(f"\n{len(cases)} scenes, seed {seed}; in batches {took / len(cases) * 1e6:.0f} us a scene")
    return 0 if all(good) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
