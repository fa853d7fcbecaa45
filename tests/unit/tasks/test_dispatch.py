"""Tasks and operations by mode: one JSON document whatever happens, and a failed button in the log."""

from __future__ import annotations

import json
import os
import sqlite3
import stat
import time
from pathlib import Path
from typing import Any

import pytest

from plexsync import requirements
from plexsync.core import event, locks
from plexsync.core import wake as core_wake
from plexsync.model.errors import PlexSyncError
from plexsync.model.job_key import JobKey
from plexsync.queue import dead_letters, stock
from plexsync.queue.meta import QueueMeta
from plexsync.tasks import dispatch, operations
from plexsync.tasks.call import BUTTONS
from tests.support.queue_tools import NOW, change, job, job_keys, keys, made, put

QUICK = [
    *("overview", "scene", "sync", "status", "dead_letters", "retry", "discard", "wake", "log", "clear_dlq"),
    *("clear_queue", "preview_rows", "unmatched_rows", "report", "choose", "unchoose", "undo"),
]


@pytest.fixture(autouse=True)
def woken(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Record the folders whose worker was woken, without starting a process."""
    found: list[str] = []

    def wake(folder: str) -> bool:
        found.append(folder)
        return True

    monkeypatch.delenv("PLEXSYNC_DATA_DIR", raising=False)
    monkeypatch.setattr(core_wake, "wake", wake)
    return found


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Create a data folder with a pending, a leased, and two dead scenes."""
    path = tmp_path / "plugin_data" / "PlexSync"
    path.mkdir(parents=True)
    conn = made(path)
    put(conn, "scene:1", "scene:2", "scene:3", "scene:4")
    change(conn, "scene:2", status=stock.LEASED)
    change(conn, "scene:3", status=stock.DEAD, reason="rejected", message="no", attempts=2, last_seen=NOW + 1)
    change(conn, "scene:4", status=stock.DEAD, candidates='[{"rating_key": 7}]', last_seen=NOW + 2)
    conn.close()
    return path


def ask(stash: Path | str, mode: str, connection: dict[str, Any] | None = None, **args: Any) -> Any:
    """Return the answer to a call of ``mode``."""
    where = {"Scheme": "http", "Host": "h", "Port": 9, "SessionCookie": {"Value": "c"}, "Dir": str(stash)}
    document = {"server_connection": connection or where, "args": {"mode": mode, **args}}
    return json.loads(dispatch.answer(event.parse(json.dumps(document))))


def logged(text: str) -> list[str]:
    """Return Stash's protocol as ``level text``, progress included."""
    return [line.removeprefix("\x01").replace("\x02", " ") for line in text.splitlines()]


def test_every_button_has_its_mode() -> None:
    """The nine buttons are the six tasks and three of the quick operations."""
    assert set(BUTTONS) == {*dispatch.TASKS, "status", "clear_dlq", "clear_queue"}
    assert sorted(operations.MODES) == sorted(QUICK)


def test_unknown_mode(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """An unknown mode is named, shortened, with the known ones; nothing is created or logged."""
    said = ask(tmp_path, "x" * 99)["error"]
    assert said.startswith(f"Unknown mode '{'x' * 40}'. PlexSync knows: ")
    assert os.listdir(tmp_path) == []
    assert capfd.readouterr().err == ""


def test_no_folder(capfd: pytest.CaptureFixture[str]) -> None:
    """Without Stash's folder nothing can be done: the answer says so, and a button's log does too."""
    sentence = "PlexSync did not run {}: Stash did not name its folder."
    assert ask("", "wake") == {"error": sentence.format("wake")}
    assert capfd.readouterr().err == ""
    assert ask("", "clear_dlq") == {"error": sentence.format("clear_dlq")}
    assert logged(capfd.readouterr().err) == [f"e failed to run Clear DLQ: {sentence.format('clear_dlq')}"]


@pytest.mark.parametrize("mode", [*QUICK, "sync_all", "process_queue"])
def test_a_folder_that_cannot_be_made(tmp_path: Path, mode: str) -> None:
    """If the data folder cannot be created, one sentence names it, whatever the mode."""
    (tmp_path / "file").touch()
    said = ask(tmp_path / "file", mode)["error"]
    assert said.startswith(f"PlexSync cannot use its data folder {tmp_path / 'file'}")
    assert said.endswith("Allow Stash to write there.")


def test_the_folder_is_made_private(tmp_path: Path) -> None:
    """Any first call creates a private data folder and saves the connection; ``log`` saves none."""
    assert ask(tmp_path, "log", lines=[]) == {"output": {"lines": 0}}
    folder = tmp_path / "plugin_data" / "PlexSync"
    assert os.listdir(folder) == []
    ask(tmp_path, "status")
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert json.loads((folder / "connection.json").read_text("utf-8"))["cookie"] == "c"


#: Modes that need no queue, at least while nothing was ever written to Plex.
WITHOUT_QUEUE = {"log", "preview_rows", "unmatched_rows", "report", "choose", "unchoose", "undo"}


@pytest.mark.parametrize("mode", sorted({*QUICK} - WITHOUT_QUEUE))
def test_a_damaged_queue(folder: Path, woken: list[str], mode: str) -> None:
    """A damaged database gets one sentence, and the worker, which alone may repair it, is woken."""
    for path in folder.iterdir():
        if "queue.db" in path.name:
            path.write_bytes(b"no database at all" * 500)
    said = ask(folder.parents[1], mode, ids=[1], scene_id=1)["error"]
    assert "is damaged (file is not a database)" in said
    assert woken == [str(folder)]


def test_a_locked_database(folder: Path, monkeypatch: pytest.MonkeyPatch, woken: list[str]) -> None:
    """A database that another process has locked is not called damaged."""

    def refuse(where: str, args: dict[str, Any]) -> None:
        raise sqlite3.OperationalError("database is locked")

    monkeypatch.setitem(operations.MODES, "status", refuse)
    said = ask(folder.parents[1], "status")["error"]
    assert "cannot be used (database is locked)" in said
    assert woken == []


def test_an_error_of_ours_is_one_sentence(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """An error of PlexSync is the answer, and for a button also one line in the log."""

    def fail(where: str, args: dict[str, Any]) -> None:
        raise PlexSyncError("Plex is purple.")

    for mode, lines in (("retry", []), ("clear_queue", ["e failed to run Clear queue: Plex is purple."])):
        with pytest.MonkeyPatch.context() as patch:
            patch.setitem(operations.MODES, mode, fail)
            assert ask(folder.parents[1], mode) == {"error": "Plex is purple."}
        assert logged(capfd.readouterr().err) == lines


@pytest.mark.parametrize("absent", [["plexapi"], []])
def test_a_missing_module(folder: Path, monkeypatch: pytest.MonkeyPatch, absent: list[str]) -> None:
    """A task without its modules gives the pip command; a module that is there and does not load is named."""

    def fail(where: str, args: dict[str, Any]) -> None:
        raise ImportError("No module named 'plexapi'")

    monkeypatch.setattr(requirements, "missing", lambda: absent)
    monkeypatch.setitem(operations.MODES, "retry", fail)
    said = "-m pip install" if absent else f"the Python module in {__file__} cannot be loaded"
    assert said in ask(folder.parents[1], "retry")["error"]


@pytest.mark.parametrize("mode", [*dispatch.ASKING, "check_setup"])
def test_what_needs_the_packages(folder: Path, monkeypatch: pytest.MonkeyPatch, mode: str) -> None:
    """An operation that asks a server says which package is missing, and how to install it."""
    monkeypatch.setattr(requirements, "missing", lambda: ["plexapi"])
    said = ask(folder.parents[1], mode)["error"]
    assert said.startswith("PlexSync is paused: the Python module plexapi is missing. Run: ")


def test_a_fault_of_our_own_is_one_sentence(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """A bug is one JSON document with its class, and log lines with its place; neither has its text."""

    def fail(where: str, args: dict[str, Any]) -> None:
        raise KeyError("a title, a token")

    monkeypatch.setitem(operations.MODES, "clear_dlq", fail)
    said = ask(folder.parents[1], "clear_dlq")["error"]
    assert said.startswith("Internal error in clear_dlq (KeyError). This is a bug")
    lines = capfd.readouterr().err
    assert "in=fail" in lines
    assert "failed to run Clear DLQ" in lines
    assert "a title" not in said + lines


def test_args_that_are_odd(folder: Path) -> None:
    """A lone surrogate, a control character or a list as args does not fail."""
    text = '{"server_connection": {"Dir": "%s"}, "args": {"mode": "log", "lines": [{"message": "a\\ud800b"}]}}'
    made_event = event.read((text % folder.parents[1]).encode("utf-8"))
    assert json.loads(dispatch.answer(made_event)) == {"output": {"lines": 1}}
    made_event.text = '{"args": ["mode"]}'
    assert json.loads(dispatch.answer(made_event)) == {"output": {"lines": 0}}


# -- what the quick operations do


def test_dead_letters(folder: Path) -> None:
    """Each dead letter has id, scene, reason, message, attempts, UTC times and candidates; the newest come first."""
    conn = made(folder)
    ids = [job(conn, f"scene:{number}")["_id"] for number in (4, 3)]
    conn.execute("INSERT INTO ack_queue_default (status, reason, last_seen) VALUES (9, 'invalid', 0)")
    conn.execute(f"INSERT INTO ack_queue_default (status, key, last_seen) VALUES (9, 'tag:9', {NOW})")
    first, second, tag, odd = ask(folder.parents[1], "dead_letters")["output"]["items"]
    seen = {"first_seen": "2024-03-09T16:00:00Z"}
    assert first == {
        "id": ids[0], "scene_id": 4, "key": "scene:4", "reason": "retries_exhausted", "message": "", "attempts": 0,
        "last_seen": "2024-03-09T16:00:02Z", "candidates": [{"rating_key": 7}],
    } | seen  # fmt: skip
    assert second == {
        "id": ids[1], "scene_id": 3, "key": "scene:3", "reason": "rejected", "message": "no", "attempts": 2,
        "last_seen": "2024-03-09T16:00:01Z", "candidates": [],
    } | seen  # fmt: skip
    assert (tag["scene_id"], tag["first_seen"]) == (None, None)
    assert (odd["scene_id"], odd["key"], odd["reason"]) == (None, None, "invalid")


def test_dead_letters_have_an_end(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of very many dead letters the newest are listed, with the number of those left out."""
    monkeypatch.setattr(operations, "MOST_DEAD_LETTERS", 1)
    said = ask(folder.parents[1], "dead_letters")["output"]
    assert [item["scene_id"] for item in said["items"]] == [4]
    assert said["more"] == 1
    monkeypatch.setattr(operations, "MOST_DEAD_LETTERS", 2)
    assert sorted(ask(folder.parents[1], "dead_letters")["output"]) == ["items"]


def test_retry(folder: Path, woken: list[str]) -> None:
    """The given dead letters are queued with no attempt counted and the worker is woken; unknown ids do no harm."""
    conn = made(folder)
    ids = [job(conn, f"scene:{number}")["_id"] for number in (1, 2, 3)]
    assert ask(folder.parents[1], "retry", ids=[str(ids[2]), f" {ids[0]} ", ids[1], 999, 10**17]) == {
        "output": {"retried": 1}
    }
    row = job(conn, "scene:3")
    assert (row["status"], row["attempts"], row["reason"], row["bulk"]) == (stock.READY, 0, "retry", 0)
    assert keys(conn, "status = 9") == ["scene:4"]
    assert keys(conn, "status = 2") == ["scene:2"]
    assert woken == [str(folder)]
    assert QueueMeta(conn).wake_requested == 1


def test_discard(folder: Path, woken: list[str]) -> None:
    """Only dead letters are discarded, never pending or leased jobs of that id, and the worker is not woken."""
    conn = made(folder)
    ids = [job(conn, f"scene:{number}")["_id"] for number in (1, 2, 4)]
    assert ask(folder.parents[1], "discard", ids=[*ids, 999]) == {"output": {"discarded": 1}}
    assert keys(conn) == ["scene:1", "scene:2", "scene:3"]
    assert woken == []


BAD_IDS: list[Any] = [
    None,
    "1",
    1,
    {"1": 2},
    [True],
    [1.5],
    ["x"],
    [None],
    ["-1"],
    [-1],
    ["\u00b2"],
    [""],
    ["9" * 19],
    [[]],
]


@pytest.mark.parametrize("mode", ["retry", "discard"])
@pytest.mark.parametrize("ids", BAD_IDS, ids=repr)
def test_unusable_ids(folder: Path, mode: str, ids: Any) -> None:
    """Anything but a list of ids is refused in one sentence, and nothing changes."""
    said = ask(folder.parents[1], mode, **({} if ids is None else {"ids": ids}))["error"]
    assert "dead letter" in said
    assert keys(made(folder), "status = 9") == ["scene:3", "scene:4"]


@pytest.mark.parametrize(
    ("pending", "catchup", "interval", "running", "starts"),
    [
        (True, 0.0, "1e9", False, True),
        (True, 0.0, "1e9", True, False),
        (False, 0.0, "1e9", False, False),
        (False, 0.0, "0", False, True),
        (False, -3600.0, "3599", False, True),
        (False, -3600.0, "3700", False, False),
        (False, 500.0, "1e9", False, True),
    ],
)
def test_wake(
    folder: Path, monkeypatch: pytest.MonkeyPatch, woken: list[str],
    pending: bool, catchup: float, interval: str, running: bool, starts: bool,
) -> None:  # fmt: skip
    """A worker is started only for jobs or an overdue catch-up; a running one is asked to try at once."""
    conn = made(folder)
    monkeypatch.setenv("PLEXSYNC_CATCHUP", interval)
    monkeypatch.setattr(time, "time", lambda: NOW)
    QueueMeta(conn).caught_up_at = NOW + catchup
    if not pending:
        conn.execute("DELETE FROM ack_queue_default WHERE status < 9")
    fd = locks.open_lock(str(folder / "worker.lock"))
    if running:
        assert locks.try_lock(fd)
        locks.write_text(fd, "77")
    try:
        said = ask(folder.parents[1], "wake")["output"]
        assert (said["started"], said["running"]) == (starts, running or starts)
        assert (said["dead"], said["health"]["state"]) == (2, "setup")
    finally:
        os.close(fd)
    assert woken == ([str(folder)] if starts else [])
    assert QueueMeta(conn).wake_requested == 1


def test_waiting_and_leased_jobs_are_a_reason_to_wake(folder: Path) -> None:
    """A job that waits for its file, or that a killed worker left, counts too."""
    conn = made(folder)
    QueueMeta(conn).caught_up_at = time.time()
    conn.execute("DELETE FROM ack_queue_default WHERE key = 'scene:1'")
    assert ask(folder.parents[1], "wake")["output"]["started"] is True
    conn.execute("UPDATE ack_queue_default SET status = 1, waiting = 1, due = 9e9 WHERE key = 'scene:2'")
    assert ask(folder.parents[1], "wake")["output"]["started"] is True
    conn.execute("DELETE FROM ack_queue_default WHERE key = 'scene:2'")
    assert ask(folder.parents[1], "wake")["output"]["started"] is False


def test_log(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """Each line is printed at its level; anything else is left out, and 500 lines are the limit."""
    lines = [{"level": level, "message": f"m{level}"} for level in "diwexp"]
    odd: list[Any] = ["text", None, 5, {"level": "w"}, {"message": "two\nlines"}, {"level": ["i"], "message": {"a": 1}}]
    assert ask(folder.parents[1], "log", lines=[*lines, *odd]) == {"output": {"lines": 9}}
    assert logged(capfd.readouterr().err) == [
        "d md", "i mi", "w mw", "e me", "i mx", "i mp", "w -", "i two lines", "i {'a': 1}",
    ]  # fmt: skip
    assert ask(folder.parents[1], "log", lines=[{"message": "x"}] * 501) == {"output": {"lines": 500}}
    assert ask(folder.parents[1], "log", lines="x") == {"output": {"lines": 0}}


def test_status_in_the_log(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """Show status logs sentences, ordered for Stash's log page, which shows the last line on top."""
    said = ask(folder.parents[1], "status")["output"]
    assert said["queue"] == {
        "pending": 1, "waiting": 0, "in_progress": 1, "dead": 2, "oldest_seconds": said["queue"]["oldest_seconds"],
    }  # fmt: skip
    lines = logged(capfd.readouterr().err)
    assert lines[0].startswith("i So far: ")
    assert lines[-2].startswith("i Queue: 1 pending, ")
    assert lines[-1] == "p 1.0000"


@pytest.mark.parametrize(
    ("mode", "left", "line"),
    [
        ("clear_dlq", ["scene:1", "scene:2"], "cleared 2 dead letters"),
        ("clear_queue", ["scene:2", "scene:3", "scene:4"], "cleared 1 pending job"),
    ],
)
def test_clear(folder: Path, capfd: pytest.CaptureFixture[str], mode: str, left: list[str], line: str) -> None:
    """Clear DLQ deletes the dead letters, Clear queue the pending jobs; one line has the number, the bar is full."""
    number = 4 - len(left)
    assert ask(folder.parents[1], mode) == {"output": {"cleared": number}}
    assert keys(made(folder)) == left
    assert logged(capfd.readouterr().err) == [
        f"i {line}. A scene is queued again when it is edited.",
        "p 1.0000",
    ]


def test_a_discarded_edit_is_remembered(folder: Path) -> None:
    """A discarded dead letter's newest edit is remembered, so only a later one counts as new."""
    conn = made(folder)
    dead_letters.clear_pending(conn, NOW + 70)
    put(conn, "scene:1", now=NOW + 80)
    change(conn, "scene:1", status=stock.DEAD, timestamp=NOW + 50)
    change(conn, "scene:3", timestamp=None)
    assert ask(folder.parents[1], "clear_dlq") == {"output": {"cleared": 3}}
    assert dead_letters.cleared_at(conn, job_keys(["scene:1", "scene:3", "scene:4"])) == {
        JobKey.scene(1): NOW + 70, JobKey.scene(3): 0, JobKey.scene(4): NOW,
    }  # fmt: skip
