"""Plex's data as frozen values: a full item, a row of the library index, a section. No I/O."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

#: Fields of an edit, in the order in which they are compared, reported and sent. Plex's edit keys (``title.value``,
#: ``actor[0].tag.tag``) and locks have these names.
SCALAR_FIELDS = ("title", "studio", "summary", "originallyAvailableAt")
LIST_FIELDS = ("actor", "genre", "collection")
FIELDS = SCALAR_FIELDS + LIST_FIELDS
#: The type of libraries that PlexSync syncs; "Other Videos" libraries are of this type too.
MOVIES = "movie"


@dataclass(frozen=True, slots=True)
class Section:
    """A library. ``clock``: a text that changes whenever the library may have changed. ``type``: Plex's word."""

    key: int
    title: str
    locations: tuple[str, ...] = ()
    clock: str = ""
    type: str = MOVIES


class IndexPart(NamedTuple):
    """One file of one item: a row of the library index.

    ``path``: as Plex spells it. ``size`` in bytes and ``duration`` in seconds, 0 where Plex gives none. ``trashed``:
    the item is in Plex's trash. ``optimised``: the file is an optimised version. A tuple, because a listing creates
    100,000 of them, and dataclasses take three times as long.
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
    """A full item, read by rating key: with complete tag lists and locks, unlike the rows of a listing.

    ``updated``: its ``updatedAt`` in seconds since the epoch, 0 if not told. ``thumb``, ``art``: the addresses of the
    poster and background that are shown, which change when the picture does.
    """

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
    updated: int = 0
    thumb: str = ""
    art: str = ""

    def value(self, field: str) -> str | tuple[str, ...]:
        """Return the value of ``field``, one of ``FIELDS``."""
        value: str | tuple[str, ...] = getattr(self, field)
        return value
