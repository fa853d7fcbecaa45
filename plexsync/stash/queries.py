"""The GraphQL that PlexSync sends to Stash: selections, listings, filters. Standard library only."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

#: The settings that the user saved for PlexSync; ``reading.plugin_settings`` unpacks the answer.
SETTINGS = 'configuration { plugins(include: ["PlexSync"]) }'

#: Save the settings of PlexSync, all of them.
SAVE_SETTINGS = 'mutation($input: Map!) { configurePlugin(plugin_id: "PlexSync", input: $input) }'

#: Whether Stash runs its plugins; ``reading.plugin_enabled`` finds PlexSync among them.
ENABLED = "plugins { id enabled }"

#: Everything that PlexSync reads of a scene; ``reading.read_scene`` parses it.
SCENE = (
    "{ id title details date organized updated_at urls studio { id name } performers { id name disambiguation }"
    " tags { id name } stash_ids { endpoint stash_id } files { id path size duration } }"
)
#: The files of a scene, to find files with the same name, size or duration.
FILES = "{ id files { id path size duration } }"
#: The fields of a performer, studio or tag that reconciling compares.
NAMED = "{ id name updated_at }"
#: Kind -> the fields that reconciling compares.
KINDS = {
    "scene": "{ id updated_at files { id path updated_at } }",
    "performer": NAMED,
    "studio": NAMED,
    "tag": NAMED,
}
#: Run one of PlexSync's operations.
RUN_OPERATION = 'mutation($args: Map) { runPluginOperation(plugin_id: "PlexSync", args: $args) }'

#: Seconds by which a query for recent changes reaches back. Stash compares times as text in its own time zone: up to
#: 14 h of offset, an hour or two of daylight saving, and a margin.
OVERLAP = 26 * 3600.0

_RE2_SPECIAL = frozenset(r"\.+*?()|[]{}^$")


def listing(kind: str, order: str, condition: str, selection: str) -> str:
    """Return one listing of a query; ``order`` and ``condition`` name its variables."""
    title = f"{kind.capitalize()}s"
    return f"find{title}(filter: {order}, {kind}_filter: {condition}) {{ count {kind}s {selection} }}"


def sort_key(kind: str) -> str:
    """Return the sort key of a listing: Stash can sort only scenes by id."""
    return "id" if kind == "scene" else "name"


def page_of(kind: str, page: int, per_page: int) -> dict[str, Any]:
    """Return the ``FindFilterType`` for one page of a listing."""
    return {"page": page, "per_page": per_page, "sort": sort_key(kind), "direction": "ASC"}


def updated_after(since: str) -> dict[str, Any]:
    """Return the filter for rows whose ``updated_at`` is later than the text ``since``."""
    return {"updated_at": {"value": since, "modifier": "GREATER_THAN"}}


def entities(kind: str, ids: Sequence[int]) -> str:
    """Return the query for performers, studios or tags by id: one field each, so that a deleted one is only null."""
    title = kind.capitalize()
    fields = " ".join(f'e{number}: find{title}(id: "{number}") {NAMED}' for number in ids)
    return f"query {{ {fields} }}"


def log_arguments(lines: Sequence[Mapping[str, str]]) -> dict[str, Any]:
    """Return the variables of ``RUN_OPERATION`` for ``lines``: each has ``level`` (d, i, w, e) and ``message``."""
    return {"args": {"mode": "log", "lines": list(lines)}}


def name_pattern(name: str) -> str:
    """Return ``name`` as a pattern for Go's RE2, which rejects some of the escapes that ``re.escape`` writes."""
    return "".join("\\" + char if char in _RE2_SPECIAL else char for char in name)


def stash_text(at: float) -> str:
    """Return a time (seconds since the epoch) as text for Stash, early enough whatever time zone Stash uses."""
    return datetime.fromtimestamp(max(0.0, at - OVERLAP), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
