"""What a written item showed when it was read back, and what counts as a difference."""

from __future__ import annotations

from dataclasses import replace

import pytest

from plexsync.model.item import FIELDS, Item
from plexsync.sync import readback

ITEM = Item(
    101,
    5,
    title="T",
    summary="S",
    genre=("a", "b"),
    locked=frozenset({"title", "genre", "thumb"}),
    thumb="/thumb/1",
    art="/art/1",
)
BEFORE = readback.shown(ITEM, ["title", "genre", "collection"])


@pytest.mark.parametrize(
    ("changes", "wanted"),
    [
        ({}, False),
        ({"genre": ("B", "a")}, False),  # Plex compares tags so
        ({"summary": "other"}, False),  # a field that is not synced
        ({"locked": ITEM.locked | {"summary", "art"}}, False),
        ({"thumb": "/thumb/2", "updated": 7}, False),
        ({"title": "other"}, True),
        ({"genre": ("a",)}, True),
        ({"collection": ("c",)}, True),
        ({"locked": ITEM.locked - {"genre"}}, True),
        ({"locked": ITEM.locked - {"thumb"}}, True),
    ],
)
def test_what_differs(changes: dict[str, object], wanted: bool) -> None:
    """Another value of a synced field, or a lost lock; order, letter case and new locks are no difference."""
    assert readback.differs(BEFORE, replace(ITEM, **changes)) is wanted  # type: ignore[arg-type]


def test_pictures_whose_address_changed() -> None:
    """An address that changed or went is worth a question to Plex."""
    assert readback.pictures(BEFORE, ITEM) == ()
    assert readback.pictures(BEFORE, replace(ITEM, thumb="/thumb/2")) == ("posters",)
    assert readback.pictures(BEFORE, replace(ITEM, thumb="", art="")) == ("posters", "arts")


def test_it_is_renewed_for_the_same_fields() -> None:
    """What an item shows later is noted for the fields that were noted before."""
    after = replace(ITEM, title="other", summary="other", locked=frozenset())
    renewed = readback.renewed(BEFORE, after)
    assert renewed == readback.shown(after, ["collection", "title", "genre"])
    assert not readback.differs(renewed, after)


def test_a_hundred_thousand_are_small() -> None:
    """Whatever an item holds, the text is short."""
    full = replace(ITEM, summary="x" * 10_000, actor=tuple(map(str, range(500))), locked=frozenset(FIELDS))
    assert len(readback.shown(full, FIELDS)) < 60
