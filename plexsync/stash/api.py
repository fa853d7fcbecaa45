"""What PlexSync asks of Stash: scenes, settings, changes, who else has a file, tags. Knows nothing of Plex.

Answers become frozen values; whatever goes wrong becomes ``StashUnavailable`` (``stash_link`` has the connection).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

from plexsync.model.errors import StashUnavailable
from plexsync.model.paths import base_name, name_key, spellings
from plexsync.model.scene import Named, Scene, SceneFile, StashId, epoch
from plexsync.stash.transport import Connection, Link, StashRefused

__all__ = ["PAGE", "Connection", "Scenes", "Stash", "StashRefused", "read_scene"]

#: Ids per page of a listing that asks for little.
PAGE = 1000
#: Scenes per tagging request: Stash runs a hook for each, at 25 ms and more, before it answers.
TAGGED_AT_ONCE = 20

SCENE = (
    "{ id title details date organized updated_at urls studio { id name } performers { id name } tags { id name }"
    " stash_ids { endpoint stash_id } files { id path size duration } }"
)
#: What is asked of scenes that may have a rival's file.
FILES = "{ id files { id path size duration } }"
#: Durations in one question; Stash looks at every file for each.
AT_ONCE = 20
#: What catch-up compares of scenes, and of performers, studios and tags.
CHANGED, NAMED = "{ id updated_at files { id path updated_at } }", "{ id name updated_at }"
#: Rows of one listing that Stash may fail to read before it counts as refusing the listing itself.
MOST_BROKEN = 10
_SETTINGS = 'configuration { plugins(include: ["PlexSync"]) }'


class Scenes(NamedTuple):
    """The answer to ``Stash.batch``: what the user saved for PlexSync, the scenes by id, and those refused.

    ``refused``: ids of the scenes for which Stash returned an error; they may exist. A scene in neither is gone.
    """

    saved: Mapping[str, Any]
    scenes: dict[int, Scene]
    refused: frozenset[int] = frozenset()


class Stash(Link):
    """The questions over one connection.

    ``skipped``: kind -> how many rows of its last listing Stash could not read.
    """

    def __init__(self, connection: Connection, connect_timeout: float, read_timeout: float) -> None:
        super().__init__(connection, connect_timeout, read_timeout)
        self.skipped: dict[str, int] = {}

    def settings(self) -> Mapping[str, Any]:
        """What the user saved for PlexSync; ``{}`` if nothing."""
        return _plugin_settings(self.ask(f"query {{ {_SETTINGS} }}"))

    def api_key(self) -> str:
        """Stash's ApiKey, ``""`` if it has none."""
        data = self.ask("query { configuration { general { apiKey } } }")
        return str(_part(data, "configuration", "general").get("apiKey") or "")

    def plugin_enabled(self) -> bool | None:
        """Whether Stash has PlexSync enabled; None if it refuses the question or does not list PlexSync."""
        try:
            listed = self.ask("query { plugins { id enabled } }").get("plugins") or ()
        except StashRefused:
            return None
        return next((bool(one["enabled"]) for one in listed if one["id"] == "PlexSync"), None)

    def batch(self, ids: Collection[int]) -> Scenes:
        """Return the settings and the scenes ``ids``, in one request.

        One missing id fails Stash's list query whole, so the batch is then asked scene by scene, in one request again;
        and in one request each if that is refused too. Raise ``StashRefused`` only where the settings are refused, or
        Stash does not know something that was asked for.
        """
        wanted = sorted(set(ids))
        if not wanted:
            return Scenes(self.settings(), {})
        query = f"query($ids: [ID!]) {{ {_SETTINGS} findScenes(ids: $ids) {{ scenes {SCENE} }} }}"
        try:
            data = self.ask(query, {"ids": [str(scene_id) for scene_id in wanted]})
        except StashRefused as error:
            if error.invalid:  # it does not know a field: asked one by one, every scene would be refused
                raise
            return self._aliased(wanted)
        return Scenes(_plugin_settings(data), _by_id(_part(data, "findScenes", "scenes")))

    def _aliased(self, wanted: Sequence[int]) -> Scenes:
        fields = " ".join(f's{scene_id}: findScene(id: "{scene_id}") {SCENE}' for scene_id in wanted)
        try:
            data = self.ask(f"query {{ {_SETTINGS} {fields} }}")
        except StashRefused:
            return self._one_by_one(wanted)
        return Scenes(_plugin_settings(data), _by_id(data.get(f"s{scene_id}") for scene_id in wanted))

    def _one_by_one(self, wanted: Sequence[int]) -> Scenes:
        saved, found, refused = self.settings(), [], set()
        for scene_id in wanted:
            try:
                data = self.ask(f"query($id: ID!) {{ findScene(id: $id) {SCENE} }}", {"id": str(scene_id)})
                found.append(data.get("findScene"))
            except StashRefused:
                refused.add(scene_id)
        return Scenes(saved, _by_id(found), frozenset(refused))

    def pages(
        self, scene_filter: Mapping[str, Any], fields: str, per_page: int = PAGE
    ) -> Iterator[list[dict[str, Any]]]:
        """Scenes that match ``scene_filter`` page by page, by id; ``fields`` is a selection such as ``{ id }``."""
        yield from self._rows("scene", fields, scene_filter, per_page)

    def ids(self, scene_filter: Mapping[str, Any]) -> Iterator[list[int]]:
        """The ids of the scenes that match, page by page."""
        for page in self.pages(scene_filter, "{ id }"):
            yield [int(raw["id"]) for raw in page]

    def changed(self, kind: str, since: str) -> Iterator[list[dict[str, Any]]]:
        """Rows of ``kind`` (scene, performer, studio, tag) whose ``updated_at`` comes after ``since``, page by page.

        Each has ``id`` and ``updated_at``, a scene its ``files``, the others their ``name``. Stash compares the texts,
        so ``since`` must be spelled in its own zone; other rows of that very second are left out.
        """
        yield from self._rows(kind, CHANGED if kind == "scene" else NAMED, _after(since))

    def changes(self, since: str) -> Iterator[tuple[str, list[dict[str, Any]]]]:
        """What catch-up compares, as (kind, rows): every scene, and what ``changed`` tells of the other kinds.

        One request where each kind fits one page; only a kind that does not is paged on.
        """
        self.skipped = {}
        which: dict[str, Any] = {kind: {} if kind == "scene" else _after(since) for kind in KINDS}
        asked = " ".join(_found(kind, f"$by_{_sort(kind)}", f"${kind}", fields) for kind, fields in KINDS.items())
        types = ", ".join(f"${kind}: {kind.capitalize()}FilterType" for kind in KINDS)
        orders = {f"by_{_sort(kind)}": _order(kind, 1, PAGE) for kind in KINDS}
        query = f"query($by_id: FindFilterType, $by_name: FindFilterType, {types}) {{ {asked} }}"
        try:
            data = self.ask(query, orders | which)
        except StashRefused:
            data = {}  # one row that cannot be read, or one filter that is not known, fails them all
        for kind, fields in KINDS.items():
            found = data.get(f"find{kind.capitalize()}s") or {}
            rows, count = found.get(f"{kind}s") or [], int(found.get("count") or 0)
            if rows:
                yield kind, rows
            if not found or count > PAGE:
                for page in self._rows(kind, fields, which[kind], page=2 if found else 1):
                    yield kind, page

    def entity(self, kind: str, id: int) -> tuple[str, str] | None:
        """Name and ``updated_at`` of one performer, studio or tag (``kind``); None if Stash no longer has it."""
        question = f"find{kind.capitalize()}"
        found = self.ask(f"query($id: ID!) {{ {question}(id: $id) {NAMED} }}", {"id": str(id)}).get(question)
        return (str(found.get("name") or ""), str(found.get("updated_at") or "")) if found else None

    def scenes_with(self, kind: str, id: int) -> Iterator[list[int]]:
        """The ids of the scenes with that performer, studio or tag (``kind``) itself, page by page."""
        criterion: dict[str, Any] = {"value": [str(id)], "modifier": "INCLUDES"}
        if kind != "performer":
            criterion["depth"] = 0
        yield from self.ids({f"{kind}s": criterion})

    def _rows(
        self, kind: str, fields: str, which: Mapping[str, Any], per_page: int = PAGE, page: int = 1
    ) -> Iterator[list[dict[str, Any]]]:
        """The rows that match, from ``page`` on. What Stash cannot read is left out: one row must not hide the rest."""
        self.skipped[kind] = 0
        while True:
            rows, count = self._page(kind, fields, which, page, per_page)
            if rows:
                yield rows
            if page * per_page >= count:
                return
            page += 1

    def _page(
        self, kind: str, fields: str, which: Mapping[str, Any], page: int, per_page: int
    ) -> tuple[list[dict[str, Any]], int]:
        """One page and how many rows match."""
        query = (
            f"query($filter: FindFilterType, $which: {kind.capitalize()}FilterType) {{"
            f" {_found(kind, '$filter', '$which', fields)} }}"
        )
        try:
            data = self.ask(query, {"filter": _order(kind, page, per_page), "which": dict(which)})
        except StashRefused as error:
            if error.invalid or not per_page:
                raise
            return self._around(kind, fields, which, page, per_page)
        found = _part(data, f"find{kind.capitalize()}s")
        return list(_part(found, f"{kind}s")), int(found.get("count") or 0)

    def _around(
        self, kind: str, fields: str, which: Mapping[str, Any], page: int, per_page: int
    ) -> tuple[list[dict[str, Any]], int]:
        """A page without the rows that Stash cannot read: asked in ever smaller pages, down to the row itself.

        Raises ``StashRefused`` if Stash does not even count, or cannot read more than ``MOST_BROKEN`` rows.
        """
        count = self._page(kind, fields, which, 1, 0)[1]
        if per_page == 1:
            self.skipped[kind] += 1
            if self.skipped[kind] > MOST_BROKEN:
                raise StashRefused(f"Stash could not read more than {MOST_BROKEN} of its {kind}s; see Stash's own log")
            return [], count
        smaller = per_page // 10 if per_page % 10 == 0 else 1
        parts = per_page // smaller
        rows: list[dict[str, Any]] = []
        for one in range((page - 1) * parts + 1, page * parts + 1):
            if (one - 1) * smaller < count:
                rows += self._page(kind, fields, which, one, smaller)[0]
        return rows, count

    def count(self, scene_filter: Mapping[str, Any]) -> int:
        """How many scenes match."""
        query = "query($scenes: SceneFilterType) { findScenes(filter: {per_page: 0}, scene_filter: $scenes) { count } }"
        return int(_part(self.ask(query, {"scenes": dict(scene_filter)}), "findScenes", "count"))

    def sample(self, n: int, seed: int = 1) -> list[Scene]:
        """Up to ``n`` scenes spread over the library: the same ones for the same ``seed`` and library."""
        if n < 1:
            return []
        query = f"query($filter: FindFilterType) {{ findScenes(filter: $filter) {{ scenes {SCENE} }} }}"
        data = self.ask(query, {"filter": {"page": 1, "per_page": n, "sort": f"random_{seed}"}})
        return [read_scene(raw) for raw in _part(data, "findScenes", "scenes")]

    def files_named(self, names: Collection[str]) -> list[tuple[int, SceneFile]]:
        """Every (scene id, file) whose base name is one of ``names`` (any letter case), in one request."""
        wanted = {name_key(name) for name in names} - {""}
        if not wanted:
            return []
        spelled = {one for name in names for one in spellings(base_name(name)) if one}
        pattern = r"(?i)[/\\](" + "|".join(sorted(map(_literal, spelled))) + ")$"
        query = (
            "query($filter: FindFilterType, $scenes: SceneFilterType) {"
            f" findScenes(filter: $filter, scene_filter: $scenes) {{ scenes {FILES} }} }}"
        )
        condition = {"path": {"value": pattern, "modifier": "MATCHES_REGEX"}}
        scenes = _part(self.ask(query, {"filter": {"per_page": -1}, "scenes": condition}), "findScenes", "scenes")
        return [(int(raw["id"]), one) for raw in scenes for one in _files(raw) if name_key(one.path) in wanted]

    def files_lasting(self, durations: Collection[float]) -> list[tuple[int, SceneFile]]:
        """Every (scene id, file) of scenes with a file that lasts about so many seconds, or an unknown time.

        ``AT_ONCE`` windows a request. A scene that Stash cannot read is left out: it must not hold up others.
        """
        found: dict[tuple[int, int], tuple[int, SceneFile]] = {}
        windows = [(-1, 0), *((one - 2, one + 2) for one in sorted({int(one) for one in durations}))]
        for start in range(0, len(windows), AT_ONCE):
            for raw in self._lasting(windows[start : start + AT_ONCE]):
                found |= {(int(raw["id"]), one.id): (int(raw["id"]), one) for one in _files(raw)}
        return list(found.values())

    def _lasting(self, windows: Sequence[tuple[int, int]]) -> Iterator[Mapping[str, Any]]:
        """The scenes with a file whose whole seconds lie in one of ``windows``."""
        tests = [{"duration": {"value": low, "value2": high, "modifier": "BETWEEN"}} for low, high in windows]
        given = ", ".join(f"$d{number}: SceneFilterType" for number in range(len(tests)))
        asked = " ".join(
            f"d{number}: findScenes(filter: {{per_page: -1}}, scene_filter: $d{number}) {{ scenes {FILES} }}"
            for number in range(len(tests))
        )
        try:
            answers = self.ask(f"query({given}) {{ {asked} }}", {f"d{number}": one for number, one in enumerate(tests)})
        except StashRefused as error:
            if error.invalid:
                raise
            for test in tests:
                for page in self.pages(test, FILES):
                    yield from page
            return
        for answer in answers.values():
            yield from _part(answer, "scenes")

    def files(self) -> Iterator[list[tuple[int, SceneFile]]]:
        """Every (scene id, file), page by page; ``skipped`` tells what Stash could not read."""
        for page in self.pages({}, FILES):
            yield [(int(raw["id"]), one) for raw in page for one in _files(raw)]

    def files_mark(self) -> tuple[str, float]:
        """A text that differs once a scene or a file came, went or changed its place, and the newest file's time.

        The time is seconds since the epoch. A Stash that knows no ``findFiles`` refuses it.
        """
        query = (
            "query($newest: FindFilterType) { findScenes(filter: {per_page: 0}) { count }"
            " findFiles(filter: $newest) { count files { updated_at } } }"
        )
        newest = {"page": 1, "per_page": 1, "sort": "updated_at", "direction": "DESC"}
        data = self.ask(query, {"newest": newest})
        scenes, files = _part(data, "findScenes", "count"), _part(data, "findFiles")
        at = "".join(str(one["updated_at"]) for one in files["files"])
        return f"{scenes} {files['count']} {at}", epoch(at)

    def tag_id(self, name: str) -> int:
        """The tag of that name in any letter case, made if there is none."""
        query = (
            "query($tags: TagFilterType) { findTags(filter: {per_page: -1}, tag_filter: $tags) { tags { id name } } }"
        )
        data = self.ask(query, {"tags": {"name": {"value": name, "modifier": "EQUALS"}}})
        # Stash's EQUALS is a LIKE: % and _ in a name match other names too.
        same = [one for one in _part(data, "findTags", "tags") if one["name"].casefold() == name.casefold()]
        if same:
            return int(max(same, key=lambda one: bool(one["name"] == name))["id"])
        made = self.ask(
            "mutation($input: TagCreateInput!) { tagCreate(input: $input) { id } }", {"input": {"name": name}}
        )
        return int(_part(made, "tagCreate", "id"))

    def add_tag(self, scene_ids: Collection[int], tag_id: int) -> None:
        """Give the tag to the scenes; one that is gone makes Stash refuse it for the up to 20 asked with it."""
        query = "mutation($input: BulkSceneUpdateInput!) { bulkSceneUpdate(input: $input) { id } }"
        ordered = [str(one) for one in sorted(set(scene_ids))]
        for start in range(0, len(ordered), TAGGED_AT_ONCE):
            tags = {"ids": [str(tag_id)], "mode": "ADD"}
            self.ask(query, {"input": {"ids": ordered[start : start + TAGGED_AT_ONCE], "tag_ids": tags}})

    def tell(self, lines: Sequence[Mapping[str, str]]) -> None:
        """Show ``lines`` in Stash's log, through the plugin's own ``log`` operation."""
        query = 'mutation($args: Map) { runPluginOperation(plugin_id: "PlexSync", args: $args) }'
        self.ask(query, {"args": {"mode": "log", "lines": list(lines)}})


def _by_id(found: Iterable[Any]) -> dict[int, Scene]:
    scenes = [read_scene(raw) for raw in found if raw]
    return {scene.id: scene for scene in scenes}


def read_scene(raw: Mapping[str, Any]) -> Scene:
    """A ``Scene`` from GraphQL's answer; absent and null mean empty."""
    return Scene(
        id=int(raw["id"]),
        title=raw.get("title") or "",
        details=raw.get("details") or "",
        date=raw.get("date") or "",
        studio=_named(raw.get("studio")),
        performers=tuple(one for one in map(_named, raw.get("performers") or ()) if one),
        tags=tuple(one for one in map(_named, raw.get("tags") or ()) if one),
        organized=bool(raw.get("organized")),
        updated_at=raw.get("updated_at") or "",
        files=tuple(_files(raw)),
        urls=tuple(raw.get("urls") or ()),
        stash_ids=tuple(StashId(s.get("endpoint") or "", s.get("stash_id") or "") for s in raw.get("stash_ids") or ()),
    )


def _named(raw: Mapping[str, Any] | None) -> Named | None:
    return Named(int(raw["id"]), raw.get("name") or "") if raw else None


def _files(raw: Mapping[str, Any]) -> Iterable[SceneFile]:
    for one in raw.get("files") or ():
        if one and one.get("path"):
            size, duration = int(one.get("size") or 0), float(one.get("duration") or 0)
            yield SceneFile(int(one.get("id") or 0), one["path"], size, duration)


def _part(data: Any, *path: str) -> Any:
    """What lies at ``path`` in an answer; raises ``StashUnavailable`` where it has another shape."""
    for key in path:
        data = data.get(key) if isinstance(data, dict) else None
        if data is None:
            raise StashUnavailable(f"Stash's answer has no {key}, so PlexSync cannot read it")
    return data


#: The kinds that catch-up compares, with what it asks of each.
KINDS = {"scene": CHANGED, "performer": NAMED, "studio": NAMED, "tag": NAMED}


def _sort(kind: str) -> str:
    """The order of a listing: names cannot be sorted by id."""
    return "id" if kind == "scene" else "name"


def _order(kind: str, page: int, per_page: int) -> dict[str, Any]:
    return {"page": page, "per_page": per_page, "sort": _sort(kind), "direction": "ASC"}


def _found(kind: str, order: str, which: str, fields: str) -> str:
    """One listing of a query."""
    title = f"{kind.capitalize()}s"
    return f"find{title}(filter: {order}, {kind}_filter: {which}) {{ count {kind}s {fields} }}"


def _after(since: str) -> dict[str, Any]:
    return {"updated_at": {"value": since, "modifier": "GREATER_THAN"}}


def _plugin_settings(data: Mapping[str, Any]) -> Mapping[str, Any]:
    plugins = (data.get("configuration") or {}).get("plugins") or {}
    saved = plugins.get("PlexSync") if isinstance(plugins, dict) else None
    return saved if isinstance(saved, dict) else {}


_SPECIAL = frozenset(r"\.+*?()|[]{}^$")


def _literal(name: str) -> str:
    """``name`` as a pattern for Go's RE2 (``re.escape`` writes escapes that it refuses)."""
    return "".join("\\" + c if c in _SPECIAL else c for c in name)


#: Stash compares times as text in its own zone, whole seconds: 14 h of zones, an hour or two of DST, and some more.
OVERLAP = 26 * 3600.0


def stash_text(at: float) -> str:
    """A time (seconds since the epoch) early enough as text for Stash to compare its own texts, of any zone, with."""
    at = max(0.0, at - OVERLAP)
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
