"""What the page shows of the past: scenes written last, outages, and the names of scenes that have not arrived.

Standard library alone: operations read it. Times are seconds since the epoch.
"""

from __future__ import annotations

SCHEMA = """
CREATE TABLE IF NOT EXISTS recent (number INTEGER PRIMARY KEY AUTOINCREMENT, at REAL, scene_id INTEGER, title TEXT,
  rating_key INTEGER, changes TEXT, images TEXT, kind TEXT);
CREATE INDEX IF NOT EXISTS recent_scene ON recent (scene_id);
CREATE TABLE IF NOT EXISTS outage (began REAL PRIMARY KEY, ended REAL, cause TEXT, held INTEGER) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS named (scene_id INTEGER PRIMARY KEY, title TEXT, path TEXT) WITHOUT ROWID;
"""
