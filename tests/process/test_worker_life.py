"""The background process as the system sees it: one pid, one lock, small while it waits, and how it ends."""

from __future__ import annotations

import os
import random
import signal
import time
from pathlib import Path

import pytest

from plexsync.core import enqueue
from plexsync.queue import stock
from tests.support.life import (
    bare_resident,
    children,
    ends,
    pid_of,
    resident,
    role,
    ticks,
    told_to_end,
    waiter_of,
    writes_of,
)
from tests.support.pair import Pair
from tests.support.plugin import rows, worker_lives
from tests.support.waiting import until

#: Seconds in which a process that is told to end has ended, whatever it was doing; a second, and a busy machine's more.
SOON = 4.0


def test_it_is_small_while_it_waits_and_wakes_by_itself(tmp_path: Path) -> None:
    """An edit starts one process; done, it is 20 MB (10 over a bare interpreter) and asks nobody; an edit wakes it."""
    with Pair(tmp_path) as pair:
        film = pair.film()
        pair.edit(film, "First")
        pair.arrives(film, "First")
        pid = waiter_of(pair)
        assert (pair.folder / "worker.lock").read_text("ascii") == str(pid)
        assert os.getsid(pid) == pid
        assert resident(pid) <= bare_resident() + 10_000
        asked, before, began = len(pair.plex.log) + len(pair.stash.log), ticks(pid), time.monotonic()
        until(lambda: time.monotonic() - began > 1.5)
        assert len(pair.plex.log) + len(pair.stash.log) == asked
        assert ticks(pid) - before <= 15
        assert children(pid) == []
        pair.edit(film, "Second")
        pair.arrives(film, "Second")
        assert waiter_of(pair) == pid
        assert writes_of(pair, film) == 2


def test_it_ends_with_an_empty_queue_alone(tmp_path: Path) -> None:
    """``PLEXSYNC_IDLE_EXIT`` after the queue ran empty it ends; a scene that Plex lacks keeps it for as long."""
    with Pair(tmp_path, PLEXSYNC_IDLE_EXIT="0", PLEXSYNC_MISSING_BASE="0.2", PLEXSYNC_MISSING_CAP="0.2") as pair:
        film = pair.film(in_plex=False)
        pair.edit(film, "Waited for")
        pid = pid_of(pair)
        for _ in range(3):
            asked = len(pair.plex.log)
            until(lambda asked=asked: len(pair.plex.log) > asked, what="another attempt")  # type: ignore[misc]
        assert worker_lives(pair.folder)
        assert pid_of(pair) == pid
        item = pair.plex.add_item(1, file="/films/1/film1.mp4", size=1_000_001, duration_ms=60_000)
        until(lambda: pair.plex.items[item.rating_key].title == "Waited for", what="the title in Plex")
        ends(pair)
        assert rows(pair.folder) == []


def test_no_hook_is_lost_while_it_ends(tmp_path: Path) -> None:
    """Hooks that come at every moment of becoming the waiter and of ending are all delivered, without another event."""
    chance = random.Random(11)
    with Pair(tmp_path, PLEXSYNC_IDLE_EXIT="0", PLEXSYNC_SETTLE="0") as pair:
        films = [pair.film() for _ in range(4)]
        titles = dict.fromkeys(films, "")
        lock = pair.folder / "worker.lock"
        for number in range(16):
            film = films[number % 4]
            titles[film] = f"Title {number}"
            pair.edit(film, titles[film])
            moment = ("worker", "idle", "")[number % 3]
            until(lambda moment=moment: _is_near(lock, moment), what=moment or "the end")  # type: ignore[misc]
            time.sleep(chance.uniform(0, 0.03))
        until(lambda: all(pair.title(film) == title for film, title in titles.items()), what="every title")
        ends(pair)
        assert rows(pair.folder) == []


def _is_near(lock: Path, moment: str) -> bool:
    """Whether the lock's holder is in that role, or has emptied the file, or gone."""
    text = lock.read_text("ascii")
    now = role(int(text)) if text else ""
    return now in (moment, "")


def test_told_to_end_while_it_waits(tmp_path: Path) -> None:
    """SIGTERM ends the waiter at once and leaves a free lock, an empty file and no pid."""
    with Pair(tmp_path) as pair:
        film = pair.film()
        pair.edit(film, "Title")
        pair.arrives(film, "Title")
        pid = waiter_of(pair)
        assert told_to_end(pair, pid) < SOON
        assert (pair.folder / "worker.lock").read_text("ascii") == ""
        assert pair.status()["worker"] == {"running": False, "pid": None}


def test_told_to_end_while_a_write_hangs(tmp_path: Path) -> None:
    """SIGTERM in the middle of a PUT puts the batch back as it was; the next hook's worker delivers it."""
    with Pair(tmp_path) as pair:
        film = pair.film()
        pair.plex.fault("stall", method="PUT")
        pair.edit(film, "Hangs")
        until(lambda: pair.plex.requests("PUT"), what="the write")
        assert told_to_end(pair, pid_of(pair)) < SOON
        assert rows(pair.folder, "key, status, attempts, rescues") == [(f"scene:{film.scene}", stock.READY, 0, 0)]
        pair.plex.clear_faults()
        pair.plex.release()
        other = pair.film()
        pair.edit(other, "Other")
        pair.arrives(film, "Hangs")
        pair.arrives(other, "Other")


def test_killed_while_a_write_hangs(tmp_path: Path) -> None:
    """After SIGKILL the next hook's worker takes the batch back and does it; no attempt is spent."""
    with Pair(tmp_path) as pair:
        film = pair.film()
        pair.plex.fault("stall", method="PUT")
        pair.edit(film, "Hangs")
        until(lambda: pair.plex.requests("PUT"), what="the write")
        os.kill(pid_of(pair), signal.SIGKILL)
        ends(pair)
        assert rows(pair.folder, "status") == [(stock.LEASED,)]
        pair.plex.clear_faults()
        pair.plex.release()
        other = pair.film()
        pair.edit(other, "Other")
        pair.arrives(film, "Hangs")
        pair.arrives(other, "Other")
        assert pair.status()["totals"]["retried"] == 0


def test_a_look_dies_with_its_waiter(tmp_path: Path) -> None:
    """While Plex is away a look is a process of its own: it holds no lock, and SIGTERM ends both."""
    with Pair(tmp_path) as pair:
        film = pair.film()
        pair.plex.stop()
        pair.edit(film, "Later")
        pid = waiter_of(pair)
        pair.plex.fault("stall")
        pair.plex.start()
        until(lambda: pair.plex.log, what="a look")
        (child,) = children(pid)
        assert role(child) == "probe"
        held = [os.readlink(f"/proc/{child}/fd/{fd}") for fd in os.listdir(f"/proc/{child}/fd")]
        assert not [path for path in held if "worker.lock" in path]
        assert told_to_end(pair, pid) < SOON
        until(lambda: role(child) == "", SOON, what="the end of the look")
        pair.plex.clear_faults()
        pair.plex.release()
        pair.edit(film, "Now")
        pair.arrives(film, "Now")


@pytest.mark.parametrize("idle", [True, False])
def test_a_later_plexsync_takes_over(tmp_path: Path, idle: bool) -> None:
    """A queue that a later version made is left to it: a waiter ends, and a worker that is started does nothing."""
    with Pair(tmp_path) as pair:
        film = pair.film()
        if idle:
            pair.edit(film, "Before")
            pair.arrives(film, "Before")
            waiter_of(pair)
        pair.connect()
        conn = pair.queue()
        conn.execute(f"PRAGMA user_version={enqueue.SCHEMA_VERSION + 1}")
        if not idle:
            enqueue.put(conn, f"scene:{film.scene}", "hook", 0, 0)
            worker = pair.start_worker()
            worker.communicate(timeout=30)
            assert worker.returncode == 0
        ends(pair)
        assert rows(pair.folder, "status") == ([] if idle else [(stock.READY,)])
        assert len(pair.plex.log) == 0 or idle
        conn.close()


def test_two_data_folders_never_mix(tmp_path: Path) -> None:
    """Two Stashes on one machine have two processes, two queues, and each its own Plex."""
    with Pair(tmp_path / "a") as one, Pair(tmp_path / "b") as two:
        first, second = one.film(), two.film()
        one.edit(first, "Of one")
        two.edit(second, "Of two")
        one.arrives(first, "Of one")
        two.arrives(second, "Of two")
        assert pid_of(one) != pid_of(two)
        assert told_to_end(one, waiter_of(one)) < SOON
        assert worker_lives(two.folder)
        assert [writes_of(one, first), writes_of(two, second)] == [1, 1]
