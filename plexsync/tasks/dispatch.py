"""Run the task or operation that Stash calls, and turn the result or any failure into one JSON document.

The quick operations need only the standard library; the modes that talk to a server load more.
"""

from __future__ import annotations

import json
import os
import sqlite3
import time
from collections.abc import Callable
from functools import partial
from typing import Any

from plexsync.core import environment, fault, leftovers, locks, wake
from plexsync.core import event as events
from plexsync.log import Log, StderrSink
from plexsync.model.errors import PlexSyncError
from plexsync.tasks import operations
from plexsync.tasks.call import BUTTONS, Args

#: Modes that take a while and run in ``sync.py``; ``operations.py`` answers the others at once.
TASKS = ("sync_all", "sync_recent", "process_queue", "process_dlq", "preview", "check_setup")
#: Operations that ask Plex or plex.tv, and therefore need the packages too.
ASKING = ("try_plex", "sign_in")


def answer(event: events.Event) -> str:
    """Return the JSON document for a task or operation: ``{"output": ...}`` or ``{"error": "one sentence"}``.

    Log the error of a button too, because Stash shows a green tick even then.
    """
    try:
        document = _answer(event)
    except Exception as error:  # the outermost edge: Python's own traceback would print the error's text
        document = _internal_error(event.mode, error)
    if "error" in document and event.mode in BUTTONS:
        Log([StderrSink()]).error(f"failed to run {BUTTONS[event.mode]}: {document['error']}")
    return json.dumps(document, ensure_ascii=False)


def _internal_error(mode: str, error: Exception) -> Args:
    """Log the traceback of a bug of ours, and return the sentence about it."""
    if fault.is_shadowed(error):
        return {"error": fault.sentence(error)}
    Log([StderrSink()]).trace(error)
    return {"error": f"Internal error in {mode} ({type(error).__name__}). This is a bug; the log has the traceback."}


def _answer(event: events.Event) -> Args:
    mode = event.mode
    operation = operations.MODES.get(mode)
    if operation is None and mode not in (*TASKS, *ASKING):
        known = ", ".join(sorted({*operations.MODES, *TASKS, *ASKING}))
        return {"error": f"Unknown mode {mode[:40]!r}. PlexSync knows: {known}."}
    folder = environment.data_dir(event.stash_dir)
    if not folder:
        return {"error": f"PlexSync did not run {mode}: Stash did not name its folder."}
    try:
        os.makedirs(folder, mode=0o700, exist_ok=True)
        if environment.has_errors(folder):
            fault.tell(folder)
        leftovers.end_sign_in(folder, time.time())
        if mode != "log":
            events.leave_connection(event, folder)
        return _guarded(operation or _task(mode), folder, _args(event.text))
    except OSError as error:
        lacking = locks.lacking(error, folder)
        if lacking:
            return {"error": f"PlexSync cannot run {mode}: {lacking}"}
        return {"error": f"PlexSync cannot use its data folder {folder} ({error}). Allow Stash to write there."}


def _guarded(call: Callable[[str, Args], Any], folder: str, args: Args) -> Args:
    try:
        return {"output": call(folder, args)}
    except PlexSyncError as error:
        return {"error": str(error)}
    except sqlite3.OperationalError as error:
        return {
            "error": f"PlexSync's database in {folder} cannot be used ({error})."
            " Free disk space, or allow Stash to write there."
        }
    except sqlite3.Error as error:
        wake.wake(folder)  # only the worker may repair a damaged file, because it holds the lock
        return {
            "error": f"PlexSync's database in {folder} is damaged ({error})."
            " The background worker is repairing it; try again in a minute."
        }
    except ImportError as error:
        from plexsync import requirements

        return {"error": requirements.cannot_load_sentence(error)}


def _task(mode: str) -> Callable[[str, Args], Any]:
    def run(folder: str, args: Args) -> Any:
        from plexsync import requirements

        absent = requirements.missing()
        if absent:
            raise PlexSyncError(requirements.missing_sentence(absent))
        try:
            call = _loaded(mode)
        except BaseException as error:  # a package may raise anything, even SystemExit, as it is imported
            raise PlexSyncError(requirements.cannot_load_sentence(error)) from None
        return call(folder, args)

    return run


def _loaded(mode: str) -> Callable[[str, Args], Any]:
    if mode == "try_plex":
        from plexsync.tasks import try_plex

        return try_plex.run
    if mode == "sign_in":
        from plexsync.tasks import sign_in

        return sign_in.run
    from plexsync.tasks import sync

    return partial(sync.run, mode)


def _args(text: str) -> Args:
    """Return the call's arguments, ``{}`` if they are not an object. The text is known to be JSON."""
    args = json.loads(text.encode("utf-8", "replace").decode("utf-8"), strict=False).get("args")
    return args if isinstance(args, dict) else {}
