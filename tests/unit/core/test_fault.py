"""The sentence about what ended a process, and the file in which it waits for Stash's log."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from plexsync.core import environment, fault
from plexsync.state.meta import Meta
from tests.support.queue_tools import NOW

SENTENCE = 'PlexSync is paused: the file "a\\b" is at fault.'


def raised(folder: Path, text: str, name: str = "broken") -> BaseException:
    """Return what loading a module with this text raises."""
    folder.mkdir(exist_ok=True)
    (folder / f"{name}.py").write_text(text, "utf-8")
    sys.path.insert(0, str(folder))
    sys.modules.pop(name, None)
    try:
        __import__(name)
    except BaseException as error:
        return error
    finally:
        sys.path.remove(str(folder))
        sys.modules.pop(name, None)
    raise AssertionError("nothing was raised")


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("raise RuntimeError('no such\\n card')", "RuntimeError: no such card"),
        ("raise SystemExit", "SystemExit"),
        ("raise ValueError", "ValueError"),
        ("def half(", "'(' was never closed (broken.py, line 1)"),
        ("import os; os.no_such", "AttributeError: module 'os' has no attribute 'no_such'"),
        ("from os import no_such", "cannot import name 'no_such' from 'os'"),
        ("raise RuntimeError('x' * 900)", "RuntimeError: " + "x" * 200 + ")"),
        ("raise OSError('no disk')", "OSError: no disk"),
    ],
)
def test_a_module_that_cannot_be_loaded(tmp_path: Path, text: str, why: str) -> None:
    """The sentence names the file and the error, in one line, and says what to do; pip cannot help."""
    said = fault.sentence(raised(tmp_path, text))
    assert f"{tmp_path / 'broken.py'} cannot be loaded ({why}" in said or ("from 'os'" in why and why in said)
    assert said.startswith("PlexSync is paused: ")
    assert "\n" not in said
    assert "pip" not in said


def test_a_python_that_lacks_a_module_of_its_own(tmp_path: Path) -> None:
    """A stripped Python is at fault, and no file: the sentence says which Python to look at, and nothing to remove."""
    said = fault.sentence(raised(tmp_path, "raise ModuleNotFoundError(\"No module named '_ssl'\", name='_ssl')"))
    assert "a module of Python itself cannot be loaded (No module named '_ssl')" in said
    assert "Settings > System > Python executable path" in said
    assert "broken.py" not in said


@pytest.mark.parametrize(
    "error",
    [
        ModuleNotFoundError("No module named 'urllib3'", name="urllib3"),
        ImportError("cannot import name 'x' from 'requests'", name="requests"),
    ],
)
def test_packages_of_a_release_are_the_plugins_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: BaseException
) -> None:
    """What a release brings and does not find is repaired by installing PlexSync again; of a checkout it is not."""
    assert "Reinstall PlexSync" not in fault.sentence(error)
    monkeypatch.setattr(environment, "PACKAGES", str(tmp_path))
    assert "the plugin's files are incomplete or mixed" in fault.sentence(error)


def test_an_error_while_it_works_shows_no_text() -> None:
    """Outside an import the text may hold anything, a title or a token: only its kind and place are told."""
    titles: dict[str, str] = {}
    try:
        titles["my title"]
    except KeyError as error:
        said = fault.sentence(error)
    assert "internal error (KeyError in test_fault.py)" in said
    assert "my title" not in said


def test_an_error_of_this_machine_says_what_to_do() -> None:
    """A full disk is named as what it is."""
    assert "error on this machine (no space left). Free disk space" in fault.sentence(OSError("no space left"))


@pytest.mark.parametrize("exists", [False, True])
def test_it_is_left_wherever_people_look(tmp_path: Path, exists: bool) -> None:
    """Status, plexsync.log and what waits for Stash's log have the sentence, once however often it is left."""
    if exists:
        (tmp_path / environment.STATE_DB).touch()
    for later in (0, 60):
        fault.leave(str(tmp_path), SENTENCE, NOW + later)
    with closing(Meta.open(str(tmp_path))) as meta:
        assert meta.pause is not None
        assert (meta.pause.problem, meta.pause.until) == (SENTENCE, NOW + 120)
    (line,) = (tmp_path / environment.LOG).read_text("utf-8").splitlines()
    assert json.loads(line)["message"] == SENTENCE
    assert environment.has_errors(str(tmp_path))
    assert Path(environment.worker_errors(str(tmp_path))).read_text("utf-8") == SENTENCE + "\n"


@pytest.mark.parametrize("what", [environment.STATE_DB, environment.LOG, "worker.err"])
def test_what_cannot_be_written_stops_nothing(tmp_path: Path, what: str) -> None:
    """Where one of the places cannot be written, the others have the sentence."""
    (tmp_path / what).mkdir()
    fault.leave(str(tmp_path), SENTENCE, NOW)
    assert (tmp_path / "worker.err").is_dir() is (what == "worker.err") or environment.has_errors(str(tmp_path))
    fault.leave(str(tmp_path / "nowhere"), SENTENCE, NOW)


def said_by(folder: Path, text: str, times: int = 1) -> str:
    """Return what ``tell`` writes to stderr for this content of ``worker.err``."""
    Path(environment.worker_errors(str(folder))).write_text(text, "utf-8")
    code = f"from plexsync.core import fault\nfor _ in range({times}): fault.tell({str(folder)!r})"
    command = [sys.executable, "-c", code]
    return subprocess.run(command, cwd=environment.PLUGIN_DIR, capture_output=True, text=True, check=True).stderr


TRACEBACK = 'Traceback (most recent call last):\n  File "/usr/lib/site.py", line 5, in f\nOSError: no disk\n'
COULD_NOT_START = (
    "PlexSync is paused: its background process could not start (OSError: no disk in /usr/lib/site.py)."
    " The next edit tries again; no edit is lost."
)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("PlexSync is paused: x.\n", ["PlexSync is paused: x."]),
        ("PlexSync is paused: x.\n" * 3, ["PlexSync is paused: x."]),
        ("PlexSync is paused: x.\nPlexSync is paused: y.\n", ["PlexSync is paused: x.", "PlexSync is paused: y."]),
        (TRACEBACK, [COULD_NOT_START]),
        ("\n \n", []),
    ],
)  # fmt: skip
def test_stashs_log_gets_it_once(tmp_path: Path, text: str, said: list[str]) -> None:
    """Each sentence is one error line in Stash's protocol, however often it was left and told."""
    lines = said_by(tmp_path, text, times=2).splitlines()
    assert lines == [f"\x01e\x02{line}" for line in said]
    assert not environment.has_errors(str(tmp_path))


def test_a_process_that_died_as_it_started_is_taken_up(tmp_path: Path) -> None:
    """What Python said last becomes the problem; a sentence of ours stays as it is, and an empty file means nothing."""
    errors = Path(environment.worker_errors(str(tmp_path)))
    for text, problem in (("", None), (SENTENCE, None), (TRACEBACK, "OSError: no disk in /usr/lib/site.py")):
        errors.write_text(text, "utf-8")
        fault.adopt(str(tmp_path), NOW)
        assert (tmp_path / environment.STATE_DB).exists() is (problem is not None)
    with closing(sqlite3.connect(tmp_path / environment.STATE_DB)) as conn:
        assert "OSError: no disk" in conn.execute("SELECT value FROM meta").fetchone()[0]
    assert errors.read_text("utf-8").startswith("PlexSync is paused: its background process could not start")


def test_json_without_json() -> None:
    """Any text is quoted as ``json`` would."""
    text = "".join(map(chr, range(1, 300))) + '\U0001f600 \\ "'
    assert json.loads(fault.quoted(text)) == text


def test_stderr_changes_hands(tmp_path: Path) -> None:
    """While PlexSync works, stderr is the null device; an interpreter that starts says its last words in the file."""
    code = (
        "import os, sys\nfrom plexsync.core import fault\n"
        f"folder = {str(tmp_path)!r}\n"
        "os.write(2, b'1'); fault.hush(folder); os.write(2, b'2'); fault.listen(folder); os.write(2, b'3')\n"
    )
    with open(environment.worker_errors(str(tmp_path)), "ab") as file:
        subprocess.run([sys.executable, "-c", code], cwd=environment.PLUGIN_DIR, stderr=file, check=True)
    assert Path(environment.worker_errors(str(tmp_path))).read_text() == "13"
    said = subprocess.run([sys.executable, "-c", code], cwd=environment.PLUGIN_DIR, capture_output=True, check=True)
    assert said.stderr == b"123"
    assert os.path.getsize(environment.worker_errors(str(tmp_path))) == 2
