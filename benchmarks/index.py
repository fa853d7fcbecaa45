"""What listing Plex's library into the index costs, against plexapi's ``section.all()`` on the same server.

    python -m benchmarks.index [items] [items for plexapi]

Without numbers 100,000 items, of which plexapi lists 20,000: objects of that size take it minutes, and its time for an
item is the same at any number, so the ratio is one of times for an item. Both are child processes of their own in one
run, and so is Plex. plexapi reads of each item what the index holds: path, size and duration of each file, and the
rating key; the index is written to ``state.db`` as well.

``wall`` is the clock, ``processor`` what the child itself used, ``Plex`` what the server used: it is Python here,
writes a page while the child waits, and is waited for by both alike. The target is on ``processor``; the clock's ratio
stands beside it, with Plex's share in it, and moves when others work.

Peak memory is that of ``Library.refresh`` over a bare interpreter's, the modules it needs included. Then what a refresh
costs when nothing moved, when one item changed, when a file is missing, and when a day has passed (the sweep that finds
deletions): requests, and seconds. Exit status 1 if a target is missed.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks._stage import SECTION, PlexHouse, Remote

ITEMS, PLEXAPI_ITEMS = 100_000, 20_000

#: Runs of each, of which the fastest counts: the first makes Plex write each row down, later ones find it kept.
TIMES = 3

#: Targets: how much faster for an item, bytes over the interpreter, requests of a refresh after one item changed.
FASTER, PEAK, DELTA = 20.0, 60e6, 4


def peak() -> int:
    """This process's peak memory in bytes. On Linux since ``exec``: ``ru_maxrss`` would count the parent's as well."""
    if sys.platform == "darwin":
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    if sys.platform != "linux":
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    text = Path("/proc/self/status").read_text("ascii", "replace")
    return next(int(line.split()[1]) * 1024 for line in text.splitlines() if line.startswith("VmHWM"))


def timed(call: Callable[[], object]) -> dict[str, float]:
    """Seconds by the wall clock and by the processor."""
    began, used = time.perf_counter(), time.process_time()
    call()
    return {"wall": time.perf_counter() - began, "processor": time.process_time() - used}


def bare(url: str, token: str, folder: str, number: int) -> dict[str, float]:
    """The interpreter with nothing but this file."""
    return {"peak": peak()}


def ours(url: str, token: str, folder: str, number: int) -> dict[str, float]:
    """``Library.refresh`` of an index in ``folder``: the first one, or whatever is due."""
    from plexsync.plex.client import PlexClient
    from plexsync.plex.index import Library
    from plexsync.state import ledger

    client = PlexClient(url, token, client_id="benchmark", connect_timeout=5, read_timeout=60)
    conn = ledger.open_state(folder)
    library = Library(conn, client, client.identity.machine, lambda: time.time() + max(0, number))
    reads = client.session.reads
    found = timed(lambda: library.refresh(missing=number < 0))
    found |= {"requests": client.session.reads - reads, "peak": peak()}
    found["items"] = conn.execute("SELECT count(*) FROM part").fetchone()[0]
    return found


def theirs(url: str, token: str, folder: str, number: int) -> dict[str, float]:
    """plexapi's listing of ``number`` items, and their files."""
    import os

    os.environ["PLEXAPI_PLEXAPI_AUTORELOAD"] = "false"
    from plexapi.server import PlexServer

    section = PlexServer(url, token).library.sectionByID(SECTION)
    files: list[tuple[Any, ...]] = []

    def read() -> None:
        for item in section.all(maxresults=number):
            for media in item.media:
                files.extend((item.ratingKey, part.file, part.size, part.duration) for part in media.parts)

    return {**timed(read), "items": len(files), "peak": peak()}


CHILDREN = {child.__name__: child for child in (bare, ours, theirs)}


def child(name: str, plex: dict[str, str], folder: str, number: int = 0) -> dict[str, float]:
    """Run one of ``CHILDREN`` in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.index", "child", name, plex["url"], plex["token"], folder, str(number)]
    result: dict[str, float] = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)
    return result


def one(server: Remote, plex: dict[str, str], folder: str, name: str, number: int) -> dict[str, float]:
    """One listing, into an index of its own."""
    before = server.ask("told")["cpu"]
    with tempfile.TemporaryDirectory(dir=folder) as own:
        found = child(name, plex, own, number)
    return found | {"plex": server.ask("told")["cpu"] - before}


def compare(server: Remote, plex: dict[str, str], folder: str, items: int, some: int) -> list[str]:
    """Print the table of both; what is missed."""
    base = child("bare", plex, folder)["peak"]
    print(f"{'':24} {'items':>8} {'wall':>8} {'processor':>10} {'Plex':>8} {'us/item':>8} {'over the interpreter':>21}")
    rows: dict[str, dict[str, float]] = {}
    for name, title, number in (("ours", "PlexSync's index", 0), ("theirs", "plexapi's all()", some)):
        found = min((one(server, plex, folder, name, number) for _ in range(TIMES)), key=lambda one: one["processor"])
        if found["items"] != (number or items):
            raise SystemExit(f"{title}: {found['items']} of {number or items} files")
        rows[name] = found
        print(
            f"{title:24} {int(found['items']):8,} {found['wall']:6.1f} s {found['processor']:8.1f} s"
            f" {found['plex']:6.1f} s {found['processor'] / found['items'] * 1e6:8.1f}"
            f" {(found['peak'] - base) / 1e6:18.0f} MB",
            flush=True,
        )
    each = {name: [found[kind] / found["items"] for kind in ("processor", "wall")] for name, found in rows.items()}
    ratio, clock = (theirs / ours for theirs, ours in zip(each["theirs"], each["ours"], strict=True))
    over = rows["ours"]["peak"] - base
    print(f"for an item {ratio:.1f} times as fast (at least {FASTER:g}), by the clock {clock:.1f} times")
    missed = [f"{ratio:.1f} times as fast as plexapi, at least {FASTER:g}"] if ratio < FASTER else []
    return missed + ([f"peak {over / 1e6:.0f} MB, at most {PEAK / 1e6:.0f}"] if over > PEAK else [])


def refreshes(server: Remote, plex: dict[str, str], folder: str) -> list[str]:
    """Print what later refreshes cost; what is missed."""
    missed = []
    child("ours", plex, folder)
    print(f"{'a refresh when':24} {'requests':>8} {'wall':>8}")
    for title, number, most in (
        ("nothing moved", 0, 1),
        ("one item changed", 0, DELTA),
        ("a file is missing", -1, DELTA),
        ("a day has passed", 90_000, None),
    ):
        if title == "one item changed":
            server.ask("touch")
        found = child("ours", plex, folder, number)
        print(f"{title:24} {int(found['requests']):8} {found['wall']:6.2f} s", flush=True)
        if most is not None and found["requests"] > most:
            missed.append(f"{int(found['requests'])} requests when {title}, at most {most}")
    return missed


def main() -> int:
    """Print the tables; the exit status."""
    if sys.argv[1:2] == ["child"]:
        name, url, token, folder, number = sys.argv[2:]
        print(json.dumps(CHILDREN[name](url, token, folder, int(number))))
        return 0
    items = int(sys.argv[1]) if sys.argv[1:] else ITEMS
    some = min(items, int(sys.argv[2]) if sys.argv[2:] else PLEXAPI_ITEMS)
    with tempfile.TemporaryDirectory(prefix="plexsync-index-") as folder, Remote(PlexHouse) as server:
        plex = server.ask("fill", items)
        missed = compare(server, plex, folder, items, some) + refreshes(server, plex, folder)
    for one in missed:
        print(f"missed: {one}")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
