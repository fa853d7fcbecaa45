"""How operations answer with rows of the databases: dead letters, waiting scenes, items written, outages.

Standard library alone.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

from plexsync.model.job_key import JobKey
from plexsync.queue.dead_letters import DeadLetter
from plexsync.queue.jobs import Waiting
from plexsync.state.history import Entry, Name, Outage
from plexsync.state.meta import Meta
from plexsync.status import moment

TYPE_CHECKING = False
if TYPE_CHECKING:
    from plexsync.state.ledger import Record

#: In the address of Plex's web page for an item.
_ITEM = "/library/metadata/"


def dead_letters(letters: Sequence[DeadLetter], meta: Meta) -> list[dict[str, Any]]:
    """Return the contract's dead letters; that of an undo names the scene of its item."""
    scenes = {key: record.scene_id for key, record in _undone(letters, meta).items()}
    return [_dead_letter(letter, scenes) for letter in letters]


def undone_names(letters: Sequence[DeadLetter], meta: Meta) -> dict[int, Name]:
    """Return scene id -> name of the scenes whose undo is among the dead letters."""
    return {
        record.scene_id: Name(record.title, record.stash_path)
        for record in _undone(letters, meta).values()
        if record.scene_id
    }


def _undone(letters: Sequence[DeadLetter], meta: Meta) -> dict[int, Record]:
    """Return rating key -> record of the items whose undo is among the dead letters."""
    keys = [JobKey.parse(letter.key) for letter in letters]
    items = [key.id for key in keys if key is not None and key.is_undo]
    if not items or not meta.is_file:
        return {}
    from plexsync.state.ledger import State  # the page is seldom about an undo that failed, and this costs it 10 ms

    return State(meta.conn).records_for_undo(meta.machine, items)


def _dead_letter(row: DeadLetter, undone: Mapping[int, int]) -> dict[str, Any]:
    key = JobKey.parse(row.key)
    scene_id = undone.get(key.id, 0) if key is not None and key.is_undo else 0
    if key is not None and key.is_scene:
        scene_id = key.id
    return {
        "id": row.row,
        "scene_id": scene_id or None,
        "key": row.key,
        "reason": row.reason,
        "message": row.message or "",
        "attempts": row.attempts,
        "first_seen": moment(row.first_seen),
        "last_seen": moment(row.last_seen),
        "candidates": json.loads(row.candidates) if row.candidates else [],
    }


def named(row: dict[str, Any], names: dict[int, Name]) -> dict[str, Any]:
    """Return a row with title and path of its scene, ``""`` where they are unknown."""
    name = names.get(row["scene_id"], Name())
    return {**row, "title": name.title, "path": name.path}


def waiting(row: Waiting) -> dict[str, Any]:
    """Return a scene of which Plex does not have the file yet: since when, and when it is looked for next."""
    return {"scene_id": row.scene_id, "since": moment(row.since), "next": moment(row.due)}


def written(entry: Entry, choices: Mapping[int, int]) -> dict[str, Any]:
    """Return one item that was written. ``choices``: scene id -> rating key of the item chosen for it."""
    return {
        "scene_id": entry.scene_id,
        "title": entry.title,
        "rating_key": entry.rating_key,
        "at": moment(entry.at),
        "changes": changes(entry),
        "images": list(entry.images),
        "kind": entry.kind,
        "chosen": choices.get(entry.scene_id) == entry.rating_key,
    }


def changes(entry: Entry) -> list[dict[str, str]]:
    """Return the changes of one item that was written."""
    return [{"field": field, "old": old, "new": new} for field, old, new in entry.changes]


def outage(row: Outage, held: int) -> dict[str, Any]:
    """Return one outage; ``held``: how many jobs are left now, for one that lasts."""
    is_open = row.ended is None
    return {
        "from": moment(row.began),
        "to": moment(row.ended),
        "cause": row.cause,
        "held": max(row.held, held) if is_open else row.held,
    }


def web(meta: Meta) -> str:
    """Return the address of Plex's web page for an item, with ``{key}``; ``""`` if Plex was never reached."""
    machine, base = meta.machine, meta.plex_url
    if not (machine and base):
        return ""
    return f"{base}/web/index.html#!/server/{quote(machine, safe='')}/details?key={quote(_ITEM, safe='')}{{key}}"
