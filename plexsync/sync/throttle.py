"""How hard Plex is pushed: jobs per batch, and the pause after a write."""

from __future__ import annotations

from collections.abc import Callable

from plexsync.core.enqueue import BY_HAND
from plexsync.queue.jobs import RETRY
from plexsync.queue.worker_queue import Job

#: Seconds within which an idle Plex answers an edit; a slower answer means that its only database writer is busy.
QUICK = 0.25
#: Longest pause after a write, in seconds.
LONGEST = 2.0
#: Weight of the newest answer in the running mean.
WEIGHT = 0.3
#: Seconds that a batch should take at most: so long may an edit by hand wait behind bulk work.
BATCH_SECONDS = 8.0
#: Seconds of a batch after which what failed before is left for a later one: so long may an edit wait behind it.
RETRY_SECONDS = 2.0
#: Jobs per batch: at first, at least, at most. A full read of this many items fits one request line.
FIRST, LEAST, MOST = 200, 10, 250


class Throttle:
    """Controls pace and batch size over all batches of one worker.

    ``listed`` returns the seconds spent so far on listings that serve many batches; no batch is charged for them.
    """

    def __init__(
        self, clock: Callable[[], float], sleep: Callable[[float], None], listed: Callable[[], float] = lambda: 0.0
    ) -> None:
        self._clock = clock
        self._listed = listed
        self._pace = Pace(sleep)
        self._size = BatchSize()
        self._began = (clock(), 0.0)
        self._let_through = 0

    # -- one batch

    @property
    def batch_size(self) -> int:
        """Number of jobs to lease."""
        return self._size.limit

    def begin(self) -> tuple[float, float]:
        """Note the beginning of a batch; pass the result to ``end``."""
        self._began = self._clock(), self._listed()
        self._let_through = 0
        return self._began

    def end(self, began: tuple[float, float], jobs: int) -> None:
        """Note the end of a batch that settled ``jobs`` jobs: the next batch size follows from it."""
        self._size.took(jobs, self._since(began))

    def lets_through(self, job: Job) -> bool:
        """Return whether this batch has time left for the job. Edits by hand always pass.

        So do the first ``LEAST`` jobs, however slow reading was: a batch that wrote nothing would only be read again.
        """
        passed = self._since(self._began)
        retries = job.priority == RETRY and passed > RETRY_SECONDS and self._let_through >= 1
        if retries or (passed > 2 * BATCH_SECONDS and job.priority != BY_HAND and self._let_through >= LEAST):
            return False
        self._let_through += 1
        return True

    def _since(self, began: tuple[float, float]) -> float:
        at, listed = began
        return self._clock() - at - max(0.0, self._listed() - listed)

    # -- answers of Plex

    def wrote(self, seconds: float) -> None:
        """Note that Plex took ``seconds`` for an edit, and pause if it is slow."""
        self._pace.after_write(seconds)


class Pace:
    """Pauses between writes while Plex is slow: a busy Plex gets air, an idle one is used fully."""

    def __init__(self, sleep: Callable[[float], None]) -> None:
        self._sleep = sleep
        self._mean = 0.0

    def after_write(self, seconds: float) -> None:
        """Pause after a write for which Plex took ``seconds``."""
        self._mean += WEIGHT * (seconds - self._mean)
        pause = min(LONGEST, self._mean - QUICK)
        if pause > 0:
            self._sleep(pause)


class BatchSize:
    """The number of jobs to lease, from how long a job takes."""

    def __init__(self) -> None:
        self.limit = FIRST

    def took(self, jobs: int, seconds: float) -> None:
        """Adapt to a batch of ``jobs`` that took ``seconds``: at most double, at least ``LEAST``."""
        if jobs < LEAST or seconds <= 0:
            return
        fitting = min(MOST, jobs * BATCH_SECONDS / seconds)
        self.limit = max(LEAST, min(int(fitting), self.limit * 2))
