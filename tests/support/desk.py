"""A whole PlexSync in this process: app, queue and worker over real files, a Stash, a Plex, and one clock for all."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from plexsync.app import App, World
from plexsync.core import enqueue
from plexsync.log import Log, StashSink
from plexsync.model.lifecycle import Next
from plexsync.queue.meta import QueueMeta
from plexsync.queue.worker_queue import JobQueue
from plexsync.worker import reconcile
from plexsync.worker.loop import Worker
from tests.servers.graphql_run import ResolverError
from tests.servers.plex import PlexServer
from tests.servers.stash import StashServer
from tests.servers.stash_model import Scene

#: When a test begins: a whole second, seconds since the epoch.
BEGIN = 1_772_366_400.0
HOUR, DAY = 3600.0, 86400.0


class Lines:
    """A place for log lines: (level, text)."""

    def __init__(self) -> None:
        self.lines: list[tuple[str, str]] = []

    def write(self, level: str, line: str) -> None:
        """Keep a line."""
        self.lines.append((level, line))

    def of(self, level: str) -> list[str]:
        """The texts of one level."""
        return [text for found, text in self.lines if found == level]


class StrictStash(StashServer):
    """Refuses to give a scene a tag that it does not have, as Stash's database does."""

    def save_bulk(self, given: dict[str, Any], gone: Callable[[], bool]) -> list[Scene]:
        """The ``bulkSceneUpdate`` mutation."""
        if any(int(one) not in self.tags for one in (given.get("tag_ids") or {}).get("ids") or ()):
            raise ResolverError("FOREIGN KEY constraint failed")
        return super().save_bulk(given, gone)


class Desk:
    """Everything around one data folder. ``at`` is the time, for PlexSync and for Stash; sleeping moves it."""

    def __init__(self, folder: Path, stash: StashServer, plex: PlexServer) -> None:
        self.at = BEGIN
        self.stash, self.plex, self.folder = stash, plex, folder
        stash.now = lambda: datetime.fromtimestamp(self.at, UTC)
        folder.mkdir(mode=0o700)
        where = {"scheme": "http", "host": "127.0.0.1", "port": stash.port, "cookie": ""}
        (folder / "connection.json").write_text(json.dumps(where), "utf-8")
        plex.add_section("Films", key=1)
        stash.configure(plexUrl=plex.url, plexToken=plex.token, skipPoster=True, skipBackground=True)
        self.queue = JobQueue(str(folder), lambda: self.at)
        QueueMeta(self.queue.conn).started_at = self.at
        self.log = Lines()
        self.app = self._app()

    def _app(self) -> App:
        world = World(clock=lambda: self.at, sleep=self.sleep, rng=random.Random(1))
        return App(str(self.folder), Log([self.log]), world=world)

    def sleep(self, seconds: float) -> None:
        """Time passes."""
        self.at += seconds

    def reopen(self) -> None:
        """Another worker process: only what lies on disk is known."""
        self.app.close()
        self.app = self._app()

    def close(self) -> None:
        """Close files and connections."""
        self.app.close()
        self.queue.close()

    def pair(self, name: str, **fields: Any) -> tuple[int, int]:
        """A scene with one file, and its item in Plex: (scene id, rating key)."""
        size = 1000 + len(self.plex.items)
        item = self.plex.add_item(1, file=f"/media/{name}.mp4", size=size, duration_ms=60_000)
        scene = self.stash.add_scene(name, files=[(f"/media/{name}.mp4", size, 60.0)], **fields)
        return scene, item.rating_key

    def title(self, key: int) -> str:
        """An item's title in Plex."""
        return self.plex.items[key].title

    def hook(self, key: str) -> None:
        """What a hook leaves: the row of ``key``, due now."""
        enqueue.put(self.queue.conn, key, "hook", self.at, self.at)

    def rows(self) -> dict[str, tuple[int, int]]:
        """key -> (status, priority) of every row."""
        sql = "SELECT key, status, priority FROM ack_queue_default"
        return {key: (status, priority) for key, status, priority in self.queue.conn.execute(sql)}

    def keys(self) -> list[str]:
        """The keys of all rows, sorted."""
        return sorted(self.rows())

    def catch_up(self) -> int:
        """One catch-up with the settings as they are, as the worker makes it; how many jobs."""
        self.app.use(self.app.stash.settings())
        return reconcile.run(self.app, self.queue)

    def work(self) -> Next:
        """Let the worker do all that is due, without a catch-up, a second after the edits at least; why it ended."""
        self.at += 1
        keep = QueueMeta(self.queue.conn).caught_up_at
        QueueMeta(self.queue.conn).caught_up_at = self.at
        ended = Worker(self.app, self.queue, StashSink(), lambda: "same", fresh=False).drain()
        QueueMeta(self.queue.conn).caught_up_at = keep
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


@contextmanager
def desk(tmp_path: Path) -> Iterator[Desk]:
    """A desk whose servers are closed at the end."""
    with StrictStash(tmp_path / "stash") as stash, PlexServer() as plex:
        made = Desk(tmp_path / "data", stash, plex)
        try:
            yield made
        finally:
            made.close()
