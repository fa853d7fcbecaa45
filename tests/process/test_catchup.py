"""Catch-up and tagging with real processes: Stash starts the plugin, nobody presses a button, Plex is right at last."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.servers.plex import PlexServer
from tests.servers.stash import StashServer
from tests.support.installation import Installation
from tests.support.processes import rows, until, worker_held

NUMBER = 6


@pytest.fixture
def stash(here: Installation) -> StashServer:
    """A Stash whose films are all in Plex."""
    for number in range(1, NUMBER + 1):
        here.film(f"old {number}")
    return here.stash


@pytest.fixture
def plex(here: Installation) -> PlexServer:
    """The Plex with the same films."""
    return here.plex


def titles(plex: PlexServer, *wanted: str) -> Callable[[], bool]:
    """Whether the first items have these titles by now."""
    return lambda: [plex.items[100 + at].title for at in range(len(wanted))] == list(wanted)


def status(stash: StashServer) -> dict[str, Any]:
    """What the status operation says."""
    found: dict[str, Any] = stash.run_operation({"mode": "status"}).output
    return found


def test_lost_hooks_are_made_up_for_when_the_worker_starts(stash: StashServer, plex: PlexServer) -> None:
    """A hook killed at once and edits while the plugin was off reach Plex with the next edit of anything."""
    stash.change_scene(1, title="its hook was killed")
    stash.run_hook("Scene.Update.Post", 1, kill_after=0)
    stash.plugin_enabled = False
    stash.update_scene(2, title="the plugin was off")
    stash.plugin_enabled = True
    stash.update_scene(3, title="edited")
    until(titles(plex, "its hook was killed", "the plugin was off", "edited"))
    until(lambda: rows(stash.data_dir) == [])


def test_a_living_worker_catches_up_by_itself(stash: StashServer, plex: PlexServer) -> None:
    """A worker that waits finds what fired no hook within its interval: a scene, and a performer of written scenes."""
    stash.env["PLEXSYNC_CATCHUP"] = "1"
    performer = stash.add_performer("Ada")
    stash.update_scene(1, title="first", performers=[performer])
    until(titles(plex, "first"))
    until(lambda: rows(stash.data_dir) == [])
    stash.auto_tag(2, [stash.add_tag("found")])
    until(lambda: plex.items[101].genres == ["found"])
    until(lambda: rows(stash.data_dir) == [])
    stash.update_performer(performer, "Grace", hook=False)
    until(lambda: plex.items[100].actors == ["Grace"])
    until(lambda: rows(stash.data_dir) == [])


def test_tagging_comes_to_rest(stash: StashServer, plex: PlexServer) -> None:
    """Each tagging fires PlexSync's own hook: at most one more job for a scene, one edit in Stash, and then rest."""
    stash.configure(tagStashIDs=True)
    with worker_held(stash.data_dir):  # or the worker's first catch-up reads scenes that are not edited yet
        for number in range(1, NUMBER + 1):
            known = [("https://stashdb.org/graphql", "x")] if number % 2 else []
            stash.update_scene(number, title=f"new {number}", stash_ids=known)
    stash.run_operation({"mode": "wake"})
    names = ["stash-box: stashdb.org", "stash-box: none"]
    until(lambda: [plex.items[100 + at].genres for at in range(NUMBER)] == [[one] for one in names * 3])
    until(lambda: rows(stash.data_dir) == [])
    until(lambda: not status(stash)["queue"]["pending"])
    assert [len(one.tags) for one in stash.scenes.values()] == [1] * NUMBER
    totals = status(stash)["totals"]
    assert totals["synced"] + totals["unchanged"] <= 2 * NUMBER
    tagged = [one for log in stash.requests_for("bulkSceneUpdate") for one in log.variables["input"]["ids"]]
    assert sorted(tagged) == [str(one) for one in range(1, NUMBER + 1)]


def test_scenes_are_tagged_though_plex_is_away(stash: StashServer, plex: PlexServer) -> None:
    """With Plex away the edit is tagged in Stash and waits; it arrives, tag and all, when Plex is back."""
    stash.env |= {"PLEXSYNC_BREAKER_RESET": "0.5", "PLEXSYNC_BREAKER_RESET_CAP": "0.5"}
    stash.configure(tagStashIDs=True)
    plex.stop()
    stash.update_scene(1, title="away", stash_ids=[("https://fansdb.cc/graphql", "x")])
    until(lambda: stash.scenes[1].tags != [])
    until(lambda: status(stash)["breaker"]["state"] != "closed")
    stash.update_scene(2, title="later")
    until(lambda: stash.scenes[2].tags != [])
    assert status(stash)["queue"]["dead"] == 0
    plex.start()
    until(titles(plex, "away", "later"))
    until(lambda: plex.items[100].genres == ["stash-box: fansdb.cc"] and plex.items[101].genres != [])
    until(lambda: rows(stash.data_dir) == [])
