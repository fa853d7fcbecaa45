"""The HTTP session to Plex: timeouts, no redirects, counters, and the last reply.

Knows nothing of libraries, items or edits, and does not classify errors.
"""

from __future__ import annotations

import email.utils
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import requests
import urllib3

from plexsync.plex.wire import Adapter

#: The header that marks each reply of Plex's own, error pages included; a proxy's pages lack it.
MARK = "X-Plex-Protocol"
#: Bytes of a body that are kept: enough to recognise a maintenance notice, and more than Plex's error pages have.
EXCERPT_BYTES = 2048


@dataclass(frozen=True, slots=True)
class Reply:
    """The server's reply: HTTP status, headers, seconds until the headers arrived.

    ``excerpt``: the beginning of the body, only for an error or the reply to a write.
    """

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    seconds: float = 0.0
    excerpt: str = ""


def _ignore(seconds: float) -> None:
    """Do nothing: the default of ``PlexSession.wrote``."""


class PlexSession(requests.Session):
    """A ``requests`` session that never follows a redirect and sets both timeouts on every call.

    A redirect would turn an edit into a GET that looks like success, and send the token to another host. ``last``: the
    reply to the latest call, None if there was none. ``reads`` counts GET and HEAD, ``writes`` all other requests.
    ``wrote`` is called after each of the latter with the seconds until the reply, or until there was none.

    A request that failed on a kept connection, which the server may just have closed, is repeated once on a new one: a
    read always, anything else only if the connection took no byte of it.
    """

    def __init__(self, *, connect_timeout: float, read_timeout: float, verify: bool = True) -> None:
        super().__init__()
        self.trust_env = False
        self.verify = verify
        self.connect_timeout = connect_timeout
        self.read_timeout = read_timeout
        self.reads = 0
        self.writes = 0
        self.last: Reply | None = None
        self.wrote: Callable[[float], object] = _ignore
        self._marks = False
        self._fresh_writes = False
        self._adapter = Adapter()
        self.mount("http://", self._adapter)
        self.mount("https://", self._adapter)
        self.hooks["response"].append(self._remember)
        if not verify:
            warnings.simplefilter("ignore", urllib3.exceptions.InsecureRequestWarning)

    @property
    def is_own(self) -> bool:
        """Return whether the last reply is Plex's own: it has the mark that the server's good replies have, if any."""
        return self.last is not None and (not self._marks or MARK in self.last.headers)

    def time(self, default: float) -> int:
        """Return Plex's time at the last reply in seconds since the epoch, ``default`` if the reply does not tell."""
        try:
            return int(email.utils.parsedate_to_datetime(self.last.headers["Date"] if self.last else "").timestamp())
        except (KeyError, ValueError, TypeError):
            return int(default)

    def request(self, method: str | bytes, url: str | bytes, *args: Any, **kwargs: Any) -> requests.Response:
        """Send a request, as ``requests.Session`` does. Replace a timeout that is not a pair: a library's default."""
        self.last = None
        if not isinstance(kwargs.get("timeout"), tuple):
            kwargs["timeout"] = (self.connect_timeout, self.read_timeout)
        return super().request(method, url, *args, **kwargs)

    def send(self, request: requests.PreparedRequest, **kwargs: Any) -> requests.Response:
        """Send a prepared request without following redirects, whatever the caller asks for."""
        kwargs["allow_redirects"] = False
        is_read = request.method in ("GET", "HEAD")
        if self._fresh_writes and not is_read:
            self._adapter.drop_connections()
        try:
            return self._send(request, **kwargs)
        except requests.ConnectionError:
            if not self._adapter.may_repeat(reads=is_read):
                # Perhaps the server closes each connection after one answer: the next one is a write's first.
                self._fresh_writes = self._fresh_writes or not is_read
                raise
        self._adapter.drop_connections()
        return self._send(request, **kwargs)

    def _send(self, request: requests.PreparedRequest, **kwargs: Any) -> requests.Response:
        self._count(request)
        began = time.monotonic()
        try:
            return super().send(request, **kwargs)
        except ImportError as error:  # urllib3's for https where Python has no ssl module
            raise requests.exceptions.SSLError(request=request) from error
        finally:
            if request.method not in ("GET", "HEAD"):
                self.wrote(self.last.seconds if self.last else time.monotonic() - began)

    def _count(self, request: requests.PreparedRequest) -> None:
        if request.method in ("GET", "HEAD"):
            self.reads += 1
        else:
            self.writes += 1

    def resolve_redirects(self, *args: Any, **kwargs: Any) -> Iterator[Any]:
        """Yield nothing, so the next request of a redirect is not even prepared."""
        return iter(())

    def _remember(self, response: requests.Response, *args: Any, **kwargs: Any) -> None:
        if "charset" not in response.headers.get("Content-Type", ""):
            response.encoding = "utf-8"
        excerpt = ""
        self._marks = self._marks or (response.status_code < 300 and MARK in response.headers)
        if response.status_code >= 400 or response.request.method not in ("GET", "HEAD"):
            # Set before the body is read, because reading may fail and must not hide the status.
            self.last = Reply(response.status_code, response.headers, response.elapsed.total_seconds())
            excerpt = response.content[:EXCERPT_BYTES].decode("utf-8", "replace")
        self.last = Reply(response.status_code, response.headers, response.elapsed.total_seconds(), excerpt)
