"""What the project is called, which version this is, and where it is published: read from the one place that says it.

``PlexSync.yml`` says version and address, ``pyproject.toml`` whether anything is published there yet. Standard library
only, so it runs before anything is installed.
"""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def version() -> str:
    """Return the version of this tree."""
    return _manifest("version")


def repository() -> str:
    """Return the address of the repository, without a slash at its end."""
    return _manifest("url").rstrip("/")


def pages() -> str:
    """Return the address of the documents and the source, without a slash at its end: the repository's GitHub Pages."""
    owner, name = repository().split("/")[-2:]
    return f"https://{owner.lower()}.github.io/{name}"


def source() -> str:
    """Return the address that people add to Stash as a source."""
    return f"{pages()}/index.yml"


def is_published() -> bool:
    """Return whether a person has published a release there."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    return bool(settings["tool"]["plexsync"]["published"])


def _manifest(key: str) -> str:
    found = re.search(rf"^{key}: *(\S+)$", (ROOT / "PlexSync.yml").read_text("utf-8"), flags=re.MULTILINE)
    if found is None:
        raise ValueError(f"PlexSync.yml has no {key}.")
    return found.group(1)
