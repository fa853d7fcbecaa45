"""From nothing saved to the first scene in Plex, on one page, without a shell."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.browser.conftest import Open
from tests.browser.driver import Page
from tests.browser.test_actions import press
from tests.servers.plex import PlexServer
from tests.support.installation import Installation


@pytest.fixture
def here(tmp_path: Path, built: Path) -> Iterator[Installation]:
    """Films of an earlier day that lie elsewhere in Plex than in Stash; nothing is saved yet."""
    with Installation(tmp_path, front=built) as made:
        made.stash.plugin_settings = {}
        made.stash.now = lambda: datetime(2026, 1, 1, tzinfo=UTC)
        for number in range(1, 9):
            size = 1_000_000 + number
            made.stash.add_scene(f"New {number}", files=[(f"/data/{number}/film{number}.mp4", size, 60.0)])
            made.plex.add_item(1, file=f"/films/{number}/film{number}.mp4", size=size, duration_ms=60_000)
        made.stash.now = lambda: datetime.now(UTC)
        yield made


def enter(page: Page, here: Installation) -> None:
    """Fill in Plex's address and token; each is tried at once."""
    page.wait("#plexsync-url").fill(here.plex.url)
    page.wait("#plexsync-token").fill(here.plex.token)


def test_from_nothing_to_the_first_scene(opened: Open, here: Installation) -> None:
    """Address, token, libraries, path map, preview, Sync all: then the page shows the scenes that arrived."""
    page = opened(here.stash)
    page.wait('[data-plexsync="health"][data-state="setup"]')
    enter(page, here)
    press(page, "save-setup", "setup")
    press(page, "accept-path-map", "setup")
    press(page, "preview", "setup")
    page.wait('[data-step="preview"] >> text=See it')
    assert page.find("setup").get_by_text("The preview has").count() == 1 + 1, "once to see, once to hear"
    press(page, "sync-all", "setup")
    page.wait('[data-plexsync="recent"] [data-scene-id="1"], [data-plexsync="setup"] :text("New ")')
    here.settles()
    assert sorted(here.titles()) == [f"New {number}" for number in range(1, 9)]
    saved = here.stash.plugin_settings
    assert (saved["plexUrl"], saved["plexToken"]) == (here.plex.url, here.plex.token)
    assert saved["plexPathMap"] == "/data => /films"


def test_a_refused_token_is_said_at_once(opened: Open, here: Installation) -> None:
    """A wrong token is tried at once, named as the fault, and not saved."""
    page = opened(here.stash)
    page.wait("#plexsync-url").fill(here.plex.url)
    page.wait("#plexsync-token").fill("not-the-token")
    page.wait('[data-plexsync="setup"] >> text=/refuse|not accept|401/i')
    assert "plexToken" not in here.stash.plugin_settings
    page.wait("#plexsync-token").fill(here.plex.token)
    page.wait('[data-plexsync="setup"] [data-action="save-setup"]')


def test_an_address_without_a_plex_is_said(opened: Open, here: Installation) -> None:
    """An address where no Plex answers is named as the fault, in a sentence."""
    page = opened(here.stash)
    here.plex.stop()
    page.wait("#plexsync-url").fill(here.plex.url)
    page.wait('[data-plexsync="setup"] >> text=/nothing listens|unreachable|no answer|not answer/i')


def test_another_program_is_no_plex(opened: Open, here: Installation) -> None:
    """Stash itself as Plex's address does not end the first step, and the step says why."""
    page = opened(here.stash)
    page.wait("#plexsync-url").fill(here.stash.url)
    step = page.wait('[data-step="address"] >> text=/is not Plex|does not identify itself as Plex/')
    assert page.find('[data-step="address"][data-done="true"]').count() == 0
    assert step.is_visible()
    assert "plexUrl" not in here.stash.plugin_settings


def test_an_untrusted_certificate_can_be_accepted(opened: Open, here: Installation, tmp_path: Path) -> None:
    """Where the certificate is the fault, and nowhere else, one tick accepts it."""
    cert, key = str(tmp_path / "cert.pem"), str(tmp_path / "key.pem")
    options = ["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=plex", "-out", cert]
    subprocess.run(["openssl", *options, "-keyout", key], check=True, capture_output=True)
    page = opened(here.stash)
    page.wait("#plexsync-url").fill(here.plex.url.replace("http:", "https:"))
    page.wait('[data-step="address"] >> text=does not use HTTPS')
    assert page.find("#plexsync-tls").count() == 0
    with PlexServer("t", tls=(cert, key)) as secure:
        page.wait("#plexsync-url").fill(secure.url)
        page.wait('label[for="plexsync-tls"]').click()
        page.wait('[data-step="address"][data-done="true"]')
    assert here.stash.plugin_settings["plexSkipTlsVerify"] is True


def test_a_pasted_address_leaves_the_token_alone(opened: Open, here: Installation) -> None:
    """Of an address of Plex's, pasted as token, nothing but the token is saved."""
    page = opened(here.stash)
    page.wait("#plexsync-url").fill(here.plex.url)
    token = page.wait("#plexsync-token")
    token.fill(f"{here.plex.url}/library/metadata/7?checkFiles=1&X-Plex-Token={here.plex.token}&X-Plex-Language=en")
    press(page, "save-setup", "setup")
    page.wait('[data-step="libraries"][data-done="true"]')
    assert here.stash.plugin_settings["plexToken"] == here.plex.token


def test_the_saved_token_waits_for_a_click(opened: Open, here: Installation) -> None:
    """While another address is typed the saved token stays here; Try sends it there, and saves nothing."""
    here.stash.configure(plexUrl=here.plex.url, plexToken=here.plex.token)
    with PlexServer(here.plex.token) as other:
        other.machine = "another"
        other.add_section("Elsewhere", key=1)
        page = opened(here.stash, "/plugins/plexsync?tab=setup")
        page.wait('[data-step="address"][data-done="true"]')
        page.find('[data-step="address"] [data-action="open-step"]').click()
        page.wait("#plexsync-url").fill(other.url)
        page.wait('[data-step="token"] >> text=the saved token was not sent')
        assert {sent.header("X-Plex-Token") for sent in other.log} == {None}
        press(page, "try-plex", "setup")
        page.wait('[data-step="libraries"] >> text=Elsewhere')
    assert here.stash.plugin_settings["plexUrl"] == here.plex.url


def test_the_saved_token_never_comes_back(opened: Open, here: Installation) -> None:
    """Once it is saved, the token stands nowhere in the page."""
    here.stash.configure(plexUrl=here.plex.url, plexToken="a-very-secret-token")
    page = opened(here.stash, "/plugins/plexsync?tab=setup")
    page.wait("setup")
    page.wait("#plexsync-token")
    assert "a-very-secret-token" not in page.tab.content()
    assert page.find("#plexsync-token").input_value() == ""


def test_a_checklist_that_was_begun_comes_back(opened: Open, here: Installation) -> None:
    """Once libraries are saved the page leads back to the open steps, until the user ends the checklist."""
    page = opened(here.stash)
    enter(page, here)
    press(page, "save-setup", "setup")
    page.wait('[data-step="libraries"][data-done="true"]')
    page.wait('[data-plexsync="health"]:not([data-state="setup"])')
    page.visit("/plugins/plexsync")
    page.wait('[data-plexsync="setup"] [data-step="paths"]')
    press(page, "finish-setup", "setup")
    page.wait("recent")
    page.visit("/plugins/plexsync")
    page.wait("recent")


def test_what_was_before_ends_no_step(opened: Open, here: Installation) -> None:
    """An earlier sync, and its undo, tick neither preview nor Sync all, and name no film as being in Plex now."""
    here.stash.configure(plexUrl=here.plex.url, plexToken=here.plex.token, plexPathMap="/data => /films")
    here.call("sync", ids=[1])
    here.settles()
    here.call("undo", ids=[1])
    here.settles()
    assert {row["kind"] for row in here.call("overview")["recent"]} == {"sync", "undo"}
    page = opened(here.stash, "/plugins/plexsync?tab=setup")
    page.wait('[data-step="paths"][data-done="true"]')
    page.wait('[data-step="preview"][aria-current="step"]')
    assert page.find("[data-step=sync][data-done=true]").count() == 0
    assert "is in Plex now" not in page.tab.content()


def test_sync_all_below_the_checklist_ends_its_last_step(opened: Open, here: Installation) -> None:
    """Whichever of the two buttons was pressed, Sync all was made."""
    here.stash.configure(plexUrl=here.plex.url, plexToken=here.plex.token, plexPathMap="/data => /films")
    page = opened(here.stash, "/plugins/plexsync?tab=setup")
    press(page, "skip-preview", "setup")
    page.wait('[data-step="sync"][aria-current="step"]')
    press(page, "sync-all", "now")
    page.wait('[data-step="sync"][data-done="true"] >> text=is in Plex now.')
