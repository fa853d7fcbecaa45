"""Every link in a Markdown file leads somewhere, on GitHub and on the site; every block of code is of a known kind."""

from __future__ import annotations

import ipaddress
import json
import re
from pathlib import Path
from urllib.parse import SplitResult, unquote, urlsplit

import pytest
import yaml
from markdown_it import MarkdownIt
from mdit_py_plugins.anchors import anchors_plugin
from myst_parser.config.main import MdParserConfig

from tests.contract.test_project import ROOT
from tests.support.documents import DOCUMENTS, Fence, anchors, fences, links, read, unmarked
from tests.tools import project

#: The hosts that documents link to. They are not asked: the list is there so that a slip of the pen shows.
HOSTS = {"github.com"}

#: What may stand behind three backticks, and what it means: docs/build/development.md, "Documents".
LANGUAGES = {"sh", "console", "bat", "powershell", "yaml", "json", "text"}

FENCES = [fence for path in DOCUMENTS for fence in fences(path)]


def broken(path: Path, link: str) -> bool:
    """Return whether a relative link of a document leads nowhere; an anchor in a file that is no document counts."""
    target, _, anchor = link.partition("#")
    file = (ROOT / path).parent / unquote(target) if target else ROOT / path
    if not file.exists() or not file.resolve().is_relative_to(ROOT.resolve()):
        return True
    return bool(anchor) and (file.suffix != ".md" or anchor not in anchors(file.read_text("utf-8")))


def is_foreign(link: str) -> bool:
    """Return whether a link leads to an address rather than to a file of the repository."""
    return bool(urlsplit(link).scheme)


@pytest.mark.parametrize("path", DOCUMENTS, ids=str)
def test_links_lead_somewhere(path: Path) -> None:
    """Each relative link and picture is a file of the repository, each anchor a heading of it, spelled in its case."""
    dead = [link for link in links(read(path)) if not is_foreign(link) and broken(path, link)]
    assert dead == [], f"correct in {path}: no file of the repository, or no heading of it, has this name"


def is_known(url: SplitResult) -> bool:
    """Return whether an address is safe to follow, and of a host that documents link to."""
    return url.scheme == "https" and url.hostname in HOSTS


def is_near(url: SplitResult) -> bool:
    """Return whether an address is an example from the reader's own network: a bare name, or a private number."""
    host = url.hostname or ""
    try:
        return ipaddress.ip_address(host).is_private
    except ValueError:
        return url.scheme == "http" and host.isalnum()


@pytest.mark.parametrize("path", DOCUMENTS, ids=str)
def test_links_to_others_are_safe_and_known(path: Path) -> None:
    """An address has https and a host of the list; plain http is only for machines of the reader's own network."""
    addresses = [urlsplit(link) for link in links(unmarked(read(path))) if is_foreign(link)]
    strange = [url.geturl() for url in addresses if not is_near(url) and not is_known(url)]
    assert strange == [], "correct the address, or add its host to HOSTS if documents shall lead there"


def test_every_host_is_linked_to() -> None:
    """The list of hosts has none that no document needs."""
    named = {urlsplit(link).hostname for path in DOCUMENTS for link in links(unmarked(read(path)))}
    assert HOSTS - named == set()


@pytest.mark.parametrize("path", DOCUMENTS, ids=str)
def test_the_projects_address_stands_in_marked_blocks(path: Path) -> None:
    """Where the project will be published is written by one program, so that no copy of it can be left behind."""
    own = (project.repository(), project.pages())
    assert [address for address in own if address.casefold() in unmarked(read(path)).casefold()] == []


@pytest.mark.parametrize("path", [path for path in DOCUMENTS if path.parts[0] == "docs"], ids=str)
def test_the_site_has_githubs_anchors(path: Path) -> None:
    """MyST gives each heading the anchor that GitHub gives it, so that one link serves both."""
    reader = MarkdownIt("commonmark").enable("table")
    reader.use(anchors_plugin, max_level=6, slug_func=MdParserConfig().heading_slug_func)
    given = {str(token.attrs["id"]) for token in reader.parse(read(path)) if token.type == "heading_open"}
    assert given == anchors(re.sub(r"<a (?:id|name)=", "", read(path)))


@pytest.mark.parametrize("fence", FENCES, ids=lambda fence: f"{fence.document}:{fence.line}")
def test_blocks_of_code(fence: Fence) -> None:
    """Each has a language of the list, and JSON and YAML can be read."""
    assert fence.language in LANGUAGES, "docs/build/development.md, Documents, says which language means what"
    if fence.language == "json":
        json.loads(fence.text)
    elif fence.language == "yaml":
        assert list(yaml.safe_load_all(fence.text)) != [None]


@pytest.mark.parametrize("path", [ROOT / "docs" / "plexsync-alerts.yaml"], ids=lambda path: path.name)
def test_yaml_files_can_be_read(path: Path) -> None:
    """A YAML file that documents offer is YAML."""
    assert yaml.safe_load(path.read_text("utf-8"))


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("# One `two` *three*\n", {"one-two-three"}),
        ("## A\n## A\n", {"a", "a-1"}),
        ("## [Of a link](x.md): it's\n", {"of-a-link-its"}),
        ("```sh\n# no heading\n```\n", set()),
        ("## `tasks.md` & more_of it\n", {"tasksmd--more_of-it"}),
    ],
)
def test_anchors_are_githubs(text: str, wanted: set[str]) -> None:
    """Lower case, blanks as hyphens, other signs left out; a second one of a name is numbered."""
    assert anchors(text) == wanted


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("[a](b.md#c) ![d](e.png)", ["b.md#c", "e.png"]),
        ("[![badge](x.svg)](y.md)", ["y.md", "x.svg"]),
        ('<img src="x.png">', ["x.png"]),
        ("[a]: b.md", ["b.md"]),
        ("see https://example.org/x.", ["https://example.org/x"]),
        ("`[a](b)` and\n```sh\n[a](b)\n```\n", []),
    ],
)
def test_links_are_found(text: str, wanted: list[str]) -> None:
    """Links, pictures, HTML, references and bare addresses are seen; code is not."""
    assert sorted(links(text)) == sorted(wanted)
