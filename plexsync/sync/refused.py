"""What Plex refused of an item before: it is not sent again until it changes, or somebody retries. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from plexsync.model.errors import Rejected
from plexsync.model.fields import field_names, fingerprint, skip_switches
from plexsync.queue.dead_letters import RETRIED
from plexsync.sync.work import Work


def recall(work: Work) -> None:
    """Take out of the edit what Plex refused before. A dead letter that was put back has everything sent once more."""
    written = work.record.written
    if work.job.reason == RETRIED and written.refused:
        work.record = replace(work.record, written=replace(written, refused={}))
    refused = work.record.written.refused
    if not refused:
        return
    known = {
        change.field
        for change in work.edit.changes
        if refused.get(change.field) == fingerprint(change.field, change.desired)
    }
    locks = tuple(lock for lock in work.edit.locks if lock not in refused and lock not in known)
    changes = tuple(change for change in work.edit.changes if change.field not in known)
    work.edit = replace(work.edit, changes=changes, locks=locks)
    images = {name for name, on in _images(work).items() if on and name in refused}
    work.known_refused = tuple(sorted(known | images))


def _images(work: Work) -> dict[str, bool]:
    return {"thumb": work.target.desired.poster, "art": work.target.desired.background}


def remember(work: Work, fingerprints: Iterable[tuple[str, str]]) -> None:
    """Note what Plex refused: (field, or lock of an image, and fingerprint of the value)."""
    refused = {**work.record.written.refused, **dict(fingerprints)}
    work.record = replace(work.record, written=replace(work.record.written, refused=refused))


def forget(work: Work, names: Iterable[str]) -> None:
    """Note that Plex accepted these fields or images."""
    gone = set(names)
    refused = {name: print_ for name, print_ in work.record.written.refused.items() if name not in gone}
    if refused != work.record.written.refused:
        work.record = replace(work.record, written=replace(work.record.written, refused=refused))


def known(work: Work) -> Rejected | None:
    """Return the error of a work of which only parts are missing that Plex refused before, else None."""
    names = work.known_refused
    if not names:
        return None
    them = "them" if len(names) > 1 else "it"
    return Rejected(
        f"Plex rejected the {field_names(names)} of scene {work.target.scene.id} before, and {them} did not change."
        f" Correct {them} in Stash, turn on {skip_switches(names)}, or run Process DLQ to try again.",
        status=400,
        known=True,
    )
