"""The setting "Tag scenes by stash-box": tag scenes in Stash by the stash-boxes that know them, as 0.1 did.

Tags are only added, and only where they are missing, so the hook that the edit runs adds none. Knows nothing of Plex.
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

#: The name of a source's tag where the settings give no tag id.
NAME = "stash-box: {}"


def sources(scene: Scene) -> frozenset[str]:
    """Return the keys of ``TAG_KEYS`` for a scene's stash ids; ``none`` where it has no stash id."""
    if not scene.stash_ids:
        return frozenset(("none",))
    hosts = {_host(stash_id.endpoint) for stash_id in scene.stash_ids}
    return frozenset(hosts & TAG_KEYS.keys() - {"none"})


def _host(endpoint: str) -> str:
    """Return ``stashdb.org`` for ``https://www.StashDB.org:443/graphql``; the scheme may be missing."""
    text = endpoint.strip()
    try:
        host = urlsplit(text if "//" in text else f"//{text}").hostname or ""
    except ValueError:
        return ""
    return host.rstrip(".").removeprefix("www.")


def tag(stash: Stash, scenes: Sequence[Scene], settings: Settings, log: Log, meta: Meta | None = None) -> None:
    """Add the missing tags, one request per source. Raise ``StashUnavailable``.

    ``scenes`` keep the tags that were read: the hook that this edit runs brings the new ones to Plex. ``meta`` (of
    ``state.db``) remembers the tag ids that were warned of, so there is one warning for each change of the setting.
    """
    by_source: dict[str, list[Scene]] = {}
    for scene in scenes:
        for source in sources(scene):
            by_source.setdefault(source, []).append(scene)
    warned: dict[str, str] = dict(meta.tag_warned) if meta else {}
    for source, known in sorted(by_source.items()):
        chosen_id = settings.stash_id_tags.get(source, "")
        try:
            if _tag(stash, source, chosen_id, known, log):
                warned.pop(source, None)
        except StashRefused as error:
            if warned.get(source) != chosen_id:
                setting = display_name(TAG_KEYS[source])
                log.warning(
                    f'failed to tag scenes in Stash: {error}. Check "{setting}" in Settings > Plugins > PlexSync;'
                    " syncing continues without this tag."
                )
            warned[source] = chosen_id
    if meta:
        meta.tag_warned = warned


def _tag(stash: Stash, source: str, chosen_id: str, scenes: Sequence[Scene], log: Log) -> bool:
    """Tag the scenes of one source; return whether any was tagged. ``chosen_id``: the tag id in the settings."""
    name = NAME.format(source)
    if not chosen_id and all(_has_name(scene, name) for scene in scenes):
        return False
    tag_id = int(chosen_id) if chosen_id else stash.tag_id(name)
    missing = [scene.id for scene in scenes if all(tag.id != tag_id for tag in scene.tags)]
    portions = (missing[at : at + TAGGED_AT_ONCE] for at in range(0, len(missing), TAGGED_AT_ONCE))
    number = sum(_add(stash, portion, tag_id) for portion in portions)
    if number:
        log.info("tagged scenes in Stash", source=source, number=number)
    return number > 0


def _add(stash: Stash, scene_ids: Sequence[int], tag_id: int) -> int:
    """Add the tag to a portion of scenes; return the number of scenes tagged.

    A deleted scene makes Stash reject the portion: then tag each scene alone, unless it is the tag that was deleted.
    """
    try:
        stash.add_tag(scene_ids, tag_id)
        return len(scene_ids)
    except StashRefused:
        if not stash.entities("tag", [tag_id]):
            raise StashRefused(f"Stash has no tag with id {tag_id}") from None
    number = 0
    for scene_id in scene_ids:
        with suppress(StashRefused):  # deleted; the hook of that queued a job
            stash.add_tag([scene_id], tag_id)
            number += 1
    return number


def _has_name(scene: Scene, name: str) -> bool:
    return any(tag.name.casefold() == name.casefold() for tag in scene.tags)
