"""How ``state.db`` is created: once, by one process at a time, and at no cost when it exists."""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from plexsync.core import enqueue, environment, locks
from plexsync.state import ledger
from plexsync.state.ledger import SCHEMA_VERSION, Record, State


def version(conn: sqlite3.Connection) -> int:
    """Return the version stored in the file."""
    return int(conn.execute("PRAGMA user_version").fetchone()[0])


def test_a_new_file_is_complete_and_safe(tmp_path: Path) -> None:
    """It has its schema's version, a write-ahead log, and commits that survive a power loss."""
    with closing(ledger.open_state(str(tmp_path))) as conn:
        assert version(conn) == SCHEMA_VERSION == 3
        assert conn.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        assert conn.execute("PRAGMA synchronous").fetchone() == (2,)
        tables = {row[0] for row in conn.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        assert tables - {"sqlite_sequence"} == {
            *("meta", "written", "seen", "awaited", "tally", "aside", "readback", "gained", "absent"),
            *("recent", "outage", "named", "chosen", "chosen_file", "undoing"),
        }


def test_many_at_once_on_a_cold_folder(tmp_path: Path) -> None:
    """Everyone who opens it at the same moment gets a usable file, although the switch to WAL never waits."""
    count = 12
    start, problems = threading.Barrier(count), list[BaseException]()

    def open_and_store(number: int) -> None:
        start.wait()
        try:
            with closing(ledger.open_state(str(tmp_path))) as conn:
                State(conn).store("m", [Record(number + 1, 1)])
        except BaseException as error:
            problems.append(error)

    threads = [threading.Thread(target=open_and_store, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert problems == []
    with closing(ledger.open_state(str(tmp_path))) as conn:
        assert len(State(conn).records("m", range(1, count + 1))) == count


@pytest.fixture
def held(tmp_path: Path) -> Iterator[int]:
    """Hold the lock for making databases, as another process."""
    fd = locks.open_lock(str(tmp_path / environment.INIT_LOCK))
    assert locks.try_lock(fd)
    yield fd
    os.close(fd)


def test_making_it_takes_turns(tmp_path: Path, held: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """While another process makes databases nobody else does: opening fails after a while, and later succeeds."""
    monkeypatch.setattr(enqueue, "BUSY_TIMEOUT", 0.01)
    with pytest.raises(sqlite3.OperationalError, match="database is locked"):
        ledger.open_state(str(tmp_path))
    locks.unlock(held)
    with closing(ledger.open_state(str(tmp_path))) as conn:
        assert version(conn) == SCHEMA_VERSION


def test_opening_it_again_takes_no_lock(tmp_path: Path, request: pytest.FixtureRequest) -> None:
    """While the lock for making databases is held, an existing one can still be opened."""
    ledger.open_state(str(tmp_path)).close()
    request.getfixturevalue("held")
    with closing(ledger.open_state(str(tmp_path))) as conn:
        assert version(conn) == SCHEMA_VERSION


def test_the_lock_is_released(tmp_path: Path) -> None:
    """After the file was made, the next database can be made."""
    ledger.open_state(str(tmp_path)).close()
    fd = locks.open_lock(str(tmp_path / environment.INIT_LOCK))
    assert locks.try_lock(fd)
    os.close(fd)


def test_who_waited_finds_it_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of two processes that found no schema, the second sees under the lock that the first has made it."""
    wait = locks.wait_lock

    def overtaken(fd: int, patience: float) -> bool:
        monkeypatch.undo()
        with closing(ledger.open_state(str(tmp_path))) as first:
            first.execute("PRAGMA user_version=7")
        return wait(fd, patience)

    monkeypatch.setattr(locks, "wait_lock", overtaken)
    with closing(ledger.open_state(str(tmp_path))) as second:
        assert version(second) == 7


def test_tables_of_others_stay(tmp_path: Path) -> None:
    """Opening the state again touches neither our rows nor those of the library index in the same file."""
    with closing(ledger.open_state(str(tmp_path))) as conn:
        conn.execute("CREATE TABLE part (path TEXT)")
        conn.execute("INSERT INTO part VALUES ('/p')")
        State(conn).store("m", [Record(1, 1)])
        conn.execute("PRAGMA user_version=0")
    with closing(ledger.open_state(str(tmp_path))) as conn:
        assert conn.execute("SELECT path FROM part").fetchall() == [("/p",)]
        assert set(State(conn).records("m", [1])) == {1}
        assert version(conn) == SCHEMA_VERSION


def test_a_newer_file_is_left_as_it_is(tmp_path: Path) -> None:
    """The file of a later PlexSync is opened unchanged."""
    with closing(ledger.open_state(str(tmp_path))) as conn:
        conn.execute("PRAGMA user_version=9")
    with closing(ledger.open_state(str(tmp_path))) as conn:
        assert version(conn) == 9


def test_what_is_no_database_is_refused(tmp_path: Path) -> None:
    """A damaged file raises the database's error and is closed, so that it can be set aside."""
    path = tmp_path / environment.STATE_DB
    path.write_bytes(b"no database at all " * 100)
    with pytest.raises(sqlite3.DatabaseError, match="not a database"):
        ledger.open_state(str(tmp_path))
    path.rename(tmp_path / "aside")
    ledger.open_state(str(tmp_path)).close()


def test_a_missing_folder_is_refused(tmp_path: Path) -> None:
    """Without its folder the file cannot be made, and the error is the database's."""
    with pytest.raises(sqlite3.OperationalError, match="unable to open"):
        ledger.open_state(str(tmp_path / "missing"))
