"""Plex from the outside: libraries, items and edits over HTTP, as a browser's session would ask for them."""

from __future__ import annotations

import urllib.error
import urllib.request
import xml.etree.ElementTree as ElementTree
from dataclasses import dataclass
from urllib.parse import urlencode, urlsplit

from tests.e2e.waiting import StepError, until

_OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))

#: "Other Videos": nothing but the file's name comes from Plex itself.
AGENT, SCANNER = "com.plexapp.agents.none", "Plex Video Files Scanner"

CLIENT = {"X-Plex-Client-Identifier": "plexsync-end-to-end", "X-Plex-Product": "PlexSync's tests"}

TEXTS = ("title", "studio", "summary", "originallyAvailableAt")


@dataclass(frozen=True, slots=True)
class Item:
    """What Plex shows of an item, and which fields are locked."""

    title: str
    studio: str
    summary: str
    date: str
    performers: tuple[str, ...]
    genres: tuple[str, ...]
    locked: tuple[str, ...]


class Plex:
    """A Plex at an address. ``token``: empty for a server that nobody has claimed."""

    def __init__(self, url: str, token: str) -> None:
        self.url, self.token = url.rstrip("/"), token

    @property
    def host(self) -> tuple[str, int]:
        """Host and port."""
        parts = urlsplit(self.url)
        return parts.hostname or "", parts.port or 32400

    def _ask(self, method: str, path: str, **query: str) -> ElementTree.Element | None:
        """Return the answer's document, None where its body is empty. Raise ``StepError`` for a refusal."""
        address = f"{self.url}{path}" + (f"?{urlencode(query)}" if query else "")
        token = {"X-Plex-Token": self.token} if self.token else {}
        page = {"X-Plex-Container-Start": "0", "X-Plex-Container-Size": "200"}
        request = urllib.request.Request(address, method=method, headers={**CLIENT, **token, **page})
        try:
            with _OPENER.open(request, timeout=60) as reply:
                body = reply.read()
        except urllib.error.HTTPError as error:
            raise StepError(f"Plex answered {error.code} to {method} {path}.") from error
        return ElementTree.fromstring(body) if body.lstrip().startswith(b"<?xml") else None

    def _get(self, path: str, **query: str) -> ElementTree.Element:
        found = self._ask("GET", path, **query)
        if found is None:
            raise StepError(f"Plex answered GET {path} with no document.")
        return found

    def begin(self) -> str:
        """Wait until Plex answers, and lets in whoever holds the token; return its version."""

        def version() -> str:
            try:
                self._get("/library/sections")
                return str(self._get("/identity").get("version"))
            except (StepError, OSError):
                return ""

        return until(version, "an answer of Plex to its token")

    def library(self, name: str, folder: str) -> str:
        """Make a library; return its key, once Plex lists it."""
        wanted = {"name": name, "type": "movie", "agent": AGENT, "scanner": SCANNER, "language": "xn"}
        self._ask("POST", "/library/sections", **wanted, location=folder)
        return until(lambda: self.key(name), "the new library in Plex")

    def key(self, name: str) -> str:
        """Return the key of the library of this name, empty if there is none."""
        sections = self._get("/library/sections").iter("Directory")
        return next((str(one.get("key")) for one in sections if one.get("title") == name), "")

    def scan(self, library: str) -> None:
        """Have a library scanned."""
        self._ask("GET", f"/library/sections/{library}/refresh")

    def item(self, library: str, file: str) -> str:
        """Return the rating key of the item that holds a file; empty while there is none."""
        for video in self._get(f"/library/sections/{library}/all", type="1").iter("Video"):
            if any(part.get("file") == file for part in video.iter("Part")):
                return str(video.get("ratingKey"))
        return ""

    def read(self, rating_key: str) -> Item:
        """Return an item as Plex shows it."""
        video = self._get(f"/library/metadata/{rating_key}").find("Video")
        if video is None:
            raise StepError(f"Plex has no item {rating_key}.")

        def tags(name: str) -> tuple[str, ...]:
            return tuple(sorted(str(tag.get("tag")) for tag in video.findall(name)))

        locked = (str(one.get("name")) for one in video.findall("Field") if one.get("locked") in ("1", "true"))
        title, studio, summary, date = (video.get(name) or "" for name in TEXTS)
        return Item(title, studio, summary, date, tags("Role"), tags("Genre"), tuple(sorted(locked)))

    def rename(self, library: str, rating_key: str, title: str) -> None:
        """Give an item a title, as a person does in Plex."""
        edit = {"type": "1", "id": rating_key, "title.value": title, "title.locked": "1"}
        self._ask("PUT", f"/library/sections/{library}/all", **edit)
