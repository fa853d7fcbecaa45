"""PlexSync in this process: real databases, a Stash, a Plex, and one clock that moves only when somebody sleeps.

``Stage`` is the two servers; ``Bench`` the background process between them.
"""

from __future__ import annotations

import json
import os
import random
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from functools import cached_property
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
from plexsync.worker import reconcile
from plexsync.worker.loop import Worker
from tests.servers.graphql_run import ResolverError
from tests.servers.plex import PlexServer
from tests.servers.plex_http import Reply, Request
from tests.servers.stash import StashServer
from tests.servers.stash_model import Scene
from tests.support.queue_tools import NOW, job

HOUR, DAY = 3600.0, 86400.0

READ_TIMEOUT = "PLEXSYNC_READ_TIMEOUT"
#: Real seconds that a request to a server that hangs takes, see ``Stage.give_up_after``; and where none hangs.
SOON, LATE = 0.3, 30.0


class Lines:
    """A place for log lines: (level, text)."""

    def __init__(self) -> None:
        self.lines: list[tuple[str, str]] = []

    def write(self, level: str, line: str) -> None:
        """Keep a line."""
        self.lines.append((level, line))

    def of(self, level: str) -> list[str]:
        """The texts of one level."""
        return [text for written, text in self.lines if written == level]


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
    """A Plex that notes at which time of the stage's clock each request came."""

    clock: Callable[[], float]
    at: list[float]

    def _answer(self, request: Request, body: bytes) -> Reply:
        self.at.append(self.clock())
        return super()._answer(request, body)


class StrictStash(StashServer):
    """Refuses to give a scene a tag that it does not have, as Stash's database does."""

    def save_bulk(self, given: dict[str, Any], gone: Callable[[], bool]) -> list[Scene]:
        """The ``bulkSceneUpdate`` mutation."""
        if any(int(tag) not in self.tags for tag in (given.get("tag_ids") or {}).get("ids") or ()):
            raise ResolverError("FOREIGN KEY constraint failed")
        return super().save_bulk(given, gone)


class Stage:
    """One data folder with a Stash and a Plex, of the same time; settings are saved so that all is well.

    ``section``: Plex's one library.
    """

    section = 1

    def __init__(self, folder: Path) -> None:
        self.now = NOW
        self.slept: list[float] = []
        self.log = Lines()
        self.plex = TimedPlex()
        self.plex.clock, self.plex.at = self.clock, []
        self.plex.model.clock = self.clock
        self.plex.add_section("Films", key=self.section, locations=("/films",))
        self.stash = StrictStash(folder / "stash")
        self.stash.now = lambda: datetime.fromtimestamp(self.now, UTC)
        self.folder = self.stash.data_dir
        self.folder.mkdir(parents=True, mode=0o700)
        self.connect()
        self._films = 0

    def __enter__(self) -> Self:
        self.plex.start()
        self.stash.configure(plexUrl=self.plex.url, plexToken=self.plex.token, skipPoster=True, skipBackground=True)
        return self

    def __exit__(self, *_: object) -> None:
        os.environ.pop(READ_TIMEOUT, None)
        self.plex.release()
        self.plex.stop()
        self.stash.release()
        self.stash.close()

    # -- time

    def clock(self) -> float:
        """Now."""
        return self.now

    def sleep(self, seconds: float) -> None:
        """Time passes."""
        self.slept.append(seconds)
        self.now += seconds

    def give_up_after(self, seconds: float) -> None:
        """Real seconds after which a request that hangs is given up: few while a server hangs, and only then, for on a
        busy machine one that is well may take as long."""
        os.environ[READ_TIMEOUT] = str(seconds)

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

    def named(self, name: str, **fields: Any) -> Film:
        """A scene and its item, both titled like their file."""
        return self.film(name, path=f"/films/{name}.mp4", **fields)

    def arrives(self, scene: int, path: str = "") -> int:
        """Plex gains the scene's file (``path``: at another place); the item's rating key."""
        file = self.stash.scenes[scene].files[0]
        return self.plex.add_item(self.section, file=path or file.path, size=file.size, duration_ms=60_000).rating_key

    def connect(self, **changes: Any) -> None:
        """A hook leaves how to reach Stash, with a fresh cookie."""
        where = {"scheme": "http", "host": "127.0.0.1", "port": self.stash.port, "cookie": self.stash.new_cookie()}
        Path(self.folder, environment.CONNECTION).write_text(json.dumps(where | changes), "utf-8")

    # -- what came of it

    def title(self, item: int) -> str:
        """An item's title in Plex."""
        return self.plex.items[item].title

    def titles(self, films: Iterable[Film]) -> list[str]:
        """The titles in Plex."""
        return [self.title(film.item) for film in films]

    def writes_of(self, film: Film) -> int:
        """How many edits of its item reached Plex and were accepted."""
        return sum(one.param("id") == str(film.item) and one.status == 200 for one in self.plex.writes())

    def said(self, *words: str) -> list[str]:
        """The lines of the log that hold all these words."""
        return [line for _, line in self.log.lines if all(word in line for word in words)]


class Bench(Stage):
    """The background process. ``turn()`` is one turn of the full worker, with everything built anew as after a restart;
    ``live(seconds)`` the whole process with idle worker and probes: hours of an outage pass in a moment.
    ``work()`` lets one worker continue, whose ``app`` a test can inspect.
    """

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.api_key = ""
        self.world = World(self.clock, self.sleep, Longest())
        self.conn = schema.open_queue(str(self.folder), self.now)
        QueueMeta(self.conn).started_at = self.now
        QueueMeta(self.conn).caught_up_at = self.now
        self._end = float("inf")

    def __exit__(self, *_: object) -> None:
        super().__exit__()
        self.reopen()
        if "queue" in self.__dict__:
            self.queue.close()
        self.conn.close()

    def _wait(self, seconds: float) -> None:
        if self.now >= self._end:
            raise TimeIsUp
        self.now += min(seconds, self._end - self.now)

    # -- jobs

    def edit(self, *scenes: int, title: str = "", **changes: Any) -> None:
        """Scenes are saved in Stash, and their hooks' rows are due at once."""
        for scene in scenes:
            values = changes | ({"title": title} if title else {})
            if values:
                self.stash.change_scene(scene, **values)
            self.hook(f"scene:{scene}")

    def hook(self, key: str) -> None:
        """What a hook leaves: the row of ``key``, due now."""
        enqueue.enqueue(self.conn, key, "Scene.Update.Post", self.now, self.now)

    def rows(self) -> dict[str, tuple[int, int]]:
        """key -> (status, priority) of every row."""
        sql = "SELECT key, status, priority FROM ack_queue_default"
        return {key: (status, priority) for key, status, priority in self.conn.execute(sql)}

    def keys(self) -> list[str]:
        """The keys of all rows, sorted."""
        return sorted(self.rows())

    # -- one worker that continues

    @cached_property
    def app(self) -> App:
        """What it has open."""
        return App(str(self.folder), Log([self.log]), world=self.world)

    @cached_property
    def queue(self) -> JobQueue:
        """Its queue."""
        return JobQueue(str(self.folder), self.clock)

    def reopen(self) -> None:
        """Another process: only what lies on disk is known."""
        if "app" in self.__dict__:
            self.app.close()
            del self.app

    def catch_up(self) -> int:
        """One catch-up with the settings as they are, as the worker makes it; how many jobs."""
        self.app.load_settings()
        return reconcile.run(self.app, self.queue)

    def work(self) -> Next:
        """Let the worker do all that is due, without a catch-up, a second after the edits at least; why it ended."""
        self.now += 1
        keep = QueueMeta(self.conn).caught_up_at
        QueueMeta(self.conn).caught_up_at = self.now
        ended = Worker(self.app, self.queue, StashSink(), lambda: "same", fresh=False).drain()
        QueueMeta(self.conn).caught_up_at = keep
        return ended

    def written(self, *keys: str) -> None:
        """These jobs are done: Plex has what Stash has."""
        for key in keys:
            self.hook(key)
        self.work()
        assert self.keys() == []

    def asked(self, call: Callable[[], object]) -> int:
        """How many requests ``call`` makes of Stash, the two of a new connection aside."""
        self.app.stash.settings()
        before = len(self.stash.log)
        call()
        return len(self.stash.log) - before

    # -- the background process

    @contextmanager
    def worker(self, files: Callable[[], str] = lambda: "same", *, fresh: bool = False) -> Iterator[Worker]:
        """The full worker, built anew; ``fresh``: in a process that has just started."""
        sink = StashSink()
        log = Log([self.log, sink])
        app = App(str(self.folder), log, world=self.world, api_key=self.api_key)
        queue = JobQueue(str(self.folder), self.clock)
        try:
            yield Worker(app, queue, sink, files, fresh=fresh)
        finally:
            queue.close()
            app.close()
            self.api_key = app.api_key

    def turn(self) -> Next:
        """One turn of the full worker; why it ended."""
        with self.worker() as worker:
            return worker.drain()

    def live(self, seconds: float) -> None:
        """Full and idle worker take turns for so long."""
        self._end = self.now + seconds
        tick, idle.TICK = idle.TICK, 20.0  # nobody makes rows meanwhile, so it need not read each second
        try:
            while True:
                self.turn()
                self._idle().run()
        except TimeIsUp:
            self._end = float("inf")
        finally:
            idle.TICK = tick

    def wait_idle(self) -> Next:
        """Wait as the idle worker; why it ended."""
        tick, idle.TICK = idle.TICK, 20.0
        try:
            return self._idle().run()
        finally:
            idle.TICK = tick

    def _idle(self) -> idle.Idle:
        return idle.Idle(
            str(self.folder),
            probe=lambda: probe.probe(str(self.folder), self.api_key, self.clock),
            files=PluginFiles(read=dict),
            clock=self.clock,
            sleep=self._wait,
        )

    # -- what came of it

    def job(self, scene: int) -> dict[str, Any]:
        """The scene's row by column, ``{}`` without one."""
        return job(self.conn, f"scene:{scene}")

    def dead_letter(self, scene: int) -> tuple[str, str]:
        """Return reason and message of the scene's dead letter."""
        found = {row[1]: (str(row[2]), str(row[3])) for row in dead_letters.dead_letters(self.conn)}
        return found[f"scene:{scene}"]

    def count(self, what: str) -> int:
        """``pending``, ``waiting``, ``in_progress`` or ``dead`` rows."""
        return int(jobs.counts(self.conn)[what])

    def status(self) -> dict[str, Any]:
        """The status object."""
        return status.status(str(self.folder), self.now)

    @property
    def breaker(self) -> Breaker:
        """As it is stored."""
        with closing(Meta.open(str(self.folder))) as meta:
            return meta.breaker

    @property
    def pause(self) -> pause.Pause | None:
        """The current pause, or None."""
        with closing(Meta.open(str(self.folder))) as meta:
            return meta.pause
