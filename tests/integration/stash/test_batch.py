"""A batch of scenes with the settings: one request, in which a deleted or unreadable scene harms no other."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from plexsync.model.errors import StashUnavailable
from plexsync.model.scene import Named, Performer, Scene, SceneFile, StashId
from plexsync.stash.api import Scenes, Stash, StashRefused
from tests.servers.stash import StashServer


@pytest.fixture
def server(tmp_path: Path) -> Iterator[StashServer]:
    """Start an empty Stash with a plugin folder."""
    with StashServer(tmp_path / "stash", tmp_path / "plugins" / "PlexSync" / "PlexSync.py") as running:
        yield running


def test_a_batch_is_one_request_with_settings_and_whole_scenes(server: StashServer, stash: Stash) -> None:
    """Twenty scenes and the settings are one request, with every field as in Stash."""
    server.configure(plexToken="t", maxTags=5, dryRun=True)
    studio, alice, bob = server.add_studio("Studio & Co"), server.add_performer("Alice"), server.add_performer("Bob")
    tags = [server.add_tag("zebra"), server.add_tag("Ähre")]
    server.add_scene(
        "T\u00eftre <1>",
        files=[("/d/a b.mp4", 2**40, 12.5), (r"C:\d\b.mkv", 7, 0)],
        details="one\n\ntwo",
        date="2024-05",
        studio=studio,
        performers=[bob, alice],
        tags=tags,
        organized=True,
        urls=["https://a/1", "https://b/2"],
        stash_ids=[("https://stashdb.org/graphql", "u-1")],
        updated_at=datetime(2026, 3, 1, 12, tzinfo=UTC),
    )
    for number in range(2, 21):
        server.add_scene(f"scene {number}")
    settings, scenes, _ = stash.batch(range(1, 21))
    assert settings == {"plexToken": "t", "maxTags": 5, "dryRun": True}
    assert [scene.title for scene in scenes.values()][1:] == [f"scene {number}" for number in range(2, 21)]
    assert scenes[1] == Scene(
        id=1,
        title="T\u00eftre <1>",
        details="one\n\ntwo",
        date="2024-05",
        studio=Named(studio, "Studio & Co"),
        performers=(Performer(alice, "Alice"), Performer(bob, "Bob")),
        tags=(Named(tags[0], "zebra"), Named(tags[1], "Ähre")),
        organized=True,
        updated_at="2026-03-01T12:00:00Z",
        files=(SceneFile(1, "/d/a b.mp4", 2**40, 12.5), SceneFile(2, r"C:\d\b.mkv", 7, 0.0)),
        urls=("https://a/1", "https://b/2"),
        stash_ids=(StashId("https://stashdb.org/graphql", "u-1"),),
    )
    assert scenes[2] == Scene(id=2, title="scene 2", updated_at=server.scenes[2].updated_at)
    assert len(server.log) == 1


@pytest.mark.parametrize(
    ("asked", "wanted"), [([1, 2, 99], [1, 2]), ([99], []), ([98, 1, 99], [1]), ([98, 99], []), ([2, 1], [1, 2])]
)
def test_a_missing_id_harms_no_other(server: StashServer, stash: Stash, asked: list[int], wanted: list[int]) -> None:
    """A deleted scene is absent, not refused; the others come with the settings, in at most two requests."""
    server.configure(maxTags=5)
    server.add_scene("one"), server.add_scene("two")
    settings, scenes, refused = stash.batch(asked)
    assert (list(scenes), settings, refused) == (wanted, {"maxTags": 5}, frozenset())
    assert len(server.log) == (1 if set(asked) <= {1, 2} else 2)


def test_an_id_that_is_there_twice_is_asked_once(server: StashServer, stash: Stash) -> None:
    """Stash refuses a repeated id, so a batch is a set and costs no second request."""
    server.add_scene("one")
    assert list(stash.batch([1, 1, 1]).scenes) == [1]
    assert len(server.log) == 1


def test_an_empty_batch_is_not_the_whole_library(server: StashServer, stash: Stash) -> None:
    """Stash takes no ids for all scenes; an empty batch returns the settings and no scene."""
    server.configure(maxTags=5)
    server.add_scene("one")
    assert stash.batch([]) == Scenes({"maxTags": 5}, {})


def test_an_unreadable_scene_is_refused_alone(server: StashServer, stash: Stash) -> None:
    """If Stash refuses the scene-by-scene request too, each scene is queried alone and one is left out."""
    server.configure(maxTags=5)
    for name in ("one", "two", "three"):
        server.add_scene(name)
    server.broken.add(2)
    settings, scenes, refused = stash.batch([1, 2, 3, 99])
    assert (list(scenes), settings, refused) == ([1, 3], {"maxTags": 5}, frozenset({2}))
    assert len(server.log) == 2 + 1 + 4
    alone = server.log[-4:]
    assert {request.operation.split("{")[0].strip() for request in alone} == {"query($id: ID!)"}
    assert [request.variables for request in alone] == [{"id": "1"}, {"id": "2"}, {"id": "3"}, {"id": "99"}]
    server.broken.clear()
    again = stash.batch([1, 2, 3])
    assert (list(again.scenes), again.refused) == ([1, 2, 3], frozenset())


def test_a_batch_of_unreadable_scenes(server: StashServer, stash: Stash) -> None:
    """If every scene is refused alone, ``refused`` has them all, and the settings are returned."""
    server.configure(maxTags=5)
    server.add_scene("one"), server.add_scene("two")
    server.broken |= {1, 2}
    assert stash.batch([1, 2]) == Scenes({"maxTags": 5}, {}, frozenset({1, 2}))
    assert len(server.log) == 3 + 2


def test_a_stash_that_refuses_everything_is_asked_no_scene_alone(server: StashServer, stash: Stash) -> None:
    """During a migration three requests are enough, however large the batch."""
    server.modes.setup_needed = True
    with pytest.raises(StashRefused, match="not been initialised"):
        stash.batch(range(1, 51))
    assert len(server.log) == 3


@pytest.mark.parametrize(
    ("operation", "requests"),
    [
        (r"findScenes\(ids", 1),
        (r"s1: findScene\(", 2),
        (r"^query \{ configuration \{ plugins[^}]*\} plugins [^}]*\}  \}$", 3),
        (r"findScene\(id: \$id", 4),
    ],
    ids=["listing", "aliases", "settings", "single"],
)
def test_an_outage_in_a_batch_is_an_outage(server: StashServer, stash: Stash, operation: str, requests: int) -> None:
    """A busy database at any request makes the batch fail: no scene counts as deleted or refused."""
    server.add_scene("one"), server.add_scene("two")
    server.broken.add(2)
    server.fault("locked_database", operation=operation)
    with pytest.raises(StashUnavailable, match="database is busy") as caught:
        stash.batch([1, 2])
    assert not isinstance(caught.value, StashRefused)
    assert len(server.log) == requests


def test_settings_are_what_was_saved(server: StashServer, stash: Stash) -> None:
    """Without saved settings the map is empty; saved values keep their types."""
    assert stash.settings() == {}
    server.configure(plexUrl="http://h:32400", maxTags=0, skipPoster=False, odd=None)
    assert stash.settings() == {"plexUrl": "http://h:32400", "maxTags": 0, "skipPoster": False, "odd": None}


@pytest.mark.parametrize(("enabled", "wanted"), [(True, True), (False, False)])
def test_stash_tells_whether_the_plugin_is_enabled(
    server: StashServer, stash: Stash, enabled: bool, wanted: bool
) -> None:
    """A disabled plugin is reported as disabled."""
    server.plugin_enabled = enabled
    stash.settings()
    assert stash.enabled is wanted
    server.plugin_enabled = not enabled
    asked = len(server.log)
    stash.batch([server.add_scene("Film")])
    assert (stash.enabled, len(server.log) - asked) == (not wanted, 1)


def test_it_is_not_known_whether_the_plugin_is_enabled(server: StashServer, stash: Stash) -> None:
    """A Stash that does not list PlexSync, or does not know the query, gives None."""
    script, server.plugin_script = server.plugin_script, None
    stash.settings()
    assert stash.enabled is None
    server.plugin_script = script
    server.plugin_id = "Another"
    stash.settings()
    assert stash.enabled is None
    server.plugin_id = "PlexSync"
    server.forget("Plugin", "enabled")
    server.configure(maxTags=7)
    assert stash.settings()["maxTags"] == 7
    assert stash.enabled is None
