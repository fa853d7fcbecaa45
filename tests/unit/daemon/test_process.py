"""The lock's holder and the plugin's files: who holds the lock, how it is released, and what counts as an update."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from plexsync.core import environment, locks, spawn
from plexsync.core.wake import running_pid
from plexsync.daemon import process
from plexsync.daemon.plugin_files import GONE, INTERVAL, NEEDED, STILL, PluginFiles, Stamp, stamp
from plexsync.daemon.process import Holder, Terminated
from plexsync.model.lifecycle import Next

ME = str(os.getpid())


def opened(folder: Path) -> int:
    """Open the lock file once more, as another process would."""
    return locks.open_lock(str(folder / environment.WORKER_LOCK))


@pytest.fixture
def other(tmp_path: Path) -> Iterator[int]:
    """Return another process's descriptor of the lock."""
    fd = opened(tmp_path)
    yield fd
    os.close(fd)


def text(folder: Path) -> str:
    """Return the content of the lock file."""
    return (folder / environment.WORKER_LOCK).read_text("ascii")


def take(folder: Path, inherited: int | None = None) -> Holder:
    """Take the lock, which must succeed."""
    holder = Holder.take(str(folder), inherited, patience=0)
    assert holder is not None
    return holder


def nothing() -> bool:
    """Return False: no rows came."""
    return False


def test_a_free_lock_is_taken(tmp_path: Path, other: int) -> None:
    """Whoever takes the lock has it alone, and its pid is in the file."""
    holder = take(tmp_path)
    assert text(tmp_path) == ME
    assert not locks.try_lock(other)
    assert Holder.take(str(tmp_path), None, patience=0) is None
    assert running_pid(str(tmp_path)) == os.getpid()
    assert holder.end(nothing)


def test_an_inherited_lock_is_kept(tmp_path: Path, other: int) -> None:
    """The descriptor that a hook handed over is the lock, and no child process inherits it by accident."""
    inherited = opened(tmp_path)
    assert locks.try_lock(inherited)
    os.set_inheritable(inherited, True)
    holder = take(tmp_path, inherited)
    assert holder.fd == inherited
    assert not os.get_inheritable(inherited)
    assert not locks.try_lock(other)
    holder.end(nothing)


@pytest.mark.parametrize("kind", ["closed", "another file", "another folder's lock", "the lock that was replaced"])
def test_a_number_on_the_command_line_proves_nothing(tmp_path: Path, kind: str) -> None:
    """A descriptor that is not this folder's lock is left alone, and the real lock is taken."""
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    inherited = os.open(tmp_path / "file", os.O_RDWR | os.O_CREAT)
    if kind == "closed":
        os.close(inherited)
    elif kind == "another folder's lock":
        os.close(inherited)
        inherited = opened(elsewhere)
    elif kind == "the lock that was replaced":
        os.close(inherited)
        inherited = opened(tmp_path)
        (tmp_path / environment.WORKER_LOCK).unlink()
    holder = take(tmp_path, inherited)
    assert kind == "closed" or holder.fd != inherited
    assert text(tmp_path) == ME
    assert running_pid(str(tmp_path)) == os.getpid()
    holder.end(nothing)


def test_ending_empties_the_file_first(tmp_path: Path, other: int) -> None:
    """When rows are checked, the lock is free and the file empty: a hook that comes now starts a worker."""
    seen: list[tuple[str, bool]] = []

    def more() -> bool:
        free = locks.try_lock(other)
        locks.unlock(other)
        seen.append((text(tmp_path), free))
        return False

    assert take(tmp_path).end(more)
    assert seen == [("", True)]


def test_rows_that_came_bring_the_lock_back(tmp_path: Path, other: int) -> None:
    """If rows came while the worker was ending, it takes the lock back, with its pid in it."""
    holder = take(tmp_path)
    assert not holder.end(lambda: True)
    assert text(tmp_path) == ME
    assert not locks.try_lock(other)
    assert holder.end(nothing)
    assert locks.try_lock(other)


def test_rows_that_another_worker_took(tmp_path: Path, other: int) -> None:
    """If a hook was quicker and started another worker, this one ends and leaves the file alone."""
    holder = take(tmp_path)

    def more() -> bool:
        assert locks.try_lock(other)
        locks.write_text(other, "4711")
        return True

    assert holder.end(more, patience=0)
    assert text(tmp_path) == "4711"
    assert holder.end(nothing)
    assert text(tmp_path) == "4711"


def test_terminated_while_ending(tmp_path: Path, other: int) -> None:
    """SIGTERM in the middle of ending must not empty a file that belongs to another worker by then."""
    holder = take(tmp_path)

    def more() -> bool:
        assert locks.try_lock(other)
        locks.write_text(other, "4711")
        raise Terminated

    with pytest.raises(Terminated):
        holder.end(more)
    assert holder.end(nothing)
    assert text(tmp_path) == "4711"
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.close(holder.fd)


def test_on_windows_nothing_becomes_anything(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where there is no ``exec`` and no other process can be started, this one continues, still holding the lock."""

    def refuse(command: list[str], secret: str = "") -> None:
        raise OSError("no more processes")

    monkeypatch.setattr(locks, "WINDOWS", True)
    monkeypatch.setattr(spawn, "detached", refuse)
    holder = take(tmp_path)
    assert not holder.become(Next.WORK, "key")
    assert not holder.become(Next.IDLE, "key")
    assert text(tmp_path) == ME
    holder.end(nothing)


def test_an_interpreter_that_has_gone(tmp_path: Path, other: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """If Python itself was removed, the process continues and leaks neither lock nor key to a child."""
    monkeypatch.setattr("sys.executable", str(tmp_path / "python-that-was"))
    holder = take(tmp_path)
    before = set(os.listdir("/dev/fd"))
    holder.become(Next.IDLE, "a-key")
    assert set(os.listdir("/dev/fd")) <= before
    assert not os.get_inheritable(holder.fd)
    assert not locks.try_lock(other)
    holder.end(nothing)


@pytest.mark.parametrize("resumed", [True, False])
def test_what_it_becomes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, resumed: bool) -> None:
    """The next role gets folder and lock on the command line, and the key by a pipe that no process list shows."""
    calls: list[list[str]] = []
    monkeypatch.setattr(os, "execv", lambda path, words: calls.append(words))
    holder = take(tmp_path)
    holder.become(Next.WORK, "the-api-key", resumed=resumed)
    (words,) = calls
    assert words[1:7] == [environment.ENTRY, "worker", "--data-dir", str(tmp_path), "--lock-fd", str(holder.fd)]
    assert ("--resumed" in words) is resumed
    assert not any("the-api-key" in word for word in words)
    assert os.get_inheritable(holder.fd)
    assert process.read_key(int(words[words.index("--key-fd") + 1])) == "the-api-key"
    holder.end(nothing)


def test_no_key_needs_no_pipe() -> None:
    """Without a key none is passed on and none read; a number that is no descriptor yields no key either."""
    assert process.pipe_key("") is None
    assert process.read_key(None) == ""
    reader = process.pipe_key("klé")
    assert reader is not None
    assert process.read_key(reader) == "klé"
    assert process.read_key(reader) == ""


@pytest.fixture
def signals(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Make signals raise, as in the background process; restore everything afterwards."""
    monkeypatch.setattr(sys, "unraisablehook", sys.unraisablehook)
    numbers = (*process.ENDING, signal.SIGALRM)
    before = {number: signal.getsignal(number) for number in numbers}
    process.raise_on_signals()
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize("name", ["SIGTERM", "SIGINT", "SIGHUP"])
def test_a_signal_raises_once(signals: None, name: str) -> None:
    """Each raises wherever the process is; the next one cannot disturb the release of the batch."""
    with pytest.raises(Terminated):
        signal.raise_signal(getattr(signal, name))
    for number in process.ENDING:
        signal.raise_signal(number)
        assert signal.getsignal(number) == signal.SIG_IGN


def test_under_nohup_a_closed_terminal_ends_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """SIGHUP that is ignored from the start stays so."""
    monkeypatch.setattr(sys, "unraisablehook", sys.unraisablehook)
    before = {number: signal.getsignal(number) for number in (*process.ENDING, signal.SIGALRM)}
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        process.raise_on_signals()
        signal.raise_signal(signal.SIGHUP)
        assert signal.getsignal(signal.SIGHUP) == signal.SIG_IGN
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class Closing:
    """Gets SIGTERM while it is closed, as a connection may."""

    def __del__(self) -> None:
        signal.raise_signal(signal.SIGTERM)


def test_a_signal_in_a_finaliser_is_not_lost(signals: None) -> None:
    """Python swallows what is raised in a finaliser; the process still ends a moment later."""
    closing = [Closing()]
    closing.clear()
    with pytest.raises(Terminated):
        time.sleep(60)


def test_detaching(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that leads its group already stays in it; its files are private and it works in the data folder."""
    monkeypatch.chdir("/")
    calls: list[str] = []

    def setsid() -> None:
        calls.append("setsid")
        raise PermissionError("a group's leader already")

    monkeypatch.setattr(os, "setsid", setsid)
    monkeypatch.setattr(os, "getsid", lambda pid: 1)
    monkeypatch.setattr(os, "isatty", lambda fd: False)
    mask = os.umask(0o022)
    try:
        process.detach(str(tmp_path))
        assert os.umask(0o022) == 0o077
    finally:
        os.umask(mask)
    assert calls == ["setsid"]
    assert Path.cwd() == tmp_path


class Plugin:
    """A plugin's folder and a clock."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        for name in (*NEEDED, "plexsync/hook.py"):
            (folder / name).parent.mkdir(exist_ok=True)
            (folder / name).write_text("old", "utf-8")
        self.now = 0.0
        self.files = PluginFiles(clock=lambda: self.now, read=self.read)
        self.reads = 0

    def read(self) -> Stamp:
        """Read the folder, and count it."""
        self.reads = getattr(self, "reads", 0) + 1
        return stamp(str(self.folder))

    def after(self, seconds: float, *, fresh: bool = False) -> str:
        """Return the state after ``seconds``."""
        self.now += seconds
        return self.files.state(fresh=fresh)

    def write(self, name: str, content: str) -> None:
        """Change a file."""
        (self.folder / name).write_text(content, "utf-8")

    def remove(self, *names: str) -> None:
        """Remove files."""
        for name in names:
            (self.folder / name).unlink()


@pytest.fixture
def plugin(tmp_path: Path) -> Plugin:
    """A plugin that was just started."""
    return Plugin(tmp_path)


def test_nothing_changes(plugin: Plugin) -> None:
    """An unchanged plugin costs one read every few seconds."""
    assert [plugin.after(1) for _ in range(int(4 * INTERVAL))] == ["same"] * int(4 * INTERVAL)
    assert plugin.reads == 4
    assert plugin.after(0, fresh=True) == "same"
    assert plugin.reads == 5


def test_an_update_counts_once_it_is_still(plugin: Plugin) -> None:
    """Changed files count only after ten seconds without another change."""
    plugin.write("plexsync/hook.py", "newer")
    assert plugin.after(INTERVAL) == "moving"
    assert plugin.after(STILL - 1) == "moving"
    plugin.write("PlexSync.py", "newer too")
    assert plugin.after(1) == "moving"
    assert plugin.after(STILL - 0.5) == "moving"
    assert plugin.after(0.5) == "changed"


def test_an_update_of_a_bundled_package_counts(plugin: Plugin) -> None:
    """Another version of a package is an update even where no file of PlexSync differs; bytecode beside it is none."""
    folder = plugin.folder / "packages"
    (folder / "requests-2.0.dist-info").mkdir(parents=True)
    plugin.files = PluginFiles(clock=lambda: plugin.now, read=plugin.read)
    (folder / "__pycache__").mkdir()
    (folder / "requests" / "__pycache__").mkdir(parents=True)
    assert plugin.after(INTERVAL) == "same"
    (folder / "requests-2.0.dist-info").rename(folder / "requests-2.1.dist-info")
    assert plugin.after(INTERVAL) == "moving"
    assert plugin.after(STILL) == "changed"


def test_a_touch_and_a_new_file_are_updates(plugin: Plugin) -> None:
    """Changed times, new files and removed files are updates too; Python's cache is not."""
    (plugin.folder / "plexsync" / "__pycache__").mkdir()
    plugin.write("plexsync/__pycache__/hook.py", "cached")
    plugin.write("plexsync/notes.txt", "not a program")
    assert plugin.after(INTERVAL) == "same"
    plugin.write("plexsync/more.py", "new")
    assert plugin.after(INTERVAL) == "moving"
    plugin.remove("plexsync/more.py")
    assert plugin.after(1) == "same"
    os.utime(plugin.folder / "PlexSync.yml", ns=(1, 1))
    assert plugin.after(INTERVAL) == "moving"
    assert plugin.after(STILL) == "changed"


def test_files_that_are_missing_for_a_while(plugin: Plugin) -> None:
    """An update that removes everything first is neither gone nor complete until the files are back and still."""
    plugin.remove(*NEEDED)
    assert plugin.after(INTERVAL) == "moving"
    assert plugin.after(GONE - 1) == "moving"
    plugin.write("PlexSync.py", "newer")
    assert plugin.after(2) == "moving"
    assert plugin.after(STILL) == "moving"  # the others are missing still
    for name in NEEDED:
        plugin.write(name, "newer")
    assert plugin.after(1) == "moving"
    assert plugin.after(STILL) == "changed"


@pytest.mark.parametrize("missing", NEEDED)
def test_a_deleted_plugin_is_gone(plugin: Plugin, missing: str) -> None:
    """A plugin without one of its required files is gone after a minute."""
    plugin.remove(missing)
    assert plugin.after(INTERVAL) == "moving"
    assert plugin.after(GONE) == "gone"


def test_a_plugin_that_comes_back_as_it_was(plugin: Plugin) -> None:
    """A folder that was missing for longer and is back unchanged is the same plugin."""
    times = {name: (plugin.folder / name).stat() for name in NEEDED}
    plugin.remove(*NEEDED)
    assert plugin.after(INTERVAL) == "moving"
    assert plugin.after(GONE) == "gone"
    for name, status in times.items():
        plugin.write(name, "old")
        os.utime(plugin.folder / name, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert plugin.after(0) == "same"
