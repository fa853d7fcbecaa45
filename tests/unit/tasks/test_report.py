"""A bug report shows what helps, and nothing that is somebody's: no path, title, address, name or token."""

from __future__ import annotations

import json
import re
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from plexsync import __version__
from plexsync.core import environment
from plexsync.log import FileSink, Log
from plexsync.model.settings import disclosed
from plexsync.queue import stock
from plexsync.state import ledger, pause
from plexsync.state.breaker import Breaker
from plexsync.state.gates import Gate
from plexsync.state.meta import Meta
from plexsync.state.pause import Pause
from plexsync.tasks import report
from tests.support.queue_tools import NOW, change, made, put

SETTINGS: dict[str, Any] = {
    "plexUrl": "http://plex.local:32400", "plexToken": "Zq8vRk3mXw7Ls2Yd", "plexLibraries": "Films, Clips",
    "plexPathMap": "/a => /b; /c => /d", "maxTags": 7, "skipDate": True, "tagID_stashdb": "12", "unknown": "x",
}  # fmt: skip


def text(folder: Path) -> str:
    """Return the report."""
    found = report.report(str(folder), {})
    assert list(found) == ["text"]
    return str(found["text"])


def chapter(folder: Path, title: str) -> list[str]:
    """Return the lines of one chapter."""
    (found,) = [part.splitlines() for part in text(folder).split("\n\n") if part.startswith(title)]
    return [line.strip() for line in found[1:]]


def test_before_anything_happened(tmp_path: Path) -> None:
    """In an empty folder, or without one, every chapter stands there, and no file is made."""
    for folder in (tmp_path, tmp_path / "none"):
        titles = [part.splitlines()[0] for part in text(folder).split("\n\n")]
        assert titles[0].startswith(f"PlexSync {__version__}, report of 20")
        assert titles[1:] == [
            "Settings as they were read last", "Status", "Pauses", "Warnings and errors in plexsync.log",
            "Files in the data folder",
        ]  # fmt: skip
    assert list(tmp_path.iterdir()) == []


def test_versions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Python, SQLite, system, packages, and both servers as they were last seen."""
    monkeypatch.setenv("PLEXSYNC_SETTLE", "0.5")
    with closing(ledger.open_state(str(tmp_path))) as conn:
        Meta(conn).versions = {"stash": "0.30.1", "plex": "1.41.3.9314-a0bfb8370", "platform": "Linux"}
    lines = chapter(tmp_path, "PlexSync ")
    assert "Stash 0.30.1" in lines
    assert "Plex 1.41.3.9314, Linux" in lines
    assert "PLEXSYNC_SETTLE: 0.5 s" in lines
    for begin in (r"Python 3\.\d+\.\d+", r"SQLite 3\.", "System: ", r"Packages: stashapi \d.*, unidecode \d"):
        assert any(re.match(begin, line) for line in lines), begin


def test_settings(tmp_path: Path) -> None:
    """Switches and numbers are shown, of texts only whether they are set, of lists how many there are."""
    with closing(ledger.open_state(str(tmp_path))) as conn:
        Meta(conn).disclosed = disclosed(SETTINGS)
        Meta(conn).warned = ["one", "two"]
    lines = chapter(tmp_path, "Settings")
    assert lines[:4] == ["plexUrl: set", "plexToken: set", "plexLibraries: 2", "plexPathMap: 2"]
    assert {"maxTags: 7", "maxRetries: 8", "skipDate: on", "skipTitle: off", "plexHost: not set"} <= set(lines)
    assert lines[-1] == "values that cannot be used: 2"


def test_pauses_and_errors(tmp_path: Path) -> None:
    """Pauses by kind with the HTTP status, warnings and errors by kind with their number, and where the bug was."""
    with closing(ledger.open_state(str(tmp_path))) as conn:
        meta = Meta(conn)
        meta.pause = Pause(pause.SETUP, NOW, "PlexSync is paused: Plex rejected the token (401).", began=NOW)
        meta.gates = {"list:3": Gate(failures=2, paused_at=NOW, why="500"), "edit": Gate(succeeded_at=NOW)}
    sink = FileSink(str(tmp_path), lambda _: None, lambda: NOW)
    log = Log([sink])
    for _ in range(3):
        log.warning("dead-lettered scene", scene=5, reason="rejected", why="no")
    log.error("failed: internal error", kind="KeyError")
    log.error("Stash is away.")
    try:
        ledger.open_state(str(tmp_path / "none"))
    except Exception as error:
        log.trace(error)
    log.close()
    assert chapter(tmp_path, "Pauses") == [
        "setup since 2024-03-09T16:00:00Z, status 401",
        "requests of the kind list since 2024-03-09T16:00:00Z, status 500",
    ]
    *lines, last = chapter(tmp_path, "Warnings and errors")
    assert lines == ["warning dead-lettered rejected: 3", "error failed KeyError: 1", "error other: 1"]
    assert re.fullmatch(r"last traced: ledger\.py:\d+ > db\.py:\d+( > db\.py:\d+)*", last)


def test_a_damaged_database(tmp_path: Path) -> None:
    """What cannot be read is told as such: a report is made when something is wrong."""
    for name in ("queue.db", "state.db"):
        (tmp_path / name).write_bytes(b"no database" * 500)
    assert chapter(tmp_path, "Status") == ["cannot be read (DatabaseError)"]
    assert chapter(tmp_path, "Settings") == ["not read yet"]
    assert {"queue.db: 5500 bytes", "state.db: 5500 bytes"} <= set(chapter(tmp_path, "Files"))


#: Shapes of what is somebody's own; each has a core that is looked for.
SHAPES = (
    "{}", "/films/{}/x.mp4", "http://{}.local:32400", "The {} of title (401)", '"{}"', "KeyError {}", "wrote {}",
    "v1.2.{}", "12.34.{}", "rejected{}", "list:{}", "C:\\{}", "plex {} (500)", "error\n{}",
)  # fmt: skip
SECRETS = st.builds(
    lambda shape, core: (shape.format(f"Zx{core}"), f"Zx{core}"),
    st.sampled_from(SHAPES),
    st.text("abcdefghijkmnopqrstuvwxyzABCDEFGH0123456789-_é", min_size=6, max_size=20),
)


@settings(max_examples=60, deadline=None)
@given(SECRETS)
def test_nothing_of_anybody(tmp_path_factory: pytest.TempPathFactory, secret: tuple[str, str]) -> None:
    """Whatever stands in databases, logs, settings, files and paths, no part of it is in the report."""
    value, core = secret
    folder = tmp_path_factory.mktemp("data") / core
    folder.mkdir()
    fill(folder, value)
    assert core not in text(folder)


def fill(folder: Path, value: str) -> None:
    """Put ``value`` wherever a text can stand."""
    conn = made(folder)
    put(conn, "scene:1", "scene:2")
    change(conn, "scene:1", status=stock.DEAD, reason=value, message=value, candidates=json.dumps([value]))
    change(conn, "scene:2", reason=value, message=value, task=value)
    conn.close()
    with closing(ledger.open_state(str(folder))) as state:
        meta = Meta(state)
        meta.breaker = Breaker(5, NOW, NOW, 60.0)
        meta.pause = Pause(value, NOW, value, settings=value)
        meta.gates = {kind: Gate(9, paused_at=NOW, why=value, title=value) for kind in (value, "edit", "list:1")}
        meta.warned, meta.machine = [value], value
        meta.versions = dict.fromkeys(("stash", "plex", "platform", value), value)
        meta.disclosed = {**dict.fromkeys([*disclosed({}), value], value)}
    line = {"time": value, "level": "error", "action": value, "message": value, "kind": value, "reason": value}
    trace = {"level": "error", "action": "traced", "file": value, "line": value, "in": value}
    odd = [value, [value], {"level": value}, {"level": ["error"], "action": [value], "kind": [value]}]
    lines = [json.dumps(one) for one in (line, trace, {**trace, "file": "log.py"}, *odd)]
    (folder / environment.LOG).write_text("\n".join([*lines, value, "{"]), "utf-8")
    for name in ("connection.json", "preview.csv", "unmatched.csv", "sign_in.json", "worker.err", "client_id"):
        (folder / name).write_text(value, "utf-8")


@settings(max_examples=100, deadline=None)
@given(st.dictionaries(st.sampled_from([*disclosed({})]), st.one_of(SECRETS.map(lambda one: one[0]), st.integers())))
def test_settings_disclose_no_text(saved: dict[str, Any]) -> None:
    """What is kept for a report are switches, numbers, and whether a text is set, whatever was saved."""
    shown = disclosed(saved)
    assert all(type(value) in (bool, int) or value in ("set", "not set") for value in shown.values())
    assert "Zx" not in json.dumps(shown)
