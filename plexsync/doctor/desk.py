"""The one item that the doctor works on: every request goes through here, and every write looks at the file first.

Puts the item back. Decides no answer.
"""

from __future__ import annotations

import contextlib
import time
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable, Iterator, Sequence
from urllib.parse import quote

from plexsync.doctor import saved
from plexsync.doctor.saved import LISTS, NONE, UNKNOWN, Saved
from plexsync.model.errors import ItemGone, PlexBusy, PlexSyncError, PlexUnavailable, Refused, Rejected
from plexsync.model.paths import slashed
from plexsync.plex.client import IMAGE_READ_TIMEOUT, Element, PlexClient, Trial, url_for_edit
from plexsync.plex.errors import parse_xml
from plexsync.plex.images import Picture, image_digest, media_type

#: Requests that the questions may take together; putting back is not limited.
MOST_REQUESTS = 400
XML, JSON = "application/xml", "application/json"
ELEMENTS: tuple[Element, ...] = ("posters", "arts")
#: Statuses with which a proxy gives up waiting, while Plex may still carry out what it was sent.
GIVEN_UP = (408, 502, 504)

Params = Sequence[tuple[str, str]]


class Unanswered(Exception):
    """A question could not be asked; the text says why, without anything of the user's."""


class Desk:
    """One item, as it was (``before``). ``sleep``: waits until Plex's clock has moved on.

    ``word``: begins each tag that the doctor writes, and is in no other item. ``has_written``: since it was put back.
    ``end``: until when Plex may carry out what it has not answered, in seconds since the epoch; ``note`` keeps that
    before each write. ``refusal``: the last status with which Plex refused to take something back, or 0.
    """

    def __init__(
        self,
        client: PlexClient,
        before: Saved,
        word: str,
        sleep: Callable[[float], None],
        *,
        clock: Callable[[], float] = time.time,
        note: Callable[[float], object] = lambda _: None,
        end: float = 0.0,
    ) -> None:
        self.client = client
        self.before = before
        self.word = word
        self.sleep = sleep
        self.has_written = False
        self.clock = clock
        self.refusal = 0
        self._note = note
        self._end = end
        self._left = MOST_REQUESTS
        self._limited = False

    def tag(self, name: str) -> str:
        """Return a tag that no other item has."""
        return f"PlexSync doctor {self.word} {name}"

    def may_write(self, name: str) -> None:
        """Raise ``Unanswered`` if a list has what an edit of it could not put back."""
        tags = self.video().findall(LISTS[name])
        if any(tag.get("thumb") for tag in tags):
            raise Unanswered(f"an entry of {name} has a picture, which could not be put back for certain")
        if len({tag.get("tag", "").casefold() for tag in tags}) < len(tags):
            raise Unanswered(f"a name occurs twice in {name}, which could not be put back for certain")

    # -- what is under way

    @property
    def patience(self) -> float:
        """The longest time for which a write may be under way, in seconds."""
        return max(IMAGE_READ_TIMEOUT, self.client.session.read_timeout)

    @property
    def rest(self) -> float:
        """Seconds for which Plex may still carry out what it has not answered."""
        return min(max(0.0, self._end - self.clock()), self.patience)

    @contextlib.contextmanager
    def _writing(self, seconds: float | None = None) -> Iterator[list[int]]:
        """Note a write before it is sent. It is over once its status is in the list that this yields."""
        self.has_written = True
        earlier, statuses = self._end, list[int]()
        self._end = max(earlier, self.clock() + (seconds or self.client.session.read_timeout))
        self._note(self._end)
        yield statuses
        if statuses and statuses[-1] not in GIVEN_UP:
            self._end = earlier
            self._note(max(earlier, self.clock()))

    # -- reading

    def video(self) -> ElementTree.Element:
        """Return the item's element in full. Raise ``ItemGone`` if it does not hold its file any more."""
        reply = self._send("GET", f"/library/metadata/{self.before.rating_key}")
        if reply.status == 404:
            raise ItemGone("Plex no longer has the item (404).")
        root = self._root(reply)
        found = [video for video in root.iter("Video") if video.get("ratingKey") == str(self.before.rating_key)]
        if not found or not saved.holds(found[0], self.before.path):
            raise ItemGone("The item in Plex is gone, or holds another file now.")
        return found[0]

    def pictures(self) -> dict[Element, tuple[Picture, ...]]:
        """Return the posters and backgrounds of the item."""
        return {element: self.client.pictures(self.before.rating_key, element) for element in ELEMENTS}

    def posters(self) -> ElementTree.Element:
        """Return Plex's whole list of posters."""
        return self._root(self._send("GET", f"/library/metadata/{self.before.rating_key}/posters"))

    def library(self) -> ElementTree.Element:
        """Return the element of the item's library, with its clocks."""
        for directory in self._root(self._send("GET", "/library/sections")).iter("Directory"):
            if directory.get("key") == str(self.before.section):
                return directory
        raise Unanswered("Plex does not list the library")

    def listing(self, query: Params, *, size: int = 50, accept: str = XML) -> Trial:
        """Return the first rows of the library."""
        text = "".join(f"&{quote(name, safe='')}={quote(value, safe='')}" for name, value in query)
        headers = {"Accept": accept, "X-Plex-Container-Start": "0", "X-Plex-Container-Size": str(size)}
        return self._send("GET", f"/library/sections/{self.before.section}/all?type=1{text}", headers=headers)

    def rows(self, query: Params, *, size: int = 50) -> list[ElementTree.Element]:
        """Return the first rows of the library as elements."""
        reply = self.listing(query, size=size)
        return list(self._root(reply).iter("Video"))

    def item(self, accept: str) -> Trial:
        """Return the item's element in a format, unparsed."""
        path = f"/library/metadata/{self.before.rating_key}"
        return self._send("GET", path, headers={"Accept": accept})

    def is_there(self, rating_key: int) -> bool:
        """Return whether Plex has an item of that key."""
        return self._send("GET", f"/library/metadata/{rating_key}").status != 404

    def picture(self, address: str) -> bytes:
        """Return the bytes of a picture at an address that Plex gave."""
        return self._send("GET", address, headers={"Accept": "image/*"}).content if address.startswith("/") else b""

    # -- writing

    def edit(self, params: Params, *, key: int = 0, form: Params = (), is_checked: bool = False) -> int:
        """Edit the item and return the status. ``key``: name another id. ``form``: parameters sent as a form's body.

        ``is_checked``: the item was read just now.
        """
        if not is_checked:
            self.video()
        path = url_for_edit(self.before.section, key or self.before.rating_key, params)
        if not form:
            return self._send("PUT", path).status
        body = "&".join(f"{quote(name, safe='')}={quote(value, safe='')}" for name, value in form)
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        return self._send("PUT", path, data=body.encode("ascii"), headers=headers).status

    def upload(self, data: bytes, kind: str) -> int:
        """Upload a poster and return the status."""
        self.video()
        path = f"/library/metadata/{self.before.rating_key}/posters"
        return self._send("POST", path, data=data, headers={"Content-Type": kind}, seconds=IMAGE_READ_TIMEOUT).status

    def refresh(self, method: str) -> int:
        """Ask for a scan of the folder that the item's file lies in, by ``GET`` or ``POST``; return the status."""
        folder = self.before.path[: max(self.before.path.rfind("/"), self.before.path.rfind("\\"))]
        if not folder:
            raise Unanswered("the file lies in no folder")
        own = f"{slashed(folder).rstrip('/')}/".casefold()
        roots = [f"{slashed(one.get('path', '')).rstrip('/')}/".casefold() for one in self.library().iter("Location")]
        if not roots:
            raise Unanswered("Plex does not tell the folders of the library")
        if any(root.startswith(own) for root in roots):
            raise Unanswered("the file lies in a root folder of the library, all of which would be scanned")
        self.video()
        path = f"/library/sections/{self.before.section}/refresh?path={quote(folder, safe='')}"
        return self._send(method, path).status

    # -- putting back

    def limit(self, limited: bool) -> None:
        """Count the requests that follow, or stop counting."""
        self._limited = limited

    def put_back(self) -> tuple[str, ...]:
        """Make the item what it was, and return what is not. Raise ``ItemGone``, or ``PlexUnavailable``, ``PlexBusy``.

        Whatever Plex refuses is tried again, and then stays.
        """
        self.refusal = 0
        for attempt in range(saved.ROUNDS):
            now, video = self._now()
            if not saved.differences(self.before, now):
                self.has_written = False
                return ()
            self._show(now)
            if set(saved.differences(self.before, now)) - {"posters", "arts"} or attempt:
                now, video = self._now()
            for params in saved.edits(self.before, now, video, attempt):
                status = self._send("PUT", url_for_edit(self.before.section, self.before.rating_key, params)).status
                self.refusal = status if status >= 400 else self.refusal
        return saved.differences(self.before, self._now()[0])

    def _now(self) -> tuple[Saved, ElementTree.Element]:
        video = self.video()
        return saved.seen(self.before, video, self.pictures()), video

    def _show(self, now: Saved) -> None:
        """Show the pictures again that were shown before."""
        for element in ELEMENTS:
            name = self.before.pictures.get(element, UNKNOWN)
            if name in (UNKNOWN, NONE, now.pictures[element]):  # where none is shown, none was uploaded
                continue
            with self._writing() as statuses:
                try:
                    self.client.select(self.before.rating_key, element, name)
                    statuses.append(200)
                except Rejected as error:
                    statuses.append(error.status)
                    self.refusal = error.status
                except ItemGone:
                    statuses.append(404)
                    self.refusal = 404

    # -- sending

    def _send(
        self,
        method: str,
        path: str,
        *,
        data: bytes | None = None,
        headers: dict[str, str] | None = None,
        seconds: float | None = None,
    ) -> Trial:
        if self._limited:
            if self._left <= 0:
                raise Unanswered("the doctor has sent enough requests")
            self._left -= 1
        sent = {"Accept": XML} | (headers or {})
        if method == "GET":
            reply = self.client.trial(method, path, headers=sent, seconds=seconds)
        else:
            with self._writing(seconds) as statuses:
                reply = self.client.trial(method, path, data=data, headers=sent, seconds=seconds)
                statuses.append(reply.status)
        if reply.status in (401, 403, 498):
            raise Refused("Plex does not accept the token for this.", status=reply.status)
        if reply.status == 503:
            raise PlexUnavailable("Plex is starting or in maintenance (503).")
        return reply

    @staticmethod
    def _root(reply: Trial) -> ElementTree.Element:
        try:
            root = parse_xml(reply.content) if reply.status == 200 else None
        except ElementTree.ParseError:
            root = None
        if root is None or root.tag != "MediaContainer":
            raise PlexBusy(f"Plex sent a reply that cannot be read ({reply.status}).", status=reply.status)
        return root


def why(error: Exception) -> str:
    """Return why a question could not be asked, without anything of the user's."""
    if isinstance(error, Unanswered):
        return str(error)
    if isinstance(error, PlexBusy):
        return "no answer" if error.status is None else f"status {error.status}"
    return type(error).__name__ if not isinstance(error, PlexSyncError) else str(error).rstrip(".")


def cover_of(desk: Desk, video: ElementTree.Element, own: Callable[[], tuple[bytes, str]]) -> tuple[bytes, str, bool]:
    """Return the bytes for the question about uploads, their type, and whether Plex has them as an upload.

    ``own``: the cover that PlexSync would upload.
    """
    name = desk.before.pictures.get("posters", UNKNOWN)
    if name in (UNKNOWN, NONE):  # then it could not be shown again
        raise Unanswered("Plex does not mark which poster is selected" if name else "the item shows no poster")
    if name.startswith("upload:"):
        data = desk.picture(video.get("thumb", ""))
        if data and image_digest(data) in name:
            return data, media_type(data, ""), True
    data, kind = own()
    if not data:
        raise Unanswered("the poster is not an upload, and PlexSync would upload none")
    return data, kind, False
