"""The Python packages that PlexSync needs, and what it says and does where one is missing. Standard library alone."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import sys
import time
from collections.abc import Sequence

from plexsync.core import environment
from plexsync.log import LEVELS, FileSink
from plexsync.model.errors import StashUnavailable
from plexsync.queue import schema
from plexsync.queue.meta import QueueMeta
from plexsync.stash.lite import LiteStash
from plexsync.state import ledger, pause
from plexsync.state.meta import Meta
from plexsync.state.pause import Pause

#: Required module -> the package that contains it. The only list of them.
PACKAGES = {
    "stashapi": "stashapi",
    "plexapi": "plexapi",
    "persistqueue": "persist-queue",
    "requests": "requests",
    "unidecode": "unidecode",
}


def missing() -> list[str]:
    """Return the required modules that this Python does not find."""
    return [name for name in PACKAGES if importlib.util.find_spec(name) is None]


def missing_sentence(modules: Sequence[str], *, managed: bool | None = None) -> str:
    """Say what is missing and the command that installs it. ``managed``: see ``is_managed``, which None asks."""
    what, verb = ("module", "is") if len(modules) == 1 else ("modules", "are")
    command = _pip(modules, managed=is_managed() if managed is None else managed)
    return f"PlexSync is paused: the Python {what} {', '.join(modules)} {verb} missing. Run: {command}"


def broken_sentence(error: Exception) -> str:
    """Say what cannot be loaded though it is there: the modules without what they need in turn, or PlexSync itself."""
    if isinstance(error, SyntaxError) or str(getattr(error, "name", "")).startswith("plexsync"):
        return (
            f"PlexSync is paused: the plugin's files are incomplete or mixed ({error})."
            " Reinstall PlexSync under Settings > Plugins; syncing then resumes automatically."
        )
    command = _pip(list(PACKAGES), managed=is_managed(), force=True)
    return f"PlexSync is paused: its Python modules cannot be loaded ({error}). Run: {command}"


def is_managed() -> bool:
    """Whether the system guards its Python (PEP 668): pip then installs nothing without ``--break-system-packages``."""
    import sysconfig

    in_venv = sys.prefix != sys.base_prefix
    return not in_venv and os.path.exists(os.path.join(sysconfig.get_path("stdlib"), "EXTERNALLY-MANAGED"))


def _pip(modules: Sequence[str], *, managed: bool, force: bool = False) -> str:
    """Return the command that installs the packages of ``modules`` for this very interpreter."""
    options = ["--break-system-packages"] * managed + ["--force-reinstall"] * force
    packages = [PACKAGES[name] for name in modules]
    return " ".join([sys.executable or "python3", "-m pip install", *options, *packages])


def pause_for(folder: str, now: float, sentence: str, api_key: str = "") -> None:
    """Pause with ``sentence`` in status, log and, if it answers, Stash's log; once for as long as it stays the same.

    Edits and wake requests until now are answered by this; later ones start an attempt at once.
    """
    interval = environment.seconds("PLEXSYNC_BREAKER_RESET")
    begun = Pause(pause.SETUP, now + interval, sentence, interval=interval, edits=_counters(folder, now))
    conn = ledger.open_state(folder)
    try:
        meta = Meta(conn)
        before, meta.pause = meta.pause, begun
    finally:
        conn.close()
    if before is not None and before.problem == sentence:
        return
    file = FileSink(folder, lambda _: None, time.time)
    file.write("error", sentence)
    file.close()
    with contextlib.suppress(StashUnavailable):
        LiteStash(folder, api_key).tell([{"level": LEVELS["error"], "message": sentence}])


def _counters(folder: str, now: float) -> float:
    """Return the counter of edits, and answer what was requested until now."""
    conn = schema.open_queue(folder, now)
    try:
        meta = QueueMeta(conn)
        meta.wake_seen = meta.wake_requested
        return meta.edits
    finally:
        conn.close()
