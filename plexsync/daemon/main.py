"""The background process from its start to its end: full worker while there is work, idle while there is none.

Loads third-party modules only for the full worker, and says in one sentence which of them are missing.
"""

from __future__ import annotations

import os
import sqlite3
import sys
import time
from contextlib import closing

from plexsync.core import environment, wake
from plexsync.daemon import idle
from plexsync.daemon.plugin_files import PluginFiles
from plexsync.daemon.process import Holder, Terminated, raise_on_signals, read_key, settle_in
from plexsync.model.lifecycle import Next
from plexsync.queue import jobs, schema

#: Seconds to wait, by role, where not even a pause can be stored: a full disk, or a folder that has gone.
AFTER_FAULT = {Next.WORK: 60.0, Next.IDLE: 5.0}


def run(folder: str, lock_fd: int | None, key_fd: int | None, *, resumed: bool, role: Next) -> int:
    """Be the background process of ``folder`` in ``role`` (``WORK``, ``IDLE``) until nothing is left to do.

    ``resumed``: this process re-executed itself. Return the exit status.
    """
    os.makedirs(folder, mode=0o700, exist_ok=True)
    holder = Holder.take(folder, lock_fd)
    if holder is None:
        print("already running: another PlexSync worker has this data folder", file=sys.stderr)
        return 0
    raise_on_signals()
    try:
        settle_in(folder)
        _Life(holder, read_key(key_fd), resumed).go_on(role)
    except Terminated:
        holder.end(nothing)
    return 0


def nothing() -> bool:
    """Return False: no rows are a reason to stay."""
    return False


class _Life:
    """One process's way through its roles."""

    def __init__(self, holder: Holder, api_key: str, resumed: bool) -> None:
        self._holder = holder
        self._folder = holder.folder
        self._key = api_key
        self._resumed = resumed
        self._files = PluginFiles()

    def go_on(self, role: Next) -> None:
        while True:
            step = self._guarded(role)
            if step is Next.STOP and self._holder.end(self._has_due_rows if role is Next.IDLE else nothing):
                return
            role = Next.IDLE if step is Next.IDLE else Next.WORK
            files = self._files.state(fresh=True)
            if files in ("same", "changed"):
                self._holder.become(role, self._key, resumed=self._resumed)
                if files == "changed":  # no exec here, and what is loaded is the old plugin
                    self._holder.end(nothing)
                    wake.wake(self._folder)
                    return
            elif role is Next.WORK:
                role = Next.IDLE  # the files come and go: only what is loaded already can be relied upon

    def _guarded(self, role: Next) -> Next:
        """Play one role; where this machine lets nothing be read or stored, start again later and check the files."""
        try:
            step = self._idle() if role is Next.IDLE else self._work()
            self._resumed = True
        except (OSError, sqlite3.Error) as error:
            print(f"PlexSync's worker cannot go on for now ({error}).", file=sys.stderr)
            time.sleep(AFTER_FAULT[role])
            self._resumed, step = False, Next.WORK
        return step

    def _idle(self) -> Next:
        return idle.Idle(self._folder, probe=lambda: idle.probe_apart(self._folder, self._key), files=self._files).run()

    def _work(self) -> Next:
        from plexsync import requirements

        if requirements.missing():  # also those that are loaded only at need: no scene may pay for them
            return self._cannot_load(ImportError())
        try:
            from plexsync.daemon.run import drain
        except (ImportError, SyntaxError) as error:
            return self._cannot_load(error)
        step, self._key = drain(self._folder, self._key, self._files, fresh=not self._resumed)
        return step

    def _cannot_load(self, error: Exception) -> Next:
        """Report a missing or broken module with the standard library alone, and try again every minute."""
        from plexsync import requirements

        absent = requirements.missing()
        sentence = requirements.missing_sentence(absent) if absent else requirements.broken_sentence(error)
        requirements.pause_for(self._folder, time.time(), sentence, self._key)
        return Next.IDLE

    def _has_due_rows(self) -> bool:
        """Return whether rows came while the lock was given up, in a queue and a plugin that are still ours."""
        if self._files.state(fresh=True) == "gone":
            return False
        with closing(schema.open_queue(self._folder, time.time())) as conn:
            now = time.time()
            return not schema.is_newer(conn) and jobs.next_due(conn, now, now + environment.horizon()) is not None
