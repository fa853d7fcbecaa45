"""Every way a piece of work can end badly, one class each. The message is a sentence for the user.

Messages never hold a token, cookie or key; no class here knows how it is handled: ``retry.py`` decides.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any


class PlexSyncError(Exception):
    """Root of everything PlexSync raises on purpose."""


class PlexUnavailable(PlexSyncError):
    """Plex as a whole does not answer: refused, no route, DNS, connect timeout, maintenance, or a failed probe."""


class PlexBusy(PlexSyncError):
    """One request failed in a way that may pass: 500, 502-504, 429, 408, reset, read timeout, cut or unreadable body.

    ``retry_after``: seconds that Plex asked for, or None.
    """

    def __init__(self, message: str, *, status: int | None = None, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.retry_after = retry_after


class Rejected(PlexSyncError):
    """Plex refused an edit for what it says: 400, 413, 414, 422. ``fields`` names the refused fields where known."""

    def __init__(self, message: str, *, status: int, fields: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.status = status
        self.fields = tuple(fields)


class ItemGone(PlexSyncError):
    """404 on an item that was known, or the item no longer holds the scene's file."""


class NotInPlex(PlexSyncError):
    """No chosen library holds a file of the scene."""


class Invalid(PlexSyncError):
    """The scene cannot be sent as it is: it has no file, so nothing in Plex can be its."""


class LowConfidence(PlexSyncError):
    """Several items could be meant, or the evidence contradicts. ``candidates``: JSON-able, see ``matching.py``."""

    def __init__(self, message: str, candidates: Sequence[Mapping[str, Any]] = ()) -> None:
        super().__init__(message)
        self.candidates = tuple(candidates)


class SetupError(PlexSyncError):
    """Something the user must put right: token, URL, certificate, library name, a missing module. Pauses everything.

    ``code`` names the kind: ``token``, ``url``, ``certificate``, ``library``, ``proxy``, ``module``.
    """

    def __init__(self, message: str, *, code: str) -> None:
        super().__init__(message)
        self.code = code


class StashUnavailable(PlexSyncError):
    """Stash does not answer, or answers with something that is not GraphQL. ``refused``: it answered 401 or 403."""

    def __init__(self, message: str, *, refused: bool = False) -> None:
        super().__init__(message)
        self.refused = refused


class LocalError(PlexSyncError):
    """This machine: disk full, no permission, a locked or corrupt database."""
