"""A Stash and a Plex for the benchmarks, each in a process of its own: no figure of PlexSync's holds any of theirs.

Both are the tests' own servers on loopback. ``StashHouse.fill`` and ``PlexHouse.fill`` make the same library of any
size, Plex's side already as Stash would have it. Has no command of its own.
"""

from __future__ import annotations

import contextlib
import json
import multiprocessing
import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Self

from tests.servers.plex import PlexServer
from tests.servers.stash import StashServer
from tests.servers.stash_hooks import stdin_document
from tests.servers.stash_jobs import Task

#: The one library in Plex.
SECTION = 1
STUDIOS, PEOPLE, TAGS, FOLDERS = 50, 500, 200, 400
LOCKED = ("title", "studio", "summary", "originallyAvailableAt", "actor", "genre")

#: A process between the benchmark and a child that is measured: Linux counts what was the parent's memory before
#: ``exec`` as the child's peak, so the parent has to be a small one.
MIDDLE = """
import json, os, sys, time
stdin = os.open(sys.argv[1], os.O_RDONLY)
quiet = os.open(os.devnull, os.O_WRONLY)
began = time.perf_counter()
pid = os.posix_spawn(sys.argv[2], sys.argv[2:], os.environ,
    file_actions=[(os.POSIX_SPAWN_DUP2, stdin, 0), (os.POSIX_SPAWN_DUP2, quiet, 1)])
_, status, used = os.wait4(pid, 0)
print(json.dumps([time.perf_counter() - began, used.ru_maxrss * (1 if sys.platform == "darwin" else 1024), status]))
"""


@dataclass(frozen=True)
class Film:
    """What both servers know of the film ``n``."""

    n: int

    @property
    def file(self) -> str:
        """The path below the root."""
        return f"Studio {self.n % STUDIOS}/{self.n % FOLDERS}/Film number {self.n}.mp4"

    @property
    def size(self) -> int:
        """Bytes."""
        return 500_000_000 + self.n

    @property
    def seconds(self) -> int:
        """Duration."""
        return 600 + self.n % 3000

    @property
    def details(self) -> str:
        """The summary."""
        return f"What happens in film number {self.n}. " + "Somebody comes, and somebody goes. " * 5

    @property
    def date(self) -> str:
        """``YYYY-MM-DD``"""
        return f"{1990 + self.n % 30}-{1 + self.n % 12:02d}-{1 + self.n % 28:02d}"

    @property
    def people(self) -> list[int]:
        """Numbers of its performers."""
        return [self.n % PEOPLE, (self.n * 7 + 1) % PEOPLE, (self.n * 13 + 2) % PEOPLE]

    @property
    def tags(self) -> list[int]:
        """Numbers of its tags."""
        return [(self.n * step + step) % TAGS for step in (1, 3, 11, 17)]


class PlexHouse(PlexServer):
    """A Plex that can be filled and asked through a pipe."""

    def fill(self, number: int) -> dict[str, Any]:
        """Items for the films 1 to ``number``, with all that Stash has of them; where Plex is."""
        self.add_section("Films", key=SECTION)
        hour_ago = int(time.time()) - 3600
        for film in map(Film, range(1, number + 1)):
            studio = f"Studio {film.n % STUDIOS}"
            self.add_item(
                SECTION,
                file=f"/media/{film.file}",
                size=film.size,
                duration_ms=film.seconds * 1000,
                title=f"Film number {film.n}",
                studio=studio,
                summary=film.details.strip(),
                date=film.date,
                actors=[f"Person {one}" for one in film.people],
                genres=[f"Tag {one}" for one in film.tags],
                collections=[studio],
                locked=LOCKED,
                added_at=hour_ago,
                updated_at=hour_ago,
            )
        return {"url": self.url, "token": self.token}

    def touch(self) -> None:
        """One item changes."""
        self.edit_item(next(iter(self.items)), tagline="new")

    def told(self) -> dict[str, float]:
        """Reads, writes and processor seconds so far."""
        return {"reads": len(self.reads()), "writes": len(self.writes()), "cpu": time.process_time()}


class StashHouse(StashServer):
    """A Stash that can be filled and asked through a pipe."""

    task: Task

    def fill(self, number: int, plex: dict[str, Any], path_map: str = "/data => /media") -> str:
        """Scenes of the films 1 to ``number``, a month old, and PlexSync's settings; the data folder."""
        real, month_ago = self.now, self.now() - timedelta(days=30)
        self.now = lambda: month_ago
        studios = [self.add_studio(f"Studio {one}") for one in range(STUDIOS)]
        people = [self.add_performer(f"Person {one}") for one in range(PEOPLE)]
        tags = [self.add_tag(f"Tag {one}") for one in range(TAGS)]
        for film in map(Film, range(1, number + 1)):
            self.add_scene(
                f"Film number {film.n}",
                files=[(f"/data/{film.file}", film.size, float(film.seconds))],
                details=film.details,
                date=film.date,
                studio=studios[film.n % STUDIOS],
                performers=[people[one] for one in film.people],
                tags=[tags[one] for one in film.tags],
            )
        self.now = real
        # Images are apart: each is an upload of its own whatever the rest costs.
        self.configure(
            plexUrl=plex["url"], plexToken=plex["token"], plexPathMap=path_map, skipPoster=True, skipBackground=True,
        )  # fmt: skip
        return str(self.data_dir)

    def retitle(self) -> None:
        """Every scene gets another title; no hook runs."""
        for number in self.scenes:
            self.change_scene(number, title=f"Film number {number}, again")

    def edit_many(self, python: str, number: int) -> tuple[float, float]:
        """A bulk edit of so many scenes, whose hooks ``python`` runs; seconds it took, and its hooks' processors."""
        while len(self.scenes) < number:
            self.add_scene(f"Film number {len(self.scenes) + 1}")
        self.python = python
        before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
        results = self.bulk_update(list(self.scenes)[:number], rating100=len(self.log) % 5 * 20)
        seconds, after = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
        if any(result.error or result.returncode for result in results):
            raise RuntimeError(next(result for result in results if result.error or result.returncode))
        return seconds, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime

    def start_job(self, name: str) -> None:
        """Start a task."""
        self.task = self.start_task(name)

    def job(self) -> Any:
        """How the task ended (output, error, seconds), None while it runs; and its progress."""
        if self.task.status in ("READY", "RUNNING"):
            return None
        result = self.task.wait(10)
        return {"output": result.output, "error": result.error, "seconds": result.seconds}

    def document(self, number: int) -> bytes:
        """What a hook of the scene ``number`` reads."""
        context = {"id": number, "type": "Scene.Update.Post", "input": {"id": str(number)}, "inputFields": ["id"]}
        return stdin_document(self.connection(), {"hookContext": context})

    def told(self) -> dict[str, float]:
        """Requests and processor seconds so far (its plugin's processes are not in them)."""
        return {"requests": len(self.log), "cpu": time.process_time()}


class Remote:
    """One of the houses in a process of its own; ``ask`` calls a method there."""

    def __init__(self, make: Callable[..., Any], *args: Any) -> None:
        context = multiprocessing.get_context("spawn")
        self._pipe, there = context.Pipe()
        self._process = context.Process(target=_serve, args=(there, make, args), daemon=False)
        self._process.start()
        there.close()

    def ask(self, name: str, *args: Any) -> Any:
        """What the method ``name`` answers; raises ``RuntimeError`` with what it raised."""
        self._pipe.send((name, args))
        well, answer = self._pipe.recv()
        if not well:
            raise RuntimeError(answer)
        return answer

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(OSError):
            self._pipe.send(("", ()))
        self._process.join(20)
        if self._process.is_alive():
            self._process.kill()


def _serve(pipe: Connection, make: Callable[..., Any], args: tuple[Any, ...]) -> None:
    with make(*args) as house:
        while True:
            try:
                name, values = pipe.recv()
            except EOFError:
                return
            if not name:
                return
            try:
                pipe.send((True, getattr(house, name)(*values)))
            except Exception as error:
                pipe.send((False, f"{type(error).__name__}: {error}"))


@dataclass
class Measured:
    """A child process that has ended: seconds, and its peak memory in bytes."""

    seconds: float
    peak: int
    status: int = field(default=0)


def measured(argv: list[str], stdin: Path, env: dict[str, str] | None = None) -> Measured:
    """Run ``argv`` to its end; what it writes is lost."""
    command = [sys.executable, "-S", "-c", MIDDLE, str(stdin), *argv]
    said = subprocess.run(command, env=env, check=True, capture_output=True, text=True).stdout
    return Measured(*json.loads(said))


def processor_of(pid: int) -> float:
    """Processor seconds of a living process so far, whatever it was before an ``exec``; 0 where nobody tells."""
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as file:
            told = file.read().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(told[11]) + int(told[12])) / os.sysconf("SC_CLK_TCK")


def peak_of(pid: int) -> int:
    """The peak memory of a living process since its last ``exec``, in bytes; 0 where the system does not tell."""
    try:
        with open(f"/proc/{pid}/status", encoding="ascii", errors="replace") as file:
            return next((int(line.split()[1]) * 1024 for line in file if line.startswith("VmHWM")), 0)
    except OSError:
        return 0
