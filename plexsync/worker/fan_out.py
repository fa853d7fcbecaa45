"""A changed performer, studio or tag becomes jobs for the scenes that have it. Knows nothing of Plex.

Only scenes that PlexSync has written: nothing older is overwritten before Sync all.
"""

from __future__ import annotations

import sqlite3

from plexsync.queue import jobs
from plexsync.queue.worker_queue import Job
from plexsync.stash.api import Stash
from plexsync.state.ledger import State


def fan_out(job: Job, stash: Stash, state: State, conn: sqlite3.Connection, now: float, machine: str) -> int:
    """Queue the scenes of one performer, studio or tag that were written to the Plex server ``machine``.

    Return how many. Raise ``StashUnavailable``. Of one that Stash no longer has none are queued: which scenes had it is
    not known any more, and the weekly comparison finds them.
    """
    entity = stash.entity(job.kind, job.id)
    if entity is None:
        return 0
    written = state.written_scenes(machine)
    keys: list[str] = []
    for page in stash.scenes_with(job.kind, job.id) if written else ():
        keys += [f"scene:{scene_id}" for scene_id in page if scene_id in written]
    jobs.put_many(conn, keys, job.key, now, jobs.FAN_OUT)
    # Read before the scenes were listed: renamed meanwhile it differs, and catch-up repeats it.
    name, updated_at = entity
    state.see([(job.kind, job.id, updated_at, name)])
    return len(keys)
