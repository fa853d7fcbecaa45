"""The background process as the system sees it: one pid, one lock, small while idle, and how it ends."""

from __future__ import annotations

import os
import random
import signal
import time
from pathlib import Path

import pytest

from plexsync.core import enqueue
from plexsync.queue import stock
from tests.support.installation import Installation
from tests.support.processes import (
    PATIENCE,
    bare_resident,
    children,
    ends,
    idle_worker_of,
    pid_of,
    resident,
    role,
    rows,
    seconds_to_end,
    ticks,
    until,
    worker_lives,
    writes_of,
)

#: Seconds in which a process has ended after SIGTERM, whatever it was doing: one, and more on a busy machine.
SOON = 10.0


def test_it_is_small_while_idle_and_an_edit_wakes_it(tmp_path: Path) -> None:
    """An edit starts one process; idle, it is 20 MB (10 over a bare interpreter) and asks nobody; an edit wakes it."""
    with Installation(tmp_path) as here:
        film = here.film()
        here.edit(film, "First")
        here.arrives(film, "First")
        pid = idle_worker_of(here)
        assert (here.folder / "worker.lock").read_text("ascii") == str(pid)
        assert os.getsid(pid) == pid
        assert resident(pid) <= bare_resident() + 10_000
        asked, before, began = len(here.plex.log) + len(here.stash.log), ticks(pid), time.monotonic()
        until(lambda: time.monotonic() - began > 1.5)
        assert len(here.plex.log) + len(here.stash.log) == asked
        assert ticks(pid) - before <= 15
        assert children(pid) == []
        here.edit(film, "Second")
        here.arrives(film, "Second")
        assert idle_worker_of(here) == pid
        assert writes_of(here, film) == 2


def test_it_ends_with_an_empty_queue_alone(tmp_path: Path) -> None:
    """``PLEXSYNC_IDLE_EXIT`` after the queue ran empty it ends; a scene that Plex lacks keeps it alive."""
    with Installation(
        tmp_path, PLEXSYNC_IDLE_EXIT="0", PLEXSYNC_MISSING_BASE="0.2", PLEXSYNC_MISSING_CAP="0.2"
    ) as here:
        film = here.film(in_plex=False)
        here.edit(film, "Waited for")
        pid = pid_of(here)
        for _ in range(3):
            asked = len(here.plex.log)
            until(lambda asked=asked: len(here.plex.log) > asked, what="another attempt")  # type: ignore[misc]
        assert worker_lives(here.folder)
        assert pid_of(here) == pid
        item = here.plex.add_item(1, file="/films/1/film1.mp4", size=1_000_001, duration_ms=60_000)
        until(lambda: here.plex.items[item.rating_key].title == "Waited for", what="the title in Plex")
        ends(here)
        assert rows(here.folder) == []


def test_no_hook_is_lost_while_it_ends(tmp_path: Path) -> None:
    """Hooks at every moment of becoming idle and of ending are all delivered, without another event."""
    chance = random.Random(11)
    with Installation(tmp_path, PLEXSYNC_IDLE_EXIT="0", PLEXSYNC_SETTLE="0") as here:
        films = [here.film() for _ in range(4)]
        titles = dict.fromkeys(films, "")
        lock = here.folder / "worker.lock"
        for number in range(16):
            film = films[number % 4]
            titles[film] = f"Title {number}"
            here.edit(film, titles[film])
            moment = ("worker", "idle", "")[number % 3]
            until(lambda moment=moment: _is_near(lock, moment), what=moment or "the end")  # type: ignore[misc]
            time.sleep(chance.uniform(0, 0.03))
        until(lambda: all(here.title(film) == title for film, title in titles.items()), what="every title")
        ends(here)
        assert rows(here.folder) == []


def _is_near(lock: Path, moment: str) -> bool:
    """Return whether the lock's holder is in that role, or has emptied the file, or is gone."""
    text = lock.read_text("ascii")
    now = role(int(text)) if text else ""
    return now in (moment, "")


def test_terminated_while_idle(tmp_path: Path) -> None:
    """SIGTERM ends the idle worker at once and leaves a free lock, an empty file and no pid."""
    with Installation(tmp_path) as here:
        film = here.film()
        here.edit(film, "Title")
        here.arrives(film, "Title")
        pid = idle_worker_of(here)
        assert seconds_to_end(here, pid) < SOON
        assert (here.folder / "worker.lock").read_text("ascii") == ""
        assert here.status()["worker"] == {"running": False, "pid": None}


def test_terminated_while_a_write_hangs(tmp_path: Path) -> None:
    """SIGTERM in the middle of a PUT releases the batch as it was; the next hook's worker delivers it."""
    with Installation(tmp_path) as here:
        film = here.film()
        here.plex.fault("stall", method="PUT")
        here.edit(film, "Hangs")
        until(lambda: here.plex.requests("PUT"), what="the write")
        assert seconds_to_end(here, pid_of(here)) < SOON
        assert rows(here.folder, "key, status, attempts, rescues") == [(f"scene:{film.scene}", stock.READY, 0, 0)]
        here.plex.clear_faults()
        here.plex.release()
        other = here.film()
        here.edit(other, "Other")
        here.arrives(film, "Hangs")
        here.arrives(other, "Other")


def test_killed_while_a_write_hangs(tmp_path: Path) -> None:
    """After SIGKILL the next hook's worker rescues the batch and does it; no attempt is spent."""
    with Installation(tmp_path) as here:
        film = here.film()
        here.plex.fault("stall", method="PUT")
        here.edit(film, "Hangs")
        until(lambda: here.plex.requests("PUT"), what="the write")
        os.kill(pid_of(here), signal.SIGKILL)
        ends(here)
        assert rows(here.folder, "status") == [(stock.LEASED,)]
        here.plex.clear_faults()
        here.plex.release()
        other = here.film()
        here.edit(other, "Other")
        here.arrives(film, "Hangs")
        here.arrives(other, "Other")
        assert here.status()["totals"]["retried"] == 0


def test_a_probe_dies_with_its_idle_worker(tmp_path: Path) -> None:
    """While Plex is unreachable a probe is a separate process: it holds no lock, and SIGTERM ends both."""
    with Installation(tmp_path) as here:
        film = here.film()
        here.plex.stop()
        here.edit(film, "Later")
        pid = idle_worker_of(here)
        here.plex.fault("stall")
        here.plex.start()
        until(lambda: here.plex.log, what="a probe")
        (child,) = children(pid)
        assert role(child) == "probe"
        opened = [os.readlink(f"/proc/{child}/fd/{fd}") for fd in os.listdir(f"/proc/{child}/fd")]
        assert not [path for path in opened if "worker.lock" in path]
        assert seconds_to_end(here, pid) < SOON
        until(lambda: role(child) == "", SOON, what="the end of the probe")
        here.plex.clear_faults()
        here.plex.release()
        here.edit(film, "Now")
        here.arrives(film, "Now")


@pytest.mark.parametrize("idle", [True, False])
def test_a_later_plexsync_takes_over(tmp_path: Path, idle: bool) -> None:
    """The queue of a later version is left alone: an idle worker ends, and a started worker does nothing."""
    with Installation(tmp_path) as here:
        film = here.film()
        if idle:
            here.edit(film, "Before")
            here.arrives(film, "Before")
            idle_worker_of(here)
        here.connect()
        conn = here.queue()
        conn.execute(f"PRAGMA user_version={enqueue.SCHEMA_VERSION + 1}")
        if not idle:
            enqueue.enqueue(conn, f"scene:{film.scene}", "hook", 0, 0)
            worker = here.start_worker()
            worker.communicate(timeout=PATIENCE)
            assert worker.returncode == 0
        ends(here)
        assert rows(here.folder, "status") == ([] if idle else [(stock.READY,)])
        assert len(here.plex.log) == 0 or idle
        conn.close()


def test_two_data_folders_never_mix(tmp_path: Path) -> None:
    """Two Stashes on one machine have two processes and two queues, and each writes to a different Plex."""
    with Installation(tmp_path / "a") as one, Installation(tmp_path / "b") as two:
        first, second = one.film(), two.film()
        one.edit(first, "Of one")
        two.edit(second, "Of two")
        one.arrives(first, "Of one")
        two.arrives(second, "Of two")
        assert pid_of(one) != pid_of(two)
        assert seconds_to_end(one, idle_worker_of(one)) < SOON
        assert worker_lives(two.folder)
        assert [writes_of(one, first), writes_of(two, second)] == [1, 1]
