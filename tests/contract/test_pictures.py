"""The pictures of the documents show what the code draws now, and no browser is needed to tell."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from tests.tools import pictures

#: What to do about an old picture.
AGAIN = "run `make browser` and `.venv/bin/python -m tests.browser.screenshots`, and look at the pictures"


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A copy of the pictures and of all that they are made from."""
    for source in {source for sources in pictures.SOURCES.values() for source in sources} | {"docs/images"}:
        target = tmp_path / source
        target.parent.mkdir(parents=True, exist_ok=True)
        place = pictures.ROOT / source
        shutil.copytree(place, target) if place.is_dir() else shutil.copy(place, target)
    return tmp_path


def old(root: Path) -> list[str]:
    """Name the old pictures of a copy."""
    return pictures.old(root / "docs" / "images", root)


def test_no_picture_is_older_than_what_it_shows() -> None:
    """Each picture was made from the page, samples and program as they are now."""
    assert pictures.old() == [], f"older than what they show: {AGAIN}"


def test_a_program_makes_every_picture() -> None:
    """Every PNG is one that the program makes, and light enough for a page: 150 KB at most."""
    made = sorted(pictures.IMAGES.glob("*.png"))
    assert [path.stem for path in made] == sorted(pictures.SOURCES)
    assert [path.name for path in made if path.stat().st_size > 150_000] == []


def test_a_change_of_the_page_makes_its_pictures_old(copy: Path) -> None:
    """A changed, a new and a lost file of the page are told, and the picture of an item does not mind."""
    of_the_page = [name for name in pictures.SOURCES if name != "before-after"]
    style = copy / "ui" / "plexsync.css"
    before = style.read_bytes()
    style.write_bytes(before + b".x { color: red }\n")
    assert old(copy) == of_the_page
    style.write_bytes(before)
    assert old(copy) == []
    (copy / "ui" / "new.js").touch()
    assert old(copy) == of_the_page
    (copy / "ui" / "new.js").unlink()
    (copy / "ui" / "sections" / "dead.js").unlink()
    assert old(copy) == of_the_page


def test_a_picture_that_nothing_made_is_told(copy: Path) -> None:
    """A picture that was exchanged or lost is not taken for the one of the record."""
    (copy / "docs" / "images" / "page.png").write_bytes(b"another")
    (copy / "docs" / "images" / "phone.png").unlink()
    assert sorted(old(copy)) == ["page", "phone"]


def test_a_new_version_makes_no_picture_old(copy: Path) -> None:
    """Raising the version, here in every script, asks for no new pictures."""
    raised = 0
    for path in copy.glob("ui/**/*.js"):
        text = path.read_text("utf-8")
        path.write_text(changed := re.sub(r"\b\d+\.\d+\.\d+\b", "99.0.1", text), "utf-8")
        raised += changed != text
    assert raised
    assert old(copy) == []
