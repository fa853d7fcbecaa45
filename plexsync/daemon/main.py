"""The background process from its start to its end: worker while there is work, waiter while there is none.

Loads third-party modules only for the worker, and says in one sentence which of them are missing.
"""

from __future__ import annotations

import os
import sqlite3
import sys
import time

from plexsync.core import enqueue, environment, wake
from plexsync.daemon import idle
from plexsync.daemon.plugin_files import PluginFiles
from plexsync.daemon.process import Holder, Terminated, raise_on_signals, read_key, settle_in
from plexsync.queue import jobs, schema

#: Seconds to wait, by role, where not even a pause can be noted: a full disk, or a folder that has gone.
AFTER_FAULT = {"worker": 60.0, "waiter": 5.0}


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
        holder.end(nothing)
    return 0


def nothing() -> bool:
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
            ended = self._guarded(role)
            self._again = ended != "fault"  # after one, damaged files are looked for as at a start
            if ended in ("end", "gone") and self._holder.end(self._has_due_rows if ended == "end" else nothing):
                return
            role = "waiter" if ended == "wait" else "worker"
            files = self._files.state(fresh=True)
            if files in ("same", "changed"):
                self._holder.become(role, self._key, again=self._again)
                if files == "changed":  # no exec here, and what is loaded is the old plugin
                    self._holder.end(nothing)
                    wake.wake(self._folder)
                    return
            elif role == "worker":
                role = "waiter"  # the files come and go: only what is loaded already can be relied upon

    def _guarded(self, role: str) -> str:
        """One role; where this machine lets nothing be read or noted, try again later and mend what is damaged."""
        try:
            return self._wait() if role == "waiter" else self._work()
        except (OSError, sqlite3.Error) as error:
            print(f"PlexSync's worker cannot go on for now ({error}).", file=sys.stderr)
            time.sleep(AFTER_FAULT[role])
            return "fault"

    def _wait(self) -> str:
        made = idle.Waiter(self._folder, look=lambda: idle.look_apart(self._folder, self._key), files=self._files)
        if made.run() == idle.WORK:
            return "work"
        return "gone" if self._files.state(fresh=True) == "gone" else "end"

    def _work(self) -> str:
        from plexsync import requirements

        if requirements.missing():  # also those that are loaded only at need: no scene may pay for them
            return self._cannot_load(ImportError())
        try:
            from plexsync.daemon.run import drain
        except (ImportError, SyntaxError) as error:
            return self._cannot_load(error)
        ended, self._key = drain(self._folder, self._key, self._files, fresh=not self._again)
        return {"wait": "wait", "update": "work", "disabled": "gone"}[ended]

    def _cannot_load(self, error: Exception) -> str:
        """A module is missing or broken: say so with the standard library alone, and look again every minute."""
        from plexsync import requirements

        absent = requirements.missing()
        sentence = requirements.missing_sentence(absent) if absent else requirements.broken_sentence(error)
        requirements.pause_for(self._folder, time.time(), sentence, self._key)
        return "wait"

    def _has_due_rows(self) -> bool:
        conn = schema.open_queue(self._folder, time.time())
        try:
            newer = conn.execute("PRAGMA user_version").fetchone()[0] > enqueue.SCHEMA_VERSION
            return not newer and jobs.next_due(conn, time.time(), time.time() + environment.horizon()) is not None
        finally:
            conn.close()
