"""Builds a release and serves it on this machine as a source for Stash, until Ctrl-C.

Run: ``python -m tests.tools.source [--bind ADDRESS] [--port PORT]`` (``make source BIND=... PORT=...``). It answers for
two files and nothing else, from memory. Standard library, and what ``dist`` needs.
"""

from __future__ import annotations

import argparse
import contextlib
import signal
import socket
import sys
import time
from collections.abc import Callable
from email.utils import formatdate
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from tests.tools import dist
from tests.tools.lock import LockError

#: No number that Stash or Plex has. The same each time, so that an address added to Stash stays right.
PORT = 9970
LOCAL, ALL = "127.0.0.1", "0.0.0.0"

TYPES = {dist.INDEX: "application/yaml; charset=utf-8", dist.ZIP: "application/zip"}

WORDS = """\
PlexSync {version} of {at:%Y-%m-%d %H:%M:%S} UTC is served until you press Ctrl-C.

In Stash: Settings > Plugins > Available Plugins > Add Source
  Name        PlexSync
  Source URL  {url}
  Local Path  leave it empty; with PlexSync 0.1 of the Community list installed: community
Open the new source in the list, tick PlexSync, press Install, and reload the browser's tab.

{reach}

Where Stash runs on this machine, and in no container, this one needs no server:
  Source URL  {file}

Once PlexSync is installed, end this. The source may stay in Stash for an update, or be deleted.
"""

#: Stash may run elsewhere: what to do then, by whether it could reach this server.
HERE = """\
Stash in Docker, or on another machine, does not reach that address. End this, and run:
  make source BIND=0.0.0.0"""
ANYWHERE = """\
Every machine of your network reaches it, and so does a container. In Docker Desktop:
  Source URL  http://host.docker.internal:{port}/index.yml"""


def handler(files: dict[str, bytes], since: float) -> type[BaseHTTPRequestHandler]:
    """Return a handler that answers GET and HEAD for ``/name`` of ``files``, and 404 for all else.

    ``since``: Last-Modified, in seconds since 1970. Stash asks for the index again only if it is later than before, so
    it is the time of serving: the commit's would hide a tree that went back.
    """

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        server_version, sys_version = "PlexSync", ""
        timeout = 30

        def do_GET(self) -> None:
            self._answer(with_body=True)

        def do_HEAD(self) -> None:
            self._answer(with_body=False)

        def _answer(self, *, with_body: bool) -> None:
            name = self.path.partition("?")[0].removeprefix("/")
            body = files.get(name)
            self.send_response(HTTPStatus.NOT_FOUND if body is None else HTTPStatus.OK)
            self.send_header("Content-Length", str(len(body or b"")))
            if body is not None:
                self.send_header("Content-Type", TYPES[name])
                self.send_header("Last-Modified", formatdate(since, usegmt=True))
            self.end_headers()
            if body and with_body:
                self.wfile.write(body)

        def log_error(self, format: str, *args: object) -> None:
            """Say nothing: the end of a connection that was kept open is reported here as well."""

        def log_message(self, format: str, *args: object) -> None:
            print(f"{self.address_string()} {format % args}", file=sys.stderr)

    return Handler


def address_of_this_machine() -> str:
    """Return the address by which others reach this machine, as far as it can tell without sending anything."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe, contextlib.suppress(OSError):
        probe.connect(("192.0.2.1", 9))  # set aside for documents (RFC 5737); UDP sends nothing by connecting
        return str(probe.getsockname()[0])
    return LOCAL


def words(made: dist.Release, bind: str, port: int, outside: Callable[[], str] = address_of_this_machine) -> str:
    """Return what to paste into Stash. ``outside``: this machine's address for others."""
    host = outside() if bind == ALL else bind
    reach = HERE if bind == LOCAL else ANYWHERE.format(port=port)
    file = made.index_file.resolve().as_uri()
    url = f"http://{host}:{port}/{dist.INDEX}"
    return WORDS.format(version=made.version, at=made.at, url=url, reach=reach, file=file)


def serve(made: dist.Release, bind: str, port: int) -> None:
    """Serve what was built until Ctrl-C (SIGINT). Raise ``OSError`` where the address cannot be had."""
    files = {path.name: path.read_bytes() for path in (made.index_file, made.archive)}
    with ThreadingHTTPServer((bind, port), handler(files, time.time())) as server:
        print(words(made, bind, server.server_port), flush=True)
        with contextlib.suppress(KeyboardInterrupt):
            server.serve_forever()


def main(arguments: list[str] | None = None) -> int:
    """Build and serve; 0 after Ctrl-C, 1 with a sentence where that cannot be done."""
    parser = argparse.ArgumentParser(prog="python -m tests.tools.source", description="Serves a source for Stash.")
    parser.add_argument("--bind", default=LOCAL, metavar="ADDRESS", help=f"{ALL}: for other machines and containers")
    parser.add_argument("--port", default=PORT, type=int, help=f"default {PORT}; 0: one that is free")
    chosen = parser.parse_args(arguments)
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job ignores it
    try:
        serve(dist.build(), chosen.bind, chosen.port)
    except (dist.BuildError, LockError) as error:
        print(error, file=sys.stderr)
        return 1
    except OSError as error:
        print(f"{chosen.bind}:{chosen.port} cannot be used ({error.strerror}). Another port: PORT=...", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
