"""Builds dist/PlexSync.zip: the plugin's files and nothing else, the manifest at its root.

Run: ``python -m tests.tools.build_zip [target.zip]``. Standard library only, so it runs before anything is installed.
"""

from __future__ import annotations

import sys
import time
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TARGET = ROOT / "dist" / "PlexSync.zip"
TOP = ("LICENSE", "PlexSync.py", "PlexSync.yml", "README.md", "requirements.txt")

#: Stash unpacks with the modes of the zip; a mode of 0 would leave files that only their owner can read.
MODE = 0o100644 << 16
#: The oldest time that a zip can hold.
EPOCH = (1980, 1, 1, 0, 0, 0)


def plugin_files(root: Path = ROOT) -> list[str]:
    """The plugin's files, relative to ``root`` with ``/``, sorted."""
    modules = [path.relative_to(root).as_posix() for path in (root / "plexsync").rglob("*.py")]
    page = [path.relative_to(root).as_posix() for path in (root / "ui").rglob("*") if path.is_file()]
    return sorted([*TOP, *modules, *page])


def changed(path: Path) -> tuple[int, int, int, int, int, int]:
    """When the file was changed, in local time, as zips tell it.

    No fixed time for all: Python tells by a file's time and size whether its cached bytecode is stale, and two
    versions of a short file often have the same size.
    """
    at = time.localtime(path.stat().st_mtime)
    return max(EPOCH, (at.tm_year, at.tm_mon, at.tm_mday, at.tm_hour, at.tm_min, at.tm_sec))


def build(target: Path = TARGET, root: Path = ROOT) -> Path:
    """Write the zip to ``target`` (its folder is made), its path back; ``FileNotFoundError`` if a file is missing."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(target, "w") as archive:
        for name in plugin_files(root):
            entry = zipfile.ZipInfo(name, changed(root / name))
            entry.create_system = 3
            entry.external_attr = MODE
            entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, (root / name).read_bytes())
    return target


if __name__ == "__main__":
    print(build(Path(sys.argv[1]) if len(sys.argv) > 1 else TARGET))
