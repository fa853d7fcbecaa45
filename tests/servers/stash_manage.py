"""What a person does on the settings pages of the Stash test server: sources, packages, folders of films, scans.

Owns those lists and the plugins' folder. Must not know GraphQL. Standard library only: the index is read as far as
``make dist`` writes one, and packages are installed without anything that Stash does against trouble.
"""

from __future__ import annotations

import hashlib
import io
import json
import re
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urljoin
from urllib.request import ProxyHandler, build_opener

if TYPE_CHECKING:
    from tests.servers.stash import StashServer

VIDEOS = {".avi", ".mkv", ".mp4"}

#: Seconds that every scanned film has: nothing here looks into a file.
DURATION = 60.0


class Management:
    """The lists of one server. ``libraries``: folders of films; ``sources``: as GraphQL tells them."""

    def __init__(self, server: StashServer) -> None:
        self._server = server
        self.libraries: list[str] = []
        self.sources: list[dict[str, Any]] = []
        self._installed: list[Path] = []

    def configure(self, given: dict[str, Any]) -> None:
        """What ``configureGeneral`` does with the lists that it is given."""
        self.sources = given.get("pluginPackageSources", self.sources)
        if "stashes" in given:
            self.libraries = [one["path"] for one in given["stashes"]]

    # -- packages

    def available(self, source: str) -> list[dict[str, str]]:
        """Return the entries of an index."""
        text = _download(source).decode("utf-8")
        entries = re.split(r"^- ", text, flags=re.MULTILINE)[1:]
        return [dict(re.findall(r'^ *(\w+): "?(.*?)"?$', entry, flags=re.MULTILINE)) for entry in entries]

    def install(self, source: str, package: str) -> None:
        """Unpack a package into the plugins' folder, and load it."""
        entry = next(one for one in self.available(source) if one["id"] == package)
        data = _download(urljoin(source, entry["path"]))
        if hashlib.sha256(data).hexdigest() != entry["sha256"]:
            raise ValueError("the checksum is not that of the index")
        folder = self._server.dir / "plugins" / package
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            archive.extractall(folder)
            self._installed = [folder / info.filename for info in archive.infolist()]
        self._load(folder / f"{package}.py", entry["version"])

    def uninstall(self) -> None:
        """Delete the files that were installed; others stay."""
        for path in self._installed:
            path.unlink(missing_ok=True)
        self._load(None, "")

    def _load(self, script: Path | None, version: str) -> None:
        self._server.plugin_script, self._server.plugin_version = script, version
        if script is not None:
            self._server.launcher.script = script

    # -- films

    def scan(self, folders: list[str]) -> None:
        """Make a scene of each film below ``folders`` (none: all libraries) that no scene has."""
        store = self._server.store
        known = {file.path for scene in store.scenes.values() for file in scene.files}
        for folder in folders or self.libraries:
            for path in sorted(Path(folder).rglob("*")):
                if path.suffix in VIDEOS and str(path) not in known:
                    store.add_scene(files=[(str(path), path.stat().st_size, DURATION)])


def package_row(source: str, entry: dict[str, str]) -> dict[str, Any]:
    """Return an index's entry as GraphQL tells it."""
    told = {"package_id": entry["id"], "name": entry["name"], "version": entry["version"], "date": entry["date"]}
    return {**told, "sourceURL": source, "requires": [], "metadata": json.loads(entry.get("metadata") or "{}")}


def _download(url: str) -> bytes:
    with build_opener(ProxyHandler({})).open(url, timeout=10) as answer:
        data: bytes = answer.read()
    return data
