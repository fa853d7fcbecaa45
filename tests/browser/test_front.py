"""The tests' front end treats plugins as Stash's does, so that what passes here holds there."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from tests.browser.conftest import Open
from tests.servers.stash import StashServer

PROBE = """
(() => {
  const { React, patch, register, libraries } = window.PluginApi;
  const { Nav, Tab } = libraries.Bootstrap, h = React.createElement;
  const add = (name, make) =>
    patch.before(name, (props) => [{ ...props,
      children: [props.children, h(React.Fragment, { key: 1 }, make(props))] }]);
  window.calls = [];
  register.route("/plugins/probe", () => h("p", { id: "probe" }, libraries.ReactRouterDOM.useLocation().search));
  patch.before("PluginSettings", (props) => { window.calls.push(props.pluginID); return [props]; });
  add("MainNavBar.UtilityItems", () => h("b", { className: "mine" }));
  add("ScenePage.Tabs", () => h(Nav.Link, { eventKey: "mine" }, "Mine"));
  add("ScenePage.TabContent", ({ scene }) => h(Tab.Pane, { eventKey: "mine", className: "mine" }, scene.title));
})();
"""


@pytest.fixture
def ui(stash: StashServer, tmp_path: Path) -> Iterator[Path]:
    """A plugin's ui folder in place of the project's own, with a script that says what it meets."""
    (tmp_path / "plexsync.js").write_text(PROBE, "utf-8")
    (tmp_path / "plexsync.css").write_text(".mine { color: red }", "utf-8")
    assert stash.front is not None
    stash.front.ui = tmp_path
    yield tmp_path
    stash.front.ui = None


def test_scripts_have_a_tag_and_assets_a_date(stash: StashServer, ui: Path) -> None:
    """Script and style are asked anew each time by their ETag; assets carry their date, folders list themselves."""
    script = requests.get(f"{stash.url}/plugin/PlexSync/javascript", timeout=10)
    assert (script.text, script.headers["Cache-Control"]) == (PROBE, "no-cache")
    again = {"If-None-Match": script.headers["ETag"]}
    assert requests.get(script.url, headers=again, timeout=10).status_code == 304
    asset = requests.get(f"{stash.url}/plugin/PlexSync/assets/plexsync.js", timeout=10)
    assert (asset.headers["Content-Type"], "ETag" in asset.headers) == ("text/javascript", False)
    assert asset.headers["Last-Modified"].endswith("GMT")
    assert "plexsync.css" in requests.get(f"{stash.url}/plugin/PlexSync/assets/", timeout=10).text
    assert requests.get(f"{stash.url}/plugin/PlexSync/assets/nothing.js", timeout=10).status_code == 404
    assert requests.get(f"{stash.url}/plugin/plexsync", timeout=10).status_code == 404


def test_pages_carry_the_policy_and_their_place(stash: StashServer) -> None:
    """Each page has Stash's content policy, and a base address with the prefix that a proxy names."""
    page = requests.get(f"{stash.url}/plugins/plexsync", headers={"X-Forwarded-Prefix": "/stash"}, timeout=10)
    assert "connect-src data: 'self' ws: wss:" in page.headers["Content-Security-Policy"]
    assert '<base href="/stash/">' in page.text


def test_all_of_it_is_behind_the_login(stash: StashServer) -> None:
    """Without a session pages and scripts lead to the login, and assets and GraphQL answer 401."""
    stash.credentials = ("user", "secret")
    page = requests.get(f"{stash.url}/plugins/plexsync?tab=x", allow_redirects=False, timeout=10)
    assert (page.status_code, page.headers["Location"]) == (302, "/login?returnURL=/plugins/plexsync%3Ftab%3Dx")
    assert requests.get(f"{stash.url}/plugin/PlexSync/javascript", allow_redirects=False, timeout=10).status_code == 302
    assert requests.get(f"{stash.url}/plugin/PlexSync/assets/plexsync.js", timeout=10).status_code == 401
    assert requests.post(f"{stash.url}/graphql", json={"query": "{version{version}}"}, timeout=10).status_code == 401


def test_a_route_is_reached_by_its_address(opened: Open, stash: StashServer, ui: Path) -> None:
    """A plugin's route opens by a typed address, with its query, and by a path below it."""
    page = opened(stash, "/plugins/probe/below?tab=x")
    assert page.wait("#probe").inner_text() == "?tab=x"


def test_the_bar_draws_its_items_twice(opened: Open, stash: StashServer, ui: Path) -> None:
    """An item of the bar is there twice, of which one is seen: in the bar, or below 576 px in the menu."""
    page = opened(stash, "/")
    assert page.find(".mine").count() == 2
    page.tab.set_viewport_size({"width": 375, "height": 800})
    assert page.find(".top-nav .fa-gear:visible, .top-nav .fa-cog:visible").count() == 0


def test_every_plugin_has_its_settings_drawn(opened: Open, stash: StashServer, ui: Path) -> None:
    """A patch of the settings is called for each plugin there is."""
    page = opened(stash, "/settings?tab=plugins")
    page.wait("#plugin-Neighbour-apple")
    assert set(page.tab.evaluate("window.calls")) == {"PlexSync", "Neighbour"}


def test_a_tab_is_mounted_before_it_is_shown(opened: Open, stash: StashServer, ui: Path) -> None:
    """The content of a scene's tab is there, hidden, with the scene, as soon as the page is."""
    page = opened(stash, "/scenes/1")
    pane = page.find(".tab-pane.mine")
    pane.wait_for(state="attached")
    assert (pane.text_content(), pane.is_visible()) == ("A holiday by the sea", False)


@pytest.mark.parametrize(("place", "left"), [("MainNavBar.UtilityItems", 0), ("ScenePage.Tabs", 1)])
def test_an_exception_in_a_patch_is_not_caught(
    opened: Open, stash: StashServer, ui: Path, place: str, left: int
) -> None:
    """In the bar it blanks all of Stash, elsewhere the page below the bar."""
    page = opened(stash, "/settings")
    (ui / "plexsync.js").write_text(f"PluginApi.patch.before('{place}', () => {{ throw new Error('mine') }})", "utf-8")
    page.expected = ["mine"]
    page.tab.goto(stash.url + "/scenes/1")
    page.tab.wait_for_function("document.querySelector('.error-boundary') || !document.querySelector('#root > *')")
    assert page.find(".top-nav").count() == left
