"""Read from the data folder what Plex knows this installation by."""

from __future__ import annotations

import os

from plexsync.core import environment


def client_id(folder: str) -> str:
    """Return the installation's UUID, ``""`` where there is none yet or a power cut left only a part of it."""
    try:
        with open(os.path.join(folder, environment.CLIENT_ID), encoding="ascii") as file:
            text = file.read(200).strip()
    except (OSError, ValueError):
        return ""
    return text if text.replace("-", "").isalnum() else ""
