"""The operations about single scenes: ``scene`` says how one stands, ``sync`` queues some. Standard library alone."""

from __future__ import annotations

import time
from contextlib import closing
from typing import Any, NamedTuple

from plexsync.core import wake
from plexsync.core.enqueue import BY_HAND
from plexsync.health import duration
from plexsync.model.errors import PlexSyncError
from plexsync.model.job_key import JobKey
from plexsync.queue import dead_letters, jobs, schema
from plexsync.queue.dead_letters import DeadLetter
from plexsync.queue.jobs import JobState
from plexsync.queue.meta import QueueMeta
from plexsync.state import scene_facts
from plexsync.state.history import UNDO
from plexsync.state.ledger import Record
from plexsync.state.meta import Meta
from plexsync.state.scene_facts import SceneFacts
from plexsync.status import moment
from plexsync.tasks import rows
from plexsync.tasks.call import Args, id_of, ids_of

#: Scenes in one call of ``sync``; more are for Sync all.
MOST_SCENES = 10_000

#: The evidence of items that are written only because a person wants uncertain matches written.
_UNCERTAIN = ("name_only",)


class Standing(NamedTuple):
    """How a scene stands: one of the contract's states, and a sentence for the user."""

    state: str
    sentence: str


def show(folder: str, args: Args) -> dict[str, Any]:
    """Return how the scene ``args["scene_id"]`` stands, its items, and what was written last."""
    now, scene_id = time.time(), _scene(args.get("scene_id"))
    with closing(Meta.open(folder)) as meta, closing(schema.open_queue(folder, now)) as conn:
        facts, web = scene_facts.read(meta.conn, scene_id), rows.web(meta)
        job, cleared = jobs.state_of(conn, JobKey.scene(scene_id)), dead_letters.is_cleared(conn, scene_id)
        items = [JobKey.item(record.rating_key) for record in facts.records]
        letter = dead_letters.first_of(conn, [JobKey.scene(scene_id), *items])
        shown = None if letter is None else rows.dead_letters([letter], meta)[0]
    standing = judge(facts, job, letter, now, is_cleared=cleared)
    return {
        "state": standing.state,
        "sentence": standing.sentence,
        "title": facts.title,
        "items": [_item(record, facts, web) for record in facts.records],
        "chosen": facts.chosen,
        "choices": [] if facts.chosen is None else [{"scene_id": scene_id, "rating_key": facts.chosen}],
        "last_sync": moment(facts.synced_at),
        "changes": [] if facts.last is None else rows.changes(facts.last),
        "changed_at": None if facts.last is None else moment(facts.last.at),
        "images": [] if facts.last is None else list(facts.last.images),
        "dead_letter": shown,
        "candidates": [] if shown is None else shown["candidates"],
        "undoable": facts.is_undoable,
    }


def _item(record: Record, facts: SceneFacts, web: str) -> dict[str, Any]:
    return {
        "rating_key": record.rating_key,
        "title": record.title,
        "confidence": "low" if record.evidence in _UNCERTAIN else "high",
        "evidence": record.evidence,
        "chosen": record.rating_key == facts.chosen,
        "web": web.replace("{key}", str(record.rating_key)),
    }


def judge(
    facts: SceneFacts, job: JobState | None, letter: DeadLetter | None, now: float, *, is_cleared: bool
) -> Standing:
    """Return how a scene stands. Pure. ``is_cleared``: its job or dead letter was cleared or discarded once."""
    if letter is not None:
        return Standing("needs_you", letter.message or "PlexSync cannot finish this scene alone.")
    if facts.is_undoing:
        return Standing("pending", "Undo: its items get back what they had before PlexSync.")
    if job is not None and job.waiting is not None:
        why = job.message.rstrip(".") or "Plex does not have the file yet"
        since, left = duration(now - job.waiting), duration(job.due - now)
        return Standing("waiting", f"{why}. It has waited for {since}; next look in {left}.")
    if job is not None:
        return Standing("pending", _pending(job, now))
    if facts.records:
        if facts.synced_at is None:
            return Standing("in_plex", "PlexSync keeps this scene's items in Plex up to date.")
        return Standing("in_plex", f"Plex has what Stash has, as of {duration(now - facts.synced_at)} ago.")
    if facts.last is not None and facts.last.kind == UNDO:
        return Standing("skipped", "Undone: Plex shows what it had before. An edit or Sync now sends the scene again.")
    if is_cleared:
        return Standing("skipped", "Its job was cleared or discarded. An edit or Sync now sends it again.")
    if facts.is_seen:
        return Standing("skipped", "Not sent to Plex: the settings leave this scene out.")
    return Standing("never_synced", "PlexSync has not synced this scene yet. An edit or Sync now sends it.")


def _pending(job: JobState, now: float) -> str:
    if job.is_leased:
        return "It is being synced now."
    why = f" {job.message.rstrip('.')}." if job.message else ""
    if job.due - now >= 1:
        return f"It is queued, and tried in {duration(job.due - now)}.{why}"
    return f"It is queued, and next in turn.{why}"


def sync(folder: str, args: Args) -> dict[str, Any]:
    """Queue the scenes ``args["ids"]`` as edits by hand, and wake the worker. Return how many."""
    ids = list(dict.fromkeys(_scene(one) for one in ids_of(args, "scene", "Stash's address of a scene ends in its id")))
    if len(ids) > MOST_SCENES:
        raise PlexSyncError(f"{len(ids)} scenes are too many. Send at most {MOST_SCENES}, or use Sync all.")
    now = time.time()
    with closing(schema.open_queue(folder, now)) as conn:
        jobs.enqueue_many(conn, map(JobKey.scene, ids), "sync", now, BY_HAND)
        QueueMeta(conn).request_wake()
    wake.wake(folder)
    return {"queued": len(ids)}


def _scene(value: object) -> int:
    """Return the id of a scene. Raise ``PlexSyncError`` for anything that cannot be one."""
    found = id_of(value, "scene")
    if not found:
        raise PlexSyncError("'0' cannot be the id of a scene. Nothing was changed.")
    return found
