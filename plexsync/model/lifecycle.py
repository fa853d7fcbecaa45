"""What the background process does next: one vocabulary for its loop, its idle mode and the process around them."""

from __future__ import annotations

from enum import Enum


class Next(Enum):
    """``WORK``: be the full worker. ``IDLE``: be the small process that watches the queue. ``PROBE``: check whether a
    pause is over. ``RESTART``: the plugin's files changed. ``STOP``: end. The first three are the internal commands.
    """

    WORK = "worker"
    IDLE = "idle"
    PROBE = "probe"
    RESTART = "restart"
    STOP = "stop"
