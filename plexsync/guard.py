"""The edge of every process: whatever ends it becomes one sentence that people find.

Loaded only when something failed. The background process tries again every minute and keeps its lock meanwhile, so
that hooks do not start one that fails after another; a call by Stash is answered; the command line ends with status 1.
"""

import os
import sys
import time

from plexsync.core import environment, fault

#: The internal commands: ``lifecycle.Next`` cannot be imported where a module of Python is broken.
WORKERS, PROBE = ("worker", "idle"), "probe"


def end(error: BaseException) -> None:
    """Say what ended the process, where people look; start again or end the process. Return if it may just end."""
    if isinstance(error, KeyboardInterrupt) or type(error).__name__ == "Terminated":
        return
    command = sys.argv[1] if len(sys.argv) > 1 else ""
    folder = _option("--data-dir")
    if not command:
        text = fault.sentence(error)
        fault.say(text)
        _print(f'{{"error": {fault.quoted(text)}}}')
        os._exit(0)
    if not (folder and command in (*WORKERS, PROBE)):
        print(fault.sentence(error), file=sys.stderr, flush=True)
        os._exit(1)
    report(folder, error)
    if command in WORKERS and _option("--lock-fd"):
        time.sleep(min(fault.INTERVAL, environment.seconds("PLEXSYNC_BREAKER_RESET")))
        fault.listen(folder)
        os.execv(sys.executable or "python3", [sys.executable or "python3", *sys.argv])
    os._exit(1)


def report(folder: str, error: BaseException) -> None:
    """Pause with a sentence about the error, with everything that can be loaded; print it for whoever started this."""
    text = fault.sentence(error)
    try:
        from plexsync import requirements

        text = requirements.cannot_load_sentence(error)
        requirements.pause_for(folder, time.time(), text)
    except BaseException:
        fault.leave(folder, text, time.time())
    print(text, file=sys.stderr, flush=True)


def _option(name: str) -> str:
    words = sys.argv[1:]
    return words[words.index(name) + 1] if name in words[:-1] else ""


def _print(document: str) -> None:
    try:
        sys.stdout.buffer.write(document.encode("utf-8", "replace"))
        sys.stdout.buffer.flush()
    except (OSError, ValueError, AttributeError):
        return
