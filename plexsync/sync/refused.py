"""What Plex refused of an item before: it is not sent again until it changes, or somebody retries. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from plexsync.model.errors import Rejected
from plexsync.model.fields import field_names, fingerprint
from plexsync.queue.dead_letters import RETRIED
from plexsync.sync import covers
from plexsync.sync.work import Work


def retry(work: Work) -> None:
    """Forget what Plex refused of a dead letter that was put back: all is sent once more, its images included."""
    written = work.record.written
    if work.job.reason == RETRIED and written.refused:
        work.record = replace(work.record, written=replace(written, refused={}), cover_stamp="")


def is_refused(work: Work, name: str, value: str) -> bool:
    """Return whether Plex refused this value (its fingerprint) of a field or image before."""
    return work.record.written.refused.get(name, "").partition(" ")[0] == value


def recall(work: Work) -> None:
    """Take out of the edit what Plex refused before."""
    refused = work.record.written.refused
    if not refused:
        return
    known = {
        change.field
        for change in work.edit.changes
        if is_refused(work, change.field, fingerprint(change.field, change.desired))
    }
    locks = tuple(lock for lock in work.edit.locks if lock not in refused and lock not in known)
    changes = tuple(change for change in work.edit.changes if change.field not in known)
    work.edit = replace(work.edit, changes=changes, locks=locks)
    images = {covers.LOCKS[element] for element in covers.wanted(work.target)} & refused.keys()
    work.known_refused = tuple(sorted(known | images))


def remember(work: Work, fingerprints: Iterable[tuple[str, str]], why: str) -> None:
    """Note what Plex refused: (field, or lock of an image, and fingerprint of the value), and the sentence about it."""
    refused = {**work.record.written.refused, **{name: f"{value} {why}" for name, value in fingerprints}}
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
    told = [work.record.written.refused.get(name, "").partition(" ")[2] for name in names]
    why = " ".join(dict.fromkeys(filter(None, told)))
    why = why or f"Plex rejected the {field_names(names)} of scene {work.target.scene.id}."
    same = "They have not changed since, and are" if len(names) > 1 else "It has not changed since, and is"
    return Rejected(
        f"{why} {same} not sent again unasked: Process DLQ tries again.",
        status=400,
        known=True,
    )
