"""Starting the worker: detached from the hook, and inheriting nothing but the lock."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from plexsync.core import environment, locks, spawn

#: Tells what it is and holds, where its first argument says; ends at the end of what it reads from ``hold``.
CHILD = """
import json, os, sys
fds = [int(name) for name in os.listdir("/dev/fd")]
mine = {fd: os.fstat(fd) for fd in fds if fd < 200 and os.path.exists(f"/dev/fd/{fd}")}
with open(sys.argv[1] + ".part", "w") as out:
    json.dump({"pid": os.getpid(), "sid": os.getsid(0), "argv": sys.argv, "pgid": os.getpgid(0),
               "files": {fd: [s.st_dev, s.st_ino] for fd, s in mine.items()}}, out)
os.replace(sys.argv[1] + ".part", sys.argv[1])
"""
POSIX_SPAWN = os.posix_spawn


@pytest.fixture
def script(tmp_path: Path) -> Path:
    """Return a program that stands in for the worker."""
    path = tmp_path / "worker.py"
    path.write_text(CHILD, "utf-8")
    return path


def identity(fd: int) -> list[int]:
    """Return which open file a descriptor is, whatever its number."""
    status = os.fstat(fd)
    return [status.st_dev, status.st_ino]


def report(tmp_path: Path, script: Path, keep: int, program: str = sys.executable) -> dict[str, Any]:
    """Return what the child reported about itself; it has ended by then."""
    out = tmp_path / "report.json"
    pid = spawn.spawn([program, str(script), str(out)], keep)
    assert os.waitpid(pid, 0) == (pid, 0)
    said: dict[str, Any] = json.loads(out.read_text("utf-8"))
    assert said["pid"] == pid
    return said


def test_the_child_is_detached(tmp_path: Path, script: Path) -> None:
    """The child leads a new session, its first three descriptors are the null device, and it holds the lock."""
    keep = locks.open_lock(str(tmp_path / "worker.lock"))
    said = report(tmp_path, script, keep)
    null = os.open(os.devnull, os.O_RDWR)
    assert said["sid"] == said["pgid"] == said["pid"] != os.getsid(0)
    assert [said["files"][number] for number in "012"] == [identity(null)] * 3
    assert said["files"][str(keep)] == identity(keep)
    os.close(keep)
    os.close(null)


def test_leaked_descriptors_are_closed(tmp_path: Path, script: Path) -> None:
    """Descriptors that Stash, or whatever started Stash, left inheritable do not reach the worker."""
    keep = locks.open_lock(str(tmp_path / "worker.lock"))
    leak, private = os.open(__file__, os.O_RDONLY), os.open(__file__, os.O_RDONLY)
    pipe = os.pipe()
    for fd in (leak, *pipe):
        os.set_inheritable(fd, True)
    found = spawn._leaked(keep)
    assert {leak, *pipe} <= set(found)
    assert not {keep, private, 0, 1, 2} & set(found)
    held = report(tmp_path, script, keep)["files"].values()
    assert identity(keep) in held
    assert all(identity(fd) not in held for fd in (leak, *pipe))
    for fd in (keep, leak, private, *pipe):
        os.close(fd)


def test_without_a_listing_of_descriptors_it_starts_all_the_same(
    tmp_path: Path, script: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without ``/dev/fd`` the worker starts too, and inherits what leaked."""
    keep = locks.open_lock(str(tmp_path / "worker.lock"))

    def missing(path: str) -> list[str]:
        raise FileNotFoundError(path)

    monkeypatch.setattr(os, "listdir", missing)
    assert report(tmp_path, script, keep)["files"][str(keep)] == identity(keep)
    os.close(keep)


def test_a_libc_without_setsid_starts_it_all_the_same(
    tmp_path: Path, script: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without POSIX_SPAWN_SETSID the worker starts in this session, and leaves it later."""

    def spare(*args: Any, setsid: bool = False, **more: Any) -> int:
        if setsid:
            raise NotImplementedError("setsid")
        return POSIX_SPAWN(*args, **more)

    keep = locks.open_lock(str(tmp_path / "worker.lock"))
    monkeypatch.setattr(os, "posix_spawn", spare)
    said = report(tmp_path, script, keep)
    assert said["sid"] == os.getsid(0)
    assert said["files"][str(keep)] == identity(keep)
    os.close(keep)


def test_an_interpreter_without_a_path_is_looked_for(
    tmp_path: Path, script: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where Python does not know its own path it is found by name, and the worker is detached as usual."""
    folder, program = os.path.split(sys.executable)
    monkeypatch.setenv("PATH", folder, prepend=os.pathsep)
    keep = locks.open_lock(str(tmp_path / "worker.lock"))
    said = report(tmp_path, script, keep, program)
    assert said["sid"] == said["pid"]
    os.close(keep)


def test_the_worker_gets_the_lock_and_its_pid_is_written(
    tmp_path: Path, script: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The lock is never free between starter and worker, and its file has the worker's pid."""
    lock, out, go = tmp_path / environment.WORKER_LOCK, tmp_path / "out", tmp_path / "go"
    wait = f"import sys, time\nwhile not os.path.exists({str(go)!r}):\n    time.sleep(0.005)\n"
    script.write_text(f"import os, sys\nsys.argv[1:1] = [{str(out)!r}]\n" + CHILD + wait, "utf-8")
    monkeypatch.setattr(environment, "ENTRY", str(script))
    fd, other = locks.open_lock(str(lock)), locks.open_lock(str(lock))
    assert locks.try_lock(fd)
    spawn.start_worker(fd, str(tmp_path))
    os.close(fd)
    pid = int(lock.read_text("ascii"))
    assert not locks.try_lock(other)
    go.touch()
    assert os.waitpid(pid, 0) == (pid, 0)
    assert locks.try_lock(other)
    os.close(other)
    said = json.loads(out.read_text("utf-8"))
    assert said["pid"] == pid
    assert said["argv"] == [str(script), str(out), "worker", "--data-dir", str(tmp_path), "--lock-fd", str(fd)]


class Windows:
    """Stands in for starting processes on Windows: records the calls, and refuses what a job object refuses."""

    def __init__(self, refused: int) -> None:
        self.refused = refused
        self.calls: list[dict[str, Any]] = []

    def __call__(self, command: list[str], **given: Any) -> Windows:
        self.calls.append({"command": command, **given})
        if given["creationflags"] & self.refused:
            raise PermissionError("access is denied")
        self.said = b""
        self.stdin = self if given["stdin"] == subprocess.PIPE else None
        return self

    def write(self, data: bytes) -> None:
        """Take what is sent to stdin."""
        self.said += data

    def close(self) -> None:
        """End stdin."""


@pytest.mark.parametrize(
    ("refused", "flags"), [(0, [0x09000200]), (0x01000000, [0x09000200, 0x08000200])], ids=["breakaway", "job object"]
)
def test_windows_starts_it_detached(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, refused: int, flags: list[int]
) -> None:
    """On Windows the lock is released for the worker, which has no window, none of our handles, and its own group."""
    windows = Windows(refused)
    monkeypatch.setattr(subprocess, "Popen", windows)
    monkeypatch.setattr(locks, "WINDOWS", True)
    fd, other = locks.open_lock(str(tmp_path / "worker.lock")), locks.open_lock(str(tmp_path / "worker.lock"))
    assert locks.try_lock(fd)
    spawn.start_worker(fd, str(tmp_path))
    assert locks.try_lock(other)
    assert [call["creationflags"] for call in windows.calls] == flags
    last = windows.calls[-1]
    assert last["command"] == [sys.executable, environment.ENTRY, "worker", "--data-dir", str(tmp_path)]
    assert last.get("close_fds", True)
    assert [last[name] for name in ("stdin", "stdout", "stderr")] == [subprocess.DEVNULL] * 3
    os.close(fd)
    os.close(other)


@pytest.mark.parametrize("windows", [False, True], ids=["POSIX", "Windows"])
def test_the_worker_of_a_hook_gets_its_packages(tmp_path: Path, windows: bool) -> None:
    """Neither way of starting passes on the hook's ``-S``: the worker needs ``site``."""
    code = (
        "import sys\n"
        "from plexsync.core import environment, locks, spawn\n"
        f"locks.WINDOWS = {windows}\n"
        "spawn.detached = spawn.spawn = lambda command, *_: print(sys.flags.no_site, command) or 1\n"
        f"fd = locks.open_lock({str(tmp_path / 'worker.lock')!r})\n"
        "assert locks.try_lock(fd)\n"
        "spawn.start_worker(fd, 'folder')\n"
    )
    command = [sys.executable, "-S", "-c", code]
    said = subprocess.run(command, cwd=environment.PLUGIN_DIR, capture_output=True, text=True, check=True).stdout
    assert said.startswith(f"1 [{sys.executable!r}, {environment.ENTRY!r}, 'worker', '--data-dir', 'folder'")
    assert "-S" not in said


def test_windows_says_when_it_cannot_start(monkeypatch: pytest.MonkeyPatch) -> None:
    """If Windows refuses both ways of starting, that is an error."""
    monkeypatch.setattr(subprocess, "Popen", Windows(0x08000200))
    with pytest.raises(PermissionError):
        spawn.detached(["python"])


def test_windows_passes_a_secret_on_by_stdin(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither command line nor environment has it: both are visible to others."""
    windows = Windows(0)
    monkeypatch.setattr(subprocess, "Popen", windows)
    spawn.detached(["python", "idle"], "the-key")
    (call,) = windows.calls
    assert (call["command"], call["stdin"]) == (["python", "idle"], subprocess.PIPE)
    assert windows.said == b"the-key"
