"""The rungs of matching's ladder: each looks for one kind of evidence for one file among a batch's index rows. Pure.

Owns how rows are compared with a file; must not know scenes, other scenes' claims, or where the rows came from.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import islice

from plexsync.matching.model import Evidence, Remembered
from plexsync.matching.shelf import WITH_FOLDER, Row, Shelf
from plexsync.model.item import IndexPart
from plexsync.model.paths import (
    common_suffix,
    components,
    slashed,
)
from plexsync.model.scene import SceneFile, same_duration

#: Durations further apart than this many seconds, and this share, are not one film even if all bytes seem to be.
OTHER_FILM_SECONDS, OTHER_FILM_SHARE = 5.0, 0.1
#: Rows of one name that are listed as candidates; nobody reads more, and a library may hold thousands of `scene.mp4`.
MOST_CANDIDATES = 20


@dataclass(frozen=True, slots=True)
class Wanted:
    """A scene's file as the rungs look for it: ``mapped`` by the user's map, ``learned`` translations, ``remembered``.

    ``foreign`` tells whether a file belongs to another scene by its path.
    """

    file: SceneFile
    spelt: tuple[str, ...]
    exact: tuple[str, ...]
    folded: tuple[str, ...]
    key: str
    mapped: str
    learned: tuple[str, ...]
    remembered: tuple[Remembered, ...]
    foreign: Callable[[IndexPart], bool]


@dataclass(frozen=True, slots=True)
class Clue:
    """One row that may be the file. ``size``: 2 equal, 1 unknown, 0 different; ``suffix``: equal components at the end.

    ``exact``: the same without folding case; ``spelt``: the same as the servers spell them. ``doubtful``: size and
    duration both say that it is another file.
    """

    part: IndexPart
    evidence: Evidence
    high: bool
    why: str
    size: int
    suffix: int
    exact: int
    spelt: int
    doubtful: bool = False

    @property
    def literal(self) -> bool:
        """Whether the equal end of both paths is equal letter by letter, not in another case or Unicode form."""
        return self.suffix == self.exact == self.spelt


def same_size(file: SceneFile, part: IndexPart) -> int:
    """2 equal, 1 unknown on either side, 0 different."""
    if file.size <= 0 or part.size <= 0:
        return 1
    return 2 if file.size == part.size else 0


def _other_film(one: float, other: float) -> bool:
    apart = abs(one - other)
    return min(one, other) > 0 and apart > OTHER_FILM_SECONDS and apart > OTHER_FILM_SHARE * max(one, other)


def _contradicted(file: SceneFile, part: IndexPart) -> bool:
    """Whether size and duration both say another film, or the size is unknown and the duration clearly another."""
    size = same_size(file, part)
    if size == 1:
        return min(file.duration, part.duration) > 0 and abs(file.duration - part.duration) > OTHER_FILM_SECONDS
    return not size and not same_duration(file.duration, part.duration)


def _clue(wanted: Wanted, row: Row, evidence: Evidence, why: str, *, high: bool) -> Clue:
    suffix = common_suffix(wanted.folded, row.folded)
    exact = common_suffix(wanted.exact, row.exact)
    spelt = common_suffix(wanted.spelt, components(row.spelt))
    size = same_size(wanted.file, row.part)
    return Clue(row.part, evidence, high, why, size, suffix, exact, spelt, _contradicted(wanted.file, row.part))


def one_place(rows: Sequence[Row]) -> bool:
    """Whether the rows are one item, or one file that several libraries hold."""
    return len({row.part.rating_key for row in rows}) == 1 or len({row.spelt for row in rows}) == 1


def _spelt_alike(wanted: Wanted, rows: Sequence[Row]) -> list[Row]:
    """Of rows at one normal path: where a folder holds the name both composed and decomposed, Stash's spelling."""
    if len({row.spelt for row in rows}) < 2:
        return list(rows)
    near = [common_suffix(wanted.spelt, components(row.spelt)) for row in rows]
    return [row for row, count in zip(rows, near, strict=True) if count == max(near)]


def _nearest(wanted: Wanted, rows: Sequence[Row]) -> list[Row]:
    """The rows with the longest common path suffix; of those that differ in case alone, the ones nearer in case."""
    best = max((common_suffix(wanted.folded, row.folded), common_suffix(wanted.exact, row.exact)) for row in rows)
    near = [row for row in rows if common_suffix(wanted.folded, row.folded) == best[0]]
    if one_place(near) or best[0] < WITH_FOLDER or len({row.folded for row in near}) > 1:
        return near
    near = [row for row in near if common_suffix(wanted.exact, row.exact) == best[1]]
    return _spelt_alike(wanted, near) if len({row.exact for row in near}) == 1 else near


def _at(wanted: Wanted, path: str, shelf: Shelf) -> tuple[list[Row], bool]:
    """The rows at a normal path, and whether they are one file."""
    rows = shelf.at(path)
    if len({row.path for row in rows}) == 1:
        rows = _spelt_alike(wanted, rows)
    return rows, len({row.spelt for row in rows}) == 1


def equal_path(wanted: Wanted, shelf: Shelf) -> list[Clue]:
    """Rows at the very path; several that differ in spelling alone, none of them exact, prove nothing.

    One in another spelling may be another file: it counts unless the size is another.
    """
    rows, high = _at(wanted, wanted.mapped, shelf)
    why = "it lies at the same path" if high else "several files have this path in another spelling"
    clues = [_clue(wanted, row, Evidence.EQUAL_PATH, why, high=high) for row in rows]
    return [clue if clue.literal else _judged(_spelling(clue)) for clue in clues]


def learned_path(wanted: Wanted, shelf: Shelf) -> list[Clue]:
    """Rows at the path that the learned map gives, unless size and duration both contradict."""
    for path in wanted.learned:
        rows, one = _at(wanted, path, shelf)
        if rows:
            why = "it lies where the learned path map says"
            clues = [_spelling(_clue(wanted, row, Evidence.LEARNED_PATH, why, high=one)) for row in rows]
            return [_judged(clue if clue.literal else _confirmed(wanted, clue)) for clue in clues]
    return []


def _spelling(clue: Clue) -> Clue:
    """The clue; doubtful if the path is equal in another spelling only and the size says that it is another file."""
    return clue if clue.literal or clue.size else replace(clue, doubtful=True)


def _confirmed(wanted: Wanted, clue: Clue) -> Clue:
    """The clue; without its confidence if neither size nor duration says that it is this file."""
    same = clue.size == 2 or same_duration(wanted.file.duration, clue.part.duration) == 2
    return clue if same else replace(clue, high=False, why=f"{clue.why}, in another spelling")


def _judged(clue: Clue) -> Clue:
    """The clue; without its confidence if size and duration both say that another film lies there now."""
    return replace(clue, high=False, why=clue.why + ", but its size and duration are others") if clue.doubtful else clue


def remembered(wanted: Wanted, shelf: Shelf) -> list[Clue]:
    """Rows that this very file was written to before, if the item still holds that part, and no other film there."""
    stash_path = slashed(wanted.file.path)  # to the letter: two files may differ in Unicode form alone
    found = []
    for memory in wanted.remembered:
        if slashed(memory.stash_path) != stash_path:
            continue
        rows = [row for row in shelf.of_item(memory.rating_key) if row.spelt == slashed(memory.path)]
        rows = [row for row in rows if not wanted.foreign(row.part)]
        found += [
            _judged(_clue(wanted, row, Evidence.REMEMBERED, "it was written before", high=True)) for row in rows[:1]
        ]
    return found


def name_size(wanted: Wanted, shelf: Shelf) -> list[Clue]:
    """Rows of the same name and size: the only one, else the one with the longest common path suffix."""
    rows = [row for row in shelf.named_sized(wanted.key, wanted.file.size) if not wanted.foreign(row.part)]
    if not rows:
        return []
    why = "its name and size are equal"
    best = rows
    if not one_place(rows):
        near = _nearest(wanted, rows)
        decided = one_place(near) and common_suffix(wanted.folded, near[0].folded) >= WITH_FOLDER
        best, why = (near, why + ", and its folders are the nearest") if decided else (rows, why + ", as are others'")
    if any(_other_film(wanted.file.duration, row.part.duration) for row in best):
        return [_clue(wanted, r, Evidence.NAME_SIZE, why + ", but its duration is another", high=False) for r in best]
    high = one_place(best)
    best = sorted(best, key=lambda row: -common_suffix(wanted.folded, row.folded))[:MOST_CANDIDATES]
    return [_clue(wanted, row, Evidence.NAME_SIZE, why, high=high) for row in best]


def name_folders(wanted: Wanted, shelf: Shelf) -> list[Clue]:
    """Rows of the same name in a folder of the same name, nearest first; size or duration must confirm."""
    for depth in (WITH_FOLDER + 1, WITH_FOLDER):
        rows = [row for row in shelf.beside(wanted.folded, depth) if not wanted.foreign(row.part)]
        if rows:
            break
    else:
        return []
    near = _nearest(wanted, rows)
    if not one_place(near):
        why = "its name and folders are equal, as are others'"
        return [_clue(wanted, row, Evidence.NAME_FOLDERS, why, high=False) for row in near[:MOST_CANDIDATES]]
    return [_judged_folders(wanted, row) for row in near]


def _judged_folders(wanted: Wanted, row: Row) -> Clue:
    size, duration = same_size(wanted.file, row.part), same_duration(wanted.file.duration, row.part.duration)
    high = size == 2 or duration == 2
    why = "its name and folders are equal, and so is its " + ("size" if size == 2 else "duration")
    if not high:
        why = "its name and folders are equal, but neither size nor duration confirms it"
    return _clue(wanted, row, Evidence.NAME_FOLDERS, why, high=high)


def size_duration(wanted: Wanted, shelf: Shelf) -> list[Clue]:
    """Rows of another name with the same size and duration; foreign ones count too, for uniqueness is the proof."""
    rows = [r for r in shelf.sized(wanted.file.size) if same_duration(wanted.file.duration, r.part.duration) == 2]
    rows = [row for row in rows if row.folded[-1:] != (wanted.key,)]
    if not rows:
        return []
    high = one_place(rows)
    why = "its size and duration are equal, its name is another" + ("" if high else ", as are others'")
    mine = [row for row in rows if not wanted.foreign(row.part)]
    return [_clue(wanted, row, Evidence.SIZE_DURATION, why, high=high) for row in mine[:MOST_CANDIDATES]]


def name_only(wanted: Wanted, shelf: Shelf) -> list[Clue]:
    """Rows that share the file name and nothing else that counts."""
    rows = islice((row for row in shelf.named(wanted.key) if not wanted.foreign(row.part)), MOST_CANDIDATES)
    return [_clue(wanted, row, Evidence.NAME_ONLY, "only its name is equal", high=False) for row in rows]
