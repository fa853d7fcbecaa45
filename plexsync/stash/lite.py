"""A small client of Stash for the probe, and for when Python packages are missing. Standard library only."""

from __future__ import annotations

import http.client
import json
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

from plexsync.core import environment
from plexsync.core.connection import Connection, read_connection
from plexsync.model.errors import NO_TLS, StashNeedsTls, StashUnavailable
from plexsync.stash.queries import RUN_OPERATION, SAVE_SETTINGS, SETTINGS, log_arguments
from plexsync.stash.reading import plugin_settings

#: Bytes read of an answer: settings are far shorter, and of Plex's row only the beginning counts.
MOST = 1_000_000

#: The exceptions of ``fetch`` when there is no answer.
FETCH_ERRORS = (OSError, http.client.HTTPException, ValueError)


class _NoTls(OSError):
    """Python has no ssl module."""


class LiteStash:
    """Stash, reached by the ``connection.json`` in ``folder``. ``requests``: the number of requests sent so far.

    ``connection``: used instead of the file, which only the main thread can read.

    Every method raises ``StashUnavailable``; its ``refused`` means that Stash accepts neither API key nor cookie.
    """

    def __init__(self, folder: str, api_key: str = "", connection: Connection | None = None) -> None:
        self.requests = 0
        self._connection = connection
        self._folder = folder
        self._api_key = api_key

    def settings(self) -> Mapping[str, Any]:
        """Return the settings that the user saved for PlexSync. Try the cookie where the API key is rejected."""
        query = f"query {{ {SETTINGS} }}"
        try:
            data = self.ask(query)
        except StashUnavailable as error:
            if not (error.refused and self._api_key):
                raise
            self._api_key = ""
            data = self.ask(query)
        saved = plugin_settings(data)
        if saved is None:
            raise StashUnavailable("PlexSync cannot read Stash's answer: plugins is missing")
        return saved

    def save_settings(self, changes: Mapping[str, Any]) -> None:
        """Change some of the saved settings. Stash replaces them all at once, so the others are read and sent too."""
        self.ask(SAVE_SETTINGS, {"input": {**self.settings(), **changes}})

    def tell(self, lines: Sequence[Mapping[str, str]]) -> None:
        """Show ``lines`` in Stash's log, through the plugin's own ``log`` operation."""
        self.ask(RUN_OPERATION, log_arguments(lines))

    def ask(self, query: str, variables: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Return the ``data`` of a GraphQL answer."""
        self.requests += 1
        connection = self._connection or read_connection(self._folder, self._api_key)
        if connection is None:
            raise StashUnavailable("connection.json, which has Stash's address, is missing or cannot be read")
        body = json.dumps({"query": query, "variables": dict(variables or {})}).encode()
        try:
            status, text = fetch(connection.base, "POST", "/graphql", _headers(connection), body, verify=False)
            answer = json.loads(text) if status == 200 else {}
        except FETCH_ERRORS as error:
            if isinstance(error, _NoTls):
                raise StashNeedsTls(f"Stash is unreachable at {connection.base}: {NO_TLS}") from None
            raise StashUnavailable(f"Stash is unreachable at {connection.base} ({type(error).__name__})") from None
        if status in (401, 403) or 300 <= status < 400:
            raise StashUnavailable(f"Stash rejected the login (status {status})", refused=True)
        if not isinstance(answer, dict) or not isinstance(answer.get("data"), dict):
            raise StashUnavailable(f"Stash answered a query without data (status {status})")
        data: dict[str, Any] = answer["data"]
        return data


def _headers(connection: Connection) -> dict[str, str]:
    """Return the headers of a query; the cookie is sent only where there is no API key."""
    headers = {"Content-Type": "application/json", "Accept": "application/json"}
    if connection.api_key:
        headers["ApiKey"] = connection.api_key
    elif connection.cookie:
        headers["Cookie"] = f"session={connection.cookie}"
    return headers


def fetch(
    base: str, method: str, path: str, headers: Mapping[str, str], body: bytes | None, *, verify: bool
) -> tuple[int, bytes]:
    """Return the status and body of one request, sent with the contract's timeouts; redirects are not followed.

    Raise one of ``FETCH_ERRORS``.
    """
    parts = urlsplit(base)
    connect = environment.timeout("PLEXSYNC_CONNECT_TIMEOUT")
    host, port = parts.hostname or "localhost", parts.port
    secure = parts.scheme == "https"
    link = _secure_link(host, port, verify) if secure else http.client.HTTPConnection(host, port)
    link.timeout = connect
    try:
        link.connect()
        if link.sock is not None:
            link.sock.settimeout(environment.timeout("PLEXSYNC_READ_TIMEOUT"))
        link.request(method, parts.path.rstrip("/") + path, body=body, headers=dict(headers))
        answer = link.getresponse()
        return answer.status, answer.read(MOST)
    finally:
        link.close()


def _secure_link(host: str, port: int | None, verify: bool) -> http.client.HTTPConnection:
    try:
        import ssl
    except ImportError:
        raise _NoTls(NO_TLS) from None
    context = ssl.create_default_context() if verify else ssl._create_unverified_context()
    return http.client.HTTPSConnection(host, port, context=context)
