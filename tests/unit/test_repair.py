"""Damaged databases: what can be read is saved, the file is kept, a new one is made, and nothing is deleted."""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from plexsync import repair, status
from plexsync.core import db, enqueue, environment, locks
from plexsync.log import Log
from plexsync.model.job_key import JobKey
from plexsync.queue import dead_letters, jobs, schema, stock
from plexsync.queue.meta import QueueMeta
from plexsync.repair import open_state, repair_queue, set_aside
from plexsync.state import ledger
from tests.support.in_process import Lines
from tests.support.queue_tools import NOW, change, job_keys, keys, made, put, scenes

#: Bytes of a page of SQLite's, as every build has it by default.
PAGE = 4096


def mended(folder: Path, *, thorough: bool = True) -> Lines:
    """Mend the queue of a folder; what was logged."""
    said = Lines()
    repair_queue(str(folder), Log([said]), NOW + 60, thorough=thorough)
    return said


def kept(folder: Path, name: str = environment.QUEUE_DB) -> list[Path]:
    """The databases that were set aside."""
    return sorted(path for path in folder.glob(f"{name}.damaged-*") if not path.name.endswith(("-wal", "-shm")))


def many(folder: Path, count: int = 2000, dead: int = 20) -> None:
    """A queue with so many rows, every so many of them dead; nothing of it in the side files."""
    conn = made(folder)
    with conn:
        conn.execute("BEGIN")
        for number in range(1, count + 1):
            values = (
                b"{}",
                NOW,
                stock.DEAD if number % dead == 0 else stock.READY,
                f"scene:{number}",
                "rejected",
                "No.",
            )
            conn.execute(
                "INSERT INTO ack_queue_default (data, timestamp, status, key, reason, message, due, first_seen,"
                " last_seen) VALUES (?, ?, ?, ?, ?, ?, 0, 0, 0)",
                values,
            )
    for name, value in (("caught_up_at", NOW - 50), ("cleared_at", NOW - 500), ("started_at", NOW - 5000)):
        setattr(QueueMeta(conn), name, value)
    conn.execute("INSERT INTO cleared VALUES ('scene:99999', ?)", (NOW - 7,))
    conn.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    conn.close()


def table_pages(folder: Path, what: str) -> list[int]:
    """The numbers, from 0, of the leaf pages of a table or index: of the kinds that hold rows."""
    conn = sqlite3.connect(folder / environment.QUEUE_DB)
    (root,) = conn.execute("SELECT rootpage FROM sqlite_master WHERE name = ?", (what,)).fetchone()
    conn.close()
    data = (folder / environment.QUEUE_DB).read_bytes()

    def leaves(number: int) -> list[int]:
        page = data[number * PAGE : (number + 1) * PAGE]
        if page[0] in (10, 13):
            return [number]
        cells = [int.from_bytes(page[12 + 2 * at :][:2], "big") for at in range(int.from_bytes(page[3:5], "big"))]
        children = [int.from_bytes(page[cell : cell + 4], "big") for cell in cells]
        return [leaf for child in (*children, int.from_bytes(page[8:12], "big")) for leaf in leaves(child - 1)]

    return leaves(root - 1)


def overwrite(folder: Path, pages: list[int], name: str = environment.QUEUE_DB) -> None:
    """Noise over whole pages, as a failing disk leaves it."""
    with (folder / name).open("r+b") as file:
        for number in pages:
            file.seek(number * PAGE)
            file.write(b"\xa5" * PAGE)


def test_a_whole_queue_is_left_alone(tmp_path: Path) -> None:
    """Nothing is renamed, said or changed where nothing is damaged; a missing queue is made."""
    assert mended(tmp_path).lines == []
    put(made(tmp_path), "scene:1")
    assert mended(tmp_path).lines == mended(tmp_path, thorough=False).lines == []
    assert keys(made(tmp_path)) == ["scene:1"]
    assert kept(tmp_path) == []


@pytest.mark.parametrize("where", ["one page", "several pages", "first page", "last page", "every page"])
@pytest.mark.parametrize("thorough", [True, False])
def test_damaged_rows_are_saved_by_the_indexes(tmp_path: Path, where: str, thorough: bool) -> None:
    """However many pages of the table are noise, every key is saved, and what was dead stays dead."""
    many(tmp_path)
    pages = table_pages(tmp_path, "ack_queue_default")
    assert len(pages) > 20
    chosen = {
        "one page": pages[10:11], "several pages": pages[3:20:4], "first page": pages[:1], "last page": pages[-1:],
        "every page": pages,
    }[where]  # fmt: skip
    overwrite(tmp_path, chosen)
    before = (tmp_path / environment.QUEUE_DB).read_bytes()
    said = mended(tmp_path, thorough=thorough)
    conn = made(tmp_path)
    assert keys(conn) == sorted(scenes(2000))
    assert keys(conn, "status = 9") == sorted(f"scene:{number}" for number in range(20, 2001, 20))
    known = {(letter[2], letter[3]) for letter in dead_letters.dead_letters(conn)}
    lost = {("retries_exhausted", repair._LOST)}
    assert known == {"every page": lost}.get(where, {("rejected", "No."), *lost})
    assert [path.read_bytes() for path in kept(tmp_path)] == [before]
    (line,) = said.of("error")
    assert "2000 jobs were saved" in line
    assert kept(tmp_path)[0].name in line
    assert "Sync recent" in line


def test_salvaged_jobs_are_due_edits(tmp_path: Path) -> None:
    """What was saved is done next, whatever delay or task it had; nothing of it is taken back or counted."""
    many(tmp_path, 400)
    change(made(tmp_path), "scene:7", status=stock.LEASED, due=NOW + 900, attempts=5)
    made(tmp_path).execute("PRAGMA wal_checkpoint(TRUNCATE)")
    overwrite(tmp_path, table_pages(tmp_path, "ack_queue_default")[1:2])
    mended(tmp_path)
    conn = made(tmp_path)
    assert len(jobs.lease(conn, NOW + 60, NOW + environment.horizon(), 1000)) == 380


def test_what_catch_up_must_know_survives(tmp_path: Path) -> None:
    """When PlexSync came, the last Clear queue, the last catch-up and what was discarded are taken over."""
    many(tmp_path)
    overwrite(tmp_path, table_pages(tmp_path, "ack_queue_default")[5:9])
    mended(tmp_path)
    conn = made(tmp_path)
    wanted = {"caught_up_at": NOW - 50, "cleared_at": NOW - 500, "started_at": NOW - 5000}
    assert {name: getattr(QueueMeta(conn), name) for name in wanted} == wanted
    assert dead_letters.cleared_at(conn, job_keys(["scene:99999"])) == {JobKey.scene(99999): NOW - 7}


def test_a_damaged_index_loses_no_row(tmp_path: Path) -> None:
    """A damaged index breaks the lease; the thorough look finds it, and the table has every row."""
    many(tmp_path)
    overwrite(tmp_path, table_pages(tmp_path, "job_due"))
    assert mended(tmp_path, thorough=True).of("error")
    assert keys(made(tmp_path)) == sorted(scenes(2000))
    assert len(keys(made(tmp_path), "status = 9")) == 100


@pytest.mark.parametrize("share", [0.3, 0.7])
def test_a_queue_that_was_cut_short(tmp_path: Path, share: float) -> None:
    """A file of which the end is missing gives what is left of it, and works again."""
    many(tmp_path)
    path = tmp_path / environment.QUEUE_DB
    os.truncate(path, int(path.stat().st_size * share) // PAGE * PAGE)
    mended(tmp_path)
    conn = made(tmp_path)
    assert 0 < len(keys(conn)) <= 2000
    assert len(kept(tmp_path)) == 1
    put(conn, "scene:5000")
    assert mended(tmp_path).lines == []


def garbage(path: Path) -> None:
    """Not a database at all."""
    path.write_bytes(b"This was a database once. " * 500)


def bad_header(path: Path) -> None:
    """The first bytes are another program's."""
    with path.open("r+b") as file:
        file.write(b"PK\x03\x04" * 25)


@pytest.mark.parametrize("damage", [garbage, bad_header])
def test_a_queue_that_is_no_database(tmp_path: Path, damage: Callable[[Path], None]) -> None:
    """Where nothing can be read, a new queue is there at once, and the old file is kept."""
    many(tmp_path)
    damage(tmp_path / environment.QUEUE_DB)
    before = (tmp_path / environment.QUEUE_DB).read_bytes()
    said = mended(tmp_path, thorough=False)
    assert "0 jobs were saved" in said.of("error")[0]
    assert kept(tmp_path)[0].read_bytes() == before
    conn = made(tmp_path)
    put(conn, "scene:1")
    assert keys(conn) == ["scene:1"]


def test_odd_rows_do_no_harm(tmp_path: Path) -> None:
    """Rows that are no jobs, or hold text that is none, are left in the old file."""
    many(tmp_path)
    conn = made(tmp_path)
    conn.execute("UPDATE ack_queue_default SET key = CAST(x'ff' AS TEXT) WHERE _id = 1")
    conn.execute("UPDATE ack_queue_default SET key = 'movie:5' WHERE _id = 2")
    conn.execute("UPDATE ack_queue_default SET key = NULL WHERE _id = 3")
    conn.execute("UPDATE ack_queue_default SET message = CAST(x'ff' AS TEXT) WHERE _id = 20")
    conn.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    conn.close()
    overwrite(tmp_path, table_pages(tmp_path, "ack_queue_default")[-1:])
    mended(tmp_path)
    conn = made(tmp_path)
    assert set(scenes(2000)) - set(keys(conn)) == {"scene:1", "scene:2", "scene:3"}
    assert ("scene:20", "\ufffd") in [(letter[1], letter[3]) for letter in dead_letters.dead_letters(conn)]


def test_rows_in_the_side_file_are_saved(tmp_path: Path) -> None:
    """What was committed and not yet checkpointed counts too."""
    many(tmp_path, 400)
    conn = made(tmp_path)
    put(conn, "scene:5000")
    overwrite(tmp_path, table_pages(tmp_path, "ack_queue_default")[:1])
    said = mended(tmp_path)
    assert said.of("error")
    assert "scene:5000" in keys(made(tmp_path))
    conn.close()


def test_a_queue_that_is_merely_locked_is_not_damaged(tmp_path: Path) -> None:
    """Trouble that is not damage is told to the caller, and nothing is renamed."""
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / environment.QUEUE_DB).mkdir()
    with pytest.raises(sqlite3.OperationalError, match="unable to open"):
        repair_queue(str(folder), Log([]), NOW, thorough=True)
    assert kept(folder) == []


def test_somebody_who_makes_the_databases_for_ever(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A queue is not renamed under a process that is making it."""
    monkeypatch.setattr(enqueue, "BUSY_TIMEOUT", 0.01)
    garbage(tmp_path / environment.QUEUE_DB)
    fd = locks.open_lock(str(tmp_path / environment.INIT_LOCK))
    assert locks.try_lock(fd)
    with pytest.raises(sqlite3.OperationalError, match="locked"):
        mended(tmp_path)
    assert kept(tmp_path) == []
    os.close(fd)
    assert mended(tmp_path).of("error")


# -- state.db


def times(folder: Path) -> dict[int, float]:
    """What an earlier state exported: three scenes."""
    found = {1: NOW - 10, 2: NOW - 20, 3: NOW - 30}
    (folder / environment.TIMESTAMPS).write_text(json.dumps({str(key): at for key, at in found.items()}), "utf-8")
    return found


def big_state(folder: Path) -> None:
    """A state with more pages than one reads at its opening."""
    found = open_state(str(folder), Log([]), NOW)
    found.import_synced((number, NOW) for number in range(1, 5000))
    found.conn.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    found.conn.close()


@pytest.mark.parametrize("thorough", [True, False])
def test_a_whole_state_is_left_alone(tmp_path: Path, thorough: bool) -> None:
    """Nothing is imported, said or renamed where the state is there and whole."""
    big_state(tmp_path)
    times(tmp_path)
    said = Lines()
    found = open_state(str(tmp_path), Log([said]), NOW, thorough=thorough)
    assert len(dict(found.synced())) == 4999
    assert said.lines == []
    assert kept(tmp_path, environment.STATE_DB) == []
    found.conn.close()


@pytest.mark.parametrize("empty", [True, False])
def test_a_new_state_imports_the_times(tmp_path: Path, empty: bool) -> None:
    """Where the state is missing, or an empty file, the times of the last syncs come from what was exported."""
    wanted = times(tmp_path)
    if empty:
        (tmp_path / environment.STATE_DB).touch()
    found = open_state(str(tmp_path), Log([]), NOW)
    assert dict(found.synced()) == wanted
    found.conn.close()


def middle(path: Path) -> None:
    """Noise over pages that an opening does not read."""
    overwrite(path.parent, list(range(path.stat().st_size // PAGE))[-20:-2], path.name)


@pytest.mark.parametrize(("damage", "thorough"), [(garbage, False), (bad_header, False), (middle, True)])
def test_a_damaged_state_is_set_aside(tmp_path: Path, damage: Callable[[Path], None], thorough: bool) -> None:
    """A damaged state is kept, a new one is there with the exported times, and one line tells what it means."""
    big_state(tmp_path)
    wanted = times(tmp_path)
    damage(tmp_path / environment.STATE_DB)
    before = (tmp_path / environment.STATE_DB).read_bytes()
    said = Lines()
    found = open_state(str(tmp_path), Log([said]), NOW, thorough=thorough)
    assert dict(found.synced()) == wanted
    found.conn.close()
    (old,) = kept(tmp_path, environment.STATE_DB)
    assert old.read_bytes() == before
    (line,) = said.of("error")
    assert old.name in line
    assert "No edit is lost" in line


def test_a_state_that_is_broken_where_it_is_checked(tmp_path: Path) -> None:
    """A schema whose pages are noise shows while the file is read; it is replaced like any other damage."""
    big_state(tmp_path)
    conn = sqlite3.connect(tmp_path / environment.STATE_DB)
    roots = [row[0] - 1 for row in conn.execute("SELECT rootpage FROM sqlite_master WHERE rootpage > 0")]
    conn.close()
    overwrite(tmp_path, roots, environment.STATE_DB)
    found = open_state(str(tmp_path), Log([]), NOW, thorough=True)
    assert len(kept(tmp_path, environment.STATE_DB)) == 1
    assert dict(found.synced()) == {}
    found.conn.close()


def test_damage_that_is_found_late_needs_a_thorough_look(tmp_path: Path) -> None:
    """A quick opening does not read the whole file; what it cannot see it does not rename."""
    big_state(tmp_path)
    middle(tmp_path / environment.STATE_DB)
    found = open_state(str(tmp_path), Log([]), NOW)
    assert kept(tmp_path, environment.STATE_DB) == []
    with pytest.raises(sqlite3.DatabaseError) as caught:
        list(found.conn.execute("SELECT sum(synced), group_concat(signature) FROM seen"))
    assert repair.is_damaged(caught.value)
    found.conn.close()


def test_a_state_that_cannot_be_opened(tmp_path: Path) -> None:
    """A folder in its place is no damage of a database: the caller is told."""
    (tmp_path / environment.STATE_DB).mkdir()
    with pytest.raises(sqlite3.OperationalError, match="unable to open"):
        open_state(str(tmp_path), Log([]), NOW)
    assert kept(tmp_path, environment.STATE_DB) == []


def test_nothing_that_was_kept_is_replaced(tmp_path: Path) -> None:
    """Two damages in one second give two files, each with its side files."""
    path = tmp_path / environment.QUEUE_DB
    names = []
    for content in ("first", "second", "third"):
        for part in ("", "-wal"):
            Path(f"{path}{part}").write_text(content + part, "utf-8")
        names.append(set_aside(str(path), NOW))
    assert len(set(names)) == 3
    assert [Path(name).read_text("utf-8") for name in names] == ["first", "second", "third"]
    assert [Path(name + "-wal").read_text("utf-8") for name in names] == ["first-wal", "second-wal", "third-wal"]
    assert not path.exists()


@pytest.mark.parametrize(
    ("error", "broken"),
    [
        (sqlite3.DatabaseError("database disk image is malformed"), True),
        (sqlite3.DatabaseError("file is not a database"), True),
        (sqlite3.DatabaseError("malformed database schema (job_due)"), True),
        (sqlite3.OperationalError("malformed JSON"), False),
        (sqlite3.OperationalError("database is locked"), False),
        (sqlite3.OperationalError("database or disk is full"), False),
        (sqlite3.OperationalError("disk I/O error"), False),
        (sqlite3.OperationalError("attempt to write a readonly database"), False),
        (OSError("database disk image is malformed"), False),
    ],
)
def test_what_counts_as_damage(error: Exception, broken: bool) -> None:
    """Only SQLite's word that the file itself is broken has it replaced."""
    assert repair.is_damaged(error) is broken


def test_a_database_is_set_aside_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """If one of its files is in use elsewhere, all of them are as before: a WAL must not meet another database."""
    path, replace = tmp_path / environment.STATE_DB, os.replace
    names = [environment.STATE_DB, f"{environment.STATE_DB}-wal", f"{environment.STATE_DB}-shm"]
    for name in names:
        (tmp_path / name).write_text(name, "utf-8")

    def refuse(source: str, target: str) -> None:
        if source.endswith("-shm"):
            raise PermissionError(13, "used by another process")
        replace(source, target)

    monkeypatch.setattr(environment, "PATIENCE", 0)
    monkeypatch.setattr(os, "replace", refuse)
    with pytest.raises(PermissionError):
        set_aside(str(path), NOW)
    assert sorted(os.listdir(tmp_path)) == sorted(names)


@pytest.mark.parametrize("name", [environment.STATE_DB, environment.QUEUE_DB])
def test_whoever_finds_damage_has_closed_the_file(tmp_path: Path, name: str) -> None:
    """However an attempt to open a damaged database ends, no connection to it is left: Windows renames no open file."""
    path = tmp_path / name
    path.write_bytes(b"no database at all " * 400)
    openers: list[Callable[[], object]] = [
        lambda: db.connect(str(path)),
        lambda: db.open_once(str(path), 1, "SELECT 1"),
        lambda: enqueue.open_made(str(tmp_path)),
        lambda: schema.open_queue(str(tmp_path), NOW),
        lambda: ledger.open_state(str(tmp_path)),
        lambda: status.status(str(tmp_path), NOW),
    ]
    refused = 0
    for opener in openers:
        try:
            opener()
        except sqlite3.DatabaseError as error:
            refused += "not a database" in str(error)
            left = [os.path.realpath(f"/dev/fd/{fd}") for fd in os.listdir("/dev/fd")]
            assert str(path) not in left
        for other in tmp_path.iterdir():
            if other != path:
                other.unlink()
    assert refused >= 3


def part_of(folder: Path, name: str, age: float) -> Path:
    """Leave a temporary file that was written ``age`` seconds before NOW."""
    part = folder / name
    part.write_text("cookie", "ascii")
    os.utime(part, (NOW - age, NOW - age))
    return part


@pytest.mark.parametrize(("age", "stays"), [(-0.5, True), (0.0, True), (59.0, True), (-59.0, True), (3599.0, True)])
def test_a_temporary_file_in_use_stays(tmp_path: Path, age: float, stays: bool) -> None:
    """The file that a living process is about to rename stays, also one written after the sweep looked at the clock."""
    part = part_of(tmp_path, f"connection.json.{os.getpid()}", age)
    repair.sweep(str(tmp_path), NOW)
    assert part.exists() is stays


@pytest.mark.parametrize("name", ["connection.json", "preview.csv", "metrics.prom", "client_id", "status.json"])
@pytest.mark.parametrize(("age", "stays"), [(-5.0, True), (59.0, True), (61.0, False), (-61.0, False)])
def test_what_a_dead_process_left_goes_after_a_minute(tmp_path: Path, name: str, age: float, stays: bool) -> None:
    """Nobody renames it any more, and a hook's holds a cookie; a clock that was wrong does not keep it."""
    part = part_of(tmp_path, f"{name}.{2**22 + 1}", age)
    repair.sweep(str(tmp_path), NOW)
    assert part.exists() is stays


def test_a_pid_that_another_process_has_keeps_no_cookie(tmp_path: Path) -> None:
    """After an hour a temporary file goes whoever has its pid by then."""
    part = part_of(tmp_path, f"connection.json.{os.getpid()}", 3600.0)
    repair.sweep(str(tmp_path), NOW)
    assert not part.exists()


@pytest.mark.parametrize(("age", "stays"), [(0.0, True), (3599.0, True), (3600.0, False), (-3600.0, False)])
def test_a_sign_in_that_nobody_finished(tmp_path: Path, age: float, stays: bool) -> None:
    """What a sign-in with Plex left goes after an hour: it may hold a token."""
    file = part_of(tmp_path, "sign_in.json", age)
    repair.sweep(str(tmp_path), NOW)
    assert file.exists() is stays
