"""The repository's Markdown files, read as GitHub and the site read them: fences, links, anchors, tables."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from tests.contract.test_project import ROOT, own_files

#: Every Markdown file of the repository, relative to its root.
DOCUMENTS = [path for path in own_files() if path.suffix == ".md"]

_FENCE = re.compile(r"^( *)(```+|~~~+)([^\n`]*)\n(.*?)^ *\2 *$\n?", flags=re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"!?\[(?:[^\[\]]|\[[^\[\]]*\])*\]\(<?([^)\s>]+)>?(?: \"[^\"]*\")?\)")
_PICTURE = re.compile(r"!\[[^\]]*\]\(<?([^)\s>]+)>?")
_HTML_LINK = re.compile(r"<(?:a|img|source)\b[^>]*?\b(?:href|src|srcset)=\"([^\"]+)\"")
_REFERENCE = re.compile(r"^ *\[[^\]]+\]: *(\S+)", flags=re.MULTILINE)
_BARE = re.compile(r"(?<![(\"\w`<])<?(https?://[^\s<>)\]`\"|]+[\w/])")
_MARKED = re.compile(r"<!-- ([\w-]+) -->.*?<!-- /\1 -->", flags=re.DOTALL)


class Fence(NamedTuple):
    """One block of code: the document it stands in, its first line there, its language, its text without indent."""

    document: str
    line: int
    language: str
    text: str


def read(path: Path) -> str:
    """Return a document's text; ``path`` is relative to the root of the repository."""
    return (ROOT / path).read_text("utf-8")


def fences(path: Path) -> Iterator[Fence]:
    """Yield the blocks of code of a document."""
    text = read(path)
    for found in _FENCE.finditer(text):
        lines = [line.removeprefix(found[1]) for line in found[4].splitlines(keepends=True)]
        yield Fence(path.as_posix(), text.count("\n", 0, found.start()) + 1, found[3].strip(), "".join(lines))


def prose(text: str) -> str:
    """Return a document without its blocks of code."""
    return _FENCE.sub("\n", text)


def inline_code(text: str) -> list[str]:
    """Return what stands between single backticks outside of blocks."""
    return re.findall(r"(?<!`)`([^`]+)`(?!`)", prose(text))


def links(text: str) -> list[str]:
    """Return where the links and pictures of a document lead, those in HTML as well."""
    plain = re.sub(r"(?<!`)`[^`\n]+`(?!`)", "``", prose(text))
    shapes = (_LINK, _PICTURE, _HTML_LINK, _REFERENCE, _BARE)
    return list(dict.fromkeys(link for shape in shapes for link in shape.findall(plain)))


def unmarked(text: str) -> str:
    """Return a document without the blocks that a program writes (``<!-- NAME -->`` to ``<!-- /NAME -->``)."""
    return _MARKED.sub("", text)


def anchors(text: str) -> set[str]:
    """Return the anchors of a document's headings, by GitHub's rules: a second one of a name gets ``-1``."""
    found: set[str] = set(re.findall(r"<a (?:id|name)=\"([^\"]+)\"", text))
    counts: Counter[str] = Counter()
    for heading in re.findall(r"^#{1,6} +(.+?)(?: +#+)?$", prose(text), flags=re.MULTILINE):
        shown = re.sub(r"!?\[([^\]]*)\]\([^)]*\)", r"\1", heading)
        slug = re.sub(r"[^\w\- ]", "", shown.lower()).replace(" ", "-")
        found.add(f"{slug}-{counts[slug]}" if counts[slug] else slug)
        counts[slug] += 1
    return found


def chapter(text: str, title: str, level: int = 2) -> str:
    """Return what stands under a heading, up to the next one of its level."""
    mark = "#" * level
    return re.split(rf"^#{{1,{level}}} ", text.split(f"\n{mark} {title}\n", 1)[1], flags=re.MULTILINE)[0]


def rows(text: str) -> list[list[str]]:
    """Return the cells of all tables of a text, without the headings."""
    tables = re.findall(r"^\|[-| :]+\|\n((?:\|.*\n)+)", text, flags=re.MULTILINE)
    lines = [row for table in tables for row in table.splitlines()]
    return [[cell.strip() for cell in re.split(r"(?<!\\)\|", row.strip("|"))] for row in lines]


def names(cells: list[str]) -> list[str]:
    """Return the words in backticks in the cells."""
    return [name for cell in cells for name in re.findall(r"`([^`]+)`", cell)]


def listed(text: str, title: str, level: int = 2) -> list[str]:
    """Return the names in backticks in the first column of the tables under a heading."""
    return names([row[0] for row in rows(chapter(text, title, level))])


def advice(place: str, told: Iterable[str], known: Iterable[str]) -> str:
    """Return what to do about a place of the documents that tells of one thing more, or of one less, than there is."""
    told, known = set(told), set(known)
    lacking, surplus = (", ".join(sorted(names)) for names in (known - told, told - known))
    parts = []
    if lacking:
        parts.append(f"Add to {place}: {lacking}.")
    if surplus:
        parts.append(f"Correct in {place}, or take out, what is called otherwise or is no more: {surplus}.")
    return " ".join(parts) or f"Put {place} into the order of the code, each name once."
