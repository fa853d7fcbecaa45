"""What the integration tests share: the background process between two servers, and PlexSync's client on a Stash."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from plexsync.core.connection import Connection
from plexsync.stash.api import Stash
from tests.servers.stash import StashServer
from tests.support.in_process import Bench


@pytest.fixture
def stash(server: StashServer) -> Iterator[Stash]:
    """A client that has paid for its constructor; the server's log is empty."""
    made = Stash(Connection(port=server.port), 5, 10)
    made.settings()
    server.log.clear()
    yield made
    made.close()


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    """Stash, Plex, the background process in this one, and the contract's own durations."""
    with Bench(tmp_path) as made:
        yield made
