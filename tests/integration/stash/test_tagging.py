"""``tagStashIDs``: scenes in Stash get the tag of each stash-box that knows them, whether Plex answers or not."""

from __future__ import annotations

import pytest

from plexsync.app import settings_from
from plexsync.model.errors import StashUnavailable
from plexsync.model.scene import Scene, StashId
from plexsync.stash import tagging
from tests.support.in_process import HOUR, Bench

DB, PMV = "https://stashdb.org/graphql", "https://pmvstash.org/graphql"


@pytest.fixture
def bench(bench: Bench) -> Bench:
    """A bench whose user wants scenes tagged."""
    bench.stash.configure(tagStashIDs=True)
    return bench


def known(bench: Bench, *endpoints: str, **fields: object) -> int:
    """A scene that these stash-boxes know; its id."""
    return bench.stash.add_scene("s", stash_ids=[(one, "1-2-3") for one in endpoints], **fields)


def tags(bench: Bench, scene: int) -> list[str]:
    """The names of a scene's tags, sorted."""
    return sorted(bench.stash.tags[one].name for one in bench.stash.scenes[scene].tags)


def run(bench: Bench) -> None:
    """Tag all scenes as they are now, once, remembering warnings as the worker does."""
    saved, scenes, _ = bench.app.stash.batch(bench.stash.scenes)
    settings = bench.app.apply(settings_from(saved))
    tagging.tag(bench.app.stash, list(scenes.values()), settings, bench.app.log, bench.app.state.meta)


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
    """Port, path, letter case and www. make no difference; unknown and broken hosts mean no tag, none means none."""
    assert tagging.sources(Scene(1, stash_ids=tuple(StashId(one, "x") for one in endpoints))) == wanted


def test_each_scene_gets_what_it_lacks(bench: Bench) -> None:
    """Tags are added beside those that are there, for each stash-box one; a second time nothing is even asked."""
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
    """A tag of that name in any letter case is taken, none is made, and scenes that have it are not edited."""
    tag = bench.stash.add_tag("Stash-Box: StashDB.org")
    known(bench, DB, tags=[tag])
    known(bench, DB)
    before = bench.stash.scenes[1].updated_at
    bench.now += HOUR
    run(bench)
    assert ([one.tags for one in bench.stash.scenes.values()], len(bench.stash.tags)) == ([[tag], [tag]], 1)
    assert bench.stash.scenes[1].updated_at == before


def test_the_users_own_tags_are_used(bench: Bench) -> None:
    """Where the settings name a tag by its id that one is added, whatever it is called, and none is made."""
    mine, none = bench.stash.add_tag("On StashDB"), bench.stash.add_tag("Unknown")
    bench.stash.configure(tagID_stashdb=str(mine), tagID_emptystashid=none)
    known(bench, DB)
    known(bench)
    run(bench)
    run(bench)
    assert ([one.tags for one in bench.stash.scenes.values()], len(bench.stash.tags)) == ([[mine], [none]], 2)
    assert bench.stash.count("bulkSceneUpdate") == 2


@pytest.mark.parametrize("gone", [[], [1], [7, 20], [21]])
def test_a_scene_that_is_gone_keeps_no_other_from_its_tag(bench: Bench, gone: list[int]) -> None:
    """Stash refuses a whole portion for one scene that was deleted meanwhile; all others are tagged all the same."""
    for _ in range(45):
        known(bench, DB)
    saved, scenes, _ = bench.app.stash.batch(bench.stash.scenes)
    for one in gone:
        bench.stash.destroy_scene(one, hook=False)
    settings = bench.app.apply(settings_from(saved))
    bench.stash.log.clear()
    tagging.tag(bench.app.stash, list(scenes.values()), settings, bench.app.log, bench.app.state.meta)
    assert all(tags(bench, one) == ["stash-box: stashdb.org"] for one in bench.stash.scenes)
    assert bench.log.of("warning") == []
    assert bench.log.of("info")[-1].endswith(f"number={45 - len(gone)}")
    portions = {(one - 1) // 20 for one in gone}
    assert bench.stash.count("bulkSceneUpdate") == 3 + sum(min(20, 45 - 20 * one) for one in portions)


def test_a_wrong_tag_is_told_once_for_each_change_of_its_setting(bench: Bench) -> None:
    """A tag id that Stash does not have is one clear warning, not one a batch, also over restarts of the worker."""
    right = bench.stash.add_tag("right")
    known(bench, DB, PMV)
    for given in ("99", "98"):
        bench.stash.configure(tagID_stashdb=given, maxTags=50)
        for _ in range(3):
            run(bench)
            bench.reopen()
    told = bench.log.of("warning")
    assert ["Stash has no tag with id 99" in told[0], "Stash has no tag with id 98" in told[1]] == [True, True]
    assert len(told) == 2
    assert all('"Tag id: stashdb.org"' in line and "syncing continues" in line for line in told)
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


def test_without_a_memory_each_time_is_told(bench: Bench) -> None:
    """A caller that remembers nothing gets the warning each time; the other sources are served all the same."""
    bench.stash.configure(tagID_stashdb="99")
    known(bench, DB, PMV)
    saved, scenes, _ = bench.app.stash.batch(bench.stash.scenes)
    for _ in range(2):
        tagging.tag(bench.app.stash, list(scenes.values()), bench.app.apply(settings_from(saved)), bench.app.log)
    assert len(bench.log.of("warning")) == 2
    assert tags(bench, 1) == ["stash-box: pmvstash.org"]


def test_a_stash_that_does_not_answer_is_told(bench: Bench) -> None:
    """An outage of Stash is no wrong tag: the caller hears of it, and nobody is warned of a setting."""
    known(bench, DB)
    bench.stash.fault("status_500", operation="bulkSceneUpdate")
    with pytest.raises(StashUnavailable):
        run(bench)
    assert bench.log.of("warning") == []


def test_tagged_and_written_with_a_wrong_tag(bench: Bench) -> None:
    """A wrong tag id holds up no scene: its fields reach Plex, and batch after batch says so only once."""
    scene, item = bench.named("one", stash_ids=[(DB, "x")])
    bench.stash.configure(tagID_stashdb="99")
    for title in ("first", "second"):
        bench.stash.update_scene(scene, hook=False, title=title)
        bench.written(f"scene:{scene}")
        bench.reopen()
    assert (bench.title(item), tags(bench, scene)) == ("second", [])
    (told,) = bench.log.of("warning")
    assert '"Tag id: stashdb.org"' in told


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
    """Nothing is tagged when it is switched off, under dryRun, or where the scene is not to be synced."""
    scene, _ = bench.named("one", stash_ids=[(DB, "x")])
    bench.stash.configure(**settings)
    bench.hook(f"scene:{scene}")
    bench.work()
    assert tags(bench, scene) == wanted
    assert bench.stash.count("mutation") == 2 * len(wanted)


def test_the_new_tags_reach_plex_with_the_hook_of_the_edit(bench: Bench) -> None:
    """The hook that tagging fires brings the tag to Plex, and then there is nothing more to do."""
    scene, item = bench.named("one", stash_ids=[(DB, "x")])
    for _ in range(3):
        bench.written(f"scene:{scene}")
    assert bench.plex.items[item].genres == ["stash-box: stashdb.org"]
    assert bench.stash.count("bulkSceneUpdate") == 1
    assert len(bench.plex.writes()) == 1
