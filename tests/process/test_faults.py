"""Whatever ends the background process leaves one sentence: in the status, in plexsync.log, and in Stash's log."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

import pytest

from plexsync.core import environment
from tests.support.installation import Film, Installation
from tests.support.processes import PACKAGES as BUNDLED
from tests.support.processes import checkout_only, private_plugin, until

pytestmark = pytest.mark.usefixtures("unmeasured")

#: Where a file is put: beside the plugin's own, or in a folder where Python finds packages first.
PLUGIN, PACKAGES = "plugin", "packages"


class Fault(NamedTuple):
    """A file that breaks the background process, and the words of the sentence about it."""

    place: str
    name: str
    text: str | bytes
    words: tuple[str, ...]


RAISES = 'raise RuntimeError("not on this machine")'
FAULTS = {
    "a shadow that raises": Fault(PLUGIN, "requests.py", RAISES, ("requests.py", "Rename or remove")),
    "an empty shadow": Fault(PLUGIN, "requests.py", "", ("requests.py", "in place of the Python module requests")),
    "a shadow package": Fault(PLUGIN, "urllib3/__init__.py", "", ("urllib3/__init__.py", "Rename or remove")),
    "a shadow of Python's own": Fault(PLUGIN, "queue.py", "", ("queue.py", "in place of the Python module queue")),
    "a shadow that the log needs": Fault(PLUGIN, "json.py", "", ("json.py", "in place of the Python module json")),
    "a shadow that ends": Fault(PLUGIN, "logging.py", "raise SystemExit(3)", ("logging.py", "Rename or remove")),
    "a shadow of SQLite": Fault(PLUGIN, "sqlite3.py", RAISES, ("sqlite3.py", "Rename or remove")),
    "a shadow at the door": Fault(PLUGIN, "contextlib.py", "", ("contextlib.py", "Rename or remove")),
    "a package that raises": Fault(PACKAGES, "plexapi/__init__.py", RAISES, ("plexapi/__init__.py", "RuntimeError")),
    "a package that ends": Fault(
        PACKAGES, "unidecode.py", "import sys; sys.exit('no')", ("unidecode.py", "SystemExit")
    ),
    "a package of another Python": Fault(PACKAGES, "unidecode.py", "print 'two'", ("unidecode.py", "cannot be loaded")),
    "a package compiled for another Python": Fault(PACKAGES, "plexapi.pyc", b"\0" * 40, ("plexapi.pyc", "bad magic")),
    "an attribute that is gone": Fault(
        PACKAGES, "plexapi/__init__.py", "import os; os.no_such", ("plexapi/__init__.py", "AttributeError")
    ),
    "a package that misses a file": Fault(
        PACKAGES, "plexapi/__init__.py", "open('/no/such/library.so')", ("plexapi/__init__.py", "FileNotFoundError")
    ),
    "a package full of null bytes": Fault(
        PACKAGES, "persistqueue/__init__.py", b"import os\n" + b"\0" * 40, ("persistqueue/__init__.py", "null bytes")
    ),
    "the process's own module": Fault(
        PLUGIN, "plexsync/daemon/main.py", "def half(", ("incomplete or mixed", "main.py")
    ),
    "the command line": Fault(PLUGIN, "plexsync/cli.py", "import plexsync.nowhere", ("incomplete or mixed", "nowhere")),
}


#: A release loads nothing that lies elsewhere: tests/process/test_shadowing.py.
FAULTS = {name: fault for name, fault in FAULTS.items() if fault.name.startswith("plexsync/") or not BUNDLED.is_dir()}


@pytest.fixture
def here(tmp_path: Path) -> Installation:
    """An installation with a plugin of its own, and a folder where Python looks first for packages."""
    (tmp_path / PACKAGES).mkdir()
    return Installation(tmp_path, PYTHONPATH=str(tmp_path / PACKAGES))


def problem_of(here: Installation) -> str:
    """Return the problem as it is stored: the operation may be broken as well."""
    path = here.folder / environment.STATE_DB
    if not path.exists():
        return ""
    with closing(sqlite3.connect(path)) as conn:
        try:
            row = conn.execute("SELECT json_extract(value, '$.problem') FROM meta WHERE name = 'pause'").fetchone()
        except sqlite3.OperationalError:
            return ""
    return str(row[0] or "") if row else ""


def lines(here: Installation) -> list[str]:
    """Return the messages in plexsync.log."""
    return [json.loads(line)["message"] for line in here.log().splitlines()]


def told(here: Installation, sentence: str) -> int:
    """Return how often Stash's log has the sentence as an error."""
    return sum(sentence in line.message and line.level == "error" for line in here.stash.plugin_log)


def sentence_everywhere(here: Installation, film: Film, words: tuple[str, ...]) -> str:
    """Wait for a problem with these words; check that both logs have it once, and return it."""
    problem = until(lambda: problem_of(here), 15, what="a problem")
    assert all(word in problem for word in words), problem
    assert ("pip install" in problem) is ("missing" in problem)
    assert "\n" not in problem
    until(lambda: problem in lines(here), what="a line in plexsync.log")
    here.edit(film, "Second")
    until(lambda: told(here, problem), what="a line in Stash's log")
    assert lines(here).count(problem) == 1
    assert len(here.rows()) == 1
    return problem


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
def test_a_fault_before_the_log_opens(here: Installation, tmp_path: Path, fault: Fault) -> None:
    """One sentence names the file, wherever people look; the edit stays, and arrives once the file is gone."""
    with here:
        plugin = private_plugin(here, tmp_path / PLUGIN)
        path = tmp_path / fault.place / fault.name
        whole = path.read_bytes() if path.exists() else None
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(fault.text if isinstance(fault.text, bytes) else fault.text.encode())
        film = here.film()
        here.queue().close()  # or the very first hook, which makes it, may need the same module
        here.edit(film, "First")
        problem = sentence_everywhere(here, film, fault.words)
        said = here.stash.run_operation({"mode": "status"})
        assert said.returncode == 0
        answer = json.loads(said.stdout)
        assert problem == (answer.get("error") or answer["output"]["problem"])
        if whole is None:
            path.unlink()
        else:
            path.write_bytes(whole)
        here.arrives(film, "Second")
        until(lambda: here.seen()["problem"] is None, what="the end of the problem")
        assert plugin.exists()


def test_an_interpreter_that_cannot_start(here: Installation, tmp_path: Path) -> None:
    """What Python says as it dies before the first line of PlexSync is in the status and in both logs."""
    with here:
        private_plugin(here, tmp_path / PLUGIN)
        broken = tmp_path / PACKAGES / "sitecustomize.py"
        broken.write_text("import sys; sys.stderr.write('no way in\\n'); sys.stderr.flush(); import os; os._exit(4)")
        film = here.film()
        here.edit(film, "First")
        until(lambda: (here.folder / "worker.err").read_text() or problem_of(here), what="its last words")
        here.edit(film, "Second")
        problem = problem_of(here)
        assert "could not start (no way in)" in problem
        assert told(here, problem) == 1
        assert problem in here.log()
        here.edit(film, "Third")
        assert told(here, problem) == 1
        broken.unlink()
        here.edit(film, "Fourth")
        here.arrives(film, "Fourth")
        assert here.status()["problem"] is None


@checkout_only
def test_a_package_that_crashes_python(here: Installation, tmp_path: Path) -> None:
    """A process that the system ends while a package is loaded leaves the name of that package's file."""
    with here:
        private_plugin(here, tmp_path / PLUGIN)
        broken = tmp_path / PACKAGES / "unidecode.py"
        broken.write_text("import ctypes; ctypes.string_at(0)")
        film = here.film()
        here.edit(film, "First")
        until(lambda: (here.folder / "worker.err").read_text() or problem_of(here), what="its last words")
        until(lambda: not here.worker_pid(), what="its end")
        here.edit(film, "Second")
        problem = problem_of(here)
        assert "Fatal Python error: Segmentation fault" in problem
        assert str(broken) in problem
        assert told(here, problem) == 1
        broken.unlink()
        here.edit(film, "Third")
        here.arrives(film, "Third")
        assert here.status()["problem"] is None


def test_nothing_is_left_where_all_is_well(here: Installation) -> None:
    """What packages write to stderr while they work reaches no file and no log."""
    with here:
        film = here.film()
        here.edit(film, "First")
        here.arrives(film, "First")
        assert (here.folder / "worker.err").read_text() == ""
        assert here.log().count('"level": "error"') == 0
