"""A full disk, a folder that cannot be written, a locked queue, a log that takes nothing: loud, and nothing is lost."""

from __future__ import annotations

import gc
import json
import resource
import sqlite3
import stat
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from plexsync import hook
from plexsync.core import enqueue, environment, wake
from plexsync.core import event as events
from plexsync.daemon import run
from plexsync.daemon.plugin_files import PluginFiles
from tests.support.hook_events import GOOD, at
from tests.support.installation import Film, Installation, Seconds
from tests.support.processes import proc, rows, until

#: No file may grow beyond some bytes, and what is written to it ends half-way, as on a full disk.
FULL = "resource.setrlimit(resource.RLIMIT_FSIZE, (40, resource.getrlimit(resource.RLIMIT_FSIZE)[1]))"
#: Root may write where file modes forbid it; after the next exec it may no longer (PR_CAPBSET_DROP, CAP_DAC_OVERRIDE).
MODES_COUNT = "sys.platform == 'linux' and ctypes.CDLL(None).prctl(24, 1, 0, 0, 0)"


@pytest.fixture
def here(here: Installation) -> Installation:
    """Both servers, no film yet."""
    here.stash.now = Seconds()  # a lost edit is found by its time, which in Stash is whole seconds
    return here


def python_that(folder: Path, statement: str) -> str:
    """A program that carries out a statement, and is Python from then on."""
    path = folder / "python"
    path.write_text(
        f"#!{sys.executable}\nimport ctypes, os, resource, sys\n{statement}\n"
        f"os.execv({sys.executable!r}, [{sys.executable!r}, *sys.argv[1:]])\n",
        "utf-8",
    )
    path.chmod(0o755)
    return str(path)


def worker(here: Installation) -> int:
    """The pid of the background process."""
    return int((here.folder / "worker.lock").read_text("ascii"))


def refused(here: Installation, film: Film, title: str) -> str:
    """Save a scene whose hook cannot queue it; its one sentence."""
    result = here.stash.update_scene(film.scene, title=title)
    assert (result.returncode, result.stderr, list(json.loads(result.stdout))) == (0, "", ["error"])
    assert result.error is not None
    assert "\n" not in result.error
    return result.error


def told(here: Installation, *words: str) -> bool:
    """Whether Stash's log has a warning or an error with these words."""
    lines = [line.message for line in here.stash.plugin_log if line.level in ("warning", "error")]
    return any(all(word in line for word in words) for line in lines)


def test_a_full_disk_under_the_hook(here: Installation, tmp_path: Path) -> None:
    """The save is over at once with a sentence that names the scene and the disk; the next start finds the edit."""
    films = [here.film() for _ in range(2)]
    here.edit(films[0], "before")
    here.arrives(films[0], "before")
    connection = (here.folder / environment.CONNECTION).read_bytes()
    here.stash.python = python_that(tmp_path, FULL)
    said = refused(here, films[1], "the disk was full")
    assert said.startswith(f"PlexSync could not queue scene {films[1].scene} in {here.folder} (")
    assert "Free disk space" in said
    assert rows(here.folder) == []
    assert (here.folder / environment.CONNECTION).read_bytes() == connection
    assert list(here.folder.glob("connection.json.*")) == []
    here.stash.python = sys.executable
    here.stash.end_worker()
    here.edit(films[0], "after")
    here.arrives(films[0], "after")
    here.arrives(films[1], "the disk was full")


def test_a_full_disk_under_the_worker(here: Installation) -> None:
    """The worker says in Stash's log that the disk is at fault, keeps every job, and goes on when there is room."""
    film = here.film()
    here.edit(film, "before")
    here.arrives(film, "before")
    until(lambda: b"idle" in proc(worker(here), "cmdline").read_bytes(), what="the idle worker")
    _, most = resource.prlimit(worker(here), resource.RLIMIT_FSIZE)
    resource.prlimit(worker(here), resource.RLIMIT_FSIZE, (0, most))
    here.edit(film, "the disk was full")
    until(lambda: told(here, "disk"), what="a word in Stash's log")
    assert rows(here.folder) == [(f"scene:{film.scene}",)]
    assert here.title(film) == "before"
    resource.prlimit(worker(here), resource.RLIMIT_FSIZE, (most, most))
    here.stash.end_worker()
    here.edit(film, "after")
    here.arrives(film, "after")
    assert here.status()["queue"]["dead"] == 0


def test_a_folder_that_cannot_be_written(here: Installation, tmp_path: Path) -> None:
    """Hooks, tasks and operations say so in one sentence each; when it can be written again every edit arrives."""
    films = [here.film() for _ in range(2)]
    here.edit(films[0], "before")
    here.arrives(films[0], "before")
    here.stash.end_worker()
    here.stash.python = python_that(tmp_path, MODES_COUNT)
    modes = {path: stat.S_IMODE(path.stat().st_mode) for path in (*here.folder.iterdir(), here.folder)}
    for path, mode in modes.items():
        path.chmod(mode & ~0o222)
    try:
        assert "allow Stash to write there" in refused(here, films[1], "it was read-only")
        for name in ("sync_all", "status", "dead_letters", "wake", "clear_queue"):
            said = here.stash.run_operation({"mode": name}).error
            assert said is not None
            assert str(here.folder) in said, name
        assert told(here, "failed to run Sync all")
    finally:
        for path, mode in modes.items():
            path.chmod(mode)
    here.edit(films[0], "after")
    here.arrives(films[0], "after")
    here.arrives(films[1], "it was read-only")


@pytest.fixture
def locked(here: Installation) -> Iterator[sqlite3.Connection]:
    """The queue of the data folder, held by a transaction of somebody else's; no worker lives."""
    conn = here.queue()
    conn.execute("BEGIN EXCLUSIVE")
    yield conn
    conn.close()


def test_a_queue_that_is_locked_for_a_while(here: Installation, locked: sqlite3.Connection) -> None:
    """A hook waits for whoever holds the queue, and the edit is queued."""
    film = here.film()
    saving = threading.Thread(target=here.edit, args=(film, "patient"))
    began = time.monotonic()
    saving.start()
    until(lambda: time.monotonic() - began > 0.5, what="half a second")
    assert saving.is_alive()
    locked.execute("COMMIT")
    saving.join()
    here.arrives(film, "patient")


def test_a_queue_that_stays_locked(
    here: Installation, locked: sqlite3.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Hook and worker give up after the busy timeout, the one with its sentence, the other without losing a job."""
    film = here.film("locked")
    locked.execute("COMMIT")
    enqueue.enqueue(locked, f"scene:{film.scene}", "test", 0, 0)
    locked.execute("BEGIN EXCLUSIVE")
    monkeypatch.setattr(enqueue, "BUSY_TIMEOUT", 0.1)
    monkeypatch.setattr(enqueue, "BUSY_TIMEOUT", 0.1)
    monkeypatch.setattr(wake, "wake", lambda folder: False)
    said = json.loads(hook.handle(events.read(at(here.stash.dir, GOOD))))["error"]
    assert said.startswith("PlexSync could not queue scene 1")
    assert "database is locked" in said
    here.connect()
    turn(here)
    assert "database is locked" in here.status()["problem"]
    assert (here.plex.writes(), told(here, "database is locked")) == ([], True)
    locked.execute("COMMIT")
    turn(here)
    assert (here.title(film), rows(here.folder), here.status()["problem"]) == ("locked", [], None)


def turn(here: Installation) -> None:
    """One turn of the full worker in this process; raises what keeps it from even noting a pause."""
    run.drain(str(here.folder), "", PluginFiles(read=dict), fresh=True)
    gc.collect()  # persist-queue's finaliser closes its connection, which only this thread may


@pytest.mark.parametrize("way", ["full", "unwritable"])
def test_a_log_that_takes_nothing(here: Installation, way: str) -> None:
    """A log that is full, or cannot be opened, is told in Stash's log in one sentence, and syncing goes on."""
    film = here.film()
    here.folder.mkdir(parents=True)
    log = here.folder / environment.LOG
    if way == "full":
        log.symlink_to("/dev/full")
    else:
        log.mkdir()
    here.edit(film, "without a log")
    here.arrives(film, "without a log")
    until(lambda: told(here, "failed to write plexsync.log"), what="a word in Stash's log")
    assert here.status()["problem"] is None
