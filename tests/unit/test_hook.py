"""The hook: one committed row for each valid event, one sentence for each other, and the connection saved."""

from __future__ import annotations

import importlib.util
import json
import os
import sqlite3
import stat
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from plexsync import hook
from plexsync.core import enqueue, environment, sqlite, wake
from plexsync.core import event as events
from plexsync.core.event import Event
from plexsync.queue import schema
from plexsync.queue.meta import QueueMeta
from tests.support.hook_events import VECTORS, Vector, at
from tests.support.processes import worker_held

TRIGGERS = {
    "Scene.Create.Post": "scene:5",
    "Scene.Update.Post": "scene:5",
    "Scene.Destroy.Post": "scene:5",
    "Performer.Update.Post": "performer:5",
    "Performer.Destroy.Post": "performer:5",
    "Studio.Update.Post": "studio:5",
    "Studio.Destroy.Post": "studio:5",
    "Tag.Update.Post": "tag:5",
    "Tag.Destroy.Post": "tag:5",
    "Tag.Merge.Post": "tag:5",
}


@pytest.fixture(autouse=True)
def _defaults(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PLEXSYNC_DATA_DIR", raising=False)
    monkeypatch.delenv("PLEXSYNC_SETTLE", raising=False)


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """Create the data folder of a Stash in ``tmp_path``, with a running worker, so no hook starts one."""
    data = tmp_path / "plugin_data" / "PlexSync"
    with worker_held(data):
        yield data


@pytest.fixture
def woken(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Record the folders whose worker was woken; none is started."""
    calls: list[str] = []
    monkeypatch.setattr(wake, "wake", calls.append)
    return calls


def edit(folder: object, kind: str = "Scene.Update.Post", number: int = 5, cookie: str = "") -> Event:
    """Return an event of the Stash in ``folder``."""
    event = Event()
    event.is_hook, event.type, event.id, event.stash_dir, event.cookie = True, kind, number, str(folder), cookie
    return event


def rows(folder: Path, columns: str = "key") -> list[tuple[Any, ...]]:
    """Return the rows of the queue; none if there is no queue."""
    if not (folder / environment.QUEUE_DB).exists():
        return []
    with sqlite3.connect(folder / environment.QUEUE_DB) as conn:
        found = conn.execute(f"SELECT {columns} FROM ack_queue_default ORDER BY _id").fetchall()
    conn.close()
    return found


@pytest.mark.parametrize(("kind", "key"), TRIGGERS.items())
def test_each_trigger_queues_its_key(tmp_path: Path, folder: Path, kind: str, key: str) -> None:
    """Each of the seven events queues one row with the key of what was edited, and says so."""
    assert json.loads(hook.handle(edit(tmp_path, kind))) == {"output": f"queued {key}"}
    assert rows(folder) == [(key,)]


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector.name)
def test_every_event_leaves_its_row_or_none(tmp_path: Path, folder: Path, vector: Vector) -> None:
    """No event, however odd, queues anything but what it names."""
    event = events.read(at(tmp_path, vector.raw))
    answer = json.loads(hook.handle(event)) if event.is_hook else {"error": event.problem}
    assert [key for (key,) in rows(folder)] == ([vector.key] if vector.key else [])
    assert vector.said in "".join(answer.values())


def test_a_row_is_due_after_it_settled(tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A burst of edits is one write: a job is due after two seconds, or as the environment says."""
    hook.handle(edit(tmp_path, number=1))
    monkeypatch.setenv("PLEXSYNC_SETTLE", "0")
    hook.handle(edit(tmp_path, number=2))
    assert [delay for (delay,) in rows(folder, "due - timestamp")] == pytest.approx([2, 0], abs=1e-3)


def test_two_edits_are_one_row(tmp_path: Path, folder: Path) -> None:
    """A second edit of a scene raises the row's generation and adds no row."""
    hook.handle(edit(tmp_path))
    hook.handle(edit(tmp_path, "Scene.Destroy.Post"))
    hook.handle(edit(tmp_path, "Tag.Update.Post"))
    assert rows(folder, "key, generation, status") == [("scene:5", 2, 1), ("tag:5", 1, 1)]


def test_each_edit_raises_the_wake_counter(tmp_path: Path, folder: Path) -> None:
    """Each edit raises the wake counter, even one of a row that is there, so a paused worker sees it."""
    for number in (1, 2, 1):
        hook.handle(edit(tmp_path, number=number))
    conn = schema.open_queue(str(folder), 0)
    assert QueueMeta(conn).edits == 3
    conn.close()


@pytest.mark.parametrize(
    ("event", "said"),
    [
        (edit("/s", "Gallery.Update.Post"), {"output": "ignored"}),
        (edit("/s", ""), {"output": "ignored"}),
        (
            edit("/s", "Tag.Merge.Post", 0),
            {"error": "PlexSync queued nothing: Tag.Merge.Post has no valid tag id."},
        ),
        (edit(""), {"error": "PlexSync did not queue scene 5: Stash did not name its folder."}),
    ],
    ids=["unknown type", "no type", "no id", "no folder"],
)
def test_what_cannot_be_queued_is_answered_in_a_sentence(event: Event, said: dict[str, str], woken: list[str]) -> None:
    """An event of another kind touches neither disk nor worker, and gets one sentence."""
    assert json.loads(hook.handle(event)) == said
    assert woken == []
    assert not Path("/s").exists()


@pytest.mark.parametrize("name", ["file/below", "nul\0nul", "x" * 300, "\udcff"])
def test_a_folder_that_cannot_be_used_is_answered_in_a_sentence(tmp_path: Path, woken: list[str], name: str) -> None:
    """The answer names the scene, the folder and what to do."""
    (tmp_path / "file").touch()
    (tmp_path / "\udcff").touch()
    answer = json.loads(hook.handle(edit(tmp_path / name)))
    assert list(answer) == ["error"]
    assert answer["error"].startswith(f"PlexSync could not queue scene 5 in {tmp_path}")
    assert answer["error"].endswith("the hourly catch-up will then find this edit.")
    assert woken == []


@pytest.mark.parametrize("kind", ["folder", "text", "other schema"])
def test_a_damaged_queue_is_answered_in_a_sentence(tmp_path: Path, woken: list[str], kind: str) -> None:
    """A damaged ``queue.db`` gets one sentence; the worker repairs it."""
    data = tmp_path / "plugin_data" / "PlexSync"
    data.mkdir(parents=True)
    if kind == "folder":
        (data / environment.QUEUE_DB).mkdir()
    elif kind == "text":
        (data / environment.QUEUE_DB).write_text("no database " * 1000, "utf-8")
    else:
        with sqlite3.connect(data / environment.QUEUE_DB) as conn:
            conn.execute("PRAGMA user_version = 99")
    answer = json.loads(hook.handle(edit(tmp_path)))
    assert answer["error"].startswith("PlexSync could not queue scene 5 in ")
    assert "\n" not in answer["error"]


def test_no_half_row_is_left(tmp_path: Path) -> None:
    """Row and wake counter are one commit: if one fails the other is not there, and the next edit is whole."""
    conn = schema.open_queue(str(tmp_path), 0)
    conn.execute("CREATE TRIGGER full BEFORE INSERT ON meta BEGIN SELECT RAISE(ABORT, 'disk is full'); END")
    with pytest.raises(sqlite3.IntegrityError, match="disk is full"):
        enqueue.enqueue(conn, "scene:1", "Scene.Update.Post", 1, 1)
    assert rows(tmp_path) == []
    conn.execute("DROP TRIGGER full")
    enqueue.enqueue(conn, "scene:1", "Scene.Update.Post", 1, 1)
    assert rows(tmp_path) == [("scene:1",)]
    conn.close()


def test_hook_and_worker_mean_the_same_queue(tmp_path: Path) -> None:
    """The hook's statement, version and priority are the worker's, and it creates no other queue."""
    assert enqueue.open_made(str(tmp_path)) is None
    schema.open_queue(str(tmp_path), 0).close()
    conn = enqueue.open_made(str(tmp_path))
    assert conn is not None
    assert conn.execute("PRAGMA synchronous").fetchone() == (2,)
    assert conn.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    conn.close()
    assert (enqueue.PUT, enqueue.SCHEMA_VERSION, enqueue.BY_HAND) == (
        enqueue.PUT,
        enqueue.SCHEMA_VERSION,
        enqueue.BY_HAND,
    )


def test_the_hooks_sqlite_is_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    """The hook uses the core of ``sqlite3``, or ``sqlite3`` itself if there is no such core."""
    assert (sqlite.sqlite3.connect, sqlite.sqlite3.Error) == (sqlite3.connect, sqlite3.Error)
    monkeypatch.setitem(sys.modules, "_sqlite3", None)
    spec = importlib.util.spec_from_file_location("without_a_core", str(sqlite.__file__))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert module.sqlite3 is sqlite3


def connection(folder: Path) -> dict[str, Any]:
    """Return the content of ``connection.json``."""
    said: dict[str, Any] = json.loads((folder / environment.CONNECTION).read_text("utf-8"))
    return said


def test_the_newest_cookie_is_left_for_the_worker(tmp_path: Path, folder: Path) -> None:
    """The connection is private and complete, with the newest cookie, and no other file is left."""
    hook.handle(edit(tmp_path, cookie="one"))
    event = edit(tmp_path, cookie='tw"o')
    event.scheme, event.host, event.port = "https", "192.168.1.5", 443
    old = os.umask(0)
    try:
        hook.handle(event)
    finally:
        os.umask(old)
    assert connection(folder) == {"scheme": "https", "host": "192.168.1.5", "port": 443, "cookie": 'tw"o'}
    assert stat.S_IMODE((folder / environment.CONNECTION).stat().st_mode) == 0o600
    assert [path.name for path in folder.glob("connection*")] == [environment.CONNECTION]


def test_no_cookie_wipes_no_cookie(tmp_path: Path, folder: Path) -> None:
    """A hook without a cookie keeps the stored one; where there is no file it saves the address alone."""
    hook.handle(edit(tmp_path))
    assert connection(folder) == {"scheme": "http", "host": "127.0.0.1", "port": 9999, "cookie": ""}
    hook.handle(edit(tmp_path, cookie="good"))
    before = (folder / environment.CONNECTION).stat()
    hook.handle(edit(tmp_path))
    assert connection(folder)["cookie"] == "good"
    assert (folder / environment.CONNECTION).stat().st_ino == before.st_ino


def test_without_a_connection_the_row_still_wakes_the_worker(tmp_path: Path, woken: list[str]) -> None:
    """If the connection cannot be saved, the row is committed and the worker woken all the same."""
    data = tmp_path / "plugin_data" / "PlexSync"
    (data / environment.CONNECTION / "in the way").mkdir(parents=True)
    answer = json.loads(hook.handle(edit(tmp_path, cookie="x")))
    assert answer["error"].startswith("PlexSync queued scene 5 but could not save how to reach Stash (")
    assert rows(data) == [("scene:5",)]
    assert woken == [str(data)]


def test_a_worker_that_cannot_be_started_is_reported(
    tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If no worker can be started the row is committed, and the answer says what is wrong."""

    def refuse(folder: str) -> bool:
        raise BlockingIOError("no more processes")

    monkeypatch.setattr(wake, "wake", refuse)
    answer = json.loads(hook.handle(edit(tmp_path)))
    said = "PlexSync queued scene 5 but could not start its worker (no more processes). The next edit tries again."
    assert answer == {"error": said}
    assert rows(folder) == [("scene:5",)]


def test_the_data_folder_is_private(tmp_path: Path, woken: list[str]) -> None:
    """A data folder that the hook creates is private, and the environment may place it elsewhere."""
    hook.handle(edit(tmp_path))
    assert stat.S_IMODE((tmp_path / "plugin_data" / "PlexSync").stat().st_mode) == 0o700


def test_the_environment_places_the_data(tmp_path: Path, woken: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """With ``PLEXSYNC_DATA_DIR`` an event needs no folder of Stash."""
    monkeypatch.setenv("PLEXSYNC_DATA_DIR", str(tmp_path / "elsewhere"))
    assert json.loads(hook.handle(edit(""))) == {"output": "queued scene:5"}
    assert rows(tmp_path / "elsewhere") == [("scene:5",)]
    assert woken == [str(tmp_path / "elsewhere")]


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(kind=st.sampled_from([*TRIGGERS, "Gallery.Update.Post", "x\ud800"]), number=st.integers(0, 3), cookie=st.text())
def test_any_order_of_events_answers_and_keeps_one_row_a_key(
    tmp_path: Path, folder: Path, kind: str, number: int, cookie: str
) -> None:
    """In any order of events there is one JSON document each, and one row per key."""
    answer = json.loads(hook.handle(edit(tmp_path, kind, number, cookie.encode("utf-8", "replace").decode())))
    assert list(answer) in (["output"], ["error"])
    found = [key for (key,) in rows(folder)]
    assert len(found) == len(set(found))
    if str(answer.get("output", "")).startswith("queued "):
        assert answer["output"].removeprefix("queued ") in found


def fill(conn: sqlite3.Connection) -> None:
    """Queue edits until the disk is full."""
    for number in range(1, 2000):
        enqueue.enqueue(conn, f"scene:{number}", "x" * 500, 1.0, 1.0)


def test_a_full_disk_is_told_as_such(tmp_path: Path) -> None:
    """On a full disk SQLite rolls back; the hook reports the full disk, and the queue stays usable."""
    conn = schema.open_queue(str(tmp_path), 1.0)
    conn.execute(f"PRAGMA max_page_count={conn.execute('PRAGMA page_count').fetchone()[0]}")
    with pytest.raises(sqlite3.OperationalError, match="full"):
        fill(conn)
    assert not conn.in_transaction
    conn.execute("PRAGMA max_page_count=100000")
    enqueue.enqueue(conn, "scene:5000", "edit", 1.0, 1.0)
    conn.close()
