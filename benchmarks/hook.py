"""What a hook costs the user who saves: the whole process, against ``python3 -c pass`` of the same interpreter.

    python -m benchmarks.hook

Each line is a median over interleaved pairs in one run: the hook as the manifest starts it (a document on stdin), and
the process that it is compared with. The interpreter is that of a virtual environment without packages, and in the
lines ``.pth files`` of one whose packages bring such files (``PTH``). The hook's worker lives, as it normally does,
except in the line that starts one each time. A payload of more than 64 KB is compared with a process that reads and
parses the same stdin. ``Plex hangs``: a real worker of a real Stash (the tests' server) waits for an answer that never
comes. ``being marked``: another process marks scenes all the while, as Sync all does. The last two lines are a bulk
edit of 100 scenes in the tests' Stash, which starts one hook after the other, with PlexSync and with a plugin that does
nothing, not even with ``-S``; their processor time is that of all hooks together.

``PLEXSYNC_TEST_PLUGIN`` names the entry file of another plugin to measure, such as a release's that was unpacked.

The targets are for the ratio of processor time, which moves less than the clock's when others work on the machine. Exit
status 1 if a target is missed.
"""

from __future__ import annotations

import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from benchmarks._stage import Remote, StashHouse
from plexsync.core import environment, locks
from plexsync.model.job_key import JobKey
from plexsync.queue import bulk, jobs, schema
from tests.servers.stash_hooks import plugin_command
from tests.support import interpreters
from tests.support.processes import PLUGIN, copy_of_plugin
from tests.support.queue_tools import job_keys

#: Interleaved pairs for each line; the median of fewer moves by more than the hundredths that are printed.
PAIRS = 80

#: Targets: ratios to what they are compared with. The last is "with 100,000 jobs waiting the same within 20 %".
CACHED, UNCACHED, PACKAGED, BACKLOG = 1.25, 1.6, 0.6, 1.2

#: What packages put into ``.pth`` files, which Python runs at each start: the standard library's share of three kinds.
PTH = {
    "namespace package": "import sys, types, os, importlib.util, importlib.machinery",
    "editable install": "import importlib.util, importlib.machinery, itertools, pathlib",
    "tracing": "import logging",
}

#: Scenes in the bulk edit, and how often it is made with each plugin.
SCENES, EDITS = 100, 8

#: The plugin that does nothing, and its command.
NOTHING = "import sys\n\nsys.stdin.buffer.read()\n"
PLAIN = 'exec:\n  - python3\n  - "{pluginDir}/PlexSync.py"\n'

JOBS = 100_000
PASS = "pass"
PARSE = "import json, sys; json.loads(sys.stdin.buffer.read())"
#: A worker that ends at once: what is measured is the start, not the work.
STUB = 'def main() -> None:\n    """End."""\n'


class Line(NamedTuple):
    """One line of the table: milliseconds of both sides, and the medians of the pairs' ratios, wall and processor."""

    name: str
    base: float
    ours: float
    ratio: float
    processor: float
    target: float | None

    @property
    def missed(self) -> bool:
        """Whether there is a target and it is missed."""
        return self.target is not None and self.processor > self.target


class Run(NamedTuple):
    """One way to start a process; ``before`` is done first and not measured."""

    argv: list[str]
    stdin: Path
    env: dict[str, str]
    before: Callable[[], None] = lambda: None

    def seconds(self) -> tuple[float, float]:
        """Start it and wait for its end; the wall clock's seconds, and the processor's."""
        self.before()
        files = [
            (os.POSIX_SPAWN_OPEN, 0, str(self.stdin), os.O_RDONLY, 0),
            (os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0),
        ]
        began = time.perf_counter()
        pid = os.posix_spawn(self.argv[0], self.argv, self.env, file_actions=files)
        _, status, used = os.wait4(pid, 0)
        ended = time.perf_counter()
        if status:
            raise SystemExit(f"{self.argv} ended with status {status}")
        return ended - began, used.ru_utime + used.ru_stime


def compare(name: str, base: Run, ours: Run, target: float | None, pairs: int = PAIRS) -> Line:
    """Run both in turn, ``pairs`` times after one run of each for the caches."""
    both = (base, ours)
    for run in both:
        run.seconds()
    return line(name, [(base.seconds(), ours.seconds()) for _ in range(pairs)], target)


def line(name: str, times: list[tuple[tuple[float, float], tuple[float, float]]], target: float | None) -> Line:
    """The medians of pairs of (wall seconds, processor seconds)."""
    first, second = (statistics.median(pair[side][0] for pair in times) * 1000 for side in (0, 1))
    wall, processor = (statistics.median(pair[1][n] / pair[0][n] for pair in times) for n in (0, 1))
    return Line(name, first, second, wall, processor, target)


class House:
    """A plugin, a Stash's folder and documents in a temporary folder."""

    def __init__(self, top: Path) -> None:
        self.top = top
        bare = {key: value for key, value in os.environ.items() if key != "PLEXSYNC_DATA_DIR"}
        self.cached = {key: value for key, value in bare.items() if key != "PYTHONDONTWRITEBYTECODE"}
        self.uncached = {**self.cached, "PYTHONDONTWRITEBYTECODE": "1"}
        self.clean = str(interpreters.bare(top / "clean"))
        self.packaged = str(interpreters.bare(top / "packaged"))
        for number, text in enumerate(PTH.values()):
            (interpreters.packages_of(top / "packaged") / f"{number}.pth").write_text(text + "\n", "utf-8")
        self.plugin = self._plugin("plugin")
        self.never_compiled = self._plugin("never-compiled")
        self.garbage = top / "garbage.json"
        self.garbage.write_text('{"args": {"hookContext": {"id": 1, "type": ', "ascii")

    def _plugin(self, name: str) -> Path:
        script = copy_of_plugin(self.top / name)
        (script.parent / "plexsync" / "cli.py").write_text(STUB, "utf-8")
        return script

    def document(self, stash: str, size: int) -> Path:
        """A hook's stdin of ``size`` bytes for the Stash ``stash``."""
        where = {"Scheme": "http", "Host": "127.0.0.1", "Port": 9999, "SessionCookie": {"Value": "c2Vzc2lvbg=="}}
        context = {"id": 1, "type": "Scene.Update.Post", "input": {"cover_image": ""}, "inputFields": ["id"]}
        whole = {"server_connection": {**where, "Dir": str(self.top / stash)}, "args": {"hookContext": context}}
        text = json.dumps(whole)
        path = self.top / f"{stash}-{size}.json"
        path.write_text(text.replace('""', f'"{"x" * max(0, size - len(text))}"'), "ascii")
        return path

    def hook(self, stash: str = "stash", size: int = 1024, cached: bool = True, python: str = "") -> Run:
        """The hook as the manifest starts it, with its bytecode or without."""
        script = self.plugin if cached else self.never_compiled
        env = self.cached if cached else self.uncached
        return Run(plugin_command(script, python or self.clean), self.document(stash, size), env)

    def python(self, code: str = PASS, size: int = 1024, python: str = "") -> Run:
        """What the hook is compared with."""
        return Run([python or self.clean, "-c", code], self.document("stash", size), self.cached)

    def nothing(self) -> Path:
        """The plugin that does nothing; its script."""
        script = self.top / "nothing" / "PlexSync.py"
        script.parent.mkdir()
        script.with_suffix(".yml").write_text(PLAIN, "utf-8")
        script.write_text(NOTHING, "utf-8")
        return script

    def data(self, stash: str) -> str:
        """The data folder of a Stash, made."""
        folder = environment.data_dir(str(self.top / stash))
        os.makedirs(folder, mode=0o700, exist_ok=True)
        return folder


@contextmanager
def worker(folder: str) -> Iterator[None]:
    """A worker lives in the data folder: its lock is held and the queue open."""
    conn = schema.open_queue(folder, time.time())
    fd = locks.open_lock(os.path.join(folder, environment.WORKER_LOCK))
    if not locks.wait_lock(fd, 5):
        raise SystemExit("a worker that was started before does not end")
    locks.write_text(fd, "the benchmark")
    yield
    os.close(fd)
    conn.close()


def fill(folder: str) -> None:
    """Let ``JOBS`` jobs wait."""
    conn = schema.open_queue(folder, time.time())
    jobs.enqueue_many(conn, [JobKey.scene(number) for number in range(1, JOBS + 1)], "benchmark", time.time(), 2)
    conn.close()


def mark(folder: str) -> None:
    """Mark ``JOBS`` scenes after ``JOBS`` scenes, until somebody ends this process."""
    conn, done = schema.open_queue(folder, time.time()), 0
    while True:
        keys = [f"scene:{done + number}" for number in range(1, JOBS + 1)]
        bulk.mark_many(conn, job_keys(keys), "Sync all", "benchmark", time.time(), time.sleep)
        done += JOBS


@contextmanager
def marking(folder: str) -> Iterator[None]:
    """Another process marks scenes."""
    conn = schema.open_queue(folder, time.time())
    process = subprocess.Popen([sys.executable, "-m", "benchmarks.hook", "mark", folder])
    while not (before := conn.execute("SELECT count(*) FROM ack_queue_default").fetchone()[0]):
        time.sleep(0.01)
    yield
    after = conn.execute("SELECT count(*) FROM ack_queue_default").fetchone()[0]
    process.kill()
    process.wait()
    conn.close()
    if after - before < JOBS / 2:
        raise SystemExit(f"only {after - before} scenes were marked meanwhile")


def hanging(house: House) -> Line:
    """The hook while its worker waits for a Plex that takes connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as plex, Remote(StashHouse, house.top / "hanging", PLUGIN) as stash:
        plex.settimeout(30)
        stash.ask("fill", 5, {"url": f"http://127.0.0.1:{plex.getsockname()[1]}", "token": "token"})
        document = house.top / "hanging.json"
        document.write_bytes(stash.ask("document", 1))
        env = {**house.cached, "PLEXSYNC_READ_TIMEOUT": "600"}
        Run(plugin_command(PLUGIN, sys.executable), document, env).seconds()  # its worker has the packages
        ours = Run(plugin_command(PLUGIN, house.clean), document, env)
        with plex.accept()[0] as silent:
            line = compare("Plex hangs", house.python(), ours, CACHED)
            silent.setblocking(False)
            if not silent.recv(65536).startswith(b"GET "):
                raise SystemExit("the worker did not wait for Plex")
    return line


def starting(house: House) -> Line:
    """The hook that starts the worker each time; the one before has ended by then."""
    fd = locks.open_lock(os.path.join(house.data("idle"), environment.WORKER_LOCK))

    def free() -> None:
        if not locks.wait_lock(fd, 5):
            raise SystemExit("the worker that a hook started does not end")
        locks.unlock(fd)

    line = compare("starting the worker each time", house.python(), house.hook("idle")._replace(before=free), None)
    free()
    os.close(fd)
    return line


def bulk_edit(house: House) -> Iterator[Line]:
    """A bulk edit in a Stash with PlexSync, against one in a Stash whose plugin does nothing: wait and processor."""
    with (
        Remote(StashHouse, house.top / "idle-stash", house.nothing()) as idle,
        Remote(StashHouse, house.top / "our-stash", house.plugin) as ours,
    ):
        data = environment.data_dir(str(house.top / "our-stash"))
        os.makedirs(data, mode=0o700, exist_ok=True)
        with worker(data):
            for name, python in (("", house.clean), (", .pth files", house.packaged)):
                for stash in (idle, ours):
                    stash.ask("edit_many", python, SCENES)
                times = [
                    (idle.ask("edit_many", python, SCENES), ours.ask("edit_many", python, SCENES)) for _ in range(EDITS)
                ]
                yield line(f"bulk edit of {SCENES} scenes{name}", times, PACKAGED if name else CACHED)


def lines(house: House) -> Iterator[Line]:
    """The table, line by line."""
    with worker(house.data("stash")), worker(house.data("full")):
        fill(house.data("full"))
        for size, name in ((1024, "1 KB"), (64 * 1024, "64 KB")):
            yield compare(f"{name}, bytecode cached", house.python(), house.hook(size=size), CACHED)
            yield compare(f"{name}, no bytecode cache", house.python(), house.hook(size=size, cached=False), UNCACHED)
            base, ours = house.python(python=house.packaged), house.hook(size=size, python=house.packaged)
            yield compare(f"{name}, .pth files", base, ours, PACKAGED)
        yield compare(f"{JOBS:,} jobs waiting, against none", house.hook(), house.hook("full"), BACKLOG)
        yield compare(f"{JOBS:,} jobs waiting", house.python(), house.hook("full"), None)
        with marking(house.data("marked")), worker(house.data("marked")):
            yield compare(f"{JOBS:,} being marked", house.python(), house.hook("marked"), CACHED)
        garbage = house.hook()._replace(stdin=house.garbage)
        yield compare("not JSON at all", house.python(), garbage, CACHED)
        for megabytes in (1, 5, 8):
            size = megabytes * 1024 * 1024
            base, ours = house.python(PARSE, size), house.hook(size=size)
            yield compare(f"{megabytes} MB, against reading and parsing it", base, ours, CACHED)
    yield hanging(house)
    yield starting(house)
    yield from bulk_edit(house)


def main() -> int:
    """Print the table; the exit status."""
    if sys.argv[1:2] == ["mark"]:
        mark(sys.argv[2])
    print(f"{PAIRS} interleaved pairs a line, Python {sys.version.split()[0]}")
    print(f"{'hook':44} {'compared':>9} {'hook':>9} {'ratio':>6} {'processor':>10} {'target':>7}")
    missed = 0
    with tempfile.TemporaryDirectory(prefix="plexsync-hook-") as top:
        for row in lines(House(Path(top))):
            target = f"<={row.target}" if row.target else "-"
            verdict = "  missed" if row.missed else ""
            print(
                f"{row.name:44} {row.base:6.1f} ms {row.ours:6.1f} ms {row.ratio:6.2f} {row.processor:10.2f}"
                f" {target:>7}{verdict}",
                flush=True,
            )
            missed += row.missed
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
