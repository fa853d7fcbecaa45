"""Grounds that this machine is not: files that other programs hold open, no file locks, no ssl, an older Python."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from plexsync.core import environment
from tests.support import grounds
from tests.support.crash.sitecustomize import VARIABLE
from tests.support.installation import Installation
from tests.support.processes import PATIENCE, PLUGIN, until

#: What a damaged database may hold.
GARBAGE = b"no database at all " * 400


@pytest.fixture
def signs(here: Installation, tmp_path: Path) -> Path:
    """The folder that tells started processes which ground they stand on."""
    folder = tmp_path / "signs"
    folder.mkdir()
    here.stash.env |= {VARIABLE: str(folder), "PYTHONPATH": str(Path(grounds.__file__).parent)}
    return folder


def hold(signs: Path, name: str, times: int = 0) -> Path:
    """Let another program have a file open, for ever or for so many tries."""
    sign = signs / f"{name}.held"
    sign.write_text(str(times or ""), "ascii")
    return sign


def parts(here: Installation) -> list[str]:
    """The temporary files in the data folder."""
    return [path.name for path in here.folder.iterdir() if path.suffix[1:].isdigit() and "log" not in path.name]


def cookie(here: Installation) -> str:
    """The cookie that the worker finds."""
    return str(json.loads((here.folder / environment.CONNECTION).read_text("utf-8"))["cookie"])


def test_a_connection_that_is_held_open_for_a_moment(here: Installation, signs: Path) -> None:
    """A hook whose connection.json is in use saves it a moment later, and answers as always."""
    film = here.film()
    here.edit(film, "first")
    here.arrives(film, "first")
    before = cookie(here)
    sign = hold(signs, environment.CONNECTION, 3)
    here.edit(film, "second")
    here.arrives(film, "second")
    assert not sign.exists()
    assert cookie(here) != before
    assert parts(here) == []


def test_a_connection_that_is_held_open(here: Installation, signs: Path) -> None:
    """While another program has connection.json open, hooks and operations answer the truth: the edit is queued. The
    older file stays, nothing with a cookie is left beside it, and the worker goes on with the connection it knows."""
    film = here.film()
    here.edit(film, "first")
    here.arrives(film, "first")
    before = cookie(here)
    hold(signs, environment.CONNECTION)
    assert here.stash.update_scene(film.scene, title="second").output == f"queued scene:{film.scene}"
    assert here.status()["problem"] is None
    assert here.call("dead_letters") == {"items": []}
    assert (cookie(here), parts(here)) == (before, [])
    (signs / f"{environment.CONNECTION}.held").unlink()
    here.arrives(film, "second")
    assert here.status()["problem"] is None


def test_a_worker_reads_a_connection_that_hooks_replace(here: Installation, signs: Path) -> None:
    """A connection that cannot be read at once pauses nobody: it is read again."""
    film = here.film()
    here.edit(film, "first")
    here.arrives(film, "first")
    here.stash.end_worker()
    here.edit(film, "second")
    hold(signs, environment.CONNECTION, 4)
    here.arrives(film, "second")
    assert "unreachable" not in here.said()


def test_the_first_connection_that_cannot_be_saved(here: Installation, signs: Path) -> None:
    """Where there is no older file the hook says what it could not do, and that the edit is queued all the same."""
    film = here.film("New")
    hold(signs, environment.CONNECTION)
    said = here.stash.run_hook("Scene.Update.Post", film.scene).error or ""
    assert said.startswith(f"PlexSync queued scene {film.scene} but could not save how to reach Stash (")
    assert (here.rows(), parts(here)) == ([(f"scene:{film.scene}",)], [])
    (signs / f"{environment.CONNECTION}.held").unlink()
    here.stash.run_operation({"mode": "wake"})
    here.arrives(film, "New")


@pytest.mark.parametrize("name", [environment.STATUS, environment.METRICS, environment.TIMESTAMPS, environment.LOG])
def test_a_file_that_people_read_is_held_open(here: Installation, signs: Path, name: str) -> None:
    """A program that shows the status, the numbers or the log, and keeps the file open, stops no edit."""
    film = here.film()
    hold(signs, name)
    here.edit(film, "first")
    here.arrives(film, "first")
    assert here.status()["problem"] is None
    until(lambda: parts(here) == [], what="the end of the last try")


@pytest.mark.parametrize("name", [environment.STATE_DB, environment.QUEUE_DB])
def test_a_damaged_database_is_set_aside_where_no_open_file_can_be_renamed(
    here: Installation, signs: Path, name: str
) -> None:
    """Whoever finds a database damaged has closed it before it is renamed: Windows refuses it otherwise."""
    (signs / "renames").touch()
    film = here.film()
    here.edit(film, "before")
    here.arrives(film, "before")
    here.stash.end_worker()
    for ending in ("-wal", "-shm"):
        (here.folder / (name + ending)).unlink(missing_ok=True)
    (here.folder / name).write_bytes(GARBAGE)
    here.stash.update_scene(film.scene, title="after")
    until(lambda: list(here.folder.glob(f"{name}.damaged-*")), what="the damaged file set aside")
    assert next(here.folder.glob(f"{name}.damaged-*")).read_bytes() == GARBAGE
    here.edit(film, "again")
    here.arrives(film, "again")
    assert here.status()["problem"] is None


def test_a_preview_that_is_open_elsewhere(here: Installation, signs: Path) -> None:
    """A Preview whose file is open in a spreadsheet is kept under another name, and the log says under which."""
    here.new_films(2)
    assert here.task("preview").error is None
    before = (here.folder / environment.PREVIEW).read_bytes()
    here.film("New")
    hold(signs, environment.PREVIEW)
    result = here.task("preview")
    assert (result.error, result.output["files"]) == (None, ["preview-2.csv", environment.UNMATCHED])
    assert (here.folder / environment.PREVIEW).read_bytes() == before
    assert (here.folder / "preview-2.csv").read_text("utf-8").count("New") == 6
    assert any("preview-2.csv" in line.message for line in result.log)
    assert any(line.level == "warning" and "left preview.csv" in line.message for line in result.log)
    assert parts(here) == []


def test_a_file_system_without_locks(here: Installation, signs: Path) -> None:
    """Hooks, tasks, operations and the command line each say in one sentence what is missing and which variable helps;
    the edit is queued, and none of them dies."""
    (signs / "no locks").touch()
    film = here.film("New")
    said = here.stash.run_hook("Scene.Update.Post", film.scene).error or ""
    assert said.startswith(f"PlexSync queued scene {film.scene} but cannot sync it: the file system of {here.folder}")
    assert "PLEXSYNC_DATA_DIR" in said
    assert here.rows() == [(f"scene:{film.scene}",)]
    problem = here.status()["problem"]
    assert "has no file locks" in problem
    assert "PLEXSYNC_DATA_DIR" in problem
    for mode in ("sync_all", "process_queue", "wake"):
        error = here.stash.run_operation({"mode": mode}).error or ""
        assert error.startswith(f"PlexSync cannot run {mode}: the file system of"), mode
    done = here.start_worker()
    assert b"PLEXSYNC_DATA_DIR" in done.communicate(timeout=PATIENCE)[1]
    assert done.returncode == 1
    here.stash.env["PLEXSYNC_DATA_DIR"] = str(here.folder)
    (signs / "no locks").unlink()
    here.edit(film, "local")
    here.arrives(film, "local")


def test_a_python_without_ssl_syncs_over_http(here: Installation, signs: Path) -> None:
    """A Python that was built without ssl does all its work over http."""
    (signs / "no ssl").touch()
    film = here.film()
    here.edit(film, "without")
    here.arrives(film, "without")
    assert here.status()["problem"] is None
    assert here.call("check_setup")["ok"] is True


def test_a_python_without_ssl_says_so_for_https(here: Installation, signs: Path) -> None:
    """An https address is told in one sentence that names the module, in the status and in Stash's log; the worker
    lives, and goes on as soon as the address is another."""
    (signs / "no ssl").touch()
    film = here.film()
    here.stash.configure(plexUrl=here.plex.url.replace("http:", "https:"))
    here.edit(film, "without")
    until(lambda: here.status()["problem"], what="a problem")
    assert "no ssl module" in here.status()["problem"]
    until(lambda: [line for line in here.stash.plugin_log if "no ssl module" in line.message], what="Stash's log")
    assert "no ssl module" in " ".join(here.call("check_setup")["lines"])
    assert here.worker_pid()
    here.stash.configure(plexUrl=here.plex.url)
    here.arrives(film, "without")


def test_a_stash_over_https_without_ssl_is_told(here: Installation, signs: Path) -> None:
    """Where Stash itself is reached by https alone, its own log cannot be reached: the status says why."""
    (signs / "no ssl").touch()
    here.folder.mkdir(parents=True)
    where = {"scheme": "https", "host": "127.0.0.1", "port": here.stash.port, "cookie": ""}
    (here.folder / environment.CONNECTION).write_text(json.dumps(where), "utf-8")
    worker = here.start_worker()
    problem = until(lambda: here.command("status", "--json").get("problem"), what="a problem")
    assert "no ssl module" in str(problem)
    assert worker.poll() is None
    here.stash.end_worker()
    worker.communicate(timeout=PATIENCE)


@pytest.mark.usefixtures("unmeasured")
def test_a_python_without_sqlite_says_so(here: Installation, signs: Path) -> None:
    """Hook, task, operation and command line answer in one sentence that names the module and where to choose another
    Python; none of them dies with a traceback."""
    (signs / "no sqlite3").touch()
    for answer in (here.stash.run_hook("Scene.Update.Post", 1), here.stash.run_operation({"mode": "wake"})):
        assert (answer.returncode, answer.stderr) == (0, "")
        assert "built without the module sqlite3" in str(answer.error)
    task = here.stash.run_task("sync_all")
    assert task.error is not None
    assert [(line.level, line.message) for line in task.log] == [("error", task.error)]
    for command in ("status", "check-setup", "worker"):
        words = [here.stash.python, str(PLUGIN), command, "--data-dir", str(here.folder)]
        done = subprocess.run(words, capture_output=True, env={**os.environ, **here.stash.env}, check=False)
        assert (done.returncode, done.stdout) == (1, b""), command
        assert b"built without the module sqlite3" in done.stderr
        assert b"Traceback" not in done.stderr


#: Older Pythons on this machine, where pyenv keeps them.
VERSIONS = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv") / "versions"
OLDER = [path for pattern in ("3.[6-9].*", "3.10.*") for path in sorted(VERSIONS.glob(f"{pattern}/bin/python3"))]

#: Runs the entry file in this interpreter as if it were an older one.
FAKED = """
import runpy, sys
sys.argv[:] = sys.argv[1:]
sys.path.insert(0, sys.argv[0].rpartition("/")[0])
sys.version_info = (3, 9, 6, "final", 0)
runpy.run_path(sys.argv[0], run_name="__main__")
"""


def pythons() -> Iterator[list[str]]:
    """Commands of Pythons that are too old: real ones where there are any, and this one in disguise."""
    yield [sys.executable, "-S", "-c", FAKED, str(PLUGIN)]
    for path in OLDER:
        yield [str(path), "-S", str(PLUGIN)]


@pytest.mark.parametrize("command", list(pythons()), ids=lambda command: command[0])
def test_an_older_python_is_told(command: list[str], tmp_path: Path) -> None:
    """Hook, task and operation get one document with one sentence and status 0, a person the plain sentence."""
    asked = {"a hook": '{"hookContext": {"id": 1, "type": "Scene.Update.Post"}}', "a task": '{"mode": "sync_all"}'}
    asked["an operation"] = '{"mode": "wake"}'
    for what, args in asked.items():
        raw = f'{{"server_connection": {{"Dir": "{tmp_path}"}}, "args": {args}}}'.encode()
        done = subprocess.run(command, input=raw, capture_output=True, timeout=60, check=False)
        document = json.loads(done.stdout)
        assert (done.returncode, list(document)) == (0, ["error"]), what
        assert "needs Python 3.11 or newer" in document["error"]
        line = f"\x01e\x02{document['error']}\n".encode() if what == "a task" else b""
        assert done.stderr == line, what
    done = subprocess.run([*command, "status"], capture_output=True, timeout=60, check=False)
    assert (done.returncode, done.stdout) == (1, b"")
    assert done.stderr.startswith(b"PlexSync needs Python 3.11 or newer")
    assert b"Traceback" not in done.stderr
    assert list(tmp_path.iterdir()) == []
