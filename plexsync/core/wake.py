"""Wake the one background worker without losing a wake-up. Loaded by the hook.

The protocol: a caller commits its rows, then tries to lock ``worker.lock``. If it succeeds, it starts a worker and
passes the locked descriptor on (``spawn.py``), so the lock is never free in between. A locked file that is empty, or
names a dead process, belongs to a worker that is starting or ending, and the caller tries again. A worker that ends
empties the file, unlocks it, and checks the queue once more.
"""

import os
import time

from plexsync.core import environment, locks

#: Attempts at a locked file that names no living worker, and seconds between them: 0.4 s in all, longer than any worker
#: takes to start or end.
TRIES = 200
PAUSE = 0.002


def wake(folder: str) -> bool:
    """Make sure that a worker for ``folder`` is running or starting. Return whether this call started it.

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


def _is_alive(text: str) -> bool:
    """Return whether the lock file's text is the pid of a living process: a killed worker leaves its own behind."""
    return locks.is_alive(int(text)) if text.isdigit() else bool(text)


def running_pid(folder: str) -> int | None:
    """Return the pid of the running worker for ``folder``; None if none runs or it has not written its pid yet."""
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
