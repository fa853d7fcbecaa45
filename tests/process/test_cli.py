"""The command line: for people, and the door by which the background processes come in."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from plexsync import __version__, cli
from plexsync.core import enqueue
from plexsync.core.environment import data_dir
from plexsync.queue import schema
from tests.support import interpreters
from tests.support.installation import SHORT, Installation
from tests.support.processes import PATIENCE, PLUGIN, checkout_only, worker_held, worker_lives


def run(*words: str, **env: str) -> subprocess.CompletedProcess[str]:
    """Run the plugin's script with these words, as a person does, with nothing on stdin."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("PLEXSYNC_DATA")}
    return subprocess.run(
        [sys.executable, str(PLUGIN), *words],
        check=False,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        env=clean | SHORT | env,
    )


@pytest.mark.parametrize("word", ["--help", "-h", "help"])
def test_help(word: str) -> None:
    """Help names every command, on stdout, with status 0."""
    done = run(word)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == cli.USAGE
    names = (
        "status [--json]",
        "check-setup",
        "undo --all",
        "undo ID",
        "doctor SCENE",
        "doctor --i-mean-it SCENE",
        "worker",
        "--help",
    )
    assert all(f"PlexSync.py {name}" in done.stdout for name in names)


@pytest.mark.parametrize(
    "words",
    [
        ("dance",),
        ("status", "--loud"),
        ("status", "now"),
        ("status", "--data-dir"),
        ("check-setup", "--json"),
        ("--json",),
        ("worker", "--json"),
    ],
)
def test_wrong_calls(words: tuple[str, ...]) -> None:
    """What is not understood is repeated on stderr with the help, and ends with status 2."""
    done = run(*words)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == f"unknown command: {' '.join(words)}\n\n{cli.USAGE}"


def test_no_word_is_help() -> None:
    """Called without a word, the command line explains itself."""
    assert cli.run([]) == 0


def test_status(tmp_path: Path) -> None:
    """``status`` speaks in sentences, ``status --json`` in the status object; no folder is all zeros."""
    folder = tmp_path / "data"
    done = run("status", "--data-dir", str(folder))
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines()[0].startswith("Queue: 0 pending, ")
    assert not folder.exists()
    folder.mkdir()
    enqueue.enqueue(schema.open_queue(str(folder), 0), "scene:1", "x", 1, 1)
    for done in (
        run("status", "--json", "--data-dir", str(folder)),
        run("status", "--json", PLEXSYNC_DATA_DIR=str(folder)),
    ):
        found = json.loads(done.stdout)
        assert (found["version"], found["queue"]["pending"]) == (__version__, 1)


def test_status_of_something_broken(tmp_path: Path) -> None:
    """A database that cannot be read is one sentence and status 1."""
    (tmp_path / "queue.db").write_bytes(b"nonsense" * 999)
    done = run("status", "--data-dir", str(tmp_path))
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(f"PlexSync cannot read its databases in {tmp_path} (file is not a database)")


def test_check_setup(here: Installation) -> None:
    """``check-setup`` prints the findings; status 0 if all is well, 1 if something has to be put right."""
    here.film("New")
    here.stash.run_operation({"mode": "status"})
    done = run("check-setup", "--data-dir", str(here.folder))
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert lines[0] == "Stash answers."
    assert lines[-1] == "Check setup: all checks passed."
    assert here.plex.token not in done.stdout
    here.plex.stop()
    done = run("check-setup", "--data-dir", str(here.folder))
    assert done.returncode == 1
    assert done.stdout.splitlines()[-1] == 'Nothing answers at "Plex address". Check that Plex is running there.'
    here.stash.stop()
    done = run("check-setup", "--data-dir", str(here.folder))
    assert done.returncode == 1
    assert "Open any page of Stash" in done.stdout


def test_check_setup_where_nothing_can_be_written(tmp_path: Path) -> None:
    """A data folder that cannot be used is one sentence and status 1."""
    (tmp_path / "file").touch()
    done = run("check-setup", "--data-dir", str(tmp_path / "file" / "data"))
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("PlexSync cannot use its data folder")


@checkout_only
@pytest.mark.parametrize("flags", [[], ["-S"]], ids=["as usual", "-S"])
def test_check_setup_without_modules(tmp_path: Path, flags: list[str]) -> None:
    """Without its modules the check says which command brings them."""
    python = interpreters.bare(tmp_path / "python")
    done = subprocess.run(
        [str(python), *flags, str(PLUGIN), "check-setup", "--data-dir", str(tmp_path)],
        check=False,
        capture_output=True,
        text=True,
        env={name: value for name, value in os.environ.items() if name != "PYTHONPATH"},
    )
    assert done.returncode == 1
    assert "-m pip install" in done.stdout


COMMANDS = (["doctor", "1"], ["undo", "1"], ["check-setup"], ["worker"])


@pytest.mark.skipif(sys.platform == "win32" or os.geteuid() != 0, reason="only root can give files away")
@pytest.mark.parametrize("words", COMMANDS, ids=lambda words: words[0])
def test_files_of_another_user(tmp_path: Path, words: list[str]) -> None:
    """As root, in a container perhaps, no command leaves files that Stash could not open; it says whose they are."""
    folder = tmp_path / "data"
    folder.mkdir()
    (folder / "connection.json").write_text("{}", "ascii")
    for path in (folder, folder / "connection.json"):
        os.chown(path, 54321, 54321)
    done = run(*words, "--data-dir", str(folder))
    assert (done.returncode, done.stdout) == (1, "")
    assert "belong to user 54321, as whom Stash runs. What user 0 writes there" in done.stderr
    assert done.stderr.endswith("docker exec -u 54321 ...\n")
    assert os.listdir(folder) == ["connection.json"]
    assert run("status", "--data-dir", str(folder)).returncode == 0


def may_not(*_: object) -> int:
    """Open nothing: the folder is another user's."""
    raise PermissionError


def test_a_folder_of_another_user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who may write nothing there is told as whom to run it; where all files have one owner nobody is turned away."""
    monkeypatch.setattr(cli, "_owner_of_new", lambda part: tmp_path.stat().st_uid + 1)
    for words in COMMANDS:
        assert cli.run([*words, "--data-dir", str(tmp_path)]) == 1
    assert os.listdir(tmp_path) == []
    monkeypatch.undo()
    monkeypatch.setattr(os, "geteuid", lambda: tmp_path.stat().st_uid + 1, raising=False)
    assert cli._stranger(str(tmp_path)) == ""
    with monkeypatch.context() as patch:
        patch.setattr(os, "open", may_not)
        assert "belong to user" in cli._stranger(str(tmp_path))
    assert cli._stranger(str(tmp_path / "missing")) == ""


def test_worker(here: Installation) -> None:
    """``worker`` is the background worker in the foreground; a second one says that there is one, and ends."""
    scene, _ = here.film("New")
    with worker_held(here.folder):
        assert here.stash.run_hook("Scene.Update.Post", scene).output == f"queued scene:{scene}"
        done = run("worker", "--data-dir", str(here.folder))
        assert (done.returncode, done.stderr) == (0, "already running: another PlexSync worker uses this data folder\n")
    done = run("worker", "--data-dir", str(here.folder), PLEXSYNC_IDLE_EXIT="0")
    assert done.returncode == 0
    assert (here.titles(), here.rows()) == (["New"], [])
    assert not worker_lives(here.folder)


def test_the_data_folder_is_found(here: Installation, tmp_path: Path) -> None:
    """Beside Stash's plugins the command line finds the data folder by itself."""
    assert data_dir(str(here.stash.dir)) == str(here.folder)
    plugins = here.stash.dir / "plugins" / "community"
    plugins.mkdir(parents=True)
    (plugins / "PlexSync").symlink_to(PLUGIN.parent, target_is_directory=True)
    here.stash.run_operation({"mode": "status"})
    code = f"import sys; sys.path.insert(0, {str(PLUGIN.parent)!r})\n"
    code += (
        "from plexsync.core import environment as e; from plexsync import cli; "
        f"e.PLUGIN_DIR = {str(plugins / 'PlexSync')!r}; print(cli.guess_data_dir())"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == str(here.folder)
