"""One job and one item to write to: what is sent, how far it came, and how it ended."""

from __future__ import annotations

from dataclasses import dataclass, field

from plexsync.log import Private
from plexsync.model.errors import PlexSyncError
from plexsync.model.item import Item
from plexsync.model.paths import base_name
from plexsync.model.scene import Scene
from plexsync.plex.client import Element
from plexsync.queue.worker_queue import Job
from plexsync.state.ledger import Record
from plexsync.sync.edit import EditPlan
from plexsync.sync.planner import Target


@dataclass(slots=True)
class Cover:
    """An image to upload to ``elements`` (``posters``, ``arts``); ``data``: None if it has to be fetched again.

    ``stamp``: what is stored when it arrived, see ``covers.stamp``. ``unknown``: the elements of which Plex has not
    said yet whether it shows the image.
    """

    elements: tuple[Element, ...]
    sha1: str
    kind: str
    data: bytes | None
    stamp: str = ""
    unknown: tuple[Element, ...] = ()


@dataclass(slots=True)
class Work:
    """One target of a job, from planning to settling.

    ``record``: what will be stored about the item. ``edit``: what is sent, in the end what was sent; ``short``: the
    fields of it that were cut on the way. ``sent``: Plex accepted an edit. ``whole``: all of the edit was sent, though
    Plex may have rejected fields of it (``rejected``). ``after``: the item as read back at ``after_at`` (Plex's time,
    seconds since the epoch), None if nothing was sent. ``uploaded``: an image was sent. ``held_back``: something
    differs, but ``dryRun`` is on. ``again``: the cover may be replaced within the second of the scene's time, so it is
    to be looked at once more. ``ended``: the writer has finished with it; ``error``: why it failed, or None.
    """

    job: Job
    target: Target
    record: Record = field(init=False)
    edit: EditPlan = field(init=False)
    cover: Cover | None = None
    sent: bool = False
    whole: bool = False
    after: Item | None = None
    after_at: int = 0
    uploaded: bool = False
    held_back: bool = False
    again: bool = False
    ended: bool = False
    error: PlexSyncError | None = None
    rejected: tuple[str, ...] = ()
    short: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.record = self.target.record
        self.edit = self.target.edit

    @property
    def outcome(self) -> str:
        """``synced`` if anything was written, ``dry_run`` if something would have been, else ``unchanged``."""
        if self.held_back:
            return "dry_run"
        return "synced" if self.sent or self.uploaded else "unchanged"


def named(scene: Scene) -> dict[str, object]:
    """Return the values that name a scene in a log line, ``scene=5 name="Title"``; without a title, its file's name."""
    name = scene.title or (base_name(scene.files[0].path) if scene.files else "")
    return {"scene": scene.id, "name": Private(name)} if name else {"scene": scene.id}
