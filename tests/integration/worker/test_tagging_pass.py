"""While Plex is unreachable scenes are still tagged in Stash, and their jobs stay as they are."""

from __future__ import annotations

import pytest

from plexsync.model.errors import StashUnavailable
from plexsync.model.lifecycle import Next
from plexsync.queue import stock
from plexsync.state import pause
from plexsync.state.meta import Meta
from plexsync.worker import tagging_pass
from tests.support.in_process import DAY, Bench

DB = "https://stashdb.org/graphql"


@pytest.fixture
def bench(bench: Bench) -> Bench:
    """A bench whose user wants scenes tagged, with three edits that wait."""
    bench.stash.configure(tagStashIDs=True)
    for name in ("one", "two", "three"):
        bench.named(name, stash_ids=[(DB, "x")], organized=name == "one")
        bench.hook(f"scene:{len(bench.stash.scenes)}")
    bench.now += 1
    return bench


def tagged(bench: Bench) -> list[int]:
    """Return the scenes that have a tag."""
    return [number for number, scene in bench.stash.scenes.items() if scene.tags]


def run(bench: Bench) -> pause.Pause:
    """Make one pass; return the pause during which it ran."""
    current = pause.Pause(pause.PLEX, bench.now + 60, tagging=True)
    tagging_pass.run(bench.app, bench.queue, current)
    return current


def rows(bench: Bench) -> list[tuple[object, ...]]:
    """Return the rows of the queue."""
    return bench.conn.execute("SELECT * FROM ack_queue_default ORDER BY _id").fetchall()


def test_waiting_edits_are_tagged_once(bench: Bench) -> None:
    """Every waiting edit is tagged, no row changes, and the next pass reads only what was edited since."""
    before = rows(bench)
    assert run(bench).tagging
    assert (tagged(bench), rows(bench)) == ([1, 2, 3], before)
    bench.now += 60
    bench.stash.log.clear()
    run(bench)
    assert bench.stash.log == []
    bench.named("four", stash_ids=[(DB, "x")])
    bench.hook("scene:4")
    run(bench)
    assert tagged(bench) == [1, 2, 3, 4]
    (asked,) = bench.stash.requests_for("ids: ")[:1]
    assert asked.variables["ids"] == ["4"]


@pytest.mark.parametrize("settings", [{"tagStashIDs": False}, {"dryRun": True}])
def test_switched_off_it_stops(bench: Bench, settings: dict[str, bool]) -> None:
    """With the switch off nothing is tagged, and edits no longer end the pause."""
    bench.stash.configure(**settings)
    current = run(bench)
    assert (current.tagging, tagged(bench)) == (False, [])


def test_only_organized_scenes_where_only_those_count(bench: Bench) -> None:
    """A scene that is not to be synced is not tagged."""
    bench.stash.configure(skipUnorganized=True)
    run(bench)
    assert tagged(bench) == [1]


def test_many_edits_are_read_in_portions(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many edits wait, no request reads more than a portion of them, and each is tagged."""
    monkeypatch.setattr(tagging_pass, "CHUNK", 2)
    bench.stash.log.clear()
    run(bench)
    assert [
        len(request.variables["ids"]) for request in bench.stash.requests_for("ids: ") if "ids" in request.variables
    ] == [2, 1]
    assert tagged(bench) == [1, 2, 3]


def test_a_scene_that_cannot_be_read_stops_nothing(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Scenes that Stash cannot read or no longer has are skipped, and the others tagged."""
    monkeypatch.setattr(tagging_pass, "CHUNK", 1)
    bench.stash.broken.add(1)
    bench.stash.destroy_scene(2, hook=False)
    run(bench)
    assert [scene_id for scene_id in bench.stash.scenes if bench.stash.scenes[scene_id].tags] == [3]


def test_a_stash_that_refuses_the_settings_raises(bench: Bench) -> None:
    """If Stash fails for more than the scenes, the pass raises and will be repeated."""
    bench.app.stash.settings()
    bench.stash.forget("ConfigResult", "plugins")
    with pytest.raises(StashUnavailable):
        run(bench)
    assert tagged(bench) == []


def test_a_clock_that_was_wrong_hides_no_edit(bench: Bench) -> None:
    """A pass dated years ahead does not keep the edits of today from being tagged."""
    bench.conn.execute("DELETE FROM ack_queue_default")
    right = bench.now
    bench.now += 1000 * DAY
    run(bench)
    bench.now = right
    bench.hook("scene:2")
    run(bench)
    assert tagged(bench) == [2]


def test_the_worker_tags_while_plex_is_away(bench: Bench) -> None:
    """With the breaker open an edit is tagged in Stash, Plex is left alone, and everything arrives later."""
    bench.stash.configure(tagStashIDs=False)
    bench.plex.stop()
    bench.work()
    assert bench.app.state.meta.breaker.is_open
    bench.stash.configure(tagStashIDs=True)
    current = Meta(bench.app.state.conn).pause
    assert current is not None
    current.tagging = True
    Meta(bench.app.state.conn).pause = current
    bench.hook("scene:2")
    assert bench.work() is Next.IDLE
    assert (tagged(bench), len(bench.keys())) == ([1, 2, 3], 3)
    assert {status for status, _ in bench.rows().values()} == {stock.READY}
    assert bench.conn.execute("SELECT max(attempts) FROM ack_queue_default").fetchone() == (0,)
    bench.plex.start()
    bench.now += 700
    bench.work()
    assert bench.keys() == []
    assert [bench.title(key) for key in (100, 101, 102)] == ["one", "two", "three"]
