"""Waking the one background worker without losing a wake-up; loaded by the hook.

The protocol: a caller commits its rows first, then tries ``worker.lock``. Whoever obtains it hands the locked
descriptor to the worker that it starts (``spawn.py``), so the lock is never free in between. A file that is locked and
empty belongs to a worker that is starting or ending, so the caller looks again, as it does when the process that the
file names is dead; a worker that ends empties the file, unlocks, and looks at the queue once more.
"""

import os
import time

from plexsync.core import environment, locks

#: Looks at a locked, empty file, and the pause between them in seconds: 0.4 s, longer than any start or end takes.
LOOKS = 200
PAUSE = 0.002


def wake(folder: str) -> bool:
    """Make sure that a worker for the data folder ``folder`` runs or is about to; whether this call started it."""
    fd = locks.open_lock(os.path.join(folder, environment.WORKER_LOCK))
    try:
        for _ in range(LOOKS):
            if locks.try_lock(fd):
                from plexsync.core import spawn

                locks.write_text(fd, "")
                spawn.start_worker(fd, folder)
                return True
            if os.fstat(fd).st_size and _is_alive(locks.read_text(fd)):
                return False
            time.sleep(PAUSE)
        return False
    finally:
        os.close(fd)


def _is_alive(pid: str) -> bool:
    """Whether the lock's text names a process: a killed worker leaves its pid to whoever looks at the lock next."""
    if locks.WINDOWS or not pid.isdigit():
        return bool(pid)
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return False
    except (OSError, OverflowError):
        return True
    return True


def running_pid(folder: str) -> int | None:
    """The pid of the living worker of this data folder, or None. A starting worker may not have written it yet."""
    path = os.path.join(folder, environment.WORKER_LOCK)
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
