"""Read ``connection.json``, by which Stash is reached, and ``client_id``, by which Plex knows this installation.

Standard library only. ``event.leave_connection`` writes the first file, ``app`` the second.
"""

from __future__ import annotations

import os

from plexsync.core import environment
from plexsync.core.event import memory
from plexsync.core.sqlite import sqlite3

_READ = "SELECT " + ", ".join(f"json_extract(?1, '$.{key}')" for key in ("scheme", "host", "port", "cookie"))


class Connection:
    """How to reach Stash: the newest ``connection.json``, and the API key, which is stored in no file."""

    __slots__ = ("api_key", "cookie", "host", "port", "scheme")

    def __init__(
        self, scheme: str = "http", host: str = "127.0.0.1", port: int = 9999, cookie: str = "", api_key: str = ""
    ) -> None:
        self.scheme = scheme
        self.host = host
        self.port = port
        self.cookie = cookie
        self.api_key = api_key

    @property
    def login(self) -> tuple[str, str, int, str]:
        """Return everything but the cookie: the address of Stash, and the API key."""
        return self.scheme, self.host, self.port, self.api_key

    @property
    def base(self) -> str:
        """Return the base URL, such as ``http://127.0.0.1:9999``."""
        host = f"[{self.host}]" if ":" in self.host and not self.host.startswith("[") else self.host
        return f"{self.scheme}://{host}:{self.port}"

    def with_key(self, api_key: str) -> Connection:
        """Return the same connection with another API key."""
        return Connection(self.scheme, self.host, self.port, self.cookie, api_key)

    def __repr__(self) -> str:
        return f"Connection({self.base})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Connection) and (self.login, self.cookie) == (other.login, other.cookie)

    def __hash__(self) -> int:
        return hash((self.login, self.cookie))


def read_connection(folder: str, api_key: str = "") -> Connection | None:
    """Return the connection in ``connection.json``, with ``api_key``; None if the file is missing or unusable."""
    try:
        text = environment.read(os.path.join(folder, environment.CONNECTION)).decode("utf-8")
        scheme, host, port, cookie = memory.execute(_READ, (text,)).fetchone()
    except (OSError, ValueError, sqlite3.Error):
        return None
    if not (scheme and host and isinstance(port, int)):
        return None
    return Connection(str(scheme), str(host), port, str(cookie or ""), api_key)


def client_id(folder: str) -> str:
    """Return the installation's identifier, ``""`` if there is none or a power cut has damaged the file."""
    try:
        text = environment.read(os.path.join(folder, environment.CLIENT_ID))[:200].decode("ascii").strip()
    except (OSError, ValueError):
        return ""
    return text if text.replace("-", "").isalnum() else ""
