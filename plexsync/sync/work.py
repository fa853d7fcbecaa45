"""One job and one item to write to: what is sent, how far it came, and how it ended."""

from __future__ import annotations

from dataclasses import dataclass, field

from plexsync.log import Private
from plexsync.model.errors import ItemGone, PlexSyncError, Rejected
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
    said yet whether it shows the image. ``size``: bytes. ``arrived``: where Plex has it now; ``chosen``: where a person
    chose another; ``failures``: element -> why it was not uploaded.
    """

    elements: tuple[Element, ...]
    sha1: str
    kind: str
    data: bytes | None
    stamp: str = ""
    unknown: tuple[Element, ...] = ()
    size: int = 0
    arrived: set[Element] = field(default_factory=set)
    chosen: set[Element] = field(default_factory=set)
    failures: dict[Element, PlexSyncError] = field(default_factory=dict)


@dataclass(slots=True)
class Work:
    """One target of a job, from planning to settling.

    ``record``: what will be stored about the item. ``edit``: what is sent, in the end what was sent; ``short``: the
    fields of it that were cut on the way. ``sent``: Plex accepted an edit. ``whole``: all of the edit was sent, though
    Plex may have rejected fields of it (``rejected``); ``lost``: the fields that it did not keep. ``after``: the item
    as read back at ``after_at`` (Plex's time, seconds since the epoch), None if nothing was sent. ``locked``: the locks
    that went with it. ``failure``: why the edit as a whole failed, until it is judged. ``known_refused``: fields and
    images that were not sent, because Plex refused the same before. ``uploaded``: an image was sent. ``pictures``: lock
    of an image -> the picture that Plex showed before our first upload to it. ``held_back``: something differs, but
    ``dryRun`` is on. ``again``: the cover may be replaced within the second of the scene's time, so it is to be looked
    at once more. ``postponed``: its images made way for an edit. ``ended``: the writer has finished with it; ``error``:
    why it failed, or None.
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
    postponed: bool = False
    ended: bool = False
    error: PlexSyncError | None = None
    rejected: tuple[str, ...] = ()
    locked: set[str] = field(default_factory=set)
    failure: PlexSyncError | None = None
    known_refused: tuple[str, ...] = ()
    short: set[str] = field(default_factory=set)
    lost: tuple[str, ...] = ()
    pictures: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.record = self.target.record
        self.edit = self.target.edit

    def fail(self, error: PlexSyncError) -> None:
        """Note an error. What may pass outweighs what was refused, which must not end the job before the rest."""
        if isinstance(self.error, Rejected) and isinstance(error, Rejected):
            self.error = Rejected(f"{self.error} {error}", status=error.status)
        elif self.error is None or isinstance(error, ItemGone) or isinstance(self.error, Rejected):
            self.error = error

    @property
    def is_undo(self) -> bool:
        """Whether the item is put back as it was: the edit is then no scene's."""
        return False

    @property
    def outcome(self) -> str:
        """``synced`` if anything was written, ``dry_run`` if something would have been, else ``unchanged``."""
        if self.held_back:
            return "dry_run"
        return "synced" if self.sent or self.uploaded else "unchanged"


@dataclass(slots=True)
class Undo(Work):
    """One item that is put back as it was before PlexSync.

    ``shows``: element -> the picture to show again, ``""`` for none. ``picture_locks``: lock of a picture -> what it is
    to be, for those that change with ``shows``. ``unread``: why Plex did not tell its pictures. ``left``: (field or
    image, why) of what stays as it is. ``shown``: the elements that show their earlier picture again.
    """

    shows: dict[Element, str] = field(default_factory=dict)
    picture_locks: dict[str, bool] = field(default_factory=dict)
    unread: PlexSyncError | None = None
    left: list[tuple[str, str]] = field(default_factory=list)
    shown: list[Element] = field(default_factory=list)

    @property
    def is_undo(self) -> bool:
        """True."""
        return True


def named(scene: Scene) -> dict[str, object]:
    """Return the values that name a scene in a log line, ``scene=5 name="Title"``; without a title, its file's name."""
    name = scene.title or (base_name(scene.files[0].path) if scene.files else "")
    return {"scene": scene.id, "name": Private(name)} if name else {"scene": scene.id}
