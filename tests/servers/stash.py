"""A Stash server for tests: its GraphQL, covers, sign-in, job lane and plugin processes over a real socket.

Owns starting, stopping and the face that tests use; the parts live beside it (`stash_model`, `stash_edits`,
`stash_api`, `stash_http`, `stash_manage`,
`stash_hooks`, `stash_jobs`). Must not import PlexSync: the plugin is a process to it, as it is to Stash.
"""

from __future__ import annotations

import re
import sys
import threading
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tests.servers.ports import Reserved
from tests.servers.stash_api import Api
from tests.servers.stash_edits import Gone, StashEdits
from tests.servers.stash_front import Front, plugin_entry
from tests.servers.stash_hooks import HookResult, Launcher, LogLine, TaskResult, end_worker, session_cookie
from tests.servers.stash_http import FAULTS, PLACEHOLDER, Fault, Modes, RequestLog, Server, Sessions
from tests.servers.stash_jobs import JobLane, Task
from tests.servers.stash_manage import Management
from tests.servers.stash_model import Store

__all__ = ["FAULTS", "HookResult", "LogLine", "Modes", "RequestLog", "StashServer", "Task", "TaskResult"]

TASKS: dict[str, dict[str, str]] = {
    "Sync all": {"mode": "sync_all"},
    "Sync recent": {"mode": "sync_recent", "hours": "24"},
    "Process queue": {"mode": "process_queue"},
    "Process DLQ": {"mode": "process_dlq"},
    "Check setup": {"mode": "check_setup"},
    "Preview": {"mode": "preview"},
    "Show status": {"mode": "status"},
    "Clear DLQ": {"mode": "clear_dlq"},
    "Clear queue": {"mode": "clear_queue"},
}
TRIGGERS = frozenset(
    f"{one}.Post"
    for one in (
        "Scene.Create", "Scene.Update", "Scene.Destroy", "Performer.Update", "Performer.Destroy", "Studio.Update",
        "Studio.Destroy", "Tag.Update", "Tag.Merge", "Tag.Destroy",
    )
)  # fmt: skip


class StashServer(StashEdits):
    """Serves on 127.0.0.1 from construction; a context manager that leaves no process behind.

    ``dir`` becomes Stash's config folder (made if missing). Without ``plugin_script`` no process is ever started.
    ``clock`` is the server's offset from UTC, ``now`` the source of time; ``env`` and ``python`` are for plugins.
    ``broken``: ids of scenes whose rows the database cannot read, so that every query that meets one is refused.
    ``front``: the folder of a built front end, to be looked at in a browser (``tests/browser``). ``canned``: answers
    to operations by mode, each a function of the arguments, in place of a process; one may raise ``ResolverError``.
    """

    plugin_id = "PlexSync"

    def __init__(self, dir: Path, plugin_script: Path | None = None, front: Path | None = None) -> None:
        self.dir = Path(dir).resolve()
        self.dir.mkdir(parents=True, exist_ok=True)
        self.plugin_script = Path(plugin_script).absolute() if plugin_script else None
        self.store = Store()
        self.modes, self.faults = Modes(), list[Fault]()
        self.log: list[RequestLog] = []
        self.plugin_log: list[LogLine] = []
        self.plugin_settings: dict[str, Any] = {}
        self.broken: set[int] = set()
        self.canned: dict[str, Callable[[dict[str, Any]], Any]] = {}
        self.front = None if front is None else Front(Path(front), self.plugin_script, self.plugin_id)
        self._enabled, self.plugin_version = True, "1.1.0"
        self.version = {"version": "v0.30.1", "hash": "d70ff551", "build_time": "2025-12-18 00:00:00"}
        self.triggers, self.tasks = TRIGGERS, TASKS
        self.credentials: tuple[str, str] | None = None
        self.api_key, self.session_max_age = "", 0.0
        self.cookie_in_stdin, self.host, self.python = True, "127.0.0.1", sys.executable
        self.sessions = Sessions(self._time, lambda: self.session_max_age)
        self.released = threading.Event()
        script = self.plugin_script or Path("/nonexistent/PlexSync.py")
        self.launcher = Launcher(script, self.connection, self.plugin_log.append, lambda: self.python)
        self.jobs = JobLane(self.launcher.start)
        self.management = Management(self)
        self._api = Api(self)
        self._server: Server | None = None
        self._reserved = Reserved()
        self.port = 0
        self.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def url(self) -> str:
        """The base URL, without a slash at its end."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def env(self) -> dict[str, str]:
        """Extra environment of started plugins; mutable."""
        return self.launcher.env

    @env.setter
    def env(self, value: dict[str, str]) -> None:
        self.launcher.env = dict(value)

    @property
    def clock(self) -> timedelta:
        """The server's offset from UTC."""
        return self.store.clock

    @clock.setter
    def clock(self, offset: timedelta) -> None:
        self.store.clock = offset

    @property
    def now(self) -> Callable[[], datetime]:
        """The source of time: gives aware datetimes."""
        return self.store.now

    @now.setter
    def now(self, source: Callable[[], datetime]) -> None:
        self.store.now = source

    @property
    def plugin_enabled(self) -> bool:
        """Whether the plugin is switched on in Stash."""
        return self._enabled

    @plugin_enabled.setter
    def plugin_enabled(self, value: bool) -> None:
        self._enabled = value
        if self.front is not None:
            self.front.enabled = value

    def _time(self) -> datetime:
        return self.store.now()

    @property
    def data_dir(self) -> Path:
        """Where the plugin keeps its data."""
        return Path(self.env.get("PLEXSYNC_DATA_DIR") or self.dir / "plugin_data" / self.plugin_id)

    def start(self) -> None:
        """Listen (again), on the port of the first time."""
        if self._server is not None:
            return
        self.released.clear()
        self._reserved.free()
        self._server = Server(("127.0.0.1", self.port), self)
        self.port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()

    def stop(self) -> None:
        """Refuse connections and cut the open ones; data and running plugins stay."""
        if self._server is None:
            return
        server, self._server = self._server, None
        self.released.set()
        server.shutdown()
        server.socket.close()
        server.cut()
        self._reserved.keep(self.port)

    def close(self) -> None:
        """Stop for good: jobs, plugin processes, the background worker of the data folder, the server."""
        self.jobs.close()
        self.launcher.kill_all()
        self.end_worker()
        self.stop()
        self._reserved.free()

    def end_worker(self) -> bool:
        """End the background worker of the data folder if one lives; True if one did."""
        return end_worker(self.data_dir / "worker.lock")

    # --- plugin processes

    def connection(self) -> dict[str, Any]:
        """A ``server_connection`` with a fresh cookie (null while ``cookie_in_stdin`` is off)."""
        cookie = session_cookie(self.sessions.new()) if self.cookie_in_stdin else None
        folder = str(self.launcher.script.parent)
        where = {"Scheme": "http", "Host": self.host, "Port": self.port}
        return {**where, "SessionCookie": cookie, "Dir": str(self.dir), "PluginDir": folder}

    def run_hook(
        self,
        type: str,
        id: int,
        input: Any = None,
        input_fields: Sequence[str] | None = None,
        kill_after: float | None = None,
        gone: Gone | None = None,
    ) -> HookResult:
        """Run the plugin for one event and wait; ``kill_after`` seconds kill it, or ``gone()`` (the client left)."""
        if self.plugin_script is None or not self.plugin_enabled or type not in self.triggers:
            return HookResult(id=id)
        context: dict[str, Any] = {"id": id} if id else {}
        context |= {"type": type, "input": input}
        if input_fields:
            context["inputFields"] = list(input_fields)
        process = self.launcher.start({"hookContext": context})
        if not process.wait(kill_after, gone):
            process.kill()
            process.wait()
        return process.result(id)

    def run_operation(self, args: dict[str, Any], timeout: float | None = 120, gone: Gone | None = None) -> HookResult:
        """Run an operation with ``args`` and wait; ``TimeoutError`` after ``timeout`` seconds."""
        process = self.launcher.start(dict(args))
        if not process.wait(timeout, gone):
            process.kill()
            raise TimeoutError(f"operation {args} was still running after {timeout} s")
        return process.result()

    def start_task(self, mode_or_name: str, args: dict[str, Any] | None = None) -> Task:
        """Queue a task by its name or mode; the handle has ``stop``, ``wait``, ``progress``, ``log`` and ``status``."""
        name = next((key for key, value in self.tasks.items() if mode_or_name in (key, value["mode"])), mode_or_name)
        return self.queue_task(self.plugin_id, name, args)

    def run_task(self, mode_or_name: str, args: dict[str, Any] | None = None, timeout: float = 120) -> TaskResult:
        """Run a task to its end."""
        return self.start_task(mode_or_name, args).wait(timeout)

    def queue_task(
        self, plugin_id: str, name: str | None, args: dict[str, Any] | None, description: str | None = None
    ) -> Task:
        """What ``runPluginTask`` does: an unknown plugin or task fails only when its turn comes."""
        error = None
        if plugin_id != self.plugin_id or self.plugin_script is None or not self.plugin_enabled:
            error = f"no plugin with ID {plugin_id}"
        elif name and name not in self.tasks:
            error = f"no task with name {name} in plugin {plugin_id}"
        whole = {**self.tasks.get(name or "", {}), **(args or {})}
        title = f"Running plugin task: {description or name or plugin_id}"
        return self.jobs.add(title, whole, self.store.stamp(), error)

    # --- settings, sign-in, misbehaviour

    def configure(self, **settings: Any) -> None:
        """Save settings over those that are there."""
        self.plugin_settings.update(settings)

    def saved_settings(self, include: Sequence[str] | None) -> dict[str, Any]:
        """The ``configuration.plugins`` map: no key until something was saved."""
        wanted = include is None or self.plugin_id in include
        return {self.plugin_id: dict(self.plugin_settings)} if wanted and self.plugin_settings else {}

    def save_settings(self, plugin_id: str, settings: dict[str, Any]) -> dict[str, Any]:
        """What ``configurePlugin`` does: overwrite the whole map."""
        if plugin_id == self.plugin_id:
            self.plugin_settings = dict(settings)
        return settings

    def plugins(self, base: str = "") -> list[dict[str, Any]]:
        """The plugins that Stash has loaded; ``base`` is its address as the client wrote it."""
        others = [] if self.front is None else self.front.neighbours
        if self.plugin_script is None:
            return others
        named = {"id": self.plugin_id, "name": self.plugin_id, "version": self.plugin_version}
        told = {} if self.front is None else plugin_entry(self.plugin_script, self.plugin_id, base)
        return [{**told, **named, "enabled": self.plugin_enabled}, *others]

    def new_cookie(self) -> str:
        """A cookie value for a client of the test's own."""
        return self.sessions.new()

    def expire_sessions(self) -> None:
        """Every cookie given so far is void."""
        self.sessions.issued.clear()

    def fault(self, kind: str, count: int | None = None, operation: str = "") -> Fault:
        """Misbehave by one of ``FAULTS``, ``count`` times (None: until removed), where the regex is found."""
        if kind not in FAULTS:
            raise ValueError(f"unknown fault {kind}: one of {', '.join(FAULTS)}")
        self.faults.append(Fault(kind, count, re.compile(operation)))
        return self.faults[-1]

    def forget(self, type_name: str, field: str) -> None:
        """Be an older Stash, whose type (or input) has no such field and which answers 422 where it is named."""
        self._api.forget(type_name, field)

    def release(self) -> None:
        """Drop the connections that hang, and hang no more."""
        self.modes.hang = False
        self.faults[:] = [one for one in self.faults if one.kind != "hang"]
        self.released.set()
        self.released = threading.Event()

    # --- what was asked

    def count(self, pattern: str = "") -> int:
        """How many requests had the regex in their text or path."""
        return len(self.requests_for(pattern))

    def requests_for(self, pattern: str) -> list[RequestLog]:
        """The requests with the regex (a field's name, say) in their text or path."""
        found = re.compile(pattern)
        return [one for one in list(self.log) if found.search(one.operation) or found.search(one.path)]

    def graphql(self, body: dict[str, Any], gone: Callable[[], bool], base: str) -> tuple[int, dict[str, Any]]:
        """Answer one GraphQL request body; ``base`` is Stash's address as the client wrote it."""
        return self._api.answer(body, gone, base)

    def cover(self, number: int) -> tuple[bytes, str] | None:
        """Bytes and type of a scene's cover, the placeholder where it has none, None without such a scene."""
        scene = self.scenes.get(number)
        if scene is None:
            return None
        return (scene.cover, scene.cover_type) if scene.cover is not None else (PLACEHOLDER, "image/svg+xml")
