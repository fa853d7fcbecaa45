"""How the background process stays signed in at Stash: by the newest cookie, and later by the API key."""

from __future__ import annotations

from pathlib import Path

from plexsync.queue import stock
from tests.support.installation import Installation
from tests.support.processes import idle_worker_of, pid_of, proc, rows, seconds_to_end, until

#: Stash's ApiKey; nothing else in a test holds this text.
KEY = "eyJhbGciOi.the-api-key-of-stash"


def signed_in(folder: Path, key: str = KEY) -> Installation:
    """A Stash with a user; ``key``: the API key."""
    here = Installation(folder)
    here.stash.credentials = ("somebody", "secret")
    here.stash.api_key = key
    return here


def lock_out(here: Installation) -> None:
    """Make every cookie void; hooks bring no new one."""
    here.stash.expire_sessions()
    here.stash.cookie_in_stdin = False


def places(here: Installation, pid: int) -> dict[str, bytes]:
    """Return where others might read a secret: files, command line and environment."""
    files = {path.name: path.read_bytes() for path in here.folder.rglob("*") if path.is_file()}
    return files | {name: proc(pid, name).read_bytes() for name in ("cmdline", "environ")}


def test_the_key_outlives_the_cookie_and_is_stored_nowhere(tmp_path: Path) -> None:
    """Read while the cookie is valid, the key serves worker and idle worker afterwards, and is in no file."""
    with signed_in(tmp_path) as here:
        film = here.film()
        here.edit(film, "By cookie")
        here.arrives(film, "By cookie")
        pid = idle_worker_of(here)
        assert not [name for name, content in places(here, pid).items() if KEY.encode() in content]
        lock_out(here)
        here.plex.fault("stall", method="PUT")
        here.edit(film, "By key")
        writes = len(here.plex.writes())
        until(lambda: len(here.plex.writes()) > writes, what="the write")
        assert not [name for name, content in places(here, pid).items() if KEY.encode() in content]
        assert (here.stash.log[-1].apikey, here.stash.log[-1].cookie) == (KEY, "")
        assert pid_of(here) == pid
        seconds_to_end(here, pid)
        here.plex.clear_faults()
        here.plex.release()


def test_a_probe_uses_the_key(tmp_path: Path) -> None:
    """An outage longer than the cookie's life ends automatically: the probes of Stash and Plex have the key."""
    with signed_in(tmp_path) as here:
        film = here.film()
        here.edit(film, "First")
        here.arrives(film, "First")
        idle_worker_of(here)
        here.plex.stop()
        here.edit(film, "After the outage")
        until(lambda: here.seen()["breaker"]["failures"] >= 6, what="a probe")
        lock_out(here)
        asked = len(here.stash.log)
        until(lambda: here.stash.log[asked:], what="a probe with the key")
        here.plex.start()
        here.arrives(film, "After the outage")
        assert {(request.apikey, request.cookie) for request in here.stash.log[asked + 1 :]} == {(KEY, "")}


def test_a_stale_key_falls_back_to_the_cookie(tmp_path: Path) -> None:
    """A replaced key is dropped for the newest cookie, and the new one is read with that."""
    with signed_in(tmp_path) as here:
        film = here.film()
        here.edit(film, "First")
        here.arrives(film, "First")
        idle_worker_of(here)
        here.stash.api_key = KEY + "-new"
        asked = len(here.stash.log)
        here.edit(film, "Second")
        here.arrives(film, "Second")
        idle_worker_of(here)
        used = [(request.apikey, request.status) for request in here.stash.log[asked:]]
        assert (KEY, 401) in used
        assert used.index((None, 200)) > used.index((KEY, 401))
        lock_out(here)
        here.edit(film, "Third")
        here.arrives(film, "Third")
        assert here.stash.log[-1].apikey == KEY + "-new"
        assert here.status()["problem"] is None


def test_locked_out_it_says_what_to_do(tmp_path: Path) -> None:
    """Without a key, after the cookie's life, the problem names the way back; a hook with a newer cookie is one."""
    with signed_in(tmp_path, key="") as here:
        film, other = here.film(), here.film()
        here.edit(film, "First")
        here.arrives(film, "First")
        here.settles()
        pid = idle_worker_of(here)
        lock_out(here)
        here.edit(film, "Second")
        problem = until(lambda: here.seen()["problem"], what="a problem")
        assert "Stash rejects the background worker's login" in problem
        assert "Save any scene" in problem
        assert "API key" in problem
        idle_worker_of(here)
        assert rows(here.folder, "key, status, attempts") == [(f"scene:{film.scene}", stock.READY, 0)]
        here.stash.cookie_in_stdin = True
        here.edit(other, "Other")
        here.arrives(film, "Second")
        here.arrives(other, "Other")
        assert pid_of(here) == pid
        assert here.status()["problem"] is None
