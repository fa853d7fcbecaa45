"""A reverse proxy that serves Stash under a path prefix, as people put it behind one: the prefix is cut off and told.

Whatever is asked for outside the prefix is answered 404 and remembered.
"""

from __future__ import annotations

import http.client
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

#: Headers that belong to one connection.
OWN = {"connection", "transfer-encoding", "content-length", "date", "server", "keep-alive"}


class Proxy:
    """Listens on loopback and hands on to the Stash on ``port``; a context manager."""

    def __init__(self, port: int, prefix: str = "/stash") -> None:
        self.prefix = prefix
        self.outside: list[str] = []
        proxy = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, format: str, *args: Any) -> None:
                """Nothing is printed."""

            def do_GET(self) -> None:
                proxy._hand_on(self, port)

            do_POST = do_GET

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}{prefix}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def _hand_on(self, client: BaseHTTPRequestHandler, port: int) -> None:
        if not client.path.startswith(self.prefix + "/"):
            self.outside.append(client.path)
            client.send_response(404)
            client.send_header("Content-Length", "0")
            client.end_headers()
            return
        body = client.rfile.read(int(client.headers.get("Content-Length") or 0))
        told = {name: value for name, value in client.headers.items() if name.lower() != "connection"}
        told |= {"X-Forwarded-Prefix": self.prefix, "X-Forwarded-Host": client.headers["Host"]}
        stash = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        stash.request(client.command, client.path[len(self.prefix) :], body, told)
        answer = stash.getresponse()
        text = answer.read()
        client.send_response(answer.status)
        for name, value in answer.getheaders():
            if name.lower() not in OWN:
                client.send_header(name, value)
        client.send_header("Content-Length", str(len(text)))
        client.end_headers()
        client.wfile.write(text)
        stash.close()
