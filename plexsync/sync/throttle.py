"""How hard Plex is pushed: jobs per batch, the pause after a write, and when failures in a row are an outage."""

from __future__ import annotations

from collections.abc import Callable

from plexsync.core.enqueue import BY_HAND
from plexsync.model.errors import PlexUnavailable
from plexsync.queue.worker_queue import Job
from plexsync.sync.work import Work

#: Seconds within which an idle Plex answers an edit; a slower answer means that its only database writer is busy.
QUICK = 0.25
#: Longest pause after a write, in seconds.
LONGEST = 2.0
#: Weight of the newest answer in the running mean.
WEIGHT = 0.3
#: Seconds that a batch should take at most: so long may an edit by hand wait behind bulk work.
BATCH_SECONDS = 8.0
#: Jobs per batch: at first, at least, at most. A full read of this many items fits one request line.
FIRST, LEAST, MOST = 200, 10, 250
#: Number of different items failing as busy in a row at which Plex as a whole counts as unreachable.
BUSY_IN_A_ROW = 5


class Throttle:
    """Controls pace and batch size over all batches of one worker, and recognises outages.

    ``listed`` returns the seconds spent so far on listings that serve many batches; no batch is charged for them.
    """

    def __init__(
        self, clock: Callable[[], float], sleep: Callable[[float], None], listed: Callable[[], float] = lambda: 0.0
    ) -> None:
        self._clock = clock
        self._listed = listed
        self._pace = Pace(sleep)
        self._size = BatchSize()
        self._streak = Streak()
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
        slow = self._since(self._began) > 2 * BATCH_SECONDS
        if slow and job.priority != BY_HAND and self._let_through >= LEAST:
            return False
        self._let_through += 1
        return True

    def _since(self, began: tuple[float, float]) -> float:
        at, listed = began
        return self._clock() - at - max(0.0, self._listed() - listed)

    # -- answers of Plex

    def wrote(self, seconds: float) -> None:
        """Note that Plex took ``seconds`` for an edit, and pause if it is slow."""
        self.answered()
        self._pace.after_write(seconds)

    def answered(self) -> None:
        """Note that a write was accepted, or rejected for its content: the failures before it were no outage."""
        self._streak.ended()

    def read(self) -> None:
        """Note that a batch's items were read."""
        self._streak.ended(reading=True)

    def busy(self, work: Work) -> None:
        """Note a write that failed as busy. Raise ``PlexUnavailable`` at ``BUSY_IN_A_ROW`` different items in a row."""
        failed = self._streak.failed(work.target.item.rating_key, work.job.row)
        if failed >= BUSY_IN_A_ROW:
            raise PlexUnavailable(f"Plex answers, but {failed} different items failed in a row: {work.error}")

    def busy_reading(self, job: Job, error: Exception) -> None:
        """Note a job whose items could not be read. Raise ``PlexUnavailable`` at ``BUSY_IN_A_ROW`` in a row."""
        failed = self._streak.failed(job.row, job.row, reading=True)
        if failed >= BUSY_IN_A_ROW:
            raise PlexUnavailable(f"Plex answers, but {failed} different items could not be read in a row: {error}")

    @property
    def failing(self) -> int:
        """Number of different items that failed since the last success."""
        return len(self._streak)

    @property
    def is_outage(self) -> bool:
        """True if so many items failed in a row that Plex as a whole counts as unreachable."""
        return self.failing >= BUSY_IN_A_ROW

    def refund(self) -> list[int]:
        """Return the rows of the jobs that an outage cost attempts, once per attempt, and forget them."""
        return self._streak.refund()


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


class Streak:
    """Failures in a row, across batches; separate for writes and reads: Plex may read while its database is stuck."""

    def __init__(self) -> None:
        self._items: dict[bool, set[int]] = {False: set(), True: set()}
        self._rows: dict[bool, list[int]] = {False: [], True: []}

    def ended(self, *, reading: bool = False) -> None:
        """Note a write (``reading``: a read) that succeeded."""
        self._items[reading].clear()
        self._rows[reading].clear()

    def failed(self, item: int, row: int, *, reading: bool = False) -> int:
        """Note a failure that costs the job ``row`` an attempt; return how many different items failed in a row."""
        self._items[reading].add(item)
        self._rows[reading].append(row)
        return len(self._items[reading])

    def refund(self) -> list[int]:
        """Return the rows that lost attempts, once per attempt, and forget them."""
        rows = sorted(self._rows[False] + self._rows[True])
        for paid in self._rows.values():
            paid.clear()
        return rows

    def __len__(self) -> int:
        return max(map(len, self._items.values()))
