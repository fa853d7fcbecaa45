"""The sockets of the Plex test server: HTTP/1.1 with keep-alive on a loopback port. Knows nothing of Plex."""

from __future__ import annotations

import os
import socket
import socketserver
import ssl
import struct
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote

from tests.servers import plex_query

_KEEP_BODY = 1_000_000


@dataclass(slots=True)
class Request:
    """One request as it arrived. ``query`` holds decoded pairs in order, ``target`` the request line's address as sent;
    ``body`` is kept up to 1 MB. ``status`` is 0 until answered, and stays 0 when the connection was broken instead.
    ``time``: epoch seconds of arrival. ``line_length``: bytes of the request line. ``nth``: its number on its
    connection."""

    method: str
    path: str
    target: str
    query: list[tuple[str, str]]
    headers: dict[str, str]
    body: bytes = field(repr=False)
    body_length: int
    line_length: int
    time: float
    status: int = 0
    nth: int = 1

    def header(self, name: str) -> str | None:
        """A header's value by its name in any letter case."""
        return self.headers.get(name.lower())

    def param(self, name: str) -> str | None:
        """The first value of a query parameter, or None."""
        return plex_query.first(self.query, name)


@dataclass(frozen=True, slots=True)
class Reply:
    """What to send back. ``ending``: ``whole``; ``cut`` (half of the body, then closed); ``close`` (nothing at all);
    ``reset`` (RST, nothing sent); ``by_proxy``: without the header that marks
    each reply of Plex."""

    status: int = 200
    body: bytes = b""
    content_type: str = "text/html"
    headers: tuple[tuple[str, str], ...] = ()
    ending: str = "whole"
    by_proxy: bool = False


Answer = Callable[[Request, bytes], Reply]


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Listener
    raw_requestline: bytes
    served = 0

    def setup(self) -> None:
        self.request.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        super().setup()

    def _serve(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        path, _, raw_query = self.path.partition("?")
        self.served += 1
        request = Request(
            method=self.command,
            path=unquote(path),
            target=self.path,
            query=plex_query.parse(raw_query),
            headers=self.server.shared_headers(self.headers.items()),
            body=body if len(body) <= _KEEP_BODY else b"",
            body_length=len(body),
            line_length=len(self.raw_requestline.rstrip(b"\r\n")),
            time=time.time(),
            nth=self.served,
        )
        self._send(request, self.server.answer(request, body))

    do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = _serve

    def _send(self, request: Request, reply: Reply) -> None:
        if reply.ending in ("close", "reset"):
            self.close_connection = True
            if reply.ending == "reset":
                self._reset()
            return
        request.status = reply.status
        body = reply.body
        length = len(body)
        if reply.ending == "cut":
            self.close_connection = True
            body, length = body[: length // 2], max(length, 100)
        try:
            reason = HTTPStatus(reply.status).phrase
        except ValueError:
            reason = "Unknown"
        lines = [f"HTTP/1.1 {reply.status} {reason}", f"Content-Type: {reply.content_type}"]
        lines += [] if reply.by_proxy else ["X-Plex-Protocol: 1.0"]
        lines += [f"{name}: {value}" for name, value in reply.headers]
        lines += [f"Content-Length: {length}", f"Connection: {'close' if self.close_connection else 'Keep-Alive'}"]
        head = "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n"
        self.wfile.write(head if self.command == "HEAD" else head + body)

    def _reset(self) -> None:
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        os.close(self.connection.detach())

    def log_message(self, format: str, *args: Any) -> None:
        """Silence: ``PlexServer.log`` is the log."""


class Listener(ThreadingHTTPServer):
    """A listening socket and its threads. ``answer`` turns a request and its body into a reply."""

    daemon_threads = True
    block_on_close = False
    request_queue_size = 256

    def __init__(self, port: int, answer: Answer, tls: tuple[str, str] | None) -> None:
        self.answer = answer
        self._lock = threading.Lock()
        self._open: set[socket.socket] = set()
        self._headers: dict[tuple[tuple[str, str], ...], dict[str, str]] = {}
        super().__init__(("127.0.0.1", port), _Handler)
        if tls:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*tls)
            self.socket = context.wrap_socket(self.socket, server_side=True, do_handshake_on_connect=False)
        self._thread = threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)

    def server_bind(self) -> None:
        """Bind without the name look-up of ``HTTPServer``."""
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = "127.0.0.1", int(self.server_address[1])

    def start(self) -> None:
        """Serve in a thread of its own."""
        self._thread.start()

    def close(self) -> None:
        """Refuse connections from now on and drop those that are open."""
        self.shutdown()
        self.server_close()
        self._thread.join()
        with self._lock:
            left = list(self._open)
        for connection in left:
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue

    def shared_headers(self, items: list[tuple[str, str]]) -> dict[str, str]:
        """Headers by lower-case name; equal sets share one dict, because 100,000 requests are kept."""
        key = tuple(items)
        with self._lock:
            if len(self._headers) > 1000:
                self._headers.clear()
            return self._headers.setdefault(key, {name.lower(): value for name, value in key})

    def process_request(self, request: Any, client_address: Any) -> None:
        """Remember the connection, then hand it to its thread."""
        with self._lock:
            self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        """Forget the connection and close it."""
        with self._lock:
            self._open.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away is no news; anything else is the test server's own bug and must be seen."""
        if not isinstance(sys.exc_info()[1], OSError):
            super().handle_error(request, client_address)
