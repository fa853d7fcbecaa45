"""Locks and processes on Windows: the functions that ``locks.py`` imports there."""

import os

#: Position of the locked byte. In Windows nobody can read a locked byte, so it lies far beyond the file's text.
WINDOWS_BYTE = 1 << 30

#: SYNCHRONIZE, ERROR_ACCESS_DENIED and WAIT_TIMEOUT (Windows' winnt.h, winerror.h).
SYNCHRONIZE, DENIED, STILL_RUNS = 0x00100000, 5, 258


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


def is_alive(pid: int) -> bool:
    """Return whether the process runs. One that belongs to somebody else cannot be asked, so it does."""
    import _winapi

    try:
        process = _winapi.OpenProcess(SYNCHRONIZE, False, pid)  # type: ignore[attr-defined, unused-ignore]
    except OverflowError:
        return False
    except OSError as error:
        return getattr(error, "winerror", 0) == DENIED
    try:
        return bool(_winapi.WaitForSingleObject(process, 0) == STILL_RUNS)  # type: ignore[attr-defined, unused-ignore]
    finally:
        _winapi.CloseHandle(process)  # type: ignore[attr-defined, unused-ignore]
