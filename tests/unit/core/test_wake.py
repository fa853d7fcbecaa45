"""Waking the worker: whoever obtains the lock starts it, and nobody else does."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from plexsync.core import environment, locks, spawn, wake

#: Of a process that lives while the test runs.
PID = str(os.getpid())


class Started(list[tuple[str, str]]):
    """The workers that were started: the folder, and the lock file's text at that moment."""

    def __call__(self, fd: int, folder: str) -> None:
        other = locks.open_lock(os.path.join(folder, environment.WORKER_LOCK))
        assert not locks.try_lock(other)
        os.close(other)
        self.append((folder, locks.read_text(fd)))


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> Started:
    """Record the starts instead of starting processes, which the process tests do."""
    record = Started()
    monkeypatch.setattr(spawn, "start_worker", record)
    return record


@pytest.fixture
def holder(tmp_path: Path) -> Iterator[int]:
    """Return a descriptor that holds the lock, as a running worker does."""
    fd = locks.open_lock(str(tmp_path / environment.WORKER_LOCK))
    assert locks.try_lock(fd)
    yield fd
    os.close(fd)


def on_look(monkeypatch: pytest.MonkeyPatch, number: int, act: Callable[[], None]) -> list[float]:
    """Record the pauses between attempts instead of sleeping; call ``act`` in the ``number``-th."""
    pauses: list[float] = []

    def pause(seconds: float) -> None:
        pauses.append(seconds)
        if len(pauses) == number:
            act()

    monkeypatch.setattr(time, "sleep", pause)
    return pauses


@pytest.mark.parametrize("text", [None, "", PID], ids=["no file", "empty", "own pid"])
def test_a_free_lock_means_a_new_worker(tmp_path: Path, started: Started, text: str | None) -> None:
    """Where nobody holds the lock a worker is started under it, and a dead worker's pid has been wiped."""
    if text is not None:
        (tmp_path / environment.WORKER_LOCK).write_text(text, "ascii")
    assert wake.wake(str(tmp_path))
    assert started == [(str(tmp_path), "")]


def test_a_living_worker_is_left_alone(tmp_path: Path, started: Started, holder: int) -> None:
    """A held lock with a pid belongs to a worker that will see the row: no start, no wait."""
    locks.write_text(holder, PID)
    assert not wake.wake(str(tmp_path))
    assert started == []
    assert locks.read_text(holder) == PID


def test_a_starting_worker_is_waited_for(
    tmp_path: Path, started: Started, holder: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A held, empty file belongs to a worker that is starting: once it has a pid, it is left alone."""
    pauses = on_look(monkeypatch, 3, lambda: locks.write_text(holder, PID))
    assert not wake.wake(str(tmp_path))
    assert len(pauses) == 3
    assert started == []


def test_an_ending_worker_is_replaced(
    tmp_path: Path, started: Started, holder: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A held, empty file may belong to a worker that is ending: once it is gone, a new one is started."""
    pauses = on_look(monkeypatch, 3, lambda: locks.unlock(holder))
    assert wake.wake(str(tmp_path))
    assert len(pauses) == 3
    assert started == [(str(tmp_path), "")]


def test_patience_with_an_empty_file_ends(
    tmp_path: Path, started: Started, holder: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A save in Stash never waits longer than 0.4 s for a worker that neither starts nor ends."""
    pauses = on_look(monkeypatch, 0, lambda: None)
    assert not wake.wake(str(tmp_path))
    assert sum(pauses) == pytest.approx(0.4)
    assert started == []


def test_a_worker_that_cannot_start_leaves_no_lock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A failed start raises an error, and the next caller finds the lock free."""

    def fail(fd: int, folder: str) -> None:
        raise OSError("no more processes")

    monkeypatch.setattr(spawn, "start_worker", fail)
    with pytest.raises(OSError, match="no more processes"):
        wake.wake(str(tmp_path))
    fd = locks.open_lock(str(tmp_path / environment.WORKER_LOCK))
    assert locks.try_lock(fd)
    os.close(fd)


def test_no_descriptor_is_left_open(tmp_path: Path, started: Started) -> None:
    """However often the worker is woken or its pid read, no descriptor stays open."""
    before = os.listdir("/dev/fd")
    for _ in range(3):
        wake.wake(str(tmp_path))
        wake.running_pid(str(tmp_path))
    assert len(os.listdir("/dev/fd")) == len(before)


def test_the_pid_of_a_living_worker(tmp_path: Path, holder: int) -> None:
    """The pid is the holder's; a worker that has not written it yet, or wrote nonsense, has none."""
    assert wake.running_pid(str(tmp_path)) is None
    locks.write_text(holder, PID)
    assert wake.running_pid(str(tmp_path)) == int(PID)
    locks.write_text(holder, "47x")
    assert wake.running_pid(str(tmp_path)) is None


def test_no_pid_where_nobody_works(tmp_path: Path) -> None:
    """Without a holder there is no pid, an old one is wiped, and reading creates no file."""
    lock = tmp_path / environment.WORKER_LOCK
    assert wake.running_pid(str(tmp_path)) is None
    assert not lock.exists()
    lock.write_text(PID, "ascii")
    assert wake.running_pid(str(tmp_path)) is None
    assert lock.read_text("ascii") == ""
    fd = locks.open_lock(str(lock))
    assert locks.try_lock(fd)
    os.close(fd)


def test_a_dead_workers_pid_under_a_held_lock_is_no_worker(
    tmp_path: Path, started: Started, holder: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A dead worker's pid under a lock that another reader holds is no worker: the hook tries again."""
    child = os.posix_spawn(sys.executable, [sys.executable, "-c", "pass"], os.environ)
    os.waitpid(child, 0)
    locks.write_text(holder, str(child))
    pauses = on_look(monkeypatch, 2, lambda: locks.unlock(holder))
    assert wake.wake(str(tmp_path))
    assert len(pauses) == 2
    assert len(started) == 1


@pytest.mark.skipif(not os.path.isdir("/proc/self"), reason="only Linux tells a zombie from a process")
def test_a_zombie_is_no_worker(tmp_path: Path, started: Started, holder: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker that has ended, and that a PID 1 which reaps nobody keeps as a zombie, is no worker either."""
    child = os.posix_spawn(sys.executable, [sys.executable, "-c", "pass"], os.environ)
    os.waitid(os.P_PID, child, os.WEXITED | os.WNOWAIT)
    locks.write_text(holder, str(child))
    pauses = on_look(monkeypatch, 2, lambda: locks.unlock(holder))
    assert wake.wake(str(tmp_path))
    assert (len(pauses), len(started)) == (2, 1)
    os.waitpid(child, 0)
