"""The status object: read from the databases; as sentences, in Prometheus' text format, and as files.

Standard library alone; takes well under a second. Contains no token and no title.
"""

from __future__ import annotations

import json
import os
import sqlite3
import time
from collections.abc import Iterator, Mapping
from contextlib import closing
from typing import TYPE_CHECKING, Any

from plexsync import __version__
from plexsync.core import db, environment, locks, wake
from plexsync.core.processes import command_of
from plexsync.queue import dead_letters, jobs
from plexsync.queue.meta import QueueMeta
from plexsync.state import gates
from plexsync.state.gates import Gate
from plexsync.state.meta import Meta
from plexsync.state.pause import PLEX, Pause

if TYPE_CHECKING:  # loading it takes a quarter of what an operation may take
    from plexsync.state.ledger import State

#: What to say of an item that the doctor has not put back, and how to have it put back.
DOCTOR_LEFT = "An item in Plex is still as the doctor changed it."
PUT_BACK = "To put it back, run python3 PlexSync.py doctor --put-back in the plugin's folder on Stash's machine."

_EMPTY = {"pending": 0, "waiting": 0, "in_progress": 0, "dead": 0, "oldest": 0}


def status(folder: str, now: float) -> dict[str, Any]:
    """Return the contract's status object for the data folder ``folder``; zeros for what does not exist yet."""
    queue, dead, catchup = _queue(folder)
    with closing(Meta.open(folder)) as meta:
        breaker, pause, stats = meta.breaker, meta.pause, meta.stats
        paused = {kind: gate for kind, gate in meta.gates.items() if gate.is_paused}
    pid, lacking = _worker(folder)
    oldest = max(0, int(now - queue["oldest"])) if queue["oldest"] else 0
    return {
        "version": __version__,
        "queue": {
            **{name: int(queue[name]) for name in ("pending", "waiting", "in_progress", "dead")},
            "oldest_seconds": oldest,
        },
        "dead_by_reason": dead,
        "breaker": {
            "state": breaker.state(now),
            "failures": breaker.failures,
            "opened_at": moment(breaker.opened_at),
            "retry_at": moment(breaker.retry_at if breaker.is_open else None),
        },
        "worker": {"running": pid is not None, "pid": pid},
        "totals": stats.totals,
        "requests": stats.requests,
        "problem": lacking or _problem(pause, paused),
        "paused_kinds": [
            {"kind": kind, "why": gate.why, "since": moment(gate.paused_at), "retry_at": moment(gate.retry_at)}
            for kind, gate in sorted(paused.items())
        ],
        "last_catchup": moment(catchup or None),
        "doctor_left": left_by_doctor(folder),
    }


def _worker(folder: str) -> tuple[int | None, str]:
    """Return the worker's pid, None without one, and why there can be none, ``""`` if there can."""
    try:
        return wake.running_pid(folder) if os.path.isdir(folder) else None, ""
    except OSError as error:
        lacking = locks.lacking(error, folder)
        if not lacking:
            raise
        return None, f"PlexSync is paused: {lacking}"


def left_by_doctor(folder: str) -> bool:
    """Return whether an item waits to be put back and no doctor, which would hold the worker's lock, is at it.

    Where the system tells no process's words, one that is at it counts as none.
    """
    path = os.path.join(folder, environment.DOCTOR)
    if not os.path.exists(path):
        return False
    pid, _ = _worker(folder)
    is_at_it = pid is not None and "doctor" in command_of(pid)
    return not is_at_it and os.path.exists(path)  # perhaps it was done a moment ago


def _problem(pause: Pause | None, paused: Mapping[str, Gate]) -> str | None:
    """Return the most important sentence: about all of syncing, then about one kind of request."""
    if pause is not None and (pause.problem or pause.kind == PLEX):
        return pause.problem or None
    return gates.problem(paused) or None


def _queue(folder: str) -> tuple[dict[str, float], dict[str, int], float]:
    path = os.path.join(folder, environment.QUEUE_DB)
    if not os.path.exists(path):
        return dict(_EMPTY), dict.fromkeys(dead_letters.REASONS, 0), 0.0
    with closing(sqlite3.connect(path, timeout=0.8, isolation_level=None)) as conn:
        if db.version_of(conn) == 0:
            return dict(_EMPTY), dict.fromkeys(dead_letters.REASONS, 0), 0.0
        dead = dict.fromkeys(dead_letters.REASONS, 0) | dead_letters.by_reason(conn)
        return jobs.counts(conn), dead, QueueMeta(conn).caught_up_at


def moment(at: float | None) -> str | None:
    """Return a time in ISO 8601, UTC; None for none."""
    return None if at is None else time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(at))


def counted(number: int, what: str) -> str:
    """Return a number with its noun, ``3 dead letters`` or ``1 dead letter``."""
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def sentences(status_object: dict[str, Any]) -> list[str]:
    """Return the status object as sentences, the most urgent first."""
    queue, worker, breaker = status_object["queue"], status_object["worker"], status_object["breaker"]
    lines = [status_object["problem"]] if status_object["problem"] else []
    if status_object["doctor_left"]:
        lines.append(f"{DOCTOR_LEFT} {PUT_BACK}")
    if breaker["state"] != "closed":
        lines.append(f"Plex has been unreachable since {breaker['opened_at']}; next attempt at {breaker['retry_at']}.")
    lines.append(
        f"Queue: {queue['pending']} pending, {queue['waiting']} waiting for Plex to have the file,"
        f" {queue['in_progress']} in progress, {counted(queue['dead'], 'dead letter')}."
    )
    reasons = ", ".join(
        f"{name} {number}" for name, number in sorted(status_object["dead_by_reason"].items()) if number
    )
    if reasons:
        lines.append(f"Dead letters by reason: {reasons}.")
    if queue["oldest_seconds"]:
        lines.append(f"The oldest job is {queue['oldest_seconds']} s old.")
    running = f"running (pid {worker['pid']})" if worker["running"] else "not running; the next edit or task starts it"
    lines.append(f"Background worker: {running}.")
    totals = ", ".join(f"{number} {name}" for name, number in status_object["totals"].items())
    requests = ", ".join(f"{number} {_REQUESTS.get(name, name)}" for name, number in status_object["requests"].items())
    return [
        *lines,
        f"So far: {totals}. Requests: {requests}.",
        *_rates(status_object["totals"], status_object["requests"]),
    ]


_REQUESTS = {"plex_reads": "reads of Plex", "plex_writes": "writes to Plex", "stash": "to Stash"}


def _rates(totals: dict[str, int], requests: dict[str, int]) -> list[str]:
    """Return a sentence with rates, or none before the first job has ended."""
    arrived = totals["synced"] + totals["unchanged"]
    ended = arrived + totals["dead"]
    if not ended:
        return []
    asked = (requests["plex_reads"] + requests["plex_writes"]) / ended
    same = f", {100 * totals['unchanged'] // arrived} % of them without a write" if arrived else ""
    return [f"Rates: {100 * arrived // ended} % arrived in Plex{same}; {asked:.1f} requests to Plex per scene."]


def export_status(folder: str, now: float) -> None:
    """Write ``status.json`` and ``metrics.prom``, the second also where the first cannot be. Raise ``OSError``."""
    from plexsync import metrics  # the operations need not load it

    status_object = status(folder, now)
    with closing(Meta.open(folder)) as meta:
        numbers = metrics.text(status_object, meta.stats, now)
    text = json.dumps(status_object, indent=1) + "\n"
    try:
        environment.replace(os.path.join(folder, environment.STATUS), text.encode(), sync=True)
    finally:
        environment.replace(os.path.join(folder, environment.METRICS), numbers.encode(), sync=True)


def export_timestamps(folder: str, state: State) -> None:
    """Write ``sync_timestamps.json``: scene id -> last sync in seconds since the epoch. Raise ``OSError``."""
    text = json.dumps({str(scene_id): at for scene_id, at in state.synced()}) + "\n"
    environment.replace(os.path.join(folder, environment.TIMESTAMPS), text.encode(), sync=True)


def read_timestamps(folder: str) -> Iterator[tuple[int, float]]:
    """Yield (scene id, last sync) from ``sync_timestamps.json``; nothing if it is missing or unreadable."""
    try:
        raw = json.loads(environment.read(os.path.join(folder, environment.TIMESTAMPS)).decode("utf-8"))
    except (OSError, ValueError):
        return
    if not isinstance(raw, dict):
        return
    for key, at in raw.items():
        is_number = isinstance(at, int | float) and not isinstance(at, bool)
        if key.isascii() and key.isdigit() and len(key) <= 18 and is_number and moment_is_sane(at):
            yield int(key), float(at)


def moment_is_sane(at: float) -> bool:
    """Return whether ``at`` can be a time in seconds: positive and finite (before the year 5138)."""
    return 0 < at < 1e11
