"""One installation without anything that only POSIX has: both test servers, and the plugin as Stash starts it.

Stash's test server starts no process here (its launcher reads pipes as only POSIX can), so hooks, operations and
commands are started by this module, as Stash would: with pipes, read to their end.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

from plexsync.core import environment, locks
from tests.servers.plex import PlexServer
from tests.servers.stash import StashServer
from tests.servers.stash_hooks import HookResult, LogLine, parse_log_line, stdin_document

T = TypeVar("T")

#: The script that Stash would start; the built and unpacked plugin's where the environment names one.
ENTRY = Path(os.environ.get("PLEXSYNC_TEST_PLUGIN") or Path(__file__).parents[2] / "PlexSync.py").resolve()

#: Seconds until a check fails. Starting a process takes up to a second on some of these systems.
PATIENCE = 120.0

#: Seconds in which a process that was started on Windows takes the lock.
HAND_OVER = 3.0

#: Durations in seconds, as in ``tests/support/installation.py``: nothing here waits for the clock.
SHORT = {"PLEXSYNC_SETTLE": "0.05", "PLEXSYNC_RETRY_BASE": "0.1", "PLEXSYNC_BREAKER_RESET": "0.3"}


def until(condition: Callable[[], T], what: str, seconds: float = PATIENCE) -> T:
    """Return what ``condition`` returns once it is true. Raise ``TimeoutError``."""
    end = time.monotonic() + seconds
    while not (found := condition()):
        if time.monotonic() > end:
            raise TimeoutError(f"{what} did not happen within {seconds:g} s")
        time.sleep(0.02)
    return found


class Stash(StashServer):
    """Stash without processes of its own: what the worker says to it is kept in ``plugin_log``."""

    def run_operation(self, args: dict[str, Any], timeout: float | None = 120, gone: Any = None) -> HookResult:
        """Keep the lines of ``log``, and answer as the plugin does."""
        lines = args.get("lines") or []
        self.plugin_log += [LogLine(str(line.get("level")), str(line.get("message"))) for line in lines]
        return HookResult(output={"lines": len(lines)})

    def close(self) -> None:
        """Stop the server."""
        self.stop()
        self._reserved.free()


class Ground:
    """Both servers and ``python``, by which the plugin is started. A context manager that leaves no process behind."""

    def __init__(self, folder: Path, python: str, **env: str) -> None:
        self.python = python
        self.plex = PlexServer("plex-token")
        self.plex.add_section("Films", key=1, locations=("/films",))
        self.plex.start()
        self.stash = Stash(folder / "stash", ENTRY)
        self.stash.configure(plexUrl=self.plex.url, plexToken="plex-token", skipPoster=True, skipBackground=True)
        self.folder = self.stash.dir / "plugin_data" / "PlexSync"
        self.env = {**os.environ, **SHORT, **env}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.end()
        self.plex.release()
        self.stash.close()
        self.plex.stop()

    # -- scenes

    def scene(self, title: str) -> int:
        """Make a scene and its item in Plex, titled like its file; return the scene's id."""
        number = len(self.stash.scenes) + 1
        path, size = f"/films/{number}/film{number}.mp4", 1_000_000 + number
        self.plex.add_item(1, file=path, size=size, duration_ms=60_000)
        return int(self.stash.add_scene(title, files=[(path, size, 60.0)]))

    def titles(self) -> list[str]:
        """Return the titles in Plex, in the scenes' order."""
        return [item.title for _, item in sorted(self.plex.items.items())]

    # -- the plugin

    def start(self, args: dict[str, Any]) -> subprocess.Popen[bytes]:
        """Start the plugin as Stash does, with three pipes."""
        document = stdin_document(self.stash.connection(), args)
        pipe = subprocess.PIPE
        process = subprocess.Popen(
            [self.python, "-S", str(ENTRY)], stdin=pipe, stdout=pipe, stderr=pipe, env=self.env, cwd=ENTRY.anchor
        )
        assert process.stdin is not None
        process.stdin.write(document)
        process.stdin.close()
        process.stdin = None
        return process

    def answer(self, process: subprocess.Popen[bytes]) -> Any:
        """Read both pipes to their end, as Stash does; return the one document. Its log lines join Stash's log."""
        out, err = process.communicate(timeout=PATIENCE)
        self.stash.plugin_log += [parse_log_line(line) for line in err.splitlines()]
        assert process.returncode == 0, (process.returncode, out, err)
        return json.loads(out)

    def hook(self, scene: int) -> Any:
        """Return the document by which a hook answers the edit of a scene."""
        return self.answer(self.start({"hookContext": {"id": scene, "type": "Scene.Update.Post"}}))

    def edit(self, scene: int, title: str) -> None:
        """Save a scene with its hook, which has to queue it."""
        self.stash.scenes[scene].title = title
        self.stash.scenes[scene].updated_at = self.stash.store.stamp()
        said = self.hook(scene)
        assert said == {"output": f"queued scene:{scene}"}, said

    def call(self, mode: str) -> Any:
        """Return the document of an operation."""
        return self.answer(self.start({"mode": mode}))

    def status(self) -> Any:
        """Return the status object."""
        return self.call("status")["output"]

    def command(self, *words: str, **given: Any) -> subprocess.CompletedProcess[bytes]:
        """Run a command of the command line."""
        command = [self.python, str(ENTRY), *words, "--data-dir", str(self.folder)]
        env = {**self.env, **given.pop("env", {})}
        return subprocess.run(command, env=env, stdin=subprocess.DEVNULL, timeout=PATIENCE, check=False, **given)

    # -- what it left

    def worker(self) -> int:
        """Return the worker's pid, 0 without one."""
        path = self.folder / environment.WORKER_LOCK
        if not path.exists():
            return 0
        fd = locks.open_lock(str(path))
        try:
            if locks.try_lock(fd):
                locks.unlock(fd)
                return 0
            text = locks.read_text(fd)
            return int(text) if text.isdigit() else 0
        finally:
            os.close(fd)

    def end_worker(self) -> bool:
        """Kill the worker, as the system does; return whether there was one."""
        pid = self.worker()
        if pid:
            with contextlib.suppress(OSError):
                os.kill(pid, getattr(signal, "SIGKILL", signal.SIGTERM))
        return bool(pid)

    def end(self) -> None:
        """Kill every worker, also one to which another has just handed over the lock."""
        seen = time.monotonic()
        while time.monotonic() - seen < (HAND_OVER if locks.WINDOWS else 0.05):
            if self.end_worker():
                seen = time.monotonic()
            time.sleep(0.02)

    def parts(self) -> list[str]:
        """Return the temporary files that are left: one could hold a cookie."""
        return [path.name for path in self.folder.iterdir() if path.suffix[1:].isdigit() and "log" not in path.name]

    def arrives(self, titles: list[str]) -> None:
        """Wait until Plex has exactly these titles."""
        try:
            until(lambda: self.titles() == titles, f"{titles!r:.200} in Plex")
        except TimeoutError:
            log = self.folder / environment.LOG
            print(self.titles(), log.read_text("utf-8", "replace")[-3000:] if log.exists() else "no log", sep="\n")
            raise
