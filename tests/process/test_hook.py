"""The hook as Stash starts it: a real process, one document in, one out, one row; its worker runs already."""

from __future__ import annotations

import json
import random
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.servers.stash import TRIGGERS, StashServer
from tests.servers.stash_hooks import HookResult
from tests.support.hook_events import GOOD, VECTORS, Vector, at, hook, scene
from tests.support.processes import PLUGIN, rows, send, worker_held

#: What a hook must never load: third-party modules, and the parts of the standard library that cost it most.
HEAVY = {
    "requests", "plexapi", "stashapi", "persistqueue", "unidecode", "json", "dataclasses", "logging", "datetime", "re",
    "typing", "subprocess", "threading", "enum", "http", "urllib", "socket",
    "site", "functools", "collections", "types",
}  # fmt: skip
LIGHT = {"plexsync", "plexsync.core", "plexsync.entry", "plexsync.hook"} | {
    f"plexsync.core.{name}" for name in ["enqueue", "environment", "event", "locks", "sqlite", "wake"]
}


@pytest.fixture
def stash(tmp_path: Path) -> Iterator[StashServer]:
    """Start a Stash with the plugin; this test holds the worker lock."""
    with StashServer(tmp_path / "stash", PLUGIN) as server, worker_held(server.data_dir):
        yield server


def well_answered(result: HookResult) -> str:
    """Return the one sentence or word of a hook that ended well."""
    said: dict[str, Any] = json.loads(result.stdout)
    assert result.returncode == 0
    assert result.stderr == ""
    assert list(said) in (["output"], ["error"])
    (text,) = said.values()
    assert isinstance(text, str)
    assert text
    assert "\n" not in text
    assert "Traceback" not in text
    assert "error" not in said or text[0].isupper()
    return text


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector.name)
def test_every_event_is_answered(stash: StashServer, vector: Vector) -> None:
    """Whatever is on stdin: one JSON document, status 0, no traceback, and a row only for what it names."""
    text = well_answered(send(stash, at(stash.dir, vector.raw)))
    assert vector.said in text
    assert rows(stash.data_dir) == ([(vector.key,)] if vector.key else [])


@pytest.mark.parametrize("kind", sorted(TRIGGERS))
def test_each_trigger_leaves_one_row(stash: StashServer, kind: str) -> None:
    """Each of the manifest's seven events leaves one complete row with the right key."""
    key = f"{kind.split('.')[0].lower()}:12"
    assert stash.run_hook(kind, 12).output == f"queued {key}"
    ((found, status, due, timestamp, data),) = rows(stash.data_dir, "key, status, due, timestamp, data")
    assert (found, status) == (key, 1)
    assert due - timestamp == pytest.approx(2, abs=1e-3)
    assert json.loads(data)["key"] == key


def test_the_way_to_stash_is_left(stash: StashServer) -> None:
    """The newest hook's address and valid cookie are in a private file of a private folder."""
    for number in (1, 2):
        stash.run_hook("Scene.Update.Post", number)
    path = stash.data_dir / "connection.json"
    said = json.loads(path.read_text("utf-8"))
    assert said == {
        "scheme": "http",
        "host": "127.0.0.1",
        "port": stash.port,
        "cookie": list(stash.sessions.issued)[-1],
    }
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    stash.cookie_in_stdin = False
    assert stash.run_hook("Scene.Update.Post", 3).output == "queued scene:3"
    assert json.loads(path.read_text("utf-8")) == said


def test_a_hook_asks_nobody_anything(stash: StashServer) -> None:
    """A hook sends no request to Stash, which waits for it, and does not know Plex."""
    stash.configure(plexUrl=stash.url, plexToken="t")
    for kind in TRIGGERS:
        stash.run_hook(kind, 12)
    assert len(rows(stash.data_dir)) == 4
    assert stash.log == []


def test_a_hook_loads_nothing_heavy(stash: StashServer) -> None:
    """A valid event loads a handful of modules, in an interpreter without third-party modules."""
    code = (
        "import os, sys\n"
        "leave = os._exit\n"
        "os._exit = lambda status: (print(' '.join(sys.modules), file=sys.stderr, flush=True), leave(status))\n"
        f"sys.argv = [{str(PLUGIN)!r}]\n"
        f"__file__ = {str(PLUGIN)!r}\n"
        f"exec(compile(open({str(PLUGIN)!r}).read(), {str(PLUGIN)!r}, 'exec'))\n"
    )
    command = [sys.executable, "-I", "-S", "-c", code]
    done = subprocess.run(command, input=at(stash.dir, GOOD), capture_output=True, check=True)
    assert json.loads(done.stdout) == {"output": "queued scene:1"}
    stash.run_hook("Scene.Update.Post", 1)
    done = subprocess.run(command, input=at(stash.dir, GOOD), capture_output=True, check=True)
    loaded = set(done.stderr.decode().split())
    mine = {name for name in loaded if name.split(".")[0] == "plexsync"}
    assert mine == LIGHT
    assert len(mine) <= 10
    assert not HEAVY & loaded


@pytest.mark.parametrize("way", ["file", "device", "queue"])
def test_where_nothing_can_be_written_one_sentence_says_so(stash: StashServer, tmp_path: Path, way: str) -> None:
    """A read-only folder costs the edit, not the save: one sentence, status 0."""
    folder = {"file": tmp_path / "file", "device": Path("/dev/null"), "queue": tmp_path / "other"}[way]
    (tmp_path / "file").touch()
    (tmp_path / "other" / "plugin_data" / "PlexSync" / "queue.db").mkdir(parents=True)
    text = well_answered(send(stash, at(folder, GOOD)))
    assert text.startswith(f"PlexSync could not queue scene 1 in {folder}")
    assert [path.name for path in folder.rglob("*") if path.is_file()] == []


@pytest.mark.parametrize("size", [64 * 1024, 100 * 1024 * 1024], ids=["64 KB", "100 MB"])
def test_a_large_input_is_answered(stash: StashServer, size: int) -> None:
    """A cover in the input, however large, changes nothing: the event is queued."""
    raw = hook(scene(cover_image="COVER")).replace(b"COVER", b"QUJD" * (size // 4))
    assert well_answered(send(stash, at(stash.dir, raw))) == "queued scene:1"
    assert rows(stash.data_dir) == [("scene:1",)]


def test_a_killed_hook_breaks_nothing(stash: StashServer) -> None:
    """SIGKILL at any time leaves a good queue with every edit that was answered, and the next hook works."""
    chance = random.Random(20)
    answered = set()
    for number in range(1, 41):
        if stash.run_hook("Scene.Update.Post", number, kill_after=chance.uniform(0, 0.08)).output:
            answered.add((f"scene:{number}",))
        assert answered <= set(rows(stash.data_dir))
    assert stash.run_hook("Scene.Update.Post", 99).output == "queued scene:99"
    assert rows(stash.data_dir)[-1] == ("scene:99",)
