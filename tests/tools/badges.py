"""Small pictures that say licence, Python and version, for the README: drawn here, so that no other host is asked.

What they say is read from ``pyproject.toml`` and ``PlexSync.yml``. ``make addresses`` writes them, a test compares
them. Standard library only.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from html import escape
from pathlib import Path
from typing import NamedTuple

from tests.tools import project

IMAGES = project.ROOT / "docs" / "images"

#: Pixels: height, text size, space on both sides of a text, and a letter's width on average in the usual fonts. The
#: text is fitted to what the last makes of it, whatever font there is.
HEIGHT, SIZE, SPACE, LETTER = 20, 11, 7, 6.4


class Badge(NamedTuple):
    """``name`` of the file, what stands on its left and on its right."""

    name: str
    label: str
    value: str


def badges() -> tuple[Badge, ...]:
    """Return what the badges say of this tree; ``ValueError`` if pyproject.toml states its Python otherwise."""
    described = tomllib.loads((project.ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    found = re.fullmatch(r">=(\d+\.\d+)", described["requires-python"])
    if found is None:
        raise ValueError("requires-python is not of the form >=3.11.")
    licence = described["license"]
    return (
        Badge("version", "version", project.version()),
        Badge("licence", "licence", licence if isinstance(licence, str) else licence["text"]),
        Badge("python", "Python", f"{found[1]} or newer"),
    )


def svg(badge: Badge) -> str:
    """Draw one badge."""
    left, right = (round(len(text) * LETTER) for text in (badge.label, badge.value))
    split, width = left + 2 * SPACE, left + right + 4 * SPACE
    label, value = escape(badge.label), escape(badge.value)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{HEIGHT}" role="img" '
        f'aria-label="{label}: {value}">\n'
        f"<title>{label}: {value}</title>\n"
        f'<clipPath id="r"><rect width="{width}" height="{HEIGHT}" rx="3"/></clipPath>\n'
        f'<g clip-path="url(#r)"><rect width="{width}" height="{HEIGHT}" fill="#24648f"/>'
        f'<rect width="{split}" height="{HEIGHT}" fill="#484f58"/></g>\n'
        f'<g fill="#fff" font-family="Verdana,DejaVu Sans,sans-serif" font-size="{SIZE}">'
        f'<text x="{SPACE}" y="14" textLength="{left}">{label}</text>'
        f'<text x="{split + SPACE}" y="14" textLength="{right}">{value}</text></g>\n'
        "</svg>\n"
    )


def files() -> Iterator[tuple[Path, str]]:
    """Yield each file of a badge, with what has to be in it."""
    for badge in badges():
        yield IMAGES / f"{badge.name}.svg", svg(badge)
