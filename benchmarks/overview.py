"""What one refresh of the page costs: the operation ``overview`` over a queue of 100,000 jobs and 10,000 dead letters.

    python -m benchmarks.overview [jobs] [dead letters]

Each line is a process as Stash starts it: ``PlexSync.py`` by the manifest's command, one JSON document on stdin.
``bare`` is the same interpreter that does nothing. The work within the process is measured apart, in this one. Half of
the jobs are pending, half wait for Plex to have their file; every scene that has not arrived has a name, the dead
letters have candidates, the history and the outages are full, and ``seen`` knows all scenes. ``wake`` and ``scene`` are
shown too.

The target is for the best of the processes with ``overview``: what others do on the machine only adds. Exit status 1 if
it is missed.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

from plexsync.core.db import transaction
from plexsync.queue import schema
from plexsync.state.history import MOST_OUTAGES, MOST_RECENT, Entry, Name
from plexsync.state.ledger import Record, Seen, State, open_state
from plexsync.tasks import operations
from tests.servers.stash_hooks import plugin_command
from tests.support.processes import PLUGIN, worker_held

JOBS, DEAD = 100_000, 10_000
#: Processes of each line, and calls within this process.
TIMES = 25
#: Milliseconds that a process with ``overview`` may take.
TARGET = 150.0


def fill(folder: Path, jobs: int, dead: int) -> None:
    """Leave the databases of an installation that has fallen far behind."""
    now = time.time()
    with closing(schema.open_queue(str(folder), now)) as conn, transaction(conn):
        sql = (
            "INSERT INTO ack_queue_default (data, timestamp, status, key, due, priority, first_seen, last_seen,"
            " waiting, reason, message, candidates, attempts) VALUES"
            " (CAST(json_object('key', :key, 'reason', 'Sync all', 'at', :at) AS BLOB), :at, :status, :key, :due, 2,"
            " :at, :at, :waiting, :reason, :message, :candidates, 1)"
        )
        conn.executemany(sql, _rows(now, jobs, dead))
    with closing(open_state(str(folder))) as conn:
        state = State(conn)
        state.meta.machine, state.meta.plex_url = "machine", "http://127.0.0.1:32400"
        numbers = range(1, jobs + dead + 1)
        state.see((Seen("scene", number, f"signature {number}", "", now) for number in numbers), _names(jobs, dead))
        state.store("machine", [Record(number, number, f"/films/{number}.mp4") for number in numbers])
        with transaction(conn):
            for number in range(MOST_OUTAGES):
                state.history.begin_outage(now - 1e6 + number, "plex", "Plex is unreachable", lambda: 5)
                state.history.end_outage(now - 1e6 + number + 0.5, lambda: 5)
            change = (("summary", "Somebody comes. " * 18, "Somebody goes. " * 18),)
            state.history.add([Entry(now, number, f"Film {number}", number, change) for number in range(MOST_RECENT)])


def _rows(now: float, jobs: int, dead: int) -> Iterator[dict[str, Any]]:
    why = "another file of this name, and neither size nor duration"
    candidates = json.dumps(
        [
            {"rating_key": key, "path": f"/films/{key}/film.mp4", "evidence": "name_only", "why": why}
            for key in (1, 2, 3)
        ]
    )
    for number in range(1, jobs + dead + 1):
        at, is_dead, waits = now - number, number > jobs, number % 2 == 0
        yield {
            "key": f"scene:{number}",
            "at": at,
            "status": 9 if is_dead else 1,
            "due": now + 60,
            "waiting": at if waits and not is_dead else None,
            "reason": "low_confidence" if is_dead else None,
            "message": f"Several items in Plex may be scene {number}." if is_dead or waits else None,
            "candidates": candidates if is_dead else None,
        }


def _names(jobs: int, dead: int) -> dict[int, Name | None]:
    waiting, letters = range(2, jobs + 1, 2), range(jobs + 1, jobs + dead + 1)
    return {number: Name(f"Film {number}", f"/films/{number}.mp4") for number in (*waiting, *letters)}


def process(command: list[str], document: bytes, env: dict[str, str]) -> float:
    """Start one process with a document on its stdin; milliseconds until it has ended."""
    began = time.perf_counter()
    done = subprocess.run(command, input=document, env=env, capture_output=True, check=True)
    took = (time.perf_counter() - began) * 1000
    if document and list(json.loads(done.stdout)) != ["output"]:
        raise SystemExit(f"failed: {done.stdout[:300]!r}")
    return took


def within(call: Callable[[], object]) -> float:
    """Milliseconds of one call in this process."""
    began = time.perf_counter()
    call()
    return (time.perf_counter() - began) * 1000


def run(top: Path, jobs: int, dead: int) -> list[str]:
    """Print the table; what is missed."""
    folder = top / "plugin_data" / "PlexSync"
    folder.mkdir(parents=True, mode=0o700)
    fill(folder, jobs, dead)
    python = sys.executable
    env = {name: value for name, value in os.environ.items() if not name.startswith("PLEXSYNC_")}
    command = plugin_command(PLUGIN, python)
    print(f"{jobs:,} jobs, {dead:,} dead letters: milliseconds of {TIMES} runs")
    print(f"{'':34} {'best':>8} {'median':>8}")
    best = dict[str, float]()

    def told(name: str, times: list[float]) -> None:
        best[name] = min(times)
        print(f"{name:34} {min(times):8.1f} {statistics.median(times):8.1f}", flush=True)

    with worker_held(folder):
        told("bare interpreter (-S -c pass)", [process([python, "-S", "-c", "pass"], b"", env) for _ in range(TIMES)])
        for mode, args in (("status", {}), ("overview", {}), ("wake", {}), ("scene", {"scene_id": jobs + 1})):
            document = {"server_connection": {"Dir": str(top)}, "args": {"mode": mode, **args}}
            raw = json.dumps(document).encode()
            told(f"process: {mode}", [process(command, raw, env) for _ in range(TIMES)])
            calls = operations.MODES[mode]
            if mode != "status":
                told(f"within: {mode}", [within(lambda: calls(str(folder), args)) for _ in range(TIMES)])  # noqa: B023
    took = best["process: overview"]
    print(f"overview takes {took:.0f} ms at best (at most {TARGET:g})")
    return [f"overview takes {took:.0f} ms"] if took > TARGET else []


def main() -> int:
    """Print the table; the exit status."""
    jobs, dead = (int(word) for word in (*sys.argv[1:], *map(str, (JOBS, DEAD)[len(sys.argv) - 1 :])))
    with tempfile.TemporaryDirectory(prefix="plexsync-overview-") as top:
        missed = run(Path(top), jobs, dead)
    for one in missed:
        print(f"missed: {one}")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
