"""One function for each kind of evidence, which finds the hits for a file in the index rows of a batch. Pure.

Owns how a row is compared with a file. Knows no scenes or their claims, and not where the rows came from.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import islice

from plexsync.matching.batch_index import WITH_FOLDER, BatchIndex, IndexRow
from plexsync.matching.model import Evidence, Remembered
from plexsync.model.item import IndexPart
from plexsync.model.paths import common_suffix, components, fold, name_key, normal_path, slashed
from plexsync.model.scene import SceneFile, same_duration

#: Durations that differ by more than these seconds and this share belong to different films, whatever the size says.
OTHER_FILM_SECONDS, OTHER_FILM_SHARE = 5.0, 0.1
#: Candidates kept of one name: a library may hold thousands of `scene.mp4`, and nobody reads more.
MAX_CANDIDATES = 20


@dataclass(frozen=True, slots=True)
class FileQuery:
    """A scene's file to search for, with its path split.

    ``spelt``, ``exact``, ``folded``: the path's components as Stash spells them, in NFC, and in NFC without case.
    ``mapped_path``: the Plex path by the user's map; ``learned_paths``: those by the learned map.
    ``belongs_elsewhere`` returns whether a row belongs to another scene by its path, or because a person chose so.
    ``chosen``: the item that a person chose for the scene, 0 without.
    """

    file: SceneFile
    spelt: tuple[str, ...]
    exact: tuple[str, ...]
    folded: tuple[str, ...]
    name_key: str
    mapped_path: str
    learned_paths: tuple[str, ...]
    remembered: tuple[Remembered, ...]
    belongs_elsewhere: Callable[[IndexPart], bool]
    chosen: int = 0

    @classmethod
    def of(
        cls,
        file: SceneFile,
        *,
        mapped_path: str,
        learned_paths: tuple[str, ...],
        remembered: tuple[Remembered, ...],
        belongs_elsewhere: Callable[[IndexPart], bool],
        chosen: int = 0,
    ) -> FileQuery:
        """Return the query for ``file``."""
        path = normal_path(file.path)
        return cls(
            file=file,
            spelt=components(slashed(file.path)),
            exact=components(path),
            folded=components(fold(path)),
            name_key=name_key(path),
            mapped_path=mapped_path,
            learned_paths=learned_paths,
            remembered=remembered,
            belongs_elsewhere=belongs_elsewhere,
            chosen=chosen,
        )


@dataclass(frozen=True, slots=True)
class Hit:
    """A row that may be the file. ``size``: 2 equal, 1 unknown, 0 different.

    ``suffix``, ``exact``, ``spelt``: the number of equal components at the end of both paths: without case, in NFC, and
    as the servers spell them. ``contradicted``: the clause that says why it is another file, ``""`` if nothing says so.
    """

    part: IndexPart
    evidence: Evidence
    high: bool
    why: str
    size: int
    suffix: int
    exact: int
    spelt: int
    contradicted: str = ""

    @classmethod
    def of(cls, query: FileQuery, row: IndexRow, index: BatchIndex, evidence: Evidence, why: str, *, high: bool) -> Hit:
        """Return ``row`` as a hit for ``query``."""
        return cls(
            part=row.part,
            evidence=evidence,
            high=high,
            why=why,
            size=same_size(query.file, row.part),
            suffix=common_suffix(query.folded, row.folded),
            exact=common_suffix(query.exact, row.exact),
            spelt=common_suffix(query.spelt, components(row.spelt)),
            contradicted=_contradiction(query.file, row.part, index),
        )

    @property
    def literal(self) -> bool:
        """Return whether the common suffix of both paths is spelled alike, in case and Unicode form too."""
        return self.suffix == self.exact == self.spelt


def same_size(file: SceneFile, part: IndexPart) -> int:
    """Return 2 for equal sizes, 1 if either is unknown, 0 for different ones."""
    if file.size <= 0 or part.size <= 0:
        return 1
    return 2 if file.size == part.size else 0


def one_place(rows: Sequence[IndexRow]) -> bool:
    """Return whether the rows are one item, or one file that is in several libraries."""
    return len({row.part.rating_key for row in rows}) == 1 or len({row.spelt for row in rows}) == 1


def chosen(query: FileQuery, index: BatchIndex) -> list[Hit]:
    """Return the first row of the item that a person chose, whatever it looks like."""
    rows = index.of_item(query.chosen)
    return [Hit.of(query, row, index, Evidence.CHOSEN, "it was chosen by hand", high=True) for row in rows[:1]]


def equal_path(query: FileQuery, index: BatchIndex) -> list[Hit]:
    """Return the rows at the mapped path. Several in other spellings, with none exact, are uncertain.

    A single row in another spelling may be another file: it is certain unless the size differs.
    """
    rows, high = _at(query, query.mapped_path, index)
    why = "the paths are equal" if high else "several files have this path in another spelling"
    hits = [Hit.of(query, row, index, Evidence.EQUAL_PATH, why, high=high) for row in rows]
    return [hit if hit.literal else _uncertain_if_contradicted(_checked_spelling(hit)) for hit in hits]


def learned_path(query: FileQuery, index: BatchIndex) -> list[Hit]:
    """Return the rows at the path that the learned map gives, certain unless both size and duration contradict."""
    for path in query.learned_paths:
        rows, high = _at(query, path, index)
        if rows:
            why = "it has the path that the learned path map gives"
            hits = [_checked_spelling(Hit.of(query, row, index, Evidence.LEARNED_PATH, why, high=high)) for row in rows]
            return [_uncertain_if_contradicted(hit if hit.literal else _confirmed(query, hit)) for hit in hits]
    return []


def remembered(query: FileQuery, index: BatchIndex) -> list[Hit]:
    """Return the rows that were written for the same file before, if the item still has them."""
    stash_path = slashed(query.file.path)  # not normalized: two files may differ in Unicode form alone
    hits = []
    for memory in query.remembered:
        if slashed(memory.stash_path) != stash_path:
            continue
        rows = [row for row in index.of_item(memory.rating_key) if row.spelt == slashed(memory.path)]
        rows = [row for row in rows if not query.belongs_elsewhere(row.part)]
        why = "PlexSync wrote to it before"
        hits += [Hit.of(query, row, index, Evidence.REMEMBERED, why, high=True) for row in rows[:1]]
    return [_uncertain_if_contradicted(hit) for hit in hits]


def name_size(query: FileQuery, index: BatchIndex) -> list[Hit]:
    """Return the rows with the same name and size: the only one, or the one with the longest common path suffix."""
    rows = index.named_sized(query.name_key, query.file.size)
    rows = [row for row in rows if not query.belongs_elsewhere(row.part)]
    if not rows:
        return []
    why = "name and size are equal"
    best = rows
    if not one_place(rows):
        near = _nearest(query, rows)
        decided = one_place(near) and common_suffix(query.folded, near[0].folded) >= WITH_FOLDER
        best, why = (near, why + ", and its folders are the nearest") if decided else (rows, why + _AS_OTHERS)
    if any(_other_film(query.file.duration, row.part.duration) for row in best):
        why += ", but the durations differ"
        return [Hit.of(query, row, index, Evidence.NAME_SIZE, why, high=False) for row in best]
    high = one_place(best)
    best = sorted(best, key=lambda row: -common_suffix(query.folded, row.folded))[:MAX_CANDIDATES]
    return [Hit.of(query, row, index, Evidence.NAME_SIZE, why, high=high) for row in best]


def name_folders(query: FileQuery, index: BatchIndex) -> list[Hit]:
    """Return the rows with the same name in folders of the same names; size or duration must confirm them."""
    for depth in (WITH_FOLDER + 1, WITH_FOLDER):
        rows = [row for row in index.beside(query.folded, depth) if not query.belongs_elsewhere(row.part)]
        if rows:
            break
    else:
        return []
    near = _nearest(query, rows)
    if not one_place(near):
        why = "name and folders are equal" + _AS_OTHERS
        return [Hit.of(query, row, index, Evidence.NAME_FOLDERS, why, high=False) for row in near[:MAX_CANDIDATES]]
    return [_in_same_folders(query, row, index) for row in near]


def size_duration(query: FileQuery, index: BatchIndex) -> list[Hit]:
    """Return the rows with the same size and duration but another name, certain if there is only one.

    Rows that belong to other scenes count too, but are not returned.
    """
    sized = index.sized(query.file.size)
    rows = [row for row in sized if same_duration(query.file.duration, row.part.duration) == 2]
    rows = [row for row in rows if row.folded[-1:] != (query.name_key,)]
    if not rows:
        return []
    high = one_place(rows)
    why = "size and duration are equal" + ("" if high else _AS_OTHERS) + ", but the name differs"
    mine = [row for row in rows if not query.belongs_elsewhere(row.part)]
    return [Hit.of(query, row, index, Evidence.SIZE_DURATION, why, high=high) for row in mine[:MAX_CANDIDATES]]


def name_only(query: FileQuery, index: BatchIndex) -> list[Hit]:
    """Return the rows that have only the file name in common."""
    rows = (row for row in index.named(query.name_key) if not query.belongs_elsewhere(row.part))
    why = "only the name is equal"
    return [Hit.of(query, row, index, Evidence.NAME_ONLY, why, high=False) for row in islice(rows, MAX_CANDIDATES)]


#: Added to the reason where several items agree.
_AS_OTHERS = ", as they are in other items"
#: Added to the reason of a contradicted hit.
_DIFFERENT = "size and duration differ"
_IN_ANOTHER_ITEM = "another item in Plex has a file of this size and duration"


def _other_film(left: float, right: float) -> bool:
    apart = abs(left - right)
    return min(left, right) > 0 and apart > OTHER_FILM_SECONDS and apart > OTHER_FILM_SHARE * max(left, right)


def _contradiction(file: SceneFile, part: IndexPart, index: BatchIndex) -> str:
    """Return the clause that says why ``part`` is another file, ``""`` if nothing says so.

    Both size and duration differ; where the size is unknown, the duration clearly does; or the size is not equal, and
    another item has a file of that size and duration: where two films that last equally long swapped names, the path
    of each leads to the other.
    """
    size = same_size(file, part)
    if size == 2:
        return ""
    apart = min(file.duration, part.duration) > 0 and abs(file.duration - part.duration) > OTHER_FILM_SECONDS
    if apart if size else not same_duration(file.duration, part.duration):
        return _DIFFERENT
    return _IN_ANOTHER_ITEM if _has_another_item(file, part, index) else ""


def _has_another_item(file: SceneFile, part: IndexPart, index: BatchIndex) -> bool:
    others = (row.part for row in index.sized(file.size) if row.part.rating_key != part.rating_key)
    return any(same_duration(file.duration, other.duration) for other in others)


def _spelt_alike(query: FileQuery, rows: Sequence[IndexRow]) -> list[IndexRow]:
    """Return, of the rows at one normal path, those spelt most like Stash's: NFC and NFD names may share a folder."""
    if len({row.spelt for row in rows}) < 2:
        return list(rows)
    near = [common_suffix(query.spelt, components(row.spelt)) for row in rows]
    return [row for row, count in zip(rows, near, strict=True) if count == max(near)]


def _nearest(query: FileQuery, rows: Sequence[IndexRow]) -> list[IndexRow]:
    """Return the rows with the longest common path suffix; of those that differ only in case, the nearest in case."""
    best = max((common_suffix(query.folded, row.folded), common_suffix(query.exact, row.exact)) for row in rows)
    near = [row for row in rows if common_suffix(query.folded, row.folded) == best[0]]
    if one_place(near) or best[0] < WITH_FOLDER or len({row.folded for row in near}) > 1:
        return near
    near = [row for row in near if common_suffix(query.exact, row.exact) == best[1]]
    return _spelt_alike(query, near) if len({row.exact for row in near}) == 1 else near


def _at(query: FileQuery, path: str, index: BatchIndex) -> tuple[list[IndexRow], bool]:
    """Return the rows at a normal path, and whether they are one file."""
    rows = index.at(path)
    if len({row.path for row in rows}) == 1:
        rows = _spelt_alike(query, rows)
    return rows, len({row.spelt for row in rows}) == 1


def _checked_spelling(hit: Hit) -> Hit:
    """Return the hit, contradicted if the path is equal only in another spelling and the size differs."""
    return hit if hit.literal or hit.size else replace(hit, contradicted=_DIFFERENT)


def _confirmed(query: FileQuery, hit: Hit) -> Hit:
    """Return the hit, uncertain unless size or duration confirms it."""
    same = hit.size == 2 or same_duration(query.file.duration, hit.part.duration) == 2
    return hit if same else replace(hit, high=False, why=f"{hit.why}, but in another spelling")


def _uncertain_if_contradicted(hit: Hit) -> Hit:
    """Return the hit, uncertain if it is contradicted: another film is there now."""
    return replace(hit, high=False, why=f"{hit.why}, but {hit.contradicted}") if hit.contradicted else hit


def _in_same_folders(query: FileQuery, row: IndexRow, index: BatchIndex) -> Hit:
    size, duration = same_size(query.file, row.part), same_duration(query.file.duration, row.part.duration)
    why = "name, folders and " + ("size" if size == 2 else "duration") + " are equal"
    high = size == 2 or duration == 2
    if not high:
        why = "name and folders are equal, but neither size nor duration confirms it"
    hit = Hit.of(query, row, index, Evidence.NAME_FOLDERS, why, high=high)
    return _uncertain_if_contradicted(hit) if high else hit
