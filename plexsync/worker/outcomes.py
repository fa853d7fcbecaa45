"""The one log line that says how a job ended. All decisions are ``retry``'s."""

from __future__ import annotations

import dataclasses

from plexsync.app import App
from plexsync.log import Log, Private
from plexsync.model.errors import KindPaused, Rejected
from plexsync.model.scene import Scene
from plexsync.queue.worker_queue import Job, Settlement
from plexsync.sync.work import Work, named
from plexsync.worker import retry

#: Characters of a field's value that a log line shows.
SHOWN = 80


def failed(app: App, job: Job, error: Exception, scene: Scene | None = None) -> Settlement:
    """Return and log what becomes of a job that failed; ``scene``: where it could be read."""
    now = app.world.clock()
    delays, max_retries = retry.Delays.from_environment(), app.settings.max_retries
    settlement = retry.decide(error, job, now=now, rng=app.world.rng, delays=delays, max_retries=max_retries)
    who: dict[str, object] = named(scene) if scene is not None else {job.kind: job.id}
    if isinstance(error, KindPaused) or (isinstance(error, Rejected) and error.known):
        app.log.debug(f"left {job.kind} as it is", **who, why=str(error))
        return settlement
    if settlement.reason == job.reason == "invalid":  # told before, and nothing has changed since
        app.log.debug(f"dead-lettered {job.kind}", **who, reason=settlement.reason, why=str(error))
        return dataclasses.replace(settlement, outcome="skipped")
    if settlement.to == "dead":
        app.log.warning(f"dead-lettered {job.kind}", **who, reason=settlement.reason, why=str(error))
        return settlement
    next_try: dict[str, object] = {"in": f"{settlement.due - now:.0f}s"}
    if settlement.outcome == "waiting":
        say = app.log.info if job.waiting is None else app.log.debug  # the rest of the wait is no news
        say("waiting for Plex to have the file", **who, **next_try, why=str(error))
    else:
        app.log.info(f"retrying {job.kind}", **who, **next_try, attempt=settlement.attempts, why=str(error))
    return settlement


def succeeded(log: Log, work: Work) -> None:
    """Log what was written, or would be: one line per item, with each change as ``old -> new``."""
    who: dict[str, object] = {**named(work.target.scene), "item": work.target.item.rating_key}
    if work.outcome == "unchanged":
        log.debug("compared scene, nothing differs", **who)
    elif work.outcome == "synced":
        images: dict[str, object] = {"images": work.cover.elements} if work.cover and work.uploaded else {}
        log.info("wrote scene", **who, **changes(work), **images)
    elif work.job.reason != "dry_run":  # else it was logged when it was first held back
        log.info("would write scene", **who, **changes(work))


def changes(work: Work) -> dict[str, object]:
    """Return the changes of a work as a log line shows them, each field as ``old -> new``."""
    edit = work.target.edit
    values: dict[str, object] = {
        change.field: Private(f"{_short(change.old)} -> {_short(change.new)}") for change in edit.changes
    }
    return values | ({"locks": ",".join(edit.locks)} if edit.locks else {})


def _short(value: str | tuple[str, ...]) -> str:
    text = value if isinstance(value, str) else ", ".join(value)
    return text if len(text) <= SHOWN else f"{text[: SHOWN - 3]}..."
