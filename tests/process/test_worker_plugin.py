"""The background process and the plugin's files: updates, a removed plugin, a disabled one, missing modules."""

from __future__ import annotations

import os
import shutil
import sys
import time
from pathlib import Path

import pytest

from plexsync.core import enqueue
from plexsync.model.job_key import JobKey
from plexsync.queue import jobs, stock
from tests.support.installation import Installation
from tests.support.processes import (
    checkout_only,
    children,
    ends,
    idle_worker_of,
    pid_of,
    private_plugin,
    role,
    rows,
    seconds_to_end,
    until,
)

#: What makes the private copy quick: still for 0.3 s is updated, missing for 1 s is gone.
QUICK = {"INTERVAL": 0.1, "STILL": 0.3, "GONE": 1.0}

#: Appended to a module of the copy: says who has loaded it.
RECORD_PID = '\nwith open({path!r}, "a", encoding="ascii") as _file:\n    _file.write(f"{{os.getpid()}}\\n")\n'


def updated(plugin: Path, pids: Path) -> None:
    """Write a new version of the plugin, which leaves the pid of whoever runs it."""
    path = plugin / "plexsync" / "daemon" / "main.py"
    path.write_text(path.read_text("utf-8") + RECORD_PID.format(path=str(pids)), "utf-8")


def runs_of(pids: Path) -> list[int]:
    """Return the pids that have run the new version, in order."""
    return [int(line) for line in pids.read_text("ascii").split()] if pids.exists() else []


def test_an_update_while_it_waits(tmp_path: Path) -> None:
    """Changed files that are still again are loaded by the same process with the same lock."""
    with Installation(tmp_path) as here:
        plugin = private_plugin(here, tmp_path / "plugin", **QUICK)
        film = here.film()
        here.edit(film, "Old")
        here.arrives(film, "Old")
        pid = idle_worker_of(here)
        updated(plugin, tmp_path / "pids")
        until(lambda: runs_of(tmp_path / "pids"), what="the new version")
        assert set(runs_of(tmp_path / "pids")) == {pid}
        assert (here.folder / "worker.lock").read_text("ascii") == str(pid)
        here.edit(film, "New")
        here.arrives(film, "New")
        assert idle_worker_of(here) == pid


def test_an_update_while_it_works(tmp_path: Path) -> None:
    """Between two batches the worker makes way for the new version; nothing is sent twice, no attempt spent."""
    with Installation(tmp_path) as here:
        plugin = private_plugin(here, tmp_path / "plugin", **QUICK)
        films = [here.film() for _ in range(60)]
        here.plex.modes.edit_delay = 0.02
        here.connect()
        conn = here.queue()
        jobs.enqueue_many(conn, [JobKey.scene(film.scene) for film in films], "hook", 0, 0)
        conn.close()
        worker = here.start_worker()
        until(here.plex.writes, what="the first write")
        updated(plugin, tmp_path / "pids")
        until(lambda: runs_of(tmp_path / "pids"), what="the new version")
        here.settles()
        assert set(runs_of(tmp_path / "pids")) == {worker.pid}
        assert len(here.plex.writes()) == 60
        assert here.status()["totals"] == {"synced": 60, "unchanged": 0, "retried": 0, "dead": 0, "skipped": 0}
        seconds_to_end(here, worker.pid)
        worker.communicate()


def test_files_that_are_away_for_a_moment(tmp_path: Path) -> None:
    """An update that first removes everything is waited for, and edits that wait go out with the new version."""
    with Installation(tmp_path) as here:
        plugin = private_plugin(here, tmp_path / "plugin", INTERVAL=0.1, STILL=0.3, GONE=60.0)
        film = here.film()
        here.edit(film, "Before")
        here.arrives(film, "Before")
        pid = idle_worker_of(here)
        shutil.move(plugin, tmp_path / "away")
        here.stash.update_scene(film.scene, hook=False, title="Waits")
        conn, began = here.queue(), time.monotonic()
        enqueue.enqueue(conn, f"scene:{film.scene}", "hook", 0, 0)
        conn.close()
        until(lambda: time.monotonic() > began + 1.5)
        assert here.title(film) == "Before"
        assert role(pid) == "idle"
        updated(tmp_path / "away", tmp_path / "pids")
        shutil.move(tmp_path / "away", plugin)
        here.arrives(film, "Waits")
        assert set(runs_of(tmp_path / "pids")) == {pid}


def test_a_deleted_plugin_ends_it(tmp_path: Path) -> None:
    """A removed plugin leaves no process behind; its rows stay for the next one."""
    with Installation(tmp_path, PLEXSYNC_SETTLE="30") as here:
        plugin = private_plugin(here, tmp_path / "plugin", **QUICK)
        film = here.film()
        here.edit(film, "Waits")
        idle_worker_of(here)
        shutil.rmtree(plugin)
        ends(here)
        assert rows(here.folder, "key, status") == [(f"scene:{film.scene}", stock.READY)]


def test_a_disabled_plugin_ends_it(tmp_path: Path) -> None:
    """The next catch-up sees that the plugin is disabled in Stash, and nothing is sent after it."""
    with Installation(tmp_path, PLEXSYNC_CATCHUP="1") as here:
        film = here.film()
        here.edit(film, "Title")
        here.arrives(film, "Title")
        here.stash.plugin_enabled = False
        ends(here)
        assert "PlexSync is disabled in Stash" in here.log()


#: Hides the modules that a file names from Python, as if they had never been installed.
HIDE = """
import importlib.machinery, sys

class Hiding(importlib.machinery.PathFinder):
    @classmethod
    def find_spec(cls, name, path=None, target=None):
        try:
            with open({path!r}, "rb") as file:  # decoding would import
                hidden = [name.decode() for name in file.read().split()]
        except OSError:
            hidden = []
        return None if name in hidden else super().find_spec(name, path, target)

sys.meta_path = [Hiding if one is importlib.machinery.PathFinder else one for one in sys.meta_path]
"""


@checkout_only
@pytest.mark.parametrize(
    ("modules", "said", "packages"),
    [
        ("plexapi persistqueue", "modules plexapi, persistqueue are missing", "plexapi persist-queue"),
        ("unidecode", "module unidecode is missing", "unidecode"),  # loaded at need, but no scene pays for it
    ],
)
def test_missing_modules(tmp_path: Path, modules: str, said: str, packages: str) -> None:
    """Status and Stash's log have the exact command, once; the jobs stay, and continue once it was run."""
    (tmp_path / "hide").mkdir()
    hidden = tmp_path / "hidden"
    (tmp_path / "hide" / "sitecustomize.py").write_text(HIDE.format(path=str(hidden)), "utf-8")
    hidden.write_text(modules, "ascii")
    with Installation(tmp_path, PYTHONPATH=str(tmp_path / "hide")) as here:
        film = here.film()
        here.edit(film, "First")
        problem = until(lambda: here.seen()["problem"], what="a problem")
        assert said in problem
        assert f"{sys.executable} -m pip install" in problem
        assert problem.endswith(f" {packages}")
        until(
            lambda: [line for line in here.stash.plugin_log if (line.level, line.message) == ("error", problem)],
            what="a line in Stash",
        )
        pid = idle_worker_of(here)
        began = time.monotonic()
        until(lambda: role(pid) != "idle" or time.monotonic() - began > 1.2)
        assert role(pid) == "idle"  # and no circle of trying and failing
        here.edit(film, "Second")
        until(lambda: len(rows(here.folder)) == 1)
        assert rows(here.folder, "key, status, attempts") == [(f"scene:{film.scene}", stock.READY, 0)]
        assert here.log().count(problem) == 1
        assert len([line for line in here.stash.plugin_log if (line.level, line.message) == ("error", problem)]) == 1
        assert here.plex.log == []
        hidden.unlink()
        here.arrives(film, "Second")
        assert idle_worker_of(here) == pid
        assert here.status()["problem"] is None


@pytest.mark.parametrize(
    ("broken", "said"),
    [
        ("import plexsync.nowhere", "plugin's files are incomplete or mixed (No module named 'plexsync.nowhere')"),
        ("def half(", "plugin's files are incomplete or mixed ("),
        ("import xmlrpc.nowhere", "cannot be loaded (No module named 'xmlrpc.nowhere')"),
    ],
)
def test_what_cannot_be_loaded_is_tried_again(tmp_path: Path, broken: str, said: str) -> None:
    """A half-written plugin or an incomplete module is reported; the process waits instead of vanishing."""
    with Installation(tmp_path) as here:
        plugin = private_plugin(here, tmp_path / "plugin", **QUICK)
        running = plugin / "plexsync" / "daemon" / "run.py"
        whole = running.read_text("utf-8")
        running.write_text(broken, "utf-8")
        film = here.film()
        here.edit(film, "Title")
        problem = until(lambda: here.seen()["problem"], what="a problem")
        assert said in problem
        pid = idle_worker_of(here)
        running.write_text(whole, "utf-8")
        here.arrives(film, "Title")
        assert pid_of(here) == pid
        assert os.getsid(pid) == pid


def test_a_damaged_state_is_repaired(tmp_path: Path) -> None:
    """A state damaged while the process waits is rebuilt with the next edit, and the edit arrives."""
    with Installation(tmp_path) as here:
        quick = private_plugin(here, tmp_path / "plugin") / "plexsync" / "daemon" / "main.py"
        text = quick.read_text("utf-8").replace("{Next.WORK: 60.0, Next.IDLE: 5.0}", "{Next.WORK: 0.2, Next.IDLE: 0.2}")
        quick.write_text(text, "utf-8")
        film = here.film()
        here.edit(film, "First")
        here.arrives(film, "First")
        pid = idle_worker_of(here)
        (here.folder / "state.db").write_bytes(b"no database " * 1000)
        here.edit(film, "Second")
        here.arrives(film, "Second")
        assert pid_of(here) == pid
        assert list(here.folder.glob("state.db.damaged-*"))
        assert children(idle_worker_of(here)) == []
