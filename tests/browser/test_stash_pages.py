"""What PlexSync adds to Stash's own pages: the icon with its badge, the scene's tab, the order of the settings."""

from __future__ import annotations

from urllib.parse import urlsplit

import pytest

from plexsync.model.settings import KEYS
from tests.browser import samples
from tests.browser.conftest import Open
from tests.browser.driver import Page
from tests.browser.look import WIDTHS, as_it_was
from tests.servers.stash import StashServer

NEEDS = {"setup", "problem", "attention"}


@pytest.mark.parametrize("state", samples.STATES)
def test_the_icon_tells_whether_the_user_is_needed(opened: Open, stash: StashServer, state: str) -> None:
    """On every page the icon has the state and, on hover, the sentence; a badge only where the user is needed."""
    as_it_was(stash, state)
    page = opened(stash, "/scenes")
    icon = page.wait(f'[data-plexsync="nav"][data-state="{state}"]')
    shown = icon.get_attribute("title") or icon.locator("[title]").first.get_attribute("title") or ""
    assert samples.HEALTH[state][0] in shown
    assert page.find("badge").locator("visible=true").count() == (1 if state in NEEDS else 0)
    assert page.operations() == ["wake"]


def assets(page: Page) -> list[str]:
    """The plugin's own files that a page has asked for, by name."""
    at = "/plugin/PlexSync/assets/"
    return sorted({urlsplit(one.url).path.partition(at)[2] for one in page.requests if at in one.url})


def test_other_pages_load_almost_nothing(opened: Open, stash: StashServer) -> None:
    """Elsewhere in Stash only what draws the icon is fetched; the page's own code when the page opens."""
    page = opened(stash, "/scenes")
    page.wait("nav")
    page.settle()
    assert assets(page) == ["load.js", "nav.js"]
    other = opened(stash, "/settings?tab=tasks")
    other.wait("nav")
    other.settle()
    assert assets(other) == ["load.js", "nav.js"]


@pytest.mark.parametrize(("chosen", "said"), [(True, "Chosen by you"), (False, "Chosen earlier")])
def test_an_earlier_choice_is_told(opened: Open, stash: StashServer, chosen: bool, said: str) -> None:
    """An item that was written as chosen and is not chosen any more says so on the scene's tab."""
    answer = samples.scene("in_plex")
    answer["items"][0] |= {"evidence": "chosen", "chosen": chosen}
    stash.canned["scene"] = lambda _: answer
    page = opened(stash, "/scenes/1")
    page.wait("scene-tab").click()
    assert said in page.wait('[data-plexsync="scene"] [data-rating-key]').inner_text()


def test_the_tab_looks_often_after_an_action(opened: Open, stash: StashServer) -> None:
    """After an action the tab asks every 1.5 s for 12 s, whatever the scene's state, and then rests."""
    page = opened(stash, "/scenes/1", clock=True)
    page.wait("scene-tab").click()
    page.wait('[data-plexsync="scene"] [data-action="sync-now"]').click()
    page.settle()
    before = page.operations().count("scene")
    for _ in range(12):
        page.tab.clock.run_for(1000)
        page.settle(50)
    often = page.operations().count("scene") - before
    assert 4 <= often <= 9
    page.tab.clock.run_for(60_000)
    page.settle(50)
    assert page.operations().count("scene") - before <= often + 1


def test_the_badge_counts_dead_letters(opened: Open, stash: StashServer) -> None:
    """So many dead letters, so says the badge."""
    as_it_was(stash, "attention")
    assert opened(stash, "/").wait("badge").inner_text() == "5"


def test_the_icon_leads_to_the_page(opened: Open, stash: StashServer) -> None:
    """A click opens the page without a reload; below 576 px the icon is in the menu."""
    page = opened(stash, "/", width=375)
    assert page.find("nav").locator("visible=true").count() == 0
    page.find(".navbar-toggler").click()
    page.wait("nav").click()
    page.wait("health")
    assert page.tab.url.endswith("/plugins/plexsync")
    assert page.operations().count("wake") == 1


def test_nothing_is_asked_before_the_tab_is_shown(opened: Open, stash: StashServer) -> None:
    """A scene's page asks nothing for its tab until that is shown, then once, and once a scene."""
    page = opened(stash, "/scenes/1")
    page.wait("scene-tab")
    page.settle()
    assert page.operations() == ["wake"]
    page.wait("scene-tab").click()
    page.wait('[data-plexsync="scene"][data-state="in_plex"]')
    page.find('a[role="tab"]:has-text("Details")').click()
    page.wait("scene-tab").click()
    page.settle()
    assert page.operations() == ["wake", "scene"]


@pytest.mark.parametrize("state", list(samples.SCENES))
def test_the_tab_tells_its_state(opened: Open, stash: StashServer, state: str) -> None:
    """The pane's mark and sentence are those of the answer, at each width whole and without fault for axe."""
    as_it_was(stash, "ok", state)
    page = opened(stash, "/scenes/1")
    page.wait("scene-tab").click()
    pane = page.wait(f'[data-plexsync="scene"][data-state="{state}"]')
    assert samples.SCENES[state] in pane.inner_text()
    for width in WIDTHS:
        page.tab.set_viewport_size({"width": width, "height": 900})
        assert (width, page.too_wide('[data-plexsync="scene"]')) == (width, [])
        if width != 768:
            assert (width, page.violations('[data-plexsync="scene"]')) == (width, [])


def names(opened: Open, stash: StashServer, plugin: str) -> list[str]:
    """The settings of a plugin in the order shown."""
    page = opened(stash, "/settings?tab=plugins")
    page.wait(f'[id^="plugin-{plugin}-"]')
    page.settle()
    ids = page.tab.eval_on_selector_all(f'.setting[id^="plugin-{plugin}-"]', "all => all.map(one => one.id)")
    return [str(one).split("-")[2] for one in ids]


def test_required_settings_stand_first(opened: Open, stash: StashServer) -> None:
    """Address and token come first, 0.1's keys only where they are set, and nothing else is lost."""
    shown = names(opened, stash, "PlexSync")
    assert shown[:2] == ["plexUrl", "plexToken"]
    assert "plexHost" in shown
    assert "plexPort" not in shown
    assert sorted(shown) == sorted({key.name for key in KEYS} - {"plexPort"})
    stash.plugin_settings.pop("plexHost")
    assert "plexHost" not in names(opened, stash, "PlexSync")


def test_other_plugins_are_left_alone(opened: Open, stash: StashServer) -> None:
    """Another plugin's settings are as Stash has them."""
    assert names(opened, stash, "Neighbour") == ["apple", "pear"]


def test_the_token_is_masked(opened: Open, stash: StashServer) -> None:
    """The saved token shows as dots, for eyes and for screen readers, and its dialog hides what is typed."""
    page = opened(stash, "/settings?tab=plugins")
    value = page.wait("#plugin-PlexSync-plexToken .value")
    assert value.evaluate("one => getComputedStyle(one).webkitTextSecurity") == "disc"
    page.find("#plugin-PlexSync-plexToken button").click()
    field = page.wait(".modal input")
    hidden = field.evaluate("one => one.type === 'password' || getComputedStyle(one).webkitTextSecurity === 'disc'")
    assert hidden


def test_saving_keeps_what_is_hidden(opened: Open, stash: StashServer) -> None:
    """A setting saved in Stash's panel leaves every other one as it was, those that are not shown too."""
    stash.plugin_settings["unknownKey"] = "kept"
    page = opened(stash, "/settings?tab=plugins")
    page.wait("#plugin-PlexSync-dryRun").locator("input").evaluate("one => one.click()")
    page.settle()
    assert stash.plugin_settings["dryRun"] is True
    assert (stash.plugin_settings["unknownKey"], stash.plugin_settings["plexToken"]) == ("kept", "a-secret-token")


def test_the_settings_lead_to_the_page(opened: Open, stash: StashServer) -> None:
    """A link in the panel opens the page."""
    page = opened(stash, "/settings?tab=plugins")
    page.wait('.plugin-settings a[href$="/plugins/plexsync"]').click()
    page.wait("health")


@pytest.mark.parametrize("width", WIDTHS)
def test_the_settings_are_whole(opened: Open, stash: StashServer, width: int) -> None:
    """The panel fits at each width."""
    page = opened(stash, "/settings?tab=plugins", width=width)
    page.wait("#plugin-PlexSync-plexUrl")
    assert page.too_wide(".plugin-settings") == []
