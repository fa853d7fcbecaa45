"""Begins a release: writes its version wherever it stands, and opens its chapter of the changelog.

Run: ``python -m tests.tools.release 1.2.0``. The manifest says the version; the page's loader has a copy, because it
must run from a checkout as it is. Standard library only. The steps after it: ``docs/build/releasing.md``.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

from tests.tools import project

#: File -> the line with the version; ``{}`` stands for it.
PLACES = {"PlexSync.yml": "version: {}\n", "ui/plexsync.js": '  const VERSION = "{}";\n'}

CHANGELOG = "CHANGELOG.md"
CHAPTER = "## {}\n\nWhat you will notice:\n\n* \n\n"

NEXT = """\
{} stands in {} and a new chapter of CHANGELOG.md. Next:
  1. Write the chapter, in the user's words.
  2. make test bench soak
  3. Commit, then tag: git tag v{}
  4. docs/build/releasing.md says what the tag starts."""


class ReleaseError(Exception):
    """The release cannot begin; the message is one sentence."""


def begin(version: str, root: Path = project.ROOT) -> None:
    """Write ``version`` to all files of the tree ``root``, or to none. Raise ``ReleaseError``."""
    before = project.version(root)
    if not re.fullmatch(r"\d+\.\d+\.\d+", version):
        raise ReleaseError(f"{version} is no version: three numbers with dots are, such as 1.2.0.")
    if _numbers(version) <= _numbers(before):
        raise ReleaseError(f"{version} is not newer than {before}.")
    texts = {
        root / name: _replaced(root / name, line.format(before), line.format(version)) for name, line in PLACES.items()
    }
    newest = f"## {before}\n"
    texts[root / CHANGELOG] = _replaced(root / CHANGELOG, newest, CHAPTER.format(version) + newest)
    for path, text in texts.items():
        path.write_text(text, "utf-8", newline="\n")


def _numbers(version: str) -> list[int]:
    return [int(part) for part in version.split(".")]


def _replaced(path: Path, old: str, new: str) -> str:
    """Return the file's text with the one line ``old`` replaced."""
    text = path.read_text("utf-8")
    if text.count(old) != 1:
        raise ReleaseError(f"{path.name} has the line {old.strip()} {text.count(old)} times, and once is needed.")
    return text.replace(old, new)


def main(arguments: list[str]) -> int:
    """Begin the release of the one version given; 2 if it is not one, 1 if it cannot begin."""
    if len(arguments) != 1:
        print("usage: python -m tests.tools.release VERSION", file=sys.stderr)
        return 2
    try:
        begin(arguments[0])
    except ReleaseError as error:
        print(error, file=sys.stderr)
        return 1
    print(NEXT.format(arguments[0], ", ".join(PLACES), arguments[0]))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
