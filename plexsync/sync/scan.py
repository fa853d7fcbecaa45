"""``missingScan``: ask Plex to scan the folder of a scene that it does not have. Knows no jobs."""

from __future__ import annotations

import posixpath

from plexsync.log import Log, Private
from plexsync.matching.path_map import apply_map
from plexsync.model.errors import PlexBusy, Refused, Rejected
from plexsync.model.scene import Scene
from plexsync.sync.planner import Planner
from plexsync.sync.work import named


def ask(planner: Planner, scene: Scene, log: Log) -> None:
    """Ask for a scan of the scene's folders that, by the path map, lie in a chosen library.

    Log it if Plex is too busy or rejects the request. Raise ``PlexUnavailable`` and ``SetupError``.
    """
    for file in scene.files:
        paths = (apply_map(file.path, planner.settings.path_map), *planner.learned().translate(file.path))
        for folder in dict.fromkeys(posixpath.dirname(path) for path in paths):
            for section in planner.sections:
                if any(_is_within(folder, location) for location in section.locations):
                    _scan(planner, section.key, folder, scene, log)


def _scan(planner: Planner, section: int, folder: str, scene: Scene, log: Log) -> None:
    try:
        planner.scan_once(section, folder)
    except (PlexBusy, Refused, Rejected) as error:
        log.info("failed to ask Plex for a scan", **named(scene), folder=Private(folder), why=str(error))


def _is_within(folder: str, location: str) -> bool:
    base = location.replace("\\", "/").rstrip("/")
    return bool(base) and (folder == base or folder.startswith(base + "/"))
