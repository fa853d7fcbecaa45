"""Makes the pictures of ``docs/images`` anew, from the sample answers.

    python -m tests.browser.screenshots [FOLDER]

Each is cut to what it shows, at a width at which the text is still read, and small in bytes.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

from tests.browser.driver import Browser, Page
from tests.browser.front import build
from tests.browser.look import as_it_was, sampled

IMAGES = Path(__file__).resolve().parents[2] / "docs" / "images"


class Shot(NamedTuple):
    """One picture: its name, the state shown, the page, its width and height, and what has to be there."""

    name: str
    state: str
    path: str
    width: int
    height: int
    wait: str


SHOTS = (
    Shot("page", "attention", "/plugins/plexsync", 1000, 1000, '[data-plexsync="dead"] [data-action="choose"]'),
    Shot("first-run", "setup", "/plugins/plexsync", 1000, 800, '[data-plexsync="setup"] [data-action="save-setup"]'),
    Shot("preview", "ok", "/plugins/plexsync", 1000, 640, '[data-plexsync="preview"] [data-scene-id]'),
    Shot("phone", "attention", "/plugins/plexsync", 375, 760, '[data-plexsync="dead"] [data-scene-id]'),
)


def take(browser: Browser, url: str, shot: Shot, folder: Path) -> Path:
    """Make one picture."""
    with browser.page(url, width=shot.width, reduced_motion="reduce") as page:
        page.tab.set_viewport_size({"width": shot.width, "height": shot.height})
        page.visit(shot.path)
        page.wait("page")
        if shot.name == "preview":
            page.wait("preview").scroll_into_view_if_needed()
        page.wait(shot.wait)
        if shot.name == "preview":
            page.tab.evaluate("document.querySelector('[data-plexsync=preview]').scrollIntoView(), scrollBy(0, -70)")
        _covers(page)
        path = folder / f"{shot.name}.png"
        page.shot(path, whole=False)
        return path


def _covers(page: Page) -> None:
    """Wait for the covers in sight, and take the focus off."""
    page.tab.evaluate("document.activeElement && document.activeElement.blur()")
    page.settle()


def main() -> int:
    """Make them all."""
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else IMAGES
    folder.mkdir(parents=True, exist_ok=True)
    build()
    with tempfile.TemporaryDirectory() as top, sampled(Path(top), "ok") as stash, Browser() as browser:
        for shot in SHOTS:
            as_it_was(stash, shot.state)
            path = take(browser, stash.url, shot, folder)
            print(f"{path}  {path.stat().st_size:,} bytes")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
