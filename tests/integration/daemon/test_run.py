"""One run of the full worker over real files and servers: what it repairs, what it survives, what it leaves behind."""

from __future__ import annotations

import gc
import json
import os
import sqlite3
from pathlib import Path

import pytest

from plexsync.app import World
from plexsync.core import enqueue, environment
from plexsync.daemon import run
from plexsync.daemon.plugin_files import PluginFiles
from plexsync.daemon.process import Terminated
from plexsync.model.lifecycle import Next
from plexsync.queue.meta import QueueMeta
from plexsync.state import ledger, pause
from plexsync.state.meta import Meta
from plexsync.worker.loop import Worker
from tests.support.in_process import Bench
from tests.support.queue_tools import NOW


@pytest.fixture
def bench(bench: Bench) -> Bench:
    """Both servers and a data folder; the bench's worker is not used."""
    QueueMeta(bench.conn).caught_up_at = NOW
    return bench


def drain(bench: Bench, *, fresh: bool = False, key: str = "") -> tuple[Next, str]:
    """Run once."""
    world = World(clock=lambda: bench.now, sleep=bench.sleep)
    try:
        return run.drain(str(bench.folder), key, PluginFiles(read=dict), fresh=fresh, world=world)
    finally:
        gc.collect()  # or the base class's finaliser may run in a server's thread, which is not the connection's


def current_pause(bench: Bench) -> pause.Pause | None:
    """Return the current pause, or None."""
    conn = ledger.open_state(str(bench.folder))
    try:
        return Meta(conn).pause
    finally:
        conn.close()


def log(bench: Bench) -> list[str]:
    """Return the messages in the worker's log."""
    return [json.loads(line)["message"] for line in (bench.folder / environment.LOG).read_text("utf-8").splitlines()]


def test_a_run(bench: Bench) -> None:
    """What is due is done; the API key that Stash returned is passed to the next run."""
    bench.stash.api_key = "the-api-key"
    scene, item = bench.named("Title")
    bench.hook(f"scene:{scene}")
    assert drain(bench) == (Next.IDLE, "the-api-key")
    assert bench.title(item) == "Title"
    assert current_pause(bench) is None


@pytest.mark.parametrize("fresh", [True, False])
def test_leftovers_go_with_every_run(bench: Bench, fresh: bool) -> None:
    """A cookie that a killed hook left and a token of an unfinished sign-in go, though the process is an old one."""
    left = [bench.folder / environment.SIGN_IN, bench.folder / f"{environment.CONNECTION}.{2**22 + 1}"]
    for file in left:
        file.touch()
        os.utime(file, (NOW - 3600, NOW - 3600))
    drain(bench, fresh=fresh)
    assert [file.name for file in left if file.exists()] == []


def test_a_sign_in_goes_during_a_long_run(bench: Bench) -> None:
    """A run of hours does not keep a sign-in that becomes an hour old meanwhile."""
    file = bench.folder / environment.SIGN_IN
    file.touch()
    os.utime(file, (NOW, NOW))
    scene, _ = bench.named("Title")
    bench.hook(f"scene:{scene}")
    world = World(clock=lambda: bench.now + (3600 if bench.plex.log else 0), sleep=bench.sleep)
    run.drain(str(bench.folder), "", PluginFiles(read=dict), fresh=False, world=world)
    gc.collect()
    assert not file.exists()


def test_a_later_plexsyncs_queue(bench: Bench) -> None:
    """The queue of a later version is left alone, and the process ends."""
    scene, _ = bench.named("Title")
    bench.hook(f"scene:{scene}")
    bench.conn.execute(f"PRAGMA user_version={enqueue.SCHEMA_VERSION + 1}")
    assert drain(bench, key="key") == (Next.STOP, "key")
    assert bench.plex.log == []
    assert "later version of PlexSync" in log(bench)[-1]


def test_an_internal_error_is_a_pause(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the loop raises, the process stays: a minute's pause, reported in log and status, with the place."""

    def fail(self: Worker) -> str:
        raise KeyError("nobody thought of it")

    scene, item = bench.named("Title")
    bench.hook(f"scene:{scene}")
    with monkeypatch.context() as patch:
        patch.setattr(Worker, "drain", fail)
        assert drain(bench, key="key") == (Next.IDLE, "key")
    current = current_pause(bench)
    assert current is not None
    assert (current.kind, current.until) == (pause.LOCAL, NOW + 60)
    assert "KeyError" in current.problem
    assert any(line.startswith("traced") for line in log(bench))
    assert drain(bench)[0] is Next.IDLE
    assert bench.title(item) == "Title"
    assert current_pause(bench) is None


def test_termination_is_no_error(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """SIGTERM passes through, and causes no pause."""

    def end(self: Worker) -> str:
        raise Terminated

    monkeypatch.setattr(Worker, "drain", end)
    with pytest.raises(Terminated):
        drain(bench)
    assert current_pause(bench) is None


def spoil(path: Path, table: str) -> None:
    """Write noise over the first page of a table."""
    conn = sqlite3.connect(path)
    (root,) = conn.execute("SELECT rootpage FROM sqlite_master WHERE name = ?", (table,)).fetchone()
    conn.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    conn.close()
    with path.open("r+b") as file:
        file.seek((root - 1) * 4096)
        file.write(b"\xa5" * 4096)


@pytest.mark.parametrize("fresh", [True, False])
def test_a_queue_that_is_no_database(bench: Bench, fresh: bool) -> None:
    """A damaged queue is repaired before anything is leased, in whatever run it is found."""
    bench.conn.close()
    (bench.folder / environment.QUEUE_DB).write_bytes(b"nothing " * 2000)
    assert drain(bench, fresh=fresh)[0] is Next.IDLE
    assert len(list(bench.folder.glob("queue.db.damaged-*"))) == 1
    assert current_pause(bench) is None


@pytest.mark.parametrize("table", ["seen", "written"])
def test_damage_that_shows_at_work(bench: Bench, table: str) -> None:
    """A state damaged during the work pauses for a minute; the next run finds and repairs the damage."""
    scene, item = bench.named("Title")
    bench.app.open_state()
    bench.app.close()
    spoil(bench.folder / environment.STATE_DB, table)
    bench.hook(f"scene:{scene}")
    assert drain(bench)[0] is Next.IDLE
    current = current_pause(bench)
    assert current is not None
    assert current.kind == pause.LOCAL
    assert "malformed" in current.problem
    bench.sleep(60)
    assert drain(bench)[0] is Next.IDLE
    assert len(list(bench.folder.glob("state.db.damaged-*"))) == 1
    assert bench.title(item) == "Title"
    assert current_pause(bench) is None
    assert bench.keys() == []


def test_a_pause_that_cannot_be_read_or_stored(bench: Bench) -> None:
    """If the damage hits the pauses themselves, the error is raised, and a fresh run repairs them."""
    scene, item = bench.named("Title")
    Meta(bench.app.state.conn).pause = None
    bench.app.close()
    spoil(bench.folder / environment.STATE_DB, "meta")
    bench.hook(f"scene:{scene}")
    assert drain(bench)[0] is Next.IDLE
    assert len(list(bench.folder.glob("state.db.damaged-*"))) == 1
    assert bench.title(item) == "Title"


def test_a_machine_that_lets_nothing_be_stored(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """If not even a pause can be stored, the error is raised, and every file is closed."""

    def full(*_: object) -> None:
        raise sqlite3.OperationalError("database or disk is full")

    monkeypatch.setattr(Worker, "drain", full)
    monkeypatch.setattr(Meta, "write", full)
    with pytest.raises(sqlite3.OperationalError, match="full"):
        drain(bench)
