"""Sign in with Plex on the page: a press, the account's own page in another tab, one of its servers, no token seen."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from plexsync.core import environment
from tests.browser.conftest import Open
from tests.browser.driver import Page
from tests.browser.test_actions import press
from tests.servers.plex_tv import PlexTv
from tests.support.installation import Installation
from tests.support.processes import until

ACCOUNT, OWN = "account-Token-4f8Kq2", "server-Token-9zLm31"


@pytest.fixture
def tv() -> Iterator[PlexTv]:
    """Start plex.tv."""
    with PlexTv() as server:
        yield server


@pytest.fixture
def here(tmp_path: Path, tv: PlexTv, built: Path) -> Iterator[Installation]:
    """Nothing is saved, and Plex is among the account's servers."""
    with Installation(tmp_path, token=OWN, front=built, PLEXSYNC_PLEX_TV=tv.url) as made:
        made.stash.plugin_settings = {}
        tv.add_server("Living room", made.plex.machine, [(made.plex.url, True)], accessToken=OWN)
        yield made


def servers(page: Page, here: Installation, tv: PlexTv) -> None:
    """Press, sign in in the other tab, and choose the server's address."""
    with page.tab.expect_popup() as popup:
        press(page, "sign-in", "setup")
    until(lambda: tv._pins, what="a code")
    tv.sign_in(max(tv._pins), ACCOUNT)
    page.wait(f'[data-plexsync="setup"] :text("{here.plex.url}")')
    assert popup.value.evaluate("window.opener") is None
    assert page.violations('[data-plexsync="setup"]') == []
    page.find("setup").get_by_role("button", name=here.plex.url).click()
    page.wait('[data-plexsync="setup"] [data-action="save-setup"]')


def test_sign_in(opened: Open, here: Installation, tv: PlexTv) -> None:
    """The server found in plex.tv's tab is used only once libraries are ticked, and its token is never seen."""
    here.plex.add_section("Clips", key=7)
    page = opened(here.stash)
    servers(page, here, tv)
    assert here.stash.plugin_settings == {}
    page.find("setup").get_by_label("Clips").uncheck()
    press(page, "save-setup", "setup")
    until(lambda: here.stash.plugin_settings.get("plexToken") == OWN, what="the saved token")
    assert here.stash.plugin_settings["plexUrl"] == here.plex.url
    assert here.stash.plugin_settings["plexLibraries"] == "Films"
    page.wait('[data-plexsync="setup"] [data-step="libraries"][data-done="true"]')
    assert not [one for one in (OWN, ACCOUNT) if one in page.tab.content()]


def test_a_sign_in_that_expired_before_it_was_saved(opened: Open, here: Installation, tv: PlexTv) -> None:
    """If the libraries are ticked too late the page says so where one signs in again, and has no token saved."""
    page = opened(here.stash)
    servers(page, here, tv)
    (here.folder / environment.SIGN_IN).unlink()
    press(page, "save-setup", "setup")
    page.wait('[aria-current="step"] >> text=The sign-in has expired.')
    page.wait('[aria-current="step"] [data-action="sign-in"]')
    assert page.find("#plexsync-tls").count() == 0, "the certificate is not the fault"
    assert "plexToken" not in here.stash.plugin_settings
