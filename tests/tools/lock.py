"""Writes requirements.txt, the lock file: every package of a release, its version, and the hash of its pure wheel.

Run: ``python -m tests.tools.lock`` (``make lock``). pip resolves the ranges of ``pyproject.toml`` for the oldest Python
that is supported, with wheels that hold Python alone; of packages that have compiled ones too, the pure one is taken.
Standard library and pip, so it runs before anything is installed.
"""

from __future__ import annotations

import hashlib
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from tests.tools import project

LOCK = project.ROOT / "requirements.txt"
HEADER = """\
# The packages that a release of PlexSync brings along: made by `make lock` from the ranges in pyproject.toml.
# Pure Python alone: each hash is that of a wheel that ends in -none-any.whl.
"""

#: pip's options for wheels that run on every system and every supported Python.
PURE = ["--only-binary=:all:", "--platform=any", "--implementation=py", "--abi=none"]


class Locked(NamedTuple):
    """A package of the lock file. ``hashes``: SHA-256, hexadecimal; more than one where not ``make lock`` wrote it."""

    name: str
    version: str
    hashes: frozenset[str]


class LockError(Exception):
    """The lock file or what it names is not as it must be; the message is one sentence for whoever builds."""


def read(path: Path = LOCK) -> list[Locked]:
    """Return the packages of a lock file. Raise ``LockError`` for a line that is no pinned package with its hashes."""
    lines = re.sub(r"\\\n\s*|^#.*$", " ", path.read_text("utf-8"), flags=re.MULTILINE).splitlines()
    return [_package(line, path) for line in lines if line.strip()]


def _package(line: str, path: Path) -> Locked:
    found = re.fullmatch(r"([\w.-]+)==([\w.!+-]+)((?:\s+--hash=sha256:[0-9a-f]{64})+)\s*", line)
    if found is None:
        raise LockError(f"{path.name} has a line that is no pinned package with its hashes: {line.strip()}")
    return Locked(found[1], found[2], frozenset(re.findall(r"sha256:(\w+)", found[3])))


def name_of(text: str) -> str:
    """Return a package's name as indexes write it: lower case, with single hyphens (PEP 503)."""
    return re.sub(r"[-_.]+", "-", text).lower()


def written(packages: Iterable[Locked]) -> str:
    """Return the text of the lock file, the same for the same packages."""
    lines = [HEADER]
    for package in sorted(packages):
        hashes = (f"--hash=sha256:{value}" for value in sorted(package.hashes))
        lines.append(" \\\n    ".join([f"{package.name}=={package.version}", *hashes]) + "\n")
    return "".join(lines)


def of_wheel(path: Path) -> Locked:
    """Return what a lock file says about the wheel."""
    name, version, *_ = path.name.split("-")
    return Locked(name_of(name), version, frozenset([sha256(path)]))


def sha256(path: Path) -> str:
    """Return the file's SHA-256, hexadecimal, in lower case."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def download(folder: Path, *wanted: str) -> None:
    """Let pip download the pure wheels of ``wanted`` (requirements, or options of pip). Raise ``LockError``."""
    python = f"--python-version={project.pythons()[0]}"
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check"]
    done = subprocess.run([*command, f"--dest={folder}", python, *PURE, *wanted], check=False)
    if done.returncode:
        raise LockError(f"pip could not download the packages (status {done.returncode}): its own lines say why.")


def resolve() -> list[Locked]:
    """Return the newest packages that satisfy the ranges in ``pyproject.toml``, with all that they need."""
    with tempfile.TemporaryDirectory() as folder:
        download(Path(folder), *project.of_release())
        return [of_wheel(path) for path in Path(folder).glob("*.whl")]


def _versions(path: Path) -> dict[str, str]:
    """Return what the lock file pins, nothing if it cannot be read: it is about to be written anew."""
    try:
        return {package.name: package.version for package in read(path)}
    except (OSError, LockError):
        return {}


def main() -> int:
    """Write the lock file and say what changed."""
    before = _versions(LOCK)
    try:
        packages = resolve()
    except LockError as error:
        print(error, file=sys.stderr)
        return 1
    LOCK.write_text(written(packages), "utf-8", newline="\n")
    after = _versions(LOCK)
    for name in sorted(before | after):
        if before.get(name) != after.get(name):
            print(f"{name}: {before.get(name, 'none')} -> {after.get(name, 'none')}")
    print(f"{LOCK.name}: {len(packages)} packages")
    return 0


if __name__ == "__main__":
    sys.exit(main())
