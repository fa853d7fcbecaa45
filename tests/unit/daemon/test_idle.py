"""The small waiter: what it decides from what it sees, and that it sees all there is to see in real databases."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from plexsync.core import enqueue, environment
from plexsync.daemon import idle
from plexsync.daemon.idle import TICK, Idle, Sight, decide
from plexsync.daemon.plugin_files import PluginFiles
from plexsync.model.lifecycle import Next
from plexsync.queue import schema
from plexsync.queue.meta import QueueMeta
from plexsync.state import ledger
from plexsync.state.meta import Meta
from plexsync.state.pause import DRY, LOCAL, PLEX, SETUP, STASH, Pause
from tests.support.queue_tools import NOW

HOUR, DAY = 3600.0, 86400.0
FAR = environment.horizon()


def paused(kind: str, ends: float = 60.0, *, tagging: bool = False, check: float = 0.0) -> Pause:
    """A pause that ends so many seconds from NOW; looks come every 60 s."""
    return Pause(kind, NOW + ends, "why", interval=60.0, edits=1.0, tagging=tagging, settings_check_at=check)


DECISIONS: dict[str, tuple[Sight, tuple[Next, float]]] = {
    "nothing at all": (Sight(), (Next.IDLE, float("inf"))),
    "a due row": (Sight(due=NOW), (Next.WORK, NOW)),
    "a row due later": (Sight(due=NOW + 5), (Next.IDLE, NOW + 5)),
    "catch-up is due": (Sight(catchup_at=NOW), (Next.WORK, NOW)),
    "catch-up before the next row": (Sight(due=NOW + 9, catchup_at=NOW + 3), (Next.IDLE, NOW + 3)),
    "somebody wants a look": (Sight(wake_requested=True), (Next.WORK, NOW)),
    "idle for long": (Sight(idle_until=NOW), (Next.STOP, NOW)),
    "idle for long, but a row waits": (Sight(idle_until=NOW - DAY, due=NOW + 5), (Next.IDLE, NOW + 5)),
    "idle not yet for long": (Sight(idle_until=NOW + 7), (Next.IDLE, NOW + 7)),
    "a later PlexSync's queue": (Sight(newer=True, due=NOW, wake_requested=True), (Next.STOP, NOW)),
    "the plugin is gone": (Sight(files="gone", due=NOW, wake_requested=True), (Next.STOP, NOW)),
    "the plugin's files move": (Sight(files="moving", due=NOW, wake_requested=True), (Next.IDLE, NOW + TICK)),
    "the plugin was updated": (Sight(files="changed"), (Next.WORK, NOW)),
    "Plex away": (Sight(pause=paused(PLEX), due=NOW, catchup_at=NOW), (Next.IDLE, NOW + 60)),
    "Plex away, time for a look": (Sight(pause=paused(PLEX, 0), due=NOW), (Next.PROBE, NOW)),
    "Plex away, an edit": (Sight(pause=paused(PLEX), due=NOW, edited=True), (Next.IDLE, NOW + 60)),
    "Plex away, an edit to tag": (
        Sight(pause=paused(PLEX, tagging=True), due=NOW, edited=True),
        (Next.WORK, NOW),
    ),
    "Plex away, somebody wants a look": (Sight(pause=paused(PLEX), due=NOW, wake_requested=True), (Next.WORK, NOW)),
    "Plex away, nothing to do for long": (Sight(pause=paused(PLEX, 0), idle_until=NOW), (Next.STOP, NOW)),
    "Plex away, idle not yet for long": (Sight(pause=paused(PLEX), idle_until=NOW + 7), (Next.IDLE, NOW + 60)),
    "Plex away, time for the settings": (Sight(pause=paused(PLEX, check=NOW), due=NOW), (Next.PROBE, NOW)),
    "Plex away, the settings come first": (
        Sight(pause=paused(PLEX, check=NOW + 9), due=NOW),
        (Next.IDLE, NOW + 9),
    ),
    "Stash away": (Sight(pause=paused(STASH), due=NOW), (Next.IDLE, NOW + 60)),
    "Stash away, an edit": (Sight(pause=paused(STASH), due=NOW, edited=True), (Next.WORK, NOW)),
    "set up badly": (Sight(pause=paused(SETUP), due=NOW), (Next.IDLE, NOW + 60)),
    "set up badly, an edit": (Sight(pause=paused(SETUP), due=NOW, edited=True), (Next.WORK, NOW)),
    "set up badly, time for a look": (Sight(pause=paused(SETUP, -5), due=NOW), (Next.PROBE, NOW)),
    "this machine": (Sight(pause=paused(LOCAL), due=NOW, edited=True), (Next.IDLE, NOW + 60)),
    "this machine, time for a look": (Sight(pause=paused(LOCAL, 0), due=NOW), (Next.PROBE, NOW)),
    "dry run": (Sight(pause=paused(DRY), due=NOW + 100, edited=True), (Next.IDLE, NOW + 60)),
    "dry run, an edit is due": (Sight(pause=paused(DRY), due=NOW, edited=True), (Next.WORK, NOW)),
    "dry run, time for a look": (Sight(pause=paused(DRY, 0), due=NOW + 100), (Next.PROBE, NOW)),
    "dry run, catch-up": (Sight(pause=paused(DRY), due=NOW + 100, catchup_at=NOW), (Next.WORK, NOW)),
    "a pause from a wrong clock": (Sight(pause=paused(SETUP, DAY), due=NOW), (Next.PROBE, NOW)),
    "a dry run's pause from a wrong clock": (Sight(pause=paused(DRY, DAY), due=NOW + 5), (Next.PROBE, NOW)),
}


@pytest.mark.parametrize("case", DECISIONS)
def test_what_is_seen_decides(case: str) -> None:
    """Each sight has one answer: work, look, end, or wait until the next thing that can happen."""
    sight, wanted = DECISIONS[case]
    assert decide(sight, NOW) == wanted


class Room:
    """A data folder with a waiter in it, and a clock that sleeping moves. ``at``: what happens, by seconds from NOW."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.now = NOW
        self.conn = schema.open_queue(str(folder), NOW)
        QueueMeta(self.conn).caught_up_at = NOW
        self.state: sqlite3.Connection | None = None
        self.looks: list[float] = []
        self.answers = 0
        self.slept: list[float] = []
        self.at: dict[float, Callable[[], None]] = {}

    def sleep(self, seconds: float) -> None:
        """Time passes, and what was to happen in it happens."""
        self.slept.append(seconds)
        self.now += seconds
        for when in [when for when in self.at if NOW + when <= self.now]:
            self.at.pop(when)()

    def pause(self, kind: str, seconds: float = 60.0, **values: float) -> None:
        """Begin a pause now."""
        if self.state is None:
            self.state = ledger.open_state(str(self.folder))
        edits = QueueMeta(self.conn).edits
        Meta(self.state).pause = Pause(
            kind, self.now + seconds, "why", edits=edits, interval=values.get("interval", 60)
        )

    def look(self) -> bool:
        """Nothing to be found until ``answers`` looks were made; moves the pause as a real one does."""
        self.looks.append(self.now - NOW)
        if len(self.looks) >= self.answers:
            return True
        assert self.state is not None
        standing = Meta(self.state).pause
        assert standing is not None
        standing.until = self.now + standing.interval
        Meta(self.state).pause = standing
        return False

    def crash(self) -> bool:
        """A look that dies moves nothing."""
        self.looks.append(self.now - NOW)
        return len(self.looks) >= self.answers

    def edit(self, number: int = 1, later: float = 0.0) -> None:
        """A hook's row."""
        enqueue.enqueue(self.conn, f"scene:{number}", "hook", self.now, self.now + later)

    def nudge(self) -> None:
        """Somebody wants a look."""
        QueueMeta(self.conn).request_wake()

    def upgrade(self) -> None:
        """A later version makes the queue its own."""
        self.conn.execute(f"PRAGMA user_version={enqueue.SCHEMA_VERSION + 1}")

    def run(self, look: Callable[[], bool] | None = None, files: PluginFiles | None = None) -> tuple[Next, float]:
        """How the waiter ended, and after how many seconds."""
        still = files or PluginFiles(read=dict)
        made = Idle(str(self.folder), probe=look or self.look, files=still, clock=lambda: self.now, sleep=self.sleep)
        return made.run(), self.now - NOW

    def set_clock(self, to: float) -> Callable[[], None]:
        """Somebody sets the clock to so many seconds from NOW."""

        def jump() -> None:
            self.now = NOW + to

        return jump


@pytest.fixture
def room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Room]:
    """An empty queue, the durations of the contract."""
    for name in environment.DEFAULTS:
        monkeypatch.delenv(name, raising=False)
    made = Room(tmp_path)
    yield made
    made.conn.close()
    if made.state is not None:
        made.state.close()


def test_a_due_row_needs_the_worker_at_once(room: Room) -> None:
    """A row that is there already ends the waiting before any sleep."""
    room.edit()
    assert room.run() == (Next.WORK, 0.0)
    assert room.slept == []


def test_a_new_row_is_seen_within_a_second(room: Room) -> None:
    """A row that another process puts is seen at the next tick, and no tick is longer than a second."""
    room.at = {10.4: room.edit}
    assert room.run() == (Next.WORK, 11.0)
    assert max(room.slept) <= TICK


def test_a_due_time_is_met_exactly(room: Room) -> None:
    """The waiter wakes when the row is due, not at the tick after it."""
    room.edit(later=2.5)
    assert room.run() == (Next.WORK, 2.5)


def test_a_row_that_is_brought_forward_is_seen(room: Room) -> None:
    """An edit of a row that waits makes it due, and the waiter notices."""
    room.edit(later=300)
    room.at = {5: lambda: room.edit(later=2)}
    assert room.run() == (Next.WORK, 7.0)


def test_a_wish_for_a_look_ends_the_waiting(room: Room) -> None:
    """The ``wake`` operation's nudge reaches a waiter with nothing to do, once: a fulfilled one does nothing."""
    QueueMeta(room.conn).request_wake()
    QueueMeta(room.conn).wake_seen = 1
    room.at = {3: room.nudge}
    assert room.run() == (Next.WORK, 3.0)


def test_catch_up_comes_by_the_hour(room: Room) -> None:
    """With nothing to do the worker is wanted again an hour after the last catch-up."""
    assert room.run() == (Next.WORK, HOUR)


def test_it_ends_a_day_after_the_queue_ran_empty(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    """The time since the queue ran empty is what the worker noted, and outlives a waiter."""
    monkeypatch.setenv("PLEXSYNC_CATCHUP", str(7 * DAY))
    QueueMeta(room.conn).empty_since = NOW - DAY + 30
    assert room.run() == (Next.STOP, 30.0)


def test_a_waiter_notes_since_when_the_queue_is_empty(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where no worker noted it, the waiter does, so that it cannot stay for ever."""
    monkeypatch.setenv("PLEXSYNC_IDLE_EXIT", "20")
    assert room.run() == (Next.STOP, 20.0)
    assert QueueMeta(room.conn).empty_since == NOW


def test_rows_keep_it_there(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    """However long ago the queue was empty, a pending row is waited for."""
    monkeypatch.setenv("PLEXSYNC_IDLE_EXIT", "0")
    room.edit(later=500)
    assert room.run() == (Next.WORK, 500.0)
    assert QueueMeta(room.conn).empty_since == 0


def test_a_later_plexsync_takes_over(room: Room) -> None:
    """A queue whose version rises is somebody else's from then on, rows or not."""
    room.edit(later=100)
    room.at = {4: room.upgrade}
    assert room.run() == (Next.STOP, 4.0)


@pytest.mark.parametrize("kind", [PLEX, STASH, SETUP, LOCAL])
def test_looks_come_at_their_interval(room: Room, kind: str) -> None:
    """During a pause a due row waits; looks come once an interval until one finds a reason."""
    room.pause(kind)
    room.edit()
    room.conn.execute("UPDATE meta SET value = 0 WHERE name = 'wake'")
    room.answers = 3
    assert room.run() == (Next.WORK, 180.0)
    assert room.looks == [60.0, 120.0, 180.0]


@pytest.mark.parametrize(("kind", "ends"), [(PLEX, 60.0), (STASH, 5.0), (SETUP, 5.0), (LOCAL, 60.0), (DRY, 5.0)])
def test_an_edit_during_a_pause(room: Room, kind: str, ends: float) -> None:
    """An edit ends a pause that Stash or the user may have ended by now; Plex and this machine are left in peace."""
    room.pause(kind)
    room.answers = 1
    room.at = {5: room.edit}
    assert room.run() == (Next.WORK, ends)


def test_dry_run_goes_on_being_looked_at(room: Room) -> None:
    """Edits held back by ``dryRun`` are not due; whether it is off by now is looked at each minute."""
    room.edit(later=3000)
    room.pause(DRY)
    room.answers = 2
    assert room.run() == (Next.WORK, 120.0)


def test_a_look_that_crashes_comes_again_at_its_time(room: Room) -> None:
    """A look that died has not moved the pause; the next one comes an interval later all the same."""
    room.pause(PLEX)
    room.edit()
    room.answers = 3
    assert room.run(room.crash) == (Next.WORK, 180.0)


def test_a_crashing_look_after_a_wrong_clock(room: Room) -> None:
    """The same where the pause was to end on another day."""
    room.pause(PLEX, DAY)
    room.edit()
    room.answers = 2
    assert room.run(room.crash) == (Next.WORK, 60.0)
    assert room.looks == [0.0, 60.0]


def test_a_pause_that_went_meanwhile(room: Room) -> None:
    """Nothing is put back where the look itself has ended the pause."""
    room.pause(PLEX, 0)
    room.edit(later=30)

    def look() -> bool:
        assert room.state is not None
        Meta(room.state).pause = None
        return False

    assert room.run(look) == (Next.WORK, 30.0)


def test_the_clock_is_put_forward(room: Room) -> None:
    """A clock that jumps an hour ahead, or a laptop that slept, makes due what is due by the new time."""
    room.edit(later=1800)
    room.at = {10: room.set_clock(HOUR)}
    assert room.run() == (Next.WORK, HOUR)


def test_the_clock_is_put_back(room: Room) -> None:
    """A row due on another day was dated by a wrong clock: it is due now."""
    room.edit(later=100)
    room.at = {10: room.set_clock(-DAY)}
    assert room.run() == (Next.WORK, -DAY)


def test_catch_up_after_the_clock_was_put_back(room: Room) -> None:
    """A last catch-up in the future does not keep the next one off for longer than its interval."""
    room.at = {10: room.set_clock(-30 * DAY)}
    assert room.run() == (Next.WORK, -30 * DAY + HOUR)


def test_a_pause_after_the_clock_was_put_back(room: Room) -> None:
    """A pause that would last for a day more is looked at once."""
    room.pause(PLEX)
    room.edit()
    room.answers = 1
    room.at = {10: room.set_clock(-DAY)}
    assert room.run() == (Next.WORK, -DAY)


def test_a_laptop_that_slept_through_a_pause(room: Room) -> None:
    """After a night's sleep the look that is overdue comes once, at the next tick."""
    room.pause(PLEX)
    room.edit()
    room.answers = 1
    room.at = {10: room.set_clock(8 * HOUR)}
    assert room.run() == (Next.WORK, 8 * HOUR)
    assert room.looks == [8 * HOUR]


def test_an_update_of_the_plugin(room: Room) -> None:
    """Files that changed and came to rest need the new worker, whatever is due; a deleted plugin ends the waiter."""
    stamps: dict[str, tuple[int, int]] = {}
    files = PluginFiles(clock=lambda: room.now, read=lambda: dict(stamps))
    stamps["PlexSync.py"] = (1, 1)
    ended, after = room.run(files=files)
    assert (ended, after >= 60.0) == (Next.STOP, True)


def test_the_databases_are_closed(room: Room) -> None:
    """A waiter that has ended holds no connection: the worker after it may have to rename a damaged file."""
    room.edit()
    made = Idle(str(room.folder), probe=room.look, files=PluginFiles(read=dict), clock=lambda: room.now)
    made.run()
    with pytest.raises(sqlite3.ProgrammingError):
        made._conn.execute("SELECT 1")
    with pytest.raises(sqlite3.ProgrammingError):
        made._state.conn.execute("SELECT 1")


def test_on_windows_the_look_is_made_in_this_process(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without ``posix_spawn`` the look is an ordinary call with the same answer."""
    monkeypatch.setattr("plexsync.core.locks.WINDOWS", True)
    assert idle.probe_apart(str(room.folder), "") is True  # nothing pauses
    room.pause(SETUP)
    assert idle.probe_apart(str(room.folder), "") is False  # Stash is nowhere
