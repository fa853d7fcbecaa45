"""A reader for the small part of YAML that the manifest uses: maps, lists, plain and double-quoted text, no more.

Every scalar comes back as text, as Stash reads them for a plugin.
"""

from __future__ import annotations

import json
import re
from typing import Any, NamedTuple

#: A plain scalar that every YAML reader takes for the same text: no indicator first, no ``: `` and no `` #`` inside.
PLAIN = re.compile(r"""(?![\s\-?:,\[\]{}#&*!|>'"%@`])(?:(?!:\s|\s#|:$).)+""")
KEY = re.compile(r"([A-Za-z_]\w*|/[\w/.]*):(?: (.+))?$")


class ManifestError(ValueError):
    """The text is not of the small part that this reader accepts; the message names the line."""


class Line(NamedTuple):
    """One line that says something: its number, its indentation, and the rest."""

    number: int
    indent: int
    body: str


def read(text: str) -> Any:
    """The document as dicts, lists and text; ``ManifestError`` for anything out of the ordinary."""
    lines = [_line(number, raw) for number, raw in enumerate(text.splitlines(), 1) if raw.strip()]
    value, rest = _block(lines, 0)
    if rest:
        raise ManifestError(f"line {rest[0].number}: unexpected indentation")
    return value


def _line(number: int, raw: str) -> Line:
    if "\t" in raw or raw != raw.rstrip():
        raise ManifestError(f"line {number}: tab or trailing blank")
    body = raw.lstrip(" ")
    return Line(number, len(raw) - len(body), body)


def _block(lines: list[Line], indent: int) -> tuple[Any, list[Line]]:
    if not lines or lines[0].indent != indent:
        raise ManifestError(f"line {lines[0].number if lines else 'last'}: a block indented by {indent} is missing")
    if lines[0].body.startswith("- "):
        return _list(lines, indent)
    return _map(lines, indent)


def _list(lines: list[Line], indent: int) -> tuple[list[Any], list[Line]]:
    items: list[Any] = []
    item: Any
    while lines and lines[0].indent == indent and lines[0].body.startswith("- "):
        head = lines[0]
        inner = Line(head.number, indent + 2, head.body[2:])
        if KEY.match(inner.body):
            item, lines = _map([inner, *lines[1:]], indent + 2)
        else:
            item, lines = _scalar(inner), lines[1:]
        items.append(item)
    return items, lines


def _map(lines: list[Line], indent: int) -> tuple[dict[str, Any], list[Line]]:
    entries: dict[str, Any] = {}
    while lines and lines[0].indent == indent and not lines[0].body.startswith("- "):
        head, lines = lines[0], lines[1:]
        match = KEY.match(head.body)
        if match is None or match[1] in entries:
            raise ManifestError(f"line {head.number}: no key, or a key for the second time")
        if match[2] is None:
            entries[match[1]], lines = _block(lines, indent + 2)
        else:
            entries[match[1]] = _scalar(Line(head.number, head.indent, match[2]))
    return entries, lines


def _scalar(line: Line) -> str:
    if line.body.startswith('"'):
        try:
            return str(json.loads(line.body))
        except ValueError as error:
            raise ManifestError(f"line {line.number}: {error}") from error
    if not PLAIN.fullmatch(line.body):
        raise ManifestError(f"line {line.number}: quote this text")
    return line.body
