"""Virtual environments for tests: one without any package, to which a test adds what it needs."""

from __future__ import annotations

import sys
import sysconfig
from pathlib import Path

#: Where the packages of the interpreter that runs the tests lie.
PACKAGES = sysconfig.get_path("purelib")


def bare(folder: Path, *, system: bool = False) -> Path:
    """Make a virtual environment without packages in ``folder``; its interpreter. ``system``: with those below it."""
    import venv  # not in the embeddable Python for Windows

    venv.EnvBuilder(with_pip=False, symlinks=sys.platform != "win32", system_site_packages=system).create(folder)
    return folder / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python3")


def packages_of(folder: Path) -> Path:
    """Where a package of the virtual environment in ``folder`` would lie."""
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    return folder / ("Lib/site-packages" if sys.platform == "win32" else f"lib/{version}/site-packages")


def lend(place: Path) -> None:
    """Bring the tests' own packages to a folder of packages, as a real package's ``.pth`` file would."""
    place.mkdir(parents=True, exist_ok=True)
    (place / "lent.pth").write_text(f"{PACKAGES}\n", "utf-8")
