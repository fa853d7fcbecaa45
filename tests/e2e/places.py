"""Where a run takes place: the folders as each server sees them, and the tests' servers in place of real ones."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.e2e.plex import Plex
from tests.servers import stash_manage
from tests.servers.plex import PlexServer
from tests.servers.stash import StashServer

LIBRARY = "End to end"

#: For the plugin in the tests' Stash: nothing waits for the clock.
SHORT = {
    "PLEXSYNC_SETTLE": "0.05",
    "PLEXSYNC_RETRY_BASE": "0.1",
    "PLEXSYNC_BREAKER_RESET": "0.3",
    "PLEXSYNC_BREAKER_RESET_CAP": "0.5",
    "PLEXSYNC_PLEX_TV": "http://127.0.0.1:9",
}


@dataclass(frozen=True, slots=True)
class Films:
    """One folder under three names: on this machine, in Stash and in Plex."""

    here: Path
    in_stash: str
    in_plex: str

    def path_map(self) -> str:
        """Return the plugin's setting, empty where the names are equal."""
        return "" if self.in_stash == self.in_plex else f"{self.in_stash} => {self.in_plex}"


@contextmanager
def stash_of_tests(folder: Path) -> Iterator[str]:
    """Run the tests' Stash without a plugin; yield its address."""
    with StashServer(folder) as server:
        server.env = SHORT
        yield server.url


class PlexOfTests(Plex):
    """The tests' Plex, whose library and unseen films are given to the server itself: it looks at no disk."""

    def __init__(self, server: PlexServer, films: Films) -> None:
        super().__init__(server.url, server.token)
        self._server, self._films = server, films

    def library(self, name: str, folder: str) -> str:
        """Make the library, and let a scan find the films."""
        self._server.add_section(name, key=1, locations=(folder,))
        for path in sorted(self._films.here.rglob("*.avi")):
            file = f"{folder}/{path.relative_to(self._films.here).as_posix()}"
            duration = int(stash_manage.DURATION * 1000)
            self._server.scan_adds(1, file, size=path.stat().st_size, duration_ms=duration)
        return self.key(name)


@contextmanager
def plex_of_tests(films: Films) -> Iterator[Plex]:
    """Run the tests' Plex; yield how to reach it."""
    with PlexServer() as server:
        yield PlexOfTests(server, films)
