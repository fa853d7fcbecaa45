"""Stash asked with the standard library alone: for the waiter, the probe, and where packages are missing."""

from __future__ import annotations

import http.client
import json
import os
import ssl
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from plexsync.core import environment
from plexsync.state import counters

QUERY = 'query { configuration { plugins(include: ["PlexSync"]) } }'

#: Bytes of an answer that are read: settings are far shorter, and of Plex's row only the beginning counts.
MOST = 1_000_000


class Away(Exception):
    """Stash did not answer as it should."""


class Refused(Away):
    """Stash lets us in neither with its ApiKey nor with the cookie."""


def ask_stash(folder: str, api_key: str, counted: counters.Stats) -> Mapping[str, Any]:
    """What the user saved for PlexSync; a stale ApiKey is refused where the cookie may still do.

    Raises ``Away``, ``OSError``, ``http.client.HTTPException`` or ``ValueError`` when Stash does not tell.
    """
    counted.stash += 1
    try:
        data = ask_graphql(folder, api_key, {"query": QUERY})
    except Refused:
        if not api_key:
            raise
        counted.stash += 1
        data = ask_graphql(folder, "", {"query": QUERY})
    configuration = data.get("configuration")
    plugins = configuration.get("plugins") if isinstance(configuration, dict) else None
    if not isinstance(plugins, dict):
        raise Away("Stash answered without its plugins")
    saved = plugins.get("PlexSync")
    return saved if isinstance(saved, dict) else {}


def ask_graphql(folder: str, api_key: str, question: Mapping[str, Any]) -> dict[str, Any]:
    """The ``data`` of an answer of Stash, by the newest connection that anybody left. Raises as ``ask_stash``."""
    url, cookie = _stash(folder)
    headers = {"Content-Type": "application/json", "Accept": "application/json"}
    if api_key:
        headers["ApiKey"] = api_key
    elif cookie:
        headers["Cookie"] = f"session={cookie}"
    status, body = fetch(url, "POST", "/graphql", headers, json.dumps(question).encode(), verify=False)
    if status in (401, 403) or 300 <= status < 400:
        raise Refused(f"Stash answered with status {status}")
    answer = json.loads(body) if status == 200 else {}
    if not isinstance(answer, dict) or not isinstance(answer.get("data"), dict):
        raise Away(f"Stash answered with status {status}")
    data: dict[str, Any] = answer["data"]
    return data


def _stash(folder: str) -> tuple[str, str]:
    """Stash's address and the newest cookie."""
    with open(os.path.join(folder, environment.CONNECTION), encoding="utf-8") as file:
        where = json.load(file)
    if not isinstance(where, dict):
        raise Away("nobody left a way to Stash")
    host = str(where.get("host") or "127.0.0.1")
    name = f"[{host}]" if ":" in host else host
    url = f"{where.get('scheme') or 'http'}://{name}:{int(where.get('port') or 9999)}"
    return url, str(where.get("cookie") or "")


def fetch(
    base: str, method: str, path: str, headers: Mapping[str, str], body: bytes | None, *, verify: bool
) -> tuple[int, bytes]:
    """Status and body of one request with the contract's timeouts; no redirect is followed."""
    parts = urlsplit(base)
    connect = environment.timeout("PLEXSYNC_CONNECT_TIMEOUT")
    host, port = parts.hostname or "localhost", parts.port
    if parts.scheme == "https":
        context = ssl.create_default_context() if verify else ssl._create_unverified_context()
        link: http.client.HTTPConnection = http.client.HTTPSConnection(host, port, timeout=connect, context=context)
    else:
        link = http.client.HTTPConnection(host, port, timeout=connect)
    try:
        link.connect()
        if link.sock is not None:
            link.sock.settimeout(environment.timeout("PLEXSYNC_READ_TIMEOUT"))
        link.request(method, parts.path.rstrip("/") + path, body=body, headers=dict(headers))
        answer = link.getresponse()
        return answer.status, answer.read(MOST)
    finally:
        link.close()
