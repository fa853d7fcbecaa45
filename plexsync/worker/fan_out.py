"""Turn a changed performer, studio or tag into jobs for the scenes that have it. Knows nothing of Plex.

Only scenes that PlexSync has written get one: nothing older is overwritten before Sync all.
"""

from __future__ import annotations

from plexsync.model.job_key import JobKey
from plexsync.queue.worker_queue import Job, JobQueue
from plexsync.stash.api import Stash
from plexsync.state.ledger import Seen, State


def fan_out(job: Job, stash: Stash, state: State, queue: JobQueue, machine: str) -> int:
    """Queue the scenes of one performer, studio or tag that were written to the Plex server ``machine``.

    Return how many: none if Stash no longer has the performer, studio or tag. Which scenes had it is then unknown; the
    weekly comparison finds them. Raise ``StashUnavailable``.
    """
    entity = stash.entity(job.kind, job.id)
    if entity is None:
        return 0
    written = state.written_scenes(machine)
    keys: list[JobKey] = []
    for page in stash.scenes_with(job.kind, job.id) if written else ():
        keys += [JobKey.scene(scene_id) for scene_id in page if scene_id in written]
    queue.enqueue_many(keys, str(job.key))
    # Read before the scenes were listed: after a rename in between, catch-up sees a difference and repeats this.
    name, updated_at = entity
    state.see([Seen(job.kind, job.id, updated_at, name)])
    return len(keys)
