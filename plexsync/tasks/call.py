"""What all tasks and operations share: the type of their arguments, the buttons' names, the progress bar."""

from __future__ import annotations

from typing import Any, Protocol

from plexsync.model.errors import PlexSyncError

Args = dict[str, Any]

#: Mode -> the name of its button in Stash.
BUTTONS = {
    "sync_all": "Sync all",
    "sync_recent": "Sync recent",
    "process_queue": "Process queue",
    "process_dlq": "Process DLQ",
    "check_setup": "Check setup",
    "preview": "Preview",
    "status": "Show status",
    "clear_dlq": "Clear DLQ",
    "clear_queue": "Clear queue",
}


#: The largest id: SQLite's and Go's largest integer has a digit more.
_DIGITS = 18


def ids_of(args: Args, what: str, hint: str) -> list[int]:
    """Return the ``ids`` of a call; numbers may be texts. Raise ``PlexSyncError`` for anything else.

    ``what``: of what they are the ids. ``hint``: where to find them, for the sentence.
    """
    raw = args.get("ids")
    if not isinstance(raw, list):
        raise PlexSyncError(f'The ids of {what}s are missing. Send them as {{"ids": [1, 2]}}; {hint}.')
    return [id_of(value, what) for value in raw]


def id_of(value: object, what: str) -> int:
    """Return an id of a call, which may be text. Raise ``PlexSyncError`` for anything else."""
    text = str(value).strip()
    if isinstance(value, bool) or not text.isascii() or not text.isdigit() or len(text) > _DIGITS:
        raise PlexSyncError(f"{text[:20]!r} cannot be the id of a {what}. Nothing was changed.")
    return int(text)


class ProgressBar(Protocol):
    """Stash's progress bar."""

    def progress(self, done: float) -> None:
        """Show the share that is done, 0 to 1."""
