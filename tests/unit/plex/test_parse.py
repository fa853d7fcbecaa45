"""Plex's XML and JSON as frozen values, whatever attributes are missing."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from plexsync.model.item import FIELDS, IndexPart, Item, Section
from plexsync.plex.parse import as_int, item_of, parts_of, section_of

VIDEO = """
<Video ratingKey="101" librarySectionID="5" title="T" studio="S" summary="Sum" originallyAvailableAt="2024-05-06"
  duration="60000">
  <Media duration="61500"><Part id="7" file="/p/a.mp4" size="1234"/><Part id="8" file="/p/b.mp4" duration="1500"/>
  </Media>
  <Media proxyType="42"><Part id="9" file="/p/c.mp4"/></Media>
  <Role tag="B"/><Role tag="A"/><Role/><Genre tag="g"/><Collection tag="c"/>
  <Field name="title" locked="1"/><Field name="actor" locked="true"/><Field name="summary" locked="0"/><Field/>
</Video>
"""


@pytest.mark.parametrize(
    ("value", "number"),
    [
        (7, 7), ("7", 7), (" 7 ", 7), (7.9, 7), ("-3", -3), (True, 1), ("", 0), ("7.5", 0), ("x", 0), (None, 0),
        ([], 0), ({}, 0), (float("nan"), 0), (float("inf"), 0), ("9" * 5000, 0),
    ],
)  # fmt: skip
def test_whole_numbers_are_read_or_zero(value: object, number: int) -> None:
    """A number, or a text that spells one, is an integer, and anything else 0, without an error."""
    assert as_int(value) == number


def test_a_full_item_is_read_completely() -> None:
    """Fields, complete lists in order, locks and every file of an item are read."""
    item = item_of(ElementTree.fromstring(VIDEO))
    assert item == Item(
        101,
        5,
        "T",
        "S",
        "Sum",
        "2024-05-06",
        ("B", "A"),
        ("g",),
        ("c",),
        frozenset({"title", "actor"}),
        (
            IndexPart(101, 5, 7, "/p/a.mp4", 1234, 61.5),
            IndexPart(101, 5, 8, "/p/b.mp4", 0, 1.5),
            IndexPart(101, 5, 9, "/p/c.mp4", 0, 60.0, optimised=True),
        ),
    )
    assert [item.value(name) for name in FIELDS] == ["T", "S", "Sum", "2024-05-06", ("B", "A"), ("g",), ("c",)]


def test_an_item_that_says_nothing_is_empty() -> None:
    """Every attribute may be missing; the section is then the container's."""
    assert item_of(ElementTree.fromstring("<Video/>"), 9) == Item(0, 9)
    assert item_of(ElementTree.fromstring('<Video librarySectionID="5"/>'), 9).section == 5


def test_trash_is_seen_on_the_item_and_its_files() -> None:
    """An item in Plex's trash is marked as trashed, and so are its files."""
    text = '<Video ratingKey="1" deletedAt="1700000000"><Media><Part file="/a"/></Media></Video>'
    item = item_of(ElementTree.fromstring(text))
    assert item.trashed
    assert [part.trashed for part in item.parts] == [True]
    assert not item_of(ElementTree.fromstring(VIDEO)).trashed


@pytest.mark.parametrize(
    ("media", "path", "optimised"),
    [
        ({}, "/p/a.mp4", False),
        ({"proxyType": 42}, "/p/a.mp4", True),
        ({"proxyType": "42"}, "/p/a.mp4", True),
        ({"proxyType": 1}, "/p/a.mp4", False),
        ({"target": "Optimized for TV"}, "/p/a.mp4", True),
        ({"target": ""}, "/p/a.mp4", False),
        ({}, "/p/Plex Versions/TV/a.mp4", True),
        ({}, "D:\\p\\Plex Versions\\TV\\a.mp4", True),
        ({}, "/p/My Plex Versions.mp4", False),
    ],
)
def test_optimised_versions_are_told_apart(media: dict[str, object], path: str, optimised: bool) -> None:
    """Plex's flag, the target, or the folder shows that a file is an optimised version."""
    row = {"ratingKey": "3", "Media": [{**media, "Part": [{"id": 1, "file": path}]}]}
    assert list(parts_of(row, 5)) == [IndexPart(3, 5, 1, path, optimised=optimised)]


@pytest.mark.parametrize(
    "row",
    [
        {},
        {"Media": None},
        {"Media": []},
        {"Media": [{}]},
        {"Media": [{"Part": None}]},
        {"Media": [{"Part": [{"id": 1}, {"file": ""}]}]},
    ],
)
def test_a_row_without_files_gives_none(row: dict[str, object]) -> None:
    """Rows without media, parts or file names yield no file."""
    assert list(parts_of(row, 5)) == []


@pytest.mark.parametrize(
    ("text", "section"),
    [
        (
            """<Directory key="5" type="movie" title="Films" updatedAt="1" scannedAt="2" contentChangedAt="3"
              refreshing="1"><Location path="/p"/><Location path="/q"/></Directory>""",
            Section(5, "Films", ("/p", "/q"), "1|2|3"),
        ),
        ('<Directory key="5" type="movie" refreshing="0"><Location/></Directory>', Section(5, "", ("",), "||")),
        ('<Directory key="5" type="show" title="Series"/>', Section(5, "Series", (), "||", "show")),
        ('<Directory key="0" type="movie"/>', None),
        ('<Directory key="all" type="movie"/>', None),
        ('<Directory type="movie"/>', None),
        ('<Directory key="5"/>', None),
    ],
)
def test_what_a_library_has(text: str, section: Section | None) -> None:
    """A library has key, title, folders, clock and type; an element without key or type is none."""
    assert section_of(ElementTree.fromstring(text)) == section


@pytest.mark.parametrize("name", ["updatedAt", "scannedAt", "contentChangedAt"])
def test_each_clock_of_a_library_counts(name: str) -> None:
    """The clock changes with each of the library's three times."""
    clocks = set()
    for value in ("1", "2"):
        times = {"updatedAt": "1", "scannedAt": "1", "contentChangedAt": "1", name: value}
        section = section_of(ElementTree.Element("Directory", {"key": "5", "type": "movie", **times}))
        assert section is not None
        clocks.add(section.clock)
    assert len(clocks) == 2


SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8)


@settings(deadline=None, max_examples=150)
@given(
    st.dictionaries(st.sampled_from(["ratingKey", "deletedAt", "duration"]), SCALARS),
    st.dictionaries(st.sampled_from(["duration", "proxyType", "target"]), SCALARS),
    st.dictionaries(st.sampled_from(["id", "size", "duration"]), SCALARS),
)
def test_no_row_makes_reading_fail(row: dict[str, object], media: dict[str, object], part: dict[str, object]) -> None:
    """Whatever values a row has, its file has whole numbers and seconds."""
    (file,) = parts_of({**row, "Media": [{**media, "Part": [{**part, "file": "/p/a.mp4"}]}]}, 5)
    assert file.path == "/p/a.mp4"
    assert all(type(number) is int for number in (file.rating_key, file.part_id, file.size))
    assert isinstance(file.duration, float)
