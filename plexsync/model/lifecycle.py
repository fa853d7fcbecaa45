"""What the background process does next: one vocabulary for the loop, the idle mode and the process around them."""

from __future__ import annotations

from enum import Enum


class Next(Enum):
    """``WORK``: drain the queue. ``IDLE``: wait as a small process. ``PROBE``: check whether a pause is over.

    ``RESTART``: the plugin's files changed. ``STOP``: end. The first three are the internal commands.
    """

    WORK = "worker"
    IDLE = "idle"
    PROBE = "probe"
    RESTART = "restart"
    STOP = "stop"
