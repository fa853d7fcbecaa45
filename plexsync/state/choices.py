"""The items that a person chose for scenes. Keyed by the Plex server's machineIdentifier.

Standard library alone: operations write it.
"""

from __future__ import annotations

SCHEMA = """
CREATE TABLE IF NOT EXISTS chosen (machine TEXT, scene_id INTEGER, rating_key INTEGER, at REAL,
  PRIMARY KEY (machine, scene_id)) WITHOUT ROWID;
CREATE UNIQUE INDEX IF NOT EXISTS chosen_item ON chosen (machine, rating_key);
"""
