"""The location of PlexSync's files, and how a process that is not a hook gets its packages."""

from __future__ import annotations

import os
import site
import subprocess
import sys
import time
from pathlib import Path

import pytest

from plexsync.core import environment

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture(autouse=True)
def _bare(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PLEXSYNC_DATA_DIR", raising=False)


def test_the_plugin_finds_itself() -> None:
    """Folder, entry and manifest exist, and are absolute whatever Stash's working directory is."""
    assert Path(environment.PLUGIN_DIR) == ROOT
    assert Path(environment.ENTRY) == ROOT / "PlexSync.py"
    assert Path(environment.MANIFEST) == ROOT / "PlexSync.yml"
    assert Path(environment.ENTRY).is_file()
    assert Path(environment.MANIFEST).is_file()


def test_file_names_are_those_of_the_contract() -> None:
    """Other programs open these files by name."""
    texts = {value for name, value in vars(environment).items() if name.isupper() and isinstance(value, str)}
    names = {text for text in texts if not os.path.isabs(text)}
    assert names == {
        "queue.db", "state.db", "sync_timestamps.json", "status.json", "metrics.prom", "plexsync.log", "task.lock",
        "worker.lock", "init.lock", "connection.json", "preview.csv", "unmatched.csv", "client_id",
        "sign_in.json", "doctor.json",
    }  # fmt: skip


def test_the_data_folder_lies_in_stashs(tmp_path: Path) -> None:
    """The data folder is ``plugin_data/PlexSync`` in Stash's folder, never in the plugin's."""
    assert Path(environment.data_dir(str(tmp_path))) == tmp_path / "plugin_data" / "PlexSync"


def test_a_relative_folder_becomes_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A relative folder is resolved once, because the worker changes its working directory."""
    monkeypatch.chdir(tmp_path)
    assert Path(environment.data_dir("stash")) == tmp_path / "stash" / "plugin_data" / "PlexSync"
    monkeypatch.setenv("PLEXSYNC_DATA_DIR", "elsewhere")
    assert Path(environment.data_dir("stash")) == tmp_path / "elsewhere"


def test_without_a_name_there_is_no_folder() -> None:
    """Where neither Stash nor the environment names a folder, there is none."""
    assert environment.data_dir("") == ""


@pytest.mark.parametrize("stash_dir", ["", "/somewhere"])
def test_the_environment_overrides(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stash_dir: str) -> None:
    """``PLEXSYNC_DATA_DIR`` is the data folder itself, for Stash's calls and for the command line."""
    monkeypatch.setenv("PLEXSYNC_DATA_DIR", str(tmp_path))
    assert environment.data_dir(stash_dir) == str(tmp_path)


@pytest.mark.parametrize("executable", [sys.executable, "python3", ""])
def test_under_the_flag_site_is_loaded_when_asked_for(executable: str) -> None:
    """With ``-S``, ``site`` is loaded only on request, whether or not Python knows its own path."""
    code = (
        "import sys\n"
        "from plexsync.core import environment\n"
        "assert 'site' not in sys.modules\n"
        f"sys.executable = {executable!r}\n"
        "environment.find_packages()\n"
        "print(sys.prefix, sorted(path for path in sys.path if path.endswith('site-packages')))\n"
        "exit\n"
    )
    run = subprocess.run([sys.executable, "-S", "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    packages = sorted(path for path in sys.path if path.endswith("site-packages") and path.startswith(sys.prefix))
    if executable == sys.executable:
        assert run.stdout == f"{sys.prefix} {packages}\n"
    else:
        assert run.stdout


def test_without_the_flag_site_is_not_loaded_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that already has its packages is left alone."""
    calls: list[str] = []
    monkeypatch.setattr(site, "main", lambda: calls.append("main"))
    environment.find_packages()
    assert calls == []


class Busy:
    """A call that another program's open file refuses so many times; ``sleeps``: the pauses between the tries."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, times: int, error: OSError) -> None:
        self.left, self.error, self.calls, self.now = times, error, 0, 0.0
        monkeypatch.setattr(time, "sleep", self.sleep)
        monkeypatch.setattr(time, "monotonic", lambda: self.now)

    def sleep(self, seconds: float) -> None:
        """Let the time pass."""
        self.now += seconds

    def __call__(self, *values: str) -> tuple[str, ...]:
        self.calls += 1
        if self.left:
            self.left -= 1
            raise self.error
        return values


SHARING = PermissionError(13, "used by another process")


def test_a_file_in_use_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """A sharing violation is over in a moment: the call is made again, and its result returned."""
    busy = Busy(monkeypatch, 3, SHARING)
    assert environment.patiently(busy, "a", "b") == ("a", "b")
    assert busy.calls == 4
    assert busy.now == pytest.approx(3 * environment.PAUSE)


def test_patience_with_a_file_in_use_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    """A save in Stash waits no longer than 0.3 s for a file that stays open elsewhere."""
    busy = Busy(monkeypatch, 10_000, SHARING)
    with pytest.raises(PermissionError):
        environment.patiently(busy)
    assert busy.now <= environment.PATIENCE + environment.PAUSE
    assert environment.PATIENCE <= 0.3


@pytest.mark.parametrize("error", [FileNotFoundError(2, "none"), OSError(28, "full"), ValueError("nul")])
def test_any_other_failure_is_final(monkeypatch: pytest.MonkeyPatch, error: OSError) -> None:
    """What no patience mends is raised at once."""
    busy = Busy(monkeypatch, 1, error)
    with pytest.raises(type(error)):
        environment.patiently(busy)
    assert busy.calls == 1


@pytest.mark.parametrize("where", ["open", "replace"])
def test_a_file_in_use_keeps_the_older_content(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: str) -> None:
    """If a file cannot be replaced in the end the older one stays, and nothing of the new one is left beside it."""
    path = tmp_path / "connection.json"
    path.write_text("older", "utf-8")

    def refuse(*values: object, **named: object) -> None:
        raise PermissionError(13, "used by another process")

    monkeypatch.setattr(environment, "PATIENCE", 0)
    monkeypatch.setattr(os, where, refuse)
    with pytest.raises(PermissionError):
        environment.replace(str(path), b"cookie")
    assert os.listdir(tmp_path) == ["connection.json"]
    assert path.read_bytes() == b"older"


def test_an_interruption_leaves_no_part(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A signal in the middle of a replacement leaves nothing of it either."""

    def interrupt(*values: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "replace", interrupt)
    with pytest.raises(KeyboardInterrupt):
        environment.replace(str(tmp_path / "connection.json"), b"cookie")
    assert os.listdir(tmp_path) == []
