"""The rules of the queue once more, in plain Python, for the state machine to compare the database with."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

PENDING, LEASED, DEAD = 1, 2, 9


@dataclass
class Row:
    """What is known of one key. ``edited``: since it was leased."""

    due: float
    priority: int
    state: int = PENDING
    attempts: int = 0
    rescues: int = 0
    waiting: float | None = None
    bulk: bool = False
    task_id: str | None = None
    reason: str | None = None
    edited: bool = False

    def anew(self) -> None:
        """Reset what an edit resets."""
        self.attempts = self.rescues = 0
        self.waiting = self.reason = None

    def ready(self, due: float) -> None:
        """Make the row pending."""
        self.state, self.due, self.edited = PENDING, due, False

    def die(self, reason: str) -> None:
        """Make the row a dead letter of no task."""
        self.state, self.reason, self.bulk, self.task_id, self.waiting = DEAD, reason, False, None, None
        self.edited = False


@dataclass
class Model:
    """The rows by key, and when keys were cleared."""

    rows: dict[str, Row] = field(default_factory=dict)
    cleared: dict[str, float] = field(default_factory=dict)

    def where(self, state: int) -> list[str]:
        """Return the keys in this state, sorted."""
        return sorted(key for key, row in self.rows.items() if row.state == state)

    def edit(self, key: str, due: float, priority: int) -> None:
        """An edit brings a pending row forward, revives a dead one, and of a leased one raises the generation."""
        row = self.rows.setdefault(key, Row(due, priority))
        if row.state == PENDING:
            row.due, row.priority = min(row.due, due), min(row.priority, priority)
        elif row.state == DEAD:
            row.ready(due)
            row.priority = priority
        else:
            row.edited, row.priority = True, min(row.priority, priority)
        row.anew()
        row.bulk = False

    def mark(self, key: str, name: str, now: float) -> None:
        """A new row is the task's bulk; a dead letter that is retried never is."""
        if key not in self.rows:
            self.rows[key] = Row(now, 2, bulk=True)
        row = self.rows[key]
        if row.state == DEAD:
            row.ready(now)
            row.priority, row.bulk = 2, False
        elif row.state == PENDING:
            row.due, row.priority = min(row.due, now), min(row.priority, 2)
        else:
            row.edited, row.priority = True, min(row.priority, 2)
        row.anew()
        row.task_id = name

    def is_due(self, key: str, now: float, horizon: float) -> bool:
        """Return whether a pending row is due: a time further off than the horizon was set by a wrong clock."""
        row = self.rows[key]
        return row.state == PENDING and not now < row.due <= now + horizon

    def settle(self, key: str, to: str, now: float, due: float, attempts: int, reason: str | None) -> None:
        """Carry out a settlement, unless the row was edited since it was leased: then it is pending and due."""
        row = self.rows[key]
        if row.edited:
            row.ready(row.due)
            row.anew()
        elif to == "done":
            del self.rows[key]
        elif to == "dead":
            row.die(str(reason))
            row.attempts, row.rescues = attempts, 0
        elif to == "release":
            row.ready(row.due)
        else:
            row.ready(due)
            row.attempts, row.rescues, row.reason = attempts, 0, reason
            row.priority = max(row.priority, 3 if to == "later" else 0)
            row.waiting = now if to == "waiting" else None

    def rescue(self) -> None:
        """Make what a dead worker had leased pending, or dead the fifth time."""
        for key in self.where(LEASED):
            row = self.rows[key]
            row.rescues += 1
            row.ready(row.due)
            if row.rescues >= 5:
                row.die("retries_exhausted")

    def revive(self, keys: Iterable[str], now: float, task_id: str | None = None) -> None:
        """Retry dead letters with a clean slate."""
        for key in keys:
            row = self.rows[key]
            row.ready(now)
            row.anew()
            row.priority, row.task_id, row.bulk, row.reason = 1, task_id, False, "retry"

    def wake(self, keys: Iterable[str], now: float) -> int:
        """Plex gained a file: make waiting rows due and unsure ones pending; return how many rows changed."""
        changed = 0
        for key in keys:
            row = self.rows.get(key)
            if row and row.state == PENDING and row.waiting is not None and row.due > now:
                row.due = now
                changed += 1
            elif row and row.state == DEAD and row.reason == "low_confidence":
                row.ready(now)
                row.priority, row.task_id, row.reason = 1, None, None
                changed += 1
        return changed

    def drop(self, alive: str) -> int:
        """Drop the bulk rows of stopped tasks; return how many."""
        gone = [key for key in self.where(PENDING) if self.rows[key].bulk and self.rows[key].task_id != alive]
        for key in gone:
            del self.rows[key]
        return len(gone)
