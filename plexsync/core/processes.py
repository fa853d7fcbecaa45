"""What the system tells of another process. Not loaded by the hook."""

from __future__ import annotations

from plexsync.core import locks


def command_of(pid: int) -> list[str]:
    """Return the words with which a process was started, ``[]`` where the system does not tell.

    A pid in the lock may be of another container, and name a stranger here.
    """
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as file:
            return file.read().decode("utf-8", "replace").split("\0")
    except OSError:
        pass
    if locks.WINDOWS:
        return []
    import subprocess

    try:
        shown = subprocess.run(["ps", "-o", "command=", "-p", str(pid)], check=False, capture_output=True, timeout=10)
    except (OSError, subprocess.SubprocessError):
        return []
    return shown.stdout.decode("utf-8", "replace").split()
