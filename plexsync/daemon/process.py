"""The one draining process: how it takes the lock, keeps it through ``exec``, and ends without losing a wake-up.

Knows neither jobs nor servers. Standard library alone: the idle worker needs it too.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from collections.abc import Callable

from plexsync.core import environment, locks
from plexsync.model.lifecycle import Next

#: Seconds for which a worker that nobody handed the lock tries to obtain it (Windows: locks are not inherited).
TAKE_PATIENCE = 1.0
#: Seconds for which one that was about to end tries to have the lock back because rows came.
BACK_PATIENCE = 0.2
#: Seconds after which ``Terminated`` is raised again where Python swallowed it.
RAISE_AGAIN = 0.05


class Terminated(BaseException):
    """Raised by SIGTERM and Ctrl-C: put the batch back and end."""


class Holder:
    """The lock of one data folder, held by this process."""

    def __init__(self, folder: str, fd: int) -> None:
        self.folder = folder
        self.fd = fd
        self._held = True
        os.set_inheritable(fd, False)
        _sign(fd)

    @classmethod
    def take(cls, folder: str, inherited: int | None, patience: float = TAKE_PATIENCE) -> Holder | None:
        """Take the lock handed over as descriptor ``inherited``, or a free one; return None if another has it."""
        if inherited is not None and _is_lock(folder, inherited):
            fd = inherited
        else:
            fd = locks.open_lock(os.path.join(folder, environment.WORKER_LOCK))
        if not locks.wait_lock(fd, patience):
            os.close(fd)
            return None
        return cls(folder, fd)

    def end(self, more: Callable[[], bool], patience: float = BACK_PATIENCE) -> bool:
        """Give the lock up; return False if ``more()`` then says that rows came and the lock could be had back.

        May be called again, whatever ended the first call: a lock that another process holds by then is left alone.
        """
        if self._held:
            locks.write_text(self.fd, "")
            self._held = False
            locks.unlock(self.fd)
            if more() and locks.wait_lock(self.fd, patience):
                self._held = True
                _sign(self.fd)
                return False
        fd, self.fd = self.fd, -1
        if fd >= 0:
            os.close(fd)
        return True

    def become(self, role: Next, api_key: str, *, resumed: bool = True) -> None:
        """Replace this process by ``role`` (``WORK``, ``IDLE``): same pid and lock. ``resumed``: see ``main.run``.

        Return on Windows, and where the interpreter cannot be started any more.
        """
        if locks.WINDOWS:
            return
        command = [sys.executable or "python3", environment.ENTRY, role.value, "--data-dir", self.folder]
        command += ["--lock-fd", str(self.fd), *(["--resumed"] if resumed else [])]
        reader = pipe_key(api_key)
        if reader is not None:
            command += ["--key-fd", str(reader)]
        os.set_inheritable(self.fd, True)
        try:
            os.execv(command[0], command)
        except OSError:
            os.set_inheritable(self.fd, False)
            if reader is not None:
                os.close(reader)


def _sign(fd: int) -> None:
    """Write this process's pid into its lock, unless it is there. A full disk is no reason to die before saying so."""
    pid = str(os.getpid())
    with contextlib.suppress(OSError):
        if locks.read_text(fd) != pid:
            locks.write_text(fd, pid)


def _is_lock(folder: str, fd: int) -> bool:
    """Return whether the descriptor is this folder's lock file: a number on a command line proves nothing."""
    try:
        mine = os.fstat(fd)
        there = os.stat(os.path.join(folder, environment.WORKER_LOCK))
    except OSError:
        return False
    return (mine.st_dev, mine.st_ino) == (there.st_dev, there.st_ino)


def pipe_key(api_key: str) -> int | None:
    """Return the reading end, to be inherited, of a pipe that holds Stash's API key; None without a key."""
    if not api_key:
        return None
    reader, writer = os.pipe()
    os.write(writer, api_key.encode("utf-8"))
    os.close(writer)
    os.set_inheritable(reader, True)
    return reader


def read_key(fd: int | None) -> str:
    """Return Stash's API key from the pipe that ``pipe_key`` made; ``""`` without one."""
    if fd is None:
        return ""
    try:
        text = os.read(fd, 4096).decode("utf-8", "replace")
        os.close(fd)
    except OSError:
        return ""
    return text


def settle_in(folder: str) -> None:
    """Leave Stash's process group, working folder and file modes behind."""
    if hasattr(os, "setsid") and os.getsid(0) != os.getpid() and not os.isatty(0):
        with contextlib.suppress(OSError):  # a group's leader already, or not allowed
            os.setsid()
    if hasattr(signal, "SIGCHLD"):
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)  # whoever ignored it would keep a probe's exit status from us
    os.umask(0o077)
    os.chdir(folder)


def raise_on_signals() -> None:
    """Let SIGTERM and Ctrl-C raise ``Terminated`` wherever the process is."""

    def terminated(number: int, frame: object) -> None:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)  # once is enough: what follows puts the batch back
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        raise Terminated

    def swallowed(lost: sys.UnraisableHookArgs) -> None:
        # Python lets nothing out of a finaliser, and urllib3 closes its connections in one: raise it again outside.
        if issubclass(lost.exc_type, Terminated):
            signal.setitimer(signal.ITIMER_REAL, RAISE_AGAIN)
        else:
            sys.__unraisablehook__(lost)

    signal.signal(signal.SIGTERM, terminated)
    signal.signal(signal.SIGINT, terminated)
    if hasattr(signal, "setitimer"):
        signal.signal(signal.SIGALRM, terminated)
        sys.unraisablehook = swallowed
