"""Builds a release in ``dist/``: PlexSync.zip, with every package inside, and index.yml, the source for Stash.

Run: ``python -m tests.tools.dist [folder]`` (``make dist``). Two builds of one commit are equal byte for byte, whatever
the machine, its folders, time zone or Python: ``docs/build/releasing.md``. Standard library, pip for wheels that are
absent, and git.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from tests.tools import lock, plain_zip, project, wheels
from tests.tools.lock import LockError
from tests.tools.plain_zip import Entry

ROOT = project.ROOT
ID = "PlexSync"
FOLDER = ROOT / "dist"
ZIP, INDEX = "PlexSync.zip", "index.yml"

#: The plugin's files: patterns below the root. No README: the pictures and documents that it leads to are not there.
FILES = ("LICENSE", "PlexSync.py", "PlexSync.yml", "plexsync/**/*.py", "ui/**/*.js", "ui/**/*.css", "ui/**/*.json")

#: What starts the plugin.
START = ("PlexSync.py", "PlexSync.yml")

#: The folder of the packages, and in it the lock file, under another name than pip's: images of Stash are about that
#: install each requirements.txt below the plugins' folder.
PACKAGES, BUNDLED = "packages", "packages/requirements.lock"

#: Bytes that a zip must stay below: Stash gives up a download after 10 s.
LIMIT = 3_000_000


class BuildError(Exception):
    """A release cannot be built; the message is one sentence."""


class Release(NamedTuple):
    """What was built. ``version``: what Stash shows; ``at``: in UTC, by which alone Stash offers an update."""

    archive: Path
    index_file: Path
    version: str
    at: datetime


class Tree(NamedTuple):
    """What a tree is called and how old it is."""

    version: str
    at: datetime


def plugin_files(root: Path = ROOT) -> list[str]:
    """Return the plugin's files, relative to ``root`` with ``/``, sorted. Raise ``BuildError`` if one is missing."""
    found: set[str] = set()
    for pattern in FILES:
        paths = [path.relative_to(root).as_posix() for path in root.glob(pattern)]
        if not paths:
            raise BuildError(f"{pattern} is missing in {root}.")
        found.update(paths)
    return sorted(found)


def tree(root: Path = ROOT, now: datetime | None = None) -> Tree:
    """Return the version with the commit, and the commit's time; of a tree with changes ``-dirty`` and ``now``.

    Changes to files that no release holds do not count. A tree without git, as an archive leaves it, has the version
    alone and its newest file's time.
    """
    number = project.version(root)
    if not (root / ".git").exists():
        newest = max((root / name).stat().st_mtime for name in plugin_files(root))
        return Tree(number, datetime.fromtimestamp(int(newest), UTC))
    commit, seconds = _git(root, "show", "--no-patch", "--no-show-signature", "--format=%H %ct", "HEAD").split()
    shipped = [f":(glob){pattern}" for pattern in (*FILES, lock.LOCK.name)]
    if _git(root, "status", "--porcelain", "--untracked-files=all", "--", *shipped):
        return Tree(f"{number}-{commit[:7]}-dirty", (now or datetime.now(UTC)).replace(microsecond=0))
    return Tree(f"{number}-{commit[:7]}", datetime.fromtimestamp(int(seconds), UTC))


def _git(root: Path, *arguments: str) -> str:
    """Return what git says about the repository at ``root``, and about no other that the environment names."""
    env = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    command = ["git", "--no-optional-locks", "-C", str(root), *arguments]
    try:
        done = subprocess.run(command, capture_output=True, text=True, encoding="utf-8", env=env, check=True)
    except FileNotFoundError as error:
        raise BuildError("git is needed, which says how old this tree is, and was not found.") from error
    except subprocess.CalledProcessError as error:
        raise BuildError(f"git {arguments[0]} failed: {error.stderr.strip()}") from error
    return done.stdout.strip()


def entries(root: Path, found: list[Path]) -> Iterator[Entry]:
    """Yield the files of a release: those of the wheels ``found``, the lock file, and the plugin's.

    Manifest and entry file come last: Stash unpacks in this order, and without them nothing starts meanwhile.
    """
    packages = [entry for path in found for entry in _unpacked(path)]
    yield from sorted([*packages, plain_zip.entry(BUNDLED, (root / lock.LOCK.name).read_bytes())])
    for name in sorted(plugin_files(root), key=lambda name: (name in START, name)):
        yield plain_zip.entry(name, (root / name).read_bytes())


def _unpacked(wheel: Path) -> list[Entry]:
    with zipfile.ZipFile(wheel) as archive:
        return [plain_zip.copied(f"{PACKAGES}/{info.filename}", archive, info) for info in wheels.files(archive)]


def index(state: Tree, sha256: str, root: Path = ROOT) -> str:
    """Return the text of ``index.yml``: one package, as Stash's package manager reads it."""
    fields = {
        "id": ID,
        "name": ID,
        "version": state.version,
        "date": f"{state.at:%Y-%m-%d %H:%M:%S}",
        "path": ZIP,
        "sha256": sha256,
        "requires": [],
        "metadata": {"description": project.description(root)},
    }
    lines = [f"{key}: {json.dumps(value, ensure_ascii=False)}" for key, value in fields.items()]
    return "- " + "\n  ".join(lines) + "\n"


def build(folder: Path = FOLDER, root: Path = ROOT, now: datetime | None = None) -> Release:
    """Write zip and index of the tree ``root`` to ``folder``, which is made. Raise ``BuildError`` or ``LockError``.

    ``now``: the time of a tree with changes.
    """
    state = tree(root, now)
    found = wheels.find(root)
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / ZIP
    plain_zip.write(target, entries(root, found), state.at)
    if (size := target.stat().st_size) >= LIMIT:
        target.unlink()
        raise BuildError(f"The zip would have {size:,} bytes, and Stash's users can wait for less than {LIMIT:,}.")
    text = index(state, lock.sha256(target), root)
    (folder / INDEX).write_text(text, "utf-8", newline="\n")
    return Release(target, folder / INDEX, state.version, state.at)


def main(arguments: list[str] | None = None) -> int:
    """Build, and say what was built; 1 with a sentence if it could not be."""
    parser = argparse.ArgumentParser(prog="python -m tests.tools.dist", description="Builds a release.")
    parser.add_argument("folder", nargs="?", type=Path, default=FOLDER, help="where to (default: dist)")
    try:
        made = build(parser.parse_args(arguments).folder)
    except (BuildError, LockError) as error:
        print(error, file=sys.stderr)
        return 1
    print(f"{made.archive}: {made.version}, {made.at:%Y-%m-%d %H:%M:%S} UTC, {made.archive.stat().st_size:,} bytes")
    print(f"{made.index_file}: sha256 {lock.sha256(made.archive)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
