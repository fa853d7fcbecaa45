"""Tasks from the inside, where a real worker would take too long or could not be brought into that state."""

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


class Theatre:
    """A task of which each sleep plays the next step of the worker. ``woken``: how often somebody woke it."""

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
        """The log lines, as ``level text``; progress left out."""
        lines = [line[1:].replace("\x02", " ") for line in self.stream.getvalue().splitlines()]
        return [line for line in lines if not line.startswith("p ")]

    def sleep(self, seconds: float) -> None:
        """Time passes."""
        self.at += seconds
        if seconds >= 0.1:
            self.steps.pop(0)()

    def wake(self, folder: str) -> bool:
        """Stands for waking the worker."""
        self.woken += 1
        return False

    def mark(self, *numbers: int) -> int:
        """Mark scenes as Sync all does."""
        bulk.mark_many(
            self.task.conn, [JobKey.scene(one) for one in numbers], "x", self.task.task_id, self.at, self.sleep
        )
        return len(numbers)

    def pause(self, kind: str, problem: str = "") -> None:
        """The worker looks and pauses."""
        store = ledger.open_state(str(self.folder))
        Meta(store).pause = pause.Pause(kind, self.at + 60, problem)
        store.close()
        QueueMeta(self.conn).wake_seen = 99


@pytest.fixture
def theatre(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Theatre]:
    """A task in a data folder of its own, in which a worker seems to live."""
    with worker_held(tmp_path):
        made_theatre = Theatre(tmp_path)
        monkeypatch.setattr(wake, "wake", made_theatre.wake)
        yield made_theatre
        made_theatre.task.close()
        made_theatre.conn.close()


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
def test_paused(theatre: Theatre, kind: str, problem: str, line: str) -> None:
    """A pause ends the task with a warning that says who is away; its rows are handed over to the worker."""
    theatre.steps = [lambda: theatre.pause(kind, problem)]
    output = sync.mark_and_follow(theatre.task, lambda task: theatre.mark(1, 2), "Sync all")
    assert output == {"marked": 2, ("plex" if kind == pause.PLEX else "stash"): "away"}
    assert theatre.said() == [f"w ended Sync all: {line}"]
    assert keys(theatre.conn, "bulk = 0 AND status = 1") == scenes(2)
    assert bulk.outcomes(theatre.conn, theatre.task.task_id) == {}


@pytest.mark.parametrize("kind", [pause.SETUP, pause.LOCAL])
def test_a_problem(theatre: Theatre, kind: str) -> None:
    """What has to be put right is the task's error; its rows are handed over all the same, and its counts forgotten."""
    theatre.steps = [lambda: theatre.pause(kind, "PlexSync is paused: the disk is full.")]
    with pytest.raises(PlexSyncError) as caught:
        sync.mark_and_follow(theatre.task, lambda task: theatre.mark(1, 2), "Sync all")
    assert str(caught.value) == (
        "PlexSync is paused: the disk is full. The rest continues automatically once this is fixed."
    )
    assert keys(theatre.conn, "bulk = 0 AND status = 1") == scenes(2)


def test_stash_fails_half_way(theatre: Theatre) -> None:
    """A task that fails while it marks ends by itself: what it marked is done all the same, by a woken worker."""

    def fail(task: sync.Task) -> int:
        theatre.mark(1, 2)
        raise StashUnavailable("Stash does not answer")

    with pytest.raises(StashUnavailable):
        sync.mark_and_follow(theatre.task, fail, "Sync all")
    assert keys(theatre.conn, "bulk = 0") == scenes(2)
    assert bulk.drop_stopped(theatre.conn, str(theatre.folder)) == 0
    assert theatre.woken == 1
    assert bulk.running_task(str(theatre.folder)) == ""


def test_what_a_stopped_task_left_is_dropped_first(theatre: Theatre) -> None:
    """Process queue does not take over what a stopped task had marked; edits and leased rows stay."""
    conn = theatre.conn
    bulk.mark_many(conn, job_keys(scenes(3)), "x", "dead", NOW, lambda _: None)
    put(conn, "scene:4")
    assert leased(conn, 1) == ["scene:4"]
    change(conn, "scene:4", status=stock.READY)
    change(conn, "scene:1", status=stock.LEASED)
    theatre.steps = [lambda: conn.execute("DELETE FROM ack_queue_default WHERE key = 'scene:4'")]
    assert sync.mark_and_follow(theatre.task, sync._mark_due, "Process queue") == {"marked": 1}
    assert keys(conn) == ["scene:1"]
    assert job(conn, "scene:1")["task"] == "dead"


def test_while_it_runs_its_mark_is_held(theatre: Theatre) -> None:
    """The worker keeps the rows while the task runs, and finds nobody once it has ended."""
    seen: list[str] = []
    theatre.steps = [
        lambda: seen.append(bulk.running_task(str(theatre.folder))),
        lambda: theatre.conn.execute("DELETE FROM ack_queue_default"),
    ]
    sync.mark_and_follow(theatre.task, lambda task: theatre.mark(1), "Sync all")
    assert seen == ["9-9"]
    assert bulk.running_task(str(theatre.folder)) == ""
    assert (theatre.folder / "task.lock").read_text("ascii") == ""


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
def test_hours(theatre: Theatre, raw: object, hours: float, warned: bool) -> None:
    """Hours may be a number or its text; anything else is told once, and 24 is used."""
    theatre.task.args = {"hours": raw}
    assert sync._hours(theatre.task) == hours
    lines = theatre.said()
    assert lines == ([f"w using 24 hours: hours={str(raw)!r} is not accepted. Use a number above 0."] if warned else [])


def test_no_hours(theatre: Theatre) -> None:
    """A call without hours means 24, and that is nothing to warn of."""
    assert sync._hours(theatre.task) == 24.0
    assert theatre.said() == []


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
    """A scene's time counts in whole seconds of any zone; one that cannot be read counts as recent."""
    assert sync._is_since(text, NOW + 0.7) is recent
