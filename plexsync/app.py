"""The composition root: builds what the worker and the tasks need, and closes it.

Decides nothing. Loads third-party modules, so the hook, the idle worker and the quick operations never import it.
"""

from __future__ import annotations

import os
import random
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from plexsync import repair
from plexsync.core import environment
from plexsync.core.connection import Connection, client_id, read_connection
from plexsync.core.db import creation_lock
from plexsync.log import FileSink, Log, StashSink
from plexsync.model.errors import PluginDisabled
from plexsync.model.settings import Settings, digest, disclosed, read_settings
from plexsync.plex.client import PlexClient
from plexsync.plex.index import Library
from plexsync.stash.api import Stash
from plexsync.stash.transport import nothing
from plexsync.state.ledger import State
from plexsync.state.plex_side import Watch
from plexsync.sync.planner import Planner


@dataclass(frozen=True, slots=True)
class World:
    """Time, randomness and sleep; tests replace them."""

    clock: Callable[[], float] = time.time
    sleep: Callable[[float], None] = time.sleep
    rng: random.Random = random.Random()  # noqa: RUF009 - one source for the whole process


class Saved(NamedTuple):
    """The settings that the user saved. ``warnings``: a sentence for each value that cannot be used.

    ``digest`` changes whenever anything saved changes; ``""``: nothing was read yet. ``disclosed``: for a bug report.
    """

    settings: Settings
    warnings: tuple[str, ...] = ()
    digest: str = ""
    disclosed: Mapping[str, bool | int | str] = {}


def settings_from(saved: Mapping[str, Any]) -> Saved:
    """Return the settings from what Stash has saved for PlexSync."""
    settings, warnings = read_settings(saved)
    return Saved(settings, warnings, digest(saved), disclosed(saved))


class App:
    """Everything for one data folder.

    ``api_key``: Stash's API key, kept in memory only. ``settings``: those in use, the defaults until the first
    ``apply``; ``saved_digest``: their digest. ``planner``: None until ``connect_plex``. ``heard`` is called at every
    answer of either server, ``wrote`` after each request that writes to Plex, with its seconds.
    """

    def __init__(self, folder: str, log: Log, *, world: World | None = None, api_key: str = "") -> None:
        self.folder = folder
        self.log = log
        self.world = world or World()
        self.api_key = api_key
        self.asked_for_key = False
        self.heard: Callable[[], object] = nothing
        self.wrote: Callable[[float], object] = nothing
        self.settings = Settings()
        self.saved_digest = ""
        self.planner: Planner | None = None
        self._state: State | None = None
        self._client: PlexClient | None = None
        self._counted = [0, 0, 0]
        self._connection = Connection()
        log.hide = True  # until the settings have been read
        self.stash = self._new_stash(self.connection())

    @property
    def state(self) -> State:
        """``state.db``, opened on first use."""
        return self.open_state()

    def open_state(self, *, thorough: bool = False) -> State:
        """Open ``state.db``; a damaged one is set aside and rebuilt. ``thorough``: check the whole file."""
        if self._state is None:
            self._state = repair.open_state(self.folder, self.log, self.world.clock(), thorough=thorough)
        return self._state

    # -- Stash

    def connection(self) -> Connection:
        """Return the connection in ``connection.json``, or the last one or the default one, with the API key."""
        self._connection = read_connection(self.folder, self.api_key) or self._connection.with_key(self.api_key)
        return self._connection

    def renew_stash(self) -> None:
        """Use the newest connection that a hook left: another cookie, another key or another Stash."""
        connection = self.connection()
        self.log.secret(connection.cookie, connection.api_key)
        if not self.stash.renew(connection):
            self._close_stash()
            self.stash = self._new_stash(connection)
        if self.planner is not None:
            self.planner.stash = self.stash

    def _new_stash(self, connection: Connection) -> Stash:
        self.log.secret(connection.cookie, connection.api_key)
        stash = Stash(
            connection,
            environment.timeout("PLEXSYNC_CONNECT_TIMEOUT"),
            environment.timeout("PLEXSYNC_READ_TIMEOUT"),
        )
        stash.heard = self._answered
        return stash

    def _answered(self, *_: object, **__: object) -> None:
        self.heard()

    def _wrote(self, seconds: float) -> None:
        self.wrote(seconds)

    # -- settings

    def load_settings(self) -> Settings:
        """Read the settings from Stash and apply them; return those in use. Raise ``StashUnavailable``."""
        return self.apply(settings_from(self.stash.settings()))

    def require_enabled(self) -> None:
        """Raise ``PluginDisabled`` if PlexSync was disabled in Stash when the settings were last read."""
        if self.stash.enabled is False:
            raise PluginDisabled("PlexSync is disabled in Stash")

    def apply(self, saved: Saved) -> Settings:
        """Use these settings from now on: set up the log, and reconnect to Plex if they changed.

        Return the settings in use: the same object while they are equal.
        """
        if saved.digest != self.saved_digest:
            self.saved_digest = saved.digest
            self.log.secret(saved.settings.plex_token)
            self.log.hide, self.log.debug_on = saved.settings.log_hide_paths, saved.settings.log_debug
            self._warn(saved.warnings)
            self._disclose(saved)
            if saved.settings != self.settings:
                self._drop_client()
                self.settings = saved.settings
        return self.settings

    def _warn(self, warnings: tuple[str, ...]) -> None:
        """Log the warnings, but not again after a restart."""
        if list(warnings) != self.state.meta.warned:
            for sentence in warnings:
                self.log.warning(sentence)
            self.state.meta.warned = list(warnings)

    def _disclose(self, saved: Saved) -> None:
        """Keep for a bug report what it may show, because nobody is asked when it is made."""
        meta = self.state.meta
        meta.disclosed = dict(saved.disclosed)
        meta.versions = meta.versions | {"stash": self.stash.version}

    # -- Plex

    @property
    def client(self) -> PlexClient:
        """The client of Plex for the settings in use, made on first use; it connects at the first request."""
        if self._client is None:
            self._client = PlexClient(
                self.settings.plex_url,
                self.settings.plex_token,
                client_id=own_client_id(self.folder),
                verify=not self.settings.skip_tls_verify,
                connect_timeout=environment.timeout("PLEXSYNC_CONNECT_TIMEOUT"),
                read_timeout=environment.timeout("PLEXSYNC_READ_TIMEOUT"),
            )
            self._client.session.hooks["response"].append(self._answered)
            self._client.session.wrote = self._wrote
        return self._client

    def connect_plex(self) -> Planner:
        """Connect to Plex, once for the settings in use; return the planner."""
        if self.planner is None:
            machine = self.client.identity.machine
            watch = Watch(self.state.conn, machine)
            library = Library(self.state.conn, self.client, machine, self.world.clock, watch)
            self._note_plex()
            self.planner = Planner(self.stash, self.client, library, self.state, self.settings, self.world.clock)
        return self.planner

    def _note_plex(self) -> None:
        meta, identity = self.state.meta, self.client.identity
        meta.versions = meta.versions | {"plex": identity.version, "platform": identity.platform}

    @property
    def listing_seconds(self) -> float:
        """Seconds spent on listing Stash's files since PlexSync connected to Plex."""
        return self.planner.listing_seconds if self.planner is not None else 0.0

    @property
    def requests(self) -> tuple[int, int, int]:
        """Requests so far: reads of Plex, writes to Plex, requests to Stash."""
        reads, writes, stash = self._counted
        if self._client is not None:
            reads, writes = reads + self._client.session.reads, writes + self._client.session.writes
        return reads, writes, stash + self.stash.requests

    def reconnect(self) -> None:
        """Drop both connections: the next request to either server connects anew."""
        self._drop_client()
        self._close_stash()
        self.stash = self._new_stash(self.connection())

    def _drop_client(self) -> None:
        if self._client is not None:
            self._counted[0] += self._client.session.reads
            self._counted[1] += self._client.session.writes
            self._client.close()
        if self.planner is not None:
            self.planner.close()
        self._client = self.planner = None

    def _close_stash(self) -> None:
        self._counted[2] += self.stash.requests
        self.stash.close()

    def close(self) -> None:
        """Close connections and files."""
        self._drop_client()
        self.stash.close()
        if self._state is not None:
            self._state.conn.close()
            self._state = None


def own_client_id(folder: str) -> str:
    """Return the installation's identifier, made once: Plex would list every other one as a new device."""
    earlier = client_id(folder)
    if earlier:
        return earlier
    with creation_lock(folder):
        identifier = client_id(folder) or str(uuid.uuid4())  # another process may have made it meanwhile
        environment.replace(os.path.join(folder, environment.CLIENT_ID), identifier.encode("ascii"), sync=True)
    return identifier


def worker_log(folder: str, stash: StashSink, clock: Callable[[], float]) -> Log:
    """Return the worker's log: ``plexsync.log``, and Stash's log for what users should see."""
    file = FileSink(folder, lambda sentence: stash.add("warning", sentence), clock)
    return Log([file, stash], salt=own_client_id(folder))
