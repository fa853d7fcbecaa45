"""The background process and its roles where ``exec`` is not possible: Windows, or a broken machine."""

from __future__ import annotations

import errno
import os
import signal
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from plexsync.core import enqueue, environment, locks, spawn, wake
from plexsync.daemon import idle, main, process
from plexsync.daemon import run as worker_run
from plexsync.daemon.plugin_files import PluginFiles
from plexsync.daemon.process import Holder, Terminated
from plexsync.model.lifecycle import Next
from tests.support.queue_tools import made, put


class Script:
    """What the roles do, one after the other; ``seen``: what happened."""

    def __init__(self) -> None:
        self.steps: list[Any] = []
        self.seen: list[Any] = []
        self.files = "same"

    def next(self, role: str, *values: Any) -> Any:
        """Return the next step of a role."""
        self.seen.append((role, *values))
        step = self.steps.pop(0)
        if isinstance(step, BaseException):
            raise step
        return step() if callable(step) else step


def no_process(command: list[str], secret: str = "") -> None:
    """Start nothing: this machine has no room for another process."""
    raise OSError("no more processes")


@pytest.fixture
def script(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Script]:
    """Replace the roles by a script; the process never becomes another."""
    made_script = Script()

    def drain(folder: str, key: str, files: PluginFiles, *, fresh: bool) -> tuple[Next, str]:
        return made_script.next("worker", key, fresh), "key"

    monkeypatch.setattr(worker_run, "drain", drain)
    monkeypatch.setattr(idle.Idle, "run", lambda self: made_script.next("idle"))
    monkeypatch.setattr(PluginFiles, "state", lambda self, *, fresh=False: made_script.files)
    monkeypatch.setattr(locks, "WINDOWS", True)
    monkeypatch.setattr(spawn, "detached", no_process)
    monkeypatch.setattr(main, "detach", lambda folder: None)
    clock = SimpleNamespace(time=time.time, sleep=lambda seconds: made_script.seen.append(("slept", seconds)))
    monkeypatch.setattr(main, "time", clock)
    monkeypatch.setattr(wake, "wake", lambda folder: made_script.seen.append(("woke", folder)))
    handlers = {number: signal.getsignal(number) for number in process.ENDING}
    yield made_script
    for number, handler in handlers.items():
        signal.signal(number, handler)


def run(folder: Path, role: Next = Next.WORK, *, resumed: bool = False) -> int:
    """Run the background process to its end."""
    return main.run(str(folder), None, None, resumed=resumed, role=role)


def is_free(folder: Path) -> bool:
    """Return whether nobody holds the lock and the file is empty."""
    fd = locks.open_lock(str(folder / environment.WORKER_LOCK))
    try:
        return locks.try_lock(fd) and locks.read_text(fd) == ""
    finally:
        os.close(fd)


def test_worker_idle_worker_and_the_end(tmp_path: Path, script: Script) -> None:
    """Work, wait, work again with the learned key, wait, end: one process, one lock, free at the end."""
    script.steps = [Next.IDLE, Next.WORK, Next.IDLE, Next.STOP]
    assert run(tmp_path / "new") == 0
    assert script.seen == [("worker", "", True), ("idle",), ("worker", "key", False), ("idle",)]
    assert is_free(tmp_path / "new")


def test_another_worker_runs_already(
    tmp_path: Path, script: Script, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A second worker says so and exits with status 0."""
    monkeypatch.setattr(Holder.take.__func__, "__defaults__", (0.0,))  # type: ignore[attr-defined]
    fd = locks.open_lock(str(tmp_path / environment.WORKER_LOCK))
    assert locks.try_lock(fd)
    assert run(tmp_path) == 0
    os.close(fd)
    assert script.seen == []
    assert "already running" in capsys.readouterr().err


def test_rows_that_come_at_the_end_keep_it(tmp_path: Path, script: Script) -> None:
    """A row that came while the process ended is handled by the same process."""
    conn = made(tmp_path)

    def end() -> Next:
        put(conn, "scene:1")
        return Next.STOP

    def work() -> Next:
        conn.execute("DELETE FROM ack_queue_default")
        return Next.IDLE

    script.steps = [end, work, Next.STOP]
    assert run(tmp_path, Next.IDLE) == 0
    assert [step[0] for step in script.seen] == ["idle", "worker", "idle"]
    assert is_free(tmp_path)


def test_a_later_plexsyncs_rows_do_not_keep_it(tmp_path: Path, script: Script) -> None:
    """Rows of a later version's queue do not keep the process."""
    conn = made(tmp_path)
    put(conn, "scene:1")
    conn.execute(f"PRAGMA user_version={enqueue.SCHEMA_VERSION + 1}")
    script.steps = [Next.STOP]
    assert run(tmp_path, Next.IDLE) == 0
    assert is_free(tmp_path)


@pytest.mark.parametrize("role", [Next.WORK, Next.IDLE])
def test_a_plugin_that_is_gone_or_disabled(tmp_path: Path, script: Script, role: Next) -> None:
    """Rows do not keep the process of a plugin that was disabled or deleted."""
    put(made(tmp_path), "scene:1")
    script.steps = [Next.STOP]
    script.files = "gone"
    assert run(tmp_path, role) == 0
    assert is_free(tmp_path)


def test_terminated(tmp_path: Path, script: Script) -> None:
    """SIGTERM in any role releases the lock, rows or not."""
    put(made(tmp_path), "scene:1")
    script.steps = [Terminated()]
    assert run(tmp_path) == 0
    assert is_free(tmp_path)


def test_an_update_where_nothing_can_be_executed(tmp_path: Path, script: Script) -> None:
    """On Windows an updated plugin needs a new process: this one starts it and ends, instead of looping."""
    script.steps = [Next.RESTART]
    script.files = "changed"
    assert run(tmp_path) == 0
    assert script.seen == [("worker", "", True), ("woke", str(tmp_path))]
    assert is_free(tmp_path)


def test_files_that_come_and_go(tmp_path: Path, script: Script) -> None:
    """While the plugin's files are replaced nothing new is loaded: the process waits as it is."""

    def back() -> Next:
        script.files = "same"
        return Next.WORK

    script.steps = [Next.RESTART, back, Next.IDLE, Next.STOP]
    script.files = "moving"
    assert run(tmp_path) == 0
    assert [step[0] for step in script.seen] == ["worker", "idle", "worker", "idle"]


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), sqlite3.OperationalError("disk I/O error")])
@pytest.mark.parametrize(("role", "pause"), [(Next.WORK, 60.0), (Next.IDLE, 5.0)])
def test_a_machine_that_lets_nothing_be_stored(
    tmp_path: Path, script: Script, error: Exception, role: Next, pause: float
) -> None:
    """With a full disk the process stays, tries again later, and then checks for damage as at its start."""
    script.steps = [error, Next.IDLE, Next.STOP]
    assert run(tmp_path, role, resumed=True) == 0
    assert script.seen[1] == ("slept", pause)
    assert script.seen[2][0] == "worker"
    assert script.seen[2][-1] is True
    assert is_free(tmp_path)


def test_the_probe_gets_the_key(tmp_path: Path, script: Script, monkeypatch: pytest.MonkeyPatch) -> None:
    """The key that the worker learned is passed to the idle worker's probe."""
    keys: list[tuple[str, str]] = []

    def apart(folder: str, key: str) -> bool:
        keys.append((folder, key))
        return True

    monkeypatch.setattr(idle, "probe_apart", apart)

    def run_probe(self: idle.Idle) -> Next:
        self._probe()
        return Next.STOP

    monkeypatch.setattr(idle.Idle, "run", run_probe)
    script.steps = [Next.IDLE]
    assert run(tmp_path) == 0
    assert keys == [(str(tmp_path), "key")]


def test_the_large_process_makes_room_for_a_small_one(
    tmp_path: Path, script: Script, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where there is no exec, work ends with a new process for idling, which has the lock before this one ends: the API
    key reaches it by stdin alone."""
    started: list[tuple[list[str], str]] = []
    fd = locks.open_lock(str(tmp_path / environment.WORKER_LOCK))

    def start(command: list[str], secret: str = "") -> None:
        started.append((command, secret))
        assert locks.try_lock(fd)
        locks.write_text(fd, "4711")

    monkeypatch.setattr(spawn, "detached", start)
    script.steps = [Next.IDLE]
    assert run(tmp_path) == 0
    assert [step[0] for step in script.seen] == ["worker"]
    ((command, secret),) = started
    assert command[1:] == [environment.ENTRY, "idle", "--data-dir", str(tmp_path), "--resumed", "--key-fd", "0"]
    assert secret == "key"
    assert locks.read_text(fd) == "4711"
    os.close(fd)


def test_a_small_process_that_never_takes_over_is_replaced(
    tmp_path: Path, script: Script, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If nobody has taken the lock after a while, the large process takes it back and idles itself."""
    monkeypatch.setattr(spawn, "detached", lambda command, secret="": None)
    monkeypatch.setattr(process, "HAND_OVER_PATIENCE", 0.01)
    monkeypatch.setattr(process, "HAND_OVER_PAUSE", 0.001)
    script.steps = [Next.IDLE, Next.STOP]
    assert run(tmp_path) == 0
    assert [step[0] for step in script.seen] == ["worker", "idle"]
    assert is_free(tmp_path)


def test_a_folder_without_locks_is_told(
    tmp_path: Path, script: Script, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Where the file system has no locks the worker says so in one sentence, and ends."""

    def refuse(fd: int) -> bool:
        raise OSError(errno.EOPNOTSUPP, "Operation not supported")

    monkeypatch.setattr(locks, "try_lock", refuse)
    assert run(tmp_path) == 1
    assert script.seen == []
    assert "PLEXSYNC_DATA_DIR" in capsys.readouterr().err
