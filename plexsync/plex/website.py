"""plex.tv, for "Sign in with Plex": the only module that calls it, and only when that is pressed.

Every failure is a ``PlexSyncError`` with a sentence. The token travels in a header only; no sentence contains it.
"""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

import requests

from plexsync import __version__
from plexsync.model.errors import PlexSyncError
from plexsync.plex.deadline import within
from plexsync.plex.session import PlexSession

#: Where plex.tv is; the environment variable is for tests.
PLEX_TV, VARIABLE = "https://plex.tv", "PLEXSYNC_PLEX_TV"
#: The page on which the user signs in.
SIGN_IN_PAGE = "https://app.plex.tv/auth"

#: Seconds for a request to plex.tv: for the connection, for each part of the answer, for everything.
CONNECT, READ, LIMIT = 4.0, 5.0, 6.0
#: Seconds within which all addresses are tried, side by side, and how many at most.
TRY, MOST_ADDRESSES = 4.5, 60
#: Seconds for which a code is valid where plex.tv does not say it.
CODE_SECONDS = 900.0
#: Bytes of an answer that are read to find the server's identifier.
_IDENTITY_BYTES = 65_536

_BY_HAND = "Or paste the token by hand."


class SignInExpired(PlexSyncError):
    """The code of a sign-in is no longer valid."""


@dataclass(frozen=True, slots=True)
class Pin:
    """A sign-in that has begun. ``seconds``: how long the code is valid."""

    id: int
    code: str
    seconds: float


@dataclass(frozen=True, slots=True)
class Server:
    """A server of the account. ``addresses``: pairs of an address and whether it is one of the local network."""

    name: str
    machine: str
    owned: bool
    token: str = field(repr=False)
    addresses: tuple[tuple[str, bool], ...]


def sign_in_page(client_id: str, code: str) -> str:
    """Return the address that the user opens."""
    query = {"clientID": client_id, "code": code, "context[device][product]": "PlexSync"}
    return f"{SIGN_IN_PAGE}#?{urlencode(query)}"


class Website:
    """plex.tv, as this installation (``client_id``)."""

    def __init__(self, client_id: str) -> None:
        self._base = (os.environ.get(VARIABLE) or PLEX_TV).rstrip("/")
        self._headers = {
            "Accept": "application/json",
            "X-Plex-Client-Identifier": client_id,
            "X-Plex-Product": "PlexSync",
            "X-Plex-Version": __version__,
            "X-Plex-Device": "Stash",
            "X-Plex-Device-Name": "PlexSync",
        }

    def new_pin(self) -> Pin:
        """Begin a sign-in."""
        raw = self._ask("POST", "/api/v2/pins?strong=true")
        if not isinstance(raw, dict) or type(raw.get("id")) is not int or not isinstance(raw.get("code"), str):
            raise _unreadable()
        seconds = raw.get("expiresIn")
        return Pin(raw["id"], raw["code"], float(seconds) if type(seconds) is int and seconds > 0 else CODE_SECONDS)

    def token(self, pin_id: int) -> str:
        """Return the account's token, ``""`` while the user has not signed in. Raise ``SignInExpired``."""
        raw = self._ask("GET", f"/api/v2/pins/{pin_id}", expires=True)
        token = raw.get("authToken") if isinstance(raw, dict) else None
        return token if isinstance(token, str) else ""

    def servers(self, token: str) -> list[Server]:
        """Return the account's servers, its own first."""
        query = "includeHttps=1&includeRelay=1&includeIPv6=1"
        raw = self._ask("GET", f"/api/v2/resources?{query}", {"X-Plex-Token": token})
        if not isinstance(raw, list):
            raise _unreadable()
        servers = (_server(one, token) for one in raw if isinstance(one, dict))
        return sorted((server for server in servers if server is not None), key=lambda server: not server.owned)

    def _ask(self, method: str, path: str, headers: Mapping[str, str] | None = None, *, expires: bool = False) -> Any:
        """Return the JSON of an answer. ``expires``: a 404 means that the code is no longer valid."""
        try:
            return within(LIMIT, lambda: self._answer(method, path, {**self._headers, **(headers or {})}, expires))
        except (TimeoutError, requests.Timeout):
            sentence = f"plex.tv did not answer within {LIMIT:g} s. Try again. {_BY_HAND}"
        except requests.exceptions.SSLError:
            sentence = (
                f"The secure connection to plex.tv failed. Check this machine's date and certificates. {_BY_HAND}"
            )
        except (requests.RequestException, OSError):
            sentence = (
                f"plex.tv cannot be reached from the machine where Stash runs. Check its internet access. {_BY_HAND}"
            )
        except (ValueError, RecursionError):
            raise _unreadable() from None
        raise PlexSyncError(sentence)

    def _answer(self, method: str, path: str, headers: Mapping[str, str], expires: bool) -> Any:
        with requests.Session() as session:
            session.auth = _as_it_is  # else requests would look for a password in ~/.netrc
            answer = session.request(
                method, self._base + path, headers=dict(headers), timeout=(CONNECT, READ), allow_redirects=False
            )
            if answer.status_code not in (200, 201):
                raise _refusal(answer.status_code, expires=expires)
            return json.loads(answer.content)


def _as_it_is(request: requests.PreparedRequest) -> requests.PreparedRequest:
    return request


def _refusal(status: int, *, expires: bool) -> PlexSyncError:
    if status in (400, 404) and expires:
        return SignInExpired("The code has expired. Press Sign in with Plex again.")
    if status in (401, 403, 498):
        return PlexSyncError(f"plex.tv rejected the sign-in ({status}). Press Sign in with Plex again. {_BY_HAND}")
    if status == 429:
        return PlexSyncError(f"plex.tv takes no more requests for now (429). Wait a minute, then try again. {_BY_HAND}")
    return PlexSyncError(f"plex.tv answered with an error ({status}). Try again later. {_BY_HAND}")


def _unreadable() -> PlexSyncError:
    return PlexSyncError(f"plex.tv sent a reply that PlexSync cannot read. Try again later. {_BY_HAND}")


def _server(raw: Mapping[str, Any], token: str) -> Server | None:
    machine, provides = raw.get("clientIdentifier"), str(raw.get("provides") or "").split(",")
    if not isinstance(machine, str) or not machine or "server" not in provides:
        return None
    own, connections = raw.get("accessToken"), raw.get("connections")
    found = [one for one in connections if isinstance(one, dict)] if isinstance(connections, list) else []
    found.sort(key=lambda one: (not one.get("local"), bool(one.get("relay"))))
    addresses = {uri: bool(one.get("local")) for one in found for uri in _uris(one, plain=not raw.get("httpsRequired"))}
    return Server(
        name=str(raw.get("name") or machine),
        machine=machine,
        owned=raw.get("owned") in (True, 1, "1"),
        token=own if isinstance(own, str) and own else token,
        addresses=tuple(sorted(addresses.items(), key=lambda pair: not pair[1])),
    )


def _uris(connection: Mapping[str, Any], *, plain: bool) -> Iterator[str]:
    """Yield a connection's address, and in the local network the one by plain HTTP: there plex.direct's names may fail.

    ``plain``: the server takes it.
    """
    uri, host, port = connection.get("uri"), connection.get("address"), connection.get("port")
    if isinstance(uri, str) and uri.startswith(("https://", "http://")):
        yield uri.rstrip("/")
    if plain and connection.get("local") and isinstance(host, str) and host and type(port) is int:
        yield f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def reach(addresses: Iterable[tuple[str, str]]) -> dict[tuple[str, str], int]:
    """Try addresses, pairs of an address and the machineIdentifier that has to answer there, side by side.

    Return pair -> milliseconds, for those that answered within ``TRY`` seconds. No token is sent.
    """
    found: dict[tuple[str, str], int] = {}
    threads = [
        threading.Thread(target=_try, args=(uri, machine, found), daemon=True)
        for uri, machine in list(addresses)[:MOST_ADDRESSES]
    ]
    for thread in threads:
        thread.start()
    end = time.monotonic() + TRY
    for thread in threads:
        thread.join(max(0.0, end - time.monotonic()))
    return dict(found)


def _try(uri: str, machine: str, found: dict[tuple[str, str], int]) -> None:
    began = time.monotonic()
    try:
        with PlexSession(connect_timeout=TRY, read_timeout=TRY) as session:
            headers = {"Accept": "application/json"}
            with session.get(f"{uri}/identity", headers=headers, stream=True) as answer:
                body = next(answer.iter_content(_IDENTITY_BYTES), b"") if answer.status_code == 200 else b""
    except (requests.RequestException, OSError, ValueError):
        return
    if f'"{machine}"'.encode() in body:
        found[uri, machine] = int((time.monotonic() - began) * 1000)
