"""Text for Plex: what is removed, and where a long text is cut."""

from __future__ import annotations

import sys
import unicodedata
from datetime import date
from itertools import chain
from urllib.parse import quote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from plexsync.model.text import (
    NAME_LIMIT,
    ascii_line,
    cut,
    cut_encoded,
    date_text,
    name_text,
    one_line,
    summary_text,
)

FAMILY = "\U0001f468\u200d\U0001f469\u200d\U0001f467"
WAVE = "\U0001f44b\U0001f3fd"
FLAG = "\U0001f1eb\U0001f1f7"
HEART = "\u2764\ufe0f\u200d\U0001f525"
ENGLAND = "\U0001f3f4\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f"
KEYCAP = "1\ufe0f\u20e3"
MAN = "\U0001f468"
EMOJI = f"{FAMILY} {HEART} {WAVE} {FLAG} {ENGLAND} {KEYCAP}"
HAN_JAMO = "\u1112\u1161\u11ab"
#: Every kind of character that the rules name, so that the properties meet them in all orders.
ODD = [
    "a", "Z", " ", "\n", "\r", "\t", "\v", "\x00", "\x1b", "\x1c", "\x7f", "\x85", "\xa0", "\xad", "\u0301", "\u0338",
    "\u034f", "\u0344", "\u0600", "\u1100", "\u1161", "\u11a8", "\uac00", "\u200b", "\u200c", "\u200d", "\u202e",
    "\u2028", "\u2029", "\u2194", "\u2329", "\u212b", "\u2000", "\u2764", "\u2800", "\u3000", "\u3164", "\ufe0f",
    "\ufeff", "\ufdd0", "\ufffe", "\uffff", "\ud83d", "\udc00", "\U0001f1eb", "\U0001f3f4", "\U000e0067",
    "\U000e0062", "\U000e007f", "\U0001f3fd", "\U0001f468", "\U0001fffe", FAMILY, WAVE, FLAG, ENGLAND, HEART, "word ",
]  # fmt: skip
texts = st.one_of(
    st.text(st.characters()),
    st.lists(st.sampled_from(ODD), max_size=40).map("".join),
    st.lists(st.sampled_from(ODD), min_size=60, max_size=120).map(lambda parts: "".join(parts) * 4),
)


def ascii_title(raw: object) -> str:
    """Return the title that is sent with "Plain titles" on."""
    return cut(ascii_line(raw), NAME_LIMIT)


@pytest.mark.parametrize("rule", [name_text, summary_text, ascii_title, one_line])
@pytest.mark.parametrize("raw", [None, "", "  \t\n ", 7, "\u200b\u3164\ufeff"])
def test_nothing_is_empty(rule: object, raw: object) -> None:
    """A text without visible characters, or no text at all, is empty by every rule."""
    assert callable(rule)
    assert rule(raw) == ""


@pytest.mark.parametrize(
    ("raw", "title", "summary"),
    [
        ("a\nb", "a b", "a\nb"),
        ("a\tb", "a b", "a b"),
        ("a\r\nb", "a b", "a\nb"),
        ("a\rb\x85c\u2028d", "a b c d", "a\nb\nc\nd"),
        ("  one  \r\n\r\ntwo\n", "one two", "one\n\ntwo"),
        ("x\x00y\x1bz\x1c\x7f", "xyz", "xyz"),
        ("\ufeffa\u200bb\u202ec\xadd\u2066\u034f", "abcd", "abcd"),
        ("a\xa0b\u3000c\u2003d", "a b c d", "a b c d"),
        ("e\u0301", "\xe9", "\xe9"),
        ("e\u200b\u0301", "\xe9", "\xe9"),
        ("\u201cit\u2019s\u201d \u2013 \u2014 \u2026", "\u201cit\u2019s\u201d \u2013 \u2014 \u2026", None),
        ("<b>&amp; 100% + x; #1, c", "<b>&amp; 100% + x; #1, c", None),
        ("a\ud83db\udc00c", "abc", "abc"),
        ("a\ufffe\uffffb\ufdd0\U0001ffff", "ab", "ab"),
        (EMOJI, EMOJI, None),
        (f"a\u200db \u200d{MAN}\u200d {MAN}\u200d\u200d\U0001f469", f"ab {MAN} {MAN}\u200d\U0001f469", None),
        ("\U0001f3f4\U000e0067 a\U000e0061", "\U0001f3f4 a", None),
        ("\u0600 12", "\u0600 12", None),
        ("\u6771\u4eac", "\u6771\u4eac", None),
        ("\u1112\u1161\u11ab", "\ud55c", None),
        ("a" * 300, "a" * 255, "a" * 300),
        ("word " * 60, ("word " * 51).rstrip(), ("word " * 60).rstrip()),
    ],
)  # fmt: skip
def test_rules_of_text(raw: str, title: str, summary: str | None) -> None:
    """Titles are one clean line of at most 255; summaries keep their lines; visible characters stay as typed."""
    assert name_text(raw) == title
    assert summary_text(raw) == (title if summary is None else summary)


@pytest.mark.parametrize(
    "cluster",
    [
        FAMILY, WAVE, FLAG, HEART, ENGLAND, KEYCAP, "q\u0323\u0301", HAN_JAMO, "\uac00\u11a8", "\r\n",
        "\U0001f44b\U0001f3fb", "\U0001f44b\U0001f3ff", "\U0001f1e6\U0001f1ff", "\U0001f1ff\U0001f1e6",
        "\uac00\u1161", "\uac1c\u1161", "\uac01\u11a8", "\ud7a3\u11a8", "\u115f\u11a7\u11ff",
        "x\U000e0020", "x\U000e007f",
    ],
)  # fmt: skip
def test_graphemes_are_kept_whole(cluster: str) -> None:
    """A cut at any place falls before or after a grapheme, never inside."""
    text = f"ab{cluster}{cluster}c"
    for limit in range(2, len(text)):
        whole, left = divmod(min(limit - 2, 2 * len(cluster)), len(cluster))
        assert cut(text, limit) == ("ab" + cluster * whole).rstrip(), (limit, left)


@pytest.mark.parametrize(
    "second",
    ["\U000e001f", "\U000e0080", "\U0001f3fa", "\U0001f400", "\U0001f1e5", "\U0001f200", "\u1161", "\uac00"],
    ids=ascii,
)
@pytest.mark.parametrize("first", ["a", "\uac01", "\U0001f1e6"], ids=ascii)
def test_characters_that_stand_alone(first: str, second: str) -> None:
    """What looks much like a part of a grapheme, and is none, may be cut off."""
    assert cut(f"x{first}{second}y", 2) == f"x{first}"


@pytest.mark.parametrize(
    ("char", "kept"),
    [
        ("\ufdcf", True), ("\ufdd0", False), ("\ufdef", False), ("\ufdf0", True), ("\ufffd", True), ("\ufffe", False),
        ("\U0001fffe", False), ("\U0010ffff", False), ("\U0001fffd", True), ("\ue000", True),
    ],
    ids=ascii,
)  # fmt: skip
def test_noncharacters_are_removed(char: str, kept: bool) -> None:
    """What Unicode will never assign is removed; what it has not assigned yet stays."""
    assert one_line(f"a{char}b") == (f"a{char}b" if kept else "ab")


@pytest.mark.parametrize("text", ["\u200d\U0001f44b", "\U0001f44b\u200d", "\u200d"], ids=ascii)
def test_a_joiner_at_an_end(text: str) -> None:
    """A joiner that has nothing on one side joins nothing."""
    assert one_line(text) == text.replace("\u200d", "")


@pytest.mark.parametrize(
    ("char", "joined"),
    [("\U0001f000", True), ("\U0001faff", True), ("\U0001efff", False), ("\u2194", True), ("x", False)],
)
def test_what_a_joiner_joins(char: str, joined: bool) -> None:
    """A joiner stays between two emoji only."""
    wave = "\U0001f44b"
    assert one_line(f"{wave}\u200d{char}") == (f"{wave}\u200d{char}" if joined else wave + char)
    assert one_line(f"{char}\u200d{wave}") == (f"{char}\u200d{wave}" if joined else char + wave)


def test_odd_flag_stands_alone() -> None:
    """Three regional indicators are a flag and a single letter, so a cut after the second is allowed."""
    assert cut(FLAG + "\U0001f1e9" + "\U0001f1ea", 3) == FLAG
    assert cut(FLAG + "\U0001f1e9", 2) == FLAG
    assert cut("a" + FLAG + FLAG, 2) == "a"
    assert cut("a" + FLAG + FLAG, 4) == "a" + FLAG


@pytest.mark.parametrize(
    ("text", "limit", "wanted"),
    [
        ("short", 5, "short"),
        ("one two three", 9, "one two"),
        ("one two three", 7, "one two"),
        ("one two three", 8, "one two"),
        ("ab cdefghijklmnop", 12, "ab cdefghijk"),
        ("x" * 100 + " " + "y" * 200, 255, "x" * 100 + " " + "y" * 154),
        ("x" * 230 + " " + "y" * 200, 255, "x" * 230),
        ("line\nnext word", 8, "line"),
        ("abc", 1, "a"),
        ("abc", 0, ""),
        ("abc", -1, ""),
        (f"{FAMILY}{FAMILY}", 4, FAMILY[:3]),
        (f"{ENGLAND}x", 3, "\U0001f3f4"),
        ("a" + "\u0301" * 20, 5, "a" + "\u0301" * 4),
    ],
)
def test_cut_ends_at_a_word(text: str, limit: int, wanted: str) -> None:
    """A cut ends at a word's end if one is near; only a grapheme longer than the limit is broken up."""
    assert cut(text, limit) == wanted


@pytest.mark.parametrize(
    ("text", "budget", "wanted"),
    [
        ("plain", 5, "plain"),
        ("plain", 4, "plai"),
        ("a b", 5, "a b"),
        ("a b", 4, "a"),
        ("\u6771\u4eac\u6771", 26, "\u6771\u4eac"),
        (f"ab{FAMILY}", 40, "ab"),
        ("\ud800\ud800", 9, "\ud800"),
        ("abc", 0, ""),
    ],
)
def test_cut_by_encoded_size(text: str, budget: int, wanted: str) -> None:
    """A budget counts the bytes of the text in a request line, not its characters."""
    assert cut_encoded(text, budget) == wanted


def test_long_cjk_fits_its_budget() -> None:
    """20,000 CJK characters, nine bytes each when encoded, are cut to the budget."""
    text = cut_encoded("\u6771" * 20_000, 6_500)
    assert len(quote(text, safe="")) == 6_498
    assert text == "\u6771" * 722


@given(texts)
@settings(deadline=None)
def test_text_rules_are_idempotent_and_hold(raw: str) -> None:
    """Any text is accepted; the result is NFC, clean, within the limit, and does not change again."""
    for rule in (name_text, summary_text, one_line, ascii_title):
        text = rule(raw)
        assert rule(text) == text
        assert unicodedata.is_normalized("NFC", text)
        assert text == text.strip()
        assert not set(text) & set("\x00\x1b\t\r\u200b\u200c\u202e\xad\ufeff\xa0\ufffe\uffff\ud83d\udc00\u3164")
        if rule is not summary_text:
            assert "\n" not in text
            assert "  " not in text
        if rule not in (summary_text, one_line):
            assert len(text) <= NAME_LIMIT
    assert ascii_title(raw).isascii()


@given(texts, st.integers(-2, 300))
@settings(deadline=None)
def test_a_cut_is_a_beginning_within_its_limit(raw: str, limit: int) -> None:
    """A cut is a beginning of the text that fits, and cutting it again changes nothing."""
    for shorter, size in ((cut(raw, limit), len), (cut_encoded(raw, limit), _encoded)):
        assert raw.startswith(shorter)
        assert size(shorter) <= max(limit, 0)
    assert cut(cut(raw, limit), limit) == cut(raw, limit)
    clean = cut(summary_text(raw), limit)
    assert summary_text(clean) == clean


def _encoded(text: str) -> int:
    return len(quote(text.encode("utf-8", "surrogatepass"), safe=""))


#: Where Unicode has marks, format characters, selectors, tags and emoji; of the rest every 29th is tried.
TELLING = (range(0x3100), range(0xFB00, 0x10000), range(0x1F000, 0x1FC00), range(0xE0000, 0xE0200))


def test_characters_between_emoji() -> None:
    """Every kind of character, joined to emoji on both sides, gives a text that does not change again."""
    for code in (*chain.from_iterable(TELLING), *range(0x3100, sys.maxunicode + 1, 29)):
        text = name_text(f"\u2764\u200d{chr(code)}\u200d\u2764")
        if not text.isascii() and name_text(text) != text:
            pytest.fail(f"U+{code:04X} is not stable")
    assert name_text("\u2764\u200dx\u200d\u2764") == "\u2764x\u2764"


@pytest.mark.parametrize(
    ("raw", "wanted"),
    [
        ("plain  title", "plain title"),
        ("\u201cCaf\xe9\u201d \u2014 it\u2019s\u2026", '"Cafe" -- it\'s...'),
        ("\u6771\u4eac", "Dong Jing"),
        ("\U0001f468 a", "a"),
        ("\U0001f468", ""),
        ("\u6771" * 100, " ".join(["Dong"] * 51)),
    ],
)
def test_clean_titles(raw: str, wanted: str) -> None:
    """ "Plain titles" sends ASCII, tidied, and cut after the transliteration."""
    assert ascii_title(raw) == wanted


@pytest.mark.parametrize(
    ("raw", "wanted"),
    [
        ("2024-05-06", "2024-05-06"),
        (" 2024-05-06\n", "2024-05-06"),
        ("2024", "2024-01-01"),
        ("2024-05", "2024-05-01"),
        ("", ""),
        (None, ""),
        ("  ", ""),
    ],
)
def test_usable_dates(raw: str | None, wanted: str) -> None:
    """A partial date becomes its first day; no date stays empty; neither causes a warning."""
    assert date_text(raw) == (wanted, "")


@pytest.mark.parametrize(
    "raw", ["2024-13-40", "2023-02-29", "0000", "24", "2024-5-6", "6 May 2024", "\u0662\u0660\u0662\u0664"]
)
def test_unusable_dates(raw: str) -> None:
    """An invalid date is left out, with a warning that shows it and the valid forms."""
    value, warning = date_text(raw)
    assert value == ""
    assert f'"{raw}" is not a date' in warning
    assert "YYYY-MM-DD" in warning


@given(st.dates(date(1, 1, 1)))
@settings(deadline=None)
def test_every_day_is_usable(day: date) -> None:
    """Every day of the calendar is unchanged."""
    assert date_text(day.isoformat()) == (day.isoformat(), "")
