"""How hard Plex is worked: jobs in a batch, the pause after a write, and when failures in a row are an outage."""

from __future__ import annotations

from collections.abc import Callable

from plexsync.core.enqueue import BY_HAND
from plexsync.model.errors import PlexUnavailable
from plexsync.queue.worker_queue import Job
from plexsync.sync.work import Work

#: Seconds within which an idle Plex answers an edit; slower ones mean that its one database writer is busy.
QUICK = 0.25
#: Longest pause after a write, in seconds.
LONGEST = 2.0
#: Weight of the newest answer in the running mean.
WEIGHT = 0.3
#: Seconds that a batch should take: an edit by hand waits no longer behind bulk work.
BATCH_SECONDS = 8.0
#: Jobs in a batch: at first, at least, at most. A full read of so many items fits one request line.
FIRST, LEAST, MOST = 200, 10, 250
#: Different items that answer "busy" in a row after which Plex as a whole counts as unreachable.
BUSY_IN_A_ROW = 5


class Throttle:
    """Pace and patience over all batches of one worker.

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
        """How many jobs to lease."""
        return self._size.limit

    def begin(self) -> tuple[float, float]:
        """A batch begins; hand the result to ``end``."""
        self._began = self._clock(), self._listed()
        self._let_through = 0
        return self._began

    def end(self, began: tuple[float, float], jobs: int) -> None:
        """A batch ended that settled ``jobs``."""
        self._size.took(jobs, self._since(began))

    def lets_through(self, job: Job) -> bool:
        """Return whether this batch has time left for the job. Edits by hand always pass.

        So do the first ``LEAST``, however slow the reading was: a batch that writes nothing would only be read again.
        """
        slow = self._since(self._began) > 2 * BATCH_SECONDS
        if slow and job.priority != BY_HAND and self._let_through >= LEAST:
            return False
        self._let_through += 1
        return True

    def _since(self, began: tuple[float, float]) -> float:
        at, listed = began
        return self._clock() - at - max(0.0, self._listed() - listed)

    # -- what Plex answered

    def wrote(self, seconds: float) -> None:
        """Plex took an edit within ``seconds``: pause as long as it is slow."""
        self.answered()
        self._pace.after_write(seconds)

    def answered(self) -> None:
        """A write was accepted, or refused for what it says: nothing that failed before was an outage."""
        self._streak.ended()

    def read(self) -> None:
        """A batch's items were read."""
        self._streak.ended(reading=True)

    def busy(self, work: Work) -> None:
        """A write failed in a way that may pass. Raise ``PlexUnavailable`` at ``BUSY_IN_A_ROW`` different items."""
        failed = self._streak.failed(work.target.item.rating_key, work.job.row)
        if failed >= BUSY_IN_A_ROW:
            raise PlexUnavailable(f"Plex answers, but {failed} different items failed in a row: {work.error}")

    def busy_reading(self, job: Job, error: Exception) -> None:
        """A job's items could not be read. Raise ``PlexUnavailable`` at ``BUSY_IN_A_ROW`` different jobs."""
        failed = self._streak.failed(job.row, job.row, reading=True)
        if failed >= BUSY_IN_A_ROW:
            raise PlexUnavailable(f"Plex answers, but {failed} different items could not be read in a row: {error}")

    @property
    def failing(self) -> int:
        """How many different items failed since the last success."""
        return len(self._streak)

    @property
    def is_outage(self) -> bool:
        """Whether so many failed in a row that Plex as a whole counts as unreachable."""
        return self.failing >= BUSY_IN_A_ROW

    def refund(self) -> list[int]:
        """Return the rows of the jobs that paid an attempt for an outage, once for each attempt, and forget them."""
        return self._streak.refund()


class Pace:
    """Serial writes with a pause as long as Plex is slow: a busy Plex is left in peace, an idle one used fully."""

    def __init__(self, sleep: Callable[[float], None]) -> None:
        self._sleep = sleep
        self._mean = 0.0

    def after_write(self, seconds: float) -> None:
        """Pause after a write that Plex took ``seconds`` for."""
        self._mean += WEIGHT * (seconds - self._mean)
        pause = min(LONGEST, self._mean - QUICK)
        if pause > 0:
            self._sleep(pause)


class BatchSize:
    """How many jobs to lease; follows how long a job takes."""

    def __init__(self) -> None:
        self.limit = FIRST

    def took(self, jobs: int, seconds: float) -> None:
        """A batch of ``jobs`` took ``seconds``."""
        if jobs < LEAST or seconds <= 0:
            return
        fitting = min(MOST, jobs * BATCH_SECONDS / seconds)
        self.limit = max(LEAST, min(int(fitting), self.limit * 2))


class Streak:
    """Failures in a row, over batches. Writes and reads apart: Plex may answer reads while its database is stuck."""

    def __init__(self) -> None:
        self._items: dict[bool, set[int]] = {False: set(), True: set()}
        self._rows: dict[bool, list[int]] = {False: [], True: []}

    def ended(self, *, reading: bool = False) -> None:
        """A write (``reading``: a read) went well."""
        self._items[reading].clear()
        self._rows[reading].clear()

    def failed(self, item: int, row: int, *, reading: bool = False) -> int:
        """Note a failure for which the job ``row`` pays; return how many different items failed in a row."""
        self._items[reading].add(item)
        self._rows[reading].append(row)
        return len(self._items[reading])

    def refund(self) -> list[int]:
        """Return the rows that paid, once for each attempt, and forget them."""
        rows = sorted(self._rows[False] + self._rows[True])
        for paid in self._rows.values():
            paid.clear()
        return rows

    def __len__(self) -> int:
        return max(map(len, self._items.values()))
