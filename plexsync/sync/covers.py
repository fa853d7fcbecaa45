"""Decide which images of an item the scene's cover becomes. Pure; shared by the writers and the preview."""

from __future__ import annotations

from collections.abc import Mapping

from plexsync.plex.client import Element
from plexsync.state.ledger import Record
from plexsync.sync.planner import Target

#: Plex's element for an upload -> the lock that protects it.
LOCKS: Mapping[Element, str] = {"posters": "thumb", "arts": "art"}


def stamp(target: Target) -> str:
    """Return what must change before the cover is fetched again: ``updated_at`` and the two switches, as text."""
    return f"{target.scene.updated_at} {int(target.desired.poster)}{int(target.desired.background)}"


def is_due(target: Target, record: Record) -> bool:
    """Return whether the cover must be fetched to find out whether it changed."""
    return (target.desired.poster or target.desired.background) and record.cover_stamp != stamp(target)


def uploads(record: Record) -> dict[str, str]:
    """Return element -> SHA-1 of the last upload, ``""`` while it is unknown whether the upload arrived."""
    return dict(part.split("=", 1) for part in record.cover.split(",") if "=" in part)


def text(uploaded: Mapping[str, str]) -> str:
    """Return ``uploaded`` as the text that ``uploads`` reads."""
    return ",".join(f"{name}={sha1}" for name, sha1 in sorted(uploaded.items()))


def elements(target: Target, record: Record, sha1: str, *, keep_plex_edits: bool) -> tuple[Element, ...]:
    """Return where to upload the image ``sha1``; with ``keep_plex_edits`` not where a person chose another image."""
    before = uploads(record)
    switches: tuple[tuple[Element, bool], ...] = (
        ("posters", target.desired.poster),
        ("arts", target.desired.background),
    )
    return tuple(
        element
        for element, on in switches
        if on
        and before.get(element) != sha1
        and not (keep_plex_edits and LOCKS[element] in target.item.locked and element not in before)
    )
