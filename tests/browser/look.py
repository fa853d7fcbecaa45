"""A small Stash with the plugin's page, to be looked at: sample answers, or the real plugin with a small Plex.

    python -m tests.browser.look [--ui FOLDER] [--state attention] [--scene needs_you] [--port N]
    python -m tests.browser.look --real            # PlexSync.py itself, three films, a Plex on loopback
    python -m tests.browser.look --shots FOLDER    # pictures of every page at 375, 768 and 1280 px, then the end

Needs ``make browser`` once.
"""

from __future__ import annotations

import argparse
import contextlib
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.browser import samples
from tests.browser.driver import Browser
from tests.browser.front import FRONT, build
from tests.servers.stash import StashServer
from tests.servers.stash_jobs import Task
from tests.support.installation import Installation
from tests.support.processes import PLUGIN

WIDTHS = (375, 768, 1280)
PAGES = {
    "page": "/plugins/plexsync",
    "scene": "/scenes/1",
    "plugins": "/settings?tab=plugins",
    "tasks": "/settings?tab=tasks",
    "scenes": "/scenes",
}
SAVED = {"plexUrl": "http://plex.local:32400", "plexToken": "a-secret-token", "plexHost": "old.host"}

#: The smallest picture: the look of a cover is the front end's affair.
COVER = (
    b'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 16 9"><rect width="16" height="9" fill="#5c7080"/>'
    b'<circle cx="11" cy="3" r="1.5" fill="#ffc940"/><path d="M0 9 5 4l4 3 3-2 4 4z" fill="#293742"/></svg>'
)


def arguments() -> argparse.Namespace:
    """What the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ui", type=Path, help="a ui folder other than the project's own")
    parser.add_argument("--state", default="attention", choices=[*samples.STATES, *samples.EDGES])
    parser.add_argument("--scene", default="in_plex", choices=list(samples.SCENES))
    parser.add_argument("--error", choices=list(samples.ERRORS), help="every operation fails so")
    parser.add_argument("--real", action="store_true", help="the real plugin and a small Plex")
    parser.add_argument("--empty", action="store_true", help="with --real: no setting saved yet")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--shots", type=Path, help="write pictures into this folder and end")
    return parser.parse_args()


@contextlib.contextmanager
def sampled(folder: Path, state: str, scene: str = "in_plex", ui: Path | None = None) -> Iterator[StashServer]:
    """A Stash whose plugin answers from the samples; a task is under way while it is busy."""
    with StashServer(folder / "stash", PLUGIN, front=FRONT) as stash:
        assert stash.front is not None
        stash.front.ui = ui
        cover: dict[str, Any] = {"cover": COVER, "cover_type": "image/svg+xml"}
        for number in range(samples.SCENE_COUNT):
            title, path = samples.FILMS[number % len(samples.FILMS)]
            stash.add_scene(title, files=[(path, 734_003_200 + number, 1820.0)], **cover)
        as_it_was(stash, state, scene)
        yield stash


def as_it_was(stash: StashServer, state: str, scene: str = "in_plex") -> None:
    """Give the sampled Stash that state, whatever was done to it before."""
    stash.canned = samples.canned(state, scene)
    stash.plugin_settings = {} if state == "setup" else dict(SAVED)
    stash.credentials, stash.plugin_enabled = None, True
    stash.faults.clear()
    stash.jobs.tasks.clear()
    stash.log.clear()
    if state == "busy":
        under_way(stash, 0.42)


def under_way(stash: StashServer, progress: float, name: str = "Sync all") -> Task:
    """A task that has come so far and stays there."""
    number = len(stash.jobs.tasks) + 1
    task = Task(number, f"Running plugin task: {name}", {"mode": "sync_all"}, stash.store.stamp())
    task.status, task.progress = "RUNNING", [progress]
    stash.jobs.tasks[number] = task
    return task


@contextlib.contextmanager
def real(folder: Path, empty: bool = False, ui: Path | None = None) -> Iterator[StashServer]:
    """A Stash with the plugin itself and a Plex with three films."""
    with Installation(folder, front=FRONT) as made:
        assert made.stash.front is not None
        made.stash.front.ui = ui
        made.new_films(3)
        if empty:
            print(f"Plex: {made.plex.url} token {made.plex.token}")
            made.stash.plugin_settings.clear()
        yield made.stash


def main() -> int:
    """Serve until Ctrl-C, or take the pictures."""
    asked = arguments()
    build()
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        if asked.real:
            stash = stack.enter_context(real(folder, asked.empty, asked.ui))
        else:
            stash = stack.enter_context(sampled(folder, asked.state, asked.scene, asked.ui))
        if asked.error:
            stash.canned = samples.failing(samples.ERRORS[asked.error])
        if asked.port:
            stash.stop()
            stash.port = asked.port
            stash.start()
        if asked.shots:
            take(stash, asked.shots, asked.state)
            return 0
        print(f"{stash.url}/plugins/plexsync", flush=True)
        with contextlib.suppress(KeyboardInterrupt):
            while True:
                time.sleep(1)
    return 0


def take(stash: StashServer, folder: Path, name: str) -> None:
    """Pictures of all pages at all widths, whole pages; what the browser complained of is printed."""
    folder.mkdir(parents=True, exist_ok=True)
    with Browser() as browser:
        for width in WIDTHS:
            with browser.page(stash.url, width=width) as page:
                for kind, path in PAGES.items():
                    page.visit(path)
                    if kind == "scene":
                        page.click_if_there('[data-plexsync="scene-tab"]')
                    page.settle()
                    page.shot(folder / f"{name}-{kind}-{width}.png")
                for complaint in page.complaints:
                    print(f"{width} px: {complaint}")


if __name__ == "__main__":
    raise SystemExit(main())
