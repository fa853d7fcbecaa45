"""The tasks that sync: mark scenes, wake the worker, follow the rows, show progress. A task never does the work itself.

A task never waits for Plex. When it ends, the rows that it marked and that are not done yet are handed over to the
background worker. Stop kills the task (SIGKILL), and the worker drops them instead.
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
from plexsync.stash.queries import stash_text
from plexsync.tasks import check_setup, preview
from plexsync.tasks.call import BUTTONS, Args
from plexsync.tasks.follow import Ended, Ending, follow

#: Hours of Sync recent where the call names none.
RECENT_HOURS = 24.0


class Task:
    """One run of a task: its id, log, queue and app."""

    def __init__(self, folder: str, args: Args, task_id: str, *, world: World | None = None) -> None:
        self.folder = folder
        self.args = args
        self.task_id = task_id
        self.world = world or World()
        self.sink = StderrSink()
        self.log = Log([self.sink])
        self.app = App(folder, self.log, world=self.world)
        self.conn = schema.open_queue(folder, self.world.clock())

    def close(self) -> None:
        """Close connections and files."""
        self.app.close()
        self.conn.close()


def run(mode: str, folder: str, args: Args) -> Any:
    """Run the task ``mode`` and return its output. Raise ``PlexSyncError``."""
    task = Task(folder, args, f"{os.getpid()}-{time.time_ns()}")
    try:
        task.sink.progress(0.0)
        output = _run(task, mode)
        task.sink.progress(1.0)
        return output
    finally:
        task.close()


def _run(task: Task, mode: str) -> Any:
    if mode == "preview":
        return preview.run(task.app, task.sink)
    if mode == "check_setup":
        return check_setup.run(task.app)
    return mark_and_follow(task, _MARKERS[mode], BUTTONS[mode])


def mark_and_follow(task: Task, mark: Callable[[Task], int], name: str) -> Args:
    """Mark rows, wake the worker, follow the rows, and report how it ended.

    Unless the task is killed, the background worker owns the rows that are left at the end.
    """
    with _task_lock(task.folder, task.task_id):
        try:
            bulk.drop_stopped(task.conn, task.folder, task.world.sleep)  # or they would become rows of this task
            total = mark(task)
            ended = follow(task.folder, task.conn, task.task_id, total, task.sink, task.world)
        finally:
            if bulk.hand_over(task.conn, task.task_id):
                wake.wake(task.folder)
    output: Args = {"marked": total, **bulk.outcomes(task.conn, task.task_id)}
    bulk.forget_counts(task.conn, task.task_id)
    return _report(task, name, output, ended)


@contextmanager
def _task_lock(folder: str, task_id: str) -> Iterator[None]:
    """Hold ``task.lock``, with the task's id in it: as long as it is held, the worker keeps the task's rows."""
    fd = locks.open_lock(os.path.join(folder, environment.TASK_LOCK))
    try:
        if not locks.wait_lock(fd, 1.0):
            raise PlexSyncError("Another PlexSync task is running. Start this one when it has finished.")
        locks.write_text(fd, task_id)
        yield
        locks.write_text(fd, "")
    finally:
        os.close(fd)


def _report(task: Task, name: str, output: Args, ended: Ended) -> Args:
    """Log the result in one line: Stash shows a green tick whatever happened, and never shows stdout."""
    resumes = "The rest continues automatically when it is reachable again."
    if ended.ending is Ending.PLEX_AWAY:
        output["plex"] = "away"
        task.log.warning(f"ended {name}: Plex is unreachable. {resumes}", **output)
    elif ended.ending is Ending.STASH_AWAY:
        output["stash"] = "away"
        why = ended.sentence or f"The background worker cannot reach Stash. {resumes}"
        task.log.warning(f"ended {name}: {why}", **output)
    elif ended.ending is Ending.PROBLEM:
        raise PlexSyncError(f"{ended.sentence} The rest continues automatically once this is fixed.")
    else:
        task.log.info(f"finished {name}", **output)
    return output


def _mark_all(task: Task) -> int:
    return _mark(task, task.app.stash.ids({}), BUTTONS["sync_all"])


def _mark_recent(task: Task) -> int:
    """Mark the scenes that were updated in the last ``hours`` (of the call)."""
    since = task.world.clock() - _hours(task) * 3600
    pages = (
        [int(raw["id"]) for raw in page if _is_since(raw.get("updated_at"), since)]
        for page in task.app.stash.changed("scene", stash_text(since))
    )
    return _mark(task, pages, BUTTONS["sync_recent"])


def _hours(task: Task) -> float:
    raw = task.args.get("hours", RECENT_HOURS)
    try:
        hours = float(raw)
    except (TypeError, ValueError):
        hours = -1.0
    if not 0 < hours <= 24 * 366 * 100:
        shown = f"hours={str(raw)[:20]!r}"
        task.log.warning(f"using {RECENT_HOURS:g} hours: {shown} is not accepted. Use a number above 0.")
        return RECENT_HOURS
    return hours


def _is_since(text: object, since: float) -> bool:
    try:
        return datetime.fromisoformat(str(text)).timestamp() >= int(since)
    except ValueError:
        return True  # an unreadable time: better to sync once too often


def _mark(task: Task, pages: Iterable[list[int]], reason: str) -> int:
    total, asked_at = 0, task.world.clock()  # an undo that is asked for meanwhile wins
    for page in pages:
        keys = [JobKey.scene(scene_id) for scene_id in page]
        bulk.mark_many(task.conn, keys, reason, task.task_id, asked_at, task.world.sleep)
        total += len(keys)
    return total


def _mark_due(task: Task) -> int:
    """Follow everything that is due now, without owning it: Stop drops none of it."""
    now = task.world.clock()
    orphans = wake.running_pid(task.folder) is None
    far = now + environment.horizon()
    return bulk.follow_due(task.conn, task.task_id, now, far, task.world.sleep, orphans=orphans)


def _mark_dead(task: Task) -> int:
    """Queue every dead letter again with no attempt counted."""
    return dead_letters.retry_all(task.conn, task.world.clock(), task.task_id, sleep=task.world.sleep)


_MARKERS: dict[str, Callable[[Task], int]] = {
    "sync_all": _mark_all,
    "sync_recent": _mark_recent,
    "process_queue": _mark_due,
    "process_dlq": _mark_dead,
}
