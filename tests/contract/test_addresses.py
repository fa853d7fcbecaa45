"""What the documents say of where PlexSync is to be had comes from one place, and holds for the state it is in."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.tools import addresses, project


def test_every_block_and_badge_is_as_it_has_to_be() -> None:
    """The documents and badges are what ``make addresses`` writes."""
    stale = [path.name for path, text in addresses.files() if not path.is_file() or path.read_text("utf-8") != text]
    assert stale == [], "run `make addresses`"


@pytest.mark.parametrize("path", [path for path, _ in addresses.documents()], ids=lambda path: path.name)
def test_no_document_names_an_address_by_itself(path: Path) -> None:
    """The project's address, and those of its documents and releases, stand in marked blocks alone."""
    advice = "put a block there, such as <!-- repository --><!-- /repository -->, and run `make addresses`"
    assert named(addresses.outside(path.read_text("utf-8"))) == [], advice


@pytest.mark.skipif(project.is_published(), reason="what the documents promise is there")
@pytest.mark.parametrize("path", [path for path, _ in addresses.documents()], ids=lambda path: path.name)
def test_nothing_is_promised_before_it_is_there(path: Path) -> None:
    """While nothing is published, no document leads to the project's address, blocks or not."""
    assert named(path.read_text("utf-8")) == []


def named(text: str) -> list[str]:
    """Return the project's addresses in a text, whatever they go on with."""
    owner = re.escape(project.repository().split("/")[-2])
    return re.findall(rf"(?:github\.com/{owner}\b|{owner}\.github\.io)[^\s)]*", text, flags=re.IGNORECASE)


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A copy of the documents and of what writes them."""
    names = ["PlexSync.yml", "pyproject.toml", "tests/__init__.py", "tests/tools", "plexsync/__init__.py"]
    names += [path.relative_to(project.ROOT).as_posix() for path, _ in addresses.documents()]
    (tmp_path / "docs" / "images").mkdir(parents=True)
    for name in names:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        place = project.ROOT / name
        shutil.copytree(place, tmp_path / name) if place.is_dir() else shutil.copy(place, tmp_path / name)
    return tmp_path


def change(path: Path, old: str, new: str) -> None:
    """Replace a text that has to be there."""
    text = path.read_text("utf-8")
    assert old in text
    path.write_text(text.replace(old, new), "utf-8")


def write(copy: Path) -> subprocess.CompletedProcess[str]:
    """Run ``make addresses`` in a copy."""
    command = [sys.executable, "-m", "tests.tools.addresses"]
    return subprocess.run(command, cwd=copy, capture_output=True, text=True, check=False)


def test_one_line_moves_the_project(copy: Path) -> None:
    """A new address in PlexSync.yml, with the switch set, is all that it takes: every document follows."""
    change(copy / "PlexSync.yml", project.repository(), "https://github.com/Some-One/Elsewhere")
    change(copy / "pyproject.toml", f"published = {str(project.is_published()).lower()}", "published = true")
    assert write(copy).returncode == 0
    texts = {path: path.read_text("utf-8") for path, _ in addresses.documents(copy)}
    assert [path.name for path, text in texts.items() if named(text)] == []
    readme = texts[copy / "README.md"]
    assert "\n   https://some-one.github.io/Elsewhere/index.yml\n" in readme
    assert "(https://github.com/Some-One/Elsewhere/actions/workflows/ci.yaml)" in readme
    assert "(https://github.com/Some-One/Elsewhere/issues/new/choose)" in texts[copy / "CONTRIBUTING.md"]
    assert "(https://github.com/Some-One/Elsewhere/security/advisories/new)" in texts[copy / "SECURITY.md"]
    front = (readme, texts[copy / "CONTRIBUTING.md"], texts[copy / "SECURITY.md"])
    assert not any("not published" in text or addresses.LOCAL in text for text in front)


def test_a_wrong_document_is_named(copy: Path) -> None:
    """A block that nobody knows ends the program with the document's name, and nothing is written."""
    change(copy / "SECURITY.md", "report-privately", "report-secretly")
    change(copy / "README.md", "![version", "![another version")
    run = write(copy)
    assert run.returncode != 0
    assert "SECURITY.md: <!-- report-secretly -->" in run.stderr
    assert "![another version" in (copy / "README.md").read_text("utf-8")
