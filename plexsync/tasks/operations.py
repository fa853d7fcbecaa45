"""The operations that are answered at once, from the databases. Standard library only."""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from plexsync import status
from plexsync.core import environment, wake
from plexsync.log import LEVELS, Log, StderrSink
from plexsync.model.errors import PlexSyncError
from plexsync.model.job_key import JobKey
from plexsync.queue import dead_letters, jobs, schema
from plexsync.queue.dead_letters import DeadLetter
from plexsync.queue.meta import QueueMeta
from plexsync.tasks import undo
from plexsync.tasks.call import Args

#: Letter in the lines that the worker sends for Stash's log -> level, and the maximum of lines in one call.
_LEVEL_OF = {letter: level for level, letter in LEVELS.items()}
MOST_LINES = 500

#: Dead letters in one answer: ten times as many would take longer than a second.
MOST_DEAD_LETTERS = 10_000


@contextmanager
def _queue(folder: str) -> Iterator[sqlite3.Connection]:
    conn = schema.open_queue(folder, time.time())
    try:
        yield conn
    finally:
        conn.close()


def show_status(folder: str, args: Args) -> dict[str, Any]:
    """Return the contract's status object. Log it as sentences, the last one first: Stash's log page is reversed."""
    report = status.status(folder, time.time())
    sink = StderrSink()
    log = Log([sink])
    for line in reversed(status.sentences(report)):
        log.info(line)
    sink.progress(1.0)
    return report


def list_dead_letters(folder: str, args: Args) -> dict[str, Any]:
    """Return ``{"items": [...]}``, the newest first, and ``more``, the number of older ones that are left out."""
    with _queue(folder) as conn:
        rows = dead_letters.dead_letters(conn, MOST_DEAD_LETTERS)
        more = sum(dead_letters.by_reason(conn).values()) - len(rows) if len(rows) == MOST_DEAD_LETTERS else 0
    keys = [JobKey.parse(row.key) for row in rows]
    scenes = undo.scenes(folder, [key.id for key in keys if key is not None and key.is_undo])
    items = {"items": [_dead_letter(row, scenes) for row in rows]}
    return items | {"more": more} if more > 0 else items


def _dead_letter(row: DeadLetter, undone: Mapping[int, int]) -> dict[str, Any]:
    """Return the contract's form; ``undone``: rating key -> scene id of items whose undo failed."""
    key = JobKey.parse(row.key)
    scene_id = key.id if key and key.is_scene else undone.get(key.id) or None if key and key.is_undo else None
    return {
        "id": row.row,
        "scene_id": scene_id,
        "key": row.key,
        "reason": row.reason,
        "message": row.message or "",
        "attempts": row.attempts,
        "first_seen": status.moment(row.first_seen),
        "last_seen": status.moment(row.last_seen),
        "candidates": json.loads(row.candidates) if row.candidates else [],
    }


def retry_dead_letters(folder: str, args: Args) -> dict[str, Any]:
    """Queue dead letters again with no attempt counted, and wake the worker."""
    with _queue(folder) as conn:
        number = dead_letters.retry(conn, _ids(args), time.time())
        QueueMeta(conn).request_wake()
    wake.wake(folder)
    return {"retried": number}


def discard_dead_letters(folder: str, args: Args) -> dict[str, Any]:
    """Delete dead letters. An item whose undo is discarded stays as it is."""
    ids = _ids(args)
    undo.forget(folder, dead=True, rows=ids)
    with _queue(folder) as conn:
        return {"discarded": dead_letters.discard(conn, ids)}


def _ids(args: Args) -> list[int]:
    """Return the ``ids`` of a call; numbers may be texts. Raise ``PlexSyncError`` for anything else."""
    raw = args.get("ids")
    if not isinstance(raw, list):
        raise PlexSyncError(
            'The ids of dead letters are missing. Send them as {"ids": [1, 2]}; the mode dead_letters lists them.'
        )
    ids: list[int] = []
    for value in raw:
        text = str(value).strip()
        if isinstance(value, bool) or not text.isascii() or not text.isdigit() or len(text) > 18:
            raise PlexSyncError(f"{text[:20]!r} cannot be the id of a dead letter. Nothing was changed.")
        ids.append(int(text))
    return ids


def wake_worker(folder: str, args: Args) -> dict[str, Any]:
    """Start the worker if there is something to do; make a paused or waiting worker try at once."""
    with _queue(folder) as conn:
        QueueMeta(conn).request_wake()
        counts = jobs.counts(conn)
        needed = counts["pending"] + counts["waiting"] + counts["in_progress"] > 0
        needed = needed or QueueMeta(conn).is_catchup_due(time.time(), environment.seconds("PLEXSYNC_CATCHUP"))
        needed = needed or QueueMeta(conn).compare_due(time.time()) < float("inf")
    running = wake.running_pid(folder) is not None
    started = wake.wake(folder) if needed and not running else False
    return {"started": started, "running": running or started}


def print_lines(folder: str, args: Args) -> dict[str, Any]:
    """Print the lines that the background worker sends: what a plugin prints is shown in Stash's log."""
    sink = StderrSink()
    raw = args.get("lines")
    lines = [line for line in raw if isinstance(line, dict)] if isinstance(raw, list) else []
    for line in lines[:MOST_LINES]:
        sink.write(_LEVEL_OF.get(str(line.get("level")), "info"), str(line.get("message") or "-"))
    return {"lines": len(lines[:MOST_LINES])}


def clear_dlq(folder: str, args: Args) -> dict[str, Any]:
    """Delete all dead letters."""
    undo.forget(folder, dead=True)
    with _queue(folder) as conn:
        number = dead_letters.clear_dead(conn)
    return _cleared("dead letter", number)


def clear_queue(folder: str, args: Args) -> dict[str, Any]:
    """Delete all pending and waiting jobs."""
    undo.forget(folder, dead=False)
    with _queue(folder) as conn:
        number = dead_letters.clear_pending(conn, time.time())
    return _cleared("pending job", number)


def _cleared(what: str, number: int) -> dict[str, Any]:
    sink = StderrSink()
    Log([sink]).info(f"cleared {status.counted(number, what)}. A scene is queued again when it is edited.")
    sink.progress(1.0)
    return {"cleared": number}


MODES: dict[str, Callable[[str, Args], Any]] = {
    "status": show_status,
    "dead_letters": list_dead_letters,
    "retry": retry_dead_letters,
    "discard": discard_dead_letters,
    "undo": undo.undo,
    "wake": wake_worker,
    "log": print_lines,
    "clear_dlq": clear_dlq,
    "clear_queue": clear_queue,
}
