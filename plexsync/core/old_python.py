"""Say which Python PlexSync needs, instead of all that it does otherwise. Readable for Python 3.6 and later."""

import sys

#: The modes of Stash's buttons, whose error Stash shows only as a line of the log.
BUTTONS = (
    *("check_setup", "preview", "sync_all", "sync_recent", "status"),
    *("process_queue", "process_dlq", "clear_dlq", "clear_queue"),
)


def main() -> None:
    """Answer in one sentence, in Stash's protocol or on the command line, and end the process."""
    said = sentence()
    if len(sys.argv) > 1:
        sys.exit(said)
    import json

    if is_button(sys.stdin.buffer.read() if sys.stdin else b""):
        sys.stderr.write("\x01e\x02" + said + "\n")
    sys.stdout.write(json.dumps({"error": said}))


def sentence() -> str:
    """Return what this Python is, what PlexSync needs, and where to say so."""
    found = ".".join(str(number) for number in sys.version_info[:3])
    return (
        f"PlexSync needs Python 3.11 or newer, and {sys.executable or 'python3'} is Python {found}. Install a newer"
        " one with PlexSync's packages, and name it in Stash: Settings > System > Python executable path."
    )


def is_button(raw: bytes) -> bool:
    """Return whether the document on stdin is a task's."""
    import json

    try:
        args = json.loads(raw.decode("utf-8", "replace"))["args"]
        return "hookContext" not in args and args["mode"] in BUTTONS
    except (ValueError, KeyError, TypeError):
        return False
