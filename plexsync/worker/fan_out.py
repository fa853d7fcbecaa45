"""Turn changed performers, studios and tags into jobs for the scenes that have them. Knows nothing of Plex.

Only scenes that PlexSync has written get one: nothing older is overwritten before Sync all.
"""

from __future__ import annotations

from collections.abc import Sequence

from plexsync.model.job_key import JobKey
from plexsync.queue.worker_queue import JobQueue
from plexsync.stash.api import Stash
from plexsync.state.ledger import Seen, State


def fan_out(kind: str, ids: Sequence[int], stash: Stash, state: State, queue: JobQueue, machine: str) -> int:
    """Queue the scenes of performers, studios or tags (``kind``) that were written to the Plex server ``machine``.

    Return how many. Which scenes had one that Stash no longer has is unknown: all written scenes are then compared
    (``reconcile``). One request for the names, and one for each page of scenes. Raise ``StashUnavailable``.
    """
    found_at = queue.clock()
    entities = stash.entities(kind, ids)
    if len(entities) < len(set(ids)):
        queue.meta.request_comparison(queue.clock())
    if not entities:
        return 0
    written = state.written_scenes(machine)
    scene_ids: dict[int, None] = {}
    for page in stash.scenes_with(kind, sorted(entities)) if written else ():
        scene_ids.update(dict.fromkeys(scene_id for scene_id in page if scene_id in written))
    reason = str(JobKey(kind, ids[0])) if len(ids) == 1 else kind
    queue.enqueue_many([JobKey.scene(scene_id) for scene_id in scene_ids], reason, found_at)
    # Read before the scenes were listed: after a rename in between, catch-up sees a difference and repeats this.
    state.see([Seen(kind, number, updated_at, name) for number, (name, updated_at) in entities.items()])
    return len(scene_ids)
