"""Normal forms of paths and names, by which those of two servers are compared."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from plexsync.model.paths import (
    base_name,
    common_suffix,
    components,
    fold,
    fold_path,
    name_key,
    normal_path,
    slashed,
    spellings,
)

COMPOSED, DECOMPOSED = "Caf\u00e9", "Cafe\u0301"
paths = st.text(
    st.sampled_from(["a", "B", "/", "\\", ".", " ", "\u00e9", "e", "\u0301", "\u00df", "\U0001f469", "\u5348"])
)


@pytest.mark.parametrize(
    ("raw", "wanted"),
    [
        ("", ""),
        ("/a/b.mp4", "/a/b.mp4"),
        ("/a//b///c.mp4", "/a/b/c.mp4"),
        ("D:\\media\\d\\x.mp4", "D:/media/d/x.mp4"),
        ("\\\\nas\\share\\x.mp4", "/nas/share/x.mp4"),
        ("/a\\/b", "/a/b"),
        (f"/{DECOMPOSED}/x", f"/{COMPOSED}/x"),
        ("/A/b.MP4", "/A/b.MP4"),
        ("/a/ b .mp4 ", "/a/ b .mp4 "),
    ],
)
def test_normal_paths(raw: str, wanted: str) -> None:
    """A normal path is composed, has single forward slashes, and keeps case and blanks."""
    assert normal_path(raw) == wanted


def test_slashes_alone() -> None:
    """Where the spelling must not change, only the slashes become uniform."""
    assert slashed(f"C:\\{DECOMPOSED}\\\\x") == f"C:/{DECOMPOSED}/x"


@given(paths)
@settings(max_examples=200, deadline=None)
def test_normal_is_stable(raw: str) -> None:
    """Normalising twice changes nothing more, for paths, keys and folded paths alike."""
    for rule in (slashed, normal_path, fold, fold_path, name_key):
        assert rule(rule(raw)) == rule(raw)


@given(paths)
@settings(max_examples=200, deadline=None)
def test_unicode_form_does_not_matter(raw: str) -> None:
    """A path, its key and its folded form are the same whether it came composed or decomposed."""
    composed, decomposed = unicodedata.normalize("NFC", raw), unicodedata.normalize("NFD", raw)
    assert normal_path(composed) == normal_path(decomposed)
    assert name_key(composed) == name_key(decomposed)


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ("Movie.MP4", "movie.mp4"),
        (COMPOSED.upper(), DECOMPOSED.lower()),
        ("STRASSE", "stra\u00dfe"),
        ("\u03a3", "\u03c2"),
    ],
)
def test_keys_fold_case(left: str, right: str) -> None:
    """Names that differ only in case have the same key, so a look-up finds both."""
    assert fold(left) == fold(right)
    assert name_key(f"/x/{left}") == name_key(f"D:\\y\\{right}")


@pytest.mark.parametrize(
    ("left", "right", "same"),
    [
        ("/A/B.MP4", "/a/b.mp4", True),
        ("/A/\u00c4\u03a3.MP4", "/a/\u00e4\u03c3.mp4", True),
        ("/stra\u00dfe", "/strasse", False),
        ("/\ufb01lm", "/film", False),
        ("/\u0130", "/i", False),
    ],
)
def test_paths_fold_letter_by_letter(left: str, right: str, same: bool) -> None:
    """A case-insensitive file system takes ``B`` for ``b``, but never two letters for one."""
    assert (fold_path(left) == fold_path(right)) is same


@pytest.mark.parametrize(
    ("raw", "wanted"),
    [
        ("/a/b.mp4", "b.mp4"),
        ("D:\\a\\B.mp4", "B.mp4"),
        ("b", "b"),
        ("", ""),
        ("/a/", ""),
        (f"/{DECOMPOSED}", DECOMPOSED),
    ],
)
def test_base_names(raw: str, wanted: str) -> None:
    """The base name is the part after the last slash or backslash, unchanged."""
    assert base_name(raw) == wanted


def test_spellings() -> None:
    """A name is queried composed, decomposed and unchanged; an ASCII name only once."""
    assert spellings(COMPOSED) == {COMPOSED, DECOMPOSED}
    assert spellings(DECOMPOSED) == {COMPOSED, DECOMPOSED}
    assert spellings("a.mp4") == {"a.mp4"}


@pytest.mark.parametrize(
    ("path", "wanted"),
    [("", ()), ("/", ()), ("/a/b", ("a", "b")), ("a/b/", ("a", "b")), ("D:/a", ("D:", "a"))],
)
def test_components(path: str, wanted: tuple[str, ...]) -> None:
    """Leading and trailing slashes add no component."""
    assert components(path) == wanted


@pytest.mark.parametrize(
    ("left", "right", "count"),
    [
        ("/s/d/x", "/p/d/x", 2),
        ("/s/d/x", "/d/x", 2),
        ("/a/x", "/a/y", 0),
        ("", "/a", 0),
        ("/a/x", "/a/x", 2),
        ("/a/bx", "/a/x", 0),
    ],
)
def test_common_suffixes(left: str, right: str, count: int) -> None:
    """Common ends are counted in whole components, from either side."""
    assert common_suffix(components(left), components(right)) == count
    assert common_suffix(components(right), components(left)) == count


@pytest.mark.parametrize(
    ("path", "folded"),
    [
        ("/A/b.MP4", "/a/b.mp4"),
        ("/\u00c4/B", "/\u00e4/b"),
        ("/\u212a", "/k"),
        ("/\u0130/B", "/\u0130/b"),
        ("/Stra\u00dfe", "/stra\u00dfe"),
    ],
)
def test_a_path_without_case(path: str, folded: str) -> None:
    """Each letter becomes one small letter, or stays where it would become several."""
    assert fold_path(path) == folded
