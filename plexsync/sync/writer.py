"""Carrying planned edits out: intents before each PUT, one PUT an item, one read-back for the batch, images last.

Raises for what concerns the whole of Plex or the setup; what concerns one item becomes that work's error.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from plexsync.log import Log, Private
from plexsync.model.errors import ItemGone, PlexBusy, Rejected, StashUnavailable
from plexsync.model.fields import fingerprint
from plexsync.model.item import Item
from plexsync.model.written import Change, confirmed, intended
from plexsync.plex.client import Element
from plexsync.plex.images import check_cover, image_digest
from plexsync.queue.worker_queue import Job
from plexsync.sync import covers, edit
from plexsync.sync.edit import EditPlan, Params
from plexsync.sync.planner import Planner
from plexsync.sync.throttle import Throttle
from plexsync.sync.work import Cover, Work, named

#: Bytes of covers kept in memory between the edits and the uploads of a batch; further ones are fetched again.
COVER_BYTES = 32_000_000

#: Attempts after which an edit that keeps failing with 500, while others succeed, is tried field by field.
PATIENCE = 2

#: Characters of a request line that are tried, one after the other, for a field that was refused for its length.
SHORTER = (3072, 2048, 1024, 512)

#: A lock that Plex refuses -> the field that a person knows.
LOCKED = {"thumb": "poster", "art": "background"}


class DryWriter:
    """The writer under ``dryRun``: finds out what would be written."""

    def write(self, works: Sequence[Work]) -> None:
        """Note which works would write something."""
        for work in works:
            work.held_back = not work.edit.empty or covers.is_due(work.target, work.record)
            work.ended = True


class Writer:
    """Writes one batch. ``is_wanted`` is asked before each edit: Stop means stop within a batch too."""

    def __init__(self, planner: Planner, log: Log, throttle: Throttle, is_wanted: Callable[[Job], bool]) -> None:
        self._planner = planner
        self._log = log
        self._throttle = throttle
        self._is_wanted = is_wanted
        self._held = 0
        self._wrote: set[int] = set()

    def write(self, works: Sequence[Work]) -> None:
        """Write the works and note how each ended. One for which the batch has no time stays as it was.

        Raises ``PlexUnavailable`` or ``SetupError``.
        """
        for work in works:
            self._prepare(work)
        self._intend([work for work in works if work.cover or not work.edit.empty])
        done: list[Work] = []
        for work in works:
            if not (self._throttle.lets_through(work.job) and self._is_wanted(work.job)):
                continue
            done.append(work)
            if not work.edit.empty:
                self._send(work)
        self._read_back([work for work in done if work.sent])
        try:
            for work in done:
                if work.cover and work.error is None:
                    self._upload(work)
        finally:
            self._store(done)
        for work in done:
            work.ended = True

    def _prepare(self, work: Work) -> None:
        """Fetch the cover where it may have changed, because the locks of the images go with the item's one PUT."""
        scene, record = work.target.scene, work.record
        for name, why in work.edit.left:
            self._log.debug("left field alone", **named(scene), field=name, why=why)
        for warning in work.edit.warnings:
            self._log.warning("shortened", **named(scene), why=warning)
        if not covers.is_due(work.target, record):
            return
        try:
            data, kind = self._planner.stash.cover(scene.id)
        except StashUnavailable as error:
            work.error = PlexBusy(f"The cover of scene {scene.id} was not fetched: {error}")
            return
        problem = check_cover(data, kind)
        if problem and problem.retry:
            work.error = PlexBusy(f"The cover of scene {scene.id} was not fetched: {problem.reason}")
        elif problem:
            work.record = replace(record, cover_stamp=covers.stamp(work.target))
            if not problem.placeholder:
                self._log.warning("skipped cover", **named(scene), why=problem.reason)
        else:
            self._choose(work, data, kind)

    def _choose(self, work: Work, data: bytes, kind: str) -> None:
        sha1 = image_digest(data)
        keep_edits = self._planner.settings.keep_plex_edits
        elements = covers.elements(work.target, work.record, sha1, keep_plex_edits=keep_edits)
        if not elements:
            work.record = replace(work.record, cover_stamp=covers.stamp(work.target))
            return
        keep = self._held + len(data) <= COVER_BYTES
        self._held += len(data) if keep else 0
        work.cover = Cover(elements, sha1, kind, data if keep else None)
        locks = (covers.LOCKS[element] for element in elements)
        work.edit = replace(work.edit, locks=tuple(lock for lock in locks if lock not in work.target.item.locked))
        # A lock without an upload must not look like a person's choice, nor an upload without an answer be repeated.
        meant = covers.held(work.record) | dict.fromkeys(elements, "")
        work.record = replace(work.record, cover=covers.text(meant))

    def _intend(self, works: Sequence[Work]) -> None:
        """Commit what is about to be written: an intent without an outcome counts as ours."""
        for work in works:
            work.record = replace(work.record, written=intended(work.record.written, work.edit.changes))
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
        self._wrote.add(item.rating_key)
        self._throttle.wrote(client.session.last.seconds if client.session.last else 0.0)

    def _field_by_field(self, work: Work, first: Rejected | PlexBusy) -> None:
        """Each field alone: accepted ones count, refused ones are named in the dead letter."""
        refused: dict[str, Rejected | PlexBusy] = {}
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
                refused[name] = error
            except ItemGone as gone:
                work.error = gone
                return
        work.refused, work.whole = tuple(refused), True
        busy = all(isinstance(error, PlexBusy) for error in refused.values())
        if refused and busy and not accepted and self._wrote <= {work.target.item.rating_key}:
            # Nothing shows that it is this edit's doing: Plex may be busy with its own database.
            work.error = first
            self._busy(work)
        elif refused:
            work.error = _refusal(work.target.scene.id, refused)

    def _put_single(self, work: Work, single: EditPlan) -> None:
        """Send one field; refused for its length it is sent again, shorter each time."""
        requests = edit.requests_for(single, work.target.item).edits
        try:
            for params in requests:
                self._put(work, params)
        except Rejected as error:
            if error.status not in (413, 414) or not single.changes:
                raise
            self._put_shorter(work, single.changes[0], requests, error)

    def _put_shorter(self, work: Work, change: Change, tried: tuple[Params, ...], refused: Rejected) -> None:
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
                why = f"{change.field} was cut because Plex refused a longer request: {refused}"
                self._log.warning("shortened", **named(work.target.scene), why=why)
            return
        raise refused

    def _shorten(self, work: Work, part: Change) -> None:
        """Intend the shorter value as well: should the worker be killed now, it counts as ours."""
        whole = next(change for change in work.edit.changes if change.field == part.field)
        if whole.new == part.new:
            return
        work.short.add(part.field)
        changes = tuple(part if change.field == part.field else change for change in work.edit.changes)
        work.edit = replace(work.edit, changes=changes)
        self._intend([work])

    def _busy(self, work: Work) -> None:
        """Ask whether it is Plex as a whole that fails: five items in a row say so, or a small read."""
        self._throttle.busy(work)
        with self._planner.client.whole() as client:
            client.probe(work.target.item.section)

    def _read_back(self, works: Sequence[Work]) -> None:
        """Read once all that was written: a job is done only when each field is there as it was sent."""
        if not works:
            return
        after = self._planner.client.items([work.target.item.rating_key for work in works])
        for work in works:
            item = after.get(work.target.item.rating_key)
            if item is None:
                work.error = ItemGone(
                    f"The item of scene {work.target.scene.id} vanished from Plex while it was written"
                )
            else:
                self._compare(work, item)

    def _compare(self, work: Work, after: Item) -> None:
        sent = replace(work.edit, changes=tuple(c for c in work.edit.changes if c.field not in work.refused))
        outcomes = dict(edit.verify(after, sent, work.target.item))
        for change in sent.changes:
            outcomes[change.field] = self._judged(work, change, outcomes[change.field])
        work.record = replace(work.record, written=confirmed(work.record.written, sent.changes, outcomes, after))
        for change in sent.changes:
            if outcomes[change.field] == "kept" and change.field not in work.short:
                self._log.warning(
                    "differs: Plex stored another value than was sent",
                    **named(work.target.scene),
                    field=change.field,
                    sent=Private(str(change.new)),
                    stored=Private(str(after.value(change.field))),
                )
        lost = [name for name, outcome in outcomes.items() if outcome == "unchanged"]
        if lost and work.error is None:
            what = ", ".join(lost)
            work.error = PlexBusy(f"Plex accepted the edit of scene {work.target.scene.id} but did not keep {what}")

    def _judged(self, work: Work, change: Change, outcome: edit.Outcome) -> edit.Outcome:
        """Correct the outcome by how the edit went: a part may not have been sent, or was cut."""
        if not work.whole and outcome == "kept":
            return "unchanged"  # what differs may simply not have been sent
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
            data = cover.data if cover.data is not None else self._fetched_again(scene.id, cover)
            for element in cover.elements:
                self._upload_to(work, element, data, cover)
                held = {**covers.held(work.record), element: cover.sha1}
                work.record = replace(work.record, cover=covers.text(held))
                self._throttle.answered()
            work.record = replace(work.record, cover_stamp=covers.stamp(work.target))
        except StashUnavailable as error:
            work.error = PlexBusy(f"The cover of scene {scene.id} was not fetched: {error}")
        except ItemGone as error:
            work.error = error
        except PlexBusy as error:
            work.error = error
            self._busy(work)
        except Rejected as error:
            work.error = Rejected(
                f"Plex refused the cover of scene {scene.id} ({error}). Replace it in Stash,"
                " or switch the poster and the background off.",
                status=error.status,
                fields=("poster",),
            )
        finally:
            cover.data = None

    def _upload_to(self, work: Work, element: Element, data: bytes, cover: Cover) -> None:
        client, key = self._planner.client, work.target.item.rating_key
        unanswered = covers.held(work.target.record).get(element) == ""
        if unanswered and client.has_image(key, element, cover.sha1):
            return
        client.upload(key, element, data, cover.kind)
        work.uploaded = True

    def _fetched_again(self, scene_id: int, cover: Cover) -> bytes:
        data, _ = self._planner.stash.cover(scene_id)
        if image_digest(data) != cover.sha1:
            raise StashUnavailable("it changed while the batch was written")
        return data

    def _store(self, works: Sequence[Work]) -> None:
        """Commit what was written before the jobs are settled: after a crash a job is repeated, never lost."""
        before = self._planner.state.records(self._planner.machine, [work.record.rating_key for work in works])
        for work in works:
            if work.error is None:
                desired = {name: fingerprint(name, value) for name, value in work.target.desired.values.items()}
                work.record = replace(work.record, desired=desired)
        changed = [work.record for work in works if before.get(work.record.rating_key) != work.record]
        if changed:
            self._planner.state.store(self._planner.machine, changed)


def _singles(edit: EditPlan) -> list[EditPlan]:
    """Return one plan for each change and each lock."""
    return [EditPlan((change,)) for change in edit.changes] + [EditPlan(locks=(lock,)) for lock in edit.locks]


def _refusal(scene_id: int, refused: Mapping[str, Rejected | PlexBusy]) -> Rejected:
    names = [LOCKED.get(name, name) for name in refused]
    what, error = ", ".join(names), list(refused.values())[-1]
    return Rejected(
        f"Plex refused {what} of scene {scene_id} ({error}). The other fields were written."
        f" Change {what} in Stash, or switch the field off.",
        status=error.status or 500,
        fields=names,
    )
