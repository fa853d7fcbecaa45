"""Every state of health and every edge of the data: said, marked, within the window, and without fault for axe."""

from __future__ import annotations

import pytest

from tests.browser import samples
from tests.browser.conftest import Open
from tests.browser.driver import Page
from tests.browser.look import WIDTHS, as_it_was
from tests.servers.stash import StashServer

#: The health, once it is known.
HEALTH = '[data-plexsync="health"]:not([data-state="loading"]):not([data-state=""])'

#: The sections that are there whatever happens, and what each state must show besides.
ALWAYS = ("now", "queue", "recent")
BESIDES = {"setup": ("setup",), "attention": ("dead", "waiting"), "waiting": ("waiting",), "away": ("outages",)}


def narrow(page: Page, width: int) -> None:
    """Look at the page at another width."""
    page.tab.set_viewport_size({"width": width, "height": 900})


def looks_right(page: Page) -> None:
    """At each width nothing sticks out or is cut off, and axe finds nothing at the widest and the narrowest."""
    for width in WIDTHS:
        narrow(page, width)
        assert (width, page.too_wide('[data-plexsync="page"]')) == (width, [])
        if width != 768:
            assert (width, page.violations('[data-plexsync="page"]')) == (width, [])


@pytest.mark.parametrize("state", [*samples.STATES, *samples.EDGES])
def test_the_page_tells_its_state(opened: Open, stash: StashServer, state: str) -> None:
    """The health's mark and sentence are those of the overview, its sections are there, and it looks right."""
    as_it_was(stash, state)
    health = samples.overview(state)["health"]
    page = opened(stash)
    shown = page.wait(HEALTH)
    assert shown.get_attribute("data-state") == health["state"]
    assert health["sentence"] in shown.inner_text()
    assert health["what_to_do"] in shown.inner_text()
    for mark in (*(ALWAYS if state != "setup" else ()), *BESIDES.get(state, ())):
        page.wait(mark)
    looks_right(page)


def test_what_runs_shows_its_progress(opened: Open, stash: StashServer) -> None:
    """A task under way is named, with a bar and its progress as a mark."""
    as_it_was(stash, "busy")
    page = opened(stash)
    now = page.wait('[data-plexsync="now"][data-progress]')
    assert float(now.get_attribute("data-progress") or 0) == pytest.approx(0.42)
    assert "Sync all" in now.inner_text()


def test_the_queue_is_counted(opened: Open, stash: StashServer) -> None:
    """The queue's marks are the status object's numbers."""
    as_it_was(stash, "busy")
    queue = opened(stash).wait("queue")
    marks = {name: queue.get_attribute(f"data-{name}") for name in ("ready", "waiting", "in-progress", "dead")}
    assert marks == {"ready": "3796", "waiting": "1", "in-progress": "50", "dead": "0"}


def test_a_recent_row_shows_what_changed(opened: Open, stash: StashServer) -> None:
    """A synced scene shows old and new value, and leads to the scene and to its item in Plex."""
    page = opened(stash)
    row = page.wait('[data-plexsync="recent"] [data-scene-id="3"]')
    assert "three gardens" in row.inner_text()
    assert "Three gardens" in row.inner_text()
    links = [link.get_attribute("href") or "" for link in row.locator("a").all()]
    assert any(link.endswith("/scenes/3") for link in links)
    assert any("1003" in link for link in links)


def test_long_lists_begin_short(opened: Open, stash: StashServer) -> None:
    """Five rows of what was synced last, four fields of each; what is left out is a button away, and back."""
    page = opened(stash)
    page.wait('[data-plexsync="recent"] [data-scene-id="4"]')
    rows = page.find('[data-plexsync="recent"] [data-scene-id]')
    assert rows.count() == 5
    row = rows.nth(3)
    assert row.locator("[data-field]").count() == 4
    more = row.locator('[data-action="fields"]')
    assert more.inner_text() == "2 more fields"
    more.click()
    assert row.locator("[data-field]").count() == 6
    more.click()
    assert row.locator("[data-field]").count() == 4
    page.action("more", "recent").click()
    assert rows.count() == 6


def test_a_choice_can_be_taken_back_where_it_was_synced(opened: Open, stash: StashServer) -> None:
    """The row of a chosen item says so and offers to take the choice back; no other row does."""
    page = opened(stash)
    row = page.wait('[data-plexsync="recent"] [data-scene-id="4"]')
    assert "Chosen by you" in row.inner_text()
    assert page.action("unchoose", "recent").count() == 1
    row.locator('[data-action="unchoose"]').click()
    page.tab.wait_for_function("() => document.body.innerText.includes('is taken back.')")
    assert "unchoose" in page.operations()


def test_the_health_leads_to_what_needs_the_user(opened: Open, stash: StashServer) -> None:
    """Its button shows that section, from the checklist too."""
    as_it_was(stash, "attention")
    for path in ("/plugins/plexsync?tab=setup", "/plugins/plexsync"):
        page = opened(stash, path)
        page.wait('[data-action="show-dead"]').click()
        page.tab.wait_for_function("() => document.activeElement.id === 'plexsync-dead'")
        assert page.tab.url.endswith("/plugins/plexsync")


def test_undo_leaves_a_phone_room_for_the_text(opened: Open, stash: StashServer) -> None:
    """On a phone the buttons of a row stand below its text."""
    page = opened(stash, width=375)
    row = page.wait('[data-plexsync="recent"] [data-scene-id="1"]')
    text, button = row.locator(".plexsync-text").bounding_box(), row.locator('[data-action="undo"]').bounding_box()
    assert text is not None
    assert button is not None
    assert button["y"] >= text["y"] + text["height"]


def test_a_field_of_the_preview_is_one_word(opened: Open, stash: StashServer) -> None:
    """No field's name is broken in its middle where there is room."""
    page = opened(stash, "/plugins/plexsync?tab=preview")
    name = page.wait('[data-plexsync="preview"] [data-field="title"] td:nth-child(2) span')
    name.evaluate("one => one.textContent = 'background'")
    assert name.evaluate("one => one.getClientRects().length") == 1


def test_a_dead_letter_says_all_that_is_known(opened: Open, stash: StashServer) -> None:
    """Cover, title, reason in words, attempts, and the candidates with why each may be the one."""
    as_it_was(stash, "attention")
    page = opened(stash)
    row = page.wait('[data-plexsync="dead"] [data-scene-id="1"]')
    text = row.inner_text()
    for said in (
        "The lighthouse keeper",
        "2 items in Plex",
        "1 attempt",
        "/data/films/lighthouse.mp4",
        "(trailer)",
    ):
        assert said in text
    assert "low_confidence" not in text
    assert row.locator("img").count() == 1
    choices = row.locator('[data-action="choose"]')
    assert [one.get_attribute("data-rating-key") for one in choices.all()] == ["2001", "3001"]


def test_two_hundred_dead_letters_are_not_all_drawn(opened: Open, stash: StashServer) -> None:
    """A long list is drawn in parts, and how many there are besides is said."""
    as_it_was(stash, "many")
    page = opened(stash)
    page.wait("dead")
    assert 0 < page.find('[data-plexsync="dead"] [data-scene-id]').count() < 200
    assert "1234" in (page.wait("queue").get_attribute("data-dead") or "")


def test_the_preview_is_paged_and_filtered(opened: Open, stash: StashServer) -> None:
    """A thousand rows come in pages; a filter asks for the rows that fit, and begins at the first page."""
    page = opened(stash, "/plugins/plexsync?tab=preview")
    row = '[data-plexsync="preview"] [data-scene-id]'
    first = page.wait(row).inner_text()
    page.action("next", "preview").click()
    page.tab.wait_for_function("([at, old]) => document.querySelector(at).innerText !== old", arg=[row, first])
    page.find("preview").locator("select").select_option("poster")
    page.find(f'{row}[data-field="title"]').first.wait_for(state="detached")
    page.find("preview").locator("input[type=search]").fill("no such title")
    page.find(row).first.wait_for(state="detached")
    assert page.violations('[data-plexsync="preview"]') == []


def test_text_from_scenes_is_text(opened: Open, stash: StashServer) -> None:
    """A title that is HTML is shown as it stands and does nothing."""
    as_it_was(stash, "markup")
    page = opened(stash)
    assert samples.MARKUP in page.wait("dead").inner_text()
    assert page.tab.title() != "1"
    assert page.find('img[src="x"]').count() == 0
