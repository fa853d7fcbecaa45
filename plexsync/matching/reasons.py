"""The sentences about a match: why it is uncertain, why there is none, and what the user can do. Pure.

No sentence contains a path or a title: they reach the log.
"""

from __future__ import annotations

from collections.abc import Sequence

from plexsync.matching.model import Candidate
from plexsync.model.settings import display_name

#: Scenes that a sentence lists before it says "and more".
MOST_LISTED = 5


def why_none(scene_id: int, *, has_file: bool, lost: bool, complete: bool, in_trash: bool) -> str:
    """Return why a scene matches no item, and what to do.

    ``lost``: another scene matches its items better. ``complete``: every library has been listed. ``in_trash``: an item
    in Plex's trash has a file of this name.
    """
    scene = f"Scene {scene_id}"
    if not has_file:
        return (
            f"{scene} has no file in Stash, so it cannot match anything in Plex."
            " Add a file, or discard this dead letter."
        )
    if lost:
        return f"{scene} is not in Plex: the most similar item belongs to another scene that matches it better."
    if not complete:
        return (
            f"{scene} has not been found yet: the index of the Plex libraries is still incomplete."
            " PlexSync retries when the index is complete."
        )
    if in_trash:
        return f"{scene} is only in Plex's trash. Let Plex scan the folder where the file is now."
    return (
        f'{scene} is not in Plex. Check that one of your "{display_name("plexLibraries")}" contains the file\'s folder'
        " and that Plex has scanned it."
    )


def why_low(scene_id: int, candidates: Sequence[Candidate]) -> str:
    """Return why a match is uncertain, and what to do. ``candidates``: the most likely one first."""
    first = candidates[0]
    if len(candidates) > 1:
        text = f"{len(candidates)} items in Plex could be scene {scene_id}. The most likely one: {first.why}"
    else:
        text = f"One item in Plex could be scene {scene_id}: {first.why}"
    path_map = display_name("plexPathMap")
    if first.contested:
        return f'{text}. Give each scene its own file and item, or set "{path_map}" to tell their paths apart.'
    remedy = f'Set "{path_map}" to make the paths equal'
    if len(candidates) == 1:
        remedy += f', or turn on "{display_name("matchLowConfidence")}"'
    return f"{text}. {remedy}."


def with_rivals(why: str, others: Sequence[int]) -> str:
    """Return the clause ``why`` of a candidate, with the scenes that could be the same item."""
    return f"{why}, but the item could also be {_scenes(others)}"


def _scenes(ids: Sequence[int]) -> str:
    listed = ", ".join(map(str, ids[:MOST_LISTED])) + (" and more" if len(ids) > MOST_LISTED else "")
    return f"scene {listed}" if len(ids) == 1 else f"scenes {listed}"
