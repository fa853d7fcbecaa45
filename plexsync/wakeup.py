"""Starting the one background worker without losing a wake-up; loaded by the hook.

The protocol: a caller commits its rows first, then tries ``worker.lock``. Whoever obtains it hands the locked
descriptor to the worker that it starts, so the lock is never free in between. A file that is locked and empty belongs
to a worker that is starting or ending, so the caller looks again; a worker that ends empties the file, unlocks, and
looks at the queue once more.
"""

import os
import sys
import time

from plexsync import locks, paths

#: Looks at a locked, empty file, and the pause between them in seconds: 0.4 s, longer than any start or end takes.
LOOKS = 200
PAUSE = 0.002


def wake(folder: str) -> bool:
    """Make sure that a worker for the data folder ``folder`` runs or is about to; whether this call started it."""
    fd = locks.open_lock(os.path.join(folder, paths.WORKER_LOCK))
    try:
        for _ in range(LOOKS):
            if locks.try_lock(fd):
                locks.write_text(fd, "")
                _start(fd, folder)
                return True
            if os.fstat(fd).st_size:
                return False
            time.sleep(PAUSE)
        return False
    finally:
        os.close(fd)


def running_pid(folder: str) -> int | None:
    """The pid of the living worker of this data folder, or None. A starting worker may not have written it yet."""
    path = os.path.join(folder, paths.WORKER_LOCK)
    if not os.path.exists(path):
        return None
    fd = locks.open_lock(path)
    try:
        if locks.try_lock(fd):
            locks.write_text(fd, "")
            locks.unlock(fd)
            return None
        text = locks.read_text(fd)
        return int(text) if text.isdigit() else None
    finally:
        os.close(fd)


def _start(fd: int, folder: str) -> None:
    command = [sys.executable or "python3", paths.ENTRY, "worker", "--data-dir", folder]
    if locks.WINDOWS:
        locks.unlock(fd)
        detached(command)
        return
    command += ["--lock-fd", str(fd)]
    pid = spawn(command, fd)
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
    program = command[0]
    if os.sep not in program:
        return os.posix_spawnp(program, command, os.environ, file_actions=actions)
    try:
        return os.posix_spawn(program, command, os.environ, file_actions=actions, setsid=True)
    except NotImplementedError:  # a libc without POSIX_SPAWN_SETSID: the worker calls os.setsid() itself
        return os.posix_spawn(program, command, os.environ, file_actions=actions)


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

    flags = (
        0x00000008 | 0x00000200 | 0x01000000
    )  # DETACHED_PROCESS, CREATE_NEW_PROCESS_GROUP, CREATE_BREAKAWAY_FROM_JOB
    null = subprocess.DEVNULL
    try:
        subprocess.Popen(command, stdin=null, stdout=null, stderr=null, close_fds=True, creationflags=flags)
    except OSError:  # the job object allows no breakaway
        subprocess.Popen(command, stdin=null, stdout=null, stderr=null, close_fds=True, creationflags=flags & 0xFFFF)
