"""One headless Chromium and its pages, each with all that it complained of: errors, console errors, foreign requests.

Owns Playwright. Must not know the plugin or what its pages show.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlsplit

from playwright.sync_api import Browser as Chromium
from playwright.sync_api import ConsoleMessage, Locator, Request, sync_playwright
from playwright.sync_api import Page as Tab

from tests.browser.front import MODULES, chromium

#: Whatever is asked for outside this machine finds no address.
LOOPBACK = "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1"
FLAGS = (LOOPBACK, "--no-sandbox", "--disable-dev-shm-usage", "--disable-background-networking")

#: Milliseconds after which a test fails: no promise, and generous, for a machine may be busy.
PATIENCE = 30_000

HEIGHTS = {375: 812, 768: 1024, 1280: 900}


class Page:
    """One tab of Stash. ``complaints``: what must not be there at a test's end, but for what ``expected`` matches."""

    def __init__(self, tab: Tab, url: str) -> None:
        self.tab, self.url = tab, url
        self.complaints: list[str] = []
        self.expected: list[str] = []
        self.requests: list[Request] = []
        self._heard: list[tuple[Any, Any]] = [
            ("pageerror", lambda error: self._complain(f"page error: {error}")),
            ("console", self._said),
            ("request", self._asked),
        ]
        for name, hear in self._heard:
            tab.on(name, hear)

    def leave(self) -> None:
        """Hear no more of what happens in the tab."""
        for name, hear in self._heard:
            self.tab.remove_listener(name, hear)

    def _complain(self, text: str) -> None:
        self.complaints.append(text)

    def _said(self, message: ConsoleMessage) -> None:
        if message.type == "error":
            self._complain(f"console: {message.text} ({message.location.get('url', '')})")

    def _asked(self, request: Request) -> None:
        self.requests.append(request)
        found, own = urlsplit(request.url), urlsplit(self.url)
        if found.scheme in ("http", "https", "ws", "wss") and found.netloc != own.netloc:
            self._complain(f"request to another origin: {request.url}")

    def unexpected(self) -> list[str]:
        """The complaints that nobody expected."""
        return [one for one in self.complaints if not any(re.search(pattern, one) for pattern in self.expected)]

    def visit(self, path: str) -> None:
        """Open a page of Stash, as by its typed address, and wait until Stash has drawn it."""
        self.tab.goto(self.url + path, wait_until="domcontentloaded")
        self.tab.wait_for_selector("nav.top-nav, form", timeout=PATIENCE)

    def find(self, mark: str) -> Locator:
        """What bears the mark: ``health`` means ``[data-plexsync="health"]``, anything else is a selector."""
        return self.tab.locator(f'[data-plexsync="{mark}"]' if re.fullmatch(r"[a-z-]+", mark) else mark)

    def wait(self, mark: str) -> Locator:
        """The first visible one, once it is there."""
        found = self.find(mark).locator("visible=true").first
        found.wait_for(state="visible", timeout=PATIENCE)
        return found

    def action(self, name: str, within: str = "") -> Locator:
        """The buttons and links of an action, within a mark."""
        buttons = self.tab if not within else self.find(within)
        return buttons.locator(f'[data-action="{name}"]')

    def click_if_there(self, mark: str) -> bool:
        """Click it if it appears within two seconds."""
        found = self.find(mark).first
        try:
            found.wait_for(state="visible", timeout=2000)
        except Exception:
            return False
        found.click()
        return True

    def settle(self, milliseconds: int = 400) -> None:
        """Let what is under way arrive, where nothing on the page tells it."""
        self.tab.wait_for_timeout(milliseconds)

    def shot(self, path: Path, whole: bool = True) -> None:
        """A picture of the page."""
        self.tab.screenshot(path=str(path), full_page=whole)

    def operations(self) -> list[str]:
        """The modes of the plugin's operations that this page has asked for, in order."""
        bodies = [one.post_data or "" for one in list(self.requests) if one.url.endswith("/graphql")]
        return [found[1] for body in bodies if (found := re.search(r'mode\\?"?\s*:\s*\\?"(\w+)', body))]

    def violations(self, within: str = "document") -> list[str]:
        """What axe finds wrong, one line a rule and element."""
        if not self.tab.evaluate("() => 'axe' in window"):
            self.tab.evaluate((MODULES / "axe-core" / "axe.min.js").read_text("utf-8"))
        self.tab.evaluate(STILL)
        script = "at => axe.run(at === 'document' ? document : at, {resultTypes: ['violations']})"
        found: dict[str, Any] = self.tab.evaluate(script, within)
        pairs = [(one["id"], node) for one in found["violations"] for node in one["nodes"]]
        return [f"{rule}{_colours(node)}: {node['html'][:200]}" for rule, node in pairs if not _stashs_own(node)]

    def too_wide(self, within: str = "body") -> list[str]:
        """Elements that stick out sideways, or whose text is cut off; and the page itself where it scrolls sideways."""
        found: list[str] = self.tab.evaluate(OVERFLOW, within)
        return found


#: Wait until nothing fades in or changes its colour any more: axe would measure what is between.
STILL = """async () => {
  const frame = () => new Promise((drawn) => requestAnimationFrame(drawn));
  const ends = (one) => one.effect && one.effect.getComputedTiming().endTime !== Infinity;
  for (await frame(), await frame(); document.getAnimations().some(ends); await frame())
    await Promise.all(document.getAnimations().filter(ends).map((one) => one.finished.catch(() => {})));
}"""

#: Colours in which Stash itself writes, just below what axe wants: its links on cards and in every second row of its
#: tables, white on its blue buttons.
STASHS_OWN = {("#48aff0", "#30404d"), ("#48aff0", "#374755"), ("#ffffff", "#137cbd")}


def _colours(node: dict[str, Any]) -> str:
    data = (node["any"] or [{}])[0].get("data")
    return f" {data['fgColor']} on {data['bgColor']}" if isinstance(data, dict) and "fgColor" in data else ""


def _stashs_own(node: dict[str, Any]) -> bool:
    data = (node["any"] or [{}])[0].get("data")
    return isinstance(data, dict) and (data.get("fgColor"), data.get("bgColor")) in STASHS_OWN


#: What sticks out of the window to the right, and text that is cut off by ``overflow: hidden`` without an ellipsis.
OVERFLOW = """within => {
  const out = [], whole = document.documentElement, width = whole.clientWidth;
  if (whole.scrollWidth > width) out.push(`page: ${whole.scrollWidth} > ${width}`);
  for (const one of document.querySelectorAll(within + ' *')) {
    const box = one.getBoundingClientRect(), style = getComputedStyle(one);
    if (!box.width || !box.height || style.visibility === 'hidden' || one.closest('.sr-only')) continue;
    const name = `${one.tagName.toLowerCase()}.${one.className} ${(one.textContent || '').slice(0, 40)}`;
    let scrolls = false;
    for (let up = one.parentElement; up; up = up.parentElement)
      if (['auto', 'scroll'].includes(getComputedStyle(up).overflowX)) scrolls = true;
    if (!scrolls && (box.right > width + 1 || box.left < -1)) out.push(`sticks out: ${name}`);
    const cuts = ['hidden', 'clip'].includes(style.overflowX) && style.textOverflow !== 'ellipsis';
    if (cuts && one.scrollWidth > one.clientWidth + 1) out.push(`cut off: ${name}`);
  }
  return out;
}"""


class Browser:
    """A headless Chromium; a context manager that leaves no process behind.

    A new tab takes a second of processor time, for a process is started and all of Stash's scripts are compiled: so a
    tab is used again, with nothing left in it of what was there before, unless it was made with options of its own.
    """

    def __enter__(self) -> Self:
        self._playwright = sync_playwright().start()
        self._chromium: Chromium = self._playwright.chromium.launch(
            executable_path=chromium(), args=list(FLAGS), headless=True
        )
        self._free: list[Tab] = []
        return self

    def __exit__(self, *_: object) -> None:
        self._chromium.close()
        self._playwright.stop()

    @contextmanager
    def page(
        self, url: str, width: int = 1280, before: str = "", clock: bool = False, **options: Any
    ) -> Iterator[Page]:
        """A tab of its own, with no cookie of another; ``before`` is a script that runs before any of the page's,
        ``clock`` puts its time into the test's hands (``tab.clock``)."""
        common = not (before or clock or options)
        tab = self._free.pop() if common and self._free else self._new_tab(before, clock, options)
        tab.set_viewport_size({"width": width, "height": HEIGHTS.get(width, 900)})
        page = Page(tab, url)
        try:
            yield page
        finally:
            page.leave()
            if common:
                _empty(tab)
                self._free.append(tab)
            else:
                tab.context.close()

    def _new_tab(self, before: str, clock: bool, options: dict[str, Any]) -> Tab:
        context = self._chromium.new_context(**options)
        context.set_default_timeout(PATIENCE)
        if clock:
            context.clock.install()
        if before:
            context.add_init_script(before)
        tab = context.new_page()
        context.new_cdp_session(tab).send("Network.setCacheDisabled", {"cacheDisabled": True})
        return tab


def _empty(tab: Tab) -> None:
    """Take from a tab what the next page in it could see: other tabs, routes, storage, cookies, the mouse."""
    for other in tab.context.pages:
        if other != tab:
            other.close()
    tab.unroute_all(behavior="ignoreErrors")
    tab.mouse.move(-1, -1)
    tab.evaluate("() => { try { localStorage.clear(); sessionStorage.clear() } catch { } }")
    tab.context.clear_cookies()
    tab.goto("about:blank")
