"""The key of a job, such as ``scene:12``: the only place that formats and parses it. Pure.

Except ``hook.py``, which formats keys without loading this module, to save time.
"""

from __future__ import annotations

from typing import NamedTuple

#: The kinds of objects that a job can be about: those in Stash, and an item in Plex that is to be put back (undo).
KINDS = ("scene", "performer", "studio", "tag", "item")

#: The largest id: SQLite's and Go's largest integer.
_LARGEST = 2**63 - 1


class JobKey(NamedTuple):
    """The object that a job is about: ``kind`` (one of ``KINDS``) and ``id`` in Stash, or of an item its rating key.

    ``str(key)`` is the text.
    """

    kind: str
    id: int

    def __str__(self) -> str:
        return f"{self.kind}:{self.id}"

    @classmethod
    def scene(cls, scene_id: int) -> JobKey:
        """Return the key of a scene."""
        return cls("scene", scene_id)

    @classmethod
    def item(cls, rating_key: int) -> JobKey:
        """Return the key of an item that is to be put back."""
        return cls("item", rating_key)

    @classmethod
    def parse(cls, text: object) -> JobKey | None:
        """Return the key in ``text``, None for anything that is not a valid key."""
        kind, _, number = text.partition(":") if isinstance(text, str) else ("", "", "")
        digits = number.isascii() and number.isdecimal() and len(number) <= len(str(_LARGEST))
        if kind not in KINDS or not digits or number[0] == "0" or int(number) > _LARGEST:
            return None
        return cls(kind, int(number))

    @classmethod
    def of_row(cls, text: object) -> JobKey:
        """Return the key in the queue's column ``key``, which was checked before it was inserted."""
        kind, _, number = str(text).partition(":")
        return cls(kind, int(number))

    @property
    def is_scene(self) -> bool:
        """Return whether the job is about a scene."""
        return self.kind == "scene"

    @property
    def is_undo(self) -> bool:
        """Return whether the job is to put an item back."""
        return self.kind == "item"

    @property
    def spoken(self) -> str:
        """The object as sentences name it, ``scene 12``."""
        return f"{self.kind} {self.id}"
