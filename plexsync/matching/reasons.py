"""The sentences about a match: why it is uncertain, why there is none, and what the user can do. Pure.

No sentence contains a path or a title: they reach the log.
"""

from __future__ import annotations

from collections.abc import Sequence

from plexsync.matching.model import Candidate
from plexsync.model.settings import display_name

#: Where a person decides.
PAGE = "PlexSync's page"
#: Scenes that a sentence lists before it says "and more".
MOST_LISTED = 5


def why_none(scene_id: int, *, has_file: bool, lost: bool, chosen_for: int = 0, complete: bool, in_trash: bool) -> str:
    """Return why a scene matches no item, and what to do.

    ``lost``: another scene matches its items better. ``chosen_for``: the scene for which a person chose one that is
    like it, 0 without. ``complete``: every library has been listed. ``in_trash``: an item
    in Plex's trash has a file of this name.
    """
    scene = f"Scene {scene_id}"
    if not has_file:
        return (
            f"{scene} has no file in Stash, so it cannot match anything in Plex."
            " Add a file, or discard this dead letter."
        )
    if chosen_for:
        return (
            f"{scene} has no item in Plex: the one most like it was chosen for scene {chosen_for}."
            f" If that is wrong, take that choice back on {PAGE}."
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


def why_no_choice(scene_id: int, *, in_trash: bool = False) -> str:
    """Return why a scene is not written whose chosen item the index does not have. ``in_trash``: Plex's trash does."""
    chosen = f"The item chosen for scene {scene_id}"
    if in_trash:
        return f"{chosen} is in Plex's trash. Have Plex find its file again, or choose another item on {PAGE}."
    return (
        f'{chosen} is in none of your "{display_name("plexLibraries")}".'
        f" Add its library there, or choose another item on {PAGE}."
    )


def why_choice_yields(scene_id: int, candidate: Candidate) -> str:
    """Return why a scene is not written to the item that was chosen for it: others have its path."""
    holders = _scenes(candidate.contested)
    verb = "has" if len(candidate.contested) == 1 else "have"
    return (
        f"The item chosen for scene {scene_id} belongs to {holders}, which {verb} the same path."
        f" Take the choice back or choose another item on {PAGE}."
    )


def why_low(scene_id: int, candidates: Sequence[Candidate]) -> str:
    """Return why a match is uncertain, and what to do. ``candidates``: the most likely one first."""
    first = candidates[0]
    if len(candidates) > 1:
        text = f"{len(candidates)} items in Plex could be scene {scene_id}. The most likely one: {first.why}"
    else:
        text = f"One item in Plex could be scene {scene_id}: {first.why}"
    aim = "tell their paths apart" if first.contested else "make the paths equal"
    return f'{text}. Choose the right item on {PAGE}, or set "{display_name("plexPathMap")}" to {aim}.'


def with_rivals(why: str, others: Sequence[int]) -> str:
    """Return the clause ``why`` of a candidate, with the scenes that could be the same item."""
    return f"{why}, but the item could also be {_scenes(others)}"


def _scenes(ids: Sequence[int]) -> str:
    listed = ", ".join(map(str, ids[:MOST_LISTED])) + (" and more" if len(ids) > MOST_LISTED else "")
    return f"scene {listed}" if len(ids) == 1 else f"scenes {listed}"
