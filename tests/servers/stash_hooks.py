"""Starts plugin processes exactly as Stash does, and reads what they say.

Owns the stdin document, the pipes, the stderr log protocol, the result document and killing. Must not know GraphQL or
what the plugin does.
"""

from __future__ import annotations

import functools
import importlib.util
import json
import os
import re
import select
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from tests.support import manifest, start

#: The project's own manifest, and the program that enters what ``-S`` keeps out.
MANIFEST = Path(__file__).parents[2] / "PlexSync.yml"
START = Path(start.__file__)

LINE_LIMIT = 64 * 1024  # bytes; the scanner that Stash reads stderr with gives up on a longer line
_LEVELS = {"t": "trace", "d": "debug", "i": "info", "w": "warning", "e": "error", "p": "progress"}
_POLL_SECONDS = 0.02


class LogLine(NamedTuple):
    """One line as Stash would log it; level ``progress`` carries the number as text."""

    level: str
    message: str


@dataclass(slots=True)
class HookResult:
    """How one hook or operation ended; ``id`` is the row it was about, ``seconds`` the time that the caller waited."""

    stdout: str = ""
    stderr: str = ""
    returncode: int | None = None
    seconds: float = 0.0
    output: Any = None
    error: str | None = None
    killed: bool = False
    id: int = 0


@dataclass(slots=True)
class TaskResult:
    """How one task ended; ``progress`` are the values 0..1 in order, ``log`` all other lines."""

    output: Any = None
    error: str | None = None
    progress: list[float] = field(default_factory=list)
    log: list[LogLine] = field(default_factory=list)
    returncode: int | None = None
    seconds: float = 0.0
    killed: bool = False
    stdout: str = ""


def stdin_document(connection: dict[str, Any], args: dict[str, Any]) -> bytes:
    """The one JSON document that a plugin reads: compact, ``<>&`` escaped, no newline at the end."""
    text = json.dumps({"server_connection": connection, "args": args}, ensure_ascii=False, separators=(",", ":"))
    for char in "<>&\u2028\u2029":
        text = text.replace(char, f"\\u{ord(char):04x}")
    return text.encode("utf-8", "replace")


def session_cookie(value: str) -> dict[str, Any]:
    """The cookie as Go writes its ``http.Cookie``."""
    empty: dict[str, Any] = {
        "Quoted": False,
        "Path": "",
        "Domain": "",
        "Expires": "0001-01-01T00:00:00Z",
        "RawExpires": "",
    }
    flags: dict[str, Any] = {"MaxAge": 0, "Secure": False, "HttpOnly": False, "SameSite": 0, "Partitioned": False}
    return {"Name": "session", "Value": value, **empty, **flags, "Raw": "", "Unparsed": None}


def parse_log_line(line: bytes, untagged: str = "warning") -> LogLine:
    """One stderr line: tagged ``\\x01 level \\x02 message``, else as it is at the manifest's ``errLog`` level."""
    text = line.decode("utf-8", "replace")
    if len(line) >= 4 and line[0] == 1 and line[2] == 2 and text[1] in _LEVELS and text[3:].strip():
        return LogLine(_LEVELS[text[1]], text[3:].strip())
    return LogLine(untagged, text)


def parse_result(stdout: str, returncode: int | None) -> tuple[Any, str | None]:
    """(output, error) of a finished plugin; what is no result document becomes the output as it stands."""
    output, error = _decode_result(stdout)
    if returncode and error is None:
        killed = returncode < 0 and signal.Signals(-returncode) is signal.SIGKILL
        error = (
            "signal: killed" if killed else f"exit status {returncode}" if returncode > 0 else f"signal: {-returncode}"
        )
    return output, error


def _decode_result(stdout: str) -> tuple[Any, str | None]:
    try:
        value = json.loads(stdout)
    except ValueError:
        return stdout, None
    if value is None:
        return None, None
    if not isinstance(value, dict):
        return stdout, None
    folded = {key.lower(): item for key, item in value.items()}
    error = folded.get("error")
    if error is not None and not isinstance(error, str):
        return stdout, None
    return folded.get("output"), error


class PluginProcess:
    """One running plugin. Finished means: stdout at its end *and* the process gone."""

    def __init__(
        self, argv: list[str], document: bytes, env: Mapping[str, str], on_line: Callable[[LogLine], None]
    ) -> None:
        self.on_line = on_line
        self.stdout, self.stderr = bytearray(), bytearray()
        self.killed = False
        self.seconds = 0.0
        self._began = time.perf_counter()
        self._finished, self._over = threading.Event(), threading.Event()
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(argv, stdin=pipe, stdout=pipe, stderr=pipe, cwd="/", env=dict(env))
        self._threads = [
            threading.Thread(target=target, args=args, daemon=True)
            for target, args in ((self._feed, (document,)), (self._read_stdout, ()), (self._read_stderr, ()))
        ]
        for thread in self._threads:
            thread.start()

    def wait(self, timeout: float | None = None, gone: Callable[[], bool] | None = None) -> bool:
        """Wait for the end; False if ``timeout`` seconds passed. Killed at once when ``gone()``: the client left."""
        until = None if timeout is None else time.monotonic() + timeout
        while not self._finished.is_set():
            left = 3600.0 if until is None else until - time.monotonic()
            if left <= 0:
                return False
            self._finished.wait(min(left, 0.05 if gone else left))
            if gone is not None and not self._finished.is_set() and gone():
                self.kill()
        self._threads[2].join()
        return True

    def kill(self) -> None:
        """SIGKILL to the process alone, as Stash does; its children live on."""
        if not self._finished.is_set():
            self.killed = True
            self.process.kill()
            self._over.set()
            self._finished.wait()

    def result(self, number: int = 0) -> HookResult:
        """The outcome after ``wait``."""
        stdout = self.stdout.decode("utf-8", "replace")
        output, error = (None, "operation cancelled") if self.killed else parse_result(stdout, self.process.returncode)
        stderr = self.stderr.decode("utf-8", "replace")
        return HookResult(stdout, stderr, self.process.returncode, self.seconds, output, error, self.killed, number)

    def _feed(self, document: bytes) -> None:
        assert self.process.stdin is not None
        try:
            self.process.stdin.write(document)
            self.process.stdin.close()
        except (BrokenPipeError, OSError):
            self._close_stdin()  # it ended without reading: Stash only warns

    def _close_stdin(self) -> None:
        assert self.process.stdin is not None
        try:
            self.process.stdin.close()
        except OSError:
            return

    def _read_stdout(self) -> None:
        assert self.process.stdout is not None
        with self.process.stdout as pipe:
            _pump(pipe.fileno(), self._over, self._keep_stdout)
        self.process.wait()
        self.seconds = time.perf_counter() - self._began
        self._over.set()
        self._finished.set()

    def _keep_stdout(self, data: bytes) -> bool:
        self.stdout += data
        return True

    def _read_stderr(self) -> None:
        assert self.process.stderr is not None
        pending = bytearray()

        def take(data: bytes) -> bool:
            self.stderr.extend(data)
            pending.extend(data)
            while (at := pending.find(b"\n")) >= 0 and at < LINE_LIMIT:
                self.on_line(parse_log_line(bytes(pending[:at]).rstrip(b"\r")))
                del pending[: at + 1]
            return len(pending) < LINE_LIMIT

        with self.process.stderr as pipe:
            whole = _pump(pipe.fileno(), self._over, take)
        if pending and whole:
            self.on_line(parse_log_line(bytes(pending)))


def _pump(descriptor: int, over: threading.Event, take: Callable[[bytes], bool]) -> bool:
    """Read until the end, or until ``over`` is set and nothing is left to read; False if ``take`` wants no more."""
    while True:
        ending = over.is_set()
        if select.select([descriptor], [], [], 0 if ending else _POLL_SECONDS)[0]:
            data = os.read(descriptor, LINE_LIMIT)
            if not data:
                return True
            if not take(data):
                return False
        elif ending:
            return True


@functools.cache
def _exec(path: Path) -> list[str]:
    """The manifest's ``exec``."""
    words: list[str] = manifest.read(path.read_text("utf-8"))["exec"]
    return words


def plugin_command(script: Path, python: str) -> list[str]:
    """The command that Stash makes of ``exec`` in the manifest beside ``script``, with the interpreter ``python``.

    A test's stub without a manifest is started as the project's own says.
    """
    beside = script.with_suffix(".yml")
    first, *words = _exec(beside if beside.exists() else MANIFEST)
    command = [python, *(word.replace("{pluginDir}", str(script.parent)) for word in words)]
    assert (first, command[-1]) == ("python3", str(script))
    return command


def entered(command: list[str], env: Mapping[str, str]) -> list[str]:
    """The command with ``start.py`` in front of its script, where ``env`` asks for coverage or for crash points."""
    if not any(env.get(name) for name in (*start.MEASURE, start.CRASH)):
        return command
    found = importlib.util.find_spec("coverage")
    folder = str(Path(found.origin).parents[1]) if found is not None and found.origin else ""
    return [*command[:-1], str(START), folder, command[-1]]


@dataclass(slots=True)
class Launcher:
    """How to start the plugin ``script``; ``connection`` gives a fresh ``server_connection`` for each start."""

    script: Path
    connection: Callable[[], dict[str, Any]]
    on_line: Callable[[LogLine], None]
    python: Callable[[], str]
    env: dict[str, str] = field(default_factory=dict)
    running: list[PluginProcess] = field(default_factory=list)

    def start(self, args: dict[str, Any], on_line: Callable[[LogLine], None] | None = None) -> PluginProcess:
        """Start it with ``args``; each log line goes to ``on_line`` and to the server's log."""

        def both(line: LogLine) -> None:
            self.on_line(line)
            if on_line is not None:
                on_line(line)

        document = stdin_document(self.connection(), args)
        process = PluginProcess(self.command(), document, self.environment(), both)
        self.running = [one for one in self.running if one.process.poll() is None]
        self.running.append(process)
        return process

    def command(self) -> list[str]:
        """The plugin's command, as the manifest says it."""
        return entered(plugin_command(self.script, self.python()), self.environment())

    def environment(self) -> dict[str, str]:
        """Stash's own environment with the parent of the plugin's folder on ``PYTHONPATH``."""
        env = {**os.environ, **self.env}
        sources = str(self.script.parent.parent)
        env["PYTHONPATH"] = os.pathsep.join(filter(None, [env.get("PYTHONPATH", ""), sources]))
        return env

    def kill_all(self) -> None:
        """SIGKILL whatever this launcher started and still runs."""
        for process in self.running:
            process.kill()


def end_worker(lock: Path, patience: float = 3.0) -> bool:
    """End the worker that holds ``lock``: SIGTERM, after ``patience`` seconds SIGKILL. True if one was there."""
    if not lock.exists() or _free(lock):
        return False
    for number, seconds in ((signal.SIGTERM, patience), (signal.SIGKILL, 2.0)):
        until = time.monotonic() + seconds
        told = 0
        while time.monotonic() < until:
            pid = _pid(lock)
            if _free(lock):
                return True
            if pid and pid != told:
                told = pid
                _signal(pid, number)
            time.sleep(0.01)
    return True


def _free(lock: Path) -> bool:
    """Whether nobody holds the flock."""
    import fcntl  # not on Windows, where ``tests/windows`` uses the rest of this module

    with lock.open("rb") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return False
    return True


def _pid(lock: Path) -> int:
    """Who holds the lock: as its text says, else (a full disk kept it from being written) that folder's process."""
    text = lock.read_text("utf-8", "replace").strip()
    if re.fullmatch(r"[1-9]\d*", text) and int(text) > 1:
        return int(text)
    folder = str(lock.parent).encode()
    for entry in Path("/proc").glob("[1-9]*"):
        try:
            words = (entry / "cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        if folder in words and (b"worker" in words or b"idle" in words):
            return int(entry.name)
    return 0


def _signal(pid: int, number: int) -> None:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return
