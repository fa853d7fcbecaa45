"""A required Python module is missing: the exact pip command, said with the standard library alone."""

from __future__ import annotations

import http.client
import importlib.util
import os
import sys
import time
from collections.abc import Sequence

from plexsync.core import environment
from plexsync.log import FileSink
from plexsync.queue import schema
from plexsync.queue.meta import QueueMeta
from plexsync.stash import lite
from plexsync.state import ledger, pause
from plexsync.state.meta import Meta
from plexsync.state.pause import Pause

#: Module -> package that brings it.
PACKAGES = {
    "stashapi": "stashapi",
    "plexapi": "plexapi",
    "persistqueue": "persist-queue",
    "requests": "requests",
    "unidecode": "unidecode",
}


def names() -> list[str]:
    """The required modules that this Python does not find."""
    return [name for name in PACKAGES if importlib.util.find_spec(name) is None]


def sentence(modules: Sequence[str], *, managed: bool | None = None) -> str:
    """What is missing and the command that brings it. ``managed``: the system guards its Python (PEP 668)."""
    guarded = is_managed() if managed is None else managed
    more = " --break-system-packages" if guarded else ""
    python = sys.executable or "python3"
    packages = " ".join(PACKAGES[name] for name in modules)
    what = "module" if len(modules) == 1 else "modules"
    return (
        f"PlexSync is paused: the Python {what} {', '.join(modules)} {'is' if len(modules) == 1 else 'are'} missing."
        f" Run: {python} -m pip install{more} {packages}"
    )


def is_managed() -> bool:
    """Whether pip refuses to install into this Python without being told that it is meant."""
    import sysconfig

    in_venv = sys.prefix != sys.base_prefix
    return not in_venv and os.path.exists(os.path.join(sysconfig.get_path("stdlib"), "EXTERNALLY-MANAGED"))


def broken(error: Exception) -> str:
    """The same for what is there but cannot be loaded: modules without what they need in turn, or PlexSync itself."""
    if isinstance(error, SyntaxError) or str(getattr(error, "name", "")).startswith("plexsync"):
        return (
            f"PlexSync is paused: the plugin's own files do not fit together ({error})."
            " Install it again under Settings > Plugins; it goes on by itself."
        )
    more = " --break-system-packages" if is_managed() else ""
    python = sys.executable or "python3"
    packages = " ".join(PACKAGES.values())
    return (
        f"PlexSync is paused: its Python modules cannot be loaded ({error})."
        f" Run: {python} -m pip install{more} --force-reinstall {packages}"
    )


def tell(folder: str, now: float, text: str, api_key: str = "") -> None:
    """Pause with ``text`` in status and log, in Stash's log as well if it answers. Said once while it stands.

    Edits and wishes until now are answered by this; later ones are a reason to look at once.
    """
    interval = environment.seconds("PLEXSYNC_BREAKER_RESET")
    made = Pause(pause.SETUP, now + interval, text, interval=interval, edits=_counters(folder, now))
    conn = ledger.open_state(folder)
    try:
        meta = Meta(conn)
        before, meta.pause = meta.pause, made
    finally:
        conn.close()
    if before is not None and before.problem == text:
        return
    file = FileSink(folder, lambda _: None, time.time)
    file.write("error", text)
    file.close()
    _tell_stash(folder, api_key, text)


def _counters(folder: str, now: float) -> float:
    """The counter of edits; the wish for a look is fulfilled."""
    conn = schema.open_queue(folder, now)
    try:
        meta = QueueMeta(conn)
        meta.wake_seen = meta.wake_requested
        return meta.edits
    finally:
        conn.close()


def _tell_stash(folder: str, api_key: str, text: str) -> None:
    query = 'mutation($args: Map) { runPluginOperation(plugin_id: "PlexSync", args: $args) }'
    lines = [{"level": "e", "message": text}]
    try:
        lite.ask_graphql(folder, api_key, {"query": query, "variables": {"args": {"mode": "log", "lines": lines}}})
    except (lite.Away, OSError, http.client.HTTPException, ValueError):
        return
