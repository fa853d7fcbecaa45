"""What may not stay in the data folder for long. Standard library only, and cheap enough to be asked every second."""

import os

from plexsync.core import environment


def end_sign_in(folder: str, now: float) -> None:
    """Remove a sign-in with Plex that nobody finished within ``SIGN_IN_SECONDS``: it may hold a token.

    ``now``: seconds since the epoch. A file that cannot be removed is tried again by the next call.
    """
    path = os.path.join(folder, environment.SIGN_IN)
    try:
        if abs(now - os.stat(path).st_mtime) >= environment.SIGN_IN_SECONDS:
            os.unlink(path)
    except OSError:
        return
