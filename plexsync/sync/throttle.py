"""How fast: a pause after each write that follows Plex's answer times, and how many jobs make a batch."""

from __future__ import annotations

from collections.abc import Callable

#: Seconds within which an idle Plex answers an edit; slower ones mean that its one database writer is busy.
QUICK = 0.25
#: Longest pause after a write, in seconds.
LONGEST = 2.0
#: Weight of the newest answer in the running mean.
WEIGHT = 0.3
#: Seconds that a batch should take, so that an edit by hand never stands long behind bulk work.
BATCH_SECONDS = 8.0
#: Jobs in a batch: at first, at least, at most. A full read of so many items fits one request line.
FIRST, LEAST, MOST = 200, 10, 250
#: Different items that answer "busy" in a row after which Plex as a whole counts as unavailable.
BUSY_IN_A_ROW = 5


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
    """Counts over batches. Writes and reads apart: Plex may answer every read while its database takes no write."""

    def __init__(self) -> None:
        self._items: dict[bool, set[int]] = {False: set(), True: set()}
        self._rows: dict[bool, list[int]] = {False: [], True: []}

    def note(self, item: int, row: int, went_well: bool, *, reading: bool = False) -> int:
        """Note how a write to an item (``reading``: the read before it) ended; how many different ones failed in a row.

        ``row``: the job that pays for it. One that goes well ends the row of its own sort.
        """
        if went_well:
            self._items[reading].clear()
            self._rows[reading].clear()
        else:
            self._items[reading].add(item)
            self._rows[reading].append(row)
        return len(self._items[reading])

    def forgiven(self) -> list[int]:
        """The jobs whose attempts are to be given back, once for each attempt: it was an outage, not they."""
        rows = sorted(self._rows[False] + self._rows[True])
        for some in self._rows.values():
            some.clear()
        return rows

    def __len__(self) -> int:
        return max(map(len, self._items.values()))
