"""Catch-up, Plex's side: find what Plex lost of what PlexSync wrote, and make those scenes due again.

The index notes, whenever it lists rows, which written items may have changed and which items are new; here they are
looked at. Jobs are made only where there is none, behind edits by hand, and only for scenes that were synced before.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence

from plexsync.app import App
from plexsync.model.errors import PlexBusy, Refused
from plexsync.model.item import IndexPart, Item
from plexsync.model.job_key import JobKey
from plexsync.model.paths import base_name, name_key
from plexsync.queue.worker_queue import JobQueue
from plexsync.stash.api import StashRefused
from plexsync.state import undoing
from plexsync.state.ledger import Record
from plexsync.state.plex_side import Readback
from plexsync.sync import absence, covers, readback
from plexsync.sync.as_seen import lost_pictures
from plexsync.sync.chosen import is_current
from plexsync.sync.planner import Planner
from plexsync.worker import requeue

#: Seconds in which each written item is read in full once, also where no time of Plex's tells of a change. The daily
#: full listing of a library takes its share of them.
WEEK, DAYS = 7 * 86400, 7
#: Written items per request, and file names per question to Stash.
ITEMS, NAMES = 400, 200
#: Suspected items up to which Plex is asked for the pictures of each; of more, only where their addresses changed.
ASKED = 200
#: Items that could not be read after which the rest waits for the next catch-up.
FAILURES = 10


def run(app: App, queue: JobQueue) -> tuple[int, bool]:
    """Bring the index up to date and make jobs for what Plex lost.

    One request if no library changed. Return how many jobs were made, and whether all is done: False if jobs are due
    that should not wait, so call it again after them. Raise ``PlexUnavailable``, ``SetupError``, ``StashUnavailable``.
    """
    state, now = app.state, app.world.clock()
    state.forget_aside(now)
    if not state.written_scenes() and not queue.has_dead("low_confidence"):
        return 0, True
    with app.client.whole():
        planner = app.connect_plex()
        refresh = planner.refresh()
        shrunk = planner.library.list_shrunk()
    requeue.after_refresh(app, queue, refresh)
    requeue.after_refresh(app, queue, shrunk)
    if planner.settings.dry_run:
        return 0, True
    if refresh is not None and refresh.swept:
        share = max(ITEMS, state.plex.count(planner.machine) // DAYS)
        state.plex.suspect_oldest(planner.machine, planner.plex_time() - WEEK, share)
        state.plex.suspect_unread(planner.machine, share)
    return _Changes(app, queue, planner).find()


class _Changes:
    """The changes of one catch-up."""

    def __init__(self, app: App, queue: JobQueue, planner: Planner) -> None:
        self._app = app
        self._queue = queue
        self._planner = planner
        self._state = app.state
        self._machine = planner.machine
        self._absent: set[int] = set()
        self._failed: set[int] = set()
        self._moved = self._many = False

    def find(self) -> tuple[int, bool]:
        """Look at what the index noted; return what ``run`` returns."""
        jobs = 0
        suspects, gained = self._state.plex.suspects(self._machine), self._state.plex.gained(self._machine)
        self._many = len(suspects) > ASKED
        while suspects and len(self._failed) <= FAILURES:
            jobs += self._suspects(suspects[:ITEMS])
            suspects = suspects[ITEMS:]
            if (suspects or gained) and self._must_stop():
                return jobs, False
        if self._absent:
            self._app.world.sleep(absence.LOOK_AGAIN)
            jobs += self._suspects(sorted(self._absent))
        while gained:
            jobs += self._gained(gained[:ITEMS])
            gained = gained[ITEMS:]
            if gained and self._must_stop():
                return jobs, False
        return jobs, True

    def _must_stop(self) -> bool:
        """Return whether jobs are due that should not wait; never before anything was found out, or it would loop."""
        due = self._queue.next_due()
        return self._moved and due is not None and due <= self._app.world.clock()

    def _read(self, rating_keys: Sequence[int]) -> dict[int, Item]:
        """Return the full items. One that Plex cannot read holds up no other: it is noted, and stays suspected.

        Raise ``PlexUnavailable`` if Plex as a whole fails.
        """
        client = self._planner.client
        try:
            return client.items(rating_keys)
        except (PlexBusy, Refused):
            with client.whole():
                client.probe(None)
            if len(rating_keys) == 1 or len(self._failed) > FAILURES:
                self._failed.update(rating_keys)
                return {}
        middle = len(rating_keys) // 2
        return self._read(rating_keys[:middle]) | self._read(rating_keys[middle:])

    def _suspects(self, rating_keys: Sequence[int]) -> int:
        """Read written items in full and compare them with what was read back."""
        planner, state = self._planner, self._state
        items, read_at = self._read(rating_keys), planner.plex_time()
        indexed = planner.library.by_item(rating_keys)
        missing = set(rating_keys) - items.keys() - self._failed
        absent = {key: _section(indexed.get(key, ())) for key in missing}
        gone = absence.gone(planner, absent, items, self._app.world.clock())
        self._absent |= absent.keys() - gone
        self._moved = self._moved or bool(items or gone)
        before = state.plex.readbacks(self._machine, items)
        records = state.records(self._machine, items)
        trashed = {key for key, item in items.items() if item.trashed}
        different = self._different({key: items[key] for key in records if key not in trashed}, records, before)
        self._end_choices(gone)
        jobs = self._lost(gone | trashed) + self._make_due(different.values())
        state.plex.note(
            self._machine,
            [
                # What is different stays as it was, until the job has judged it.
                earlier._replace(updated=item.updated or earlier.updated, read=read_at)
                if key in different
                else _renewed(earlier, item, records[key], read_at)
                for key, item in items.items()
                if key in records and key not in trashed and (earlier := before.get(key))
            ],
        )
        return jobs

    def _different(
        self, items: Mapping[int, Item], records: Mapping[int, Record], before: Mapping[int, Readback]
    ) -> dict[int, int]:
        """Return rating key -> scene of the items that differ from what was read back, and are still the scene's."""
        chosen = self._state.choices.of_scenes(self._machine, {record.scene_id for record in records.values()})
        return {
            key: records[key].scene_id
            for key, item in items.items()
            if key in before
            and before[key].shown
            and is_current(records[key], chosen)
            and (self._has_lost_picture(item, records[key], before[key]) or readback.differs(before[key].shown, item))
        }

    def _has_lost_picture(self, item: Item, record: Record, before: Readback) -> bool:
        """Return whether the item does not show a picture of ours; its scene's job asks Plex once more."""
        lost = lost_pictures(self._planner, item, record, before, by_address=self._many)
        if lost:
            self._state.store(self._machine, [covers.look_again(record, lost)])
        return bool(lost)

    def _end_choices(self, gone: Collection[int]) -> None:
        ended = self._state.choices.end(self._machine, gone, self._app.world.clock())
        for key, scene_id in ended.items():
            self._app.log.info("dropped choice, the item is gone from Plex", scene=scene_id, item=key)

    def _lost(self, rating_keys: Collection[int]) -> int:
        """Set the records of items aside that are gone or in the trash, and make their scenes due."""
        records = self._state.records(self._machine, rating_keys)
        jobs = self._make_due(record.scene_id for record in records.values())
        for key in rating_keys:
            self._state.set_aside(self._machine, key, self._app.world.clock())
        return jobs

    def _gained(self, rating_keys: Sequence[int]) -> int:
        """Make the synced scenes due whose files are in new items, or new in an item."""
        rows = self._planner.library.by_item(rating_keys)
        parts = [part for of_item in rows.values() for part in of_item if not part.trashed and not part.optimised]
        scenes = self._state.scenes_by_path(self._machine, {part.path for part in parts})
        scenes |= self._named(parts)
        jobs = self._make_due(scenes) + self._queue.retry_missing([JobKey.scene(scene_id) for scene_id in scenes])
        self._state.plex.handled(self._machine, rating_keys)
        self._moved = True
        return jobs

    def _named(self, parts: Iterable[IndexPart]) -> set[int]:
        """Return the scenes synced before that have a file of the name and size of one of these."""
        sizes: dict[str, set[int]] = {}
        names: dict[str, str] = {}
        for part in parts:
            name = base_name(part.path)
            names.setdefault(name_key(name), name)
            sizes.setdefault(name_key(name), set()).add(part.size)
        asked = list(names.values())
        found: set[int] = set()
        for start in range(0, len(asked), NAMES):
            try:
                files = self._planner.files_named(asked[start : start + NAMES])
            except StashRefused:
                return found  # an older Stash cannot be asked for names
            for scene_id, file in files:
                of_name = sizes.get(name_key(file.path), set())
                if file.size in of_name or (of_name and (file.size <= 0 or 0 in of_name)):
                    found.add(scene_id)
        return found & (self._state.synced_at(found).keys() | self._state.records_of(self._machine, found).keys())

    def _make_due(self, scene_ids: Iterable[int]) -> int:
        """Make jobs for these scenes, but for those that are to be put back or whose job was discarded since."""
        found_at = self._queue.clock()
        marked = undoing.marked_scenes(self._state.conn, self._machine)
        scenes = sorted(set(scene_ids) - marked.keys() - {0})
        keys = [JobKey.scene(scene_id) for scene_id in scenes]
        synced, cleared = self._state.synced_at(scenes), self._queue.cleared_at(keys)
        at_clear = self._queue.meta.cleared_at  # Clear queue forgets what was pending, not what Plex loses later
        due = [key for key in keys if not _is_discarded(cleared.get(key), synced.get(key.id, 0.0), at_clear)]
        return self._queue.add_missing(due, "plex", found_at)


def _is_discarded(at: float | None, synced: float, at_clear: float) -> bool:
    return at is not None and at >= synced and at != at_clear


def _section(parts: Sequence[IndexPart]) -> int:
    return parts[0].section if parts else 0


def _renewed(earlier: Readback, item: Item, record: Record, read_at: int) -> Readback:
    shown = readback.renewed(earlier.shown, item) if earlier.shown else readback.shown(item, record.desired)
    return Readback(item.rating_key, item.updated or earlier.updated, read_at, shown)
