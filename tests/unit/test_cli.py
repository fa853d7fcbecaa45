"""The command line: where it looks for the data folder, which Stash does not name to it."""

from __future__ import annotations

from pathlib import Path

import pytest

from plexsync import cli
from plexsync.core import environment


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
