"""Watch the plugin's files: are they still those that this process was started from? Standard library alone."""

from __future__ import annotations

import os
import time
from collections.abc import Callable

from plexsync.core import environment

#: Seconds without a change after which changed files count as updated, and missing files as gone.
STILL, GONE = 10.0, 60.0

#: Seconds between two reads of the files.
INTERVAL = 5.0

#: Files without which the plugin does not exist.
NEEDED = ("PlexSync.py", "PlexSync.yml")

Stamp = dict[str, tuple[int, int]]


def stamp(folder: str = environment.PLUGIN_DIR) -> Stamp:
    """Return the plugin's code and manifest: path within ``folder`` -> (change time in ns, size in bytes).

    Of the bundled packages only the folders that name a package and its version (``*.dist-info``) are noted: an update
    of any of them makes a new one, Python writes no bytecode there, and all their files would be five times as many.
    """
    files_seen: Stamp = {}
    for name in NEEDED:
        _note(files_seen, folder, name)
    for place, folders, files in os.walk(os.path.join(folder, "plexsync")):
        folders[:] = [name for name in folders if name != "__pycache__"]
        for name in files:
            if name.endswith(".py"):
                _note(files_seen, folder, os.path.relpath(os.path.join(place, name), folder))
    packages = os.path.basename(environment.PACKAGES)
    for name in _names_in(os.path.join(folder, packages)):
        if name.endswith(".dist-info"):
            _note(files_seen, folder, os.path.join(packages, name))
    return files_seen


def _names_in(folder: str) -> list[str]:
    try:
        return os.listdir(folder)
    except OSError:  # a source checkout has no such folder
        return []


def _note(files_seen: Stamp, folder: str, name: str) -> None:
    try:
        status = os.stat(os.path.join(folder, name))
    except OSError:
        return
    files_seen[name] = (status.st_mtime_ns, status.st_size)


class PluginFiles:
    """Compares the plugin's files with those that this process was started from."""

    def __init__(self, clock: Callable[[], float] = time.monotonic, read: Callable[[], Stamp] = stamp) -> None:
        self._clock = clock
        self._read = read
        self._start = self._last = read()
        self._since = self._read_at = clock()

    def state(self, *, fresh: bool = False) -> str:
        """Return ``same``, ``moving`` (files are being replaced), ``changed`` (updated and complete) or ``gone``.

        While they are the same, the files are read every ``INTERVAL`` seconds; ``fresh``: read them now.
        """
        now = self._clock()
        if not fresh and now - self._read_at < INTERVAL and self._last == self._start:
            return "same"
        self._read_at = now
        current = self._read()
        if current != self._last:
            self._last, self._since = current, now
        if current == self._start:
            return "same"
        if any(name not in current for name in NEEDED):
            return "gone" if now - self._since >= GONE else "moving"
        return "changed" if now - self._since >= STILL else "moving"
