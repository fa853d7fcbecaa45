"""What the Plex test server holds: sections, items, parts, tags, clocks. Knows nothing of HTTP, XML or JSON.

Every method expects the caller to hold ``Model.lock``; ``PlexServer`` and the router do.
"""

from __future__ import annotations

import hashlib
import posixpath
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

#: Plex's numbers for kinds of metadata, as used by the ``type`` parameter.
KINDS = {"movie": 1, "show": 2, "season": 3, "episode": 4, "clip": 12}

FileSpec = tuple[str, int, int]


@dataclass(frozen=True, slots=True)
class Part:
    """One file. Parts with the same ``media_id`` are stacked in one version. Sizes in bytes, durations in ms."""

    id: int
    media_id: int
    file: str
    size: int = 0
    duration_ms: int = 0
    optimised: bool = False


@dataclass(slots=True)
class Item:
    """One item of a section; every attribute may be changed by a test at any time.

    ``actors``, ``genres`` and ``collections`` are lists of names in insertion order; ``locked`` holds field names as
    Plex spells them (``originallyAvailableAt``, ``actor``, ``thumb``); ``posters`` and ``arts`` hold the SHA-1 digests
    of uploads, and the whole names of Plex's own pictures (``media://...``).
    """

    rating_key: int
    section: int
    kind: str = "movie"
    title: str = ""
    title_sort: str = ""
    original_title: str = ""
    studio: str = ""
    summary: str = ""
    tagline: str = ""
    content_rating: str = ""
    user_rating: str = ""
    date: str = ""
    actors: list[str] = field(default_factory=list)
    genres: list[str] = field(default_factory=list)
    collections: list[str] = field(default_factory=list)
    other_tags: dict[str, list[str]] = field(default_factory=dict)
    roles: dict[str, str] = field(default_factory=dict)
    locked: set[str] = field(default_factory=set)
    posters: list[str] = field(default_factory=list)
    arts: list[str] = field(default_factory=list)
    selected_poster: str | None = None
    selected_art: str | None = None
    parts: list[Part] = field(default_factory=list)
    added_at: int = 0
    updated_at: int = 0
    deleted_at: int | None = None
    rows: dict[Any, Any] = field(default_factory=dict, repr=False, compare=False)

    def tags(self, name: str) -> list[str]:
        """The item's own list of one tag type (``actor``, ``genre``, ``collection``, ``label``, ...)."""
        known = {"actor": self.actors, "genre": self.genres, "collection": self.collections}
        return known[name] if name in known else self.other_tags.setdefault(name, [])

    @property
    def sort_title(self) -> str:
        """What the default order goes by: the sort title if one was set, else the title."""
        return (self.title_sort or self.title).casefold()

    def visible(self) -> dict[str, Any]:
        """Everything a client can see of the item but clocks and part numbers: for comparing final states."""
        return {
            "section": self.section,
            "title": self.title,
            "title_sort": self.title_sort,
            "original_title": self.original_title,
            "studio": self.studio,
            "summary": self.summary,
            "tagline": self.tagline,
            "content_rating": self.content_rating,
            "date": self.date,
            "actors": list(self.actors),
            "genres": list(self.genres),
            "collections": list(self.collections),
            "other_tags": {name: list(tags) for name, tags in self.other_tags.items() if tags},
            "locked": sorted(self.locked),
            "posters": list(self.posters),
            "arts": list(self.arts),
            "selected_poster": self.selected_poster,
            "selected_art": self.selected_art,
            "files": [part.file for part in self.parts],
            "trashed": self.deleted_at is not None,
        }


@dataclass(slots=True)
class Section:
    """One library. ``content_changed_at`` is a counter, the other clocks are epoch seconds."""

    key: int
    title: str
    type: str = "movie"
    agent: str = "com.plexapp.agents.none"
    scanner: str = "Plex Video Files Scanner"
    locations: tuple[str, ...] = ()
    created_at: int = 0
    updated_at: int = 0
    scanned_at: int = 0
    content_changed_at: int = 1
    refreshing: bool = False

    @property
    def uuid(self) -> str:
        """A stable identifier in the shape of a UUID."""
        text = hashlib.sha1(f"section {self.key}".encode(), usedforsecurity=False).hexdigest()
        return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:32]}"


class TagRegistry:
    """All tags of the server: matching ignores letter case, and the spelling that came first stays for everyone.

    ``fold`` makes two spellings of one tag equal; a test may let it go further.
    """

    def __init__(self) -> None:
        self.fold: Callable[[str], str] = str.casefold
        self._known: dict[tuple[str, str], tuple[int, str]] = {}
        self.thumbs: dict[str, str] = {}

    def spell(self, kind: str, name: str) -> str:
        """The server's spelling of a tag, created on first use; blanks at both ends are dropped."""
        name = name.strip()
        return self._known.setdefault((kind, self.fold(name)), (len(self._known) + 1, name))[1]

    def number(self, kind: str, name: str) -> int:
        """The tag's id, as in ``genre=177``."""
        self.spell(kind, name)
        return self._known[(kind, self.fold(name.strip()))][0]


class Model:
    """Sections and items with their clocks. ``clock`` gives epoch seconds and may be replaced by a test.

    ``plain_addresses``: the addresses of pictures stay the same whichever is selected.
    """

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.clock: Callable[[], float] = time.time
        self.sections: dict[int, Section] = {}
        self.items: dict[int, Item] = {}
        self.tags = TagRegistry()
        self.images: dict[str, bytes] = {}
        self.plain_addresses = False
        self.membership = 0
        self.revision = 0
        self._next_key = 100
        self._next_part = 1000
        self._orders: dict[tuple[int, str, int | None], tuple[int, list[Item]]] = {}

    def now(self) -> int:
        """Epoch seconds."""
        return int(self.clock())

    def add_section(self, title: str, key: int | None, kind: str, locations: tuple[str, ...], agent: str) -> Section:
        """A new library; raises ValueError if the key is taken."""
        number = key if key is not None else max(self.sections, default=0) + 1
        if number in self.sections:
            raise ValueError(f"section {number} exists")
        now = self.now()
        section = Section(number, title, kind, agent, locations=locations)
        section.created_at = section.updated_at = section.scanned_at = now
        if kind != "movie":
            section.scanner = "Plex TV Series"
        self.sections[number] = section
        return section

    def new_key(self, wanted: int | None) -> int:
        """The wanted rating key, or the next free one; raises ValueError if it is taken."""
        if wanted is None:
            wanted = self._next_key
        if wanted in self.items:
            raise ValueError(f"rating key {wanted} exists")
        self._next_key = max(self._next_key, wanted + 1)
        return wanted

    def make_parts(self, versions: Iterable[Iterable[FileSpec]], optimised: bool = False) -> list[Part]:
        """Parts with fresh numbers: one media per inner list."""
        made = []
        for files in versions:
            media = self._next_part
            for path, size, duration in files:
                made.append(Part(self._next_part, media, path, size, duration, optimised))
                self._next_part += 1
        return made

    def add(self, item: Item) -> Item:
        """Put a finished item into its section and move the section's clocks."""
        for kind in ("actor", "genre", "collection"):
            names = item.tags(kind)
            names[:] = [self.tags.spell(kind, name) for name in names]
        self.items[item.rating_key] = item
        self.membership += 1
        self.bump(item.section, scanned=True)
        return item

    def remove(self, rating_key: int) -> Item:
        """Take an item away; KeyError if it is not there."""
        item = self.items.pop(rating_key)
        self.membership += 1
        self.bump(item.section, scanned=True)
        return item

    def bump(self, section: int, *, scanned: bool = False) -> None:
        """Move a section's clocks; ``scanned`` moves the scan clock too."""
        found = self.sections[section]
        found.content_changed_at += 1
        found.updated_at = self.now()
        if scanned:
            found.scanned_at = found.updated_at
        self.revision += 1

    def touch(self, item: Item, *, own_clock: bool = True, section_clock: bool = True) -> None:
        """Note that an item was edited."""
        self.revision += 1
        if own_clock:
            item.updated_at = self.now()
        if section_clock:
            self.bump(item.section)

    def ordered(self, section: int, order: str, kind: int | None = None) -> list[Item]:
        """All items of a section (of one of ``KINDS``) by ``id``, ``addedAt``, ``updatedAt`` or ``titleSort`` (anything
        else); not to be changed by the caller. Remembered until an edit goes through the server."""
        stamp = self.membership if order == "id" else self.revision + self.membership
        known = self._orders.get((section, order, kind))
        if known and known[0] == stamp:
            return known[1]
        keys: dict[str, Callable[[Item], Any]] = {
            "id": lambda item: item.rating_key,
            "addedAt": lambda item: (item.added_at, item.rating_key),
            "updatedAt": lambda item: (item.updated_at, item.rating_key),
        }
        chosen = keys.get(order, lambda item: (item.sort_title, item.rating_key))
        mine = (item for item in self.items.values() if item.section == section and kind in (None, KINDS[item.kind]))
        rows = sorted(mine, key=chosen)
        self._orders[(section, order, kind)] = (stamp, rows)
        return rows

    def store_image(self, item: Item, kind: str, data: bytes, name: str) -> None:
        """Keep an upload for ever under its digest ``name`` and select it; identical bytes stay one entry."""
        shelf = item.posters if kind == "posters" else item.arts
        if name not in shelf:
            shelf.append(name)
        self.images[name] = data
        self.select_image(item, kind, name)

    def select_image(self, item: Item, kind: str, name: str | None) -> None:
        """Show one of the pictures that the item has, None: show none."""
        if kind == "posters":
            item.selected_poster = name
        else:
            item.selected_art = name


def stem(path: str) -> str:
    """The title Plex gives a personal video: its file name without the extension."""
    name = posixpath.basename(path.replace("\\", "/"))
    return posixpath.splitext(name)[0]
