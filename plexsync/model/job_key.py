"""The key of a job, ``scene:12``: the one place that spells it and reads it. Pure.

The hook spells it once more by itself (``hook.py``): it has no time to load this.
"""

from __future__ import annotations

from typing import NamedTuple

#: What a job can be about.
KINDS = ("scene", "performer", "studio", "tag")

#: The largest id: SQLite's and Go's largest integer.
_LARGEST = 2**63 - 1


class JobKey(NamedTuple):
    """What a job is about: ``kind`` (one of ``KINDS``) and Stash's ``id``. ``str(key)`` is its text in the queue."""

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
        """Return the key that ``text`` spells, or None for anything that no job can have."""
        kind, _, number = text.partition(":") if isinstance(text, str) else ("", "", "")
        digits = number.isascii() and number.isdecimal() and len(number) <= len(str(_LARGEST))
        if kind not in KINDS or not digits or number[0] == "0" or int(number) > _LARGEST:
            return None
        return cls(kind, int(number))

    @classmethod
    def of_row(cls, text: object) -> JobKey:
        """Return the key in the queue's column ``key``, which was checked when it was put there."""
        kind, _, number = str(text).partition(":")
        return cls(kind, int(number))

    @property
    def is_scene(self) -> bool:
        """Whether the job is about a scene."""
        return self.kind == "scene"
