"""Spelling of paths and file names, so that Stash's and Plex's can be compared. Knows neither server."""

from __future__ import annotations

import re
import unicodedata

_SLASHES = re.compile(r"/{2,}")


def slashed(raw: str) -> str:
    """``raw`` with ``/`` for every run of slashes and backslashes, else exactly as it is."""
    return _SLASHES.sub("/", raw.replace("\\", "/"))


def normal_path(raw: str) -> str:
    """``raw`` in NFC and its exact case, with ``/`` for every run of slashes and backslashes."""
    return slashed(unicodedata.normalize("NFC", raw))


def fold(text: str) -> str:
    """``text`` without case, in NFC: what two spellings on a case-folding file system have in common."""
    if text.isascii():  # most are, and an index holds 100,000
        return text.lower()
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", text).casefold())


def fold_path(path: str) -> str:
    """``path`` as a case-folding file system compares it: letter by letter, so that ``ß`` is not ``ss``."""
    if path.isascii():
        return path.lower()
    return "".join(low if len(low := letter.lower()) == 1 else letter for letter in path)


def base_name(raw: str) -> str:
    """What follows the last slash or backslash, spelled exactly as in ``raw``."""
    return raw.replace("\\", "/").rpartition("/")[2]


def name_key(raw: str) -> str:
    """The index's look-up key of a path or file name: its base name without case, in NFC."""
    return fold(base_name(raw))


def spellings(name: str) -> frozenset[str]:
    """``name`` as it is, composed and decomposed: the texts under which a server may have stored the same name."""
    return frozenset((name, unicodedata.normalize("NFC", name), unicodedata.normalize("NFD", name)))


def components(path: str) -> tuple[str, ...]:
    """The components of a normal path; a leading or trailing slash adds none."""
    return tuple(part for part in path.split("/") if part)


def common_suffix(left: tuple[str, ...], right: tuple[str, ...]) -> int:
    """How many components two paths have in common, counted from their ends."""
    count = 0
    for one, other in zip(reversed(left), reversed(right), strict=False):
        if one != other:
            break
        count += 1
    return count
