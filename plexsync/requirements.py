"""The Python packages that PlexSync needs, and the pause where one is missing. Standard library only.

A release brings them along, so where one is missing there its files are incomplete; for a source checkout pip installs
them.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
import sys
import time
from collections.abc import Sequence

from plexsync.core import environment, fault
from plexsync.log import LEVELS, FileSink
from plexsync.model.errors import StashUnavailable
from plexsync.queue import schema
from plexsync.queue.meta import QueueMeta
from plexsync.stash.lite import LiteStash
from plexsync.state import ledger, pause
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
    """Return the required modules that this Python cannot find."""
    return [name for name in PACKAGES if importlib.util.find_spec(name) is None]


def load() -> None:
    """Load the required modules, also those needed only now and then: no scene may fail because of them.

    ``plexapi`` is left to ``load_plexapi``, which prepares it. Raise whatever a module raises.
    """
    for name in PACKAGES:
        if name != "plexapi":
            importlib.import_module(name)


def missing_sentence(modules: Sequence[str], *, managed: bool | None = None) -> str:
    """Return the sentence for missing modules, with the command that installs them in a source checkout.

    ``managed``: as ``is_managed`` returns, which None calls.
    """
    noun, verb = ("module", "is") if len(modules) == 1 else ("modules", "are")
    if environment.has_packages():
        return fault.incomplete(f"the Python {noun} {', '.join(modules)} {verb} missing")
    command = _pip(modules, managed=is_managed() if managed is None else managed)
    return f"PlexSync is paused: the Python {noun} {', '.join(modules)} {verb} missing. Run: {command}"


def cannot_load_sentence(error: BaseException) -> str:
    """Return the sentence for an error while modules were loaded; pip is named only where a module is missing."""
    absent = missing()
    return missing_sentence(absent) if absent else broken_sentence(error)


def broken_sentence(error: BaseException) -> str:
    """Return the sentence for modules that are installed but cannot be loaded, with the file that is at fault.

    Only in a source checkout, for a module that a package needs and that cannot be found, there is a command: it
    installs all packages anew.
    """
    if isinstance(error, SyntaxError) and not error.filename:
        error.filename = _with_null_bytes()
    name = str(getattr(error, "name", None) or "").partition(".")[0]
    is_lacking = isinstance(error, ModuleNotFoundError) and name != "plexsync" and not _is_found(name)
    if is_lacking and not environment.has_packages():
        command = _pip(list(PACKAGES), managed=is_managed(), force=True)
        return f"PlexSync is paused: its Python modules cannot be loaded ({error}). Run: {command}"
    return fault.sentence(error)


def _with_null_bytes() -> str | None:
    """Return the package's file that has null bytes, as a crash leaves them: Python does not say which one it is."""
    for name in fault.REQUIRED:
        spec = importlib.util.find_spec(name)
        for folder in (spec.submodule_search_locations or ()) if spec else ():
            for place, _, files in os.walk(folder):
                for path in (os.path.join(place, file) for file in sorted(files) if file.endswith(".py")):
                    with open(path, "rb") as source:
                        if b"\0" in source.read():
                            return path
    return None


def _is_found(module: str) -> bool:
    """Return whether Python has or finds the module, however broken it is."""
    if not module or module in sys.modules or module in sys.stdlib_module_names:
        return bool(module)
    try:
        return importlib.util.find_spec(module) is not None
    except (ImportError, ValueError):
        return True


def is_managed() -> bool:
    """Return whether the system manages this Python (PEP 668): pip then insists on ``--break-system-packages``."""
    import sysconfig

    in_venv = sys.prefix != sys.base_prefix
    return not in_venv and os.path.exists(os.path.join(sysconfig.get_path("stdlib"), "EXTERNALLY-MANAGED"))


def _pip(modules: Sequence[str], *, managed: bool, force: bool = False) -> str:
    """Return the command that installs the packages of ``modules`` for this interpreter."""
    options = ["--break-system-packages"] * managed + ["--force-reinstall"] * force
    packages = [PACKAGES[name] for name in modules]
    return " ".join([sys.executable or "python3", "-m pip install", *options, *packages])


def pause_for(folder: str, now: float, sentence: str, api_key: str = "") -> None:
    """Pause with ``sentence`` in the status, and log it unless the last pause had the same sentence.

    Stash's log gets it too, if Stash answers. Edits and wake requests until ``now`` count as seen; a later one starts
    an attempt at once.
    """
    interval = environment.seconds("PLEXSYNC_BREAKER_RESET")
    begun = Pause(pause.SETUP, now + interval, sentence, interval=interval, edits=_counters(folder, now))
    conn = ledger.open_state(folder)
    try:
        state = ledger.State(conn)
        before = state.meta.pause
        begun.continues(before, now)
        state.begin_pause(begun, now, pause.cause(sentence), lambda: 0)
    finally:
        conn.close()
    if before is not None and before.problem == sentence:
        return
    file = FileSink(folder, lambda _: None, time.time)
    file.write("error", sentence)
    file.close()
    try:
        LiteStash(folder, api_key).tell([{"level": LEVELS["error"], "message": sentence}])
    except StashUnavailable:
        fault.leave_untold(folder, sentence)


def _counters(folder: str, now: float) -> float:
    """Return the counter of edits, and count all wake requests so far as seen."""
    conn = schema.open_queue(folder, now)
    try:
        meta = QueueMeta(conn)
        meta.wake_seen = meta.wake_requested
        return meta.edits
    finally:
        conn.close()
