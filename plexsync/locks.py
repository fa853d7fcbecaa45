"""Kernel locks on files: freed by the kernel when their holder dies, however it dies.

Two functions, one pair for POSIX (flock) and one for Windows (msvcrt), chosen once. Loaded by the hook.
"""

import os
import sys
import time

#: Windows locks a byte, and a locked byte cannot be read: so one far beyond the text that the file holds.
WINDOWS_BYTE = 1 << 30


def _posix_try(fd: int) -> bool:
    import fcntl

    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):
        return False
    return True


def _posix_unlock(fd: int) -> None:
    import fcntl

    fcntl.flock(fd, fcntl.LOCK_UN)


def _windows_try(fd: int) -> bool:
    import msvcrt

    os.lseek(fd, WINDOWS_BYTE, os.SEEK_SET)
    try:
        msvcrt.locking(fd, msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined, unused-ignore]
    except OSError:
        return False
    return True


def _windows_unlock(fd: int) -> None:
    import msvcrt

    os.lseek(fd, WINDOWS_BYTE, os.SEEK_SET)
    msvcrt.locking(fd, msvcrt.LK_UNLCK, 1)  # type: ignore[attr-defined, unused-ignore]


WINDOWS = sys.platform == "win32"
try_lock = _windows_try if WINDOWS else _posix_try
unlock = _windows_unlock if WINDOWS else _posix_unlock


def open_lock(path: str) -> int:
    """A descriptor of the lock file ``path`` (created with mode 0600), not inherited by children."""
    flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)
    return os.open(path, flags, 0o600)


def wait_lock(fd: int, patience: float, pause: float = 0.002) -> bool:
    """Try for ``patience`` seconds to obtain the lock; whether it was obtained."""
    end = time.monotonic() + patience
    while not try_lock(fd):
        if time.monotonic() >= end:
            return False
        time.sleep(pause)
    return True


def write_text(fd: int, text: str) -> None:
    """Replace the lock file's content."""
    os.ftruncate(fd, 0)
    os.lseek(fd, 0, os.SEEK_SET)
    os.write(fd, text.encode("ascii"))


def read_text(fd: int) -> str:
    """The lock file's content."""
    os.lseek(fd, 0, os.SEEK_SET)
    return os.read(fd, 256).decode("ascii", "replace")
