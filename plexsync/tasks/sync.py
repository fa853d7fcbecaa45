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

from plexsync.app import App, World
from plexsync.core import environment, locks, wake
from plexsync.log import Log, StderrSink
from plexsync.model.errors import PlexSyncError
from plexsync.model.job_key import JobKey
from plexsync.queue import bulk, dead_letters, schema
from plexsync.stash.api import stash_text
from plexsync.tasks import check_setup, follow, preview

Args = dict[str, Any]

#: Hours of "recent" where the call does not say.
RECENT_HOURS = 24.0


class Task:
    """One run of a task: its id, its log with progress, what it needs."""

    def __init__(self, folder: str, args: Args, task_id: str, *, world: World | None = None) -> None:
        self.folder = folder
        self.args = args
        self.id = task_id
        self.world = world or World()
        self.sink = StderrSink()
        self.log = Log([self.sink])
        self.conn = schema.open_queue(folder, self.world.clock())
        self.app = App(folder, self.log, world=self.world)

    def close(self) -> None:
        """Close connections and files."""
        self.app.close()
        self.conn.close()


def run(mode: str, folder: str, args: Args) -> Any:
    """Run the task ``mode``; its output. Raises ``PlexSyncError`` with one sentence."""
    task = Task(folder, args, f"{os.getpid()}-{time.time_ns()}")
    try:
        task.sink.progress(0.0)
        output = _MODES[mode](task)
        task.sink.progress(1.0)
        return output
    finally:
        task.close()


def sync(task: Task, mark: Callable[[Task], int], name: str) -> Args:
    """Mark, wake the worker, follow it, and tell how it ended.

    However the task ends by itself, what it marked is the background worker's own from then on.
    """
    with _task_lock(task.folder, task.id):
        try:
            bulk.drop_stopped(task.conn, task.folder, task.world.sleep)  # or this task would take them for its own
            total = mark(task)
            ended = follow.follow(task.folder, task.conn, task.id, total, task.sink, task.world)
        finally:
            if bulk.hand_over(task.conn, task.id):
                wake.wake(task.folder)
    output: Args = {"marked": total, **bulk.outcomes(task.conn, task.id)}
    bulk.forget_counts(task.conn, task.id)
    return _told(task, name, output, ended)


@contextmanager
def _task_lock(folder: str, task_id: str) -> Iterator[None]:
    """Hold ``task.lock`` with the task's id in it: while it is held, what the task marked is wanted."""
    fd = locks.open_lock(os.path.join(folder, environment.TASK_LOCK))
    try:
        if not locks.wait_lock(fd, 1.0):
            raise PlexSyncError("Another PlexSync task is running; start this one again when it has ended.")
        locks.write_text(fd, task_id)
        yield
        locks.write_text(fd, "")
    finally:
        os.close(fd)


def _told(task: Task, name: str, output: Args, ended: follow.Ended) -> Args:
    """The result in one line: Stash shows a green tick whatever came of it, and stdout to nobody."""
    goes_on = "The background worker goes on when it is back."
    if ended.kind == follow.AWAY:
        output["plex"] = "away"
        task.log.warning(f"ended {name}: Plex is away. {goes_on}", **output)
    elif ended.kind == follow.STASH_AWAY:
        output["stash"] = "away"
        why = ended.sentence or f"Stash does not answer the background worker. {goes_on}"
        task.log.warning(f"ended {name}: {why}", **output)
    elif ended.kind == follow.PROBLEM:
        raise PlexSyncError(f"{ended.sentence} What is not done yet goes on by itself once that is put right.")
    else:
        task.log.info(f"finished {name}", **output)
    return output


def _mark_all(task: Task) -> int:
    return _mark(task, task.app.stash.ids({}), "Sync all")


def _mark_recent(task: Task) -> int:
    """The scenes that were updated in the last hours."""
    since = task.world.clock() - _hours(task) * 3600
    pages = (
        [int(raw["id"]) for raw in page if _is_since(raw.get("updated_at"), since)]
        for page in task.app.stash.changed("scene", stash_text(since))
    )
    return _mark(task, pages, "Sync recent")


def _hours(task: Task) -> float:
    raw = task.args.get("hours", RECENT_HOURS)
    try:
        hours = float(raw)
    except (TypeError, ValueError):
        hours = -1.0
    if not 0 < hours <= 24 * 366 * 100:
        task.log.warning(f"used {RECENT_HOURS:g} hours: hours is {str(raw)[:20]!r}, but a number above 0 is accepted")
        return RECENT_HOURS
    return hours


def _is_since(text: object, since: float) -> bool:
    try:
        return datetime.fromisoformat(str(text)).timestamp() >= int(since)
    except ValueError:
        return True  # a time that cannot be read: better once too often


def _mark(task: Task, pages: Iterable[list[int]], reason: str) -> int:
    total = 0
    for page in pages:
        keys = [JobKey.scene(scene_id) for scene_id in page]
        bulk.mark_many(task.conn, keys, reason, task.id, task.world.clock(), task.world.sleep)
        total += len(keys)
    return total


def _mark_due(task: Task) -> int:
    """Everything that is due now, without owning it."""
    now = task.world.clock()
    orphans = wake.running_pid(task.folder) is None
    far = now + environment.horizon()
    return bulk.follow_due(task.conn, task.id, now, far, task.world.sleep, orphans=orphans)


def _mark_dead(task: Task) -> int:
    """Every dead letter, put back with a clean slate."""
    return dead_letters.retry_all(task.conn, task.world.clock(), task.id, sleep=task.world.sleep)


_MODES: dict[str, Callable[[Task], Any]] = {
    "sync_all": lambda task: sync(task, _mark_all, "Sync all"),
    "sync_recent": lambda task: sync(task, _mark_recent, "Sync recent"),
    "process_queue": lambda task: sync(task, _mark_due, "Process queue"),
    "process_dlq": lambda task: sync(task, _mark_dead, "Process DLQ"),
    "preview": lambda task: preview.run(task.app, task.sink),
    "check_setup": lambda task: check_setup.run(task.app),
}
