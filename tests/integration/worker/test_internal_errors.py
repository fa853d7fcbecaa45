"""One scene's data break PlexSync or Stash: only that scene pays, and the log says where it happened."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from plexsync.core import enqueue, environment
from tests.support.in_process import Bench, Film


@pytest.fixture
def bench(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> Bench:
    """A bench where a failure is retried after a minute, three attempts in all."""
    monkeypatch.setenv("PLEXSYNC_RETRY_BASE", "60")
    bench.stash.configure(maxRetries=3)
    return bench


def break_record(bench: Bench, film: Film) -> None:
    """Store something in ``state.db`` that our code does not expect."""
    conn = sqlite3.connect(Path(bench.folder, environment.STATE_DB), isolation_level=None)
    changed = conn.execute("""UPDATE written SET record = '{"ours": 5}' WHERE rating_key = ?""", (film.item,))
    assert changed.rowcount == 1
    conn.close()


def test_a_bug_of_ours_costs_the_scene_that_meets_it_an_attempt(bench: Bench) -> None:
    """The others of the batch are done in the same round; the log says what failed, and where in our code."""
    films = bench.films(5)
    bench.edit(*[film.scene for film in films])
    bench.turn()
    break_record(bench, films[1])
    bench.log.lines.clear()
    for film in films:
        bench.edit(film.scene, title=f"New {film.scene}")
    bench.turn()
    rest = [film for film in films if film != films[1]]
    assert bench.titles(rest) == [f"New {film.scene}" for film in rest]
    assert [bench.writes_of(film) for film in rest] == [2] * 4
    row = bench.job(films[1].scene)
    assert (row["status"], row["attempts"]) == (1, 1)
    assert bench.said("failed: internal error", f"job=scene:{films[1].scene} ", "kind=AttributeError")
    assert bench.said("traced file=ledger.py", "in=_record")
    assert bench.titles([films[1]]) == ["Film 2"]


def test_a_bug_of_ours_ends_in_a_dead_letter(bench: Bench) -> None:
    """After ``maxRetries`` the scene is dead, with a sentence that names it; nothing else is delayed."""
    films = bench.films(2)
    bench.edit(*[film.scene for film in films])
    bench.turn()
    break_record(bench, films[0])
    bench.edit(*[film.scene for film in films])
    bench.live(400)
    reason, message = bench.dead_letter(films[0].scene)
    assert reason == "retries_exhausted"
    assert f"scene:{films[0].scene}" in message
    assert len(bench.said("failed: internal error")) == 3
    assert (bench.count("pending"), bench.count("dead")) == (0, 1)
    assert (bench.pause, bench.status()["problem"]) == (None, None)


def test_a_scene_that_stash_cannot_return_fails_alone(bench: Bench) -> None:
    """Stash fails whole answers for one broken row: the batch continues without it, and nothing pauses."""
    films = bench.films(4)
    bench.edit(*[film.scene for film in films])
    bench.stash.broken.add(films[2].scene)
    bench.turn()
    rest = [film for film in films if film != films[2]]
    assert [bench.writes_of(film) for film in rest] == [1] * 3
    assert bench.job(films[2].scene)["attempts"] == 1
    assert (bench.pause, bench.breaker.failures) == (None, 0)
    bench.live(400)
    reason, message = bench.dead_letter(films[2].scene)
    assert reason == "retries_exhausted"
    assert str(films[2].scene) in message


def test_a_batch_of_one_that_stash_cannot_return_is_no_outage_either(bench: Bench) -> None:
    """If every requested scene fails but the settings come, Stash is reachable and the scene pays."""
    film = bench.film()
    bench.edit(film.scene)
    bench.stash.broken.add(film.scene)
    bench.turn()
    assert bench.job(film.scene)["attempts"] == 1
    assert bench.pause is None
    bench.stash.broken.clear()
    bench.live(61)
    assert bench.titles([film]) == ["Film 1"]


def test_a_stash_that_refuses_everything_is_away(bench: Bench) -> None:
    """A Stash that is not set up fails for its settings too: then no scene pays."""
    film = bench.film()
    bench.edit(film.scene)
    before = bench.job(film.scene)
    bench.stash.modes.setup_needed = True
    bench.live(600)
    assert bench.job(film.scene) == before
    current = bench.pause
    assert current is not None
    assert current.kind == "stash"


def test_a_refused_question_about_twins_costs_only_that_scene(bench: Bench) -> None:
    """Only the scene whose twin has a row that Stash cannot read loses an attempt."""
    alone = bench.film()
    moved = bench.film(in_plex=False)
    bench.arrives(moved.scene, "/elsewhere/film2.mp4")
    bench.edit(alone.scene, moved.scene)
    bench.stash.fault("setup_needed", operation="MATCHES_REGEX|scenes: SceneFilterType, |path size duration } } } }")
    bench.turn()
    assert bench.titles([alone]) == ["Film 1"]
    assert bench.job(moved.scene)["attempts"] == 1
    assert bench.pause is None


@pytest.mark.parametrize("kind", ["performer", "studio", "tag"])
def test_a_rename_that_stash_cannot_answer_fails_alone(bench: Bench, kind: str) -> None:
    """A performer, studio or tag for which Stash fails pays alone; other scenes are written."""
    film = bench.film()
    bench.edit(film.scene)
    enqueue.enqueue(bench.conn, f"{kind}:5", "rename", bench.now, bench.now)
    bench.stash.fault("setup_needed", operation=f"find{kind.capitalize()}\\(")
    bench.turn()
    assert bench.titles([film]) == ["Film 1"]
    assert bench.conn.execute("SELECT attempts FROM ack_queue_default WHERE key = ?", (f"{kind}:5",)).fetchone() == (1,)
    assert bench.said(f"retrying {kind}", f"{kind}=5 ")
    assert bench.pause is None


def test_a_scene_that_stash_no_longer_has_ends_its_job(bench: Bench) -> None:
    """Gone is done: no dead letter, Plex as it is, and its item is released."""
    films = bench.films(2)
    bench.edit(*[film.scene for film in films])
    bench.turn()
    del bench.stash.scenes[films[0].scene]
    bench.edit(films[0].scene)
    bench.turn()
    assert bench.job(films[0].scene) == {}
    assert bench.titles(films) == ["Film 1", "Film 2"]
    assert bench.said("dropped scene", f"scene={films[0].scene}")
