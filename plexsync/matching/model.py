"""The values of matching: what is asked of the index, what is known besides, and what a match says. No logic but shape.

Everything here is frozen; ``matching.py`` hands these names on to the other rooms.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Literal, Protocol

from plexsync.matching.path_map import LearnedMap
from plexsync.model.item import IndexPart
from plexsync.model.scene import SceneFile


class View(Protocol):
    """The library index restricted to the chosen sections, trashed and optimised rows included with their marks."""

    @property
    def complete(self) -> bool:
        """Whether every chosen section has been listed completely."""
        ...

    @property
    def fold_case(self) -> bool:
        """Whether the Plex server's platform ignores case in paths (Windows, macOS)."""
        ...

    def by_name(self, keys: Collection[str]) -> Mapping[str, Sequence[IndexPart]]:
        """Rows by ``names.name_key``."""
        ...

    def by_size(self, sizes: Collection[int]) -> Mapping[int, Sequence[IndexPart]]:
        """Rows by size in bytes."""
        ...

    def by_item(self, rating_keys: Collection[int]) -> Mapping[int, Sequence[IndexPart]]:
        """Rows by rating key."""
        ...


class Evidence(Enum):
    """Why a file in Plex is thought to be the scene's, strongest first."""

    EQUAL_PATH = "equal path"
    LEARNED_PATH = "equal path after the learned map"
    REMEMBERED = "remembered"
    NAME_SIZE = "same name and size"
    NAME_FOLDERS = "same name and folders"
    SIZE_DURATION = "same size and duration"
    NAME_ONLY = "same name only"


class Confidence(Enum):
    """HIGH is written; LOW is left for a person."""

    HIGH = "high"
    LOW = "low"


@dataclass(frozen=True, slots=True)
class Rival:
    """A file of some scene in Stash, as the twin question answered it."""

    scene_id: int
    file: SceneFile


@dataclass(frozen=True, slots=True)
class Remembered:
    """What a scene wrote last time: the item, the Plex path of the part, the Stash path it was matched by."""

    rating_key: int
    path: str
    stash_path: str


@dataclass(frozen=True, slots=True)
class Known:
    """Everything known besides the index.

    ``path_map``: the user's (Stash prefix, Plex prefix). ``remembered``: by scene id. ``claims``: rating key -> the
    scene that wrote it last, ``claimed``: -> the path of the file by which it did (a claim ends when the item holds
    another scene's file instead). ``rivals``: name key -> files of all scenes in Stash with that name (a name that
    nobody has may be absent), and those of the size and duration that a match rests on; None: not asked yet.
    """

    path_map: tuple[tuple[str, str], ...] = ()
    learned: LearnedMap = field(default_factory=LearnedMap)
    remembered: Mapping[int, tuple[Remembered, ...]] = field(default_factory=dict)
    claims: Mapping[int, int] = field(default_factory=dict)
    claimed: Mapping[int, str] = field(default_factory=dict)
    rivals: Mapping[str, tuple[Rival, ...]] | None = None


@dataclass(frozen=True, slots=True)
class Candidate:
    """A file in Plex that may be one of the scene's.

    ``why`` is a clause for the user without paths. ``contested``: other scenes with as good a claim on the item; such a
    candidate is never written. ``sole``: name, size and folder agree, and nothing else in either server has that name
    and size: it may teach the path map.
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
        """What a dead letter keeps of it, fit for JSON."""
        return {
            "rating_key": self.rating_key,
            "path": self.part.path,
            "evidence": self.evidence.name.lower(),
            "why": self.why,
        }


@dataclass(frozen=True, slots=True)
class Match:
    """What is known about a scene in Plex.

    ``items``: all items to write when ``high`` (one candidate each), the candidates when ``low``. ``reason``: a
    sentence for the user why it is low or none and what to do, ``""`` when high. ``ask``: the file names it rests on;
    ``alike``: the (size in bytes, seconds) it rests on.
    """

    scene_id: int
    verdict: Literal["high", "low", "none"]
    items: tuple[Candidate, ...] = ()
    reason: str = ""
    ask: frozenset[str] = frozenset()
    alike: frozenset[tuple[int, float]] = frozenset()
