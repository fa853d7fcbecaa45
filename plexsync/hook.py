"""The hook: validates the event, inserts one row, leaves the connection, wakes the worker. Nothing else.

It runs inside the user's save and may be killed at any instant, so it makes no HTTP call and loads no third-party
module: the row, committed, is all that counts.
"""

import os
import time

from plexsync.core import enqueue, environment, wake
from plexsync.core.event import Event, leave_connection, to_json
from plexsync.core.sqlite import sqlite3

#: Hook type -> the kind of key that it marks. Others are none of our business.
KINDS = {
    "Scene.Create.Post": "scene",
    "Scene.Update.Post": "scene",
    "Scene.Destroy.Post": "scene",
    "Performer.Update.Post": "performer",
    "Studio.Update.Post": "studio",
    "Tag.Update.Post": "tag",
    "Tag.Merge.Post": "tag",
}


def handle(event: Event) -> str:
    """Queue what the hook event names; the JSON document to answer with."""
    kind = KINDS.get(event.type)
    if kind is None:
        return to_json("output", "ignored")
    if not event.id:
        return to_json("error", f"{event.type} came without a usable {kind} id, so nothing was queued.")
    key = f"{kind}:{event.id}"
    folder = environment.data_dir(event.stash_dir)
    if not folder:
        return to_json("error", f"Stash did not say where its folder is, so {key} was not queued.")
    try:
        _store(event.type, key, folder)
    except (OSError, ValueError, sqlite3.Error) as error:
        _wake_to_mend(event, folder)
        return to_json(
            "error",
            f"PlexSync could not queue {key} in {folder} ({error}). Free the disk or allow Stash to write there;"
            " the hourly catch-up will then find this edit.",
        )
    try:
        try:
            leave_connection(event, folder)
        finally:
            wake.wake(folder)
    except OSError as error:
        return to_json("error", f"PlexSync queued {key} but could not wake its worker: {error}")
    return to_json("output", "queued " + key)


def _wake_to_mend(event: Event, folder: str) -> None:
    """A damaged queue is the worker's to mend; without a folder to work in there is nobody to wake."""
    if os.path.isfile(os.path.join(folder, environment.QUEUE_DB)):
        try:
            leave_connection(event, folder)
            wake.wake(folder)
        except (OSError, ValueError):
            return


def _store(reason: str, key: str, folder: str) -> None:
    os.makedirs(folder, mode=0o700, exist_ok=True)
    now = time.time()
    conn = enqueue.open_made(folder)
    if conn is None:
        from plexsync.queue import schema

        conn = schema.open_queue(folder, now)
    enqueue.put(conn, key, reason, now, now + environment.seconds("PLEXSYNC_SETTLE"))
