"""A Plex Media Server for tests: real sockets on loopback, the behaviour that bites, and measuring instruments.

Start here: ``with PlexServer() as server: server.add_section("Scenes", key=5); server.add_item(5, file=...)``.
The parts: ``plex_model`` (what it holds), ``plex_query`` (what a query means), ``plex_edits`` (what an edit does),
``plex_render`` (XML and JSON), ``plex_routes`` (addresses), ``plex_modes`` (switches, faults), ``plex_http`` (sockets).
"""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Any, Self

from tests.servers.plex_http import Listener, Reply, Request
from tests.servers.plex_model import FileSpec, Item, Model, Part, Section, stem
from tests.servers.plex_modes import Fault, FaultBoard, Modes
from tests.servers.plex_render import RowStyle, row
from tests.servers.plex_routes import Hook, Router
from tests.servers.plex_scan import Scans, Unseen
from tests.servers.ports import Reserved

__all__ = ["Item", "Modes", "Part", "PlexServer", "Request", "Section"]

_EDIT = re.compile(r"/library/(sections/[^/]+/all|metadata/[\d,]+)")
_SHOW = re.compile(r"/library/metadata/\d+/(poster|thumb|art)")


class PlexServer:
    """One Plex on a free port of 127.0.0.1. ``stop()`` and ``start()`` again is a restart: same port, same data.

    ``tls``: certificate file and key file. ``modes``: see ``Modes``. ``items``: rating key -> ``Item``, free to change.
    """

    def __init__(self, token: str = "plex-token", *, tls: tuple[str, str] | None = None, port: int = 0) -> None:
        self.modes = Modes()
        self.model = Model()
        self.log: list[Request] = []
        self.client_identifiers: set[str] = set()
        self.largest_request_line = 0
        self._faults = FaultBoard()
        self._scans = Scans(self.model, time.monotonic)
        self._router = Router(self.model, self.modes, self._faults, self._scans, token)
        self._log_lock = threading.Lock()
        self._tls = tls
        self._listener: Listener | None = None
        self._reserved = Reserved()
        self.port = port

    # -- life

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        self._reserved.free()

    def start(self) -> None:
        """Listen, on the port of last time if there was one; nothing happens if it listens already."""
        if self._listener is None:
            self._router.stopped = threading.Event()
            self._router.released = threading.Event()
            self._reserved.free()
            self._listener = Listener(self.port, self._answer, self._tls)
            self.port = self._listener.server_port
            self._listener.start()

    def stop(self) -> None:
        """Refuse connects and drop what is open; what was delayed and not applied yet never is. Data stay."""
        if self._listener is not None:
            self._router.stopped.set()
            self._router.released.set()
            self._listener.close()
            self._listener = None
            self._reserved.keep(self.port)

    @property
    def url(self) -> str:
        """The base address, without a slash at the end."""
        return f"{'https' if self._tls else 'http'}://127.0.0.1:{self.port}"

    @property
    def running(self) -> bool:
        """Whether it listens."""
        return self._listener is not None

    # -- who it is

    @property
    def token(self) -> str:
        """The one token that is accepted."""
        return self._router.token

    @token.setter
    def token(self, value: str) -> None:
        self._router.token = value

    @property
    def machine(self) -> str:
        """The machineIdentifier."""
        return self._router.machine

    @machine.setter
    def machine(self, value: str) -> None:
        self._router.machine = value

    @property
    def platform(self) -> str:
        """The platform told by ``GET /``: Linux, Windows, MacOSX."""
        return self._router.platform

    @platform.setter
    def platform(self, value: str) -> None:
        self._router.platform = value

    @property
    def redirect_target(self) -> str:
        """Where the redirect faults point; a path of this server, or another server's address."""
        return self._router.redirect_target

    @redirect_target.setter
    def redirect_target(self, value: str) -> None:
        self._router.redirect_target = value

    @property
    def before_write(self) -> Hook | None:
        """Called with the request before an edit or upload is applied."""
        return self._router.before_write

    @before_write.setter
    def before_write(self, hook: Hook | None) -> None:
        self._router.before_write = hook

    @property
    def after_write(self) -> Hook | None:
        """Called with the request after an edit or upload was applied, before the reply."""
        return self._router.after_write

    @after_write.setter
    def after_write(self, hook: Hook | None) -> None:
        self._router.after_write = hook

    # -- what it holds

    @property
    def sections(self) -> dict[int, Section]:
        """Section key -> section."""
        return self.model.sections

    @property
    def items(self) -> dict[int, Item]:
        """Rating key -> item, as of now."""
        with self.model.lock:
            self._scans.tick()
            return self.model.items

    @property
    def images(self) -> dict[str, bytes]:
        """SHA-1 -> the uploaded bytes."""
        return self.model.images

    @property
    def actor_thumbs(self) -> dict[str, str]:
        """Person's name -> thumb address, one for the whole server."""
        return self.model.tags.thumbs

    def add_section(
        self,
        title: str = "Shows",
        key: int | None = None,
        type: str = "movie",
        locations: Sequence[str] = ("/media",),
        agent: str = "com.plexapp.agents.none",
    ) -> Section:
        """A new library; ValueError if the key is taken."""
        with self.model.lock:
            return self.model.add_section(title, key, type, tuple(locations), agent)

    def add_item(
        self,
        section: int,
        file: str = "",
        size: int = 0,
        duration_ms: int = 0,
        title: str | None = None,
        rating_key: int | None = None,
        files: Iterable[FileSpec] | None = None,
        versions: Iterable[FileSpec] | None = None,
        trashed: bool = False,
        optimised: Iterable[tuple[str, int]] = (),
        studio: str = "",
        summary: str = "",
        date: str = "",
        actors: Iterable[str] = (),
        genres: Iterable[str] = (),
        collections: Iterable[str] = (),
        locked: Iterable[str] = (),
        no_media: bool = False,
        poster: str | None = None,
        art: str | None = None,
        updated_at: int | None = None,
        added_at: int | None = None,
        kind: str | None = None,
    ) -> Item:
        """A new item, titled like its file unless told. ``files``: stacked in one version; ``versions``: one each;
        ``poster``, ``art``: whole names of Plex's own pictures, which it shows."""
        stack = list(files) if files is not None else [(file, size, duration_ms)] if file else []
        groups = [] if no_media else [group for group in [stack, *([one] for one in versions or ())] if group]
        with self.model.lock:
            now = self.model.now()
            parts = self.model.make_parts(groups)
            extra = [[(path, length, duration_ms)] for path, length in optimised]
            parts += self.model.make_parts(extra, optimised=True)
            shown = title if title is not None else stem(parts[0].file if parts else file)
            item = Item(self.model.new_key(rating_key), section, kind or self._kind(section), shown)
            item.studio, item.summary, item.date, item.parts = studio, summary, date, parts
            item.actors, item.genres, item.collections = list(actors), list(genres), list(collections)
            item.locked = set(locked)
            item.posters, item.arts = [poster] if poster else [], [art] if art else []
            item.selected_poster, item.selected_art = poster, art
            item.deleted_at = now if trashed else None
            item.added_at = now if added_at is None else added_at
            item.updated_at = now if updated_at is None else updated_at
            return self.model.add(item)

    def _kind(self, section: int) -> str:
        kind = self.model.sections[section].type
        return kind if kind in ("movie", "show") else "clip"

    def remove_item(self, rating_key: int) -> Item:
        """Delete an item; KeyError if there is none."""
        with self.model.lock:
            return self.model.remove(rating_key)

    def move_item(self, rating_key: int, file: str | None = None, section: int | None = None) -> Item:
        """Give an item's first file another path, or put the item into another section, under the same key."""
        with self.model.lock:
            item = self.model.items[rating_key]
            if file is not None:
                item.parts = [replace(item.parts[0], file=file), *item.parts[1:]]
            if section is not None:
                self.model.bump(item.section, scanned=True)
                item.section = section
            self.model.membership += 1
            item.updated_at = self.model.now()
            self.model.bump(item.section, scanned=True)
            return item

    def rekey(self, old: int, new: int | None = None) -> Item:
        """Key churn: the same file under another rating key (the next free one unless told) and another part id."""
        with self.model.lock:
            item = self.model.remove(old)
            item.rating_key = self.model.new_key(new)
            item.parts = [replace(part, id=part.id + 500_000, media_id=part.media_id + 500_000) for part in item.parts]
            item.added_at = item.updated_at = self.model.now()
            return self.model.add(item)

    def edit_item(self, rating_key: int, **values: Any) -> Item:
        """A person edits an item in Plex: set attributes of ``Item``, and the clocks move."""
        with self.model.lock:
            item = self.model.items[rating_key]
            for name, value in values.items():
                setattr(item, name, value)
            self.model.touch(item)
            return item

    def rename_file(self, rating_key: int, file: str, *, new: int | None = None, trash: bool = True) -> Item:
        """A file is renamed on disk and scanned: a new, bare item holds it; the old one goes to the trash, or away."""
        with self.model.lock:
            old = self.model.items[rating_key]
            part = old.parts[0]
            if trash:
                old.deleted_at = old.updated_at = self.model.now()
                self.model.membership += 1
            else:
                self.model.remove(rating_key)
            return self.add_item(old.section, file, part.size, part.duration_ms, rating_key=new)

    def recreate(self, rating_key: int, new: int | None = None) -> Item:
        """The library is made anew: the same files in a new, bare item under another key."""
        with self.model.lock:
            old = self.model.remove(rating_key)
            versions = [(part.file, part.size, part.duration_ms) for part in old.parts]
            return self.add_item(old.section, files=versions, rating_key=new)

    def lose_image(self, rating_key: int, kind: str = "posters", *, clocks: bool = True) -> Item:
        """Plex drops the selected poster (or background, ``arts``) of an item; ``clocks``: its times tell it."""
        with self.model.lock:
            item = self.model.items[rating_key]
            if kind == "posters":
                item.posters, item.selected_poster = [], None
            else:
                item.arts, item.selected_art = [], None
            self.model.touch(item, own_clock=clocks, section_clock=clocks)
            return item

    def bump(self, section: int) -> None:
        """Move a section's clocks."""
        with self.model.lock:
            self.model.bump(section, scanned=True)

    def scan_adds(self, section: int, file: str, *, delay: float = 0.0, process: float = 0.0, **item: Any) -> None:
        """A file that no item holds yet: ``delay`` seconds after a refresh of its folder (or one above) it appears,
        titled like the file; ``process`` seconds later Plex is done with it. ``item`` goes to ``add_item``."""

        def add() -> Item:
            return self.add_item(section, file=file, **item)

        with self.model.lock:
            self._scans.unseen.append(Unseen(section, file, add, delay, process))

    @property
    def scans(self) -> list[tuple[int, str | None]]:
        """The refreshes that were asked for: (section, path or None)."""
        return self._scans.asked

    def warm(self, *, as_json: bool = False, without: Iterable[str] = ()) -> None:
        """Render every listing row beforehand, so that a benchmark measures its client only."""
        style = RowStyle(as_json, self.modes.truncate_tags, self.modes.hide_updated_at, frozenset(without))
        with self.model.lock:
            for item in self.model.items.values():
                row(item, style)

    def snapshot(self) -> dict[int, dict[str, Any]]:
        """Rating key -> every visible field, clocks aside."""
        with self.model.lock:
            self._scans.tick()
            return {key: item.visible() for key, item in self.model.items.items()}

    # -- how it fails

    def fault(
        self,
        kind: str,
        count: int | None = None,
        path: str | None = None,
        method: str | None = None,
        query: str | None = None,
    ) -> None:
        """Fail the next ``count`` requests (None: all) whose path, method and decoded query fit. ``path`` and ``query``
        are searched as regular expressions. ``reset_mid_body`` and ``truncated_xml`` do what was asked and spoil the
        answer; all others do nothing."""
        patterns = [re.compile(text) if text is not None else None for text in (path, query)]
        self._faults.add(Fault(kind, count, patterns[0], method, patterns[1]))

    def clear_faults(self) -> None:
        """Behave again; requests that hang stay so until ``release``."""
        self._faults.clear()

    def release(self) -> None:
        """Let go of every request that a ``stall`` holds: its connection is closed without an answer."""
        released, self._router.released = self._router.released, threading.Event()
        released.set()

    # -- what it measures

    @property
    def disaster(self) -> bool:
        """Whether an edit without an id was carried out."""
        return self._router.disaster

    def requests(self, method: str | None = None, path: str | None = None) -> list[Request]:
        """The logged requests of a method whose path the regular expression finds."""
        return self._chosen(
            lambda one: (method is None or one.method == method) and (path is None or bool(re.search(path, one.path)))
        )

    def count(self, method: str | None = None, path: str | None = None) -> int:
        """How many requests of a method whose path the regular expression finds."""
        return len(self.requests(method, path))

    def writes(self) -> list[Request]:
        """The edits, refused ones included."""
        return self._chosen(lambda one: one.method == "PUT" and bool(_EDIT.fullmatch(one.path)))

    def uploads(self) -> list[Request]:
        """The posters and backgrounds sent."""
        return self.requests("POST", r"/(posters|arts)$")

    def selections(self) -> list[Request]:
        """The pictures chosen among those that an item has, and those taken away."""
        return self._chosen(lambda one: one.method in ("PUT", "DELETE") and bool(_SHOW.fullmatch(one.path)))

    def reads(self) -> list[Request]:
        """Every GET and HEAD."""
        return self._chosen(lambda one: one.method in ("GET", "HEAD"))

    def clear_log(self) -> None:
        """Start measuring anew: log, client identifiers, largest request line (not ``disaster``)."""
        with self._log_lock:
            self.log.clear()
            self.client_identifiers.clear()
            self.largest_request_line = 0

    def _chosen(self, test: Callable[[Request], bool]) -> list[Request]:
        with self._log_lock:
            return [request for request in self.log if test(request)]

    def _answer(self, request: Request, body: bytes) -> Reply:
        with self._log_lock:
            self.log.append(request)
            self.largest_request_line = max(self.largest_request_line, request.line_length)
            identifier = request.header("X-Plex-Client-Identifier")
            if identifier:
                self.client_identifiers.add(identifier)
        return self._router.answer(request, body)
