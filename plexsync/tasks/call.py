"""What all tasks and operations share: the type of their arguments, the buttons' names, the progress bar."""

from __future__ import annotations

from typing import Any, Protocol

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


class ProgressBar(Protocol):
    """Stash's progress bar."""

    def progress(self, done: float) -> None:
        """Show the share that is done, 0 to 1."""
