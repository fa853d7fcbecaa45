"""The operations by which a person chooses the item of a scene, and takes the choice back. Standard library only.

They answer from the databases; the worker carries the choice out.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Iterable, Iterator
from contextlib import closing, contextmanager
from typing import Any

from plexsync.core import enqueue, wake
from plexsync.model.errors import PlexSyncError
from plexsync.model.job_key import JobKey
from plexsync.model.paths import name_key, slashed
from plexsync.model.settings import display_name
from plexsync.queue import jobs, schema
from plexsync.queue.meta import QueueMeta
from plexsync.state import ledger
from plexsync.state.choices import ChosenFile, IndexedFile
from plexsync.state.ledger import State
from plexsync.state.meta import Meta
from plexsync.tasks.call import Args

#: Scenes that look like a chosen item and are matched again at once; of a name that thousands bear, not all.
MOST_WOKEN = 1000

_UNCHANGED = "Nothing was changed."


def choose(folder: str, args: Args) -> dict[str, Any]:
    """Store the item that a person chose for a scene, and queue the scene. Raise ``PlexSyncError`` if it cannot be."""
    scene_id, rating_key, now = _id(args, "scene_id"), _id(args, "rating_key"), time.time()
    machine = _machine(folder)
    if not machine:
        raise PlexSyncError(f"PlexSync has not reached Plex yet. Run Check setup, then choose again. {_UNCHANGED}")
    with _state(folder) as state:
        file = _file(state, machine, scene_id, rating_key)
        _queue(folder, scene_id, now)  # before as well: if this process is killed, no choice is left lying
        before = state.choices.of_scenes(machine, [scene_id]).get(scene_id)
        chosen = ChosenFile(scene_id, rating_key, file.path, file.size, file.duration)
        displaced = state.choices.choose(machine, chosen, now)
        record = state.records(machine, [rating_key]).get(rating_key)
        holder = record.scene_id if record is not None else 0
        alike = _alike(state, machine, {rating_key, before or rating_key})
    _queue(folder, scene_id, now, {displaced or 0, holder} - {0, scene_id}, alike)
    wake.wake(folder)
    sentence = f"Item {rating_key} is chosen for scene {scene_id}."
    if displaced:
        sentence += f" It was chosen for scene {displaced} before, which has no choice any more."
    return {"chosen": rating_key, "sentence": sentence}


def unchoose(folder: str, args: Args) -> dict[str, Any]:
    """Take a scene's choice back and queue the scene, which is then matched by its files."""
    scene_id, now = _id(args, "scene_id"), time.time()
    none = {"chosen": None, "sentence": f"No item is chosen for scene {scene_id}. {_UNCHANGED}"}
    machine = _machine(folder)
    if not machine:
        return none
    with _state(folder) as state:
        if not state.choices.files(machine, [scene_id]):
            return none
        _queue(folder, scene_id, now)
        item = state.choices.take_back(machine, scene_id) or 0
        alike = _alike(state, machine, [item])
    _queue(folder, scene_id, now, (), alike)
    wake.wake(folder)
    sentence = f"The choice of item {item} for scene {scene_id} is taken back. What was written there stays."
    return {"chosen": None, "sentence": sentence}


def _machine(folder: str) -> str:
    """Return the Plex server that was reached last, ``""`` before. Only the worker makes ``state.db``."""
    with closing(Meta.open(folder)) as meta:
        return meta.machine


@contextmanager
def _state(folder: str) -> Iterator[State]:
    with closing(ledger.open_state(folder)) as conn:
        yield State(conn)


def _id(args: Args, name: str) -> int:
    """Return an id of the call; it may be a text. Raise ``PlexSyncError`` for anything but a positive integer."""
    raw = args.get(name)
    key = None if isinstance(raw, bool) else JobKey.parse(f"scene:{str(raw).strip()}")
    if key is None:
        what = "is missing" if raw is None else f"cannot be {str(raw)[:20]!r}"
        raise PlexSyncError(f"The {name} {what}: send a positive integer. {_UNCHANGED}")
    return key.id


def _file(state: State, machine: str, scene_id: int, rating_key: int) -> IndexedFile:
    """Return the first file of an item that may be chosen for a scene. Raise ``PlexSyncError`` for any other."""
    files = state.choices.indexed(machine, rating_key)
    if not files:
        problem = "is not known. Let Plex scan its library, or choose another"
    elif all(file.trashed for file in files):
        problem = "is in Plex's trash. Choose another"
    elif not any(file.used for file in files):
        libraries = display_name("plexLibraries")
        problem = f'is in the library "{files[0].library}", which is none of your "{libraries}". Choose another'
    else:
        holder = _holder(state, machine, scene_id, rating_key)
        if not holder:
            return next(file for file in files if not file.trashed)
        problem = f"belongs to scene {holder}, whose file has the same path. Choose another"
    raise PlexSyncError(f"Item {rating_key} {problem} for scene {scene_id}. {_UNCHANGED}")


def _holder(state: State, machine: str, scene_id: int, rating_key: int) -> int:
    """Return the other scene that was written to the item by an equal path, 0 if there is none.

    Records of earlier versions do not say by what evidence. A scene for which another item was chosen holds nothing.
    """
    record = state.records(machine, [rating_key]).get(rating_key)
    if record is None or record.scene_id in (0, scene_id):
        return 0
    same = bool(record.path) and slashed(record.path) == slashed(record.stash_path)
    by_path = record.evidence == "equal_path" if record.evidence else same
    elsewhere = bool(state.choices.of_scenes(machine, [record.scene_id]))
    return record.scene_id if by_path and not elsewhere else 0


def _alike(state: State, machine: str, rating_keys: Iterable[int]) -> set[int]:
    """Return the scenes without a certain item that have files like those of these items: they may match now."""
    files = [file for key in rating_keys for file in state.choices.indexed(machine, key)]
    return state.scenes_awaiting({(name_key(file.path), file.size) for file in files})


def _queue(folder: str, scene_id: int, now: float, others: Collection[int] = (), alike: Collection[int] = ()) -> None:
    """Queue the scene as an edit by hand, the ``others`` unless they are queued, and wake those ``alike`` that wait."""
    with closing(schema.open_queue(folder, now)) as conn:
        enqueue.enqueue(conn, str(JobKey.scene(scene_id)), "choose", now, now)
        keys = [JobKey.scene(other) for other in sorted(others)]
        jobs.add_missing(conn, keys, "choose", now, jobs.FAN_OUT)
        jobs.wake_scenes(conn, sorted(set(alike) - {scene_id})[:MOST_WOKEN], now)
        QueueMeta(conn).request_wake()
