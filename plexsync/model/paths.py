"""Normal forms of paths and file names, for comparing those of Stash and Plex. Pure.

A normal form is never sent: what goes to a server is spelled as that server spells it.
"""

from __future__ import annotations

import re
import unicodedata

_SLASHES = re.compile(r"/{2,}")
_COMPONENT = re.compile(r"[^/\\]+")
_WINDOWS = re.compile(r"[A-Za-z]:|[/\\]{2}[^/\\]")


def slashed(raw: str) -> str:
    """Return ``raw`` with ``/`` for every run of slashes and backslashes, otherwise unchanged."""
    return _SLASHES.sub("/", raw.replace("\\", "/"))


def normal_path(raw: str) -> str:
    """Return ``raw`` in NFC with ``/`` for every run of slashes and backslashes; its case stays."""
    return slashed(unicodedata.normalize("NFC", raw))


def fold(text: str) -> str:
    """Return ``text`` without case, in NFC: spellings that a case-insensitive file system takes for one are equal."""
    if text.isascii():  # nearly always, and an index has 100,000 names
        return text.lower()
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", text).casefold())


def fold_path(path: str) -> str:
    """Return ``path`` as a case-insensitive file system compares it: letter by letter, so ``ß`` is not ``ss``."""
    if path.isascii():
        return path.lower()
    return "".join(low if len(low := letter.lower()) == 1 else letter for letter in path)


def ignores_case(path: str) -> bool:
    """Return whether the path, as typed or told by a server, is one of Windows: with a drive letter or a UNC host."""
    return _WINDOWS.match(path) is not None


def key_of(path: str, *, fold_case: bool) -> tuple[str, ...]:
    """Return the components by which a path is compared, without case if the file system ignores it."""
    normal = normal_path(path)
    return components(fold_path(normal) if fold_case else normal)


def leading(path: str, count: int) -> str:
    """Return the first ``count`` components (1 or more) of ``path``, as it spells them, without a slash at the end."""
    return path[: [found.end() for found in _COMPONENT.finditer(path)][count - 1]]


def base_name(raw: str) -> str:
    """Return the part of ``raw`` after the last slash or backslash, unchanged."""
    return raw.replace("\\", "/").rpartition("/")[2]


def name_key(raw: str) -> str:
    """Return the look-up key of a path or file name: the base name without case, in NFC."""
    return fold(base_name(raw))


def spellings(name: str) -> frozenset[str]:
    """Return ``name`` unchanged, composed and decomposed: the forms in which a server may store it."""
    return frozenset((name, unicodedata.normalize("NFC", name), unicodedata.normalize("NFD", name)))


def components(path: str) -> tuple[str, ...]:
    """Return the components of a normal path; a leading or trailing slash adds none."""
    return tuple(part for part in path.split("/") if part)


def common_suffix(left: tuple[str, ...], right: tuple[str, ...]) -> int:
    """Return the number of equal components at the end of two paths."""
    count = 0
    for component, other in zip(reversed(left), reversed(right), strict=False):
        if component != other:
            break
        count += 1
    return count
