"""Work never wakes itself: whatever Plex answers, a budget of requests holds over simulated hours."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from plexsync.plex.index import PAUSE, SOONER
from tests.support.in_process import HOUR, Bench

#: Looks that a waiting scene makes in six hours: after 30 s, then doubling to an hour.
WAITING_LOOKS = 14
#: Requests of one look: connection, libraries, two deltas and a full listing, of two pages each.
OF_A_LOOK = 8


def mode(**values: object) -> Callable[[Bench], None]:
    """Set modes of Plex."""

    def apply(bench: Bench) -> None:
        for name, value in values.items():
            assert hasattr(bench.plex.modes, name)
            setattr(bench.plex.modes, name, value)

    return apply


def fault(kind: str, path: str) -> Callable[[Bench], None]:
    """Spoil all such requests."""
    return lambda bench: bench.plex.fault(kind, path=path)


def restless(bench: Bench) -> None:
    """Let the library's clocks move all the time."""
    bench.plex.after_write = None
    clock = bench.clock

    def moving() -> float:
        for section in bench.plex.sections.values():
            section.content_changed_at += 1
        return clock()

    bench.plex.clock = moving


ODD: dict[str, Callable[[Bench], None]] = {
    "nothing odd": mode(),
    "total too high": mode(total_off=1),
    "total far too high": mode(total_off=500),
    "total too low": mode(total_off=-1),
    "no total": mode(total_size=False),
    "first page only": mode(first_page_only=True),
    "first page only, small pages": mode(first_page_only=True, fewer_rows=2),
    "small pages": mode(fewer_rows=4, total_off=1),
    "no updatedAt": mode(hide_updated_at=True),
    "filters ignored": mode(ignore_filters=True),
    "filters ignored, total too high": mode(ignore_filters=True, total_off=1),
    "rows missing": mode(lose_rows=3),
    "no marks": mode(marked=False),
    "a 404 for lists": mode(list_404=True),
    "empty listings": fault("empty_container", "/all$"),
    "clocks that never rest": restless,
}


@pytest.mark.parametrize("odd", ODD.values(), ids=list(ODD))
@pytest.mark.parametrize("from_the_start", [True, False], ids=["from the start", "later"])
def test_an_odd_plex_is_asked_no_more_than_another(
    bench: Bench, odd: Callable[[Bench], None], from_the_start: bool
) -> None:
    """Three scenes wait for files, in batches of their own: one look at the library in 30 s at most, few in all."""
    films = bench.films(5)
    waiting = bench.films(3, in_plex=False)
    if from_the_start:
        odd(bench)
    bench.edit(*[film.scene for film in films])
    bench.live(40)
    if not from_the_start:
        odd(bench)
    bench.plex.at.clear()
    bench.plex.clear_log()
    for film in waiting:
        bench.edit(film.scene)
        bench.live(7)
    bench.live(6 * HOUR)
    looks = sorted({
        at
        for at, request in zip(bench.plex.at, bench.plex.log, strict=True)
        if request.path.endswith("/all") and request.param("sort") == "id"
    })  # fmt: skip
    sooner = SOONER if odd is restless else 0
    assert all(late - early >= PAUSE - 1 for early, late in zip(looks, looks[1 + sooner :], strict=False))
    assert len(bench.plex.log) <= len(waiting) * WAITING_LOOKS * OF_A_LOOK
    wanted = {film.item: f"Film {number}" for number, film in enumerate(films, 1)}
    assert all(bench.title(film.item) == wanted[film.item] for film in films if not bench.job(film.scene))
    assert all(bench.job(film.scene)["waiting"] for film in waiting)


def test_an_idle_worker_asks_once_an_hour(bench: Bench) -> None:
    """With nothing to do, twenty hours cost Plex one request an hour and process."""
    bench.edit(*[film.scene for film in bench.films(5)])
    bench.live(2 * HOUR)
    bench.plex.clear_log()
    bench.live(20 * HOUR)
    assert {request.path for request in bench.plex.log} == {"/", "/library/sections"}
    assert len(bench.plex.log) <= 2 * 21
