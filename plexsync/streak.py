"""Different items that Plex was too busy for, one after the other: five of them mean that Plex as a whole is away."""

from __future__ import annotations


class Streak:
    """``rows``: the jobs whose attempts are to be given back when the streak turns out to be an outage."""

    def __init__(self) -> None:
        self._items: dict[int, int] = {}

    def note(self, rating_key: int, row: int, went_well: bool) -> int:
        """Note how a write to an item ended; how many different items have failed in a row."""
        if went_well:
            self._items.clear()
        else:
            self._items[rating_key] = row
        return len(self._items)

    @property
    def rows(self) -> list[int]:
        """The jobs of the items in the streak."""
        return sorted(set(self._items.values()))

    def __len__(self) -> int:
        return len(self._items)
