"""Carrying planned edits out: intents before each PUT, one PUT an item, one read-back for the batch, images last.

Raises for what concerns the whole of Plex or the setup; what concerns one item becomes that item's result.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from plexsync.log import Log, Private
from plexsync.model.errors import ItemGone, PlexBusy, PlexSyncError, PlexUnavailable, Rejected, StashUnavailable
from plexsync.model.fields import fingerprint
from plexsync.model.item import Item
from plexsync.model.written import Change, confirmed, intended
from plexsync.plex.client import Element
from plexsync.plex.images import check_cover, image_digest
from plexsync.state.ledger import Record
from plexsync.sync import covers, edit
from plexsync.sync.edit import EditPlan, Params
from plexsync.sync.planner import Planner, Target
from plexsync.sync.throttle import BUSY_IN_A_ROW

#: Bytes of covers kept in memory between the edits and the uploads of a batch; further ones are fetched again.
COVER_BYTES = 32_000_000

#: Attempts after which an edit that keeps failing with 500, while others succeed, is tried field by field.
PATIENCE = 2

#: Characters of a request line that are tried, one after the other, for a field that was refused for its length.
SHORTER = (3072, 2048, 1024, 512)

#: A lock that Plex refuses -> the field that a person knows.
LOCKED = {"thumb": "poster", "art": "background"}


@dataclass(slots=True)
class Cover:
    """An image to upload: for ``elements`` (``posters``, ``arts``); ``data`` is None when it is to be fetched again."""

    elements: tuple[Element, ...]
    sha1: str
    kind: str
    data: bytes | None


@dataclass(slots=True)
class Work:
    """One target under way. ``edit``: what is sent, and later what was sent, of which ``short`` names the fields that
    were cut on the way. ``sent``: an edit reached Plex; ``whole``: nothing of it was left unsent, though some may have
    been refused. ``error``: why it did not end well."""

    target: Target
    attempts: int = 0
    record: Record = field(init=False)
    edit: EditPlan = field(init=False)
    cover: Cover | None = None
    sent: bool = False
    whole: bool = False
    uploaded: bool = False
    error: PlexSyncError | None = None
    refused: tuple[str, ...] = ()
    short: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.record = self.target.record
        self.edit = self.target.edit

    @property
    def outcome(self) -> str:
        """``synced`` if anything was written, else ``unchanged``."""
        return "synced" if self.sent or self.uploaded else "unchanged"


class Writer:
    """Writes the targets of one batch. ``pace`` is called after each write with the seconds that Plex took."""

    def __init__(
        self,
        planner: Planner,
        log: Log,
        pace: Callable[[float], None],
        wanted_still: Callable[[Target], bool],
        streak: Callable[[Target, bool], int],
    ) -> None:
        self._planner = planner
        self._log = log
        self._pace = pace
        self._wanted_still = wanted_still
        self._streak = streak
        self._held = 0
        self._wrote: set[int] = set()

    def write(self, targets: Sequence[tuple[Target, int]]) -> list[Work]:
        """Write (target, attempts so far); raises ``PlexUnavailable`` or ``SetupError``."""
        works = [Work(target, attempts) for target, attempts in targets]
        for work in works:
            self._prepare(work)
        self._intend([work for work in works if work.cover or not work.edit.empty])
        done: list[Work] = []
        for work in works:
            if not self._wanted_still(work.target):
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
        return done

    def _prepare(self, work: Work) -> None:
        """Fetch the cover where it may have changed, because its locks ride in the item's one PUT."""
        scene, record = work.target.scene, work.record
        for name, why in work.edit.left:
            self._log.debug("left field alone", scene=scene.id, field=name, why=why)
        for warning in work.edit.warnings:
            self._log.warning("shortened", scene=scene.id, why=warning)
        if not covers.is_due(work.target, record):
            return
        try:
            data, kind = self._planner.stash.cover(scene.id)
        except StashUnavailable as error:
            work.error = PlexBusy(f"scene {scene.id}: the cover was not fetched: {error}")
            return
        problem = check_cover(data, kind)
        if problem and problem.retry:
            work.error = PlexBusy(f"scene {scene.id}: the cover was not fetched: {problem.reason}")
        elif problem:
            work.record = replace(record, cover_stamp=covers.mark(work.target))
            if not problem.placeholder:
                self._log.warning("skipped cover", scene=scene.id, why=problem.reason)
        else:
            self._choose(work, data, kind)

    def _choose(self, work: Work, data: bytes, kind: str) -> None:
        sha1 = image_digest(data)
        keep_edits = self._planner.settings.keep_plex_edits
        elements = covers.elements(work.target, work.record, sha1, keep_plex_edits=keep_edits)
        if not elements:
            work.record = replace(work.record, cover_stamp=covers.mark(work.target))
            return
        keep = self._held + len(data) <= COVER_BYTES
        self._held += len(data) if keep else 0
        work.cover = Cover(elements, sha1, kind, data if keep else None)
        locks = (covers.LOCKS[element] for element in elements)
        work.edit = replace(work.edit, locks=tuple(lock for lock in locks if lock not in work.target.item.locked))
        # A lock without its upload must not look like a person's choice, nor an upload without an answer be repeated.
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
            self._streak(work.target, True)
            self._field_by_field(work, error)
        except PlexBusy as error:
            if error.status == 500 and work.attempts >= PATIENCE:
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
        self._streak(work.target, True)
        self._pace(client.session.last.seconds if client.session.last else 0.0)

    def _field_by_field(self, work: Work, first: Rejected | PlexBusy) -> None:
        """Each field alone: accepted ones count, refused ones are named in the dead letter."""
        refused: dict[str, Rejected | PlexBusy] = {}
        accepted = False
        for one in _alone(work.edit):
            name = one.changes[0].field if one.changes else one.locks[0]
            try:
                self._alone(work, one)
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

    def _alone(self, work: Work, one: EditPlan) -> None:
        """One field; refused for its length it is sent again, shortened more and more."""
        requests = edit.requests_for(one, work.target.item).edits
        try:
            for params in requests:
                self._put(work, params)
        except Rejected as error:
            if error.status not in (413, 414) or not one.changes:
                raise
            self._shrinking(work, one.changes[0], requests, error)

    def _shrinking(self, work: Work, change: Change, tried: tuple[Params, ...], refused: Rejected) -> None:
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
                why = f"{change.field} was cut, because Plex refused a longer request: {refused}"
                self._log.warning("shortened", scene=work.target.scene.id, why=why)
            return
        raise refused

    def _shorten(self, work: Work, part: Change) -> None:
        """What is sent now is another value than the one intended, and as much ours should the worker be killed."""
        whole = next(change for change in work.edit.changes if change.field == part.field)
        if whole.new == part.new:
            return
        work.short.add(part.field)
        work.edit = replace(
            work.edit, changes=tuple(part if one.field == part.field else one for one in work.edit.changes)
        )
        self._intend([work])

    def _busy(self, work: Work) -> None:
        """One item failed in a way that may pass: is it Plex as a whole? The probe, and five in a row, tell."""
        in_a_row = self._streak(work.target, False)
        if in_a_row >= BUSY_IN_A_ROW:
            raise PlexUnavailable(f"Plex answers, but {in_a_row} different items failed in a row: {work.error}")
        probe(self._planner, work.target.item.section)

    def _read_back(self, works: Sequence[Work]) -> None:
        """One read of everything written: a row is removed only when each field is there as it was sent."""
        if not works:
            return
        after = self._planner.client.items([work.target.item.rating_key for work in works])
        for work in works:
            item = after.get(work.target.item.rating_key)
            if item is None:
                work.error = ItemGone(f"scene {work.target.scene.id}: its item vanished from Plex while it was written")
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
                    "noticed that Plex keeps it differently",
                    scene=work.target.scene.id,
                    field=change.field,
                    sent=Private(str(change.new)),
                    kept=Private(str(after.value(change.field))),
                )
        lost = [name for name, outcome in outcomes.items() if outcome == "unchanged"]
        if lost and work.error is None:
            what = ", ".join(lost)
            work.error = PlexBusy(f"Plex accepted the edit of scene {work.target.scene.id} but did not keep {what}")

    def _judged(self, work: Work, change: Change, outcome: edit.Outcome) -> edit.Outcome:
        """The outcome in the light of how the edit went."""
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
                self._one_upload(work, element, data, cover)
                held = {**covers.held(work.record), element: cover.sha1}
                work.record = replace(work.record, cover=covers.text(held))
                self._streak(work.target, True)
            work.record = replace(work.record, cover_stamp=covers.mark(work.target))
        except StashUnavailable as error:
            work.error = PlexBusy(f"scene {scene.id}: the cover was not fetched: {error}")
        except ItemGone as error:
            work.error = error
        except PlexBusy as error:
            work.error = error
            self._busy(work)
        except Rejected as error:
            work.error = Rejected(
                f"Plex refused the cover of scene {scene.id} ({error}); replace it in Stash,"
                " or skip poster and background.",
                status=error.status,
                fields=("poster",),
            )
        finally:
            cover.data = None

    def _one_upload(self, work: Work, element: Element, data: bytes, cover: Cover) -> None:
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
        """Commit what came of it before the jobs are settled: a crash between the two repeats, never forgets."""
        before = self._planner.state.records(self._planner.machine, [work.record.rating_key for work in works])
        for work in works:
            if work.error is None:
                wish = {name: fingerprint(name, value) for name, value in work.target.wanted.values.items()}
                work.record = replace(work.record, desired=wish)
        changed = [work.record for work in works if before.get(work.record.rating_key) != work.record]
        if changed:
            self._planner.state.store(self._planner.machine, changed)


def probe(planner: Planner, section: int | None) -> None:
    """One small read: returns when Plex answers others; raises ``PlexUnavailable`` or ``SetupError``."""
    try:
        planner.client.probe(section)
    except PlexBusy as error:
        raise PlexUnavailable(f"Plex does not answer: {error}") from None


def _alone(edit: EditPlan) -> list[EditPlan]:
    """One plan for each change and each lock."""
    return [EditPlan((change,)) for change in edit.changes] + [EditPlan(locks=(lock,)) for lock in edit.locks]


def _refusal(scene_id: int, refused: Mapping[str, Rejected | PlexBusy]) -> Rejected:
    names = [LOCKED.get(name, name) for name in refused]
    what, error = ", ".join(names), list(refused.values())[-1]
    return Rejected(
        f"Plex refused {what} of scene {scene_id} ({error}); the other fields were written."
        f" Change {what} in Stash, or switch that field off.",
        status=error.status or 500,
        fields=names,
    )
