"""The pair of lock functions for Windows; ``locks.py`` chooses."""

import os

#: Windows locks a byte, and a locked byte cannot be read: so one far beyond the text that the file holds.
WINDOWS_BYTE = 1 << 30


def try_lock(fd: int) -> bool:
    """Obtain the lock without waiting; whether it was obtained."""
    import msvcrt

    os.lseek(fd, WINDOWS_BYTE, os.SEEK_SET)
    try:
        msvcrt.locking(fd, msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined, unused-ignore]
    except OSError:
        return False
    return True


def unlock(fd: int) -> None:
    """Give the lock up. Raises ``OSError`` where it is not held."""
    import msvcrt

    os.lseek(fd, WINDOWS_BYTE, os.SEEK_SET)
    msvcrt.locking(fd, msvcrt.LK_UNLCK, 1)  # type: ignore[attr-defined, unused-ignore]
