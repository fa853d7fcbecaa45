"""What must not grow with the library does not: requests, steps of SQLite's machine, reads of files."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import pytest

from plexsync.app import App
from plexsync.core.connection import Connection
from plexsync.model.job_key import JobKey
from plexsync.queue import bulk, jobs
from plexsync.state.ledger import Record, State, open_state
from plexsync.sync.throttle import Throttle
from plexsync.tasks import follow
from plexsync.worker.batch import Batch
from tests.support.in_process import Bench
from tests.support.processes import worker_held
from tests.support.queue_tools import NOW, job_keys, made, scenes
from tests.unit.queue.test_cost import opcodes


def requests(bench: Bench, act: Callable[[], object]) -> tuple[int, int, int]:
    """Return how many requests an act makes: to Stash, reads of Plex, writes to Plex."""
    before = (len(bench.stash.log), len(bench.plex.reads()), len(bench.plex.writes()))
    act()
    after = (len(bench.stash.log), len(bench.plex.reads()), len(bench.plex.writes()))
    stash, reads, writes = (late - early for early, late in zip(before, after, strict=True))
    return stash, reads, writes


def sync_all(bench: Bench) -> None:
    """Mark all scenes, and let the worker sync them."""
    jobs.enqueue_many(bench.conn, [JobKey.scene(scene_id) for scene_id in bench.stash.scenes], "x", bench.now, 2)
    bench.work()
    assert bench.keys() == []


def test_requests_of_nothing_changed(bench: Bench) -> None:
    """An unchanged library costs one request to Stash and one read of Plex for each 200 scenes, and no write."""
    for number in range(10):
        bench.named(f"film {number}")
    sync_all(bench)
    few = requests(bench, lambda: sync_all(bench))
    for number in range(10, 200):
        bench.named(f"film {number}")
    sync_all(bench)
    many = requests(bench, lambda: sync_all(bench))
    for number in range(200, 400):
        bench.named(f"film {number}")
    sync_all(bench)
    twice = requests(bench, lambda: sync_all(bench))
    assert many == few
    assert (twice[0] - many[0], twice[1] - many[1]) == (1, 1)
    assert twice[2] == 0


def test_requests_of_everything_changed(bench: Bench) -> None:
    """A library in which every scene changed costs one write per scene, and one more read-back than an unchanged."""
    pairs = [bench.named(f"film {number}") for number in range(150)]
    sync_all(bench)
    bench.now += 60
    sync_all(bench)
    quiet = requests(bench, lambda: sync_all(bench))
    for scene, _ in pairs:
        bench.stash.change_scene(scene, title=f"Scene {scene}, again")
    bench.now += 60
    changed = requests(bench, lambda: sync_all(bench))
    assert changed[2] == 150
    assert sum(changed[:2]) - sum(quiet[:2]) <= 3


def batch_of(bench: Bench, limit: int) -> Batch:
    """Return a batch of up to ``limit`` jobs, without a worker."""
    return Batch(bench.app, bench.queue, Throttle(bench.clock, bench.sleep), bench.queue.lease(limit))


def steps(bench: Bench, keys: list[str]) -> int:
    """Return the steps of SQLite's machine, in tens, for one batch of these jobs: lease, index, records, settlement."""
    jobs.enqueue_many(bench.conn, job_keys(keys), "x", bench.now, 0)
    bench.app.load_settings()
    bench.app.connect_plex().refresh()

    def work() -> None:
        batch = batch_of(bench, len(keys))
        batch.run()
        bench.app.state.see(batch.seen())
        bench.queue.settle(batch.settled)
        assert [settlement.outcome for settlement in batch.settled] == ["unchanged"] * len(keys)

    state: sqlite3.Connection = bench.app.state.conn
    of_queue: list[int] = []
    return opcodes(state, lambda: of_queue.append(opcodes(bench.conn, work))) + of_queue[0]


def test_rows_read_for_a_batch(bench: Bench) -> None:
    """Five scenes cost as many steps in both databases beside 1,000 other films as beside ten."""
    for number in range(15):
        bench.named(f"film {number}")
    sync_all(bench)
    keys = [f"scene:{scene_id}" for scene_id in list(bench.stash.scenes)[:5]]
    steps(bench, keys)
    few = steps(bench, keys)
    for number in range(15, 1015):
        bench.named(f"film {number}")
    sync_all(bench)
    jobs.enqueue_many(
        bench.conn, [JobKey.scene(scene_id) for scene_id in range(5000, 6000)], "later", bench.now + 900, 2
    )
    bench.app.connect_plex().stale()
    steps(bench, keys)
    assert steps(bench, keys) <= few * 1.1 + 10


def test_rows_read_for_a_vanished_scene(tmp_path: Path) -> None:
    """Releasing a vanished scene's items costs as many steps beside 3,000 records as beside one."""
    conn = open_state(str(tmp_path))
    state = State(conn)
    costs = []
    for first, end in ((1, 3), (3, 3003)):
        state.store("server", [Record(1000 + scene_id, scene_id) for scene_id in range(first, end)])
        gone = end - 1
        costs.append(opcodes(conn, partial(state.drop_scenes, [gone])))
        assert state.records_of("server", [gone]) == {}
    conn.close()
    assert costs[1] <= costs[0] + 3


@pytest.mark.parametrize("size", [20, 2500])
def test_requests_of_a_refresh(bench: Bench, size: int) -> None:
    """Whatever the library's size: one request when nothing moved, three when an item changed or a file is missing.

    A missing file also has everything listed, once for each change of the library.
    """
    for number in range(size):
        bench.plex.add_item(
            1, file=f"/media/film {number}.mp4", size=number + 1, duration_ms=1000, updated_at=9, added_at=9
        )
    bench.app.load_settings()
    library = bench.app.connect_plex().library
    assert requests(bench, library.refresh)[1] == 1 + -(-size // 1000)
    assert requests(bench, library.refresh)[1] == 1
    bench.plex.edit_item(next(iter(bench.plex.items)), tagline="new")
    assert requests(bench, library.refresh)[1] == 3
    bench.now += 60
    assert requests(bench, lambda: library.refresh(missing=True))[1] == 3 + -(-size // 1000)
    bench.now += 60
    assert requests(bench, lambda: library.refresh(missing=True))[1] == 3
    assert library.counts() == {"Films": size}


class CountingApp(App):
    """An app that counts how often it reads ``connection.json``."""

    reads = 0

    def connection(self) -> Connection:
        """Return what ``connection.json`` says."""
        self.reads += 1
        return super().connection()


def test_reads_of_the_connection(bench: Bench) -> None:
    """The file with Stash's address is read once per round, never within a batch, however many scenes that has."""
    for number in range(40):
        bench.named(f"film {number}")
    sync_all(bench)
    bench.app.close()
    app = CountingApp(str(bench.folder), bench.app.log, world=bench.app.world)
    bench.app = app
    counts = []
    for limit in (3, 40):
        jobs.enqueue_many(
            bench.conn, [JobKey.scene(scene_id) for scene_id in list(bench.stash.scenes)[:limit]], "x", bench.now, 0
        )
        before = app.reads
        batch = batch_of(bench, limit)
        batch.run()
        bench.queue.settle(batch.settled)
        counts.append(app.reads - before)
    assert counts == [0, 0]


class Watch:
    """A clock on which every read of the rows seems to take ``seconds``; the first pause settles the rows."""

    def __init__(self, conn: sqlite3.Connection, seconds: float) -> None:
        self._conn, self._seconds, self._now = conn, seconds, NOW
        self.slept: list[float] = []

    def clock(self) -> float:
        """Return the seconds since the epoch."""
        self._now += self._seconds
        return self._now

    def sleep(self, seconds: float) -> None:
        """Let everything be done meanwhile."""
        self.slept.append(seconds)
        self._conn.execute("DELETE FROM ack_queue_default")


@pytest.mark.parametrize(("took", "pause"), [(0.0, 0.1), (0.002, 0.1), (0.02, 0.4), (3.0, 1.0)])
def test_following_costs_little(tmp_path: Path, took: float, pause: float) -> None:
    """The longer a read of the rows takes, the longer the pause after it, up to a second."""
    conn = made(tmp_path)
    bulk.mark_many(conn, job_keys(scenes(3)), "x", "t1", NOW, time.sleep)
    watch, progress = Watch(conn, took), SimpleNamespace(progress=lambda done: None)
    with worker_held(tmp_path):  # or following would start a worker
        ended = follow.follow(str(tmp_path), conn, "t1", 3, progress, _Awake(watch))
    assert ended == follow.Ended(follow.Ending.DONE)
    assert watch.slept == [pytest.approx(pause)]


class _Awake:
    """The watch, as the clock that following wants."""

    def __init__(self, watch: Watch) -> None:
        self.clock, self.sleep = watch.clock, watch.sleep
