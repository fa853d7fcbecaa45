"""The manifest's ``-S`` on every kind of Python: a hook needs no package, and whatever is no hook finds them all."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support import interpreters
from tests.support.installation import Installation
from tests.support.processes import PLUGIN, checkout_only, proc, until

#: Makes one kind of interpreter in a folder; the program to start, and what to add to Stash's environment.
Kind = Callable[[Path], tuple[str, dict[str, str]]]

NO_USER = {"PYTHONNOUSERSITE": "1"}


def without(folder: Path) -> tuple[str, dict[str, str]]:
    """Nothing brings the packages."""
    return str(interpreters.bare(folder)), NO_USER


def in_venv(folder: Path) -> tuple[str, dict[str, str]]:
    """The virtual environment has them."""
    python = interpreters.bare(folder)
    interpreters.lend(interpreters.packages_of(folder))
    return str(python), NO_USER


def in_user_site(folder: Path) -> tuple[str, dict[str, str]]:
    """``pip install --user`` put them into the user's folder."""
    python = interpreters.bare(folder / "venv", system=True)
    interpreters.lend(interpreters.packages_of(folder / "user"))
    return str(python), {"PYTHONUSERBASE": str(folder / "user")}


def on_pythonpath(folder: Path) -> tuple[str, dict[str, str]]:
    """``PYTHONPATH`` names their folder."""
    return str(interpreters.bare(folder)), {"PYTHONPATH": interpreters.PACKAGES, **NO_USER}


def by_name(folder: Path) -> tuple[str, dict[str, str]]:
    """Stash starts ``python3``, and ``PATH`` finds that of the virtual environment."""
    python, env = in_venv(folder)
    return "python3", {"PATH": os.pathsep.join([str(Path(python).parent), os.environ["PATH"]]), **env}


GOOD: list[Kind] = [in_venv, in_user_site, on_pythonpath, by_name]


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Installation]:
    """Stash and Plex with one scene."""
    monkeypatch.delenv("PLEXSYNC_DATA_DIR", raising=False)
    with Installation(tmp_path) as made:
        made.film("New")
        yield made


def use(here: Installation, kind: Kind, folder: Path) -> None:
    """Let Stash start that kind of interpreter."""
    here.stash.python, env = kind(folder)
    here.stash.env = {**here.stash.env, **env}


@pytest.mark.parametrize("kind", GOOD, ids=lambda kind: kind.__name__)
def test_each_kind_of_python_works(here: Installation, tmp_path: Path, kind: Kind) -> None:
    """The hook queues, the worker that it starts loads its packages and syncs, and a task loads them too."""
    use(here, kind, tmp_path / "python")
    assert here.stash.run_hook("Scene.Update.Post", 1).output == "queued scene:1"
    until(lambda: here.titles() == ["New"], what="the scene in Plex")
    assert here.stash.run_operation({"mode": "check_setup"}).output["ok"] is True


@checkout_only
def test_without_packages_the_hook_queues_and_a_task_says_what_is_missing(here: Installation, tmp_path: Path) -> None:
    """The counter-proof: where nothing brings the packages the edit is queued all the same, and a task names them."""
    use(here, without, tmp_path / "python")
    assert here.stash.run_hook("Scene.Update.Post", 1).output == "queued scene:1"
    error = here.stash.run_operation({"mode": "check_setup"}).error or ""
    assert "stashapi, plexapi, persistqueue, requests, unidecode are missing" in error
    assert f"{tmp_path / 'python' / 'bin' / 'python3'} -m pip install " in error


def test_the_worker_is_started_without_the_flag(here: Installation, tmp_path: Path) -> None:
    """Neither the worker nor the small process that it becomes carries ``-S``: the kernel's list of words says so."""
    use(here, in_venv, tmp_path / "python")
    here.stash.run_hook("Scene.Update.Post", 1)
    until(lambda: here.titles() == ["New"], what="the scene in Plex")
    pid = int((here.folder / "worker.lock").read_text("ascii"))
    seen = set()

    def role() -> str:
        words = proc(pid, "cmdline").read_bytes().split(b"\0")
        if len(words) < 3:  # in the instant of its exec it has none
            return ""
        seen.add(words[1])
        return words[2].decode()

    first = until(role, what="a role")
    until(lambda: role() not in ("", first), what="another role")
    assert seen == {str(PLUGIN).encode()}


@pytest.mark.parametrize("words", [["check-setup"], ["worker"]], ids=lambda words: words[0])
def test_the_command_line_finds_its_packages(here: Installation, tmp_path: Path, words: list[str]) -> None:
    """Called with the manifest's ``-S`` by hand, a command works as without it."""
    use(here, in_venv, tmp_path / "python")
    here.stash.run_operation({"mode": "status"})  # leaves the connection
    command = [here.stash.python, "-S", str(PLUGIN), *words, "--data-dir", str(here.folder)]
    env = {**os.environ, **here.stash.env, "PLEXSYNC_IDLE_EXIT": "0"}
    done = subprocess.run(command, capture_output=True, text=True, env=env, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, "")
