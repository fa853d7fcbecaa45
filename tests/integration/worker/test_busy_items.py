"""Five different items busy in a row: Plex as a whole counts as unreachable, whatever its probe says."""

from __future__ import annotations

from typing import Any

import pytest

from plexsync.state.breaker import Breaker
from tests.support.in_process import Bench, Film

#: Where a fault lets every probe and listing pass: on edits, and on the full items that are read before them.
WHERE: dict[str, dict[str, Any]] = {"edits": {"method": "PUT"}, "items": {"path": r"/library/metadata/"}}


@pytest.fixture
def bench(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> Bench:
    """A bench where an item's failure is retried after a minute."""
    monkeypatch.setenv("PLEXSYNC_RETRY_BASE", "60")
    return bench


def scenes(films: list[Film]) -> list[int]:
    """Return their ids in Stash."""
    return [film.scene for film in films]


def attempts(bench: Bench, films: list[Film]) -> list[int]:
    """Return how many attempts each has."""
    return [bench.job(film.scene)["attempts"] for film in films]


@pytest.mark.parametrize("where", WHERE)
def test_busy_everywhere_is_an_outage_although_the_probe_answers(bench: Bench, where: str) -> None:
    """An hour of 500 on all items costs no attempt and no dead letter; afterwards each is written once."""
    films = bench.films(7)
    bench.edit(*scenes(films))
    bench.plex.fault("500", **WHERE[where])
    bench.live(3600)
    assert bench.breaker.reset == 600
    assert attempts(bench, films) == [0] * 7
    assert bench.count("dead") == 0
    bench.plex.clear_faults()
    bench.live(700)
    assert [bench.writes_of(film) for film in films] == [1] * 7
    assert bench.titles(films) == [f"Film {number}" for number in range(1, 8)]
    assert bench.breaker == Breaker()


@pytest.mark.parametrize("where", WHERE)
def test_four_busy_items_are_four_busy_items(bench: Bench, where: str) -> None:
    """Each of them pays with an attempt, and Plex does not count as unreachable."""
    films = bench.films(4)
    bench.edit(*scenes(films))
    bench.plex.fault("504", **WHERE[where])
    bench.turn()
    assert attempts(bench, films) == [1] * 4
    assert not bench.breaker.is_open


@pytest.mark.parametrize("where", WHERE)
def test_edits_one_at_a_time_are_a_streak_too(bench: Bench, where: str) -> None:
    """Four that failed alone, one after the other, lost an attempt each; with the fifth they get it back."""
    films = bench.films(5)
    bench.plex.fault("504", **WHERE[where])
    with bench.worker() as worker:
        for number, film in enumerate(films, 1):
            bench.edit(film.scene)
            worker.drain()
            paid = [bench.job(film.scene)["attempts"] for film in films[:number]]
            assert paid == ([1] * number if number < 5 else [0] * 5)
        assert bench.breaker.is_open


def test_a_dead_letter_of_the_streak_is_retried(bench: Bench) -> None:
    """A scene whose last attempt turns out to be part of an outage is not dead-lettered."""
    bench.stash.configure(maxRetries=1)
    films = bench.films(5)
    bench.plex.fault("504", method="PUT")
    with bench.worker() as worker:
        for film in films[:4]:
            bench.edit(film.scene)
            worker.drain()
        assert bench.count("dead") == 4
        bench.edit(films[4].scene)
        worker.drain()
    assert (bench.count("dead"), bench.count("pending")) == (0, 5)
    bench.plex.clear_faults()
    bench.live(120)
    assert [bench.writes_of(film) for film in films] == [1] * 5


def test_another_dead_letter_stays_dead(bench: Bench) -> None:
    """What was dead before the streak began is not the outage's fault."""
    bench.stash.configure(maxRetries=1)
    films = bench.films(7)
    bench.plex.fault("504", method="PUT")
    with bench.worker() as worker:
        bench.edit(films[0].scene)
        worker.drain()
        bench.plex.clear_faults()
        bench.edit(films[1].scene)
        worker.drain()
        bench.plex.fault("504", method="PUT")
        bench.edit(*scenes(films[2:]))
        worker.drain()
    assert bench.breaker.is_open
    assert bench.dead_letter(films[0].scene)[0] == "retries_exhausted"
    assert bench.count("dead") == 1


def test_one_success_between_ends_the_streak(bench: Bench) -> None:
    """Eight bad items among good ones are eight bad items: they are retried, the good ones are written."""
    films = bench.films(9)
    bench.edit(*scenes(films))
    good = films[4]
    bench.plex.fault("504", method="PUT", query=rf"id=(?!{good.item}\b)")
    bench.turn()
    assert bench.titles([good]) == ["Film 5"]
    assert not bench.breaker.is_open
    assert attempts(bench, films[:4] + films[5:]) == [1] * 8


def test_reads_that_go_well_do_not_hide_that_no_write_does(bench: Bench) -> None:
    """Unchanged scenes between the failing ones prove that Plex can read, not that it can write."""
    films = bench.films(10)
    bench.edit(*scenes(films[:5]))
    bench.turn()
    bench.plex.fault("504", method="PUT")
    with bench.worker() as worker:
        for unchanged, changed in zip(films[:5], films[5:], strict=True):
            bench.edit(unchanged.scene)
            worker.drain()
            bench.edit(changed.scene)
            worker.drain()
    assert bench.breaker.is_open
