"""Plain requests to the Plex test server, for what plexapi cannot ask. Holds no tests."""

from __future__ import annotations

from typing import Any

import requests

from tests.servers.plex import PlexServer

TOKEN = {"X-Plex-Token": "plex-token"}
PAGE = {**TOKEN, "X-Plex-Container-Start": "0", "X-Plex-Container-Size": "1000"}


def get(server: PlexServer, path: str, **headers: str) -> requests.Response:
    """One GET with the token; ``path`` with its query. Headers may override."""
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    return requests.get(server.url + path, headers={**PAGE, **names}, timeout=5, allow_redirects=False)


def put(server: PlexServer, query: str, section: int = 5) -> requests.Response:
    """One edit by its query text."""
    url = f"{server.url}/library/sections/{section}/all?{query}"
    return requests.put(url, headers=TOKEN, timeout=5, allow_redirects=False)


def rows(server: PlexServer, query: str = "type=1&sort=id", **headers: str) -> list[Any]:
    """The JSON rows of a listing."""
    reply = get(server, f"/library/sections/5/all?{query}", Accept="application/json", **headers)
    return list(reply.json()["MediaContainer"].get("Metadata", []))


def keys(server: PlexServer, query: str) -> list[int]:
    """The rating keys of a listing."""
    return [int(row["ratingKey"]) for row in rows(server, query)]
