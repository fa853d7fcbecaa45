"""Normal forms of paths and file names, to compare those of Stash and Plex. Pure."""

from __future__ import annotations

import re
import unicodedata

_SLASHES = re.compile(r"/{2,}")


def slashed(raw: str) -> str:
    """Return ``raw`` with ``/`` for every run of slashes and backslashes, else unchanged."""
    return _SLASHES.sub("/", raw.replace("\\", "/"))


def normal_path(raw: str) -> str:
    """Return ``raw`` in NFC and in its case, with ``/`` for every run of slashes and backslashes."""
    return slashed(unicodedata.normalize("NFC", raw))


def fold(text: str) -> str:
    """Return ``text`` without case, in NFC: equal for two spellings that a case-folding file system takes for one."""
    if text.isascii():  # most are, and an index holds 100,000
        return text.lower()
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", text).casefold())


def fold_path(path: str) -> str:
    """Return ``path`` as a case-folding file system compares it: letter by letter, ``ß`` is not ``ss``."""
    if path.isascii():
        return path.lower()
    return "".join(low if len(low := letter.lower()) == 1 else letter for letter in path)


def base_name(raw: str) -> str:
    """Return what follows the last slash or backslash, as spelled in ``raw``."""
    return raw.replace("\\", "/").rpartition("/")[2]


def name_key(raw: str) -> str:
    """Return the look-up key of a path or file name: the base name without case, in NFC."""
    return fold(base_name(raw))


def spellings(name: str) -> frozenset[str]:
    """Return ``name`` as it is, composed and decomposed: the forms in which a server may store it."""
    return frozenset((name, unicodedata.normalize("NFC", name), unicodedata.normalize("NFD", name)))


def components(path: str) -> tuple[str, ...]:
    """Return the components of a normal path; a leading or trailing slash adds none."""
    return tuple(part for part in path.split("/") if part)


def common_suffix(left: tuple[str, ...], right: tuple[str, ...]) -> int:
    """Return how many components at the end of two paths are equal."""
    count = 0
    for component, other in zip(reversed(left), reversed(right), strict=False):
        if component != other:
            break
        count += 1
    return count
