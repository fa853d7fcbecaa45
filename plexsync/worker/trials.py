"""Pauses of one kind of request: when the next one is tried and by which job, and what happens when they end."""

from __future__ import annotations

from plexsync.app import App
from plexsync.core import environment
from plexsync.queue.worker_queue import JobQueue
from plexsync.state import gates
from plexsync.state.gates import EDIT, LIST, READ, UPLOAD, Gate

#: Kind -> what Plex does again, for the log.
_AGAIN = {EDIT: "Plex takes edits again", READ: "Plex shows its items again", UPLOAD: "Plex takes images again"}


class Trials:
    """Watches the paused kinds of one worker."""

    def __init__(self, app: App, queue: JobQueue) -> None:
        self._app = app
        self._queue = queue
        self._known = self._paused()

    def make_due(self, now: float) -> bool:
        """Make one held job due for each kind whose trial is due; return whether libraries must be listed for theirs.

        A kind for which no job is held back has nobody to try it, and counts as open.
        """
        must_list = False
        for kind, gate in self._due(now).items():
            if kind.startswith(LIST):
                must_list = True
            elif not self._queue.wake_trial(kind, gate.trial):
                self._drop(kind)
        self.note_changes()
        return must_list

    def drop_stale(self, now: float) -> None:
        """Drop libraries whose trial is still due after all were listed: they are not listed any more."""
        for kind in self._due(now):
            if kind.startswith(LIST):
                self._drop(kind)
        self.note_changes()

    def note_changes(self) -> None:
        """Log which kinds paused or resumed, and make the jobs due that waited for the latter."""
        before, self._known = self._known, self._paused()
        for kind, gate in self._known.items():
            was_told = kind in before and before[kind].is_told(kind)
            if gate.is_told(kind) and not was_told:
                self._app.log.warning(f"paused: {gates.sentence(kind, gate)}")
        for kind, gate in before.items():
            if kind in self._known:
                continue
            if kind.startswith(LIST):
                self._queue.wake_all_waiting()
            else:
                self._queue.wake_held(kind)
            if gate.is_told(kind):
                again = _AGAIN.get(kind, f'Plex lists the library "{gate.title}" again')
                self._app.log.summary(f"resumed: {again}")

    def _paused(self) -> dict[str, Gate]:
        return {kind: gate for kind, gate in self._app.state.meta.gates.items() if gate.is_paused}

    def _due(self, now: float) -> dict[str, Gate]:
        cap = environment.seconds("PLEXSYNC_BREAKER_RESET_CAP")
        return {kind: gate for kind, gate in self._paused().items() if gate.is_trial_due(now, cap)}

    def _drop(self, kind: str) -> None:
        self._app.state.meta.store_gate(kind, None)
