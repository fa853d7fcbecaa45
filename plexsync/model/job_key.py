"""The key of a job, such as ``scene:12``: the only place that formats and parses it. Pure.

Except ``hook.py``, which formats keys without loading this module, to save time.
"""

from __future__ import annotations

from typing import NamedTuple

#: The kinds of objects in Stash that a job can be about.
KINDS = ("scene", "performer", "studio", "tag")

#: The largest id: SQLite's and Go's largest integer.
_LARGEST = 2**63 - 1


class JobKey(NamedTuple):
    """The object that a job is about: ``kind`` (one of ``KINDS``) and ``id`` in Stash. ``str(key)`` is the text."""

    kind: str
    id: int

    def __str__(self) -> str:
        return f"{self.kind}:{self.id}"

    @classmethod
    def scene(cls, scene_id: int) -> JobKey:
        """Return the key of a scene."""
        return cls("scene", scene_id)

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
