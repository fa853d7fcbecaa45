"""How long an innocent edit takes among culprits: scenes whose requests Plex refuses, of every kind.

    python -m benchmarks.culprits [culprits]

For each kind a new installation: the plugin's own processes, default durations. All culprits are marked as Sync all
marks them; meanwhile one other scene is saved again and again, each time once the last edit arrived. Shown are the
seconds from the save until Plex has the title, and what the culprits cost Plex in writes. Target: ``PLEXSYNC_SETTLE``
and 5 s. Exit status 1 if it is missed.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from plexsync.core import environment
from plexsync.queue import bulk
from tests.support.installation import SHORT, Film, Installation
from tests.support.queue_tools import job_keys

CULPRITS, EDITS = 700, 8
LIMIT = 5.0
JPEG = b"\xff\xd8\xff\xe0 cover "


def faults(films: list[Film]) -> dict[str, tuple[str, dict[str, Any]]]:
    """Kind of culprit -> the fault, and where it strikes."""
    keys = "|".join(str(film.item) for film in films)
    return {
        "every image 500": ("500", {"method": "POST"}),
        "one summary 500": ("500", {"method": "PUT", "query": "summary.value=Bad"}),
        "edits refused by a firewall (403)": ("403_proxy", {"method": "PUT", "query": rf"\bid=({keys})&"}),
        "items that cannot be read (500)": ("500", {"method": "GET", "path": rf"/metadata/(.*,)?({keys})(,|$)"}),
        "a library that cannot be listed": ("500", {"method": "GET", "path": "/sections/2/all"}),
    }


def measure(kind: str, count: int) -> tuple[list[float], int]:
    """Seconds of each innocent edit, and writes to Plex other than those."""
    defaults: dict[str, Any] = {name: str(environment.DEFAULTS[name]) for name in SHORT}
    with tempfile.TemporaryDirectory() as folder, Installation(Path(folder), images=True, **defaults) as here:
        here.plex.add_section("Clips", key=2, locations=("/clips",))
        innocent = here.film("Innocent", cover=JPEG)
        here.edit(innocent, "Innocent")
        here.arrives(innocent, "Innocent")
        films = [here.film(cover=JPEG + str(number).encode(), details="Bad") for number in range(count)]
        fault, where = faults(films)[kind]
        here.plex.fault(fault, **where)
        here.plex.clear_log()
        with here.queue() as conn:
            bulk.mark_many(
                conn, job_keys(f"scene:{film.scene}" for film in films), "Sync all", "t", time.time(), time.sleep
            )
            bulk.hand_over(conn, "t")
        taken = [edit(here, innocent, f"Innocent {number}") for number in range(EDITS)]
        writes = len(here.plex.writes()) + len(here.plex.uploads()) - EDITS
        return taken, writes


def edit(here: Installation, film: Film, title: str) -> float:
    """Save the scene; return the seconds until Plex has its title."""
    here.edit(film, title)
    began = time.monotonic()
    while here.title(film) != title and time.monotonic() - began < 120:
        time.sleep(0.02)
    return time.monotonic() - began


def main(count: int) -> int:
    """Print the table; return the exit status."""
    limit = environment.DEFAULTS["PLEXSYNC_SETTLE"] + LIMIT
    print(f"{f'{count} culprits':36} {'median':>8} {'slowest':>8} {'other writes':>13}  target")
    missed = False
    for kind in faults([]):
        taken, writes = measure(kind, count)
        missed |= max(taken) > limit
        verdict = "  missed" if max(taken) > limit else ""
        print(f"{kind:36} {statistics.median(taken):6.1f} s {max(taken):6.1f} s {writes:13,}  <={limit:g} s{verdict}")
    return int(missed)


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else CULPRITS))
