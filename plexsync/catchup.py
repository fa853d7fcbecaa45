"""What changed in Stash without a hook: found by comparing ``updated_at`` with what the last finished job saw.

Makes jobs only where Stash's value is different, never touches an existing row, and ignores what is older than
PlexSync's first contact and than the last Clear queue. Knows nothing of Plex.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from plexsync import jobs, letters, metadata, state
from plexsync.app import App
from plexsync.batch import file_signature
from plexsync.metadata import fingerprint

#: Stash compares times as text in its own zone, whole seconds: 14 h of zones, an hour or two of DST, and some more.
OVERLAP = 26 * 3600.0

#: Seconds between two comparisons of every written scene with what was last written.
WEEK = 7 * 86400.0


def run(app: App, conn: sqlite3.Connection) -> int:
    """Make jobs for what changed; how many. Raises ``StashUnavailable``; what was found until then is queued."""
    now = app.world.clock()
    last = jobs.get_meta(conn, "catchup")
    start = jobs.get_meta(conn, "start", now)
    since = stash_text(min(now, max(last, start)))
    floor = max(start, float(int(jobs.get_meta(conn, "cleared"))))
    made = 0
    for page in app.stash.changed("scene", since):
        made += _scenes(app, conn, page, floor, now)
    for page in app.stash.changed_files(since):
        made += _scenes(app, conn, page, floor, now)
    for kind in ("performer", "studio", "tag"):
        for page in app.stash.changed(kind, since):
            made += _named(app, conn, kind, page, floor, now)
    if now - float(state.get(app.state.conn, "weekly", start)) >= WEEK:
        made += weekly(app, conn, now)
        state.put(app.state.conn, "weekly", now)
    jobs.set_meta(conn, "catchup", now)
    return made


def _scenes(app: App, conn: sqlite3.Connection, page: Sequence[dict[str, Any]], floor: float, now: float) -> int:
    rows = {int(raw["id"]): raw for raw in page}
    seen = app.state.seen("scene", rows)
    cleared = letters.cleared_at(conn, [f"scene:{one}" for one in rows])
    different = []
    for scene_id, raw in rows.items():
        files = [(int(file["id"]), file["path"]) for file in raw.get("files") or ()]
        at = max([_epoch(raw.get("updated_at")), *(_epoch(file.get("updated_at")) for file in raw.get("files") or ())])
        before = seen.get(scene_id, ("", ""))[0]
        if at < floor or at <= cleared.get(f"scene:{scene_id}", 0.0):
            continue
        if before != file_signature(str(raw.get("updated_at") or ""), files):
            different.append(f"scene:{scene_id}")
    return jobs.add_new(conn, different, "catch-up", now, jobs.BY_HAND)


def _named(
    app: App, conn: sqlite3.Connection, kind: str, page: Sequence[dict[str, Any]], floor: float, now: float
) -> int:
    """Performers, studios or tags whose ``updated_at`` or name is another than when they were last seen."""
    rows = {int(raw["id"]): raw for raw in page}
    seen = app.state.seen(kind, rows)
    different, saw = [], []
    for number, raw in rows.items():
        mark, name = str(raw.get("updated_at") or ""), str(raw.get("name") or "")
        if seen.get(number) == (mark, name):
            continue
        saw.append((kind, number, mark, name))
        if _epoch(mark) >= floor:
            different.append(f"{kind}:{number}")
    made = jobs.add_new(conn, different, "catch-up", now, jobs.FAN_OUT)
    app.state.see(saw)
    return made


def weekly(app: App, conn: sqlite3.Connection, now: float) -> int:
    """Compare every written scene's wanted fields with what was last wished; a deleted tag touches no scene."""
    settings = app.settings
    machine = state.get(app.state.conn, "machine")
    if settings is None or not machine:
        return 0
    written = sorted(app.state.written_scenes(machine))
    made = 0
    for at in range(0, len(written), state.MANY):
        part = written[at : at + state.MANY]
        _, scenes = app.stash.batch(part)
        records = app.state.records_of(machine, part)
        different = []
        for scene_id, scene in scenes.items():
            values = metadata.wanted(scene, settings).values
            wish = {name: fingerprint(name, value) for name, value in values.items()}
            if any(dict(record.wish) != wish for record in records.get(scene_id, ()) if record.wish):
                different.append(f"scene:{scene_id}")
        different += [f"scene:{scene_id}" for scene_id in part if scene_id not in scenes]
        made += jobs.add_new(conn, different, "weekly", now, jobs.FAN_OUT)
    return made


def stash_text(at: float) -> str:
    """A time (seconds since the epoch) early enough as text for Stash to compare its own texts, of any zone, with."""
    at -= OVERLAP
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _epoch(text: object) -> float:
    """Seconds since the epoch of Stash's RFC 3339 text; the far future where it is none, so that nothing is missed."""
    if not text:
        return 0.0
    try:
        return datetime.fromisoformat(str(text)).timestamp()
    except ValueError:
        return float("inf")
