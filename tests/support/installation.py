"""One installation for the process tests: a Stash with the plugin, a Plex with the same films, and how they get on."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self

from plexsync import status
from plexsync.core import environment
from plexsync.queue import schema, stock
from tests.servers.plex import PlexServer
from tests.servers.plex_http import Request
from tests.servers.stash import StashServer
from tests.servers.stash_hooks import HookResult, LogLine, TaskResult
from tests.support.crash.sitecustomize import POINTS, VARIABLE
from tests.support.processes import PLUGIN, rows, until, worker_lives

#: Durations in seconds: nothing here waits for the clock. Only what hangs is waited for as long as in earnest.
SHORT = {
    "PLEXSYNC_SETTLE": "0.05",
    "PLEXSYNC_RETRY_BASE": "0.1",
    "PLEXSYNC_RETRY_CAP": "0.5",
    "PLEXSYNC_MISSING_BASE": "60",
    "PLEXSYNC_BREAKER_RESET": "0.3",
    "PLEXSYNC_BREAKER_RESET_CAP": "0.5",
    "PLEXSYNC_PLEX_TV": "http://127.0.0.1:9",  # no test asks the real one
}


class Film(NamedTuple):
    """A scene and the item that holds its file."""

    scene: int
    item: int


class Seconds:
    """The time, but each time that somebody asks at least a second later.

    Stash's times are whole seconds: of two saves of one scene within one second, the second with its hook killed, only
    the weekly comparison tells that there were two. ``behind``: seconds by which it begins in the past, so that nobody
    has to wait until the times of edits are over.
    """

    def __init__(self, behind: float = 0) -> None:
        self._behind = timedelta(seconds=behind)
        self.last = self._now()

    def __call__(self) -> datetime:
        self.last = max(self._now(), self.last + timedelta(seconds=1))
        return self.last

    def _now(self) -> datetime:
        return datetime.now(UTC) - self._behind


class Installation:
    """Both servers, set up so that all is well. A context manager that leaves no process behind.

    ``token``: Plex's. ``script``: the plugin. ``images``: whether covers are synced. ``crashes``: lay the crash points,
    at which started processes can be killed (``arm``). ``front``: Stash's, for a browser. ``env``: for the plugin,
    over ``SHORT``.
    """

    def __init__(
        self,
        folder: Path,
        *,
        token: str = "plex-token",
        script: Path = PLUGIN,
        images: bool = False,
        crashes: bool = False,
        front: Path | None = None,
        **env: str,
    ) -> None:
        self.films: list[Film] = []
        self.plex = PlexServer(token)
        self.plex.add_section("Films", key=1, locations=("/films",))
        self.plex.start()
        self.stash = StashServer(folder / "stash", script, front)
        self.stash.env = SHORT | env
        self.stash.configure(plexUrl=self.plex.url, plexToken=token, skipPoster=not images, skipBackground=not images)
        self.crashes = folder / "crashes"
        if crashes:
            self.crashes.mkdir(parents=True)
            path = str(Path(__file__).parent / "crash")
            self.stash.env |= {VARIABLE: str(self.crashes), "PYTHONPATH": path}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.plex.release()
        self.stash.close()
        self.plex.stop()

    @property
    def folder(self) -> Path:
        """The plugin's data folder."""
        return self.stash.data_dir

    # -- films and edits

    def film(self, title: str = "", *, in_plex: bool = True, **fields: Any) -> Film:
        """A scene that PlexSync never saw and (``in_plex``) its item, titled like its file; 0 without one."""
        number = len(self.films) + 1
        path, size = f"/films/{number}/film{number}.mp4", 1_000_000 + number
        scene = self.stash.add_scene(title or f"Film {number}", files=[(path, size, 60.0)], **fields)
        item = self.plex.add_item(1, file=path, size=size, duration_ms=60_000).rating_key if in_plex else 0
        self.films.append(Film(scene, item))
        return self.films[-1]

    def new_films(self, count: int) -> list[Film]:
        """So many films, whose scenes are titled ``New 1`` and so on."""
        return [self.film(f"New {number}") for number in range(1, count + 1)]

    def title(self, film: Film) -> str:
        """The film's title in Plex."""
        return self.plex.items[film.item].title

    def titles(self) -> list[str]:
        """The titles in Plex, by rating key."""
        return [item.title for _, item in sorted(self.plex.items.items())]

    def edit(self, film: Film, title: str) -> None:
        """Save the scene with its hook, which has to queue it."""
        assert self.stash.update_scene(film.scene, title=title).output == f"queued scene:{film.scene}"

    def arrives(self, film: Film, title: str) -> None:
        """Wait until Plex has the title and the queue is empty."""
        until(lambda: self.title(film) == title, what=f"{title!r} in Plex")
        self.settles()

    def settles(self) -> None:
        """Wait until no job is left but dead letters."""
        until(lambda: all(status == stock.DEAD for (status,) in self.rows("status")), what="an empty queue")

    # -- what the plugin is asked

    def status(self) -> dict[str, Any]:
        """The status object."""
        found: dict[str, Any] = self.call("status")
        return found

    def seen(self) -> dict[str, Any]:
        """The status object, read by this process: to wait for what it will say costs no process each time."""
        return status.status(str(self.folder), time.time())

    def dead_letters(self) -> dict[int, str]:
        """Scene -> reason of its dead letter, read by this process."""
        rows = self.rows("key, status, reason")
        return {int(key.partition(":")[2]): reason for key, state, reason in rows if state == stock.DEAD}

    def call(self, mode: str, **args: Any) -> Any:
        """The output of an operation that must not fail."""
        return good(self.stash.run_operation({"mode": mode, **args}))

    def task(self, mode: str, **args: Any) -> TaskResult:
        """A task, run to its end, with what holds for every task checked."""
        result = self.stash.run_task(mode, args or None)
        well_ended(result)
        return result

    def command(self, *words: str) -> Any:
        """What a command of the command line prints as JSON."""
        assert self.stash.plugin_script is not None
        command = [self.stash.python, str(self.stash.plugin_script), *words, "--data-dir", str(self.folder)]
        done = subprocess.run(command, capture_output=True, env={**os.environ, **self.stash.env}, check=True)
        return json.loads(done.stdout)

    # -- what it left

    def rows(self, columns: str = "key") -> list[tuple[Any, ...]]:
        """What stands in the queue, oldest first."""
        return rows(self.folder, columns)

    def queue(self) -> sqlite3.Connection:
        """The queue of the data folder, made if need be."""
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        return schema.open_queue(str(self.folder), 0)

    def log(self) -> str:
        """The worker's log, all of it."""
        return "".join(path.read_text("utf-8") for path in sorted(self.folder.glob("plexsync.log*")) if path.is_file())

    def said(self) -> str:
        """All that the plugin said so far, in Stash's log and in its own."""
        return "\n".join([*(f"{line.level} {line.message}" for line in self.stash.plugin_log), self.log()])

    # -- the worker

    def connect(self) -> None:
        """Leave the way to Stash as a hook does, without one."""
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        where = {"scheme": "http", "host": "127.0.0.1", "port": self.stash.port, "cookie": self.stash.new_cookie()}
        (self.folder / environment.CONNECTION).write_text(json.dumps(where), "utf-8")

    def start_worker(self) -> subprocess.Popen[bytes]:
        """Start a worker by the command line, as a person would."""
        assert self.stash.plugin_script is not None
        command = [self.stash.python, str(self.stash.plugin_script), "worker", "--data-dir", str(self.folder)]
        env = {**os.environ, **self.stash.env}
        return subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=env
        )

    def worker_pid(self) -> int:
        """The worker's pid, 0 without one."""
        lock = self.folder / "worker.lock"
        text = lock.read_text("ascii") if lock.exists() else ""
        return int(text) if text.isdigit() and worker_lives(self.folder) else 0

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
        """Wait until ``times`` processes have died at ``point``, and none of them is the worker any more."""
        until(lambda: len(self.victims(point)) >= times, what=f"{times} deaths at {point!r}")
        until(lambda: self.worker_pid() not in self.victims(point), what="the worker's end")

    def kill_worker(self) -> bool:
        """SIGKILL to the background process, and its end; whether there was one."""
        pid = self.worker_pid()
        if pid:
            os.kill(pid, signal.SIGKILL)
            until(lambda: self.worker_pid() != pid, what="the worker's end")
        return bool(pid)

    def kill_at_write(self, moment: str, method: str) -> list[int]:
        """Let the worker die once when Plex has its next edit (``PUT``) or image (``POST``) in hand: ``before_write``
        or ``after_write`` carries it out. The list holds the pid as soon as it is dead."""
        killed: list[int] = []

        def strike(request: Request) -> None:
            if request.method == method and not killed:
                pid = self.worker_pid()
                os.kill(pid, signal.SIGKILL)
                until(lambda: not worker_lives(self.folder), what="the worker's end")
                killed.append(pid)

        setattr(self.plex, moment, strike)
        return killed


def good(result: HookResult) -> Any:
    """The output of a call that ended as it should."""
    assert result.error is None
    assert list(json.loads(result.stdout)) == ["output"]
    assert result.returncode == 0
    return result.output


def well_ended(result: TaskResult) -> None:
    """One JSON document, status 0, progress that rises within 0..1, and a last line: the result or the reason."""
    assert result.returncode == 0
    assert list(json.loads(result.stdout)) in (["output"], ["error"])
    assert result.progress == sorted(result.progress)
    assert all(0 <= value <= 1 for value in result.progress)
    assert not [line for line in result.log if "Traceback" in line.message]
    assert len({line.message for line in result.log}) == len(result.log)
    if result.error is None:
        assert result.progress[-1] == 1.0
    else:
        assert result.log[-1].level == "error"
        assert result.log[-1].message.endswith(result.error)
        assert sum(result.error in line.message for line in result.log) == 1


def last(result: TaskResult) -> LogLine:
    """A task's last line."""
    return result.log[-1]
