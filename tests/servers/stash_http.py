"""The HTTP face of the Stash test server: connections, authentication, faults and covers.

Owns status codes, cookies, the ApiKey and the request log. Must not know the data behind GraphQL.
"""

from __future__ import annotations

import hashlib
import json
import re
import secrets
import select
import socket
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from http.cookies import CookieError, SimpleCookie
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Protocol
from urllib.parse import parse_qs, quote, urlsplit

from tests.servers.stash_front import Front

PLACEHOLDER = b'<svg xmlns="http://www.w3.org/2000/svg" width="1" height="1"></svg>'
_LOGIN_PAGE = b"<!DOCTYPE html><html><head><title>Login</title></head><body><form></form></body></html>"


@dataclass(slots=True)
class RequestLog:
    """One request as the server saw it; ``headers`` with lower-case names, ``status`` 0 while unanswered."""

    method: str
    path: str
    operation: str
    variables: dict[str, Any]
    headers: dict[str, str]
    status: int = 0

    @property
    def cookie(self) -> str:
        """The Cookie header, or ``""``."""
        return self.headers.get("cookie", "")

    @property
    def apikey(self) -> str | None:
        """The ApiKey header, None if none was sent."""
        return self.headers.get("apikey")


@dataclass(slots=True)
class Modes:
    """Ways to misbehave, until switched off; ``locked_database`` counts down."""

    enforce_schema: bool = True
    hang: bool = False
    status_500: bool = False
    html: bool = False
    locked_database: int = 0
    setup_needed: bool = False
    redirect: bool = False


@dataclass(slots=True)
class Fault:
    """Misbehave ``count`` times (None: always) where ``operation`` is found in the request's text or path."""

    kind: str
    count: int | None
    operation: re.Pattern[str]


FAULTS = ("hang", "status_500", "html", "locked_database", "setup_needed", "redirect", "reset")


@dataclass(slots=True)
class Sessions:
    """The cookies in force, each with the time it was given."""

    now: Callable[[], datetime]
    max_age: Callable[[], float]
    issued: dict[str, datetime] = field(default_factory=dict)

    def new(self) -> str:
        """A fresh cookie value."""
        value = secrets.token_urlsafe(24)
        self.issued[value] = self.now()
        return value

    def valid(self, value: str) -> bool:
        """Whether that cookie was given here and is young enough (a maximum age of 0 means for ever)."""
        since = self.issued.get(value)
        if since is None:
            return False
        return not self.max_age() or (self.now() - since).total_seconds() <= self.max_age()


class Application(Protocol):
    """What the HTTP face asks of the server behind it."""

    modes: Modes
    faults: list[Fault]
    log: list[RequestLog]
    sessions: Sessions
    credentials: tuple[str, str] | None
    api_key: str
    released: threading.Event
    front: Front | None

    @property
    def now(self) -> Callable[[], datetime]: ...

    def graphql(self, body: dict[str, Any], gone: Callable[[], bool], base: str) -> tuple[int, dict[str, Any]]: ...

    def cover(self, number: int) -> tuple[bytes, str] | None: ...


class Server(ThreadingHTTPServer):
    """Remembers its connections, so that stopping cuts them as a dying process does."""

    daemon_threads = True
    allow_reuse_address = True
    request_queue_size = 128

    def __init__(self, address: tuple[str, int], application: Application) -> None:
        self.application = application
        self.connections: set[socket.socket] = set()
        super().__init__(address, Handler)

    def cut(self) -> None:
        """Close every connection under its user's hands."""
        for one in list(self.connections):
            try:
                one.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that left is no news."""


class Handler(BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1
    server: Server

    def date_time_string(self, timestamp: float | None = None) -> str:
        """The ``Date`` of an answer, by Stash's clock."""
        return super().date_time_string(self.app.now().timestamp() if timestamp is None else timestamp)

    def setup(self) -> None:
        super().setup()
        self.server.connections.add(self.connection)

    def finish(self) -> None:
        self.server.connections.discard(self.connection)
        try:
            super().finish()
        except OSError:
            return

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing is printed: the request log is enough."""

    def do_GET(self) -> None:
        self._serve(b"")

    def do_POST(self) -> None:
        self._serve(self.rfile.read(int(self.headers.get("Content-Length") or 0)))

    def _serve(self, body: bytes) -> None:
        self.app = self.server.application
        self.parts = urlsplit(self.path)
        self.body = _json(body) if self.parts.path == "/graphql" else {}
        text, variables = str(self.body.get("query", "")), self.body.get("variables")
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.entry = RequestLog(self.command, self.path, text, dict(variables or {}), headers)
        self.app.log.append(self.entry)
        self.new_cookie = ""
        if self.parts.path == "/healthz":
            self._answer(200, b".", "text/plain")
        elif self.parts.path == "/login":
            self._login(body)
        elif not self._misbehave() and self._authenticated():
            self._route()

    def _misbehave(self) -> bool:
        kind = self._fault()
        if kind in ("hang", "reset"):
            if kind == "hang":
                self.app.released.wait()
            self.close_connection = True
            return True
        if kind == "status_500":
            self._answer(500, b"Internal system error", "text/plain")
        elif kind == "html":
            self._answer(200, b"<html><body>A proxy's page</body></html>", "text/html")
        elif kind == "redirect":
            self._redirect("/elsewhere")
        elif kind == "locked_database":
            self._json(200, {"errors": [{"message": "database is locked", "path": ["query"]}], "data": None})
        elif kind == "setup_needed" and "systemStatus" not in self.entry.operation:
            self._json(200, {"errors": [{"message": "database has not been initialised"}], "data": None})
        else:
            return False
        return True

    def _fault(self) -> str:
        modes = self.app.modes
        for fault in self.app.faults:
            if fault.count != 0 and (fault.operation.search(self.entry.operation) or fault.operation.search(self.path)):
                fault.count = None if fault.count is None else fault.count - 1
                return fault.kind
        for kind in ("hang", "status_500", "html", "redirect", "setup_needed"):
            if getattr(modes, kind):
                return kind
        if modes.locked_database > 0 and self.parts.path == "/graphql":
            modes.locked_database -= 1
            return "locked_database"
        return ""

    def _authenticated(self) -> bool:
        key = self.headers.get("ApiKey") or (parse_qs(self.parts.query).get("apikey") or [""])[0]
        if key:  # a key that is sent decides alone, even where no credentials are set
            return bool(key == self.app.api_key) or self._refuse(401)
        if self.app.credentials is None:
            return True
        if self.app.sessions.valid(self._session()):
            self.new_cookie = self.app.sessions.new()
            return True
        asset = re.match(r"/plugin/[^/]+/assets(/|$)", self.parts.path)
        return self._refuse(401 if asset or self.parts.path == "/graphql" else 302)

    def _session(self) -> str:
        """The first cookie named session: of two, Go takes the first."""
        for piece in (self.headers.get("Cookie") or "").split(";"):
            try:
                jar = SimpleCookie(piece.strip())
            except CookieError:
                continue
            if "session" in jar:
                return jar["session"].value
        return ""

    def _refuse(self, status: int) -> bool:
        if status == 302:
            wanted = self._prefix() + self.path
            self._redirect(f"{self._prefix()}/login?returnURL={quote(wanted, safe='/')}")
        else:
            self._answer(401, b"Unauthorized", "text/plain")
        return False

    def _login(self, body: bytes) -> None:
        form = {key: values[0] for key, values in parse_qs(body.decode("utf-8", "replace")).items()}
        if self.command == "POST" and self.app.credentials == (form.get("username"), form.get("password")):
            self.new_cookie = self.app.sessions.new()
            self._answer(200, b"", "text/plain")
        else:
            front = self.app.front
            page = _LOGIN_PAGE if front is None else front.page("login.html", self._prefix()).body
            self._answer(401 if self.command == "POST" else 200, page, "text/html")

    def _route(self) -> None:
        scene = re.fullmatch(r"/scene/(\d+)/screenshot", self.parts.path)
        if self.parts.path == "/graphql" and self.command == "POST":
            self._json(*self.app.graphql(self.body, self._gone, self._base()))
        elif scene:
            self._screenshot(int(scene[1]))
        elif self.app.front is not None and self.command == "GET":
            page = self.app.front.answer(self.parts.path, self.entry.headers, self._prefix())
            self._answer(page.status, page.body, page.kind, page.headers)
        else:
            self._answer(404, b"404 page not found\n", "text/plain")

    def _screenshot(self, number: int) -> None:
        found = self.app.cover(number)
        if found is None:
            self._answer(404, b"Not Found\n", "text/plain")
            return
        etag = '"' + hashlib.md5(found[0], usedforsecurity=False).hexdigest() + '"'
        if self.headers.get("If-None-Match") == etag:
            self._answer(304, b"", "", {"ETag": etag})
        else:
            self._answer(200, found[0], found[1], {"ETag": etag})

    def _prefix(self) -> str:
        """What a proxy in front of Stash has cut off the path, without a slash at its end."""
        return str(self.headers.get("X-Forwarded-Prefix") or "").rstrip("/")

    def _base(self) -> str:
        """Stash's address as the client wrote it."""
        host = self.headers.get("X-Forwarded-Host") or self.headers.get("Host") or ""
        return f"http://{host}{self._prefix()}"

    def _gone(self) -> bool:
        """Whether the client has hung up while it is still waiting for an answer."""
        try:
            if not select.select([self.connection], [], [], 0)[0]:
                return False
            return bool(self.connection.recv(1, socket.MSG_PEEK) == b"")
        except (OSError, ValueError):
            return True

    def _json(self, status: int, body: dict[str, Any]) -> None:
        self._answer(status, json.dumps(body).encode(), "application/json")

    def _redirect(self, where: str) -> None:
        self._answer(302, b"", "", {"Location": where})

    def _answer(self, status: int, body: bytes, kind: str, more: dict[str, str] | None = None) -> None:
        self.entry.status = status
        self.send_response(status)
        headers = {"Content-Length": str(len(body)), **(more or {})}
        if kind:
            headers["Content-Type"] = kind
        if self.new_cookie:
            headers["Set-Cookie"] = f"session={self.new_cookie}; Path=/; HttpOnly"
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)
        self.wfile.flush()


def _json(body: bytes) -> dict[str, Any]:
    try:
        value = json.loads(body)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}
