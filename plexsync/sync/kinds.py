"""Which kinds of request Plex takes: read items, edit one, upload an image. Each is judged apart, over one batch.

A failure is the kind's own only if nothing else of that kind passes: no other request of the batch, and not the second
opinion that the caller then asks for. Everything else is the item's. ``state.gates`` has the pauses.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass, field

from plexsync.core import environment
from plexsync.core.enqueue import BY_HAND
from plexsync.model.errors import KindPaused, PlexBusy, PlexSyncError, Rejected
from plexsync.queue.worker_queue import Job
from plexsync.state import gates
from plexsync.state.gates import Gate
from plexsync.state.meta import Meta

#: Different items failing in a row, and requests in a row without an answer in time, after which the kind is in doubt.
FAILED_IN_A_ROW, TIMED_OUT_IN_A_ROW = 5, 2


@dataclass(slots=True)
class _Span:
    """One kind within one batch.

    ``succeeded_at``: the last success, None without one. ``failed``: what failed in a row, ``rejected``: of
    these, what was for its content. ``timed_out``: of these, how
    many were not answered. ``failures``: requests that failed since the last success. ``trial``: the row that may try
    the paused kind, None until one does. ``paused``: True once the kind was paused in this batch.
    """

    succeeded_at: float | None = None
    failed: set[Hashable] = field(default_factory=set)
    rejected: set[Hashable] = field(default_factory=set)
    timed_out: int = 0
    failures: int = 0
    trial: int | None = None
    paused: bool = False


class Kinds:
    """Judges the kinds of request over the batches of one worker."""

    def __init__(self, meta: Meta, clock: Callable[[], float]) -> None:
        self._meta = meta
        self._clock = clock
        self.begin()

    def begin(self) -> None:
        """Note the beginning of a batch."""
        self._spans: dict[str, _Span] = {}

    def end(self) -> None:
        """Store when each kind last succeeded: in a later batch that shows that one item is at fault."""
        stored = self._meta.gates
        for kind, span in self._spans.items():
            if span.succeeded_at is not None:
                stored[kind] = stored.get(kind, Gate())._replace(succeeded_at=span.succeeded_at)
        self._meta.gates = stored

    # -- before a request

    def admits(self, kind: str, job: Job) -> bool:
        """Return whether a request of that kind may be sent for the job.

        While the kind is paused: one trial once it is due, and edits by hand that were not tried yet.
        """
        gate, span = self._meta.gate(kind), self._span(kind)
        if not gate.is_paused or span.trial == job.row:
            return True
        cap = environment.seconds("PLEXSYNC_BREAKER_RESET_CAP")
        if span.trial is None and not span.paused and gate.is_trial_due(self._clock(), cap):
            span.trial = job.row
            self._meta.store_gate(kind, gate._replace(trial=job.row))
            return True
        return job.priority == BY_HAND and not gate.stalled

    def is_paused(self, kind: str) -> bool:
        """Return whether the kind is paused."""
        return self._meta.gate(kind).is_paused

    def held(self, kind: str, job: Job) -> KindPaused:
        """Return the error of a job whose request was not sent."""
        why = gates.sentence(kind, self._meta.gate(kind))
        return KindPaused(f"{job.key.spoken.capitalize()} waits. {why}", kind=kind)

    # -- after a request

    def succeeded(self, kind: str) -> None:
        """Note a request that Plex took, which ends the kind's pause."""
        span, now = self._span(kind), self._clock()
        span.succeeded_at = now
        span.failed.clear()
        span.rejected.clear()
        span.timed_out = span.failures = 0
        span.paused = False
        gate = self._meta.gate(kind)
        if gate.is_paused or gate.failures:
            self._meta.store_gate(kind, gates.succeeded(gate, now))

    def failed(self, kind: str, unit: Hashable, error: Exception) -> bool:
        """Note a failed request for ``unit``; return whether it is the first in a row: then a probe must follow."""
        span = self._span(kind)
        first = not span.failed
        span.failed.add(unit)
        span.failures += 1
        if isinstance(error, Rejected):
            span.rejected.add(unit)
        if isinstance(error, PlexBusy) and error.timed_out:
            span.timed_out += 1
        return first

    def is_in_doubt(self, kind: str) -> bool:
        """Return whether so many requests failed in a row that a second opinion must decide about the kind."""
        span = self._span(kind)
        many = len(span.failed) >= FAILED_IN_A_ROW or span.timed_out >= TIMED_OUT_IN_A_ROW
        return many and self.may_ask(kind)

    def is_alone(self, kind: str) -> bool:
        """Return whether no more than one item was rejected for its content."""
        return len(self._span(kind).rejected) <= 1 and not self.is_paused(kind)

    def may_ask(self, kind: str) -> bool:
        """Return whether a second opinion may be asked for: not again and again while the kind is paused."""
        span = self._span(kind)
        return not span.paused and (span.trial is not None or not self.is_paused(kind))

    def is_witnessed(self, kind: str, job: Job) -> bool:
        """Return whether a request of that kind succeeded in this batch, or since the job was last tried."""
        span = self._span(kind)
        if span.paused:
            return False
        if span.succeeded_at is not None:
            return True
        last = self._meta.gate(kind).succeeded_at
        return job.tried_at is not None and job.tried_at < last <= self._clock()

    def pause(self, kind: str, error: PlexSyncError) -> None:
        """Pause the kind, or prolong its pause after a trial: not even the second opinion passed."""
        span, gate = self._span(kind), self._meta.gate(kind)
        if self.may_ask(kind):
            span.paused = True
            self._meta.store_gate(kind, _paused(gate, self._clock(), error, span.failures, span.timed_out > 0))

    def _span(self, kind: str) -> _Span:
        return self._spans.setdefault(kind, _Span())


def _paused(gate: Gate, now: float, error: PlexSyncError, failures: int, stalled: bool) -> Gate:
    reset, cap = environment.seconds("PLEXSYNC_BREAKER_RESET"), environment.seconds("PLEXSYNC_BREAKER_RESET_CAP")
    return gates.paused(gate, now, reset, cap, failures=max(1, failures), why=short(error), stalled=stalled)


def short(error: Exception) -> str:
    """Return the status of a failed request as text, or a few words."""
    status = getattr(error, "status", None)
    if status and not 200 <= status < 300:
        return str(status)
    return "no answer in time" if isinstance(error, PlexBusy) and error.timed_out else "no usable answer"
