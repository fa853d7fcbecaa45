"""``missingScan``: ask Plex to scan the folders of scenes that it does not have. Knows no jobs.

A folder is compared in its normal form, and sent as Plex spells it: in its own case, Unicode form and slashes, as in
the index and in the library's folders. Plex does not look into a folder that it does not know, so for a new one the
nearest parent is scanned that holds a file in the index, or is a folder of the library.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from plexsync.log import Log, Private
from plexsync.matching.path_map import apply_map
from plexsync.model.errors import PlexBusy, Refused, Rejected
from plexsync.model.item import Section
from plexsync.model.paths import ignores_case, key_of, leading
from plexsync.model.scene import Scene
from plexsync.sync.planner import Planner
from plexsync.sync.work import named

Key = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Wanted:
    """A folder of a scene to be scanned in a section. ``keys``: its own key, then its parents' within the library.

    ``location``: the library's folder that it lies in, as Plex spells it.
    """

    scene: Scene
    section: int
    keys: tuple[Key, ...]
    location: str


def ask(planner: Planner, scenes: Sequence[Scene], log: Log) -> None:
    """Ask for a scan of the scenes' folders that, by the path map, lie in a chosen library.

    Log it if Plex is too busy or rejects a request. Raise ``PlexUnavailable`` and ``SetupError``.
    """
    wanted = [each for scene in scenes for each in _wanted(planner, scene)]
    if not wanted:
        return
    sought = {(each.section, key) for each in wanted for key in each.keys}
    known = spelled(planner.library.paths(), sought, fold_case=_folds_case(planner))
    for each in wanted:
        spellings = (known.get((each.section, key)) for key in each.keys)
        folder = next((spelling for spelling in spellings if spelling), each.location)
        _scan(planner, each.section, folder, each.scene, log)


def within(folder: str, section: Section, *, fold_case: bool) -> tuple[str, tuple[Key, ...]] | None:
    """Return the section's folder that ``folder`` lies in, and the keys of ``folder`` and its parents below that.

    None: it lies in none of them. Of folders within each other the innermost counts.
    """
    key = key_of(folder, fold_case=fold_case)
    roots = ((key_of(location, fold_case=fold_case), location) for location in section.locations if location.strip())
    fitting = [(root, location) for root, location in roots if key[: len(root)] == root]
    if not fitting:
        return None
    root, location = max(fitting, key=lambda pair: len(pair[0]))
    return location, tuple(key[:depth] for depth in range(len(key), len(root), -1))


def spelled(
    paths: Iterable[tuple[int, str]], sought: set[tuple[int, Key]], *, fold_case: bool
) -> dict[tuple[int, Key], str]:
    """Return the folders of ``sought`` (section, key) that hold one of ``paths``, as these spell them."""
    found: dict[tuple[int, Key], str] = {}
    last = (0, "")
    for section, path in paths:
        folder = path[: max(path.rfind("/"), path.rfind("\\"))]
        if (section, folder) == last:
            continue
        last = section, folder
        key = key_of(folder, fold_case=fold_case)
        for depth in range(len(key), 0, -1):
            if (section, key[:depth]) in sought:
                found.setdefault((section, key[:depth]), leading(path, depth))
    return found


def _wanted(planner: Planner, scene: Scene) -> Iterator[Wanted]:
    fold_case = _folds_case(planner)
    for file in scene.files:
        paths = (apply_map(file.path, planner.path_map), *planner.learned().translate(file.path))
        for folder in dict.fromkeys(posixpath.dirname(path) for path in paths):
            for section in planner.sections:
                if place := within(folder, section, fold_case=fold_case):
                    yield Wanted(scene, section.key, place[1], place[0])


def _folds_case(planner: Planner) -> bool:
    locations = (location for section in planner.sections for location in section.locations)
    return planner.library.fold_case or any(map(ignores_case, locations))


def _scan(planner: Planner, section: int, folder: str, scene: Scene, log: Log) -> None:
    try:
        planner.scan_once(section, folder)
    except (PlexBusy, Refused, Rejected) as error:
        log.info("failed to ask Plex for a scan", **named(scene), folder=Private(folder), why=str(error))
