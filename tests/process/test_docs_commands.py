"""The commands in the documents run as they stand there: the plugin's for real, a checkout's as far as is quick.

The calls with curl are run by ``test_api_examples``.
"""

from __future__ import annotations

import importlib.util
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.contract.test_project import ROOT
from tests.support.documents import DOCUMENTS, Fence, fences
from tests.support.installation import Installation
from tests.support.processes import PATIENCE, copy_of_plugin

#: Blocks that another test runs.
CALLS = re.compile(r"^(plexsync|curl|STASH=)", flags=re.MULTILINE)
BLOCKS = [fence for path in DOCUMENTS for fence in fences(path) if fence.language in ("sh", "console")]
FENCES = [fence for fence in BLOCKS if not (fence.language == "sh" and CALLS.search(fence.text))]

#: Programs of every system that a command may begin with; each is run where PlexSync's data lie.
READERS = {"grep", "tail", "cat", "ls"}
#: What goes with commands that are not carried out here, and so is not carried out either.
COMPANIONS = {"cmp", "cd"}
#: What a block ``console`` may begin a command with besides: it is for another machine, or changes this one.
ELSEWHERE = {"apk", "apt", "apt-get", "brew", "docker", "git", "scp", "ssh", "sudo", "synopkg"}


def commands(text: str) -> list[str]:
    """Return the commands of a block without comments; where some lines begin with ``$``, those alone are commands."""
    lines = re.sub(r"\s*\\\n\s*", " ", text).splitlines()
    prompted = [line.removeprefix("$ ") for line in lines if line.startswith("$ ")]
    stripped = (re.sub(r"(^|\s)#\s.*$", "", line).strip() for line in prompted or lines)
    return [part.strip() for line in stripped for part in line.split("&&") if part.strip()]


def parts(command: str) -> tuple[dict[str, str], list[str]]:
    """Return the variables that a command sets for itself, and its words."""
    words = shlex.split(command)
    count = next((at for at, word in enumerate(words) if not re.match(r"\w+=", word)), len(words))
    return dict(word.split("=", 1) for word in words[:count]), words[count:]


def kind(words: list[str]) -> str:
    """Return what sort of command this is: ``plugin``, ``make``, ``module``, ``reader``, ``companion``, or ``""``."""
    if not words:
        return "companion"
    program = Path(words[0]).name
    if re.fullmatch(r"python[\d.]*", program):
        return "plugin" if words[1:2] == ["PlexSync.py"] else "module" if words[1:2] == ["-m"] else ""
    sorts = {"make": "make", **dict.fromkeys(READERS, "reader"), **dict.fromkeys(COMPANIONS, "companion")}
    return sorts.get(program, "")


def of_kind(*kinds: str) -> list[str]:
    """Return the commands of these kinds, each once."""
    found = (command for fence in FENCES for command in commands(fence.text))
    return sorted({command for command in found if kind(parts(command)[1]) in kinds})


@pytest.mark.parametrize("fence", FENCES, ids=lambda fence: f"{fence.document}:{fence.line}")
def test_every_command_is_run_or_for_another_machine(fence: Fence) -> None:
    """A block ``sh`` has only commands that a test runs or checks; those for another machine are ``console``."""
    elsewhere = ELSEWHERE if fence.language == "console" else set()
    found = [parts(command)[1] for command in commands(fence.text)]
    assert [words for words in found if not kind(words) and Path(words[0]).name not in elsewhere] == []


@pytest.fixture
def here(tmp_path: Path) -> Iterator[Installation]:
    """Start both servers with two films that were synced; no worker is left."""
    with Installation(tmp_path, PLEXSYNC_IDLE_EXIT="0") as made:
        made.new_films(2)
        made.task("Sync all")
        made.kill_worker()
        yield made


def test_commands_of_the_plugin(here: Installation, tmp_path: Path) -> None:
    """``python3 PlexSync.py ...`` in the plugin's folder, and what reads the data folder, succeed as they stand.

    A scene's number is the reader's: here it is that of the first scene. The folder is a copy: some write files there.
    """
    plugin = copy_of_plugin(tmp_path / "plugin").parent
    for command in of_kind("plugin", "reader"):
        variables, words = parts(command)
        is_plugin = kind(words) == "plugin"
        here_it_is = re.sub(r"(?<= )\d+(?= |$)", str(here.films[0].scene), command)
        line = here_it_is.replace(words[0], shlex.quote(sys.executable), 1) if is_plugin else command
        env = {**os.environ, **here.stash.env, "PLEXSYNC_DATA_DIR": str(here.folder), **variables}
        done = subprocess.run(
            ["sh", "-c", line],
            cwd=plugin if is_plugin else here.folder,
            env=env,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
        assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"


@pytest.mark.skipif(not shutil.which("make"), reason="there is no make")
def test_commands_of_make() -> None:
    """Every target is there, and make knows what it would do; it is not done, because it takes minutes."""
    found = [parts(command) for command in of_kind("make")]
    words = sorted({word for _, rest in found for word in rest[1:]})
    done = subprocess.run(["make", "--dry-run", *words], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("command", of_kind("module"))
def test_commands_of_modules(command: str) -> None:
    """``python -m`` names a module that is there, existing tests, and only options that it knows."""
    _, words = parts(command)
    module, arguments = words[2], words[3:]
    assert importlib.util.find_spec(module), module
    tests = [word for word in arguments if re.match(r"(?:tests|benchmarks|docs)/", word)]
    assert [word for word in tests if not (ROOT / word.split("::")[0]).exists()] == []
    options = [word.split("=")[0] for word in arguments if word.startswith("-")]
    if options:
        asked = [sys.executable, "-m", module, "--help"]
        known = subprocess.run(asked, cwd=ROOT, capture_output=True, text=True, check=True)
        assert [option for option in options if not re.search(rf"(?<![\w-]){option}(?![\w-])", known.stdout)] == []


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("make a  # why\nmake b\n", ["make a", "make b"]),
        ("python3 x \\\n  y\n", ["python3 x y"]),
        ("# only words\n\nmake a && make b\n", ["make a", "make b"]),
        ("$ make a\nmake: Nothing to be done.\n", ["make a"]),
    ],
)
def test_commands_are_found(text: str, wanted: list[str]) -> None:
    """Comments are left out, continued lines joined, and ``&&`` parted."""
    assert commands(text) == wanted
