"""Sign in with Plex: get the token from plex.tv and save it with the server's address, past the page.

The steps ``start``, ``poll`` and ``use`` share ``sign_in.json`` (mode 0600), which has the token until it is used or
has become old. No answer, log line or sentence contains it.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import asdict
from typing import Any

from plexsync.app import own_client_id
from plexsync.core import environment, wake
from plexsync.model.errors import PlexSyncError, StashUnavailable
from plexsync.model.settings import read_settings
from plexsync.plex.website import Server, SignInExpired, Website, reach, sign_in_page
from plexsync.queue import schema
from plexsync.queue.meta import QueueMeta
from plexsync.stash.lite import LiteStash
from plexsync.tasks.call import Args

#: Seconds after which a sign-in that nobody finished is forgotten, with its token.
KEEP = 900.0

_AGAIN = "Press Sign in with Plex again."


def run(folder: str, args: Args) -> dict[str, Any]:
    """Run one step. Raise ``PlexSyncError`` with a sentence for every failure."""
    step = _STEPS.get(str(args.get("step")))
    if step is None:
        raise PlexSyncError(f"The step {str(args.get('step'))[:20]!r} is unknown. Send start, poll or use.")
    return step(folder, args)


def start(folder: str, args: Args) -> dict[str, Any]:
    """Begin: return the address to open, and the id by which to poll."""
    _forget(folder)
    client_id = own_client_id(folder)
    pin = Website(client_id).new_pin()
    _store(folder, {"id": pin.id, "until": time.time() + pin.seconds})
    return {"id": pin.id, "url": sign_in_page(client_id, pin.code), "expires_in": int(pin.seconds)}


def poll(folder: str, args: Args) -> dict[str, Any]:
    """Return ``{"state": "waiting" | "expired" | "servers"}``, the last one with the servers and their addresses."""
    kept = _kept(folder)
    if not kept or args.get("id") not in (None, "", kept["id"], str(kept["id"])):
        return {"state": "expired"}
    website = Website(own_client_id(folder))
    if "servers" not in kept:
        if "token" not in kept:
            try:
                token = website.token(kept["id"])
            except SignInExpired:
                _forget(folder)
                return {"state": "expired"}
            if not token:
                return {"state": "waiting"}
            kept = {"id": kept["id"], "until": time.time() + KEEP, "token": token}
            _store(folder, kept)
        servers = website.servers(kept["token"])
        kept = {"id": kept["id"], "until": kept["until"], "servers": [asdict(server) for server in servers]}
        _store(folder, kept)
    return {"state": "servers", "servers": _tried([_server(raw) for raw in kept["servers"]])}


def _tried(servers: list[Server]) -> list[dict[str, Any]]:
    """Return the servers for the page, without tokens, after all their addresses were tried from here."""
    reached = reach((uri, server.machine) for server in servers for uri, _ in server.addresses)
    return [
        {
            "name": server.name,
            "machine": server.machine,
            "owned": server.owned,
            "addresses": [
                {"uri": uri, "local": local, "ok": ms is not None, "ms": ms}
                for uri, local in server.addresses
                for ms in [reached.get((uri, server.machine))]
            ],
        }
        for server in servers
    ]


def chosen(folder: str, machine: object, uri: object) -> Server:
    """Return the server of the sign-in, with its token. Raise ``PlexSyncError`` for an address that it did not find."""
    kept = _kept(folder)
    servers = [_server(raw) for raw in (kept or {}).get("servers", ())]
    if not servers:
        raise PlexSyncError(f"The sign-in has expired. {_AGAIN}")
    server = next((one for one in servers if one.machine == machine), None)
    if server is None or uri not in [address for address, _ in server.addresses]:
        raise PlexSyncError("This address is not one of the servers that the sign-in found. Choose one of them.")
    return server


def use(folder: str, args: Args) -> dict[str, Any]:
    """Save a server's address and token in the plugin's settings, and wake the worker."""
    uri = args.get("uri")
    server = chosen(folder, args.get("machine"), uri)
    changes = {"plexUrl": uri, "plexToken": server.token}
    settings, _ = read_settings(changes)
    problem = settings.url_problem or settings.token_problem
    if problem:
        raise PlexSyncError(problem.removeprefix("PlexSync is paused: "))
    try:
        LiteStash(folder).save_settings(changes)
    except StashUnavailable as error:
        raise PlexSyncError(f"The settings were not saved: {error}. Try again.") from None
    _forget(folder)
    with closing(schema.open_queue(folder, time.time())) as conn:
        QueueMeta(conn).request_wake()
    wake.wake(folder)
    return {"saved": True, "sentence": f"Signed in. PlexSync uses the server {server.name} from now on."}


_STEPS: dict[str, Callable[[str, Args], dict[str, Any]]] = {"start": start, "poll": poll, "use": use}


# -- between the steps


def _path(folder: str) -> str:
    return os.path.join(folder, environment.SIGN_IN)


def _store(folder: str, kept: Mapping[str, Any]) -> None:
    environment.replace(_path(folder), json.dumps(kept).encode())


def _kept(folder: str) -> dict[str, Any] | None:
    """Return what the step before left, None if there is nothing that is valid still."""
    try:
        kept = json.loads(environment.read(_path(folder)).decode("utf-8"))
        left = float(kept["until"]) - time.time()
        is_whole = type(kept["id"]) is int
    except (OSError, ValueError, KeyError, TypeError):
        return None
    if is_whole and 0 < left < environment.SIGN_IN_SECONDS:
        return dict(kept)
    _forget(folder)
    return None


def _forget(folder: str) -> None:
    environment.discard(_path(folder))


def _server(raw: Mapping[str, Any]) -> Server:
    addresses = tuple((str(uri), bool(local)) for uri, local in raw["addresses"])
    return Server(raw["name"], raw["machine"], raw["owned"], raw["token"], addresses)
