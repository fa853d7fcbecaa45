"""The rows that a dead worker leaves in the queue: their order, and who takes them over. Real SQLite files."""

from __future__ import annotations

from pathlib import Path

from plexsync.queue import bulk, jobs, stock
from tests.support.queue_tools import NOW, change, job, job_keys, keys, leased, made, put, settle


def test_those_that_saw_fewer_deaths_come_first(tmp_path: Path) -> None:
    """Of the rows that are leased alone, the one with the most rescues comes last."""
    conn = made(tmp_path)
    put(conn, "scene:1", "scene:2", "scene:3", "scene:4")
    for key, rescues in (("scene:1", 4), ("scene:2", 3), ("scene:3", 2), ("scene:4", 1)):
        change(conn, key, rescues=rescues)
    order = []
    while found := leased(conn):
        order.append(found)
        for key in found:
            settle(conn, key, "done")
    assert order == [["scene:4"], ["scene:3"], ["scene:2"], ["scene:1"]]


def test_between_equals_the_older_edit_comes_first(tmp_path: Path) -> None:
    """The scenes of one fatal batch are leased one by one, in the order of their edits."""
    conn = made(tmp_path)
    put(conn, "scene:2")
    put(conn, "scene:1", now=NOW + 1)
    for key in keys(conn):
        change(conn, key, rescues=jobs.ALONE_AFTER)
    assert leased(conn, now=NOW + 2) == ["scene:2"]


def test_a_dead_workers_rows_are_followed(tmp_path: Path) -> None:
    """Process queue follows the rows that a dead worker had leased, and leaves a living worker's batch alone."""
    conn = made(tmp_path)
    put(conn, "scene:1")
    assert leased(conn) == ["scene:1"]
    assert bulk.follow_due(conn, "task", NOW, NOW + 9999) == 0
    assert job(conn, "scene:1")["task"] is None
    assert bulk.follow_due(conn, "task", NOW, NOW + 9999, orphans=True) == 1
    assert bulk.left(conn, "task", NOW) == 1


def test_sync_all_brings_back_what_died_as_of_now(tmp_path: Path) -> None:
    """A dead letter that a task marks again is due from that moment, not from before."""
    conn = made(tmp_path)
    put(conn, "scene:1")
    for _ in range(jobs.DEAD_AFTER):
        assert leased(conn) == ["scene:1"]
        jobs.rescue(conn, NOW)
    assert job(conn, "scene:1")["status"] == stock.DEAD
    bulk.mark_many(conn, job_keys(["scene:1"]), "Sync all", "task", NOW + 60, lambda seconds: None)
    assert (job(conn, "scene:1")["status"], job(conn, "scene:1")["due"]) == (stock.READY, NOW + 60)


def test_what_a_stopped_task_had_marked_is_no_orphan(tmp_path: Path) -> None:
    """Stop drops a task's rows even if the worker died with them leased."""
    conn = made(tmp_path)
    bulk.mark_many(conn, job_keys(["scene:1"]), "Sync all", "stopped", NOW, lambda seconds: None)
    assert leased(conn) == ["scene:1"]
    assert bulk.follow_due(conn, "task", NOW, NOW + 9999, orphans=True) == 0
    assert job(conn, "scene:1")["task"] == "stopped"
