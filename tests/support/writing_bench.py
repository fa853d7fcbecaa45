"""What writes to Plex, in this process: planner and writer over a real ``state.db``, a Stash and a Plex on sockets."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

from plexsync import matching
from plexsync.core.connection import Connection
from plexsync.log import Log
from plexsync.model.settings import Settings
from plexsync.plex.client import PlexClient
from plexsync.plex.index import Library
from plexsync.queue.worker_queue import Job
from plexsync.stash.api import Stash
from plexsync.state.ledger import Record, State, open_state
from plexsync.sync.planner import Planner
from plexsync.sync.throttle import Throttle
from plexsync.sync.work import Work
from plexsync.sync.writer import Writer
from tests.support.in_process import Stage

SIZE = 7_000_000
JPEG = b"\xff\xd8\xff\xe0 a cover"


class Killed(BaseException):
    """The worker ends here, as by SIGKILL: nothing may catch it."""


class WritingBench(Stage):
    """The first item gets rating key 100. ``link`` and ``client`` are the ways to Stash and Plex."""

    section = 5

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.throttle = Throttle(self.clock, sleep=lambda seconds: None)
        self.unwanted: set[int] = set()

    def __enter__(self) -> Self:
        super().__enter__()
        url, token = self.plex.url, self.plex.token
        self.settings = Settings(plex_url=url, plex_token=token, skip=frozenset({"poster", "background"}))
        self.link = Stash(Connection(port=self.stash.port, cookie=self.stash.new_cookie()), 20, 20)
        self.client = PlexClient(url, token, client_id="bench", connect_timeout=20, read_timeout=20)
        self.state = State(open_state(str(self.folder)))
        self.writer_log = Log([self.log])
        self.writer_log.debug_on = True
        self.planner = self.new_planner()
        return self

    def __exit__(self, *_: object) -> None:
        self.link.close()
        self.client.close()
        self.state.conn.close()
        super().__exit__()
        assert not self.plex.disaster

    def warnings(self) -> list[str]:
        """The warnings since the last call."""
        texts = self.log.of("warning")
        self.log.lines.clear()
        return texts

    def new_planner(self, **settings: Any) -> Planner:
        """A planner as after a restart, or under other settings; it becomes the bench's."""
        self.settings = replace(self.settings, **settings)
        self.client.connect()
        library = Library(self.state.conn, self.client, self.client.identity.machine, self.clock)
        self.planner = Planner(self.link, self.client, library, self.state, self.settings, self.clock)
        return self.planner

    def scene(self, name: str = "a", **fields: Any) -> int:
        """A scene of a while ago, whose file lies at the same path in Plex."""
        path = f"/films/{name}/{name}.mp4"
        if not any(part.file == path for item in self.plex.items.values() for part in item.parts):
            self.plex.add_item(self.section, path, SIZE + len(self.plex.items), 60_000)
        size = next(part.size for item in self.plex.items.values() for part in item.parts if part.file == path)
        before = datetime.fromtimestamp(self.now - 10, UTC)
        made: dict[str, Any] = {"title": f"Title of {name}", "files": [(path, size, 60.0)], "updated_at": before}
        return self.stash.add_scene(**made | fields)

    def tags(self, *names: str) -> list[int]:
        """New tags' ids."""
        return [self.stash.add_tag(name) for name in names]

    def works(self, *scenes: int, attempts: int = 0) -> list[Work]:
        """What would be written now, for jobs with so many attempts."""
        planner = self.planner
        planner.refresh(missing=True)
        found = self.link.batch(scenes).scenes
        matches = planner.match(list(found.values()))
        chosen = [
            (Job(number, "scene", number, 1, attempts=attempts), candidate)
            for number in found
            for candidate in matching.write_targets(matches[number], False)
        ]
        items = planner.read(candidate for _, candidate in chosen)
        records = self.state.records(planner.machine, items)
        return [
            Work(
                job,
                planner.plan(found[job.id], candidate, items[candidate.rating_key], records.get(candidate.rating_key)),
            )
            for job, candidate in chosen
        ]

    def sync(self, *scenes: int, attempts: int = 0) -> list[Work]:
        """Plan and write these scenes as one batch."""
        return self.send(self.works(*scenes, attempts=attempts))

    def send(self, works: list[Work]) -> list[Work]:
        """Write what was planned; the works that were written."""
        writer = Writer(self.planner, self.writer_log, self.throttle, is_wanted=lambda job: job.id not in self.unwanted)
        self.planner.kinds.begin()
        writer.write(works)
        self.planner.kinds.end()
        return [work for work in works if work.ended]

    def one(self, scene: int, attempts: int = 0) -> Work:
        """Sync one scene that has one item."""
        (work,) = self.sync(scene, attempts=attempts)
        return work

    def quiet(self, *scenes: int) -> bool:
        """Whether one more sync of these scenes writes nothing and ends well."""
        before = len(self.plex.writes()) + len(self.plex.uploads())
        works = self.sync(*scenes)
        same = before == len(self.plex.writes()) + len(self.plex.uploads())
        return same and all(work.error is None and work.outcome == "unchanged" for work in works)

    def record(self, rating_key: int = 100) -> Record:
        """What ``state.db`` says of an item."""
        return self.state.records(self.planner.machine, [rating_key])[rating_key]

    def other_reader(self, rating_key: int = 100) -> Record:
        """The same, as any other process or thread sees it."""
        conn = open_state(str(self.folder))
        try:
            return State(conn).records(self.planner.machine, [rating_key])[rating_key]
        finally:
            conn.close()
