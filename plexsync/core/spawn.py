"""Starting the background worker, detached from the hook and from Stash; loaded only when none runs.

A child of a hook must hold none of Stash's pipes: Stash reads them to their end before a save is over.
"""

import os
import sys

from plexsync.core import environment, locks

#: DETACHED_PROCESS, CREATE_NEW_PROCESS_GROUP, CREATE_BREAKAWAY_FROM_JOB (Windows' processthreadsapi.h).
DETACHED, NEW_GROUP, BREAKAWAY = 0x00000008, 0x00000200, 0x01000000


def start_worker(fd: int, folder: str) -> None:
    """Start the worker of the data folder ``folder`` and hand it the lock that ``fd`` holds."""
    command = [sys.executable or "python3", environment.ENTRY, "worker", "--data-dir", folder]
    if locks.WINDOWS:  # a lock is not inherited: the worker tries to obtain it for a second
        locks.unlock(fd)
        detached(command)
        return
    pid = spawn([*command, "--lock-fd", str(fd)], fd)
    locks.write_text(fd, str(pid))


def spawn(command: list[str], keep: int) -> int:
    """Start ``command`` detached, its pid back: own session, devnull for 0-2, and of our descriptors ``keep`` alone."""
    os.set_inheritable(keep, True)
    actions: list[tuple[int, ...] | tuple[int, int, str, int, int]] = [
        (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
        (os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0),
        (os.POSIX_SPAWN_OPEN, 2, os.devnull, os.O_WRONLY, 0),
    ]
    actions += [(os.POSIX_SPAWN_CLOSE, fd) for fd in _leaked(keep)]
    start = os.posix_spawn if os.sep in command[0] else os.posix_spawnp
    try:
        return start(command[0], command, os.environ, file_actions=actions, setsid=True)
    except NotImplementedError:  # a libc without POSIX_SPAWN_SETSID: the worker calls os.setsid() itself
        return start(command[0], command, os.environ, file_actions=actions)


def _leaked(keep: int) -> list[int]:
    """Descriptors above 2 that a child would inherit although nobody meant it: Stash, or what started it, left them."""
    try:
        names = os.listdir("/dev/fd")
    except OSError:
        return []
    found = []
    for name in names:
        fd = int(name) if name.isdigit() else 0
        if fd > 2 and fd != keep and _inheritable(fd):
            found.append(fd)
    return found


def _inheritable(fd: int) -> bool:
    try:
        return os.get_inheritable(fd)
    except OSError:  # the listing's own descriptor, closed by now
        return False


def detached(command: list[str]) -> None:
    """Start ``command`` on Windows: no console, no inherited handle, not ended with Stash's job object."""
    import subprocess

    null, flags = subprocess.DEVNULL, DETACHED | NEW_GROUP
    try:
        subprocess.Popen(command, stdin=null, stdout=null, stderr=null, close_fds=True, creationflags=flags | BREAKAWAY)
    except OSError:  # the job object allows no breakaway
        subprocess.Popen(command, stdin=null, stdout=null, stderr=null, close_fds=True, creationflags=flags)
