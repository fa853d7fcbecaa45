"""The plugin's files: are they still those that this process was started from, or was it updated or removed?

Standard library alone.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable

from plexsync.core import environment

#: The plugin's files count as updated once they have been still for so many seconds, and as gone after so many.
STILL, GONE = 10.0, 60.0

#: Seconds between two readings of the files.
INTERVAL = 5.0

#: Files without which no plugin is there.
NEEDED = ("PlexSync.py", "PlexSync.yml")

Stamp = dict[str, tuple[int, int]]


def stamp(folder: str = environment.PLUGIN_DIR) -> Stamp:
    """Return every file of the plugin, with its change time in ns and its size in bytes."""
    found: Stamp = {}
    for name in ("PlexSync.py", "PlexSync.yml"):
        _note(found, folder, name)
    for place, folders, files in os.walk(os.path.join(folder, "plexsync")):
        folders[:] = [name for name in folders if name != "__pycache__"]
        for name in files:
            if name.endswith(".py"):
                _note(found, folder, os.path.relpath(os.path.join(place, name), folder))
    return found


def _note(found: Stamp, folder: str, name: str) -> None:
    try:
        status = os.stat(os.path.join(folder, name))
    except OSError:
        return
    found[name] = (status.st_mtime_ns, status.st_size)


class PluginFiles:
    """The plugin's files, compared with those that this process was started from."""

    def __init__(self, clock: Callable[[], float] = time.monotonic, read: Callable[[], Stamp] = stamp) -> None:
        self._clock = clock
        self._read = read
        self._start = self._last = read()
        self._since = self._read_at = clock()

    def state(self, *, fresh: bool = False) -> str:
        """Return ``same``; ``moving`` while files come and go; ``changed`` once they are all back and still; ``gone``.

        Reads them every ``INTERVAL`` seconds while nothing moves; ``fresh``: now.
        """
        now = self._clock()
        if not fresh and now - self._read_at < INTERVAL and self._last == self._start:
            return "same"
        self._read_at = now
        found = self._read()
        if found != self._last:
            self._last, self._since = found, now
        if found == self._start:
            return "same"
        if any(name not in found for name in NEEDED):
            return "gone" if now - self._since >= GONE else "moving"
        return "changed" if now - self._since >= STILL else "moving"
