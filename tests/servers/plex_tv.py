"""plex.tv for the tests, on a loopback port: codes that somebody signs in with, resources, expiry, and failures."""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit


@dataclass(slots=True)
class Asked:
    """One request as it arrived; header names in lower case."""

    method: str
    target: str
    headers: Mapping[str, str]


@dataclass(slots=True)
class _Pin:
    client: str
    code: str
    token: str = ""


@dataclass
class PlexTv:
    """A context manager. ``log``: what was asked.

    ``status``: answer everything so (0: as it should be). ``garbage``: answer with a page. ``hang``: do not answer
    until the end. ``drip``: send a byte now and then.
    """

    log: list[Asked] = field(default_factory=list)
    resources: list[dict[str, Any]] = field(default_factory=list)
    status: int = 0
    garbage: bool = False
    hang: bool = False
    drip: bool = False
    _pins: dict[int, _Pin] = field(default_factory=dict)
    _tokens: set[str] = field(default_factory=set)
    _over: threading.Event = field(default_factory=threading.Event)

    def __enter__(self) -> Self:
        self._server = _Listener(("127.0.0.1", 0), _Handler)
        self._server.owner = self
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._server.shutdown()
        self._server.server_close()

    @property
    def url(self) -> str:
        """The address for ``PLEXSYNC_PLEX_TV``."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def sign_in(self, pin: int, token: str) -> None:
        """What the user does on the page that was opened."""
        self._pins[pin].token = token
        self._tokens.add(token)

    def expire(self, pin: int) -> None:
        """The code's time is over."""
        del self._pins[pin]

    def revoke(self, token: str) -> None:
        """The user removes the device from the account."""
        self._tokens.discard(token)

    def add_server(self, name: str, machine: str, uris: list[tuple[str, bool]], **more: Any) -> None:
        """Add a server of the account; ``uris``: pairs of an address and whether it is local."""
        connections = [
            {"protocol": urlsplit(uri).scheme, "address": urlsplit(uri).hostname, "port": urlsplit(uri).port,
             "uri": uri, "local": local, "relay": False, "IPv6": False}
            for uri, local in uris
        ]  # fmt: skip
        server = {"name": name, "product": "Plex Media Server", "provides": "server", "clientIdentifier": machine}
        self.resources.append({**server, "owned": True, "accessToken": None, "connections": connections, **more})

    # -- answers

    def answer(self, asked: Asked) -> tuple[int, Any]:
        """The status and the JSON for a request."""
        parts = urlsplit(asked.target)
        client = asked.headers.get("x-plex-client-identifier", "")
        if asked.method == "POST" and parts.path == "/api/v2/pins":
            if not client or not asked.headers.get("x-plex-product"):
                return 400, _error(1000, "X-Plex-Client-Identifier is missing")
            number = 1000 + len(self._pins)
            strong = parse_qs(parts.query).get("strong") == ["true"]
            self._pins[number] = _Pin(client, f"code{number}{'x' * 18 if strong else ''}")
            return 201, self._pin(number)
        if asked.method == "GET" and parts.path.startswith("/api/v2/pins/"):
            number = int(parts.path.rpartition("/")[2])
            if number not in self._pins or self._pins[number].client != client:
                return 404, _error(1020, "Code not found or expired")
            return 200, self._pin(number)
        if asked.method == "GET" and parts.path == "/api/v2/resources":
            if asked.headers.get("x-plex-token") not in self._tokens:
                return 401, _error(1001, "User could not be authenticated")
            return 200, self.resources
        return 404, _error(1, "not found")

    def _pin(self, number: int) -> dict[str, Any]:
        pin = self._pins[number]
        return {
            "id": number, "code": pin.code, "product": "PlexSync", "trusted": False, "clientIdentifier": pin.client,
            "expiresIn": 1800, "authToken": pin.token or None, "newRegistration": None,
        }  # fmt: skip

    def wait(self, seconds: float | None = None) -> bool:
        """Wait for the end of the server; return whether it has come."""
        return self._over.wait(seconds)


def _error(code: int, message: str) -> dict[str, Any]:
    return {"errors": [{"code": code, "message": message}]}


class _Listener(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    owner: PlexTv


class _Handler(BaseHTTPRequestHandler):
    server: _Listener

    def _serve(self) -> None:
        owner = self.server.owner
        asked = Asked(self.command, self.path, {name.lower(): value for name, value in self.headers.items()})
        owner.log.append(asked)
        if owner.hang and owner.wait():
            return
        status, document = owner.answer(asked)
        body = b"<html>not plex.tv</html>" if owner.garbage else json.dumps(document).encode()
        self.send_response(owner.status or status)
        self.send_header("Content-Type", "application/json; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        for number in range(len(body)) if owner.drip else ():
            self.wfile.write(body[number : number + 1])
            if owner.wait(0.2):
                return
        if not owner.drip:
            self.wfile.write(body)

    do_GET = do_POST = _serve

    def log_message(self, format: str, *args: Any) -> None:
        """Silence: ``PlexTv.log`` is the log."""

    def handle(self) -> None:
        """A client that went away is no news."""
        try:
            super().handle()
        except OSError:
            return
