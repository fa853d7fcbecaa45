"""The whole way once, on screen: a scene edited in a small Stash reaches a small Plex on this machine.

Run: ``make demo``. The real hook, queue and worker do it; both servers are the tests' own, on loopback, and everything
lies in a temporary folder that is removed at the end.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.servers.plex import PlexServer
from tests.servers.stash import StashServer

PLUGIN = Path(__file__).resolve().parents[1] / "PlexSync.py"

#: The smallest JPEG's first bytes: enough for a cover that both servers take.
COVER = b"\xff\xd8\xff\xe0\x00\x10JFIF demo cover"

#: Seconds after which the demo says that it failed.
PATIENCE = 30.0

FIELDS = ("title", "studio", "summary", "date", "actors", "genres", "collections", "selected_poster", "locked")


def main() -> int:
    """Show it; the exit status."""
    with tempfile.TemporaryDirectory() as folder, PlexServer() as plex, StashServer(Path(folder), PLUGIN) as stash:
        return _show(plex, stash)


def _show(plex: PlexServer, stash: StashServer) -> int:
    _title("1. A library in Plex and the same file in Stash")
    plex.add_section("Films", key=1)
    plex.add_item(1, file="/films/Acme/holiday.mp4", size=734_003_200, duration_ms=1_820_000)
    plex.add_item(1, file="/films/Other/holiday.mp4", size=12_345, duration_ms=60_000)
    stash.configure(plexUrl=plex.url, plexToken=plex.token)
    file = ("/data/Acme/holiday.mp4", 734_003_200, 1820.0)
    scene = stash.add_scene("holiday", files=[file], studio=stash.add_studio("Acme"), cover=COVER)
    people = [stash.add_performer(name) for name in ("Ada Lovelace", "Grace Hopper")]
    tags = [stash.add_tag(name) for name in ("Seaside", "Black and white")]
    print(f"   Plex  {plex.url}   Stash {stash.url}   (another film of the same name lies beside it)")
    _table("   Plex before", plex.items[100].visible())
    twin = plex.items[101].visible()

    _title("2. The scene is edited in Stash; Stash runs PlexSync's hook and waits for it")
    changes: dict[str, Any] = {
        "title": "A holiday by the sea",
        "details": "Two friends.\n\nOne boat.",
        "date": "1952-07",
        "performers": people,
        "tags": tags,
    }
    began = time.monotonic()
    saved = stash.update_scene(scene, **changes)
    print(f"   the hook said {saved.stdout.strip()} after {saved.seconds * 1000:.0f} ms")
    if not _until(lambda: plex.items[100].selected_poster is not None):
        return _failed("the edit did not arrive", stash)
    _table(f"   Plex {time.monotonic() - began:.1f} s later", plex.items[100].visible())

    _title("3. Plex goes away, the scene is edited again, Plex comes back; nobody presses a button")
    plex.stop()
    stash.update_scene(scene, title="A holiday by the sea, restored")
    if not _until(lambda: bool(stash.run_operation({"mode": "status"}).output["breaker"]["failures"])):
        return _failed("the worker did not notice that Plex is away", stash)
    print("   edited while Plex was away, and the worker has tried in vain; Plex comes back now")
    plex.start()
    if not _until(lambda: plex.items[100].title == "A holiday by the sea, restored"):
        return _failed("the edit made during the outage did not arrive", stash)
    print(f"   title in Plex: {plex.items[100].title}")

    if plex.items[101].visible() != twin or plex.disaster:
        return _failed("another item was touched", stash)
    status = stash.run_operation({"mode": "status"}).output
    sent = f"{len(plex.writes())} edits, {len(plex.uploads())} images"
    print(f"\n   The other film is untouched. Writes to Plex: {sent}.")
    print(f"   Jobs: {status['totals']}; waiting or dead: {status['queue']['waiting'] + status['queue']['dead']}.")
    print("\nDone: it works on this machine.")
    return 0


def _until(condition: Callable[[], bool]) -> bool:
    end = time.monotonic() + PATIENCE
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.05)
    return True


def _title(text: str) -> None:
    print(f"\n{text}\n", flush=True)


def _table(heading: str, item: dict[str, Any]) -> None:
    print(heading)
    for name in FIELDS:
        value = item[name]
        shown = ", ".join(value) if isinstance(value, list) else str(value or "").replace("\n", "\\n")
        print(f"      {name:16} {shown or '-'}")
    print(flush=True)


def _failed(why: str, stash: StashServer) -> int:
    print(f"\nFailed: {why}. What the plugin said:")
    for line in stash.plugin_log:
        print(f"   {line.level}: {line.message}")
    log = stash.data_dir / "plexsync.log"
    if log.exists():
        print(log.read_text("utf-8"))
    return 1


if __name__ == "__main__":
    sys.exit(main())
