"""What Plex should show of a scene, computed from what Stash has, independently of PlexSync. Pure.

For plain data only: titles, names and texts without anything to sanitise, full dates.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import Any

from tests.servers.stash_model import Store

#: Fields of ``Item.visible()`` that PlexSync carries over, in the order of ``wanted``.
FIELDS = (
    "title", "studio", "summary", "date", "actors", "genres", "collections",
    "selected_poster", "selected_art", "locked",
)  # fmt: skip

#: Locks of a scene of which every field was written at some time; the images' come with the first cover.
LOCKS = ("actor", "genre", "originallyAvailableAt", "studio", "summary", "title")


def wanted(store: Store, number: int, own_collections: Iterable[str] = ()) -> dict[str, Any]:
    """Field -> value for a scene whose fields are none of them empty; lists sorted.

    ``own_collections``: those into which a person put the item in Plex.
    """
    scene = store.scenes[number]
    studio = store.studios[scene.studio].name if scene.studio else ""
    image = hashlib.sha1(scene.cover, usedforsecurity=False).hexdigest() if scene.cover else None
    return {
        "title": scene.title,
        "studio": studio,
        "summary": scene.details,
        "date": scene.date,
        "actors": sorted(store.performers[one].name for one in scene.performers),
        "genres": sorted(store.tags[one].name for one in scene.tags),
        "collections": sorted({*own_collections, *([studio] if studio else [])}),
        "selected_poster": image,
        "selected_art": image,
        "locked": sorted([*LOCKS, *(["thumb", "art"] if image else [])]),
    }


def shown(visible: dict[str, Any]) -> dict[str, Any]:
    """The same fields of what Plex shows of an item."""
    found = {name: visible[name] for name in FIELDS}
    return {name: sorted(value) if isinstance(value, list) else value for name, value in found.items()}
