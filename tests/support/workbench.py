"""The background worker in this process: real databases and servers, and a clock that moves only when somebody sleeps.

``turn()`` is one turn of the full worker, with everything built anew as after a restart; ``live(seconds)`` is the whole
background process, waiter and looks included, for so long. Hours of an outage pass in a moment.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple, Self

from plexsync import status
from plexsync.app import App, World
from plexsync.core import enqueue, environment
from plexsync.daemon import idle, probe
from plexsync.daemon.plugin_files import PluginFiles
from plexsync.log import Log, StashSink
from plexsync.model.lifecycle import Next
from plexsync.queue import dead_letters, jobs, schema
from plexsync.queue.meta import QueueMeta
from plexsync.queue.worker_queue import JobQueue
from plexsync.state import pause
from plexsync.state.breaker import Breaker
from plexsync.state.meta import Meta
from plexsync.worker.loop import Worker
from tests.servers.plex import PlexServer
from tests.servers.plex_http import Reply, Request
from tests.servers.stash import StashServer
from tests.support.queue_tools import NOW, job


class Film(NamedTuple):
    """A scene and the item that holds its file."""

    scene: int
    item: int


class Longest(random.Random):
    """No luck: whatever is drawn between two numbers is the higher one."""

    def uniform(self, a: float, b: float) -> float:
        """``b``"""
        return b


class TimeIsUp(Exception):
    """The stretch of time that a test wanted has passed."""


class TimedPlex(PlexServer):
    """A Plex that notes at which time of the bench's clock each request came."""

    bench: Bench
    at: list[float]

    def _answer(self, request: Request, body: bytes) -> Reply:
        self.at.append(self.bench.now)
        return super()._answer(request, body)


class Bench:
    """One data folder with a Stash and a Plex; settings are saved so that all is well."""

    def __init__(self, folder: Path) -> None:
        self.now = NOW
        self.slept: list[float] = []
        self.lines: list[tuple[str, str]] = []
        self.api_key = ""
        self.world = World(self.clock, self.sleep, Longest())
        self.plex = TimedPlex()
        self.plex.bench, self.plex.at = self, []
        self.plex.model.clock = self.clock
        self.plex.add_section("Films", key=1, locations=("/films",))
        self.stash = StashServer(folder / "stash")
        self.stash.now = lambda: datetime.fromtimestamp(self.now, UTC)
        self.folder = str(self.stash.data_dir)
        Path(self.folder).mkdir(parents=True)
        self.conn = schema.open_queue(self.folder, self.now)
        QueueMeta(self.conn).caught_up_at = self.now
        self.connect()
        self._end = float("inf")
        self._films = 0

    def __enter__(self) -> Self:
        self.plex.start()
        self.stash.configure(plexUrl=self.plex.url, plexToken=self.plex.token, skipPoster=True, skipBackground=True)
        return self

    def __exit__(self, *_: object) -> None:
        self.plex.release()
        self.plex.stop()
        self.stash.release()
        self.stash.close()
        self.conn.close()

    # -- time

    def clock(self) -> float:
        """Now."""
        return self.now

    def sleep(self, seconds: float) -> None:
        """Time passes."""
        self.slept.append(seconds)
        self.now += seconds

    def _wait(self, seconds: float) -> None:
        if self.now >= self._end:
            raise TimeIsUp
        self.now += min(seconds, self._end - self.now)

    # -- what there is

    def film(self, title: str = "", *, in_plex: bool = True, path: str = "", **fields: Any) -> Film:
        """A scene that PlexSync never saw, and (``in_plex``) its item, titled like the file; 0 without one."""
        self._films += 1
        path = path or f"/films/{self._films}/film{self._films}.mp4"
        size = 1_000_000 + self._films
        scene = self.stash.add_scene(title or f"Film {self._films}", files=[(path, size, 60.0)], **fields)
        return Film(scene, self.arrives(scene) if in_plex else 0)

    def films(self, count: int, **fields: Any) -> list[Film]:
        """So many of them."""
        return [self.film(**fields) for _ in range(count)]

    def arrives(self, scene: int, path: str = "") -> int:
        """Plex gains the scene's file (``path``: at another place); the item's rating key."""
        file = self.stash.scenes[scene].files[0]
        return self.plex.add_item(1, file=path or file.path, size=file.size, duration_ms=60_000).rating_key

    def connect(self, **changes: Any) -> None:
        """A hook leaves how to reach Stash, with a fresh cookie."""
        where = {"scheme": "http", "host": "127.0.0.1", "port": self.stash.port, "cookie": self.stash.new_cookie()}
        Path(self.folder, environment.CONNECTION).write_text(json.dumps(where | changes), "utf-8")

    def edit(self, *scenes: int, title: str = "", **changes: Any) -> None:
        """Scenes are saved in Stash, and their hooks' rows are due at once."""
        for scene in scenes:
            values = changes | ({"title": title} if title else {})
            if values:
                self.stash.change_scene(scene, **values)
            enqueue.put(self.conn, f"scene:{scene}", "Scene.Update.Post", self.now, self.now)

    # -- the background process

    @contextmanager
    def worker(self, files: Callable[[], str] = lambda: "same") -> Iterator[Worker]:
        """The full worker, built anew."""
        sink = StashSink()
        log = Log([self, sink])
        app = App(self.folder, log, world=self.world, api_key=self.api_key)
        queue = JobQueue(self.folder, self.clock)
        try:
            yield Worker(app, queue, sink, files, fresh=False)
        finally:
            queue.close()
            app.close()
            self.api_key = app.api_key

    def turn(self) -> Next:
        """One turn of the full worker; why it ended."""
        with self.worker() as worker:
            return worker.drain()

    def live(self, seconds: float) -> None:
        """Worker and waiter take turns for so long."""
        self._end = self.now + seconds
        tick, idle.TICK = idle.TICK, 20.0  # nobody makes rows meanwhile, so it need not look each second
        try:
            while True:
                self.turn()
                made = idle.Idle(
                    self.folder,
                    probe=lambda: probe.probe(self.folder, self.api_key, self.clock),
                    files=PluginFiles(read=dict),
                    clock=self.clock,
                    sleep=self._wait,
                )
                made.run()
        except TimeIsUp:
            self._end = float("inf")
        finally:
            idle.TICK = tick

    def write(self, level: str, line: str) -> None:
        """The log's sink."""
        self.lines.append((level, line))

    # -- what came of it

    def said(self, *words: str) -> list[str]:
        """The lines of the log that hold all these words."""
        return [line for _, line in self.lines if all(word in line for word in words)]

    def job(self, scene: int) -> dict[str, Any]:
        """The scene's row by column, ``{}`` without one."""
        return job(self.conn, f"scene:{scene}")

    def letter(self, scene: int) -> tuple[str, str]:
        """Reason and message of the scene's dead letter."""
        found = {row[1]: (str(row[2]), str(row[3])) for row in dead_letters.dead_letters(self.conn)}
        return found[f"scene:{scene}"]

    def count(self, what: str) -> int:
        """``pending``, ``waiting``, ``in_progress`` or ``dead`` rows."""
        return int(jobs.counts(self.conn)[what])

    def status(self) -> dict[str, Any]:
        """The status object."""
        return status.status(self.folder, self.now)

    @property
    def breaker(self) -> Breaker:
        """As it is stored."""
        with closing(Meta.open(self.folder)) as meta:
            return meta.breaker

    @property
    def pause(self) -> pause.Pause | None:
        """The pause that stands."""
        with closing(Meta.open(self.folder)) as meta:
            return meta.pause

    def titles(self, films: Iterable[Film]) -> list[str]:
        """The titles in Plex."""
        return [self.plex.items[film.item].title for film in films]

    def writes_of(self, film: Film) -> int:
        """How many edits of its item reached Plex and were accepted."""
        return sum(one.param("id") == str(film.item) and one.status == 200 for one in self.plex.writes())
