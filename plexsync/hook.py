"""The hook: validate the event, commit one row, save the connection to Stash, wake the worker. Nothing else.

It runs while the user waits for a save and may be killed at any time, so it sends no HTTP request and loads no
third-party module. Once the row is committed, the edit is safe.
"""

import os
import time

from plexsync.core import enqueue, environment, locks, wake
from plexsync.core.event import Event, leave_connection, to_json
from plexsync.core.sqlite import sqlite3

#: Hook type -> kind of the key that is queued. Other hook types are ignored.
KINDS = {
    "Scene.Create.Post": "scene",
    "Scene.Update.Post": "scene",
    "Scene.Destroy.Post": "scene",
    "Performer.Update.Post": "performer",
    "Performer.Destroy.Post": "performer",
    "Studio.Update.Post": "studio",
    "Studio.Destroy.Post": "studio",
    "Tag.Update.Post": "tag",
    "Tag.Destroy.Post": "tag",
    "Tag.Merge.Post": "tag",
}


def handle(event: Event) -> str:
    """Queue the object that the event names; return the JSON document to print."""
    kind = KINDS.get(event.type)
    if kind is None:
        return to_json("output", "ignored")
    if not event.id:
        return to_json("error", f"PlexSync queued nothing: {event.type} has no valid {kind} id.")
    key, name = f"{kind}:{event.id}", f"{kind} {event.id}"
    folder = environment.data_dir(event.stash_dir)
    answer = _queue(event, key, name, folder)
    if folder and environment.has_errors(folder):
        from plexsync.core import fault

        fault.tell(folder)
    return answer


def _queue(event: Event, key: str, name: str, folder: str) -> str:
    """Queue ``key``, save the connection, wake the worker; return the JSON document."""
    if not folder:
        return to_json("error", f"PlexSync did not queue {name}: Stash did not name its folder.")
    try:
        _store(event.type, key, folder)
    except (OSError, ValueError, sqlite3.Error) as error:
        _wake_to_repair(event, folder)
        return to_json(
            "error",
            f"PlexSync could not queue {name} in {folder} ({error}). Free disk space, or allow Stash to write there;"
            " the hourly catch-up will then find this edit.",
        )
    problem = _follow_up(event, folder)
    return to_json("error", f"PlexSync queued {name} but {problem}") if problem else to_json("output", "queued " + key)


def _follow_up(event: Event, folder: str) -> str:
    """Save the connection and, whatever becomes of that, wake the worker; return what went wrong, ``""`` if nothing."""
    problem = ""
    try:
        leave_connection(event, folder)
    except (OSError, ValueError) as error:
        problem = f"could not save how to reach Stash ({error}). The next edit tries again."
    try:
        wake.wake(folder)
    except OSError as error:
        lacking = locks.lacking(error, folder)
        if lacking:
            return f"cannot sync it: {lacking}"
        problem = f"could not start its worker ({error}). The next edit tries again."
    return problem


def _wake_to_repair(event: Event, folder: str) -> None:
    """Wake the worker, which repairs a damaged queue, unless there is no queue file at all."""
    if os.path.isfile(os.path.join(folder, environment.QUEUE_DB)):
        try:
            leave_connection(event, folder)
            wake.wake(folder)
        except (OSError, ValueError):
            return


def _store(reason: str, key: str, folder: str) -> None:
    """Commit the row; create the queue if there is none yet."""
    os.makedirs(folder, mode=0o700, exist_ok=True)
    now = time.time()
    conn = enqueue.open_made(folder)
    if conn is None:
        from plexsync.queue import schema

        conn = schema.open_queue(folder, now)
    enqueue.enqueue(conn, key, reason, now, now + environment.seconds("PLEXSYNC_SETTLE"))
