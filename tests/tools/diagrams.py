"""Draws the documents' diagrams, as SVG that is readable in light and in dark mode.

Run: ``python -m tests.tools.diagrams [folder]``; without a folder it writes those in docs/images, and a test compares.
The layers are those that ``tests/contract/test_layers.py`` holds the imports to, each with the first sentence of its
docstring, so the picture cannot say anything else.
"""

from __future__ import annotations

import ast
import re
import sys
import textwrap
from html import escape
from pathlib import Path

from tests.contract.test_layers import FILES, LAYERS, PACKAGE

FOLDER = Path(__file__).resolve().parents[2] / "docs" / "images"

WIDTH, EDGE, GAP = 880, 56, 10
NAME, LINE, PADDING = 20, 16, 9  # heights
CHARACTER = 6.2  # the width of a character of 12 px, rather more than less

STYLE = """
.ground { fill: #fff } .box { fill: #f3f5f8; stroke: #8a94a6 } .strong { fill: #dce9fb; stroke: #3b6fb6 }
text { font: 12px sans-serif; fill: #333 } .name { font: bold 14px monospace; fill: #111 } .line { stroke: #3b6fb6 }
.head { fill: #3b6fb6 }
@media (prefers-color-scheme: dark) {
.ground { fill: #16191e } .box { fill: #242a33; stroke: #6b7688 } .strong { fill: #1f3655; stroke: #79a8e8 }
text { fill: #ccd2db } .name { fill: #fff } .line { stroke: #79a8e8 } .head { fill: #79a8e8 }
}"""


def meaning(name: str) -> str:
    """Return the first sentence of the docstring of a layer's package or module, without its full stop."""
    whole = ast.get_docstring(ast.parse(FILES[f"{PACKAGE}.{name}"].read_text("utf-8"))) or ""
    paragraph = " ".join(whole.partition("\n\n")[0].split())
    return re.split(r"\.(?: |$)", paragraph)[0].replace("``", "")


def picture(height: float, title: str, parts: list[str]) -> str:
    """Return a whole SVG of ``WIDTH`` on its own ground; ``title`` is what a screen reader says."""
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height:g}" role="img">\n'
        f"<title>{escape(title)}</title>\n<style>{STYLE}\n</style>\n"
        '<defs><marker id="head" viewBox="0 0 10 10" refX="9" refY="5" markerWidth="8" markerHeight="8" orient="auto">'
        '<path class="head" d="M0 0 10 5 0 10z"/></marker></defs>\n'
        f'<rect class="ground" width="{WIDTH}" height="{height:g}" rx="8"/>\n' + "\n".join(parts) + "\n</svg>\n"
    )


def box(x: float, y: float, width: float, height: float, kind: str = "box") -> str:
    """Return a rectangle with round corners."""
    return f'<rect class="{kind}" x="{x:g}" y="{y:g}" width="{width:g}" height="{height:g}" rx="5"/>'


def words(x: float, y: float, text: str, kind: str = "", anchor: str = "start") -> str:
    """Return one line of text."""
    style = f' class="{kind}"' if kind else ""
    return f'<text{style} x="{x:g}" y="{y:g}" text-anchor="{anchor}">{escape(text)}</text>'


def arrow(x: float, y: float, to_x: float, to_y: float) -> str:
    """Return a line with a head at its end."""
    return f'<path class="line" d="M{x:g} {y:g} {to_x:g} {to_y:g}" stroke-width="2" marker-end="url(#head)"/>'


def layers() -> str:
    """Return the picture of the layers: what stands in a row imports only from the rows below."""
    parts: list[str] = []
    y = 16.0
    for row in LAYERS:
        width = (WIDTH - EDGE - GAP * len(row)) / len(row)
        inner = int((width - 2 * PADDING) / CHARACTER)
        said = {name: textwrap.wrap(meaning(name), inner) for name in row}
        height = NAME + LINE * max(map(len, said.values())) + PADDING
        for column, name in enumerate(row):
            x = EDGE + column * (width + GAP)
            parts += [box(x, y, width, height), words(x + PADDING, y + NAME, name, "name")]
            parts += [words(x + PADDING, y + NAME + LINE * at, line) for at, line in enumerate(said[name], 1)]
        y += height + GAP
    parts += [arrow(26, 20, 26, y - GAP), f'<g transform="translate(16 {y / 2:g}) rotate(-90)">']
    parts += [words(0, 0, "imports", anchor="middle"), "</g>"]
    rows = "; ".join(" and ".join(row) for row in LAYERS)
    return picture(y + 6, f"The layers of PlexSync, each importing only from those below it: {rows}", parts)


def path_map() -> str:
    """Return the picture of a path map: one file, two names for it, and the rule that turns one into the other."""
    left, right, width = 20, 480, 380
    parts = [box(left, 16, width, 150), box(right, 16, width, 150)]
    for x, machine, prefix in ((left, "Stash sees", "/data"), (right, "Plex sees", "/media/films")):
        parts += [words(x + 14, 40, machine, "name"), words(x + 14, 60, "in its container, or on its machine")]
        path_width = 9 * len(prefix) + 16
        parts += [box(x + 14, 88, path_width, 30, "strong"), words(x + 22, 108, prefix, "name")]
        parts += [words(x + 14 + path_width + 4, 108, "/2024/beach.mp4", "name")]
        parts += [words(x + 14, 142, "the prefix, then what is the same on both sides")]
    parts += [arrow(left + width + 6, 103, right - 8, 103), words(440, 92, "rule", anchor="middle")]
    parts += [words(WIDTH / 2, 200, "Path map:  /data => /media/films", "name", "middle")]
    return picture(220, "One file under two paths: the rule /data => /media/films turns Stash's into Plex's", parts)


def pictures() -> dict[str, str]:
    """Return every picture: the name of its file -> what is in it."""
    return {"layers.svg": layers(), "path-map.svg": path_map()}


def main(folder: Path) -> None:
    """Write the pictures into ``folder``."""
    for name, content in pictures().items():
        (folder / name).write_text(content, "utf-8", newline="\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER)
