"""What the Stash test server shows in a browser: its front end, and a plugin's scripts, styles and assets.

Owns the files, their headers and what the ``plugins`` query tells of a manifest. Must not know GraphQL or sessions.
"""

from __future__ import annotations

import email.utils
import hashlib
import mimetypes
from dataclasses import dataclass, field
from html import escape
from pathlib import Path
from typing import Any, NamedTuple

from tests.support import manifest

#: The policy that Stash sends with a page.
POLICY = (
    "default-src data: 'self' 'unsafe-inline'; connect-src data: 'self' ws: wss:; img-src data: *; "
    "script-src 'self' 'unsafe-inline' 'unsafe-eval'; style-src 'self' 'unsafe-inline'; media-src blob: 'self'; "
    "worker-src blob:; child-src 'none'; object-src 'none'; form-action 'self'"
)
PAGE_HEADERS = {"Content-Security-Policy": POLICY, "Referrer-Policy": "same-origin"}
KINDS = {".js": "text/javascript", ".mjs": "text/javascript", ".css": "text/css", ".html": "text/html; charset=utf-8"}

#: A plugin of somebody else, which is there too.
OTHER: dict[str, Any] = {
    "id": "Neighbour", "name": "Neighbour", "description": "Another plugin.", "url": None, "version": "2.0",
    "enabled": True, "requires": [], "tasks": [], "hooks": [], "paths": {"javascript": [], "css": []},
    "settings": [
        {"name": "apple", "display_name": "Apple", "description": "A text.", "type": "STRING"},
        {"name": "pear", "display_name": "Pear", "description": "A switch.", "type": "BOOLEAN"},
    ],
}  # fmt: skip


class Page(NamedTuple):
    """One answer over HTTP."""

    status: int
    body: bytes
    kind: str
    headers: dict[str, str]


MISSING = Page(404, b"404 page not found\n", "text/plain", {})


def plugin_entry(script: Path, plugin_id: str, base: str) -> dict[str, Any]:
    """What ``plugins`` tells of the plugin beside ``script``; ``base`` is Stash's address as the client wrote it."""
    said = manifest.read(script.with_suffix(".yml").read_text("utf-8"))
    folder = f"{base}/plugin/{plugin_id}"
    ui = said.get("ui", {})
    settings = sorted(said.get("settings", {}).items())
    return {
        "name": said["name"], "description": said.get("description"), "url": said.get("url"), "requires": [],
        "tasks": [{"name": one["name"], "description": one["description"]} for one in said.get("tasks", [])],
        "hooks": [
            {"name": one["name"], "description": one["description"], "hooks": one["triggeredBy"]}
            for one in said.get("hooks", [])
        ],
        "settings": [
            {"name": key, "display_name": one.get("displayName"), "description": one.get("description"),
             "type": one.get("type", "STRING")}
            for key, one in settings
        ],
        "paths": {
            "javascript": [f"{folder}/javascript"] if ui.get("javascript") else [],
            "css": [f"{folder}/css"] if ui.get("css") else [],
        },
    }  # fmt: skip


@dataclass(slots=True)
class Front:
    """The built front end in ``folder`` and the files of the plugin beside ``script``.

    ``ui``: a folder to serve in place of the one that the manifest publishes as ``ui``. ``enabled`` as Stash knows it.
    """

    folder: Path
    script: Path | None
    plugin_id: str
    ui: Path | None = None
    enabled: bool = True
    neighbours: list[dict[str, Any]] = field(default_factory=lambda: [OTHER])

    def answer(self, path: str, headers: dict[str, str], prefix: str) -> Page:
        """The answer to a GET; ``headers`` by lower-case names, ``prefix`` what a proxy has cut off the path."""
        words = path.strip("/").split("/")
        if ".." in words:
            return Page(400, b"invalid URL path\n", "text/plain", {})
        if words[0] == "plugin":
            return self._plugin(words[1:], headers)
        if words[0] == "assets":
            return self._file(self.folder / "/".join(words))
        if "." in words[-1]:
            return MISSING
        return self.page("login.html" if words == ["login"] else "index.html", prefix)

    def page(self, name: str, prefix: str) -> Page:
        """A page of the front end, which learns where it lies."""
        text = (self.folder / name).read_text("utf-8").replace('<base href="/">', f'<base href="{escape(prefix)}/">')
        return Page(200, text.encode(), KINDS[".html"], PAGE_HEADERS)

    def _plugin(self, words: list[str], headers: dict[str, str]) -> Page:
        if self.script is None or len(words) < 2 or words[0] != self.plugin_id:
            return Page(404, b"Not Found\n", "text/plain", {})
        if not self.enabled:
            return Page(400, b"plugin is disabled\n", "text/plain", {})
        ui = manifest.read(self.script.with_suffix(".yml").read_text("utf-8")).get("ui", {})
        if words[1:] in (["javascript"], ["css"]):
            return self._joined(ui.get(words[1], []), KINDS[".js" if words[1] == "javascript" else ".css"], headers)
        if words[1] == "assets":
            return self._asset(ui.get("assets", {}), "/" + "/".join(words[2:]))
        return Page(404, b"Not Found\n", "text/plain", {})

    def _own(self, name: str) -> Path:
        assert self.script is not None
        first, _, rest = name.partition("/")
        return self.ui / rest if self.ui is not None and first == "ui" else self.script.parent / name

    def _joined(self, names: list[str], kind: str, headers: dict[str, str]) -> Page:
        body = b"\n".join(self._own(name).read_bytes() for name in names)
        tag = '"' + hashlib.md5(body, usedforsecurity=False).hexdigest() + '"'
        more = {"ETag": tag, "Cache-Control": "no-cache"}
        return Page(304, b"", "", more) if headers.get("if-none-match") == tag else Page(200, body, kind, more)

    def _asset(self, published: dict[str, str], path: str) -> Page:
        fits = [at for at in published if at.startswith("/") and f"{path}/".startswith(at.rstrip("/") + "/")]
        if not fits:
            return MISSING
        at = max(fits, key=len)
        return self._file(self._own("/".join(filter(None, [published[at], path[len(at.rstrip("/")) :].strip("/")]))))

    def _file(self, path: Path) -> Page:
        if path.is_dir():
            rows = "".join(f'<a href="{escape(one.name)}">{escape(one.name)}</a>\n' for one in sorted(path.iterdir()))
            return Page(200, f"<pre>\n{rows}</pre>\n".encode(), KINDS[".html"], {})
        if not path.is_file():
            return MISSING
        kind = KINDS.get(path.suffix) or mimetypes.guess_type(path.name)[0] or "application/octet-stream"
        changed = email.utils.formatdate(path.stat().st_mtime, usegmt=True)
        return Page(200, path.read_bytes(), kind, {"Last-Modified": changed})
