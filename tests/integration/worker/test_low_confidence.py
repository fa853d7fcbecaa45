"""Several items match: nothing is written, and the scene is matched again automatically when that may help."""

from __future__ import annotations

import json

import pytest

from plexsync.queue import dead_letters
from tests.support.in_process import Bench, Film


def unsure(bench: Bench) -> Film:
    """Return a scene that is dead because only its file's name matches, and that of another file in Plex too."""
    film = bench.film(in_plex=False)
    item = bench.plex.add_item(1, file="/films/elsewhere/film1.mp4", size=5, duration_ms=1000)
    bench.edit(film.scene)
    bench.turn()
    assert bench.dead_letter(film.scene)[0] == "low_confidence"
    return Film(film.scene, item.rating_key)


def test_nothing_is_written_and_the_dead_letter_lists_the_candidates(bench: Bench) -> None:
    """The dead letter lists the candidates with the reason; item and breaker are unchanged."""
    film = unsure(bench)
    row = dead_letters.dead_letters(bench.conn)[0]
    assert [candidate["rating_key"] for candidate in json.loads(str(row[7]))] == [film.item]
    assert (row[4], bench.titles([film]), bench.plex.writes()) == (0, ["film1"], [])
    assert (bench.breaker.failures, bench.pause) == (0, None)
    assert len(bench.said("dead-lettered scene", f"scene={film.scene} ", "reason=low_confidence")) == 1


@pytest.mark.parametrize("another_edit", [True, False])
def test_the_right_file_that_is_scanned_later_is_written(bench: Bench, another_edit: bool) -> None:
    """When its file appears in Plex, the next refresh, at most an hour later, writes it without any button."""
    film = unsure(bench)
    bench.now += 100
    right = bench.arrives(film.scene)
    if another_edit:
        bench.edit(bench.film().scene)
    bench.live(2 if another_edit else 3700)
    assert bench.plex.items[right].title == "Film 1"
    assert bench.titles([film]) == ["film1"]
    assert bench.count("dead") == 0


def test_a_file_of_that_size_alone_makes_it_match_again(bench: Bench) -> None:
    """The file was renamed on its way to Plex: equal size and duration are worth another match."""
    film = unsure(bench)
    right = bench.arrives(film.scene, "/films/1/renamed.mp4")
    bench.edit(bench.film().scene)
    bench.live(2)
    assert bench.plex.items[right].title == "Film 1"


def test_files_of_other_names_do_not(bench: Bench) -> None:
    """A library that gains other files does not make PlexSync go through its dead letters again."""
    film = unsure(bench)
    before = bench.job(film.scene)
    for _ in range(3):
        bench.edit(bench.film().scene)
        bench.live(60)
    assert bench.job(film.scene) == before


def test_changed_settings_make_it_match_again(bench: Bench) -> None:
    """With matchLowConfidence switched on, the only candidate is written in the next round."""
    film = unsure(bench)
    bench.stash.configure(matchLowConfidence=True)
    bench.live(3700)
    assert bench.titles([film]) == ["Film 1"]
    assert bench.count("dead") == 0


def test_it_is_compared_once_per_refresh(bench: Bench) -> None:
    """A day without change: the dead letter stays as it is, and Plex is asked once an hour."""
    film = unsure(bench)
    bench.live(10)
    bench.log.lines.clear()
    bench.plex.at.clear()
    bench.live(6 * 3600 + 60)
    assert bench.said("gave up") == []
    assert len(bench.plex.at) <= 6 * 3
    assert bench.dead_letter(film.scene)[0] == "low_confidence"
