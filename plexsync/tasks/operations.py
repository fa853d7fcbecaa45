"""The operations that are answered at once, from the databases. Standard library only.

What only one of them needs is loaded when it is called: the page asks for ``overview`` every few seconds.
"""

from __future__ import annotations

import contextlib
import sqlite3
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from plexsync import status
from plexsync.core import environment, wake
from plexsync.log import LEVELS, Log, StderrSink
from plexsync.queue import dead_letters, jobs, schema
from plexsync.queue.meta import QueueMeta
from plexsync.state.history import History
from plexsync.state.meta import Meta
from plexsync.tasks import overview, rows
from plexsync.tasks.call import Args, ids_of

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
    found = status.status(folder, time.time())
    sink = StderrSink()
    log = Log([sink])
    for line in reversed(status.sentences(found)):
        log.info(line)
    sink.progress(1.0)
    return found


def list_dead_letters(folder: str, args: Args) -> dict[str, Any]:
    """Return ``{"items": [...]}``, the newest first, and ``more``, the number of older ones that are left out."""
    with _queue(folder) as conn:
        letters = dead_letters.dead_letters(conn, MOST_DEAD_LETTERS)
        more = sum(dead_letters.by_reason(conn).values()) - len(letters) if len(letters) == MOST_DEAD_LETTERS else 0
    with contextlib.closing(Meta.open(folder)) as meta:
        items = {"items": rows.dead_letters(letters, meta)}
    return items | {"more": more} if more > 0 else items


def retry_dead_letters(folder: str, args: Args) -> dict[str, Any]:
    """Queue dead letters again with no attempt counted, and wake the worker."""
    with _queue(folder) as conn:
        number = dead_letters.retry(conn, _letters(args), time.time())
        QueueMeta(conn).request_wake()
    wake.wake(folder)
    return {"retried": number}


def discard_dead_letters(folder: str, args: Args) -> dict[str, Any]:
    """Delete dead letters. An item whose undo is discarded stays as it is."""
    ids = _letters(args)
    _forget_undo(folder, dead=True, rows=ids)
    with _queue(folder) as conn:
        scenes = dead_letters.scenes_of(conn, ids)
        number = dead_letters.discard(conn, ids)
    _forget_names(folder, scenes)
    return {"discarded": number}


def _letters(args: Args) -> list[int]:
    return ids_of(args, "dead letter", "the mode dead_letters lists them")


def _forget_names(folder: str, scenes: Iterable[int]) -> None:
    """Forget the names of scenes whose jobs are gone; what cannot be forgotten now, the worker forgets later."""
    with contextlib.suppress(sqlite3.Error), contextlib.closing(Meta.open(folder)) as meta:
        History(meta.conn).forget_names(scenes)


def wake_worker(folder: str, args: Args) -> dict[str, Any]:
    """Start the worker if there is something to do; make a paused or waiting worker try at once.

    Answer what every page of Stash shows of PlexSync, too.
    """
    with _queue(folder) as conn:
        QueueMeta(conn).request_wake()
        needed = jobs.has_any(conn)
        needed = needed or QueueMeta(conn).is_catchup_due(time.time(), environment.seconds("PLEXSYNC_CATCHUP"))
        needed = needed or QueueMeta(conn).compare_due(time.time()) < float("inf")
    running = wake.running_pid(folder) is not None
    started = wake.wake(folder) if needed and not running else False
    return {"started": started, "running": running or started, **overview.badge(folder)}


def show_scene(folder: str, args: Args) -> dict[str, Any]:
    """Return how one scene stands."""
    from plexsync.tasks import scene

    return scene.show(folder, args)


def sync_scenes(folder: str, args: Args) -> dict[str, Any]:
    """Queue scenes as edits by hand."""
    from plexsync.tasks import scene

    return scene.sync(folder, args)


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
    _forget_undo(folder, dead=True)
    with _queue(folder) as conn:
        scenes = dead_letters.scenes_of(conn)
        number = dead_letters.clear_dead(conn)
    _forget_names(folder, scenes)
    return _cleared("dead letter", number)


def clear_queue(folder: str, args: Args) -> dict[str, Any]:
    """Delete all pending and waiting jobs."""
    _forget_undo(folder, dead=False)
    with _queue(folder) as conn:
        scenes = [row.scene_id for row in jobs.waiting(conn)]
        number = dead_letters.clear_pending(conn, time.time())
    _forget_names(folder, scenes)
    return _cleared("pending job", number)


def _cleared(what: str, number: int) -> dict[str, Any]:
    sink = StderrSink()
    Log([sink]).info(f"cleared {status.counted(number, what)}. A scene is queued again when it is edited.")
    sink.progress(1.0)
    return {"cleared": number}


def choose_item(folder: str, args: Args) -> dict[str, Any]:
    """Store the item that a person chose for a scene."""
    from plexsync.tasks import choice

    return choice.choose(folder, args)


def unchoose_item(folder: str, args: Args) -> dict[str, Any]:
    """Take a choice back."""
    from plexsync.tasks import choice

    return choice.unchoose(folder, args)


def undo_scenes(folder: str, args: Args) -> dict[str, Any]:
    """Queue putting Plex back as it was before PlexSync."""
    from plexsync.tasks import undo

    return undo.undo(folder, args)


def _forget_undo(folder: str, *, dead: bool, rows: list[int] | None = None) -> None:
    """Leave the items of undo jobs as they are, whose rows are about to be deleted."""
    from plexsync.tasks import undo

    undo.forget(folder, dead=dead, rows=rows)


def preview_rows(folder: str, args: Args) -> dict[str, Any]:
    """Return a page of the last preview's changes."""
    from plexsync.tasks import preview_rows

    return preview_rows.changes(folder, args)


def unmatched_rows(folder: str, args: Args) -> dict[str, Any]:
    """Return a page of the scenes that the last preview could not match."""
    from plexsync.tasks import preview_rows

    return preview_rows.unmatched(folder, args)


def make_report(folder: str, args: Args) -> dict[str, Any]:
    """Return a bug report."""
    from plexsync.tasks import report

    return report.report(folder, args)


MODES: dict[str, Callable[[str, Args], Any]] = {
    "overview": overview.overview,
    "scene": show_scene,
    "sync": sync_scenes,
    "status": show_status,
    "dead_letters": list_dead_letters,
    "retry": retry_dead_letters,
    "discard": discard_dead_letters,
    "choose": choose_item,
    "unchoose": unchoose_item,
    "undo": undo_scenes,
    "wake": wake_worker,
    "log": print_lines,
    "clear_dlq": clear_dlq,
    "clear_queue": clear_queue,
    "preview_rows": preview_rows,
    "unmatched_rows": unmatched_rows,
    "report": make_report,
}
