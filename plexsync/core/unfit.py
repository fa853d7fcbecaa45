"""Say why this Python cannot run PlexSync, and what to do. Readable for Python 3.6 and later; loads nothing else."""

import os
import sys

#: The modes of Stash's buttons, whose error Stash shows only as a line of the log.
BUTTONS = (
    *("check_setup", "preview", "sync_all", "sync_recent", "status"),
    *("process_queue", "process_dlq", "clear_dlq", "clear_queue"),
)


def is_at_fault(error: BaseException) -> bool:
    """Return whether this Python is too old, or was built without a module that PlexSync needs."""
    if sys.version_info < (3, 11):  # noqa: UP036 - it runs on nothing else
        return True
    return isinstance(error, ImportError) and error.name in ("sqlite3", "_sqlite3")


def tell() -> None:
    """Answer in one sentence, in Stash's protocol or on the command line, and end the process."""
    said = sentence()
    if len(sys.argv) > 1:
        sys.exit(said)
    import json

    if is_button(sys.stdin.buffer.read() if sys.stdin else b""):
        sys.stderr.write("\x01e\x02" + said + "\n")
    sys.stdout.write(json.dumps({"error": said}))


def sentence() -> str:
    """Return what is wrong and what to do."""
    found = ".".join(str(number) for number in sys.version_info[:3])
    python, where = sys.executable or "python3", "Settings > System > Python executable path"
    plugin = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    packages = "" if os.path.isdir(os.path.join(plugin, "packages")) else " with PlexSync's packages"
    if sys.version_info < (3, 11):  # noqa: UP036 - it runs on nothing else
        why = f"PlexSync needs Python 3.11 or newer, and {python} is Python {found}"
        return f"{why}. Install a newer one{packages}, and name it in Stash: {where}."
    why = f"{python} was built without the module sqlite3, which PlexSync needs"
    return f"{why}. Name another Python{packages} in Stash: {where}."


def is_button(raw: bytes) -> bool:
    """Return whether the document on stdin is a task's."""
    import json

    try:
        args = json.loads(raw.decode("utf-8", "replace"))["args"]
        return "hookContext" not in args and args["mode"] in BUTTONS
    except (ValueError, KeyError, TypeError):
        return False
