"""A Stash with the real plugin and a Plex beside it, as the button tests need them: short durations, pairs, looks."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.servers.plex import PlexServer
from tests.servers.stash import StashServer
from tests.servers.stash_hooks import HookResult, LogLine, TaskResult
from tests.support.plugin import PLUGIN, rows

#: Durations in seconds, short enough for a test and long enough for a busy machine.
SHORT = {
    "PLEXSYNC_SETTLE": "0.1",
    "PLEXSYNC_RETRY_BASE": "0.1",
    "PLEXSYNC_RETRY_CAP": "0.5",
    "PLEXSYNC_MISSING_BASE": "60",
    "PLEXSYNC_BREAKER_RESET": "0.3",
    "PLEXSYNC_BREAKER_RESET_CAP": "1",
    "PLEXSYNC_CONNECT_TIMEOUT": "2",
    "PLEXSYNC_READ_TIMEOUT": "5",
}


class Site:
    """Stash and Plex for one test. ``pair`` makes a scene and its item."""

    def __init__(self, stash: StashServer, plex: PlexServer) -> None:
        self.stash, self.plex = stash, plex
        plex.add_section("Films", key=1)
        stash.configure(plexUrl=plex.url, plexToken=plex.token, skipPoster=True, skipBackground=True)

    @property
    def folder(self) -> Path:
        """The plugin's data folder."""
        return self.stash.data_dir

    def pair(self, title: str, **fields: Any) -> tuple[int, int]:
        """A scene of that title, and the item with its file: (scene id, rating key)."""
        number = len(self.plex.items) + 1
        file, size = f"/media/{number}.mp4", 1000 + number
        item = self.plex.add_item(1, file=file, size=size, duration_ms=60_000)
        return self.stash.add_scene(title, files=[(file, size, 60.0)], **fields), item.rating_key

    def pairs(self, count: int) -> list[tuple[int, int]]:
        """So many scenes with their items, titled ``New 1`` and so on."""
        return [self.pair(f"New {number}") for number in range(1, count + 1)]

    def titles(self) -> list[str]:
        """The titles in Plex, by rating key."""
        return [item.title for _, item in sorted(self.plex.items.items())]

    def queued(self, columns: str = "key") -> list[tuple[Any, ...]]:
        """The rows of the queue."""
        return rows(self.folder, columns)

    def call(self, mode: str, **args: Any) -> Any:
        """The output of an operation that must not fail."""
        return good(self.stash.run_operation({"mode": mode, **args}))

    def task(self, mode: str, **args: Any) -> TaskResult:
        """A task, run to its end, with what holds for every task checked."""
        found = self.stash.run_task(mode, args or None)
        well_ended(found)
        return found

    def said(self) -> str:
        """All that the plugin said so far, in Stash's log and in its own."""
        own = self.folder / "plexsync.log"
        lines = [f"{line.level} {line.message}" for line in self.stash.plugin_log]
        return "\n".join([*lines, own.read_text("utf-8") if own.exists() else ""])


def good(result: HookResult) -> Any:
    """The output of a call that ended as it should."""
    assert result.error is None
    assert list(json.loads(result.stdout)) == ["output"]
    assert result.returncode == 0
    return result.output


def well_ended(result: TaskResult) -> None:
    """One JSON document, status 0, progress that rises within 0..1, and a last line: the result or the reason."""
    assert result.returncode == 0
    assert list(json.loads(result.stdout)) in (["output"], ["error"])
    assert result.progress == sorted(result.progress)
    assert all(0 <= value <= 1 for value in result.progress)
    assert not [line for line in result.log if "Traceback" in line.message]
    assert len({line.message for line in result.log}) == len(result.log)
    if result.error is None:
        assert result.progress[-1] == 1.0
    else:
        assert result.log[-1].level == "error"
        assert result.log[-1].message.endswith(result.error)
        assert sum(result.error in line.message for line in result.log) == 1


def last(result: TaskResult) -> LogLine:
    """A task's last line."""
    return result.log[-1]


@contextmanager
def site(tmp_path: Path, **env: str) -> Iterator[Site]:
    """The two servers, with ``env`` for the plugin."""
    with PlexServer() as plex, StashServer(tmp_path / "stash", PLUGIN) as stash:
        stash.env = SHORT | env
        yield Site(stash, plex)
