"""File locks of the operating system, which frees them however the holder dies. Loaded by the hook.

``try_lock`` and ``unlock`` for POSIX (flock) are here, those for Windows (msvcrt) in ``locks_windows``.
"""

import os
import sys
import time

WINDOWS = sys.platform == "win32"

if sys.platform == "win32":
    from plexsync.core.locks_windows import try_lock, unlock
else:
    import fcntl

    def try_lock(fd: int) -> bool:
        """Try to obtain the lock without waiting; return whether it was obtained."""
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except (BlockingIOError, PermissionError):
            return False
        return True

    def unlock(fd: int) -> None:
        """Release the lock, also for every other process that shares the open file."""
        fcntl.flock(fd, fcntl.LOCK_UN)


def open_lock(path: str) -> int:
    """Open the lock file ``path``, created with mode 0600; return a descriptor that children do not inherit."""
    return os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_BINARY", 0), 0o600)


def wait_lock(fd: int, patience: float, pause: float = 0.002) -> bool:
    """Try for ``patience`` seconds to obtain the lock, every ``pause`` seconds; return whether it was obtained."""
    end = time.monotonic() + patience
    while not try_lock(fd):
        if time.monotonic() >= end:
            return False
        time.sleep(pause)
    return True


def write_text(fd: int, text: str) -> None:
    """Replace the lock file's content."""
    os.ftruncate(fd, 0)
    # Hook and worker share an open file and its offset: with lseek and write, one pid could follow the other.
    if WINDOWS:
        os.lseek(fd, 0, os.SEEK_SET)
        os.write(fd, text.encode())
    else:
        os.pwrite(fd, text.encode(), 0)


def read_text(fd: int) -> str:
    """Return the lock file's content."""
    os.lseek(fd, 0, os.SEEK_SET)
    return os.read(fd, 256).decode("ascii", "replace")
