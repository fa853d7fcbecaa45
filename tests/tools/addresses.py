"""Writes where PlexSync is to be had, where it is kept and where to report into the documents, and draws the badges.

A marked block, ``<!-- NAME -->`` to ``<!-- /NAME -->``, is this program's: what stands between the markers is replaced
by what holds for the project now, published or not (``tests.tools.project``). Markers on lines of their own hold lines,
indented as the first marker is; markers within a line hold words.

Run: ``make addresses``, or ``python -m tests.tools.addresses``. Standard library only.
"""

from __future__ import annotations

import posixpath
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple, Self

from tests.tools import badges, project

#: Which files may hold blocks.
DOCUMENTS = ("*.md", "docs/**/*.md", ".github/ISSUE_TEMPLATE/*")

#: Where ``make source`` serves the source of a checkout.
LOCAL = "http://127.0.0.1:9970/index.yml"

_BLOCK = re.compile(r"<!-- (?P<name>[a-z-]+) -->(?P<old>.*?)<!-- /(?P=name) -->", re.DOTALL)
_MARKER = re.compile(r"<!-- /?[a-z-]+ -->")


class Facts(NamedTuple):
    """What blocks are written from. Addresses have no slash at their end."""

    repository: str
    pages: str
    source: str
    published: bool

    @classmethod
    def of_this_tree(cls) -> Self:
        """Read what PlexSync.yml and pyproject.toml say."""
        return cls(project.repository(), project.pages(), project.source(), project.is_published())


class Block(NamedTuple):
    """One kind of block. ``lines`` is also given the way from the document to the root, like ``../``; ``words`` is None
    where there is nothing to say within a line."""

    lines: Callable[[Facts, str], str]
    words: Callable[[Facts], str] | None


def _source(facts: Facts, up: str) -> str:
    enter = "In Stash, open Settings > Plugins > Available Plugins > Add Source. Enter any name, and as Source URL"
    if facts.published:
        return f"{enter}:\n\n```text\n{facts.source}\n```"
    return (
        "PlexSync is not published yet. In a checkout, this command builds it, and serves it on this machine as long "
        "as it runs (`make source BIND=0.0.0.0` for a Stash in Docker or on another machine):\n\n"
        "```console\nmake source\n```\n\n"
        f"{enter} the address that it prints, here:\n\n```text\n{LOCAL}\n```"
    )


def _source_words(facts: Facts) -> str:
    return f"`{facts.source if facts.published else LOCAL}`"


def _badges(facts: Facts, up: str) -> str:
    workflow = f"{facts.repository}/actions/workflows/ci.yaml"
    made = [f"[![tests]({workflow}/badge.svg)]({workflow})"] if facts.published else []
    made += [f"![{badge.label}: {badge.value}]({up}docs/images/{badge.name}.svg)" for badge in badges.badges()]
    return "\n".join(made)


def _repository(facts: Facts) -> str:
    shown = facts.repository.partition("://")[2]
    return f"[{shown}]({facts.repository})" if facts.published else "its repository (not published yet)"


def _repository_lines(facts: Facts, up: str) -> str:
    if facts.published:
        return f"The code is kept at {_repository(facts)}."
    return "The repository is not published yet; you have a checkout of it."


def _documents(facts: Facts) -> str:
    return f"[the documents]({facts.pages}/)" if facts.published else "the documents in the folder `docs`"


def _report(facts: Facts) -> str:
    if facts.published:
        return f"[the issue forms]({facts.repository}/issues/new/choose)"
    return "whoever gave you PlexSync (there is no public tracker yet)"


def _report_lines(facts: Facts, up: str) -> str:
    if facts.published:
        return f"Report it with {_report(facts)}: they ask for what is needed."
    return "There is no public tracker yet, because PlexSync is not published: report it to whoever gave you PlexSync."


def _private(facts: Facts) -> str:
    if facts.published:
        return f"[GitHub's private form]({facts.repository}/security/advisories/new)"
    return "whoever gave you PlexSync, in private"


def _private_lines(facts: Facts, up: str) -> str:
    if facts.published:
        return f"Report it with {_private(facts)}. Only those who maintain PlexSync can read it there."
    return "PlexSync is not published yet, so there is no form: report it to whoever gave you PlexSync, in private."


BLOCKS = {
    "badges": Block(_badges, None),
    "documents": Block(lambda facts, up: f"Read {_documents(facts)}.", _documents),
    "report": Block(_report_lines, _report),
    "report-privately": Block(_private_lines, _private),
    "repository": Block(_repository_lines, _repository),
    "source": Block(_source, _source_words),
}


def rendered(text: str, facts: Facts, up: str = "") -> str:
    """Return the document with its blocks written; ``ValueError`` for an unknown name or a marker that stands alone."""
    whole = _BLOCK.sub(lambda found: _written(found, facts, up), text)
    bare = outside(whole)
    if stray := _MARKER.search(bare):
        raise ValueError(f"{stray[0]} has no other marker.")
    return whole


def outside(text: str) -> str:
    """Return a document without its blocks."""
    return _BLOCK.sub("", text)


def _written(found: re.Match[str], facts: Facts, up: str) -> str:
    name = found["name"]
    if name not in BLOCKS:
        raise ValueError(f"<!-- {name} --> is none of the blocks {', '.join(BLOCKS)}.")
    before = found.string[found.string.rfind("\n", 0, found.start()) + 1 : found.start()]
    after = found.string[found.end() :].partition("\n")[0]
    if not before.strip() and not after.strip():
        lines = ["", *BLOCKS[name].lines(facts, up).splitlines(), ""]
        inner = "\n".join(before + line if line else "" for line in lines)
        return f"<!-- {name} -->\n{inner}\n{before}<!-- /{name} -->"
    words = BLOCKS[name].words
    if words is None or "\n" in found["old"]:
        raise ValueError(f"<!-- {name} --> and its other marker have to stand on lines of their own.")
    return f"<!-- {name} -->{words(facts)}<!-- /{name} -->"


def documents(root: Path = project.ROOT) -> Iterator[tuple[Path, str]]:
    """Yield each document that may hold blocks, with the way from it to the root."""
    for path in sorted(path for pattern in DOCUMENTS for path in root.glob(pattern) if path.is_file()):
        way = posixpath.relpath(".", path.relative_to(root).parent.as_posix())
        yield path, "" if way == "." else way + "/"


def files() -> Iterator[tuple[Path, str]]:
    """Yield each file that is written here, with what has to be in it; ``ValueError`` names a document in disorder."""
    facts = Facts.of_this_tree()
    for path, up in documents():
        try:
            yield path, rendered(path.read_text("utf-8"), facts, up)
        except ValueError as error:
            raise ValueError(f"{path.relative_to(project.ROOT)}: {error}") from None
    yield from badges.files()


def main() -> int:
    """Write what is not as it has to be, and name it."""
    for path, text in list(files()):
        if not path.is_file() or path.read_text("utf-8") != text:
            path.write_text(text, "utf-8", newline="\n")
            print(path.relative_to(project.ROOT))
    return 0


if __name__ == "__main__":
    sys.exit(main())
