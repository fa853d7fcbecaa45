"""Builds the documents' site with Sphinx into dist/docs: warnings are errors, and no network is needed.

Run: ``python -m tests.tools.site [target]``. The documents are plain Markdown that reads well on GitHub; what only the
site needs is added in a copy: a tree of contents from the links of each index, the changelog, and the API reference.
"""

from __future__ import annotations

import re
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from sphinx.cmd.build import build_main

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
TARGET = ROOT / "dist" / "docs"

#: An entry of an index: a list item that begins with a link to a page.
ENTRY = re.compile(r"^[-*] \[[^\]]+\]\(([^)#:]+)\.md\)", flags=re.MULTILINE)


def modules() -> list[str]:
    """Return the dotted names of the plugin's modules, private ones left out."""
    parts = [path.relative_to(ROOT).with_suffix("").parts for path in (ROOT / "plexsync").rglob("*.py")]
    names = [".".join(names[:-1] if names[-1] == "__init__" else names) for names in parts]
    return sorted(name for name in names if not re.search(r"\._", name))


def pages() -> dict[str, list[str]]:
    """Return the pages of the reference, one a package: its name without ``plexsync.`` -> its modules."""
    found: dict[str, list[str]] = {}
    for name in modules():
        package = name.split(".")[1] if (ROOT / Path(*name.split(".")[:2])).is_dir() and "." in name else "plexsync"
        found.setdefault(package, []).append(name)
    return found


def reference() -> Iterator[tuple[str, str]]:
    """Yield the name and the text of each page of the reference: a heading and Sphinx's directive for each module."""
    for package, names in pages().items():
        title = package if package == "plexsync" else f"plexsync.{package}"
        sections = []
        for name in names:
            heading = "" if name == title else f"## {name}\n\n"
            sections.append(f"{heading}```{{eval-rst}}\n.. automodule:: {name}\n```\n")
        yield package, f"# {title}\n\n" + "\n".join(sections)


def contents(names: list[str]) -> str:
    """Return a tree of contents that shows in the sidebar alone."""
    return "\n```{toctree}\n:hidden:\n:titlesonly:\n\n" + "\n".join(names) + "\n```\n"


def stage(folder: Path) -> Path:
    """Copy the documents into ``folder``, with what only the site needs; return where Sphinx is to read.

    The rest of the repository stands beside the copy as links, so that documents can refer to it.
    """
    for path in ROOT.iterdir():
        if path != DOCS:
            (folder / path.name).symlink_to(path)
    source = Path(shutil.copytree(DOCS, folder / "docs"))
    shutil.copy(ROOT / "CHANGELOG.md", source / "build" / "changelog.md")
    (source / "build" / "reference").mkdir()
    listed = []
    for name, text in reference():
        (source / "build" / "reference" / f"{name}.md").write_text(text, "utf-8")
        listed.append(f"- [{text.splitlines()[0].lstrip('# ')}](reference/{name}.md)")
    with (source / "build" / "reference.md").open("a", encoding="utf-8") as page:
        page.write("\n" + "\n".join(listed) + "\n")
    for index in [*source.rglob("index.md"), source / "build" / "reference.md"]:
        text = index.read_text("utf-8")
        index.write_text(text + contents(ENTRY.findall(text)), "utf-8")
    return source


def build(target: Path) -> int:
    """Build the site into ``target``, which is emptied; return 0 if there was nothing to warn about."""
    shutil.rmtree(target, ignore_errors=True)
    with tempfile.TemporaryDirectory() as folder:
        source, seen = stage(Path(folder)), Path(folder) / ".doctrees"
        options = ["-b", "html", "--fail-on-warning", "--keep-going", "--nitpicky", "--quiet"]
        failed = build_main([*options, "--doctree-dir", str(seen), str(source), str(target)])
    for page in target.rglob("*.html"):  # the value of a constant may be a path of the machine that builds
        page.write_text(page.read_text("utf-8").replace(f"{ROOT}", "..."), "utf-8")
    return failed


def main(target: Path) -> int:
    """Build, and say where it is."""
    failed = build(target)
    if not failed:
        print(target / "index.html")
    return failed


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]) if len(sys.argv) > 1 else TARGET))
