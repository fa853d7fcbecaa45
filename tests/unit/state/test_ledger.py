"""What is kept between runs, in a real ``state.db``: records, what was seen, awaited files, tallies, the breaker."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from plexsync.core.db import MANY, transaction
from plexsync.model.written import Written
from plexsync.state import ledger
from plexsync.state.breaker import Breaker, failed
from plexsync.state.ledger import Record, Seen, State

RECORD = Record(
    101,
    7,
    "/p/a.mp4",
    "/s/a.mp4",
    Written(
        ours={"title": ("f1", "f2"), "genre": ()},
        names={"genre": ("a, b", "\u6771", 'q"')},
        kept={"studio": ("desired", "kept")},
    ),
    {"title": "f2"},
    "posters=-one+two,unfit=three",
    "2024-05-06T07:08:09Z",
)


@pytest.fixture
def db(tmp_path: Path) -> Iterator[State]:
    """An empty ``state.db``."""
    conn = ledger.open_state(str(tmp_path))
    yield State(conn)
    conn.close()


def again(db: State) -> State:
    """Return the same file through another connection, as after a restart."""
    (path,) = [row[2] for row in db.conn.execute("PRAGMA database_list")]
    return State(ledger.open_state(os.path.dirname(path)))


def test_records_come_back_as_they_were(db: State) -> None:
    """Everything known of an item survives a restart, with all types."""
    plain = Record(102, 7)
    db.store("m", [RECORD, plain])
    assert again(db).records("m", [101, 102, 999]) == {101: RECORD, 102: plain}
    assert again(db).records_of("m", [7, 8]) == {7: (RECORD, plain)}


def test_storing_replaces_what_was_there(db: State) -> None:
    """An item has one record, the newest."""
    db.store("m", [RECORD])
    db.store("m", [Record(101, 8)])
    assert db.records("m", [101]) == {101: Record(101, 8)}
    assert db.records_of("m", [7]) == {}


def test_another_server_inherits_nothing(db: State) -> None:
    """Records and learned paths belong to one machineIdentifier."""
    db.store("m", [RECORD])
    db.store_tallies("m", [("/s", "/p", (1,))])
    assert (db.records("other", [101]), db.records_of("other", [7]), db.tallies("other")) == ({}, {}, [])
    assert (db.written_scenes("other"), db.written_scenes("m"), db.written_scenes()) == (set(), {7}, {7})
    db.store("other", [Record(101, 9)])
    db.set_aside("other", 101, 1.0)
    assert db.records("m", [101]) == {101: RECORD}


def test_many_ids_at_once(db: State) -> None:
    """More ids than one statement may bind are all looked up, repeated ids once."""
    ids = range(1, 2 * MANY + 2)
    db.store("m", [Record(number, number) for number in ids])
    db.see([Seen("scene", number, "s") for number in ids])
    assert set(db.records("m", [*ids, *ids])) == set(ids)
    assert set(db.records_of("m", ids)) == set(ids)
    assert set(db.seen("scene", ids)) == set(ids)
    assert db.records("m", []) == {}


def test_a_vanished_item_is_set_aside(db: State) -> None:
    """An item gone from Plex has no record, but what was written comes back with it, for 90 days; others stay."""
    db.store("m", [RECORD, Record(102, 7)])
    db.set_aside("m", 101, 1000.0)
    assert set(db.records("m", [101, 102])) == {102}
    assert not db.has_aside("other")
    again(db).forget_aside(1000.0 + ledger.ASIDE)
    kept = db.aside("m", 101, RECORD.path, 0, "")
    assert kept == RECORD
    db.take_up("m", kept, 101)
    assert db.records("m", [101])[101] == replace(RECORD, cover="posters=?one+two", cover_stamp="")
    assert not db.has_aside("m")
    db.set_aside("m", 101, 1000.0)
    db.forget_aside(1001.0 + ledger.ASIDE)
    assert not db.has_aside("m")


@pytest.mark.parametrize(
    ("key", "path", "scene", "file", "found"),
    [
        (101, "/p/a.mp4", 0, "", True),  # the same item with the same file
        (101, "/p/b.mp4", 9, "/s/b.mp4", False),  # the same key, another file
        (500, "/p/a.mp4", 9, "/s/b.mp4", True),  # the same file in another item
        (500, "/p/b.mp4", 7, "/s/a.mp4", True),  # the same scene and file of Stash
        (500, "/p/b.mp4", 7, "/s/b.mp4", False),
        (500, "/p/b.mp4", 8, "/s/a.mp4", False),
    ],
)
def test_what_was_set_aside_is_found(db: State, key: int, path: str, scene: int, file: str, found: bool) -> None:
    """By the item while it holds that file, by the file in Plex, or by the scene's file."""
    db.store("m", [RECORD])
    db.set_aside("m", 101, 1000.0)
    assert (db.aside("m", key, path, scene, file) is not None) == found


def test_a_vanished_scene_gives_up_what_was_set_aside(db: State) -> None:
    """A record set aside is listed among the written scenes of all servers, and loses its scene with the scene."""
    db.store("m", [RECORD])
    db.set_aside("m", 101, 1000.0)
    assert (db.written_scenes(), db.written_scenes("m")) == ({7}, set())
    db.drop_scenes([7])
    assert db.written_scenes() == set()
    kept = db.aside("m", 101, "/p/other.mp4", 0, "")
    assert kept is not None
    assert (kept.scene_id, kept.path, kept.written) == (0, "", RECORD.written)


def test_a_file_of_the_version_before_gets_the_new_tables(tmp_path: Path) -> None:
    """A ``state.db`` of version 1 keeps what it has and can set records aside."""
    conn = ledger.open_state(str(tmp_path))
    State(conn).store("m", [RECORD])
    for table in ("aside", "readback", "gained", "absent", "recent", "outage", "named", "chosen", "undoing"):
        conn.execute(f"DROP TABLE {table}")
    conn.execute("DROP INDEX written_path")
    conn.execute("PRAGMA user_version = 1")
    conn.close()
    db = State(ledger.open_state(str(tmp_path)))
    assert db.records("m", [101]) == {101: RECORD}
    db.set_aside("m", 101, 1.0)
    assert db.has_aside("m")
    db.conn.close()


def test_a_vanished_scene_gives_up_its_claims(db: State) -> None:
    """What was written stays known for the item, on every server, without scene or file; the rest is deleted."""
    db.store("m", [RECORD, Record(102, 8)])
    db.store("n", [RECORD])
    db.see([Seen("scene", 7, "s"), Seen("tag", 7, "s", "n")])
    db.await_files({7: [("a.mp4", 5)], 8: [("a.mp4", 5)]})
    db.drop_scenes([7, 9])
    for machine in ("m", "n"):
        kept = db.records(machine, [101])[101]
        assert (kept.scene_id, kept.path, kept.written, kept.stash_path) == (0, "", RECORD.written, RECORD.stash_path)
    assert (db.seen("scene", [7]), db.seen("tag", [7])) == ({}, {7: ("s", "n")})
    assert db.scenes_awaiting([("a.mp4", 5)]) == {8}
    assert db.written_scenes() == {8}


def test_what_was_seen_is_kept_by_kind(db: State) -> None:
    """The newest signature and name of each scene, performer, studio and tag are kept separately."""
    db.see([Seen("scene", 7, "s1"), Seen("performer", 7, "p1", "Ann"), Seen("tag", 7, "t1", "x")])
    db.see([Seen("performer", 7, "p2", "Anna")])
    assert again(db).seen("performer", [7, 8]) == {7: ("p2", "Anna")}
    assert (db.seen("scene", [7]), db.seen("tag", [7])) == ({7: ("s1", "")}, {7: ("t1", "x")})
    assert db.seen("studio", [7]) == {}


def test_a_later_failure_keeps_the_time_of_the_last_success(db: State) -> None:
    """Seeing a scene without success changes its signature, but not the time of its last sync."""
    db.see([Seen("scene", 7, "s1", "", 100.0), Seen("scene", 3, "s1", "", 100.0)])
    db.see([Seen("scene", 7, "s2"), Seen("scene", 8, "s2")])
    assert db.seen("scene", [7]) == {7: ("s2", "")}
    assert list(again(db).synced()) == [(3, 100.0), (7, 100.0)]
    db.see([Seen("scene", 7, "s3", "", 200.0)])
    db.see([Seen("tag", 1, "t", "n", 300.0)])
    assert dict(db.synced()) == {3: 100.0, 7: 200.0}


def test_successes_and_failures_of_one_batch(db: State) -> None:
    """Of one batch, synced scenes have a time, and all are seen."""
    db.see([Seen("scene", 1, "a", "", 50.0), Seen("scene", 2, "b"), Seen("tag", 3, "c", "n")])
    assert list(db.synced()) == [(1, 50.0)]
    assert db.seen("scene", [1, 2]) == {1: ("a", ""), 2: ("b", "")}
    assert db.seen("tag", [3]) == {3: ("c", "n")}
    db.see([])
    assert list(db.synced()) == [(1, 50.0)]


def test_imported_times_do_not_count_as_seen(db: State) -> None:
    """A scene whose time was only imported counts as never seen, so catch-up compares it."""
    db.import_synced([(7, 100.0), (8, 50.5)])
    assert list(again(db).synced()) == [(7, 100.0), (8, 50.5)]
    assert db.seen("scene", [7, 8]) == {}
    db.see([Seen("scene", 7, "s")])
    assert db.seen("scene", [7]) == {7: ("s", "")}
    assert dict(db.synced())[7] == 100.0


def test_an_import_changes_no_signature_and_no_newer_time(db: State) -> None:
    """What the database knows already wins: signatures are untouched, and the later time stays."""
    db.see([Seen("scene", 7, "s7", "", 100.0), Seen("scene", 8, "s8", "", 100.0)])
    db.see([Seen("scene", 9, "s9")])
    db.import_synced([(7, 130.0), (2, 80.0), (9, 150.0), (8, 20.0)])
    assert list(db.synced()) == [(2, 80.0), (7, 130.0), (8, 100.0), (9, 150.0)]
    assert db.seen("scene", [2, 7, 8, 9]) == {7: ("s7", ""), 8: ("s8", ""), 9: ("s9", "")}


def test_an_import_is_all_or_nothing(db: State) -> None:
    """Rows that break off in the middle leave nothing behind."""

    def rows() -> Iterator[tuple[int, float]]:
        yield 7, 100.0
        raise ValueError("cut")

    with pytest.raises(ValueError, match="cut"):
        db.import_synced(rows())
    assert list(db.synced()) == []


def test_awaited_files_are_found_by_name_or_size(db: State) -> None:
    """A new file in Plex wakes the scenes that await its name or its size; size 0 does not count."""
    db.await_files({7: [("a.mp4", 500), ("b.mp4", 0)], 8: [("c.mp4", 500)], 9: [("d.mp4", 0)]})
    assert db.scenes_awaiting([("a.mp4", 1)]) == {7}
    assert db.scenes_awaiting([("x.mp4", 500)]) == {7, 8}
    assert db.scenes_awaiting([("x.mp4", 0)]) == set()
    assert db.scenes_awaiting([("d.mp4", 0), ("c.mp4", 3)]) == {8, 9}
    assert db.scenes_awaiting([]) == set()


def test_new_awaited_files_replace_the_old(db: State) -> None:
    """A scene awaits only its present files, and none once it is matched."""
    db.await_files({7: [("a.mp4", 5)], 8: [("a.mp4", 5)]})
    db.await_files({7: [("b.mp4", 6), ("b.mp4", 6)]})
    assert again(db).scenes_awaiting([("a.mp4", 5)]) == {8}
    assert db.scenes_awaiting([("b.mp4", 6)]) == {7}
    db.await_files({7: []})
    assert db.scenes_awaiting([("b.mp4", 6)]) == set()


def test_tallies_are_replaced_as_a_whole(db: State) -> None:
    """The learned path map is what was stored last, for one server only."""
    db.store_tallies("m", [("/s", "/p", (3, 1)), ("/s2", "/p", ())])
    db.store_tallies("n", [("/s", "/q", (9,))])
    assert sorted(again(db).tallies("m")) == [("/s", "/p", (3, 1)), ("/s2", "/p", ())]
    db.store_tallies("m", [("/s", "/r", (4,))])
    assert (db.tallies("m"), db.tallies("n")) == ([("/s", "/r", (4,))], [("/s", "/q", (9,))])


def test_the_breaker_survives_a_restart(db: State) -> None:
    """It begins closed, and an open one is open in the next process too."""
    assert db.meta.breaker == Breaker()
    opened = failed(Breaker(), 1_000_000.5, 60, 600, at_once=True)
    db.meta.breaker = opened
    assert again(db).meta.breaker == opened
    db.meta.breaker = Breaker()
    assert again(db).meta.breaker == Breaker()


def test_a_transaction_is_all_or_nothing(db: State) -> None:
    """What fails in the middle leaves no trace, and the next transaction works."""

    def write_and_fail() -> None:
        with transaction(db.conn):
            db.meta.write("x", 1)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_and_fail()
    assert db.meta.read("x") is None
    with transaction(db.conn):
        db.meta.write("x", 2)
        assert again(db).meta.read("x") is None
    assert again(db).meta.read("x") == 2


def test_a_commit_that_fails_is_rolled_back(db: State) -> None:
    """If the commit itself fails, the error comes through, and the connection can be used again."""
    db.conn.execute("PRAGMA foreign_keys = ON")
    db.conn.execute("CREATE TABLE parent (id INTEGER PRIMARY KEY)")
    db.conn.execute("CREATE TABLE child (id INTEGER REFERENCES parent (id) DEFERRABLE INITIALLY DEFERRED)")

    def orphan() -> None:
        with transaction(db.conn):
            db.conn.execute("INSERT INTO child VALUES (1)")

    with pytest.raises(sqlite3.IntegrityError):
        orphan()
    db.store("m", [RECORD])
    assert db.conn.execute("SELECT count(*) FROM child").fetchone() == (0,)


def test_a_full_disk_is_reported_as_such(db: State) -> None:
    """SQLite rolls back automatically then: the error is the disk's, and what was committed stays."""
    db.store("m", [RECORD])
    pages = db.conn.execute("PRAGMA page_count").fetchone()[0]
    db.conn.execute(f"PRAGMA max_page_count = {pages}")

    def rows() -> Iterator[tuple[int, float]]:
        for number in range(100_000):
            yield number, 1.0

    with pytest.raises(sqlite3.OperationalError, match="full"):
        db.import_synced(rows())
    db.conn.execute("PRAGMA max_page_count = 100000")
    db.store("m", [Record(102, 8)])
    assert set(db.records("m", [101, 102])) == {101, 102}
    assert list(db.synced()) == []


TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
RECORDS = st.builds(
    Record,
    st.integers(1, 2**53),
    st.integers(0, 2**53),
    TEXTS,
    TEXTS,
    st.builds(
        Written,
        ours=st.dictionaries(TEXTS, st.lists(TEXTS, max_size=3).map(tuple), max_size=2),
        names=st.dictionaries(TEXTS, st.lists(TEXTS, max_size=3).map(tuple), max_size=2),
        kept=st.dictionaries(TEXTS, st.tuples(TEXTS, TEXTS), max_size=2),
    ),
    st.dictionaries(TEXTS, TEXTS, max_size=2),
    TEXTS,
    TEXTS,
)


@settings(
    deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(RECORDS)
def test_every_record_comes_back(db: State, record: Record) -> None:
    """Whatever texts a record holds, it is read as it was stored."""
    db.store("m", [record])
    assert db.records("m", [record.rating_key]) == {record.rating_key: record}
