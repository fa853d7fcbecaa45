"""The page when something is wrong: the plugin, the network, the login, the browser. Stash itself goes on."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from tests.browser import samples
from tests.browser.conftest import Open
from tests.browser.look import as_it_was
from tests.browser.proxy import Proxy
from tests.browser.test_states import HEALTH
from tests.servers.stash import StashServer

#: What older browsers lack, each taken away before any script runs.
LACKS = {
    "AbortController": "delete window.AbortController; delete window.AbortSignal",
    "IntersectionObserver": "delete window.IntersectionObserver",
    "clipboard": "Object.defineProperty(navigator, 'clipboard', { value: undefined })",
    "RelativeTimeFormat": "delete Intl.RelativeTimeFormat",
    "ListFormat": "delete Intl.ListFormat",
    "storage": "Object.defineProperty(window, 'localStorage', { get() { throw new Error('denied') } })",
}


@pytest.mark.parametrize("error", list(samples.ERRORS))
def test_a_failing_plugin_is_told(opened: Open, stash: StashServer, error: str) -> None:
    """Whatever a call of the plugin ends in, the page says a sentence for it and never Stash's inner words."""
    stash.canned = samples.failing(samples.ERRORS[error])
    page = opened(stash)
    page.expected = ["runPluginOperation"]
    health = page.wait(HEALTH)
    text = health.inner_text()
    assert len(text.strip()) > 20
    assert "nil pointer" not in text
    assert health.get_attribute("data-state") == "problem"
    assert page.violations('[data-plexsync="page"]') == []


def test_it_recovers_by_itself(opened: Open, stash: StashServer) -> None:
    """Once the plugin answers again the page shows it, without a reload."""
    good = dict(stash.canned)
    stash.canned = samples.failing("The disk is full.")
    page = opened(stash, clock=True)
    assert "The disk is full." in page.wait(HEALTH).inner_text()
    stash.canned = good
    page.tab.clock.fast_forward(20_000)
    page.wait('[data-plexsync="health"][data-state="ok"]')


def test_a_failure_leaves_what_was_known(opened: Open, stash: StashServer) -> None:
    """What the page knew stays when a later call fails, and the failure is said beside it."""
    page = opened(stash, clock=True)
    page.wait('[data-plexsync="recent"] [data-scene-id]')
    stash.canned = samples.failing("The disk is full.")
    page.tab.clock.fast_forward(30_000)
    page.wait('[data-plexsync="health"] :text("The disk is full.")')
    assert page.find('[data-plexsync="recent"] [data-scene-id]').count() == 5


def test_a_hung_plugin_is_told(opened: Open, stash: StashServer) -> None:
    """A call that does not end is said after a while, and nothing else of Stash waits for it."""
    end = threading.Event()
    hang: Any = lambda _: end.wait(60)  # noqa: E731
    stash.canned["overview"] = hang
    page = opened(stash, clock=True)
    page.wait("health")
    page.tab.clock.fast_forward(15_000)
    page.wait(HEALTH)
    assert page.operations().count("overview") == 1
    page.find(".brand-link").click()
    page.wait(".recommendations-container")
    end.set()


@pytest.mark.parametrize("kind", ["html", "status_500", "reset"])
def test_an_odd_answer_is_told(opened: Open, stash: StashServer, kind: str) -> None:
    """A proxy's page, a server error and a cut connection each end in a sentence, not in a blank page."""
    stash.fault(kind, operation="runPluginOperation")
    page = opened(stash)
    page.expected = ["500", "ERR_EMPTY_RESPONSE", "ERR_CONNECTION"]
    assert len(page.wait(HEALTH).inner_text().strip()) > 20


def test_nothing_is_asked_while_hidden(opened: Open, stash: StashServer) -> None:
    """A page in the background asks nothing, and asks at once when it is looked at again."""
    page = opened(stash, clock=True)
    page.wait(HEALTH)
    page.settle()
    switch = """state => {
      Object.defineProperty(document, 'visibilityState', { value: state, configurable: true });
      Object.defineProperty(document, 'hidden', { value: state === 'hidden', configurable: true });
      document.dispatchEvent(new Event('visibilitychange'));
    }"""
    page.tab.evaluate(switch, "hidden")
    before = page.operations().count("overview")
    page.tab.clock.run_for(120_000)
    page.settle()
    assert page.operations().count("overview") == before
    page.tab.evaluate(switch, "visible")
    page.tab.clock.run_for(2_000)
    page.settle()
    assert page.operations().count("overview") > before


def test_one_call_at_a_time(opened: Open, stash: StashServer) -> None:
    """A still page asks a few times a minute, one call each, and never the job queue for nothing."""
    page = opened(stash, clock=True)
    page.wait(HEALTH)
    for _ in range(12):
        page.tab.clock.run_for(5_000)
        page.settle(50)
    assert 2 <= page.operations().count("overview") <= 10


def test_leaving_the_page_ends_the_calls(opened: Open, stash: StashServer) -> None:
    """Elsewhere in Stash the page asks nothing more."""
    page = opened(stash, clock=True)
    page.wait(HEALTH)
    page.find(".brand-link").click()
    page.wait(".recommendations-container")
    before = page.operations().count("overview")
    page.tab.clock.run_for(60_000)
    page.settle()
    assert page.operations().count("overview") == before


@pytest.mark.parametrize("lacking", list(LACKS))
def test_an_older_browser(opened: Open, stash: StashServer, lacking: str) -> None:
    """Without a younger feature the page still shows everything and its actions work."""
    as_it_was(stash, "attention")
    page = opened(stash, before=LACKS[lacking])
    assert page.wait(HEALTH).get_attribute("data-state") == "attention"
    page.wait('[data-plexsync="dead"] [data-scene-id="1"]')
    page.action("report", "page").first.click()
    page.wait('[data-plexsync="page"] textarea')
    page.wait("preview")


@pytest.mark.parametrize("how", ["refused", "not understood"])
def test_a_browser_without_modules(opened: Open, stash: StashServer, how: str) -> None:
    """Where the page's code cannot be loaded, a sentence says so and the rest of Stash is whole."""
    page = opened(stash, "/")
    page.expected = ["ERR_FAILED", "Failed to fetch dynamically", "SyntaxError", "Unexpected"]
    odd = {"body": "let the parser = stumble", "content_type": "text/javascript"}
    page.tab.route(
        "**/plugin/PlexSync/assets/**", lambda route: route.abort() if how == "refused" else route.fulfill(**odd)
    )
    page.tab.goto(stash.url + "/plugins/plexsync")
    assert len(page.wait('[role="alert"]').inner_text()) > 20
    page.find(".brand-link").click()
    page.wait(".recommendations-container")


def test_under_a_path_prefix(opened: Open, stash: StashServer) -> None:
    """Behind a proxy that serves Stash under a path all is there, and nothing is asked outside of it."""
    as_it_was(stash, "attention")
    with Proxy(stash.port) as proxy:
        page = opened(proxy.url, "/plugins/plexsync")
        page.wait('[data-plexsync="dead"] [data-scene-id="1"]')
        page.tab.wait_for_function("document.querySelector('[data-plexsync=dead] img').naturalWidth > 0")
        page.wait('[data-plexsync="dead"] [data-scene-id="1"] a[href^="/stash/scenes/"]').click()
        page.wait("scene-tab").click()
        page.wait('[data-plexsync="scene"][data-state="in_plex"]')
        page.wait("nav").click()
        page.wait("health")
        assert proxy.outside == []


def log_in(opened: Open, stash: StashServer, path: str) -> Any:
    """Open a page of a Stash with a login, and log in."""
    stash.credentials = ("user", "a-password")
    page = opened(stash, path)
    page.expected = ["401"]
    page.find("input[name=username]").fill("user")
    page.find("input[name=password]").fill("a-password")
    page.find("form button").click()
    return page


def test_behind_a_login(opened: Open, stash: StashServer) -> None:
    """After the login the page is there, where it was asked for."""
    page = log_in(opened, stash, "/plugins/plexsync?tab=setup")
    page.wait("health")
    assert page.tab.url.endswith("/plugins/plexsync?tab=setup")


def test_an_expired_session(opened: Open, stash: StashServer) -> None:
    """When the session ends the page says so, or leads to the login."""
    page = log_in(opened, stash, "/plugins/plexsync")
    page.wait(HEALTH)
    stash.expire_sessions()
    page.tab.evaluate("window.dispatchEvent(new Event('focus')), document.dispatchEvent(new Event('visibilitychange'))")
    page.wait('[data-plexsync="health"] :text-matches("log in|login|sign in|session", "i"), input[name=username]')


def test_a_page_that_fails_leaves_stash(opened: Open, stash: StashServer) -> None:
    """An overview of the wrong shape breaks at most the part that shows it."""
    odd: Any = lambda _: {"health": None, "status": [], "recent": "none", "dead": [None], "waiting": 7}  # noqa: E731
    stash.canned["overview"] = odd
    page = opened(stash)
    page.expected = ["Error"]
    page.wait("page")
    page.settle()
    assert page.find(".error-boundary").count() == 0
    assert page.find(".top-nav").count() == 1
