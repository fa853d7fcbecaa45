"""One probe during a pause: is Plex or Stash reachable again, or has the user fixed the setup?

Asks Stash for the settings (one request) and Plex for one row (one request), and prolongs the pause. Sends no edit and
reads no scene; the full worker starts only if the probe finds a reason. Standard library alone.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from contextlib import closing

from plexsync import requirements
from plexsync.core import environment
from plexsync.core.connection import client_id
from plexsync.model.errors import StashUnavailable
from plexsync.model.settings import Settings, digest, read_settings, setup_problem
from plexsync.stash.lite import FETCH_ERRORS, LiteStash, fetch
from plexsync.state.counters import Stats
from plexsync.state.meta import Meta
from plexsync.state.pause import DRY, LOCAL, PLEX, SETUP, STASH, Pause

_CAP = "PLEXSYNC_BREAKER_RESET_CAP"


def probe(folder: str, api_key: str = "", clock: Callable[[], float] = time.time) -> bool:
    """Return whether the full worker has a reason to start; if not, prolong the pause."""
    parent = os.getppid()
    with closing(Meta.open(folder)) as meta:  # only the full worker makes the file
        pause = meta.pause
        if pause is None:
            return True
        stats = meta.stats
        reads = stats.plex_reads
        began = clock()
        settings_only = pause.kind in (PLEX, SETUP) and pause.is_early(began)
        has_reason = _has_reason(pause, folder, api_key, stats, settings_only=settings_only)
        if os.getppid() != parent:  # it was killed: another worker may own the state by now
            return has_reason
        if not has_reason:
            if not settings_only:
                reset, cap = environment.seconds("PLEXSYNC_BREAKER_RESET"), environment.seconds(_CAP)
                pause.prolong(clock(), reset, cap, plex_failed=stats.plex_reads > reads)
            pause.plan_settings_check(began)  # they were read then, however long Plex took to fail
            meta.pause = pause
        meta.stats = stats
        return has_reason


def _has_reason(pause: Pause, folder: str, api_key: str, stats: Stats, *, settings_only: bool) -> bool:
    """Return what ``probe`` returns. ``settings_only``: too early to ask Plex; a setting may have been corrected."""
    if pause.kind == LOCAL:
        return True
    if requirements.missing():
        return False
    stash = LiteStash(folder, api_key)
    try:
        saved = stash.settings()
    except StashUnavailable as error:  # a rejected login is a new reason to pause, which the worker reports
        return error.refused and pause.kind != STASH
    finally:
        stats.stash += stash.requests
    if pause.kind == STASH or digest(saved) != pause.settings:
        return True
    if pause.kind == DRY or settings_only:
        return False
    settings, _ = read_settings(saved)
    if setup_problem(settings):
        return False
    stats.plex_reads += 1
    return plex_answers(settings, pause, folder)


def plex_answers(settings: Settings, pause: Pause, folder: str) -> bool:
    """Return whether Plex answers one small read, which goes through its database.

    In a pause for the setup it must succeed; while Plex was unreachable, any answer but "busy" is a sign of life.
    """
    where = f"/library/sections/{pause.section}/all?type=1" if pause.section else "/library/sections"
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
    if pause.kind == SETUP:
        return status == 200 and b"MediaContainer" in body
    return 200 <= status < 500 and status not in (408, 429) and (status != 200 or b"MediaContainer" in body)
