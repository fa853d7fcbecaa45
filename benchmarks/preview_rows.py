"""What a page of a preview of 100,000 rows costs, as a process: the first page, the last one, and filtered ones.

    python -m benchmarks.preview_rows [rows]

Each call is one process, as Stash runs it, the best of three. ``report`` stands beside them: it reads the same folder.
Target: one second of processor time, the contract's for every operation: the clock also shows whatever else the machine
does. Exit status 1 if it is missed.
"""

from __future__ import annotations

import csv
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from plexsync.tasks.preview_rows import COLUMNS

ROWS, RUNS, SECONDS = 100_000, 3, 1.0
ENTRY = Path(__file__).resolve().parents[1] / "PlexSync.py"
FIELDS = ("title", "summary", "actor", "genre", "studio")


def write(path: Path, rows: int) -> None:
    """Write a preview with long values, line breaks and quotes."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        for number in range(rows):
            scene, field = number // len(FIELDS), FIELDS[number % len(FIELDS)]
            old, new = "an old\nvalue " * 8, 'a "new" value, ' * 12
            writer.writerow((scene, f"Scene {scene}", scene + 7, "high", "equal_path", field, old, new))


def calls(rows: int) -> dict[str, dict[str, Any]]:
    """Name -> arguments of a call."""
    return {
        "first page": {"mode": "preview_rows", "limit": 500},
        "last page": {"mode": "preview_rows", "offset": rows - 500, "limit": 500},
        "one field": {"mode": "preview_rows", "field": "title"},
        "a text that is rare": {"mode": "preview_rows", "text": "SCENE 1999"},
        "a text that is nowhere": {"mode": "preview_rows", "text": "nowhere to be found"},
        "report": {"mode": "report"},
    }


def measure(document: dict[str, Any]) -> tuple[float, float]:
    """Return the seconds of one call, by the clock and of processor time."""
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    command = [sys.executable, "-S", str(ENTRY)]
    subprocess.run(command, input=json.dumps(document).encode(), stdout=subprocess.DEVNULL, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return time.perf_counter() - began, used


def main(rows: int) -> int:
    """Print the table; return the exit status."""
    missed = False
    print(f"{f'{rows} rows':28}  clock  processor  target {SECONDS:g} s")
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder) / "plugin_data" / "PlexSync"
        data.mkdir(parents=True)
        write(data / "preview.csv", rows)
        for name, args in calls(rows).items():
            runs = [measure({"server_connection": {"Dir": folder}, "args": args}) for _ in range(RUNS)]
            clock, processor = (min(values) for values in zip(*runs, strict=True))
            missed = missed or processor > SECONDS
            verdict = "missed" if processor > SECONDS else ""
            print(f"{name:28} {clock:5.2f} s {processor:8.2f} s  {verdict}".rstrip())
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else ROWS))
