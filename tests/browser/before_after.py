"""One item in Plex before and after PlexSync, as a picture: the real plugin carries it between both test servers.

Owns the film that is shown, and how an item is drawn: a plain card, with nothing of Plex's own look. What stands on the
cards is read from the test Plex, never written here.
"""

from __future__ import annotations

import base64
import hashlib
import re
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.support.installation import Installation
from tests.support.processes import until

if TYPE_CHECKING:
    from playwright.sync_api import Page as Tab

#: CSS pixels: as wide as GitHub shows a README's text, and low enough to leave room on the first screen.
WIDTH = 830
#: Pixels of the picture for each of them, for screens that have more.
SCALE = 2

#: A lighthouse by the sea, at evening.
COVER = Path(__file__).with_name("cover.svg")

FILE = ("/films/Acme/acme_holiday_1952_1080p.mp4", 734_003_200, 1820.0)
STUDIO, PERFORMERS, TAGS = "Acme", ("Mara Lind", "Jonas Vale"), ("Seaside", "Boats", "1950s")
EDIT: dict[str, Any] = {
    "title": "A holiday by the sea",
    "date": "1952-07-12",
    "details": "Two friends, one boat, and a lighthouse that has been dark for years.",
}

#: What a card shows, in this order, with its label; ``title`` and ``summary`` stand apart.
ROWS = (
    ("Studio", "studio"),
    ("Date", "date"),
    ("Actors", "actors"),
    ("Genres", "genres"),
    ("Collection", "collections"),
)
SHOWN = ("title", "summary", *(name for _, name in ROWS))


def carry(folder: Path, cover: bytes) -> tuple[dict[str, Any], dict[str, Any]]:
    """Edit one scene in a test Stash and return its item in Plex before and after; ``cover`` is a JPEG.

    Each holds ``SHOWN`` and ``poster``: the SHA-1 of the picture that Plex shows, None without one.
    """
    path, size, seconds = FILE
    with Installation(folder, images=True) as made:
        duration = round(seconds * 1000)
        item = made.plex.add_item(1, file=path, size=size, duration_ms=duration)
        studio = made.stash.add_studio(STUDIO)
        scene = made.stash.add_scene("", files=[FILE], studio=studio, cover=cover)
        people = [made.stash.add_performer(name) for name in PERFORMERS]
        tags = [made.stash.add_tag(name) for name in TAGS]
        before = _shown(item.visible())
        made.stash.update_scene(scene, **EDIT, performers=people, tags=tags)
        until(lambda: item.selected_poster is not None, what="the poster in Plex")
        made.settles()
        return before, _shown(item.visible())


def _shown(item: dict[str, Any]) -> dict[str, Any]:
    return {name: item[name] for name in SHOWN} | {"poster": item["selected_poster"]}


def told(before: dict[str, Any], after: dict[str, Any]) -> dict[str, Any]:
    """Return what the picture tells, for its record: of the poster, whether there is one."""
    return {when: item | {"poster": bool(item["poster"])} for when, item in (("before", before), ("after", after))}


def cover(tab: Tab) -> bytes:
    """Draw the scene's cover and return it as a JPEG."""
    tab.set_viewport_size({"width": 480, "height": 720})
    tab.set_content(f'<body style="margin:0">{COVER.read_text("utf-8")}</body>')
    picture: bytes = tab.screenshot(type="jpeg", quality=100)
    return picture


def draw(tab: Tab, before: dict[str, Any], after: dict[str, Any], picture: bytes, target: Path) -> None:
    """Draw both cards into ``target``; ``ValueError`` unless Plex shows ``picture``, the cover that was sent."""
    if after["poster"] != hashlib.sha1(picture).hexdigest():
        raise ValueError("Plex does not show the cover that was sent.")
    tab.set_viewport_size({"width": WIDTH, "height": 400})
    cards = "".join(
        f"<figure><figcaption>{caption}</figcaption>{card(item, picture)}</figure>"
        for caption, item in (("In Plex, before", before), ("In Plex, after one edit in Stash", after))
    )
    tab.set_content(
        f"<style>{STYLE}</style><main>{cards.replace('</figure><figure>', f'</figure>{ARROW}<figure>')}</main>"
    )
    tab.locator("main").screenshot(path=str(target), omit_background=True)


def card(item: dict[str, Any], picture: bytes) -> str:
    """Return one item as HTML."""
    shown = (
        f'<img alt="" src="data:image/jpeg;base64,{base64.b64encode(picture).decode()}">' if item["poster"] else BLANK
    )
    rows = "".join(f"<dt>{label}</dt><dd>{_value(item[name])}</dd>" for label, name in ROWS)
    return (
        f'<article><div class="poster">{shown}</div><div class="text"><h1>{_breakable(item["title"])}</h1>'
        f"<dl>{rows}</dl><p>{escape(item['summary']) or NOTHING}</p></div></article>"
    )


def _breakable(name: str) -> str:
    """Let a file's name break where its words end."""
    return re.sub(r"([._])", r"\1<wbr>", escape(name))


def _value(value: str | list[str]) -> str:
    if isinstance(value, str):
        return escape(value) or NOTHING
    return " ".join(f"<b>{escape(name)}</b>" for name in value) or NOTHING


NOTHING = "<i></i>"

STYLE = """
* { box-sizing: border-box; margin: 0; }
main {
  display: flex; align-items: stretch; gap: 10px; width: 830px; padding: 14px 16px 18px;
  background: #eef1f4; border-radius: 12px; color: #1c2733;
  font: 13px/1.4 "Liberation Sans", "DejaVu Sans", Arial, sans-serif;
}
figure { flex: 1 1 0; display: flex; flex-direction: column; min-width: 0; }
figure:last-child { flex-grow: 1.35; }
figcaption { padding: 0 2px 7px; color: #51606f; font-weight: bold; font-size: 13.5px; }
article {
  flex: 1; display: flex; gap: 14px; padding: 14px; background: #fff; border: 1px solid #d5dbe1; border-radius: 10px;
}
.poster { flex: none; width: 112px; height: 168px; border-radius: 6px; overflow: hidden; background: #e3e8ec; }
.poster > * { display: block; width: 100%; height: 100%; object-fit: cover; }
.text { flex: 1; min-width: 0; }
h1 { margin-bottom: 9px; font-size: 17px; line-height: 1.25; overflow-wrap: anywhere; }
dl { display: grid; grid-template-columns: 66px 1fr; gap: 5px 6px; }
dt { color: #66747f; }
b {
  display: inline-block; margin: 0 2px 3px 0; padding: 0 7px; background: #e4edf6; border-radius: 9px;
  font-weight: normal; white-space: nowrap;
}
i { display: inline-block; width: 70%; height: 8px; vertical-align: middle; background: #edf0f3; border-radius: 4px; }
p { margin-top: 7px; }
p i { width: 100%; }
svg.arrow { flex: none; align-self: center; width: 30px; height: 30px; }
"""

ARROW = (
    '<svg class="arrow" viewBox="0 0 30 30"><circle cx="15" cy="15" r="15" fill="#2f6f9f"/>'
    '<path d="M8 15h13m-5-6 6 6-6 6" fill="none" stroke="#fff" stroke-width="2.4" stroke-linecap="round" '
    'stroke-linejoin="round"/></svg>'
)

BLANK = (
    '<svg viewBox="0 0 124 186"><g fill="none" stroke="#b4bfc8" stroke-width="4" stroke-linejoin="round">'
    '<rect x="36" y="73" width="52" height="40" rx="4"/><path d="m55 83 17 10-17 10z"/></g></svg>'
)
