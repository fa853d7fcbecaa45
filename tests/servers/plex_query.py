"""Which items a query of the Plex test server means, and in which order. Unknown filters are ignored, as Plex does."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from urllib.parse import unquote_plus

from tests.servers.plex_model import KINDS, Item, Model

Pairs = list[tuple[str, str]]
Test = Callable[[Item], bool]

_RELATIVE = re.compile(r"-(\d+)([smhdw])")
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}


def parse(raw: str) -> Pairs:
    """The decoded pairs of a query string. A key whose operator was not percent-encoded keeps a mark that makes it
    unknown, because Plex does not read it as an operator."""
    pairs = []
    for piece in raw.split("&"):
        if not piece:
            continue
        key, _, value = piece.partition("=")
        mark = "\0" if ">" in key or "<" in key else ""
        pairs.append((mark + unquote_plus(key), unquote_plus(value, errors="replace")))
    return pairs


def first(pairs: Pairs, name: str) -> str | None:
    """The first value of a name, or None."""
    return next((value for key, value in pairs if key == name), None)


def numbers(text: str) -> list[int]:
    """The ids of a comma list; what is no number is left out."""
    return [int(piece) for piece in text.split(",") if piece.isascii() and piece.isdigit()]


def paging(*readers: Callable[[str], str | None]) -> tuple[int, int | None]:
    """Start and size of the page that is asked for; size None when not told. The first reader that knows decides."""

    def told(name: str) -> int | None:
        text = next((found for found in (read(f"X-Plex-Container-{name}") for read in readers) if found), "")
        return int(text) if text.isdigit() else None

    return told("Start") or 0, told("Size")


def kind_test(pairs: Pairs) -> Test | None:
    """The test that ``type=`` stands for, or None."""
    wanted = first(pairs, "type")
    if wanted is None or not wanted.isdigit():
        return None
    number = int(wanted)
    return lambda item: KINDS[item.kind] == number


def filters(model: Model, pairs: Pairs) -> list[Test]:
    """One test for each filter that Plex knows; the others do not filter."""
    made = [_filter(model, key, value) for key, value in pairs]
    return [test for test in made if test is not None]


def select(model: Model, section: int, pairs: Pairs, order: str) -> Sequence[Item]:
    """The items of a section that fit ``type`` and the filters, in order (``id``, ``addedAt:desc``, ...)."""
    name, _, direction = order.partition(":")
    wanted = first(pairs, "type") or ""
    rows = model.ordered(section, name, int(wanted) if wanted.isdigit() else None)
    tests = filters(model, pairs)
    if tests:
        rows = [item for item in rows if all(test(item) for test in tests)]
    return rows[::-1] if direction == "desc" else rows


def _filter(model: Model, key: str, value: str) -> Test | None:
    name = key.rstrip("=<>!")
    operator = key[len(name) :]
    if name == "id" and not operator:
        wanted = frozenset(numbers(value))
        return lambda item: item.rating_key in wanted
    if name == "title":
        return _title(operator, value)
    if name == "mediaSize":
        return _number(operator, value, lambda item: [part.size for part in item.parts])
    if name == "updatedAt":
        return _date(model, operator, value, lambda item: item.updated_at)
    if name == "addedAt":
        return _date(model, operator, value, lambda item: item.added_at)
    if name == "trash" and not operator:
        return lambda item: (item.deleted_at is not None) == (value == "1")
    return None


def _title(operator: str, value: str) -> Test | None:
    if not operator and value.startswith("="):
        operator, value = "=", value[1:]
    wanted = value.casefold()
    tests: dict[str, Test] = {
        "": lambda item: wanted in item.title.casefold(),
        "=": lambda item: item.title.casefold() == wanted,
        "!": lambda item: wanted not in item.title.casefold(),
        "!=": lambda item: item.title.casefold() != wanted,
        "<": lambda item: item.title.casefold().startswith(wanted),
        ">": lambda item: item.title.casefold().endswith(wanted),
    }
    return tests.get(operator)


def _number(operator: str, value: str, read: Callable[[Item], Iterable[int]]) -> Test | None:
    if not value.isdigit():
        return None
    number = int(value)
    tests: dict[str, Test] = {
        "": lambda item: number in read(item),
        "!": lambda item: number not in read(item),
        ">>": lambda item: any(found > number for found in read(item)),
        "<<": lambda item: any(found < number for found in read(item)),
    }
    return tests.get(operator)


def _date(model: Model, operator: str, value: str, read: Callable[[Item], int]) -> Test | None:
    relative = _RELATIVE.fullmatch(value)
    if relative:
        value = str(model.now() - int(relative[1]) * _SECONDS[relative[2]])
    if operator not in (">>", "<<"):
        return None
    return _number(operator, value, lambda item: (read(item),))
