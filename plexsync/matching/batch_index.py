"""The rows of the library index that a batch may match, arranged for look-ups. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from plexsync.model.item import IndexPart
from plexsync.model.paths import base_name, components, fold, fold_path, name_key, normal_path, slashed

#: Path components that must agree before the folders do: the file name and its folder.
WITH_FOLDER = 2


@dataclass(frozen=True, slots=True)
class IndexRow:
    """A row of the index, with its path split.

    ``path``: in NFC. ``spelt``: as Plex spells it, slashes aside. ``exact``, ``folded``: the path's components in NFC,
    and without case.
    """

    part: IndexPart
    path: str
    spelt: str
    exact: tuple[str, ...]
    folded: tuple[str, ...]

    @classmethod
    def of(cls, part: IndexPart) -> IndexRow:
        """Return the row for an index part."""
        path = normal_path(part.path)
        return cls(part, path, slashed(part.path), components(path), components(fold(path)))


class BatchIndex:
    """The rows that a batch may match, without trashed and optimised ones. Every look-up is one dict access.

    ``trashed``: the name keys of the trashed rows, ``trashed_items``: their items.
    """

    def __init__(self, rows: Iterable[IndexPart], fold_case: bool) -> None:
        self.fold_case = fold_case
        self.trashed: set[str] = set()
        self.trashed_items: set[int] = set()
        self._seen: set[tuple[int, int, str]] = set()
        self._paths: dict[str, list[IndexRow]] = {}
        self._folded: dict[str, list[IndexRow]] = {}
        self._names: dict[str, list[IndexRow]] = {}
        self._name_sizes: dict[tuple[str, int], list[IndexRow]] = {}
        self._folders: dict[tuple[str, ...], list[IndexRow]] = {}
        self._sizes: dict[int, list[IndexRow]] = {}
        self._items: dict[int, list[IndexRow]] = {}
        self._spellings: dict[str, set[str]] = {}
        self.add(rows)

    def add(self, rows: Iterable[IndexPart]) -> None:
        """Add rows; one that is there already is skipped."""
        for part in rows:
            identity = (part.rating_key, part.part_id, part.path)
            if identity in self._seen:
                continue
            self._seen.add(identity)
            if part.trashed:
                self.trashed.add(name_key(part.path))
                self.trashed_items.add(part.rating_key)
            elif not part.optimised:
                self._add(IndexRow.of(part))

    def _add(self, row: IndexRow) -> None:
        name = row.folded[-1] if row.folded else ""
        self._paths.setdefault(row.path, []).append(row)
        if self.fold_case:
            self._folded.setdefault(fold_path(row.path), []).append(row)
        self._names.setdefault(name, []).append(row)
        self._spellings.setdefault(name, set()).add(base_name(row.part.path))
        self._items.setdefault(row.part.rating_key, []).append(row)
        if row.part.size > 0:
            self._name_sizes.setdefault((name, row.part.size), []).append(row)
            self._sizes.setdefault(row.part.size, []).append(row)
        for depth in (WITH_FOLDER, WITH_FOLDER + 1):
            if len(row.folded) >= depth:
                self._folders.setdefault(row.folded[-depth:], []).append(row)

    def at(self, path: str) -> list[IndexRow]:
        """Return the rows at a normal path in its exact case, or else in any, if Plex's platform ignores case."""
        exact = self._paths.get(path, [])
        return exact if exact or not self.fold_case else self._folded.get(fold_path(path), [])

    def named(self, key: str) -> list[IndexRow]:
        """Return the rows with the file name ``key``."""
        return self._names.get(key, [])

    def named_sized(self, key: str, size: int) -> list[IndexRow]:
        """Return the rows with the file name ``key`` and the size ``size``."""
        return self._name_sizes.get((key, size), [])

    def sized(self, size: int) -> list[IndexRow]:
        """Return the rows with the size ``size``."""
        return self._sizes.get(size, [])

    def beside(self, folded: tuple[str, ...], depth: int) -> list[IndexRow]:
        """Return the rows whose last ``depth`` components (``WITH_FOLDER`` or one more) equal those of ``folded``."""
        return self._folders.get(folded[-depth:], []) if len(folded) >= depth else []

    def names(self, key: str) -> set[str]:
        """Return every spelling in which Plex has the file name ``key``."""
        return self._spellings.get(key, set())

    def of_item(self, rating_key: int) -> list[IndexRow]:
        """Return the rows of an item."""
        return self._items.get(rating_key, [])
