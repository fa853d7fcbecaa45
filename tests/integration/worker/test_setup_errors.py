"""Something that the user must fix: all pauses with one sentence, nothing is lost, and the fix needs no button."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from plexsync.model.settings import display_name
from plexsync.queue.meta import QueueMeta
from plexsync.state import pause
from plexsync.state.breaker import Breaker
from plexsync.state.ledger import open_state
from tests.support.in_process import Bench


class Trouble(NamedTuple):
    """What is wrong, how it is fixed, and words of the sentence that says so."""

    name: str
    begin: Callable[[Bench], object]
    mend: Callable[[Bench], object]
    words: tuple[str, ...]


def by_setting(name: str, wrong: str, *words: str) -> Trouble:
    """A setting is wrong; the right value is the one before. Without words the sentence names the setting."""
    right: list[object] = []

    def begin(bench: Bench) -> None:
        right[:] = [bench.stash.plugin_settings.get(name, "")]
        bench.stash.configure(**{name: wrong})

    def mend(bench: Bench) -> None:
        bench.stash.configure(**{name: right[0]})

    return Trouble(f"{name}={wrong}", begin, mend, words or (display_name(name),))


def by_mode(mode: str, *words: str) -> Trouble:
    """Plex rejects the token in one of its ways."""
    return Trouble(
        mode,
        lambda bench: setattr(bench.plex.modes, "token_mode", mode),
        lambda bench: setattr(bench.plex.modes, "token_mode", "required"),
        words,
    )


def by_fault(kind: str, *words: str, method: str | None = None) -> Trouble:
    """Something other than Plex answers."""
    return Trouble(
        f"{kind} {method}", lambda bench: bench.plex.fault(kind, method=method), lambda b: b.plex.clear_faults(), words
    )


TROUBLES = (
    by_setting("plexToken", "", "no Plex token"),
    by_setting("plexToken", "wrong", "401"),
    by_setting("plexToken", "two\nlines"),
    by_setting("plexUrl", "ftp://plex:32400"),
    by_setting("plexUrl", "http//plex"),
    by_setting("plexLibraries", "Films, Nope", "Nope", 'Its movie libraries: "Films"'),
    by_setting(
        "plexLibraries", "Films, tv shows", '"TV Shows" is of the type TV Shows', "only libraries of the type Movies"
    ),
    by_setting("plexToken", "http://plex:32400/web/index.html", "a text without a token in it"),
    by_setting("plexUrl", "https://app.plex.tv/desktop/#!/", "is the address of Plex's website"),
    by_mode("refused_401", "401", "Plex token"),
    by_mode("expired_498", "498", "Plex token"),
    by_mode("forbidden_writes_403", "403", "owner"),
    by_fault("html_200", "proxy"),
    by_fault("redirect_302", "redirect", "Plex address"),
    by_fault("redirect_301", "redirect", "Plex address", method="PUT"),
    by_fault("404", "Plex address"),
)


@pytest.mark.parametrize("trouble", TROUBLES, ids=lambda trouble: trouble.name)
def test_everything_pauses_until_it_is_fixed(bench: Bench, trouble: Trouble) -> None:
    """One sentence, in ``problem`` and once in the log; rows unchanged; a minute after the fix all is written."""
    films = bench.films(3)
    bench.plex.add_section("TV Shows", key=9, type="show")
    bench.edit(*[film.scene for film in films])
    before = [bench.job(film.scene) for film in films]
    trouble.begin(bench)
    bench.live(1800)
    assert [bench.job(film.scene) for film in films] == before
    problem = bench.status()["problem"]
    assert problem.startswith("PlexSync is paused: ")
    assert all(word in problem for word in trouble.words)
    assert "\n" not in problem
    errors = [line for level, line in bench.log.lines if level == "error"]
    assert errors == [problem.removeprefix("PlexSync is ")]
    assert [request.status for request in bench.plex.writes() if request.status == 200] == []
    assert bench.breaker == Breaker()
    trouble.mend(bench)
    bench.live(61)
    assert bench.titles(films) == ["Film 1", "Film 2", "Film 3"]
    assert [bench.writes_of(film) for film in films] == [1, 1, 1]
    assert (bench.status()["problem"], bench.pause) == (None, None)
    assert len(bench.said("resumed")) == 1


def test_it_is_checked_once_a_minute(bench: Bench) -> None:
    """Until the fix, each minute costs one request to Plex, and sends no edit; Stash is asked for the settings only,
    every five seconds in the first ten minutes and each minute from then on."""
    bench.edit(bench.film().scene)
    bench.plex.modes.token_mode = "refused_401"
    bench.turn()
    plex, stash = len(bench.plex.at), len(bench.stash.log)
    bench.live(600)
    assert len(bench.plex.at) - plex <= 11
    assert len(bench.stash.log) - stash <= 150
    later = len(bench.stash.log)
    bench.live(600)
    assert len(bench.stash.log) - later <= 13
    assert bench.plex.writes() == []


@pytest.mark.parametrize("who", ["edit", "task"])
def test_an_edit_or_a_task_checks_at_once(bench: Bench, who: str) -> None:
    """Saving a scene or running a task right after the fix ends the pause at once."""
    film = bench.film()
    bench.edit(film.scene)
    bench.plex.modes.token_mode = "refused_401"
    bench.live(5)
    bench.plex.modes.token_mode = "required"
    if who == "edit":
        bench.edit(film.scene)
    else:
        QueueMeta(bench.conn).request_wake()
    bench.live(2)
    assert bench.titles([film]) == ["Film 1"]


def test_another_problem_is_another_sentence(bench: Bench) -> None:
    """A problem that follows another is reported too, each once."""
    bench.edit(bench.film().scene)
    bench.stash.configure(plexLibraries="Nope")
    bench.live(200)
    bench.plex.modes.token_mode = "refused_401"
    bench.stash.configure(plexLibraries="")
    bench.live(200)
    assert [("Nope" in line, "401" in line) for level, line in bench.log.lines if level == "error"] == [
        (True, False), (False, True),
    ]  # fmt: skip
    assert "401" in bench.status()["problem"]


def test_without_edits_the_hourly_catch_up_reports_a_missing_token(bench: Bench) -> None:
    """A fresh installation reports the missing token without any edit, and reports when it is there."""
    right = bench.stash.plugin_settings["plexToken"]
    bench.stash.configure(plexToken="")
    QueueMeta(bench.conn).caught_up_at = 0
    bench.live(10)
    assert display_name("plexToken") in bench.status()["problem"]
    bench.stash.configure(plexToken=right)
    bench.live(61)
    assert bench.status()["problem"] is None


def test_a_problem_reaches_stashs_log(bench: Bench) -> None:
    """The sentence also reaches Stash's log, where people look first."""
    bench.edit(bench.film().scene)
    bench.plex.modes.token_mode = "refused_401"
    bench.live(120)
    requests = bench.stash.requests_for("runPluginOperation")
    lines = [line["message"] for request in requests for line in request.variables["args"]["lines"]]
    assert {line for line in lines if "401" in line} == {'paused: Plex rejected the token (401). Check "Plex token".'}


def test_an_untrusted_certificate(bench: Bench, tmp_path: Path) -> None:
    """It is rejected until the user switches the check off; nothing is sent before."""
    cert, key = str(tmp_path / "cert.pem"), str(tmp_path / "key.pem")
    options = ["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=plex", "-out", cert]
    subprocess.run(["openssl", *options, "-keyout", key], check=True, capture_output=True)
    bench.plex.stop()
    bench.plex._tls = (cert, key)
    bench.plex.start()
    bench.stash.configure(plexUrl=bench.plex.url)
    film = bench.film()
    bench.edit(film.scene)
    bench.live(300)
    assert "Accept any certificate" in bench.status()["problem"]
    assert bench.plex.at == []
    bench.stash.configure(plexSkipTlsVerify=True)
    bench.live(61)
    assert bench.titles([film]) == ["Film 1"]


def test_a_full_disk_is_retried_every_minute(bench: Bench) -> None:
    """An error on this machine pauses with an error, costs no attempt, and ends automatically."""
    film = bench.film()
    bench.edit(film.scene)
    before = bench.job(film.scene)
    conn = open_state(str(bench.folder))
    conn.execute("CREATE TRIGGER full BEFORE INSERT ON written BEGIN SELECT RAISE(ABORT, 'disk is full'); END")
    bench.live(300)
    current = bench.pause
    assert current is not None
    assert (current.kind, bench.job(film.scene)) == (pause.LOCAL, before)
    assert "error on this machine (disk is full)" in bench.status()["problem"]
    assert len([line for level, line in bench.log.lines if level == "error"]) == 1
    assert bench.plex.writes() == []
    conn.execute("DROP TRIGGER full")
    conn.close()
    bench.live(61)
    assert bench.titles([film]) == ["Film 1"]
    assert bench.status()["problem"] is None
