"""Versions stand in one place each: PlexSync's own in the manifest, the supported Pythons in pyproject.toml."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import plexsync
from tests.contract.test_project import MANIFEST, ROOT, text
from tests.process.test_hook import LIGHT
from tests.tools import project, release

VERSION = str(MANIFEST["version"])
PYPROJECT = tomllib.loads(text("pyproject.toml"))


def chapters() -> list[tuple[str, str]]:
    """Return each version of the changelog with its text, the newest first."""
    return re.findall(r"^## (\S+)\n(.*?)(?=^## |\Z)", text("CHANGELOG.md"), flags=re.MULTILINE | re.DOTALL)


def test_the_version_stands_in_the_manifest() -> None:
    """The package and the tools read it there, the page's loader has a copy, and nothing else repeats it."""
    assert re.fullmatch(r"\d+\.\d+\.\d+", VERSION)
    assert plexsync.__version__ == project.version() == VERSION
    copied = f'const VERSION = "{VERSION}";' in text("ui/plexsync.js")
    assert copied, f"ui/plexsync.js has another version than PlexSync.yml ({VERSION}): tests.tools.release writes both"
    assert "version" not in PYPROJECT["project"]
    assert PYPROJECT["project"]["dynamic"] == ["version"]


def test_the_changelog_begins_with_this_version() -> None:
    """Its newest chapter is that of the manifest's version, and no chapter is left to be written."""
    assert chapters()[0][0] == VERSION, "CHANGELOG.md has to begin with the version of PlexSync.yml"
    assert [version for version, words in chapters() if not re.search(r"^\* \w", words, flags=re.MULTILINE)] == []
    assert not re.search(r"^\* *$", text("CHANGELOG.md"), flags=re.MULTILINE)


def test_no_hook_reads_the_version() -> None:
    """The manifest is read when a process first asks for the version, by no module more, and never by a hook's."""
    code = """
import sys
import plexsync
before = set(sys.modules)
assert "__version__" not in vars(plexsync)
print(plexsync.__version__, *set(sys.modules) - before, "__version__" in vars(plexsync), hasattr(plexsync, "other"))
"""
    done = subprocess.run([sys.executable, "-S", "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.split() == [VERSION, "True", "False"]
    modules = [name.replace(".", "/") for name in LIGHT - {"plexsync"}]
    found = [path for name in modules for path in (ROOT / f"{name}.py", ROOT / name / "__init__.py") if path.is_file()]
    assert len(found) == len(modules)
    assert [path for path in found if "__version__" in path.read_text("utf-8")] == []


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """Copy the files that a release changes."""
    for name in (*release.PLACES, release.CHANGELOG):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    return tmp_path


def contents(tree: Path) -> dict[str, str]:
    """Return the files of the tree."""
    return {name: (tree / name).read_text("utf-8") for name in (*release.PLACES, release.CHANGELOG)}


def test_a_release_begins_with_its_version_everywhere(tree: Path) -> None:
    """Manifest and loader say the new version and are the same otherwise; the changelog has a chapter to be written."""
    before = contents(tree)
    release.begin("27.0.1", tree)
    after = contents(tree)
    for name in release.PLACES:
        assert after[name] == before[name].replace(VERSION, "27.0.1", 1) != before[name]
    start, rest = before["CHANGELOG.md"].split(f"## {VERSION}\n")
    assert after["CHANGELOG.md"].startswith(f"{start}## 27.0.1\n")
    assert after["CHANGELOG.md"].endswith(f"* \n\n## {VERSION}\n{rest}")
    assert project.version(tree) == "27.0.1"


@pytest.mark.parametrize(
    ("version", "reason"),
    [
        (VERSION, "not newer"),
        ("1.0.99", "not newer"),
        ("v9.0.0", "is no version"),
        ("9.0", "is no version"),
        ("9.0.0-rc1", "is no version"),
    ],
)
def test_a_release_needs_a_newer_version(tree: Path, version: str, reason: str) -> None:
    """Anything but three numbers above the last ones changes nothing."""
    before = contents(tree)
    with pytest.raises(release.ReleaseError, match=reason):
        release.begin(version, tree)
    assert contents(tree) == before


@pytest.mark.parametrize("name", [*release.PLACES, release.CHANGELOG])
def test_a_release_changes_all_files_or_none(tree: Path, name: str) -> None:
    """Where the place of the version is not found in one file, the others stay as they are."""
    (tree / name).write_text(contents(tree)[name].replace(f"{VERSION}", f"{VERSION} "), "utf-8")
    before = contents(tree)
    with pytest.raises(release.ReleaseError, match="once is needed"):
        release.begin("27.0.1", tree)
    assert contents(tree) == before


def test_the_command_says_what_comes_next(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """It prints the steps, or one sentence and a status where nothing was begun."""
    begun: list[str] = []
    assert release.main([VERSION]) == 1
    assert release.main([]) == 2
    assert capsys.readouterr().err.splitlines()[0] == f"{VERSION} is not newer than {VERSION}."
    monkeypatch.setattr(release, "begin", begun.append)
    assert release.main(["27.0.1"]) == 0
    assert begun == ["27.0.1"]
    assert "git tag v27.0.1" in capsys.readouterr().out


def test_the_supported_pythons_stand_in_one_place() -> None:
    """Make looks for what pyproject.toml lists, the workflow tests it, and the oldest is demanded everywhere."""
    pythons = project.pythons()
    oldest = pythons[0]
    assert pythons == [f"3.{minor}" for minor in range(int(oldest[2:]), int(oldest[2:]) + len(pythons))]
    listed = re.findall(r"\bpython(3\.\d+)\b", text("Makefile"))
    assert listed == pythons[::-1]
    assert set(re.findall(r'"(3\.\d+)"', text(".github/workflows/ci.yaml"))) == set(pythons)
    assert PYPROJECT["project"]["requires-python"] == f">={oldest}"
    assert PYPROJECT["tool"]["ruff"]["target-version"] == f"py{oldest.replace('.', '')}"
    assert PYPROJECT["tool"]["mypy"]["python_version"] == oldest
    demanded = re.findall(r"version_info < \((\d+), (\d+)\)", text("Makefile") + text("PlexSync.py"))
    assert demanded == [tuple(oldest.split("."))] * 2
