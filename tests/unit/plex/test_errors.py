"""Every way in which a request to Plex can fail, and its class: through the client, with prepared replies."""

from __future__ import annotations

import errno
import socket
import ssl
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator

import pytest
import requests
import responses
from urllib3.connection import HTTPConnection
from urllib3.exceptions import ConnectTimeoutError, MaxRetryError, NewConnectionError, ProtocolError

from plexsync.model.errors import (
    ItemGone,
    LocalError,
    PlexBusy,
    PlexSyncError,
    PlexUnavailable,
    Rejected,
    SetupError,
)
from plexsync.plex.client import PlexClient
from plexsync.plex.errors import Context, classify, parse_xml, retry_after

URL = "http://plex.test:32400"
TOKEN = "secret-token-123"
ROOT = '<MediaContainer machineIdentifier="m1" version="1.43" platform="Linux"/>'
EDIT = [("title.value", "Private Title"), ("title.locked", "1")]
POOL = HTTPConnection("plex.test")
HTML = "<!DOCTYPE html><html><head><title>Log in</title></head><body><br></body></html>"


def refused(cause: Exception) -> requests.ConnectionError:
    """Return a connection error, nested as by requests and urllib3."""
    new = NewConnectionError(POOL, f"Failed to establish a new connection: {cause}")
    new.__cause__ = cause
    return requests.ConnectionError(MaxRetryError(POOL, "/?title=Private", new))  # type: ignore[arg-type]


AWAY = [
    refused(ConnectionRefusedError(errno.ECONNREFUSED, "refused")),
    refused(OSError(errno.EHOSTUNREACH, "no route")),
    refused(OSError(errno.ENETUNREACH, "no network")),
    refused(socket.gaierror(-2, "Name or service not known")),
    requests.ConnectTimeout(MaxRetryError(POOL, "/", ConnectTimeoutError("slow"))),  # type: ignore[arg-type]
    requests.ConnectTimeout("slow"),
]
BROKEN = [
    requests.ConnectionError(ProtocolError("aborted", ConnectionResetError(errno.ECONNRESET, "reset"))),
    requests.ConnectionError("Remote end closed connection without response"),
    requests.ReadTimeout("slow"),
    requests.exceptions.ChunkedEncodingError("cut"),
    requests.exceptions.ContentDecodingError("not gzip"),
    TimeoutError("slow"),
    ElementTree.ParseError("no element found"),
    requests.exceptions.SSLError(ssl.SSLEOFError("EOF occurred")),
]


@pytest.fixture
def plex() -> Iterator[responses.RequestsMock]:
    """Mock a server that answers ``GET /`` properly; each test adds the rest."""
    with responses.RequestsMock(assert_all_requests_are_fired=False) as mock:
        mock.get(f"{URL}/", body=ROOT)
        yield mock


def client(token: str = TOKEN, url: str = URL) -> PlexClient:
    """Return a client with short timeouts."""
    return PlexClient(url, token, client_id="c", verify=True, connect_timeout=1, read_timeout=1)


def failure(call: object) -> PlexSyncError:
    """Return the error that a call raises; its message must be a sentence without secrets, URLs or titles."""
    with pytest.raises(PlexSyncError) as caught:
        call()  # type: ignore[operator]
    text = str(caught.value)
    assert text.endswith((".", "plexapi"))
    assert all(secret not in text for secret in (TOKEN, "plex.test", "Private", "?"))
    assert caught.value.__suppress_context__ or caught.value.__context__ is None
    return caught.value


@pytest.mark.parametrize("exc", AWAY, ids=repr)
def test_nothing_there_is_unavailable(plex: responses.RequestsMock, exc: Exception) -> None:
    """Refused, no route, unknown host and a connect timeout mean that Plex is unreachable."""
    plex.get(f"{URL}/library/sections", body=exc)
    assert type(failure(client().sections)) is PlexUnavailable


@pytest.mark.parametrize("exc", BROKEN, ids=repr)
def test_broken_off_is_busy(plex: responses.RequestsMock, exc: Exception) -> None:
    """A connection that breaks or stalls once open is a failure of one request, until the probe says otherwise."""
    plex.get(f"{URL}/library/sections", body=exc)
    assert type(failure(client().sections)) is PlexBusy


@pytest.mark.parametrize("status", [500, 502, 503, 504, 408, 429, 599])
def test_busy_statuses(plex: responses.RequestsMock, status: int) -> None:
    """A 5xx, 408 or 429 on an edit is temporary, though plexapi says BadRequest, and keeps Retry-After."""
    plex.put(f"{URL}/library/sections/5/all", status=status, headers={"Retry-After": "17"})
    error = failure(lambda: client().put(5, 101, EDIT))
    assert isinstance(error, PlexBusy)
    assert (error.status, error.retry_after) == (status, 17.0)


@pytest.mark.parametrize(
    "body",
    [
        '<Response code="503" title="Maintenance" status="Plex is running database migrations."/>',
        '{"code":503,"title":"Maintenance","status":"startup maintenance tasks."}',
    ],
)
def test_maintenance_is_unavailable(plex: responses.RequestsMock, body: str) -> None:
    """A server in maintenance, whether in XML or JSON, is unreachable."""
    plex.get(f"{URL}/library/sections", body=body, status=503)
    assert type(failure(client().sections)) is PlexUnavailable


@pytest.mark.parametrize("status", [400, 409, 413, 414, 422])
def test_refused_edits_are_rejected(plex: responses.RequestsMock, status: int) -> None:
    """An edit that Plex rejects for its content is ``Rejected``, with the status."""
    plex.put(f"{URL}/library/sections/5/all", status=status, body="<html><h1>Private Title</h1></html>")
    error = failure(lambda: client().put(5, 101, EDIT))
    assert isinstance(error, Rejected)
    assert error.status == status


@pytest.mark.parametrize("status", [401, 403, 498])
def test_refused_token_pauses(plex: responses.RequestsMock, status: int) -> None:
    """401, 403 and 498 (a TypeError in plexapi) are errors in the setup."""
    plex.put(f"{URL}/library/sections/5/all", status=status)
    error = failure(lambda: client().put(5, 101, EDIT))
    assert isinstance(error, SetupError)
    assert '"Plex token"' in str(error)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_redirect_is_not_followed(plex: responses.RequestsMock, status: int) -> None:
    """A redirected edit fails loudly, and the other host sees neither the request nor the token."""
    plex.put(f"{URL}/library/sections/5/all", status=status, headers={"Location": "http://other.test/"})
    plex.get("http://other.test/", body="<MediaContainer/>")
    error = failure(lambda: client().put(5, 101, EDIT))
    assert isinstance(error, SetupError)
    assert '"Plex address"' in str(error)
    assert not any("other.test" in str(call.request.url) for call in plex.calls)


def test_missing_item_is_gone(plex: responses.RequestsMock) -> None:
    """404 on an item's edit or image means that the item is gone."""
    plex.put(f"{URL}/library/sections/5/all", status=404)
    plex.post(f"{URL}/library/metadata/101/posters", status=404)
    assert type(failure(lambda: client().put(5, 101, EDIT))) is ItemGone
    assert type(failure(lambda: client().upload(101, "posters", b"x", "image/jpeg"))) is ItemGone


def test_missing_section_pauses(plex: responses.RequestsMock) -> None:
    """404 for a section means that the library is not the configured one."""
    plex.get(f"{URL}/library/sections/9/all", status=404)
    error = failure(lambda: client().probe(9))
    assert isinstance(error, SetupError)
    assert "librar" in str(error)


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        ("", "text/xml"),
        (HTML, "text/html"),
        ("<html><body/></html>", "text/html"),
        ("<MediaContainer><Vid", "text/xml"),
        ("{}", "text/xml"),
    ],
)
def test_unreadable_200_is_busy(plex: responses.RequestsMock, body: str, content_type: str) -> None:
    """An empty, cut, foreign or HTML reply with status 200 is busy."""
    plex.get(f"{URL}/library/sections", body=body, content_type=content_type)
    plex.get(f"{URL}/library/metadata/101", body=body, content_type=content_type)
    assert type(failure(client().sections)) is PlexBusy
    assert type(failure(lambda: client().items([101]))) is PlexBusy


def test_web_page_is_no_accepted_edit(plex: responses.RequestsMock) -> None:
    """A login page with status 200 is not a successful edit; Plex's empty reply is."""
    plex.put(f"{URL}/library/sections/5/all", body=HTML, content_type="text/html")
    plex.put(f"{URL}/library/sections/6/all", body="", content_type="text/html")
    assert type(failure(lambda: client().put(5, 101, EDIT))) is PlexBusy
    client().put(6, 101, EDIT)


@pytest.mark.parametrize("body", ["<MediaContainer/>", "<html><body>Log in</body></html>", HTML])
def test_something_else_at_the_url(body: str) -> None:
    """A server that answers ``GET /`` without an identity is an error in the setup."""
    with responses.RequestsMock() as mock:
        mock.get(f"{URL}/", body=body, content_type="text/html")
        error = failure(client().connect)
    assert isinstance(error, SetupError)
    assert "a proxy or a login page" in str(error)


@pytest.mark.parametrize(
    "url",
    ["plex.test:32400", "plex.test", "http://", "http://[::1", ""],
)
def test_bad_url(url: str) -> None:
    """An invalid address is named as such."""
    error = failure(client(url=url).connect)
    assert isinstance(error, SetupError)
    assert '"Plex address"' in str(error)


@pytest.mark.parametrize("token", ["abc\ndef", "abc\u4e2d", "", "  "])
def test_bad_token(token: str) -> None:
    """A token with a line break or foreign letters, or none, is named as such and never sent."""
    error = failure(client(token=token, url="http://127.0.0.1:9").connect)
    assert isinstance(error, SetupError)
    assert '"Plex token"' in str(error)


def test_certificate(plex: responses.RequestsMock) -> None:
    """An untrusted certificate is an error in the setup; HTTPS on a plain port is a wrong address."""
    untrusted = ssl.SSLCertVerificationError("self-signed")
    plex.get(f"{URL}/library/sections", body=requests.exceptions.SSLError(MaxRetryError(POOL, "/", untrusted)))  # type: ignore[arg-type]
    error = failure(client().sections)
    assert isinstance(error, SetupError)
    assert "certificate" in str(error)
    plain = classify(requests.exceptions.SSLError(ssl.SSLError(1, "WRONG_VERSION_NUMBER")), None, {}, "server")
    assert isinstance(plain, SetupError)
    assert '"Plex address"' in str(plain)


@pytest.mark.parametrize(
    "exc",
    [
        OSError(errno.ENOSPC, "full"),
        PermissionError(errno.EACCES, "no"),
        refused(OSError(errno.EMFILE, "too many files")),
    ],
    ids=repr,
)
def test_this_machine_is_not_plex(exc: Exception) -> None:
    """A full disk, a missing permission or too many open files are errors of this machine, not Plex's."""
    assert type(classify(exc, None, {}, "item")) is LocalError


@pytest.mark.parametrize("exc", [ValueError("x"), KeyError("x"), AssertionError("x"), ZeroDivisionError()], ids=repr)
def test_our_bugs_stay_ours(exc: Exception) -> None:
    """An exception that Plex cannot have caused is raised unchanged."""
    with pytest.raises(type(exc)):
        classify(exc, None, {}, "edit")


@pytest.mark.parametrize("context", ["server", "section", "item", "edit", "image"])
def test_status_wins_over_the_exception(context: Context) -> None:
    """The HTTP status decides, whatever an exception's text says."""
    lying = requests.HTTPError("(401) unauthorized")
    assert type(classify(lying, 503, {}, context)) is PlexBusy
    assert type(classify(requests.exceptions.ChunkedEncodingError("cut"), 200, {}, context)) is PlexBusy


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("5", 5.0),
        ("0", 0.0),
        ("Thu, 01 Jan 1970 00:02:00 GMT", 20.0),
        ("Thu, 01 Jan 1970 00:00:01 GMT", 0.0),
        ("soon", None),
        ("", None),
    ],
)
def test_retry_after(text: str, wanted: float | None) -> None:
    """Retry-After is read as seconds or as a date, and ignored otherwise."""
    assert retry_after({"retry-after": text}, lambda: 100.0) == wanted


def test_control_characters_do_not_hide_a_page() -> None:
    """References to characters that XML forbids are dropped, others are kept."""
    root = parse_xml(b'<a t="x&#4;y&#x1F;z&#10;&#x1F600;&#65;"/>')
    assert root.get("t") == "xyz\n\U0001f600A"
