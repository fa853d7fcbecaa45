"""The items that people chose, as the index has them now: their files may have moved, and a choice follows its file.

Asks the index and writes to ``state.db``, nothing else.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from plexsync.matching import LibraryView
from plexsync.model.item import IndexPart
from plexsync.model.paths import name_key, slashed
from plexsync.model.scene import same_duration
from plexsync.state.choices import ChosenFile
from plexsync.state.ledger import State


def in_force(state: State, machine: str, view: LibraryView, scene_ids: Iterable[int], now: float) -> dict[int, int]:
    """Return every choice on this server: scene id -> rating key.

    Of these scenes, choices whose items were gone are put in force again if their files are back, and where the files
    of the others lie now is noted: by that they are found again.
    """
    files = state.choices.files(machine, scene_ids)
    ended = [file for file in files if file.gone is not None]
    held = view.by_item([file.rating_key for file in files if file.gone is None])
    now_at = [_as_indexed(file, held.get(file.rating_key, ())) for file in files if file.gone is None]
    state.choices.note_files(machine, [file for file in now_at if file not in files])
    for file in ended:
        found = _found_again(file, view)
        if found and _is_free(state, machine, found, file.scene_id):
            state.choices.resume(machine, _as_indexed(file._replace(rating_key=found[0].rating_key), found), now)
    return state.choices.in_force(machine)


def _playable(parts: Iterable[IndexPart]) -> list[IndexPart]:
    return [part for part in parts if not part.trashed and not part.optimised]


def _as_indexed(file: ChosenFile, parts: Iterable[IndexPart]) -> ChosenFile:
    """Return the file as the index has it: the same one, or the item's first."""
    playable = _playable(parts)
    same = [part for part in playable if slashed(part.path) == slashed(file.path)]
    first = (same or playable)[:1]
    return next((file._replace(path=part.path, size=part.size, duration=part.duration) for part in first), file)


def _found_again(file: ChosenFile, view: LibraryView) -> list[IndexPart]:
    """Return where the file of an item that was gone is now, ``[]`` if that is not certain.

    That is the same item, or the one other that has it: at the same path, or in another folder, with the same name,
    size and duration.
    """
    same_item = _playable(view.by_item([file.rating_key]).get(file.rating_key, ()))
    named = _playable(view.by_name([name_key(file.path)]).get(name_key(file.path), ()))
    at_path = [part for part in named if slashed(part.path) == slashed(file.path)]
    alike = [part for part in named if part.size == file.size > 0 and same_duration(part.duration, file.duration) == 2]
    for parts in (same_item, at_path, alike if view.complete else []):
        if parts:
            return parts if len({part.rating_key for part in parts}) == 1 else []
    return []


def _is_free(state: State, machine: str, parts: Sequence[IndexPart], scene_id: int) -> bool:
    """Return whether the item of these files was not written from another scene."""
    record = state.records(machine, [parts[0].rating_key]).get(parts[0].rating_key)
    return record is None or record.scene_id in (0, scene_id)
