"""A Stash scene as PlexSync sees it: frozen values, no I/O, no knowledge of Plex."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Named:
    """A studio, performer or tag: its Stash id and its name."""

    id: int
    name: str


@dataclass(frozen=True, slots=True)
class SceneFile:
    """One video file of a scene.

    ``path`` is as the Stash host sees it; ``size`` in bytes and ``duration`` in seconds, 0 where unknown.
    """

    id: int
    path: str
    size: int = 0
    duration: float = 0.0


@dataclass(frozen=True, slots=True)
class StashId:
    """The id that a stash-box (``endpoint``, a URL) knows the scene by."""

    endpoint: str
    stash_id: str


@dataclass(frozen=True, slots=True)
class Scene:
    """Everything of a scene that may reach Plex; text exactly as Stash has it, ``""`` where it has none.

    ``files`` begins with the primary file and may be empty. ``updated_at`` is Stash's own RFC 3339 text.
    """

    id: int
    title: str = ""
    details: str = ""
    date: str = ""
    studio: Named | None = None
    performers: tuple[Named, ...] = ()
    tags: tuple[Named, ...] = ()
    organized: bool = False
    updated_at: str = ""
    files: tuple[SceneFile, ...] = ()
    urls: tuple[str, ...] = ()
    stash_ids: tuple[StashId, ...] = ()


def epoch(text: object) -> float:
    """Seconds since the epoch of Stash's RFC 3339 text; 0 for none, the far future where it cannot be read."""
    if not text:
        return 0.0
    try:
        return datetime.fromisoformat(str(text)).timestamp()
    except ValueError:
        return float("inf")
