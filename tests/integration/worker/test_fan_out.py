"""A performer, studio or tag that changed: the scenes that bear it are queued, once, where they were written."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from plexsync.core import enqueue
from plexsync.model.errors import StashUnavailable
from plexsync.queue import jobs, stock
from plexsync.queue.worker_queue import Job
from plexsync.worker import reconcile
from plexsync.worker.fan_out import expand
from tests.support.desk import HOUR, Desk, desk

KINDS = ("performer", "studio", "tag")


@pytest.fixture
def here(tmp_path: Path) -> Iterator[Desk]:
    """A desk with a performer, a studio and a tag, all of id 1, on three scenes of which the first two are written."""
    with desk(tmp_path) as made:
        stash = made.stash
        stash.add_performer("Ada"), stash.add_studio("Acme"), stash.add_tag("sea")
        for name in ("one", "two", "three"):
            made.pair(name, studio=1, performers=[1], tags=[1])
        made.pair("other")
        made.written("scene:1", "scene:2", "scene:4", *(f"{kind}:1" for kind in KINDS))
        stash.scenes[3].updated_at = stash.scenes[3].files[0].updated_at = "2020-01-01T00:00:00Z"
        made.at += HOUR
        yield made


def names(here: Desk, key: int) -> set[str]:
    """Everything of an item in Plex that is a name."""
    item = here.plex.items[key]
    return {item.studio, *item.actors, *item.genres, *item.collections}


def rename(here: Desk, kind: str) -> None:
    """Rename the one of id 1; its hook is the caller's affair."""
    here.stash._rename(kind, 1, "Renamed", (), False)


def run(here: Desk, kind: str, number: int = 1) -> int:
    """Expand one job of ``kind`` alone; how many scenes."""
    return expand(Job(1, kind, number, 1), here.app.stash, here.app.state, here.queue, here.plex.machine)


@pytest.mark.parametrize("by", ["hook", "catch-up"])
@pytest.mark.parametrize("kind", KINDS)
def test_a_rename_reaches_every_written_scene(here: Desk, kind: str, by: str) -> None:
    """By its hook or by catch-up the new name arrives where PlexSync has written, nowhere else, and once."""
    rename(here, kind)
    if by == "hook":
        here.hook(f"{kind}:1")
    else:
        assert (here.catch_up(), here.rows()) == (1, {f"{kind}:1": (stock.READY, jobs.FAN_OUT)})
    here.work()
    assert here.keys() == []
    assert "Renamed" in names(here, 100) & names(here, 101)
    assert "Renamed" not in names(here, 102) | names(here, 103)
    writes = len(here.plex.writes())
    for _ in range(2):
        here.at += HOUR
        assert here.catch_up() == 0
    assert len(here.plex.writes()) == writes


def test_merged_tags_reach_every_written_scene(here: Desk) -> None:
    """The hook of a tag merge brings the remaining tag to the scenes that had the other."""
    tag = here.stash.add_tag("ocean")
    here.stash.merge_tags([1], tag, hook=False)
    here.hook(f"tag:{tag}")
    here.work()
    assert [here.plex.items[key].genres for key in (100, 101, 102)] == [["ocean"], ["ocean"], []]


@pytest.mark.parametrize("kind", KINDS)
def test_scenes_of_a_rename_go_before_bulk_work_and_after_edits(here: Desk, kind: str) -> None:
    """They are queued between edits by hand and what a task marks, and an edit that waits already stays one."""
    here.hook("scene:2")
    assert run(here, kind) == 2
    assert here.rows() == {"scene:1": (stock.READY, jobs.FAN_OUT), "scene:2": (stock.READY, enqueue.BY_HAND)}


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_deleted_ends_quietly(here: Desk, kind: str) -> None:
    """The job of a performer, studio or tag that is gone ends, makes no job, and costs one request."""
    here.stash.store.drop(kind, 1)
    assert here.asked(lambda: run(here, kind)) == 1
    here.hook(f"{kind}:1")
    here.work()
    assert (here.keys(), here.log.of("warning"), here.log.of("error")) == ([], [], [])


@pytest.mark.parametrize("kind", KINDS)
def test_before_the_first_write_nothing_is_queued(tmp_path: Path, kind: str) -> None:
    """Where nothing was written nothing is expanded, no scene is listed, and catch-up does not ask for it again."""
    with desk(tmp_path) as here:
        here.stash.store.add_entity(kind, "a")
        here.pair("old")
        here.stash.scenes[1].updated_at = here.stash.scenes[1].files[0].updated_at = "2020-01-01T00:00:00Z"
        here.at += HOUR
        assert (here.catch_up(), here.keys()) == (1, [f"{kind}:1"])
        here.stash.log.clear()
        here.work()
        assert here.stash.count(r"\$which") == 0
        assert (here.keys(), here.catch_up()) == ([], 0)


def test_renamed_while_its_scenes_were_listed(here: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is remembered is what was read before the scenes: a second rename under way is found by catch-up."""
    rename(here, "performer")
    listed = here.app.stash.scenes_with

    def renamed_meanwhile(kind: str, number: int) -> Iterator[list[int]]:
        here.at += 1
        here.stash.update_performer(1, "Renamed again", hook=False)
        return listed(kind, number)

    monkeypatch.setattr(here.app.stash, "scenes_with", renamed_meanwhile)
    run(here, "performer")
    monkeypatch.undo()
    here.at += HOUR
    assert here.catch_up() == 1
    assert here.keys() == ["performer:1", "scene:1", "scene:2"]
    here.work()
    assert here.plex.items[100].actors == ["Renamed again"]


def test_a_listing_that_breaks_off_leaves_it_to_be_repeated(here: Desk) -> None:
    """Where Stash stops answering the job counts as not done, and nothing is remembered."""
    rename(here, "tag")
    fault = here.stash.fault("status_500", operation="findScenes")
    with pytest.raises(StashUnavailable):
        run(here, "tag")
    here.stash.faults.remove(fault)
    here.app.use(here.app.stash.settings())
    assert (reconcile.run(here.app, here.queue), here.keys()) == (1, ["tag:1"])


def test_many_scenes_are_queued_page_by_page(tmp_path: Path) -> None:
    """A studio with more scenes than a page holds reaches all of them."""
    with desk(tmp_path) as here:
        here.stash.add_studio("Acme")
        ids = [here.stash.add_scene(studio=1) for _ in range(1201)]
        rows = [(here.plex.machine, number, number, "", "", "{}", "{}", "", "") for number in ids]
        here.app.state.conn.executemany("INSERT INTO written VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", rows)
        assert run(here, "studio") == 1201
        assert len(here.keys()) == 1201


def test_another_plex_inherits_nothing(here: Desk) -> None:
    """After the server was changed a rename makes no job for scenes that only the old one was written to."""
    before = here.plex.snapshot()
    here.plex.machine = "another-plex"
    here.reopen()
    here.stash.performers[1].name = "Renamed"
    here.hook("performer:1")
    here.work()
    assert here.keys() == []
    assert here.plex.snapshot() == before
