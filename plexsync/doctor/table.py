"""The result as a Markdown table, ready to paste into an issue: nothing of the user's is in it. Pure."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping, Sequence

from plexsync import __version__
from plexsync.doctor.examination import Row

#: Longest answer in characters; some hold words of Plex's.
LONGEST = 200
_STRANGE = re.compile(r"[^\w .,;:()/=>+-]")


def render(rows: Sequence[Row], facts: Mapping[str, str], now: float) -> str:
    """Return the table. ``facts``: what it says of the server; ``now``: seconds since the epoch."""
    day = time.strftime("%Y-%m-%d", time.gmtime(now))
    told = "; ".join(f"{name} {plain(value)}" for name, value in facts.items())
    lines = [f"PlexSync {__version__}, doctor of {day}; {told}", "", "| # | question | answer | PlexSync |"]
    lines.append("|---|---|---|---|")
    lines += [f"| {row.number} | {row.asks} | {plain(row.answer)} | {row.means} |" for row in sorted(rows, key=_place)]
    return "\n".join(lines) + "\n"


def _place(row: Row) -> tuple[int, str]:
    digits = row.number.rstrip("abcdefgh")
    return int(digits), row.number


def plain(text: str) -> str:
    """Return a text without anything that could be Markdown, HTML or a line's end, and not too long."""
    return _STRANGE.sub("?", text)[:LONGEST]
