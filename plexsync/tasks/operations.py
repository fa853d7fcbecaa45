"""What is answered at once, live from the databases: status, dead letters, wake-ups. Standard library alone."""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from plexsync import status as reports
from plexsync.core import environment
from plexsync.core import wake as waking
from plexsync.log import Log, StderrSink
from plexsync.model.errors import PlexSyncError
from plexsync.model.job_key import JobKey
from plexsync.queue import dead_letters as letters
from plexsync.queue import jobs, schema
from plexsync.queue.dead_letters import DeadLetter
from plexsync.queue.meta import QueueMeta
from plexsync.status import counted

Args = dict[str, Any]

#: Levels that the worker may hand over for Stash's log, and the most lines of one call.
LEVELS = {"d": "debug", "i": "info", "w": "warning", "e": "error"}
MOST_LINES = 500

#: Dead letters of one answer: ten times as many take longer than a second to write down.
MOST_LETTERS = 10_000


@contextmanager
def _queue(folder: str) -> Iterator[sqlite3.Connection]:
    conn = schema.open_queue(folder, time.time())
    try:
        yield conn
    finally:
        conn.close()


def status(folder: str, args: Args) -> dict[str, Any]:
    """The contract's status object, and the same in words in the log: in Stash the last line stands on top."""
    found = reports.status(folder, time.time())
    sink = StderrSink()
    log = Log([sink])
    for line in reversed(reports.words(found)):
        log.info(line)
    sink.progress(1.0)
    return found


def dead_letters(folder: str, args: Args) -> dict[str, Any]:
    """``{"items": [...]}``, the newest first; ``more``: how many older ones are not listed, where there are any."""
    with _queue(folder) as conn:
        found = letters.dead_letters(conn, MOST_LETTERS)
        more = sum(letters.by_reason(conn).values()) - len(found) if len(found) == MOST_LETTERS else 0
    items = {"items": [_letter(row) for row in found]}
    return items | {"more": more} if more > 0 else items


def _letter(letter: DeadLetter) -> dict[str, Any]:
    key = JobKey.parse(letter.key)
    return {
        "id": letter.row,
        "scene_id": key.id if key and key.is_scene else None,
        "key": letter.key,
        "reason": letter.reason,
        "message": letter.message or "",
        "attempts": letter.attempts,
        "first_seen": reports.moment(letter.first_seen),
        "last_seen": reports.moment(letter.last_seen),
        "candidates": json.loads(letter.candidates) if letter.candidates else [],
    }


def retry(folder: str, args: Args) -> dict[str, Any]:
    """Put dead letters back with a clean slate, and wake the worker."""
    with _queue(folder) as conn:
        number = letters.retry(conn, _ids(args), time.time())
        QueueMeta(conn).request_wake()
    waking.wake(folder)
    return {"retried": number}


def discard(folder: str, args: Args) -> dict[str, Any]:
    """Forget dead letters."""
    with _queue(folder) as conn:
        return {"discarded": letters.discard(conn, _ids(args))}


def _ids(args: Args) -> list[int]:
    """The ``ids`` of a call; numbers may come as text."""
    raw = args.get("ids")
    if not isinstance(raw, list):
        raise PlexSyncError('PlexSync needs the ids of dead letters, as {"ids": [1, 2]}; dead_letters lists them.')
    found: list[int] = []
    for one in raw:
        text = str(one).strip()
        if isinstance(one, bool) or not text.isascii() or not text.isdigit() or len(text) > 18:
            raise PlexSyncError(f"PlexSync cannot use {text[:20]!r} as the id of a dead letter; nothing was changed.")
        found.append(int(text))
    return found


def wake(folder: str, args: Args) -> dict[str, Any]:
    """Start the worker if there is something to do; make a paused or waiting one look at once."""
    with _queue(folder) as conn:
        QueueMeta(conn).request_wake()
        number = jobs.counts(conn)
        needed = number["pending"] + number["waiting"] + number["in_progress"] > 0
        needed = needed or QueueMeta(conn).is_catchup_due(time.time(), environment.seconds("PLEXSYNC_CATCHUP"))
    running = waking.running_pid(folder) is not None
    started = waking.wake(folder) if needed and not running else False
    return {"started": started, "running": running or started}


def log(folder: str, args: Args) -> dict[str, Any]:
    """Print lines that the background worker hands over, so that they reach Stash's log."""
    sink = StderrSink()
    raw = args.get("lines")
    lines = [line for line in raw if isinstance(line, dict)] if isinstance(raw, list) else []
    for line in lines[:MOST_LINES]:
        sink.write(LEVELS.get(str(line.get("level")), "info"), str(line.get("message") or "-"))
    return {"lines": len(lines[:MOST_LINES])}


def clear_dlq(folder: str, args: Args) -> dict[str, Any]:
    """Forget all dead letters."""
    with _queue(folder) as conn:
        number = letters.clear_dead(conn)
    return _cleared(f"cleared {counted(number, 'dead letter')}; a scene comes back when it is edited again", number)


def clear_queue(folder: str, args: Args) -> dict[str, Any]:
    """Forget all pending and waiting jobs."""
    with _queue(folder) as conn:
        number = letters.clear_pending(conn, time.time())
    return _cleared(f"cleared {counted(number, 'pending job')}; a scene comes back when it is edited again", number)


def _cleared(line: str, number: int) -> dict[str, Any]:
    sink = StderrSink()
    Log([sink]).info(line)
    sink.progress(1.0)
    return {"cleared": number}


MODES: dict[str, Callable[[str, Args], Any]] = {
    "status": status,
    "dead_letters": dead_letters,
    "retry": retry,
    "discard": discard,
    "wake": wake,
    "log": log,
    "clear_dlq": clear_dlq,
    "clear_queue": clear_queue,
}
