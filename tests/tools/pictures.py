"""What each picture of ``docs/images`` was made from, by hash: a picture that is older than its code is found so.

``python -m tests.browser.screenshots`` makes the pictures and keeps the hashes beside them. Standard library only: no
browser is needed to tell that a picture is old.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
IMAGES = ROOT / "docs" / "images"
RECORD = "made-from.json"

#: What draws the page's pictures: the page, the front end around it, its answers, and the program.
_PAGE = (
    *("ui", "tests/browser/front"),
    *("tests/browser/samples.py", "tests/browser/look.py", "tests/browser/screenshots.py"),
)

#: Files and folders that decide how a picture looks, by its name.
SOURCES = {
    "before-after": ("tests/browser/before_after.py", "tests/browser/cover.svg"),
    "first-run": _PAGE,
    "page": _PAGE,
    "phone": _PAGE,
    "preview": _PAGE,
}

#: A version number alone makes no picture old.
_VERSION = re.compile(rb"\d+\.\d+\.\d+")


def made_from(name: str, root: Path = ROOT) -> str:
    """Return the hash of what the picture is made from, as it is now; ``KeyError`` for a picture that nothing makes."""
    digest = hashlib.sha256()
    for path in _files(SOURCES[name], root):
        digest.update(path.relative_to(root).as_posix().encode() + b"\0")
        digest.update(_VERSION.sub(b"", path.read_bytes()) + b"\0")
    return digest.hexdigest()


def _files(sources: Iterable[str], root: Path) -> Iterator[Path]:
    for source in sources:
        place = root / source
        yield from sorted(path for path in place.rglob("*") if path.is_file()) if place.is_dir() else [place]


def read(folder: Path = IMAGES) -> dict[str, Any]:
    """Return the record: ``pictures`` by name, and ``item``, what the picture before and after shows."""
    record: dict[str, Any] = json.loads((folder / RECORD).read_text("utf-8"))
    return record


def write(folder: Path, item: dict[str, Any]) -> None:
    """Keep what the pictures in ``folder`` were made from, with ``item``."""
    pictures = {
        name: {"made_from": made_from(name), "sha256": _sha256(folder / f"{name}.png")} for name in sorted(SOURCES)
    }
    text = json.dumps({"pictures": pictures, "item": item}, indent=2) + "\n"
    (folder / RECORD).write_text(text, "utf-8", newline="\n")


def old(folder: Path = IMAGES, root: Path = ROOT) -> list[str]:
    """Name the pictures that are not there, not the ones of the record, or older than what they are made from."""
    recorded = read(folder)["pictures"]
    return [name for name in SOURCES if recorded.get(name) != _now(folder, root, name)]


def _now(folder: Path, root: Path, name: str) -> dict[str, str]:
    picture = folder / f"{name}.png"
    return {"made_from": made_from(name, root), "sha256": _sha256(picture) if picture.is_file() else ""}


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
