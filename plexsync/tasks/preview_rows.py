"""The rows of the last preview, page by page, from the files that Preview left. Standard library alone.

One scan of the file answers everything, with one page of rows in memory. A file is replaced as a whole, and a reader
keeps the one that it has opened.
"""

from __future__ import annotations

import csv
import json
import os
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from plexsync.core import environment
from plexsync.model.errors import PlexSyncError
from plexsync.status import moment
from plexsync.tasks.call import Args

COLUMNS = ("scene_id", "scene_title", "rating_key", "confidence", "evidence", "field", "old", "new")
UNMATCHED_COLUMNS = ("scene_id", "scene_title", "path", "reason", "candidates")

#: How many other names Preview tries for a file that another program has open: ``preview-2.csv``, ``preview-3.csv``.
OTHER_NAMES = 8

#: Rows in one answer: where the call names no number, and at most.
ROWS, MOST_ROWS = 100, 500

#: Characters of one value: more than any summary, and what a C long takes everywhere.
LONGEST_VALUE = 2**31 - 1

#: Columns whose values are numbers.
_NUMBERS = {"scene_id", "rating_key"}

Row = Sequence[str]


def names_of(name: str) -> tuple[str, ...]:
    """Return the names under which the file ``name`` may lie, the usual one first."""
    stem, ending = os.path.splitext(name)
    return (name, *(f"{stem}-{number}{ending}" for number in range(2, OTHER_NAMES + 2)))


def changes(folder: str, args: Args) -> dict[str, Any]:
    """Return a page of the last preview's changes; ``counts``: rows by field."""
    return _answer(folder, environment.PREVIEW, COLUMNS, lambda row: row[5], args)


def unmatched(folder: str, args: Args) -> dict[str, Any]:
    """Return a page of the scenes that the last preview could not match; ``counts``: rows by kind of reason."""
    return _answer(folder, environment.UNMATCHED, UNMATCHED_COLUMNS, reason_of, args)


def reason_of(row: Row) -> str:
    """Return why a scene is unmatched, by the name that its dead letter would have."""
    if row[4]:
        return "low_confidence"
    return "not_in_plex" if row[2] else "invalid"


@dataclass(slots=True)
class _Page:
    """What a call asks for, and what was found so far."""

    offset: int
    limit: int
    kind: str
    text: str
    total: int = 0
    counts: Counter[str] = field(default_factory=Counter)
    rows: list[Row] = field(default_factory=list)

    @classmethod
    def asked(cls, args: Args) -> _Page:
        """Read the arguments. Raise ``PlexSyncError``."""
        offset = _number(args, "offset", 0, 0, 10**9)
        limit = _number(args, "limit", ROWS, 1, MOST_ROWS)
        return cls(offset, limit, _text(args, "field"), _text(args, "text").casefold())

    def take(self, row: Row, kind: str) -> None:
        """Count a row, and keep it if it is wanted and on the page."""
        self.counts[kind] += 1
        if self.kind and kind != self.kind:
            return
        if self.text and not any(self.text in value.casefold() for value in row):
            return
        self.total += 1
        if self.offset < self.total <= self.offset + self.limit:
            self.rows.append(row)


def _answer(folder: str, name: str, columns: Row, kind: Callable[[Row], str], args: Args) -> dict[str, Any]:
    page = _Page.asked(args)
    path = _newest(folder, name)
    try:
        made_at = _scan(path, columns, kind, page) if path else None
        rows = [_as_dict(row, columns) for row in page.rows]
    except (csv.Error, ValueError):
        raise PlexSyncError(f"{name} was changed by another program. Run Preview again.") from None
    return {
        "made_at": moment(made_at),
        "total": page.total,
        "counts": dict(sorted(page.counts.items())),
        "rows": rows,
    }


def _scan(path: str, columns: Row, kind: Callable[[Row], str], page: _Page) -> float:
    """Read the file into the page; return when it was made. Raise ``OSError``, ``csv.Error`` or ``ValueError``."""
    with environment.patiently(open, path, "r", -1, "utf-8", "replace", "") as file:
        for row in _rows(csv.reader(file), columns):
            page.take(row, kind(row))
        return os.fstat(file.fileno()).st_mtime


def _newest(folder: str, name: str) -> str:
    """Return the path of the last preview's file, ``""`` if there is none."""
    found: list[tuple[float, str]] = []
    for path in (os.path.join(folder, one) for one in names_of(name)):
        try:
            found.append((os.stat(path).st_mtime, path))
        except OSError:
            continue
    return max(found)[1] if found else ""


def _rows(reader: Iterator[list[str]], columns: Row) -> Iterator[Row]:
    """Yield the rows below the header. Raise ``ValueError`` if they are not a preview's."""
    csv.field_size_limit(LONGEST_VALUE)
    width = len(columns)
    if next(reader, None) != list(columns):
        raise ValueError("another header")
    for row in reader:
        if len(row) != width:
            raise ValueError("another number of columns")
        yield row


def _as_dict(row: Row, columns: Row) -> dict[str, Any]:
    """Return a row by column: ids as numbers, candidates as a list, anything else as text."""
    values: dict[str, Any] = dict(zip(columns, row, strict=True))
    for name in _NUMBERS & values.keys():
        values[name] = int(values[name])
    if "candidates" in values:
        values["candidates"] = json.loads(values["candidates"] or "[]")
        values["kind"] = reason_of(row)
    return values


def _number(args: Args, name: str, default: int, least: int, most: int) -> int:
    raw = args.get(name)
    if raw is None or raw == "":
        return default
    text = str(int(raw)) if isinstance(raw, float) and raw.is_integer() else str(raw).strip()
    if isinstance(raw, bool) or not (text.isascii() and text.isdigit() and len(text) <= 18):
        raise PlexSyncError(f"{text[:20]!r} cannot be the {name}. Send a whole number from {least} to {most}.")
    if not least <= int(text) <= most:
        raise PlexSyncError(f"{text} is out of range for the {name}. Send a whole number from {least} to {most}.")
    return int(text)


def _text(args: Args, name: str) -> str:
    raw = args.get(name)
    if raw is None:
        return ""
    if not isinstance(raw, str):
        raise PlexSyncError(f"The {name} must be a text. Leave it out to see all rows.")
    return raw
