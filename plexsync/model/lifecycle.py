"""What the background process does next: one vocabulary for the loop, the idle mode and the process around them."""

from __future__ import annotations

from enum import Enum


class Next(Enum):
    """``WORK``: drain the queue. ``IDLE``: wait as a small process. ``RESTART``: the files changed. ``STOP``: end."""

    WORK = "work"
    IDLE = "idle"
    RESTART = "restart"
    STOP = "stop"
