"""Parse Stash's answers into the values of ``model``. Standard library only."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from plexsync.model.errors import StashUnavailable
from plexsync.model.scene import Named, Performer, Scene, SceneFile, StashId


def read_scene(raw: Mapping[str, Any]) -> Scene:
    """Return the ``Scene`` in an answer to ``queries.SCENE``; absent and null mean empty."""
    return Scene(
        id=int(raw["id"]),
        title=raw.get("title") or "",
        details=raw.get("details") or "",
        date=raw.get("date") or "",
        studio=_named(raw.get("studio")),
        performers=tuple(_performer(performer) for performer in raw.get("performers") or () if performer),
        tags=tuple(tag for tag in map(_named, raw.get("tags") or ()) if tag),
        organized=bool(raw.get("organized")),
        updated_at=raw.get("updated_at") or "",
        files=tuple(read_files(raw)),
        urls=tuple(raw.get("urls") or ()),
        stash_ids=tuple(StashId(s.get("endpoint") or "", s.get("stash_id") or "") for s in raw.get("stash_ids") or ()),
    )


def _named(raw: Mapping[str, Any] | None) -> Named | None:
    return Named(int(raw["id"]), raw.get("name") or "") if raw else None


def _performer(raw: Mapping[str, Any]) -> Performer:
    return Performer(int(raw["id"]), raw.get("name") or "", raw.get("disambiguation") or "")


def read_files(raw: Mapping[str, Any]) -> Iterable[SceneFile]:
    """Yield the files of a scene that have a path."""
    for file in raw.get("files") or ():
        if file and file.get("path"):
            size, duration = int(file.get("size") or 0), float(file.get("duration") or 0)
            yield SceneFile(int(file.get("id") or 0), file["path"], size, duration)


def scene_files(rows: Iterable[Mapping[str, Any]]) -> list[tuple[int, SceneFile]]:
    """Return every (scene id, file) in an answer to ``queries.FILES``."""
    return [(int(raw["id"]), file) for raw in rows for file in read_files(raw)]


def part(data: Any, *path: str) -> Any:
    """Return the value at ``path`` in an answer. Raise ``StashUnavailable`` where the answer has another shape."""
    for key in path:
        data = data.get(key) if isinstance(data, dict) else None
        if data is None:
            raise StashUnavailable(f"PlexSync cannot read Stash's answer: {key} is missing")
    return data


def plugin_enabled(data: Mapping[str, Any]) -> bool | None:
    """Return whether PlexSync is enabled in Stash; None where the answer does not list it."""
    plugins = [plugin for plugin in data.get("plugins") or () if plugin.get("id") == "PlexSync"]
    return bool(plugins[0].get("enabled", True)) if plugins else None


def plugin_settings(data: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Return the settings saved for PlexSync, ``{}`` if there are none; None where the answer has no plugins."""
    configuration = data.get("configuration")
    plugins = configuration.get("plugins") if isinstance(configuration, dict) else None
    if not isinstance(plugins, dict):
        return None
    saved = plugins.get("PlexSync")
    return saved if isinstance(saved, dict) else {}
