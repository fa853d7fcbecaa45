"""HTTP transport to Stash: session, timeouts, typed errors. Knows no queries.

Built on stashapi. Its constructor sends two requests (version, API key); its listing of the schema is suppressed.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Mapping
from email.utils import parsedate_to_datetime
from http.cookiejar import DefaultCookiePolicy
from typing import Any, NamedTuple

import requests
import urllib3
from requests.adapters import HTTPAdapter
from stashapi.stashapp import StashInterface

from plexsync.core.connection import Connection
from plexsync.model.errors import NO_TLS, StashNeedsTls, StashUnavailable

logging.getLogger("stashapi").setLevel(logging.CRITICAL)
# Stash's own certificate is nearly always self-signed.
urllib3.disable_warnings(urllib3.exceptions.InsecureRequestWarning)

#: Characters of Stash's message that an error quotes.
MESSAGE_CHARACTERS = 300


class StashRefused(StashUnavailable):
    """Stash answered with ``errors``. ``invalid``: Stash does not know a field, filter or type in the query."""

    def __init__(self, message: str, *, invalid: bool = False) -> None:
        super().__init__(message)
        self.invalid = invalid


class _NoTls(requests.exceptions.SSLError):
    """Python has no ssl module."""


class _KeepOurCookie(DefaultCookiePolicy):
    """Ignore the cookie in every answer of Stash: with two, requests would send the older one first."""

    def set_ok(self, cookie: Any, request: Any) -> bool:
        return False


class _Adapter(HTTPAdapter):
    """Puts both timeouts on every request, and raises a typed error for every unusable answer."""

    def __init__(self, timeout: tuple[float | None, float | None], sent: Callable[[], None]) -> None:
        super().__init__()
        self._timeout = timeout
        self._sent = sent

    def send(self, request: requests.PreparedRequest, *args: Any, **kwargs: Any) -> requests.Response:
        kwargs["timeout"] = self._timeout
        self._sent()
        try:
            response = super().send(request, *args, **kwargs)
        except ImportError as error:  # urllib3's for https where Python has no ssl module
            raise _NoTls(NO_TLS, request=request) from error
        problem = _problem(response, cover=request.method == "GET")
        if problem is not None:
            response.close()
            raise problem
        return response


def read_json(content: bytes) -> Any:
    """Return the JSON in an answer. Raise ``ValueError`` where there is none.

    Bytes that are not UTF-8 (in an old file's name, say) become U+FFFD, or one scene would make the whole answer
    unreadable. Lone surrogates, which neither SQLite nor a URL accepts, are removed.
    """
    answer = json.loads(content.decode("utf-8", "replace"))
    if b"\\ud" in content or b"\\uD" in content:
        answer = json.loads(json.dumps(answer, ensure_ascii=False).encode("utf-8", "ignore"))
    return answer


def _problem(response: requests.Response, *, cover: bool) -> StashUnavailable | None:
    status, kind = response.status_code, response.headers.get("Content-Type", "")
    request = "the request for a cover" if cover else "a query"
    if status in (401, 403) or 300 <= status < 400:
        return StashUnavailable(f"Stash rejected the login for {request} (status {status})", refused=True)
    if status >= 500 or (status >= 400 and cover):
        return StashUnavailable(f"Stash answered {request} with status {status}")
    if not cover and "json" not in kind:
        return StashUnavailable(f"Stash answered {request} with {kind or 'nothing'} instead of JSON")
    return None


class _Silent:
    """A logger for stashapi that writes nothing: its lines hold addresses and whole queries."""

    def _ignore(self, *_: object) -> None:
        return None

    trace = debug = info = warning = error = critical = progress = _ignore


class _Interface(StashInterface):  # type: ignore[misc]
    """stashapi with timeouts, typed errors, and no schema listing (``queries`` has the fragments)."""

    def __init__(self, connection: Connection, prepare: Callable[[requests.Session], None]) -> None:
        self._prepare = prepare
        details: dict[str, Any] = {
            "Scheme": connection.scheme,
            "Host": connection.base.split("//")[1].rpartition(":")[0],
        }
        details |= {"Port": connection.port, "Logger": _Silent()}
        if connection.api_key:
            details["ApiKey"] = connection.api_key
        elif connection.cookie:
            details["SessionCookie"] = {"Value": connection.cookie}
        super().__init__(details, verify_ssl=False)

    def stash_version(self) -> Any:
        """Prepare the session first: this is the constructor's first request, and it needs the timeouts."""
        self._prepare(self.s)
        return super().stash_version()

    def _handle_GQL_response(self, response: requests.Response) -> dict[str, Any]:
        """Return the ``data`` of an answer. stashapi's method raises a bare ``Exception`` where there is none."""
        body = read_json(response.content)
        if body.get("errors"):
            messages = "; ".join(str(error.get("message")) for error in body["errors"])
            if "database is locked" in messages:
                raise StashUnavailable("Stash's database is busy")
            invalid = response.status_code == 422
            raise StashRefused(f"Stash returned an error: {messages[:MESSAGE_CHARACTERS]}", invalid=invalid)
        return dict(body["data"])

    def _get_fragments_introspection(self, *_: Any, **__: Any) -> dict[str, str]:
        return {}


class CoverReply(NamedTuple):
    """A scene's cover. ``kind``: its Content-Type. ``at``: when Stash sent it, by its own clock in seconds since the
    epoch; None if it did not say.
    """

    data: bytes
    kind: str
    at: float | None = None


def nothing(*_: object) -> None:
    """Do nothing: the default of ``Link.heard``."""


class Link:
    """One connection to Stash. Connects lazily: the first query pays for stashapi's constructor.

    ``connect_timeout`` and ``read_timeout``: seconds, 0 for none. ``requests``: the number of requests sent so far.
    ``heard``: called after each answer.
    """

    def __init__(self, connection: Connection, connect_timeout: float, read_timeout: float) -> None:
        self.connection = connection
        self.requests = 0
        self.heard: Callable[[], object] = nothing
        self._timeout = (connect_timeout or None, read_timeout or None)
        self._interface: _Interface | None = None
        self._covers: requests.Session | None = None

    def ask(self, query: str, variables: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Return the ``data`` of a GraphQL answer.

        Raise ``StashUnavailable``, or ``StashRefused`` where Stash answered with ``errors``.
        """
        try:
            if self._interface is None:
                self._interface = _Interface(self.connection, self._prepare)
            answer = dict(self._interface.call_GQL(query, dict(variables or {})))
        except _NoTls:
            raise StashNeedsTls(f"Stash is unreachable at {self.connection.base}: {NO_TLS}") from None
        except requests.RequestException as error:
            raise StashUnavailable(f"Stash is unreachable at {self.connection.base} ({_reason(error)})") from None
        except (AttributeError, IndexError, KeyError, TypeError, ValueError):
            raise StashUnavailable(f"PlexSync cannot read the answer of Stash at {self.connection.base}") from None
        self.heard()
        return answer

    @property
    def version(self) -> str:
        """Stash's version, such as ``0.30.1``; ``""`` before the first answer."""
        known = getattr(self._interface, "version", None)
        return f"{known.major}.{known.minor}.{known.patch}" if known is not None else ""

    def renew(self, connection: Connection) -> bool:
        """Use a newer cookie without reconnecting. Return False for another Stash or another API key."""
        if connection.login != self.connection.login:
            return False
        if connection.cookie != self.connection.cookie and self._interface is not None and not connection.api_key:
            self._interface.s.cookies.clear()
            self._interface.s.cookies.update({"session": connection.cookie} if connection.cookie else {})
        self.connection = connection
        return True

    def cover(self, scene_id: int) -> CoverReply:
        """Return the cover. Do not follow redirects: they lead to the login page."""
        url = f"{self.connection.base}/scene/{scene_id}/screenshot"
        headers = {"ApiKey": self.connection.api_key} if self.connection.api_key else {}
        if self.connection.cookie and not headers:
            headers["Cookie"] = f"session={self.connection.cookie}"
        if self._covers is None:
            self._covers = requests.Session()
            self._prepare(self._covers)
            self._covers.verify = False
        try:
            answer = self._covers.get(url, headers=headers, allow_redirects=False)
        except (requests.RequestException, ValueError) as error:
            raise StashUnavailable(f"Stash did not send the cover of scene {scene_id} ({_reason(error)})") from None
        kind, date = answer.headers.get("Content-Type", ""), answer.headers.get("Date", "")
        return CoverReply(answer.content, kind, _http_time(date))

    def close(self) -> None:
        """Close the connections."""
        if self._interface is not None:
            self._interface.s.close()
        if self._covers is not None:
            self._covers.close()

    def _prepare(self, session: requests.Session) -> None:
        session.trust_env = False
        session.cookies.set_policy(_KeepOurCookie())
        for scheme in ("http://", "https://"):
            session.mount(scheme, _Adapter(self._timeout, self._sent))

    def _sent(self) -> None:
        self.requests += 1


def _http_time(text: str) -> float | None:
    try:
        return parsedate_to_datetime(text).timestamp()
    except (ValueError, OverflowError):
        return None


def _reason(error: Exception) -> str:
    if isinstance(error, requests.Timeout):
        return "timeout"
    if isinstance(error, requests.exceptions.SSLError):
        return "the TLS connection failed"
    return "the connection failed" if isinstance(error, requests.ConnectionError) else type(error).__name__
