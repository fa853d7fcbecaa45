"""A Stash with the plugin and a Plex with the same films: the two servers of a process test, and the way between."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self

from plexsync.core import environment
from plexsync.queue import schema, stock
from tests.servers.plex import PlexServer
from tests.servers.stash import StashServer
from tests.support.plugin import PLUGIN, rows
from tests.support.waiting import until


class Film(NamedTuple):
    """A scene and the item that holds its file."""

    scene: int
    item: int


class Pair:
    """Both servers, set up so that all is well; durations are short. A context manager that leaves no process behind.

    Images are skipped unless a test switches them on.
    """

    def __init__(self, folder: Path, token: str = "plex-token", script: Path = PLUGIN, **env: str) -> None:
        self.plex = PlexServer(token)
        self.plex.add_section("Films", key=1, locations=("/films",))
        self.plex.start()
        self.stash = StashServer(folder / "stash", script)
        self.stash.env = {
            "PLEXSYNC_SETTLE": "0.05",
            "PLEXSYNC_RETRY_BASE": "0.1",
            "PLEXSYNC_BREAKER_RESET": "0.5",
            "PLEXSYNC_BREAKER_RESET_CAP": "0.5",
            **env,
        }
        self.stash.configure(plexUrl=self.plex.url, plexToken=token, skipPoster=True, skipBackground=True)
        self.films: list[Film] = []

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
        """The data folder."""
        return self.stash.data_dir

    def film(self, title: str = "", *, in_plex: bool = True, **fields: Any) -> Film:
        """A scene that PlexSync never saw and (``in_plex``) its item; 0 without one."""
        number = len(self.films) + 1
        path, size = f"/films/{number}/film{number}.mp4", 1_000_000 + number
        scene = self.stash.add_scene(title or f"Film {number}", files=[(path, size, 60.0)], **fields)
        item = self.plex.add_item(1, file=path, size=size, duration_ms=60_000).rating_key if in_plex else 0
        self.films.append(Film(scene, item))
        return self.films[-1]

    def title(self, film: Film) -> str:
        """The film's title in Plex."""
        return self.plex.items[film.item].title

    def edit(self, film: Film, title: str) -> None:
        """Save the scene with its hook, which has to queue it."""
        assert self.stash.update_scene(film.scene, title=title).output == f"queued scene:{film.scene}"

    def arrives(self, film: Film, title: str) -> None:
        """Wait until Plex has the title and the queue is empty."""
        until(lambda: self.title(film) == title, what=f"{title!r} in Plex")
        self.settles()

    def settles(self) -> None:
        """Wait until no job is left but dead letters."""
        until(lambda: all(status == stock.DEAD for (status,) in rows(self.folder, "status")), what="an empty queue")

    def status(self) -> dict[str, Any]:
        """The status object."""
        found: dict[str, Any] = self.stash.run_operation({"mode": "status"}).output
        return found

    def log(self) -> str:
        """The worker's log, all of it."""
        return "".join(path.read_text("utf-8") for path in sorted(self.folder.glob("plexsync.log*")) if path.is_file())

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

    def queue(self) -> sqlite3.Connection:
        """The queue of the data folder, made if need be."""
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        return schema.open_queue(str(self.folder), 0)
