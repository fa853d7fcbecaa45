"""The scenario that the nightly workflow runs against real servers holds against those of the tests."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.e2e import __main__ as e2e
from tests.support.release import built


def test_from_the_installation_to_the_removal(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A user's whole way holds in all its steps, with other paths in Plex than in Stash; the summary lists them.

    What the doctor prints about the edited scene follows.
    """
    summary = tmp_path / "summary.md"
    doctor = f"{sys.executable} -c \"print('asked about', {{scene}})\""
    words = [
        "--dist",
        str(built().archive.parent),
        "--films-in-plex",
        "/media",
        "--summary",
        str(summary),
        "--doctor",
        doctor,
    ]
    assert e2e.main(words) == 0
    assert capsys.readouterr().out.endswith("\n11 steps held\n")
    lines = summary.read_text("utf-8").splitlines()
    assert lines[0].startswith("### Stash ")
    assert sum(line.startswith("| ") for line in lines) == 1 + 11
    assert lines[-2:] == ["asked about 1", ""]


def test_a_release_that_stash_refuses_ends_the_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A step that does not hold ends the run with status 1, and its sentence stands in the summary."""
    (tmp_path / "index.yml").write_bytes(built().index_file.read_bytes())
    (tmp_path / "PlexSync.zip").write_bytes(b"another file")
    assert e2e.main(["--dist", str(tmp_path), "--summary", str(tmp_path / "summary.md")]) == 1
    assert "does not list the plugin as installed" in capsys.readouterr().err
    assert (tmp_path / "summary.md").read_text("utf-8").startswith("**Failed.** PlexSync is installed by Stash's")


def test_without_a_release_it_says_how_to_build_one(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Who runs it before anything was built is told the command, and no server is started."""
    assert e2e.main(["--dist", str(tmp_path)]) == 1
    assert capsys.readouterr().err == f"There is no release in {tmp_path}: `make dist` builds one.\n"
