"""The process's environment: the data folder and its shared files, the contract's durations, the packages.

Loaded by the hook: imports only ``os``, ``sys`` and ``time``. Unusable durations (text, negative, not finite) mean the
default.
"""

import os
import sys
import time

TYPE_CHECKING = False  # typing's own would load typing, a tenth of the hook's time
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeVar

    T = TypeVar("T")

QUEUE_DB = "queue.db"
STATE_DB = "state.db"
CONNECTION = "connection.json"
WORKER_LOCK = "worker.lock"
TASK_LOCK = "task.lock"
INIT_LOCK = "init.lock"
STATUS = "status.json"
METRICS = "metrics.prom"
TIMESTAMPS = "sync_timestamps.json"
LOG = "plexsync.log"
CLIENT_ID = "client_id"
PREVIEW = "preview.csv"
UNMATCHED = "unmatched.csv"
SIGN_IN = "sign_in.json"
DOCTOR = "doctor.json"

#: Seconds after which a sign-in that nobody finished is over, whatever plex.tv says: its file may hold a token.
SIGN_IN_SECONDS = 3600.0

#: The plugin's folder, entry file and manifest. Absolute, because Stash's working directory may be anything.
PLUGIN_DIR = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
ENTRY = os.path.join(PLUGIN_DIR, "PlexSync.py")
MANIFEST = os.path.join(PLUGIN_DIR, "PlexSync.yml")
#: The packages that a release brings along. A source checkout has none, and uses those that are installed.
PACKAGES = os.path.join(PLUGIN_DIR, "packages")

#: Variable -> default in seconds.
DEFAULTS = {
    "PLEXSYNC_SETTLE": 2.0,
    "PLEXSYNC_RETRY_BASE": 5.0,
    "PLEXSYNC_RETRY_CAP": 300.0,
    "PLEXSYNC_MISSING_BASE": 30.0,
    "PLEXSYNC_MISSING_CAP": 3600.0,
    "PLEXSYNC_MISSING_GIVE_UP": 604800.0,
    "PLEXSYNC_BREAKER_RESET": 60.0,
    "PLEXSYNC_BREAKER_RESET_CAP": 600.0,
    "PLEXSYNC_IDLE_EXIT": 86400.0,
    "PLEXSYNC_CATCHUP": 3600.0,
    "PLEXSYNC_CONNECT_TIMEOUT": 5.0,
    "PLEXSYNC_READ_TIMEOUT": 30.0,
}


def find_packages() -> None:
    """Let this process find its packages: the bundled ones alone, or in a source checkout those that are installed.

    Call this first in every process that is not a hook. A hook needs no packages, and Python's ``site`` (virtual
    environment, packages, ``.pth`` files), which ``-S`` in the manifest left out, would cost it between a quarter and
    more than the whole of an interpreter's start.
    """
    if has_packages():
        from plexsync.core import packages

        packages.use_only(PACKAGES)
    elif sys.flags.no_site:
        import site

        site.main()


def find_python_only() -> None:
    """Let a release import nothing but Python's own modules; those of PlexSync are found by its ``__path__``.

    Call this before anything is imported that an interpreter has not built in. Python puts the script's folder first,
    then those of ``PYTHONPATH``, among them that of all plugins, and, without ``site``, its own after them. They are
    counted, because it changes how they are written; where that does not add up, each one is looked at.
    """
    if has_packages():
        added = "" if sys.flags.ignore_environment else os.environ.get("PYTHONPATH", "")
        own = sys.path[1 + (added.count(os.pathsep) + 1 if added else 0) :]
        if not sys.flags.no_site or os.path.dirname(os.__file__) not in own:
            from plexsync.core import packages

            own = packages.of_python(sys.path)
        sys.path[:] = own


def has_packages() -> bool:
    """Return whether this is a release, which brings its packages along, and not a source checkout."""
    return os.path.isdir(PACKAGES)


def data_dir(stash_dir: str) -> str:
    """Return the data folder of a Stash whose ``config.yml`` is in ``stash_dir``, ``""`` if that is empty.

    ``PLEXSYNC_DATA_DIR`` overrides it.
    """
    override = os.environ.get("PLEXSYNC_DATA_DIR", "")
    if override:
        return os.path.abspath(override)
    return os.path.join(os.path.abspath(stash_dir), "plugin_data", "PlexSync") if stash_dir else ""


def worker_errors(folder: str) -> str:
    """Return the path of the background process's stderr, whose lines the next call writes to Stash's log."""
    return os.path.join(folder, "worker.err")


def has_errors(folder: str) -> bool:
    """Return whether the background process left something for Stash's log (``fault.tell``)."""
    try:
        return os.stat(worker_errors(folder)).st_size > 0
    except (OSError, ValueError):
        return False


def seconds(name: str) -> float:
    """Return the duration ``name`` (a key of ``DEFAULTS``) in seconds; 0 means zero."""
    default = DEFAULTS[name]
    text = os.environ.get(name, "")
    if not text.strip():
        return default
    try:
        value = float(text)
    except ValueError:
        return default
    return value if 0 <= value < float("inf") else default


def timeout(name: str) -> float:
    """Return the timeout ``name`` in seconds, at least a millisecond: for a socket, 0 means "do not block"."""
    return max(seconds(name), 0.001)


def horizon() -> float:
    """Return the longest possible delay of a job in seconds: the longest cap and a minute. More means a wrong clock."""
    caps = ("PLEXSYNC_SETTLE", "PLEXSYNC_RETRY_CAP", "PLEXSYNC_MISSING_CAP", "PLEXSYNC_BREAKER_RESET_CAP")
    return max(seconds(name) for name in caps) + 60


#: Seconds for which a file is tried again that another process has open, and between two tries. Windows neither
#: opens nor replaces such a file (``PermissionError``, a sharing violation); most are closed again within milliseconds.
PATIENCE, PAUSE = 0.3, 0.01


def patiently(call: "Callable[..., T]", *values: object) -> "T":
    """Return ``call(*values)``, tried again for ``PATIENCE`` seconds while it raises ``PermissionError``.

    Where no sharing violation is possible that error is final, and only costs the time.
    """
    end = time.monotonic() + PATIENCE
    while True:
        try:
            return call(*values)
        except PermissionError:
            if time.monotonic() >= end:
                raise
        time.sleep(PAUSE)


def read(path: str) -> bytes:
    """Return the content of a file that other processes replace meanwhile. Raise ``OSError``."""
    return patiently(_read, path)


def _read(path: str) -> bytes:
    with open(path, "rb") as file:
        return file.read()


def replace(path: str, data: bytes, *, sync: bool = False) -> None:
    """Replace a file atomically (mode 0600): readers see either the old content or the new.

    ``sync``: make the new content survive a power cut. Raise ``OSError`` if the old file stays; nothing else is left
    then.
    """
    part = part_of(path)
    try:
        fd = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | getattr(os, "O_BINARY", 0), 0o600)
        try:
            if os.write(fd, data) != len(data):
                raise OSError("the disk is full")
            if sync:
                os.fsync(fd)
        finally:
            os.close(fd)
        publish(part, path)
    except BaseException:
        discard(part)
        raise


def part_of(path: str) -> str:
    """Return the path of this process's temporary file for ``path``; one left by a killed process is swept later."""
    return f"{path}.{os.getpid()}"


def publish(part: str, path: str) -> None:
    """Move the complete file ``part`` to ``path``: every file of ours is renamed here. Raise ``OSError``."""
    patiently(os.replace, part, path)


def discard(part: str) -> None:
    """Remove the temporary file ``part``, if there is one; what cannot be removed is swept later."""
    try:
        patiently(os.unlink, part)
    except OSError:
        return
