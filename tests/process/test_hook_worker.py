"""The worker that a hook starts: one, detached, holding only the lock. The worker is a stub here."""

from __future__ import annotations

import json
import os
import random
import signal
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.servers.stash import StashServer
from tests.support.hook_events import at, hook
from tests.support.processes import PATIENCE, rows, until, with_stub_worker, worker_lives, workers


@pytest.fixture
def stash(tmp_path: Path) -> Iterator[StashServer]:
    """Start a Stash that is new to PlexSync, with a plugin whose worker is a stub."""
    script = with_stub_worker(tmp_path / "stash" / "plugins" / "PlexSync")
    with StashServer(tmp_path / "stash", script) as server:
        yield server


def identity(path: str | Path | int) -> list[int]:
    """Return which file it is, as the stub reports its descriptors."""
    status = os.stat(path)
    return [status.st_dev, status.st_ino]


def only_worker(stash: StashServer) -> dict[str, Any]:
    """Return the one worker, once it has reported itself."""
    until(lambda: workers(stash.data_dir))
    (said,) = workers(stash.data_dir)
    return said


def test_the_worker_is_detached(stash: StashServer) -> None:
    """The save ends while the worker lives in a new session, with only the lock, its own file for what Python says as
    it starts, and the null device open."""
    assert stash.run_hook("Scene.Update.Post", 1).output == "queued scene:1"
    said = only_worker(stash)
    assert worker_lives(stash.data_dir)
    assert said["sid"] == said["pgid"] == said["pid"]
    null, lock = identity(os.devnull), identity(stash.data_dir / "worker.lock")
    errors = identity(stash.data_dir / "worker.err")
    assert said["held"] == {"0": null, "1": null, "2": errors, str(said["lock"]): lock}
    script, *words = said["argv"]
    assert Path(script) == stash.plugin_script
    assert words == ["worker", "--data-dir", str(stash.data_dir), "--lock-fd", str(said["lock"])]
    assert (stash.data_dir / "worker.lock").read_text("ascii") == str(said["pid"])


def test_what_leaked_into_the_hook_ends_there(stash: StashServer) -> None:
    """A descriptor that Stash, or whatever started it, left inheritable is closed in the worker."""
    reading, writing = os.pipe()
    done = subprocess.run(
        stash.launcher.command(),
        input=at(stash.dir, hook(1, "Scene.Update.Post")),
        capture_output=True,
        check=True,
        pass_fds=(reading, writing),
    )
    assert json.loads(done.stdout) == {"output": "queued scene:1"}
    held = only_worker(stash)["held"]
    assert identity(writing) not in held.values()
    assert len(held) == 4
    os.close(writing)
    assert os.read(reading, 1) == b""
    os.close(reading)


def test_the_data_folder_is_private(stash: StashServer) -> None:
    """The folder that the first hook creates is private."""
    stash.run_hook("Scene.Update.Post", 1)
    assert stat.S_IMODE(stash.data_dir.stat().st_mode) == 0o700
    assert stat.S_IMODE((stash.data_dir / "connection.json").stat().st_mode) == 0o600
    assert stash.log == []


def test_two_hooks_start_one_worker(stash: StashServer) -> None:
    """The second hook finds the first one's worker; when that has ended, the third starts another."""
    for number in (1, 2):
        assert stash.run_hook("Scene.Update.Post", number).output == f"queued scene:{number}"
    only_worker(stash)
    (stash.data_dir / "stop").touch()
    until(lambda: not worker_lives(stash.data_dir))
    (stash.data_dir / "stop").unlink()
    assert stash.run_hook("Scene.Update.Post", 3).output == "queued scene:3"
    until(lambda: len(workers(stash.data_dir)) == 2)
    assert len(rows(stash.data_dir)) == 3


def test_a_killed_worker_is_replaced(stash: StashServer) -> None:
    """A killed worker leaves its pid behind, and the next hook starts another all the same."""
    stash.run_hook("Scene.Update.Post", 1)
    first = only_worker(stash)
    os.kill(first["pid"], signal.SIGKILL)
    until(lambda: not worker_lives(stash.data_dir))
    stash.run_hook("Scene.Update.Post", 2)
    until(lambda: len(workers(stash.data_dir)) == 2)
    assert (stash.data_dir / "worker.lock").read_text("ascii") != str(first["pid"])


def test_200_hooks_at_once_on_a_cold_folder(stash: StashServer, tmp_path: Path) -> None:
    """Of 200 first hooks at once each is answered without error, with every row and one worker."""
    running = []
    for number in range(1, 201):
        path = tmp_path / f"{number}.json"
        path.write_bytes(at(stash.dir, hook(number, "Scene.Update.Post")))
        with path.open("rb") as stdin:
            command, pipe = stash.launcher.command(), subprocess.PIPE
            running.append(subprocess.Popen(command, stdin=stdin, stdout=pipe, stderr=pipe, cwd="/"))
    ends = [(*process.communicate(timeout=PATIENCE), process.returncode) for process in running]
    assert ends == [(b'{"output":"queued scene:%d"}' % number, b"", 0) for number in range(1, 201)]
    assert {key for (key,) in rows(stash.data_dir)} == {f"scene:{number}" for number in range(1, 201)}
    assert (stash.data_dir / "worker.lock").read_text("ascii") == str(only_worker(stash)["pid"])
    assert worker_lives(stash.data_dir)


def test_a_hook_killed_on_a_cold_folder_breaks_nothing(stash: StashServer) -> None:
    """Wherever SIGKILL stops the first hooks, the next one has a whole queue and a worker."""
    chance = random.Random(7)
    for number in range(1, 16):
        stash.env = {"PLEXSYNC_DATA_DIR": str(stash.dir / f"data-{number}")}
        killed = stash.run_hook("Scene.Update.Post", 1, kill_after=chance.uniform(0.005, 0.06))
        rows(stash.data_dir)
        assert stash.run_hook("Scene.Update.Post", 2).output == "queued scene:2"
        assert set(rows(stash.data_dir)) >= {("scene:2",), ("scene:1",)} if killed.output else {("scene:2",)}
        until(lambda: workers(stash.data_dir))
        assert worker_lives(stash.data_dir)
        assert stash.end_worker()
    stash.env = {}
