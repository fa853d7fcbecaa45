"""While Plex is away scenes are tagged in Stash all the same, and their jobs stay as they are."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from plexsync.model.errors import StashUnavailable
from plexsync.model.lifecycle import Next
from plexsync.queue import stock
from plexsync.state import pause
from plexsync.state.meta import Meta
from plexsync.worker import tagging_pass
from tests.support.desk import DAY, Desk, desk

DB = "https://stashdb.org/graphql"


@pytest.fixture
def here(tmp_path: Path) -> Iterator[Desk]:
    """A desk whose user wants scenes tagged, with three edits that wait."""
    with desk(tmp_path) as made:
        made.stash.configure(tagStashIDs=True)
        for name in ("one", "two", "three"):
            made.pair(name, stash_ids=[(DB, "x")], organized=name == "one")
            made.hook(f"scene:{len(made.stash.scenes)}")
        made.at += 1
        yield made


def tagged(here: Desk) -> list[int]:
    """The scenes that have a tag."""
    return [number for number, scene in here.stash.scenes.items() if scene.tags]


def run(here: Desk) -> pause.Pause:
    """One pass; the pause that stands while it runs."""
    standing = pause.Pause(pause.PLEX, here.at + 60, tagging=True)
    tagging_pass.run(here.app, here.queue, standing)
    return standing


def rows(here: Desk) -> list[tuple[object, ...]]:
    """The queue as it is."""
    return here.queue.conn.execute("SELECT * FROM ack_queue_default ORDER BY _id").fetchall()


def test_waiting_edits_are_tagged_once(here: Desk) -> None:
    """Every edit that waits is tagged, no row changes, and the next pass reads only what was edited since."""
    before = rows(here)
    assert run(here).tagging
    assert (tagged(here), rows(here)) == ([1, 2, 3], before)
    here.at += 60
    here.stash.log.clear()
    run(here)
    assert here.stash.log == []
    here.pair("four", stash_ids=[(DB, "x")])
    here.hook("scene:4")
    run(here)
    assert tagged(here) == [1, 2, 3, 4]
    (asked,) = here.stash.requests_for("ids: ")[:1]
    assert asked.variables["ids"] == ["4"]


@pytest.mark.parametrize("settings", [{"tagStashIDs": False}, {"dryRun": True}])
def test_switched_off_it_stops(here: Desk, settings: dict[str, bool]) -> None:
    """Where the user has switched it off nothing is tagged, and edits are no reason to look any more."""
    here.stash.configure(**settings)
    standing = run(here)
    assert (standing.tagging, tagged(here)) == (False, [])


def test_only_organized_scenes_where_only_those_count(here: Desk) -> None:
    """A scene that is not to be synced is not tagged."""
    here.stash.configure(skipUnorganized=True)
    run(here)
    assert tagged(here) == [1]


def test_many_edits_are_read_in_portions(here: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many edits wait, no request reads more than a portion of them, and each is tagged."""
    monkeypatch.setattr(tagging_pass, "CHUNK", 2)
    here.stash.log.clear()
    run(here)
    assert [len(one.variables["ids"]) for one in here.stash.requests_for("ids: ") if "ids" in one.variables] == [2, 1]
    assert tagged(here) == [1, 2, 3]


def test_a_scene_that_cannot_be_read_stops_nothing(here: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Scenes that Stash cannot read or has no longer are passed over, whichever stand beside them."""
    monkeypatch.setattr(tagging_pass, "CHUNK", 1)
    here.stash.broken.add(1)
    here.stash.destroy_scene(2, hook=False)
    run(here)
    assert [one for one in here.stash.scenes if here.stash.scenes[one].tags] == [3]


def test_a_stash_that_refuses_the_settings_is_told(here: Desk) -> None:
    """Where Stash refuses more than the scenes, the pass is not made and will be repeated."""
    here.app.stash.settings()
    here.stash.forget("ConfigResult", "plugins")
    with pytest.raises(StashUnavailable):
        run(here)
    assert tagged(here) == []


def test_a_clock_that_was_wrong_hides_no_edit(here: Desk) -> None:
    """A pass dated years ahead does not keep the edits of today from being tagged."""
    here.queue.conn.execute("DELETE FROM ack_queue_default")
    right = here.at
    here.at += 1000 * DAY
    run(here)
    here.at = right
    here.hook("scene:2")
    run(here)
    assert tagged(here) == [2]


def test_the_worker_tags_while_plex_is_away(here: Desk) -> None:
    """With the breaker open an edit is tagged in Stash, Plex is left alone, and everything arrives when it is back."""
    here.stash.configure(tagStashIDs=False)
    here.plex.stop()
    here.work()
    assert here.app.state.meta.breaker.is_open
    here.stash.configure(tagStashIDs=True)
    standing = Meta(here.app.state.conn).pause
    assert standing is not None
    standing.tagging = True
    Meta(here.app.state.conn).pause = standing
    here.hook("scene:2")
    assert here.work() is Next.IDLE
    assert (tagged(here), len(here.keys())) == ([1, 2, 3], 3)
    assert {status for status, _ in here.rows().values()} == {stock.READY}
    assert here.queue.conn.execute("SELECT max(attempts) FROM ack_queue_default").fetchone() == (0,)
    here.plex.start()
    here.at += 700
    here.work()
    assert here.keys() == []
    assert [here.title(key) for key in (100, 101, 102)] == ["one", "two", "three"]
