"""Carry out planned edits: intents before each PUT, one PUT per item, one read-back for the batch, images last.

Raises what concerns Plex as a whole or the setup; what concerns one item becomes the error of that work.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace

from plexsync.log import Log, Private
from plexsync.model.errors import ItemGone, PlexBusy, Rejected, StashUnavailable
from plexsync.model.fields import field_names, fingerprint, skip_switches
from plexsync.model.item import Item
from plexsync.model.written import Change, confirmed, intended, locks_kept, owned
from plexsync.plex.client import Element
from plexsync.plex.images import check_cover, image_digest, media_type
from plexsync.queue.worker_queue import Job
from plexsync.stash.transport import CoverReply
from plexsync.sync import covers, edit
from plexsync.sync.edit import EditPlan, Params
from plexsync.sync.planner import Planner
from plexsync.sync.throttle import Throttle
from plexsync.sync.work import Cover, Work, named

#: Bytes of covers kept in memory between the edits and the uploads of a batch; covers beyond it are fetched again.
COVER_BYTES = 32_000_000

#: Attempts after which an edit that keeps failing with status 500, while others succeed, is sent field by field.
PATIENCE = 2

#: Lengths of a request line tried one after the other for a field that was rejected for its length.
SHORTER = (3072, 2048, 1024, 512)


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
    """Writes one batch. ``is_wanted`` is asked before each edit, so Stop takes effect within a batch too."""

    def __init__(self, planner: Planner, log: Log, throttle: Throttle, is_wanted: Callable[[Job], bool]) -> None:
        self._planner = planner
        self._log = log
        self._throttle = throttle
        self._is_wanted = is_wanted
        self._cover_bytes = 0
        self._written: set[int] = set()

    def write(self, works: Sequence[Work]) -> None:
        """Write the works and note how each ended. A work for which the batch has no time left stays as it was.

        Raise ``PlexUnavailable`` or ``SetupError``.
        """
        for work in works:
            self._prepare(work)
        self._intend([work for work in works if work.cover or not work.edit.empty])
        started: list[Work] = []
        for work in works:
            if not (self._throttle.lets_through(work.job) and self._is_wanted(work.job)):
                continue
            started.append(work)
            if not work.edit.empty:
                self._send(work)
        self._read_back([work for work in started if work.sent])
        try:
            for work in started:
                if work.cover and work.error is None:
                    self._upload(work)
        finally:
            self._store(started)
        for work in started:
            work.ended = True

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
            work.error = _no_cover(scene.id, error)
            return
        work.again = not covers.is_final(work.target, asked_at, reply.at)
        stamp = "" if work.again else covers.stamp(work.target)
        problem = check_cover(reply.data, reply.kind)
        if problem is None:
            self._choose(work, reply, stamp)
        elif problem.retry:
            work.error = _no_cover(scene.id, problem.reason)
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
        keep = self._cover_bytes + len(data) <= COVER_BYTES
        self._cover_bytes += len(data) if keep else 0
        unknown = tuple(element for element in elements if before.get(element, covers.Image()).mark == covers.UNKNOWN)
        kind = media_type(data, reply.kind)
        work.cover = Cover(elements, sha1, kind, data if keep else None, stamp, unknown)
        self._lock(work, (covers.LOCKS[element] for element in elements))
        # Noted before the PUT: a lock whose upload never came must not look like a person's choice, and an upload whose
        # answer never came is looked for before it is repeated.
        work.record = covers.intended(work.record, elements, sha1)

    def _intend(self, works: Sequence[Work]) -> None:
        """Commit what is about to be written: after a crash, an intended value counts as ours."""
        for work in works:
            planned = work.edit
            written = intended(work.record.written, work.target.item, planned.changes, planned.locks)
            work.record = replace(work.record, written=written)
        if works:
            self._planner.state.store(self._planner.machine, [work.record for work in works])

    def _send(self, work: Work) -> None:
        try:
            for params in edit.requests_for(work.edit, work.target.item).edits:
                self._put(work, params)
            work.whole = True
        except Rejected as error:
            self._throttle.answered()
            self._field_by_field(work, error)
        except PlexBusy as error:
            if error.status == 500 and work.job.attempts >= PATIENCE:
                self._field_by_field(work, error)
            else:
                work.error = error
                self._busy(work)
        except ItemGone as error:
            work.error = error

    def _put(self, work: Work, params: Params) -> None:
        item, client = work.target.item, self._planner.client
        client.put(item.section, item.rating_key, params)
        work.sent = True
        self._written.add(item.rating_key)
        self._throttle.wrote(client.session.last.seconds if client.session.last else 0.0)

    def _field_by_field(self, work: Work, first: Rejected | PlexBusy) -> None:
        """Send each field alone: accepted fields count, rejected ones are named in the dead letter."""
        rejected: dict[str, Rejected | PlexBusy] = {}
        accepted = False
        for single in _singles(work.edit):
            name = single.changes[0].field if single.changes else single.locks[0]
            try:
                self._put_single(work, single)
                accepted = True
            except (Rejected, PlexBusy) as error:
                if isinstance(error, PlexBusy) and error.status != 500:
                    work.error = error
                    self._busy(work)
                    return
                rejected[name] = error
            except ItemGone as gone:
                work.error = gone
                return
        work.rejected, work.whole = tuple(rejected), True
        busy = all(isinstance(error, PlexBusy) for error in rejected.values())
        if rejected and busy and not accepted and self._written <= {work.target.item.rating_key}:
            # Nothing was written, so nothing shows that this edit is at fault: Plex's database may be busy.
            work.error = first
            self._busy(work)
        elif rejected:
            work.error = _rejection(work.target.scene.id, rejected, accepted=accepted)

    def _put_single(self, work: Work, single: EditPlan) -> None:
        """Send one field; if it is rejected for its length, send it again, shorter each time."""
        requests = edit.requests_for(single, work.target.item).edits
        try:
            for params in requests:
                self._put(work, params)
        except Rejected as error:
            if error.status not in (413, 414) or not single.changes:
                raise
            self._put_shorter(work, single.changes[0], requests, error)

    def _put_shorter(self, work: Work, change: Change, tried: tuple[Params, ...], rejected: Rejected) -> None:
        for limit in SHORTER:
            part = edit.fitted(change, limit)
            if part is None:
                break
            requests = edit.requests_for(EditPlan((part,)), work.target.item, hard_limit=limit).edits
            if requests == tried:
                continue
            tried = requests
            self._shorten(work, part)
            try:
                for params in requests:
                    self._put(work, params)
            except Rejected as error:
                if error.status not in (413, 414):
                    raise
                continue
            if part.new != change.new:
                why = f"{field_names([change.field])}: cut, as Plex rejected a longer request ({_status(rejected)})"
                self._log.warning("shortened a field of scene", **named(work.target.scene), why=why)
            return
        raise rejected

    def _shorten(self, work: Work, part: Change) -> None:
        """Commit the shorter value as intended too: if the worker is killed now, it still counts as ours."""
        whole = next(change for change in work.edit.changes if change.field == part.field)
        if whole.new == part.new:
            return
        work.short.add(part.field)
        changes = tuple(part if change.field == part.field else change for change in work.edit.changes)
        work.edit = replace(work.edit, changes=changes)
        self._intend([work])

    def _busy(self, work: Work) -> None:
        """Raise ``PlexUnavailable`` if Plex as a whole fails: by the failures in a row, or by a probe."""
        self._throttle.busy(work)
        with self._planner.client.whole() as client:
            client.probe(work.target.item.section)

    def _read_back(self, works: Sequence[Work]) -> None:
        """Read all written items in one request: a job is done only if each field arrived as it was sent."""
        if not works:
            return
        after = self._planner.client.items([work.target.item.rating_key for work in works])
        read_at = self._planner.plex_time()
        for work in works:
            item = after.get(work.target.item.rating_key)
            if item is None:
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
        lost = [name for name, outcome in outcomes.items() if outcome == "unchanged"]
        if lost and work.error is None:
            which = f"scene {work.target.scene.id}"
            work.error = PlexBusy(f"Plex accepted the edit of {which}, but did not keep the {field_names(lost)}")

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

    def _upload(self, work: Work) -> None:
        cover, scene = work.cover, work.target.scene
        assert cover is not None
        try:
            data = cover.data if cover.data is not None else self._fetch_again(scene.id, cover)
            for element in cover.elements:
                self._upload_to(work, element, data, cover)
                self._throttle.answered()
            work.record = replace(work.record, cover_stamp=cover.stamp)
        except StashUnavailable as error:
            work.error = _no_cover(scene.id, error)
        except ItemGone as error:
            work.error = error
        except PlexBusy as error:
            work.error = error
            self._busy(work)
        except Rejected as error:
            work.error = Rejected(
                f"Plex rejected the cover of scene {scene.id} ({_status(error)}). Replace it in Stash,"
                f" or turn on {skip_switches(('thumb', 'art'))}.",
                status=error.status,
            )
        finally:
            cover.data = None

    def _upload_to(self, work: Work, element: Element, data: bytes, cover: Cover) -> None:
        client, key = self._planner.client, work.target.item.rating_key
        if element in cover.unknown:
            image = covers.images(work.record)[element]
            shown = covers.mark(work.target, image, cover.sha1, client.pictures(key, element))
            if shown != covers.LOST:
                work.record = covers.with_image(work.record, element, replace(image, mark=shown))
                return
        client.upload(key, element, data, cover.kind)
        work.record = covers.uploaded(work.record, element, cover.sha1)
        work.uploaded = True

    def _fetch_again(self, scene_id: int, cover: Cover) -> bytes:
        data = self._planner.stash.cover(scene_id).data
        if image_digest(data) != cover.sha1:
            raise StashUnavailable("it changed while the batch was being written")
        return data

    def _store(self, works: Sequence[Work]) -> None:
        """Commit what was written, before the jobs are settled: after a crash a job is repeated, never lost."""
        before = self._planner.state.records(self._planner.machine, [work.record.rating_key for work in works])
        for work in works:
            if work.error is None:
                desired = {name: fingerprint(name, value) for name, value in work.target.desired.values.items()}
                written = owned(work.record.written, work.target.desired.values, work.edit.filled)
                work.record = replace(work.record, desired=desired, written=written)
        changed = [work.record for work in works if before.get(work.record.rating_key) != work.record]
        if changed:
            self._planner.state.store(self._planner.machine, changed)


def _singles(edit: EditPlan) -> list[EditPlan]:
    """Return one plan for each change and each lock."""
    return [EditPlan((change,)) for change in edit.changes] + [EditPlan(locks=(lock,)) for lock in edit.locks]


def _rejection(scene_id: int, rejected: Mapping[str, Rejected | PlexBusy], *, accepted: bool) -> Rejected:
    """Return the error that names the rejected fields; ``accepted``: Plex took at least one other field."""
    error = list(rejected.values())[-1]
    rest = " The other fields were written." if accepted else ""
    them = "them" if len(rejected) > 1 else "it"
    return Rejected(
        f"Plex rejected the {field_names(rejected)} of scene {scene_id} ({_status(error)}).{rest}"
        f" Correct {them} in Stash, or turn on {skip_switches(rejected)}.",
        status=error.status or 500,
    )


def _status(error: Rejected | PlexBusy) -> str:
    return f"status {error.status}" if error.status else str(error).rstrip(".")


def _no_cover(scene_id: int, why: object) -> PlexBusy:
    """Return the error of a cover that could not be fetched for now: like a busy Plex, it is worth a retry."""
    return PlexBusy(f"The cover of scene {scene_id} could not be fetched: {why}")
