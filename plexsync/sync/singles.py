"""Send an edit field by field, to find out which part of it Plex refuses: once, not at each attempt."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from plexsync.log import Log
from plexsync.model.errors import ItemGone, KindPaused, PlexBusy, PlexSyncError, Refused, Rejected
from plexsync.model.fields import field_names, fingerprint, skip_switches
from plexsync.model.written import Change
from plexsync.state.gates import EDIT
from plexsync.sync import edit, refused
from plexsync.sync.edit import EditPlan, Params
from plexsync.sync.opinions import Opinions
from plexsync.sync.planner import Planner
from plexsync.sync.throttle import Throttle
from plexsync.sync.work import Work, named

#: Lengths of a request line tried one after the other for a field that was rejected for its length.
SHORTER = (3072, 2048, 1024, 512)

#: What may be wrong with one part of an edit.
_Refusal = Rejected | Refused | PlexBusy


class Singles:
    """Sends edits, whole or in parts. ``intend`` commits what is about to be written."""

    def __init__(
        self,
        planner: Planner,
        log: Log,
        throttle: Throttle,
        opinions: Opinions,
        intend: Callable[[Sequence[Work]], None],
    ) -> None:
        self._planner = planner
        self._log = log
        self._throttle = throttle
        self._opinions = opinions
        self._intend = intend

    def put(self, work: Work, params: Params) -> None:
        """Send one request of an edit, and pause if Plex is slow."""
        item, client = work.target.item, self._planner.client
        client.put(item.section, item.rating_key, params)
        work.sent = True
        self._planner.kinds.succeeded(EDIT)
        self._throttle.wrote(client.session.last.seconds if client.session.last else 0.0)

    def held(self, work: Work) -> KindPaused:
        """Return the error of a work whose edit failed because Plex takes none at present."""
        held = self._planner.kinds.held(EDIT, work.job)
        held.tried = True
        return held

    def send(self, work: Work, first: _Refusal) -> None:
        """Send each field alone: accepted fields count, rejected ones are named in the dead letter and remembered."""
        rejected: dict[str, _Refusal] = {}
        accepted: list[str] = []
        singles = _parts(work.edit)
        for single in singles:
            name = single.changes[0].field if single.changes else (*single.locks, *single.unlocks)[0]
            try:
                if len(singles) == 1 and first.status not in (413, 414):
                    raise first  # it was sent alone just now
                self._put_single(work, single)
                accepted += [name] if single.changes else []
                work.locked |= set(single.locks)
            except (Rejected, Refused, PlexBusy) as error:
                if isinstance(error, PlexBusy) and error.status != 500:
                    work.fail(error)
                    return
                rejected[name] = error
            except ItemGone as gone:
                work.fail(gone)
                return
        work.rejected, work.whole = tuple(rejected), True
        refused.forget(work, accepted)
        if rejected and not accepted and not self._opinions.is_items_fault(EDIT, work, first):
            work.fail(self.held(work))
        elif rejected:
            values = {name: error for name, error in rejected.items() if name not in work.edit.locks}
            why = str(_rejection(work, values, accepted=False)) if values else ""
            refused.remember(work, self._fingerprints(work, rejected), why)
            if values:  # a lock alone that Plex refuses leaves nothing for a person to do
                work.fail(_rejection(work, values, accepted=bool(accepted)))

    @staticmethod
    def _fingerprints(work: Work, rejected: Mapping[str, PlexSyncError]) -> list[tuple[str, str]]:
        wanted = {change.field: fingerprint(change.field, change.desired) for change in work.edit.changes}
        image = work.cover.sha1 if work.cover else ""
        return [(name, wanted.get(name, image)) for name in rejected]

    def _put_single(self, work: Work, single: EditPlan) -> None:
        """Send one field; if it is rejected for its length, send it again, shorter each time."""
        requests = edit.requests_for(single, work.target.item).edits
        try:
            for params in requests:
                self.put(work, params)
        except Rejected as error:
            if error.status not in (413, 414) or not single.changes or work.is_undo:
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
                    self.put(work, params)
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


def _parts(edit: EditPlan) -> list[EditPlan]:
    """Return one plan for each change and each lock that is set or released."""
    single = EditPlan(whole=edit.whole)
    changes = [replace(single, changes=(change,)) for change in edit.changes]
    locks = [replace(single, locks=(lock,)) for lock in edit.locks]
    return changes + locks + [replace(single, unlocks=(lock,)) for lock in edit.unlocks]


def _rejection(work: Work, rejected: Mapping[str, _Refusal], *, accepted: bool) -> Rejected:
    """Return the error that names the rejected fields; ``accepted``: Plex took at least one other field."""
    scene_id = work.target.scene.id
    skip = "" if work.is_undo else f", or turn on {skip_switches(rejected)}"
    error = list(rejected.values())[-1]
    rest = " The other fields were written." if accepted else ""
    them = "them" if len(rejected) > 1 else "it"
    if isinstance(error, Refused):
        return Rejected(
            f"Something between PlexSync and Plex, a proxy or firewall, refused the {field_names(rejected)} of scene"
            f" {scene_id} ({_status(error)}), though the token is accepted.{rest} Let the edit pass there{skip}.",
            status=error.status,
        )
    remedy = f"Correct {them} in Plex by hand" if work.is_undo else f"Correct {them} in Stash{skip}"
    return Rejected(
        f"Plex rejected the {field_names(rejected)} of scene {scene_id} ({_status(error)}).{rest} {remedy}.",
        status=error.status or 500,
    )


def _status(error: _Refusal) -> str:
    return f"status {error.status}" if error.status else str(error).rstrip(".")
