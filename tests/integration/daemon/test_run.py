"""One turn of the full worker over real files and servers: what it mends, what it survives, what it leaves behind."""

from __future__ import annotations

import gc
import json
import sqlite3
from collections.abc import Iterator
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
from tests.support.desk import BEGIN, Desk, desk


@pytest.fixture
def room(tmp_path: Path) -> Iterator[Desk]:
    """Both servers and a data folder; the desk's own connections are not used."""
    with desk(tmp_path) as made:
        QueueMeta(made.queue.conn).caught_up_at = BEGIN
        yield made


def drain(room: Desk, *, fresh: bool = False, key: str = "") -> tuple[Next, str]:
    """One turn."""
    world = World(clock=lambda: room.at, sleep=room.sleep)
    try:
        return run.drain(str(room.folder), key, PluginFiles(read=dict), fresh=fresh, world=world)
    finally:
        gc.collect()  # or the base class's finaliser may run in a server's thread, which is not the connection's


def standing(room: Desk) -> pause.Pause | None:
    """What pauses."""
    conn = ledger.open_state(str(room.folder))
    try:
        return Meta(conn).pause
    finally:
        conn.close()


def log(room: Desk) -> list[str]:
    """The messages in the worker's log."""
    return [json.loads(line)["message"] for line in (room.folder / environment.LOG).read_text("utf-8").splitlines()]


def test_a_turn(room: Desk) -> None:
    """What is due is done; the key that Stash told comes back for the next turn."""
    room.stash.api_key = "the-api-key"
    scene, item = room.pair("Title")
    room.hook(f"scene:{scene}")
    assert drain(room) == (Next.IDLE, "the-api-key")
    assert room.title(item) == "Title"
    assert standing(room) is None


def test_a_later_plexsyncs_queue(room: Desk) -> None:
    """A queue of a later version is left alone, and the process ends."""
    scene, _ = room.pair("Title")
    room.hook(f"scene:{scene}")
    room.queue.conn.execute(f"PRAGMA user_version={enqueue.SCHEMA_VERSION + 1}")
    assert drain(room, key="key") == (Next.STOP, "key")
    assert room.plex.log == []
    assert "later version of PlexSync" in log(room)[-1]


def test_a_fault_of_its_own_is_a_pause(room: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the loop raises, the process stays: a minute's pause, told in log and status, and where from."""

    def fail(self: Worker) -> str:
        raise KeyError("nobody thought of it")

    scene, item = room.pair("Title")
    room.hook(f"scene:{scene}")
    with monkeypatch.context() as patch:
        patch.setattr(Worker, "drain", fail)
        assert drain(room, key="key") == (Next.IDLE, "key")
    found = standing(room)
    assert found is not None
    assert (found.kind, found.until) == (pause.LOCAL, BEGIN + 60)
    assert "KeyError" in found.problem
    assert any(line.startswith("traced") for line in log(room))
    assert drain(room)[0] is Next.IDLE
    assert room.title(item) == "Title"
    assert standing(room) is None


def test_told_to_end_is_no_fault(room: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """SIGTERM passes through, and nothing pauses because of it."""

    def end(self: Worker) -> str:
        raise Terminated

    monkeypatch.setattr(Worker, "drain", end)
    with pytest.raises(Terminated):
        drain(room)
    assert standing(room) is None


def spoil(path: Path, table: str) -> None:
    """Noise over the first page of a table."""
    conn = sqlite3.connect(path)
    (root,) = conn.execute("SELECT rootpage FROM sqlite_master WHERE name = ?", (table,)).fetchone()
    conn.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    conn.close()
    with path.open("r+b") as file:
        file.seek((root - 1) * 4096)
        file.write(b"\xa5" * 4096)


@pytest.mark.parametrize("fresh", [True, False])
def test_a_queue_that_is_no_database(room: Desk, fresh: bool) -> None:
    """A broken queue is mended before anything is leased, in whatever turn it is found."""
    room.queue.close()
    (room.folder / environment.QUEUE_DB).write_bytes(b"nothing " * 2000)
    assert drain(room, fresh=fresh)[0] is Next.IDLE
    assert len(list(room.folder.glob("queue.db.damaged-*"))) == 1
    assert standing(room) is None


@pytest.mark.parametrize("table", ["seen", "written"])
def test_damage_that_shows_at_work(room: Desk, table: str) -> None:
    """A state that breaks in the middle of work pauses for a minute; the turn after it finds and mends the damage."""
    scene, item = room.pair("Title")
    room.app.open_state()
    room.app.close()
    spoil(room.folder / environment.STATE_DB, table)
    room.hook(f"scene:{scene}")
    assert drain(room)[0] is Next.IDLE
    found = standing(room)
    assert found is not None
    assert found.kind == pause.LOCAL
    assert "malformed" in found.problem
    room.sleep(60)
    assert drain(room)[0] is Next.IDLE
    assert len(list(room.folder.glob("state.db.damaged-*"))) == 1
    assert room.title(item) == "Title"
    assert standing(room) is None
    assert room.keys() == []


def test_a_pause_that_cannot_be_read_or_stored(room: Desk) -> None:
    """Where the damage hits the pauses themselves the caller is told, and a fresh turn mends them."""
    scene, item = room.pair("Title")
    Meta(room.app.state.conn).pause = None
    room.app.close()
    spoil(room.folder / environment.STATE_DB, "meta")
    room.hook(f"scene:{scene}")
    assert drain(room)[0] is Next.IDLE
    assert len(list(room.folder.glob("state.db.damaged-*"))) == 1
    assert room.title(item) == "Title"


def test_a_machine_that_lets_nothing_be_noted(room: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where not even a pause can be stored the caller is told, and every file is closed."""

    def full(*_: object) -> None:
        raise sqlite3.OperationalError("database or disk is full")

    monkeypatch.setattr(Worker, "drain", full)
    monkeypatch.setattr(Meta, "write", full)
    with pytest.raises(sqlite3.OperationalError, match="full"):
        drain(room)
