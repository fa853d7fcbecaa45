"""Scans of the Plex test server: files that lie on disk unseen until a refresh finds them, some time later.

Time is read from an injected clock and acted upon when somebody looks, so no thread is needed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from tests.servers.plex_model import Item, Model, stem


@dataclass(slots=True)
class Unseen:
    """A file waiting for a scan. ``due``: monotonic seconds when it appears, None before a scan was asked for.

    ``processed_at``: when Plex is through with it; until then the section has it in its update queue.
    """

    section: int
    file: str
    add: Callable[[], Item]
    delay: float
    process: float
    due: float | None = None
    item: Item | None = None
    processed_at: float | None = None


class Scans:
    """Everything about scanning; callers hold the model's lock."""

    def __init__(self, model: Model, clock: Callable[[], float]) -> None:
        self._model = model
        self.clock = clock
        self.unseen: list[Unseen] = []
        self.asked: list[tuple[int, str | None]] = []

    def start(self, section: int, path: str | None) -> None:
        """A refresh of a folder, or of everything: what lies there will appear.

        A folder that Plex does not have in this very spelling is not looked into, as in Plex, which says nothing of it.
        """
        self.asked.append((section, path))
        if path is not None and not self._has_folder(section, path):
            return
        for unseen in self.unseen:
            if unseen.section == section and unseen.due is None and _below(unseen.file, path):
                unseen.due = self.clock() + unseen.delay
        self._model.sections[section].scanned_at = self._model.now()
        self.tick()

    def tick(self) -> None:
        """Let everything happen that is due by now."""
        now = self.clock()
        for unseen in list(self.unseen):
            if unseen.due is not None and unseen.item is None and now >= unseen.due:
                unseen.item = unseen.add()
                unseen.processed_at = unseen.due + unseen.process
            if unseen.item is not None and unseen.processed_at is not None and now >= unseen.processed_at:
                self._finish(unseen.item, touched=unseen.process > 0)
                self.unseen.remove(unseen)
        busy = {unseen.section for unseen in self.unseen if unseen.due is not None}
        for section in self._model.sections.values():
            section.refreshing = section.key in busy

    def _has_folder(self, section: int, path: str) -> bool:
        """Whether it is a folder of the library, or holds one of its files, letter by letter."""
        folder = _bare(path)
        files = (part.file for item in self._model.items.values() if item.section == section for part in item.parts)
        roots = (_bare(location) for location in self._model.sections[section].locations)
        return folder in roots or any(file.startswith((folder + "/", folder + "\\")) for file in files)

    def queued(self, section: int) -> int:
        """How many found items are still being processed."""
        return sum(1 for unseen in self.unseen if unseen.section == section and unseen.item is not None)

    def _finish(self, item: Item, touched: bool) -> None:
        """Processing writes what the file says over fields that nobody locked: an edit sent too early is lost."""
        if not touched or item.rating_key not in self._model.items:
            return
        if "title" not in item.locked and item.parts:
            item.title = stem(item.parts[0].file)
        self._model.touch(item)


def _below(file: str, path: str | None) -> bool:
    return path is None or file.startswith((_bare(path) + "/", _bare(path) + "\\"))


def _bare(path: str) -> str:
    return path.rstrip("/\\")
