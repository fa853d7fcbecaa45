"""A release as users have it: built from this tree once in a session, and unpacked where a test wants it."""

from __future__ import annotations

import hashlib
import shutil
import tempfile
import zipfile
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

from tests.tools import dist


@cache
def built() -> dist.Release:
    """The release of this tree, in a folder of its own until ``remove``."""
    return dist.build(Path(tempfile.mkdtemp(prefix="plexsync-release-")))


def remove() -> None:
    """Remove what was built, if anything was."""
    if built.cache_info().currsize:
        shutil.rmtree(built().archive.parent, ignore_errors=True)
        built.cache_clear()
        unpack_once.cache_clear()


def unpack(folder: Path) -> Path:
    """Unpack the release in ``folder``; the script to start."""
    with zipfile.ZipFile(built().archive) as archive:
        archive.extractall(folder)
    return folder / "PlexSync.py"


@cache
def unpack_once() -> Path:
    """The folder of a release for all tests that change nothing in it."""
    return unpack(built().archive.parent / "PlexSync").parent


def source(folder: Path, day: int, changes: Mapping[str, str | None] | None = None, *, whole: bool = True) -> Path:
    """Lay a source for Stash in ``folder``: the release as of that day of a month, with other texts of some files
    (None: without that file), or with no more than those (not ``whole``)."""
    changes = changes or {}
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / dist.ZIP
    with zipfile.ZipFile(built().archive) as old, zipfile.ZipFile(target, "w") as new:
        for info in old.infolist():
            if whole and info.filename not in changes:
                new.writestr(info, old.read(info))
        for name, text in changes.items():
            if text is not None:
                info = zipfile.ZipInfo(name)
                info.external_attr = 0o100644 << 16
                new.writestr(info, text)
    state = dist.Tree(f"of day {day}", datetime(2026, 1, day, tzinfo=UTC))
    (folder / dist.INDEX).write_text(dist.index(state, hashlib.sha256(target.read_bytes()).hexdigest()), "utf-8")
    return folder
