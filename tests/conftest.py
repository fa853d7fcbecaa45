"""The net under every test: no token, cookie or key may stand in what a test's plugin wrote for people to read."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

from tests.servers.plex import PlexServer
from tests.servers.stash import StashServer

#: Files of a data folder that people read, send to others, or hand to a monitoring system.
READ = ("plexsync.log*", "status.json", "metrics.prom", "sync_timestamps.json")

#: A file system in memory.
MEMORY = "/dev/shm"

#: What takes longest, the longest first.
FIRST = ("test_secrets", "test_kill", "test_the_site", "tests/process/", "test_state_machine")

#: A shorter text may stand somewhere by chance.
LEAST = 8


#: Who has Python write no bytecode would have each process that is started compile all of the plugin again.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False

#: How long an example takes says nothing on a busy machine.
settings.register_profile("plexsync", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("plexsync")


def pytest_configure(config: pytest.Config) -> None:
    """Keep temporary files in memory where that is possible: SQLite syncs each commit, and a disk takes its time."""
    if not os.access(MEMORY, os.W_OK):
        return
    tempfile.tempdir = MEMORY
    if config.option.basetemp is None:
        base = Path(tempfile.mkdtemp(prefix="plexsync-tests-", dir=MEMORY))
        config.option.basetemp = str(base)
        config.add_cleanup(lambda: shutil.rmtree(base, ignore_errors=True))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Start the longest first, so that none of them is left over at the end, and deal them out: pytest-xdist gives
    each of its workers a piece of the list."""
    items.sort(key=lambda item: next((at for at, name in enumerate(FIRST) if name in item.nodeid), len(FIRST)))
    workers = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    items[:] = [item for first in range(workers) for item in items[first::workers]]


@pytest.fixture(autouse=True)
def no_secret_is_written(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """After the test, and after its servers have gone: look through what the plugin said and left."""
    made: list[Any] = []

    def note(kind: type[Any]) -> None:
        whole = kind.__init__

        def noted(self: Any, *arguments: Any, **named: Any) -> None:
            made.append(self)
            whole(self, *arguments, **named)

        monkeypatch.setattr(kind, "__init__", noted)

    note(StashServer)
    note(PlexServer)
    yield
    stashes = [one for one in made if isinstance(one, StashServer)]
    if stashes:
        secrets = {one.token for one in made if isinstance(one, PlexServer)}
        leaks = [leak for stash in stashes for leak in _leaks(stash, secrets)]
        assert leaks == [], "a secret was written where people read"


def _leaks(stash: StashServer, tokens: set[str]) -> list[str]:
    """Where a secret stands, without the secret."""
    secrets = {*tokens, *stash.sessions.issued, stash.api_key, str(stash.plugin_settings.get("plexToken", ""))}
    secrets = {secret for secret in secrets if len(secret) >= LEAST}
    said = {f"Stash's log, line {number}": line.message for number, line in enumerate(list(stash.plugin_log))}
    texts = said | {path.name: path.read_text("utf-8", "replace") for path in _read(stash.data_dir)}
    return [place for place, text in texts.items() if any(secret in text for secret in secrets)]


def _read(folder: Path) -> list[Path]:
    return [path for pattern in READ for path in folder.glob(pattern) if path.is_file()]
