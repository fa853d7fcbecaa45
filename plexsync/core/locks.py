"""File locks of the operating system, which frees them however the holder dies. Loaded by the hook.

``try_lock``, ``unlock`` and ``is_alive`` for POSIX (flock) are here, those for Windows (msvcrt) in ``locks_windows``.
"""

import os
import sys
import time

from plexsync.core import environment

WINDOWS = sys.platform == "win32"

if sys.platform == "win32":
    from plexsync.core.locks_windows import is_alive, try_lock, unlock
else:
    import fcntl

    def try_lock(fd: int) -> bool:
        """Try to obtain the lock without waiting; return whether it was obtained. Raise ``OSError`` (``lacking``)."""
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except (BlockingIOError, PermissionError):
            return False
        return True

    def unlock(fd: int) -> None:
        """Release the lock, also for every other process that shares the open file."""
        fcntl.flock(fd, fcntl.LOCK_UN)

    def is_alive(pid: int) -> bool:
        """Return whether the process runs. A zombie, which nobody has reaped yet, does not."""
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return False
        except (OSError, OverflowError):
            return True
        return _state(pid) not in (b"Z", b"X")

    def _state(pid: int) -> bytes:
        """Return the state of a process as Linux names it, ``b""`` where the system does not tell."""
        try:
            with open(f"/proc/{pid}/stat", "rb") as file:
                return file.read(512).rpartition(b")")[2][1:2]
        except OSError:
            return b""


def lacking(error: BaseException, folder: str) -> str:
    """Return what is wrong and what to do if ``error`` says that ``folder`` has no file locks, else ``""``.

    Most of those are network volumes. Without the kernel's lock nothing could keep two workers apart, so there is no
    other way to work there.
    """
    import errno

    signs = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOTSUP)
    if not isinstance(error, OSError) or error.errno not in signs:
        return ""
    return (
        f"the file system of {folder} has no file locks ({error.strerror}). Set the environment variable"
        " PLEXSYNC_DATA_DIR to a folder on a local disk, restart Stash, and run Sync recent."
    )


def open_lock(path: str) -> int:
    """Open the lock file ``path``, created with mode 0600; return a descriptor that children do not inherit."""
    return environment.patiently(os.open, path, os.O_RDWR | os.O_CREAT | getattr(os, "O_BINARY", 0), 0o600)


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
