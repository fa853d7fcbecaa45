"""Decide which images of an item the scene's cover becomes. Pure; shared by the writers and the preview.

A record keeps, for each image, the SHA-1s of our uploads and what is known of them (``Image``).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from plexsync.model.scene import epoch
from plexsync.plex.client import Element
from plexsync.plex.images import Picture
from plexsync.state.ledger import Record
from plexsync.sync import readback
from plexsync.sync.planner import Target

#: Plex's element for an upload -> the lock that protects it.
LOCKS: Mapping[Element, str] = readback.PICTURES

#: Uploads remembered for each image.
MAX_REMEMBERED = 4

#: Seconds by which a scene's time may lie ahead of the clock; one further ahead was set by a wrong clock.
AHEAD = 60.0

#: It is unknown which picture Plex shows; another one than ours, so ours is uploaded; a person chose another.
UNKNOWN, LOST, CHOSEN = "?", "-", "!"

#: The entry of ``Record.cover`` for the last cover that was unfit for an upload.
UNFIT = "unfit"

#: Returns what Plex has to choose from for one image of the item, None where it does not say.
Look = Callable[[Element], Sequence[Picture] | None]


@dataclass(frozen=True, slots=True)
class Image:
    """What is known of one image of an item.

    ``uploads``: SHA-1s of ours, the newest last. ``mark``: ``""`` if Plex shows the newest, else ``UNKNOWN``, ``LOST``
    or ``CHOSEN``.
    """

    uploads: tuple[str, ...] = ()
    mark: str = ""

    @property
    def newest(self) -> str:
        """The SHA-1 of our last upload, ``""`` without one."""
        return self.uploads[-1] if self.uploads else ""


def images(record: Record) -> dict[str, Image]:
    """Return element -> what is known of it; images of which nothing is known are absent.

    Each is stored as ``element=``, the mark, and the uploads with ``+`` between them; nothing means ``UNKNOWN``.
    """
    found: dict[str, Image] = {}
    for entry in record.cover.split(","):
        element, there, text = entry.partition("=")
        if there:
            mark = text[:1] if text[:1] in (UNKNOWN, LOST, CHOSEN) else ""
            uploads = tuple(filter(None, text.removeprefix(mark).split("+")))
            found[element] = Image(uploads, mark if uploads or mark else UNKNOWN)
    return found


def with_image(record: Record, element: str, image: Image) -> Record:
    """Return ``record`` with what is known of one image."""
    known = images(record) | {element: image}
    entries = [
        f"{name}={one.mark}{'+'.join(one.uploads)}" for name, one in sorted(known.items()) if one.mark or one.uploads
    ]
    return replace(record, cover=",".join(entries))


def intended(record: Record, elements: Iterable[Element], sha1: str) -> Record:
    """Return ``record`` before the image ``sha1`` is uploaded: it counts as ours, and nobody knows if it arrives."""
    for element in elements:
        before = images(record).get(element, Image()).uploads
        uploads = (*(one for one in before if one != sha1), sha1)[-MAX_REMEMBERED:]
        record = with_image(record, element, Image(uploads, UNKNOWN))
    return record


def withdrawn(record: Record, elements: Iterable[Element]) -> Record:
    """Return ``record`` where the upload of these images is not tried, as Plex refused the same before."""
    for element in elements:
        image = images(record).get(element, Image())
        record = with_image(record, element, Image(image.uploads[:-1]))
    return record


def uploaded(record: Record, element: Element, sha1: str) -> Record:
    """Return ``record`` after the upload of the image ``sha1``."""
    return with_image(record, element, Image((sha1,)))


def unfit(record: Record, sha1: str, *, told: bool) -> Record:
    """Return ``record`` without an open question: there is nothing to upload. ``told``: the user knows why."""
    for element, image in images(record).items():
        if image.mark in (UNKNOWN, LOST):
            record = with_image(record, element, replace(image, mark=""))
    return with_image(record, UNFIT, Image((sha1,))) if told else record


def is_known_unfit(record: Record, sha1: str) -> bool:
    """Return whether this cover was told before."""
    return images(record).get(UNFIT, Image()).newest == sha1


def shown_before(record: Record, element: Element, pictures: Sequence[Picture]) -> str | None:
    """Return the picture that is shown and none of ours, ``""`` if none is; None if Plex does not tell which."""
    shown = [picture.name for picture in pictures if picture.selected]
    ours = images(record).get(element, Image()).uploads
    if len(shown) > 1 or any(one in name for one in ours for name in shown):
        return None
    return shown[0] if shown else ""


def look_again(record: Record, elements: Collection[str] = tuple(LOCKS)) -> Record:
    """Return ``record`` such that the next sync of its scene asks Plex which of these pictures it shows.

    One that Plex no longer shows is uploaded again, though not where a person chose another and ``keepPlexEdits`` is
    on. Without uploads there is nothing to look for.
    """
    for element, image in images(record).items():
        if element in elements and image.uploads:
            stamp = "" if image.mark == CHOSEN else record.cover_stamp  # the cover may have changed meanwhile
            record = replace(with_image(record, element, replace(image, mark=UNKNOWN)), cover_stamp=stamp)
    return record


def unsure(target: Target, record: Record) -> tuple[Element, ...]:
    """Return the images of which Plex must say what it shows: after an upload without answer, and without our lock."""
    return tuple(
        element
        for element, image in _known(target, record)
        if image.uploads and (_is_open(target, image) or _lost_lock(target, record, element, image))
    )


def looked(target: Target, record: Record, look: Look) -> Record:
    """Return ``record`` with what Plex shows of the images that are ``unsure``. A request for each."""
    for element in unsure(target, record):
        image = images(record)[element]
        pictures = look(element)
        if pictures is not None:
            found = replace(image, mark=mark(target, image, image.newest, pictures))
            record = with_image(record, element, found)
    return record


def mark(target: Target, image: Image, sha1: str, pictures: Sequence[Picture]) -> str:
    """Return the mark of an image that is to be the upload ``sha1``, now that Plex has told its ``pictures``."""
    shown = [picture.name for picture in pictures if picture.selected]
    if sha1 and any(sha1 in name for name in shown):
        return ""
    if not target.keep_edits or not shown or any(one in name for one in image.uploads for name in shown):
        return LOST
    # Plex chooses a picture of its own when it drops ours; a person chooses one beside ours, or uploads another.
    there = any(one in picture.name for one in image.uploads for picture in pictures)
    return CHOSEN if there or any(name.startswith("upload:") for name in shown) else LOST


def lost_locks(target: Target, record: Record) -> tuple[str, ...]:
    """Return the locks that are missing on pictures of ours that Plex shows."""
    return tuple(
        LOCKS[element] for element, image in _known(target, record) if _lost_lock(target, record, element, image)
    )


def _known(target: Target, record: Record) -> list[tuple[Element, Image]]:
    known = images(record)
    return [(element, known[element]) for element in wanted(target) if element in known]


def _is_open(target: Target, image: Image) -> bool:
    return image.mark in (UNKNOWN, LOST) or (image.mark == CHOSEN and not target.keep_edits)


def _lost_lock(target: Target, record: Record, element: Element, image: Image) -> bool:
    lock = LOCKS[element]
    is_ours = bool(image.uploads) and image.mark == ""
    return is_ours and lock not in target.item.locked and f"{lock}.locked" not in record.written.kept


def stamp(target: Target) -> str:
    """Return what must change before the cover is fetched again: ``updated_at`` and the two switches, as text."""
    return f"{target.scene.updated_at} {int(target.desired.poster)}{int(target.desired.background)}"


def is_final(target: Target, asked_at: float, answered_at: float | None) -> bool:
    """Return whether the cover that Stash sent is the one that belongs to the scene's ``updated_at``.

    Stash's times are whole seconds: until the second is over, another cover may get the same one. ``asked_at``: by our
    clock, ``answered_at``: by Stash's if known, in seconds since the epoch.
    """
    edited = epoch(target.scene.updated_at)
    times = [asked_at] if answered_at is None else [asked_at, answered_at]
    return not any(int(at) <= edited <= at + AHEAD for at in times)


def is_due(target: Target, record: Record) -> bool:
    """Return whether the cover must be fetched to find out whether it changed, or to be uploaded again."""
    is_open = any(_is_open(target, image) for _, image in _known(target, record))
    return bool(wanted(target)) and (is_open or record.cover_stamp != stamp(target))


def wanted(target: Target) -> tuple[Element, ...]:
    """Return the images that the cover is to become, by the switches."""
    switches: tuple[tuple[Element, bool], ...] = (
        ("posters", target.desired.poster),
        ("arts", target.desired.background),
    )
    return tuple(element for element, on in switches if on)


def elements(target: Target, record: Record, sha1: str, look: Look) -> tuple[Record, tuple[Element, ...]]:
    """Return where to upload the image ``sha1``, and ``record`` with what was learned on the way.

    With ``keepPlexEdits`` an image is not uploaded where a person chose another: by its lock before our first upload,
    later by what Plex shows, which costs a request.
    """
    chosen: list[Element] = []
    for element in wanted(target):
        image = images(record).get(element, Image())
        state = _state(target, element, image, sha1, look)
        if state == LOST:
            chosen.append(element)
        elif state != image.mark:
            record = with_image(record, element, replace(image, mark=state))
    return record, tuple(chosen)


def _state(target: Target, element: Element, image: Image, sha1: str, look: Look) -> str:
    """Return the mark of one image with regard to ``sha1``: ``LOST`` if it is to be uploaded."""
    is_newest = image.newest == sha1
    if image.mark in (UNKNOWN, LOST) or not target.keep_edits:
        return "" if is_newest and image.mark == "" else LOST
    if not image.uploads:  # nothing of ours was ever there
        return CHOSEN if LOCKS[element] in target.item.locked else LOST
    if is_newest and image.mark == "":
        return ""
    pictures = look(element)
    if pictures is None:
        return LOST
    shown = mark(target, image, image.newest, pictures)
    return shown if shown or is_newest else LOST
