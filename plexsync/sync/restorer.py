"""Put items back as they were before PlexSync: intents, one PUT per item, pictures, their locks, one read-back.

Raises what concerns Plex as a whole or the setup; what concerns one item becomes the error of that work.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from plexsync.matching import Candidate, Confidence, Evidence
from plexsync.model.errors import (
    ItemGone,
    KindPaused,
    PlexBusy,
    PlexSyncError,
    PlexUnavailable,
    Refused,
    Rejected,
)
from plexsync.model.fields import Desired, field_names
from plexsync.model.item import IndexPart, Item
from plexsync.model.scene import Scene, SceneFile
from plexsync.plex.client import Element
from plexsync.queue.worker_queue import Job
from plexsync.state.gates import EDIT
from plexsync.state.ledger import Record
from plexsync.sync import covers, edit, restoration
from plexsync.sync.opinions import as_busy, asks_to_wait, is_lasting
from plexsync.sync.planner import Planner, Target
from plexsync.sync.work import Undo
from plexsync.sync.writer import Writer

#: Why a picture stays that had none before it.
NO_UNSET = "this Plex cannot show none"


def prepared(job: Job, item: Item, record: Record) -> Undo:
    """Return the work that puts an item back."""
    file, part = SceneFile(0, record.stash_path), IndexPart(item.rating_key, item.section, 0, record.path)
    candidate = Candidate(
        item.rating_key, item.section, part, file, Evidence.REMEMBERED, Confidence.HIGH, "it was written before"
    )
    planned = restoration.plan(item, record.written)
    scene = Scene(record.scene_id, title=record.title)
    return Undo(job, Target(scene, candidate, item, Desired({}, False, False, ()), record, planned))


class Restorer:
    """Puts the items of one batch back, with the requests and judgements of ``writer``."""

    def __init__(self, planner: Planner, writer: Writer) -> None:
        self._planner = planner
        self._kinds = planner.kinds
        self._writer = writer

    def restore(self, works: Sequence[Undo]) -> None:
        """Put the items back and note how each ended. A work for which the batch has no time left stays as it was.

        Raise ``PlexUnavailable`` or ``SetupError``.
        """
        for work in works:
            self._look(work)
        self._intend(works)
        tried = set(map(id, self._writer.send(works)))
        started = [work for work in works if id(work) in tried]
        for work in started:
            if work.unread is not None:
                work.fail(_unread(work, work.unread))
            if work.error is None or isinstance(work.error, Rejected):
                self._show(work)
                self._lock_pictures(work)
        self._writer.read_back([work for work in started if work.sent])
        for work in started:
            if work.after is not None:
                self._check_locks(work, work.after)
            work.ended = True

    def _look(self, work: Undo) -> None:
        """Ask Plex for the pictures, and plan what becomes of them; locks that need no picture go with the edit."""
        item = work.target.item
        for element in restoration.elements(work.record):
            try:
                pictures = self._planner.client.pictures(item.rating_key, element)
            except (PlexBusy, Refused, Rejected, ItemGone) as error:
                work.unread = error
                continue
            lock, found = covers.LOCKS[element], restoration.shown(work.record, element, item, pictures)
            work.left += [(lock, found.why)] if found.why else []
            if found.name is not None:
                work.shows[element] = found.name
                work.picture_locks[lock] = bool(found.lock)
            elif found.lock is not None and found.lock != (lock in item.locked):
                planned = work.edit
                if found.lock:
                    work.edit = replace(planned, locks=(*planned.locks, lock))
                else:
                    work.edit = replace(planned, unlocks=(*planned.unlocks, lock))

    def _intend(self, works: Sequence[Undo]) -> None:
        """Commit what a list is between two requests: after a crash it must not look like a person's."""
        changed: list[Record] = []
        for work in works:
            ours = dict(work.record.written.ours)
            requests = edit.requests_for(work.edit, work.target.item).edits
            for change in work.edit.changes:
                ours[change.field] = (*ours.get(change.field, ()), *edit.fingerprints_between(requests, change))
            if ours != work.record.written.ours:
                work.record = replace(work.record, written=replace(work.record.written, ours=ours))
                changed.append(work.record)
        if changed:
            self._planner.state.store(self._planner.machine, changed)

    # -- pictures

    def _show(self, work: Undo) -> None:
        for element, name in work.shows.items():
            if self._kinds.is_paused(EDIT) and not self._kinds.admits(EDIT, work.job):
                work.fail(self._kinds.held(EDIT, work.job))
                return
            try:
                self._show_one(work, element, name)
            except ItemGone as error:
                if self._writer.opinions.is_gone(work):
                    work.fail(error)
                    return
                self._leave(work, element, restoration.LOST if name else NO_UNSET)
            except (PlexBusy, Rejected, Refused, PlexUnavailable) as error:
                self._failed(work, element, name, error)

    def _show_one(self, work: Undo, element: Element, name: str) -> None:
        """Show one picture and make sure that Plex does."""
        client, key = self._planner.client, work.target.item.rating_key
        if name:
            client.select(key, element, name)
        else:
            client.unset(key, element)
        chosen = [picture.name for picture in client.pictures(key, element) if picture.selected]
        ours = covers.images(work.record).get(element, covers.Image()).uploads  # without any, Plex may choose one
        if (name not in chosen) if name else any(one in shown for one in ours for shown in chosen):
            which = field_names([covers.LOCKS[element]])
            raise PlexBusy(f"Plex accepted the earlier {which} of scene {work.target.scene.id}, but does not show it")
        work.shown.append(element)
        work.uploaded = True

    def _failed(self, work: Undo, element: Element, name: str, error: PlexSyncError) -> None:
        judged = self._judged(work, error)
        if isinstance(judged, Rejected) and not name:
            self._leave(work, element, NO_UNSET)
        else:
            work.fail(judged)
            work.picture_locks.pop(covers.LOCKS[element], None)

    def _leave(self, work: Undo, element: Element, why: str) -> None:
        work.left.append((covers.LOCKS[element], why))

    def _judged(self, work: Undo, first: PlexSyncError) -> PlexSyncError:
        """Return what the failure of one request about a picture means: it is refused, held, or worth a retry."""
        error, opinions = as_busy(first), self._writer.opinions
        opinions.probe_if_first(EDIT, work.job, first)
        asked = None if self._kinds.is_witnessed(EDIT, work.job) else asks_to_wait(error, work.job)
        if asked is not None:
            return asked
        if not opinions.is_items_fault(EDIT, work, error):
            held: KindPaused = self._kinds.held(EDIT, work.job)
            held.tried = True
            return held
        if isinstance(error, PlexBusy) and not is_lasting(error, work.job):
            return error
        status = int(getattr(error, "status", None) or 0)
        which = f"the earlier pictures of scene {work.target.scene.id}"
        why = f"Plex refused to show {which} (status {status}), though it takes other edits. Choose them in Plex."
        return Rejected(why, status=status or 500)

    # -- locks

    def _lock_pictures(self, work: Undo) -> None:
        """Lock or release what shows an earlier picture again: showing it may have locked it."""
        item, locks = work.target.item, work.picture_locks
        if not locks or isinstance(work.error, ItemGone):
            return
        params = tuple((f"{name}.locked", "1" if lock else "0") for name, lock in sorted(locks.items()))
        try:
            self._planner.client.put(item.section, item.rating_key, params)
        except (PlexBusy, Rejected, Refused, PlexUnavailable, ItemGone) as error:
            work.fail(PlexBusy(f"The locks of the pictures of scene {work.target.scene.id} could not be set: {error}"))
        else:
            work.sent = True
            self._kinds.succeeded(EDIT)

    def _check_locks(self, work: Undo, after: Item) -> None:
        """Note a lock that is not as it was sent."""
        wanted = dict.fromkeys(work.edit.locks, True) | dict.fromkeys(work.edit.unlocks, False) | work.picture_locks
        wanted |= {change.field: change.lock for change in work.edit.changes if change.field not in edit.UNLOCKED}
        wrong = [name for name, lock in wanted.items() if (name in after.locked) != lock and name not in work.rejected]
        if wrong and work.error is None:
            which = f"{field_names(wrong)} of scene {work.target.scene.id}"
            work.error = PlexBusy(f"Plex accepted the edit, but did not put back the locks of the {which}")


def _unread(work: Undo, error: PlexSyncError) -> PlexSyncError:
    """Return the error of an item of which Plex did not tell the pictures."""
    if isinstance(error, PlexBusy | ItemGone):
        return error
    status = int(getattr(error, "status", None) or 500)
    return Rejected(
        f"Something between PlexSync and Plex, a proxy or firewall, refused to show the pictures of scene"
        f" {work.target.scene.id} ({status}), though the token is accepted. Let requests to Plex pass there.",
        status=status,
    )
