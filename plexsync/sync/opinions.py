"""Second opinions: does Plex take any edit, any image at all? Asked only after a failure that nothing disproves."""

from __future__ import annotations

from contextlib import suppress

from plexsync.model.errors import (
    ItemGone,
    PlexBusy,
    PlexSyncError,
    PlexUnavailable,
    Refused,
    Rejected,
    SetupError,
    StashUnavailable,
)
from plexsync.model.item import Item
from plexsync.plex.images import image_digest
from plexsync.queue.worker_queue import Job
from plexsync.state.gates import EDIT
from plexsync.sync import covers
from plexsync.sync.planner import Planner
from plexsync.sync.reading import IMPATIENT, impatient
from plexsync.sync.work import Work

#: What a single request may raise without saying anything of Plex as a whole.
OF_ONE_REQUEST = (PlexBusy, Rejected, Refused, ItemGone, PlexUnavailable)
#: Images of earlier scenes that are tried to find one that both servers still have.
IMAGES_TRIED = 3


class Opinions:
    """Decides for a failed request whether the kind or the item is at fault."""

    def __init__(self, planner: Planner) -> None:
        self._planner = planner
        self._kinds = planner.kinds

    def probe_if_first(self, kind: str, job: Job, error: PlexSyncError) -> None:
        """Note a failed request; after the first in a row, probe. Raise what the probe raises."""
        if self._kinds.failed(kind, job.row, error) and not isinstance(error, Rejected):
            self._planner.probe()

    def is_items_fault(self, kind: str, work: Work, error: PlexSyncError) -> bool:
        """Return whether requests of that kind pass for others, so that this one's failure is its own.

        Raise ``SetupError`` if even an edit that changes nothing is refused as this one was.
        """
        if self._kinds.is_witnessed(kind, work.job):
            return True
        return self._kinds.may_ask(kind) and self.ask(kind, work, error)

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
        """Send an edit that changes nothing: of the same item, then of another that PlexSync wrote before."""
        refused: list[Refused] = []
        for item in (work.target.item, self._other(work)):
            if item is None:
                continue
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

    def _other(self, work: Work) -> Item | None:
        planner, key = self._planner, work.target.item.rating_key
        record = next(iter(planner.state.others(planner.machine, key, 1)), None)
        if record is None:
            return None
        with suppress(*OF_ONE_REQUEST):
            return planner.client.items([record.rating_key]).get(record.rating_key)
        return None

    def _takes_images(self, work: Work) -> bool:
        """Upload an image once more that an item has already: Plex keeps images by content, so nothing changes."""
        planner = self._planner
        for record in planner.state.others(planner.machine, work.target.item.rating_key, IMAGES_TRIED, covered=True):
            sha1 = covers.uploads(record).get("posters")
            if not sha1:
                continue
            with suppress(StashUnavailable, *OF_ONE_REQUEST):
                if not planner.client.has_image(record.rating_key, "posters", sha1):
                    continue
                data, kind = planner.stash.cover(record.scene_id)
                if image_digest(data) == sha1:
                    planner.client.upload(record.rating_key, "posters", data, kind, seconds=IMPATIENT)
                    return True
        return False


def as_busy(error: PlexSyncError) -> PlexSyncError:
    """Return the error of one request; what sounded like Plex as a whole was of this one, as the probe passed."""
    return PlexBusy(str(error), status=503) if isinstance(error, PlexUnavailable) else error
