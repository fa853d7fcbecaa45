"""A changed performer, studio or tag: the scenes that have it are queued, once, if they were written."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from plexsync.core import enqueue
from plexsync.model.errors import StashUnavailable
from plexsync.queue import jobs, stock
from plexsync.stash.api import StashRefused
from plexsync.worker import reconcile
from plexsync.worker.fan_out import fan_out
from tests.support.in_process import HOUR, Bench

KINDS = ("performer", "studio", "tag")


@pytest.fixture
def bench(bench: Bench) -> Bench:
    """A bench with a performer, a studio and a tag, all of id 1, on three scenes of which the first two are written."""
    stash = bench.stash
    stash.add_performer("Ada"), stash.add_studio("Acme"), stash.add_tag("sea")
    for name in ("one", "two", "three"):
        bench.named(name, studio=1, performers=[1], tags=[1])
    bench.named("other")
    bench.written("scene:1", "scene:2", "scene:4", *(f"{kind}:1" for kind in KINDS))
    stash.scenes[3].updated_at = stash.scenes[3].files[0].updated_at = "2020-01-01T00:00:00Z"
    bench.now += HOUR
    return bench


def names(bench: Bench, key: int) -> set[str]:
    """Return every name of an item in Plex."""
    item = bench.plex.items[key]
    return {item.studio, *item.actors, *item.genres, *item.collections}


def rename(bench: Bench, kind: str) -> None:
    """Rename the one of id 1; the caller sends the hook."""
    bench.stash._rename(kind, 1, "Renamed", (), False)


def run(bench: Bench, kind: str, number: int = 1) -> int:
    """Fan out one job of ``kind`` alone; return how many scenes."""
    app = bench.app
    return fan_out(kind, [number], app.stash, app.state, bench.queue, bench.plex.machine)


@pytest.mark.parametrize("by", ["hook", "catch-up"])
@pytest.mark.parametrize("kind", KINDS)
def test_a_rename_reaches_every_written_scene(bench: Bench, kind: str, by: str) -> None:
    """By hook or by catch-up the new name reaches the scenes that PlexSync has written, no others, and once."""
    rename(bench, kind)
    if by == "hook":
        bench.hook(f"{kind}:1")
    else:
        assert (bench.catch_up(), bench.rows()) == (1, {f"{kind}:1": (stock.READY, jobs.FAN_OUT)})
    bench.work()
    assert bench.keys() == []
    assert "Renamed" in names(bench, 100) & names(bench, 101)
    assert "Renamed" not in names(bench, 102) | names(bench, 103)
    writes = len(bench.plex.writes())
    for _ in range(2):
        bench.now += HOUR
        assert bench.catch_up() == 0
    assert len(bench.plex.writes()) == writes


def test_merged_tags_reach_every_written_scene(bench: Bench) -> None:
    """The hook of a tag merge brings the remaining tag to the scenes that had the other."""
    tag = bench.stash.add_tag("ocean")
    bench.stash.merge_tags([1], tag, hook=False)
    bench.hook(f"tag:{tag}")
    bench.work()
    assert [bench.plex.items[key].genres for key in (100, 101, 102)] == [["ocean"], ["ocean"], []]


@pytest.mark.parametrize("kind", KINDS)
def test_scenes_of_a_rename_go_before_bulk_work_and_after_edits(bench: Bench, kind: str) -> None:
    """They are queued between edits by hand and what a task marks; a waiting edit stays an edit."""
    bench.hook("scene:2")
    assert run(bench, kind) == 2
    assert bench.rows() == {"scene:1": (stock.READY, jobs.FAN_OUT), "scene:2": (stock.READY, enqueue.BY_HAND)}


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_deleted_ends_quietly(bench: Bench, kind: str) -> None:
    """The job of a deleted performer, studio or tag ends, makes no job, and costs one request."""
    bench.stash.store.drop(kind, 1)
    assert bench.asked(lambda: run(bench, kind)) == 1
    bench.hook(f"{kind}:1")
    bench.work()
    assert (bench.keys(), bench.log.of("warning"), bench.log.of("error")) == ([], [], [])


@pytest.mark.parametrize("kind", KINDS)
def test_before_the_first_write_nothing_is_queued(tmp_path: Path, kind: str) -> None:
    """If nothing was written nothing is fanned out, no scene is listed, and catch-up does not repeat it."""
    with Bench(tmp_path) as bench:
        bench.stash.store.add_entity(kind, "a")
        bench.named("old")
        bench.stash.scenes[1].updated_at = bench.stash.scenes[1].files[0].updated_at = "2020-01-01T00:00:00Z"
        bench.now += HOUR
        assert (bench.catch_up(), bench.keys()) == (1, [f"{kind}:1"])
        bench.stash.log.clear()
        bench.work()
        assert bench.stash.count(r"\$which") == 0
        assert (bench.keys(), bench.catch_up()) == ([], 0)


def test_renamed_while_its_scenes_were_listed(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was read before the scenes is remembered, so catch-up finds a second rename under way."""
    rename(bench, "performer")
    listed = bench.app.stash.scenes_with

    def renamed_meanwhile(kind: str, ids: Sequence[int]) -> Iterator[list[int]]:
        bench.now += 1
        bench.stash.update_performer(1, "Renamed again", hook=False)
        return listed(kind, ids)

    monkeypatch.setattr(bench.app.stash, "scenes_with", renamed_meanwhile)
    run(bench, "performer")
    monkeypatch.undo()
    bench.now += HOUR
    assert bench.catch_up() == 1
    assert bench.keys() == ["performer:1", "scene:1", "scene:2"]
    bench.work()
    assert bench.plex.items[100].actors == ["Renamed again"]


def test_a_listing_that_breaks_off_leaves_it_to_be_repeated(bench: Bench) -> None:
    """If Stash stops answering, the job counts as not done, and nothing is remembered."""
    rename(bench, "tag")
    fault = bench.stash.fault("status_500", operation="findScenes")
    with pytest.raises(StashUnavailable):
        run(bench, "tag")
    bench.stash.faults.remove(fault)
    bench.app.load_settings()
    assert (reconcile.run(bench.app, bench.queue), bench.keys()) == (1, ["tag:1"])


def test_many_scenes_are_queued_page_by_page(tmp_path: Path) -> None:
    """A studio with more scenes than a page holds reaches all of them."""
    with Bench(tmp_path) as bench:
        bench.stash.add_studio("Acme")
        ids = [bench.stash.add_scene(studio=1) for _ in range(1201)]
        rows = [(bench.plex.machine, number, number, "", "", "{}", "{}", "", "") for number in ids]
        bench.app.state.conn.executemany("INSERT INTO written VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", rows)
        assert run(bench, "studio") == 1201
        assert len(bench.keys()) == 1201


@pytest.mark.parametrize("by", ["hook", "catch-up"])
@pytest.mark.parametrize("kind", KINDS)
def test_many_renames_are_asked_for_together(tmp_path: Path, kind: str, by: str) -> None:
    """A thousand renamed or new performers, studios or tags cost a few requests of Stash for each batch, not two each,
    and every scene of one has its new name."""
    with Bench(tmp_path) as bench:
        ids = [bench.stash.store.add_entity(kind, f"Old {number}") for number in range(1000)]
        for number in range(20):
            own: dict[str, Any] = {"studio": ids[number]} if kind == "studio" else {f"{kind}s": [ids[number]]}
            bench.named(f"s{number}", **own)
        bench.written(*(f"scene:{number}" for number in range(1, 21)))
        bench.now += HOUR
        for number in ids:
            bench.stash._rename(kind, number, f"New {number}", (), False)
            if by == "hook":
                bench.hook(f"{kind}:{number}")
        if by == "catch-up":
            bench.catch_up()
        assert len(bench.keys()) == 1000
        asked = bench.asked(bench.work)
        assert bench.keys() == []
        assert asked <= 40
        for number, key in enumerate(sorted(bench.plex.items)):
            assert f"New {ids[number]}" in names(bench, key)


def test_renames_one_after_the_other_are_asked_for_together(bench: Bench) -> None:
    """Hooks that follow each other within a second make one question, not one each; a single one does not wait."""
    tags = [bench.stash.add_tag(f"t{number}") for number in range(40)]
    for number in tags:
        bench.hook(f"tag:{number}")
    bench.conn.execute("UPDATE ack_queue_default SET due = due + 0.02 * _id")
    assert bench.asked(bench.work) <= 10
    assert bench.keys() == []
    began = bench.now
    bench.hook(f"tag:{tags[0]}")
    bench.work()
    assert bench.now - began < 2


def test_one_that_stash_cannot_read_costs_the_others_nothing(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where Stash refuses the names of many, each is asked for alone: only the culprit is retried."""
    tags = [bench.stash.add_tag(f"t{number}") for number in range(3)]
    rename(bench, "tag")
    entities = bench.app.stash.entities

    def refused(kind: str, ids: Collection[int]) -> dict[int, tuple[str, str]]:
        if tags[1] in ids:
            raise StashRefused("Stash returned an error: no such column")
        return entities(kind, ids)

    monkeypatch.setattr(bench.app.stash, "entities", refused)
    for number in (1, *tags):
        bench.hook(f"tag:{number}")
    bench.work()
    assert "Renamed" in names(bench, 100)
    assert bench.keys() == [f"tag:{tags[1]}"]


def test_another_plex_inherits_nothing(bench: Bench) -> None:
    """After the server was changed a rename makes no job for scenes that only the old one was written to."""
    before = bench.plex.snapshot()
    bench.plex.machine = "another-plex"
    bench.reopen()
    bench.stash.performers[1].name = "Renamed"
    bench.hook("performer:1")
    bench.work()
    assert bench.keys() == []
    assert bench.plex.snapshot() == before
