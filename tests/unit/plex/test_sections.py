"""The libraries that "Plex libraries" names."""

from __future__ import annotations

import pytest

from plexsync.model.errors import SetupError
from plexsync.model.item import Section
from plexsync.model.settings import read_settings
from plexsync.plex.sections import choose

SECTIONS = tuple(Section(key, title) for key, title in enumerate(("Movies", "Other, Videos", "a,b", "B", "Ünïcode"), 1))
SPELLED = (
    *(
        Section(key, title)
        for key, title in enumerate(("Vidéos", "Other\u00a0Videos", "Films", "FILMS", "Bob\u2019s \u2013 4K"), 1)
    ),
    Section(6, "TV Shows", type="show"),
    Section(7, "films", type="show"),
    Section(8, "Pop", type="artist"),
    Section(9, "Odd", type="clip"),
)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("", (1, 2, 3, 4, 5)),
        ("Movies", (1,)),
        (" movies ,B", (1, 4)),
        ("Other, Videos", (2,)),
        ("other,videos, Movies", (1, 2)),
        ("A, B", (3,)),
        ("A, B, b", (3, 4)),
        ("ünïcode", (5,)),
    ],
)
def test_names_choose_libraries(text: str, wanted: tuple[int, ...]) -> None:
    """Case and blanks do not count; a title may itself have commas, and the longest one that fits counts."""
    names = read_settings({"plexLibraries": text})[0].libraries
    assert tuple(section.key for section in choose(SECTIONS, names)) == wanted


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("Vide\u0301os", (1,)),
        ("vidÉos", (1,)),
        ("\uff36\uff49\uff44\u00e9\uff4f\uff53", (1,)),
        ("\u200bVidéos\u200e", (1,)),
        ("other  videos", (2,)),
        ("Other\tVideos", (2,)),
        ("OtherVideos", (2,)),
        ('"Other Videos"; "Vidéos"', (1, 2)),
        ("Films", (3,)),
        ("FILMS", (4,)),
        ("films", (3, 4)),
        ("Bob's - 4k", (5,)),
        ("", (1, 2, 3, 4, 5)),
    ],
)
def test_a_name_that_looks_the_same_is_the_same(text: str, wanted: tuple[int, ...]) -> None:
    """Unicode form, case, blanks of any kind and quotes do not count, unless titles differ in nothing else."""
    names = read_settings({"plexLibraries": text})[0].libraries
    assert tuple(section.key for section in choose(SPELLED, names)) == wanted


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (
            "Vidéos, tv shows",
            ('"TV Shows" is of the type TV Shows; PlexSync syncs only', 'Usable movie libraries: "Vid'),
        ),
        ("Pop, TV Shows", ('"Pop" is of the type Music, "TV Shows" is of the type TV Shows; ',)),
        (
            "Odd, Nope",
            ('"Odd" is of the type "clip"; ', 'no movie library "Nope". Its movie libraries: "Vid'),
        ),
    ],
)
def test_a_library_of_another_type_is_told_as_such(text: str, says: tuple[str, ...]) -> None:
    """A named library that is not of the type Movies is told with its type, and which type "Other Videos" is of."""
    with pytest.raises(SetupError) as caught:
        choose(SPELLED, read_settings({"plexLibraries": text})[0].libraries)
    assert all(words in str(caught.value) for words in says)
    assert "(Other Videos is of that type)" in str(caught.value)


@pytest.mark.parametrize(("text", "unknown"), [("Other", '"Other"'), ("Movies, Nope, Videos", '"Nope" or "Videos"')])
def test_an_unknown_name_is_told_with_those_that_exist(text: str, unknown: str) -> None:
    """The sentence quotes the unknown names and the existing ones, commas included."""
    with pytest.raises(SetupError) as caught:
        choose(SECTIONS, read_settings({"plexLibraries": text})[0].libraries)
    assert f"no movie library {unknown}. It" in str(caught.value)
    assert '"Movies", "Other, Videos"' in str(caught.value)


def test_a_plex_without_libraries() -> None:
    """Without any library of the type Movies, the sentence says so."""
    with pytest.raises(SetupError, match="Its movie libraries: none"):
        choose((), ("Movies",))
