"""Clean text for Plex: what is removed, what becomes a blank, and where a long text is cut.

Pure, total (no text makes it raise) and idempotent. Knows no scenes and no settings, nor the field a text is for.
"""

from __future__ import annotations

import re
import string
import unicodedata
from collections.abc import Iterator
from datetime import date

#: Characters of a title, studio, performer, tag or collection. Plex documents no limit; other tools that write to it
#: keep to 255 without trouble.
NAME_LIMIT = 255
#: A cut goes back to the end of a word if one ends within so many characters; text without blanks is cut where it is.
WORD_REACH = 40

_ZWJ = "\u200d"
_TAGS = "".join(map(chr, range(0xE0020, 0xE0080)))
#: England, Scotland, Wales: a black flag, invisible letters that name the region, and an end mark.
_TAG_FLAG = re.compile("\U0001f3f4[\U000e0030-\U000e0039\U000e0061-\U000e007a]{3,6}\U000e007f")
#: Format characters (category Cf) that are signs one can see, such as the Arabic year sign.
_VISIBLE_FORMAT = frozenset("\u0600\u0601\u0602\u0603\u0604\u0605\u06dd\u070f\u0890\u0891\u08e2\U000110bd\U000110cd")
#: Blank or without width, though Unicode calls them symbol, letter or mark.
_BLANK_LETTERS = frozenset("\u2800\u3164\uffa0")
_NO_WIDTH = frozenset("\u034f")
_LINE_ENDS = frozenset("\n\r\v\f\x85\u2028\u2029")
#: Emoji that are not in the category So: arrows, wavy dash and the squares.
_EMOJI_SYMBOLS = frozenset("\u2194\u3030\u25fd\u25fe")
_UNRESERVED = frozenset(string.ascii_letters + string.digits + "_.-~")
_JAMO = {
    "L": ((0x1100, 0x115F), (0xA960, 0xA97C)),
    "V": ((0x1160, 0x11A7), (0xD7B0, 0xD7C6)),
    "T": ((0x11A8, 0x11FF), (0xD7CB, 0xD7FB)),
}
#: Which parts of a Korean syllable may follow which: leading consonants, vowels, trailing consonants.
_HANGUL_NEXT: dict[str, tuple[str, ...]] = {
    "": (),
    "L": ("L", "V", "LV", "LVT"),
    "V": ("V", "T"),
    "LV": ("V", "T"),
    "T": ("T",),
    "LVT": ("T",),
}
_DATE = re.compile(r"(\d{4})(?:-(\d{2})(?:-(\d{2}))?)?", re.ASCII)


def title_text(raw: object) -> str:
    """Return ``raw`` as a title: one line, at most ``NAME_LIMIT`` characters. Anything but a text counts as empty."""
    return cut(one_line(raw), NAME_LIMIT)


def name_text(raw: object) -> str:
    """Return ``raw`` as the name of a studio, performer, tag or collection: the same rules as for a title."""
    return title_text(raw)


def summary_text(raw: object) -> str:
    """Return ``raw`` with its lines and paragraphs: line ends as LF, no blanks at the end of a line. Not cut."""
    lines = _visible(raw.replace("\r\n", "\n") if isinstance(raw, str) else "").split("\n")
    return "\n".join(line.rstrip() for line in lines).strip()


def one_line(raw: object) -> str:
    """Return ``raw`` on one line, each run of blanks and line ends one space. Not cut."""
    return " ".join(_visible(raw if isinstance(raw, str) else "").split())


def ascii_line(raw: object) -> str:
    """Return ``raw`` on one line, transliterated to ASCII; ``""`` if nothing of it has a transliteration. Not cut."""
    line = one_line(raw)
    if line.isascii():
        return line
    from unidecode import unidecode  # its tables are loaded only if "Plain titles" is on

    return one_line(unidecode(line))


def date_text(raw: object) -> tuple[str, str]:
    """Return Stash's date as ``(YYYY-MM-DD, "")``; a partial date is its first day.

    No date gives ``("", "")``, an unusable one ``("", sentence)``; the sentence has no full stop.
    """
    text = one_line(raw)
    if not text:
        return "", ""
    found = _DATE.fullmatch(text)
    if found:
        year, month, day = (int(part or 1) for part in found.groups())
        try:
            return date(year, month, day).isoformat(), ""
        except ValueError:
            pass
    return "", f'"{cut(text, WORD_REACH)}" is not a date of the form YYYY-MM-DD, YYYY-MM or YYYY'


def cut(text: str, limit: int) -> str:
    """Return the beginning of ``text`` in at most ``limit`` code points: whole graphemes, and whole words if near.

    Only a grapheme that is longer than ``limit`` by itself is broken up.
    """
    if len(text) <= limit:
        return text
    end = 0
    for boundary in _boundaries(text):
        if boundary > limit:
            break
        end = boundary
    if not end:
        return text[: max(limit, 0)].rstrip(_ZWJ + _TAGS)
    if not text[end].isspace():
        reach = max(1, end - min(WORD_REACH, limit // 2))
        end = next((at for at in range(end - 1, reach - 1, -1) if text[at].isspace()), end)
    return text[:end].rstrip()


def cut_encoded(text: str, budget_bytes: int) -> str:
    """Return the beginning of ``text`` that has at most ``budget_bytes`` bytes as percent-encoded UTF-8."""
    used = 0
    for at, char in enumerate(text):
        used += 1 if char in _UNRESERVED else 3 * len(char.encode("utf-8", "surrogatepass"))
        if used > budget_bytes:
            return cut(text, at)
    return text


def _visible(text: str) -> str:
    """Return ``text`` in NFC with blanks as spaces, line ends as LF, and without what cannot be seen."""
    if text.isascii() and text.isprintable():
        return text
    while True:  # what a removed character kept apart may now compose, or be an emoji no longer
        cleaned = unicodedata.normalize("NFC", _without_unseen(text))
        if cleaned == text:
            return text
        text = cleaned


def _without_unseen(text: str) -> str:
    flags = {at for found in _TAG_FLAG.finditer(text) for at in range(found.start() + 1, found.end())}
    kept: list[str] = []
    emoji = False  # the last character kept that extends nothing is an emoji
    for at, char in enumerate(text):
        if char == _ZWJ:
            new = char if emoji and kept[-1] != _ZWJ and _is_emoji(text[at + 1 : at + 2]) else ""
        else:
            new = char if at in flags else _seen(char)
        if new and not _extends(new):
            emoji = _is_emoji(new)
        if new:
            kept.append(new)
    return "".join(kept)


def _seen(char: str) -> str:
    """Return the character itself, a space or LF in its place, or nothing."""
    if char in _LINE_ENDS:
        return "\n"
    category = unicodedata.category(char)
    if category == "Zs" or char == "\t" or char in _BLANK_LETTERS:
        return " "
    unseen = category in ("Cc", "Cs") or (category == "Cf" and char not in _VISIBLE_FORMAT) or char in _NO_WIDTH
    return "" if unseen or _is_noncharacter(ord(char)) else char


def _is_noncharacter(code: int) -> bool:
    return code & 0xFFFE == 0xFFFE or 0xFDD0 <= code <= 0xFDEF


def _is_emoji(char: str) -> bool:
    """Return whether ``char`` is an emoji: nearly Unicode's Extended_Pictographic, which Python's library lacks."""
    if not char or char in _EMOJI_SYMBOLS:
        return bool(char)
    return unicodedata.category(char) == "So" or 0x1F000 <= ord(char) <= 0x1FAFF


def _extends(char: str) -> bool:
    """Return whether ``char`` belongs to the grapheme before it: marks, selectors, joiners, skin tones, tags."""
    return (
        unicodedata.category(char) in ("Mn", "Me", "Mc")
        or char in "\u200c\u200d"
        or 0x1F3FB <= ord(char) <= 0x1F3FF
        or 0xE0020 <= ord(char) <= 0xE007F
    )


def _boundaries(text: str) -> Iterator[int]:
    """Yield the index after each grapheme of ``text``, by Unicode's rules as far as titles and summaries need them."""
    flags = 0  # regional indicators in a row up to here: each two are a flag
    emoji = False  # the grapheme up to here is an emoji with its extensions
    for at, char in enumerate(text):
        before = text[at - 1] if at else ""
        flag = 0x1F1E6 <= ord(char) <= 0x1F1FF
        if at and not (
            (_extends(char) and before not in _LINE_ENDS)
            or (emoji and before == _ZWJ and _is_emoji(char))
            or (flag and flags % 2 == 1)
            or before + char == "\r\n"
            or _hangul(char) in _HANGUL_NEXT[_hangul(before)]
        ):
            yield at
        flags = flags + 1 if flag else 0
        if not _extends(char):
            emoji = _is_emoji(char)
    yield len(text)


def _hangul(char: str) -> str:
    """Return which part of a Korean syllable ``char`` is: L, V, T, LV or LVT, or ``""``."""
    code = ord(char)
    if 0xAC00 <= code <= 0xD7A3:  # composed syllables: 28 for each pair of consonant and vowel, the first without T
        return "LVT" if (code - 0xAC00) % 28 else "LV"
    for part, spans in _JAMO.items():
        if any(first <= code <= last for first, last in spans):
            return part
    return ""
