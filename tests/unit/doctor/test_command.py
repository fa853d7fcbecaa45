"""The worker's lock for the doctor: whose process may be ended for it."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from pathlib import Path

import pytest

from plexsync.core.processes import command_of
from plexsync.doctor import command
from plexsync.doctor.command import Lock
from plexsync.model.errors import PlexSyncError
from tests.support.processes import until, worker_held


def refused(folder: Path, why: str) -> None:
    """The lock is not to be had."""
    with Lock(str(folder)) as lock, pytest.raises(PlexSyncError, match=why):
        lock.take()


def test_a_stranger_is_not_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A pid that here names another program, the worker being in another container, is only told."""
    monkeypatch.setattr(os, "kill", lambda *_: pytest.fail("a stranger's process was ended"))
    with worker_held(tmp_path, str(os.getppid())):
        refused(tmp_path, rf"runs as process {os.getppid()}\. End it, then run this again")


def test_the_lock_is_free_again(tmp_path: Path) -> None:
    """Taken twice it is held once, signed, and free and empty afterwards; where nothing is due no worker is started."""
    with Lock(str(tmp_path)) as lock:
        lock.take()
        lock.take()
        assert (tmp_path / "worker.lock").read_text("ascii") == str(os.getpid())
    assert (tmp_path / "worker.lock").read_text("ascii") == ""


def test_a_worker_that_does_not_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """If the lock does not become free, it says so and goes no further."""
    monkeypatch.setattr(command, "END_PATIENCE", 0.0)
    with worker_held(tmp_path, "starting"):
        refused(tmp_path, "does not end")


def test_words_that_nobody_reads(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where stderr is closed, a pipe without reader, or none at all, nothing is said, and nothing is held up."""
    reader, writer = os.pipe()
    os.close(reader)
    with open(writer, "wb", buffering=0) as pipe:
        monkeypatch.setattr(sys, "stderr", io.TextIOWrapper(pipe, write_through=True))
        command.say("Putting everything back ...")
    command.say("Putting everything back ...")
    monkeypatch.setattr(sys, "stderr", None)
    command.say("Putting everything back ...")


def test_the_words_of_a_process() -> None:
    """The words with which a process was started are those that it was given; of none there are none."""
    with subprocess.Popen([sys.executable, "-c", "input()", "doctor"], stdin=subprocess.PIPE) as process:
        assert "doctor" in until(lambda: command_of(process.pid)[1:], what="its words")
        process.communicate(b"\n")
    assert command_of(2**22 + 1) == []
