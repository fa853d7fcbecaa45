"""One look while nothing is sent: is Plex back, is Stash back, has the user put it right? Standard library alone.

Asks Stash for the settings (one request) and Plex for one row (one request), and moves the pause. Sends no edit,
reads no scene; the full worker starts only when this finds a reason.
"""

from __future__ import annotations

import hashlib
import http.client
import importlib.util
import json
import os
import sqlite3
import ssl
import time
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlsplit

from plexsync import breaker, durations, paths, pause, stats
from plexsync.settings import Settings, read_settings, setup_problem

MODULES = ("stashapi", "plexapi", "persistqueue", "requests", "unidecode")

QUERY = 'query { configuration { plugins(include: ["PlexSync"]) } }'

#: Bytes of an answer that are read: settings are far shorter, and of Plex's row only the beginning counts.
MOST = 1_000_000


class Away(Exception):
    """Stash did not answer as it should."""


class Refused(Away):
    """Stash lets us in neither with its ApiKey nor with the cookie."""


def digest(saved: Mapping[str, Any]) -> str:
    """A digest of what Stash has saved for PlexSync, token included; tells whether it changed and nothing else."""
    return hashlib.sha256(json.dumps(saved, sort_keys=True, default=str).encode("utf-8", "replace")).hexdigest()


def look(folder: str, api_key: str = "", clock: Callable[[], float] = time.time) -> bool:
    """Whether the full worker has a reason to start; if not, the pause is prolonged."""
    conn = pause.connect(folder)  # a file that is not there is the worker's to make
    starter = os.getppid()
    try:
        standing = pause.load(conn)
        if standing is None:
            return True
        counted = stats.load(conn)
        asked = counted.plex_reads
        glance = standing.kind == pause.PLEX and clock() < standing.until <= clock() + standing.interval
        found = _reason(standing, folder, api_key, counted, glance=glance)
        if os.getppid() != starter:  # killed meanwhile: the state may belong to another worker by now
            return found
        if not found and glance:
            standing.glance = clock() + durations.seconds("PLEXSYNC_BREAKER_RESET")
            pause.store(conn, standing)
        elif not found:
            _prolong(conn, standing, clock(), plex_failed=counted.plex_reads > asked)
        counted.store(conn)
        return found
    finally:
        conn.close()


def _reason(standing: pause.Pause, folder: str, api_key: str, counted: stats.Stats, *, glance: bool) -> bool:
    """``glance``: only the settings are looked at; for Plex it is not time yet."""
    if standing.kind == pause.LOCAL:
        return True
    if any(importlib.util.find_spec(name) is None for name in MODULES):
        return False
    try:
        saved = ask_stash(folder, api_key, counted)
    except Refused:  # what pauses is something else by now, and the worker says it
        return standing.kind != pause.STASH
    except (Away, OSError, http.client.HTTPException, ValueError):
        return False
    if standing.kind == pause.STASH or digest(saved) != standing.settings:
        return True
    if standing.kind == pause.DRY or glance:
        return False
    settings, _ = read_settings(saved)
    if setup_problem(settings):
        return False
    counted.plex_reads += 1
    return plex_answers(settings, standing, folder)


def _prolong(conn: sqlite3.Connection, standing: pause.Pause, now: float, *, plex_failed: bool) -> None:
    """Plex away: the breaker counts and doubles. Otherwise the interval is the contract's, each time the same."""
    reset = durations.seconds("PLEXSYNC_BREAKER_RESET")
    cap = durations.seconds("PLEXSYNC_BREAKER_RESET_CAP")
    standing.until = now + standing.interval
    if standing.kind == pause.PLEX and plex_failed:
        raw = pause.value(conn, "breaker") or {}
        after = breaker.failed(breaker.Breaker(**raw), now, reset, cap, at_once=True)
        values = {name: getattr(after, name) for name in breaker.Breaker.__slots__}
        conn.execute("INSERT OR REPLACE INTO meta VALUES ('breaker', ?)", (json.dumps(values),))
        standing.until, standing.interval = after.retry_at, after.reset
        standing.glance = now + reset if reset < after.reset else 0.0
    elif standing.kind == pause.STASH:
        standing.interval = min(cap, max(standing.interval, reset) * 2)
        standing.until = now + standing.interval
    pause.store(conn, standing)


def ask_stash(folder: str, api_key: str, counted: stats.Stats) -> Mapping[str, Any]:
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
    with open(os.path.join(folder, paths.CONNECTION), encoding="utf-8") as file:
        where = json.load(file)
    if not isinstance(where, dict):
        raise Away("nobody left a way to Stash")
    host = str(where.get("host") or "127.0.0.1")
    name = f"[{host}]" if ":" in host else host
    url = f"{where.get('scheme') or 'http'}://{name}:{int(where.get('port') or 9999)}"
    return url, str(where.get("cookie") or "")


def plex_answers(settings: Settings, standing: pause.Pause, folder: str) -> bool:
    """One small read through Plex's database. While Plex was away any answer but "busy" is a sign of life."""
    where = f"/library/sections/{standing.section}/all?type=1" if standing.section else "/library/sections"
    headers = {
        "Accept": "application/json",
        "X-Plex-Token": settings.plex_token,
        "X-Plex-Client-Identifier": client_id(folder),
        "X-Plex-Product": "PlexSync",
        "X-Plex-Container-Start": "0",
        "X-Plex-Container-Size": "1",
    }
    try:
        status, body = fetch(settings.plex_url, "GET", where, headers, None, verify=not settings.skip_tls_verify)
    except (OSError, http.client.HTTPException, ValueError):
        return False
    if standing.kind == pause.SETUP:
        return status == 200 and b"MediaContainer" in body
    return 200 <= status < 500 and status not in (408, 429) and (status != 200 or b"MediaContainer" in body)


def client_id(folder: str) -> str:
    """The installation's identifier, ``""`` while there is none, or only what a power cut left of it."""
    try:
        with open(os.path.join(folder, paths.CLIENT_ID), encoding="ascii") as file:
            found = file.read(200).strip()
    except (OSError, ValueError):
        return ""
    return found if found.replace("-", "").isalnum() else ""


def fetch(
    base: str, method: str, path: str, headers: Mapping[str, str], body: bytes | None, *, verify: bool
) -> tuple[int, bytes]:
    """Status and body of one request with the contract's timeouts; no redirect is followed."""
    parts = urlsplit(base)
    connect = durations.timeout("PLEXSYNC_CONNECT_TIMEOUT")
    host, port = parts.hostname or "localhost", parts.port
    if parts.scheme == "https":
        context = ssl.create_default_context() if verify else ssl._create_unverified_context()
        link: http.client.HTTPConnection = http.client.HTTPSConnection(host, port, timeout=connect, context=context)
    else:
        link = http.client.HTTPConnection(host, port, timeout=connect)
    try:
        link.connect()
        if link.sock is not None:
            link.sock.settimeout(durations.timeout("PLEXSYNC_READ_TIMEOUT"))
        link.request(method, parts.path.rstrip("/") + path, body=body, headers=dict(headers))
        answer = link.getresponse()
        return answer.status, answer.read(MOST)
    finally:
        link.close()
