"""The documents build into a site: without a warning, without a network, with every module, asking no other host."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.contract.test_layers import FILES, LAYERS
from tests.tools import diagrams, site

ROOT = Path(__file__).resolve().parents[2]

#: Builds the site with every way out closed.
OFFLINE = """
import socket, sys
from pathlib import Path

class Closed(socket.socket):
    def connect(self, *address):
        raise SystemExit(f"The build asked for {address}.")
    connect_ex = sendto = connect

def refused(*address, **named):
    raise SystemExit(f"The build asked for {address}.")

socket.socket, socket.create_connection, socket.getaddrinfo = Closed, refused, refused
from tests.tools import site
sys.exit(site.build(Path(sys.argv[1])))
"""


def test_the_site(tmp_path: Path) -> None:
    """``make docs`` succeeds offline; every module and page is in it, and no page loads anything from elsewhere."""
    command = [sys.executable, "-c", OFFLINE, str(tmp_path / "site")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=900, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    pages = {path.relative_to(tmp_path / "site").as_posix(): path.read_text("utf-8") for path in html(tmp_path)}
    told = "".join(text for name, text in pages.items() if name.startswith("build/reference/"))
    public = [name for name in FILES if not re.search(r"\._", name)]
    assert [name for name in public if f'id="module-{name}"' not in told] == []
    sources = (path.relative_to(site.DOCS).with_suffix(".html").as_posix() for path in site.DOCS.rglob("*.md"))
    assert set(sources) - set(pages) == set()
    assert {name: loaded(text) for name, text in pages.items() if loaded(text)} == {}
    assert [name for name, text in pages.items() if str(ROOT) in text] == []
    styles = [path.read_text("utf-8", "replace") for path in (tmp_path / "site").rglob("*.css")]
    assert re.findall(r"@import[^;]*//[^;]*|url\(['\"]?(?:https?:)?//[^)]*", "".join(styles)) == []


def html(folder: Path) -> list[Path]:
    """Return the pages of a site."""
    return sorted((folder / "site").rglob("*.html"))


def loaded(text: str) -> list[str]:
    """Return what a page loads from another host by itself: scripts, styles, fonts, pictures, frames."""
    tags = re.findall(r"<(?:script|link|img|iframe|source|object|embed|video|audio)\b[^>]*>", text)
    return [tag for tag in tags if re.search(r"(?:src|srcset|href|data)=[\"']?(?:https?:)?//", tag)]


@pytest.mark.parametrize("name", diagrams.pictures())
def test_diagrams_are_those_of_the_code(name: str) -> None:
    """The committed pictures are what ``python -m tests.tools.diagrams`` draws today."""
    assert (diagrams.FOLDER / name).read_text("utf-8") == diagrams.pictures()[name]


def test_the_picture_names_every_layer() -> None:
    """Each layer stands in it once, by its name, in the order of the test."""
    shown = re.findall(r'<text class="name"[^>]*>([^<]+)<', diagrams.layers())
    assert shown == [name for row in LAYERS for name in row]


@pytest.mark.parametrize(
    ("tag", "foreign"),
    [
        ('<script src="https://example.org/x.js">', True),
        ('<link rel="stylesheet" href="//example.org/x.css">', True),
        ('<img src="../images/page.png">', False),
        ('<a href="https://example.org/">', False),
    ],
)
def test_foreign_files_are_noticed(tag: str, foreign: bool) -> None:
    """What the browser would load by itself is noticed; a link that a reader may follow is none of it."""
    assert bool(loaded(tag)) is foreign


def test_an_entry_of_an_index_is_a_page() -> None:
    """Only list items that begin with a link to a page become entries of the sidebar."""
    text = "- [A](a.md): see [b](b.md)\n- [C](sub/c.md)\n- [D](https://example.org/d.md)\n- [E](e.md#part)\n[F](f.md)\n"
    assert site.ENTRY.findall(text) == ["a", "sub/c"]
