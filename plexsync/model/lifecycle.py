"""What the background process does next: one vocabulary for its loop, its idle mode and the process around them."""

from __future__ import annotations

from enum import Enum


class Next(Enum):
    """``WORK``: be the worker. ``IDLE``: be the small waiter. ``RESTART``: the files changed. ``STOP``: end."""

    WORK = "work"
    IDLE = "idle"
    RESTART = "restart"
    STOP = "stop"
