"""Everything that changes data in Stash, with the hook that the change fires or, as often, none.

Owns what bumps ``updated_at`` and what each hook is told. Must not know HTTP, nor how a process is started.
"""

from __future__ import annotations

import base64
from abc import abstractmethod
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from tests.servers.stash_hooks import HookResult
from tests.servers.stash_model import Entity, FileSpec, Scene, Store

Gone = Callable[[], bool]
_NAMES = {"studio": "studio_id", "performers": "performer_ids", "tags": "tag_ids", "cover": "cover_image"}


def _words(text: str) -> list[str]:
    return text.split()


# Keys of the input types, in the order in which Stash writes them.
_SCENE_KEYS = _words(
    "clientMutationId id title code details director url urls date rating100 o_counter organized studio_id gallery_ids "
    "performer_ids movies groups tag_ids cover_image stash_ids resume_time play_duration play_count primary_file_id"
)
_PERFORMER_KEYS = _words(
    "id name disambiguation url urls gender birthdate ethnicity country eye_color height height_cm measurements "
    "fake_tits penis_length circumcised career_length tattoos piercings aliases alias_list twitter instagram favorite "
    "tag_ids image stash_ids rating100 details death_date hair_color weight ignore_auto_tag custom_fields"
)
_STUDIO_KEYS = _words(
    "id name url urls parent_id image stash_ids rating100 favorite details aliases tag_ids ignore_auto_tag"
)


class StashEdits:
    """The edits; a mix-in for the server, which brings the store and ``run_hook``."""

    store: Store

    @abstractmethod
    def run_hook(
        self,
        type: str,
        id: int,
        input: Any = None,
        input_fields: Sequence[str] | None = None,
        kill_after: float | None = None,
        gone: Gone | None = None,
    ) -> HookResult:
        """Run the plugin for one event and wait for it."""

    @property
    def scenes(self) -> dict[int, Scene]:
        """All scenes by id; mutable."""
        return self.store.scenes

    @property
    def studios(self) -> dict[int, Entity]:
        """All studios by id; mutable."""
        return self.store.studios

    @property
    def performers(self) -> dict[int, Entity]:
        """All performers by id; mutable."""
        return self.store.performers

    @property
    def tags(self) -> dict[int, Entity]:
        """All tags by id; mutable."""
        return self.store.tags

    def add_studio(self, name: str) -> int:
        """A new studio, no hook."""
        return self.store.add_entity("studio", name)

    def add_performer(self, name: str, disambiguation: str = "") -> int:
        """A new performer, no hook."""
        number = self.store.add_entity("performer", name)
        self.store.performers[number].disambiguation = disambiguation
        return number

    def add_tag(self, name: str) -> int:
        """A new tag, no hook."""
        return self.store.add_entity("tag", name)

    def add_scene(self, title: str = "", **fields: Any) -> int:
        """A scene that was always there, no hook; fields as in ``Store.add_scene``."""
        return self.store.add_scene(title, **fields)

    def create_scene(self, title: str = "", **fields: Any) -> HookResult:
        """A scene made now (UI or scan), with its Create hook; ``.id`` is the new id."""
        return self.run_hook("Scene.Create.Post", self.store.add_scene(title, **fields))

    def update_scene(self, id: int, hook: bool = True, **changes: Any) -> HookResult:
        """Save a scene as the UI does: fields of the model by name. Without ``hook`` the result is empty."""
        given = {"id": str(id), **to_input(changes)}
        self.change_scene(id, **changes)
        if not hook:
            return HookResult(id=id)
        return self.run_hook("Scene.Update.Post", id, filled(_SCENE_KEYS, given), list(given))

    def change_scene(self, id: int, **changes: Any) -> Scene:
        """Set fields and bump ``updated_at``, no hook. ``files`` may be given as (path, bytes, seconds)."""
        scene, now = self.store.scenes[id], self.store.stamp()
        for name, value in changes.items():
            new = value
            if name == "files":
                new = [self.store.add_file(one, now) if isinstance(one, tuple) else one for one in value]
            elif name in ("performers", "tags", "urls", "stash_ids"):
                new = list(value)
            setattr(scene, name, new)
        scene.updated_at = now
        return scene

    def bulk_update(self, ids: Iterable[int], hook: bool = True, **changes: Any) -> list[HookResult]:
        """The multi-edit dialog: all saved, then one hook after the other; relations are set."""
        numbers = list(ids)
        sent = {"ids": [str(one) for one in numbers], **_bulk_input(changes)}
        for one in numbers:
            self.change_scene(one, **changes)
        return [self.run_hook("Scene.Update.Post", one, sent, list(sent)) for one in numbers] if hook else []

    def save_input(self, given: dict[str, Any], gone: Gone) -> Scene:
        """The ``sceneUpdate`` mutation."""
        scene = self.change_scene(int(given["id"]), **from_input(given))
        self.run_hook("Scene.Update.Post", scene.id, filled(_SCENE_KEYS, given), list(given), gone=gone)
        return scene

    def save_inputs(self, given: list[dict[str, Any]], gone: Gone) -> list[Scene]:
        """The ``scenesUpdate`` mutation: every hook is told the whole list."""
        scenes = [self.change_scene(int(one["id"]), **from_input(one)) for one in given]
        whole = [filled(_SCENE_KEYS, one) for one in given]
        for one in given:
            if self.run_hook("Scene.Update.Post", int(one["id"]), whole, list(one), gone=gone).killed:
                break
        return scenes

    def save_bulk(self, given: dict[str, Any], gone: Gone) -> list[Scene]:
        """The ``bulkSceneUpdate`` mutation, with its modes SET, ADD and REMOVE."""
        scenes = [self.store.scenes[int(one)] for one in given.get("ids") or ()]
        for scene in scenes:
            self.change_scene(scene.id, **_bulk_changes(scene, given))
        for scene in scenes:
            if self.run_hook("Scene.Update.Post", scene.id, given, list(given), gone=gone).killed:
                break
        return scenes

    def destroy_scene(self, id: int, hook: bool = True) -> HookResult:
        """Delete a scene (its files stay on disk), with its Destroy hook."""
        scene = self.store.scenes.pop(id)
        given = {"id": str(id), "delete_file": False, "delete_generated": None, "checksum": ""}
        given |= {"oshash": scene.files[0].oshash if scene.files else "", "path": scene.path}
        return self.run_hook("Scene.Destroy.Post", id, given) if hook else HookResult(id=id)

    def scan_rename(self, id: int, new_path: str) -> HookResult:
        """A scan finds the primary file under another path: the file's time moves, the scene's does not."""
        file = self.store.scenes[id].files[0]
        file.path, file.updated_at = new_path, self.store.stamp()
        return self.run_hook("Scene.Update.Post", id)

    def _rename(self, kind: str, id: int, name: str, keys: Sequence[str], hook: bool) -> HookResult:
        row = self.store.table(kind)[id]
        row.name, row.updated_at = name, self.store.stamp()
        given: dict[str, Any] = filled(keys, {"id": str(id), "name": name})
        if "custom_fields" in given:
            given["custom_fields"] = {"full": None, "partial": None, "remove": None}
        return self.run_hook(f"{kind.title()}.Update.Post", id, given, ["id", "name"]) if hook else HookResult(id=id)

    def update_performer(self, id: int, name: str, hook: bool = True, *, disambiguation: str = "") -> HookResult:
        """Rename a performer: its own hook; no scene is touched."""
        self.store.performers[id].disambiguation = disambiguation
        return self._rename("performer", id, name, _PERFORMER_KEYS, hook)

    def update_studio(self, id: int, name: str, hook: bool = True) -> HookResult:
        """Rename a studio: its own hook; no scene is touched."""
        return self._rename("studio", id, name, _STUDIO_KEYS, hook)

    def update_tag(self, id: int, name: str, hook: bool = True) -> HookResult:
        """Rename a tag: its own hook; no scene is touched."""
        return self._rename("tag", id, name, ("id", "name"), hook)

    def merge_tags(self, sources: Iterable[int], destination: int, hook: bool = True) -> HookResult:
        """Scenes of ``sources`` get ``destination``; the sources vanish; one Merge hook, no scene is bumped."""
        gone = set(sources)
        for scene in self.store.scenes.values():
            if gone & set(scene.tags):
                scene.tags[:] = [one for one in scene.tags if one not in gone and one != destination] + [destination]
        for one in gone:
            del self.store.tags[one]
        given = {"source": [str(one) for one in sorted(gone)], "destination": str(destination)}
        return self.run_hook("Tag.Merge.Post", destination, given) if hook else HookResult(id=destination)

    def auto_tag(self, id: int, tags: Iterable[int]) -> None:
        """The auto-tag task adds tags: bumped, no hook."""
        scene = self.store.scenes[id]
        self.change_scene(id, tags=[*scene.tags, *(one for one in tags if one not in scene.tags)])

    def merge_scenes(self, dest: int, sources: Iterable[int]) -> None:
        """Files of ``sources`` go to ``dest``, which is bumped; the sources vanish. No hook at all."""
        moved = [file for one in sources for file in self.store.scenes.pop(one).files]
        self.change_scene(dest, files=[*self.store.scenes[dest].files, *moved])

    def reassign_file(self, file_id: int, scene_id: int) -> None:
        """A file changes its scene: no hook, nothing bumped."""
        scene, file = self.store.file(file_id)
        scene.files.remove(file)
        self.store.scenes[scene_id].files.append(file)

    def generate_cover(self, id: int, data: bytes, cover_type: str = "image/jpeg") -> None:
        """A cover is generated: bumped, no hook."""
        self.change_scene(id, cover=data, cover_type=cover_type)

    def move_file(self, file_id: int, new_path: str) -> None:
        """A file is moved by Stash: its own time moves, no hook."""
        _, file = self.store.file(file_id)
        file.path, file.updated_at = new_path, self.store.stamp()

    def destroy_performer(self, id: int, hook: bool = True) -> HookResult:
        """Scenes silently lose the performer; its own hook runs, with nothing but the id."""
        return self._destroy("performer", id, hook)

    def destroy_tag(self, id: int, hook: bool = True) -> HookResult:
        """Scenes silently lose the tag; its own hook runs, with nothing but the id."""
        return self._destroy("tag", id, hook)

    def destroy_studio(self, id: int, hook: bool = True) -> HookResult:
        """Scenes silently lose the studio; its own hook runs, with nothing but the id."""
        return self._destroy("studio", id, hook)

    def _destroy(self, kind: str, id: int, hook: bool) -> HookResult:
        self.store.drop(kind, id)
        result = HookResult(id=id)
        return self.run_hook(f"{kind.capitalize()}.Destroy.Post", id, {"id": str(id)}) if hook else result

    def remove_tag(self, scene_id: int, tag_id: int) -> None:
        """One scene loses one tag silently: no hook, nothing bumped (an SQL mutation, an import)."""
        self.store.scenes[scene_id].tags.remove(tag_id)


def filled(keys: Sequence[str], given: dict[str, Any]) -> dict[str, Any]:
    """``given`` with every other key of its input type as null."""
    return {key: given.get(key) for key in keys}


def to_input(changes: dict[str, Any]) -> dict[str, Any]:
    """Model changes as the keys and values of ``SceneUpdateInput``."""
    given: dict[str, Any] = {}
    for name, value in changes.items():
        if name in ("files", "cover_type"):
            continue
        given[_NAMES.get(name, name)] = _to_input(name, value)
    return given


def _to_input(name: str, value: Any) -> Any:
    if name in ("performers", "tags"):
        return [str(one) for one in value]
    if name == "studio":
        return None if value is None else str(value)
    if name == "stash_ids":
        return [{"endpoint": endpoint, "stash_id": one, "updated_at": None} for endpoint, one in value]
    if name == "cover" and value is not None:
        return "data:image/jpeg;base64," + base64.b64encode(value).decode()
    return list(value) if name == "urls" else value


def from_input(given: dict[str, Any]) -> dict[str, Any]:
    """``SceneUpdateInput`` as model changes; a null clears."""
    changes: dict[str, Any] = {}
    for name in ("title", "code", "details", "director", "date"):
        if name in given:
            changes[name] = given[name] or ""
    for name in ("rating100", "organized"):
        if name in given:
            changes[name] = given[name]
    if "studio_id" in given:
        changes["studio"] = int(given["studio_id"]) if given["studio_id"] else None
    for name in ("performers", "tags"):
        if _NAMES[name] in given:
            changes[name] = [int(one) for one in given[_NAMES[name]] or ()]
    if "urls" in given:
        changes["urls"] = given["urls"] or []
    if "stash_ids" in given:
        changes["stash_ids"] = [(one["endpoint"], one["stash_id"]) for one in given["stash_ids"] or ()]
    if given.get("cover_image"):
        changes["cover"] = base64.b64decode(given["cover_image"].rpartition(",")[2])
    return changes


def _bulk_input(changes: dict[str, Any]) -> dict[str, Any]:
    given = to_input(changes)
    for name in ("performer_ids", "tag_ids"):
        if name in given:
            given[name] = {"ids": given[name], "mode": "SET"}
    return given


def _bulk_changes(scene: Scene, given: dict[str, Any]) -> dict[str, Any]:
    """What a bulk input means for one scene."""
    plain = {key: value for key, value in given.items() if key not in ("performer_ids", "tag_ids")}
    changes = from_input(plain)
    for name in ("performers", "tags"):
        bulk = given.get(_NAMES[name])
        if bulk:
            changes[name] = _combined(getattr(scene, name), [int(one) for one in bulk.get("ids") or ()], bulk["mode"])
    return changes


def _combined(old: list[int], ids: list[int], mode: str) -> list[int]:
    if mode == "SET":
        return ids
    if mode == "ADD":
        return [*old, *(one for one in ids if one not in old)]
    return [one for one in old if one not in ids]


__all__ = ["FileSpec", "StashEdits", "filled", "from_input", "to_input"]
