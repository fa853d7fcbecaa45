"""The one worker process: how it takes the lock, keeps it through ``exec``, and ends without losing a wake-up.

Knows neither jobs nor servers. Standard library alone: the idle worker needs it too.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import time
from collections.abc import Callable

from plexsync.core import environment, fault, locks
from plexsync.model.lifecycle import Next

#: Seconds for which a worker that did not inherit the lock tries to take it (on Windows none does).
TAKE_PATIENCE = 1.0
#: Seconds for which a worker that was about to end tries to take the lock back because rows came.
BACK_PATIENCE = 0.2
#: Seconds for which a process that was started to take the lock is waited for, and between two looks at the lock.
HAND_OVER_PATIENCE, HAND_OVER_PAUSE = 10.0, 0.05
#: The signals that ask a process to end. SIGHUP, which Windows lacks, comes when its terminal is closed.
ENDING = (signal.SIGTERM, signal.SIGINT, *([signal.SIGHUP] if hasattr(signal, "SIGHUP") else []))
#: Seconds after which ``Terminated`` is raised again if Python swallowed it.
RAISE_AGAIN = 0.05


class Terminated(BaseException):
    """Raised by a signal of ``ENDING``: release the batch and end."""


class Holder:
    """Holds the lock of one data folder for this process."""

    def __init__(self, folder: str, fd: int) -> None:
        self.folder = folder
        self.fd = fd
        self._held = True
        os.set_inheritable(fd, False)
        _sign(fd)

    @classmethod
    def take(cls, folder: str, inherited: int | None, patience: float = TAKE_PATIENCE) -> Holder | None:
        """Take over the lock inherited as a descriptor, or take it; return None if another process keeps it."""
        if inherited is not None and _is_lock(folder, inherited):
            fd = inherited
        else:
            fd = locks.open_lock(os.path.join(folder, environment.WORKER_LOCK))
        if not locks.wait_lock(fd, patience):
            os.close(fd)
            return None
        return cls(folder, fd)

    def end(self, has_rows: Callable[[], bool], patience: float = BACK_PATIENCE) -> bool:
        """Release the lock; return False if ``has_rows()`` is then true and the lock could be taken back.

        May be called again however the first call ended: a lock that another process holds by then is left alone.
        """
        if self._held:
            locks.write_text(self.fd, "")
            self._held = False
            locks.unlock(self.fd)
            if has_rows() and locks.wait_lock(self.fd, patience):
                self._held = True
                _sign(self.fd)
                return False
        fd, self.fd = self.fd, -1
        if fd >= 0:
            os.close(fd)
        return True

    def become(self, role: Next, api_key: str, *, resumed: bool = True) -> bool:
        """Replace this process by ``role`` (``WORK``, ``IDLE``) with the same pid and lock.

        ``resumed``: see ``main.run``. Return only where there is no ``exec`` (Windows), or if the interpreter cannot be
        started any more: True if another process has the lock by then, False if this one plays the role itself.
        """
        command = [sys.executable or "python3", environment.ENTRY, role.value, "--data-dir", self.folder]
        command += [] if locks.WINDOWS else ["--lock-fd", str(self.fd)]
        command += ["--resumed"] if resumed else []
        if locks.WINDOWS:
            return role is Next.IDLE and self._hand_over(command, api_key)
        reader = pipe_key(api_key)
        if reader is not None:
            command += ["--key-fd", str(reader)]
        os.set_inheritable(self.fd, True)
        fault.listen(self.folder)
        try:
            os.execv(command[0], command)
        except OSError:
            fault.hush(self.folder)
            os.set_inheritable(self.fd, False)
            if reader is not None:
                os.close(reader)
        return False

    def _hand_over(self, command: list[str], api_key: str) -> bool:
        """Start ``command``, a small process, in place of this large one; return whether anybody has the lock then.

        The lock is free for as long as the other one starts: a hook that comes meanwhile takes it and starts a worker,
        which sees its row, and the other one ends. If nobody has taken it in the end, it is taken back.
        """
        from plexsync.core import spawn

        locks.write_text(self.fd, "")
        self._held = False
        locks.unlock(self.fd)
        with contextlib.suppress(OSError, ValueError):
            spawn.detached([*command, *(["--key-fd", "0"] if api_key else [])], api_key)
            end = time.monotonic() + HAND_OVER_PATIENCE
            while not locks.read_text(self.fd) and time.monotonic() < end:
                time.sleep(HAND_OVER_PAUSE)
        if not locks.read_text(self.fd) and locks.wait_lock(self.fd, 0):
            self._held = True
            _sign(self.fd)
            return False
        self.end(lambda: False)
        return True


def _sign(fd: int) -> None:
    """Write this process's pid into the lock file, unless it is there; a full disk is reported later, not here."""
    pid = str(os.getpid())
    with contextlib.suppress(OSError):
        if locks.read_text(fd) != pid:
            locks.write_text(fd, pid)


def _is_lock(folder: str, fd: int) -> bool:
    """Return whether the descriptor is this folder's lock file: the command line could name any number."""
    try:
        inherited = os.fstat(fd)
        lock = os.stat(os.path.join(folder, environment.WORKER_LOCK))
    except OSError:
        return False
    return (inherited.st_dev, inherited.st_ino) == (lock.st_dev, lock.st_ino)


def pipe_key(api_key: str) -> int | None:
    """Return the inheritable reading end of a pipe that holds Stash's API key; None without a key."""
    if not api_key:
        return None
    reader, writer = os.pipe()
    os.write(writer, api_key.encode("utf-8"))
    os.close(writer)
    os.set_inheritable(reader, True)
    return reader


def read_key(fd: int | None) -> str:
    """Return Stash's API key from the pipe that ``pipe_key`` made, or from stdin (0); ``""`` without one."""
    if fd is None:
        return ""
    try:
        text = os.read(fd, 4096).decode("utf-8", "replace")
        if fd:
            os.close(fd)
    except OSError:
        return ""
    return text


def detach(folder: str) -> None:
    """Leave Stash's session and working folder, and reset what was inherited: SIGCHLD and the umask."""
    if hasattr(os, "setsid") and os.getsid(0) != os.getpid() and not os.isatty(0):
        with contextlib.suppress(OSError):  # leads a group already, or is not allowed to
            os.setsid()
    if hasattr(signal, "SIGCHLD"):
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)  # ignored by a parent, it would hide a probe's exit status
    os.umask(0o077)
    os.chdir(folder)


def raise_on_signals() -> None:
    """Make the signals of ``ENDING`` raise ``Terminated`` in whatever code runs.

    SIGHUP stays ignored if it is: ``nohup`` asks for that.
    """
    kept = [number for number in ENDING[2:] if signal.getsignal(number) is signal.SIG_IGN]
    ending = [number for number in ENDING if number not in kept]

    def terminated(number: int, frame: object) -> None:
        for one in ending:  # a second signal must not interrupt the release of the batch
            signal.signal(one, signal.SIG_IGN)
        raise Terminated

    def swallowed(lost: sys.UnraisableHookArgs) -> None:
        # Nothing raised in a finaliser gets out, and urllib3 closes connections in one: raise it again outside.
        if issubclass(lost.exc_type, Terminated):
            signal.setitimer(signal.ITIMER_REAL, RAISE_AGAIN)
        else:
            sys.__unraisablehook__(lost)

    for one in ending:
        signal.signal(one, terminated)
    if hasattr(signal, "setitimer"):
        signal.signal(signal.SIGALRM, terminated)
        sys.unraisablehook = swallowed
