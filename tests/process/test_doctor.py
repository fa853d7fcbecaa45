"""``doctor`` as a person runs it: one process beside the worker, that may be killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from typing import Any

import pytest

from plexsync.doctor import saved
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
    assert "Texts, lists (names, order, roles), locks and pictures are as they were." in errors
    here.arrives(film, "Newer film")
    assert worker_lives(here.folder)
    assert {**here.plex.snapshot(), film.item: None} == {**before, film.item: None}
    assert here.plex.snapshot()[film.item] == before[film.item] | {"title": "Newer film"}


def kill_at(here: Installation, number: int, process: list[subprocess.Popen[str]]) -> None:
    """Kill the doctor when Plex has its write of that number in hand."""
    writes: list[Request] = []

    def at(request: Request) -> None:
        writes.append(request)
        if len(writes) == number:
            process[0].kill()
            process[0].wait(PATIENCE)

    here.plex.before_write = at


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="another kind of kill")
def test_killed(here: Installation) -> None:
    """After SIGKILL the next call puts everything back and says so; what was saved in between arrives after that."""
    film, before = synced(here)
    here.stash.env |= {"PLEXSYNC_READ_TIMEOUT": "3"}
    started: list[subprocess.Popen[str]] = []
    kill_at(here, 4, started)
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
    """Ended by a signal it puts everything back itself, and leaves nothing to do, even if Plex carries out what it has
    in hand later."""
    film, before = synced(here)
    here.stash.env |= {"PLEXSYNC_READ_TIMEOUT": "3"}
    started: list[subprocess.Popen[str]] = []

    def late(request: Request) -> None:
        here.plex.before_write = None
        started[0].send_signal(getattr(signal, how))
        time.sleep(1.5)

    here.plex.before_write = late
    started.append(start(here, "--i-mean-it", str(film.scene)))
    out, errors = started[0].communicate(timeout=PATIENCE)
    assert (started[0].returncode, out) == (1, "")
    assert errors.endswith("locks and pictures are as they were.\nEnded before it was over.\n")
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


@pytest.mark.skipif(sys.platform == "win32", reason="no such signals")
def test_ended_with_its_reader(here: Installation) -> None:
    """If what reads its words ends with it, as in ``doctor ... 2>&1 | tee``, everything is put back all the same."""
    film, before = synced(here)
    here.stash.env |= {"PLEXSYNC_READ_TIMEOUT": "2"}
    started: list[subprocess.Popen[str]] = []

    def gone(request: Request) -> None:
        here.plex.before_write = None
        assert started[0].stderr is not None
        started[0].stderr.close()
        started[0].send_signal(signal.SIGINT)

    here.plex.before_write = gone
    started.append(start(here, "--i-mean-it", str(film.scene)))
    assert started[0].wait(PATIENCE) == 1
    assert here.plex.snapshot() == before
    assert not (here.folder / "doctor.json").exists()


@pytest.mark.parametrize("content", [b"", b'{"machine": "x", "sec', b"[]"])
def test_a_damaged_file(here: Installation, content: bytes) -> None:
    """A file that cannot be read holds up no call: it is set aside, and its new name told."""
    here.folder.mkdir(parents=True)
    (here.folder / "doctor.json").write_bytes(content)
    (here.folder / "doctor.json.damaged1").write_bytes(b"older")
    status, out, errors = run(here, "--put-back")
    assert (status, out) == (0, "")
    assert errors.endswith("The file is kept as doctor.json.damaged2.\n")
    assert (here.folder / "doctor.json.damaged1").read_bytes() == b"older"
    assert (here.folder / "doctor.json.damaged2").read_bytes() == content
    assert not (here.folder / "doctor.json").exists()


def test_forget(here: Installation) -> None:
    """What can no longer be put back is given up by request, without Stash and Plex; how it was is told."""
    here.folder.mkdir(parents=True)
    lists = {"actor": (("A person", "Her"),)}
    before = saved.Saved("m", 1, 5, 7, "/a.mp4", {"title": "Some film"}, lists, ("title",), {"posters": "media://1"})
    saved.store(str(here.folder), before)
    status, out, errors = run(here, "--forget")
    assert (status, out) == (0, "")
    assert errors.startswith("Given up: item 5 of scene 7 may still be as the doctor left it. It was:\n")
    for line in ("title: 'Some film'", "actor: 'A person' as 'Her'", "lock of title: set", "posters: 'media://1'"):
        assert f"  {line}\n" in errors
    assert run(here, "--forget") == (0, "", "There is nothing to put back.\n")
    assert here.plex.log == []


@pytest.mark.parametrize(
    "words",
    [(), ("1", "2"), ("--put-back", "1"), ("--put-back", "--i-mean-it"), ("--forget", "1"), ("--forget", "--put-back")],
)
def test_wrong_calls(here: Installation, words: tuple[str, ...]) -> None:
    """One scene, or --put-back or --forget alone: anything else writes nothing and ends with status 2."""
    status, out, errors = run(here, *words)
    assert (status, out) == (2, "")
    assert errors.startswith("name one scene by its id, or --put-back or --forget alone\n")


def test_no_stash(here: Installation) -> None:
    """Without a way to Stash it says what to do, in one line."""
    status, out, errors = run(here, "--i-mean-it", "1")
    assert (status, out) == (1, "")
    assert errors.count("\n") == 1
    assert here.plex.writes() == []
