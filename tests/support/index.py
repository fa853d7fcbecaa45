"""Plex's index and Stash's files as plain rows in memory, and the two steps by which a batch is matched.

No stand-in for a server: ``matching`` knows the index by its three look-ups only, and these are they.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace

from plexsync.matching import Known, Match, Rival, match, names_to_ask, sizes_to_ask
from plexsync.matching.path_map import LearnedMap, Pair, learned_from, pair_of, tally
from plexsync.model.item import IndexPart
from plexsync.model.paths import base_name, name_key
from plexsync.model.scene import Scene, SceneFile


@dataclass(frozen=True)
class Index:
    """A ``LibraryView`` of ``rows``."""

    rows: Sequence[IndexPart] = ()
    complete: bool = True
    fold_case: bool = False

    def by_name(self, keys: Collection[str]) -> dict[str, list[IndexPart]]:
        """Rows by ``name_key``."""
        return {key: [row for row in self.rows if name_key(row.path) == key] for key in keys}

    def by_size(self, sizes: Collection[int]) -> dict[int, list[IndexPart]]:
        """Rows by size in bytes."""
        return {size: [row for row in self.rows if row.size == size] for size in sizes}

    def by_item(self, rating_keys: Collection[int]) -> dict[int, list[IndexPart]]:
        """Rows by rating key."""
        return {key: [row for row in self.rows if row.rating_key == key] for key in rating_keys}


def part(key: int, path: str, size: int = 0, duration: float = 0.0, **marks: bool) -> IndexPart:
    """A file of item ``key``; ``marks``: ``trashed``, ``optimised``."""
    return IndexPart(key, 1, key * 10, path, size, duration, **marks)


def file(path: str, size: int = 0, duration: float = 0.0) -> SceneFile:
    """A file of a scene."""
    return SceneFile(1, path, size, duration)


def scene(scene_id: int, *files: SceneFile, urls: tuple[str, ...] = ()) -> Scene:
    """A scene with these files."""
    return Scene(scene_id, files=files, urls=urls)


def learned(stash: str, plex: str, count: int = 5) -> LearnedMap:
    """What ``count`` files below two roots teach."""
    pairs = [pair_of(f"{stash}/{n % 2}/{n}.mp4", f"{plex}/{n % 2}/{n}.mp4") for n in range(count)]
    return learn(pair for pair in pairs if pair)


def files_named(stash: Iterable[Scene], names: Collection[str]) -> dict[str, tuple[Rival, ...]]:
    """What Stash answers: every file of the scenes that have a file of such a name, letter case aside."""
    wanted = {name.lower() for name in names}
    found: dict[str, tuple[Rival, ...]] = {}
    for one in stash:
        if any(base_name(each.path).lower() in wanted for each in one.files):
            for each in one.files:
                key = name_key(each.path)
                found[key] = (*found.get(key, ()), Rival(one.id, each))
    return found


def rivals(
    stash: Iterable[Scene], names: Collection[str], twins: Collection[tuple[int, float]]
) -> dict[str, tuple[Rival, ...]]:
    """What Stash answers when it is asked for files of these names, and of these sizes and durations."""
    scenes = list(stash)
    found = files_named(scenes, names)
    for one in scenes:
        for each in one.files:
            if any(each.size == size and abs(each.duration - seconds) <= 1 for size, seconds in twins):
                key = name_key(each.path)
                found[key] = (*found.get(key, ()), Rival(one.id, each))
    return found


def match_batch(
    batch: Sequence[Scene], index: Index, stash: Iterable[Scene] | None = None, known: Known | None = None
) -> dict[int, Match]:
    """Return the matches of a batch, after asking Stash (by default the batch alone) about rivals where necessary."""
    known = known or Known()
    first = match(batch, index, known)
    names, sizes = names_to_ask(batch, first, index), sizes_to_ask(first.values())
    if not names and not sizes:
        return first
    return match(batch, index, replace(known, rivals=rivals(batch if stash is None else stash, names, sizes)))


def shown(found: Match) -> tuple[str, tuple[int, ...]]:
    """The verdict and the rating keys, as tables give them."""
    return found.verdict, tuple(candidate.rating_key for candidate in found.items)


def sole(files: Sequence[SceneFile], index: Index, known: Known | None = None) -> Match:
    """The match of the one scene (id 1) that Stash has."""
    return match_batch([scene(1, *files)], index, known=known)[1]


def learn(pairs: Iterable[Pair]) -> LearnedMap:
    """The map that ``pairs`` teach, from nothing."""
    return learned_from(tally((), pairs))
