"""Jobs: how the queue is made and opened, what an edit does to a row in each state, and which job is leased first."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import threading
from pathlib import Path
from types import SimpleNamespace

import pytest

from plexsync.core import db, enqueue, environment, locks
from plexsync.queue import bulk, jobs, schema, stock
from plexsync.queue.meta import QueueMeta
from tests.support.queue_tools import NOW, change, job, job_keys, keys, leased, made, put, settle

FAR = environment.horizon()


def test_durable(tmp_path: Path) -> None:
    """A commit survives power loss, and readers never wait: WAL and synchronous FULL, at the first and later opens."""
    for _ in range(2):
        conn = made(tmp_path)
        assert conn.execute("PRAGMA journal_mode").fetchone()[0] == "wal"
        assert conn.execute("PRAGMA synchronous").fetchone()[0] == 2
        assert conn.execute("PRAGMA user_version").fetchone()[0] == enqueue.SCHEMA_VERSION
        conn.close()
    other = db.connect(str(tmp_path / "state.db"))
    assert other.execute("PRAGMA synchronous").fetchone()[0] == 2
    assert other.isolation_level is None


def test_one_row_per_key(tmp_path: Path) -> None:
    """The database rejects a second row of a key."""
    conn = made(tmp_path)
    put(conn, "scene:1")
    with pytest.raises(sqlite3.IntegrityError):
        conn.execute("INSERT INTO ack_queue_default (key) VALUES ('scene:1')")


def test_cold_folder_at_once(tmp_path: Path) -> None:
    """Many first contacts at the same instant make one queue and lose nothing."""
    gate = threading.Barrier(12)

    def first(number: int) -> None:
        gate.wait()
        conn = made(tmp_path)
        put(conn, f"scene:{number}")
        conn.close()

    threads = [threading.Thread(target=first, args=(number,)) for number in range(1, 13)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(keys(made(tmp_path))) == 12


def test_made_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that waited for the lock while another made the queue leaves the queue as it is."""
    conn = made(tmp_path)
    conn.execute("DROP INDEX job_due")
    wait = locks.wait_lock

    def overtaken(fd: int, patience: float) -> bool:
        conn.execute(f"PRAGMA user_version={enqueue.SCHEMA_VERSION}")
        return wait(fd, patience)

    conn.execute("PRAGMA user_version=0")
    monkeypatch.setattr(locks, "wait_lock", overtaken)
    made(tmp_path).close()
    assert conn.execute("SELECT count(*) FROM sqlite_master WHERE name = 'job_due'").fetchone()[0] == 0


def test_making_takes_too_long(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """While another process holds the lock for ever, opening fails with a sentence instead of waiting."""
    monkeypatch.setattr(enqueue, "BUSY_TIMEOUT", 0.01)
    fd = locks.open_lock(str(tmp_path / environment.INIT_LOCK))
    try:
        assert locks.try_lock(fd)
        with pytest.raises(sqlite3.OperationalError, match="another process"):
            made(tmp_path)
    finally:
        os.close(fd)


def test_no_database(tmp_path: Path) -> None:
    """A file that is not a database raises ``sqlite3.Error``."""
    (tmp_path / environment.QUEUE_DB).write_bytes(b"no database at all, but long enough to be looked at" * 20)
    with pytest.raises(sqlite3.DatabaseError, match="not a database"):
        made(tmp_path)


@pytest.mark.parametrize(
    ("after", "wanted"),
    [(10.0, 0.0), (3599.0, 0.0), (7200.0, 3600.0), (-50.0, -50.0)],
    ids=["just installed", "within the hour", "long installed", "installed in the future"],
)
def test_first_contact(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, after: float, wanted: float) -> None:
    """Catch-up begins when the manifest was installed, at most an hour before the first contact and never after it."""
    manifest = tmp_path / "PlexSync.yml"
    manifest.touch()
    monkeypatch.setattr(environment, "MANIFEST", str(manifest))
    installed = manifest.stat().st_ctime
    assert schema.first_contact(installed + after) == int(installed + wanted)


@pytest.mark.parametrize(
    ("created", "changed", "wanted"),
    [(-9000, -60, -60), (-60, -9000, -60), (-60, 9000, -60), (9000, 9000, 0), (-9000, -9000, -3600)],
    ids=["overwritten", "older in the zip", "later in the zip", "a wrong clock", "long ago"],
)
def test_first_contact_by_creation_and_change(
    monkeypatch: pytest.MonkeyPatch, created: float, changed: float, wanted: float
) -> None:
    """On Windows ``st_ctime`` is when the manifest was made: the later of its two times counts, but none to come."""
    now = 1_000_000.0
    stat = SimpleNamespace(st_ctime=now + created, st_mtime=now + changed)
    monkeypatch.setattr(os, "stat", lambda path: stat)
    assert schema.first_contact(now) == now + wanted


def test_first_contact_without_manifest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a manifest the first contact is the start, also at later opens."""
    monkeypatch.setattr(environment, "MANIFEST", str(tmp_path / "none.yml"))
    made(tmp_path).close()
    conn = schema.open_queue(str(tmp_path), NOW + 500)
    assert QueueMeta(conn).started_at == NOW


def test_meta(tmp_path: Path) -> None:
    """Numbers of the meta table are kept, counters count, and what was never stored is 0."""
    conn = made(tmp_path)
    meta = QueueMeta(conn)
    assert (meta.caught_up_at, meta.wake_seen, meta.is_wake_pending) == (0.0, 0.0, False)
    QueueMeta(conn).caught_up_at = 12.5
    conn.execute("INSERT INTO meta VALUES ('empty_since', NULL)")
    assert (meta.caught_up_at, meta.empty_since) == (12.5, 0.0)
    assert [meta.request_wake() for _ in range(3)] == [1, 2, 3]
    assert meta.is_wake_pending
    meta.wake_seen = meta.wake_requested
    assert not meta.is_wake_pending
    put(conn, "scene:1", "scene:1")
    assert QueueMeta(conn).edits == 2


@pytest.mark.parametrize(
    ("age", "wanted"), [(0.0, False), (3599.0, False), (3600.0, True), (-1.0, True)], ids=["now", "new", "old", "ahead"]
)
def test_catchup_due(tmp_path: Path, age: float, wanted: bool) -> None:
    """Catch-up is due after its interval, and when a wrong clock dated the last one into the future."""
    conn = made(tmp_path)
    QueueMeta(conn).caught_up_at = NOW - age
    assert QueueMeta(conn).is_catchup_due(NOW, 3600.0) is wanted


def test_edit_of_pending(tmp_path: Path) -> None:
    """An edit of a pending row brings due time and priority forward, resets its attempts, and adds no row."""
    conn = made(tmp_path)
    put(conn, "scene:1", priority=2)
    change(conn, "scene:1", due=NOW + 900, attempts=4, rescues=2, waiting=NOW, bulk=1, reason="x", message="y")
    first = job(conn, "scene:1")
    enqueue.enqueue(conn, "scene:1", "again", NOW + 5, NOW + 7)
    row = job(conn, "scene:1")
    assert (row["due"], row["priority"], row["generation"]) == (NOW + 7, 0, first["generation"] + 1)
    assert (row["attempts"], row["rescues"], row["waiting"], row["bulk"]) == (0, 0, None, 0)
    assert (row["reason"], row["message"], row["_id"], row["first_seen"]) == (None, None, first["_id"], NOW)


def test_edit_never_delays(tmp_path: Path) -> None:
    """A later edit, or one of lower priority, never delays a pending row."""
    conn = made(tmp_path)
    put(conn, "scene:1")
    enqueue.enqueue(conn, "scene:1", "fan-out", NOW + 5, NOW + 500, jobs.FAN_OUT)
    assert (job(conn, "scene:1")["due"], job(conn, "scene:1")["priority"]) == (NOW, 0)


def test_edit_of_dead(tmp_path: Path) -> None:
    """An edit of a dead letter makes it a new job: due as the edit says, with a clean slate."""
    conn = made(tmp_path)
    put(conn, "scene:1")
    leased(conn)
    settle(conn, "scene:1", "dead", reason="rejected", message="no", candidates="[]", attempts=8)
    enqueue.enqueue(conn, "scene:1", "edit", NOW + 60, NOW + 62, jobs.FAN_OUT)
    row = job(conn, "scene:1")
    assert (row["status"], row["due"], row["priority"], row["first_seen"]) == (stock.READY, NOW + 62, 1, NOW + 60)
    assert (row["attempts"], row["reason"], row["message"], row["candidates"]) == (0, None, None, None)


def test_edit_of_leased(tmp_path: Path) -> None:
    """An edit of a row in progress only raises its generation."""
    conn = made(tmp_path)
    put(conn, "scene:1")
    leased(conn)
    enqueue.enqueue(conn, "scene:1", "edit", NOW + 1, NOW + 3)
    row = job(conn, "scene:1")
    assert (row["status"], row["due"], row["generation"], row["leased"]) == (stock.LEASED, NOW, 2, 1)
    assert leased(conn, now=NOW + 10) == []


def test_add_missing(tmp_path: Path) -> None:
    """Catch-up adds only missing rows, and leaves pending, leased and dead ones as they are."""
    conn = made(tmp_path)
    put(conn, "scene:1", "scene:2", "scene:3")
    change(conn, "scene:2", status=stock.LEASED)
    change(conn, "scene:3", status=stock.DEAD, reason="rejected")
    before = [job(conn, f"scene:{number}") for number in (1, 2, 3)]
    names = [*(f"scene:{number}" for number in (1, 2, 3, 4)), "scene:4", "tag:9"]
    assert jobs.add_missing(conn, job_keys(names), "catch-up", NOW + 9, jobs.FAN_OUT) == 2
    assert jobs.add_missing(conn, job_keys(names), "catch-up", NOW + 9, jobs.FAN_OUT) == 0
    assert [job(conn, f"scene:{number}") for number in (1, 2, 3)] == before
    row = job(conn, "scene:4")
    assert (row["status"], row["due"], row["priority"], row["bulk"]) == (stock.READY, NOW + 9, 1, 0)
    assert row["data"] == b'{"key":"scene:4","reason":"catch-up","at":%.1f}' % (NOW + 9)


def test_lease_order(tmp_path: Path) -> None:
    """Edits by hand go first, then fan-out, then bulk; within these by due time; what is not due stays."""
    conn = made(tmp_path)
    for key, due, priority in [
        ("scene:1", -9, 2), ("scene:2", -5, 1), ("scene:3", -1, 0), ("scene:4", -3, 0), ("scene:5", 1, 0),
    ]:  # fmt: skip
        put(conn, key, now=NOW + due, priority=priority)
    assert leased(conn, 3) == ["scene:4", "scene:3", "scene:2"]
    assert leased(conn, 3) == ["scene:1"]
    assert leased(conn, 3) == []
    assert leased(conn, 3, now=NOW + 1) == ["scene:5"]


def test_ready_behind_waiting(tmp_path: Path) -> None:
    """A due job is leased at once, however many waiting rows there are, whatever their priority."""
    conn = made(tmp_path)
    jobs.enqueue_many(
        conn,
        job_keys([f"scene:{number}" for number in range(1, 3001)]),
        "edit",
        NOW + 60,
        enqueue.BY_HAND,
        lambda _: None,
    )
    put(conn, "scene:9999", priority=2)
    assert leased(conn, 50) == ["scene:9999"]


@pytest.mark.parametrize(
    ("due", "is_due"), [(-3600.0, True), (0.0, True), (1.0, False), (FAR, False), (FAR + 1, True), (1e9, True)]
)
def test_wrong_clock(tmp_path: Path, due: float, is_due: bool) -> None:
    """A due time further off than any real one was set by a wrong clock: such a row is due now."""
    conn = made(tmp_path)
    put(conn, "scene:1", now=NOW + due)
    wanted = jobs.next_due(conn, NOW, NOW + FAR)
    assert wanted is not None
    assert (wanted <= NOW) is is_due
    assert leased(conn) == (["scene:1"] if is_due else [])


def test_next_due_of_nothing(tmp_path: Path) -> None:
    """Leased and dead rows are never due."""
    conn = made(tmp_path)
    assert jobs.next_due(conn, NOW, NOW + FAR) is None
    put(conn, "scene:1", "scene:2")
    change(conn, "scene:2", status=stock.DEAD)
    leased(conn)
    assert jobs.next_due(conn, NOW, NOW + FAR) is None


def test_counts(tmp_path: Path) -> None:
    """Pending, waiting, leased and dead rows are counted separately; the oldest is the oldest unfinished one."""
    conn = made(tmp_path)
    assert set(jobs.counts(conn).values()) == {0}
    for number in range(1, 6):
        put(conn, f"scene:{number}", now=NOW + number)
    change(conn, "scene:1", status=stock.DEAD)
    change(conn, "scene:2", waiting=NOW)
    change(conn, "scene:3", status=stock.LEASED)
    assert jobs.counts(conn) == {"pending": 2, "waiting": 1, "in_progress": 1, "dead": 1, "oldest": NOW + 2}


def test_error_leaves_no_transaction(tmp_path: Path) -> None:
    """Whatever raises inside a transaction undoes it as a whole and keeps no lock, so hooks never block."""
    conn, hook = made(tmp_path), made(tmp_path)
    hook.execute("PRAGMA busy_timeout = 0")
    put(conn, "scene:1", "scene:2")
    assert leased(conn) == ["scene:1", "scene:2"]
    values = {"id": job(conn, "scene:1")["_id"], "generation": 1, "to": "done"}
    with pytest.raises(KeyError):
        jobs.settle(conn, [values, {"id": 0, "generation": 1, "to": "nonsense"}], NOW)
    with pytest.raises(sqlite3.Error):
        enqueue.enqueue(conn, "scene:3", object(), NOW, NOW)  # type: ignore[arg-type]
    with pytest.raises(sqlite3.Error):
        jobs.enqueue_many(conn, job_keys(["scene:3"]), object(), NOW, 0)  # type: ignore[arg-type]
    put(hook, "scene:4")
    assert keys(conn, "status = 2") == ["scene:1", "scene:2"]
    assert keys(conn) == ["scene:1", "scene:2", "scene:4"]


@pytest.mark.parametrize("module", [schema, enqueue, db], ids=lambda module: module.__name__)
def test_standard_library_alone(module: object) -> None:
    """What the hook may load imports only what SQLite's module does: no typing, no json, no dataclasses."""
    name = getattr(module, "__name__", "")
    code = f"""
import sys, os, time, sqlite3
before = {{*sys.modules, "fcntl", "msvcrt", "__future__"}}
import {name}
print(sorted(module for module in sys.modules if module not in before and not module.startswith("plexsync")))
"""
    run = subprocess.run(
        [sys.executable, "-c", code], cwd=environment.PLUGIN_DIR, capture_output=True, text=True, check=True
    )
    assert run.stdout.strip() == "[]"


def test_what_failed_comes_after_everything_untried(tmp_path: Path) -> None:
    """Bulk work goes before it, however long it has been due; beside a full batch only what is overdue comes along."""
    conn = made(tmp_path)
    put(conn, *(f"scene:{n}" for n in range(1, 30)))
    put(conn, *(f"scene:{n}" for n in range(30, 60)), priority=2)
    for n in range(1, 30):
        change(conn, f"scene:{n}", priority=jobs.RETRY, due=NOW - 10)
    assert {row[3] for row in jobs.lease(conn, NOW, NOW + FAR, 20)} == {2}
    rows = jobs.lease(conn, NOW, NOW + FAR, 40)
    assert [row[3] for row in rows] == [2] * 10 + [jobs.RETRY] * jobs.RETRIES_AT_ONCE
    put(conn, *(f"scene:{n}" for n in range(60, 70)), priority=2)
    rows = jobs.lease(conn, NOW + 60, NOW + FAR, 10)
    assert [row[3] for row in rows] == [2] * 10 + [jobs.RETRY] * jobs.OVERDUE_AT_ONCE


def test_an_edit_of_what_failed_is_an_edit_again(tmp_path: Path) -> None:
    """It comes first; a task that marks it brings it before other retries."""
    conn = made(tmp_path)
    put(conn, "scene:1", "scene:2")
    for key in ("scene:1", "scene:2"):
        change(conn, key, priority=jobs.RETRY, due=NOW + 900)
    put(conn, "scene:1")
    bulk.mark_many(conn, job_keys(["scene:2"]), "Sync all", "t1", NOW, lambda _: None)
    assert (job(conn, "scene:1")["priority"], job(conn, "scene:2")["priority"]) == (0, 2)
    assert jobs.has_edit_due(conn, NOW)
    assert not jobs.has_edit_due(conn, NOW - 1)
