"""The ways in which work can fail, one class for each. The message is a sentence for the user.

Messages never contain a token, cookie or key. ``worker.retry`` decides what happens next.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any


class PlexSyncError(Exception):
    """Base class of all errors that PlexSync raises on purpose."""


class PlexUnavailable(PlexSyncError):
    """Plex as a whole is unreachable: refused, no route, DNS, connect timeout, maintenance, or a failed probe."""


class PlexBusy(PlexSyncError):
    """One request failed, perhaps temporarily: 500, 502-504, 429, 408, reset, read timeout, cut or unreadable body.

    ``retry_after``: the seconds that Plex asked to wait, or None.
    """

    def __init__(self, message: str, *, status: int | None = None, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.retry_after = retry_after


class Rejected(PlexSyncError):
    """Plex rejected the content of an edit: 400, 413, 414, 422."""

    def __init__(self, message: str, *, status: int) -> None:
        super().__init__(message)
        self.status = status


class ItemGone(PlexSyncError):
    """Plex answered 404 for a known item, or the item no longer has the scene's file."""


class NotInPlex(PlexSyncError):
    """None of the chosen libraries has a file of the scene."""


class Invalid(PlexSyncError):
    """The scene cannot be synced as it is: it has no file, so it cannot match anything in Plex."""


class LowConfidence(PlexSyncError):
    """Several items match, or the evidence is contradictory. ``candidates``: JSON-able (``Candidate.as_dict``)."""

    def __init__(self, message: str, candidates: Sequence[Mapping[str, Any]] = ()) -> None:
        super().__init__(message)
        self.candidates = tuple(candidates)


class SetupError(PlexSyncError):
    """The user has to correct a setting or install something; until then everything is paused."""


class PluginDisabled(PlexSyncError):
    """The user has disabled PlexSync in Stash: the worker ends, and its jobs stay."""


class StashUnavailable(PlexSyncError):
    """Stash does not answer, or not with GraphQL. ``refused``: it answered 401 or 403, or redirected to its login."""

    def __init__(self, message: str, *, refused: bool = False) -> None:
        super().__init__(message)
        self.refused = refused


class LocalError(PlexSyncError):
    """This machine failed: a full disk, a missing permission, a locked or damaged database."""
