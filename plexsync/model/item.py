"""What Plex holds, as frozen values: a full item, a row of the library index, a section. No I/O."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

#: Fields of an edit, in the order in which they are compared, reported and sent. The names are Plex's own
#: edit keys (``title.value``, ``actor[0].tag.tag``) and, ``actor`` included, the names of their locks.
SCALAR_FIELDS = ("title", "studio", "summary", "originallyAvailableAt")
LIST_FIELDS = ("actor", "genre", "collection")
FIELDS = SCALAR_FIELDS + LIST_FIELDS


@dataclass(frozen=True, slots=True)
class Section:
    """A movie-type library. ``clock`` is an opaque text that differs when the section may have changed."""

    key: int
    title: str
    locations: tuple[str, ...] = ()
    clock: str = ""
    refreshing: bool = False


class IndexPart(NamedTuple):
    """One file of one item, a row of the library index. A tuple: a listing makes 100,000, a dataclass takes three times
    as long.

    ``path`` is as Plex gives it; ``size`` in bytes and ``duration`` in seconds, 0 where Plex told none.
    ``trashed``: the item is in Plex's trash; ``optimised``: the file is an optimised version.
    """

    rating_key: int
    section: int
    part_id: int
    path: str
    size: int = 0
    duration: float = 0.0
    trashed: bool = False
    optimised: bool = False


@dataclass(frozen=True, slots=True)
class Item:
    """One full item, read by rating key: complete tag lists and locks (a listing cuts the former, lacks the latter)."""

    rating_key: int
    section: int
    title: str = ""
    studio: str = ""
    summary: str = ""
    originallyAvailableAt: str = ""
    actor: tuple[str, ...] = ()
    genre: tuple[str, ...] = ()
    collection: tuple[str, ...] = ()
    locked: frozenset[str] = frozenset()
    parts: tuple[IndexPart, ...] = ()
    trashed: bool = False

    def value(self, field: str) -> str | tuple[str, ...]:
        """The item's value of one of ``FIELDS``."""
        found: str | tuple[str, ...] = getattr(self, field)
        return found
