"""The line to Stash: address, session, timeouts, and every fault as one typed error. Knows no question.

Over stashapi, whose constructor asks twice (version, ApiKey) before the first answer; its schema listing is left out.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from http.cookiejar import DefaultCookiePolicy
from typing import Any

import requests
import urllib3
from requests.adapters import HTTPAdapter
from stashapi.stashapp import StashInterface

from plexsync.model.errors import StashUnavailable

logging.getLogger("stashapi").setLevel(logging.CRITICAL)
urllib3.disable_warnings(
    urllib3.exceptions.InsecureRequestWarning
)  # Stash's own certificate is nearly always self-signed

#: Characters of Stash's own words that an error repeats.
SAID = 300


class StashRefused(StashUnavailable):
    """Stash answered, with an error in ``errors``. ``invalid``: it does not know something that was asked for."""

    def __init__(self, message: str, *, invalid: bool = False) -> None:
        super().__init__(message)
        self.invalid = invalid


@dataclass(frozen=True, slots=True)
class Connection:
    """How to reach Stash: what the newest hook left in ``connection.json``, and the ApiKey, which lies in no file."""

    scheme: str = "http"
    host: str = "127.0.0.1"
    port: int = 9999
    cookie: str = ""
    api_key: str = ""

    @property
    def base(self) -> str:
        """``http://127.0.0.1:9999``"""
        host = f"[{self.host}]" if ":" in self.host and not self.host.startswith("[") else self.host
        return f"{self.scheme}://{host}:{self.port}"

    def __repr__(self) -> str:
        return f"Connection({self.base})"


class _KeepOurCookie(DefaultCookiePolicy):
    """Stash refreshes its cookie in every answer; kept beside ours, the old one would be sent first."""

    def set_ok(self, cookie: Any, request: Any) -> bool:
        return False


class _Adapter(HTTPAdapter):
    """Timeouts on every request, and a typed error for every answer that is not what was asked for."""

    def __init__(self, timeout: tuple[float | None, float | None], sent: Callable[[], None]) -> None:
        super().__init__()
        self._timeout = timeout
        self._sent = sent

    def send(self, request: requests.PreparedRequest, *args: Any, **kwargs: Any) -> requests.Response:
        kwargs["timeout"] = self._timeout
        self._sent()
        response = super().send(request, *args, **kwargs)
        problem = _problem(response, cover=request.method == "GET")
        if problem is not None:
            response.close()
            raise problem
        return response


def read_json(content: bytes) -> Any:
    """The JSON in an answer; raises ``ValueError``.

    Bytes that are no UTF-8 (of an old file's name, say) become U+FFFD: one scene must not make a whole answer useless.
    Lone surrogates, which neither SQLite nor a URL takes, go.
    """
    found = json.loads(content.decode("utf-8", "replace"))
    if b"\\ud" in content or b"\\uD" in content:
        found = json.loads(json.dumps(found, ensure_ascii=False).encode("utf-8", "ignore"))
    return found


def _problem(response: requests.Response, *, cover: bool) -> StashUnavailable | None:
    status, kind = response.status_code, response.headers.get("Content-Type", "")
    what = "a cover" if cover else "a question"
    if status in (401, 403) or 300 <= status < 400:
        return StashUnavailable(f"Stash refused PlexSync's login for {what} (status {status})", refused=True)
    if status >= 500 or (status >= 400 and cover):
        return StashUnavailable(f"Stash answered {what} with status {status}")
    if not cover and "json" not in kind:
        return StashUnavailable(f"Stash answered {what} with {kind or 'nothing'} instead of JSON")
    return None


class _Silent:
    """The logger that stashapi wants: its lines hold addresses and whole queries, ours say it in a sentence."""

    def _ignore(self, *_: object) -> None:
        return None

    trace = debug = info = warning = error = critical = progress = _ignore


class _Interface(StashInterface):  # type: ignore[misc]
    """stashapi with timeouts, typed errors, and no schema listing (we write our own fragments)."""

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
        """The constructor's first call: the session gets its timeouts before anything is sent."""
        self._prepare(self.s)
        return super().stash_version()

    def _handle_GQL_response(self, response: requests.Response) -> dict[str, Any]:
        """The ``data``. stashapi's own raises a bare ``Exception`` for an answer without it."""
        body = read_json(response.content)
        if body.get("errors"):
            said = "; ".join(str(one.get("message")) for one in body["errors"])
            if "database is locked" in said:
                raise StashUnavailable("Stash's database is busy")
            raise StashRefused(f"Stash refused a question: {said[:SAID]}", invalid=response.status_code == 422)
        return dict(body["data"])

    def _get_fragments_introspection(self, *_: Any, **__: Any) -> dict[str, str]:
        return {}


def nothing() -> None:
    """What is done after an answer unless somebody wants to know."""


class Link:
    """One connection to Stash. Built lazily: the first question pays for stashapi's constructor.

    ``connect_timeout`` and ``read_timeout`` in seconds, 0 for none. ``requests``: how many were sent so far. ``heard``
    is called after each answer.
    """

    def __init__(self, connection: Connection, connect_timeout: float, read_timeout: float) -> None:
        self.connection = connection
        self.requests = 0
        self.heard: Callable[[], object] = nothing
        self._timeout = (connect_timeout or None, read_timeout or None)
        self._interface: _Interface | None = None
        self._covers: requests.Session | None = None

    def ask(self, query: str, variables: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """The ``data`` of a GraphQL answer.

        Raises ``StashUnavailable``, and ``StashRefused`` where Stash answered with an error in ``errors``.
        """
        try:
            if self._interface is None:
                self._interface = _Interface(self.connection, self._prepare)
            answer = dict(self._interface.call_GQL(query, dict(variables or {})))
        except requests.RequestException as error:
            raise StashUnavailable(f"Stash does not answer at {self.connection.base}: {_kind(error)}") from None
        except (AttributeError, IndexError, KeyError, TypeError, ValueError):
            raise StashUnavailable(f"Stash at {self.connection.base} answered what PlexSync cannot read") from None
        self.heard()
        return answer

    def renew(self, connection: Connection) -> bool:
        """Go on with a newer cookie, without connecting anew; False if it is another Stash or another key."""
        if replace(connection, cookie="") != replace(self.connection, cookie=""):
            return False
        if connection.cookie != self.connection.cookie and self._interface is not None and not connection.api_key:
            self._interface.s.cookies.clear()
            self._interface.s.cookies.update({"session": connection.cookie} if connection.cookie else {})
        self.connection = connection
        return True

    def cover(self, scene_id: int) -> tuple[bytes, str]:
        """The cover's bytes and content type. No redirect is followed: it would be the login page."""
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
            raise StashUnavailable(f"Stash did not send the cover of scene {scene_id}: {_kind(error)}") from None
        return answer.content, answer.headers.get("Content-Type", "")

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


def _kind(error: Exception) -> str:
    if isinstance(error, requests.Timeout):
        return "it took too long"
    if isinstance(error, requests.exceptions.SSLError):
        return "the encrypted connection failed"
    return "the connection failed" if isinstance(error, requests.ConnectionError) else type(error).__name__
