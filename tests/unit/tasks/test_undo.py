"""The operation ``undo``: what it marks and queues, and what it refuses."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from plexsync import cli
from plexsync.core import wake as core_wake
from plexsync.model.errors import PlexSyncError
from plexsync.queue import dead_letters, schema
from plexsync.state import undoing
from plexsync.state.ledger import Record, State, open_state
from plexsync.state.meta import Meta
from plexsync.tasks import rows, undo
from tests.support.queue_tools import NOW, job, keys, put


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A data folder: scene 1 has two items, scene 2 one that is set aside, one item has no scene; another server."""
    monkeypatch.setattr(core_wake, "wake", lambda folder: True)
    state = State(open_state(str(tmp_path)))
    state.meta.machine = "m"
    state.store("m", [Record(101, 1), Record(102, 1), Record(103, 2), Record(104, 0)])
    state.store("other", [Record(101, 1)])
    state.set_aside("m", 103, NOW)
    state.conn.close()
    return str(tmp_path)


def marks(folder: str, machine: str = "m") -> dict[int, float]:
    """What is to be put back."""
    with closing(open_state(folder)) as conn:
        return undoing.marks(conn, machine)


def test_some_scenes(folder: str) -> None:
    """All items of the scenes, those set aside too, on this server alone; scenes without any are counted."""
    assert undo.undo(folder, {"ids": [1, "2", 9]}) == {"queued": 3, "nothing": 1}
    assert set(marks(folder)) == {101, 102, 103}
    assert marks(folder, "other") == {}
    with closing(schema.open_queue(folder, NOW)) as conn:
        assert keys(conn) == ["item:101", "item:102", "item:103"]


def test_all(folder: str) -> None:
    """Every item, also without a scene."""
    assert undo.undo(folder, {"all": True}) == {"queued": 4}
    assert set(marks(folder)) == {101, 102, 103, 104}


def test_older_edits_go_and_others_stay(folder: str) -> None:
    """Pending jobs and dead letters of these scenes, but for a leased one and one that is edited later."""
    with closing(schema.open_queue(folder, NOW)) as conn:
        for key in ("scene:1", "scene:2", "scene:3"):
            put(conn, key)
        conn.execute("UPDATE ack_queue_default SET status = 2 WHERE key = 'scene:2'")
        undo.mark(folder, [1, 2], NOW + 1)
        assert keys(conn) == ["item:101", "item:102", "item:103", "scene:2", "scene:3"]
        assert job(conn, "item:101")["priority"] == 0
        put(conn, "scene:1", now=NOW + 5)
        undo.mark(folder, [1], NOW + 4)
        assert "scene:1" in keys(conn)


def test_nothing_was_ever_written(tmp_path: Path) -> None:
    """Without a file there is nothing to undo, and none is made."""
    assert undo.undo(str(tmp_path), {"ids": [1]}) == {"queued": 0, "nothing": 1}
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "args",
    [{}, {"ids": []}, {"ids": 5}, {"ids": ["x"]}, {"ids": [True]}, {"ids": [-1]}, {"ids": [1.5]}, {"all": "yes"},
     {"all": False}, {"ids": [1], "all": True}, {"ids": ["9" * 30]}],
)  # fmt: skip
def test_what_is_no_call(folder: str, args: dict[str, Any]) -> None:
    """One sentence, and nothing is marked or queued."""
    with pytest.raises(PlexSyncError, match=r"Nothing was changed\.$"):
        undo.undo(folder, args)
    assert marks(folder) == {}


def test_a_discarded_undo_is_unmarked(folder: str) -> None:
    """Of the dead letters named, or of all that wait."""
    undo.undo(folder, {"all": True})
    with closing(schema.open_queue(folder, NOW)) as conn:
        conn.execute("UPDATE ack_queue_default SET status = 9 WHERE key IN ('item:101', 'item:102')")
        row = job(conn, "item:101")["_id"]
    undo.forget(folder, dead=True, rows=[row])
    assert set(marks(folder)) == {102, 103, 104}
    undo.forget(folder, dead=False)
    assert set(marks(folder)) == {102}


def test_a_dead_undo_names_its_scene(folder: str) -> None:
    """Of an item whose scene is gone it names none."""
    undo.undo(folder, {"all": True})
    with closing(schema.open_queue(folder, NOW)) as conn, closing(Meta.open(folder)) as meta:
        conn.execute("UPDATE ack_queue_default SET status = 9 WHERE key IN ('item:101', 'item:104')")
        told = rows.dead_letters(dead_letters.dead_letters(conn), meta)
    assert {row["key"]: row["scene_id"] for row in told} == {"item:101": 1, "item:104": None}


def test_the_command_line(folder: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Ids or ``--all``; it says how many, and for how many scenes there is nothing."""
    assert cli.run(["undo", "1", "9", "--data-dir", folder]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "2 items will be put back by the background worker.",
        "1 scene of these: PlexSync holds nothing in Plex.",
    ]
    assert cli.run(["undo", "--data-dir", folder, "--all"]) == 0
    assert capsys.readouterr().out == "4 items will be put back by the background worker.\n"


@pytest.mark.parametrize("words", [["undo"], ["undo", "--all", "1"], ["undo", "x"], ["undo", "-1"], ["status", "1"]])
def test_the_command_line_wants_one_of_both(folder: str, words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """Anything else is an error, and nothing is queued."""
    assert cli.run([*words, "--data-dir", folder]) == 2
    assert capsys.readouterr().err
    assert marks(folder) == {}
