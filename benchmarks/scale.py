"""What Sync all costs at any size: time, requests, writes, and the memory of the worker and of a hook.

    python -m benchmarks.scale [scenes ...] [--full]

Without sizes 1,000, 10,000 and 30,000; ``--full`` adds 100,000 (minutes). Stash, Plex and PlexSync are processes of
their own; the task is started as Stash starts it, and its background worker does the work under default settings
(images apart: each is an upload of its own). Every film is right in Plex from the start. For each size Sync all runs
twice: ``first`` lists Plex's library into the index, ``again`` finds it there. At 1,000 scenes it runs once more after
every title was edited in Stash without a hook: ``changed``. Then the same films anew and without ``plexPathMap``:
``no map`` has to go by names and sizes until it has learned how the paths correspond, ``learned`` goes by that. Both
must know which other scenes have a file of a name.

One line a run: seconds from the task's start to its end, milliseconds of it for each scene, the processor seconds of
the worker, and of Stash and Plex themselves (they are Python here, and work while PlexSync waits), requests for each
scene (Plex and Stash together), edits sent, the worker's peak memory, and what hooks fired meanwhile took (median) and
held (peak). Then the worker's processor time for a scene against the size before, and the clock's, which moves when
others work. Where the system tells no other process's memory and time (not Linux), those columns are 0 and the clock
decides. Exit status 1 if a target is missed.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks._stage import PlexHouse, Remote, StashHouse, measured, peak_of, processor_of
from tests.servers.stash_hooks import plugin_command
from tests.support.processes import PLUGIN

SIZES, FULL, CHANGED = (1_000, 10_000, 30_000), 100_000, 1_000

#: Targets: requests for a scene where nothing changed; reads for one where all did, with exactly one write.
QUIET_REQUESTS, CHANGED_READS = 0.03, 0.05
#: Targets: the worker's peak in bytes, at 20,000 scenes and at most; the hook's is the interpreter and SQLite.
PEAK, PEAK_BELOW, BELOW = 150e6, 130e6, 20_000
#: Target: time of a scene against that at the size before; a tenfold library is to take tenfold time.
LINEAR = 1.25
#: Seconds of the worker's processor below which an earlier run is too short to be measured against.
SHORT = 2.0

#: Seconds between two hooks while a task runs, and between two looks at the worker's memory.
HOOK_EVERY, LOOK = 3.0, 0.05


@dataclass
class Run:
    """One Sync all. Times in seconds, memory in bytes; ``hooks``: seconds of each hook fired meanwhile."""

    scenes: int
    name: str
    seconds: float = 0.0
    worker: float = 0.0
    stash: float = 0.0
    plex: float = 0.0
    reads: int = 0
    writes: int = 0
    peak: int = 0
    hooks: list[float] = field(default_factory=list)
    hook_peak: int = 0
    output: Any = None

    @property
    def each(self) -> float:
        """Seconds for a scene."""
        return self.seconds / self.scenes

    def against(self, before: Run) -> tuple[float, float]:
        """What a scene costs against an earlier run's: the worker's processor time, and the clock's."""
        clock = self.each / before.each
        used = self.worker / self.scenes / (before.worker / before.scenes) if before.worker else clock
        return used, clock

    def missed(self) -> Iterator[str]:
        """The targets that it misses."""
        reads, writes = self.reads / self.scenes, self.writes
        if self.name == "changed":
            if writes != self.scenes:
                yield f"{writes} edits for {self.scenes} scenes"
            if reads > CHANGED_READS:
                yield f"{reads:.3f} reads a scene, at most {CHANGED_READS}"
        else:
            if writes:
                yield f"{writes} edits, although nothing changed"
            if reads > QUIET_REQUESTS:
                yield f"{reads:.3f} requests a scene, at most {QUIET_REQUESTS}"
        limit = PEAK if self.scenes > BELOW else PEAK_BELOW
        if self.peak > limit:
            yield f"worker's peak {self.peak / 1e6:.0f} MB, at most {limit / 1e6:.0f}"

    def line(self) -> str:
        """A line of the table."""
        hook = f"{statistics.median(self.hooks) * 1000:5.0f} ms {self.hook_peak / 1e6:4.0f} MB" if self.hooks else "-"
        return (
            f"{self.scenes:8,} {self.name:8} {self.seconds:8.1f} {self.each * 1000:8.2f} {self.worker:8.1f}"
            f" {self.stash:7.1f} {self.plex:7.1f} {(self.reads + self.writes) / self.scenes:8.4f} {self.writes:7,}"
            f" {self.peak / 1e6:7.0f} MB {hook:>15}"
        )


class Stage:
    """The three processes for one size."""

    def __init__(self, scenes: int, top: Path, stash: Remote, plex: Remote, path_map: str) -> None:
        self._scenes, self._top, self._stash, self._plex = scenes, top, stash, plex
        self._folder = Path(stash.ask("fill", scenes, plex.ask("fill", scenes), path_map))

    def run(self, name: str) -> Run:
        """One Sync all to its end."""
        run = Run(self._scenes, name)
        before = self._told()
        self._stash.ask("start_job", "Sync all")
        next_hook = time.monotonic() + 0.5
        used: dict[int, list[float]] = {}
        while (ended := self._stash.ask("job")) is None:
            self._look(run, used)
            if time.monotonic() >= next_hook:
                self._hook(run)
                next_hook = time.monotonic() + HOOK_EVERY
            time.sleep(LOOK)
        after = self._told()
        run.seconds, run.output = ended["seconds"], ended["output"]
        if ended["error"]:
            raise SystemExit(f"Sync all failed: {ended['error']}")
        changes = [late - early for early, late in zip(before, after, strict=True)]
        run.reads, run.writes, run.stash, run.plex = int(changes[0]), int(changes[1]), changes[2], changes[3]
        return run

    def retitle(self) -> None:
        """Edit every scene."""
        self._stash.ask("retitle")

    def _told(self) -> tuple[float, float, float, float]:
        stash, plex = self._stash.ask("told"), self._plex.ask("told")
        return stash["requests"] + plex["reads"], plex["writes"], stash["cpu"], plex["cpu"]

    def _look(self, run: Run, used: dict[int, list[float]]) -> None:
        """Note the worker's peak and its processor time (``used``: pid -> at first and now)."""
        try:
            text = (self._folder / "worker.lock").read_text("ascii")
        except OSError:
            return
        if text.isdigit():
            run.peak = max(run.peak, peak_of(int(text)))
            now = processor_of(int(text))
            if not now:  # it has just ended
                return
            first = 0.0 if run.name in ("first", "no map") else now
            used.setdefault(int(text), [first, now])[1] = now
            run.worker = sum(late - early for early, late in used.values())

    def _hook(self, run: Run) -> None:
        document = self._top / "hook.json"
        document.write_bytes(self._stash.ask("document", 1 + len(run.hooks) % self._scenes))
        one = measured(plugin_command(PLUGIN, sys.executable), document)
        run.hooks.append(one.seconds)
        run.hook_peak = max(run.hook_peak, one.peak)


def runs(scenes: int) -> Iterator[Run]:
    """Every run at one size."""
    with staged(scenes, "/data => /media") as stage:
        yield stage.run("first")
        yield stage.run("again")
        if scenes == CHANGED:
            stage.retitle()
            yield stage.run("changed")
    with staged(scenes, "") as stage:
        yield stage.run("no map")
        yield stage.run("learned")


@contextmanager
def staged(scenes: int, path_map: str) -> Iterator[Stage]:
    """The three processes, with that ``plexPathMap``."""
    with (
        tempfile.TemporaryDirectory(prefix="plexsync-scale-") as folder,
        Remote(PlexHouse) as plex,
        Remote(StashHouse, Path(folder) / "stash", PLUGIN) as stash,
    ):
        yield Stage(scenes, Path(folder), stash, plex, path_map)


def main() -> int:
    """Print the table; the exit status."""
    parser = argparse.ArgumentParser(description="Sync all at several sizes")
    parser.add_argument("scenes", type=int, nargs="*")
    parser.add_argument("--full", action="store_true", help=f"{FULL:,} scenes too")
    given = parser.parse_args()
    sizes = sorted({*(given.scenes or SIZES), *([FULL] if given.full else [])})
    heads = (
        f"{'scenes':>8} {'run':8} {'s':>8} {'ms/scene':>8} {'worker s':>8} {'Stash s':>7} {'Plex s':>7}"
        f" {'req/sc.':>8} {'writes':>7} {'worker':>10} {'hook':>15}"
    )
    print(heads)
    missed: list[str] = []
    last: dict[str, Run] = {}
    for size in sizes:
        for run in runs(size):
            print(run.line(), flush=True)
            missed += [f"{size:,} {run.name}: {one}" for one in run.missed()]
            before = last.get(run.name)
            if before is not None:
                ratio, clock = run.against(before)
                judged = before.worker >= SHORT or not before.worker
                target = f"at most {LINEAR}" if judged else "too short to be judged"
                told = f"{ratio:.2f} ({target}), by the clock {clock:.2f}"
                print(f"{'':17} a scene against one of {before.scenes:,}: {told}")
                missed += [f"{size:,} {run.name}: not linear, {ratio:.2f}"] if judged and ratio > LINEAR else []
            last[run.name] = run
    for one in missed:
        print(f"missed: {one}")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
