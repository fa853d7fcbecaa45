"""The hook: validates the event, inserts one row, leaves the connection, wakes the worker. Nothing else.

It runs inside the user's save and may be killed at any instant, so it makes no HTTP call and loads no third-party
module: the row, committed, is all that counts.
"""

import os
import sqlite3
import time

from plexsync import durations, jobs, paths, wakeup
from plexsync import event as events

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


def handle(event: events.Event) -> str:
    """Queue what the hook event names; the JSON document to answer with."""
    kind = KINDS.get(event.type)
    if kind is None:
        return events.to_json("output", "ignored")
    if not event.id:
        return events.to_json("error", f"{event.type} came without a usable {kind} id, so nothing was queued.")
    key = f"{kind}:{event.id}"
    folder = paths.data_dir(event.stash_dir)
    if not folder:
        return events.to_json("error", f"Stash did not say where its folder is, so {key} was not queued.")
    try:
        _store(event.type, key, folder)
    except (OSError, sqlite3.Error) as error:
        return events.to_json("error", _sorry(key, folder, error))
    try:
        leave_connection(event, folder)
        wakeup.wake(folder)
    except OSError as error:
        return events.to_json("error", f"PlexSync queued {key} but could not wake its worker: {error}")
    return events.to_json("output", f"queued {key}")


def _store(reason: str, key: str, folder: str) -> None:
    os.makedirs(folder, mode=0o700, exist_ok=True)
    now = time.time()
    conn = jobs.open_queue(folder, now)
    jobs.put(conn, key, reason, now, now + durations.seconds("PLEXSYNC_SETTLE"))


def leave_connection(event: events.Event, folder: str) -> None:
    """Write ``connection.json`` (mode 0600, replaced atomically): how to reach Stash, newest caller's cookie."""
    text = events.memory.execute(
        "SELECT json_object('scheme', ?, 'host', ?, 'port', ?, 'cookie', ?)",
        (event.scheme, event.host, event.port, event.cookie.encode("utf-8", "replace").decode("utf-8")),
    ).fetchone()[0]
    path = os.path.join(folder, paths.CONNECTION)
    part = f"{path}.{os.getpid()}"
    fd = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        os.write(fd, text.encode("utf-8"))
    finally:
        os.close(fd)
    os.replace(part, path)


def _sorry(key: str, folder: str, error: Exception) -> str:
    return (
        f"PlexSync could not queue {key} in {folder} ({error}). Free the disk or allow Stash to write there;"
        " the hourly catch-up will then find this edit."
    )
