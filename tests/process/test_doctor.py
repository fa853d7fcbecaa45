"""``doctor`` as a person runs it: one process beside the worker, that may be killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from typing import Any

import pytest

from plexsync.status import DOCTOR_LEFT
from tests.servers.plex_http import Request
from tests.support.installation import Film, Installation
from tests.support.processes import PATIENCE, PLUGIN, until, worker_lives

SECRETS = ("Some film", "A person", "/films", "film1", "plex-token", "127.0.0.1", "Films")


def start(here: Installation, *words: str, out: int = subprocess.PIPE) -> subprocess.Popen[str]:
    """Start ``doctor``, which prints to the descriptor ``out``."""
    command = [sys.executable, str(PLUGIN), "doctor", *words, "--data-dir", str(here.folder)]
    env = {**os.environ, **here.stash.env}
    null, pipe = subprocess.DEVNULL, subprocess.PIPE
    return subprocess.Popen(command, stdin=null, stdout=out, stderr=pipe, text=True, env=env)


def run(here: Installation, *words: str) -> tuple[int, str, str]:
    """Run ``doctor``: status, what it prints, and what it says beside that."""
    process = start(here, *words)
    out, errors = process.communicate(timeout=PATIENCE)
    return process.returncode, out, errors


def synced(here: Installation) -> tuple[Film, dict[int, dict[str, Any]]]:
    """A film that a worker synced, which sleeps now; and all items."""
    film = here.film("Plain", date="2020-01-02")
    here.film("Other")
    here.edit(film, "Some film")
    here.arrives(film, "Some film")
    here.plex.edit_item(film.item, actors=["A person"])
    return film, here.plex.snapshot()


def test_an_examination(here: Installation) -> None:
    """It asks, puts all back and prints a table without anything of the user's; the worker is back afterwards, and
    carries out what was saved meanwhile. A second doctor is turned away."""
    film, before = synced(here)
    status, out, errors = run(here, str(film.scene))
    assert (status, errors) == (0, "")
    assert "'Some film'" in out
    assert out.endswith("Nothing was written. Add --i-mean-it to do it.\n")
    assert here.plex.snapshot() == before
    others: list[tuple[int, str, str]] = []
    told: list[bool] = []

    def meanwhile(request: Request) -> None:
        here.plex.before_write = None
        others.append(run(here, "--i-mean-it", str(film.scene)))
        told.append(here.status()["doctor_left"])
        here.edit(film, "Newer film")

    here.plex.before_write = meanwhile
    status, out, errors = run(here, "--i-mean-it", str(film.scene))
    assert status == 0, errors
    assert others == [(1, "", "Another doctor is running. Wait until it is done.\n")]
    assert told == [False]
    assert out.count("\n") == 21
    assert not [secret for secret in SECRETS if secret in out]
    assert "Everything is as it was" in errors
    here.arrives(film, "Newer film")
    assert worker_lives(here.folder)
    assert {**here.plex.snapshot(), film.item: None} == {**before, film.item: None}
    assert here.plex.snapshot()[film.item] == before[film.item] | {"title": "Newer film"}


def strike(here: Installation, number: int, how: int, process: list[subprocess.Popen[str]]) -> None:
    """Send a signal to the doctor when Plex has its write of that number in hand."""
    writes: list[Request] = []

    def at(request: Request) -> None:
        writes.append(request)
        if len(writes) == number:
            process[0].send_signal(how)
            if how == signal.SIGKILL:
                process[0].wait(PATIENCE)

    here.plex.before_write = at


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="another kind of kill")
def test_killed(here: Installation) -> None:
    """After SIGKILL the next call puts everything back and says so; what was saved in between arrives after that."""
    film, before = synced(here)
    started: list[subprocess.Popen[str]] = []
    strike(here, 4, signal.SIGKILL, started)
    started.append(start(here, "--i-mean-it", str(film.scene)))
    started[0].communicate(timeout=PATIENCE)
    until(lambda: here.plex.snapshot() != before, what="the write that outlived the doctor")
    here.plex.before_write = None
    here.edit(film, "Newer film")
    here.arrives(film, "Newer film")
    told = [here.call("overview")["health"], here.call("wake")["health"]]
    assert [health["sentence"] for health in told] == [DOCTOR_LEFT] * 2
    assert "doctor --put-back" in told[0]["what_to_do"]
    status, out, errors = run(here, "--put-back")
    assert (status, out) == (0, "")
    assert "An earlier examination was ended before it was over." in errors
    here.arrives(film, "Newer film")
    before[film.item] |= {"title": "Newer film"}
    until(lambda: here.plex.snapshot() == before, what="the newest edit on an item as it was")
    assert run(here, "--put-back") == (0, "", "There is nothing to put back.\n")
    assert here.call("overview")["health"]["state"] != "problem"


@pytest.mark.parametrize("how", ["SIGTERM", "SIGINT", "SIGHUP"])
@pytest.mark.skipif(sys.platform == "win32", reason="no such signals")
def test_ended(here: Installation, how: str) -> None:
    """Ended by a signal it puts everything back itself, and leaves nothing to do."""
    film, before = synced(here)
    started: list[subprocess.Popen[str]] = []
    strike(here, 3, getattr(signal, how), started)
    started.append(start(here, "--i-mean-it", str(film.scene)))
    out, errors = started[0].communicate(timeout=PATIENCE)
    assert (started[0].returncode, out) == (1, "")
    assert errors.endswith("Everything is as it was, but for the time of the last change.\nEnded before it was over.\n")
    assert here.plex.snapshot() == before
    assert not (here.folder / "doctor.json").exists()
    until(lambda: worker_lives(here.folder), what="the worker's return")


def test_nobody_takes_the_table(here: Installation) -> None:
    """If the program behind the pipe has ended, that is what is said, and the item is as it was."""
    film, before = synced(here)
    reader, writer = os.pipe()
    os.close(reader)
    process = start(here, "--i-mean-it", str(film.scene), out=writer)
    os.close(writer)
    errors = process.communicate(timeout=PATIENCE)[1]
    assert process.returncode == 1
    assert errors.endswith(
        "The table could not be printed: the program behind the pipe has ended. The item is as it was.\n"
    )
    assert here.plex.snapshot() == before


@pytest.mark.parametrize("words", [(), ("1", "2"), ("--put-back", "1"), ("--put-back", "--i-mean-it")])
def test_wrong_calls(here: Installation, words: tuple[str, ...]) -> None:
    """One scene, or --put-back alone: anything else writes nothing and ends with status 2."""
    status, out, errors = run(here, *words)
    assert (status, out) == (2, "")
    assert errors.startswith("name one scene by its id, or --put-back alone\n")


def test_no_stash(here: Installation) -> None:
    """Without a way to Stash it says what to do, in one line."""
    status, out, errors = run(here, "--i-mean-it", "1")
    assert (status, out) == (1, "")
    assert errors.count("\n") == 1
    assert here.plex.writes() == []
