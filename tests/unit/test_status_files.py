"""The files that other programs read: whole at any instant, right after a drain, and never in the way of one."""

from __future__ import annotations

import json
import os
import threading
from pathlib import Path

import pytest

from plexsync import metrics, status
from plexsync.core import environment
from plexsync.state import ledger
from plexsync.state.counters import Stats
from plexsync.state.ledger import Seen, State
from tests.support.queue_tools import NOW, made, put


def names(folder: Path) -> set[str]:
    """The files of a folder, SQLite's own aside."""
    return {path.name for path in folder.iterdir() if ".db" not in path.name and not path.name.endswith(".lock")}


def test_status_files(tmp_path: Path) -> None:
    """``status.json`` is the status object and ``metrics.prom`` the same numbers; nothing else is left behind."""
    put(made(tmp_path), "scene:1")
    status.export_status(str(tmp_path), NOW + 5)
    found = status.status(str(tmp_path), NOW + 5)
    assert json.loads((tmp_path / "status.json").read_text("utf-8")) == found
    assert (tmp_path / "metrics.prom").read_text("utf-8") == metrics.text(found, Stats(), NOW + 5)
    assert names(tmp_path) == {"status.json", "metrics.prom"}


def test_timestamps(tmp_path: Path) -> None:
    """``sync_timestamps.json`` has the time of each scene's last success, and none for a scene without one."""
    store = State(ledger.open_state(str(tmp_path)))
    store.see([Seen("scene", 3, "s", "", NOW), Seen("scene", 12, "s", "", NOW)])
    store.see([Seen("scene", 4, "s")])
    store.see([Seen("tag", 5, "s", "", NOW)])
    status.export_timestamps(str(tmp_path), store)
    assert json.loads((tmp_path / "sync_timestamps.json").read_text("utf-8")) == {"3": NOW, "12": NOW}
    assert list(status.read_timestamps(str(tmp_path))) == [(3, NOW), (12, NOW)]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (None, []),
        ("", []),
        ("{", []),
        ("[1, 2]", []),
        ("null", []),
        ("\ud800", []),
        (
            '{"1": 5, "x": 5, "-2": 5, "3": "5", "4": null, "5": true, "6": 0, "7": 1e99, "\u00b2": 5, "%s": 5}'
            % ("9" * 30),
            [(1, 5.0)],
        ),
        ('{"1": NaN, "2": Infinity, "3": 1710000000.5}', [(3, 1710000000.5)]),
    ],
)
def test_old_timestamps_are_read_with_care(tmp_path: Path, text: str | None, found: list[tuple[int, float]]) -> None:
    """A file that is missing, broken or odd, as version 0.1 or a person may leave it, gives what is usable in it."""
    if text is not None:
        (tmp_path / "sync_timestamps.json").write_bytes(text.encode("utf-8", "surrogatepass"))
    assert list(status.read_timestamps(str(tmp_path))) == found


def test_readers_never_see_a_half(tmp_path: Path) -> None:
    """While a file is replaced again and again, every read gives one whole version of it."""
    path = tmp_path / "file"
    texts = [letter * 200_000 for letter in "ab"]
    environment.replace(str(path), texts[0].encode())
    stop = threading.Event()

    def write() -> None:
        while not stop.is_set():
            for text in texts:
                environment.replace(str(path), text.encode())

    writer = threading.Thread(target=write)
    writer.start()
    try:
        seen = {path.read_text("utf-8") for _ in range(200)}
    finally:
        stop.set()
        writer.join()
    assert seen <= set(texts)
    assert names(tmp_path) == {"file"}


def test_what_cannot_be_replaced_leaves_no_debris(tmp_path: Path) -> None:
    """A target that cannot be replaced is told as an error, and the part that was written is gone."""
    (tmp_path / "status.json").mkdir()
    (tmp_path / "status.json" / "x").touch()
    with pytest.raises(OSError, match="directory"):
        environment.replace(str(tmp_path / "status.json"), b"text")
    with pytest.raises(FileNotFoundError):
        environment.replace(str(tmp_path / "none" / "status.json"), b"text")
    assert os.listdir(tmp_path) == ["status.json"]
