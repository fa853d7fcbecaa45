"""requirements.txt, the lock file: complete, pure Python, and what the tests run with."""

from __future__ import annotations

import importlib.metadata
import shutil
import sys
import zipfile
from email.message import Message
from email.parser import Parser
from itertools import product
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

from tests.tools import dev_requirements, lock, project, wheels
from tests.tools.lock import Locked, LockError

PACKAGES = {package.name: package for package in lock.read()}

#: Where PlexSync runs: what markers of requirements ask.
SYSTEMS = [("linux", "Linux", "posix"), ("darwin", "Darwin", "posix"), ("win32", "Windows", "nt")]
PLACES = [
    {
        "python_version": python,
        "python_full_version": f"{python}.0",
        "sys_platform": platform,
        "platform_system": system,
        "os_name": name,
        "implementation_name": "cpython",
        "platform_python_implementation": "CPython",
        "extra": "",
    }
    for python, (platform, system, name) in product(project.pythons(), SYSTEMS)
]


def metadata(wheel: Path) -> Message:
    """Return what a wheel says about itself."""
    with zipfile.ZipFile(wheel) as archive:
        name = next(name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        return Parser().parsestr(archive.read(name).decode("utf-8"))


@pytest.fixture(scope="module")
def described() -> dict[str, Message]:
    """What each locked wheel says about itself, by the package's name in the lock file."""
    return dict(zip(PACKAGES, map(metadata, wheels.find()), strict=True))


def needed(described: dict[str, Message]) -> list[Requirement]:
    """Return every requirement that holds somewhere: those of the project, then those of the locked packages."""
    found = [Requirement(text) for text in project.of_release()]
    for message in described.values():
        found += [Requirement(text) for text in message.get_all("Requires-Dist", [])]
    return [one for one in found if one.marker is None or any(one.marker.evaluate(place) for place in PLACES)]


def test_the_lock_file_satisfies_every_requirement(described: dict[str, Message]) -> None:
    """What the project and the locked packages need is locked, in a version that suits, for every system and Python."""
    unmet = [
        str(one)
        for one in needed(described)
        if (package := PACKAGES.get(lock.name_of(one.name))) is None or package.version not in one.specifier
    ]
    assert unmet == []


def test_nothing_is_locked_that_nobody_needs(described: dict[str, Message]) -> None:
    """A package that was needed once leaves the lock file."""
    assert set(PACKAGES) == {lock.name_of(one.name) for one in needed(described)}


def test_the_wheels_are_the_packages_of_the_lock_file(described: dict[str, Message]) -> None:
    """A hash leads to the package and version beside it, in pure Python, for every Python that is supported."""
    for package, message in zip(PACKAGES.values(), described.values(), strict=True):
        assert (lock.name_of(message["Name"]), message["Version"]) == (package.name, package.version)
        supported = SpecifierSet(message["Requires-Python"] or "")
        assert [python for python in project.pythons() if f"{python}.0" not in supported] == [], package.name


def test_the_tests_run_with_what_is_shipped() -> None:
    """The packages of the lock file are those of this environment; if not, make venv installs them."""
    assert {name: importlib.metadata.version(name) for name in PACKAGES} == {
        name: package.version for name, package in PACKAGES.items()
    }


def test_the_lock_file_is_written_the_same_each_time() -> None:
    """Packages and hashes are sorted, and the first line says how the file is made."""
    packages = list(PACKAGES.values())
    text = lock.written(reversed(packages))
    assert text == lock.written(packages)
    assert text.startswith(lock.LOCK.read_text("utf-8").split("\n", 1)[0])
    assert "make lock" in text.split("\n", 1)[0]
    assert [*PACKAGES] == sorted(PACKAGES)


def test_a_written_lock_file_is_read_back(tmp_path: Path) -> None:
    """Also one with several hashes for a package, as dependabot writes it."""
    packages = [
        Locked("a-b", "1.0", frozenset(["0" * 64, "f" * 64])),
        Locked("c", "2!1.0.post1+x", frozenset(["1" * 64])),
    ]
    path = tmp_path / "requirements.txt"
    path.write_text(lock.written(packages), "utf-8")
    assert lock.read(path) == packages


@pytest.mark.parametrize(
    "line",
    [
        "requests",
        "requests>=2",
        "requests==2.1",
        "requests==2.1 --hash=md5:00",
        f"requests==2.* --hash=sha256:{'0' * 64}",
        f"requests==2.1 --hash=sha256:{'0' * 63}",
        f"requests==2.1 --hash=sha256:{'0' * 64} ; python_version > '3'",
        f"-e . --hash=sha256:{'0' * 64}",
    ],
)
def test_what_is_not_pinned_with_a_hash_is_refused(tmp_path: Path, line: str) -> None:
    """A package without one version or without its hashes makes no lock file."""
    path = tmp_path / "requirements.txt"
    path.write_text(f"# first\n{line}\n", "utf-8")
    with pytest.raises(LockError, match="no pinned package"):
        lock.read(path)


def test_lock_writes_what_pip_resolved(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The file holds the wheels that pip chose for the project's ranges, and each change of a version is told."""
    path = tmp_path / "requirements.txt"
    path.write_text(lock.written([PACKAGES["idna"]._replace(version="1.0"), PACKAGES["requests"]]), "utf-8")

    def download(folder: Path, *wanted: str) -> None:
        assert list(wanted) == project.of_release()
        for name in ("Requests_X-2.0-py3-none-any.whl", "idna-2.0-py3-none-any.whl"):
            (folder / name).write_text(name)

    monkeypatch.setattr(lock, "LOCK", path)
    monkeypatch.setattr(lock, "download", download)
    assert lock.main() == 0
    assert [(package.name, package.version) for package in lock.read(path)] == [("idna", "2.0"), ("requests-x", "2.0")]
    told = capsys.readouterr().out.splitlines()
    gone = f"requests: {PACKAGES['requests'].version} -> none"
    assert told[:3] == ["idna: 1.0 -> 2.0", gone, "requests-x: none -> 2.0"]


def test_lock_replaces_a_file_that_nobody_can_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A damaged lock file is made anew; where pip fails, it stays as it is and a sentence says so."""
    path = tmp_path / "requirements.txt"
    path.write_text("<<<<<<< HEAD\n", "utf-8")
    monkeypatch.setattr(lock, "LOCK", path)
    monkeypatch.setattr(sys, "executable", shutil.which("false"))
    assert lock.main() == 1
    assert path.read_text("utf-8") == "<<<<<<< HEAD\n"
    assert capsys.readouterr().err.startswith("pip could not download the packages")
    monkeypatch.setattr(lock, "download", lambda folder, *wanted: (folder / "a-1-py3-none-any.whl").touch())
    assert lock.main() == 0
    assert [package.name for package in lock.read(path)] == ["a"]


def test_development_needs_the_locked_versions_first() -> None:
    """What is installed for the tests names each locked version, so that no tool replaces it."""
    listed = dev_requirements.requirements()
    assert listed[: len(PACKAGES)] == [f"{name}=={package.version}" for name, package in PACKAGES.items()]
    assert listed[len(PACKAGES) :] == project.of_development()
    assert any(one.startswith("pytest") for one in listed)
