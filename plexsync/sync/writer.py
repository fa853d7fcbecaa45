"""Carry out planned edits: intents before each PUT, one PUT per item, one read-back for the batch, images last.

Raises what concerns Plex as a whole or the setup; what concerns one item becomes the error of that work.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

from plexsync.core.enqueue import BY_HAND
from plexsync.log import Log, Private
from plexsync.model.errors import (
    ItemGone,
    PlexBusy,
    PlexSyncError,
    PlexUnavailable,
    Refused,
    Rejected,
    StashUnavailable,
)
from plexsync.model.fields import field_names, fingerprint
from plexsync.model.item import Item
from plexsync.model.written import Change, confirmed, intended, locks_kept, owned
from plexsync.plex.client import Element
from plexsync.plex.images import check_cover, image_digest, media_type
from plexsync.queue.jobs import RETRY
from plexsync.queue.worker_queue import Job
from plexsync.stash.transport import CoverReply
from plexsync.state.gates import EDIT, UPLOAD
from plexsync.sync import covers, edit, refused
from plexsync.sync.entries import entry_of
from plexsync.sync.opinions import PATIENCE, Opinions, as_busy, asks_to_wait, is_lasting
from plexsync.sync.planner import Planner
from plexsync.sync.reading import Reader, impatient
from plexsync.sync.singles import Singles
from plexsync.sync.throttle import LEAST, Throttle
from plexsync.sync.uploads import Uploads, no_cover
from plexsync.sync.work import Cover, Work, named

#: Bytes of covers kept in memory between the edits and the uploads of a batch; covers beyond it are fetched again.
COVER_BYTES = 32_000_000


class DryWriter:
    """The writer under ``dryRun``: only finds out what would be written."""

    def write(self, works: Sequence[Work]) -> None:
        """Note which works would write something."""
        for work in works:
            target, record = work.target, work.record
            unsure = covers.is_due(target, record) or bool(covers.unsure(target, record))
            work.held_back = not work.edit.empty or unsure
            work.ended = True


class Writer:
    """Writes one batch. ``is_wanted`` is asked before each edit, so Stop takes effect within a batch too.

    ``is_edit_due``: an edit by hand waits for the batch to end.
    """

    def __init__(
        self,
        planner: Planner,
        log: Log,
        throttle: Throttle,
        is_wanted: Callable[[Job], bool],
        is_edit_due: Callable[[], bool] = lambda: False,
    ) -> None:
        self._planner = planner
        self._log = log
        self._throttle = throttle
        self._is_wanted = is_wanted
        self._is_edit_due = is_edit_due
        self._cover_bytes = 0
        self._kinds = planner.kinds
        self.opinions = Opinions(planner)
        self._singles = Singles(planner, log, throttle, self.opinions, self._intend)

    def write(self, works: Sequence[Work]) -> None:
        """Write the works and note how each ended. A work for which the batch has no time left stays as it was.

        Raise ``PlexUnavailable`` or ``SetupError``.
        """
        prepared: list[Work] = []
        for work in works:
            if not self.makes_way(work.job, len(prepared)):
                refused.retry(work)
                self._prepare(work)
                refused.recall(work)
                self._spare_images(work)
                prepared.append(work)
        self._intend([work for work in prepared if work.cover or not work.edit.empty])
        started = self.send(prepared)
        self.read_back([work for work in started if work.sent])
        try:
            Uploads(self._planner, self._log, self.opinions, self.makes_way).send(started)
        finally:
            self._store(started)
        for work in started:
            rejection = refused.known(work) if work.error is None else None
            if rejection is not None:
                work.fail(rejection)
            work.ended = not work.postponed

    def send(self, prepared: Sequence[Work]) -> list[Work]:
        """Send the edits, and judge those that failed. Return the works for which the batch had time.

        Raise ``PlexUnavailable`` or ``SetupError``.
        """
        started: list[Work] = []
        self.opinions.peers = prepared
        for work in prepared:
            if self.makes_way(work.job, len(started)):
                continue
            if not (self._throttle.lets_through(work.job) and self._is_wanted(work.job)):
                continue
            started.append(work)
            if not work.edit.empty:
                self._send(work)
        return self._judged_edits(started)

    def _judged_edits(self, started: Sequence[Work]) -> list[Work]:
        """Judge the edits that failed, rejections first; return the works but for those that made way for an edit."""
        judged = 0
        for work in sorted(started, key=lambda one: not isinstance(one.failure, Rejected)):
            if work.failure is not None:
                work.postponed = self.makes_way(work.job, judged)
                if not work.postponed:
                    self._judge_edit(work, work.failure)
                    judged += 1
        return [work for work in started if not work.postponed]

    def makes_way(self, job: Job, done: int) -> bool:
        """Return whether a job is left for the next batch, because an edit by hand is due. The first ones never are.

        ``done``: how many jobs of this batch came so far.
        """
        return job.priority != BY_HAND and done >= LEAST and self._is_edit_due()

    def _spare_images(self, work: Work) -> None:
        """Leave out what Plex refused before; while Plex takes no image, lock none before it arrived."""
        cover = work.cover
        if cover is None:
            if work.error is None and covers.is_due(work.target, work.target.record):  # there is no image to send now
                refused.forget(work, covers.LOCKS.values())
                work.known_refused = tuple(name for name in work.known_refused if name not in covers.LOCKS.values())
            return
        elements = tuple(one for one in cover.elements if not refused.is_refused(work, covers.LOCKS[one], cover.sha1))
        again = {covers.LOCKS[one] for one in cover.elements if one in elements}
        work.known_refused = tuple(name for name in work.known_refused if name not in again)
        spared = {covers.LOCKS[one] for one in cover.elements} - (set() if self._kinds.is_paused(UPLOAD) else again)
        if set(elements) != set(cover.elements):
            work.record = covers.withdrawn(work.record, set(cover.elements).difference(elements))
            work.cover = replace(cover, elements=elements) if elements else None
            if not elements:
                work.record = replace(work.record, cover_stamp=cover.stamp)
        work.edit = replace(work.edit, locks=tuple(lock for lock in work.edit.locks if lock not in spared))

    def _prepare(self, work: Work) -> None:
        """Fetch the cover if it may have changed, because the locks of the images go with the item's only PUT."""
        scene = work.target.scene
        for name, why in work.edit.left:
            self._log.debug("left field alone", **named(scene), field=name, why=why)
        for warning in work.edit.warnings:
            self._log.warning("shortened a field of scene", **named(scene), why=warning)
        work.record = covers.looked(work.target, work.record, self._planner.look(work.target.item))
        self._lock(work, covers.lost_locks(work.target, work.record))
        if not covers.is_due(work.target, work.record):
            return
        asked_at = self._planner.clock()
        try:
            reply = self._planner.stash.cover(scene.id)
        except StashUnavailable as error:
            work.error = no_cover(scene.id, error)
            return
        work.again = not covers.is_final(work.target, asked_at, reply.at)
        stamp = "" if work.again else covers.stamp(work.target)
        problem = check_cover(reply.data, reply.kind)
        if problem is None:
            self._choose(work, reply, stamp)
        elif problem.retry:
            work.error = no_cover(scene.id, problem.reason)
        else:
            sha1, told = image_digest(reply.data), not problem.placeholder
            if told and not covers.is_known_unfit(work.record, sha1):
                self._log.warning("skipped cover", **named(scene), why=problem.reason)
            work.record = replace(covers.unfit(work.record, sha1, told=told), cover_stamp=stamp)

    def _lock(self, work: Work, locks: Iterable[str]) -> None:
        missing = (lock for lock in locks if lock not in work.target.item.locked)
        work.edit = replace(work.edit, locks=tuple(dict.fromkeys((*work.edit.locks, *missing))))

    def _choose(self, work: Work, reply: CoverReply, stamp: str) -> None:
        target, data, sha1 = work.target, reply.data, image_digest(reply.data)
        before = covers.images(work.record)
        work.record, elements = covers.elements(target, work.record, sha1, self._planner.look(target.item))
        if not elements:
            work.record = replace(work.record, cover_stamp=stamp)
            return
        pictures = self._pictures_before(work, elements)
        if pictures is None:
            why = "The pictures that Plex shows now could not be read"
            work.error = PlexBusy(f"{why}, so the cover of scene {target.scene.id} waits: they are kept for Undo")
            return
        work.pictures = pictures
        keep = self._cover_bytes + len(data) <= COVER_BYTES
        self._cover_bytes += len(data) if keep else 0
        unknown = tuple(element for element in elements if before.get(element, covers.Image()).mark == covers.UNKNOWN)
        kind = media_type(data, reply.kind)
        work.cover = Cover(elements, sha1, kind, data if keep else None, stamp, unknown, len(data))
        self._lock(work, (covers.LOCKS[element] for element in elements))
        # Noted before the PUT: a lock whose upload never came must not look like a person's choice, and an upload whose
        # answer never came is looked for before it is repeated.
        work.record = covers.intended(work.record, elements, sha1)

    def _pictures_before(self, work: Work, elements: Iterable[Element]) -> dict[str, str] | None:
        """Return what Plex shows of the images to which nothing was uploaded yet: lock -> the picture's name.

        Undo shows it again. None if Plex does not say at present; an image is absent if it never does.
        """
        found: dict[str, str] = {}
        for element in elements:
            lock, written = covers.LOCKS[element], work.record.written
            if lock in written.before and not written.moved:
                continue
            if not getattr(work.target.item, lock):  # it has no address, so there is none
                found[lock] = ""
                continue
            try:
                pictures = self._planner.client.pictures(work.target.item.rating_key, element)
            except PlexBusy:
                if work.job.attempts < PATIENCE:
                    return None
                continue
            except (Rejected, Refused, ItemGone):
                continue
            name = covers.shown_before(work.record, element, pictures)
            if name is not None:
                found[lock] = name
        return found

    def _intend(self, works: Sequence[Work]) -> None:
        """Commit what is about to be written: after a crash, an intended value counts as ours."""
        for work in works:
            planned = work.edit
            before = work.record.written
            written = intended(before, work.target.item, planned.changes, planned.locks, work.pictures)
            work.record = replace(work.record, written=written)
        if works:
            self._planner.state.store(self._planner.machine, [work.record for work in works])

    def _send(self, work: Work) -> None:
        """Send the edit as a whole. A failure is judged once all works were tried."""
        if not self._kinds.admits(EDIT, work.job):
            work.fail(self._kinds.held(EDIT, work.job))
            return
        try:
            with impatient(self._planner.client.session, when=work.job.priority == RETRY):
                for params in edit.requests_for(work.edit, work.target.item).edits:
                    self._singles.put(work, params)
            work.whole = True
            work.locked |= set(work.edit.locks)
        except ItemGone as error:
            if self.opinions.is_gone(work):
                work.fail(error)
            else:
                self._failed(work, PlexBusy("Plex answered an edit with 404, though it has the item.", status=404))
        except (PlexBusy, Rejected, Refused, PlexUnavailable) as error:
            self._failed(work, error)

    def _failed(self, work: Work, error: PlexSyncError) -> None:
        work.failure = as_busy(error)
        self.opinions.probe_if_first(EDIT, work.job, error)
        if self._kinds.is_in_doubt(EDIT):
            self.opinions.ask(EDIT, work, error)

    def _judge_edit(self, work: Work, error: PlexSyncError) -> None:
        """Decide what a failed edit means: a part of it is refused, it is worth a retry, or Plex takes no edit."""
        asked = None if self._kinds.is_witnessed(EDIT, work.job) else asks_to_wait(error, work.job)
        if asked is not None:
            work.fail(asked)
        elif isinstance(error, Rejected) and not self._kinds.is_paused(EDIT):
            self._singles.send(work, error)
        elif not self.opinions.is_items_fault(EDIT, work, error):
            work.fail(self._singles.held(work))
        elif isinstance(error, Refused) or is_lasting(error, work.job):
            self._singles.send(work, error)
        else:
            work.fail(error)

    def read_back(self, works: Sequence[Work]) -> None:
        """Read all written items in one request: a job is done only if each field arrived as it was sent."""
        if not works:
            return
        after = Reader(self._planner).read({work.target.item.rating_key: work.job for work in works})
        read_at = self._planner.plex_time()
        for work in works:
            item = after.items.get(work.target.item.rating_key)
            if work.target.item.rating_key in after.failed:
                work.fail(after.failed[work.target.item.rating_key])
            elif item is None:
                scene_id = work.target.scene.id
                work.error = ItemGone(f"Plex did not name the item of scene {scene_id} after the write")
            else:
                work.after, work.after_at = item, read_at
                self._compare(work, item)

    def _compare(self, work: Work, after: Item) -> None:
        sent = replace(
            work.edit, changes=tuple(change for change in work.edit.changes if change.field not in work.rejected)
        )
        outcomes = dict(edit.verify(after, sent, work.target.item))
        for change in sent.changes:
            outcomes[change.field] = self._judged(work, change, outcomes[change.field])
        written = confirmed(work.record.written, sent.changes, outcomes, after)
        written = locks_kept(written, edit.locks_of(sent, outcomes), after)
        work.record = replace(work.record, written=written)
        for change in sent.changes:
            if outcomes[change.field] == "kept" and change.field not in work.short:
                self._log.warning(
                    "differs: Plex stored another value than was sent for scene",
                    **named(work.target.scene),
                    field=change.field,
                    sent=Private(str(change.new)),
                    stored=Private(str(after.value(change.field))),
                )
        work.lost = tuple(name for name, outcome in outcomes.items() if outcome == "unchanged")
        if work.lost and work.error is None:
            which = f"scene {work.target.scene.id}"
            work.error = PlexBusy(f"Plex accepted the edit of {which}, but did not keep the {field_names(work.lost)}")

    def _judged(self, work: Work, change: Change, outcome: edit.Outcome) -> edit.Outcome:
        """Return the outcome of a change, corrected by how the edit went: not all may have been sent, or it was cut."""
        if not work.whole and outcome == "kept":
            return "unchanged"  # the change may not have been sent
        if outcome == "as_sent" and change.field in work.short:
            return "kept"
        known = work.target.record.written.kept.get(change.field, ("", ""))[0]
        if outcome == "unchanged" and known == fingerprint(change.field, change.desired):
            return "kept"
        return outcome

    def _store(self, works: Sequence[Work]) -> None:
        """Commit what was written, before the jobs are settled: after a crash a job is repeated, never lost."""
        before = self._planner.state.records(self._planner.machine, [work.record.rating_key for work in works])
        for work in works:
            if work.error is None:
                desired = {name: fingerprint(name, value) for name, value in work.target.desired.values.items()}
                written = owned(work.record.written, work.target.desired.values, work.edit.filled)
                work.record = replace(work.record, desired=desired, written=written)
        changed = [work.record for work in works if before.get(work.record.rating_key) != work.record]
        now = self._planner.clock()
        entries = [entry for work in works if (entry := entry_of(work, now)) is not None]
        if changed or entries:
            self._planner.state.store(self._planner.machine, changed, entries)
