"""What the data folder holds for whoever talks to a server: the way to Stash, this installation's name at Plex."""

from __future__ import annotations

import os

from plexsync.core import environment


def client_id(folder: str) -> str:
    """The installation's identifier, ``""`` while there is none, or only what a power cut left of it."""
    try:
        with open(os.path.join(folder, environment.CLIENT_ID), encoding="ascii") as file:
            found = file.read(200).strip()
    except (OSError, ValueError):
        return ""
    return found if found.replace("-", "").isalnum() else ""
