"""Tasks and operations as Stash calls them: finds the mode's room, and turns whatever happens into one JSON document.

The quick operations need the standard library alone; only the modes that talk to a server load more.
"""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Callable
from typing import Any

from plexsync.core import environment, wake
from plexsync.core import event as events
from plexsync.log import Log, StderrSink
from plexsync.model.errors import PlexSyncError
from plexsync.tasks import operations

Args = dict[str, Any]

#: Modes that run until their work is done, in ``sync.py``; the others are answered at once by ``operations.py``.
TASKS = ("sync_all", "sync_recent", "process_queue", "process_dlq", "preview", "check_setup")

#: Mode -> the name of its button in Stash.
BUTTONS = {
    "sync_all": "Sync all",
    "sync_recent": "Sync recent",
    "process_queue": "Process queue",
    "process_dlq": "Process DLQ",
    "check_setup": "Check setup",
    "preview": "Preview",
    "status": "Show status",
    "clear_dlq": "Clear DLQ",
    "clear_queue": "Clear queue",
}


def answer(event: events.Event) -> str:
    """The JSON document for a task or operation: ``{"output": ...}`` or ``{"error": "one sentence"}``.

    The reason why a button could not do its work is in the log too: Stash shows it a green tick either way.
    """
    try:
        found = _answer(event)
    except Exception as error:  # the edge of every button: Python's own report would show what the error's text holds
        found = _fault(event.mode, error)
    if "error" in found and event.mode in BUTTONS:
        Log([StderrSink()]).error(f"could not finish {BUTTONS[event.mode]}: {found['error']}")
    return json.dumps(found, ensure_ascii=False)


def _fault(mode: str, error: Exception) -> Args:
    """What is left to say of a bug of ours: its kind, and in the log where it is."""
    Log([StderrSink()]).trace(error)
    kind = type(error).__name__
    return {"error": f"PlexSync failed at {mode} by a fault of its own ({kind}); the log's lines before say where."}


def _answer(event: events.Event) -> Args:
    mode = event.mode
    quick = operations.MODES.get(mode)
    if quick is None and mode not in TASKS:
        known = ", ".join(sorted({*operations.MODES, *TASKS}))
        return {"error": f"PlexSync does not know the mode {mode[:40]!r}. It knows: {known}."}
    folder = environment.data_dir(event.stash_dir)
    if not folder:
        return {"error": f"Stash did not say where its folder is, so {mode} could not be run."}
    try:
        os.makedirs(folder, mode=0o700, exist_ok=True)
        if mode != "log":
            events.leave_connection(event, folder)
        return _guarded(quick or _task(mode), folder, _args(event.text))
    except OSError as error:
        return {"error": f"PlexSync cannot use its data folder {folder} ({error}). Allow Stash to write there."}


def _guarded(call: Callable[[str, Args], Any], folder: str, args: Args) -> Args:
    try:
        return {"output": call(folder, args)}
    except PlexSyncError as error:
        return {"error": str(error)}
    except sqlite3.OperationalError as error:
        return {
            "error": f"PlexSync's database in {folder} cannot be used ({error})."
            " Free the disk, or allow Stash to write there."
        }
    except sqlite3.Error as error:
        wake.wake(folder)  # only the worker, which holds the lock, may mend a damaged file
        return {
            "error": f"PlexSync's database in {folder} is damaged ({error}). The background worker saves what it can"
            " and makes a new one; try again in a minute."
        }
    except ImportError:
        from plexsync import requirements

        absent = requirements.missing()
        if not absent:
            raise
        return {"error": requirements.missing_sentence(absent)}


def _task(mode: str) -> Callable[[str, Args], Any]:
    def run(folder: str, args: Args) -> Any:
        from plexsync import requirements

        absent = requirements.missing()
        if absent:
            raise PlexSyncError(requirements.missing_sentence(absent))
        from plexsync.tasks import sync

        return sync.run(mode, folder, args)

    return run


def _args(text: str) -> Args:
    """The call's args. The text was found to be JSON before."""
    found = json.loads(text.encode("utf-8", "replace").decode("utf-8"), strict=False).get("args")
    return found if isinstance(found, dict) else {}
