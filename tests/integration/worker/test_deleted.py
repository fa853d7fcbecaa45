"""What is deleted in Stash: its hook brings the comparison of all written scenes forward, reading Stash alone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from plexsync.model.lifecycle import Next
from plexsync.queue.meta import COMPARE_EVERY, QueueMeta
from plexsync.worker import reconcile
from tests.support.in_process import DAY, HOUR, Bench

#: Scenes of the bench, all written.
SCENES = 7


@pytest.fixture
def bench(bench: Bench) -> Bench:
    """A bench with written scenes that share a studio, a performer and twenty tags, and one that was never written."""
    stash = bench.stash
    studio, performer = stash.add_studio("Acme"), stash.add_performer("Ada")
    tags = [stash.add_tag(f"t{number:02}") for number in range(20)]
    for number in range(SCENES):
        bench.named(f"s{number}", studio=studio, performers=[performer], tags=tags)
    bench.named("other", studio=studio, performers=[performer], tags=tags)
    stash.scenes[SCENES + 1].updated_at = stash.scenes[SCENES + 1].files[0].updated_at = "2020-01-01T00:00:00Z"
    for kind, count in (("performer", 1), ("studio", 1), ("tag", 20)):
        for number in range(1, count + 1):
            bench.hook(f"{kind}:{number}")
    bench.written(*(f"scene:{number}" for number in range(1, SCENES + 1)))
    bench.catch_up()
    bench.now += DAY
    QueueMeta(bench.conn).caught_up_at = bench.now
    return bench


def delete(bench: Bench, kind: str, number: int) -> None:
    """Delete one in Stash, with its hook."""
    bench.stash.store.drop(kind, number)
    bench.hook(f"{kind}:{number}")


def comparisons(bench: Bench) -> int:
    """Return how many of Stash's requests read whole scenes of the comparison (its portions), since the last call."""
    found = [log for log in bench.stash.requests_for("ids: ") if len(log.variables["ids"]) == SCENES]
    bench.stash.log.clear()
    return len(found)


def genres(bench: Bench) -> list[set[str]]:
    """Return the genres of each written item."""
    return [set(item.genres) for _, item in sorted(bench.plex.items.items())][:SCENES]


@pytest.mark.parametrize(
    ("kind", "arrived"),
    [
        ("performer", lambda item: item.actors == []),
        ("studio", lambda item: (item.studio, item.collections) == ("", [])),
        ("tag", lambda item: "t00" not in item.genres and len(item.genres) == 19),
    ],
)
def test_it_is_gone_from_plex_at_once(bench: Bench, kind: str, arrived: Callable[[Any], bool]) -> None:
    """A deleted performer, studio or tag leaves every written item within seconds, with one write each and no other."""
    writes = len(bench.plex.writes())
    delete(bench, kind, 1)
    bench.live(5)
    written = [item for _, item in sorted(bench.plex.items.items())]
    assert all(arrived(item) for item in written[:SCENES])
    assert written[SCENES].actors == []
    assert len(bench.plex.writes()) - writes == SCENES
    assert bench.said("found scenes whose performers, studio or tags were deleted", f"jobs={SCENES}")
    bench.live(HOUR / 2)
    assert len(bench.plex.writes()) - writes == SCENES


def test_what_is_deleted_together_is_compared_once(bench: Bench) -> None:
    """Twelve tags deleted at once are one comparison, and each item is written once."""
    bench.stash.log.clear()
    writes = len(bench.plex.writes())
    for number in range(1, 13):
        delete(bench, "tag", number)
    bench.live(COMPARE_EVERY - 10)
    assert all(len(names) == 8 for names in genres(bench))
    assert len(bench.plex.writes()) - writes == SCENES
    assert comparisons(bench) <= 2  # the comparison, and the batch of the scenes that it found
    assert QueueMeta(bench.conn).compare_due(bench.now) == float("inf")


def test_further_deletions_are_compared_five_minutes_later(bench: Bench) -> None:
    """However many deletions follow, the next comparison begins five minutes after the last one, and none is lost."""
    delete(bench, "tag", 1)
    bench.live(5)
    began = bench.now
    bench.stash.log.clear()
    for number in range(2, 12):
        delete(bench, "tag", number)
        bench.live(20)
    assert all(len(names) == 19 for names in genres(bench))
    assert comparisons(bench) == 0
    bench.live(COMPARE_EVERY - (bench.now - began) + 5)
    assert all(len(names) == 9 for names in genres(bench))
    assert comparisons(bench) <= 2


@pytest.mark.parametrize("moment", ["asked for", "begun"])
def test_a_worker_that_dies_loses_no_comparison(bench: Bench, monkeypatch: pytest.MonkeyPatch, moment: str) -> None:
    """Whatever a killed worker had read, the next one goes on where it was: every scene is compared."""
    monkeypatch.setattr(reconcile, "PORTION", 2)
    ends = {"asked for": 0, "begun": 2}[moment]
    portions: list[int] = []
    compare = reconcile._compare

    def dies(app: Any, queue: Any, machine: str, portion: Any, now: float) -> int:
        portions.append(len(portion))
        if len(portions) > ends:
            raise KeyboardInterrupt
        return compare(app, queue, machine, portion, now)

    monkeypatch.setattr(reconcile, "_compare", dies)
    delete(bench, "tag", 1)
    with pytest.raises(KeyboardInterrupt):
        bench.live(5)
    monkeypatch.setattr(reconcile, "_compare", compare)
    bench.live(20)
    assert all(len(names) == 19 for names in genres(bench))


def test_it_waits_for_edits_and_ends_with_a_busy_worker(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """An edit is never behind the whole comparison: one portion is read between two batches."""
    monkeypatch.setattr(reconcile, "PORTION", 1)
    film = bench.film("Edited meanwhile")
    compare, seen = reconcile._compare, []

    def edited_meanwhile(app: Any, queue: Any, machine: str, portion: Any, now: float) -> int:
        seen.append(bench.title(film.item))
        if len(seen) == 2:
            bench.edit(film.scene)
        return compare(app, queue, machine, portion, now)

    monkeypatch.setattr(reconcile, "_compare", edited_meanwhile)
    delete(bench, "tag", 1)
    bench.live(5)
    assert seen.index("Edited meanwhile") == 2
    assert len(seen) == SCENES + 1  # the edited one has been written by then
    assert all(len(names) == 19 for names in genres(bench)[:SCENES])


@pytest.mark.parametrize("jump", [-30 * DAY, 30 * DAY])
def test_a_wrong_clock_delays_nothing(bench: Bench, jump: float) -> None:
    """After the clock was corrected, a deletion is compared at once or in five minutes."""
    delete(bench, "tag", 1)
    bench.live(5)
    bench.now += jump
    QueueMeta(bench.conn).caught_up_at = bench.now
    delete(bench, "tag", 2)
    bench.live(COMPARE_EVERY + 10)
    assert all(len(names) == 18 for names in genres(bench))


def test_the_process_does_not_end_before_it(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """A comparison that is still to come keeps the process, however short its idle time is."""
    delete(bench, "tag", 1)
    bench.live(5)
    monkeypatch.setenv("PLEXSYNC_IDLE_EXIT", "0")
    delete(bench, "tag", 2)
    bench.turn()
    assert bench.wait_idle() is Next.WORK
    bench.turn()
    assert all(len(names) == 18 for names in genres(bench))
