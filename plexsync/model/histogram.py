"""A histogram of durations, as Prometheus counts them. Pure."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from typing import Any


class Histogram:
    """Durations in seconds, counted by upper bound. ``sum``: of all of them; ``count``: how many there were."""

    __slots__ = ("_counts", "bounds", "sum")

    def __init__(self, bounds: Sequence[float]) -> None:
        self.bounds = tuple(bounds)
        self.sum = 0.0
        self._counts = [0] * (len(bounds) + 1)  # the last one: beyond every bound

    @property
    def count(self) -> int:
        """How many durations were observed."""
        return sum(self._counts)

    def observe(self, seconds: float) -> None:
        """Count one duration; one before zero, by a clock that was set back, is zero."""
        seconds = max(0.0, seconds)
        self._counts[bisect_left(self.bounds, seconds)] += 1
        self.sum += seconds

    def cumulative(self) -> Iterator[tuple[float, int]]:
        """Yield (upper bound, number of durations up to it), infinity last."""
        total = 0
        for bound, number in zip((*self.bounds, float("inf")), self._counts, strict=True):
            total += number
            yield bound, total

    def as_json(self) -> dict[str, Any]:
        """Return the stored form."""
        return {"bounds": list(self.bounds), "counts": self._counts, "sum": round(self.sum, 6)}

    def restore(self, raw: object) -> None:
        """Take over a stored form, if it has the same bounds and is whole; else stay empty."""
        known = raw if isinstance(raw, dict) else {}
        counts, total = known.get("counts"), known.get("sum")
        is_whole = isinstance(counts, list) and len(counts) == len(self._counts)
        if known.get("bounds") != list(self.bounds) or not is_whole or type(total) not in (int, float):
            return
        if all(type(number) is int and number >= 0 for number in known["counts"]):
            self._counts, self.sum = list(known["counts"]), float(known["sum"])
