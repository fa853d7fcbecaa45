"""The door: reads Stash's one document on stdin, chooses hook, task or operation, prints exactly one JSON document.

Loaded by the hook: standard library alone, and for a hook nothing beyond ``event``, ``hook`` and what that needs.
"""

import gc
import os
import sys

from plexsync.core import event as events


def main() -> None:
    """Answer what stands on stdin and end the process with status 0."""
    event = events.read(sys.stdin.buffer.read() if sys.stdin else b"")
    if event.problem:
        say(events.to_json("error", event.problem))
    elif event.is_hook:
        from plexsync import hook

        say(hook.handle(event))
    else:
        gc.enable()
        from plexsync.tasks.dispatch import answer

        say(answer(event))


def say(document: str) -> None:
    """Print the document and end at once: an ordinary interpreter exit would cost a hook a sixth of its time."""
    try:
        sys.stdout.buffer.write(document.encode("utf-8", "replace"))
        sys.stdout.buffer.flush()
        sys.stderr.flush()
    except OSError:  # Stash has gone; the rows are committed
        pass
    os._exit(0)
