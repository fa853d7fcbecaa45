"""What a person chose, in a real ``state.db``: one item a scene, one scene an item."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from plexsync.plex.index import TABLES
from plexsync.state import ledger
from plexsync.state.choices import ChosenFile, IndexedFile
from plexsync.state.ledger import ASIDE, Record, State

NOW = 1_700_000_000.0


@pytest.fixture
def db(tmp_path: Path) -> Iterator[State]:
    """An empty ``state.db``."""
    with closing(ledger.open_state(str(tmp_path))) as conn:
        yield State(conn)


def again(db: State) -> State:
    """Return the same file through another connection, as after a restart."""
    (path,) = [row[2] for row in db.conn.execute("PRAGMA database_list")]
    return State(ledger.open_state(os.path.dirname(path)))


def file(scene_id: int, rating_key: int, path: str = "/p/x.mp4") -> ChosenFile:
    """Return a chosen file."""
    return ChosenFile(scene_id, rating_key, path, 100, 60.5)


def choose(db: State, scene_id: int, rating_key: int) -> int | None:
    """Choose an item on the server ``m``."""
    return db.choices.choose("m", file(scene_id, rating_key), NOW)


def test_a_choice_survives_a_restart(db: State) -> None:
    """It is found by scene and by item, with the item's file, on that server alone."""
    assert choose(db, 7, 101) is None
    choices = again(db).choices
    assert choices.in_force("m") == choices.of_scenes("m", [7, 8]) == {7: 101}
    assert choices.of_items("m", [101, 102]) == {101: 7}
    assert choices.files("m", [7, 8]) == [file(7, 101)]
    assert choices.in_force("other") == choices.of_scenes("other", [7]) == choices.of_items("other", [101]) == {}


def test_the_later_choice_wins(db: State) -> None:
    """A scene has one item and an item one scene; who loses it is told, but no scene for its own choice."""
    choose(db, 7, 101)
    assert choose(db, 7, 101) is None
    assert choose(db, 7, 102) is None
    assert choose(db, 8, 102) == 7
    assert db.choices.in_force("m") == {8: 102}
    assert db.choices.files("m", [7, 8]) == [file(8, 102)]
    assert db.choices.choose("other", file(7, 102), NOW) is None


def test_taking_back(db: State) -> None:
    """What is taken back is gone, also what had ended; a second time there is nothing."""
    choose(db, 7, 101)
    assert db.choices.take_back("m", 7) == 101
    assert db.choices.take_back("m", 7) is None
    choose(db, 7, 101)
    db.choices.end("m", [101], NOW)
    assert db.choices.take_back("m", 7) == 101
    assert db.choices.files("m", [7]) == []


def test_an_ended_choice_follows_its_file(db: State) -> None:
    """It is not in force until its file is found again, under the same key or another."""
    choose(db, 7, 101)
    assert db.choices.end("m", [101, 102], NOW) == {101: 7}
    assert db.choices.end("m", [101], NOW) == db.choices.in_force("m") == {}
    [ended] = db.choices.files("m", [7])
    assert ended == file(7, 101)._replace(gone=NOW)
    assert db.choices.follow("m", ended, file(7, 105, "/p/y.mp4"), NOW)
    assert (db.choices.in_force("m"), db.choices.files("m", [7])) == ({7: 105}, [file(7, 105, "/p/y.mp4")])
    assert db.choices.follow("m", file(7, 105), file(7, 106), NOW)
    assert db.choices.in_force("m") == {7: 106}


def test_it_follows_no_file_into_anothers_item(db: State) -> None:
    """An item that was chosen for another scene stays that one's, and a choice taken back meanwhile stays so."""
    choose(db, 7, 101)
    choose(db, 8, 102)
    assert not db.choices.follow("m", file(7, 101), file(7, 102), NOW)
    assert db.choices.in_force("m") == {7: 101, 8: 102}
    db.choices.take_back("m", 7)
    assert not db.choices.follow("m", file(7, 101), file(7, 103), NOW)
    choose(db, 7, 104)
    assert not db.choices.follow("m", file(7, 101), file(7, 103), NOW)
    assert db.choices.in_force("m") == {7: 104, 8: 102}


def test_files_are_noted_only_for_that_choice(db: State) -> None:
    """Where the file is now is stored, unless another item was chosen or the choice taken back meanwhile."""
    choose(db, 7, 101)
    db.choices.note_files("m", [file(7, 101, "/p/new.mp4"), file(7, 102, "/p/other.mp4"), file(8, 101, "/p/8.mp4")])
    assert db.choices.files("m", [7, 8]) == [file(7, 101, "/p/new.mp4")]
    db.choices.note_files("m", [])


def test_what_ended_is_forgotten_after_90_days(db: State) -> None:
    """Choices in force stay for ever; a clock that was wrong keeps nothing longer."""
    for scene_id, gone in ((7, NOW), (8, NOW - ASIDE - 1), (9, NOW + ASIDE + 1)):
        choose(db, scene_id, scene_id)
        db.choices.end("m", [scene_id], gone)
    choose(db, 10, 10)
    db.forget_aside(NOW)
    assert [one.scene_id for one in db.choices.files("m", [7, 8, 9, 10])] == [7, 10]


def test_it_goes_with_its_scene(db: State) -> None:
    """A scene that is gone from Stash has no choice on any server, and counts as known until then."""
    choose(db, 7, 101)
    db.choices.choose("other", file(7, 5), NOW)
    choose(db, 8, 102)
    assert db.written_scenes() == {7, 8}
    assert db.written_scenes("m") == set()
    db.drop_scenes([7])
    assert (db.choices.in_force("m"), db.choices.in_force("other")) == ({8: 102}, {})
    assert db.choices.files("m", [7]) == db.choices.files("other", [7]) == []


def test_a_record_and_a_choice_are_apart(db: State) -> None:
    """Setting a record aside leaves the choice: an item in the trash is still chosen."""
    choose(db, 7, 101)
    db.store("m", [Record(101, 7)])
    db.set_aside("m", 101, NOW)
    assert db.choices.in_force("m") == {7: 101}


def test_an_item_in_the_index(db: State) -> None:
    """Before anything was listed no item is known; then its files are, but optimised ones, of this server."""
    assert db.choices.indexed("m", 101) == []
    for statement in TABLES:
        db.conn.execute(statement)
    db.conn.execute("INSERT INTO section (id, machine, key, title) VALUES (1, 'm', 4, 'Films'), (2, 'other', 4, 'All')")
    parts = [
        (1, 101, 1, "/p/v.mp4", "v.mp4", 5, 6.5, 0, 1),
        (1, 101, 2, "/p/x.mp4", "x.mp4", 5, 6.5, 0, 0),
        (2, 101, 3, "/q/x.mp4", "x.mp4", 5, 6.5, 0, 0),
    ]
    db.conn.executemany("INSERT INTO part VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", parts)
    assert db.choices.indexed("m", 101) == [IndexedFile("Films", 0, "/p/x.mp4", 5, 6.5, 0)]
    db.conn.execute("INSERT INTO used VALUES (1)")
    assert db.choices.indexed("m", 101) == [IndexedFile("Films", 1, "/p/x.mp4", 5, 6.5, 0)]


STEPS = st.lists(st.tuples(st.sampled_from(["choose", "take", "end", "follow"]), st.integers(1, 4), st.integers(1, 4)))


@given(STEPS)
@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_never_two_scenes_on_one_item(db: State, steps: list[tuple[str, int, int]]) -> None:
    """Whatever is chosen, taken back, ended and found again: one item a scene, one scene an item, one file each."""
    for table in ("chosen", "chosen_file"):
        db.conn.execute(f"DELETE FROM {table}")
    for what, scene_id, key in steps:
        known = db.choices.files("m", [scene_id])
        if what == "choose":
            choose(db, scene_id, key)
            assert db.choices.of_scenes("m", [scene_id]) == {scene_id: key}
        elif what == "take":
            db.choices.take_back("m", scene_id)
        elif what == "end":
            db.choices.end("m", [key], NOW)
        elif known:
            db.choices.follow("m", known[0], file(scene_id, key), NOW)
        chosen = db.choices.in_force("m")
        assert len(set(chosen.values())) == len(chosen)
        files = {one.scene_id: one.rating_key for one in db.choices.files("m", range(1, 5)) if one.gone is None}
        assert files == chosen
