"""Read what people paste into a box of the settings: a token in an address, a page's address, names, path pairs. Pure.

Knows no keys of settings, and words no warnings.
"""

from __future__ import annotations

import re
import unicodedata
from typing import NamedTuple

#: Opening quote -> the quotes that may close it.
_QUOTES = {
    '"': '"', "'": "'", "`": "`", "\u201c": "\u201d\u201c", "\u201d": "\u201d", "\u201e": "\u201c\u201d",
    "\u2018": "\u2019", "\u2019": "\u2019", "\u201a": "\u2018\u2019", "\u00ab": "\u00bb", "\u00bb": "\u00ab", "<": ">",
}  # fmt: skip
#: A token after its name, as in an address, a header, JSON or Plex's Preferences.xml.
_NAMED_TOKEN = re.compile(r"""token["']?\s*(?:=|:|%3[ad])\s*["']?([^\s"'&#;,<>%]+)""", re.IGNORECASE)
_NO_TOKEN = re.compile(r"://|token\s*[=:]\s*$", re.IGNORECASE)
#: The end of a path that is a page of Plex's web app or an answer of its API, and no base path of a proxy.
_PAGE = re.compile(
    r"(?:/web(?:/(?:index\.html|desktop).*)?|/index\.html|/library/(?:sections|metadata)(?:/.*)?|/identity|/:/.*)/*$",
    re.IGNORECASE,
)
_SEPARATORS = re.compile(r"[,;\n\uff0c\uff1b\u3001]")
_ENTRIES = re.compile(r"[;\n\uff1b]")
_ARROW = re.compile(r"=+>|\uff1d\uff1e")
#: Other signs that people type for the arrow: they count only between two whole paths, since a path may have them too.
_OTHER_ARROWS = (
    re.compile(r"-+>|[\u2190-\u21ff\u2794\u279c\u27f6\u27f9]"),
    re.compile(r"[=>\uff1d]"),
    re.compile(r":(?=/)"),
)
_WHOLE_PATH = re.compile(r"[/\\]|[A-Za-z]:(?:[/\\]|$)")
_ALL_BELOW = re.compile(r"[/\\]\*+$")


class Address(NamedTuple):
    """An address without what follows the server's base. ``cut``: something was left out."""

    base: str
    cut: bool


def unquoted(text: str) -> str:
    """Return ``text`` without the blanks, invisible characters and pairs of quotes around it."""
    while True:
        text = _trimmed(text)
        inner = text[1:-1]
        if len(text) < 2 or text[-1] not in _QUOTES.get(text[0], "") or text[0] in inner or text[-1] in inner:
            return text
        text = inner


def token(text: str) -> str:
    """Return the token in ``text``, without quotes and blanks; what follows its name if that is there; ``""`` for none.

    A line break within it stays: what was pasted is more than a token.
    """
    named = _NAMED_TOKEN.search(text)
    if named is None and _NO_TOKEN.search(text):
        return ""
    found = unquoted(named[1] if named else text.partition("&")[0])
    return "".join(char for char in found if char in "\r\n" or not (char.isspace() or _is_invisible(char)))


def may_be_token(address: str) -> bool:
    """Return whether what stands where an address belongs looks like a token, pasted into the wrong box."""
    return re.fullmatch(r"[\w-]{16,}", address) is not None


def address(text: str) -> Address:
    """Return the base of an address: without query, fragment, and the path of a page of Plex."""
    base = re.split(r"[?#]", unquoted(text).replace("\\", "/"))[0]
    if base.startswith("//"):
        base = f"http:{base}"
    base = "".join(char for char in base if not _is_invisible(char))
    scheme, separator, rest = base.rpartition("://")
    host, slash, path = rest.partition("/")
    page = _PAGE.search(slash + path)
    path = (slash + path)[: page.start()] if page else slash + path
    return Address(f"{scheme}{separator}{host}{path}".rstrip("/"), bool(page) or any(sign in text for sign in "?#"))


def names(text: str) -> tuple[str, ...]:
    """Return the names in a list that commas, semicolons or line breaks separate, each once and without quotes."""
    pieces = (unquoted(piece) for piece in _SEPARATORS.split(unquoted(text)))
    return tuple(dict.fromkeys(piece for piece in pieces if piece))


def path_pairs(text: str) -> list[list[tuple[str, str]]]:
    """Return the pairs of paths in each entry of a path map; an entry that is no pair has none.

    Entries end with a semicolon or at the line's end. An entry of several pairs is one where commas separate them.
    """
    entries = (unquoted(entry) for entry in _ENTRIES.split(unquoted(text)))
    return [_pairs(entry) for entry in entries if entry]


def is_whole_path(text: str) -> bool:
    """Return whether ``text`` begins with a slash, a backslash or a drive letter."""
    return _WHOLE_PATH.match(text) is not None


def _pairs(entry: str) -> list[tuple[str, str]]:
    if pair := _pair(entry, _ARROW):
        return [pair]
    for arrow in _OTHER_ARROWS if not _ARROW.search(entry) else ():
        pair = _pair(entry, arrow)
        if pair and all(map(is_whole_path, pair)):
            return [pair]
    parts = [_pair(unquoted(part), _ARROW) for part in entry.split(",")]
    pairs = [pair for pair in parts if pair and all(map(is_whole_path, pair))]
    return pairs if len(pairs) == len(parts) else []


def _pair(entry: str, arrow: re.Pattern[str]) -> tuple[str, str] | None:
    sides = [_side(side) for side in arrow.split(entry)]
    return (sides[0], sides[1]) if len(sides) == 2 and all(sides) else None


def _side(text: str) -> str:
    """Return one side of a pair: without quotes, also one that has lost its other half, and ``/*`` at its end."""
    path = unquoted(unquoted(text).lstrip("\"'\u201c\u201e\u2018").rstrip('"\u201d'))
    return _ALL_BELOW.sub("", path) or path[:1]


def _trimmed(text: str) -> str:
    start, end = 0, len(text)
    while start < end and (text[start].isspace() or _is_invisible(text[start])):
        start += 1
    while start < end and (text[end - 1].isspace() or _is_invisible(text[end - 1])):
        end -= 1
    return text[start:end]


def _is_invisible(char: str) -> bool:
    """Return whether ``char`` is one that pages carry along unseen: zero-width, a direction mark, a soft hyphen."""
    return unicodedata.category(char) == "Cf"
