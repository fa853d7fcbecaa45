"""What the project is called, which version this is, and where it is published: read from the one place that says it.

``PlexSync.yml`` says version and address, ``pyproject.toml`` which Pythons are supported and whether anything is
published there yet. Standard library only, so it runs before anything is installed.
"""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]


def version(root: Path = ROOT) -> str:
    """Return the version of the tree ``root``."""
    return _manifest("version", root)


def description(root: Path = ROOT) -> str:
    """Return the sentence that says what the plugin does."""
    return _manifest("description", root).strip('"')


def pythons() -> list[str]:
    """Return the versions of Python that are supported, such as ``3.11``, the oldest first."""
    listed = _project()["project"]["classifiers"]
    return re.findall(r"^Programming Language :: Python :: (3\.\d+)$", "\n".join(listed), flags=re.MULTILINE)


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


def of_release() -> list[str]:
    """Return the ranges of the packages that PlexSync needs."""
    return list(_project()["project"]["dependencies"])


def of_development() -> list[str]:
    """Return what development needs besides."""
    return list(_project()["project"]["optional-dependencies"]["dev"])


def is_published() -> bool:
    """Return whether a person has published a release there."""
    return bool(_project()["tool"]["plexsync"]["published"])


def _project() -> dict[str, Any]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))


def _manifest(key: str, root: Path = ROOT) -> str:
    found = re.search(rf"^{key}: *(\S.*)$", (root / "PlexSync.yml").read_text("utf-8"), flags=re.MULTILINE)
    if found is None:
        raise ValueError(f"PlexSync.yml has no {key}.")
    return found.group(1)
