"""Makes a started plugin process kill itself at a named point. Standard library alone; the product knows nothing of it.

Python imports ``sitecustomize`` at its start if this file's folder is on ``PYTHONPATH``, which workers inherit from the
hook that starts them; in a process that is started with ``-S``, ``start.py`` imports it. ``PLEXSYNC_CRASH`` names a
folder. As each module of ``POINTS`` is imported, its functions are wrapped; a wrapper that is reached looks there for a
file with its point's name, which holds how many kills are left and, where only one scene is meant, that scene's id.
Whoever counts it down dies by SIGKILL, and the next to come lives.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType
from typing import Any, NamedTuple

#: The environment variable that names the folder.
VARIABLE = "PLEXSYNC_CRASH"

SIGKILL = 9


class Point(NamedTuple):
    """``function`` of ``module`` (``Class.method`` for a method); ``when``: ``before`` it, ``after`` it (but not when
    it returned an empty list: nothing was done), or at the ``commit`` of what it changes, on the connection that its
    first argument is or has."""

    module: str
    function: str
    when: str


POINTS = {
    # the hook
    "hook while making the queue": Point("plexsync.queue.schema", "first_contact", "before"),
    "hook before insert": Point("plexsync.core.enqueue", "enqueue", "before"),
    "hook before commit": Point("plexsync.core.enqueue", "enqueue", "commit"),
    "hook after commit": Point("plexsync.core.event", "leave_connection", "before"),
    "hook before wake-up": Point("plexsync.core.wake", "wake", "before"),
    "hook with the lock": Point("plexsync.core.spawn", "start_worker", "before"),
    "hook with a new worker": Point("plexsync.core.spawn", "spawn", "after"),
    "hook before the answer": Point("plexsync.entry", "say", "before"),
    # the worker, in the order of its work
    "worker starting": Point("plexsync.daemon.run", "drain", "before"),
    "worker rescuing": Point("plexsync.queue.worker_queue", "JobQueue.resume_unack_tasks", "after"),
    "worker before lease commits": Point("plexsync.queue.jobs", "lease", "commit"),
    "worker after lease": Point("plexsync.queue.worker_queue", "JobQueue.lease", "after"),
    "worker after reading scenes": Point("plexsync.stash.api", "Stash.batch", "after"),
    "worker within a page of the index": Point("plexsync.plex.index", "Library._store", "commit"),
    "worker after a page of the index": Point("plexsync.plex.index", "Library._store", "after"),
    "worker before the index is whole": Point("plexsync.plex.index", "Library._save", "before"),
    "worker after matching": Point("plexsync.sync.planner", "Planner.match", "after"),
    "worker after reading items": Point("plexsync.sync.planner", "Planner.read", "after"),
    "worker while planning a scene": Point("plexsync.model.fields", "desired", "before"),
    "worker before the intents": Point("plexsync.sync.writer", "Writer._intend", "before"),
    "worker before the intents commit": Point("plexsync.state.ledger", "State.store", "commit"),
    "worker before a PUT": Point("plexsync.plex.client", "PlexClient.put", "before"),
    "worker after a PUT": Point("plexsync.plex.client", "PlexClient.put", "after"),
    "worker after the read-back": Point("plexsync.sync.writer", "Writer.read_back", "after"),
    "worker before an upload": Point("plexsync.plex.client", "PlexClient.upload", "before"),
    "worker after an upload": Point("plexsync.plex.client", "PlexClient.upload", "after"),
    "worker after storing": Point("plexsync.sync.writer", "Writer._store", "after"),
    "worker before planning an undo": Point("plexsync.sync.restoration", "plan", "before"),
    "worker before a picture is shown": Point("plexsync.plex.client", "PlexClient.select", "before"),
    "worker after a picture is shown": Point("plexsync.plex.client", "PlexClient.select", "after"),
    "worker after a picture is taken away": Point("plexsync.plex.client", "PlexClient.unset", "after"),
    "worker before an undo is forgotten": Point("plexsync.state.undoing", "finish", "commit"),
    "worker after an undo is forgotten": Point("plexsync.state.undoing", "finish", "after"),
    "worker before settling": Point("plexsync.queue.jobs", "settle", "before"),
    "worker before settling commits": Point("plexsync.queue.jobs", "settle", "commit"),
    "worker after settling": Point("plexsync.queue.jobs", "settle", "after"),
    "worker before fan-out": Point("plexsync.worker.fan_out", "fan_out", "before"),
    "worker after fan-out": Point("plexsync.worker.fan_out", "fan_out", "after"),
    "worker in catch-up": Point("plexsync.queue.jobs", "add_missing", "before"),
    "worker after catch-up": Point("plexsync.worker.reconcile", "run", "after"),
    "worker exporting the status": Point("plexsync.core.environment", "replace", "before"),
    "worker exporting, file written": Point("os", "fsync", "after"),
    # from work to idle, and to the end
    "worker becoming idle": Point("plexsync.daemon.process", "Holder.become", "before"),
    "idle worker starting": Point("plexsync.daemon.idle", "Idle.run", "before"),
    "idle worker waiting": Point("plexsync.daemon.idle", "decide", "after"),
    "idle worker ending": Point("plexsync.daemon.process", "Holder.end", "before"),
    "idle worker ended, lock released": Point("plexsync.daemon.main", "_Process._has_due_rows", "before"),
    # operations
    "operation after a choice": Point("plexsync.state.choices", "Choices.choose", "after"),
    "undo after marking": Point("plexsync.state.undoing", "mark", "after"),
    "undo before queueing": Point("plexsync.queue.undo_jobs", "enqueue", "before"),
    # tasks
    "task before marking": Point("plexsync.queue.bulk", "mark_many", "before"),
    "task after marking": Point("plexsync.queue.bulk", "mark_many", "after"),
    "task following": Point("plexsync.queue.bulk", "left", "after"),
    "task before handing over": Point("plexsync.queue.bulk", "hand_over", "before"),
}


class Bomb:
    """One point in this process."""

    def __init__(self, name: str, folder: str) -> None:
        self._path = os.path.join(folder, name)

    def go_off(self, arguments: Sequence[Any]) -> None:
        """Kill this process if the point's file says so."""
        try:
            with open(self._path, encoding="ascii") as file:
                left, _, scene = file.read().partition(" ")
        except OSError:
            return
        if scene and all(getattr(argument, "id", None) != int(scene) for argument in arguments):
            return
        try:
            os.rename(self._path, f"{self._path}.{os.getpid()}")  # of two processes that come at once, one dies
        except OSError:
            return
        if int(left) > 1:
            with open(self._path + ".next", "w", encoding="ascii") as file:
                file.write(f"{int(left) - 1} {scene}".strip())
            os.rename(self._path + ".next", self._path)
        os.kill(os.getpid(), SIGKILL)

    def wrap(self, function: Callable[..., Any], when: str) -> Callable[..., Any]:
        """Return the function with the point in it."""

        def wrapped(*arguments: Any, **named: Any) -> Any:
            if when == "before":
                self.go_off(arguments)
            if when == "commit":
                connection(arguments[0]).set_trace_callback(self._tracer())
            result = function(*arguments, **named)
            if when == "commit":
                connection(arguments[0]).set_trace_callback(None)
            if when == "after" and result != []:
                self.go_off(arguments)
            return result

        return wrapped

    def _tracer(self) -> Callable[[str], None]:
        """Return a trace callback that goes off at the first COMMIT after a change."""
        changed: list[str] = []

        def trace(sql: str) -> None:
            if sql.lstrip().startswith(("INSERT", "UPDATE", "DELETE")):
                changed.append(sql)
            elif sql == "COMMIT" and changed:
                self.go_off(())

        return trace


def connection(owner: Any) -> Any:
    """Return the SQLite connection that ``owner`` is or has."""
    return getattr(owner, "_conn", getattr(owner, "conn", owner))


class Finder:
    """Finds the modules of ``POINTS`` as Python would, and wraps their functions once they have been executed.

    It changes Python's own finder, because a release asks no other.
    """

    def __init__(self, folder: str) -> None:
        self._folder = folder
        self._find = PathFinder.find_spec
        PathFinder.find_spec = self.find_spec  # type: ignore[method-assign, assignment]

    def find_spec(self, name: str, path: Sequence[str] | None = None, target: object = None) -> ModuleSpec | None:
        """Return the ordinary spec, for a module of ``POINTS`` with a loader that wraps."""
        mine = {point: where for point, where in POINTS.items() if where.module == name}
        spec = self._find(name, path)
        if not mine or spec is None or spec.loader is None:
            return spec
        execute = spec.loader.exec_module

        def exec_module(module: ModuleType) -> None:
            execute(module)
            self.lay(module, mine)

        spec.loader.exec_module = exec_module  # type: ignore[method-assign]
        return spec

    def lay(self, module: ModuleType, points: dict[str, Point]) -> None:
        """Wrap the points' functions in place."""
        for name, point in points.items():
            owner, _, function = point.function.rpartition(".")
            place: Any = getattr(module, owner) if owner else module
            setattr(place, function, Bomb(name, self._folder).wrap(getattr(place, function), point.when))


def lay_all(folder: str) -> None:
    """Lay every point, in what is loaded and in what will be."""
    finder = Finder(folder)
    finder.lay(os, {name: point for name, point in POINTS.items() if point.module == "os"})


if os.environ.get(VARIABLE):
    lay_all(os.environ[VARIABLE])
