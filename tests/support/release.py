"""A release as users have it: built from this tree once in a session, and unpacked where a test wants it."""

from __future__ import annotations

import tempfile
import zipfile
from functools import cache
from pathlib import Path

from tests.tools import dist


@cache
def built() -> dist.Release:
    """The release of this tree."""
    return dist.build(Path(tempfile.mkdtemp(prefix="plexsync-release-")))


def unpack(folder: Path) -> Path:
    """Unpack the release in ``folder``; the script to start."""
    with zipfile.ZipFile(built().archive) as archive:
        archive.extractall(folder)
    return folder / "PlexSync.py"
