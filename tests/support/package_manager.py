"""Installs plugins as Stash's package manager does: from an index over HTTP into the plugins' folder, and out of it.

What it does with index, zip and files was read in Stash's source and tried in a running one; the code is ours.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import os
import time
import zipfile
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urljoin
from urllib.request import ProxyHandler, build_opener

import yaml  # type: ignore[import-untyped, unused-ignore]

#: Seconds in which a download must be complete.
LIMIT = 10.0
#: The file with what was installed, and its mode.
MANIFEST, MANIFEST_MODE = "manifest", 0o755
#: How an index may write a date.
DATES = ("%Y-%m-%d %H:%M:%S", "%Y-%m-%d %H:%M:%S %z")


class PackageError(Exception):
    """What Stash writes to its log; nothing else tells of it."""


class Package(NamedTuple):
    """One entry of an index. ``date``: None where it is missing; then no update is ever offered."""

    id: str
    name: str
    version: str
    date: datetime | None
    url: str
    sha256: str


def download(url: str, limit: float = LIMIT) -> bytes:
    """Return what is at ``url``. Raise ``PackageError`` after ``limit`` seconds, ``OSError`` for a refusal."""
    end = time.monotonic() + limit
    data = bytearray()
    with build_opener(ProxyHandler({})).open(url, timeout=limit) as answer:
        while part := answer.read1(65536):
            data += part
            if time.monotonic() > end:
                raise PackageError(f"{url}: the download took longer than {limit:g} s")
    return bytes(data)


def when(text: str) -> datetime | None:
    """Return a date of an index; None for none. Raise ``PackageError`` for any other form."""
    if not text:
        return None
    for form in DATES:
        with contextlib.suppress(ValueError):
            return datetime.strptime(text, form).replace(tzinfo=None)
    raise PackageError(f"the index cannot be read: date {text!r}")


class PackageManager:
    """The packages of one plugins' folder. ``local_path``: the source's, in which Stash lays its packages."""

    def __init__(self, plugins: Path, local_path: str = "community") -> None:
        self.plugins = plugins
        self.folder = plugins / local_path

    def available(self, index: str) -> dict[str, Package]:
        """Return what an index offers, by id. One entry that cannot be read makes all of it unreadable."""
        entries = yaml.load(download(index).decode("utf-8"), yaml.BaseLoader)
        if not isinstance(entries, list):
            raise PackageError("the index cannot be read: it is no list")
        packages = [
            Package(
                entry["id"],
                entry.get("name", ""),
                entry.get("version", ""),
                when(entry.get("date", "")),
                urljoin(index, entry["path"]),
                entry["sha256"],
            )
            for entry in entries
        ]
        return {package.id: package for package in packages}

    def installed(self, package_id: str) -> dict[str, Any] | None:
        """Return the manifest of an installed package."""
        path = self.folder / package_id / MANIFEST
        if not path.exists():
            return None
        found: dict[str, Any] = yaml.load(path.read_text("utf-8"), yaml.BaseLoader)
        return found

    def offers_update(self, index: str, package_id: str) -> bool:
        """Return whether the index has a later date; no version is compared."""
        old, new = self.installed(package_id), self.available(index)[package_id]
        before = when((old or {}).get("date", ""))
        return before is not None and new.date is not None and new.date > before

    def install(self, index: str, package_id: str, between: Callable[[], object] = lambda: None) -> Path:
        """Install or update a package; its folder. ``between``: called while the old files are away."""
        package = self.available(index)[package_id]
        data = download(package.url)
        if hashlib.sha256(data).hexdigest() != package.sha256:  # lower case only
            raise PackageError(f"{package_id}: the checksum is not that of the index")
        folder = self.folder / package_id
        if self.installed(package_id):
            self._delete_files(package_id)
        between()
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            files = [info for info in archive.infolist() if not info.is_dir()]
            for info in files:
                self._write(folder / info.filename, archive.read(info), info.external_attr >> 16)
        values = {
            "id": package.id,
            "name": package.name,
            "version": package.version,
            "date": f"{package.date:{DATES[0]}}" if package.date else "",
            "source_repository": index,
            "files": [info.filename for info in files],
        }
        self._write(folder / MANIFEST, yaml.safe_dump(values).encode(), MANIFEST_MODE)
        return folder

    def uninstall(self, package_id: str) -> None:
        """Delete the files of a package, and its folder if nothing is left in it."""
        self._delete_files(package_id)
        with contextlib.suppress(OSError):
            (self.folder / package_id).rmdir()

    def plugins_loaded(self) -> dict[str, Path]:
        """Return the plugins that Stash loads, by id: every ``*.yml``, in byte order; of one id the first."""
        found: dict[str, Path] = {}
        for path in sorted(self.plugins.rglob("*.yml"), key=os.fsencode):
            if path.stem.lower() not in {name.lower() for name in found}:
                found[path.stem] = path
        return found

    def _delete_files(self, package_id: str) -> None:
        """Delete the files that the manifest lists, then the manifest. Folders stay, and so does what is not listed."""
        folder = self.folder / package_id
        for name in (self.installed(package_id) or {})["files"]:
            with contextlib.suppress(FileNotFoundError):
                (folder / name).unlink()
        (folder / MANIFEST).unlink()

    @staticmethod
    def _write(path: Path, data: bytes, mode: int) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
        with os.fdopen(fd, "wb") as file:
            file.write(data)
