"""A choice follows its file: to the same item, the same path, or the only later item that has its bytes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from plexsync.model.item import IndexPart
from plexsync.state import ledger
from plexsync.state.choices import ChosenFile
from plexsync.state.ledger import Record, State
from plexsync.sync import chosen
from tests.support.index import Index, part

NOW = 1_700_000_000.0
FILE = ChosenFile(7, 10, "/p/a/x.mp4", 100, 60.0)


@pytest.fixture
def db(tmp_path: Path) -> Iterator[State]:
    """A ``state.db`` with one choice."""
    with closing(ledger.open_state(str(tmp_path))) as conn:
        state = State(conn)
        state.choices.choose("m", FILE, NOW)
        yield state


TRASHED = part(10, "/p/a/x.mp4", 100, 60, trashed=True)
OPTIMISED = part(10, "/p/a/x.mp4", 100, 60, optimised=True)
#: What Plex has -> the item that is chosen then.
CASES: dict[str, tuple[tuple[IndexPart, ...], int]] = {
    "as it was": ((part(10, "/p/a/x.mp4", 100, 60), part(11, "/p/b/x.mp4", 100, 60)), 10),
    "another file in the item": ((part(10, "/q/z.mkv", 9, 9), part(11, "/p/a/x.mp4", 100, 60)), 10),
    "in the trash, nothing else": ((TRASHED,), 10),
    "at its path in another item": ((TRASHED, part(11, "/p/a/x.mp4", 9, 9)), 11),
    "at its path in an earlier item": ((part(9, "/p/a/x.mp4", 9, 9),), 9),
    "at its path in two items": ((part(11, "/p/a/x.mp4"), part(12, "/p/a/x.mp4")), 10),
    "moved": ((OPTIMISED, part(11, "/p/b/x.mp4", 100, 60.5)), 11),
    "renamed": ((part(11, "/p/a/y.mp4", 100, 60.5),), 11),
    "moved, and a copy under another name": ((part(11, "/p/b/x.mp4", 100, 60), part(12, "/p/b/y.mp4", 100, 60)), 11),
    "moved, twice": ((part(11, "/p/b/x.mp4", 100, 60), part(12, "/p/c/x.mp4", 100, 60)), 10),
    "a twin that was there before": ((TRASHED, part(9, "/p/b/x.mp4", 100, 60)), 10),
    "another size": ((part(11, "/p/b/x.mp4", 101, 60),), 10),
    "another duration": ((part(11, "/p/b/x.mp4", 100, 62),), 10),
    "the moved file in the trash": ((part(11, "/p/b/x.mp4", 100, 60, trashed=True),), 10),
}


@pytest.mark.parametrize("ended", [False, True])
@pytest.mark.parametrize("name", CASES)
def test_where_the_choice_is(db: State, name: str, ended: bool) -> None:
    """It moves only to one item that surely has the file; one that ended is in force again only where that is found."""
    rows, key = CASES[name]
    if ended:
        db.choices.end("m", [10], NOW)
    found = chosen.in_force(db, "m", Index(rows), [7], NOW)
    there = any(row.rating_key == key and not row.trashed and not row.optimised for row in rows)
    assert found == ({7: key} if there or not ended else {})
    assert db.choices.in_force("m") == found


def test_before_all_is_listed_only_the_path_counts(db: State) -> None:
    """The only one means nothing while there may be others."""
    moved, at_path = Index((part(11, "/p/b/x.mp4", 100, 60),), complete=False), part(12, "/p/a/x.mp4")
    assert chosen.in_force(db, "m", moved, [7], NOW) == {7: 10}
    assert chosen.in_force(db, "m", Index((at_path,), complete=False), [7], NOW) == {7: 12}


@pytest.mark.parametrize(("scene_id", "key"), [(0, 11), (7, 11), (8, 10)])
def test_it_takes_no_item_of_another_scene(db: State, scene_id: int, key: int) -> None:
    """An item that was written from another scene is not followed into; one that nobody owns any more is."""
    db.store("m", [Record(11, scene_id)])
    assert chosen.in_force(db, "m", Index((part(11, "/p/a/x.mp4", 100, 60),)), [7], NOW) == {7: key}


def test_it_follows_again_and_again(db: State) -> None:
    """Where the file is now is noted: renamed within the item, it is found by its new name once Plex makes it anew."""
    chosen.in_force(db, "m", Index((part(10, "/p/a/new.mp4", 200, 90),)), [7], NOW)
    assert db.choices.files("m", [7]) == [ChosenFile(7, 10, "/p/a/new.mp4", 200, 90.0)]
    assert chosen.in_force(db, "m", Index((part(11, "/p/a/new.mp4", 5, 5),)), [7], NOW) == {7: 11}
    assert chosen.in_force(db, "m", Index((part(12, "/p/z.mp4", 5, 5),)), [7], NOW) == {7: 12}


def test_other_scenes_are_left_as_they_are(db: State) -> None:
    """Only the choices of the batch are looked at; all are known."""
    db.choices.choose("m", ChosenFile(8, 20, "/p/q.mp4", 5, 5.0), NOW)
    assert chosen.in_force(db, "m", Index((part(21, "/p/q.mp4"),)), [7], NOW) == {7: 10, 8: 20}


@pytest.mark.parametrize(
    ("record", "choices", "current"),
    [
        (Record(10, 7), {}, True),
        (Record(10, 7), {7: 10}, True),
        (Record(10, 7), {7: 11}, False),
        (Record(10, 7, evidence="chosen"), {7: 10}, True),
        (Record(10, 7, evidence="chosen"), {}, False),
    ],
)
def test_whose_item_it_is(record: Record, choices: dict[int, int], current: bool) -> None:
    """An item is its scene's no more once another was chosen, or the choice by which it was written taken back."""
    assert chosen.is_current(record, choices) is current
