"""Try an address and a token of Plex, before they are saved: what answers there, and which libraries it has.

Saves nothing. Whatever is wrong is the answer, not an error, and the answer comes within ``LIMIT`` seconds.
"""

from __future__ import annotations

import contextlib
import errno
import socket
import sqlite3
import time
from collections.abc import Mapping
from contextlib import closing
from typing import Any
from urllib.parse import urlsplit

from plexsync.app import own_client_id
from plexsync.core import environment
from plexsync.core.connection import read_connection
from plexsync.model import pasted
from plexsync.model.errors import PlexSyncError, StashUnavailable
from plexsync.model.item import Section
from plexsync.model.settings import DEFAULT_URL, Settings, read_settings, setup_problem
from plexsync.plex.client import PlexClient
from plexsync.plex.deadline import within
from plexsync.plex.sections import NO_MOVIES, of_movies
from plexsync.stash.lite import LiteStash
from plexsync.state.meta import Meta
from plexsync.tasks import sign_in
from plexsync.tasks.call import Args

#: Seconds for everything, however slowly a server answers; and of these for a connection, and for one answer.
LIMIT, CONNECT, READ = 8.0, 4.0, 6.0

#: Hosts that are the machine, or the container, that asks.
_HERE = ("localhost", "127.0.0.1", "::1")


def run(folder: str, args: Args) -> dict[str, Any]:
    """Return ``{"ok", "sentence", "version", "ms", "libraries"}``. Raise ``PlexSyncError`` for other arguments.

    With a ``machine``, ``url`` is an address that the sign-in found for it, and the token is the sign-in's. No token is
    sent before Plex has said who it is; the saved one to another address only if that is the Plex to which it belongs,
    or with ``saved_token``: because the person asks for it.

    ``ms`` is None and ``version`` empty where Plex did not answer; a library's ``items`` is None where it did not tell.
    """
    given = {key: _given(args, name) for name, key in (("url", "plexUrl"), ("token", "plexToken"))}
    machine = _given(args, "machine")
    may_send = args.get("saved_token", False)
    if not isinstance(may_send, bool):
        raise PlexSyncError("The saved_token must be true or false.")
    attempt = _Attempt(folder, {key: text for key, text in given.items() if text}, machine, may_send)
    try:
        return within(attempt.limit, attempt.run)
    except TimeoutError:
        why = f'"Plex address" did not answer completely within {attempt.limit:g} s. Check the port.'
        return attempt.failed(why)


def _given(args: Args, name: str) -> str:
    value = args.get(name)
    if value is not None and not isinstance(value, str):
        raise PlexSyncError(f"The {name} must be a text. Leave it out to try what is saved.")
    return (value or "").strip()


class _Attempt:
    """One attempt, in a thread that the answer waits for at most ``limit`` seconds."""

    def __init__(self, folder: str, given: Mapping[str, str], machine: str, may_send: bool) -> None:
        self._connect = min(CONNECT, environment.timeout("PLEXSYNC_CONNECT_TIMEOUT"))
        self._read = min(READ, environment.timeout("PLEXSYNC_READ_TIMEOUT"))
        self.limit = min(LIMIT, self._connect + self._read)
        self._count_until = time.monotonic() + self.limit / 2
        self._folder = folder
        self._client_id = own_client_id(folder)
        self._stash = LiteStash(folder, connection=read_connection(folder))
        self._given = given
        self._machine = machine
        self._may_send = may_send
        self._version = ""
        self._ms: int | None = None

    def failed(self, sentence: str) -> dict[str, Any]:
        """Return the answer for a failure, with what is known by then."""
        return {"ok": False, "sentence": sentence, "version": self._version, "ms": self._ms, "libraries": []}

    def run(self) -> dict[str, Any]:
        """Make the attempt and return the answer."""
        try:
            if self._machine:
                server = sign_in.chosen(self._folder, self._machine, self._given.get("plexUrl"))
                self._given = {**self._given, "plexToken": server.token}
            return self._tried()
        except PlexSyncError as error:
            return self.failed(_sentence(str(error)))

    def _tried(self) -> dict[str, Any]:
        if pasted.may_be_token(pasted.address(self._given.get("plexUrl", "")).base):
            return self.failed(
                'This looks like a token, not an address. Paste it as "Plex token", and set "Plex address" to the'
                f" address of your Plex server, such as {DEFAULT_URL}."
            )
        saved = self._saved()
        settings, _ = read_settings({**saved, **self._given})
        if problem := settings.url_problem or self._unreachable(settings):
            return self.failed(_sentence(problem))
        client = PlexClient(
            settings.plex_url,
            settings.plex_token,
            client_id=self._client_id,
            verify=not settings.skip_tls_verify,
            connect_timeout=self._connect,
            read_timeout=self._read,
        )
        with closing(client):
            machine = self._identify(client)  # so that a right address is told from a missing or a wrong token
            problem = setup_problem(settings) or self._kept_back(saved, settings.plex_url, machine)
            return self.failed(_sentence(problem)) if problem else self._asked(client)

    def _saved(self) -> Mapping[str, Any]:
        """Return what is saved. Raise ``StashUnavailable`` where the call needs it."""
        try:
            return self._stash.settings()
        except StashUnavailable:
            if len(self._given) == 2:
                return {}
            raise

    def _unreachable(self, settings: Settings) -> str:
        """Return why no connection comes about, ``""`` if one does."""
        _, host, port = _origin(settings.plex_url)
        where = f"{host}:{port}"
        try:
            socket.create_connection((host, port), self._connect).close()
        except (socket.gaierror, UnicodeError):
            return (
                f'The name {host} in "Plex address" was not found. Check its spelling, or use the IP address of the'
                " machine where Plex runs."
            )
        except TimeoutError:
            return (
                f'No answer came from {where} in "Plex address" within {self._connect:g} s. Check the address, and that'
                " no firewall is in between."
            )
        except OSError as error:
            if error.errno != errno.ECONNREFUSED:
                return f'There is no way from Stash\'s machine to {where} in "Plex address". Check the address.'
            hint = " If Stash runs in a container, use the address of Plex's machine." if host in _HERE else ""
            return f'Nothing listens at {where} in "Plex address". Check that Plex runs there, and the port.{hint}'
        return ""

    def _identify(self, client: PlexClient) -> str:
        """Note version and speed of a Plex that answers without a token; return its machineIdentifier."""
        began = time.perf_counter()
        found = client.identify()
        self._ms = int((time.perf_counter() - began) * 1000)
        self._version = found.version
        return found.machine

    def _kept_back(self, saved: Mapping[str, Any], url: str, machine: str) -> str:
        """Return why the token is not sent to the Plex that answers at ``url``, ``""`` if it is."""
        if self._machine:
            other = f"Another Plex than the one you chose answers at {url}, so the token was not sent to it."
            return "" if machine == self._machine else f"{other} Choose another address."
        if self._may_send or "plexToken" in self._given:
            return ""
        before = _origin(read_settings(saved)[0].plex_url)
        if _origin(url) == before:
            return ""
        if machine == _known(self._folder) and (url.startswith("https:") or before[0] != "https"):
            return ""
        return (
            f"Plex {self._version} answers, but not at the saved address, so the saved token was not sent to it. Press"
            " Try to send it, or enter another token."
        )

    def _asked(self, client: PlexClient) -> dict[str, Any]:
        began = time.perf_counter()
        self._version = client.connect().version
        self._ms = int((time.perf_counter() - began) * 1000)
        sections = client.sections()
        usable = of_movies(sections)
        libraries = [self._library(client, section, usable=section in usable) for section in sections]
        if not usable:
            return {**self.failed(NO_MOVIES), "libraries": libraries}
        libraries_of = "library" if len(usable) == 1 else "libraries"
        sentence = (
            f"Plex {self._version} answers in {self._ms} ms and accepts the token."
            f" It has {len(usable)} {libraries_of} of the type Movies."
        )
        return {**self.failed(sentence), "ok": True, "libraries": libraries}

    def _library(self, client: PlexClient, section: Section, *, usable: bool) -> dict[str, Any]:
        items = None
        if time.monotonic() < self._count_until:  # else the libraries are shown without it
            with contextlib.suppress(PlexSyncError):
                items = client.count(section)
        return {"title": section.title, "type": section.type, "items": items, "usable": usable}


def _origin(url: str) -> tuple[str, str, int]:
    """Return scheme, host and port of an address."""
    parts = urlsplit(url)
    return parts.scheme, parts.hostname or "", parts.port or _usual_port(parts.scheme)


def _usual_port(scheme: str) -> int:
    return 443 if scheme == "https" else 80


def _known(folder: str) -> str:
    """Return the machineIdentifier of the Plex that took the saved token last, ``""`` if there is none yet."""
    try:
        with closing(Meta.open(folder)) as meta:
            return meta.machine
    except sqlite3.Error:
        return ""


def _sentence(problem: str) -> str:
    text = problem.removeprefix("PlexSync is paused: ").rstrip(".") + "."
    return text[:1].upper() + text[1:]
