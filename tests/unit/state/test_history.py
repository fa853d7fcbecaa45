"""The history: what was written last, outages, and the names of scenes that have not arrived."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from plexsync.core.db import transaction
from plexsync.state import scene_facts
from plexsync.state.history import MOST_OUTAGES, MOST_RECENT, SYNC, UNDO, Entry, History, Name, Outage
from plexsync.state.ledger import Record, Seen, State, open_state
from plexsync.state.pause import DRY, PLEX, Pause
from tests.support.queue_tools import NOW


@pytest.fixture
def state(tmp_path: Path) -> Iterator[State]:
    """A new ``state.db``."""
    with closing(open_state(str(tmp_path))) as conn:
        yield State(conn)


def entries(*scene_ids: int, kind: str = SYNC) -> list[Entry]:
    """One item written for each scene."""
    return [Entry(NOW + number, number, f"Film {number}", 100 + number, kind=kind) for number in scene_ids]


def test_what_was_written_comes_back_newest_first(state: State) -> None:
    """An entry keeps its changes, images and kind, and goes in with the records of its items."""
    first = Entry(NOW, 1, "Été", 7, (("title", "a", "b"), ("genres", "", "x, y")), ("poster",))
    state.store("m", [Record(7, 1)], [first])
    state.store("m", [], entries(2, kind=UNDO))
    assert state.history.recent(10) == [*entries(2, kind=UNDO), first]
    assert state.history.recent(1) == entries(2, kind=UNDO)
    assert state.history.last_of(1) == first
    assert state.history.last_of(3) is None


def test_changes_are_stored_for_any_reader(state: State) -> None:
    """A change is stored as the page gets it, an object with three names; a list in one is read as text."""
    state.store("m", [], [Entry(NOW, 1, "", 7, (("title", "a", "b"),))])
    (stored,) = state.conn.execute("SELECT changes FROM recent").fetchone()
    assert json.loads(stored) == [{"field": "title", "old": "a", "new": "b"}]
    state.conn.execute("""UPDATE recent SET changes = '[{"field": "actors", "old": ["x", "y"], "new": ""}]'""")
    assert state.history.recent(1)[0].changes == (("actors", "x, y", ""),)


def test_only_the_newest_are_kept(state: State) -> None:
    """The history does not grow with the library."""
    state.store("m", [], entries(*range(1, MOST_RECENT + 20)))
    state.store("m", [], entries(9000))
    kept = state.history.recent(2 * MOST_RECENT)
    assert len(kept) == MOST_RECENT
    assert [entry.scene_id for entry in (*kept[:2], kept[-1])] == [9000, MOST_RECENT + 19, 21]


def test_an_outage_begins_and_ends(state: State) -> None:
    """It is open until it ends, and counts the most jobs that it held."""
    history = state.history
    state.begin_pause(Pause(PLEX), NOW, "Plex is unreachable", lambda: 3)
    assert history.open_outage() == Outage(NOW, None, PLEX, "Plex is unreachable", 3)
    assert state.meta.pause is not None
    state.end_pause(NOW + 60, lambda: 8)
    assert history.open_outage() is None
    assert state.meta.pause is None
    assert history.outages() == [Outage(NOW, NOW + 60, PLEX, "Plex is unreachable", 8)]
    state.end_pause(NOW + 99, lambda: 99)
    assert history.outages()[0].ended == NOW + 60


def test_one_of_the_same_kind_goes_on(state: State) -> None:
    """Noted again, as by the next process, it is the same outage; another kind ends it and begins its own."""
    for at, kind, cause in ((NOW, PLEX, "first"), (NOW + 5, PLEX, "again"), (NOW + 9, "stash", "other")):
        state.begin_pause(Pause(kind), at, cause, lambda: 1)
    found = [(outage.began, outage.ended, outage.cause) for outage in state.history.outages()]
    assert found == [(NOW + 9, None, "other"), (NOW, NOW + 9, "first")]


def test_a_clock_that_was_set_back_ends_no_outage_before_it_began(state: State) -> None:
    """An outage never has a negative length."""
    state.begin_pause(Pause(PLEX), NOW, "x", lambda: 1)
    state.end_pause(NOW - 3600, lambda: 1)
    assert state.history.outages()[0].ended == NOW


def test_a_dry_run_is_no_outage(state: State) -> None:
    """What the user wants held back is not told as a fault."""
    state.begin_pause(Pause(DRY), NOW, "x", lambda: 1)
    assert state.history.outages() == []


def test_only_the_newest_outages_are_kept(state: State) -> None:
    """Years of nightly restarts do not pile up."""
    for number in range(MOST_OUTAGES + 5):
        state.begin_pause(Pause(PLEX), NOW + number, "x", lambda: 1)
        state.end_pause(NOW + number + 0.5, lambda: 1)
    assert [outage.began for outage in state.history.outages()] == [
        NOW + number for number in reversed(range(5, MOST_OUTAGES + 5))
    ]


def test_names_of_scenes_that_have_not_arrived(state: State) -> None:
    """A name is stored with what a job saw, changes with the scene, and goes when the scene arrives or is gone."""
    history = state.history
    state.see([Seen("scene", 1, "s")], {1: Name("One", "/1.mp4"), 2: Name("Two", "/2.mp4"), 3: Name("Three", "")})
    state.see([], {1: Name("Uno", "/1.mp4"), 2: None})
    state.drop_scenes([3])
    assert history.names([1, 2, 3]) == {1: Name("Uno", "/1.mp4")}
    assert history.named() == [1]


def test_a_name_that_is_known_costs_no_write(state: State) -> None:
    """A scene that waits for weeks is not written again at each look."""
    state.see([], {1: Name("One", "/1.mp4")})
    before = state.conn.total_changes
    state.see([], {1: Name("One", "/1.mp4"), 2: None})
    assert state.conn.total_changes == before


def test_a_file_of_an_earlier_version_has_no_history(tmp_path: Path) -> None:
    """Operations read a file without these tables as empty; the worker makes them."""
    with closing(sqlite3.connect(tmp_path / "state.db", isolation_level=None)) as conn:
        history = History(conn)
        assert [*history.recent(5), *history.outages(), *history.named()] == []
        assert (history.names([1]), history.open_outage(), history.last_of(1)) == ({}, None, None)
        assert scene_facts.read(conn, 1) == scene_facts.SceneFacts()


def test_any_other_error_is_told(tmp_path: Path) -> None:
    """A damaged file is not taken for an empty history."""
    (tmp_path / "state.db").write_bytes(b"no database at all, but long enough to be looked at" * 100)
    with closing(sqlite3.connect(tmp_path / "state.db")) as conn, pytest.raises(sqlite3.DatabaseError):
        History(conn).recent(5)


def test_what_is_known_of_one_scene(state: State) -> None:
    """Its items on this server, the person's choice, its last success, what was written last, and its name."""
    state.meta.machine = "m"
    state.store("m", [Record(7, 1, title="One", cover="posters=x")], entries(1))
    state.store("other", [Record(8, 1)])
    state.see([Seen("scene", 1, "s", "", NOW)])
    with transaction(state.conn):
        state.conn.execute("INSERT INTO chosen VALUES ('m', 1, 7, 0)")
    facts = scene_facts.read(state.conn, 1)
    assert [record.rating_key for record in facts.records] == [7]
    assert (facts.chosen, facts.is_seen, facts.synced_at, facts.title) == (7, True, NOW, "Film 1")
    assert facts.is_undoable
    assert facts.last == entries(1)[0]
    assert scene_facts.read(state.conn, 2) == scene_facts.SceneFacts()
