"""The plugin's processes as tests see them: starting them, waiting for them, and what the system says of them."""

from __future__ import annotations

import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import pytest

from plexsync.core import locks
from plexsync.core.wake import running_pid
from tests.servers.stash import StashServer
from tests.servers.stash_hooks import HookResult, PluginProcess

if TYPE_CHECKING:
    from tests.support.installation import Film, Installation

T = TypeVar("T")

#: The script that Stash would start; the built and unpacked plugin's where the environment names one.
PLUGIN = Path(os.environ.get("PLEXSYNC_TEST_PLUGIN") or Path(__file__).parents[2] / "PlexSync.py").resolve()

#: Seconds that a test waits for another process before it fails: no promise, and generous, for a machine may be busy.
PATIENCE = 120.0

#: In place of the command line: a worker that tells what it is and holds, and keeps its lock until it is stopped.
STUB = '''
import json, os, sys, time

def main():
    """Stand for the worker."""
    folder = sys.argv[sys.argv.index("--data-dir") + 1]
    lock = int(sys.argv[sys.argv.index("--lock-fd") + 1])
    held = {}
    for name in os.listdir("/dev/fd"):
        try:
            status = os.fstat(int(name))
        except OSError:
            continue
        held[name] = [status.st_dev, status.st_ino]
    said = {"pid": os.getpid(), "sid": os.getsid(0), "pgid": os.getpgid(0), "lock": lock, "held": held}
    said["argv"] = sys.argv
    os.ftruncate(lock, 0)
    os.pwrite(lock, str(os.getpid()).encode(), 0)
    path = os.path.join(folder, f"worker-{os.getpid()}.json")
    with open(path + ".part", "w") as out:
        json.dump(said, out)
    os.replace(path + ".part", path)
    end = time.monotonic() + 120
    while time.monotonic() < end and not os.path.exists(os.path.join(folder, "stop")):
        time.sleep(0.005)
'''


def until(condition: Callable[[], T], seconds: float = PATIENCE, what: str = "what was waited for") -> T:
    """What ``condition`` returns once it is true; ``TimeoutError`` after so many seconds."""
    end = time.monotonic() + seconds
    while not (found := condition()):
        if time.monotonic() > end:
            raise TimeoutError(f"{what} did not happen within {seconds} s")
        time.sleep(0.01)
    return found


# -- the plugin and its data folder


#: The packages beside the plugin that is tested, if it is a release.
PACKAGES = PLUGIN.parent / "packages"

#: For what only a source checkout does: it uses packages that are installed, and pip brings those that are missing.
checkout_only = pytest.mark.skipif(PACKAGES.is_dir(), reason="a release brings its packages")


def copy_of_plugin(folder: Path) -> Path:
    """Copy the plugin with its bytecode to ``folder``, which must not exist; the script to start. A release's packages
    are only linked to: none of the tests that need such a copy changes them."""
    folder.mkdir(parents=True)
    if PACKAGES.is_dir():
        (folder / "packages").symlink_to(PACKAGES, target_is_directory=True)
    for name in ("PlexSync.py", "PlexSync.yml"):
        shutil.copy(PLUGIN.parent / name, folder)
    half_written = shutil.ignore_patterns("*.pyc.*")  # by another process, at this moment
    shutil.copytree(PLUGIN.parent / "plexsync", folder / "plexsync", ignore=half_written)
    return folder / "PlexSync.py"


def with_stub_worker(folder: Path) -> Path:
    """Copy the plugin to ``folder`` with ``STUB`` as its worker; the script to start."""
    script = copy_of_plugin(folder)
    (folder / "plexsync" / "cli.py").write_text(STUB, "utf-8")
    return script


def workers(folder: Path) -> list[dict[str, Any]]:
    """What the stub workers of a data folder said of themselves."""
    return [json.loads(path.read_text("utf-8")) for path in sorted(folder.glob("worker-*.json"))]


def worker_lives(folder: Path) -> bool:
    """Whether somebody holds the worker's lock of a data folder."""
    fd = locks.open_lock(str(folder / "worker.lock"))
    try:
        return not locks.try_lock(fd)
    finally:
        os.close(fd)


@contextmanager
def worker_held(folder: Path, text: str = "") -> Iterator[int]:
    """A worker seems to live meanwhile, so that nobody starts one: this process holds the lock, with its own pid in it
    (or ``text``). The descriptor."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    fd = locks.open_lock(str(folder / "worker.lock"))
    try:
        assert locks.try_lock(fd)
        locks.write_text(fd, text or str(os.getpid()))
        yield fd
    finally:
        locks.write_text(fd, "")
        os.close(fd)


def send(stash: StashServer, raw: bytes) -> HookResult:
    """Start the plugin as Stash does, with ``raw`` on its stdin, and wait for its end."""
    process = PluginProcess(stash.launcher.command(), raw, stash.launcher.environment(), stash.plugin_log.append)
    if not process.wait(PATIENCE):
        process.kill()
        raise TimeoutError(f"the plugin was still running after {PATIENCE} s")
    return process.result()


def rows(folder: Path, columns: str = "key") -> list[tuple[Any, ...]]:
    """Return the rows of a data folder's queue, after a check of the whole file; none if there is no file."""
    if not (folder / "queue.db").exists():
        return []
    conn = sqlite3.connect(folder / "queue.db", timeout=PATIENCE)
    try:
        assert conn.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        if not conn.execute("PRAGMA user_version").fetchone()[0]:
            return []
        return conn.execute(f"SELECT {columns} FROM ack_queue_default ORDER BY _id").fetchall()
    finally:
        conn.close()


# -- what the system says


def proc(pid: int, name: str) -> Path:
    """A file by which Linux tells of a process. On another system, where nothing does, the test is skipped."""
    if not os.path.isdir("/proc/self"):
        pytest.skip("only Linux tells this of a process")
    return Path(f"/proc/{pid}/{name}")


def role(pid: int) -> str:
    """What the process is at the moment: ``worker``, ``idle``, ``probe``; ``""`` for one that has gone."""
    try:
        words = proc(pid, "cmdline").read_bytes().split(b"\0")
    except OSError:
        return ""
    return words[2].decode() if len(words) > 2 else ""


def pid_of(site: Installation) -> int:
    """The background process of a data folder, once there is one."""
    return until(lambda: running_pid(str(site.folder)), what="a background process") or 0


def idle_worker_of(site: Installation) -> int:
    """Return the background process of a data folder, once it is idle."""
    pid = pid_of(site)
    until(lambda: role(pid) == "idle" and _has_open(pid, "queue.db"), what="the idle worker")
    return pid


def _has_open(pid: int, name: str) -> bool:
    """Whether it has such a file open: one that has just been executed has not, nor loaded all or set its signals."""
    folder = proc(pid, "fd")
    try:
        return any(os.readlink(fd).endswith(name) for fd in folder.iterdir())
    except OSError:  # it closed one meanwhile
        return False


def resident(pid: int) -> int:
    """Resident memory in kB."""
    lines = proc(pid, "status").read_text("ascii").splitlines()
    return int(next(line for line in lines if line.startswith("VmRSS")).split()[1])


def bare_resident() -> int:
    """The resident memory of an interpreter that does nothing, in kB: what measures the tests is in it too."""
    bare = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    try:
        until(lambda: proc(bare.pid, "wchan").exists() and role(bare.pid) == "input()", what="an interpreter")
        until(lambda: _sleeps(bare.pid), what="an idle interpreter")
        return resident(bare.pid)
    finally:
        bare.communicate(b"\n")


def _sleeps(pid: int) -> bool:
    """Whether it waits for something and did not run meanwhile."""
    before = ticks(pid)
    state = proc(pid, "stat").read_text("ascii").rpartition(")")[2].split()[0]
    began = time.monotonic()
    until(lambda: time.monotonic() - began > 0.1)
    return state == "S" and ticks(pid) == before


def ticks(pid: int) -> int:
    """Processor time so far, in the kernel's ticks (hundredths of a second)."""
    fields = proc(pid, "stat").read_text("ascii").rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])


def children(pid: int) -> list[int]:
    """The processes that it started and that live."""
    found: list[int] = []
    for entry in os.listdir(proc(pid, "..")):
        try:
            fields = Path(f"/proc/{int(entry)}/stat").read_text("ascii").rpartition(")")[2].split()
        except (ValueError, OSError):
            continue
        if int(fields[1]) == pid and fields[0] != "Z":
            found.append(int(entry))
    return found


def ends(site: Installation, seconds: float = PATIENCE) -> None:
    """Wait until nobody holds the lock."""
    until(lambda: not worker_lives(site.folder), seconds, what="the end of the background process")


def seconds_to_end(site: Installation, pid: int) -> float:
    """Send SIGTERM; return the seconds until the lock was free."""
    began = time.monotonic()
    os.kill(pid, signal.SIGTERM)
    ends(site)
    return time.monotonic() - began


def writes_of(site: Installation, film: Film) -> int:
    """How many edits its item was sent."""
    return sum(one.param("id") == str(film.item) or f"/{film.item}" in one.path for one in site.plex.writes())


def private_plugin(site: Installation, folder: Path, **constants: float) -> Path:
    """Give Stash a copy of the plugin in ``folder`` whose ``plugin_files.py`` has other constants; its folder."""
    script = copy_of_plugin(folder)
    module = folder / "plexsync" / "daemon" / "plugin_files.py"
    head = "\n".join(f"{name} = {value}" for name, value in constants.items())
    module.write_text(module.read_text("utf-8").replace("\n\nclass ", f"\n\n{head}\n\nclass ", 1), "utf-8")
    site.stash.plugin_script = site.stash.launcher.script = script
    return folder
