"""Second opinions: does Plex take any edit, any image at all? Asked only after a failure that nothing disproves."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import TypeGuard

from plexsync.model.errors import (
    ItemGone,
    KindPaused,
    PlexBusy,
    PlexSyncError,
    PlexUnavailable,
    Refused,
    Rejected,
    SetupError,
    StashUnavailable,
)
from plexsync.model.item import Item
from plexsync.plex.images import image_digest, media_type
from plexsync.queue.worker_queue import Job
from plexsync.state.gates import EDIT
from plexsync.sync import covers
from plexsync.sync.planner import Planner
from plexsync.sync.reading import IMPATIENT, impatient
from plexsync.sync.work import Work

#: What a single request may raise without saying anything of Plex as a whole.
OF_ONE_REQUEST = (PlexBusy, Rejected, Refused, ItemGone, PlexUnavailable)
#: Items that were written before and are tried, and images, to find one that both servers still have.
ITEMS_TRIED, IMAGES_TRIED = 2, 3
#: Attempts after which what keeps failing with status 500, while others succeed, counts as refused.
PATIENCE = 2


class Opinions:
    """Decides for a failed request whether the kind or the item is at fault.

    ``peers``: the works of this batch; those not tried yet are asked where little was written before.
    """

    def __init__(self, planner: Planner) -> None:
        self.peers: Sequence[Work] = ()
        self._planner = planner
        self._kinds = planner.kinds

    def probe_if_first(self, kind: str, job: Job, error: PlexSyncError) -> None:
        """Note a failed request; after the first in a row, probe. Raise what the probe raises."""
        if self._kinds.failed(kind, job.row, error) and not isinstance(error, Rejected):
            self._planner.probe()

    def is_items_fault(self, kind: str, work: Work, error: PlexSyncError) -> bool:
        """Return whether requests of that kind pass for others, so that this one's failure is its own.

        A rejection speaks of the content, and is believed as long as it is the only one. Raise ``SetupError`` if even
        an edit that changes nothing is refused as this one was.
        """
        if self._kinds.is_witnessed(kind, work.job) or (isinstance(error, Rejected) and self._kinds.is_alone(kind)):
            return True
        return self._kinds.may_ask(kind) and self.ask(kind, work, error)

    def is_gone(self, work: Work) -> bool:
        """Return whether a second look confirms that Plex no longer has the item."""
        key = work.target.item.rating_key
        with suppress(*OF_ONE_REQUEST):
            return key not in self._planner.client.items([key])
        return False

    def ask(self, kind: str, work: Work, error: PlexSyncError) -> bool:
        """Ask for a second opinion, and note what it says of the kind."""
        with impatient(self._planner.client.session):
            passed = self._takes_edits(work, error) if kind == EDIT else self._takes_images(work)
        if passed:
            self._kinds.succeeded(kind)
        else:
            self._kinds.pause(kind, error)
        return passed

    def _takes_edits(self, work: Work, first: PlexSyncError) -> bool:
        """Send an edit that changes nothing: of items written before, of others in this batch, then of the same."""
        refused: list[Refused] = []
        for item in (*self._others(work), *self._untried(work), work.target.item):
            try:
                locked = "1" if "title" in item.locked else "0"
                self._planner.client.put(item.section, item.rating_key, (("title.locked", locked),))
            except OF_ONE_REQUEST as error:
                refused += [error] if isinstance(error, Refused) else []
                continue
            return True
        if refused and isinstance(first, Refused):
            raise SetupError(str(refused[0]))
        return False

    def _untried(self, work: Work) -> list[Item]:
        """Return the items of the last and the middle work that no edit was sent for yet."""
        left = [one.target.item for one in self.peers if one is not work and not one.sent and one.failure is None]
        return list({item.rating_key: item for item in (*left[-1:], *left[len(left) // 2 :][:1])}.values())

    def _others(self, work: Work) -> list[Item]:
        planner, key = self._planner, work.target.item.rating_key
        keys = [record.rating_key for record in planner.state.others(planner.machine, key, ITEMS_TRIED)]
        with suppress(*OF_ONE_REQUEST):
            return [item for item in planner.client.items(keys).values() if item.section]
        return []

    def _takes_images(self, work: Work) -> bool:
        """Upload an image once more that an item has already: Plex keeps images by content, so nothing changes."""
        planner = self._planner
        for record in planner.state.others(planner.machine, work.target.item.rating_key, IMAGES_TRIED, covered=True):
            sha1 = covers.images(record).get("posters", covers.Image()).newest
            if not sha1:
                continue
            with suppress(StashUnavailable, *OF_ONE_REQUEST):
                if not planner.client.has_image(record.rating_key, "posters", sha1):
                    continue
                reply = planner.stash.cover(record.scene_id)
                if image_digest(reply.data) == sha1:
                    kind = media_type(reply.data, reply.kind)
                    planner.client.upload(record.rating_key, "posters", reply.data, kind, seconds=IMPATIENT)
                    return True
        return False


def asks_to_wait(error: PlexSyncError, job: Job) -> KindPaused | None:
    """Return the error of a job that Plex asked to wait (429, 408) for the first time: no attempt, and no question."""
    if isinstance(error, PlexBusy) and error.status in (408, 429) and job.tried_at is None:
        who = job.key.spoken.capitalize()
        return KindPaused(f"{who} waits, as Plex asked for it. {error}", kind="", tried=True, cause=error)
    return None


def is_lasting(error: PlexSyncError, job: Job) -> TypeGuard[PlexBusy]:
    """Return whether a status 500 has come so often that the value is at fault."""
    return isinstance(error, PlexBusy) and error.status == 500 and job.attempts >= PATIENCE


def as_busy(error: PlexSyncError) -> PlexSyncError:
    """Return the error of one request; what sounded like Plex as a whole was of this one, as the probe passed."""
    return PlexBusy(str(error), status=503) if isinstance(error, PlexUnavailable) else error
