"""The entry for Stash: one document in, one document out, status 0."""

from __future__ import annotations

import gc
import io
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

from plexsync import entry
from plexsync.core.event import Event
from tests.support.hook_events import GOOD, OPERATION, at
from tests.support.processes import worker_held

Answer = Callable[[bytes], tuple[int, str]]


class Ended(BaseException):
    """Raised instead of ending the process."""


@pytest.fixture
def answer(monkeypatch: pytest.MonkeyPatch) -> Answer:
    """Put bytes on stdin and run the entry; return status and stdout."""

    def end(status: int) -> None:
        raise Ended(status)

    def go(raw: bytes) -> tuple[int, str]:
        out = io.TextIOWrapper(io.BytesIO(), "utf-8")
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(raw), "utf-8"))
        monkeypatch.setattr(sys, "stdout", out)
        monkeypatch.setattr(os, "_exit", end)
        with pytest.raises(Ended) as ended:
            entry.main()
        assert isinstance(out.buffer, io.BytesIO)
        return ended.value.args[0], out.buffer.getvalue().decode()

    return go


def test_a_hook_is_answered(tmp_path: Path, answer: Answer, monkeypatch: pytest.MonkeyPatch) -> None:
    """A hook's document is handled by the hook."""
    monkeypatch.delenv("PLEXSYNC_DATA_DIR", raising=False)
    data = tmp_path / "plugin_data" / "PlexSync"
    with worker_held(data):
        assert answer(at(tmp_path, GOOD)) == (0, '{"output":"queued scene:1"}')


def test_nonsense_is_answered(answer: Answer) -> None:
    """Anything but an event gets a sentence, and status 0."""
    status, said = answer(b"nonsense")
    assert status == 0
    assert "could not read the JSON" in json.loads(said)["error"]


def test_a_task_or_operation_is_passed_on(answer: Answer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Everything with a mode goes to tasks and operations, with garbage collection on again."""
    asked: list[tuple[str, bool]] = []

    def reply(event: Event) -> str:
        asked.append((event.mode, gc.isenabled()))
        return '{"output": "caf\u00e9"}'

    stand_in = ModuleType("plexsync.tasks.dispatch")
    stand_in.answer = reply  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "plexsync.tasks.dispatch", stand_in)
    gc.disable()
    try:
        assert answer(OPERATION) == (0, '{"output": "caf\u00e9"}')
    finally:
        gc.enable()
    assert asked == [("status", True)]


def test_a_closed_stdin_is_answered(answer: Answer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Started without a stdin, it says so."""
    monkeypatch.setattr(sys, "stdin", None)
    monkeypatch.setattr(os, "_exit", lambda status: None)
    out = io.TextIOWrapper(io.BytesIO(), "utf-8")
    monkeypatch.setattr(sys, "stdout", out)
    entry.main()
    assert isinstance(out.buffer, io.BytesIO)
    assert "nothing on stdin" in json.loads(out.buffer.getvalue())["error"]


def test_a_stash_that_has_gone_is_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """If nobody reads the answer, the process still ends with status 0: the row is what counts."""
    read, write = os.pipe()
    os.close(read)
    ended: list[int] = []
    monkeypatch.setattr(sys, "stdout", os.fdopen(write, "w"))
    monkeypatch.setattr(os, "_exit", ended.append)
    entry.say('{"output": "queued scene:1"}')
    assert ended == [0]
    with pytest.raises(BrokenPipeError):
        sys.stdout.close()
