"""What fails for one item alone: it pays for itself, is retried, and never delays the others."""

from __future__ import annotations

import dataclasses

import pytest

from plexsync.state import pause
from plexsync.state.ledger import State, open_state
from tests.support.in_process import Bench, Film

#: Seconds of an item's first pause in these tests.
BASE = 60.0


@pytest.fixture
def bench(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> Bench:
    """A bench where an item's failure is retried after a minute."""
    monkeypatch.setenv("PLEXSYNC_RETRY_BASE", str(BASE))
    return bench


def edit(bench: Bench, films: list[Film]) -> None:
    """Edit all of them."""
    bench.edit(*[film.scene for film in films])


def of(film: Film, more: str = "") -> str:
    """Return a pattern for the edits of its item that contain ``more``."""
    return rf"\bid={film.item}&.*{more}"


@pytest.mark.parametrize("kind", ["500", "400", "409"])
def test_a_field_that_plex_will_not_take_is_named_and_the_others_are_written(bench: Bench, kind: str) -> None:
    """For a 400, or a 500 again and again: field by field, accepted ones count, the dead letter names the rejected."""
    films = bench.films(3, details="Words.", date="2020-02-02")
    edit(bench, films)
    bench.plex.fault(kind, method="PUT", query=of(films[1], "summary"))
    bench.live(3600)
    assert bench.dead_letter(films[1].scene)[0] == "rejected"
    message = bench.dead_letter(films[1].scene)[1]
    assert "summary" in message
    assert not any(word in message for word in ("title", "originallyAvailableAt"))
    item = bench.plex.items[films[1].item]
    assert (item.title, item.date, item.summary) == ("Film 2", "2020-02-02", "")
    assert [bench.plex.items[film.item].summary for film in (films[0], films[2])] == ["Words."] * 2
    assert len(bench.said("dead-lettered scene", f"scene={films[1].scene} ")) == 1
    assert bench.count("pending") == 0


def test_a_refused_edit_is_asked_for_again_when_the_scene_is_edited(bench: Bench) -> None:
    """The next edit revives the dead letter, which ends when Plex accepts it."""
    film = bench.film(details="Bad words.")
    bench.plex.modes.reject_values["summary"] = "Bad"
    bench.edit(film.scene)
    bench.turn()
    assert bench.dead_letter(film.scene)[0] == "rejected"
    bench.edit(film.scene, details="Good words.")
    bench.turn()
    assert (bench.plex.items[film.item].summary, bench.job(film.scene)) == ("Good words.", {})


def test_a_request_line_that_is_too_long_is_split_and_shortened(bench: Bench) -> None:
    """Behind a proxy that takes short lines all arrives: tags in one request, the summary cut, with one warning."""
    tags = [bench.stash.add_tag(f"tag {number:02}") for number in range(10)]
    films = bench.films(2)
    bench.edit(films[0].scene, details="word " * 400, tags=tags)
    bench.edit(films[1].scene)
    bench.plex.modes.max_request_line = 1200
    bench.live(600)
    item = bench.plex.items[films[0].item]
    assert (item.title, sorted(item.genres)) == ("Film 1", [f"tag {number:02}" for number in range(10)])
    assert item.summary
    assert ("word " * 400).startswith(item.summary.rstrip("\u2026 ."))
    assert bench.titles(films[1:]) == ["Film 2"]
    assert bench.count("dead") == bench.count("pending") == 0
    assert len(bench.said("shortened", f"scene={films[0].scene} ")) == 1


@pytest.mark.parametrize(("kind", "base", "wait"), [("429", "0", 1.0), ("408", "0", 0.0), ("429", "60", 60.0)])
def test_the_pause_that_plex_asks_for_is_kept(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, kind: str, base: str, wait: float
) -> None:
    """A Retry-After is the shortest delay; without one the usual delay applies. No attempt either way."""
    monkeypatch.setenv("PLEXSYNC_RETRY_BASE", base)
    film = bench.film()
    bench.edit(film.scene)
    bench.plex.fault(kind, count=1, method="PUT")
    put_back: list[float] = []
    bench.plex.before_write = lambda _: put_back.append(bench.now)
    bench.live(100)
    assert bench.titles([film]) == ["Film 1"]
    assert wait <= put_back[0] - bench.plex.at[0] <= wait + 1.1
    assert len(bench.plex.writes()) == 2
    assert bench.said("retrying scene", "attempt") == []


def test_an_item_that_never_works_is_given_up_after_max_retries(bench: Bench) -> None:
    """It is tried ``maxRetries`` times, each delay twice the last one, then dead; the others are done at once."""
    bench.stash.configure(maxRetries=4)
    films = bench.films(4)
    edit(bench, films)
    bench.plex.fault("504", method="PUT", query=of(films[2]))
    bench.turn()
    assert bench.titles([films[0], films[1], films[3]]) == ["Film 1", "Film 2", "Film 4"]
    dues = []
    while bench.count("pending"):
        dues.append(bench.job(films[2].scene)["due"] - bench.now)
        bench.now += dues[-1]
        bench.turn()
    assert [round(due) for due in dues] == [60, 120, 240]
    tries = [request for request in bench.plex.writes() if request.param("id") == str(films[2].item)]
    assert len(tries) == 4
    reason, message = bench.dead_letter(films[2].scene)
    assert reason == "retries_exhausted"
    assert "504" in message
    assert "Process DLQ" in message
    assert not bench.breaker.is_open


@pytest.mark.parametrize("where", ["edit", "item"])
def test_of_a_batch_the_culprit_alone_pays(bench: Bench, where: str) -> None:
    """Nine scenes are written once, with no attempt; the tenth has one attempt and a later due time."""
    films = bench.films(10)
    edit(bench, films)
    bad = films[4]
    if where == "edit":
        bench.plex.fault("504", method="PUT", query=of(bad))
    else:
        bench.plex.fault("504", path=rf"/library/metadata/.*\b{bad.item}\b")
    bench.turn()
    rest = [film for film in films if film != bad]
    assert [bench.writes_of(film) for film in rest] == [1] * 9
    assert all(bench.job(film.scene) == {} for film in rest)
    row = bench.job(bad.scene)
    assert (row["status"], row["attempts"]) == (1, 1)
    assert row["due"] == pytest.approx(bench.now + BASE, abs=2)
    assert bench.status()["totals"]["synced"] == 9
    bench.plex.clear_faults()
    bench.live(BASE + 2)
    assert bench.writes_of(bad) == 1


def rewrite(bench: Bench, film: Film, **part: object) -> None:
    """Give the item another file without moving any of Plex's times."""
    item = bench.plex.items[film.item]
    item.parts = [dataclasses.replace(item.parts[0], **part)]  # type: ignore[arg-type]


def test_an_item_that_holds_another_file_now_is_left_alone(bench: Bench) -> None:
    """The known item is forgotten, nothing is written to it, and the file's new item is found."""
    film = bench.film()
    bench.edit(film.scene)
    bench.turn()
    rewrite(bench, film, file="/films/9/stranger.mp4", size=77, duration_ms=5000)
    before = bench.plex.items[film.item].visible()
    bench.edit(film.scene, title="Second")
    bench.turn()
    assert bench.plex.items[film.item].visible() == before
    assert bench.job(film.scene)["waiting"] is not None
    new = bench.arrives(film.scene)
    bench.live(120)
    assert bench.plex.items[new].title == "Second"
    assert bench.plex.items[film.item].visible() == before


def test_an_item_that_is_gone_is_forgotten_and_its_file_matched_again(bench: Bench) -> None:
    """Plex gave the file another rating key while the worker ran: the edit arrives there, the old record goes."""
    films = bench.films(2)
    with bench.worker() as worker:
        edit(bench, films)
        worker.drain()
        new = bench.plex.rekey(films[0].item).rating_key
        bench.edit(films[0].scene, title="Second")
        bench.edit(films[1].scene, title="Third")
        worker.drain()
    assert bench.plex.items[new].title == "Second"
    assert bench.titles(films[1:]) == ["Third"]
    assert bench.count("pending") == bench.count("dead") == 0
    db = State(open_state(str(bench.folder)))
    assert set(db.records(bench.plex.machine, [films[0].item, new])) == {new}
    db.conn.close()


def test_a_404_of_an_edit_is_looked_into(bench: Bench) -> None:
    """If Plex has the item all the same, its edit is tried again, and nothing is forgotten."""
    film = bench.film()
    bench.edit(film.scene)
    bench.plex.fault("404", method="PUT", count=1)
    bench.live(BASE + 5)
    assert [request.status for request in bench.plex.writes()] == [404, 200, 200]  # one asks if Plex takes edits
    assert bench.titles([film]) == ["Film 1"]
    assert bench.said("retrying scene", f"scene={film.scene} ", "404")
    assert bench.job(film.scene) == {}


def test_a_plex_that_drops_an_edit_in_silence_is_found_out(bench: Bench) -> None:
    """Accepted but not kept is no success: it is retried, and dead-lettered in the end."""
    bench.stash.configure(maxRetries=2)
    film = bench.film()
    bench.edit(film.scene)
    bench.plex.modes.drop_updates = True
    bench.turn()
    assert bench.job(film.scene)["attempts"] == 1
    bench.live(BASE + 5)
    reason, message = bench.dead_letter(film.scene)
    assert reason == "retries_exhausted"
    assert "title" in message


def test_an_item_error_is_no_pause(bench: Bench) -> None:
    """Errors of items neither pause syncing nor put a problem before the user."""
    films = bench.films(3)
    edit(bench, films)
    bench.plex.fault("400", method="PUT", query=of(films[0]))
    bench.plex.fault("504", method="PUT", query=of(films[1]))
    bench.turn()
    assert isinstance(bench.pause, pause.Pause) is False
    assert bench.status()["problem"] is None
