"""The command line: where it looks for the data folder, which Stash does not name to it."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from plexsync import cli
from plexsync.core import environment, locks


@pytest.fixture(autouse=True)
def _bare(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PLEXSYNC_DATA_DIR", raising=False)


def test_the_environment_overrides(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """``PLEXSYNC_DATA_DIR`` is the data folder, wherever the plugin lies."""
    monkeypatch.setenv("PLEXSYNC_DATA_DIR", str(tmp_path))
    assert cli.guess_data_dir() == str(tmp_path)


def test_the_command_line_finds_the_data_above_the_plugin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whichever folder of Stash's plugins the plugin lies in, the data folder above it is found, the nearest first."""
    stash = tmp_path / "outer" / "stash"
    (tmp_path / "plugin_data" / "PlexSync").mkdir(parents=True)
    (stash / "plugin_data" / "PlexSync").mkdir(parents=True)
    monkeypatch.setattr(environment, "PLUGIN_DIR", str(stash / "plugins" / "community" / "PlexSync"))
    assert Path(cli.guess_data_dir()) == stash / "plugin_data" / "PlexSync"


def test_else_the_command_line_takes_stashs_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With no data folder above the plugin, it is the one of a Stash that was never configured otherwise."""
    monkeypatch.setattr(environment, "PLUGIN_DIR", str(tmp_path / "plugins" / "PlexSync"))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    assert Path(cli.guess_data_dir()) == tmp_path / ".stash" / "plugin_data" / "PlexSync"


class Console(io.TextIOWrapper):
    """A stream that is, or is no, console."""

    console = False

    def isatty(self) -> bool:
        """Return whether a person looks at it."""
        return self.console


@pytest.mark.parametrize(
    ("windows", "console", "chosen", "wanted"),
    [
        (False, False, "", b"caf\xe9 \\u6771 \\udcff"),
        (True, False, "", "caf\xe9 \u6771 \\udcff".encode()),
        (True, True, "", b"caf\xe9 \\u6771 \\udcff"),
        (True, False, "cp1252", b"caf\xe9 \\u6771 \\udcff"),
    ],
    ids=["POSIX", "a file on Windows", "a console on Windows", "the user's choice"],
)
def test_every_character_can_be_printed(
    monkeypatch: pytest.MonkeyPatch, windows: bool, console: bool, chosen: str, wanted: bytes
) -> None:
    """What an encoding lacks is escaped; a file on Windows gets UTF-8, unless the user chose an encoding."""
    monkeypatch.setattr(locks, "WINDOWS", windows)
    monkeypatch.setenv("PYTHONIOENCODING", chosen)
    raw = io.BytesIO()
    stream = Console(raw, encoding="cp1252")
    stream.console = console
    cli._take_every_character(stream)
    cli._take_every_character(None)
    stream.write("caf\xe9 \u6771 \udcff")
    stream.flush()
    assert raw.getvalue() == wanted


@pytest.mark.parametrize("command", ["status", "check-setup", "undo --all", "doctor 1", "worker"])
def test_a_folder_that_is_nowhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], command: str
) -> None:
    """Where no data folder is found, a command says where it looked, and makes none."""
    monkeypatch.setattr(environment, "PLUGIN_DIR", str(tmp_path / "PlexSync"))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    assert cli.run(command.split()) == 1
    out, errors = capsys.readouterr()
    assert out == ""
    assert f"no data folder at {tmp_path / '.stash' / 'plugin_data' / 'PlexSync'}" in errors
    assert "--data-dir" in errors
    assert list(tmp_path.iterdir()) == []
