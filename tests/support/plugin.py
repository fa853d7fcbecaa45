"""The plugin under test as a program, a copy of it whose worker is a stub, and what its hooks leave behind."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from plexsync.core import locks
from tests.servers.stash import StashServer
from tests.servers.stash_hooks import HookResult, PluginProcess

#: The script that Stash would start; the built and unpacked plugin's where the environment names one.
PLUGIN = Path(os.environ.get("PLEXSYNC_TEST_PLUGIN") or Path(__file__).parents[2] / "PlexSync.py").resolve()

#: Seconds that a test waits for another process before it fails.
PATIENCE = 20.0

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


def with_stub_worker(folder: Path) -> Path:
    """Copy the plugin to ``folder`` with ``STUB`` as its worker; the script to start."""
    folder.mkdir(parents=True)
    for name in ("PlexSync.py", "PlexSync.yml"):
        shutil.copy(PLUGIN.parent / name, folder)
    shutil.copytree(PLUGIN.parent / "plexsync", folder / "plexsync", ignore=shutil.ignore_patterns("__pycache__"))
    (folder / "plexsync" / "cli.py").write_text(STUB, "utf-8")
    return folder / "PlexSync.py"


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


def send(stash: StashServer, raw: bytes) -> HookResult:
    """Start the plugin as Stash does, with ``raw`` on its stdin, and wait for its end."""
    process = PluginProcess(stash.launcher.command(), raw, stash.launcher.environment(), stash.plugin_log.append)
    if not process.wait(PATIENCE):
        process.kill()
        raise TimeoutError(f"the plugin was still running after {PATIENCE} s")
    return process.result()


def rows(folder: Path, columns: str = "key") -> list[tuple[Any, ...]]:
    """What stands in a data folder's queue, after a check of the whole file; nothing where there is none."""
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


def wait_for(condition: Callable[[], object]) -> None:
    """Wait until ``condition()`` is true; ``TimeoutError`` when patience ends."""
    end = time.monotonic() + PATIENCE
    while not condition():
        if time.monotonic() > end:
            raise TimeoutError("what was waited for did not happen")
        time.sleep(0.005)
