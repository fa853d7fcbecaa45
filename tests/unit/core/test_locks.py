"""File locks: one holder at a time, freed however the holder dies, and the text readable meanwhile."""

from __future__ import annotations

import errno
import fcntl
import importlib.util
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from plexsync.core import locks, locks_windows

HOLD = """
import fcntl, sys
handle = open(sys.argv[1], "r+")
fcntl.flock(handle, fcntl.LOCK_EX)
print("held", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def path(tmp_path: Path) -> str:
    """Return the path of a lock file that does not exist yet."""
    return str(tmp_path / "worker.lock")


@pytest.fixture
def two(path: str) -> Iterator[tuple[int, int]]:
    """Return two open files on one lock, as two processes have them."""
    first, other = locks.open_lock(path), locks.open_lock(path)
    yield first, other
    os.close(first)
    os.close(other)


def test_one_holder_at_a_time(two: tuple[int, int]) -> None:
    """While the lock is held nobody else obtains it; the holder may try again; once released it is free."""
    first, other = two
    assert locks.try_lock(first)
    assert locks.try_lock(first)
    assert not locks.try_lock(other)
    locks.unlock(first)
    assert locks.try_lock(other)
    assert not locks.try_lock(first)


def test_a_killed_holder_frees_the_lock(path: str) -> None:
    """SIGKILL leaves no lock behind."""
    fd = locks.open_lock(path)
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        assert not locks.try_lock(fd)
        holder.kill()
        holder.wait()
        assert locks.try_lock(fd)
    os.close(fd)


def test_a_duplicate_keeps_the_lock(path: str) -> None:
    """A descriptor that was passed on keeps the lock: the worker's, when the hook closes its own."""
    first, other = locks.open_lock(path), locks.open_lock(path)
    assert locks.try_lock(first)
    handed = os.dup(first)
    os.close(first)
    assert not locks.try_lock(other)
    os.close(handed)
    assert locks.try_lock(other)
    os.close(other)


def test_a_filesystem_without_locks_is_an_error(two: tuple[int, int], monkeypatch: pytest.MonkeyPatch) -> None:
    """A file system without locks is an error, and not taken for a held lock."""

    def refuse(fd: int, how: int) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", refuse)
    with pytest.raises(OSError, match="No locks"):
        locks.try_lock(two[0])


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOTSUP])
def test_a_filesystem_without_locks_is_told(number: int) -> None:
    """The sentence names the folder and the variable that helps; for any other failure there is none."""
    said = locks.lacking(OSError(number, "no such thing"), "/mnt/share")
    assert said.startswith("the file system of /mnt/share has no file locks (no such thing).")
    assert "PLEXSYNC_DATA_DIR" in said
    assert locks.lacking(OSError(errno.ENOSPC, "full"), "/mnt/share") == ""
    assert locks.lacking(ValueError("x"), "/mnt/share") == ""


def test_who_is_alive() -> None:
    """A running process is; one that has ended is not, whether it was reaped or is still a zombie."""
    child = os.posix_spawn(sys.executable, [sys.executable, "-c", "input()"], os.environ)
    assert locks.is_alive(child)
    assert locks.is_alive(os.getpid())
    assert locks.is_alive(1)
    os.kill(child, signal.SIGKILL)
    os.waitid(os.P_PID, child, os.WEXITED | os.WNOWAIT)  # it has ended and stays a zombie
    assert not locks.is_alive(child) or not os.path.isdir("/proc/self")
    os.waitpid(child, 0)
    assert not locks.is_alive(child)
    assert locks.is_alive(1 << 70)  # no pid at all: nothing is known


class Winapi(ModuleType):
    """Windows' processes: pid -> whether it runs; one of somebody else's cannot be opened."""

    def __init__(self, others: int = 0, **processes: bool) -> None:
        super().__init__("_winapi")
        self.processes, self.others, self.closed = processes, others, list[str]()

    def OpenProcess(self, access: int, inherit: bool, pid: int) -> str:
        """Return a handle."""
        if pid > 0xFFFFFFFF:
            raise OverflowError
        if f"p{pid}" not in self.processes:
            error = OSError(22, "no such process")
            error.winerror = 5 if pid == self.others else 87  # type: ignore[attr-defined, unused-ignore]
            raise error
        return f"p{pid}"

    def WaitForSingleObject(self, handle: str, milliseconds: int) -> int:
        """Return WAIT_TIMEOUT for a process that runs."""
        assert milliseconds == 0
        return 258 if self.processes[handle] else 0

    def CloseHandle(self, handle: str) -> None:
        """Let the handle go."""
        self.closed.append(handle)


def test_who_is_alive_on_windows(monkeypatch: pytest.MonkeyPatch) -> None:
    """There a process is asked by its handle: one that has ended, or never was, is not; another user's is."""
    winapi = Winapi(others=44, p40=True, p41=False)
    monkeypatch.setitem(sys.modules, "_winapi", winapi)
    assert [locks_windows.is_alive(pid) for pid in (40, 41, 42, 44, 1 << 40)] == [True, False, False, True, False]
    assert winapi.closed == ["p40", "p41"]


def test_lock_files_are_private(path: str) -> None:
    """Only the owner can read a lock file, and a child inherits a lock only if it is passed on."""
    old = os.umask(0)
    try:
        fd = locks.open_lock(path)
    finally:
        os.umask(old)
    assert os.stat(path).st_mode & 0o777 == 0o600
    assert not os.get_inheritable(fd)
    os.close(fd)


def test_opening_keeps_the_text(path: str) -> None:
    """Opening a lock file does not wipe the pid of its holder."""
    Path(path).write_text("4711", "ascii")
    fd = locks.open_lock(path)
    assert locks.read_text(fd) == "4711"
    os.close(fd)


def test_waiting_ends_with_patience(two: tuple[int, int]) -> None:
    """A held lock is not waited for longer than asked; a free one is obtained at once."""
    assert locks.wait_lock(two[0], 0)
    assert not locks.wait_lock(two[1], 0)
    assert not locks.wait_lock(two[1], 0.005, 0.001)


def test_waiting_obtains_what_becomes_free(two: tuple[int, int]) -> None:
    """A lock that is released meanwhile is obtained."""
    assert locks.try_lock(two[0])
    timer = threading.Timer(0.02, locks.unlock, [two[0]])
    timer.start()
    assert locks.wait_lock(two[1], 10)
    timer.join()


@pytest.mark.parametrize(("first", "second"), [("", "7"), ("123456", "78"), ("7", ""), ("1", "1")])
def test_text_is_replaced(two: tuple[int, int], first: str, second: str) -> None:
    """A shorter text leaves nothing of the old one."""
    locks.write_text(two[0], first)
    locks.write_text(two[0], second)
    assert locks.read_text(two[1]) == second


def test_writing_does_not_depend_on_the_shared_offset(two: tuple[int, int], monkeypatch: pytest.MonkeyPatch) -> None:
    """Hook and worker write the pid through one open file, and neither displaces the other's text."""
    seek = os.lseek
    with monkeypatch.context() as meanwhile:
        meanwhile.setattr(os, "lseek", lambda fd, at, how: seek(fd, 4, os.SEEK_SET))
        locks.write_text(two[0], "4711")
    assert locks.read_text(two[1]) == "4711"


def test_text_of_no_text_is_survived(two: tuple[int, int], path: str) -> None:
    """A lock file with bytes that are not text is read without an exception."""
    Path(path).write_bytes(b"\xff" * 1000)
    assert len(locks.read_text(two[0])) == 256


class Msvcrt(ModuleType):
    """Windows' byte locks as in the C library: mandatory, per open file, refused to their own holder too."""

    LK_NBLCK, LK_UNLCK = 2, 0

    def __init__(self) -> None:
        super().__init__("msvcrt")
        self.held: dict[tuple[int, int], int] = {}

    def locking(self, fd: int, mode: int, nbytes: int) -> None:
        """Lock or unlock ``nbytes`` from the file's position."""
        at = os.lseek(fd, 0, os.SEEK_CUR)
        for byte in range(at, at + nbytes):
            place = (os.fstat(fd).st_ino, byte)
            if mode == self.LK_UNLCK and self.held.get(place) != fd:
                raise PermissionError(errno.EACCES, "Permission denied")
            if mode == self.LK_NBLCK and place in self.held:
                raise OSError(errno.EDEADLOCK, "Resource deadlock avoided")
        for byte in range(at, at + nbytes):
            place = (os.fstat(fd).st_ino, byte)
            if mode == self.LK_NBLCK:
                self.held[place] = fd
            else:
                del self.held[place]


@pytest.fixture
def windows(monkeypatch: pytest.MonkeyPatch) -> tuple[ModuleType, Msvcrt]:
    """Return ``locks`` as it is loaded on Windows, and the locks that are held there."""
    msvcrt = Msvcrt()
    monkeypatch.setitem(sys.modules, "msvcrt", msvcrt)
    with monkeypatch.context() as patched:
        patched.setattr(sys, "platform", "win32")
        spec = importlib.util.spec_from_file_location("locks_on_windows", str(locks.__file__))
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
    return module, msvcrt


def test_windows_has_its_own_pair(windows: tuple[ModuleType, Msvcrt]) -> None:
    """Windows never imports flock, and other systems never import msvcrt."""
    module, _ = windows
    assert (module.WINDOWS, module.try_lock, module.unlock) == (True, locks_windows.try_lock, locks_windows.unlock)
    assert not hasattr(module, "fcntl")
    assert not locks.WINDOWS


def test_windows_locks_have_one_holder(windows: tuple[ModuleType, Msvcrt], two: tuple[int, int]) -> None:
    """Byte locks too have one holder at a time, and are free again when released."""
    module, _ = windows
    first, other = two
    assert module.try_lock(first)
    assert not module.try_lock(other)
    assert not module.wait_lock(other, 0)
    module.unlock(first)
    assert module.wait_lock(other, 0)
    with pytest.raises(PermissionError):
        module.unlock(first)


def test_windows_locks_leave_the_text_readable(windows: tuple[ModuleType, Msvcrt], two: tuple[int, int]) -> None:
    """A locked byte cannot be read on Windows, so it lies where no text ever reaches."""
    module, msvcrt = windows
    first, other = two
    assert module.try_lock(first)
    module.write_text(first, "123456")
    module.write_text(first, "4711")
    assert module.read_text(other) == "4711"
    ((_, byte),) = msvcrt.held
    assert byte > 1_000_000
    assert os.fstat(first).st_size == 4
    module.unlock(first)
    assert not msvcrt.held
