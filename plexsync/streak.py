"""Different items that Plex was too busy for, one after the other: five of them mean that Plex as a whole is away."""

from __future__ import annotations

#: Different items that answer "busy" in a row after which Plex as a whole counts as unavailable.
BUSY_IN_A_ROW = 5


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
