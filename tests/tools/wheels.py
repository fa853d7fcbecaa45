"""The wheels that the lock file names: in ``.venv/wheels``, downloaded where absent, and checked by their hashes.

Run: ``python -m tests.tools.wheels`` downloads what is absent. Standard library and pip.
"""

from __future__ import annotations

import sys
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from tests.tools import lock, project
from tests.tools.lock import LockError

#: Where they are below the root of a tree.
FOLDER = Path(".venv", "wheels")

#: What may not lie in the plugin's folder: code for one system or one Python, and what Stash takes for a plugin.
UNFIT = (".so", ".pyd", ".dll", ".dylib", ".pyc", ".yml")

#: Files of a wheel's ``*.dist-info`` that are kept, besides its ``licenses``: what ``importlib.metadata`` reads, and
#: older wheels' licences. ``RECORD`` and ``WHEEL`` are for installers; ``entry_points.txt`` names scripts,
#: and no script is in a release.
KEPT = ("METADATA", "LICENSE*", "LICENCE*", "COPYING*", "NOTICE*", "AUTHORS*")


def find(root: Path = project.ROOT) -> list[Path]:
    """Return a wheel for each package of the tree's lock file, in its order, after downloading what is absent.

    Only the hash counts, not the name. Raise ``LockError``.
    """
    folder, lock_file = root / FOLDER, root / lock.LOCK.name
    packages = lock.read(lock_file)
    if _absent(folder, packages):
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder) as fresh:
            lock.download(Path(fresh), "--no-deps", "--require-hashes", f"--requirement={lock_file}")
            for path in Path(fresh).iterdir():
                path.replace(folder / path.name)
    if absent := _absent(folder, packages):
        raise LockError(f"No wheel of pure Python has the hash that {lock_file.name} gives for {', '.join(absent)}.")
    found = _by_hash(folder)
    return [next(found[value] for value in sorted(package.hashes) if value in found) for package in packages]


def _absent(folder: Path, packages: list[lock.Locked]) -> list[str]:
    found = _by_hash(folder)
    return [package.name for package in packages if not package.hashes & found.keys()]


def _by_hash(folder: Path) -> dict[str, Path]:
    return {lock.sha256(path): path for path in sorted(folder.glob("*-none-any.whl"))}


def files(wheel: zipfile.ZipFile) -> Iterator[zipfile.ZipInfo]:
    """Yield the files of a wheel that belong into a release: modules, their data, METADATA and licences, no tests.

    Raise ``LockError`` if one is unfit for a plugin's folder.
    """
    for entry in wheel.infolist():
        path = PurePosixPath(entry.filename)
        if entry.is_dir() or "tests" in path.parts[:-1] or not _is_kept(path):
            continue
        if path.is_absolute() or ".." in path.parts or path.parts[0].endswith(".data") or path.suffix in UNFIT:
            raise LockError(f"{Path(wheel.filename or '').name} has {path}, which cannot lie in a plugin's folder.")
        yield entry


def _is_kept(path: PurePosixPath) -> bool:
    """Return whether the file is none of ``*.dist-info``, or one of those that are kept."""
    if not path.parts[0].endswith(".dist-info"):
        return True
    return path.parts[1] == "licenses" or any(path.match(pattern) for pattern in KEPT)


if __name__ == "__main__":
    try:
        print(f"{len(find())} wheels in {project.ROOT / FOLDER}")
    except LockError as error:
        sys.exit(str(error))
