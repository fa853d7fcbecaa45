"""Make a started plugin process see what other systems do. Standard library alone; the product knows nothing of it.

It enters as ``tests/support/crash`` does: by ``PYTHONPATH``, or by ``start.py`` where the process runs with ``-S``.
``PLEXSYNC_CRASH`` names a folder, and what lies there is in force:

* ``NAME.held``: another program has the data folder's file NAME open. It can neither be opened nor replaced nor
  renamed, as on Windows; a number in it says how often, nothing in it means always.
* ``renames``: no file is renamed or replaced that this very process has open, as on Windows.
* ``no locks``: the file system knows no ``flock``.
* ``no ssl``, ``no sqlite3``: Python was built without that module.
"""

from __future__ import annotations

import builtins
import errno
import io
import os
from collections.abc import Callable
from importlib.machinery import PathFinder
from typing import Any

VARIABLE = "PLEXSYNC_CRASH"

#: Windows' ERROR_SHARING_VIOLATION.
SHARING_VIOLATION = 32


class Held:
    """The files that another program has open."""

    def __init__(self, folder: str) -> None:
        self._folder = folder
        self._open, self._replace = builtins.open, os.replace

    def check(self, path: object) -> None:
        """Raise what Windows raises if the file is held, and count."""
        if not isinstance(path, str):
            return
        sign = os.path.join(self._folder, f"{os.path.basename(path)}.held")
        try:
            with self._open(sign, encoding="ascii") as file:
                left = file.read()
        except OSError:
            return
        if left == "1":
            os.unlink(sign)
        elif left:
            with self._open(sign + ".part", "w", encoding="ascii") as file:
                file.write(str(int(left) - 1))
            self._replace(sign + ".part", sign)
        refuse(path)

    def refuse_renamed(self, path: str) -> None:
        """Raise what Windows raises if this process has the file open."""
        if os.path.exists(os.path.join(self._folder, "renames")) and path in opened():
            refuse(path)


def refuse(path: str) -> None:
    """Raise a sharing violation."""
    error = PermissionError(errno.EACCES, "The process cannot access the file", path)
    error.winerror = SHARING_VIOLATION  # type: ignore[attr-defined, unused-ignore]
    raise error


def opened() -> set[str]:
    """Return the files that this process has open."""
    found = set()
    for name in os.listdir("/proc/self/fd") if os.path.isdir("/proc/self") else ():
        try:
            found.add(os.readlink(f"/proc/self/fd/{name}"))
        except OSError:
            continue
    return found


def lay(folder: str) -> None:
    """Put the checks in front of the functions that open and rename files, and take away what is not there."""
    held = Held(folder)

    def opens(function: Callable[..., Any]) -> Callable[..., Any]:
        def checked(path: object, *values: Any, **named: Any) -> Any:
            held.check(path)
            return function(path, *values, **named)

        return checked

    def renames(function: Callable[..., Any]) -> Callable[..., Any]:
        def checked(source: str, target: str, **named: Any) -> Any:
            for path in (source, target):
                held.check(path)
                held.refuse_renamed(path)
            return function(source, target, **named)

        return checked

    builtins.open = io.open = opens(builtins.open)
    os.open = opens(os.open)
    os.replace, os.rename = renames(os.replace), renames(os.rename)
    if os.path.exists(os.path.join(folder, "no locks")):
        without_locks()
    take_away({name for name in ("ssl", "sqlite3") if os.path.exists(os.path.join(folder, f"no {name}"))})


def without_locks() -> None:
    """Take away ``flock``."""
    import fcntl

    def flock(fd: Any, how: int) -> None:
        raise OSError(errno.EOPNOTSUPP, "Operation not supported")

    fcntl.flock = flock


def take_away(names: set[str]) -> None:
    """Let Python's own finder, the only one that a release asks, find neither the modules nor their cores in C."""
    find = PathFinder.find_spec

    def find_spec(name: str, path: Any = None, target: Any = None) -> Any:
        if name.removeprefix("_") in names:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
        return find(name, path, target)

    PathFinder.find_spec = find_spec  # type: ignore[assignment, method-assign]


if os.environ.get(VARIABLE):
    lay(os.environ[VARIABLE])
