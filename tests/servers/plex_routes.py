"""From a request to a reply: the addresses of the Plex test server, and who may use them. Knows no sockets."""

from __future__ import annotations

import hashlib
import re
import threading
from collections.abc import Callable, Sequence
from dataclasses import replace

from tests.servers import plex_edits, plex_query, plex_render
from tests.servers.plex_http import Reply, Request
from tests.servers.plex_model import Item, Model, Section
from tests.servers.plex_modes import FaultBoard, Modes
from tests.servers.plex_render import Element, RowStyle
from tests.servers.plex_replies import fault_reply, html
from tests.servers.plex_scan import Scans

MAX_UPLOAD = 10 * 1024 * 1024
VERSION = "1.41.9.9961-46083195d"

Route = Callable[["Router", Request, bytes, re.Match[str]], Reply]
Hook = Callable[[Request], object]


class Router:
    """Answers requests from the model, as the modes and faults of the moment have it.

    ``before_write`` is called before an edit or upload is applied, ``after_write`` when it was, before the reply.
    """

    def __init__(self, model: Model, modes: Modes, faults: FaultBoard, scans: Scans, token: str) -> None:
        self.model = model
        self.modes = modes
        self.faults = faults
        self.scans = scans
        self.token = token
        self.machine = hashlib.sha1(b"PlexSync test server", usedforsecurity=False).hexdigest()
        self.platform = "Linux"
        self.version = VERSION
        self.redirect_target = "/login"
        self.disaster = False
        self.before_write: Hook | None = None
        self.after_write: Hook | None = None
        self.stopped = threading.Event()
        self.released = threading.Event()

    def answer(self, request: Request, body: bytes) -> Reply:
        """The reply to a request, delays and faults included."""
        if self.modes.close_kept and request.nth > 1:
            return Reply(ending="close")
        reply = self._reply(request, body)
        return reply if self.modes.marked else replace(reply, by_proxy=True)

    def _reply(self, request: Request, body: bytes) -> Reply:
        if self.modes.max_request_line is not None and request.line_length > self.modes.max_request_line:
            return html(self.modes.long_line_status)
        words = "&".join(f"{key}={value}" for key, value in request.query)
        kind = self.faults.take(request.method, request.path, words)
        if kind == "stall":
            self.released.wait(30)
            return Reply(ending="close")
        if kind in ("reset_mid_body", "truncated_xml", "empty_container"):
            return fault_reply(kind, self._normal(request, body), self.redirect_target)
        if kind:
            return fault_reply(kind, Reply(), self.redirect_target)
        return self._normal(request, body)

    def _normal(self, request: Request, body: bytes) -> Reply:
        refused = self._refused(request)
        if refused:
            return html(refused)
        if request.method in ("GET", "HEAD") and self._waited(self.modes.read_delay):
            return Reply(ending="close")
        method = "GET" if request.method == "HEAD" else request.method
        known = False
        for verb, pattern, route in ROUTES:
            found = pattern.fullmatch(request.path)
            if found and verb == method:
                return route(self, request, body, found)
            known = known or bool(found)
        return html(405 if known else 404)

    def _refused(self, request: Request) -> int | None:
        if request.path in ("/identity", self.redirect_target):
            return None
        mode = self.modes.token_mode
        if mode == "expired_498":
            return 498
        if mode == "refused_401":
            return 401
        token = request.header("X-Plex-Token") or request.param("X-Plex-Token")
        if mode != "allowed_network" and token != self.token:
            return 401
        if mode == "forbidden_writes_403" and request.method not in ("GET", "HEAD"):
            return 403
        return None

    def _waited(self, seconds: float) -> bool:
        """Wait; True if the server was stopped meanwhile, so that nothing may happen any more."""
        return seconds > 0 and self.stopped.wait(seconds)

    def _written(self, request: Request, delay: float, change: Callable[[], Reply]) -> Reply:
        """Carry out a change: delay, hooks, lock. ``change`` runs under the model's lock."""
        if self._waited(delay):
            return Reply(ending="close")
        if self.before_write:
            self.before_write(request)
        with self.model.lock:
            self.scans.tick()
            reply = change()
        if self.after_write:
            self.after_write(request)
        return reply

    def _wants_json(self, request: Request) -> bool:
        accepted = request.header("Accept") or ""
        if self.modes.json_default:
            return "xml" not in accepted
        return self.modes.json and "application/json" in accepted

    def _say(self, request: Request, element: Element, **more: Element) -> Reply:
        as_json = self._wants_json(request)
        body = plex_render.container(element | more, as_json)
        return Reply(200, body, "application/json" if as_json else "text/xml;charset=utf-8")

    def _section(self, found: re.Match[str]) -> Section | None:
        return self.model.sections.get(int(found["section"]))

    # -- the server itself

    def identity(self, request: Request, body: bytes, found: re.Match[str]) -> Reply:
        """``GET /identity``: needs no token."""
        return self._say(
            request,
            {"size": 0, "claimed": True, "machineIdentifier": self.machine, "version": self.version},
        )

    def root(self, request: Request, body: bytes, found: re.Match[str]) -> Reply:
        """``GET /``."""
        return self._say(
            request,
            {
                "size": 1,
                "allowSync": True,
                "friendlyName": "test",
                "machineIdentifier": self.machine,
                "myPlex": True,
                "platform": self.platform,
                "platformVersion": "6.1",
                "updatedAt": self.model.now(),
                "version": self.version,
                "Directory": [{"count": 1, "key": "library", "title": "library"}],
            },
        )

    def login(self, request: Request, body: bytes, found: re.Match[str]) -> Reply:
        """Where redirects lead: somebody's login page."""
        return html(200)

    def activities(self, request: Request, body: bytes, found: re.Match[str]) -> Reply:
        """``GET /activities``: one for each section being scanned."""
        with self.model.lock:
            self.scans.tick()
            running = [section for section in self.model.sections.values() if section.refreshing]
        entries = [
            {
                "uuid": section.uuid,
                "type": "library.update.section",
                "cancellable": False,
                "userID": 1,
                "title": f"Scanning {section.title}",
                "subtitle": "",
                "progress": 50,
                "Context": [{"librarySectionID": str(section.key)}],
            }
            for section in running
        ]
        return self._say(request, {"size": len(entries)} | ({"Activity": entries} if entries else {}))

    # -- sections

    def library(self, request: Request, body: bytes, found: re.Match[str]) -> Reply:
        """``GET /library``."""
        entries = [{"key": "sections", "title": "Library Sections"}]
        return self._say(
            request,
            {"size": 1, "allowSync": False, "identifier": "com.plexapp.plugins.library", "title1": "Plex Library",
             "Directory": entries},
        )  # fmt: skip

    def sections(self, request: Request, body: bytes, found: re.Match[str]) -> Reply:
        """``GET /library/sections`` and ``/library/sections/all``, or one of them by its number."""
        with self.model.lock:
            self.scans.tick()
            chosen = list(self.model.sections.values())
            if found.groupdict().get("section"):
                chosen = [section for section in chosen if section.key == int(found["section"])]
                if not chosen:
                    return html(404)
            entries = [plex_render.section_element(section) for section in chosen]
        element: Element = {"size": len(entries), "allowSync": False, "title1": "Plex Library"}
        return self._say(request, element | ({"Directory": entries} if entries else {}))

    def listing(self, request: Request, body: bytes, found: re.Match[str]) -> Reply:
        """``GET /library/sections/{id}/all``: one page of rows."""
        section = self._section(found)
        if section is None:
            return html(404)
        start, size = plex_query.paging(request.header, request.param)
        if self.modes.page_size_required and (size is None or size > 1000):
            return html(400)
        raw = request.target.partition("?")[2]
        asked = None if "sort" in self.modes.ignored else plex_query.first(request.query, "sort")
        order = asked or ("titleSort" if self.modes.title_sort_default else "id")
        with self.model.lock:
            self.scans.tick()
            pairs = [("type", "1")] if self.modes.ignore_filters else plex_query.parse(raw)
            pairs = [pair for pair in pairs if pair[0].rstrip("<>=!") not in self.modes.ignored]
            items = plex_query.select(self.model, section.key, pairs, order)
            limit = request.param("limit")
            if limit and limit.isdigit():
                items = items[: int(limit)]
            items = items[: max(0, len(items) - self.modes.lose_rows)]
            total = len(items)
            start = 0 if self.modes.first_page_only else start
            if self.modes.fewer_rows is not None:
                size = min(self.modes.fewer_rows, total if size is None else size)
            page = items[start : None if size is None else start + size]
            return self._rows(request, section, page, start, total + self.modes.total_off)

    def _rows(self, request: Request, section: Section, page: Sequence[Item], start: int, total: int) -> Reply:
        as_json = self._wants_json(request)
        style = RowStyle(as_json, self.modes.truncate_tags, self.modes.hide_updated_at, self._without(request))
        rows = [plex_render.row(item, style) for item in page]
        if self.modes.bad_char_ref and rows:
            rows[0] = (
                rows[0].replace("{", '{"tagline": "\\u0004", ', 1)
                if as_json
                else rows[0].replace(" ratingKey=", ' chapterSource="&#4;" ratingKey=', 1)
            )
        element: Element = {"size": len(rows), "offset": start, "allowSync": True, "title1": section.title}
        element["viewGroup"] = "movie"
        if self.modes.section_ids:
            element |= {"librarySectionID": section.key, "librarySectionTitle": section.title}
        headers = [("X-Plex-Container-Start", str(start))]
        if self.modes.total_size:
            element["totalSize"] = total
            headers.append(("X-Plex-Container-Total-Size", str(total)))
        text = plex_render.container(element, as_json, rows)
        return Reply(200, text, "application/json" if as_json else "text/xml;charset=utf-8", tuple(headers))

    def _without(self, request: Request) -> frozenset[str]:
        if not self.modes.honour_excludes:
            return frozenset()
        if ("json" if self._wants_json(request) else "xml") in self.modes.excludes_ignored_in:
            return frozenset()
        words = ",".join(request.param(name) or "" for name in ("excludeElements", "excludeFields"))
        words += f",{self.modes.excludes_drop}" if words.strip(",") else ""
        return frozenset("Role" if word == "Actor" else word for word in words.split(",") if word)

    def edit(self, request: Request, body: bytes, found: re.Match[str]) -> Reply:
        """``PUT /library/sections/{id}/all`` or ``/library/metadata/{ids}``: the edit."""

        def change() -> Reply:
            if self.modes.form_body == "400" and body:
                return html(400)
            parsed = plex_edits.parse(self._said(request, body))
            if "section" in found.groupdict():
                section = self._section(found)
                if section is None:
                    return html(404)
                items, nameless = plex_edits.targets(self.model, section.key, parsed.selectors)
            else:
                section = None
                keys = plex_query.numbers(found["ids"])
                items, nameless = [self.model.items[key] for key in keys if key in self.model.items], False
            if not items and not nameless and self.modes.unknown_id_all and section is not None:
                items = [item for item in self.model.items.values() if item.section == section.key]
            refused = plex_edits.refusal(parsed, self.modes)
            if refused:
                return html(refused)
            if not items and not nameless:
                return html(404) if self.modes.unknown_id_404 else Reply()
            self.disaster = self.disaster or nameless
            plex_edits.apply(self.model, self.modes, items, parsed)
            return Reply()

        return self._written(request, self.modes.edit_delay, change)

    def _said(self, request: Request, body: bytes) -> list[tuple[str, str]]:
        """What an edit says: its query, and a form's body as the mode has it."""
        form = plex_query.parse(body.decode("ascii", "replace")) if body else []
        if not form or self.modes.form_body == "ignored":
            return request.query
        return form if self.modes.form_body == "only" else [*request.query, *form]

    def refresh(self, request: Request, body: bytes, found: re.Match[str]) -> Reply:
        """``/library/sections/{id}/refresh?path=``, by the method of the mode; the other one is 404."""
        section = self._section(found)
        if section is None or request.method not in self._refresh_methods():
            return html(404)
        with self.model.lock:
            self.scans.start(section.key, request.param("path"))
        return Reply()

    def _refresh_methods(self) -> tuple[str, ...]:
        method = self.modes.refresh_method
        return {"both": ("GET", "POST"), "none": ()}.get(method, (method,))

    def timeline(self, request: Request, body: bytes, found: re.Match[str]) -> Reply:
        """``GET /library/sections/{id}/timeline``."""
        section = self._section(found)
        if section is None:
            return html(404)
        with self.model.lock:
            self.scans.tick()
            queued = self.scans.queued(section.key)
        return self._say(
            request,
            {"size": 0, "allowSync": False, "content": "secondary", "identifier": "com.plexapp.plugins.library",
             "latestEntryTime": section.updated_at, "title1": section.title, "updateQueueSize": queued},
        )  # fmt: skip

    def empty_trash(self, request: Request, body: bytes, found: re.Match[str]) -> Reply:
        """``PUT /library/sections/{id}/emptyTrash``."""
        with self.model.lock:
            trashed = [item for item in self.model.items.values() if item.deleted_at is not None]
            for item in trashed:
                if item.section == int(found["section"]):
                    self.model.remove(item.rating_key)
        return Reply()

    # -- items

    def metadata(self, request: Request, body: bytes, found: re.Match[str]) -> Reply:
        """``GET /library/metadata/{ids}``: full items, those of a comma list that exist."""
        keys = plex_query.numbers(found["ids"])
        if self.modes.max_ids is not None and len(keys) > self.modes.max_ids:
            return html(414)
        with self.model.lock:
            self.scans.tick()
            items = [self.model.items[key] for key in keys if key in self.model.items]
            if not items or (self.modes.list_404 and len(items) < len(keys)):
                return html(404)
            start, size = plex_query.paging(request.header, request.param)
            page = items[start : None if size is None else start + size][: self.modes.max_named]
            entries = [(item.kind, plex_render.full(item, self.model)) for item in page]
            section = self.model.sections[items[0].section]
        element: Element = {"size": len(entries), "allowSync": True}
        if self.modes.section_ids:
            element |= {"librarySectionID": section.key, "librarySectionTitle": section.title,
                        "librarySectionUUID": section.uuid}  # fmt: skip
        else:
            entries = [(kind, _without_section(entry)) for kind, entry in entries]
        if size is not None:
            element |= {"offset": start, "totalSize": len(items)}
        for kind, entry in entries:
            tag = "Metadata" if self._wants_json(request) else "Directory" if kind == "show" else "Video"
            element.setdefault(tag, []).append(entry)
        reply = self._say(request, element)
        headers = (("X-Plex-Container-Start", str(start)), ("X-Plex-Container-Total-Size", str(len(items))))
        return Reply(200, reply.body, reply.content_type, headers)

    def item_refresh(self, request: Request, body: bytes, found: re.Match[str]) -> Reply:
        """``PUT /library/metadata/{id}/refresh``: accepted, changes nothing for personal media."""
        return Reply() if int(found["ids"]) in self.model.items else html(404)

    def photos(self, request: Request, body: bytes, found: re.Match[str]) -> Reply:
        """``GET /library/metadata/{id}/posters`` and ``/arts``."""
        with self.model.lock:
            item = self.model.items.get(int(found["ids"]))
            if item is None:
                return html(404)
            entries = plex_render.photos(item, found["kind"], self.modes.selected_marks, self.modes.photo_keys)
        name = "Metadata" if self._wants_json(request) else "Photo"
        return self._say(request, {"size": len(entries)} | ({name: entries} if entries else {}))

    def select(self, request: Request, body: bytes, found: re.Match[str]) -> Reply:
        """``PUT /library/metadata/{id}/poster`` (``thumb``) and ``/art`` with ``?url=``: show a picture it has."""

        def change() -> Reply:
            item = self.model.items.get(int(found["ids"]))
            kind = "arts" if found["what"] == "art" else "posters"
            name = None if item is None else self._picture(item, kind, request.param("url") or "")
            if item is None or name is None:
                return html(404)
            if not self.modes.drop_updates:
                self._show_image(item, kind, name)
            return Reply()

        return self._written(request, self.modes.poster_delay, change)

    def unset(self, request: Request, body: bytes, found: re.Match[str]) -> Reply:
        """``DELETE /library/metadata/{id}/thumb`` and ``/art``: show none of its pictures, and lock that."""

        def change() -> Reply:
            item = self.model.items.get(int(found["ids"]))
            if item is None or not self.modes.pictures_unset:
                return html(404)
            if not self.modes.drop_updates:
                self._show_image(item, "arts" if found["what"] == "art" else "posters", None)
                item.locked.add(found["what"])
            return Reply()

        return self._written(request, self.modes.poster_delay, change)

    @staticmethod
    def _picture(item: Item, kind: str, key: str) -> str | None:
        """The name of the item's picture with this rating key."""
        names = item.posters if kind == "posters" else item.arts
        keys = {name: plex_render.photo_key(kind, name) for name in names}
        paths = {name: plex_render.photo_path(item, address) for name, address in keys.items()}
        return next((name for name in names if key in (keys[name], paths[name])), None)

    def upload(self, request: Request, body: bytes, found: re.Match[str]) -> Reply:
        """``POST /library/metadata/{id}/posters`` and ``/arts``: bytes, or the address of a picture (not fetched).

        The address of a picture that the item has selects it; nothing is stored again.
        """

        def change() -> Reply:
            item = self.model.items.get(int(found["ids"]))
            if item is None:
                return html(404)
            known = self._picture(item, found["kind"], request.param("url") or "")
            if known is not None and not body:
                self._show_image(item, found["kind"], known)
                return Reply()
            data = body or (request.param("url") or "").encode()
            if not data:
                return html(400)
            if len(data) > MAX_UPLOAD:
                return html(500)
            if not self.modes.drop_updates:
                self._keep_image(item, found["kind"], data)
            return Reply()

        return self._written(request, self.modes.poster_delay, change)

    def _keep_image(self, item: Item, kind: str, data: bytes) -> None:
        name = hashlib.sha1(data, usedforsecurity=False).hexdigest()
        shelf = item.posters if kind == "posters" else item.arts
        if self.modes.uploads_pile_up and name in shelf:
            name += f"-{len(shelf)}"
        self.model.store_image(item, kind, data, name)
        self._show_image(item, kind, name)

    def _show_image(self, item: Item, kind: str, name: str | None) -> None:
        self.model.select_image(item, kind, name)
        if self.modes.upload_locks:
            item.locked.add("thumb" if kind == "posters" else "art")
        modes = self.modes
        self.model.touch(item, own_clock=modes.edits_move_updated_at, section_clock=modes.edits_move_clocks)

    def image(self, request: Request, body: bytes, found: re.Match[str]) -> Reply:
        """``GET /library/metadata/{id}/thumb/{time}`` and ``/art/{time}``: the selected upload's bytes."""
        with self.model.lock:
            item = self.model.items.get(int(found["ids"]))
            name = None if item is None else item.selected_poster if found["what"] == "thumb" else item.selected_art
            return Reply(200, self.model.images.get(name, b"Plex's own"), "image/jpeg") if name else html(404)


def _without_section(entry: Element) -> Element:
    return {name: value for name, value in entry.items() if not name.startswith("librarySection")}


def _routes() -> list[tuple[str, re.Pattern[str], Route]]:
    section = r"/library/sections/(?P<section>\d+)"
    item = r"/library/metadata/(?P<ids>\d+)"
    items = r"/library/metadata/(?P<ids>\d+(?:,\d*)*)"
    table: list[tuple[str, str, Route]] = [
        ("GET", r"/identity", Router.identity),
        ("GET", r"/", Router.root),
        ("GET", r"/login", Router.login),
        ("GET", r"/activities", Router.activities),
        ("GET", r"/library/?", Router.library),
        ("GET", r"/library/sections(?:/|/all)?", Router.sections),
        ("GET", section, Router.sections),
        ("GET", section + "/all", Router.listing),
        ("PUT", section + "/all", Router.edit),
        ("GET", section + "/refresh", Router.refresh),
        ("POST", section + "/refresh", Router.refresh),
        ("GET", section + "/timeline", Router.timeline),
        ("PUT", section + "/emptyTrash", Router.empty_trash),
        ("GET", items, Router.metadata),
        ("PUT", items, Router.edit),
        ("PUT", item + "/refresh", Router.item_refresh),
        ("GET", item + "/(?P<kind>posters|arts)", Router.photos),
        ("POST", item + "/(?P<kind>posters|arts)", Router.upload),
        ("PUT", item + "/(?P<what>poster|thumb|art)", Router.select),
        ("DELETE", item + "/(?P<what>thumb|art)", Router.unset),
        ("GET", item + r"/(?P<what>thumb|art)/\d+", Router.image),
    ]
    return [(verb, re.compile(pattern), route) for verb, pattern, route in table]


ROUTES = _routes()
