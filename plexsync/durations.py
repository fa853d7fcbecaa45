"""The durations of the contract, in seconds, each from its environment variable or its default.

Loaded by the hook: standard library's ``os`` alone. An unusable value (text, negative, not finite) means the default.
"""

import os

DEFAULTS = {
    "PLEXSYNC_SETTLE": 2.0,
    "PLEXSYNC_RETRY_BASE": 5.0,
    "PLEXSYNC_RETRY_CAP": 300.0,
    "PLEXSYNC_MISSING_BASE": 30.0,
    "PLEXSYNC_MISSING_CAP": 3600.0,
    "PLEXSYNC_MISSING_GIVE_UP": 604800.0,
    "PLEXSYNC_BREAKER_RESET": 60.0,
    "PLEXSYNC_BREAKER_RESET_CAP": 600.0,
    "PLEXSYNC_IDLE_EXIT": 86400.0,
    "PLEXSYNC_CATCHUP": 3600.0,
    "PLEXSYNC_CONNECT_TIMEOUT": 5.0,
    "PLEXSYNC_READ_TIMEOUT": 30.0,
}


def seconds(name: str) -> float:
    """The duration ``name`` (a key of ``DEFAULTS``) in seconds; 0 means zero."""
    default = DEFAULTS[name]
    text = os.environ.get(name, "")
    if not text.strip():
        return default
    try:
        value = float(text)
    except ValueError:
        return default
    return value if 0 <= value < float("inf") else default


def timeout(name: str) -> float:
    """A timeout in seconds. 0 means zero as everywhere, but sockets take nothing below a millisecond for a timeout."""
    return max(seconds(name), 0.001)


def horizon() -> float:
    """How far off a due time can honestly be, in seconds: the longest cap, and a minute. Later is a wrong clock."""
    caps = ("PLEXSYNC_SETTLE", "PLEXSYNC_RETRY_CAP", "PLEXSYNC_MISSING_CAP", "PLEXSYNC_BREAKER_RESET_CAP")
    return max(seconds(name) for name in caps) + 60
