"""Plex as a whole is unreachable: no edit pays for it, Plex is left alone, and everything arrives once afterwards."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from itertools import pairwise
from typing import NamedTuple

import pytest

from plexsync.model.lifecycle import Next
from plexsync.queue.meta import QueueMeta
from plexsync.state import pause
from plexsync.state.breaker import Breaker
from plexsync.state.ledger import State, open_state
from plexsync.state.meta import Meta
from tests.support.in_process import LATE, SOON, Bench

#: The contract's probe intervals in seconds, each in force after the one before failed.
INTERVALS = (60, 120, 240, 480, 600, 600, 600)


class Outage(NamedTuple):
    """A way to be unreachable; ``breaker``: True if it counts as unreachable, False if it is a problem of the setup."""

    name: str
    begin: Callable[[Bench], object]
    breaker: bool = True


def by_fault(kind: str, breaker: bool = True) -> Outage:
    """Return an outage in which every request fails this way."""
    return Outage(kind, lambda bench: fail(bench, kind), breaker)


def fail(bench: Bench, kind: str) -> None:
    """From now on Plex fails this way."""
    bench.give_up_after(SOON if kind == "stall" else LATE)
    bench.plex.fault(kind)


KINDS = ("stall", "reset", "reset_mid_body", "503_xml", "503_json", "500", "502", "504", "429", "408")
OUTAGES = (
    Outage("refused", lambda bench: bench.plex.stop()),
    *map(by_fault, KINDS),
    by_fault("truncated_xml"),
    by_fault("empty_200", breaker=False),
    by_fault("html_200", breaker=False),
    by_fault("redirect_302", breaker=False),
    by_fault("redirect_301", breaker=False),
)


def come_back(bench: Bench) -> None:
    """Plex works again."""
    bench.give_up_after(LATE)
    bench.plex.clear_faults()
    bench.plex.release()
    bench.plex.start()


@pytest.mark.parametrize("outage", OUTAGES, ids=lambda outage: outage.name)
def test_an_outage_costs_no_edit_anything(bench: Bench, outage: Outage) -> None:
    """After an hour the rows are unchanged and none is dead; then each scene is written exactly once."""
    films = bench.films(3)
    bench.edit(*[film.scene for film in films])
    before = [bench.job(film.scene) for film in films]
    outage.begin(bench)
    bench.live(3600)
    assert [bench.job(film.scene) for film in films] == before
    assert bench.breaker.is_open is outage.breaker
    assert bench.status()["totals"] == {"synced": 0, "unchanged": 0, "retried": 0, "dead": 0, "skipped": 0}
    come_back(bench)
    bench.live(601)
    assert bench.titles(films) == ["Film 1", "Film 2", "Film 3"]
    assert [bench.writes_of(film) for film in films] == [1, 1, 1]
    assert bench.count("pending") == bench.count("dead") == 0
    assert (bench.breaker, bench.pause) == (Breaker(), None)


@pytest.mark.parametrize("kind", ["reset", "stall", "503_xml", "500", "redirect_302"])
def test_an_outage_in_the_middle_of_a_batch_repeats_no_write(bench: Bench, kind: str) -> None:
    """What was written before the outage is compared, not written again; the rest arrives once."""
    films = bench.films(4)
    bench.edit(*[film.scene for film in films])
    bench.give_up_after(1.0 if kind == "stall" else LATE)
    bench.plex.after_write = lambda request: bench.plex.fault(kind) if request.param("id") == "101" else None
    bench.live(900)
    assert bench.titles(films[2:]) == ["film3", "film4"]
    bench.plex.after_write = None
    come_back(bench)
    bench.live(601)
    assert bench.titles(films) == ["Film 1", "Film 2", "Film 3", "Film 4"]
    assert [bench.writes_of(film) for film in films] == [1, 1, 1, 1]
    assert bench.count("pending") == bench.count("dead") == 0


def test_the_breaker_opens_at_the_fifth_failure(bench: Bench) -> None:
    """Five attempts within seconds, at growing intervals; then none for a minute."""
    film = bench.film()
    bench.edit(film.scene)
    bench.plex.fault("503_xml")
    assert bench.turn() is Next.IDLE
    assert bench.slept == [0.5, 1.0, 2.0, 4.0]
    assert len(bench.plex.at) == 5
    assert bench.breaker == Breaker(5, bench.now, bench.now + 60, 60)
    current = bench.pause
    assert current is not None
    assert (current.kind, current.until, current.problem) == (pause.PLEX, bench.now + 60, "")


def test_probes_double_from_one_to_ten_minutes(bench: Bench) -> None:
    """An unreachable Plex gets one request at a time, 60 s after the last, then 120 s, ... up to 600 s."""
    bench.edit(bench.film().scene)
    bench.plex.fault("503_xml")
    bench.live(60 * 60)
    opened = bench.breaker.opened_at
    assert opened is not None
    probes = [opened, *[at for at in bench.plex.at if at > opened]]
    gaps = [later - earlier for earlier, later in pairwise(probes)]
    assert len(gaps) == len(INTERVALS) + 1
    assert all(want <= gap <= want + 1.5 for want, gap in zip((*INTERVALS, 600), gaps, strict=True))


def test_edits_during_the_outage_make_no_request(bench: Bench) -> None:
    """Edits do not add requests to Plex: a hundred edits in ten minutes cost three probes."""
    film = bench.film()
    bench.edit(film.scene)
    bench.plex.fault("503_xml")
    bench.turn()
    before = len(bench.plex.at)
    for number in range(100):
        bench.edit(film.scene, title=f"Title {number}")
        bench.live(6)
    assert len(bench.plex.at) - before == 3
    bench.plex.clear_faults()
    bench.live(601)
    assert (bench.titles([film]), bench.writes_of(film)) == (["Title 99"], 1)


def test_one_success_closes_it(bench: Bench) -> None:
    """The first answer ends the outage for everybody, and the log reports its beginning and end once each."""
    films = bench.films(2)
    bench.edit(films[0].scene)
    bench.plex.fault("503_xml")
    bench.live(1000)
    bench.plex.clear_faults()
    bench.live(601)
    bench.edit(films[1].scene)
    bench.turn()
    assert bench.titles(films) == ["Film 1", "Film 2"]
    assert bench.breaker == Breaker()
    assert len(bench.said("paused: Plex is unreachable")) == 1
    assert len(bench.said("resumed: Plex is reachable again")) == 1


def test_the_breaker_outlives_the_worker(bench: Bench) -> None:
    """A worker that starts while it is open sends nothing, and one that starts after four failures counts on."""
    film = bench.film()
    bench.edit(film.scene)
    db = State(open_state(str(bench.folder)))
    db.meta.breaker = Breaker(failures=4, retry_at=bench.now)
    bench.plex.fault("503_xml")
    bench.turn()
    assert (bench.breaker.failures, bench.breaker.is_open, len(bench.plex.at)) == (5, True, 1)
    for _ in range(3):
        assert bench.turn() is Next.IDLE
    assert len(bench.plex.at) == 1
    bench.now += 60
    bench.turn()
    assert (bench.breaker.failures, bench.breaker.reset, len(bench.plex.at)) == (6, 120, 2)
    db.conn.close()


def test_a_wake_request_probes_at_once(bench: Bench) -> None:
    """A task, or Stash's page, makes the worker probe before the probe is due."""

    film = bench.film()
    bench.edit(film.scene)
    bench.plex.fault("503_xml")
    bench.live(2000)
    bench.plex.clear_faults()
    QueueMeta(bench.conn).request_wake()
    bench.live(2)
    assert bench.titles([film]) == ["Film 1"]


def test_a_clock_that_was_wrong_does_not_hold_the_breaker_open(bench: Bench) -> None:
    """After the clock is set back by a day, the next probe comes at once, and the edit with it."""
    film = bench.film()
    bench.edit(film.scene)
    bench.plex.fault("503_xml")
    bench.live(100)
    bench.now -= 86_400
    bench.plex.clear_faults()
    bench.live(2)
    assert bench.titles([film]) == ["Film 1"]


def test_what_needs_no_plex_is_done_all_the_same_and_proves_nothing(bench: Bench) -> None:
    """A scene gone from Stash ends its job before the breaker opens, which says nothing about Plex."""
    films = bench.films(2)
    bench.edit(films[0].scene, films[1].scene)
    del bench.stash.scenes[films[1].scene]
    db = State(open_state(str(bench.folder)))
    db.meta.breaker = Breaker(failures=3)
    bench.plex.fault("503_xml")
    bench.turn()
    assert bench.job(films[1].scene) == {}
    assert (bench.breaker.is_open, len(bench.plex.at)) == (True, 2)
    bench.edit(films[1].scene)
    bench.now += 59
    bench.turn()
    assert (bench.breaker.is_open, len(bench.plex.at)) == (True, 2)
    db.conn.close()


def test_a_pause_does_not_end_by_work_that_never_asked_plex(bench: Bench) -> None:
    """While Plex rejects the token, the end of a deleted scene's job does not end the pause or its sentence."""
    film = bench.film()
    bench.edit(film.scene)
    bench.plex.modes.token_mode = "refused_401"
    bench.turn()
    bench.conn.execute("DELETE FROM ack_queue_default")
    bench.edit(999)
    with bench.worker() as worker:
        worker.drain()
    assert bench.job(999) == {}
    assert "401" in bench.status()["problem"]


@pytest.mark.parametrize("how", ["refused", "503_xml", "stall"])
def test_an_hour_with_a_thousand_edits(bench: Bench, how: str) -> None:
    """1,000 edits of 100 scenes in an hour's outage, no event after it: each scene is right, with one write each."""
    films = bench.films(100)
    if how == "refused":
        bench.plex.stop()
    else:
        fail(bench, how)
    asked = len(bench.plex.log)
    for number in range(1000):
        bench.edit(films[number * 37 % 100].scene, title=f"edit {number}")
        if number % 17 == 16:
            bench.live(60)
    assert bench.count("dead") == 0
    assert {bench.job(film.scene)["attempts"] for film in films} == {0}
    assert len(bench.plex.log) - asked <= 60 + 5  # the first five are what opens the breaker
    come_back(bench)
    bench.plex.clear_log()
    bench.live(601)
    assert bench.titles(films) == [bench.stash.scenes[film.scene].title for film in films]
    assert [bench.writes_of(film) for film in films] == [1] * 100
    assert (bench.count("pending"), bench.count("dead")) == (0, 0)


@pytest.mark.parametrize("kind", [pause.STASH, pause.LOCAL])
def test_another_pause_that_is_over_while_plex_is_unreachable(bench: Bench, kind: str) -> None:
    """It becomes Plex's pause again, or the idle worker would start the full one over and over until the next probe."""
    film = bench.film()
    bench.edit(film.scene)
    bench.plex.fault("503_xml")
    bench.live(100)
    asked = len(bench.plex.at)
    with closing(Meta.open(str(bench.folder))) as meta:
        meta.pause = pause.Pause(kind, bench.now - 1, "PlexSync is paused: something else.")
    assert bench.turn() is Next.IDLE
    current = bench.pause
    assert current is not None
    assert (current.kind, current.until, current.problem) == (pause.PLEX, bench.breaker.retry_at, "")
    assert (bench.breaker.is_open, len(bench.plex.at)) == (True, asked)
    bench.plex.clear_faults()
    bench.live(bench.breaker.retry_at - bench.now + 2)
    assert bench.titles([film]) == ["Film 1"]


class Visits:
    """Somebody who opens a page of Stash every ``every`` seconds while the background process waits."""

    def __init__(self, bench: Bench, every: float) -> None:
        self.times: list[float] = []
        self._bench, self._every, self._begin = bench, every, bench.now
        self._wait = bench._wait

    def wait(self, seconds: float) -> None:
        """Time passes, and pages are opened in it."""
        bench, end = self._bench, self._bench.now + seconds
        at = (self.times[-1] if self.times else self._begin) + self._every
        if at > end:
            self._wait(seconds)
            return
        self._wait(max(0.0, at - bench.now))
        self.times.append(bench.now)
        QueueMeta(bench.conn).request_wake()


@pytest.mark.parametrize("every", [1.0, 5.0, 20.0])
def test_using_stash_never_makes_the_next_look_later(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, every: float
) -> None:
    """Pages that are opened while Plex is away probe it, at most every few seconds, and the probes that come by
    themselves keep their times: 60 s after the beginning, then 120 s, 240 s ..."""
    film = bench.film()
    bench.edit(film.scene)
    bench.plex.fault("503_xml")
    bench.turn()
    opened = bench.breaker.opened_at or 0.0
    visits = Visits(bench, every)
    monkeypatch.setattr(bench, "_wait", visits.wait)
    bench.live(55)
    assert (bench.breaker.retry_at - opened, bench.breaker.reset) == (60, 60)
    bench.live(945)
    looks = [at for at in bench.plex.at if at > opened]
    assert len(visits.times) >= 1000 / every - 20
    assert 1000 / max(every, 4.5) - 20 <= len(looks) <= 1000 / max(every, 3.0) + 10
    assert bench.breaker.retry_at - opened == pytest.approx(1500, abs=5)
    assert bench.breaker.reset == 600
    bench.plex.clear_faults()
    bench.live(max(every, 3.0) + 1)
    assert bench.titles([film]) == ["Film 1"]


@pytest.mark.parametrize("minutes", [1, 9])
def test_a_corrected_address_is_noticed_within_seconds(bench: Bench, minutes: int) -> None:
    """While Plex is away by its address, the settings are looked at every few seconds for ten minutes, by nobody's
    hand: a corrected one is used within 5 s, and Plex at the wrong one is asked no more often for it."""
    film = bench.film()
    right = bench.stash.plugin_settings["plexUrl"]
    bench.edit(film.scene)
    bench.stash.configure(plexUrl="http://127.0.0.1:9")
    bench.live(60 * minutes)
    assert bench.title(film.item) != "Film 1"
    bench.stash.configure(plexUrl=right)
    bench.live(5)
    assert bench.titles([film]) == ["Film 1"]


def test_later_the_settings_are_looked_at_each_minute(bench: Bench) -> None:
    """From the eleventh minute on a look a minute is enough, and it costs Stash one request."""
    bench.edit(bench.film().scene)
    bench.stash.configure(plexUrl="http://127.0.0.1:9")
    bench.live(1000)
    before = len(bench.stash.log)
    bench.live(1800)
    assert len(bench.stash.log) - before <= 40
