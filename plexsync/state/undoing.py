"""The items that are to be put back as they were before PlexSync. Keyed by the Plex server's machineIdentifier.

The mark here is the truth, the job in ``queue.db`` only its wake-up. Standard library alone: operations write it.
"""

from __future__ import annotations

SCHEMA = """
CREATE TABLE IF NOT EXISTS undoing (machine TEXT, rating_key INTEGER, at REAL, PRIMARY KEY (machine, rating_key))
  WITHOUT ROWID;
"""
