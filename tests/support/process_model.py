"""What Plex should show of a scene, computed from what Stash has, independently of PlexSync; and a library held to it.

For plain data only: titles, names and texts without anything to sanitise, full dates.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from plexsync.queue import stock
from tests.servers.stash_hooks import HookResult
from tests.servers.stash_model import Store
from tests.support.installation import Installation, Seconds
from tests.support.processes import until

LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)
FAVOURITES = "A person's favourites"

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


class World(Installation):
    """``scenes`` scenes with an item each (scene N has item 100 + N until ``recreate``), and as many decoys.

    Scenes were there long before PlexSync came, so an item that nobody edits has to stay as it is, as have the decoys:
    items of equal file names, and a library that has nothing to do with any scene. ``keys``: scene -> the rating key of
    its item today. ``numbers``: every rating key that an item of a scene ever had -> that scene. ``bare``: the scenes
    whose item was made anew. ``undone``: the scenes whose undo was asked for after their last edit. ``behind``: seconds
    by which Stash's clock is, at first.
    """

    behind = 0.0

    def __init__(self, folder: Path, scenes: int = 4, **env: str) -> None:
        super().__init__(folder, images=True, crashes=True)
        self.stash.env |= env
        self.clock = self.stash.now = Seconds(self.behind)
        self.edited: set[int] = set()
        self.keys = {number: 100 + number for number in range(1, scenes + 1)}
        self.numbers = {key: number for number, key in self.keys.items()}
        self.bare: set[int] = set()
        self.undone: set[int] = set()
        self._edits = 0
        self._fill(scenes)
        self._before = self.plex.snapshot()
        self._at_first = dict(self._before)

    def _fill(self, scenes: int) -> None:
        self.plex.add_section("Elsewhere", key=2)
        stash = self.stash
        self.studios = [stash.add_studio(f"Studio {n}") for n in range(3)]
        self.performers = [stash.add_performer(f"Performer {n}") for n in range(6)]
        self.tags = [stash.add_tag(f"Tag {n}") for n in range(6)]
        for row in (*stash.studios.values(), *stash.performers.values(), *stash.tags.values()):
            row.updated_at = stash.store.stamp(LONG_AGO)
        for number in range(1, scenes + 1):
            rest, size = f"Shelf {number % 3}/film-{number}.mp4", 5_000_000 + 7 * number
            files = [(f"/data/{rest}", size, 60.0 + number)]
            stash.add_scene(f"film-{number}", files=files, updated_at=LONG_AGO)
            ms = 60_000 + 1000 * number
            groups = [FAVOURITES] if number % 2 else []
            self.plex.add_item(
                1, f"/media/{rest}", size, ms, rating_key=100 + number, summary="Plex's own", collections=groups
            )
            self.plex.add_item(
                2, f"/other/Shelf/film-{number}.mp4", size + 999, ms * 3, rating_key=10_000 + number, genres=["Decoy"]
            )

    def changes(self, number: int, **other: Any) -> dict[str, Any]:
        """New values for every field of a scene, different from all before."""
        self._edits += 1
        edit = self._edits
        self.edited.add(number)
        self.undone.discard(number)
        return {
            "title": f"Film {number}, take {edit}",
            "details": f"Take {edit}.\n\nOf film {number}.",
            "date": f"19{10 + edit % 80}-0{1 + edit % 9}-11",
            "studio": self.studios[edit % len(self.studios)],
            "performers": [self.performers[edit % 6], self.performers[(edit + 1 + edit % 3) % 6]],
            "tags": [self.tags[(edit + 1) % 6], self.tags[(edit + 3) % 6]],
            "cover": b"\xff\xd8\xff\xe0\x00\x10JFIF" + f"take {edit} of film {number}".encode(),
            **other,
        }

    def save(self, number: int, **other: Any) -> HookResult:
        """Save every field of a scene anew, with its hook."""
        return self.stash.update_scene(number, **self.changes(number, **other))

    def recreate(self, number: int) -> None:
        """Plex makes the item of a scene anew: another rating key, and nothing of what the old one showed."""
        item = self.plex.recreate(self.keys[number])
        key = item.rating_key
        self._at_first[key] = item.visible()
        self.keys[number] = key
        self.numbers[key] = number
        self.bare.add(number)

    def shows_its_own(self, number: int, picture: str) -> None:
        """Plex shows a poster of its own for the item of a scene."""
        item = self.plex.edit_item(self.keys[number], posters=[picture], selected_poster=picture)
        self._before[item.rating_key] = self._at_first[item.rating_key] = item.visible()

    def wait_for_clock(self) -> None:
        """Wait until the times of all edits so far are past: this Stash's clock is ahead of the plugin's."""
        until(lambda: datetime.now(UTC) > self.clock.last, what="the time of the last edit")

    def undo(self, *numbers: int) -> HookResult:
        """Ask for the undo of scenes."""
        self.undone |= set(numbers)
        return self.stash.run_operation({"mode": "undo", "ids": list(numbers)})

    def restart(self, way: str, spare: int) -> None:
        """Start the worker as Stash would: by an edit of the scene ``spare``, a task, or the page's ``wake``."""
        if way == "hook":
            assert self.save(spare).output == f"queued scene:{spare}"
        elif way == "task":
            self.stash.run_task("process_queue")
        else:
            assert self.stash.run_operation({"mode": "wake"}).error is None

    def different(self, numbers: Iterable[int] | None = None) -> dict[str, tuple[Any, Any]]:
        """``scene.field`` -> (Plex's value, the model's), for what is not as it should be: of the edited scenes, unless
        told, and of every item that nobody edited."""
        found: dict[str, tuple[Any, Any]] = {}
        now = self.plex.snapshot()
        chosen = self.edited if numbers is None else set(numbers)
        for number in sorted(chosen & self.stash.scenes.keys()):
            own = [FAVOURITES] if number % 2 and number not in self.bare else []
            want, has = wanted(self.stash.store, number, own), shown(now[self.keys[number]])
            want = shown(self._at_first[self.keys[number]]) if number in self.undone else want
            found |= {f"{number}.{name}": (has[name], want[name]) for name in want if has[name] != want[name]}
        for key, before in self._before.items():
            if self.numbers.get(key, 0) not in self.edited and now[key] != before:
                found[f"item {key}"] = (now[key], before)
        return found

    def is_done(self) -> bool:
        """Whether no job is left but dead letters, and Plex is as the model says."""
        return all(status == stock.DEAD for (status,) in self.rows("status")) and not self.different()

    def check(self) -> dict[str, Any]:
        """Wait until everything has arrived; nothing dead, no attempt spent, nobody else's item touched. The status."""
        try:
            until(self.is_done, what="the arrival of every edit")
        except TimeoutError as error:
            rows = self.rows("key, status, due, attempts, rescues, reason, message")
            raise AssertionError(f"{error}: {self.different()}, rows {rows}, {self.log().splitlines()[-5:]}") from None
        assert not self.plex.disaster
        status: dict[str, Any] = self.stash.run_operation({"mode": "status"}).output
        assert status["queue"]["dead"] == 0
        assert status["totals"]["dead"] == status["totals"]["retried"] == 0
        return status
