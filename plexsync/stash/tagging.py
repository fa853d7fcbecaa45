"""The setting "Tag scenes by stash-box": tag scenes in Stash by the stash-boxes that know them, as 0.1 did.

Tags are only added, and only where they are missing, so the hook that the edit runs adds none. Knows nothing of Plex.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from urllib.parse import urlsplit

from plexsync.log import Log, Private
from plexsync.model.rounds import LONGEST, WINDOW, Rounds
from plexsync.model.scene import Scene
from plexsync.model.settings import TAG_KEYS, Settings, display_name
from plexsync.stash.api import TAGGED_AT_ONCE, Stash, StashRefused
from plexsync.state.ledger import Seen, State

#: The kind under which ``state.db`` keeps the rounds of each scene.
TAGGED = "tagged"

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


def tag(stash: Stash, scenes: Sequence[Scene], settings: Settings, log: Log, state: State, now: float) -> None:
    """Add the missing tags, one request per source. Raise ``StashUnavailable``.

    ``scenes`` keep the tags that were read: the hook that this edit runs brings the new ones to Plex. ``state``
    remembers the tag ids that were warned of, so there is one warning for each change of the setting, and how often
    each scene was tagged: one whose tag something else removes each time is left alone for a while.
    """
    rounds = {scene_id: Rounds.from_text(text) for scene_id, (text, _) in _stored(state, scenes).items()}
    by_source: dict[str, list[Scene]] = {}
    for scene in scenes:
        if not rounds.get(scene.id, Rounds()).is_held(now):
            for source in sources(scene):
                by_source.setdefault(source, []).append(scene)
    warned: dict[str, str] = dict(state.meta.tag_warned)
    tagged: set[int] = set()
    for source, known in sorted(by_source.items()):
        chosen_id = settings.stash_id_tags.get(source, "")
        try:
            newly = _tag(stash, source, chosen_id, known, log)
            tagged |= newly
            if newly:
                warned.pop(source, None)
        except StashRefused as error:
            if warned.get(source) != chosen_id:
                setting = display_name(TAG_KEYS[source])
                log.warning(
                    f'failed to tag scenes in Stash: {error}. Check "{setting}" in Settings > Plugins > PlexSync;'
                    " syncing continues without this tag."
                )
            warned[source] = chosen_id
    state.meta.tag_warned = warned
    _note(state, [scene for scene in scenes if scene.id in tagged], rounds, log, now)


def _stored(state: State, scenes: Sequence[Scene]) -> dict[int, tuple[str, str]]:
    return state.seen(TAGGED, [scene.id for scene in scenes])


def _note(state: State, scenes: Sequence[Scene], rounds: Mapping[int, Rounds], log: Log, now: float) -> None:
    """Store that the scenes were tagged; warn of one that has been tagged again and again."""
    seen: list[Seen] = []
    for scene in scenes:
        before = rounds.get(scene.id, Rounds())
        after = before.tagged(now)
        seen.append(Seen(TAGGED, scene.id, after.as_text(), "", now))
        if after.hold and not before.hold:
            name: dict[str, object] = {"name": Private(scene.title)} if scene.title else {}
            log.warning(
                "left scene without its stash-box tag for a while",
                scene=scene.id,
                **name,
                why=f"something else, perhaps another plugin, removed it {after.times} times in"
                f' {WINDOW / 60:g} minutes. Switch that off, or "{display_name("tagStashIDs")}".',
            )
    if seen:
        state.see(seen)
        state.forget_seen(TAGGED, now - 2 * LONGEST)


def _tag(stash: Stash, source: str, chosen_id: str, scenes: Sequence[Scene], log: Log) -> set[int]:
    """Tag the scenes of one source; return which were tagged. ``chosen_id``: the tag id in the settings."""
    name = NAME.format(source)
    if not chosen_id and all(_has_name(scene, name) for scene in scenes):
        return set()
    tag_id = int(chosen_id) if chosen_id else stash.tag_id(name)
    missing = [scene.id for scene in scenes if all(tag.id != tag_id for tag in scene.tags)]
    portions = (missing[at : at + TAGGED_AT_ONCE] for at in range(0, len(missing), TAGGED_AT_ONCE))
    tagged = {scene_id for portion in portions for scene_id in _add(stash, portion, tag_id)}
    if tagged:
        log.info("tagged scenes in Stash", source=source, number=len(tagged))
    return tagged


def _add(stash: Stash, scene_ids: Sequence[int], tag_id: int) -> list[int]:
    """Add the tag to a portion of scenes; return which were tagged.

    A deleted scene makes Stash reject the portion: then tag each scene alone, unless it is the tag that was deleted.
    """
    try:
        stash.add_tag(scene_ids, tag_id)
        return list(scene_ids)
    except StashRefused:
        if not stash.entities("tag", [tag_id]):
            raise StashRefused(f"Stash has no tag with id {tag_id}") from None
    tagged: list[int] = []
    for scene_id in scene_ids:
        with suppress(StashRefused):  # deleted; the hook of that queued a job
            stash.add_tag([scene_id], tag_id)
            tagged.append(scene_id)
    return tagged


def _has_name(scene: Scene, name: str) -> bool:
    return any(tag.name.casefold() == name.casefold() for tag in scene.tags)
