"""Tasks in process, for states that a real worker would reach too slowly or not at all."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from plexsync.app import World
from plexsync.core import wake
from plexsync.log import Log, StderrSink
from plexsync.model.errors import PlexSyncError, StashUnavailable
from plexsync.model.job_key import JobKey
from plexsync.queue import bulk, stock
from plexsync.queue.meta import QueueMeta
from plexsync.state import ledger, pause
from plexsync.state.meta import Meta
from plexsync.tasks import sync
from tests.support.processes import worker_held
from tests.support.queue_tools import NOW, change, job, job_keys, keys, leased, made, put, scenes


class SteppedTask:
    """A task; each of its sleeps runs the worker's next step. ``woken``: how often the worker was woken."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.at = NOW
        self.woken = 0
        self.steps: list[Callable[[], object]] = []
        self.conn = made(folder)
        self.task = sync.Task(str(folder), {}, "9-9", world=World(clock=lambda: self.at, sleep=self.sleep))
        self.stream = io.StringIO()
        self.task.sink = StderrSink(self.stream)
        self.task.log = Log([self.task.sink])

    def said(self) -> list[str]:
        """Return the log lines, as ``level text``, without progress."""
        lines = [line[1:].replace("\x02", " ") for line in self.stream.getvalue().splitlines()]
        return [line for line in lines if not line.startswith("p ")]

    def sleep(self, seconds: float) -> None:
        """Let time pass, and run the worker's next step."""
        self.at += seconds
        if seconds >= 0.1:
            self.steps.pop(0)()

    def wake(self, folder: str) -> bool:
        """Count a wake-up of the worker."""
        self.woken += 1
        return False

    def mark(self, *numbers: int) -> int:
        """Mark scenes, as Sync all does."""
        bulk.mark_many(
            self.task.conn, [JobKey.scene(number) for number in numbers], "x", self.task.task_id, self.at, self.sleep
        )
        return len(numbers)

    def pause(self, kind: str, problem: str = "") -> None:
        """See all wake requests and pause, as the worker does."""
        store = ledger.open_state(str(self.folder))
        Meta(store).pause = pause.Pause(kind, self.at + 60, problem)
        store.close()
        QueueMeta(self.conn).wake_seen = 99


@pytest.fixture
def stepped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[SteppedTask]:
    """Return a task in a new data folder, in which a worker seems to be running."""
    with worker_held(tmp_path):
        stepped_task = SteppedTask(tmp_path)
        monkeypatch.setattr(wake, "wake", stepped_task.wake)
        yield stepped_task
        stepped_task.task.close()
        stepped_task.conn.close()


@pytest.mark.parametrize(
    ("kind", "problem", "line"),
    [
        (
            pause.PLEX,
            "",
            "Plex is unreachable. The rest continues automatically when it is reachable again. marked=2 plex=away",
        ),
        (
            pause.STASH,
            "",
            (
                "The background worker cannot reach Stash. The rest continues automatically when it is reachable again."
                " marked=2 stash=away"
            ),
        ),
        (pause.STASH, "PlexSync is paused: Stash refuses.", "PlexSync is paused: Stash refuses. marked=2 stash=away"),
    ],
)
def test_paused(stepped: SteppedTask, kind: str, problem: str, line: str) -> None:
    """A pause ends the task with a warning that says who is unreachable; its rows are handed over."""
    stepped.steps = [lambda: stepped.pause(kind, problem)]
    output = sync.mark_and_follow(stepped.task, lambda task: stepped.mark(1, 2), "Sync all")
    assert output == {"marked": 2, ("plex" if kind == pause.PLEX else "stash"): "away"}
    assert stepped.said() == [f"w ended Sync all: {line}"]
    assert keys(stepped.conn, "bulk = 0 AND status = 1") == scenes(2)
    assert bulk.outcomes(stepped.conn, stepped.task.task_id) == {}


@pytest.mark.parametrize("kind", [pause.SETUP, pause.LOCAL])
def test_a_problem(stepped: SteppedTask, kind: str) -> None:
    """A problem is the task's error; its rows are handed over too, and its counts deleted."""
    stepped.steps = [lambda: stepped.pause(kind, "PlexSync is paused: the disk is full.")]
    with pytest.raises(PlexSyncError) as caught:
        sync.mark_and_follow(stepped.task, lambda task: stepped.mark(1, 2), "Sync all")
    assert str(caught.value) == (
        "PlexSync is paused: the disk is full. The rest continues automatically once this is fixed."
    )
    assert keys(stepped.conn, "bulk = 0 AND status = 1") == scenes(2)


def test_stash_fails_half_way(stepped: SteppedTask) -> None:
    """If a task fails while it marks, the worker is woken and does what it has marked."""

    def fail(task: sync.Task) -> int:
        stepped.mark(1, 2)
        raise StashUnavailable("Stash does not answer")

    with pytest.raises(StashUnavailable):
        sync.mark_and_follow(stepped.task, fail, "Sync all")
    assert keys(stepped.conn, "bulk = 0") == scenes(2)
    assert bulk.drop_stopped(stepped.conn, str(stepped.folder)) == 0
    assert stepped.woken == 1
    assert bulk.running_task(str(stepped.folder)) == ""


def test_what_a_stopped_task_left_is_dropped_first(stepped: SteppedTask) -> None:
    """Process queue does not take over a stopped task's rows; edits and leased rows stay."""
    conn = stepped.conn
    bulk.mark_many(conn, job_keys(scenes(3)), "x", "dead", NOW, lambda _: None)
    put(conn, "scene:4")
    assert leased(conn, 1) == ["scene:4"]
    change(conn, "scene:4", status=stock.READY)
    change(conn, "scene:1", status=stock.LEASED)
    stepped.steps = [lambda: conn.execute("DELETE FROM ack_queue_default WHERE key = 'scene:4'")]
    assert sync.mark_and_follow(stepped.task, sync._mark_due, "Process queue") == {"marked": 1}
    assert keys(conn) == ["scene:1"]
    assert job(conn, "scene:1")["task"] == "dead"


def test_while_it_runs_its_mark_is_held(stepped: SteppedTask) -> None:
    """The worker keeps the rows while the task runs, and owns them afterwards."""
    seen: list[str] = []
    stepped.steps = [
        lambda: seen.append(bulk.running_task(str(stepped.folder))),
        lambda: stepped.conn.execute("DELETE FROM ack_queue_default"),
    ]
    sync.mark_and_follow(stepped.task, lambda task: stepped.mark(1), "Sync all")
    assert seen == ["9-9"]
    assert bulk.running_task(str(stepped.folder)) == ""
    assert (stepped.folder / "task.lock").read_text("ascii") == ""


@pytest.mark.parametrize(
    ("raw", "hours", "warned"),
    [
        ("36", 36.0, False),
        (0.5, 0.5, False),
        (" 2 ", 2.0, False),
        (878400, 878400.0, False),
        (0, 24.0, True),
        (-1, 24.0, True),
        ("", 24.0, True),
        ("a", 24.0, True),
        (None, 24.0, True),
        ("nan", 24.0, True),
        ("inf", 24.0, True),
        ([], 24.0, True),
        (1e9, 24.0, True),
    ],
)
def test_hours(stepped: SteppedTask, raw: object, hours: float, warned: bool) -> None:
    """Hours may be a number or its text; anything else means 24, with one warning."""
    stepped.task.args = {"hours": raw}
    assert sync._hours(stepped.task) == hours
    lines = stepped.said()
    assert lines == ([f"w using 24 hours: hours={str(raw)!r} is not accepted. Use a number above 0."] if warned else [])


def test_no_hours(stepped: SteppedTask) -> None:
    """A call without hours means 24, without a warning."""
    assert sync._hours(stepped.task) == 24.0
    assert stepped.said() == []


@pytest.mark.parametrize(
    ("text", "recent"),
    [
        ("2024-03-09T16:00:00Z", True),
        ("2024-03-09T17:00:00+01:00", True),
        ("2024-03-09T15:59:59Z", False),
        ("2024-03-09T16:59:59+01:00", False),
        ("nonsense", True),
        (None, True),
    ],
)
def test_recent(text: str | None, recent: bool) -> None:
    """Times count in whole seconds of any zone; an unreadable one counts as recent."""
    assert sync._is_since(text, NOW + 0.7) is recent
