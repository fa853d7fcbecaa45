"""What several files of this folder share: PlexSync's client on the file's own Stash."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from plexsync.core.connection import Connection
from plexsync.stash.api import Stash
from tests.servers.stash import StashServer


@pytest.fixture
def stash(server: StashServer) -> Iterator[Stash]:
    """A client that has paid for its constructor; the server's log is empty."""
    made = Stash(Connection(port=server.port), 5, 10)
    made.settings()
    server.log.clear()
    yield made
    made.close()
