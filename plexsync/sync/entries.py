"""What the page shows of a write: the entry that ``state/history.py`` keeps, made from a finished work. Pure."""

from __future__ import annotations

from plexsync.model.fields import NAMES, Value
from plexsync.model.paths import base_name
from plexsync.model.scene import Scene
from plexsync.state.history import UNDO, Entry, Name
from plexsync.sync import covers
from plexsync.sync.work import Undo, Work

#: Characters of a value that are kept: enough to recognise it.
SHOWN = 300


def entry_of(work: Work, now: float) -> Entry | None:
    """Return what was written to the item of a work, as it was read back; None if nothing was."""
    if not (work.sent or work.uploaded):
        return None
    name, images = name_of(work.target.scene), work.cover.arrived if work.cover and work.uploaded else ()
    return Entry(
        now,
        work.target.scene.id,
        name.title,
        work.target.item.rating_key,
        _changes(work) if work.sent else (),
        tuple(NAMES[covers.LOCKS[element]][0] for element in sorted(images, reverse=True)),
    )


def entry_of_undo(work: Undo, now: float) -> Entry:
    """Return what was put back to an item."""
    record = work.target.record
    put_back = [change for change in work.edit.changes if change.field not in work.rejected]
    return Entry(
        now,
        record.scene_id,
        record.title,
        record.rating_key,
        tuple((NAMES[change.field][0], shown(change.old), shown(change.new)) for change in put_back),
        tuple(NAMES[covers.LOCKS[element]][0] for element in sorted(work.shown, reverse=True)),
        UNDO,
    )


def _changes(work: Work) -> tuple[tuple[str, str, str], ...]:
    """Return the changes that arrived. Without a read-back, those of an edit that was accepted as a whole."""
    if work.after is None and not work.whole:
        return ()
    missing = {*work.rejected, *work.lost}
    found = [
        (change.field, change.old, change.new if work.after is None else work.after.value(change.field))
        for change in work.edit.changes
        if change.field not in missing
    ]
    return tuple((NAMES[field][0], shown(old), shown(new)) for field, old, new in found if old != new)


def name_of(scene: Scene) -> Name:
    """Return by what a person knows a scene."""
    path = scene.files[0].path if scene.files else ""
    return Name(scene.title or base_name(path), path)


def shown(value: Value) -> str:
    """Return a value as one text of at most ``SHOWN`` characters."""
    text = value if isinstance(value, str) else ", ".join(value)
    return text if len(text) <= SHOWN else f"{text[: SHOWN - 3]}..."
