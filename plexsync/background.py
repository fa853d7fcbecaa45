"""The background process from its start to its end: worker while there is work, waiter while there is none.

Loads third-party modules only for the worker, and says in one sentence which of them are missing.
"""

from __future__ import annotations

import os
import sys
import time

from plexsync import durations, jobs, waiter
from plexsync.process import Holder, PluginFiles, Terminated, raise_on_signals, read_key, settle_in


def run(folder: str, lock_fd: int | None, key_fd: int | None, *, again: bool, role: str) -> int:
    """Be the background process of ``folder`` in ``role`` (``worker``, ``waiter``) until nothing is left to do.

    ``again``: this process was it before and only changed its shape. The exit status back.
    """
    os.makedirs(folder, mode=0o700, exist_ok=True)
    holder = Holder.take(folder, lock_fd)
    if holder is None:
        print("A PlexSync worker for this data folder runs already.", file=sys.stderr)
        return 0
    raise_on_signals()
    try:
        settle_in(folder)
        _Life(holder, read_key(key_fd), again).go_on(role)
    except Terminated:
        holder.end(_nothing)
    return 0


def _nothing() -> bool:
    """No rows are a reason to stay."""
    return False


class _Life:
    """One process's way through its roles."""

    def __init__(self, holder: Holder, api_key: str, again: bool) -> None:
        self._holder = holder
        self._folder = holder.folder
        self._key = api_key
        self._again = again
        self._files = PluginFiles()

    def go_on(self, role: str) -> None:
        while True:
            ended = self._wait() if role == "waiter" else self._work()
            self._again = True
            if ended in ("end", "gone") and self._holder.end(self._has_due_rows if ended == "end" else _nothing):
                return
            role = "waiter" if ended == "wait" else "worker"
            if self._files.state(fresh=True) in ("same", "changed"):
                self._holder.become(role, self._key)
            elif role == "worker":
                role = "waiter"  # the files come and go: only what is loaded already can be relied upon

    def _wait(self) -> str:
        made = waiter.Waiter(self._folder, look=lambda: waiter.look_apart(self._folder, self._key), files=self._files)
        if made.run() == waiter.WORK:
            return "work"
        return "gone" if self._files.state(fresh=True) == "gone" else "end"

    def _work(self) -> str:
        try:
            from plexsync.running import drain
        except ImportError as error:
            return self._missing(error)
        ended, self._key = drain(self._folder, self._key, self._files, fresh=not self._again)
        return {"wait": "wait", "update": "work", "disabled": "gone"}[ended]

    def _missing(self, error: ImportError) -> str:
        """A required module is missing: say so with the standard library alone, and look again every minute."""
        from plexsync import missing

        if not missing.names():
            raise error
        missing.tell(self._folder, time.time())
        return "wait"

    def _has_due_rows(self) -> bool:
        conn = jobs.open_queue(self._folder, time.time())
        try:
            newer = conn.execute("PRAGMA user_version").fetchone()[0] > jobs.SCHEMA_VERSION
            return not newer and jobs.next_due(conn, time.time(), time.time() + durations.horizon()) is not None
        finally:
            conn.close()
