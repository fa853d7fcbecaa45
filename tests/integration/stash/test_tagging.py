"""``tagStashIDs``: scenes in Stash get the tag of each stash-box that knows them, whether Plex answers or not."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from plexsync.model.errors import StashUnavailable
from plexsync.model.scene import Scene, StashId
from plexsync.stash import tagging
from plexsync.state.meta import Meta
from tests.support.desk import HOUR, Desk, desk

DB, PMV = "https://stashdb.org/graphql", "https://pmvstash.org/graphql"


@pytest.fixture
def here(tmp_path: Path) -> Iterator[Desk]:
    """A desk whose user wants scenes tagged."""
    with desk(tmp_path) as made:
        made.stash.configure(tagStashIDs=True)
        yield made


def known(here: Desk, *endpoints: str, **fields: object) -> int:
    """A scene that these stash-boxes know; its id."""
    return here.stash.add_scene("s", stash_ids=[(one, "1-2-3") for one in endpoints], **fields)


def tags(here: Desk, scene: int) -> list[str]:
    """The names of a scene's tags, sorted."""
    return sorted(here.stash.tags[one].name for one in here.stash.scenes[scene].tags)


def run(here: Desk) -> None:
    """Tag all scenes as they are now, once, remembering warnings as the worker does."""
    saved, scenes = here.app.stash.batch(here.stash.scenes)
    tagging.tag(here.app.stash, list(scenes.values()), here.app.use(saved), here.app.log, here.app.state.meta)


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


def test_each_scene_gets_what_it_lacks(here: Desk) -> None:
    """Tags are added beside those that are there, for each stash-box one; a second time nothing is even asked."""
    own = here.stash.add_tag("own")
    known(here, DB, PMV, tags=[own])
    known(here)
    known(here, "https://example.org/graphql")
    run(here)
    assert tags(here, 1) == ["own", "stash-box: pmvstash.org", "stash-box: stashdb.org"]
    assert (tags(here, 2), tags(here, 3)) == (["stash-box: none"], [])
    here.stash.log.clear()
    run(here)
    assert (len(here.stash.log), here.stash.count("mutation")) == (1, 0)


def test_a_tag_of_the_name_is_used_and_only_the_missing_are_tagged(here: Desk) -> None:
    """A tag of that name in any letter case is taken, none is made, and scenes that have it are not edited."""
    tag = here.stash.add_tag("Stash-Box: StashDB.org")
    known(here, DB, tags=[tag])
    known(here, DB)
    before = here.stash.scenes[1].updated_at
    here.at += HOUR
    run(here)
    assert ([one.tags for one in here.stash.scenes.values()], len(here.stash.tags)) == ([[tag], [tag]], 1)
    assert here.stash.scenes[1].updated_at == before


def test_the_users_own_tags_are_used(here: Desk) -> None:
    """Where the settings name a tag by its id that one is added, whatever it is called, and none is made."""
    mine, none = here.stash.add_tag("On StashDB"), here.stash.add_tag("Unknown")
    here.stash.configure(tagID_stashdb=str(mine), tagID_emptystashid=none)
    known(here, DB)
    known(here)
    run(here)
    run(here)
    assert ([one.tags for one in here.stash.scenes.values()], len(here.stash.tags)) == ([[mine], [none]], 2)
    assert here.stash.count("bulkSceneUpdate") == 2


@pytest.mark.parametrize("gone", [[], [1], [7, 20], [21]])
def test_a_scene_that_is_gone_keeps_no_other_from_its_tag(here: Desk, gone: list[int]) -> None:
    """Stash refuses a whole portion for one scene that was deleted meanwhile; all others are tagged all the same."""
    for _ in range(45):
        known(here, DB)
    saved, scenes = here.app.stash.batch(here.stash.scenes)
    for one in gone:
        here.stash.destroy_scene(one, hook=False)
    settings = here.app.use(saved)
    here.stash.log.clear()
    tagging.tag(here.app.stash, list(scenes.values()), settings, here.app.log, here.app.state.meta)
    assert all(tags(here, one) == ["stash-box: stashdb.org"] for one in here.stash.scenes)
    assert here.log.of("warning") == []
    assert here.log.of("info")[-1].endswith(f"number={45 - len(gone)}")
    portions = {(one - 1) // 20 for one in gone}
    assert here.stash.count("bulkSceneUpdate") == 3 + sum(min(20, 45 - 20 * one) for one in portions)


def test_a_wrong_tag_is_told_once_for_each_change_of_its_setting(here: Desk) -> None:
    """A tag id that Stash does not have is one clear warning, not one a batch, also over restarts of the worker."""
    right = here.stash.add_tag("right")
    known(here, DB, PMV)
    for given in ("99", "98"):
        here.stash.configure(tagID_stashdb=given, maxTags=50)
        for _ in range(3):
            run(here)
            here.reopen()
    told = here.log.of("warning")
    assert ["Stash has no tag with id 99" in told[0], "Stash has no tag with id 98" in told[1]] == [True, True]
    assert len(told) == 2
    assert all("tagID_stashdb" in line and "syncing goes on" in line for line in told)
    assert tags(here, 1) == ["stash-box: pmvstash.org"]
    here.stash.configure(tagID_stashdb=str(right))
    run(here)
    assert (tags(here, 1), Meta(here.app.state.conn).tag_warned) == (["right", "stash-box: pmvstash.org"], {})
    here.stash.destroy_tag(right)
    run(here)
    assert len(here.log.of("warning")) == 3


def test_without_a_memory_each_time_is_told(here: Desk) -> None:
    """A caller that remembers nothing gets the warning each time; the other sources are served all the same."""
    here.stash.configure(tagID_stashdb="99")
    known(here, DB, PMV)
    saved, scenes = here.app.stash.batch(here.stash.scenes)
    for _ in range(2):
        tagging.tag(here.app.stash, list(scenes.values()), here.app.use(saved), here.app.log)
    assert len(here.log.of("warning")) == 2
    assert tags(here, 1) == ["stash-box: pmvstash.org"]


def test_a_stash_that_does_not_answer_is_told(here: Desk) -> None:
    """An outage of Stash is no wrong tag: the caller hears of it, and nobody is warned of a setting."""
    known(here, DB)
    here.stash.fault("status_500", operation="bulkSceneUpdate")
    with pytest.raises(StashUnavailable):
        run(here)
    assert here.log.of("warning") == []


def test_tagged_and_written_with_a_wrong_tag(here: Desk) -> None:
    """A wrong tag id holds up no scene: its fields reach Plex, and batch after batch says so only once."""
    scene, item = here.pair("one", stash_ids=[(DB, "x")])
    here.stash.configure(tagID_stashdb="99")
    for title in ("first", "second"):
        here.stash.update_scene(scene, hook=False, title=title)
        here.written(f"scene:{scene}")
        here.reopen()
    assert (here.title(item), tags(here, scene)) == ("second", [])
    (told,) = here.log.of("warning")
    assert "tagID_stashdb" in told


@pytest.mark.parametrize(
    ("settings", "wanted"),
    [
        ({}, ["stash-box: stashdb.org"]),
        ({"tagStashIDs": False}, []),
        ({"dryRun": True}, []),
        ({"skipUnorganized": True}, []),
    ],
)
def test_only_where_it_is_wanted(here: Desk, settings: dict[str, bool], wanted: list[str]) -> None:
    """Nothing is tagged when it is switched off, under dryRun, or where the scene is not to be synced."""
    scene, _ = here.pair("one", stash_ids=[(DB, "x")])
    here.stash.configure(**settings)
    here.hook(f"scene:{scene}")
    here.work()
    assert tags(here, scene) == wanted
    assert here.stash.count("mutation") == 2 * len(wanted)


def test_the_new_tags_reach_plex_with_the_hook_of_the_edit(here: Desk) -> None:
    """The hook that tagging fires brings the tag to Plex, and then there is nothing more to do."""
    scene, item = here.pair("one", stash_ids=[(DB, "x")])
    for _ in range(3):
        here.written(f"scene:{scene}")
    assert here.plex.items[item].genres == ["stash-box: stashdb.org"]
    assert here.stash.count("bulkSceneUpdate") == 1
    assert len(here.plex.writes()) == 1
