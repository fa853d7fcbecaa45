"""A Stash scene as frozen values. No I/O; knows nothing of Plex."""

from __future__ import annotations

import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Named:
    """A studio or tag: its Stash id and its name."""

    id: int
    name: str


@dataclass(frozen=True, slots=True)
class Performer(Named):
    """A performer. ``disambiguation``: what tells performers of one name apart in Stash."""

    disambiguation: str = ""


@dataclass(frozen=True, slots=True)
class SceneFile:
    """One video file of a scene.

    ``path``: as Stash sees it. ``size`` in bytes and ``duration`` in seconds, 0 where unknown.
    """

    id: int
    path: str
    size: int = 0
    duration: float = 0.0


@dataclass(frozen=True, slots=True)
class StashId:
    """The scene's id in a stash-box. ``endpoint``: the stash-box's URL."""

    endpoint: str
    stash_id: str


@dataclass(frozen=True, slots=True)
class Scene:
    """What PlexSync reads of a scene. Texts are exactly as in Stash, ``""`` where there is none.

    ``files``: the primary file first; may be empty. ``updated_at``: Stash's RFC 3339 text.
    """

    id: int
    title: str = ""
    details: str = ""
    date: str = ""
    studio: Named | None = None
    performers: tuple[Performer, ...] = ()
    tags: tuple[Named, ...] = ()
    organized: bool = False
    updated_at: str = ""
    files: tuple[SceneFile, ...] = ()
    urls: tuple[str, ...] = ()
    stash_ids: tuple[StashId, ...] = ()


def epoch(text: object) -> float:
    """Return an RFC 3339 text as seconds since the epoch: 0 for no text, infinity for an unreadable one."""
    if not text:
        return 0.0
    try:
        return datetime.fromisoformat(str(text)).timestamp()
    except ValueError:
        return float("inf")


def signature(scene: Scene) -> str:
    """Return the change signature of a scene, from ``updated_at`` and files: catch-up queues a scene if it differs."""
    return file_signature(scene.updated_at, ((file.id, file.path) for file in scene.files))


def file_signature(updated_at: str, files: Iterable[tuple[int, str]]) -> str:
    """Return the change signature for ``updated_at`` and ``files`` (id, path)."""
    text = "\n".join(f"{number} {path}" for number, path in files)
    return f"{updated_at} {zlib.crc32(text.encode('utf-8', 'surrogatepass')):08x}"


#: Seconds by which two durations of one film may differ: Plex rounds to ms, and ffprobe may measure another stream.
SAME_DURATION = 1.0


def same_duration(a: float, b: float) -> int:
    """Return 2 if two durations (s) are equal within ``SAME_DURATION``, 1 if either is unknown, 0 if they differ."""
    if a <= 0 or b <= 0:
        return 1
    return 2 if abs(a - b) <= SAME_DURATION else 0
