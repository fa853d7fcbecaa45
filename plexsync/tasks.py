"""The buttons: a task marks scenes, wakes the worker, follows its rows and shows that as progress. It never drains.

A task ends by itself and never waits for Plex to come back; what it marked and the worker did not do yet is then handed
over. Stop (SIGKILL) makes the worker drop it.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any

from plexsync import checkup, durations, follow, jobs, letters, locks, marks, paths, preview
from plexsync.app import App, World
from plexsync.catchup import stash_text
from plexsync.errors import PlexSyncError, SetupError
from plexsync.log import Log, StderrSink

Args = dict[str, Any]

#: Hours of "recent" where the call does not say.
RECENT_HOURS = 24.0


class Task:
    """One run of a task: its mark, its log with progress, what it needs."""

    def __init__(self, folder: str, args: Args, mark: str, *, world: World | None = None) -> None:
        self.folder = folder
        self.args = args
        self.mark = mark
        self.world = world or World()
        self.sink = StderrSink()
        self.log = Log([self.sink])
        self.conn = jobs.open_queue(folder, self.world.clock())
        self.app = App(folder, self.log, world=self.world)

    def close(self) -> None:
        """Close connections and files."""
        self.app.close()
        self.conn.close()


def run(mode: str, folder: str, args: Args) -> Any:
    """Run the task ``mode``; its output. Raises ``PlexSyncError`` with one sentence."""
    calls: dict[str, Callable[[Task], Any]] = {
        "sync_all": sync_all,
        "sync_recent": sync_recent,
        "process_queue": process_queue,
        "process_dlq": process_dlq,
        "preview": lambda task: preview.run(task.app, task.sink),
        "check_setup": lambda task: checkup.run(task.app),
    }
    mark = f"{os.getpid()}-{time.time_ns()}"
    task = Task(folder, args, mark)
    try:
        if mode in ("preview", "check_setup"):
            output = calls[mode](task)
        else:
            with _task_lock(folder, mark):
                output = calls[mode](task)
        _tell(task.log, mode, output)
        return output
    except PlexSyncError as error:
        task.log.error(f"could not finish {mode}: {error}")
        raise
    finally:
        task.close()


@contextmanager
def _task_lock(folder: str, mark: str) -> Iterator[None]:
    """Hold ``task.lock`` with the mark in it: while it is held, what the task marked is wanted."""
    fd = locks.open_lock(os.path.join(folder, paths.TASK_LOCK))
    try:
        if not locks.wait_lock(fd, 1.0):
            raise PlexSyncError("Another PlexSync task is running; start this one again when it has ended.")
        locks.write_text(fd, mark)
        yield
        locks.write_text(fd, "")
    finally:
        os.close(fd)


def sync_all(task: Task) -> Args:
    """Mark every scene and follow them."""
    return _sync(task, (page for page in task.app.stash.ids({})), "Sync all")


def sync_recent(task: Task) -> Args:
    """Mark the scenes that were updated in the last hours."""
    hours = _hours(task)
    since = task.world.clock() - hours * 3600

    def recent() -> Iterator[list[int]]:
        for page in task.app.stash.changed("scene", stash_text(since)):
            yield [int(raw["id"]) for raw in page if _is_since(raw.get("updated_at"), since)]

    return _sync(task, recent(), "Sync recent")


def _hours(task: Task) -> float:
    raw = task.args.get("hours", RECENT_HOURS)
    try:
        hours = float(raw)
    except (TypeError, ValueError):
        hours = -1.0
    if not 0 < hours <= 24 * 366 * 100:
        task.log.warning(f"used {RECENT_HOURS:g} hours, because hours has to be a number above 0")
        return RECENT_HOURS
    return hours


def _is_since(text: object, since: float) -> bool:
    try:
        return datetime.fromisoformat(str(text)).timestamp() >= int(since)
    except ValueError:
        return True  # a time that cannot be read: better once too often


def _sync(task: Task, pages: Iterable[list[int]], reason: str) -> Args:
    total = 0
    for page in pages:
        keys = [f"scene:{scene_id}" for scene_id in page]
        marks.mark_many(task.conn, keys, reason, task.mark, task.world.clock(), task.world.sleep)
        total += len(keys)
    return _followed(task, total)


def process_queue(task: Task) -> Args:
    """Follow everything that is due now."""
    now = task.world.clock()
    return _followed(task, marks.mark_due(task.conn, task.mark, now, now + durations.horizon()))


def process_dlq(task: Task) -> Args:
    """Put every dead letter back with a clean slate, and follow them."""
    return _followed(task, letters.retry_all(task.conn, task.world.clock(), task.mark))


def _followed(task: Task, total: int) -> Args:
    """Wake the worker, follow the rows to their end, hand over what is left. The counts by outcome."""
    ended = follow.follow(task.folder, task.conn, task.mark, total, task.sink, task.world)
    marks.hand_over(task.conn, task.mark)
    counts = marks.outcomes(task.conn, task.mark)
    marks.forget(task.conn, task.mark)
    output: Args = {"marked": total, **counts}
    if ended.kind == follow.AWAY:
        output["plex"] = "away"
    elif ended.kind == follow.STASH_AWAY:
        output["stash"] = "away"
    elif ended.kind == follow.PROBLEM:
        raise SetupError(f"{ended.sentence} {total} scenes stay marked and go on by themselves.", code="paused")
    return output


def _tell(log: Log, mode: str, output: Any) -> None:
    """The result in one line: Stash shows a green tick whatever came of it, and stdout to nobody."""
    if not isinstance(output, dict):
        return
    counts = {name: value for name, value in output.items() if isinstance(value, int | str) and name != "plex"}
    if output.get("plex") == "away":
        log.warning(f"ended {mode}: Plex is away, so the background worker goes on when it is back", **counts)
    else:
        log.info(f"ended {mode}", **counts)
