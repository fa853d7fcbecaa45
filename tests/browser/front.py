"""The built front end: where it lies and how it is made.

What node needs is installed by ``make browser``; the bundle is made anew whenever a source is newer.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
from pathlib import Path

HERE = Path(__file__).parent
FRONT = HERE / "dist"
MODULES = HERE / "node_modules"
SOURCES = HERE / "front"

#: Where a Chromium may lie, in the order of trying.
CHROMIUM = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


def chromium() -> str | None:
    """The system's Chromium; ``PLEXSYNC_CHROMIUM`` names another."""
    named = os.environ.get("PLEXSYNC_CHROMIUM")
    return named or next(filter(None, map(shutil.which, CHROMIUM)), None)


def missing() -> str | None:
    """What is not there for tests in a browser, in one sentence; None if all is."""
    if shutil.which("node") is None or shutil.which("npm") is None or chromium() is None:
        return "node, npm and Chromium are not all there (apt-get install nodejs npm chromium)"
    if not MODULES.is_dir():
        return "the node packages are not installed (make browser)"
    try:
        import playwright  # noqa: F401
    except ImportError:
        return "Playwright is not installed (make browser)"
    return None


def build() -> Path:
    """Bundle the front end if it is older than its sources; its folder."""
    newest = max(path.stat().st_mtime for path in (*SOURCES.iterdir(), HERE / "bundle.mjs", HERE / "package-lock.json"))
    made = FRONT / "login.html"
    with (HERE / "bundle.mjs").open() as lock:  # several pytest processes begin at once
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not made.exists() or made.stat().st_mtime < newest:
            subprocess.run(["node", str(HERE / "bundle.mjs")], check=True)
            made.touch()
    return FRONT
