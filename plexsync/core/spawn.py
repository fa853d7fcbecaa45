"""Start the background worker, detached from the hook and from Stash. Loaded only if no worker runs.

The worker must not inherit Stash's pipes: a save in Stash lasts as long as any process has them open. It is started
without the hook's ``-S``, because it needs the packages.
"""

import os
import sys
import time

from plexsync.core import environment, locks

#: CREATE_NO_WINDOW, CREATE_NEW_PROCESS_GROUP, CREATE_BREAKAWAY_FROM_JOB (Windows' winbase.h). Not DETACHED_PROCESS: the
#: interpreter of a virtual environment starts a second one, which would have no console to share and open a window.
NO_WINDOW, NEW_GROUP, BREAKAWAY = 0x08000000, 0x00000200, 0x01000000


def start_worker(fd: int, folder: str) -> None:
    """Start the worker for ``folder`` and pass on the lock that ``fd`` holds. Raise ``OSError``."""
    command = [sys.executable or "python3", environment.ENTRY, "worker", "--data-dir", folder]
    if locks.WINDOWS:  # locks are not inherited there: the worker tries for a second to obtain it
        locks.unlock(fd)
        detached(command)
        return
    command += ["--lock-fd", str(fd)]
    if environment.has_errors(folder):
        from plexsync.core import fault

        fault.adopt(folder, time.time())
    try:
        pid = spawn(command, fd, environment.worker_errors(folder))
    except OSError:  # a full disk creates no file, but the worker may still have work to do
        pid = spawn(command, fd)
    locks.write_text(fd, str(pid))


def spawn(command: list[str], keep: int, errors: str = os.devnull) -> int:
    """Start ``command`` in a new session and return the pid. It inherits only ``keep``; 0 to 2 are the null device.

    ``errors``: the file that its stderr is appended to instead.
    """
    os.set_inheritable(keep, True)
    actions: list[tuple[int, ...] | tuple[int, int, str, int, int]] = [
        (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
        (os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0),
        (os.POSIX_SPAWN_OPEN, 2, errors, os.O_WRONLY | os.O_APPEND | (os.O_CREAT * (errors != os.devnull)), 0o600),
    ]
    actions += [(os.POSIX_SPAWN_CLOSE, fd) for fd in _leaked(keep)]
    start = os.posix_spawn if os.sep in command[0] else os.posix_spawnp
    try:
        return start(command[0], command, os.environ, file_actions=actions, setsid=True)
    except NotImplementedError:  # a libc without POSIX_SPAWN_SETSID: the worker calls os.setsid() itself
        return start(command[0], command, os.environ, file_actions=actions)


def _leaked(keep: int) -> list[int]:
    """Return the descriptors above 2 that a child would inherit from Stash, or from whatever started Stash."""
    try:
        names = os.listdir("/dev/fd")
    except OSError:
        return []
    numbers = [int(name) for name in names if name.isdigit()]
    return [fd for fd in numbers if fd > 2 and fd != keep and _inheritable(fd)]


def _inheritable(fd: int) -> bool:
    try:
        return os.get_inheritable(fd)
    except OSError:  # the descriptor of the listing, which is closed by now
        return False


def detached(command: list[str], secret: str = "") -> None:
    """Start ``command`` on Windows without a window or inherited handles, to outlive Stash. Raise ``OSError``.

    ``secret`` is what it reads on stdin: command lines and environments are visible to others.
    """
    import subprocess

    null = subprocess.DEVNULL
    stdin = subprocess.PIPE if secret else null
    flags = NO_WINDOW | NEW_GROUP
    try:
        child = subprocess.Popen(command, stdin=stdin, stdout=null, stderr=null, creationflags=flags | BREAKAWAY)
    except OSError:  # the job object allows no breakaway
        child = subprocess.Popen(command, stdin=stdin, stdout=null, stderr=null, creationflags=flags)
    if child.stdin is not None:
        child.stdin.write(secret.encode("utf-8"))
        child.stdin.close()
