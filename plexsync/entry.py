"""Stash's entry: read one document from stdin, run a hook, task or operation, print exactly one JSON document.

Loaded by the hook: standard library only, and a hook loads only ``core`` and ``hook``.
"""

import gc
import os
import sys

from plexsync.core import environment


def main() -> None:
    """Answer the document on stdin and end the process with status 0."""
    environment.find_python_only()
    from plexsync.core import event as events

    event = events.read(sys.stdin.buffer.read() if sys.stdin else b"")
    if event.problem:
        say(events.to_json("error", event.problem))
    elif event.is_hook:
        from plexsync import hook

        say(hook.handle(event))
    else:
        gc.enable()
        environment.find_packages()
        from plexsync.tasks.dispatch import answer

        say(answer(event))


def say(document: str) -> None:
    """Print the document and end the process at once: an ordinary exit would take a sixth of a hook's time."""
    try:
        sys.stdout.buffer.write(document.encode("utf-8", "replace"))
        sys.stdout.buffer.flush()
        sys.stderr.flush()
    except OSError:  # Stash has gone; the row is committed
        pass
    os._exit(0)
