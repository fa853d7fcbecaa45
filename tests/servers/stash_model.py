"""What the Stash test server holds: scenes, files, studios, performers, tags, and the clock that stamps them.

Owns the data and its time stamps. Must not know HTTP, GraphQL or plugins.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, timezone

FileSpec = tuple[str, int, float]


@dataclass(slots=True)
class VideoFile:
    """A file as Stash lists it; ``size`` in bytes, ``duration`` in seconds, times RFC 3339 text."""

    id: int
    path: str
    size: int
    duration: float
    mod_time: str
    created_at: str
    updated_at: str

    @property
    def basename(self) -> str:
        """The last part of the path."""
        return self.path.rpartition("/")[2]

    @property
    def oshash(self) -> str:
        """A stand-in for the real fingerprint: stable for one file id and size."""
        return hashlib.md5(f"{self.id}:{self.size}".encode(), usedforsecurity=False).hexdigest()[:16]


@dataclass(slots=True)
class Entity:
    """A studio, performer or tag; only performers have a ``disambiguation``."""

    id: int
    name: str
    created_at: str
    updated_at: str
    disambiguation: str = ""


@dataclass(slots=True)
class Scene:
    """A scene; ``files`` begins with the primary one, relations are ids, ``stash_ids`` are (endpoint, id)."""

    id: int
    title: str
    details: str
    date: str
    studio: int | None
    organized: bool
    created_at: str
    updated_at: str
    files: list[VideoFile]
    performers: list[int]
    tags: list[int]
    urls: list[str]
    stash_ids: list[tuple[str, str]]
    cover: bytes | None = None
    cover_type: str = "image/jpeg"
    rating100: int | None = None
    code: str = ""
    director: str = ""

    @property
    def path(self) -> str:
        """The primary file's path, ``""`` without a file."""
        return self.files[0].path if self.files else ""


def _utc_now() -> datetime:
    return datetime.now(UTC)


@dataclass(slots=True)
class Store:
    """All rows by id. ``clock`` is the server's offset from UTC, ``now`` gives the present as an aware datetime."""

    clock: timedelta = timedelta()
    now: Callable[[], datetime] = _utc_now
    scenes: dict[int, Scene] = field(default_factory=dict)
    studios: dict[int, Entity] = field(default_factory=dict)
    performers: dict[int, Entity] = field(default_factory=dict)
    tags: dict[int, Entity] = field(default_factory=dict)
    _last: dict[str, int] = field(default_factory=dict)
    _stamp: tuple[datetime, timedelta, str] | None = None

    def stamp(self, moment: datetime | None = None) -> str:
        """``moment`` (default now) as Stash stores it: local zone, whole seconds, ``Z`` at offset zero."""
        moment = (moment or self.now()).replace(microsecond=0)
        if self._stamp and self._stamp[0] == moment and self._stamp[1] == self.clock:
            return self._stamp[2]
        text = moment.astimezone(timezone(self.clock)).isoformat()
        text = text[:-6] + "Z" if text.endswith("+00:00") else text
        self._stamp = (moment, self.clock, text)
        return text

    def next_id(self, kind: str) -> int:
        """Ids rise and are never given twice, as in SQLite with AUTOINCREMENT."""
        self._last[kind] = self._last.get(kind, 0) + 1
        return self._last[kind]

    def table(self, kind: str) -> dict[int, Entity]:
        """The rows of ``studio``, ``performer`` or ``tag``."""
        return {"studio": self.studios, "performer": self.performers, "tag": self.tags}[kind]

    def add_entity(self, kind: str, name: str) -> int:
        """A new studio, performer or tag."""
        now = self.stamp()
        row = Entity(self.next_id(kind), name, now, now)
        self.table(kind)[row.id] = row
        return row.id

    def add_file(self, spec: FileSpec, now: str) -> VideoFile:
        """A new file from (path, bytes, seconds)."""
        path, size, duration = spec
        return VideoFile(self.next_id("file"), path, size, float(duration), now, now, now)

    def add_scene(
        self,
        title: str = "",
        files: Iterable[FileSpec] = (),
        details: str = "",
        date: str = "",
        studio: int | None = None,
        performers: Iterable[int] = (),
        tags: Iterable[int] = (),
        organized: bool = False,
        cover: bytes | None = None,
        cover_type: str = "image/jpeg",
        urls: Iterable[str] = (),
        stash_ids: Iterable[tuple[str, str]] = (),
        updated_at: datetime | None = None,
    ) -> int:
        """A new scene, without any hook; its id."""
        now = self.stamp(updated_at)
        rows = [self.add_file(spec, now) for spec in files]
        number = self.next_id("scene")
        self.scenes[number] = Scene(
            number, title, details, date, studio, organized, now, now,
            rows, list(performers), list(tags), list(urls), list(stash_ids), cover, cover_type,
        )  # fmt: skip
        return number

    def file(self, number: int) -> tuple[Scene, VideoFile]:
        """The file of that id with its scene; ``KeyError`` if there is none."""
        for scene in self.scenes.values():
            for one in scene.files:
                if one.id == number:
                    return scene, one
        raise KeyError(f"file {number} not found")

    def drop(self, kind: str, number: int) -> None:
        """Remove a studio, performer or tag; scenes silently lose it."""
        del self.table(kind)[number]
        for scene in self.scenes.values():
            if kind == "studio":
                scene.studio = None if scene.studio == number else scene.studio
            else:
                row: list[int] = getattr(scene, kind + "s")
                if number in row:
                    row.remove(number)
