"""The background process from start to end: the full worker while there is work, a small idle process otherwise.

Loads third-party modules only for the full worker, and reports in one sentence which of them are missing.
"""

from __future__ import annotations

import faulthandler
import os
import sqlite3
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager

from plexsync import guard
from plexsync.core import environment, fault, locks, wake
from plexsync.daemon import idle
from plexsync.daemon.plugin_files import PluginFiles
from plexsync.daemon.process import Holder, Terminated, detach, raise_on_signals, read_key
from plexsync.model.lifecycle import Next
from plexsync.queue import jobs, schema

#: Seconds to wait, by role, when not even a pause can be stored: the disk is full, or the folder is gone.
AFTER_FAULT = {Next.WORK: 60.0, Next.IDLE: 5.0}


def run(folder: str, lock_fd: int | None, key_fd: int | None, *, resumed: bool, role: Next) -> int:
    """Run the background process of ``folder``, first in ``role`` (``WORK`` or ``IDLE``), until nothing is left to do.

    ``lock_fd``, ``key_fd``: inherited descriptors of the lock and of the pipe with Stash's API key. ``resumed``: this
    process re-executed itself. Return the exit status.
    """
    try:
        os.makedirs(folder, mode=0o700, exist_ok=True)
        holder = Holder.take(folder, lock_fd)
    except OSError as error:
        why = locks.lacking(error, folder) or f"PlexSync cannot use its data folder {folder} ({error})."
        print(f"The worker cannot run: {why}", file=sys.stderr)
        return 1
    if holder is None:
        print("already running: another PlexSync worker uses this data folder", file=sys.stderr)
        return 0
    raise_on_signals()
    try:
        detach(folder)
        _Process(holder, read_key(key_fd), resumed).run(role)
    except Terminated:
        holder.end(no_rows)
    return 0


def no_rows() -> bool:
    """Return False: end the process, whatever the queue holds."""
    return False


@contextmanager
def _crash_named(folder: str) -> Iterator[None]:
    """Have Python leave the name of a package's file in ``worker.err`` if loading it crashes the interpreter."""
    with open(environment.worker_errors(folder), "ab") as file:
        faulthandler.enable(file)
        try:
            yield
        finally:
            faulthandler.disable()


class _Process:
    """The background process as it moves between its two roles."""

    def __init__(self, holder: Holder, api_key: str, resumed: bool) -> None:
        self._holder = holder
        self._folder = holder.folder
        self._key = api_key
        self._resumed = resumed
        self._files = PluginFiles()

    def run(self, role: Next) -> None:
        """Play ``role`` and those that follow until the process may end."""
        while True:
            step = self._guarded(role)
            if step is Next.STOP and self._holder.end(self._has_due_rows if role is Next.IDLE else no_rows):
                return
            role = Next.IDLE if step is Next.IDLE else Next.WORK
            files = self._files.state(fresh=True)
            if files in ("same", "changed"):
                # After an update the new code starts as a new process does, with a catch-up: hooks failed meanwhile.
                if self._holder.become(role, self._key, resumed=self._resumed and files == "same"):
                    return
                if files == "changed":  # no exec on Windows, and the loaded code is the old plugin's
                    self._holder.end(no_rows)
                    wake.wake(self._folder)
                    return
            elif role is Next.WORK:
                role = Next.IDLE  # files are being replaced: only code that is loaded already is safe

    def _guarded(self, role: Next) -> Next:
        """Play one role; if this machine lets nothing be read or stored, wait and start again, checking all files."""
        try:
            step = self._idle() if role is Next.IDLE else self._work()
            self._resumed = True
        except Terminated:
            raise
        except (OSError, sqlite3.Error) as error:
            print(f"PlexSync's worker failed ({error}). Retrying in {AFTER_FAULT[role]:g} s.", file=sys.stderr)
            fault.leave(self._folder, fault.sentence(OSError(str(error))), time.time())
            time.sleep(AFTER_FAULT[role])
            self._resumed, step = False, Next.WORK
        except BaseException as error:  # SystemExit too: whatever a package raises must not end the process
            step = self._cannot_run(error, role)
        return step

    def _cannot_run(self, error: BaseException, role: Next) -> Next:
        """Report what no pause was made for, wherever that is possible; idle checks again every minute."""
        guard.report(self._folder, error)
        if role is Next.IDLE:
            time.sleep(AFTER_FAULT[role])
            return Next.WORK
        return Next.IDLE

    def _idle(self) -> Next:
        return idle.Idle(self._folder, probe=lambda: idle.probe_apart(self._folder, self._key), files=self._files).run()

    def _work(self) -> Next:
        from plexsync import requirements

        if requirements.missing():
            return self._cannot_load(ImportError())
        try:
            with _crash_named(self._folder):
                from plexsync.daemon.run import drain, load

                load(self._folder)
        except Terminated:
            raise
        except BaseException as error:  # a package may raise anything, even SystemExit, as it is imported
            if isinstance(error, (OSError, sqlite3.Error)) and not fault.is_of_package(error):
                raise
            return self._cannot_load(error)
        step, self._key = drain(self._folder, self._key, self._files, fresh=not self._resumed)
        return step

    def _cannot_load(self, error: BaseException) -> Next:
        """Report a missing or broken module, with the standard library alone, and pause: idle checks every minute."""
        from plexsync import requirements

        requirements.pause_for(self._folder, time.time(), requirements.cannot_load_sentence(error), self._key)
        return Next.IDLE

    def _has_due_rows(self) -> bool:
        """Return whether rows came as the lock was released, and this version of PlexSync may still work on them."""
        if self._files.state(fresh=True) == "gone":
            return False
        with closing(schema.open_queue(self._folder, time.time())) as conn:
            now = time.time()
            return not schema.is_newer(conn) and jobs.next_due(conn, now, now + environment.horizon()) is not None
