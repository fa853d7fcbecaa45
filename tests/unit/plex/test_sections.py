"""The libraries that "Plex libraries" names."""

from __future__ import annotations

import pytest

from plexsync.model.errors import SetupError
from plexsync.model.item import Section
from plexsync.model.settings import read_settings
from plexsync.plex.sections import choose

SECTIONS = tuple(Section(key, title) for key, title in enumerate(("Movies", "Other, Videos", "a,b", "B", "Ünïcode"), 1))


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
