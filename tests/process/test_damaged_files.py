"""Files that a power cut or a person damaged: told, set aside, made anew, and what can be saved out of them is."""

from __future__ import annotations

import json
import os
import sqlite3
import time
import uuid
from pathlib import Path

import pytest

from plexsync import repair
from plexsync.core import enqueue, environment
from plexsync.model.job_key import JobKey
from plexsync.queue import jobs
from plexsync.queue.meta import QueueMeta
from tests.support.installation import Installation
from tests.support.processes import PATIENCE, rows, until, worker_lives

#: What may be left of a small file.
GARBAGE = {
    "nothing": b"",
    "a beginning": b"{",
    "zeros": b"\0" * 36,
    "no text": b"\xff\xfe",
    "a list": b"[]",
    "odd values": b'{"scheme": 7, "port": "x", "1": true, "2": NaN, "3": [], "4": 1e999, "99999999999999999999": 1}',
}


def damage(path: Path, where: str) -> None:
    """Overwrite the head of a database, or the pages that hold the rows, with something else. Nobody has it open."""
    conn = sqlite3.connect(path)
    conn.execute("PRAGMA journal_mode=DELETE")
    size = conn.execute("PRAGMA page_size").fetchone()[0]
    table = "ack_queue_default" if path.name == environment.QUEUE_DB else "seen"
    root = conn.execute("SELECT rootpage FROM sqlite_master WHERE name = ?", (table,)).fetchone()[0]
    conn.close()
    with path.open("r+b") as file:
        file.seek(0 if where == "head" else (root - 1) * size)
        file.write(b"\xa5" * (100 if where == "head" else size))


def kept(here: Installation, name: str) -> list[str]:
    """The names under which damaged files were kept."""
    return [path.name for path in here.folder.glob(f"{name}.damaged-*") if not path.name.endswith(("-wal", "-shm"))]


@pytest.mark.parametrize("where", ["head", "rows"])
def test_a_damaged_queue(here: Installation, where: str) -> None:
    """The hook says that it could not queue, a worker saves what it can and recommends Sync recent, and all arrive."""
    films = [here.film(f"New {number}") for number in range(200)]
    conn = here.queue()
    jobs.enqueue_many(conn, [JobKey.scene(film.scene) for film in films[:150]], "test", time.time(), enqueue.BY_HAND)
    conn.close()
    damage(here.folder / environment.QUEUE_DB, where)
    result = here.stash.update_scene(films[0].scene, title="edited")
    assert (result.returncode, result.stderr, list(json.loads(result.stdout))) == (0, "", ["error"])
    assert result.error is not None
    assert result.error.startswith(f"PlexSync could not queue scene {films[0].scene} in {here.folder} (")
    until(lambda: kept(here, environment.QUEUE_DB), what="a damaged queue set aside")
    until(lambda: "repaired queue.db" in here.log(), what="a word in the log")
    assert "Run Sync recent" in here.log()
    until(
        lambda: [line for line in here.stash.plugin_log if "Sync recent" in line.message], what="a word in Stash's log"
    )
    recent = here.stash.run_task("sync_recent")
    assert recent.error is None
    here.settles()
    assert [here.title(film) for film in films] == ["edited", *(f"New {number}" for number in range(1, 200))]
    assert len(here.plex.writes()) == len(films)


def test_rows_are_saved_out_of_a_damaged_queue(here: Installation) -> None:
    """Jobs of a table half of which cannot be read go on, dead letters stay dead, and the status tells the numbers."""
    films = [here.film(f"New {number}") for number in range(300)]
    here.plex.stop()
    conn = here.queue()
    jobs.enqueue_many(conn, [JobKey.scene(film.scene) for film in films], "test", time.time(), enqueue.BY_HAND)
    conn.execute("UPDATE ack_queue_default SET status = 9, reason = 'rejected', message = 'why' WHERE _id > 290")
    QueueMeta(conn).started_at = time.time() + 86_400  # catch-up finds nothing: what arrives was saved
    conn.close()
    path = here.folder / environment.QUEUE_DB
    conn = sqlite3.connect(path)
    conn.execute("PRAGMA journal_mode=DELETE")
    size = conn.execute("PRAGMA page_size").fetchone()[0]
    conn.close()
    leaf = path.read_bytes().index(b'"key":"scene:40"') // size
    with path.open("r+b") as file:
        file.seek(leaf * size)
        file.write(b"\xa5" * size)
    here.connect()
    process = here.start_worker()
    until(lambda: kept(here, environment.QUEUE_DB), what="a damaged queue set aside")
    until(lambda: len(rows(here.folder)) > 200, what="the rows that could be read")
    assert here.status()["queue"]["dead"] == 10
    here.stash.end_worker()
    process.communicate(timeout=PATIENCE)


@pytest.mark.parametrize("where", ["head", "rows"])
def test_a_damaged_state(here: Installation, where: str) -> None:
    """A state that cannot be read is kept under another name, the log says what that means, and edits arrive."""
    films = [here.film(f"New {number}") for number in range(3)]
    here.edit(films[0], "before")
    here.arrives(films[0], "before")
    until((here.folder / environment.TIMESTAMPS).exists, what="the exported times")
    here.stash.end_worker()
    damage(here.folder / environment.STATE_DB, where)
    here.edit(films[0], "after")
    here.arrives(films[0], "after")
    assert len(kept(here, environment.STATE_DB)) == 1
    assert "repaired state.db" in here.log()
    until(lambda: [line for line in here.stash.plugin_log if "repaired state.db" in line.message], what="Stash's log")
    assert here.stash.run_task("sync_all").error is None
    assert [here.title(film) for film in films] == ["after", "New 1", "New 2"]
    assert here.status()["problem"] is None


@pytest.mark.parametrize("garbage", GARBAGE.values(), ids=GARBAGE)
def test_small_files_that_hold_garbage(here: Installation, garbage: bytes) -> None:
    """Half-written files of any kind keep no edit from arriving, and are whole again afterwards."""
    film = here.film()
    here.folder.mkdir(parents=True, mode=0o700)
    names = (
        environment.CONNECTION,
        environment.TIMESTAMPS,
        environment.CLIENT_ID,
        environment.STATUS,
        environment.METRICS,
    )
    for name in names:
        (here.folder / name).write_bytes(garbage)
    here.edit(film, "whole again")
    here.arrives(film, "whole again")
    until(lambda: (here.folder / environment.TIMESTAMPS).read_bytes() != garbage, what="the exported times")
    assert set(json.loads((here.folder / environment.TIMESTAMPS).read_text("utf-8"))) == {str(film.scene)}
    assert json.loads((here.folder / environment.CONNECTION).read_text("utf-8"))["port"] == here.stash.port
    assert here.plex.client_identifiers == {(here.folder / environment.CLIENT_ID).read_text("ascii")}
    assert uuid.UUID(here.plex.client_identifiers.pop()).version == 4
    for name in (environment.STATUS, environment.METRICS):
        until(lambda name=name: (here.folder / name).read_bytes() != garbage, what=f"a new {name}")  # type: ignore[misc]
    assert json.loads((here.folder / environment.STATUS).read_text("utf-8"))["version"] == "1.1.0"
    assert "Traceback" not in here.log()


def test_a_connection_of_garbage_is_asked_for(here: Installation) -> None:
    """A worker that cannot read how to reach Stash says so, keeps its jobs, and the next edit lets it in."""
    film = here.film()
    conn = here.queue()
    enqueue.enqueue(conn, f"scene:{film.scene}", "test", time.time(), time.time())
    conn.close()
    (here.folder / environment.CONNECTION).write_bytes(b'{"scheme": "http", "port"')
    process = here.start_worker()
    until(lambda: worker_lives(here.folder), what="the worker")
    here.edit(film, "let in")
    here.arrives(film, "let in")
    here.stash.end_worker()
    assert process.communicate(timeout=PATIENCE)[1] == b""


def test_what_killed_processes_left_is_swept(here: Installation) -> None:
    """A hook killed half-way leaves its part of connection.json, cookie and all: the next start removes it, if old."""
    film = here.film()
    here.folder.mkdir(parents=True)
    old = time.time() - repair.PART_SECONDS - 1
    names = ("connection.json", "status.json", "sync_timestamps.json", "metrics.prom", "client_id")
    left = [f"{name}.{2**22 + number}" for number, name in enumerate(names, 1)]  # no process has such a pid
    for name in left:
        (here.folder / name).write_text("secret", "utf-8")
        os.utime(here.folder / name, (old, old))
    others = {"connection.json.old": old, "client_id.12b": old, "notes.txt.5": old, "connection.json.4712": time.time()}
    for name, at in others.items():
        (here.folder / name).write_text("mine", "utf-8")
        os.utime(here.folder / name, (at, at))
    here.edit(film, "swept")
    here.arrives(film, "swept")
    found = {path.name for path in here.folder.iterdir()}
    assert not found & set(left)
    assert found >= set(others)


def test_two_data_folders_never_mix(tmp_path: Path, here: Installation) -> None:
    """Two Stashes on one machine, each with its Plex: every edit reaches its own Plex, by a worker of its own."""
    with Installation(tmp_path / "other", token="other-token") as other:
        films = {one: [one.film() for _ in range(3)] for one in (here, other)}
        for take in ("first", "second"):
            for one, several in films.items():
                for film in several:
                    one.edit(film, f"{take} of {one.plex.token}")
        for one, several in films.items():
            for film in several:
                one.arrives(film, f"second of {one.plex.token}")
        workers = {(one.folder / "worker.lock").read_text("ascii") for one in films}
        assert len(workers) == len({next(iter(one.plex.client_identifiers)) for one in films}) == 2
        for one in films:
            assert {request.header("X-Plex-Token") for request in one.plex.requests()} == {one.plex.token}
            assert one.status()["totals"]["dead"] == 0
