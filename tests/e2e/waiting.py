"""Waiting for other processes, and the one error that ends a run."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

#: Seconds until a step fails: a real server's scan may take a minute, and so may PlexSync's next look at Plex.
PATIENCE = 240.0


class StepError(Exception):
    """A step did not end as it should; the message is one sentence."""


def until(condition: Callable[[], T], what: str, seconds: float | None = None) -> T:
    """Return what ``condition`` returns once it is true. Raise ``StepError``."""
    end = time.monotonic() + (PATIENCE if seconds is None else seconds)
    pause = 0.05
    while not (found := condition()):
        if time.monotonic() > end:
            raise StepError(f"{what} did not happen.")
        time.sleep(pause)
        pause = min(pause * 1.3, 1.0)
    return found
