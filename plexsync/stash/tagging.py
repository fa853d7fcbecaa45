"""``tagStashIDs``: give scenes in Stash a tag for each stash-box that knows them, as 0.1 did.

Only adds, and only where missing: the hook that the edit fires then finds nothing more to do. Knows nothing of Plex.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from urllib.parse import urlsplit

from plexsync.log import Log
from plexsync.model.scene import Scene
from plexsync.model.settings import TAG_KEYS, Settings, display_name
from plexsync.stash.api import TAGGED_AT_ONCE, Stash, StashRefused
from plexsync.state.meta import Meta

#: Name of the tag for a source without an id in the settings.
NAME = "stash-box: {}"


def sources(scene: Scene) -> frozenset[str]:
    """Return the keys of ``TAG_KEYS`` that a scene's stash ids mean; ``none`` where it has no stash id."""
    if not scene.stash_ids:
        return frozenset(("none",))
    hosts = {_host(stash_id.endpoint) for stash_id in scene.stash_ids}
    return frozenset(hosts & TAG_KEYS.keys() - {"none"})


def _host(endpoint: str) -> str:
    """Return ``stashdb.org`` of ``https://www.StashDB.org:443/graphql``, also without a scheme."""
    text = endpoint.strip()
    try:
        host = urlsplit(text if "//" in text else f"//{text}").hostname or ""
    except ValueError:
        return ""
    return host.rstrip(".").removeprefix("www.")


def tag(stash: Stash, scenes: Sequence[Scene], settings: Settings, log: Log, meta: Meta | None = None) -> None:
    """Add the tags that are missing: one request for each source. Raises ``StashUnavailable``.

    A scene's tags in ``scenes`` stay as they were read: the edit's own hook brings the new ones to Plex. ``meta``
    (of ``state.db``) remembers which tag was warned of: once for each change of the setting.
    """
    wanted: dict[str, list[Scene]] = {}
    for scene in scenes:
        for source in sources(scene):
            wanted.setdefault(source, []).append(scene)
    warned: dict[str, str] = dict(meta.tag_warned) if meta else {}
    for source, known in sorted(wanted.items()):
        given = settings.stash_id_tags.get(source, "")
        try:
            if _tag(stash, source, given, known, log):
                warned.pop(source, None)
        except StashRefused as error:
            if warned.get(source) != given:
                setting = display_name(TAG_KEYS[source])
                log.warning(
                    f'failed to tag scenes in Stash: {error}. Check "{setting}" in Settings > Plugins > PlexSync;'
                    " syncing continues without this tag."
                )
            warned[source] = given
    if meta:
        meta.tag_warned = warned


def _tag(stash: Stash, source: str, given: str, scenes: Sequence[Scene], log: Log) -> bool:
    """Tag the scenes of one source; whether any was tagged."""
    name = NAME.format(source)
    if not given and all(_has_name(scene, name) for scene in scenes):
        return False
    tag_id = int(given) if given else stash.tag_id(name)
    missing = [scene.id for scene in scenes if all(tag.id != tag_id for tag in scene.tags)]
    parts = (missing[at : at + TAGGED_AT_ONCE] for at in range(0, len(missing), TAGGED_AT_ONCE))
    number = sum(_add(stash, part, tag_id) for part in parts)
    if number:
        log.info("tagged scenes in Stash", source=source, number=number)
    return number > 0


def _add(stash: Stash, scene_ids: Sequence[int], tag_id: int) -> int:
    """Tag a portion and return how many scenes were tagged.

    One scene that is gone makes Stash reject the portion: then each is tagged alone, unless it is the tag that is gone.
    """
    try:
        stash.add_tag(scene_ids, tag_id)
        return len(scene_ids)
    except StashRefused:
        if stash.entity("tag", tag_id) is None:
            raise StashRefused(f"Stash has no tag with id {tag_id}") from None
    number = 0
    for scene_id in scene_ids:
        with suppress(StashRefused):  # gone: its own job ends it
            stash.add_tag([scene_id], tag_id)
            number += 1
    return number


def _has_name(scene: Scene, name: str) -> bool:
    return any(tag.name.casefold() == name.casefold() for tag in scene.tags)
