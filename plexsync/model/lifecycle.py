"""The next step of the background process, for the loop, the idle mode and the process around them."""

from __future__ import annotations

from enum import Enum


class Next(Enum):
    """The next step.

    ``WORK``: drain the queue. ``IDLE``: wait as a small process. ``PROBE``: check whether a pause is over. ``RESTART``:
    the plugin's files have changed. ``STOP``: end. The first three are internal commands of the command line.
    """

    WORK = "worker"
    IDLE = "idle"
    PROBE = "probe"
    RESTART = "restart"
    STOP = "stop"
