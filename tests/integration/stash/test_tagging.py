""" "Tag scenes by stash-box": scenes in Stash get the tag of each stash-box that knows them, with or without Plex."""

from __future__ import annotations

import pytest

from plexsync.app import settings_from
from plexsync.model.errors import StashUnavailable
from plexsync.model.scene import Scene, StashId
from plexsync.stash import tagging
from tests.support.in_process import DAY, HOUR, Bench

DB, PMV = "https://stashdb.org/graphql", "https://pmvstash.org/graphql"


@pytest.fixture
def bench(bench: Bench) -> Bench:
    """Return a bench whose user wants scenes tagged."""
    bench.stash.configure(tagStashIDs=True)
    return bench


def known(bench: Bench, *endpoints: str, **fields: object) -> int:
    """Add a scene that these stash-boxes know; return its id."""
    return bench.stash.add_scene("s", stash_ids=[(endpoint, "1-2-3") for endpoint in endpoints], **fields)


def tags(bench: Bench, scene: int) -> list[str]:
    """Return the names of a scene's tags, sorted."""
    return sorted(bench.stash.tags[tag_id].name for tag_id in bench.stash.scenes[scene].tags)


def run(bench: Bench) -> None:
    """Tag all scenes once, remembering warnings as the worker does."""
    saved, scenes, _ = bench.app.stash.batch(bench.stash.scenes)
    settings = bench.app.apply(settings_from(saved))
    tagging.tag(bench.app.stash, list(scenes.values()), settings, bench.app.log, bench.app.state, bench.now)


@pytest.mark.parametrize(
    ("endpoints", "wanted"),
    [
        ([], {"none"}),
        ([DB], {"stashdb.org"}),
        (["https://StashDB.org/graphql"], {"stashdb.org"}),
        (["HTTPS://WWW.STASHDB.ORG:443/graphql/v2?x=1"], {"stashdb.org"}),
        (["https://www.theporndb.net/graphql"], {"theporndb.net"}),
        (["https://fansdb.cc:8443"], {"fansdb.cc"}),
        (["javstash.org/graphql"], {"javstash.org"}),
        (["stashdb.org."], {"stashdb.org"}),
        (["  https://stashdb.org/graphql "], {"stashdb.org"}),
        (["https://user:secret@stashdb.org/graphql"], {"stashdb.org"}),
        ([DB, PMV, DB], {"stashdb.org", "pmvstash.org"}),
        (["https://example.org/stashdb.org"], set()),
        (["https://notstashdb.org/", "https://stashdb.org.example.org/", "https://api.stashdb.org/"], set()),
        (["https://none/"], set()),
        ([DB, "https://example.org/graphql"], {"stashdb.org"}),
        (["", "https://[broken/graphql", "https://"], set()),
    ],
)
def test_the_endpoints_host_decides(endpoints: list[str], wanted: set[str]) -> None:
    """Port, path, case and www. do not matter; unknown and broken hosts have no tag."""
    assert tagging.sources(Scene(1, stash_ids=tuple(StashId(endpoint, "x") for endpoint in endpoints))) == wanted


def test_each_scene_gets_what_it_lacks(bench: Bench) -> None:
    """Each stash-box's tag is added beside the others; a second run sends no request."""
    own = bench.stash.add_tag("own")
    known(bench, DB, PMV, tags=[own])
    known(bench)
    known(bench, "https://example.org/graphql")
    run(bench)
    assert tags(bench, 1) == ["own", "stash-box: pmvstash.org", "stash-box: stashdb.org"]
    assert (tags(bench, 2), tags(bench, 3)) == (["stash-box: none"], [])
    bench.stash.log.clear()
    run(bench)
    assert (len(bench.stash.log), bench.stash.count("mutation")) == (1, 0)


def test_a_tag_of_the_name_is_used_and_only_the_missing_are_tagged(bench: Bench) -> None:
    """An existing tag in any case is used, and scenes that have it are not edited."""
    tag = bench.stash.add_tag("Stash-Box: StashDB.org")
    known(bench, DB, tags=[tag])
    known(bench, DB)
    before = bench.stash.scenes[1].updated_at
    bench.now += HOUR
    run(bench)
    assert ([scene.tags for scene in bench.stash.scenes.values()], len(bench.stash.tags)) == ([[tag], [tag]], 1)
    assert bench.stash.scenes[1].updated_at == before


def test_the_users_own_tags_are_used(bench: Bench) -> None:
    """A tag id in the settings is used, whatever the tag's name, and no tag is created."""
    mine, none = bench.stash.add_tag("On StashDB"), bench.stash.add_tag("Unknown")
    bench.stash.configure(tagID_stashdb=str(mine), tagID_emptystashid=none)
    known(bench, DB)
    known(bench)
    run(bench)
    run(bench)
    assert ([scene.tags for scene in bench.stash.scenes.values()], len(bench.stash.tags)) == ([[mine], [none]], 2)
    assert bench.stash.count("bulkSceneUpdate") == 2


@pytest.mark.parametrize("gone", [[], [1], [7, 20], [21]])
def test_a_scene_that_is_gone_keeps_no_other_from_its_tag(bench: Bench, gone: list[int]) -> None:
    """Stash refuses a portion with a deleted scene; all others are tagged nevertheless."""
    for _ in range(45):
        known(bench, DB)
    saved, scenes, _ = bench.app.stash.batch(bench.stash.scenes)
    for scene_id in gone:
        bench.stash.destroy_scene(scene_id, hook=False)
    settings = bench.app.apply(settings_from(saved))
    bench.stash.log.clear()
    tagging.tag(bench.app.stash, list(scenes.values()), settings, bench.app.log, bench.app.state, bench.now)
    assert all(tags(bench, scene) == ["stash-box: stashdb.org"] for scene in bench.stash.scenes)
    assert bench.log.of("warning") == []
    assert bench.log.of("info")[-1].endswith(f"number={45 - len(gone)}")
    portions = {(scene_id - 1) // 20 for scene_id in gone}
    assert bench.stash.count("bulkSceneUpdate") == 3 + sum(min(20, 45 - 20 * portion) for portion in portions)


def test_a_wrong_tag_is_told_once_for_each_change_of_its_setting(bench: Bench) -> None:
    """An unknown tag id is one warning, not one per batch, even over restarts."""
    right = bench.stash.add_tag("right")
    known(bench, DB, PMV)
    for given in ("99", "98"):
        bench.stash.configure(tagID_stashdb=given, maxTags=50)
        for _ in range(3):
            run(bench)
            bench.reopen()
    warnings = bench.log.of("warning")
    assert ["Stash has no tag with id 99" in warnings[0], "Stash has no tag with id 98" in warnings[1]] == [True, True]
    assert len(warnings) == 2
    assert all('"Tag id: stashdb.org"' in line and "syncing continues" in line for line in warnings)
    assert tags(bench, 1) == ["stash-box: pmvstash.org"]
    bench.stash.configure(tagID_stashdb=str(right))
    run(bench)
    assert (tags(bench, 1), bench.app.state.meta.tag_warned) == (
        ["right", "stash-box: pmvstash.org"],
        {},
    )
    bench.stash.destroy_tag(right)
    run(bench)
    assert len(bench.log.of("warning")) == 3


def test_a_stash_that_does_not_answer_is_told(bench: Bench) -> None:
    """An outage of Stash is raised, and is no warning about a setting."""
    known(bench, DB)
    bench.stash.fault("status_500", operation="bulkSceneUpdate")
    with pytest.raises(StashUnavailable):
        run(bench)
    assert bench.log.of("warning") == []


def test_tagged_and_written_with_a_wrong_tag(bench: Bench) -> None:
    """A wrong tag id delays no scene: its fields reach Plex, and there is only one warning."""
    scene, item = bench.named("one", stash_ids=[(DB, "x")])
    bench.stash.configure(tagID_stashdb="99")
    for title in ("first", "second"):
        bench.stash.update_scene(scene, hook=False, title=title)
        bench.written(f"scene:{scene}")
        bench.reopen()
    assert (bench.title(item), tags(bench, scene)) == ("second", [])
    (warning,) = bench.log.of("warning")
    assert '"Tag id: stashdb.org"' in warning


@pytest.mark.parametrize(
    ("settings", "wanted"),
    [
        ({}, ["stash-box: stashdb.org"]),
        ({"tagStashIDs": False}, []),
        ({"dryRun": True}, []),
        ({"skipUnorganized": True}, []),
    ],
)
def test_only_where_it_is_wanted(bench: Bench, settings: dict[str, bool], wanted: list[str]) -> None:
    """Nothing is tagged if the setting is off, during a dry run, or for scenes that are not synced."""
    scene, _ = bench.named("one", stash_ids=[(DB, "x")])
    bench.stash.configure(**settings)
    bench.hook(f"scene:{scene}")
    bench.work()
    assert tags(bench, scene) == wanted
    assert bench.stash.count("mutation") == 2 * len(wanted)


def test_the_new_tags_reach_plex_with_the_hook_of_the_edit(bench: Bench) -> None:
    """The hook that tagging runs brings the tag to Plex, and then nothing more happens."""
    scene, item = bench.named("one", stash_ids=[(DB, "x")])
    for _ in range(3):
        bench.written(f"scene:{scene}")
    assert bench.plex.items[item].genres == ["stash-box: stashdb.org"]
    assert bench.stash.count("bulkSceneUpdate") == 1
    assert len([put for put in bench.plex.writes() if put.param("genre[0].tag.tag")]) == 1


@pytest.mark.parametrize("restarts", [False, True])
def test_two_plugins_that_undo_each_other_settle(bench: Bench, restarts: bool) -> None:
    """Where something removes the tag as often as it is added, ten rounds are enough: the scene is left alone for
    minutes, then longer and longer, with one warning that names it; other scenes are tagged all the while."""
    film, other = bench.film("Fought over"), bench.film("Another")
    bench.edit(film.scene)
    rounds: list[float] = []
    begin = bench.now
    while bench.now - begin < 2 * HOUR:
        bench.work()
        if restarts:
            bench.reopen()
        if tags(bench, film.scene):
            rounds.append(bench.now - begin)
            bench.stash.scenes[film.scene].tags.clear()
        bench.edit(film.scene, title=f"Title {bench.now}")
        bench.now += 4
    assert sum(at < 600 for at in rounds) in (10, 11)
    assert len(rounds) <= 15
    warnings = [line for line in bench.log.of("warning") if f"scene={film.scene} " in line]
    assert len(warnings) == len(bench.log.of("warning")) == 1
    assert "removed it 10 times in 10 minutes" in warnings[0]
    bench.edit(other.scene)
    bench.work()
    assert tags(bench, other.scene) == ["stash-box: none"]
    bench.now += 3 * DAY
    bench.edit(film.scene)
    bench.work()
    assert tags(bench, film.scene) == ["stash-box: none"]
