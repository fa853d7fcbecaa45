"""The two lock functions for Windows, which ``locks.py`` imports there."""

import os

#: Position of the locked byte. In Windows nobody can read a locked byte, so it lies far beyond the file's text.
WINDOWS_BYTE = 1 << 30


def try_lock(fd: int) -> bool:
    """Try to obtain the lock without waiting; return whether it was obtained."""
    import msvcrt

    os.lseek(fd, WINDOWS_BYTE, os.SEEK_SET)
    try:
        msvcrt.locking(fd, msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined, unused-ignore]
    except OSError:
        return False
    return True


def unlock(fd: int) -> None:
    """Release the lock. Raise ``OSError`` if it is not held."""
    import msvcrt

    os.lseek(fd, WINDOWS_BYTE, os.SEEK_SET)
    msvcrt.locking(fd, msvcrt.LK_UNLCK, 1)  # type: ignore[attr-defined, unused-ignore]
