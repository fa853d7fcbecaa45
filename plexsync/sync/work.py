"""One job on its way to one item: what it wants there, how far it came, and how it ended."""

from __future__ import annotations

from dataclasses import dataclass, field

from plexsync.log import Private
from plexsync.model.errors import PlexSyncError
from plexsync.model.paths import base_name
from plexsync.model.scene import Scene
from plexsync.plex.client import Element
from plexsync.queue.worker_queue import Job
from plexsync.state.ledger import Record
from plexsync.sync.edit import EditPlan
from plexsync.sync.planner import Target


@dataclass(slots=True)
class Cover:
    """An image to upload to ``elements`` (``posters``, ``arts``); ``data``: None if it has to be fetched again."""

    elements: tuple[Element, ...]
    sha1: str
    kind: str
    data: bytes | None


@dataclass(slots=True)
class Work:
    """One target of a job, from planning to settling.

    ``edit``: what is sent, and later what was sent; ``short``: its fields that were cut on the way. ``sent``: an edit
    reached Plex. ``whole``: nothing of the edit was left unsent, though Plex may have refused a part. ``held_back``:
    something differs, but ``dryRun`` is on. ``ended``: a writer is done with it; ``error``: why it did not end well.
    """

    job: Job
    target: Target
    record: Record = field(init=False)
    edit: EditPlan = field(init=False)
    cover: Cover | None = None
    sent: bool = False
    whole: bool = False
    uploaded: bool = False
    held_back: bool = False
    ended: bool = False
    error: PlexSyncError | None = None
    refused: tuple[str, ...] = ()
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
    """Return the values by which a line of the log names a scene: ``scene=5 name="Title"``.

    A scene without a title goes by its file's name.
    """
    name = scene.title or (base_name(scene.files[0].path) if scene.files else "")
    return {"scene": scene.id, "name": Private(name)} if name else {"scene": scene.id}
