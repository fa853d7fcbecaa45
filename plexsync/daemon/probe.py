"""One look while nothing is sent: is Plex back, is Stash back, has the user put it right? Standard library alone.

Asks Stash for the settings (one request) and Plex for one row (one request), and moves the pause. Sends no edit,
reads no scene; the full worker starts only when this finds a reason.
"""

from __future__ import annotations

import json
import os
import sqlite3
import time
from collections.abc import Callable

from plexsync import requirements
from plexsync.core import environment
from plexsync.core.connection import client_id
from plexsync.model.errors import StashUnavailable
from plexsync.model.settings import Settings, digest, read_settings, setup_problem
from plexsync.stash.lite import FETCH_ERRORS, LiteStash, fetch
from plexsync.state import breaker, counters, pause


def look(folder: str, api_key: str = "", clock: Callable[[], float] = time.time) -> bool:
    """Whether the full worker has a reason to start; if not, the pause is prolonged."""
    conn = pause.connect(folder)  # a file that is not there is the worker's to make
    starter = os.getppid()
    try:
        standing = pause.load(conn)
        if standing is None:
            return True
        counted = counters.load(conn)
        asked = counted.plex_reads
        glance = standing.kind == pause.PLEX and clock() < standing.until <= clock() + standing.interval
        found = _reason(standing, folder, api_key, counted, glance=glance)
        if os.getppid() != starter:  # killed meanwhile: the state may belong to another worker by now
            return found
        if not found and glance:
            standing.glance = clock() + environment.seconds("PLEXSYNC_BREAKER_RESET")
            pause.store(conn, standing)
        elif not found:
            _prolong(conn, standing, clock(), plex_failed=counted.plex_reads > asked)
        counted.store(conn)
        return found
    finally:
        conn.close()


def _reason(standing: pause.Pause, folder: str, api_key: str, counted: counters.Stats, *, glance: bool) -> bool:
    """``glance``: only the settings are looked at; for Plex it is not time yet."""
    if standing.kind == pause.LOCAL:
        return True
    if requirements.missing():
        return False
    stash = LiteStash(folder, api_key)
    try:
        saved = stash.settings()
    except StashUnavailable as error:  # a rejected login is another reason to pause than before: the worker says so
        return error.refused and standing.kind != pause.STASH
    finally:
        counted.stash += stash.requests
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
    reset = environment.seconds("PLEXSYNC_BREAKER_RESET")
    cap = environment.seconds("PLEXSYNC_BREAKER_RESET_CAP")
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
    except FETCH_ERRORS:
        return False
    if standing.kind == pause.SETUP:
        return status == 200 and b"MediaContainer" in body
    return 200 <= status < 500 and status not in (408, 429) and (status != 200 or b"MediaContainer" in body)
