"""Sign in with Plex as the page does it: the token goes from plex.tv into the settings, and past everything else."""

from __future__ import annotations

import json
import os
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from plexsync.core import environment
from tests.servers.plex import PlexServer
from tests.servers.plex_tv import PlexTv
from tests.support.installation import Installation
from tests.support.processes import until, worker_held

ACCOUNT, OWN = "account-Token-4f8Kq2", "server-Token-9zLm31"


@pytest.fixture
def tv() -> Iterator[PlexTv]:
    """Start plex.tv."""
    with PlexTv() as server:
        yield server


@pytest.fixture
def here(tmp_path: Path, tv: PlexTv) -> Iterator[Installation]:
    """Start both servers, with nothing saved but a switch, and Plex among the account's servers."""
    with Installation(tmp_path, token=OWN, PLEXSYNC_PLEX_TV=tv.url) as made:
        made.stash.save_settings("PlexSync", {"skipDate": True, "plexLibraries": "Films"})
        tv.add_server("Living room", made.plex.machine, [(made.plex.url, True)], accessToken=OWN)
        yield made


def step(here: Installation, name: str, **args: Any) -> Any:
    """Return the output of a step that must not fail."""
    return here.call("sign_in", step=name, **args)


def refused(here: Installation, name: str, **args: Any) -> str:
    """Return the sentence of a step that fails."""
    found = here.stash.run_operation({"mode": "sign_in", "step": name, **args})
    assert found.returncode == 0
    assert list(json.loads(found.stdout)) == ["error"]
    assert found.stderr == ""
    return str(found.error)


def kept(here: Installation) -> Path:
    """Return where a sign-in is kept between its steps."""
    return here.folder / environment.SIGN_IN


def signed_in(here: Installation, tv: PlexTv) -> int:
    """Start and sign in; return the code's id."""
    pin: int = step(here, "start")["id"]
    tv.sign_in(pin, ACCOUNT)
    return pin


def test_from_the_button_to_the_first_scene(here: Installation, tv: PlexTv) -> None:
    """Start, wait, sign in, choose: settings saved beside the others, the scene arrives, and no token is left."""
    film = here.film("Before")
    here.stash.run_hook("Scene.Update.Post", film.scene)
    until(lambda: here.seen()["problem"], what="the pause without a token")
    began = step(here, "start")
    client = (here.folder / "client_id").read_text("ascii")
    assert began["url"].startswith("https://app.plex.tv/auth#?clientID=" + client)
    assert f"code=code{began['id']}" in began["url"]
    assert began["url"].endswith("context%5Bdevice%5D%5Bproduct%5D=PlexSync")
    assert step(here, "poll", id=began["id"]) == {"state": "waiting"}
    tv.sign_in(began["id"], ACCOUNT)
    found = step(here, "poll", id=began["id"])
    (server,) = found["servers"]
    (address,) = server["addresses"]
    assert found["state"] == "servers"
    assert (server["name"], server["machine"], server["owned"]) == ("Living room", here.plex.machine, True)
    assert (address["uri"], address["local"], address["ok"]) == (here.plex.url, True, True)
    assert 0 <= address["ms"] < 5000
    assert oct(kept(here).stat().st_mode & 0o777) == "0o600"
    assert ACCOUNT not in kept(here).read_text("utf-8")
    said = step(here, "use", machine=server["machine"], uri=address["uri"])
    assert said == {"saved": True, "sentence": "Signed in. PlexSync uses the server Living room from now on."}
    assert here.stash.plugin_settings == {
        "skipDate": True, "plexLibraries": "Films", "plexUrl": here.plex.url, "plexToken": OWN,
    }  # fmt: skip
    assert not kept(here).exists()
    here.arrives(film, "Before")
    no_secret(here, tv)


def no_secret(here: Installation, tv: PlexTv) -> None:
    """Look for the tokens wherever they must not be."""
    here.stash.end_worker()
    places = {path.name: path.read_bytes().decode("latin-1") for path in here.folder.iterdir() if path.is_file()}
    places["Stash's log"] = "\n".join(line.message for line in here.stash.plugin_log)
    places |= {f"plex.tv {number}": asked.target for number, asked in enumerate(tv.log)}
    assert [name for name, text in places.items() if ACCOUNT in text or OWN in text] == []
    assert not any(sent.header("X-Plex-Token") for sent in here.plex.log if sent.path == "/identity")


def test_only_when_it_is_pressed(here: Installation, tv: PlexTv) -> None:
    """Nothing but this operation asks plex.tv, and every request has the installation's identifier."""
    for mode in ("status", "wake", "check_setup", "try_plex", "report"):
        here.stash.run_operation({"mode": mode})
    here.stash.run_hook("Scene.Update.Post", 1)
    assert tv.log == []
    step(here, "start")
    client = (here.folder / "client_id").read_text("ascii")
    assert {asked.headers["x-plex-client-identifier"] for asked in tv.log} == {client}
    assert [(asked.method, asked.target) for asked in tv.log] == [("POST", "/api/v2/pins?strong=true")]


def test_the_account_token_where_a_server_has_none(here: Installation, tv: PlexTv) -> None:
    """A server of one's own may come without a token: then the account's is the one."""
    tv.resources[0]["accessToken"] = None
    signed_in(here, tv)
    step(here, "poll")
    step(here, "use", machine=here.plex.machine, uri=here.plex.url)
    assert here.stash.plugin_settings["plexToken"] == ACCOUNT


def test_addresses_are_tried_from_here(here: Installation, tv: PlexTv) -> None:
    """Local ones stand first; what does not answer, or as another server, is not ok; none holds up the rest."""
    hung = socket.create_server(("127.0.0.1", 0))
    closed, silent = "http://127.0.0.1:9", f"http://127.0.0.1:{hung.getsockname()[1]}"
    with PlexServer(OWN) as other:
        other.machine = "another"
        tv.resources.clear()
        uris = [(silent, False), (other.url, False), (here.plex.url, True), (closed, True)]
        tv.add_server("Mine", here.plex.machine, uris, accessToken=OWN)
        tv.add_server("A friend's", "another", [(other.url, False)], owned=False)
        tv.resources.append({"name": "A player", "provides": "player", "clientIdentifier": "p", "connections": []})
        signed_in(here, tv)
        mine, friends = step(here, "poll")["servers"]
    hung.close()
    assert [(one["uri"], one["local"], one["ok"]) for one in mine["addresses"]] == [
        (here.plex.url, True, True), (closed, True, False), (silent, False, False), (other.url, False, False),
    ]  # fmt: skip
    assert [one["ms"] is None for one in mine["addresses"]] == [False, True, True, True]
    assert (friends["owned"], friends["addresses"][0]["ok"]) == (False, True)


def test_plain_http_in_the_local_network(here: Installation, tv: PlexTv) -> None:
    """Where the name of a local address cannot be resolved, as behind many routers, its number is offered too."""
    tv.resources.clear()
    port = here.plex.url.rpartition(":")[2]
    connection = {"address": "127.0.0.1", "port": int(port), "uri": f"https://localhost:{port}", "local": True}
    tv.add_server("Mine", here.plex.machine, [], accessToken=OWN)
    tv.resources[0]["connections"] = [connection]
    signed_in(here, tv)
    (server,) = step(here, "poll")["servers"]
    assert [(one["uri"], one["ok"]) for one in server["addresses"]] == [
        (f"https://localhost:{port}", False), (f"http://127.0.0.1:{port}", True),
    ]  # fmt: skip
    tv.resources[0]["httpsRequired"] = True
    signed_in(here, tv)
    assert [one["uri"] for one in step(here, "poll")["servers"][0]["addresses"]] == [f"https://localhost:{port}"]


def test_expired(here: Installation, tv: PlexTv) -> None:
    """A code that is over, a poll without a start, another start's poll, and a sign-in that became old are expired."""
    assert step(here, "poll") == {"state": "expired"}
    pin = step(here, "start")["id"]
    tv.expire(pin)
    assert step(here, "poll", id=pin) == {"state": "expired"}
    assert not kept(here).exists()
    first = signed_in(here, tv)
    second = step(here, "start")["id"]
    assert first == second or step(here, "poll", id=first) == {"state": "expired"}
    tv.sign_in(second, ACCOUNT)
    assert step(here, "poll", id=second)["state"] == "servers"
    old = json.loads(kept(here).read_text("utf-8")) | {"until": time.time() - 1}
    kept(here).write_text(json.dumps(old), "utf-8")
    assert "expired" in refused(here, "use", machine=here.plex.machine, uri=here.plex.url)
    assert not kept(here).exists()


def test_a_server_is_tried_before_it_is_used(here: Installation, tv: PlexTv) -> None:
    """With the sign-in's machine, Try Plex lists the libraries by its token: nothing is saved, no edit is sent."""
    before = dict(here.stash.plugin_settings)
    here.new_films(2)
    signed_in(here, tv)
    step(here, "poll")
    found = here.call("try_plex", url=here.plex.url, machine=here.plex.machine)
    assert found["ok"], found["sentence"]
    assert [(one["title"], one["items"]) for one in found["libraries"]] == [("Films", 2)]
    assert OWN not in str(found)
    assert here.stash.plugin_settings == before
    step(here, "use", machine=here.plex.machine, uri=here.plex.url)
    no_secret(here, tv)


def test_the_token_of_a_sign_in_goes_nowhere_else(here: Installation, tv: PlexTv) -> None:
    """An address that the sign-in did not find never gets its token; an old sign-in is said to have expired."""
    signed_in(here, tv)
    step(here, "poll")
    with PlexServer(OWN) as other:
        found = here.call("try_plex", url=other.url, machine=here.plex.machine)
        assert other.log == []
    assert (found["ok"], found["libraries"]) == (False, [])
    assert "not one of the servers" in found["sentence"]
    kept(here).unlink()
    found = here.call("try_plex", url=here.plex.url, machine=here.plex.machine)
    assert found["sentence"] == "The sign-in has expired. Press Sign in with Plex again."


def test_the_token_of_a_sign_in_goes_to_its_server_alone(here: Installation, tv: PlexTv) -> None:
    """Where another Plex answers at an address that plex.tv named, it does not get the token of the chosen one."""
    signed_in(here, tv)
    step(here, "poll")
    chosen, here.plex.machine = here.plex.machine, "another"
    here.plex.log.clear()
    found = here.call("try_plex", url=here.plex.url, machine=chosen)
    assert (found["ok"], found["libraries"]) == (False, [])
    assert "Another Plex than the one you chose answers" in found["sentence"]
    assert {sent.header("X-Plex-Token") for sent in here.plex.log} == {None}


def test_what_was_not_offered_is_not_saved(here: Installation, tv: PlexTv) -> None:
    """``use`` takes only an address that the sign-in found, and changes nothing otherwise."""
    before = dict(here.stash.plugin_settings)
    assert "expired" in refused(here, "use", machine="m", uri="http://x")
    signed_in(here, tv)
    step(here, "poll")
    for machine, uri in ((here.plex.machine, "http://evil:1"), ("m", here.plex.url), (None, None), ({}, [])):
        assert "not one of the servers" in refused(here, "use", machine=machine, uri=uri)
    assert "unknown" in refused(here, "dance")
    assert here.stash.plugin_settings == before
    assert kept(here).exists()


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"status": 500}, "plex.tv answered with an error (500)."),
        ({"status": 429}, "plex.tv takes no more requests for now (429)."),
        ({"status": 401}, "plex.tv rejected the sign-in (401)."),
        ({"status": 302}, "plex.tv answered with an error (302)."),
        ({"garbage": True}, "plex.tv sent a reply that PlexSync cannot read."),
        ({"hang": True}, "plex.tv did not answer within"),
        ({"drip": True}, "plex.tv did not answer within"),
    ],
)
def test_failures_of_plex_tv(here: Installation, tv: PlexTv, change: dict[str, Any], says: str) -> None:
    """Each failure is one sentence that says what to do, and leaves nothing behind."""
    for name, value in change.items():
        setattr(tv, name, value)
    sentence = refused(here, "start")
    assert sentence.startswith(says)
    assert sentence.endswith("Or paste the token by hand.")
    assert not kept(here).exists()


def test_no_way_to_plex_tv(here: Installation) -> None:
    """Without internet access the sentence says so."""
    here.stash.env["PLEXSYNC_PLEX_TV"] = "http://127.0.0.1:9"
    assert refused(here, "start").startswith("plex.tv cannot be reached from the machine where Stash runs.")


def test_a_failure_between_the_token_and_the_servers(here: Installation, tv: PlexTv) -> None:
    """A token that has come is not lost if plex.tv fails then: the next poll goes on, from a file that only we read."""
    pin = signed_in(here, tv)
    tv.revoke(ACCOUNT)
    assert refused(here, "poll", id=pin).startswith("plex.tv rejected the sign-in (401).")
    assert oct(kept(here).stat().st_mode & 0o777) == "0o600"
    tv.sign_in(pin, ACCOUNT)
    assert step(here, "poll", id=pin)["state"] == "servers"
    assert os.listdir(here.folder).count(environment.SIGN_IN) == 1


def test_stash_refuses_the_settings(here: Installation, tv: PlexTv) -> None:
    """If Stash cannot save them the sentence says so, and the sign-in can be used again."""
    signed_in(here, tv)
    step(here, "poll")
    here.stash.fault("status_500", 9)
    sentence = refused(here, "use", machine=here.plex.machine, uri=here.plex.url)
    assert sentence.startswith("The settings were not saved: ")
    assert kept(here).exists()


@pytest.mark.parametrize("mode", ["overview", "wake", "status", "report"])
def test_whatever_is_called_ends_an_old_sign_in(here: Installation, mode: str) -> None:
    """One that nobody finished goes when it is an hour old, with the next call where no worker runs."""
    with worker_held(here.folder):
        for age, stays in ((3000, True), (3600, False)):
            kept(here).write_text("{}", "utf-8")
            os.utime(kept(here), (time.time() - age, time.time() - age))
            here.call(mode)
            assert kept(here).exists() is stays
