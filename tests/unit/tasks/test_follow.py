"""Following marked rows: how a task ends, what it shows, and that it never waits for something that may not come."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from plexsync.core import locks
from plexsync.queue import bulk, stock
from plexsync.queue.meta import QueueMeta
from plexsync.state import ledger, pause
from plexsync.state.meta import Meta
from plexsync.tasks import follow
from plexsync.tasks.follow import Ended, Ending
from tests.support.queue_tools import NOW, change, job_keys, keys, leased, made, put, scenes, settle

MARK = "1-2"


@dataclass
class World:
    """A clock that sleeping moves. Each sleep also runs the next of ``steps``; after the last one it fails."""

    at: float = NOW
    steps: list[Callable[[], object]] = field(default_factory=list)
    slept: int = 0

    def clock(self) -> float:
        """Return the time."""
        return self.at

    def sleep(self, seconds: float) -> None:
        """Let time pass, and run the worker's next step."""
        self.at += seconds
        self.slept += 1
        self.steps.pop(0)()


class Bar:
    """A progress bar."""

    def __init__(self) -> None:
        self.seen: list[float] = []

    def progress(self, done: float) -> None:
        """Record the value."""
        self.seen.append(done)


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """Create a data folder whose worker lock this test holds."""
    fd = locks.open_lock(str(tmp_path / "worker.lock"))
    assert locks.try_lock(fd)
    locks.write_text(fd, "1")
    yield tmp_path
    locks.unlock(fd)


@pytest.fixture
def conn(folder: Path) -> sqlite3.Connection:
    """Open a queue with four marked scenes."""
    made_queue = made(folder)
    bulk.mark_many(made_queue, job_keys(scenes(4)), "Sync all", MARK, NOW, lambda _: None)
    return made_queue


def done(conn: sqlite3.Connection, *numbers: int) -> None:
    """Settle these scenes, as the worker does."""
    for number in numbers:
        conn.execute("UPDATE ack_queue_default SET status = 2, leased = generation WHERE key = ?", (f"scene:{number}",))
        settle(conn, f"scene:{number}", "done", task=MARK, outcome="synced")


def see_requests(conn: sqlite3.Connection, folder: Path, kind: str = "", problem: str = "") -> None:
    """See all wake requests, as the worker does, and pause with this kind, or not at all."""
    store = ledger.open_state(str(folder))
    Meta(store).pause = pause.Pause(kind, NOW + 60, problem) if kind else None
    store.close()
    QueueMeta(conn).wake_seen = QueueMeta(conn).wake_requested


def test_nothing_to_follow(folder: Path) -> None:
    """A task that marked nothing ends at once, without waking the worker."""
    bar, world = Bar(), World()
    assert follow.follow(str(folder), made(folder), MARK, 0, bar, world) == Ended(Ending.DONE)
    assert (bar.seen, world.slept) == ([], 0)


def test_every_row_settled(folder: Path, conn: sqlite3.Connection) -> None:
    """The bar rises with each settled row, and the task ends with the last."""
    world = World(steps=[lambda number=number: done(conn, number) for number in range(1, 5)])  # type: ignore[misc]
    bar = Bar()
    assert follow.follow(str(folder), conn, MARK, 4, bar, world) == Ended(Ending.DONE)
    assert bar.seen == [0.25, 0.5, 0.75]
    assert bulk.outcomes(conn, MARK) == {"synced": 4}


def test_put_back_counts_as_ended(folder: Path, conn: sqlite3.Connection) -> None:
    """A row that is retrying, or waiting for its file, is left to the worker."""

    def later() -> None:
        leased(conn)
        for number in range(1, 5):
            settle(conn, f"scene:{number}", "later", due=NOW + 30, waiting=NOW if number > 2 else None)

    assert follow.follow(str(folder), conn, MARK, 4, Bar(), World(steps=[later])) == Ended(Ending.DONE)


def test_the_bar_never_falls(folder: Path, conn: sqlite3.Connection) -> None:
    """A row that was put back and is retried does not move the bar back."""

    def back() -> None:
        change(conn, "scene:1", status=stock.LEASED, leased=1)
        settle(conn, "scene:1", "later", due=NOW + 30)

    steps: list[Callable[[], object]] = [
        back,
        lambda: done(conn, 2),
        lambda: change(conn, "scene:1", status=stock.LEASED, leased=1),
        lambda: settle(conn, "scene:1", "later", due=NOW + 90),
        lambda: done(conn, 3, 4),
    ]
    bar = Bar()
    assert follow.follow(str(folder), conn, MARK, 4, bar, World(steps=steps)) == Ended(Ending.DONE)
    assert bar.seen == [0.25, 0.5]


@pytest.mark.parametrize(
    ("kind", "problem", "ended"),
    [
        (pause.PLEX, "", Ended(Ending.PLEX_AWAY)),
        (pause.STASH, "", Ended(Ending.STASH_AWAY)),
        (pause.STASH, "Stash refuses", Ended(Ending.STASH_AWAY, "Stash refuses")),
        (pause.SETUP, "No token.", Ended(Ending.PROBLEM, "No token.")),
        (pause.LOCAL, "Disk full.", Ended(Ending.PROBLEM, "Disk full.")),
    ],
)
def test_a_pause_ends_it(folder: Path, conn: sqlite3.Connection, kind: str, problem: str, ended: Ended) -> None:
    """Once the worker has seen the wake request and is paused, the task ends with the reason; its rows stay."""
    world = World(steps=[lambda: see_requests(conn, folder, kind, problem)])
    assert follow.follow(str(folder), conn, MARK, 4, Bar(), world) == ended
    assert keys(conn) == scenes(4)


def test_an_old_pause_is_looked_into_first(folder: Path, conn: sqlite3.Connection) -> None:
    """A pause from before the task counts only after the worker's next attempt: Plex may be back."""
    see_requests(conn, folder, pause.PLEX)
    steps: list[Callable[[], object]] = [
        lambda: None,
        lambda: see_requests(conn, folder),
        lambda: done(conn, 1, 2, 3, 4),
    ]
    assert follow.follow(str(folder), conn, MARK, 4, Bar(), World(steps=steps)) == Ended(Ending.DONE)


def test_dry_run_is_no_pause(folder: Path, conn: sqlite3.Connection) -> None:
    """During a dry run edits are held back, but the rows that a task marked are logged and done."""
    steps: list[Callable[[], object]] = [
        lambda: see_requests(conn, folder, pause.DRY),
        lambda: done(conn, 1, 2, 3, 4),
    ]
    assert follow.follow(str(folder), conn, MARK, 4, Bar(), World(steps=steps)) == Ended(Ending.DONE)


def test_the_worker_is_asked_to_look_once(folder: Path, conn: sqlite3.Connection) -> None:
    """The task requests one wake-up of a waiting or paused worker, and only one."""
    before = QueueMeta(conn).wake_requested
    world = World(steps=[lambda: done(conn, 1, 2, 3, 4)])
    follow.follow(str(folder), conn, MARK, 4, Bar(), world)
    assert QueueMeta(conn).wake_requested == before + 1


@pytest.mark.parametrize(("settles", "seconds"), [(False, 5), (True, 9)], ids=["never", "after some starts"])
def test_a_worker_that_does_not_start(
    folder: Path, conn: sqlite3.Connection, monkeypatch: pytest.MonkeyPatch, settles: bool, seconds: int
) -> None:
    """A worker that ends at once is started five times without a row settled, not for ever."""
    started = 0

    def start(fd: int, where: str) -> None:
        nonlocal started
        started += 1
        if settles and started == 4:
            done(conn, 1)

    other = folder / "other"
    other.mkdir()
    monkeypatch.setattr("plexsync.core.spawn.start_worker", start)
    world = World(steps=[lambda: None] * 200)
    ended = follow.follow(str(other), conn, MARK, 4, Bar(), world)
    assert ended.ending is Ending.PROBLEM
    assert "does not start" in ended.sentence
    assert started == 10 if settles else started == follow.STARTS + 1
    assert seconds <= world.at - NOW < seconds + 1


def test_edits_of_others_do_not_hold_it(folder: Path, conn: sqlite3.Connection) -> None:
    """Jobs that the task did not mark never delay its end."""
    steps: list[Callable[[], object]] = [
        lambda: put(conn, "scene:9", "tag:1"),
        lambda: done(conn, 1, 2, 3, 4),
    ]
    assert follow.follow(str(folder), conn, MARK, 4, Bar(), World(steps=steps)) == Ended(Ending.DONE)
    assert keys(conn) == ["scene:9", "tag:1"]
