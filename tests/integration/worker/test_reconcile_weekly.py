"""Once a week every written scene is compared with the values last wanted: what changes no scene arrives too."""

from __future__ import annotations

from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any

import pytest

from plexsync.model.errors import StashUnavailable
from plexsync.queue import dead_letters, jobs, stock
from plexsync.stash.api import StashRefused
from plexsync.state.meta import Meta
from plexsync.worker import reconcile
from tests.support.in_process import DAY, HOUR, Bench

WEEK = reconcile.WEEK


@pytest.fixture
def bench(bench: Bench) -> Bench:
    """A bench with two written scenes that share a studio, a performer and a tag, and one that was never written."""
    stash = bench.stash
    studio, performer = stash.add_studio("Acme"), stash.add_performer("Ada")
    tags = [stash.add_tag("b"), stash.add_tag("a")]
    for name in ("one", "two", "three"):
        bench.named(name, studio=studio, performers=[performer], tags=tags)
    stash.scenes[3].updated_at = stash.scenes[3].files[0].updated_at = "2020-01-01T00:00:00Z"
    for kind in ("performer:1", "studio:1", "tag:1", "tag:2"):
        bench.hook(kind)
    bench.written("scene:1", "scene:2")
    bench.catch_up()
    return bench


@pytest.mark.parametrize(
    ("change", "arrived"),
    [
        (lambda stash: stash.destroy_performer(1), lambda item: item.actors == []),
        (lambda stash: stash.destroy_studio(1), lambda item: (item.studio, item.collections) == ("", [])),
        (lambda stash: stash.destroy_tag(1), lambda item: item.genres == ["a"]),
        (lambda stash: stash.merge_tags([1], 2, hook=False), lambda item: item.genres == ["a"]),
        (lambda stash: stash.remove_tag(1, 1), lambda item: item.genres == ["a"]),
    ],
)
def test_what_touches_no_scene_arrives(
    bench: Bench, change: Callable[[object], None], arrived: Callable[[object], bool]
) -> None:
    """A performer, studio or tag deleted, a merge whose hook was lost: in Plex within a week, and done once."""
    change(bench.stash)
    bench.now += WEEK - HOUR
    assert bench.catch_up() == 0
    bench.now += 2 * HOUR
    assert bench.catch_up() in (1, 2)
    assert set(bench.rows().values()) == {(stock.READY, jobs.FAN_OUT)}
    bench.work()
    assert arrived(bench.plex.items[100])
    assert bench.plex.items[102].actors == []
    writes = len(bench.plex.writes())
    bench.now += WEEK
    assert (bench.catch_up(), len(bench.plex.writes())) == (0, writes)


def test_a_comparison_without_a_difference_is_one_request(bench: Bench) -> None:
    """It reads only Stash, one request for each portion of written scenes, and not again within a week."""
    bench.now += WEEK
    plex = len(bench.plex.log)
    bench.app.load_settings()
    assert bench.asked(lambda: reconcile.run(bench.app, bench.queue)) == 2
    bench.now += DAY
    assert bench.asked(lambda: reconcile.run(bench.app, bench.queue)) == 1
    assert len(bench.plex.log) == plex


def test_portions_are_spread_over_the_week(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """A large library is compared a portion at a time: no edit waits long, and each scene is compared once a week."""
    monkeypatch.setattr(reconcile, "PORTION", 2)
    for number in range(3, 7):
        bench.named(f"s{number}")
        bench.written(f"scene:{number}")
    bench.now += WEEK
    bench.catch_up()
    asked: list[int] = []
    for _ in range(14):
        bench.now += WEEK / 14
        bench.stash.log.clear()
        bench.catch_up()
        asked += [int(scene_id) for log in bench.stash.requests_for("ids: ") for scene_id in log.variables["ids"]]
    assert len(bench.app.state.written_scenes()) == 6
    assert sorted(asked) == [1, 2, 3, 4, 5, 6]


def test_a_long_absence_owes_one_comparison(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """After months without a worker each scene is compared once, not once for every missed week."""
    monkeypatch.setattr(reconcile, "PORTION", 1)
    bench.now += 100 * DAY
    bench.app.load_settings()
    assert bench.asked(lambda: reconcile.run(bench.app, bench.queue)) == 1 + 2


@pytest.mark.parametrize("wrong", [-1000 * DAY, 1000 * DAY])
def test_a_clock_that_was_wrong_holds_up_no_comparison(bench: Bench, wrong: float) -> None:
    """A comparison dated years ahead or back does not delay the next one by more than a week."""
    right = bench.now
    bench.now += wrong
    bench.catch_up()
    bench.now = right
    bench.catch_up()
    bench.stash.destroy_tag(1)
    bench.now += WEEK
    assert bench.catch_up() == 2


def test_a_comparison_that_stash_interrupts_is_not_lost(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was compared stays compared, and the next catch-up does the rest."""
    monkeypatch.setattr(reconcile, "PORTION", 1)
    bench.stash.destroy_tag(1)
    bench.now += WEEK
    bench.app.load_settings()
    asked: list[int] = []
    batch = bench.app.stash.batch

    def breaks_off(ids: Collection[int]) -> Any:
        asked.extend(ids)
        if len(asked) == 2:
            raise StashUnavailable("it went away")
        return batch(ids)

    monkeypatch.setattr(bench.app.stash, "batch", breaks_off)
    with pytest.raises(StashUnavailable):
        reconcile.run(bench.app, bench.queue)
    assert bench.keys() == ["scene:1"]
    assert bench.catch_up() == 1
    assert (bench.keys(), asked) == (["scene:1", "scene:2"], [1, 2, 2])


def test_nothing_is_compared_before_anything_is_known(tmp_path: Path) -> None:
    """Before the first write there is nothing to compare: no request is made, and no week is lost."""
    with Bench(tmp_path) as bench:
        bench.named("one", tags=[bench.stash.add_tag("t")])
        bench.now += 30 * DAY
        bench.app.load_settings()
        assert bench.asked(lambda: reconcile.run(bench.app, bench.queue)) == 1
        assert Meta(bench.app.state.conn).compared is None
        bench.work()
        bench.stash.destroy_tag(1)
        bench.now += WEEK
        assert bench.catch_up() == 1


def test_settings_are_asked_for_where_nobody_has(bench: Bench) -> None:
    """The comparison reads the settings if no batch has."""
    bench.stash.destroy_performer(1)
    bench.now += WEEK
    bench.reopen()
    assert reconcile.run(bench.app, bench.queue) == 2


def test_settings_that_want_less_find_nothing(bench: Bench) -> None:
    """Fields skipped since then, and unorganized scenes where only organized ones count, are no difference."""
    bench.stash.destroy_tag(1)
    bench.stash.configure(skipGenres=True)
    bench.now += WEEK
    assert bench.catch_up() == 0
    bench.stash.configure(skipGenres=False, skipUnorganized=True)
    bench.now += WEEK
    assert bench.catch_up() == 0


def test_a_job_that_ended_otherwise_is_not_made_each_week(bench: Bench) -> None:
    """A difference whose job died and was discarded is not found again; the next difference is."""
    bench.stash.destroy_tag(1)
    bench.now += WEEK
    assert bench.catch_up() == 2
    conn = bench.conn
    conn.execute("UPDATE ack_queue_default SET status = 9, reason = 'rejected'")
    dead_letters.clear_dead(conn)
    bench.now += WEEK
    assert bench.catch_up() == 0
    bench.stash.destroy_tag(2)
    bench.now += WEEK
    assert bench.catch_up() == 2
    bench.work()
    assert bench.plex.items[100].genres == []


def test_a_difference_that_comes_again_is_found_again(bench: Bench) -> None:
    """A difference that was gone in between is found again."""
    for _ in range(2):
        bench.stash.remove_tag(1, 1)
        bench.now += WEEK
        assert bench.catch_up() == 1
        bench.work()
        bench.stash.scenes[1].tags.append(1)
        bench.written("scene:1")
        bench.now += WEEK
        assert bench.catch_up() == 0


def test_scenes_that_stash_cannot_read_are_passed_over(bench: Bench) -> None:
    """Scenes that Stash cannot return are no difference; any other error of Stash interrupts the comparison."""
    bench.stash.broken |= {1, 2}
    bench.now += WEEK
    assert (bench.catch_up(), bench.keys()) == (0, [])
    bench.stash.broken.clear()
    bench.stash.destroy_tag(1)
    bench.stash.forget("Scene", "details")
    bench.now += WEEK
    before = Meta(bench.app.state.conn).compared
    with pytest.raises(StashRefused):
        reconcile.run(bench.app, bench.queue)
    assert Meta(bench.app.state.conn).compared == before
