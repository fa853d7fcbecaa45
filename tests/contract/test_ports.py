"""The test servers' ports: a server that is stopped for a while finds its own again, whatever runs beside it."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from tests.servers.plex import PlexServer
from tests.servers.stash import StashServer


def taken(port: int) -> bool:
    """Whether nobody else may have the port."""
    with socket.socket() as other:
        try:
            other.bind(("127.0.0.1", port))
        except OSError:
            return True
    return False


@pytest.mark.parametrize("which", ["plex", "stash"])
def test_a_stopped_server_keeps_its_port(tmp_path: Path, which: str) -> None:
    """Stopped, it refuses whoever connects, and its port is given to nobody."""
    server = PlexServer() if which == "plex" else StashServer(tmp_path)
    with server:
        for _ in range(2):
            server.stop()
            assert taken(server.port)
            with pytest.raises(ConnectionRefusedError):
                socket.create_connection(("127.0.0.1", server.port), 20)
            server.start()
            socket.create_connection(("127.0.0.1", server.port), 20).close()
