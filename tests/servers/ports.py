"""A port that stays a server's own while the server is stopped: other tests run beside this one."""

from __future__ import annotations

import contextlib
import socket


class Reserved:
    """Keeps one port; whoever connects to it meanwhile is refused."""

    def __init__(self) -> None:
        self._socket: socket.socket | None = None

    def keep(self, port: int) -> None:
        """Nobody else is given the port from now on."""
        self.free()
        kept = socket.socket()
        kept.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        with contextlib.suppress(OSError):  # taken in that very instant: the server's start will say so
            kept.bind(("127.0.0.1", port))
        self._socket = kept

    def free(self) -> None:
        """The server takes it again, or has gone."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def __del__(self) -> None:
        self.free()
