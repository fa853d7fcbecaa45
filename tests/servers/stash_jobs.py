"""Stash's job lane: plugin tasks one at a time, first come first served.

Owns job ids, their states and the handles that tests hold. Must not know GraphQL.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from tests.servers.stash_hooks import LogLine, PluginProcess, TaskResult

Start = Callable[[dict[str, Any], Callable[[LogLine], None]], PluginProcess]


@dataclass(slots=True)
class Task:
    """One queued, running or finished plugin task; ``status`` in Stash's words."""

    id: int
    description: str
    args: dict[str, Any]
    added: str
    progress: list[float] = field(default_factory=list)
    log: list[LogLine] = field(default_factory=list)
    status: str = "READY"
    error: str | None = None
    process: PluginProcess | None = None
    ended: threading.Event = field(default_factory=threading.Event)
    _guard: threading.Lock = field(default_factory=threading.Lock)

    def stop(self) -> None:
        """What the UI's cross does: off the queue, or SIGKILL to a running process."""
        with self._guard:
            if self.status == "READY":
                self.status = "CANCELLED"
                self.ended.set()
            process = self.process
        if process is not None:
            process.kill()
            self.ended.wait()

    def wait(self, timeout: float = 120) -> TaskResult:
        """The result; after ``timeout`` seconds the task is killed and ``TimeoutError`` raised."""
        if not self.ended.wait(timeout):
            self.stop()
            raise TimeoutError(f"{self.description} was still running after {timeout} s; log: {self.log[-5:]}")
        if self.process is None:
            return TaskResult(error=self.error, killed=self.status == "CANCELLED")
        end = self.process.result()
        return TaskResult(
            end.output, end.error, self.progress, self.log, end.returncode, end.seconds, end.killed, end.stdout
        )

    def take(self, line: LogLine) -> None:
        """Sort one line into progress and log."""
        if line.level != "progress":
            self.log.append(line)
            return
        try:
            self.progress.append(min(max(float(line.message), 0.0), 1.0))
        except ValueError:
            self.log.append(LogLine("error", f"Error parsing progress value '{line.message}'"))

    def run(self, start: Start) -> None:
        """Carry it out in the lane's thread."""
        with self._guard:
            if self.status != "READY":
                return
            self.process = start(self.args, self.take)
            self.status = "RUNNING"
        self.process.wait()
        self.status = "CANCELLED" if self.process.killed else "FINISHED"
        self.ended.set()


class JobLane:
    """The one worker of Stash's job manager. Ids begin at 1; the last ten finished jobs are remembered."""

    def __init__(self, start: Start) -> None:
        self._start = start
        self._queue: queue.Queue[Task | None] = queue.Queue()
        self._thread: threading.Thread | None = None
        self.tasks: dict[int, Task] = {}

    def add(self, description: str, args: dict[str, Any], added: str, error: str | None = None) -> Task:
        """Queue a task; with ``error`` it fails when its turn comes, as an unknown task does."""
        task = Task(len(self.tasks) + 1, description, args, added, error=error)
        self.tasks[task.id] = task
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, daemon=True)
            self._thread.start()
        self._queue.put(task)
        return task

    def ran(self, description: str, added: str, work: Callable[[], object]) -> Task:
        """Carry out what is no plugin's at once; the job, finished whatever came of it, as a package's is."""
        task = Task(len(self.tasks) + 1, description, {}, added, status="FINISHED")
        self.tasks[task.id] = task
        try:
            work()
        except (OSError, ValueError, LookupError) as error:
            task.log.append(LogLine("error", f"{description}: {error}"))
        task.ended.set()
        return task

    def pending(self) -> list[Task]:
        """Queued and running tasks, in order."""
        return [task for task in self.tasks.values() if not task.ended.is_set()]

    def find(self, number: int) -> Task | None:
        """A job that is still remembered."""
        done = [task.id for task in self.tasks.values() if task.ended.is_set()]
        return None if number in done[:-10] else self.tasks.get(number)

    def close(self) -> None:
        """Stop everything, last first, and end the thread."""
        for task in reversed(self.pending()):
            task.stop()
        if self._thread is not None:
            self._queue.put(None)
            self._thread.join(5)

    def _work(self) -> None:
        while (task := self._queue.get()) is not None:
            if task.error is not None:
                task.status = "FAILED"
                task.ended.set()
                continue
            task.run(self._start)


def await_status(task: Task, status: str, timeout: float = 120) -> bool:
    """Wait until the task has that status; False after ``timeout`` seconds."""
    until = time.monotonic() + timeout
    while task.status != status and time.monotonic() < until:
        time.sleep(0.005)
    return task.status == status
