"""The idle worker: what it decides, and that it sees everything in real databases."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from plexsync.core import enqueue, environment
from plexsync.daemon import idle
from plexsync.daemon.idle import TICK, Idle, Observed, decide
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
    """Return a pause that ends ``ends`` seconds after NOW, with probes every 60 s."""
    return Pause(kind, NOW + ends, "why", interval=60.0, edits=1.0, tagging=tagging, settings_check_at=check)


def looked(kind: str, ago: float) -> Pause:
    """Return a pause that was last looked at ``ago`` seconds before NOW."""
    return Pause(kind, NOW + 60, "why", interval=60.0, edits=1.0, looked_at=NOW - ago)


DECISIONS: dict[str, tuple[Observed, tuple[Next, float]]] = {
    "nothing at all": (Observed(), (Next.IDLE, float("inf"))),
    "a due row": (Observed(due=NOW), (Next.WORK, NOW)),
    "a row due later": (Observed(due=NOW + 5), (Next.IDLE, NOW + 5)),
    "catch-up is due": (Observed(catchup_at=NOW), (Next.WORK, NOW)),
    "a trial is due": (Observed(trial_at=NOW), (Next.WORK, NOW)),
    "a trial before the next row": (Observed(due=NOW + 9, trial_at=NOW + 3), (Next.IDLE, NOW + 3)),
    "Plex unreachable, a trial is due": (Observed(pause=paused(PLEX), trial_at=NOW), (Next.IDLE, NOW + 60)),
    "catch-up before the next row": (Observed(due=NOW + 9, catchup_at=NOW + 3), (Next.IDLE, NOW + 3)),
    "a wake request": (Observed(wake_requested=True), (Next.WORK, NOW)),
    "idle for long": (Observed(idle_until=NOW), (Next.STOP, NOW)),
    "idle for long, but a row waits": (Observed(idle_until=NOW - DAY, due=NOW + 5), (Next.IDLE, NOW + 5)),
    "idle not yet for long": (Observed(idle_until=NOW + 7), (Next.IDLE, NOW + 7)),
    "a later PlexSync's queue": (Observed(newer=True, due=NOW, wake_requested=True), (Next.STOP, NOW)),
    "the plugin is gone": (Observed(files="gone", due=NOW, wake_requested=True), (Next.STOP, NOW)),
    "the plugin's files move": (Observed(files="moving", due=NOW, wake_requested=True), (Next.IDLE, NOW + TICK)),
    "the plugin was updated": (Observed(files="changed"), (Next.WORK, NOW)),
    "Plex unreachable": (Observed(pause=paused(PLEX), due=NOW, catchup_at=NOW), (Next.IDLE, NOW + 60)),
    "Plex unreachable, time for a probe": (Observed(pause=paused(PLEX, 0), due=NOW), (Next.PROBE, NOW)),
    "Plex unreachable, an edit": (Observed(pause=paused(PLEX), due=NOW, edited=True), (Next.IDLE, NOW + 60)),
    "Plex unreachable, an edit to tag": (
        Observed(pause=paused(PLEX, tagging=True), due=NOW, edited=True),
        (Next.WORK, NOW),
    ),
    "Plex unreachable, a wake request": (Observed(pause=paused(PLEX), due=NOW, wake_requested=True), (Next.WORK, NOW)),
    "Plex unreachable, nothing to do for long": (Observed(pause=paused(PLEX, 0), idle_until=NOW), (Next.STOP, NOW)),
    "Plex unreachable, idle not yet for long": (
        Observed(pause=paused(PLEX), idle_until=NOW + 7),
        (Next.IDLE, NOW + 60),
    ),
    "Plex unreachable, time for the settings": (Observed(pause=paused(PLEX, check=NOW), due=NOW), (Next.PROBE, NOW)),
    "Plex unreachable, the settings come first": (
        Observed(pause=paused(PLEX, check=NOW + 9), due=NOW),
        (Next.IDLE, NOW + 9),
    ),
    "Stash unreachable": (Observed(pause=paused(STASH), due=NOW), (Next.IDLE, NOW + 60)),
    "Stash unreachable, an edit": (Observed(pause=paused(STASH), due=NOW, edited=True), (Next.WORK, NOW)),
    "a setup problem": (Observed(pause=paused(SETUP), due=NOW), (Next.IDLE, NOW + 60)),
    "a setup problem, an edit": (Observed(pause=paused(SETUP), due=NOW, edited=True), (Next.WORK, NOW)),
    "a setup problem, time for a probe": (Observed(pause=paused(SETUP, -5), due=NOW), (Next.PROBE, NOW)),
    "an error on this machine": (Observed(pause=paused(LOCAL), due=NOW, edited=True), (Next.IDLE, NOW + 60)),
    "an error on this machine, time for a probe": (Observed(pause=paused(LOCAL, 0), due=NOW), (Next.PROBE, NOW)),
    "dry run": (Observed(pause=paused(DRY), due=NOW + 100, edited=True), (Next.IDLE, NOW + 60)),
    "dry run, an edit is due": (Observed(pause=paused(DRY), due=NOW, edited=True), (Next.WORK, NOW)),
    "dry run, time for a probe": (Observed(pause=paused(DRY, 0), due=NOW + 100), (Next.PROBE, NOW)),
    "dry run, catch-up": (Observed(pause=paused(DRY), due=NOW + 100, catchup_at=NOW), (Next.WORK, NOW)),
    "a wake request right after a look": (
        Observed(pause=looked(PLEX, 1), due=NOW, wake_requested=True),
        (Next.IDLE, NOW + 2),
    ),
    "a wake request a few seconds after a look": (
        Observed(pause=looked(PLEX, 3), due=NOW, wake_requested=True),
        (Next.WORK, NOW),
    ),
    "an edit right after a look": (Observed(pause=looked(SETUP, 0), due=NOW, edited=True), (Next.IDLE, NOW + 3)),
    "a wake request after a look by a wrong clock": (
        Observed(pause=looked(SETUP, -DAY), due=NOW, wake_requested=True),
        (Next.WORK, NOW),
    ),
    "a pause from a wrong clock": (Observed(pause=paused(SETUP, DAY), due=NOW), (Next.PROBE, NOW)),
    "a dry run's pause from a wrong clock": (Observed(pause=paused(DRY, DAY), due=NOW + 5), (Next.PROBE, NOW)),
}


@pytest.mark.parametrize("case", DECISIONS)
def test_decisions(case: str) -> None:
    """Each observation has one answer: work, probe, stop, or stay idle until the next thing that can happen."""
    observed, wanted = DECISIONS[case]
    assert decide(observed, NOW) == wanted


class Site:
    """A data folder with an idle worker, and a clock that sleeping moves. ``at``: what happens, by seconds from NOW."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.now = NOW
        self.conn = schema.open_queue(str(folder), NOW)
        QueueMeta(self.conn).caught_up_at = NOW
        self.state: sqlite3.Connection | None = None
        self.probes: list[float] = []
        self.answers = 0
        self.slept: list[float] = []
        self.at: dict[float, Callable[[], None]] = {}

    def sleep(self, seconds: float) -> None:
        """Let time pass, and do what was to happen in it."""
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

    def probe(self) -> bool:
        """Find no reason until ``answers`` probes were made; move the pause as a real probe does."""
        self.probes.append(self.now - NOW)
        if len(self.probes) >= self.answers:
            return True
        assert self.state is not None
        current = Meta(self.state).pause
        assert current is not None
        current.until = self.now + current.interval
        Meta(self.state).pause = current
        return False

    def crash(self) -> bool:
        """Crash as a probe: nothing is moved."""
        self.probes.append(self.now - NOW)
        return len(self.probes) >= self.answers

    def edit(self, number: int = 1, later: float = 0.0) -> None:
        """Queue an edit as a hook does."""
        enqueue.enqueue(self.conn, f"scene:{number}", "hook", self.now, self.now + later)

    def request_wake(self) -> None:
        """Ask the worker to act now."""
        QueueMeta(self.conn).request_wake()

    def upgrade(self) -> None:
        """Make the queue a later version's."""
        self.conn.execute(f"PRAGMA user_version={enqueue.SCHEMA_VERSION + 1}")

    def run(self, probe: Callable[[], bool] | None = None, files: PluginFiles | None = None) -> tuple[Next, float]:
        """Return how the idle worker ended, and after how many seconds."""
        still = files or PluginFiles(read=dict)
        idle_worker = Idle(
            str(self.folder), probe=probe or self.probe, files=still, clock=lambda: self.now, sleep=self.sleep
        )
        return idle_worker.run(), self.now - NOW

    def set_clock(self, to: float) -> Callable[[], None]:
        """Return a function that sets the clock to ``to`` seconds from NOW."""

        def jump() -> None:
            self.now = NOW + to

        return jump


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    """An empty queue, and the contract's durations."""
    for name in environment.DEFAULTS:
        monkeypatch.delenv(name, raising=False)
    watched = Site(tmp_path)
    yield watched
    watched.conn.close()
    if watched.state is not None:
        watched.state.close()


def test_a_sign_in_that_nobody_finished_goes_on_time(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """A sign-in with Plex, which may hold a token, is removed when it is an hour old, though nothing else happens."""
    monkeypatch.setenv("PLEXSYNC_CATCHUP", str(7 * DAY))
    file = site.folder / environment.SIGN_IN
    file.touch()
    os.utime(file, (NOW, NOW))
    there: dict[float, bool] = {}
    for moment in (HOUR - 2 * TICK, HOUR + 2 * TICK):
        site.at[moment] = lambda moment=moment: there.update({moment - HOUR: file.exists()})  # type: ignore[misc]
    site.at[HOUR + 3 * TICK] = site.request_wake
    assert site.run()[0] is Next.WORK
    assert there == {-2 * TICK: True, 2 * TICK: False}


def test_a_due_row_needs_the_worker_at_once(site: Site) -> None:
    """A row that is due already ends the waiting before any sleep."""
    site.edit()
    assert site.run() == (Next.WORK, 0.0)
    assert site.slept == []


def test_a_new_row_is_seen_within_a_second(site: Site) -> None:
    """A row that another process puts is seen at the next tick, and no tick is longer than a second."""
    site.at = {10.4: site.edit}
    assert site.run() == (Next.WORK, 11.0)
    assert max(site.slept) <= TICK


def test_a_due_time_is_met_exactly(site: Site) -> None:
    """It wakes when the row is due, not at the tick after."""
    site.edit(later=2.5)
    assert site.run() == (Next.WORK, 2.5)


def test_a_row_that_is_brought_forward_is_seen(site: Site) -> None:
    """An edit of a waiting row makes the row due, and that is seen."""
    site.edit(later=300)
    site.at = {5: lambda: site.edit(later=2)}
    assert site.run() == (Next.WORK, 7.0)


def test_a_wake_request_ends_the_waiting(site: Site) -> None:
    """A wake request ends the waiting with nothing to do, once: an old one does nothing."""
    QueueMeta(site.conn).request_wake()
    QueueMeta(site.conn).wake_seen = 1
    site.at = {3: site.request_wake}
    assert site.run() == (Next.WORK, 3.0)


def test_catch_up_comes_by_the_hour(site: Site) -> None:
    """With nothing to do the worker is needed again an hour after the last catch-up."""
    assert site.run() == (Next.WORK, HOUR)


def test_it_ends_a_day_after_the_queue_ran_empty(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """The time since the queue ran empty is what the worker stored, and outlives an idle worker."""
    monkeypatch.setenv("PLEXSYNC_CATCHUP", str(7 * DAY))
    QueueMeta(site.conn).empty_since = NOW - DAY + 30
    assert site.run() == (Next.STOP, 30.0)


def test_it_notes_since_when_the_queue_is_empty(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """If no worker stored that time, the idle worker does, or it would stay for ever."""
    monkeypatch.setenv("PLEXSYNC_IDLE_EXIT", "20")
    assert site.run() == (Next.STOP, 20.0)
    assert QueueMeta(site.conn).empty_since == NOW


def test_rows_keep_it_there(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """However long ago the queue was empty, a pending row is waited for."""
    monkeypatch.setenv("PLEXSYNC_IDLE_EXIT", "0")
    site.edit(later=500)
    assert site.run() == (Next.WORK, 500.0)
    assert QueueMeta(site.conn).empty_since == 0


def test_a_later_plexsync_takes_over(site: Site) -> None:
    """A queue whose version rises belongs to a later version from then on, rows or not."""
    site.edit(later=100)
    site.at = {4: site.upgrade}
    assert site.run() == (Next.STOP, 4.0)


@pytest.mark.parametrize("kind", [PLEX, STASH, SETUP, LOCAL])
def test_probes_come_at_their_interval(site: Site, kind: str) -> None:
    """During a pause a due row waits; probes come once per interval until one finds a reason."""
    site.pause(kind)
    site.edit()
    site.conn.execute("UPDATE meta SET value = 0 WHERE name = 'edits'")
    site.answers = 3
    assert site.run() == (Next.WORK, 180.0)
    assert site.probes == [60.0, 120.0, 180.0]


@pytest.mark.parametrize(("kind", "ends"), [(PLEX, 60.0), (STASH, 5.0), (SETUP, 5.0), (LOCAL, 60.0), (DRY, 5.0)])
def test_an_edit_during_a_pause(site: Site, kind: str, ends: float) -> None:
    """An edit ends a pause for Stash or the setup, but not one for Plex or this machine."""
    site.pause(kind)
    site.answers = 1
    site.at = {5: site.edit}
    assert site.run() == (Next.WORK, ends)


def test_dry_run_keeps_being_checked(site: Site) -> None:
    """Edits held back by ``dryRun`` are not due; the switch is checked every minute."""
    site.edit(later=3000)
    site.pause(DRY)
    site.answers = 2
    assert site.run() == (Next.WORK, 120.0)


def test_a_probe_that_crashes_is_repeated_at_its_time(site: Site) -> None:
    """A crashed probe has not prolonged the pause; the next one still comes an interval later."""
    site.pause(PLEX)
    site.edit()
    site.answers = 3
    assert site.run(site.crash) == (Next.WORK, 180.0)


def test_a_crashing_probe_after_a_wrong_clock(site: Site) -> None:
    """The same if the pause was to end on another day."""
    site.pause(PLEX, DAY)
    site.edit()
    site.answers = 2
    assert site.run(site.crash) == (Next.WORK, 60.0)
    assert site.probes == [0.0, 60.0]


def test_a_pause_that_ended_meanwhile(site: Site) -> None:
    """Nothing is prolonged if the probe itself has ended the pause."""
    site.pause(PLEX, 0)
    site.edit(later=30)

    def probe() -> bool:
        assert site.state is not None
        Meta(site.state).pause = None
        return False

    assert site.run(probe) == (Next.WORK, 30.0)


def test_the_clock_is_set_forward(site: Site) -> None:
    """A clock that jumps an hour ahead, or a laptop that slept, makes due what is due by the new time."""
    site.edit(later=1800)
    site.at = {10: site.set_clock(HOUR)}
    assert site.run() == (Next.WORK, HOUR)


def test_the_clock_is_set_back(site: Site) -> None:
    """A row due on another day was dated by a wrong clock: it is due now."""
    site.edit(later=100)
    site.at = {10: site.set_clock(-DAY)}
    assert site.run() == (Next.WORK, -DAY)


def test_catch_up_after_the_clock_was_set_back(site: Site) -> None:
    """A last catch-up in the future delays the next one by no more than its interval."""
    site.at = {10: site.set_clock(-30 * DAY)}
    assert site.run() == (Next.WORK, -30 * DAY + HOUR)


def test_a_pause_after_the_clock_was_set_back(site: Site) -> None:
    """A pause that would last another day is probed at once."""
    site.pause(PLEX)
    site.edit()
    site.answers = 1
    site.at = {10: site.set_clock(-DAY)}
    assert site.run() == (Next.WORK, -DAY)


def test_a_laptop_that_slept_through_a_pause(site: Site) -> None:
    """After a night's sleep the overdue probe comes once, at the next tick."""
    site.pause(PLEX)
    site.edit()
    site.answers = 1
    site.at = {10: site.set_clock(8 * HOUR)}
    assert site.run() == (Next.WORK, 8 * HOUR)
    assert site.probes == [8 * HOUR]


def test_an_update_of_the_plugin(site: Site) -> None:
    """Changed files that are still need the new worker, whatever is due; a deleted plugin ends the idle worker."""
    stamps: dict[str, tuple[int, int]] = {}
    files = PluginFiles(clock=lambda: site.now, read=lambda: dict(stamps))
    stamps["PlexSync.py"] = (1, 1)
    ended, after = site.run(files=files)
    assert (ended, after >= 60.0) == (Next.STOP, True)


def test_the_databases_are_closed(site: Site) -> None:
    """An idle worker that has ended holds no connection: the next worker may have to rename a damaged file."""
    site.edit()
    idle_worker = Idle(str(site.folder), probe=site.probe, files=PluginFiles(read=dict), clock=lambda: site.now)
    idle_worker.run()
    with pytest.raises(sqlite3.ProgrammingError):
        idle_worker._conn.execute("SELECT 1")
    with pytest.raises(sqlite3.ProgrammingError):
        idle_worker._state.conn.execute("SELECT 1")


def test_on_windows_the_probe_runs_in_this_process(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without ``posix_spawn`` the probe is an ordinary call with the same answer."""
    monkeypatch.setattr("plexsync.core.locks.WINDOWS", True)
    assert idle.probe_apart(str(site.folder), "") is True  # nothing pauses
    site.pause(SETUP)
    assert idle.probe_apart(str(site.folder), "") is False  # Stash is nowhere
