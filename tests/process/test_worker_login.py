"""How the background process stays signed in at Stash: by the newest cookie, and past its life by the ApiKey."""

from __future__ import annotations

from pathlib import Path

from plexsync.queue import stock
from tests.support.life import pid_of, told_to_end, waiter_of
from tests.support.pair import Pair
from tests.support.plugin import rows
from tests.support.waiting import until

#: Stash's ApiKey; nothing else in a test holds this text.
KEY = "eyJhbGciOi.the-api-key-of-stash"


def signed_in(folder: Path, key: str = KEY) -> Pair:
    """A Stash with a user; ``key``: its ApiKey."""
    pair = Pair(folder)
    pair.stash.credentials = ("somebody", "secret")
    pair.stash.api_key = key
    return pair


def lock_out(pair: Pair) -> None:
    """Every cookie is void, and hooks bring no new one."""
    pair.stash.expire_sessions()
    pair.stash.cookie_in_stdin = False


def places(pair: Pair, pid: int) -> dict[str, bytes]:
    """Where others might read a secret: files, command line and environment."""
    found = {path.name: path.read_bytes() for path in pair.folder.rglob("*") if path.is_file()}
    return found | {name: Path(f"/proc/{pid}/{name}").read_bytes() for name in ("cmdline", "environ")}


def test_the_key_outlives_the_cookie_and_lies_nowhere(tmp_path: Path) -> None:
    """Read over the cookie while that is good, the key serves worker and waiter after it, and is in no file."""
    with signed_in(tmp_path) as pair:
        film = pair.film()
        pair.edit(film, "By cookie")
        pair.arrives(film, "By cookie")
        pid = waiter_of(pair)
        assert not [name for name, content in places(pair, pid).items() if KEY.encode() in content]
        lock_out(pair)
        pair.plex.fault("stall", method="PUT")
        pair.edit(film, "By key")
        writes = len(pair.plex.writes())
        until(lambda: len(pair.plex.writes()) > writes, what="the write")
        assert not [name for name, content in places(pair, pid).items() if KEY.encode() in content]
        assert (pair.stash.log[-1].apikey, pair.stash.log[-1].cookie) == (KEY, "")
        assert pid_of(pair) == pid
        told_to_end(pair, pid)
        pair.plex.clear_faults()
        pair.plex.release()


def test_a_look_uses_the_key(tmp_path: Path) -> None:
    """An outage that lasts longer than the cookie ends by itself: the looks at Stash and Plex have the key."""
    with signed_in(tmp_path) as pair:
        film = pair.film()
        pair.edit(film, "First")
        pair.arrives(film, "First")
        waiter_of(pair)
        pair.plex.stop()
        pair.edit(film, "After the outage")
        until(lambda: pair.status()["breaker"]["failures"] >= 6, what="a look")
        lock_out(pair)
        asked = len(pair.stash.log)
        until(lambda: pair.stash.log[asked:], what="a look by key")
        pair.plex.start()
        pair.arrives(film, "After the outage")
        assert {(one.apikey, one.cookie) for one in pair.stash.log[asked + 1 :]} == {(KEY, "")}


def test_a_stale_key_falls_back_to_the_cookie(tmp_path: Path) -> None:
    """A key that was replaced is dropped for the newest cookie, and the new one is read over that."""
    with signed_in(tmp_path) as pair:
        film = pair.film()
        pair.edit(film, "First")
        pair.arrives(film, "First")
        waiter_of(pair)
        pair.stash.api_key = KEY + "-new"
        asked = len(pair.stash.log)
        pair.edit(film, "Second")
        pair.arrives(film, "Second")
        waiter_of(pair)
        used = [(one.apikey, one.status) for one in pair.stash.log[asked:]]
        assert (KEY, 401) in used
        assert used.index((None, 200)) > used.index((KEY, 401))
        lock_out(pair)
        pair.edit(film, "Third")
        pair.arrives(film, "Third")
        assert pair.stash.log[-1].apikey == KEY + "-new"
        assert pair.status()["problem"] is None


def test_locked_out_it_says_what_to_do(tmp_path: Path) -> None:
    """Without a key, past the cookie's life, the problem names the way back; a hook with a newer cookie is one."""
    with signed_in(tmp_path, key="") as pair:
        film, other = pair.film(), pair.film()
        pair.edit(film, "First")
        pair.arrives(film, "First")
        pair.settles()
        pid = waiter_of(pair)
        lock_out(pair)
        pair.edit(film, "Second")
        problem = until(lambda: pair.status()["problem"], what="a problem")
        assert "Stash refuses" in problem
        assert "Save any scene" in problem
        assert "API key" in problem
        waiter_of(pair)
        assert rows(pair.folder, "key, status, attempts") == [(f"scene:{film.scene}", stock.READY, 0)]
        pair.stash.cookie_in_stdin = True
        pair.edit(other, "Other")
        pair.arrives(film, "Second")
        pair.arrives(other, "Other")
        assert pid_of(pair) == pid
        assert pair.status()["problem"] is None
