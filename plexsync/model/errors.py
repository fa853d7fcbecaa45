"""The ways in which work can fail, one class for each. The message is a sentence for the user.

Messages never contain a token, cookie or key. ``worker.retry`` decides what happens next.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

#: What a Python that was built without TLS makes of every https address.
NO_TLS = (
    "This Python has no ssl module, so https:// addresses do not work."
    " Use http://, or let Stash run a Python that has it."
)


class PlexSyncError(Exception):
    """Base class of all errors that PlexSync raises on purpose."""


class PlexUnavailable(PlexSyncError):
    """Plex as a whole is unreachable: refused, no route, DNS, connect timeout, maintenance, or a failed probe."""


class PlexBusy(PlexSyncError):
    """One request failed, perhaps temporarily: 500, 502-504, 429, 408, reset, read timeout, cut or unreadable body.

    ``retry_after``: the seconds that Plex asked to wait, or None. ``timed_out``: no answer came in time.
    """

    def __init__(
        self, message: str, *, status: int | None = None, retry_after: float | None = None, timed_out: bool = False
    ) -> None:
        super().__init__(message)
        self.status = status
        self.retry_after = retry_after
        self.timed_out = timed_out


class Rejected(PlexSyncError):
    """Plex rejected the content of an edit or image: 400, 413, 414, 422, or another status again and again.

    ``by_plex``: the reply was Plex's own, not that of a proxy. ``known``: it was rejected before, and not sent again.
    """

    def __init__(self, message: str, *, status: int, by_plex: bool = True, known: bool = False) -> None:
        super().__init__(message)
        self.status = status
        self.by_plex = by_plex
        self.known = known


class KindPaused(PlexSyncError):
    """Plex takes no request of this ``kind`` at present (``read``, ``edit``, ``upload``): no fault of the job's.

    ``tried``: the job's own request failed; otherwise it was not sent. ``cause``: Plex only asked to wait, and the kind
    is not paused.
    """

    def __init__(self, message: str, *, kind: str, tried: bool = False, cause: PlexBusy | None = None) -> None:
        super().__init__(message)
        self.kind = kind
        self.tried = tried
        self.cause = cause


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
    """The user has to correct a setting or install something; until then everything is paused.

    ``is_connection``: it is Plex's address or token.
    """

    is_connection = True


class LibraryUnknown(SetupError):
    """Plex is reached, but has no such library to sync."""

    is_connection = False


class Refused(SetupError):
    """One request was refused (401, 403, 498) or redirected, or its library is gone (404).

    An error of the setup only if a probe, or another request of that kind, is refused as well.
    """

    def __init__(self, message: str, *, status: int) -> None:
        super().__init__(message)
        self.status = status
        self.is_connection = status != 404


class PluginDisabled(PlexSyncError):
    """The user has disabled PlexSync in Stash: the worker ends, and its jobs stay."""


class StashUnavailable(PlexSyncError):
    """Stash does not answer, or not with GraphQL. ``refused``: it answered 401 or 403, or redirected to its login."""

    def __init__(self, message: str, *, refused: bool = False) -> None:
        super().__init__(message)
        self.refused = refused


class StashNeedsTls(StashUnavailable):
    """Stash is to be reached by https, and this Python has no ssl module."""


class LocalError(PlexSyncError):
    """This machine failed: a full disk, a missing permission, a locked or damaged database."""
