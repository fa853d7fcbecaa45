"""The values of matching: the view of the index, what is known besides, and the match. No logic.

Everything here is frozen; the package hands these names on.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Literal, Protocol

from plexsync.matching.path_map import LearnedMap
from plexsync.model.item import IndexPart
from plexsync.model.scene import SceneFile


class LibraryView(Protocol):
    """The library index of the chosen sections, including the trashed and optimised rows."""

    @property
    def complete(self) -> bool:
        """Whether every chosen section has been listed completely."""
        ...

    @property
    def fold_case(self) -> bool:
        """Whether the Plex server's platform ignores case in paths (Windows, macOS)."""
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
    """Why a file in Plex may be the scene's, strongest first."""

    EQUAL_PATH = "equal path"
    LEARNED_PATH = "equal path after the learned map"
    REMEMBERED = "remembered"
    NAME_SIZE = "same name and size"
    NAME_FOLDERS = "same name and folders"
    SIZE_DURATION = "same size and duration"
    NAME_ONLY = "same name only"


class Confidence(Enum):
    """HIGH is written, LOW is left for the user."""

    HIGH = "high"
    LOW = "low"


@dataclass(frozen=True, slots=True)
class Rival:
    """A file of any scene in Stash, as Stash answered ``names_to_ask`` and ``sizes_to_ask``."""

    scene_id: int
    file: SceneFile


@dataclass(frozen=True, slots=True)
class Remembered:
    """An item that a scene wrote before: its key, the path of its file in Plex, the path in Stash it was matched by."""

    rating_key: int
    path: str
    stash_path: str


@dataclass(frozen=True, slots=True)
class Known:
    """Everything known besides the index.

    ``path_map``: the user's (Stash prefix, Plex prefix). ``remembered``: by scene id. ``claims``: rating key -> the
    scene that wrote the item last; ``claim_paths``: rating key -> the path in Plex by which it did (a claim ends when
    the item holds another scene's file instead). ``rivals``: any key -> files of all scenes in Stash with the
    names and sizes that a match rests on; None: not asked yet.
    """

    path_map: tuple[tuple[str, str], ...] = ()
    learned: LearnedMap = field(default_factory=LearnedMap)
    remembered: Mapping[int, tuple[Remembered, ...]] = field(default_factory=dict)
    claims: Mapping[int, int] = field(default_factory=dict)
    claim_paths: Mapping[int, str] = field(default_factory=dict)
    rivals: Mapping[str, tuple[Rival, ...]] | None = None


@dataclass(frozen=True, slots=True)
class Candidate:
    """A file in Plex that may be the scene's.

    ``why``: a clause for the user, without paths. ``contested``: other scenes with an equal claim to the item; such a
    candidate is never written. ``sole``: name, size and folder agree, and no other file in Stash or Plex has that name
    and size, so the path map may learn from it.
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

    def as_dict(self) -> dict[str, object]:
        """Return what a dead letter keeps of it, as JSON-able values."""
        return {
            "rating_key": self.rating_key,
            "path": self.part.path,
            "evidence": self.evidence.name.lower(),
            "why": self.why,
        }


@dataclass(frozen=True, slots=True)
class Match:
    """The items in Plex that a scene may be.

    ``items``: all items to write when ``high`` (one candidate each), the candidates when ``low``. ``reason``: for the
    user, why it is low or none and what to do; ``""`` when high. ``ask_names``: the file names that it rests on;
    ``ask_sizes``: (bytes, seconds) of the files that it rests on being unique.
    """

    scene_id: int
    verdict: Literal["high", "low", "none"]
    items: tuple[Candidate, ...] = ()
    reason: str = ""
    ask_names: frozenset[str] = frozenset()
    ask_sizes: frozenset[tuple[int, float]] = frozenset()
