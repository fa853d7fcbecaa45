"""Different items that Plex was too busy for, one after the other: five of them mean that Plex as a whole is away."""

from __future__ import annotations

#: Different items that answer "busy" in a row after which Plex as a whole counts as unavailable.
BUSY_IN_A_ROW = 5


class Streak:
    """Counts over batches; one write that goes well ends it."""

    def __init__(self) -> None:
        self._items: set[int] = set()
        self._rows: set[int] = set()

    def note(self, rating_key: int, row: int, went_well: bool) -> int:
        """Note how a write to an item ended; how many different items have failed in a row."""
        if went_well:
            self._items.clear()
            self._rows.clear()
        else:
            self._items.add(rating_key)
            self._rows.add(row)
        return len(self._items)

    def forgiven(self) -> list[int]:
        """The jobs whose attempts are to be given back, each once: it was an outage, not they."""
        rows, self._rows = sorted(self._rows), set()
        return rows

    def __len__(self) -> int:
        return len(self._items)
