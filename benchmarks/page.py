"""What the page weighs and how soon it is seen: bytes as served, first paint after the loader, first news.

    python -m benchmarks.page [times]

A headless Chromium opens the page of the tests' Stash, whose plugin answers at once from the samples: what is measured
is the browser's work with the page's own code. ``painted``: from the end of the loader's download to the first frame
with the page in it. ``known``: to the frame with the overview in it. Each sample is a fresh tab without a cache.

The target is for the median: 300 ms to ``painted``. Exit status 1 if it is missed. Without node, Chromium or Playwright
nothing is measured (``make browser``).
"""

from __future__ import annotations

import statistics
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from tests.browser import front

if TYPE_CHECKING:
    from tests.browser.driver import Browser

TIMES = 15
#: Milliseconds from the loader to the first frame with the page in it.
TARGET = 300.0

STATES = ("ok", "attention", "many", "setup")

#: Notes the frames in which the page and the overview are seen for the first time.
WATCH = """
  window.seen = {};
  const note = (name) => requestAnimationFrame(() => { window.seen[name] = window.seen[name] || performance.now(); });
  new MutationObserver(() => {
    if (!document.querySelector('[data-plexsync="page"]')) return;
    if (!window.seen.painted) note('painted');
    const health = document.querySelector('[data-plexsync="health"]');
    if (health && !['', 'loading'].includes(health.dataset.state || '') && !window.seen.known) note('known');
  }).observe(document, { childList: true, subtree: true, attributes: true });
"""
LOADER = """() => {
  const all = performance.getEntriesByType('resource');
  const { responseEnd } = all.find((one) => one.name.endsWith('/plugin/PlexSync/javascript'));
  return { painted: window.seen.painted - responseEnd, known: window.seen.known - responseEnd };
}"""


def one(browser: Browser, url: str) -> dict[str, float]:
    """Open the page once; milliseconds by name."""
    with browser.page(url, before=WATCH) as page:
        page.visit("/plugins/plexsync")
        page.tab.wait_for_function("window.seen.known")
        took: dict[str, float] = page.tab.evaluate(LOADER)
        return took


def weights(ui: Path) -> None:
    """Print the bytes of the page's files."""
    files = sorted(path for path in ui.rglob("*") if path.suffix in (".js", ".css"))
    sizes = {path.relative_to(ui).as_posix(): path.stat().st_size for path in files}
    loader = sizes.pop("plexsync.js")
    print(f"loader {loader:,} bytes, everything else {sum(sizes.values()):,} bytes in {len(sizes)} files")


def run(times: int) -> list[str]:
    """Print the table; what is missed."""
    from tests.browser.driver import Browser
    from tests.browser.look import as_it_was, sampled

    missed = []
    with tempfile.TemporaryDirectory() as folder, sampled(Path(folder), "ok") as stash, Browser() as browser:
        one(browser, stash.url)
        print(f"{'milliseconds after the loader':32} {'painted':>8} {'worst':>8} {'known':>8} {'worst':>8}")
        for state in STATES:
            as_it_was(stash, state)
            all_of_them = [one(browser, stash.url) for _ in range(times)]
            painted, known = ([each[name] for each in all_of_them] for name in ("painted", "known"))
            middle = statistics.median(painted)
            told = (middle, max(painted), statistics.median(known), max(known))
            print(f"{state:32} " + " ".join(f"{value:8.0f}" for value in told), flush=True)
            if middle > TARGET:
                missed.append(f"{state}: painted after {middle:.0f} ms (at most {TARGET:g})")
    return missed


def main() -> int:
    """Print the table; the exit status."""
    if why := front.missing():
        print(f"Not measured: {why}.")
        return 0
    front.build()
    weights(Path(__file__).parents[1] / "ui")
    missed = run(int(sys.argv[1]) if len(sys.argv) > 1 else TIMES)
    for line in missed:
        print(f"missed: {line}")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
