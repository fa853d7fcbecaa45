"""Files that other programs read: status, metrics, time of each scene's last sync. Each replaced in one step."""

from __future__ import annotations

import contextlib
import json
import os
import re
from collections.abc import Iterator

from plexsync import paths, report
from plexsync.state import State

#: What was to replace one of our files, named after the pid of its writer; seconds after which nobody writes it.
_PART = re.compile(rf"(?:[a-z_]+\.json|{re.escape(paths.METRICS)}|{paths.CLIENT_ID})\.\d+")
PART_SECONDS = 60.0


def status(folder: str, now: float) -> None:
    """Write ``status.json`` and ``metrics.prom``. Raises ``OSError``."""
    found = report.status(folder, now)
    replace(os.path.join(folder, paths.STATUS), json.dumps(found, indent=1) + "\n")
    replace(os.path.join(folder, paths.METRICS), report.prometheus(found))


def timestamps(folder: str, state: State) -> None:
    """Write ``sync_timestamps.json``: scene id -> last sync in seconds since the epoch. Raises ``OSError``."""
    found = {str(scene_id): at for scene_id, at in state.synced()}
    replace(os.path.join(folder, paths.TIMESTAMPS), json.dumps(found) + "\n")


def read_timestamps(folder: str) -> Iterator[tuple[int, float]]:
    """What an earlier ``state.db`` exported; nothing where the file is missing or cannot be read."""
    try:
        with open(os.path.join(folder, paths.TIMESTAMPS), encoding="utf-8") as file:
            raw = json.load(file)
    except (OSError, ValueError):
        return
    if not isinstance(raw, dict):
        return
    for key, at in raw.items():
        is_number = isinstance(at, int | float) and not isinstance(at, bool)
        if key.isascii() and key.isdigit() and len(key) <= 18 and is_number and moment_is_sane(at):
            yield int(key), float(at)


def moment_is_sane(at: float) -> bool:
    """Whether a number can be a time: finite, and not before PlexSync could have been."""
    return 0 < at < 1e11


def replace(path: str, text: str) -> None:
    """Write a file so that a reader sees the old one or the new one, never a half."""
    part = f"{path}.{os.getpid()}"
    try:
        with open(part, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.replace(part, path)
    except OSError:
        if os.path.exists(part):
            os.unlink(part)
        raise


def sweep(folder: str, now: float) -> None:
    """Remove what processes that were killed left half-way to a file: the hook's has a cookie in it."""
    with os.scandir(folder) as found:
        parts = [entry.path for entry in found if _PART.fullmatch(entry.name)]
    for part in parts:
        with contextlib.suppress(OSError):  # its writer has just finished
            if not 0 <= now - os.stat(part).st_mtime < PART_SECONDS:
                os.unlink(part)
