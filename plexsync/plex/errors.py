"""Classify a failed request to Plex, by its exception and HTTP status, as one of ``model.errors``. Pure.

Knows nothing of sessions, items or retries. Messages never quote an exception: its text may contain a token, a query
or a title.
"""

from __future__ import annotations

import email.utils
import errno
import http.client
import re
import socket
import time
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable, Iterator, Mapping
from typing import Literal

import requests
import urllib3.exceptions as urllib3_errors

from plexsync.model.errors import (
    NO_TLS,
    ItemGone,
    LocalError,
    PlexBusy,
    PlexSyncError,
    PlexUnavailable,
    Refused,
    Rejected,
    SetupError,
)

try:
    import ssl
except ImportError:  # a Python that was built without it
    ssl = None  # type: ignore[assignment]

#: What a request is about: a 404 means something different for each.
Context = Literal["server", "section", "item", "edit", "image"]

REFUSED_TOKEN = {401, 403, 498}
BUSY = {408, 429}
#: Errors of this machine that a socket or file reports.
LOCAL_ERRNOS = {errno.ENOSPC, errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EROFS, errno.EDQUOT}
_NO_ROUTE = {errno.ENETUNREACH, errno.EHOSTUNREACH, errno.ECONNREFUSED, errno.ENETDOWN, errno.EHOSTDOWN}
_BAD_CHARACTER_REFERENCE = re.compile(rb"&#(?:x([0-9a-fA-F]{1,8})|([0-9]{1,9}));")
_CONTROL_BYTES = re.compile(rb"[\x00-\x08\x0b\x0c\x0e-\x1f]")


def parse_xml(body: bytes) -> ElementTree.Element:
    """Return the root of an XML reply. Drop control characters, which Plex stores and sends as references.

    Raise ``ElementTree.ParseError`` for anything that is not XML, an empty body included.
    """
    try:
        return ElementTree.fromstring(body)
    except (ElementTree.ParseError, ValueError):
        text = body.decode("utf-8", "replace").encode("utf-8")
        cleaned = _CONTROL_BYTES.sub(b"", _BAD_CHARACTER_REFERENCE.sub(_legal_reference, text))
        return ElementTree.fromstring(cleaned)


def _legal_reference(match: re.Match[bytes]) -> bytes:
    hexadecimal, decimal = match.groups()
    code = int(hexadecimal, 16) if hexadecimal else int(decimal)
    legal = code in (9, 10, 13) or 0x20 <= code <= 0xD7FF or 0xE000 <= code <= 0xFFFD or 0x10000 <= code <= 0x10FFFF
    return match.group(0) if legal else b""


def classify(
    exc: BaseException,
    status: int | None,
    headers: Mapping[str, str],
    context: Context,
    *,
    body: str = "",
    now: Callable[[], float] = time.time,
) -> PlexSyncError:
    """Return the error for a failed request.

    ``status``: the reply's HTTP status, None if there was no reply. ``headers``: the reply's. ``body``: the beginning
    of the body. Raise ``exc`` itself if Plex cannot have caused it: that is a bug.
    """
    if isinstance(exc, PlexSyncError):
        return exc
    if status is not None and not 200 <= status < 300:
        return _by_status(status, headers, context, body, now)
    error = _by_setup(exc) or _by_network(exc)
    if error is None and isinstance(exc, ElementTree.ParseError):
        error = PlexBusy("Plex sent a reply that cannot be read.", status=status)
    if error is None and type(exc).__module__.startswith("plexapi"):
        error = PlexBusy("Plex sent an unexpected reply.", status=status)
    if error is None:
        raise exc
    return error


def _by_status(
    status: int, headers: Mapping[str, str], context: Context, body: str, now: Callable[[], float]
) -> PlexSyncError:
    if status in REFUSED_TOKEN:
        return Refused(token_sentence(status), status=status)
    if 300 <= status < 400:
        return Refused(
            f"The Plex server answered with a redirect ({status}), and PlexSync does not follow redirects."
            ' Set "Plex address" to the address that it leads to.',
            status=status,
        )
    if status == 503 and "maintenance" in body.lower():
        return PlexUnavailable("Plex is starting or in maintenance (503).")
    if status >= 500 or status in BUSY:
        return PlexBusy(
            f"Plex answered with an error ({status}).", status=status, retry_after=retry_after(headers, now)
        )
    if status == 404:
        return _not_found(context)
    if context in ("edit", "image"):
        return Rejected(f"Plex rejected the request ({status}).", status=status, by_plex=is_from_plex(headers))
    # A read carries no data of a scene, so it must not become a scene's dead letter.
    return PlexBusy(f"Plex rejected a read request ({status}).", status=status)


def token_sentence(status: int) -> str:
    """Return what to tell of a token that was refused with this status of ``REFUSED_TOKEN``."""
    if status == 403:
        return 'Plex denied access (403). "Plex token" must be the token of the server\'s owner.'
    if status == 498:
        return 'The Plex token has expired (498). Set "Plex token" to a new one.'
    return 'Plex rejected the token (401). Check "Plex token".'


def _not_found(context: Context) -> PlexSyncError:
    if context in ("item", "edit", "image"):
        return ItemGone("Plex no longer has this item (404).")
    if context == "section":
        return Refused('Plex no longer has this library (404). Check "Plex libraries".', status=404)
    return SetupError('The server at "Plex address" is not Plex (404). Check the host, port and path of the address.')


def is_from_plex(headers: Mapping[str, str]) -> bool:
    """Return whether a reply is Plex's own: a proxy's lacks the header that marks each of Plex's replies."""
    return any(name.lower() == "x-plex-protocol" for name in headers)


def retry_after(headers: Mapping[str, str], now: Callable[[], float] = time.time) -> float | None:
    """Return the seconds that a ``Retry-After`` header (number or HTTP date) asks for, None if there is none usable."""
    text = next((value for name, value in headers.items() if name.lower() == "retry-after"), "").strip()
    if re.fullmatch(r"\d{1,9}(\.\d+)?", text):
        return float(text)
    try:
        return max(0.0, email.utils.parsedate_to_datetime(text).timestamp() - now())
    except (ValueError, TypeError, OverflowError):
        return None


def _by_setup(exc: BaseException) -> PlexSyncError | None:
    ours = () if ssl is None else (ssl.SSLError,)
    if isinstance(exc, (requests.exceptions.SSLError, urllib3_errors.SSLError, *ours)):
        return _tls(exc)
    if isinstance(exc, requests.exceptions.InvalidHeader) or (
        isinstance(exc, UnicodeEncodeError) and exc.encoding.lower().replace("-", "") in ("latin1", "iso88591", "ascii")
    ):
        return SetupError('"Plex token" contains a character that no token has. Paste the token again.')
    bad_url = (
        requests.exceptions.InvalidURL,
        requests.exceptions.MissingSchema,
        requests.exceptions.InvalidSchema,
        requests.exceptions.URLRequired,
        urllib3_errors.LocationParseError,
        http.client.InvalidURL,
    )
    if isinstance(exc, bad_url):
        return SetupError('"Plex address" is not a valid address. Set it to http://host:32400.')
    if isinstance(exc, requests.exceptions.TooManyRedirects):
        return SetupError('The Plex server keeps redirecting. Set "Plex address" to the final address.')
    return None


def _tls(exc: BaseException) -> PlexSyncError:
    if ssl is None:
        return SetupError(NO_TLS)
    inner = [link for link in _chain(exc) if isinstance(link, ssl.SSLError)]
    if any(isinstance(link, ssl.SSLEOFError | ssl.SSLZeroReturnError) for link in inner):
        return PlexBusy("The TLS handshake with Plex was cut off.")
    if inner and not any(isinstance(link, ssl.SSLCertVerificationError) for link in inner):
        return SetupError('The server at "Plex address" does not use HTTPS. Use http://, or correct the port.')
    return SetupError(
        "Plex's certificate is not trusted. Use the server's plex.direct address or http://, or turn on"
        ' "Accept any certificate".'
    )


def _by_network(exc: BaseException) -> PlexSyncError | None:
    network = isinstance(exc, requests.RequestException | urllib3_errors.HTTPError | http.client.HTTPException)
    if not network and not isinstance(exc, OSError):
        return None
    links = list(_chain(exc))
    if any(_is_local(link) for link in links):
        return LocalError("This machine has run out of disk space, memory or open files, or its disk is read-only.")
    if any(_is_unreachable(link) for link in links):
        return PlexUnavailable('Nothing answers at "Plex address". Check that Plex is running there.')
    if isinstance(exc, requests.exceptions.Timeout | TimeoutError | urllib3_errors.TimeoutError):
        return PlexBusy("Plex took too long to answer.", timed_out=True)
    if network or isinstance(exc, ConnectionError):
        return PlexBusy("The connection to Plex broke.")
    return LocalError("A file or device of this machine failed.")


def _is_local(link: BaseException) -> bool:
    return isinstance(link, OSError) and not isinstance(link, requests.RequestException) and link.errno in LOCAL_ERRNOS


def _is_unreachable(link: BaseException) -> bool:
    unreachable = (
        requests.exceptions.ConnectTimeout,
        requests.exceptions.ProxyError,
        urllib3_errors.ConnectTimeoutError,
        urllib3_errors.NewConnectionError,
        ConnectionRefusedError,
        socket.gaierror,
    )
    return isinstance(link, unreachable) or (isinstance(link, OSError) and link.errno in _NO_ROUTE)


def _chain(exc: BaseException) -> Iterator[BaseException]:
    """Yield the exception and all that it wraps: as argument (requests, urllib3), reason, cause or context."""
    todo: list[object] = [exc]
    seen: set[int] = set()
    while todo:
        link = todo.pop()
        if not isinstance(link, BaseException) or id(link) in seen:
            continue
        seen.add(id(link))
        yield link
        todo += [*link.args, getattr(link, "reason", None), link.__cause__, link.__context__]
