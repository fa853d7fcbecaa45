"""Undo: queue putting Plex back as it was before PlexSync, for some scenes or for all. Standard library alone."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from contextlib import closing
from typing import Any

from plexsync.core import environment, wake
from plexsync.model.errors import PlexSyncError
from plexsync.queue import schema, undo_jobs
from plexsync.queue.meta import QueueMeta
from plexsync.state import undoing
from plexsync.state.ledger import open_state
from plexsync.state.meta import Meta
from plexsync.tasks.call import Args, ids_of

#: Items that are queued at once: more would take longer than a second, and the worker queues the rest.
MOST = 10_000

_EXPECTED = 'Send the ids of scenes as {"ids": [1, 2]}, or {"all": true} for every scene.'


def undo(folder: str, args: Args) -> dict[str, Any]:
    """Queue putting back the items of the scenes ``ids``, or of every scene (``all``), and wake the worker.

    Return ``queued``, the number of items, and for ``ids`` ``nothing``, the number of scenes without any. Raise
    ``PlexSyncError`` for anything else.
    """
    wanted = _wanted(args)
    items = mark(folder, wanted, time.time())
    if items:
        wake.wake(folder)
    answer = {"queued": len(items)}
    return answer if wanted is None else answer | {"nothing": len(set(wanted) - set(items.values()))}


def mark(folder: str, wanted: Sequence[int] | None, now: float) -> dict[int, int]:
    """Mark the items, then queue them: the marks are the truth. Return rating key -> scene id."""
    if not os.path.exists(os.path.join(folder, environment.STATE_DB)):
        return {}  # nothing was ever written
    with closing(open_state(folder)) as state:
        machine = Meta(state).machine
        items = undoing.items_of(state, machine, wanted)
        if items:
            undoing.mark(state, machine, items, now)
    if items:
        with closing(schema.open_queue(folder, now)) as queue:
            first = sorted(items)[:MOST]
            undo_jobs.forget_edits(queue, {items[key]: now for key in first if items[key]})
            undo_jobs.enqueue(queue, first, now)
            QueueMeta(queue).request_wake()
    return items


def _wanted(args: Args) -> list[int] | None:
    """Return the scene ids of a call, None for all; numbers may be texts. Raise ``PlexSyncError`` for anything else."""
    raw, everything = args.get("ids"), args.get("all", False)
    if not isinstance(everything, bool) or (raw is not None) == everything:
        raise PlexSyncError(f"It is not clear what to undo. {_EXPECTED} Nothing was changed.")
    if everything:
        return None
    if not isinstance(raw, list) or not raw:
        raise PlexSyncError(f"The ids of the scenes to undo are missing. {_EXPECTED} Nothing was changed.")
    return ids_of(args, "scene", "the page lists them")


def forget(folder: str, *, dead: bool, rows: Sequence[int] | None = None) -> None:
    """Leave the items of undo jobs as they are, whose rows are about to be deleted; see ``undo_jobs.rating_keys``.

    Before the rows go: a mark without a row would be queued again.
    """
    if not os.path.exists(os.path.join(folder, environment.STATE_DB)):
        return
    with closing(schema.open_queue(folder, time.time())) as queue:
        keys = undo_jobs.rating_keys(queue, dead=dead, rows=rows)
    if keys:
        with closing(open_state(folder)) as state:
            undoing.unmark(state, Meta(state).machine, keys)
