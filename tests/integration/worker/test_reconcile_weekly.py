"""Once a week every written scene is compared with what was last wished: what touches no scene arrives too."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from typing import Any

import pytest

from plexsync.model.errors import StashUnavailable
from plexsync.queue import dead_letters, jobs, stock
from plexsync.stash.api import StashRefused
from plexsync.state.meta import Meta
from plexsync.worker import reconcile
from tests.support.desk import DAY, HOUR, Desk, desk

WEEK = reconcile.WEEK


@pytest.fixture
def here(tmp_path: Path) -> Iterator[Desk]:
    """A desk with two written scenes that share a studio, a performer and a tag, and one that nobody has written."""
    with desk(tmp_path) as made:
        stash = made.stash
        studio, performer = stash.add_studio("Acme"), stash.add_performer("Ada")
        tags = [stash.add_tag("b"), stash.add_tag("a")]
        for name in ("one", "two", "three"):
            made.pair(name, studio=studio, performers=[performer], tags=tags)
        stash.scenes[3].updated_at = stash.scenes[3].files[0].updated_at = "2020-01-01T00:00:00Z"
        for kind in ("performer:1", "studio:1", "tag:1", "tag:2"):
            made.hook(kind)
        made.written("scene:1", "scene:2")
        made.catch_up()
        yield made


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
    here: Desk, change: Callable[[object], None], arrived: Callable[[object], bool]
) -> None:
    """A performer, studio or tag deleted, a merge whose hook was lost: in Plex within a week, and done once."""
    change(here.stash)
    here.at += WEEK - HOUR
    assert here.catch_up() == 0
    here.at += 2 * HOUR
    assert here.catch_up() in (1, 2)
    assert set(here.rows().values()) == {(stock.READY, jobs.FAN_OUT)}
    here.work()
    assert arrived(here.plex.items[100])
    assert here.plex.items[102].actors == []
    writes = len(here.plex.writes())
    here.at += WEEK
    assert (here.catch_up(), len(here.plex.writes())) == (0, writes)


def test_a_comparison_without_a_difference_is_one_request(here: Desk) -> None:
    """It reads Stash alone, one request for each portion of written scenes, and not again before a week has passed."""
    here.at += WEEK
    plex = len(here.plex.log)
    here.app.use(here.app.stash.settings())
    assert here.asked(lambda: reconcile.run(here.app, here.queue)) == 2
    here.at += DAY
    assert here.asked(lambda: reconcile.run(here.app, here.queue)) == 1
    assert len(here.plex.log) == plex


def test_portions_are_spread_over_the_week(here: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """A large library is compared a portion at a time, so that no edit waits long, and each scene once a week."""
    monkeypatch.setattr(reconcile, "PORTION", 2)
    for number in range(3, 7):
        here.pair(f"s{number}")
        here.written(f"scene:{number}")
    here.at += WEEK
    here.catch_up()
    asked: list[int] = []
    for _ in range(14):
        here.at += WEEK / 14
        here.stash.log.clear()
        here.catch_up()
        asked += [int(one) for log in here.stash.requests_for("ids: ") for one in log.variables["ids"]]
    assert len(here.app.state.written_scenes()) == 6
    assert sorted(asked) == [1, 2, 3, 4, 5, 6]


def test_a_long_absence_owes_one_comparison(here: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """After months without a worker each scene is compared once, not once for every week that was missed."""
    monkeypatch.setattr(reconcile, "PORTION", 1)
    here.at += 100 * DAY
    here.app.use(here.app.stash.settings())
    assert here.asked(lambda: reconcile.run(here.app, here.queue)) == 1 + 2


@pytest.mark.parametrize("wrong", [-1000 * DAY, 1000 * DAY])
def test_a_clock_that_was_wrong_holds_up_no_comparison(here: Desk, wrong: float) -> None:
    """A comparison dated years ahead or back does not keep the next one from coming within a week."""
    right = here.at
    here.at += wrong
    here.catch_up()
    here.at = right
    here.catch_up()
    here.stash.destroy_tag(1)
    here.at += WEEK
    assert here.catch_up() == 2


def test_a_comparison_that_stash_interrupts_is_not_lost(here: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was compared stays compared, and the rest is made up for by the next catch-up."""
    monkeypatch.setattr(reconcile, "PORTION", 1)
    here.stash.destroy_tag(1)
    here.at += WEEK
    here.app.use(here.app.stash.settings())
    asked: list[int] = []
    batch = here.app.stash.batch

    def breaks_off(ids: Collection[int]) -> Any:
        asked.extend(ids)
        if len(asked) == 2:
            raise StashUnavailable("it went away")
        return batch(ids)

    monkeypatch.setattr(here.app.stash, "batch", breaks_off)
    with pytest.raises(StashUnavailable):
        reconcile.run(here.app, here.queue)
    assert here.keys() == ["scene:1"]
    assert here.catch_up() == 1
    assert (here.keys(), asked) == (["scene:1", "scene:2"], [1, 2, 2])


def test_nothing_is_compared_before_anything_is_known(tmp_path: Path) -> None:
    """Before the first write there is nothing to compare, no request is made for it, and no week is lost by it."""
    with desk(tmp_path) as here:
        here.pair("one", tags=[here.stash.add_tag("t")])
        here.at += 30 * DAY
        here.app.use(here.app.stash.settings())
        assert here.asked(lambda: reconcile.run(here.app, here.queue)) == 1
        assert Meta(here.app.state.conn).compared is None
        here.work()
        here.stash.destroy_tag(1)
        here.at += WEEK
        assert here.catch_up() == 1


def test_settings_are_asked_for_where_nobody_has(here: Desk) -> None:
    """The comparison needs the settings and fetches them itself where no batch has."""
    here.stash.destroy_performer(1)
    here.at += WEEK
    here.reopen()
    assert reconcile.run(here.app, here.queue) == 2


def test_settings_that_want_less_find_nothing(here: Desk) -> None:
    """Fields that are skipped since, and scenes that are not organized where only those count, are no difference."""
    here.stash.destroy_tag(1)
    here.stash.configure(skipGenres=True)
    here.at += WEEK
    assert here.catch_up() == 0
    here.stash.configure(skipGenres=False, skipUnorganized=True)
    here.at += WEEK
    assert here.catch_up() == 0


def test_a_job_that_ended_otherwise_is_not_made_each_week(here: Desk) -> None:
    """A difference whose job died and was discarded is not found again; the next difference is."""
    here.stash.destroy_tag(1)
    here.at += WEEK
    assert here.catch_up() == 2
    conn = here.queue.conn
    conn.execute("UPDATE ack_queue_default SET status = 9, reason = 'rejected'")
    dead_letters.clear_dead(conn)
    here.at += WEEK
    assert here.catch_up() == 0
    here.stash.destroy_tag(2)
    here.at += WEEK
    assert here.catch_up() == 2
    here.work()
    assert here.plex.items[100].genres == []


def test_a_difference_that_comes_again_is_found_again(here: Desk) -> None:
    """What was in order meanwhile is a new difference when it is not any more."""
    for _ in range(2):
        here.stash.remove_tag(1, 1)
        here.at += WEEK
        assert here.catch_up() == 1
        here.work()
        here.stash.scenes[1].tags.append(1)
        here.written("scene:1")
        here.at += WEEK
        assert here.catch_up() == 0


def test_scenes_that_stash_cannot_read_are_passed_over(here: Desk) -> None:
    """Scenes that Stash refuses to tell are no difference; whatever else it refuses interrupts the comparison."""
    here.stash.broken |= {1, 2}
    here.at += WEEK
    assert (here.catch_up(), here.keys()) == (0, [])
    here.stash.broken.clear()
    here.stash.destroy_tag(1)
    here.stash.forget("Scene", "details")
    here.at += WEEK
    before = Meta(here.app.state.conn).compared
    with pytest.raises(StashRefused):
        reconcile.run(here.app, here.queue)
    assert Meta(here.app.state.conn).compared == before
