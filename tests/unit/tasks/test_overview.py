"""The page's operations: the whole answer, what is cut, what is not there yet, and what cannot be read."""

from __future__ import annotations

import sqlite3
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from plexsync.model.errors import PlexSyncError
from plexsync.model.written import Written
from plexsync.queue import stock
from plexsync.queue.meta import QueueMeta
from plexsync.state.history import Entry, Name
from plexsync.state.ledger import Record, Seen, State, open_state
from plexsync.state.pause import Pause
from plexsync.tasks import operations, overview, scene
from tests.support.queue_tools import NOW, change, job, keys, made, put

WEB = "http://plex:32400/web/index.html#!/server/m%20x/details?key=%2Flibrary%2Fmetadata%2F{key}"


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The time stands still, and no worker is started; whose worker was woken."""
    woken = list[str]()

    def wake(folder: str) -> bool:
        woken.append(folder)
        return False

    monkeypatch.setattr(time, "time", lambda: NOW)
    monkeypatch.setattr("plexsync.core.wake.wake", wake)
    return woken


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A pending, a waiting and a dead scene and a dead tag; scene 5 was written a minute ago, an outage lasts."""
    with closing(made(tmp_path)) as conn:
        put(conn, "scene:1", "scene:2", "scene:3", "tag:4", now=NOW - 300)
        change(conn, "scene:2", waiting=NOW - 300, due=NOW + 60)
        change(conn, "scene:3", status=stock.DEAD, reason="low_confidence", candidates='[{"rating_key": 7}]')
        change(conn, "tag:4", status=stock.DEAD, reason="retries_exhausted", last_seen=NOW - 900)
    with closing(open_state(str(tmp_path))) as conn:
        state = State(conn)
        state.meta.machine, state.meta.plex_url = "m x", "http://plex:32400"
        state.see([Seen("scene", 5, "s", "", NOW - 60)], {2: Name("Two", "/2.mp4"), 3: Name("Three", "/3.mp4")})
        record = Record(105, 5, "/5.mp4", written=Written({"title": ("x",)}), evidence="name_only", title="Five")
        state.store("m x", [record], [Entry(NOW - 60, 5, "Five", 105, (("title", "a", "b"),), ("poster",))])
        state.begin_pause(Pause("local"), NOW - 30, "The disk is full", lambda: 9)
        state.end_pause(NOW - 20, lambda: 0)
        state.begin_pause(Pause("stash"), NOW - 10, "Stash is unreachable", lambda: 0)
        state.meta.pause = None
    return tmp_path


def test_the_whole_answer(folder: Path) -> None:
    """One call has all that the page shows, with titles and paths, and every time in ISO 8601."""
    said = overview.overview(str(folder), {})
    assert list(said) == ["health", "status", "recent", "dead", "waiting", "more", "outages", "web"]
    assert said["health"]["state"] == "attention"
    assert said["status"]["queue"] == {
        "pending": 1, "waiting": 1, "in_progress": 0, "dead": 2, "oldest_seconds": 300,
    }  # fmt: skip
    assert said["recent"] == [
        {
            "scene_id": 5, "title": "Five", "rating_key": 105, "at": "2024-03-09T15:59:00Z",
            "changes": [{"field": "title", "old": "a", "new": "b"}], "images": ["poster"], "kind": "sync",
            "chosen": False,
        }
    ]  # fmt: skip
    first, second = said["dead"]
    assert (first["scene_id"], first["title"], first["path"]) == (3, "Three", "/3.mp4")
    assert first["candidates"] == [{"rating_key": 7}]
    assert (second["scene_id"], second["key"], second["title"], second["path"]) == (None, "tag:4", "", "")
    assert said["waiting"] == [
        {
            "scene_id": 2, "since": "2024-03-09T15:55:00Z", "next": "2024-03-09T16:01:00Z", "title": "Two",
            "path": "/2.mp4",
        }
    ]  # fmt: skip
    assert said["more"] == {"dead": 0, "waiting": 0}
    assert [(row["to"], row["cause"], row["held"]) for row in said["outages"]] == [
        (None, "Stash is unreachable", 1),
        ("2024-03-09T15:59:40Z", "The disk is full", 9),
    ]
    assert said["web"] == WEB


def test_long_lists_are_cut(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of very many rows the newest are shown, with the number of those left out."""
    monkeypatch.setattr(overview, "MOST_ROWS", 1)
    with closing(made(folder)) as conn:
        put(conn, "scene:9")
        change(conn, "scene:9", waiting=NOW)
    said = overview.overview(str(folder), {})
    assert ([row["scene_id"] for row in said["dead"]], [row["scene_id"] for row in said["waiting"]]) == ([3], [9])
    assert said["more"] == {"dead": 1, "waiting": 1}


@pytest.mark.parametrize(
    ("recent", "shown"), [(1, 1), ("2", 2), (0, 0), (10_000, 3), (None, 3), (-1, 3), ("x", 3), ([], 3)]
)
def test_how_many_recent_items(folder: Path, recent: object, shown: int) -> None:
    """The call says how many items written last it wants; whatever is no number counts as none given."""
    with closing(open_state(str(folder))) as conn:
        State(conn).store("m x", [], [Entry(NOW, 6, "", 6), Entry(NOW, 7, "", 7)])
    assert len(overview.overview(str(folder), {"recent": recent})["recent"]) == shown


@pytest.mark.parametrize("there", ["nothing", "a queue", "a state.db of an earlier version"])
def test_nothing_yet(tmp_path: Path, there: str) -> None:
    """Before anything happened the answer is whole and empty, and the page is in its first run."""
    if there != "nothing":
        made(tmp_path).close()
    if there.startswith("a state.db"):
        with closing(sqlite3.connect(tmp_path / "state.db")) as conn:
            conn.executescript("CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT); PRAGMA user_version = 2")
    said = overview.overview(str(tmp_path), {})
    assert said["health"]["state"] == "setup"
    assert [said[name] for name in ("recent", "dead", "waiting", "outages", "web")] == [[], [], [], [], ""]
    told = scene.show(str(tmp_path), {"scene_id": 5})
    assert (told["state"], told["items"], told["changes"], told["last_sync"]) == ("never_synced", [], [], None)
    assert overview.badge(str(tmp_path))["dead"] == 0


def test_a_state_that_cannot_be_read_is_a_problem(folder: Path, clock: list[str]) -> None:
    """Every page of Stash still gets its answer, and ``wake`` still wakes the worker, which alone may repair it."""
    for path in folder.glob("state.db*"):
        path.write_bytes(b"no database at all" * 500)
    said = operations.wake_worker(str(folder), {})
    assert said["health"]["state"] == "problem"
    assert "cannot be read (file is not a database)" in said["health"]["sentence"]
    assert clock == [str(folder)]


def test_the_badge(folder: Path) -> None:
    """Each page of Stash gets state and sentence of the health, and the number of dead letters."""
    said = overview.badge(str(folder))
    assert (sorted(said), sorted(said["health"])) == (["dead", "health"], ["sentence", "state"])
    assert (said["dead"], said["health"]["state"]) == (2, "attention")


def test_one_scene(folder: Path) -> None:
    """A scene in Plex has its items with their evidence and address, and what was written last."""
    said = scene.show(str(folder), {"scene_id": "5"})
    assert said == {
        "state": "in_plex", "sentence": "Plex has what Stash has, as of 1 minute ago.", "title": "Five",
        "items": [
            {
                "rating_key": 105, "title": "Five", "confidence": "low", "evidence": "name_only", "chosen": False,
                "web": WEB.replace("{key}", "105"),
            }
        ],
        "chosen": None, "choices": [], "last_sync": "2024-03-09T15:59:00Z",
        "changes": [{"field": "title", "old": "a", "new": "b"}], "changed_at": "2024-03-09T15:59:00Z",
        "images": ["poster"], "dead_letter": None, "candidates": [], "undoable": True,
    }  # fmt: skip


def test_recent_items_tell_the_chosen_one(folder: Path) -> None:
    """Of what was written last only the item that is chosen now says so, also if its scene has others."""
    with closing(open_state(str(folder))) as conn:
        conn.execute("INSERT INTO chosen VALUES ('m x', 5, 106, 0), ('another', 6, 107, 0)")
        State(conn).store("m x", [], [Entry(NOW, 5, "", 106), Entry(NOW, 6, "", 107)])
    said = overview.overview(str(folder), {})["recent"]
    assert [(row["rating_key"], row["chosen"]) for row in said] == [(107, False), (106, True), (105, False)]


def test_a_chosen_item(folder: Path) -> None:
    """The item that a person chose is marked, and told by itself where PlexSync has not written it yet."""
    with closing(open_state(str(folder))) as conn:
        conn.executemany("INSERT INTO chosen VALUES ('m x', ?, ?, 0)", [(5, 105), (3, 7)])
    assert [item["chosen"] for item in scene.show(str(folder), {"scene_id": 5})["items"]] == [True]
    said = scene.show(str(folder), {"scene_id": 3})
    assert (said["state"], said["items"], said["chosen"]) == ("needs_you", [], 7)
    assert said["choices"] == [{"scene_id": 3, "rating_key": 7}]
    assert (said["title"], said["dead_letter"]["reason"]) == ("Three", "low_confidence")
    assert said["candidates"] == said["dead_letter"]["candidates"] == [{"rating_key": 7}]


@pytest.mark.parametrize("scene_id", [None, "", 0, -1, True, "x", [5], {}, "9" * 19])
def test_what_is_no_scene(folder: Path, scene_id: Any) -> None:
    """Anything but the id of a scene is refused in one sentence."""
    with pytest.raises(PlexSyncError, match="cannot be the id of a scene"):
        scene.show(str(folder), {"scene_id": scene_id})
    with pytest.raises(PlexSyncError, match="cannot be the id of a scene"):
        scene.sync(str(folder), {"ids": [5, scene_id]})
    with closing(made(folder)) as conn:
        assert "scene:5" not in keys(conn)


def test_sync_queues_as_edits_by_hand(folder: Path, clock: list[str]) -> None:
    """Each scene is due now, before all other work, and a dead one has its clean slate; the worker is woken."""
    assert scene.sync(str(folder), {"ids": [3, "9", 9]}) == {"queued": 2}
    with closing(made(folder)) as conn:
        for key in ("scene:3", "scene:9"):
            row = job(conn, key)
            assert (row["status"], row["priority"], row["due"], row["attempts"]) == (stock.READY, 0, NOW, 0)
        assert QueueMeta(conn).wake_requested == 1
    assert clock == [str(folder)]


def test_sync_of_too_many(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A whole library is for Sync all, which shows its progress and can be stopped."""
    monkeypatch.setattr(scene, "MOST_SCENES", 2)
    with pytest.raises(PlexSyncError, match="3 scenes are too many"):
        scene.sync(str(folder), {"ids": [7, 8, 9]})


def test_names_go_with_their_jobs(folder: Path) -> None:
    """A discarded or cleared job leaves no name behind; a retried one keeps it until the scene arrives."""
    names = State(open_state(str(folder))).history
    with closing(made(folder)) as conn:
        dead = job(conn, "scene:3")["_id"]
        pending = job(conn, "scene:1")["_id"]
    operations.discard_dead_letters(str(folder), {"ids": [pending]})
    assert names.named() == [2, 3]
    operations.retry_dead_letters(str(folder), {"ids": [dead]})
    assert names.named() == [2, 3]
    with closing(made(folder)) as conn:
        change(conn, "scene:3", status=stock.DEAD)
    operations.discard_dead_letters(str(folder), {"ids": [dead]})
    assert names.named() == [2]
    operations.clear_queue(str(folder), {})
    assert names.named() == []


def test_clearing_all_dead_letters_forgets_their_names(folder: Path) -> None:
    """Clear DLQ leaves the names of waiting scenes."""
    operations.clear_dlq(str(folder), {})
    assert State(open_state(str(folder))).history.named() == [2]


@pytest.mark.parametrize("there", ["no file", "a damaged file"])
def test_a_state_that_cannot_be_used_keeps_no_dead_letter(folder: Path, there: str) -> None:
    """Dead letters are discarded, whatever becomes of their names."""
    for path in folder.glob("state.db*"):
        path.unlink()
    if there != "no file":
        (folder / "state.db").write_bytes(b"no database at all" * 500)
    assert operations.clear_dlq(str(folder), {}) == {"cleared": 2}
