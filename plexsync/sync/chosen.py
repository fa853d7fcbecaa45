"""The items that people chose, as the index has them now: their files may have moved, and a choice follows its file.

Asks the index and writes to ``state.db``, nothing else.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from plexsync.matching import Evidence, LibraryView
from plexsync.model.item import IndexPart
from plexsync.model.paths import base_name, name_key, slashed
from plexsync.model.scene import same_duration
from plexsync.state.choices import ChosenFile
from plexsync.state.ledger import Record, State

#: The evidence of records that were written because of a choice. It proves nothing once the choice is taken back.
CHOSEN = Evidence.CHOSEN.name.lower()


def in_force(state: State, machine: str, view: LibraryView, scene_ids: Iterable[int], now: float) -> dict[int, int]:
    """Return every choice on this server: scene id -> rating key.

    The choices of these scenes follow their files first: where Plex does not show an item any more and its file is in
    another, that one is chosen, also if the choice had ended. ``now``: seconds since the epoch.
    """
    files = state.choices.files(machine, scene_ids)
    held = view.by_item([file.rating_key for file in files])
    stayed: list[ChosenFile] = []
    for file in files:
        parts = _playable(held.get(file.rating_key, ()))
        if parts and file.gone is None:
            stayed.append(_as_indexed(file, parts))
            continue
        found = parts or _found_again(file, view)
        if found and _is_free(state, machine, found[0].rating_key, file.scene_id):
            state.choices.follow(machine, file, _as_indexed(file, found), now)
    state.choices.note_files(machine, [file for file in stayed if file not in files])
    return state.choices.in_force(machine)


def is_current(record: Record, chosen: Mapping[int, int]) -> bool:
    """Return whether an item may still be the scene's that wrote it: not if another was chosen, or no more this one.

    ``chosen``: scene id -> rating key, the choices in force.
    """
    if record.scene_id in chosen:
        return chosen[record.scene_id] == record.rating_key
    return record.evidence != CHOSEN


def _playable(parts: Iterable[IndexPart]) -> list[IndexPart]:
    return [part for part in parts if not part.trashed and not part.optimised]


def _as_indexed(file: ChosenFile, parts: Sequence[IndexPart]) -> ChosenFile:
    """Return the file as the index has it: the same one, or the item's first."""
    part = next((part for part in parts if slashed(part.path) == slashed(file.path)), parts[0])
    return ChosenFile(file.scene_id, part.rating_key, part.path, part.size, part.duration)


def _found_again(file: ChosenFile, view: LibraryView) -> list[IndexPart]:
    """Return the file in the one other item that has it now, ``[]`` if that is not certain."""
    return next((parts for parts in _ways(file, view) if len({part.rating_key for part in parts}) == 1), [])


def _ways(file: ChosenFile, view: LibraryView) -> Iterator[list[IndexPart]]:
    """Yield the files that may be it: at its path, then those of its size and duration, first those of its name.

    Without the path, only items that Plex made later count: others were there when the person chose.
    """
    at_name = _playable(view.by_name([name_key(file.path)]).get(name_key(file.path), ()))
    yield [part for part in at_name if slashed(part.path) == slashed(file.path)]
    if not view.complete or file.size <= 0:
        return
    alike = [
        part
        for part in _playable(view.by_size([file.size]).get(file.size, ()))
        if part.rating_key > file.rating_key and same_duration(part.duration, file.duration) == 2
    ]
    yield [part for part in alike if base_name(part.path) == base_name(file.path)]
    yield alike


def _is_free(state: State, machine: str, rating_key: int, scene_id: int) -> bool:
    """Return whether the item was not written from another scene."""
    record = state.records(machine, [rating_key]).get(rating_key)
    return record is None or record.scene_id in (0, scene_id)
