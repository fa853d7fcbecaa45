"""The parts of the index that one batch asks about, with their paths taken apart once."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from plexsync.model.item import IndexPart
from plexsync.model.paths import base_name, components, fold, fold_path, name_key, normal_path, slashed

#: A file name plus its folder: the least that "the folders agree" means.
WITH_FOLDER = 2


@dataclass(frozen=True, slots=True)
class Row:
    """An index row with its path taken apart once; ``spelt``: the path as Plex gives it, slashes aside."""

    part: IndexPart
    path: str
    spelt: str
    exact: tuple[str, ...]
    folded: tuple[str, ...]

    @classmethod
    def of(cls, part: IndexPart) -> Row:
        """The row of an index part."""
        path = normal_path(part.path)
        return cls(part, path, slashed(part.path), components(path), components(fold(path)))


class Shelf:
    """The rows that a batch could mean, without trashed and optimised ones, laid out so that a look-up is one step."""

    def __init__(self, rows: Iterable[IndexPart], fold_case: bool) -> None:
        self.fold_case = fold_case
        self.trashed: set[str] = set()
        self._seen: set[tuple[int, int, str]] = set()
        self._paths: dict[str, list[Row]] = {}
        self._folded: dict[str, list[Row]] = {}
        self._names: dict[str, list[Row]] = {}
        self._name_sizes: dict[tuple[str, int], list[Row]] = {}
        self._folders: dict[tuple[str, ...], list[Row]] = {}
        self._sizes: dict[int, list[Row]] = {}
        self._items: dict[int, list[Row]] = {}
        self._spelt: dict[str, set[str]] = {}
        self.add(rows)

    def add(self, rows: Iterable[IndexPart]) -> None:
        """Lays out more rows; one that is there already is not counted twice."""
        for part in rows:
            mark = (part.rating_key, part.part_id, part.path)
            if mark in self._seen:
                continue
            self._seen.add(mark)
            if part.trashed:
                self.trashed.add(name_key(part.path))
            elif not part.optimised:
                self._lay(Row.of(part))

    def _lay(self, row: Row) -> None:
        name = row.folded[-1] if row.folded else ""
        self._paths.setdefault(row.path, []).append(row)
        if self.fold_case:
            self._folded.setdefault(fold_path(row.path), []).append(row)
        self._names.setdefault(name, []).append(row)
        self._spelt.setdefault(name, set()).add(base_name(row.part.path))
        self._items.setdefault(row.part.rating_key, []).append(row)
        if row.part.size > 0:
            self._name_sizes.setdefault((name, row.part.size), []).append(row)
            self._sizes.setdefault(row.part.size, []).append(row)
        for depth in (WITH_FOLDER, WITH_FOLDER + 1):
            if len(row.folded) >= depth:
                self._folders.setdefault(row.folded[-depth:], []).append(row)

    def at(self, path: str) -> list[Row]:
        """The rows at a normal path: in its exact case, else (if Plex's platform folds case) in any."""
        exact = self._paths.get(path, [])
        return exact if exact or not self.fold_case else self._folded.get(fold_path(path), [])

    def named(self, key: str) -> list[Row]:
        """The rows with that file name."""
        return self._names.get(key, [])

    def named_sized(self, key: str, size: int) -> list[Row]:
        """The rows with that file name and that known size."""
        return self._name_sizes.get((key, size), [])

    def sized(self, size: int) -> list[Row]:
        """The rows with that known size."""
        return self._sizes.get(size, [])

    def beside(self, folded: tuple[str, ...], depth: int) -> list[Row]:
        """The rows whose last ``depth`` components (``WITH_FOLDER`` or one more) agree."""
        return self._folders.get(folded[-depth:], []) if len(folded) >= depth else []

    def spelt(self, key: str) -> set[str]:
        """The spellings of a file name in Plex."""
        return self._spelt.get(key, set())

    def of_item(self, rating_key: int) -> list[Row]:
        """The rows of an item."""
        return self._items.get(rating_key, [])
