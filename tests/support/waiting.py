"""Waiting for what another process does: by looking often, with a generous limit, never by a fixed time."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def until(condition: Callable[[], T], seconds: float = 30, what: str = "what was waited for") -> T:
    """What ``condition`` returns once it is true; ``TimeoutError`` after so many seconds."""
    end = time.monotonic() + seconds
    while not (found := condition()):
        if time.monotonic() > end:
            raise TimeoutError(f"{what} did not happen within {seconds} s")
        time.sleep(0.02)
    return found
