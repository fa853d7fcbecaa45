"""docs/use/troubleshooting.md quotes what PlexSync says, and leaves out no problem of the setup or of Plex."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
TABLES = (ROOT / "docs/use/troubleshooting.md").read_text("utf-8").partition("## Messages by their words")[2]
#: What is filled in, in the code and in the document.
HOLE, DOTS = "\0", "..."
#: Where every sentence is about a problem that a person has to solve.
WHOLE = ("plex/errors.py", "plex/website.py", "plex/client.py", "matching/reasons.py", "state/gates.py")
#: Characters by which a message is found.
TELLING = 12
#: A whole sentence, most of which is not filled in.
SENTENCE = re.compile(r'(?=.*[^\0]{20})["A-Z\0].*[.\0]$', re.DOTALL)


def texts(module: Path) -> Iterator[str]:
    """Yield the strings of a module that are no docstrings, with ``HOLE`` for what an f-string fills in."""
    tree = ast.parse(module.read_text("utf-8"))
    within = {id(part) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for part in node.values}
    alone = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if id(node) in within | alone:
            continue
        if isinstance(node, ast.JoinedStr):
            yield "".join(str(part.value) if isinstance(part, ast.Constant) else HOLE for part in node.values)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value


def quoted() -> list[str]:
    """Return the messages in the tables' first column."""
    return [text for line in TABLES.splitlines() for text in re.findall(r'"([^"]+)"', line.partition(" | ")[0])]


def pieces(message: str) -> list[str]:
    """Return what stands around the dots of a message, as far as it says something."""
    return [piece for part in message.split(DOTS) if len(piece := part.strip(" .,:")) > 3]


SAID = [text for module in sorted((ROOT / "plexsync").rglob("*.py")) for text in texts(module)]
SAID += [module.read_text("utf-8") for module in sorted((ROOT / "ui").rglob("*.js"))]


def test_every_quoted_message_is_said() -> None:
    """Each message of the tables is in the code, word for word."""
    messages = quoted()
    assert len(messages) > 150
    unsaid = [one for one in messages for piece in pieces(one) if not any(piece in text for text in SAID)]
    assert unsaid == [], "docs/use/troubleshooting.md quotes what the code says otherwise, or no more"


@pytest.mark.parametrize("name", WHOLE)
def test_every_problem_is_explained(name: str) -> None:
    """Each sentence of the modules that word what a person has to solve is found by its words."""
    sought = [piece for message in quoted() for piece in pieces(message) if len(piece) >= TELLING]
    sentences = [text for text in texts(ROOT / "plexsync" / name) if SENTENCE.match(text)]
    assert sentences
    silent = [text for text in sentences if not any(piece in text for piece in sought)]
    assert silent == [], "docs/use/troubleshooting.md, Messages by their words, has to say what to do about each"
