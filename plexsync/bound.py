"""Values bound to SQL statements, in portions that every SQLite takes. Knows no table."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TypeVar

V = TypeVar("V")

#: Values bound to one statement; SQLite's own limit was 999 until 3.32.
MANY = 500


def portions(values: Sequence[V]) -> Iterator[tuple[Sequence[V], str]]:
    """``values`` in portions of ``MANY``, each with the question marks for its ``IN (...)``."""
    for start in range(0, len(values), MANY):
        portion = values[start : start + MANY]
        yield portion, ",".join("?" * len(portion))
