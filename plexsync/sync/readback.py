"""What a written item showed when it was last read in full, as a short text, and what differs now. Pure.

Only what PlexSync syncs counts: the fields it has a wish for, their locks, and the pictures shown.
"""

from __future__ import annotations

import zlib
from collections.abc import Collection

from plexsync.model.fields import fingerprint
from plexsync.model.item import FIELDS, Item
from plexsync.plex.client import Element

#: Plex's element for an upload -> the attribute of the item that shows it, which is also the name of its lock.
PICTURES: dict[Element, str] = {"posters": "thumb", "arts": "art"}
_LOCKS = (*FIELDS, *PICTURES.values())


def shown(item: Item, fields: Collection[str]) -> str:
    """Return what the item shows of these fields (of ``item.FIELDS``): 100,000 of these texts are stored."""
    numbers = "".join(str(number) for number, name in enumerate(FIELDS) if name in fields)
    locks = "".join(str(number) for number, name in enumerate(_LOCKS) if name in item.locked)
    return ":".join(
        (numbers, locks, _digest(item, numbers), *(_crc(getattr(item, name)) for name in PICTURES.values()))
    )


def renewed(before: str, item: Item) -> str:
    """Return what the item shows of the fields of ``before``."""
    return shown(item, [FIELDS[int(number)] for number in before.partition(":")[0]])


def differs(before: str, item: Item) -> bool:
    """Return whether a field has another value than ``before``, or has lost its lock."""
    numbers, locks, digest, *_ = before.split(":")
    return _digest(item, numbers) != digest or any(_LOCKS[int(number)] not in item.locked for number in locks)


def pictures(before: str, item: Item) -> tuple[Element, ...]:
    """Return the pictures that may be others than ``before``: their addresses changed."""
    told = before.split(":")[3:]
    return tuple(
        element
        for (element, name), earlier in zip(PICTURES.items(), told, strict=True)
        if _crc(getattr(item, name)) != earlier
    )


def _digest(item: Item, numbers: str) -> str:
    names = [FIELDS[int(number)] for number in numbers]
    return _crc("".join(fingerprint(name, item.value(name)) for name in names))


def _crc(text: str) -> str:
    return f"{zlib.crc32(text.encode('utf-8', 'surrogatepass')):08x}"
