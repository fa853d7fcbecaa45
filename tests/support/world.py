"""A Stash, a Plex and the plugin between them, whose processes can be killed at named points and by hand.

Scenes were there long before PlexSync came, so an item that nobody edits has to stay as it is, as have the decoys:
items of equal file names, and a library that has nothing to do with any scene.
"""

from __future__ import annotations

import os
import signal
import sqlite3
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from plexsync.queue import stock
from tests.servers.plex import PlexServer
from tests.servers.plex_http import Request
from tests.servers.stash import StashServer
from tests.servers.stash_hooks import HookResult
from tests.support.crash.sitecustomize import POINTS, VARIABLE
from tests.support.plugin import PLUGIN, worker_lives
from tests.support.process_model import shown, wanted
from tests.support.waiting import until

#: Short durations: nothing here waits for the clock.
DURATIONS = {
    "PLEXSYNC_SETTLE": "0.1",
    "PLEXSYNC_RETRY_BASE": "0.1",
    "PLEXSYNC_BREAKER_RESET": "0.2",
    "PLEXSYNC_BREAKER_RESET_CAP": "0.5",
    "PLEXSYNC_READ_TIMEOUT": "5",
}
LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)
FAVOURITES = "A person's favourites"


class Seconds:
    """The time, but each time that somebody asks at least a second later.

    Stash's times are whole seconds: of two saves of one scene within one second, the second with its hook killed, only
    the weekly comparison tells that there were two.
    """

    def __init__(self) -> None:
        self._last = datetime.now(UTC)

    def __call__(self) -> datetime:
        self._last = max(datetime.now(UTC), self._last + timedelta(seconds=1))
        return self._last


class World:
    """``scenes`` scenes with an item each (scene N has item 100 + N), and as many decoys. A context manager."""

    def __init__(self, folder: Path, scenes: int = 4, **env: str) -> None:
        self.crashes = folder / "crashes"
        self.crashes.mkdir(parents=True)
        self.plex = PlexServer()
        self.plex.start()
        self.stash = StashServer(folder / "stash", PLUGIN)
        crash = str(Path(__file__).parent / "crash")
        self.stash.env = {**DURATIONS, VARIABLE: str(self.crashes), "PYTHONPATH": crash, **env}
        self.stash.now = Seconds()
        self.stash.configure(plexUrl=self.plex.url, plexToken=self.plex.token)
        self.edited: set[int] = set()
        self._edits = 0
        self._fill(scenes)
        self._before = self.plex.snapshot()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stash.close()
        self.plex.stop()

    def _fill(self, scenes: int) -> None:
        self.plex.add_section("Films", key=1)
        self.plex.add_section("Elsewhere", key=2)
        stash = self.stash
        self.studios = [stash.add_studio(f"Studio {n}") for n in range(3)]
        self.performers = [stash.add_performer(f"Performer {n}") for n in range(6)]
        self.tags = [stash.add_tag(f"Tag {n}") for n in range(6)]
        for row in (*stash.studios.values(), *stash.performers.values(), *stash.tags.values()):
            row.updated_at = stash.store.stamp(LONG_AGO)
        for number in range(1, scenes + 1):
            rest, size = f"Shelf {number % 3}/film-{number}.mp4", 5_000_000 + 7 * number
            files = [(f"/data/{rest}", size, 60.0 + number)]
            stash.add_scene(f"film-{number}", files=files, updated_at=LONG_AGO)
            ms = 60_000 + 1000 * number
            groups = [FAVOURITES] if number % 2 else []
            self.plex.add_item(
                1, f"/media/{rest}", size, ms, rating_key=100 + number, summary="Plex's own", collections=groups
            )
            self.plex.add_item(
                2, f"/other/Shelf/film-{number}.mp4", size + 999, ms * 3, rating_key=10_000 + number, genres=["Decoy"]
            )

    # -- edits

    def changes(self, number: int, **other: Any) -> dict[str, Any]:
        """New values for every field of a scene, different from all before."""
        self._edits += 1
        edit = self._edits
        self.edited.add(number)
        return {
            "title": f"Film {number}, take {edit}",
            "details": f"Take {edit}.\n\nOf film {number}.",
            "date": f"19{10 + edit % 80}-0{1 + edit % 9}-11",
            "studio": self.studios[edit % len(self.studios)],
            "performers": [self.performers[edit % 6], self.performers[(edit + 1 + edit % 3) % 6]],
            "tags": [self.tags[(edit + 1) % 6], self.tags[(edit + 3) % 6]],
            "cover": b"\xff\xd8\xff\xe0\x00\x10JFIF" + f"take {edit} of film {number}".encode(),
            **other,
        }

    def edit(self, number: int, **other: Any) -> HookResult:
        """Save every field of a scene anew, with its hook."""
        return self.stash.update_scene(number, **self.changes(number, **other))

    # -- deaths

    def arm(self, point: str, times: int = 1, scene: int | None = None) -> None:
        """The next ``times`` processes that reach ``point`` (``scene``: with that scene) die there."""
        assert point in POINTS
        part = self.crashes / ".part"
        part.write_text(f"{times} {scene or ''}".strip(), "ascii")
        part.rename(self.crashes / point)

    def victims(self, point: str) -> list[int]:
        """The pids of those that died at ``point``."""
        found = self.crashes.glob(f"{point}.*")
        return sorted(int(path.suffix[1:]) for path in found if path.suffix[1:].isdigit())

    def await_death(self, point: str, times: int = 1) -> None:
        """Wait until ``times`` processes have died at ``point``, and no worker is left."""
        until(lambda: len(self.victims(point)) >= times, what=f"{times} deaths at {point!r}")
        until(lambda: not worker_lives(self.stash.data_dir), what="the worker's end")

    def worker_pid(self) -> int:
        """The worker's pid, 0 without one."""
        lock = self.stash.data_dir / "worker.lock"
        text = lock.read_text("ascii") if lock.exists() else ""
        return int(text) if text.isdigit() and worker_lives(self.stash.data_dir) else 0

    def kill_worker(self) -> bool:
        """SIGKILL to the background process; whether there was one."""
        pid = self.worker_pid()
        if pid:
            os.kill(pid, signal.SIGKILL)
        return bool(pid)

    def kill_at_write(self, moment: str, method: str) -> list[int]:
        """Let the worker die once when Plex has its next edit (``PUT``) or image (``POST``) in hand: ``before_write``
        or ``after_write`` carries it out. The list holds the pid as soon as it is dead."""
        killed: list[int] = []

        def strike(request: Request) -> None:
            if request.method == method and not killed:
                pid = self.worker_pid()
                os.kill(pid, signal.SIGKILL)
                until(lambda: not worker_lives(self.stash.data_dir), what="the worker's end")
                killed.append(pid)

        setattr(self.plex, moment, strike)
        return killed

    # -- what came of it

    def restart(self, way: str, spare: int) -> None:
        """Start the worker as Stash would: by an edit of the scene ``spare``, a task, or the page's ``wake``."""
        if way == "hook":
            assert self.edit(spare).output == f"queued scene:{spare}"
        elif way == "task":
            self.stash.run_task("process_queue")
        else:
            assert self.stash.run_operation({"mode": "wake"}).error is None

    def rows(self, columns: str = "key") -> list[tuple[Any, ...]]:
        """What stands in the queue, oldest first."""
        path = self.stash.data_dir / "queue.db"
        if not path.exists():
            return []
        conn = sqlite3.connect(path, timeout=10)
        try:
            if not conn.execute("PRAGMA user_version").fetchone()[0]:
                return []
            return conn.execute(f"SELECT {columns} FROM ack_queue_default ORDER BY _id").fetchall()
        finally:
            conn.close()

    def different(self, numbers: Iterable[int] | None = None) -> dict[str, tuple[Any, Any]]:
        """``scene.field`` -> (Plex's value, the model's), for what is not as it should be: of the edited scenes, unless
        told, and of every item that nobody edited."""
        found: dict[str, tuple[Any, Any]] = {}
        now = self.plex.snapshot()
        chosen = self.edited if numbers is None else set(numbers)
        for number in sorted(chosen & self.stash.scenes.keys()):
            own = [FAVOURITES] if number % 2 else []
            want, has = wanted(self.stash.store, number, own), shown(now[100 + number])
            found |= {f"{number}.{name}": (has[name], want[name]) for name in want if has[name] != want[name]}
        for key, before in self._before.items():
            if key - 100 not in self.edited and now[key] != before:
                found[f"item {key}"] = (now[key], before)
        return found

    def is_done(self) -> bool:
        """Whether no job is left but dead letters, and Plex is as the model says."""
        return all(status == stock.DEAD for (status,) in self.rows("status")) and not self.different()

    def check(self) -> dict[str, Any]:
        """Wait until everything has arrived; nothing dead, no attempt spent, nobody else's item touched. The status."""
        try:
            until(self.is_done, what="the arrival of every edit")
        except TimeoutError as error:
            rows = self.rows("key, status, due, attempts, rescues, reason, message")
            raise AssertionError(f"{error}: {self.different()}, rows {rows}, {self.log()[-5:]}") from None
        assert not self.plex.disaster
        status: dict[str, Any] = self.stash.run_operation({"mode": "status"}).output
        assert status["queue"]["dead"] == 0
        assert status["totals"]["dead"] == status["totals"]["retried"] == 0
        return status

    def log(self) -> list[str]:
        """The worker's log."""
        path = self.stash.data_dir / "plexsync.log"
        return path.read_text("utf-8").splitlines() if path.exists() else []
