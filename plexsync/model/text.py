"""Clean text for Plex: remove what cannot be seen, normalize blanks, and cut long texts.

Pure, total (no text makes it raise) and idempotent. Knows no scenes, settings or fields.
"""

from __future__ import annotations

import re
import string
import unicodedata
from collections.abc import Iterator
from datetime import date

#: Longest title, studio, performer, tag or collection in characters. Plex documents no limit; other tools that write to
#: Plex keep to 255 without trouble.
NAME_LIMIT = 255
#: Characters by which a cut may move back to the end of a word; with no blank in reach, it goes through the word.
WORD_REACH = 40

_ZWJ = "\u200d"
_TAGS = "".join(map(chr, range(0xE0020, 0xE0080)))
#: The flags of England, Scotland and Wales: a black flag, invisible letters for the region, and an end mark.
_TAG_FLAG = re.compile("\U0001f3f4[\U000e0030-\U000e0039\U000e0061-\U000e007a]{3,6}\U000e007f")
#: Format characters (category Cf) that are visible, such as the Arabic year sign.
_VISIBLE_FORMAT = frozenset("\u0600\u0601\u0602\u0603\u0604\u0605\u06dd\u070f\u0890\u0891\u08e2\U000110bd\U000110cd")
#: Blank, or without width, although Unicode classes them as symbol, letter or mark.
_BLANK_LETTERS = frozenset("\u2800\u3164\uffa0")
_NO_WIDTH = frozenset("\u034f")
_LINE_ENDS = frozenset("\n\r\v\f\x85\u2028\u2029")
#: Emoji outside the category So: an arrow, the wavy dash and two squares.
_EMOJI_SYMBOLS = frozenset("\u2194\u3030\u25fd\u25fe")
_UNRESERVED = frozenset(string.ascii_letters + string.digits + "_.-~")
_JAMO = {
    "L": ((0x1100, 0x115F), (0xA960, 0xA97C)),
    "V": ((0x1160, 0x11A7), (0xD7B0, 0xD7C6)),
    "T": ((0x11A8, 0x11FF), (0xD7CB, 0xD7FB)),
}
#: Part of a Korean syllable -> the parts that may follow it. L: leading consonant, V: vowel, T: trailing consonant.
_HANGUL_NEXT: dict[str, tuple[str, ...]] = {
    "": (),
    "L": ("L", "V", "LV", "LVT"),
    "V": ("V", "T"),
    "LV": ("V", "T"),
    "T": ("T",),
    "LVT": ("T",),
}
_DATE = re.compile(r"(\d{4})(?:-(\d{2})(?:-(\d{2}))?)?", re.ASCII)


def name_text(raw: object) -> str:
    """Return ``raw`` as a title or name: one line of at most ``NAME_LIMIT`` characters; ``""`` if it is not a text."""
    return cut(one_line(raw), NAME_LIMIT)


def summary_text(raw: object) -> str:
    """Return ``raw`` with its lines and paragraphs, line ends as LF and without blanks before them. Not cut."""
    lines = _visible(raw.replace("\r\n", "\n") if isinstance(raw, str) else "").split("\n")
    return "\n".join(line.rstrip() for line in lines).strip()


def one_line(raw: object) -> str:
    """Return ``raw`` on one line, with one space for each run of blanks and line ends. Not cut."""
    return " ".join(_visible(raw if isinstance(raw, str) else "").split())


def ascii_line(raw: object) -> str:
    """Return ``raw`` on one line, transliterated to ASCII; ``""`` if it cannot be transliterated. Not cut."""
    line = one_line(raw)
    if line.isascii():
        return line
    from unidecode import unidecode  # imported only if "Plain titles" is on: its tables are large

    return one_line(unidecode(line))


def date_text(raw: object) -> tuple[str, str]:
    """Return Stash's date as ``(YYYY-MM-DD, "")``; a partial date becomes its first day.

    No date gives ``("", "")``, an unusable one ``("", problem)``; the problem has no full stop.
    """
    text = one_line(raw)
    if not text:
        return "", ""
    match = _DATE.fullmatch(text)
    if match:
        year, month, day = (int(part or 1) for part in match.groups())
        try:
            return date(year, month, day).isoformat(), ""
        except ValueError:
            pass
    return "", f'"{cut(text, WORD_REACH)}" is not a date of the form YYYY-MM-DD, YYYY-MM or YYYY'


def cut(text: str, limit: int) -> str:
    """Return the beginning of ``text`` in at most ``limit`` code points: whole graphemes, and whole words if near.

    Only a grapheme that is longer than ``limit`` is broken up.
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
    """Return the beginning of ``text`` that takes at most ``budget_bytes`` bytes as percent-encoded UTF-8."""
    used = 0
    for at, char in enumerate(text):
        used += 1 if char in _UNRESERVED else 3 * len(char.encode("utf-8", "surrogatepass"))
        if used > budget_bytes:
            return cut(text, at)
    return text


def _visible(text: str) -> str:
    """Return ``text`` in NFC, with spaces for blanks, LF for line ends, and without invisible characters."""
    if text.isascii() and text.isprintable():
        return text
    while True:  # without a removed character its neighbours may compose, or stop being an emoji
        cleaned = unicodedata.normalize("NFC", _without_unseen(text))
        if cleaned == text:
            return text
        text = cleaned


def _without_unseen(text: str) -> str:
    flags = {at for match in _TAG_FLAG.finditer(text) for at in range(match.start() + 1, match.end())}
    kept: list[str] = []
    emoji = False  # the last kept character that starts a grapheme is an emoji
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
    """Return the character, a space or LF in its place, or ``""`` if it is invisible."""
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
    """Return whether ``char`` is an emoji, close to Unicode's Extended_Pictographic, which Python does not have."""
    if not char or char in _EMOJI_SYMBOLS:
        return bool(char)
    return unicodedata.category(char) == "So" or 0x1F000 <= ord(char) <= 0x1FAFF


def _extends(char: str) -> bool:
    """Return whether ``char`` belongs to the grapheme before it: a mark, selector, joiner, skin tone or tag."""
    return (
        unicodedata.category(char) in ("Mn", "Me", "Mc")
        or char in "\u200c\u200d"
        or 0x1F3FB <= ord(char) <= 0x1F3FF
        or 0xE0020 <= ord(char) <= 0xE007F
    )


def _boundaries(text: str) -> Iterator[int]:
    """Yield the index after each grapheme of ``text``, by as many of Unicode's rules as titles and summaries need."""
    flags = 0  # consecutive regional indicators before this one: two of them make a flag
    emoji = False  # the grapheme so far is an emoji with its extensions
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
    """Return the part of a Korean syllable that ``char`` is (L, V, T, LV, LVT), ``""`` if it is none."""
    code = ord(char)
    if 0xAC00 <= code <= 0xD7A3:  # composed: 28 for each pair of consonant and vowel, and the first has no T
        return "LVT" if (code - 0xAC00) % 28 else "LV"
    for part, spans in _JAMO.items():
        if any(first <= code <= last for first, last in spans):
            return part
    return ""
