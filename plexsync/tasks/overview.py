"""The operation ``overview``: all that the page shows, from files, in one answer. Standard library alone."""

from __future__ import annotations

import sqlite3
import time
from contextlib import closing
from typing import Any

from plexsync import health, status
from plexsync.health import Facts, Health
from plexsync.queue import dead_letters, jobs, schema
from plexsync.state import scene_facts
from plexsync.state.history import MOST_RECENT, History
from plexsync.state.meta import Meta
from plexsync.tasks import rows
from plexsync.tasks.call import Args

#: Rows of a list in one answer.
MOST_ROWS = 200
#: Items written last in an answer where the call names no number.
RECENT = 50


def overview(folder: str, args: Args) -> dict[str, Any]:
    """Return the contract's overview. ``args["recent"]``: how many items written last, at most ``MOST_RECENT``."""
    now = time.time()
    report = status.status(folder, now)
    with closing(schema.open_queue(folder, now)) as conn:
        letters = dead_letters.dead_letters(conn, MOST_ROWS)
        waiting = [rows.waiting(row) for row in jobs.waiting(conn, MOST_ROWS)]
    left = report["queue"]["pending"] + report["queue"]["in_progress"]
    with closing(Meta.open(folder)) as meta:
        history, dead = History(meta.conn), rows.dead_letters(letters, meta)
        names = history.names({row["scene_id"] for row in (*dead, *waiting)} - {None})
        names |= rows.undone_names(letters, meta)
        recent = history.recent(_wanted(args))
        choices = scene_facts.chosen(meta.conn, meta.machine, {entry.scene_id for entry in recent})
        return {
            "health": judge(report, meta, now)._asdict(),
            "status": report,
            "recent": [rows.written(entry, choices) for entry in recent],
            "dead": [rows.named(row, names) for row in dead],
            "waiting": [rows.named(row, names) for row in waiting],
            "more": {name: _more(report, name, len(shown)) for name, shown in (("dead", dead), ("waiting", waiting))},
            "outages": [rows.outage(outage, left) for outage in history.outages()],
            "web": rows.web(meta),
        }


def _more(report: dict[str, Any], name: str, shown: int) -> int:
    """Return how many rows are left out of a list that is cut."""
    return max(0, int(report["queue"][name]) - shown) if shown == MOST_ROWS else 0


def _wanted(args: Args) -> int:
    """Return how many items written last are wanted; a number may be text, anything else counts as none given."""
    text = str(args.get("recent", RECENT)).strip()
    return min(int(text), MOST_RECENT) if text.isascii() and text.isdigit() and len(text) < 10 else RECENT


def judge(report: dict[str, Any], meta: Meta, now: float) -> Health:
    """Return the health for a status object and what ``state.db`` has besides."""
    last = next(iter(History(meta.conn).recent(1)), None)
    connected, written_at = bool(meta.machine), None if last is None else last.at
    return health.judge(Facts(report, meta.pause, meta.breaker, connected, written_at, now))


def badge(folder: str) -> dict[str, Any]:
    """Return what every page of Stash shows: state and sentence of the health, and the number of dead letters."""
    now, dead = time.time(), 0
    try:
        report = status.status(folder, now)
        dead = report["queue"]["dead"]
        with closing(Meta.open(folder)) as meta:
            found = judge(report, meta, now)
    except sqlite3.Error as error:
        found = Health("problem", f"PlexSync's database cannot be read ({error}). The background worker repairs it.")
    return {"health": {"state": found.state, "sentence": found.sentence}, "dead": dead}
