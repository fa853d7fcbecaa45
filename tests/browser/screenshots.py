"""Makes the pictures of ``docs/images`` anew: the page from the sample answers, an item in Plex from the plugin itself.

    python -m tests.browser.screenshots [FOLDER]

Each is cut to what it shows, at a width at which the text is still read, and small in bytes. What they were made from
is kept beside them (``tests.tools.pictures``), and a test names those that are older than that.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import Any, NamedTuple

from tests.browser import before_after
from tests.browser.driver import Browser, Page
from tests.browser.front import build
from tests.browser.look import as_it_was, sampled
from tests.tools import pictures


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


def take(browser: Browser, url: str, shot: Shot, folder: Path) -> None:
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
        page.shot(folder / f"{shot.name}.png", whole=False)


def _covers(page: Page) -> None:
    """Wait for the covers in sight, and take the focus off."""
    page.tab.evaluate("document.activeElement && document.activeElement.blur()")
    page.settle()


def take_item(browser: Browser, top: Path, folder: Path) -> dict[str, Any]:
    """Make the picture before and after; what it shows."""
    with browser.page("") as page:
        cover = before_after.cover(page.tab)
    before, after = before_after.carry(top, cover)
    with browser.page("", device_scale_factor=before_after.SCALE) as page:
        before_after.draw(page.tab, before, after, cover, folder / "before-after.png")
    return before_after.told(before, after)


def main() -> int:
    """Make them all."""
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else pictures.IMAGES
    folder.mkdir(parents=True, exist_ok=True)
    build()
    with tempfile.TemporaryDirectory() as top, sampled(Path(top), "ok") as stash, Browser() as browser:
        for shot in SHOTS:
            as_it_was(stash, shot.state)
            take(browser, stash.url, shot, folder)
        item = take_item(browser, Path(top) / "item", folder)
    pictures.write(folder, item)
    for path in sorted(folder.glob("*.png")):
        print(f"{path}  {path.stat().st_size:,} bytes")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
