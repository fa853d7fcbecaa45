"""Stash's GraphQL API: a batch's scenes, the settings, which scenes have a file, tags. Knows nothing of Plex.

``queries`` has the GraphQL, ``reading`` parses the answers, ``listing`` reads page by page. Every failure is a
``StashUnavailable``.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from plexsync.core.connection import Connection
from plexsync.model.paths import base_name, components, name_key, slashed, spellings
from plexsync.model.scene import Scene, SceneFile, epoch
from plexsync.stash.listing import Listings
from plexsync.stash.queries import ENABLED, FILES, RUN_OPERATION, SCENE, SETTINGS, entities, log_arguments, name_pattern
from plexsync.stash.reading import part, plugin_enabled, plugin_settings, read_scene, scene_files
from plexsync.stash.transport import StashRefused

__all__ = ["Scenes", "Stash", "StashRefused"]

#: Scenes per tagging request: before it answers, Stash runs a hook for each, which takes 25 ms or more.
TAGGED_AT_ONCE = 20
#: Durations per request: Stash reads every file for each.
DURATIONS_AT_ONCE = 20


class Scenes(NamedTuple):
    """The answer to ``Stash.batch``: the saved settings, the scenes by id, and the ids that Stash refused.

    ``refused``: the scenes for which Stash returned an error; they may exist. A scene in neither has been deleted.
    """

    saved: Mapping[str, Any]
    scenes: dict[int, Scene]
    refused: frozenset[int] = frozenset()


def _by_id(rows: Iterable[Any]) -> dict[int, Scene]:
    scenes = [read_scene(raw) for raw in rows if raw]
    return {scene.id: scene for scene in scenes}


class Stash(Listings):
    """The queries and mutations, over one connection.

    ``enabled``: whether PlexSync was enabled in Stash when the settings were last read; None if Stash did not tell.
    """

    def __init__(self, connection: Connection, connect_timeout: float, read_timeout: float) -> None:
        super().__init__(connection, connect_timeout, read_timeout)
        self.enabled: bool | None = None
        self._tells_enabled = True

    def settings(self) -> Mapping[str, Any]:
        """Return the settings that the user saved for PlexSync, ``{}`` if there are none."""
        return self._with_settings("query", "")[0]

    def _with_settings(
        self, head: str, rest: str, variables: Mapping[str, Any] | None = None
    ) -> tuple[Mapping[str, Any], dict[str, Any]]:
        """Ask for the settings and, in the same request, for ``rest``; return both, and note ``enabled``."""
        try:
            data = self.ask(f"{head} {{ {SETTINGS} {ENABLED if self._tells_enabled else ''} {rest} }}", variables)
        except StashRefused as error:
            if not (error.invalid and self._tells_enabled):
                raise
            self._tells_enabled = False  # a Stash without this field; if it is another one, the repetition tells
            return self._with_settings(head, rest, variables)
        self.enabled = plugin_enabled(data)
        return plugin_settings(data) or {}, data

    def api_key(self) -> str:
        """Return Stash's API key, ``""`` if none is set."""
        data = self.ask("query { configuration { general { apiKey } } }")
        return str(part(data, "configuration", "general").get("apiKey") or "")

    def batch(self, ids: Collection[int]) -> Scenes:
        """Return the settings and the scenes ``ids``, in one request.

        One missing id makes Stash's list query fail, so the scenes are then queried one by one in a single request,
        and if that is refused as well, in a request each. Raise ``StashRefused`` only if Stash refuses the settings or
        does not know a field.
        """
        wanted = sorted(set(ids))
        if not wanted:
            return Scenes(self.settings(), {})
        variables = {"ids": [str(scene_id) for scene_id in wanted]}
        try:
            saved, data = self._with_settings(
                "query($ids: [ID!])", f"findScenes(ids: $ids) {{ scenes {SCENE} }}", variables
            )
        except StashRefused as error:
            if error.invalid:  # Stash does not know a field, and would refuse every scene
                raise
            return self._aliased(wanted)
        return Scenes(saved, _by_id(part(data, "findScenes", "scenes")))

    def _aliased(self, wanted: Sequence[int]) -> Scenes:
        fields = " ".join(f's{scene_id}: findScene(id: "{scene_id}") {SCENE}' for scene_id in wanted)
        try:
            saved, data = self._with_settings("query", fields)
        except StashRefused:
            return self._one_by_one(wanted)
        return Scenes(saved, _by_id(data.get(f"s{scene_id}") for scene_id in wanted))

    def _one_by_one(self, wanted: Sequence[int]) -> Scenes:
        saved, rows, refused = self.settings(), [], set()
        for scene_id in wanted:
            try:
                data = self.ask(f"query($id: ID!) {{ findScene(id: $id) {SCENE} }}", {"id": str(scene_id)})
                rows.append(data.get("findScene"))
            except StashRefused:
                refused.add(scene_id)
        return Scenes(saved, _by_id(rows), frozenset(refused))

    def entities(self, kind: str, ids: Collection[int]) -> dict[int, tuple[str, str]]:
        """Return id -> (name, ``updated_at``) of performers, studios or tags (``kind``), in one request.

        Those that have been deleted are absent.
        """
        data = self.ask(entities(kind, sorted(set(ids)))) if ids else {}
        return {
            int(entity["id"]): (str(entity.get("name") or ""), str(entity.get("updated_at") or ""))
            for entity in data.values()
            if entity
        }

    def count(self, scene_filter: Mapping[str, Any]) -> int:
        """Return the number of scenes that match ``scene_filter``."""
        query = "query($scenes: SceneFilterType) { findScenes(filter: {per_page: 0}, scene_filter: $scenes) { count } }"
        return int(part(self.ask(query, {"scenes": dict(scene_filter)}), "findScenes", "count"))

    def scenes_below(self, folder: str, any_case: bool) -> int:
        """Return the number of scenes with a file below ``folder``, whichever slashes it and Stash have."""
        names = ("|".join(sorted(map(name_pattern, spellings(name)))) for name in components(slashed(folder)))
        pattern = r"^[/\\]*" + r"[/\\]+".join([*(f"({name})" for name in names), ""])
        value = ("(?i)" if any_case else "") + pattern
        return self.count({"path": {"value": value, "modifier": "MATCHES_REGEX"}})

    def sample(self, n: int, seed: int = 1) -> list[Scene]:
        """Return up to ``n`` scenes from all over the library: the same ones for the same ``seed`` and library."""
        if n < 1:
            return []
        query = f"query($filter: FindFilterType) {{ findScenes(filter: $filter) {{ scenes {SCENE} }} }}"
        data = self.ask(query, {"filter": {"page": 1, "per_page": n, "sort": f"random_{seed}"}})
        return [read_scene(raw) for raw in part(data, "findScenes", "scenes")]

    def files_named(self, names: Collection[str]) -> list[tuple[int, SceneFile]]:
        """Return every (scene id, file) whose base name is one of ``names`` (any letter case), in one request."""
        wanted = {name_key(name) for name in names} - {""}
        if not wanted:
            return []
        spelled = {spelling for name in names for spelling in spellings(base_name(name)) if spelling}
        pattern = r"(?i)[/\\](" + "|".join(sorted(map(name_pattern, spelled))) + ")$"
        query = (
            "query($filter: FindFilterType, $scenes: SceneFilterType) {"
            f" findScenes(filter: $filter, scene_filter: $scenes) {{ scenes {FILES} }} }}"
        )
        condition = {"path": {"value": pattern, "modifier": "MATCHES_REGEX"}}
        scenes = part(self.ask(query, {"filter": {"per_page": -1}, "scenes": condition}), "findScenes", "scenes")
        return [(scene_id, file) for scene_id, file in scene_files(scenes) if name_key(file.path) in wanted]

    def files_lasting(self, durations: Collection[float]) -> list[tuple[int, SceneFile]]:
        """Return every (scene id, file) of the scenes with a file of about one of ``durations`` (s) or unknown length.

        Each request has ``DURATIONS_AT_ONCE`` windows. A scene that Stash cannot read is left out, or it would hold up
        all the others.
        """
        files: dict[tuple[int, int], tuple[int, SceneFile]] = {}
        windows = [(-1, 0), *((seconds - 2, seconds + 2) for seconds in sorted({int(length) for length in durations}))]
        for start in range(0, len(windows), DURATIONS_AT_ONCE):
            rows = scene_files(self._lasting(windows[start : start + DURATIONS_AT_ONCE]))
            files |= {(scene_id, file.id): (scene_id, file) for scene_id, file in rows}
        return list(files.values())

    def _lasting(self, windows: Sequence[tuple[int, int]]) -> Iterator[Mapping[str, Any]]:
        """Yield the scenes with a file whose duration in whole seconds lies in one of ``windows``."""
        conditions = {
            f"d{number}": {"duration": {"value": low, "value2": high, "modifier": "BETWEEN"}}
            for number, (low, high) in enumerate(windows)
        }
        variables = ", ".join(f"${name}: SceneFilterType" for name in conditions)
        listings = " ".join(
            f"{name}: findScenes(filter: {{per_page: -1}}, scene_filter: ${name}) {{ scenes {FILES} }}"
            for name in conditions
        )
        try:
            answers = self.ask(f"query({variables}) {{ {listings} }}", conditions)
        except StashRefused as error:
            if error.invalid:
                raise
            for condition in conditions.values():
                for page in self.pages(condition, FILES):
                    yield from page
            return
        for answer in answers.values():
            yield from part(answer, "scenes")

    def files_version(self) -> tuple[str, float]:
        """Return a text that changes when a scene or file is added, removed or moved, and the newest file's time.

        The time is in seconds since the epoch. Raise ``StashRefused`` if this Stash does not know ``findFiles``.
        """
        query = (
            "query($newest: FindFilterType) { findScenes(filter: {per_page: 0}) { count }"
            " findFiles(filter: $newest) { count files { updated_at } } }"
        )
        newest = {"page": 1, "per_page": 1, "sort": "updated_at", "direction": "DESC"}
        data = self.ask(query, {"newest": newest})
        scenes, files = part(data, "findScenes", "count"), part(data, "findFiles")
        at = "".join(str(file["updated_at"]) for file in files["files"])
        return f"{scenes} {files['count']} {at}", epoch(at)

    def tag_id(self, name: str) -> int:
        """Return the id of the tag with this name in any letter case; create it if there is none."""
        query = (
            "query($tags: TagFilterType) { findTags(filter: {per_page: -1}, tag_filter: $tags) { tags { id name } } }"
        )
        data = self.ask(query, {"tags": {"name": {"value": name, "modifier": "EQUALS"}}})
        # Stash's EQUALS is a LIKE: % and _ in a name match other names too.
        same = [tag for tag in part(data, "findTags", "tags") if tag["name"].casefold() == name.casefold()]
        if same:
            return int(max(same, key=lambda tag: bool(tag["name"] == name))["id"])
        answer = self.ask(
            "mutation($input: TagCreateInput!) { tagCreate(input: $input) { id } }", {"input": {"name": name}}
        )
        return int(part(answer, "tagCreate", "id"))

    def add_tag(self, scene_ids: Collection[int], tag_id: int) -> None:
        """Add the tag to the scenes; a deleted scene makes Stash reject the whole request of up to 20."""
        query = "mutation($input: BulkSceneUpdateInput!) { bulkSceneUpdate(input: $input) { id } }"
        ordered = [str(scene_id) for scene_id in sorted(set(scene_ids))]
        for start in range(0, len(ordered), TAGGED_AT_ONCE):
            tags = {"ids": [str(tag_id)], "mode": "ADD"}
            self.ask(query, {"input": {"ids": ordered[start : start + TAGGED_AT_ONCE], "tag_ids": tags}})

    def tell(self, lines: Sequence[Mapping[str, str]]) -> None:
        """Show ``lines`` in Stash's log, through the plugin's own ``log`` operation."""
        self.ask(RUN_OPERATION, log_arguments(lines))
