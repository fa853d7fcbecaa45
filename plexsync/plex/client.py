"""HTTP client of Plex: takes and returns values of ``model.item``, and raises only ``model.errors``.

Knows nothing of Stash, of jobs, of the index's tables, or of what an item should look like.
"""

from __future__ import annotations

import os
import re
import time
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal, TypeVar
from urllib.parse import parse_qsl, quote

import requests
import urllib3.exceptions as urllib3_errors

from plexsync import __version__
from plexsync.model.errors import ItemGone, PlexBusy, PlexSyncError, PlexUnavailable, Refused, SetupError
from plexsync.model.item import MOVIES, Item, Section
from plexsync.plex.errors import REFUSED_TOKEN, Context, classify, parse_xml
from plexsync.plex.images import Picture, image_digest
from plexsync.plex.parse import as_int, item_of, section_of
from plexsync.plex.session import PlexSession

#: Longest request line in characters: every known server and proxy accepts it.
LINE_LIMIT = 4000
#: Bytes per read from the socket. With the 10 KB that requests reads, a listing takes a tenth longer.
CHUNK = 1 << 20
#: Rating keys per request; with seven digits each they fit in ``LINE_LIMIT``.
ITEMS_AT_ONCE = 400
#: Statuses of a server, or of something before it, that takes no address with so many rating keys.
TOO_MANY = {400, 413, 414, 431}
#: Read timeout of an upload in seconds; some uploads take more than 10 s and succeed.
IMAGE_READ_TIMEOUT = 60.0

#: Seconds after which a failure holds up the rest as much as no answer at all, however it comes.
SLOW = 5.0

#: What is said of whatever answers like no Plex.
NOT_PLEX = (
    'The server at "Plex address" does not identify itself as Plex: a proxy or a login page may be answering. Set it to'
    " the address of the Plex server itself."
)

Element = Literal["posters", "arts"]
#: Element -> the names under which one of its pictures is selected, and taken away.
_SELECTED: dict[Element, str] = {"posters": "poster", "arts": "art"}
_SHOWN: dict[Element, str] = {"posters": "thumb", "arts": "art"}
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Identity:
    """A server's machineIdentifier, version and platform (``Linux``, ``Windows``, ``MacOSX``, ...)."""

    machine: str
    version: str = ""
    platform: str = ""


@dataclass(frozen=True, slots=True)
class Body:
    """An unparsed reply: bytes, media type without parameters, headers."""

    content: bytes
    content_type: str
    headers: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Trial:
    """The reply to a trial, whatever its status."""

    status: int
    content: bytes = b""


def url_for_edit(section: int, rating_key: int, params: Sequence[tuple[str, str]]) -> str:
    """Return the path and query of an edit of one item. The only place that builds such a URL.

    Raise ``ValueError`` (a bug) unless section and rating key are positive integers: without an id, Plex edits every
    item of the section.
    """
    for name, number in (("section", section), ("rating key", rating_key)):
        if type(number) is not int or number <= 0:
            raise ValueError(f"an edit needs a positive integer as its {name}")
    if not params or any(name in ("id", "type", "") for name, _ in params):
        raise ValueError("an edit needs parameters, and none of them may be id, type or empty")
    query = "&".join(f"{quote(name, safe='')}={quote(value, safe='')}" for name, value in params)
    return f"/library/sections/{section}/all?type=1&id={rating_key}&{query}"


#: Whatever may be an edit, and what else a trial may write: to one item, or to the scan of one folder.
_EDIT = re.compile(r"/library/sections/([0-9]+)/all\?type=1&id=([0-9]+)&(.+)")
_POSTED = re.compile(r"/library/(metadata/[1-9][0-9]*/posters|sections/[1-9][0-9]*/refresh\?path=[^&=#]+)")


def require_one(method: str, path: str) -> None:
    """Raise ``ValueError`` (a bug) for a trial's write to more than one item: ``url_for_edit`` builds each edit."""
    if method == "GET" or (method == "POST" and _POSTED.fullmatch(path)):
        return
    edit = _EDIT.fullmatch(path) if method == "PUT" else None
    if edit is None or url_for_edit(int(edit[1]), int(edit[2]), parse_qsl(edit[3], keep_blank_values=True)) != path:
        raise ValueError("a trial writes to one item alone")


class PlexClient:
    """One Plex server. Connects at first use; ``session`` counts the requests and keeps the last reply."""

    def __init__(
        self,
        url: str,
        token: str,
        *,
        client_id: str,
        verify: bool = True,
        connect_timeout: float = 5.0,
        read_timeout: float = 30.0,
    ) -> None:
        self.session = PlexSession(connect_timeout=connect_timeout, read_timeout=read_timeout, verify=verify)
        self._url = url.rstrip("/")
        self._token = token
        self._client_id = client_id
        self._server: Any = None
        self._identity: Identity | None = None
        self._items_at_once = ITEMS_AT_ONCE

    @property
    def identity(self) -> Identity:
        """Return the server's identity; the first call connects."""
        return self._identity or self.connect()

    def connect(self) -> Identity:
        """Send ``GET /`` and return the server's identity. Raise ``SetupError`` for a reply without one."""
        if not self._url:
            raise SetupError('"Plex address" is empty. Set it to http://host:32400.')
        if not self._token.strip():
            raise SetupError('"Plex token" is empty. Set it to the token of the server\'s owner.')
        module = load_plexapi(self._client_id)
        server: Any = self._first(lambda: module.PlexServer(self._url, self._token, session=self.session))
        machine = getattr(server, "machineIdentifier", None)
        if not machine:
            raise SetupError(NOT_PLEX)
        self._server = server
        self._identity = Identity(str(machine), str(server.version or ""), str(server.platform or ""))
        return self._identity

    def identify(self) -> Identity:
        """Return who answers, asked without the token. Raise ``SetupError`` for anything that does not say it is Plex.

        One request, which does not connect: whoever answers may be anybody.
        """
        load_plexapi(self._client_id)
        try:
            read = self._first(lambda: self._raw(f"{self._url}/identity", {"Accept": "application/xml"}))
            found = dict(parse_xml(read[0]).items()) if read else {}
        except ElementTree.ParseError:
            raise SetupError(NOT_PLEX) from None
        except Refused as refused:
            if refused.status not in REFUSED_TOKEN:
                raise
            raise SetupError(NOT_PLEX) from None  # Plex asks nobody for a token here
        machine, version = found.get("machineIdentifier"), found.get("version")
        if not (machine and version):
            raise SetupError(NOT_PLEX)
        return Identity(machine, version)

    def _first(self, call: Callable[[], T]) -> T | None:
        """Return the result of the first request to an address, None for a web page."""
        try:
            return self._guard("server", call)
        except PlexBusy as busy:
            if self.session.last is None and self._url.startswith("http://"):
                hint = 'If Plex requires secure connections, "Plex address" must begin with https://.'
                raise PlexBusy(f"{busy} {hint}") from None
            if not self._is_web_page():
                raise
            return None

    def sections(self) -> tuple[Section, ...]:
        """Return the libraries of all types, in Plex's order; ``sections.choose`` picks among them. One request."""
        root = self._read("/library/sections", "server")
        sections = (section_of(directory) for directory in root.iter("Directory"))
        return tuple(section for section in sections if section is not None)

    def count(self, section: Section) -> int | None:
        """Return the number of items in a library, None if Plex does not tell. One request."""
        movies = "?type=1" if section.type == MOVIES else ""
        root = self._read(f"/library/sections/{_positive(section.key)}/all{movies}", "section", _container(1))
        total = root.get("totalSize", "")
        return as_int(total) if total.isdigit() else None

    def probe(self, section_key: int | None) -> bool:
        """Check that Plex's database answers: read one row of the section, or the list of libraries for None.

        Return whether the reply names a row.
        """
        if section_key is None:
            root = self._read("/library/sections", "server")
        else:
            root = self._read(f"/library/sections/{section_key}/all?type=1", "section", _container(1))
        return len(root) > 0

    def items(self, rating_keys: Iterable[int]) -> dict[int, Item]:
        """Return the full items by rating key, without those that Plex does not name. One request for up to 400."""
        items: dict[int, Item] = {}
        keys = sorted(set(rating_keys))
        while keys:
            chunk = _first(keys, self._items_at_once)
            found = self._some_items(chunk)
            items.update(found)
            keys = keys[len(chunk) :]
            rest = [key for key in chunk if key not in found]
            if found and len(rest) > 1 and rest[0] > max(found):
                keys = self._beyond(rest, len(found), items) + keys
        return items

    def _beyond(self, rest: list[int], named: int, items: dict[int, Item]) -> list[int]:
        """Ask for the ``rest`` of a request again: a server may name only the first ``named``. Return what is left."""
        found = self._some_items(rest)
        items.update(found)
        if not found:
            return []
        self._items_at_once = min(self._items_at_once, named)
        return [key for key in rest if key > max(found)]

    def read_fewer(self, number: int) -> None:
        """Read at most ``number`` items in one request from now on: the server seems to name no more."""
        self._items_at_once = min(self._items_at_once, max(1, number))

    @contextmanager
    def whole(self) -> Iterator[PlexClient]:
        """Turn ``PlexBusy`` into ``PlexUnavailable``, for requests that concern no single scene."""
        try:
            yield self
        except PlexBusy as error:
            raise PlexUnavailable(str(error)) from None

    def put(self, section: int, rating_key: int, params: Sequence[tuple[str, str]]) -> None:
        """Edit one item. ``params``: names and values, not encoded, in the order in which they are sent."""
        url = url_for_edit(section, rating_key, params)
        self._write(url, "edit", self.session.put)

    def upload(
        self, rating_key: int, element: Element, data: bytes, content_type: str, *, seconds: float | None = None
    ) -> None:
        """Upload and select an image. Where no answer comes, check whether Plex has the image before raising.

        ``seconds``: read timeout, by default ``IMAGE_READ_TIMEOUT``.
        """
        path = f"/library/metadata/{_positive(rating_key)}/{element}"
        timeout = (self.session.connect_timeout, seconds or max(IMAGE_READ_TIMEOUT, self.session.read_timeout))
        try:
            self._write(
                path, "image", self.session.post, data=data, headers={"Content-Type": content_type}, timeout=timeout
            )
        except PlexBusy as busy:
            if self.session.last is not None or not self.has_image(rating_key, element, image_digest(data)):
                raise busy from None

    def has_image(self, rating_key: int, element: Element, sha1: str) -> bool:
        """Return whether the image with that SHA-1 is uploaded and selected. One request."""
        return any(picture.selected and sha1 in picture.name for picture in self.pictures(rating_key, element))

    def pictures(self, rating_key: int, element: Element) -> tuple[Picture, ...]:
        """Return the posters or backgrounds among which Plex lets people choose. One request."""
        root = self._read(f"/library/metadata/{_positive(rating_key)}/{element}", "image")
        return tuple(
            Picture(photo.get("ratingKey") or photo.get("key") or "", photo.get("selected", "1") in ("1", "true"))
            for photo in root
        )

    def select(self, rating_key: int, element: Element, name: str) -> None:
        """Show a picture that the item has; ``name``: as ``pictures`` tells it. Nothing is uploaded."""
        path = f"/library/metadata/{_positive(rating_key)}/{_SELECTED[element]}?url={quote(name, safe='')}"
        self._write(path, "image", self.session.put)

    def unset(self, rating_key: int, element: Element) -> None:
        """Show none of the item's posters or backgrounds. Plex may show a frame of the film then."""
        path = f"/library/metadata/{_positive(rating_key)}/{_SHOWN[element]}"  # without its end, the item would go
        self._write(path, "image", self.session.delete)

    def scan(self, section: int, folder: str) -> None:
        """Ask Plex to scan one folder, spelled as in Plex. Plex does not report the outcome."""
        path = f"/library/sections/{_positive(section)}/refresh?path={quote(folder, safe='')}"
        try:
            self._query(path, "section", method=self.session.get)
        except (SetupError, PlexBusy):
            if self.session.last is None or self.session.last.status not in (404, 405):
                raise
            self._write(path, "section", self.session.post)

    def stream(self, path: str, query: Sequence[tuple[str, str]], headers: Mapping[str, str]) -> Body:
        """Return one page of a listing, unparsed: plexapi's objects take twenty times as long."""
        text = "&".join(f"{quote(name, safe='')}={quote(value, safe='')}" for name, value in query)
        sent = {**self._headers(), **headers}
        content, received = self._guard("section", lambda: self._raw(f"{self._url}{path}?{text}", sent))
        if not self.session.is_own:
            raise PlexBusy("Something between PlexSync and Plex, a proxy perhaps, answered for it.", status=200)
        return Body(content, received.get("Content-Type", "").partition(";")[0].strip().lower(), received)

    def trial(
        self,
        method: str,
        path: str,
        *,
        data: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        seconds: float | None = None,
    ) -> Trial:
        """Return the reply to a request of the doctor's, whatever its status; raise only if there is none.

        ``path``: with its query, encoded. That of an edit comes from ``url_for_edit``. ``seconds``: read timeout. Raise
        ``ValueError`` for a write that ``require_one`` does not know.
        """
        require_one(method, path)
        sent = {**self._headers(), **(headers or {})}
        timeout = (self.session.connect_timeout, seconds or self.session.read_timeout)
        url = f"{self._url}{path}"
        reply = self._guard(
            "server", lambda: self.session.request(method, url, headers=sent, data=data, timeout=timeout)
        )
        return Trial(reply.status_code, reply.content)

    def close(self) -> None:
        """Close the kept-alive connections."""
        self.session.close()

    def _is_web_page(self) -> bool:
        last = self.session.last
        return last is not None and last.status == 200 and "text/html" in last.headers.get("Content-Type", "").lower()

    def _headers(self) -> dict[str, str]:
        from plexapi import BASE_HEADERS  # loaded by connect()

        return {**BASE_HEADERS, "X-Plex-Token": self._token} if self.identity else {}

    def _raw(self, url: str, headers: Mapping[str, str]) -> tuple[bytes, Mapping[str, str]]:
        with self.session.get(url, headers=headers, stream=True) as response:
            response.raise_for_status()
            if response.status_code != 200:
                raise requests.HTTPError(response=response)
            return b"".join(response.iter_content(CHUNK)), response.headers

    def _guard(self, context: Context, call: Callable[[], T]) -> T:
        """Return the result of ``call``. Raise failures as our own classes, without their text (URL, headers)."""
        from plexapi.exceptions import PlexApiException

        began = time.monotonic()
        try:
            return call()
        except (
            requests.RequestException,
            urllib3_errors.HTTPError,
            PlexApiException,
            ElementTree.ParseError,
            OSError,
            UnicodeError,
        ) as exc:
            failed = self._classified(exc, context)
        except (TypeError, AttributeError) as exc:
            # plexapi cannot name the statuses 498 and 599, and fails on an empty 200.
            failed = self._classified(exc, context)
        if isinstance(failed, PlexBusy) and time.monotonic() - began >= SLOW:
            failed.timed_out = True
        raise failed from None

    def _classified(self, exc: Exception, context: Context) -> PlexSyncError:
        last = self.session.last
        if last is None:
            return classify(exc, None, {}, context)
        if last.status == 404 and not self.session.is_own:
            return PlexBusy("Something between PlexSync and Plex, a proxy perhaps, answered (404).", status=404)
        return classify(exc, last.status, last.headers, context, body=last.excerpt)

    def _query(self, path: str, context: Context, **kwargs: Any) -> ElementTree.Element | None:
        if self._server is None:
            self.connect()
        root: ElementTree.Element | None = self._guard(context, lambda: self._server.query(path, **kwargs))
        return root

    def _read(self, path: str, context: Context, headers: Mapping[str, str] | None = None) -> ElementTree.Element:
        root = self._query(path, context, headers=dict(headers or {}))
        if root is None or root.tag != "MediaContainer" or not self.session.is_own:
            raise PlexBusy("The reply did not come from Plex: another server or a proxy may have answered.", status=200)
        return root

    def _write(self, path: str, context: Context, method: Callable[..., requests.Response], **kwargs: Any) -> None:
        """Send a request that changes something. Accept any 2xx reply except a web page."""
        try:
            self._query(path, context, method=method, **kwargs)
        except PlexBusy:
            if self.session.last is None or not 200 <= self.session.last.status < 300:
                raise
        last = self.session.last
        if last is not None and "<html" in last.excerpt.lower():
            raise PlexBusy("A web page came instead of Plex's reply; a proxy may have answered.", status=last.status)

    def _some_items(self, keys: Sequence[int]) -> dict[int, Item]:
        path = f"/library/metadata/{','.join(map(str, keys))}"
        try:
            root = self._item_root(path, len(keys))
        except ItemGone:
            return {} if len(keys) == 1 else self._halves(keys)
        except PlexBusy as error:
            if error.status not in TOO_MANY or len(keys) == 1:
                raise
            found = self._halves(keys)  # raises if it was not their number
            self._items_at_once = min(self._items_at_once, (len(keys) + 1) // 2)
            return found
        requested = set(keys)
        section = as_int(root.get("librarySectionID"))
        items = (item_of(video, section) for video in root.iter("Video"))
        return {item.rating_key: item for item in items if item.rating_key in requested}

    def _halves(self, keys: Sequence[int]) -> dict[int, Item]:
        middle = (len(keys) + 1) // 2
        return self._some_items(keys[:middle]) | self._some_items(keys[middle:])

    def _item_root(self, path: str, number: int) -> ElementTree.Element:
        try:
            return self._read(path, "item", _container(number))
        except PlexBusy:
            last = self.session.last
            if last is None or last.status != 200:
                raise
            # A control character in a text breaks plexapi's parser; ours drops it.
            body = self.stream(path, (), {"Accept": "application/xml", **_container(number)})
            root = self._guard("item", lambda: parse_xml(body.content))
            if root.tag != "MediaContainer":
                raise
            return root


def load_plexapi(client_id: str) -> Any:
    """Import and return ``plexapi.server``, set up with our identity and without the user's plexapi configuration."""
    # Set before the first import: no silent reloads, no token in URLs, no config file, and nothing else that somebody
    # set for another program (a log file, headers, timeouts).
    for name in [name for name in os.environ if name.upper().startswith("PLEXAPI_")]:
        del os.environ[name]
    os.environ["PLEXAPI_PLEXAPI_AUTORELOAD"] = "false"
    os.environ["PLEXAPI_LOG_SHOW_SECRETS"] = "false"
    os.environ["PLEXAPI_CONFIG_PATH"] = os.devnull
    import plexapi
    import plexapi.server

    # Updated in place, because plexapi.server refers to this dict.
    plexapi.BASE_HEADERS.update(
        {
            "Accept": "application/xml",  # a server may send JSON to those who ask for nothing
            "X-Plex-Client-Identifier": client_id,
            "X-Plex-Product": "PlexSync",
            "X-Plex-Version": __version__,
            "X-Plex-Device": "Stash",
            "X-Plex-Device-Name": "PlexSync",
        }
    )
    return plexapi.server


def _container(size: int) -> dict[str, str]:
    return {"X-Plex-Container-Start": "0", "X-Plex-Container-Size": str(max(1, size))}


def _positive(number: int) -> int:
    if type(number) is not int or number <= 0:
        raise ValueError("a rating key or section must be a positive integer")
    return number


def _first(keys: list[int], most: int) -> list[int]:
    """Return as many of the first keys as one request may name: ``most``, and none beyond ``LINE_LIMIT``."""
    length = 0
    for number, key in enumerate(keys[:most]):
        length += len(str(key)) + 1
        if length > LINE_LIMIT:
            return keys[: max(1, number)]
    return keys[:most]
