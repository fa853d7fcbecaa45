"""An item as it was before the doctor wrote to it, the file that keeps that, and the edits that put it back.

Pure but for the file. The file outlives the process, so that the next call can put back what a killed one left.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import re
import xml.etree.ElementTree as ElementTree
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace

from plexsync.core import environment
from plexsync.model.paths import slashed
from plexsync.model.written import Change
from plexsync.plex.client import Element
from plexsync.plex.images import Picture
from plexsync.plex.parse import item_of
from plexsync.sync.edit import UNLOCKED, EditPlan, Params, requests_for

#: The texts that are kept: all that Plex lets people edit, but for ratings.
TEXTS = (
    *("title", "titleSort", "originalTitle", "studio", "summary", "tagline", "contentRating"),
    "originallyAvailableAt",
)
#: List of an edit -> its element in a reply.
LISTS = {"actor": "Role", "genre": "Genre", "collection": "Collection"}
#: How often putting back is tried: as it was, in an emptied list, in one from the end, and once more.
ROUNDS = 4
#: The words of a picture that Plex marks as none, and as several.
NONE, UNKNOWN = "", "?"
#: What every text that the doctor writes holds, as Plex may have stored it.
MARK = re.compile("PlexSync.{0,10}?doctor", re.DOTALL | re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Saved:
    """All of one item that an edit can change. ``path``: the file by which it is known.

    ``lists``: list -> its (tag, role) pairs in Plex's order. ``pictures``: ``posters`` and ``arts`` -> the name of the
    one that is shown, ``NONE``, or ``UNKNOWN``.
    """

    machine: str
    section: int
    rating_key: int
    scene: int
    path: str
    texts: Mapping[str, str] = field(default_factory=dict)
    lists: Mapping[str, tuple[tuple[str, str], ...]] = field(default_factory=dict)
    locked: tuple[str, ...] = ()
    pictures: Mapping[str, str] = field(default_factory=dict)

    def names(self, name: str) -> tuple[str, ...]:
        """Return the tags of one list."""
        return tuple(tag for tag, _ in self.lists.get(name, ()))


def seen(before: Saved, video: ElementTree.Element, pictures: Mapping[Element, Sequence[Picture]]) -> Saved:
    """Return the item of ``before`` as Plex tells it now: its full element, and its lists of pictures."""
    found = {
        name: tuple((tag.get("tag", ""), tag.get("role", "")) for tag in video.findall(element))
        for name, element in LISTS.items()
    }
    return replace(
        before,
        texts={name: video.get(name, "") for name in TEXTS},
        lists=found,
        locked=tuple(sorted(item_of(video).locked)),
        pictures={element: shown(of_item) for element, of_item in pictures.items()},
    )


def shown(pictures: Sequence[Picture]) -> str:
    """Return the name of the picture that is marked, ``NONE`` or ``UNKNOWN``."""
    marked = [picture.name for picture in pictures if picture.selected]
    return NONE if not marked else marked[0] if len(marked) == 1 else UNKNOWN


def marked(item: Saved) -> tuple[str, ...]:
    """Return the texts and lists that hold what a doctor wrote."""
    texts = [name for name, text in item.texts.items() if MARK.search(text)]
    return (*texts, *(name for name in item.lists if any(MARK.search(tag) for tag in item.names(name))))


def told(before: Saved, names: Collection[str]) -> list[str]:
    """Return a line for each of these differences with what it was, for the person's own screen."""
    lines = [f"{name}: {before.texts.get(name, '')!r}" for name in TEXTS if name in names]
    for name in LISTS:
        if name in names:
            tags = [f"{tag!r} as {role!r}" if role else repr(tag) for tag, role in before.lists.get(name, ())]
            lines.append(f"{name}: {', '.join(tags) or 'none'}")
    for name in names:
        if name.startswith("lock of "):
            lines.append(f"{name}: {'set' if name.removeprefix('lock of ') in before.locked else 'not set'}")
    return lines + [f"{name}: {text!r}" for name, text in before.pictures.items() if name in names]


def all_names(before: Saved) -> tuple[str, ...]:
    """Return the names of all that is kept of an item."""
    pictures = [name for name, shown_one in before.pictures.items() if shown_one != UNKNOWN]
    return (*TEXTS, *LISTS, *(f"lock of {name}" for name in before.locked), *pictures)


def holds(video: ElementTree.Element, path: str) -> bool:
    """Return whether an item still has the file by which it is known, and is not in the trash."""
    item = item_of(video)
    return not item.trashed and any(slashed(part.path) == slashed(path) for part in item.parts)


def differences(before: Saved, now: Saved) -> tuple[str, ...]:
    """Return what is not as it was, by Plex's names: ``title``, ``genre``, ``lock of genre``, ``posters``."""
    texts = [name for name in TEXTS if before.texts.get(name, "") != now.texts.get(name, "")]
    lists = [name for name in LISTS if before.lists.get(name, ()) != now.lists.get(name, ())]
    locks = [f"lock of {name}" for name in sorted(set(before.locked) ^ set(now.locked))]
    pictures = [
        name for name in now.pictures if before.pictures.get(name, UNKNOWN) not in (UNKNOWN, now.pictures[name])
    ]
    return (*texts, *lists, *locks, *pictures)


def edits(before: Saved, now: Saved, video: ElementTree.Element, attempt: int) -> tuple[Params, ...]:
    """Return the edits that put texts, lists and locks back.

    The first attempt sends each list as it was, which is right whether Plex appends or replaces. A list with the same
    tags in another order is then emptied first, and sent from its end in every second attempt.
    """
    changes: list[Change] = []
    emptied: list[Change] = []
    roles = list(before.lists.get("actor", ()))
    for name in TEXTS:
        if before.texts.get(name, "") != now.texts.get(name, ""):
            text = before.texts.get(name, "")
            changes.append(Change(name, now.texts.get(name, ""), text, text, lock=name in before.locked))
    for name in LISTS:
        if before.lists.get(name, ()) == now.lists.get(name, ()):
            continue
        old, new, lock = now.names(name), before.names(name), name in before.locked
        if attempt and set(old) == set(new):
            emptied.append(Change(name, old, (), (), lock=lock))
            old, new = (), new[::-1] if attempt % 2 == 0 else new
            roles = roles[::-1] if name == "actor" and attempt % 2 == 0 else roles
        changes += [Change(name, old, new, new, lock=lock)] if old or new else []
    written = {change.field for change in changes} - UNLOCKED
    to_lock, to_unlock = (
        tuple(name for name in sorted(set(one) - set(other)) if name not in written)
        for one, other in ((before.locked, now.locked), (now.locked, before.locked))
    )
    item = item_of(video)
    first = requests_for(EditPlan(tuple(emptied), whole=True), item).edits
    rest = requests_for(EditPlan(tuple(changes), to_lock, unlocks=to_unlock, whole=True), item).edits
    return (*first, *(_with_roles(params, roles) for params in rest))


def _with_roles(params: Params, roles: Sequence[tuple[str, str]]) -> Params:
    """Return the parameters with the role that each actor had: a server that replaces a list forgets it.

    ``roles``: the actors in the order in which they are sent, for one of them may have several roles.
    """
    found: list[tuple[str, str]] = []
    for name, value in params:
        found.append((name, value))
        if name.startswith("actor[") and name.endswith("].tag.tag"):
            role = roles[int(name[len("actor[") : -len("].tag.tag")])][1]
            found += [(f"{name.removesuffix('.tag.tag')}.tagging.text", role)] if role else []
    return tuple(found)


# -- the file


def _path(folder: str) -> str:
    return os.path.join(folder, environment.DOCTOR)


def store(folder: str, saved: Saved) -> None:
    """Keep ``saved``, so that it survives this process and a power cut. Raise ``OSError``."""
    text = json.dumps(asdict(saved), ensure_ascii=True)
    environment.replace(_path(folder), text.encode("ascii"), sync=True)


def kept(folder: str) -> Saved | None:
    """Return what an earlier call has not put back, None if there is nothing. Raise ``OSError`` or ``ValueError``."""
    try:
        raw = json.loads(environment.read(_path(folder)))
    except FileNotFoundError:
        return None
    try:
        lists = {name: tuple((str(tag), str(role)) for tag, role in tags) for name, tags in raw["lists"].items()}
        saved = Saved(**(raw | {"lists": lists, "locked": tuple(raw["locked"])}))
    except (TypeError, KeyError, AttributeError) as error:
        raise ValueError("the file is not the doctor's") from error
    numbers, texts = (saved.section, saved.rating_key, saved.scene), (saved.machine, saved.path, *saved.texts.values())
    if not all(type(one) is int for one in numbers) or not all(isinstance(one, str) for one in texts):
        raise ValueError("the file is not the doctor's")
    return saved


def note_end(folder: str, end: float) -> None:
    """Keep in the file's time until when Plex may carry out what it was sent: seconds since the epoch.

    That costs microseconds before each write, and what is in the file is not at risk.
    """
    with contextlib.suppress(OSError):
        os.utime(_path(folder), (end, end))


def noted_end(folder: str) -> float:
    """Return what ``note_end`` kept, 0.0 if there is no file."""
    try:
        return os.stat(_path(folder)).st_mtime
    except OSError:
        return 0.0


def set_aside(folder: str) -> str:
    """Give a damaged file another name, that no file has, and return that. Raise ``OSError``."""
    for number in itertools.count(1):
        name = f"{environment.DOCTOR}.damaged{number}"
        if not os.path.lexists(os.path.join(folder, name)):
            break
    os.replace(_path(folder), os.path.join(folder, name))
    return name


def discard(folder: str) -> None:
    """Remove the file."""
    environment.discard(_path(folder))
