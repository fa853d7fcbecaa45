"""The values of matching: the view of the index, what else is known, and the match. Frozen, and without logic."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Literal, Protocol

from plexsync.matching.path_map import LearnedMap
from plexsync.model.item import IndexPart
from plexsync.model.scene import SceneFile


class LibraryView(Protocol):
    """The library index of the chosen sections, with trashed and optimised rows."""

    @property
    def complete(self) -> bool:
        """Return whether every chosen section has been listed completely."""
        ...

    @property
    def fold_case(self) -> bool:
        """Return whether the Plex server's platform ignores case in paths (Windows, macOS)."""
        ...

    def by_name(self, keys: Collection[str]) -> Mapping[str, Sequence[IndexPart]]:
        """Return the rows by ``paths.name_key``."""
        ...

    def by_size(self, sizes: Collection[int]) -> Mapping[int, Sequence[IndexPart]]:
        """Return the rows by size in bytes."""
        ...

    def by_item(self, rating_keys: Collection[int]) -> Mapping[int, Sequence[IndexPart]]:
        """Return the rows by rating key."""
        ...


class Evidence(Enum):
    """The kinds of evidence that a file in Plex is the scene's, the strongest first."""

    CHOSEN = "chosen"
    EQUAL_PATH = "equal path"
    LEARNED_PATH = "equal path after the learned map"
    REMEMBERED = "remembered"
    NAME_SIZE = "same name and size"
    NAME_FOLDERS = "same name and folders"
    SIZE_DURATION = "same size and duration"
    NAME_ONLY = "same name only"

    @property
    def key(self) -> str:
        """Return how every file and answer spells it; ``value`` is for documents."""
        return self.name.lower()


class Confidence(Enum):
    """The confidence of a candidate: HIGH is written, LOW is left for the user to decide."""

    HIGH = "high"
    LOW = "low"


@dataclass(frozen=True, slots=True)
class Rival:
    """A file of any scene in Stash, from Stash's answer to ``names_to_ask`` and ``sizes_to_ask``."""

    scene_id: int
    file: SceneFile


@dataclass(frozen=True, slots=True)
class Remembered:
    """An item that was written from a scene before. ``path``: its file in Plex; ``stash_path``: the file in Stash."""

    rating_key: int
    path: str
    stash_path: str


@dataclass(frozen=True, slots=True)
class Known:
    """Everything that matching knows besides the index.

    ``path_map``: the user's (Stash prefix, Plex prefix) pairs. ``remembered``: by scene id. ``claims``: rating key ->
    the scene that the item was last written from; ``claim_paths``: rating key -> the item's file at that time, in Plex
    (a claim ends when the item has another scene's file instead). ``chosen``: scene id -> the item that a person chose
    for it, of all scenes. ``rivals``: any key -> the files in Stash with the
    names and sizes that a match relies on; None: Stash has not been asked yet.
    """

    path_map: tuple[tuple[str, str], ...] = ()
    learned: LearnedMap = field(default_factory=LearnedMap)
    remembered: Mapping[int, tuple[Remembered, ...]] = field(default_factory=dict)
    claims: Mapping[int, int] = field(default_factory=dict)
    claim_paths: Mapping[int, str] = field(default_factory=dict)
    chosen: Mapping[int, int] = field(default_factory=dict)
    rivals: Mapping[str, tuple[Rival, ...]] | None = None


@dataclass(frozen=True, slots=True)
class Candidate:
    """A file in Plex that may be the scene's.

    ``why``: a clause for the user, without paths. ``contested``: other scenes with an equal claim to the item, which is
    then never written. ``sole``: name, size and folder agree, and no other file in Stash or Plex has that name and
    size, so the path map may learn from it.
    """

    rating_key: int
    section: int
    part: IndexPart
    file: SceneFile
    evidence: Evidence
    confidence: Confidence
    why: str
    contested: tuple[int, ...] = ()
    sole: bool = False

    def as_dict(self, title: str = "") -> dict[str, object]:
        """Return what a dead letter stores of the candidate, as JSON-able values; ``title``: the item's, if known."""
        return {
            "rating_key": self.rating_key,
            "title": title,
            "path": self.part.path,
            "size": self.part.size,
            "duration": self.part.duration,
            "evidence": self.evidence.key,
            "why": self.why,
        }


@dataclass(frozen=True, slots=True)
class Match:
    """The items in Plex that a scene may be.

    ``items``: all items to write if ``high`` (one candidate each), the candidates if ``low``. ``reason``: why the match
    is not certain and what to do, for the user; ``""`` if ``high``. ``ask_names``: the file names that the match relies
    on. ``ask_sizes``: (bytes, seconds) of the files that must be unique in Stash. ``chosen``: the item that a person
    chose for the scene, 0 without; a verdict ``none`` then means that the index does not have that item.
    """

    scene_id: int
    verdict: Literal["high", "low", "none"]
    items: tuple[Candidate, ...] = ()
    reason: str = ""
    ask_names: frozenset[str] = frozenset()
    ask_sizes: frozenset[tuple[int, float]] = frozenset()
    chosen: int = 0
