"""A Stash scene as frozen values. No I/O; knows nothing of Plex."""

from __future__ import annotations

import zlib
from collections.abc import Iterable
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
    """What PlexSync reads of a scene; text exactly as Stash has it, ``""`` where it has none.

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
    """Return Stash's RFC 3339 text as seconds since the epoch: 0 for none, infinity for an unreadable text."""
    if not text:
        return 0.0
    try:
        return datetime.fromisoformat(str(text)).timestamp()
    except ValueError:
        return float("inf")


def signature(scene: Scene) -> str:
    """Return the text whose change makes catch-up enqueue a job: the scene's ``updated_at`` and files."""
    return file_signature(scene.updated_at, ((file.id, file.path) for file in scene.files))


def file_signature(updated_at: str, files: Iterable[tuple[int, str]]) -> str:
    """Return ``updated_at`` and a checksum of the files (id, path)."""
    text = "\n".join(f"{number} {path}" for number, path in files)
    return f"{updated_at} {zlib.crc32(text.encode('utf-8', 'surrogatepass')):08x}"


#: Seconds by which two measurements of one film may differ: Plex rounds to ms, ffprobe and Plex read other streams.
SAME_DURATION = 1.0


def same_duration(one: float, other: float) -> int:
    """Return 2 for durations equal within ``SAME_DURATION``, 1 if either is unknown, 0 for different ones."""
    if one <= 0 or other <= 0:
        return 1
    return 2 if abs(one - other) <= SAME_DURATION else 0
