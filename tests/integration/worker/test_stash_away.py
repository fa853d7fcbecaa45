"""Stash is unreachable, or rejects the background worker: edits stay, and continue when it is back."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from plexsync.state import pause
from plexsync.state.breaker import Breaker
from tests.servers.stash import StashServer
from tests.support.in_process import LATE, SOON, Bench


class Absence(NamedTuple):
    """How Stash goes away and comes back; ``refused``: it answers, but rejects the worker's login."""

    name: str
    begin: Callable[[Bench], object]
    end: Callable[[Bench], object]
    refused: bool = False


def by_mode(mode: str, *, refused: bool = False) -> Absence:
    """Every request fails this way."""

    def begin(bench: Bench) -> None:
        bench.give_up_after(SOON if mode == "hang" else LATE)
        setattr(bench.stash.modes, mode, True)

    def end(bench: Bench) -> None:
        bench.give_up_after(LATE)
        setattr(bench.stash.modes, mode, False)
        bench.stash.release()

    return Absence(mode, begin, end, refused)


def sign_in(bench: Bench) -> None:
    """Make Stash ask for a login, and the worker's cookie worthless."""
    bench.stash.credentials = ("user", "secret")
    bench.stash.expire_sessions()


ABSENCES = (
    Absence("stopped", lambda bench: bench.stash.stop(), lambda bench: bench.stash.start()),
    *map(by_mode, ("hang", "status_500", "html", "setup_needed")),
    Absence(
        "locked",
        lambda bench: setattr(bench.stash.modes, "locked_database", 10**9),
        lambda bench: setattr(bench.stash.modes, "locked_database", 0),
    ),
    by_mode("redirect", refused=True),
    Absence("refused", sign_in, lambda bench: setattr(bench.stash, "credentials", None), refused=True),
)


@pytest.mark.parametrize("absence", ABSENCES, ids=lambda absence: absence.name)
def test_edits_stay_while_stash_is_away(bench: Bench, absence: Absence) -> None:
    """After an hour the rows are unchanged and Plex was not touched; then each scene is written once."""
    films = bench.films(3)
    bench.edit(*[film.scene for film in films])
    before = [bench.job(film.scene) for film in films]
    absence.begin(bench)
    bench.live(3600)
    assert [bench.job(film.scene) for film in films] == before
    assert (bench.plex.writes(), bench.breaker) == ([], Breaker())
    current = bench.pause
    assert current is not None
    assert current.kind == pause.STASH
    assert bool(bench.status()["problem"]) is absence.refused
    absence.end(bench)
    bench.live(601)
    assert bench.titles(films) == ["Film 1", "Film 2", "Film 3"]
    assert [bench.writes_of(film) for film in films] == [1, 1, 1]
    assert (bench.pause, bench.status()["problem"]) == (None, None)


def test_stash_is_left_in_peace_while_it_is_away(bench: Bench) -> None:
    """Probes come after a minute, then two, four, eight, and every ten."""
    bench.edit(bench.film().scene)
    bench.stash.modes.status_500 = True
    bench.turn()
    before = len(bench.stash.log)
    bench.live(3600)
    assert 6 <= len(bench.stash.log) - before <= 9


def test_a_refusal_says_what_to_do(bench: Bench) -> None:
    """The sentence says that saving any scene renews the login, and how to make it last."""
    bench.edit(bench.film().scene)
    sign_in(bench)
    bench.live(600)
    problem = bench.status()["problem"]
    assert problem.startswith("PlexSync is paused: Stash rejects the background worker's login.")
    assert "Save any scene" in problem
    assert "API key" in problem
    assert [line for level, line in bench.log.lines if level == "error"] == [problem.removeprefix("PlexSync is ")]


def test_the_next_hook_lets_the_worker_in_again(bench: Bench) -> None:
    """An edit brings a fresh cookie, and everything that waited is sent at once."""
    films = bench.films(2)
    bench.edit(films[0].scene)
    sign_in(bench)
    bench.live(600)
    bench.connect()
    bench.edit(films[1].scene)
    bench.live(2)
    assert bench.titles(films) == ["Film 1", "Film 2"]
    assert bench.status()["problem"] is None


def test_the_newest_connection_is_used(bench: Bench, tmp_path: Path) -> None:
    """When Stash moves to another port, the next hook says so, and the worker follows without a restart."""
    film = bench.film()
    with bench.worker() as worker, StashServer(tmp_path / "other") as moved:
        bench.edit(film.scene)
        worker.drain()
        bench.stash.stop()
        moved.now, moved.plugin_settings = bench.stash.now, bench.stash.plugin_settings
        moved.store.scenes = bench.stash.store.scenes
        moved.change_scene(film.scene, title="After the move")
        bench.connect(port=moved.port)
        bench.edit(film.scene)
        worker.drain()
        assert bench.titles([film]) == ["After the move"]
        assert moved.count("findScenes") >= 1


def test_a_cookie_that_grew_old_is_followed_by_the_api_key(bench: Bench) -> None:
    """Read while the cookie is valid, the API key keeps letting the worker in; no file holds it."""
    bench.stash.credentials, bench.stash.api_key = ("user", "secret"), "key-of-stash-0123456789"
    bench.connect()
    films = bench.films(2)
    bench.edit(films[0].scene)
    bench.live(5)
    bench.stash.expire_sessions()
    bench.edit(films[1].scene)
    bench.live(5)
    assert bench.titles(films) == ["Film 1", "Film 2"]
    assert all(b"key-of-stash" not in path.read_bytes() for path in Path(bench.folder).iterdir() if path.is_file())


def test_a_stale_api_key_gives_way_to_the_cookie(bench: Bench) -> None:
    """A key that Stash has replaced is dropped, the cookie used, and the new key read: no pause, no attempt."""
    bench.stash.credentials, bench.stash.api_key = ("user", "secret"), "key-of-stash-0123456789"
    bench.connect()
    bench.api_key = "an-older-key-9876543210"
    film = bench.film()
    bench.edit(film.scene)
    bench.turn()
    assert (bench.titles([film]), bench.api_key) == (["Film 1"], "key-of-stash-0123456789")
    assert bench.pause is None
    assert bench.said("using the session cookie")
    assert bench.said("older-key") == []


def test_covers_that_stash_does_not_send_concern_their_scenes_alone(bench: Bench) -> None:
    """The fields are written; the scene without a cover is retried until Stash sends it."""
    bench.stash.configure(skipPoster=False)
    films = [bench.film(cover=b"\xff\xd8\xff\xe0 cover"), bench.film()]
    bench.edit(*[film.scene for film in films])
    bench.stash.fault("status_500", operation="/screenshot")
    bench.turn()
    assert bench.titles(films) == ["Film 1", "Film 2"]
    assert bench.job(films[0].scene)["attempts"] >= 1
    assert bench.plex.uploads() == []
    bench.stash.faults.clear()
    bench.live(400)
    assert len(bench.plex.uploads()) == 1
    assert bench.count("pending") == 0


def test_expansion_waits_for_stash(bench: Bench) -> None:
    """A renamed performer whose scenes cannot be asked for stays queued, and reaches them when Stash is back."""
    from plexsync.core import enqueue

    person = bench.stash.add_performer("Ada")
    film = bench.film(performers=[person])
    bench.edit(film.scene)
    bench.turn()
    bench.stash.performers[person].name = "Ada Lovelace"
    enqueue.enqueue(bench.conn, f"performer:{person}", "Performer.Update.Post", bench.now, bench.now)
    bench.stash.stop()
    bench.live(600)
    assert bench.count("pending") == 1
    bench.stash.start()
    bench.live(601)
    assert bench.plex.items[film.item].actors == ["Ada Lovelace"]


def test_a_stash_that_does_not_know_a_field_is_nobodys_fault(bench: Bench) -> None:
    """An older or newer Stash rejects the query as such: everything pauses with a sentence, and no job pays."""
    films = bench.films(2)
    bench.edit(*[film.scene for film in films])
    before = [bench.job(film.scene) for film in films]
    known = dict(bench.stash._api.types["Scene"].fields)
    bench.stash.forget("Scene", "urls")
    bench.live(3600)
    assert [bench.job(film.scene) for film in films] == before
    assert "urls" in bench.status()["problem"]
    assert "does not support this version of Stash" in bench.status()["problem"]
    bench.stash._api.types["Scene"].fields.update(known)
    bench.live(601)
    assert bench.titles(films) == ["Film 1", "Film 2"]


def test_an_unreachable_stash_is_logged_once(bench: Bench) -> None:
    """The log says in one line that Stash does not answer, however long it lasts."""
    bench.edit(bench.film().scene)
    bench.stash.stop()
    bench.live(3600)
    assert len(bench.said("paused: Stash is unreachable")) == 1
    bench.stash.start()
