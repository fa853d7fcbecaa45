"""What 100,000 marked scenes cost: the marking itself, one insert beside them, and a hook's insert while it goes on.

    python -m benchmarks.queue [scenes]

The inserts are ``enqueue.enqueue``, as a hook calls it: one commit that survives power loss. ``marking`` is what Sync
all does before the worker begins, in a process of its own, with the pauses that let hooks in. An insert at an empty
queue and one beside all the rows are made in turn; the ratio is that of the medians. While rows are marked a hook's
insert may have to wait for one chunk of ``db.CHUNK`` rows: its median, its slowest hundredth and its slowest are shown,
and the slowest hundredth against the same at rest. Then the same for dropping what a stopped task had marked.

Waiting is judged by milliseconds, and where the machine is busy with other things by the ratio to rest. Exit status 1
if a target is missed.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from plexsync.core import enqueue
from plexsync.queue import bulk, schema
from tests.support.queue_tools import job_keys

SCENES, INSERTS = 100_000, 400

#: Targets: seconds for marking; an insert beside the rows against one at an empty queue; milliseconds that a hook's
#: insert may take while rows are marked (its slowest hundredth), and where it is slow at rest too, against that.
MARKING, GROWTH, WAITING, WAITING_RATIO = 20.0, 1.2, 50.0, 5.0

#: Milliseconds between two inserts while rows are marked: hooks do not come in a row without a breath.
BREATH = 5.0


def insert(folder: str, number: int) -> float:
    """Seconds of one hook's insert over a connection of its own, which is opened before."""
    conn = schema.open_queue(folder, time.time())
    try:
        now = time.time()
        began = time.perf_counter()
        enqueue.enqueue(conn, f"scene:{number}", "benchmark", now, now + 2)
        return time.perf_counter() - began
    finally:
        conn.close()


def mark(folder: str, scenes: int) -> None:
    """Mark the scenes as Sync all does, which asks Stash for the next page between two chunks."""
    conn = schema.open_queue(folder, time.time())
    keys = [f"scene:{number}" for number in range(1, scenes + 1)]
    bulk.mark_many(conn, job_keys(keys), "Sync all", "benchmark", time.time(), time.sleep)
    conn.close()


def drop(folder: str, scenes: int) -> None:
    """Drop what a task had marked that was stopped."""
    conn = schema.open_queue(folder, time.time())
    bulk.drop_stopped(conn, folder)
    conn.close()


ACTS: dict[str, Callable[[str, int], None]] = {"mark": mark, "drop": drop}


def beside(folder: str, act: str, scenes: int) -> tuple[float, list[float]]:
    """Carry an act out in a process of its own; its seconds, and those of each insert meanwhile."""
    began = time.perf_counter()
    process = subprocess.Popen([sys.executable, "-m", "benchmarks.queue", "act", act, folder, str(scenes)])
    times: list[float] = []
    while process.poll() is None:
        times.append(insert(folder, scenes + len(times) + 1))
        time.sleep(BREATH / 1000)
    if process.returncode:
        raise SystemExit(f"{act} ended with status {process.returncode}")
    return time.perf_counter() - began, times


def slow(times: list[float]) -> float:
    """The slowest hundredth, in milliseconds."""
    return statistics.quantiles(times, n=100)[98] * 1000


def told(name: str, times: list[float]) -> None:
    """A line of the table."""
    print(
        f"{name:34} {len(times):7} {statistics.median(times) * 1000:8.2f} ms {slow(times):8.2f} ms"
        f" {max(times) * 1000:8.2f} ms",
        flush=True,
    )


def run(top: Path, scenes: int) -> list[str]:
    """Print the table; what is missed."""
    empty, full = str(top / "empty"), str(top / "full")
    for folder in (empty, full):
        Path(folder).mkdir()
    # Kept open, as the worker keeps its own: the last connection to close writes the whole log into the file.
    held = [schema.open_queue(folder, time.time()) for folder in (empty, full)]
    missed: list[str] = []
    print(f"{'a hook inserts':34} {'inserts':>7} {'median':>11} {'slowest 1%':>11} {'slowest':>11}")
    rest = [insert(empty, number) for number in range(1, INSERTS + 1)]
    told("at rest", rest)
    seconds, during = beside(full, "mark", scenes)
    told(f"while {scenes:,} are marked", during)
    pairs = [(insert(empty, INSERTS + n), insert(full, 2 * scenes + n)) for n in range(1, INSERTS + 1)]
    told("at an empty queue", [pair[0] for pair in pairs])
    told(f"beside {scenes:,} rows", [pair[1] for pair in pairs])
    dropping, meanwhile = beside(full, "drop", scenes)
    told(f"while {scenes:,} are dropped", meanwhile)
    for conn in held:
        conn.close()
    growth = statistics.median(pair[1] for pair in pairs) / statistics.median(pair[0] for pair in pairs)
    print(f"marking took {seconds:.1f} s (at most {MARKING:g}), dropping {dropping:.1f} s")
    print(f"an insert beside {scenes:,} rows against an empty queue: {growth:.2f} (at most {GROWTH})")
    print(
        f"slowest hundredth while marking against at rest: {slow(during) / slow(rest):.1f} (over {WAITING:g} ms at most"
        f" {WAITING_RATIO:g})"
    )
    missed += [f"marking took {seconds:.1f} s"] if seconds > MARKING else []
    missed += [f"an insert grows to {growth:.2f}"] if growth > GROWTH else []
    for name, times in (("marking", during), ("dropping", meanwhile)):
        most = max(WAITING, WAITING_RATIO * slow(rest))
        if slow(times) > most:
            missed.append(f"a hook's insert takes {slow(times):.0f} ms while {name}, at most {most:.0f}")
    return missed


def main() -> int:
    """Print the table; the exit status."""
    if sys.argv[1:2] == ["act"]:
        ACTS[sys.argv[2]](sys.argv[3], int(sys.argv[4]))
        return 0
    scenes = int(sys.argv[1]) if sys.argv[1:] else SCENES
    with tempfile.TemporaryDirectory(prefix="plexsync-queue-") as top:
        missed = run(Path(top), scenes)
    for one in missed:
        print(f"missed: {one}")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
