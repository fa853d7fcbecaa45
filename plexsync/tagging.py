"""``tagStashIDs``: scenes in Stash get a tag for each stash-box that they are known to, as 0.1 did.

Only adds, only where missing, so that the hook which the edit fires finds nothing more to do. Knows nothing of Plex.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from urllib.parse import urlsplit

from plexsync.log import Log
from plexsync.scene import Scene
from plexsync.settings import TAG_KEYS, Settings
from plexsync.stash import Stash, StashRefused

#: Name of the tag for a source without an id in the settings.
NAME = "stash-box: {}"


def sources(scene: Scene) -> frozenset[str]:
    """The keys of ``TAG_KEYS`` that a scene's stash ids mean; ``none`` where it has no stash id."""
    if not scene.stash_ids:
        return frozenset(("none",))
    hosts = {(urlsplit(one.endpoint).hostname or "").removeprefix("www.") for one in scene.stash_ids}
    return frozenset(host for host in hosts if host in TAG_KEYS)


def tag(stash: Stash, scenes: Sequence[Scene], settings: Settings, log: Log) -> None:
    """Add the tags that are missing: one request for each source. Raises ``StashUnavailable``.

    A scene's tags in ``scenes`` stay as they were read: the edit's own hook brings the new ones to Plex.
    """
    wanted: dict[str, list[Scene]] = {}
    for scene in scenes:
        for source in sources(scene):
            wanted.setdefault(source, []).append(scene)
    for source, found in sorted(wanted.items()):
        try:
            _tag(stash, source, found, settings, log)
        except StashRefused as error:
            log.warning(
                f"could not tag scenes by {source}: {error}. Check {TAG_KEYS[source]}; syncing goes on without it."
            )


def _tag(stash: Stash, source: str, scenes: Iterable[Scene], settings: Settings, log: Log) -> None:
    given = settings.stash_id_tags.get(source, "")
    name = NAME.format(source)
    if not given and all(_has_name(scene, name) for scene in scenes):
        return
    tag_id = int(given) if given else stash.tag_id(name)
    missing = [scene.id for scene in scenes if all(one.id != tag_id for one in scene.tags)]
    if missing:
        stash.add_tag(missing, tag_id)
        log.info("tagged scenes", source=source, number=len(missing))


def _has_name(scene: Scene, name: str) -> bool:
    return any(one.name.casefold() == name.casefold() for one in scene.tags)
