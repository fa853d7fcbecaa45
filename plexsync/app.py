"""The composition root: builds what the worker and the tasks need, each at its first use, and closes it.

Decides nothing. Loads third-party modules, so the hook, the waiter and the quick operations never come here.
"""

from __future__ import annotations

import os
import random
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from plexsync import repair
from plexsync.core import environment
from plexsync.core.connection import Connection, client_id, read_connection
from plexsync.log import FileSink, Log, StashSink
from plexsync.model.settings import Settings, digest, read_settings
from plexsync.plex.client import PlexClient
from plexsync.plex.index import Library
from plexsync.stash.api import Stash
from plexsync.stash.transport import nothing
from plexsync.state.ledger import State
from plexsync.sync.planner import Planner


@dataclass(frozen=True, slots=True)
class World:
    """Time, randomness and sleep, handed in."""

    clock: Callable[[], float] = time.time
    sleep: Callable[[float], None] = time.sleep
    rng: random.Random = random.Random()  # noqa: RUF009 - one source for the process is what is wanted


class App:
    """Everything for one data folder. ``api_key``: Stash's, held in memory alone."""

    def __init__(self, folder: str, log: Log, *, world: World | None = None, api_key: str = "") -> None:
        self.folder = folder
        self.log = log
        self.world = world or World()
        self.api_key = api_key
        self.asked_for_key = False
        self.heard: Callable[[], object] = nothing
        self.saved_digest = ""
        self.settings: Settings | None = None
        self._state: State | None = None
        self._stash: Stash | None = None
        self._client: PlexClient | None = None
        self._planner: Planner | None = None
        self._counted = [0, 0, 0]
        log.hide = True  # until the settings have been read
        log.secret(api_key)

    @property
    def state(self) -> State:
        """``state.db``; a broken one is set aside and built anew."""
        return self.open_state()

    def open_state(self, *, thorough: bool = False) -> State:
        """The same; ``thorough``: at its opening the whole file is read."""
        if self._state is None:
            self._state = repair.open_state(self.folder, self.log, self.world.clock(), thorough=thorough)
        return self._state

    @property
    def stash(self) -> Stash:
        """Stash, by the newest connection that anybody left."""
        connection = self.connection()
        if self._stash is None or not self._stash.renew(connection):
            self._drop_stash()
            self.log.secret(connection.cookie, connection.api_key)
            self._stash = Stash(
                connection,
                environment.timeout("PLEXSYNC_CONNECT_TIMEOUT"),
                environment.timeout("PLEXSYNC_READ_TIMEOUT"),
            )
        self._stash.heard = self.heard
        return self._stash

    def connection(self) -> Connection:
        """Return what ``connection.json`` says, with the API key; the defaults while there is none."""
        return read_connection(self.folder, self.api_key) or Connection(api_key=self.api_key)

    def use(self, saved: Mapping[str, Any]) -> Settings:
        """The settings for a batch from what Stash has saved; the log follows them. Warns once for each change."""
        found = digest(saved)
        if self.settings is None or found != self.saved_digest:
            settings, warnings = read_settings(saved)
            self.saved_digest = found
            self.log.secret(settings.plex_token)
            self.log.hide, self.log.debug_on = settings.log_hide_paths, settings.log_debug
            self._warn(warnings)
            if settings != self.settings:
                self._drop_client()
            self.settings = settings
        return self.settings

    def _warn(self, warnings: tuple[str, ...]) -> None:
        """Each warning once, also over restarts."""
        if list(warnings) != self.state.meta.warned:
            for sentence in warnings:
                self.log.warning(sentence)
            self.state.meta.warned = list(warnings)

    @property
    def client(self) -> PlexClient:
        """Plex, under the settings in use."""
        if self._client is None:
            settings = self._in_use()
            self._client = PlexClient(
                settings.plex_url,
                settings.plex_token,
                client_id=own_client_id(self.folder),
                verify=not settings.skip_tls_verify,
                connect_timeout=environment.timeout("PLEXSYNC_CONNECT_TIMEOUT"),
                read_timeout=environment.timeout("PLEXSYNC_READ_TIMEOUT"),
            )
        return self._client

    @property
    def planner(self) -> Planner:
        """From scenes to planned edits, under the settings in use. Connects to Plex."""
        if self._planner is None:
            machine = self.client.identity.machine
            library = Library(self.state.conn, self.client, machine, self.world.clock)
            self._planner = Planner(self.stash, self.client, library, self.state, self._in_use(), self.world.clock)
        self._planner.stash = self.stash
        return self._planner

    @property
    def listing_seconds(self) -> float:
        """Seconds spent on listing Stash's files since Plex was connected to."""
        return self._planner.listing_seconds if self._planner is not None else 0.0

    @property
    def has_planner(self) -> bool:
        """Whether Plex was connected to."""
        return self._planner is not None

    def _in_use(self) -> Settings:
        if self.settings is None:
            raise RuntimeError("settings are read before Plex is used")
        return self.settings

    @property
    def requests(self) -> tuple[int, int, int]:
        """Requests so far: reads of Plex, writes to Plex, Stash."""
        reads, writes, stash = self._counted
        if self._client is not None:
            reads, writes = reads + self._client.session.reads, writes + self._client.session.writes
        return reads, writes, stash + (self._stash.requests if self._stash is not None else 0)

    def drop_connections(self) -> None:
        """Forget both servers: the next use connects anew."""
        self._drop_client()
        self._drop_stash()

    def _drop_client(self) -> None:
        if self._client is not None:
            self._counted[0] += self._client.session.reads
            self._counted[1] += self._client.session.writes
            self._client.close()
        if self._planner is not None:
            self._planner.close()
        self._client = self._planner = None

    def _drop_stash(self) -> None:
        if self._stash is not None:
            self._counted[2] += self._stash.requests
            self._stash.close()
        self._stash = None

    def close(self) -> None:
        """Close connections and files."""
        self.drop_connections()
        if self._state is not None:
            self._state.conn.close()
            self._state = None


def own_client_id(folder: str) -> str:
    """The installation's identifier, made once: a random one each time would be a new device each time."""
    found = client_id(folder)
    if found:
        return found
    path = os.path.join(folder, environment.CLIENT_ID)
    made = str(uuid.uuid4())
    part = f"{path}.{os.getpid()}"
    with open(part, "w", encoding="ascii") as file:
        file.write(made)
    try:
        os.link(part, path)  # whoever comes first wins; nothing half-written is ever seen
    except FileExistsError:
        earlier = client_id(folder)
        if not earlier:  # what lies there is no identifier
            os.replace(part, path)
        return earlier or made
    except OSError:  # a file system without links
        os.replace(part, path)
        return made
    finally:
        if os.path.exists(part):
            os.unlink(part)
    return made


def worker_log(folder: str, stash: StashSink, clock: Callable[[], float]) -> Log:
    """The worker's log: its file, and Stash's own log for what people should see."""
    file = FileSink(folder, lambda sentence: stash.add("warning", sentence), clock)
    return Log([file, stash], salt=own_client_id(folder))
