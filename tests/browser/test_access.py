"""For everybody: by keyboard alone, with a screen reader's marks, without motion."""

from __future__ import annotations

from tests.browser.conftest import Open
from tests.browser.driver import Page
from tests.browser.look import as_it_was
from tests.browser.test_states import HEALTH
from tests.servers.stash import StashServer


def tab_to(page: Page, selector: str, limit: int = 120) -> None:
    """Press Tab until the element has the focus."""
    for _ in range(limit):
        page.tab.keyboard.press("Tab")
        if page.tab.evaluate("at => !!document.activeElement && document.activeElement.matches(at)", selector):
            return
    raise AssertionError(f"{selector} was not reached by {limit} tabs")


def test_actions_by_keyboard(opened: Open, stash: StashServer) -> None:
    """Tab reaches an action, Enter asks, Escape takes it back and the focus is where it was."""
    as_it_was(stash, "attention")
    page = opened(stash)
    page.wait(HEALTH)
    tab_to(page, '[data-action="discard-all"]')
    page.tab.keyboard.press("Enter")
    page.wait('.modal [data-action="confirm"]')
    assert page.violations(".modal") == []
    page.tab.keyboard.press("Escape")
    page.find(".modal").wait_for(state="detached")
    assert page.tab.evaluate("document.activeElement.dataset.action") == "discard-all"
    assert "clear_dlq" not in page.operations()


def test_a_choice_by_keyboard(opened: Open, stash: StashServer) -> None:
    """A candidate is chosen without a mouse."""
    as_it_was(stash, "attention")
    page = opened(stash)
    page.wait('[data-plexsync="dead"] [data-action="choose"]')
    tab_to(page, '[data-action="choose"]')
    page.tab.keyboard.press("Enter")
    page.settle()
    if page.find(".modal").count():
        page.tab.keyboard.press("Enter")
        page.settle()
    assert "choose" in page.operations()


def test_the_focus_is_seen(opened: Open, stash: StashServer) -> None:
    """What has the focus shows it."""
    page = opened(stash)
    page.wait(HEALTH)
    tab_to(page, '[data-plexsync="page"] [data-action]')
    seen = "() => { const s = getComputedStyle(document.activeElement); return s.outlineStyle + s.boxShadow }"
    assert page.tab.evaluate(seen) != "nonenone"


def test_less_motion(opened: Open, stash: StashServer) -> None:
    """Nothing moves for who asked for less motion, while a task runs either."""
    as_it_was(stash, "busy")
    page = opened(stash, reduced_motion="reduce")
    page.wait('[data-plexsync="now"][data-progress]')
    moving = """() => document.getAnimations().filter(one => one.playState === 'running' && one.effect &&
      one.effect.target && one.effect.target.closest('[data-plexsync]') &&
      one.effect.getComputedTiming().duration > 20).map(one => one.effect.target.outerHTML.slice(0, 200))"""
    assert page.tab.evaluate(moving) == []


def test_every_section_is_a_landmark_with_a_heading(opened: Open, stash: StashServer) -> None:
    """The page has one first heading, and each section one of its own."""
    as_it_was(stash, "attention")
    page = opened(stash)
    page.wait(HEALTH)
    assert page.find('[data-plexsync="page"] h1').count() == 1
    for mark in ("now", "dead", "recent", "waiting"):
        assert page.find(mark).locator("h2").count() == 1, mark


def test_news_is_spoken(opened: Open, stash: StashServer) -> None:
    """The health's sentence is in a live region."""
    page = opened(stash)
    assert page.wait(HEALTH).locator('[role="status"], [aria-live]').count() >= 1
