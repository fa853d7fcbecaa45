"""Wake the one background worker without losing a wake-up. Loaded by the hook.

The protocol: a caller commits its rows first, then tries ``worker.lock``. Whoever obtains it hands the locked
descriptor to the worker that it starts (``spawn.py``): the lock is never free in between. A locked, empty file belongs
to a worker that is starting or ending, and the caller tries again, as it does where the process named in the file is
dead. A worker that ends empties the file, unlocks it, and checks the queue once more.
"""

import os
import time

from plexsync.core import environment, locks

#: Tries at a locked, empty file, and the seconds between two: 0.4 s in all, longer than any start or end takes.
TRIES = 200
PAUSE = 0.002


def wake(folder: str) -> bool:
    """Make sure that a worker for ``folder`` runs or is starting; return whether this call started it.

    Raise ``OSError``.
    """
    fd = locks.open_lock(os.path.join(folder, environment.WORKER_LOCK))
    try:
        for _ in range(TRIES):
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
    """Return whether the lock file names a living process: a killed worker leaves its pid behind."""
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
    """Return the pid of the living worker of ``folder``; None without one, or where it has not written its pid yet."""
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
