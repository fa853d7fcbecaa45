"""The command ``doctor``: what it needs before it may write, the worker's lock, and how it ends.

It holds the worker's lock, so that no worker writes the item meanwhile or takes the doctor's values for a person's. A
sleeping worker is ended for that, as Stash's shutdown would, and started again afterwards; hooks queue as ever.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sqlite3
import sys
import time
from contextlib import closing
from dataclasses import dataclass
from functools import partial

from plexsync.app import App
from plexsync.core import environment, wake
from plexsync.core.enqueue import BY_HAND
from plexsync.core.processes import command_of
from plexsync.daemon.process import ENDING, Holder, Terminated, raise_on_signals
from plexsync.doctor import examination, table
from plexsync.log import Log
from plexsync.model.errors import PlexSyncError, StashUnavailable
from plexsync.model.job_key import JobKey
from plexsync.model.lifecycle import Next
from plexsync.queue import jobs, schema
from plexsync.queue.meta import QueueMeta

#: Seconds within which a worker that is asked to end has to have let go of its lock.
END_PATIENCE = 15.0
#: Seconds for which a process whose words are not told yet is looked at again, and between two looks.
EXEC_PATIENCE, EXEC_PAUSE = 0.5, 0.02
WORKERS = (Next.WORK.value, Next.IDLE.value)


@dataclass(frozen=True, slots=True)
class Order:
    """What was asked for: a scene (0: none), and whether to write, to ask what is risky, only to put back, or to give
    that up."""

    scene: int = 0
    means_it: bool = False
    risky: bool = False
    only_put_back: bool = False
    forget: bool = False


def run(folder: str, order: Order) -> int:
    """Carry out the command; return its exit status."""
    raise_on_signals()
    try:
        with Lock(folder) as lock, closing(App(folder, Log([]))) as app:
            status = _run(app, folder, order, lock)
            if sys.stdout is not None:
                sys.stdout.flush()
            return status
    except StashUnavailable as error:
        say(f"{error}. Open any page of Stash to renew PlexSync's connection, and run it again.")
    except PlexSyncError as error:
        say(str(error))
    except BrokenPipeError:  # of stdout: Plex's and Stash's are named above
        say("The table could not be printed: the program behind the pipe has ended. The item is as it was.")
    except (OSError, sqlite3.Error, ValueError) as error:
        say(f"PlexSync cannot use its data folder {folder} ({error}).")
    except Terminated:
        say("Ended before it was over.")
    return 1


def say(text: str) -> None:
    """Tell the person something that is not for pasting. That nobody reads it any more must not hold up anything."""
    if sys.stderr is not None:
        with contextlib.suppress(OSError, ValueError):
            print(text, file=sys.stderr, flush=True)


def _run(app: App, folder: str, order: Order, lock: Lock) -> int:
    if os.path.exists(os.path.join(folder, environment.DOCTOR)):
        lock.take()
        if order.forget:
            examination.forget(folder, partial(print, file=sys.stderr, flush=True))  # unread, nothing is given up
        elif rating_key := examination.put_back_earlier(app, folder, say):
            _sync_again(app, folder, rating_key)
    elif order.only_put_back or order.forget:
        say("There is nothing to put back.")
    if order.only_put_back or order.forget:
        return 0
    found = examination.find(app, order.scene)
    if not order.means_it:
        print("\n".join(examination.plan(found, risky=order.risky)))
        return 0
    lock.take()
    rows = examination.examine(app, folder, found, say, risky=order.risky)
    facts = examination.describe(app, found)
    print(table.render(rows, facts, time.time()), end="")
    return 0


def _sync_again(app: App, folder: str, rating_key: int) -> None:
    """Queue the scene of an item that PlexSync wrote: it may have done so after the earlier call was killed."""
    record = app.state.records(app.client.identity.machine, [rating_key]).get(rating_key)
    if record is not None and record.scene_id:
        now = time.time()
        with closing(schema.open_queue(folder, now)) as conn:
            jobs.enqueue_many(conn, [JobKey.scene(record.scene_id)], "sync", now, BY_HAND)
            QueueMeta(conn).request_wake()


class Lock:
    """The worker's lock, taken when it is needed. At the end the worker is started if it ran, or has anything to do."""

    def __init__(self, folder: str) -> None:
        self._folder = folder
        self._holder: Holder | None = None
        self._ended_worker = False

    def __enter__(self) -> Lock:
        return self

    def __exit__(self, *_: object) -> None:
        held, self._holder = self._holder, None
        if held is not None:
            held.end(lambda: False)
        if self._ended_worker or (held is not None and self._has_rows()):
            for number in ENDING:  # the worker would inherit that they are ignored
                signal.signal(number, signal.SIG_DFL)
            with contextlib.suppress(OSError):
                wake.wake(self._folder)

    def take(self) -> None:
        """Take the lock, and end the worker that has it. Raise ``PlexSyncError`` if another process keeps it."""
        if self._holder is not None:
            return
        self._holder = Holder.take(self._folder, None, 0.0)
        if self._holder is None:
            self._end_worker(wake.running_pid(self._folder))
            self._holder = Holder.take(self._folder, None, END_PATIENCE)
        if self._holder is None:
            raise PlexSyncError("The background worker is busy and does not end. Run it again later.")

    def _end_worker(self, pid: int | None) -> None:
        words = _settled_command_of(pid) if pid else []
        if "doctor" in words:
            raise PlexSyncError("Another doctor is running. Wait until it is done.")
        is_worker = any(word.endswith("PlexSync.py") for word in words) and any(word in WORKERS for word in words)
        if pid and is_worker:
            say("Ending the background worker; it is started again afterwards ...")
            self._ended_worker = True
            with contextlib.suppress(OSError):
                os.kill(pid, signal.SIGTERM)
        elif pid:
            raise PlexSyncError(f"The background worker runs as process {pid}. End it, then run this again at once.")

    def _has_rows(self) -> bool:
        if not os.path.exists(os.path.join(self._folder, environment.QUEUE_DB)):
            return False
        now = time.time()
        try:
            with closing(schema.open_queue(self._folder, now)) as conn:
                due = jobs.next_due(conn, now, now + environment.horizon())
        except (OSError, sqlite3.Error):
            return False
        return due is not None and due <= now + 1


def _settled_command_of(pid: int) -> list[str]:
    """Return ``command_of`` once it tells something: in the instant of its exec a process has no words."""
    end = time.monotonic() + EXEC_PATIENCE
    while not any(words := command_of(pid)) and time.monotonic() < end:
        time.sleep(EXEC_PAUSE)
    return words
