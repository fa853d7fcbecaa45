"""Parsing an answer of Stash into a ``Scene``, and a file name into a pattern."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from plexsync.model.scene import Named, Performer, Scene, SceneFile, StashId
from plexsync.stash.queries import name_pattern as literal
from plexsync.stash.reading import read_scene


@pytest.mark.parametrize(
    ("raw", "wanted"),
    [
        ({"id": "7"}, Scene(7)),
        ({"id": 7, "title": "T", "organized": True, "date": "2024"}, Scene(7, "T", organized=True, date="2024")),
        ({"id": "7", "studio": None}, Scene(7)),
        ({"id": "7", "studio": {"id": "3", "name": None}}, Scene(7, studio=Named(3, ""))),
        (
            {
                "id": "7",
                "performers": [{"id": "9", "name": "B"}, {"id": "1", "name": "A", "disambiguation": "the first"}, None],
            },
            Scene(7, performers=(Performer(9, "B"), Performer(1, "A", "the first"))),
        ),
        ({"id": "7", "tags": [{"id": "1", "name": " t "}]}, Scene(7, tags=(Named(1, " t "),))),
        ({"id": "7", "urls": ["a", "b"]}, Scene(7, urls=("a", "b"))),
        (
            {"id": "7", "stash_ids": [{"endpoint": "e", "stash_id": "s"}, {"endpoint": None, "stash_id": None}]},
            Scene(7, stash_ids=(StashId("e", "s"), StashId("", ""))),
        ),
        (
            {"id": "7", "files": [{"id": "2", "path": "/a", "size": 2**53, "duration": 1.25}]},
            Scene(7, files=(SceneFile(2, "/a", 2**53, 1.25),)),
        ),
        (
            {"id": "7", "files": [{"id": "2", "path": "/a", "size": None, "duration": None}]},
            Scene(7, files=(SceneFile(2, "/a"),)),
        ),
        (
            {"id": "7", "files": [{"id": "2", "path": ""}, None, {"path": "/b"}, {"id": "4", "path": None}]},
            Scene(7, files=(SceneFile(0, "/b"),)),
        ),
    ],
)
def test_an_answer_becomes_a_scene(raw: dict[str, Any], wanted: Scene) -> None:
    """Absent and null are empty, order is Stash's, text is untouched, and a file without a path is none."""
    assert read_scene(raw) == wanted


TEXT = st.none() | st.text(max_size=5)
NAMED = st.fixed_dictionaries({"id": st.integers(1, 9).map(str)}, optional={"name": TEXT})
FILES = st.fixed_dictionaries(
    {},
    optional={
        "id": st.integers(1, 9).map(str), "path": TEXT, "size": st.none() | st.integers(0, 2**60),
        "duration": st.none() | st.floats(0, 1e6),
    },
)  # fmt: skip
IDS = st.fixed_dictionaries({}, optional={"endpoint": TEXT, "stash_id": TEXT})
RAW = st.fixed_dictionaries(
    {"id": st.integers(1, 9).map(str)},
    optional={
        **dict.fromkeys(("title", "details", "date", "updated_at"), TEXT),
        "organized": st.none() | st.booleans(),
        "studio": st.none() | NAMED,
        "performers": st.none() | st.lists(NAMED, max_size=3),
        "tags": st.none() | st.lists(NAMED, max_size=3),
        "urls": st.none() | st.lists(st.text(max_size=5), max_size=3),
        "stash_ids": st.none() | st.lists(IDS, max_size=3),
        "files": st.none() | st.lists(FILES, max_size=3),
    },
)


@given(RAW)
@settings(max_examples=200, deadline=None)
def test_no_hole_in_an_answer_is_a_crash(raw: dict[str, Any]) -> None:
    """Whatever is missing or null, the result is a hashable scene with its id and every path."""
    scene = read_scene(raw)
    assert scene.id == int(raw["id"])
    assert (scene.title, scene.organized) == (raw.get("title") or "", bool(raw.get("organized")))
    assert [file.path for file in scene.files] == [file["path"] for file in raw.get("files") or () if file.get("path")]
    assert len(scene.performers) == len(raw.get("performers") or ())
    assert hash(scene) == hash(read_scene(raw))


@given(st.text(st.characters(exclude_characters="/\\"), min_size=1, max_size=20))
@settings(max_examples=300, deadline=None)
def test_a_name_as_a_pattern_matches_itself(name: str) -> None:
    """A name as a pattern matches only itself, with only the escapes that RE2 knows."""
    pattern = literal(name)
    assert re.fullmatch(pattern, name)
    assert not re.fullmatch(pattern, name + "x")
    assert not re.fullmatch(pattern, name[:-1])
    assert all(char in r".+*?()|[]{}^$\\" for char in re.findall(r"\\(.)", pattern, re.DOTALL))
