"""What the worker keeps for the page: items written, outages, and the names of scenes that have not arrived."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from typing import TypeVar

import pytest

from plexsync.queue import dead_letters
from plexsync.queue.meta import QueueMeta
from plexsync.state import pause
from plexsync.state.history import Entry, History, Name, Outage
from plexsync.state.ledger import State, open_state
from plexsync.tasks import overview
from tests.support.in_process import Bench, Film
from tests.support.queue_tools import change
from tests.support.writing_bench import JPEG

T = TypeVar("T")


def kept(bench: Bench, ask: Callable[[History], T]) -> T:
    """What the history has on disk."""
    with closing(open_state(str(bench.folder))) as conn:
        return ask(State(conn).history)


def recent(bench: Bench) -> list[Entry]:
    """The items written last."""
    return kept(bench, lambda history: history.recent(100))


def outages(bench: Bench) -> list[Outage]:
    """The outages, the newest first."""
    return kept(bench, History.outages)


def names(bench: Bench, *films: Film) -> list[Name | None]:
    """By what these scenes are named, None where the page needs no name."""
    known = kept(bench, lambda history: history.names([film.scene for film in films]))
    return [known.get(film.scene) for film in films]


def unsure(bench: Bench, **fields: str) -> Film:
    """A scene that is left for the user: only its file's name matches."""
    film = bench.film(in_plex=False, **fields)
    path = bench.stash.scenes[film.scene].files[0].path
    bench.plex.add_item(1, file=f"/elsewhere/{path.rpartition('/')[2]}", size=5, duration_ms=1000)
    bench.edit(film.scene)
    bench.turn()
    assert bench.dead_letter(film.scene)[0] == "low_confidence"
    return film


# -- items written


@pytest.mark.parametrize("append", [False, True], ids=["replaces", "appends"])
def test_each_item_written_leaves_a_row(bench: Bench, append: bool) -> None:
    """Fields by the names that people use, old and new value as Plex shows them, lists as one text.

    That holds whether Plex appends the tags of an edit or replaces with them.
    """
    bench.plex.modes.tags_append = append
    people = [bench.stash.add_performer("Ann"), bench.stash.add_performer("Bea")]
    film = bench.film("New", details="Words.", performers=people)
    bench.edit(film.scene)
    bench.turn()
    (entry,) = recent(bench)
    assert (entry.scene_id, entry.title, entry.rating_key, entry.kind) == (film.scene, "New", film.item, "sync")
    assert {field: (old, new) for field, old, new in entry.changes} == {
        "title": ("film1", "New"), "summary": ("", "Words."), "actors": ("", "Ann, Bea"),
    }  # fmt: skip
    assert entry.at == pytest.approx(bench.now, abs=1)
    assert entry.images == ()


def test_a_scene_without_a_difference_leaves_none(bench: Bench) -> None:
    """What was compared and found equal is no change, and costs no write of the history."""
    film = bench.film("New")
    bench.edit(film.scene)
    bench.turn()
    bench.hook(f"scene:{film.scene}")
    bench.turn()
    assert len(recent(bench)) == 1


def test_a_scene_without_a_title_has_its_files_name(bench: Bench) -> None:
    """A row always names its scene."""
    film = bench.film("x", details="Words.")
    bench.edit(film.scene, title="")
    bench.stash.change_scene(film.scene, title="")
    bench.turn()
    assert [entry.title for entry in recent(bench)] == ["film1.mp4"]


def test_images_are_named(bench: Bench) -> None:
    """An upload is told by what a person calls the image."""
    bench.stash.configure(skipPoster=False, skipBackground=False)
    film = bench.film("New", cover=JPEG)
    bench.edit(film.scene)
    bench.turn()
    (entry,) = recent(bench)
    assert entry.images == ("poster", "background")


def test_what_plex_refused_is_not_told_as_written(bench: Bench) -> None:
    """Of an edit that was taken in part, the row has the fields that arrived."""
    film = bench.film("New", details="Bad words.")
    bench.plex.modes.reject_values["summary"] = "Bad"
    bench.edit(film.scene)
    bench.turn()
    assert bench.dead_letter(film.scene)[0] == "rejected"
    assert [entry.changes for entry in recent(bench)] == [(("title", "film1", "New"),)]


def test_long_values_are_cut(bench: Bench) -> None:
    """500 rows of long summaries would make each refresh of the page slow."""
    film = bench.film(details="word " * 500)
    bench.edit(film.scene)
    bench.turn()
    summary = next(new for field, _, new in recent(bench)[0].changes if field == "summary")
    assert len(summary) == 300
    assert summary.endswith("...")


def test_a_dry_run_leaves_no_row(bench: Bench) -> None:
    """What would be written was not written."""
    bench.stash.configure(dryRun=True)
    film = bench.film("New")
    bench.edit(film.scene)
    bench.turn()
    assert recent(bench) == []
    assert names(bench, film) == [None]
    assert bench.pause is not None
    assert (bench.pause.kind, outages(bench)) == (pause.DRY, [])


# -- outages


def test_an_outage_of_plex_has_beginning_end_and_cause(bench: Bench) -> None:
    """It begins as the breaker opens, is one row however long it lasts, and ends as soon as an edit arrives."""
    films = bench.films(3)
    bench.edit(*[film.scene for film in films])
    bench.plex.stop()
    bench.live(3600)
    (outage,) = outages(bench)
    assert (outage.ended, outage.kind, outage.held) == (None, "plex", 3)
    assert outage.cause.startswith("Plex is unreachable (")
    bench.edit(*[bench.film().scene for _ in range(2)])
    bench.plex.start()
    bench.live(601)
    (outage,) = outages(bench)
    assert outage.ended is not None
    assert outage.began < bench.now - 4000 < outage.ended <= bench.now
    assert (outage.held, bench.count("pending")) == (5, 0)


def test_an_outage_survives_the_process(bench: Bench) -> None:
    """Left open by a process that died, it goes on with the next one, and ends with what that one can write."""
    film = bench.film("New")
    bench.edit(film.scene)
    bench.plex.stop()
    bench.turn()
    began = outages(bench)[0].began
    bench.now += 300
    bench.turn()
    bench.now += 300
    bench.plex.start()
    bench.turn()
    assert bench.title(film.item) == "New"
    assert [(outage.began, outage.ended is None) for outage in outages(bench)] == [(began, False)]


def test_nothing_left_to_do_ends_an_outage(bench: Bench) -> None:
    """If the queue was cleared meanwhile, Plex's next answer ends it all the same."""
    bench.edit(bench.film().scene)
    bench.plex.stop()
    bench.turn()
    dead_letters.clear_pending(bench.conn, bench.now)
    bench.plex.start()
    bench.live(700)
    assert (bench.pause, [outage.ended is None for outage in outages(bench)]) == (None, [False])


@pytest.mark.parametrize(
    ("wrong", "kind", "words"),
    [
        ({"plexToken": ""}, "setup", "No Plex token is set"),
        ({"plexToken": "wrong"}, "setup", "token"),
        ({"plexLibraries": "Nothing"}, "setup", "Nothing"),
    ],
)
def test_a_wrong_setup_is_an_outage(bench: Bench, wrong: dict[str, str], kind: str, words: str) -> None:
    """What breaks a setup that worked holds jobs too; the row has the sentence without "PlexSync is paused"."""
    bench.edit(bench.film("Earlier").scene)
    bench.live(30)  # Plex has been reached
    film = bench.film("New")
    bench.edit(film.scene)
    right = {name: bench.stash.plugin_settings.get(name, "") for name in wrong}
    bench.stash.configure(**wrong)
    bench.turn()
    (outage,) = outages(bench)
    assert (outage.kind, outage.ended, outage.held) == (kind, None, 1)
    assert words in outage.cause
    assert "paused" not in outage.cause
    bench.stash.configure(**right)
    bench.live(30)
    assert bench.title(film.item) == "New"
    assert [outage.ended is None for outage in outages(bench)] == [False]


def test_an_outage_of_stash(bench: Bench) -> None:
    """It ends when Stash answers again, whatever Plex does."""
    film = bench.film("New")
    bench.edit(film.scene)
    bench.stash.stop()
    bench.turn()
    (outage,) = outages(bench)
    assert (outage.kind, outage.ended) == ("stash", None)
    assert outage.cause.startswith("Stash is unreachable")
    bench.stash.start()
    bench.connect()
    bench.live(700)
    assert bench.title(film.item) == "New"
    assert [outage.ended is None for outage in outages(bench)] == [False]


# -- scenes that have not arrived


def test_a_scene_that_waits_for_its_file_is_named_until_it_arrives(bench: Bench) -> None:
    """Title and path are kept while Plex does not have the file, and gone with its arrival."""
    film = bench.film("Waits", in_plex=False)
    bench.edit(film.scene)
    bench.turn()
    assert names(bench, film) == [Name("Waits", "/films/1/film1.mp4")]
    bench.edit(film.scene, title="Renamed")
    bench.turn()
    assert names(bench, film) == [Name("Renamed", "/films/1/film1.mp4")]
    item = bench.arrives(film.scene)
    bench.live(120)
    assert (bench.title(item), names(bench, film)) == ("Renamed", [None])


def test_a_dead_letter_is_named(bench: Bench) -> None:
    """The page can say which scene needs the user, until that is settled."""
    film = unsure(bench, title="Doubtful")
    said = overview.overview(str(bench.folder), {})
    assert [(row["scene_id"], row["title"], row["path"]) for row in said["dead"]] == [
        (film.scene, "Doubtful", "/films/1/film1.mp4")
    ]
    bench.arrives(film.scene)
    bench.edit(film.scene)
    bench.turn()
    assert names(bench, film) == [None]


def test_a_scene_that_is_gone_has_no_name(bench: Bench) -> None:
    """A scene that was deleted in Stash leaves the page."""
    film = unsure(bench)
    assert names(bench, film) != [None]
    bench.stash.destroy_scene(film.scene, hook=False)
    bench.hook(f"scene:{film.scene}")
    bench.turn()
    assert names(bench, film) == [None]


def test_a_retried_scene_is_named(bench: Bench) -> None:
    """While an item's own failure is retried, the page can say which scene it is; the others need no name."""
    films = bench.films(3)
    bench.edit(*[film.scene for film in films])
    bench.plex.fault("500", method="PUT", query=rf"\bid={films[1].item}&")
    bench.turn()
    assert names(bench, *films) == [None, Name("Film 2", "/films/2/film2.mp4"), None]
    bench.plex.clear_faults()
    bench.live(700)
    assert names(bench, *films) == [None] * 3


def test_a_scene_that_breaks_plexsync_is_named(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """A bug of ours ends the batch: the scene that meets it is named once it is alone."""
    films = bench.films(2)
    bench.edit(*[film.scene for film in films])
    bench.turn()
    with closing(open_state(str(bench.folder))) as conn:
        conn.execute("""UPDATE written SET record = '{"ours": 5}' WHERE rating_key = ?""", (films[1].item,))
    for film in films:
        bench.edit(film.scene, title="New")
    bench.turn()
    assert names(bench, *films) == [None, Name("New", "/films/2/film2.mp4")]


def test_a_scene_that_may_kill_the_worker_is_named_before(bench: Bench) -> None:
    """A job that a dead worker left is alone in its batch, and named before anything else is done with it."""
    film = bench.film("Deadly")
    bench.edit(film.scene)
    change(bench.conn, f"scene:{film.scene}", rescues=3)
    bench.plex.stop()
    bench.turn()
    assert names(bench, film) == [Name("Deadly", "/films/1/film1.mp4")]


def test_names_without_a_job_are_forgotten(bench: Bench) -> None:
    """Whatever removed a job, at the latest the next catch-up removes its name."""
    left = unsure(bench)
    with closing(open_state(str(bench.folder))) as conn:
        State(conn).see([], {999: Name("Dropped by Stop", "")})
    QueueMeta(bench.conn).caught_up_at = 1
    bench.turn()
    assert names(bench, left, Film(999, 0)) == [Name("Film 1", "/films/1/film1.mp4"), None]


# -- what the page says of a first contact


def test_a_worker_that_never_reached_plex_connects_once(bench: Bench) -> None:
    """Address and token are saved already, as after version 0.1: the page need not ask for them."""
    assert overview.badge(str(bench.folder))["health"]["state"] == "setup"
    QueueMeta(bench.conn).caught_up_at = 1
    bench.turn()
    assert overview.badge(str(bench.folder))["health"]["state"] == "ok"
    assert overview.overview(str(bench.folder), {})["web"].startswith(f"{bench.plex.url}/web/index.html#!/server/")
    before = len(bench.plex.log)
    QueueMeta(bench.conn).caught_up_at = 1
    bench.turn()
    assert len(bench.plex.log) == before


def test_a_wrong_token_is_the_setup_and_a_wrong_library_is_a_problem(bench: Bench) -> None:
    """Once Plex was reached, the checklist comes back only where address or token have to be corrected."""
    bench.written(f"scene:{bench.film().scene}")
    states = []
    for wrong in ({"plexLibraries": "Nothing"}, {"plexLibraries": "", "plexToken": "wrong"}):
        bench.stash.configure(**wrong)
        bench.edit(bench.film().scene)
        bench.turn()
        states.append(overview.badge(str(bench.folder))["health"]["state"])
    assert states == ["problem", "setup"]
