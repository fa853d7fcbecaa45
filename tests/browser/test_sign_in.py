"""Sign in with Plex on the page: a press, the account's own page in another tab, one of its servers, no token seen."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.browser.conftest import Open
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


def test_sign_in(opened: Open, here: Installation, tv: PlexTv) -> None:
    """The press opens plex.tv in a tab of its own; the server found there is used, and its token never seen here."""
    page = opened(here.stash)
    with page.tab.expect_popup() as popup:
        press(page, "sign-in", "setup")
    until(lambda: tv._pins, what="a code")
    tv.sign_in(max(tv._pins), ACCOUNT)
    page.wait(f'[data-plexsync="setup"] :text("{here.plex.url}")')
    assert popup.value.evaluate("window.opener") is None
    assert page.violations('[data-plexsync="setup"]') == []
    page.find("setup").get_by_role("button", name=here.plex.url).click()
    until(lambda: here.stash.plugin_settings.get("plexToken") == OWN, what="the saved token")
    assert here.stash.plugin_settings["plexUrl"] == here.plex.url
    page.wait('[data-plexsync="setup"] [data-action="save-setup"], [data-plexsync="setup"] [data-action="check-setup"]')
    assert not [one for one in (OWN, ACCOUNT) if one in page.tab.content()]
