"""What the tests of the background process look at: its role, its size, its children, its time of processor."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

from plexsync.core.wake import running_pid
from tests.support.pair import Film, Pair
from tests.support.plugin import PLUGIN, worker_lives
from tests.support.waiting import until


def role(pid: int) -> str:
    """What the process is at the moment: ``worker``, ``waiter``, ``look``; ``""`` for one that has gone."""
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except OSError:
        return ""
    return words[2].decode() if len(words) > 2 else ""


def pid_of(pair: Pair) -> int:
    """The background process of a data folder, once there is one."""
    return until(lambda: running_pid(str(pair.folder)), what="a background process") or 0


def waiter_of(pair: Pair) -> int:
    """The same, once it is the small waiter."""
    pid = pid_of(pair)
    until(lambda: role(pid) == "waiter" and _has_open(pid, "queue.db"), what="the small waiter")
    return pid


def _has_open(pid: int, name: str) -> bool:
    """Whether it has such a file open: one that has just been executed has not, nor loaded all or set its signals."""
    folder = Path(f"/proc/{pid}/fd")
    try:
        return any(os.readlink(fd).endswith(name) for fd in folder.iterdir())
    except OSError:  # it closed one meanwhile
        return False


def resident(pid: int) -> int:
    """Resident memory in kB."""
    lines = Path(f"/proc/{pid}/status").read_text("ascii").splitlines()
    return int(next(line for line in lines if line.startswith("VmRSS")).split()[1])


def bare_resident() -> int:
    """The resident memory of an interpreter that does nothing, in kB: what measures the tests is in it too."""
    bare = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    try:
        until(lambda: Path(f"/proc/{bare.pid}/wchan").exists() and role(bare.pid) == "input()", what="an interpreter")
        until(lambda: _sleeps(bare.pid), what="an idle interpreter")
        return resident(bare.pid)
    finally:
        bare.communicate(b"\n")


def _sleeps(pid: int) -> bool:
    """Whether it waits for something and did not run meanwhile."""
    before = ticks(pid)
    state = Path(f"/proc/{pid}/stat").read_text("ascii").rpartition(")")[2].split()[0]
    began = time.monotonic()
    until(lambda: time.monotonic() - began > 0.1)
    return state == "S" and ticks(pid) == before


def ticks(pid: int) -> int:
    """Processor time so far, in the kernel's ticks (hundredths of a second)."""
    fields = Path(f"/proc/{pid}/stat").read_text("ascii").rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])


def children(pid: int) -> list[int]:
    """The processes that it started and that live."""
    found: list[int] = []
    for entry in os.listdir("/proc"):
        try:
            fields = Path(f"/proc/{int(entry)}/stat").read_text("ascii").rpartition(")")[2].split()
        except (ValueError, OSError):
            continue
        if int(fields[1]) == pid and fields[0] != "Z":
            found.append(int(entry))
    return found


def ends(pair: Pair, seconds: float = 30) -> None:
    """Wait until nobody holds the lock."""
    until(lambda: not worker_lives(pair.folder), seconds, what="the end of the background process")


def told_to_end(pair: Pair, pid: int) -> float:
    """Send SIGTERM; seconds until the lock was free."""
    began = time.monotonic()
    os.kill(pid, signal.SIGTERM)
    ends(pair)
    return time.monotonic() - began


def writes_of(pair: Pair, film: Film) -> int:
    """How many edits its item was sent."""
    return sum(one.param("id") == str(film.item) or f"/{film.item}" in one.path for one in pair.plex.writes())


def private_plugin(pair: Pair, folder: Path, **constants: float) -> Path:
    """Give Stash a copy of the plugin in ``folder`` whose ``plugin_files.py`` has other constants; its folder."""
    folder.mkdir(parents=True)
    for name in ("PlexSync.py", "PlexSync.yml"):
        shutil.copy(PLUGIN.parent / name, folder)
    shutil.copytree(PLUGIN.parent / "plexsync", folder / "plexsync", ignore=shutil.ignore_patterns("__pycache__"))
    module = folder / "plexsync" / "daemon" / "plugin_files.py"
    head = "\n".join(f"{name} = {value}" for name, value in constants.items())
    module.write_text(module.read_text("utf-8").replace("\n\nclass ", f"\n\n{head}\n\nclass ", 1), "utf-8")
    pair.stash.plugin_script = pair.stash.launcher.script = folder / "PlexSync.py"
    return folder
