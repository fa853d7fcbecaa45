"""What Sync all costs both servers in requests: once with every scene changed, once with nothing changed.

    python -m benchmarks.sync [scenes ...]

Both servers are the tests' own on loopback, the task is the real process that Stash starts, and the background worker
the real one that it wakes. Every request that arrives is counted, whoever of PlexSync's processes sent it: marking,
reading, comparing, writing, reading back, settings, log lines. Covers are left out (they go by hash, at most one
question a scene). The seconds are those of this machine and its servers, for comparison only.

Targets: with nothing changed no write and at most 0.03 requests a scene, Plex and Stash together; with everything
changed exactly one write a scene and at most 0.05 reads a scene. Exit status 1 if one is missed.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

from tests.servers.plex import PlexServer
from tests.servers.stash import StashServer
from tests.support.processes import PLUGIN

#: Scenes in the libraries that are measured, one line of the table for each and each of the two runs.
SIZES = (300, 1000, 3000)

#: Targets: requests a scene with nothing changed, reads a scene with everything changed.
UNCHANGED, CHANGED = 0.03, 0.05

#: The least library that the targets are meant for: a few requests do not depend on the number of scenes at all.
LEAST = 1000

#: Seconds after which a task counts as stuck.
PATIENCE = 600.0


class Line(NamedTuple):
    """One run: scenes, writes that arrived, scenes with another number of writes than one, requests, seconds."""

    scenes: int
    what: str
    writes: int
    uneven: int
    plex: int
    stash: int
    seconds: float
    done: bool

    @property
    def reads(self) -> float:
        """Requests of a scene that are no write, Plex and Stash together."""
        return (self.plex - self.writes + self.stash) / self.scenes

    @property
    def missed(self) -> bool:
        """Whether a target is missed."""
        if not self.done:
            return True
        if self.what == "unchanged":
            return self.writes > 0 or (self.scenes >= LEAST and self.reads > UNCHANGED)
        return self.uneven > 0 or (self.scenes >= LEAST and self.reads > CHANGED)


def fill(plex: PlexServer, stash: StashServer, scenes: int) -> None:
    """A library of so many scenes, none of which Plex knows more of than its file.

    All of it is days old: what was edited just before PlexSync came is catch-up's, not Sync all's.
    """
    present, stash.now = stash.now, lambda: datetime.now(UTC) - timedelta(days=9)
    plex.add_section("Scenes", key=1, locations=("/plex",))
    studios = [stash.add_studio(f"Studio {number}") for number in range(20)]
    people = [stash.add_performer(f"Performer {number}") for number in range(200)]
    tags = [stash.add_tag(f"Tag {number}") for number in range(60)]
    for number in range(scenes):
        path = f"Studio {number % 20}/scene {number}.mp4"
        stash.add_scene(
            f"Scene number {number}",
            details=f"What happens in scene {number}.",
            date=f"20{number % 24:02}-0{1 + number % 9}-1{number % 10}",
            studio=studios[number % 20],
            performers=[people[number % 200], people[(number * 7 + 1) % 200]],
            tags=sorted({tags[number % 60], tags[(number * 11 + 3) % 60]}),
            files=[(f"/stash/{path}", 1_000_000 + number, 600.0 + number % 90)],
        )
        size, duration = 1_000_000 + number, (600 + number % 90) * 1000
        plex.add_item(1, file=f"/plex/{path}", size=size, duration_ms=duration)
    stash.now = present


def sync_all(plex: PlexServer, stash: StashServer, what: str) -> Line:
    """Run the task to its end and count what arrived meanwhile."""
    plex.clear_log()
    stash.log.clear()
    began = time.monotonic()
    result = stash.run_task("Sync all", timeout=PATIENCE)
    seconds = time.monotonic() - began
    output = result.output if isinstance(result.output, dict) else {}
    writes = Counter(one.param("id") for one in plex.writes())
    scenes = len(stash.scenes)
    outcome = "unchanged" if what == "unchanged" else "synced"
    uneven = scenes - len(writes) + sum(count != 1 for count in writes.values())
    return Line(
        scenes,
        what,
        sum(writes.values()),
        uneven,
        len(plex.log),
        len(stash.log),
        seconds,
        output.get(outcome) == output.get("marked") == scenes,
    )


def measure(scenes: int) -> list[Line]:
    """Both runs over one library."""
    with tempfile.TemporaryDirectory() as folder, PlexServer() as plex, StashServer(Path(folder), PLUGIN) as stash:
        fill(plex, stash, scenes)
        stash.configure(plexUrl=plex.url, plexToken=plex.token, skipPoster=True, skipBackground=True)
        return [sync_all(plex, stash, "changed"), sync_all(plex, stash, "unchanged")]


def main(argv: list[str]) -> int:
    """Measure and print the table; the exit status."""
    sizes = [int(text) for text in argv] or list(SIZES)
    lines = [line for scenes in sizes for line in measure(scenes)]
    print(f"{'scenes':>7}  {'all of them':<11} {'writes':>7} {'Plex':>6} {'Stash':>6} {'reads a scene':>14} {'s':>7}")
    for line in lines:
        target = UNCHANGED if line.what == "unchanged" else CHANGED
        verdict = f"(at most {target})" if line.scenes >= LEAST else ""
        verdict += "  MISSED" if line.missed else ""
        print(
            f"{line.scenes:>7}  {line.what:<11} {line.writes:>7} {line.plex - line.writes:>6} {line.stash:>6}"
            f" {line.reads:>14.4f} {line.seconds:>7.1f}  {verdict}"
        )
    return int(any(line.missed for line in lines))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
