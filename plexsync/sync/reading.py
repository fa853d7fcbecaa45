"""Read the items of a batch in full: one request, and if that fails, ever smaller ones until each culprit is alone."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

from plexsync.core.enqueue import BY_HAND
from plexsync.model.errors import PlexBusy, PlexSyncError, PlexUnavailable, Refused, Rejected
from plexsync.model.item import Item
from plexsync.plex.session import PlexSession
from plexsync.queue.jobs import RETRY
from plexsync.queue.worker_queue import Job
from plexsync.state.gates import READ
from plexsync.sync.kinds import Kinds
from plexsync.sync.planner import Planner
from plexsync.sync.throttle import LEAST

#: Read timeout in seconds once a request of the batch was not answered, and for jobs that failed before.
IMPATIENT = 5.0


@dataclass(slots=True)
class Reading:
    """The items by rating key, and the error for each key that could not be read. In neither: Plex has no such item.

    ``left``: keys that were not read, because an edit by hand must not wait for them.
    """

    items: dict[int, Item] = field(default_factory=dict)
    failed: dict[int, PlexSyncError] = field(default_factory=dict)
    left: set[int] = field(default_factory=set)


@contextmanager
def impatient(session: PlexSession, *, when: bool = True) -> Iterator[None]:
    """Wait at most ``IMPATIENT`` seconds for each answer."""
    before = session.read_timeout
    try:
        if when:
            session.read_timeout = min(before, IMPATIENT)
        yield
    finally:
        session.read_timeout = before


class Reader:
    """Reads items for jobs. ``is_edit_due``: an edit by hand waits for the batch to end."""

    def __init__(self, planner: Planner, is_edit_due: Callable[[], bool] = lambda: False) -> None:
        self._planner = planner
        self._is_edit_due = is_edit_due
        self._failures = 0
        self._kinds: Kinds = planner.kinds
        self._errors: dict[int, PlexSyncError] = {}

    def read(self, wanted: Mapping[int, Job]) -> Reading:
        """Return the items with these rating keys; each is read for one job.

        Raise ``PlexUnavailable`` or ``SetupError`` if the probe fails as well.
        """
        reading = Reading()
        again = [key for key, job in wanted.items() if job.priority == RETRY]
        groups = deque([[key for key, job in wanted.items() if job.priority != RETRY], *([key] for key in again)])
        with impatient(self._planner.client.session, when=False):
            while groups:
                keys = groups.popleft()
                if self._makes_way(keys, wanted):
                    reading.left.update(keys)
                    continue
                admitted = self._admitted(keys, wanted, reading)
                if admitted and not self._read(admitted, wanted, reading) and len(admitted) > 1:
                    groups += _halves(admitted, wanted)
        for key, error in self._errors.items():
            reading.failed[key] = self._judged(wanted[key], error)
        if reading.failed and not reading.items and self._kinds.is_paused(READ) and self._planner.is_unlistable:
            raise PlexUnavailable("No kind of request gets through to Plex")
        return reading

    def _makes_way(self, keys: list[int], wanted: Mapping[int, Job]) -> bool:
        """Return whether these keys are left for the next batch, because isolating a culprit takes long.

        Edits by hand of this batch are then written first, or those that are due by now.
        """
        if not self._failures or any(wanted[key].priority == BY_HAND for key in keys):
            return False
        with_edits = any(job.priority == BY_HAND for job in wanted.values())
        return with_edits or (self._failures >= LEAST and self._is_edit_due())

    def _admitted(self, keys: list[int], wanted: Mapping[int, Job], reading: Reading) -> list[int]:
        admitted = [key for key in keys if self._kinds.admits(READ, wanted[key])]
        for key in set(keys).difference(admitted):
            reading.failed[key] = self._kinds.held(READ, wanted[key])
        return admitted

    def _read(self, keys: list[int], wanted: Mapping[int, Job], reading: Reading) -> bool:
        planner, session = self._planner, self._planner.client.session
        retried = wanted[keys[0]].priority == RETRY
        try:
            with impatient(session, when=retried):
                reading.items.update(planner.client.items(keys))
        except (PlexBusy, Refused, PlexUnavailable) as error:
            self._failures += 1
            if self._kinds.failed(READ, tuple(keys), error):
                planner.probe()
            if isinstance(error, PlexBusy) and error.timed_out:
                session.read_timeout = min(session.read_timeout, IMPATIENT)  # until this reading ends
            if len(keys) == 1:
                self._errors[keys[0]] = error
            if self._kinds.is_in_doubt(READ):
                self._ask(keys, error)
            return False
        self._kinds.succeeded(READ)
        return True

    def _ask(self, keys: list[int], error: PlexSyncError) -> bool:
        """Read one other item, and note what that says of the kind."""
        key = self._planner.library.other_item(set(keys) | self._errors.keys())
        try:
            if key is not None:
                with impatient(self._planner.client.session):
                    self._planner.client.items([key])
                self._kinds.succeeded(READ)
                return True
        except (PlexBusy, Refused, PlexUnavailable):
            pass
        self._kinds.pause(READ, error)
        return False

    def _judged(self, job: Job, error: PlexSyncError) -> PlexSyncError:
        """Return the error of one item, or that of the kind if no other read passes."""
        witnessed = self._kinds.is_witnessed(READ, job)
        if not witnessed and not (self._kinds.may_ask(READ) and self._ask([], error)):
            held = self._kinds.held(READ, job)
            held.tried = True
            return held
        if isinstance(error, Refused):
            return Rejected(
                f"Something between PlexSync and Plex, a proxy or firewall, refused to show {_item_of(job)}"
                f" ({error.status}), though the token is accepted. Let requests to Plex pass there.",
                status=error.status,
            )
        if isinstance(error, PlexUnavailable):
            return PlexBusy(str(error), status=503)
        return error


def _item_of(job: Job) -> str:
    return job.key.spoken if job.key.is_undo else f"the item of {job.key.spoken}"


def _halves(keys: list[int], wanted: Mapping[int, Job]) -> list[list[int]]:
    """Return the two parts of a group that could not be read: edits by hand apart, else its halves."""
    by_hand = [key for key in keys if wanted[key].priority == BY_HAND]
    if by_hand and len(by_hand) < len(keys):
        return [by_hand, [key for key in keys if wanted[key].priority != BY_HAND]]
    middle = len(keys) // 2
    return [keys[:middle], keys[middle:]]
