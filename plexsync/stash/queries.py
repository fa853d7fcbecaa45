"""The GraphQL that PlexSync sends to Stash, as text: selections, listings, filters. Standard library alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

#: What the user saved for PlexSync; ``reading.plugin_settings`` unpacks the answer.
SETTINGS = 'configuration { plugins(include: ["PlexSync"]) }'

#: All that is read of a scene; ``reading.read_scene`` makes it a value.
SCENE = (
    "{ id title details date organized updated_at urls studio { id name } performers { id name } tags { id name }"
    " stash_ids { endpoint stash_id } files { id path size duration } }"
)
#: What is read of scenes that may have a file of the same name or length.
FILES = "{ id files { id path size duration } }"
#: What reconciling compares of performers, studios and tags.
NAMED = "{ id name updated_at }"
#: Kind -> what reconciling compares of it.
KINDS = {
    "scene": "{ id updated_at files { id path updated_at } }",
    "performer": NAMED,
    "studio": NAMED,
    "tag": NAMED,
}
#: Calls one of the plugin's own operations.
RUN_OPERATION = 'mutation($args: Map) { runPluginOperation(plugin_id: "PlexSync", args: $args) }'

#: Stash compares times as text in its own zone, whole seconds: 14 h of zones, an hour or two of DST, and some more.
OVERLAP = 26 * 3600.0

_RE2_SPECIAL = frozenset(r"\.+*?()|[]{}^$")


def listing(kind: str, order: str, condition: str, selection: str) -> str:
    """Return one listing of a query; ``order`` and ``condition`` name its variables."""
    title = f"{kind.capitalize()}s"
    return f"find{title}(filter: {order}, {kind}_filter: {condition}) {{ count {kind}s {selection} }}"


def sort_key(kind: str) -> str:
    """Return what a listing is sorted by: Stash cannot sort names by id."""
    return "id" if kind == "scene" else "name"


def page_of(kind: str, page: int, per_page: int) -> dict[str, Any]:
    """Return the ``FindFilterType`` for one page of a listing."""
    return {"page": page, "per_page": per_page, "sort": sort_key(kind), "direction": "ASC"}


def updated_after(since: str) -> dict[str, Any]:
    """Return the condition for rows whose ``updated_at`` comes after the text ``since``."""
    return {"updated_at": {"value": since, "modifier": "GREATER_THAN"}}


def log_arguments(lines: Sequence[Mapping[str, str]]) -> dict[str, Any]:
    """Return the variables of ``RUN_OPERATION`` for ``lines``: each has ``level`` (d, i, w, e) and ``message``."""
    return {"args": {"mode": "log", "lines": list(lines)}}


def name_pattern(name: str) -> str:
    """Return ``name`` as a pattern for Go's RE2, which refuses escapes that ``re.escape`` writes."""
    return "".join("\\" + char if char in _RE2_SPECIAL else char for char in name)


def stash_text(at: float) -> str:
    """Return a time (seconds since the epoch) as text that is early enough whatever zone Stash's own texts are in."""
    return datetime.fromtimestamp(max(0.0, at - OVERLAP), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
