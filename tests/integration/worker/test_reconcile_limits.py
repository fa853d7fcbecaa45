"""What catch-up leaves alone: what is older than PlexSync or a Clear queue, what is queued, and what was seen."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from plexsync.core import enqueue
from plexsync.queue import dead_letters, jobs
from plexsync.stash.queries import stash_text
from tests.support.desk import BEGIN, DAY, HOUR, Desk, desk


@pytest.fixture
def here(tmp_path: Path) -> Iterator[Desk]:
    """A desk where nothing has happened yet."""
    with desk(tmp_path) as made:
        yield made


@pytest.mark.parametrize("zone", [-12, -3.5, 0, 5.75, 14])
def test_a_fresh_install_overwrites_nothing_old(here: Desk, zone: float) -> None:
    """In any zone: what was edited before the start stays, what was edited in its very second or later is found."""
    here.stash.clock = timedelta(hours=zone)
    for seconds in (-10 * DAY, -1, 0, 1):
        here.at = BEGIN + seconds
        here.pair(f"s{seconds}")
        for kind in ("performer", "studio", "tag"):
            here.stash.store.add_entity(kind, f"n{seconds}")
    here.at = BEGIN + HOUR
    found = [f"{kind}:{number}" for kind in ("performer", "scene", "studio", "tag") for number in (3, 4)]
    assert (here.catch_up(), here.keys()) == (8, found)
    here.work()
    assert [here.title(key) for key in (102, 103)] == ["s0", "s1"]
    assert [here.plex.items[key].locked for key in (100, 101)] == [set(), set()]
    here.at += HOUR
    assert here.catch_up() == 0


@pytest.mark.parametrize("zone", [-12, 14])
@pytest.mark.parametrize("kind", ["performer", "studio", "tag"])
def test_a_window_holds_every_zone(here: Desk, zone: float, kind: str) -> None:
    """A name changed right after the last catch-up, or in its very second, is found whatever the server's zone is."""
    here.stash.clock = timedelta(hours=zone)
    first, second = (here.stash.store.add_entity(kind, name) for name in ("a", "b"))
    here.at += HOUR
    here.catch_up()
    here.work()
    here.stash._rename(kind, first, "same second", (), False)
    here.at += 1
    here.stash._rename(kind, second, "a second later", (), False)
    here.at += HOUR
    assert (here.catch_up(), here.keys()) == (2, [f"{kind}:1", f"{kind}:2"])


def test_an_hour_that_comes_twice(here: Desk) -> None:
    """When the clock falls back, later times are smaller as text: what is edited then is found all the same."""
    here.pair("one")
    tag = here.stash.add_tag("t")
    here.stash.clock = timedelta(hours=2)
    here.at += HOUR
    here.catch_up()
    here.work()
    before = here.stash.store.stamp()
    here.stash.clock = timedelta(hours=1)
    here.at += 60
    assert here.stash.store.stamp() < before
    here.stash.update_scene(1, hook=False, title="after")
    here.stash.update_tag(tag, "after", hook=False)
    assert (here.catch_up(), here.keys()) == (2, ["scene:1", "tag:1"])


@pytest.mark.parametrize("wrong", [-400 * DAY, 1500 * DAY])
def test_a_clock_that_was_wrong(here: Desk, wrong: float) -> None:
    """Edits made, and a catch-up made, while the clock was years off hide no edit, then or afterwards."""
    here.pair("one")
    here.pair("two")
    here.written("scene:1", "scene:2")
    here.catch_up()
    right = here.at
    here.at = right + wrong
    here.stash.update_scene(1, hook=False, title="under the wrong clock")
    assert (here.catch_up(), here.keys()) == (1, ["scene:1"])
    here.work()
    here.at = right + HOUR
    here.stash.update_scene(2, hook=False, title="afterwards")
    tag = here.stash.add_tag("afterwards")
    assert (here.catch_up(), here.keys()) == (2, ["scene:2", f"tag:{tag}"])
    here.work()
    assert [here.title(key) for key in (100, 101)] == ["under the wrong clock", "afterwards"]
    here.at += HOUR
    assert here.catch_up() == 0


def test_no_existing_row_is_touched(here: Desk) -> None:
    """Rows that are pending, waiting or dead stay exactly as they are, though the scene was edited without a hook."""
    for name in ("pending", "waiting", "dead"):
        here.stash.add_scene(name)
        here.hook(f"scene:{len(here.stash.scenes)}")
    conn = here.queue.conn
    conn.execute("UPDATE ack_queue_default SET waiting = 5, due = ? WHERE key = 'scene:2'", (here.at + DAY,))
    conn.execute("UPDATE ack_queue_default SET status = 9, reason = 'rejected' WHERE key = 'scene:3'")
    before = conn.execute("SELECT * FROM ack_queue_default ORDER BY key").fetchall()
    here.at += HOUR
    for number in (1, 2, 3):
        here.stash.update_scene(number, hook=False, title="edited")
    assert here.catch_up() == 0
    assert conn.execute("SELECT * FROM ack_queue_default ORDER BY key").fetchall() == before


@pytest.mark.parametrize(
    ("settings", "reason"), [({}, "low_confidence"), ({"skipUnorganized": True}, ""), ({"missingIgnore": True}, "")]
)
def test_what_ended_otherwise_stays_until_it_is_edited(here: Desk, settings: dict[str, bool], reason: str) -> None:
    """A scene whose last job died and was discarded, or was skipped, is left alone until it is edited again."""
    here.stash.configure(**settings)
    twins = 0 if settings else 2
    for number in range(twins):
        here.plex.add_item(1, file=f"/{number}/twin.mp4", size=9, duration_ms=60_000)
    here.stash.add_scene("twin", files=[("/stash/twin.mp4", 9, 60.0)])
    assert here.catch_up() == 1
    here.work()
    assert dead_letters.by_reason(here.queue.conn) == ({reason: 1} if reason else {})
    here.at += HOUR
    assert here.catch_up() == 0
    dead_letters.clear_dead(here.queue.conn)
    assert (here.catch_up(), here.keys()) == (0, [])
    here.at += HOUR
    here.stash.update_scene(1, hook=False, title="edited")
    assert here.catch_up() == 1


def test_what_clear_queue_swept_away_stays_away(here: Desk) -> None:
    """Jobs cleared by hand do not come back, not even those of edits in that very second; later edits do."""
    for name in ("seen", "edited", "moved", "later"):
        here.pair(name)
    here.written("scene:1", "scene:2", "scene:3", "scene:4")
    here.catch_up()
    here.at += HOUR
    here.stash.update_scene(2, hook=False, title="cleared")
    here.stash.scenes[3].files[0].path = "/media/elsewhere.mp4"
    here.pair("new")
    performer = here.stash.add_performer("cleared")
    assert (here.catch_up(), here.keys()) == (4, ["performer:1", "scene:2", "scene:3", "scene:5"])
    dead_letters.clear_pending(here.queue.conn, here.at + 0.5)
    here.at += HOUR
    assert (here.catch_up(), here.catch_up(), here.keys()) == (0, 0, [])
    here.stash.update_scene(4, hook=False, title="later")
    here.stash.update_scene(2, hook=False, title="later")
    here.stash.update_performer(performer, "later", hook=False)
    here.stash.scenes[3].files[0].path = "/media/again.mp4"
    assert (here.catch_up(), here.keys()) == (4, ["performer:1", "scene:2", "scene:3", "scene:4"])


def test_an_edit_in_the_second_of_the_clear_is_found(here: Desk) -> None:
    """A scene that had no job when the queue was cleared is found, though Stash's times know whole seconds only."""
    here.pair("one")
    here.at += HOUR
    dead_letters.clear_pending(here.queue.conn, here.at + 0.2)
    here.stash.update_scene(1, hook=False, title="in the same second")
    here.at += 1
    assert (here.catch_up(), here.keys()) == (1, ["scene:1"])


def test_a_time_that_cannot_be_read_hides_nothing(here: Desk) -> None:
    """A scene whose time is no time counts as changed now, once; one without any time as never."""
    here.pair("odd")
    here.pair("none")
    here.stash.scenes[1].updated_at = "yesterday"
    here.stash.scenes[1].files[0].updated_at = "2020-01-01T00:00:00Z"
    here.stash.scenes[2].updated_at = here.stash.scenes[2].files[0].updated_at = ""
    assert (here.catch_up(), here.keys()) == (1, ["scene:1"])
    here.work()
    assert here.catch_up() == 0


def test_nothing_is_repeated_while_its_job_waits(here: Desk) -> None:
    """A second catch-up makes no second job for what the first one found, nor counts it."""
    here.pair("one")
    here.stash.add_tag("t")
    assert (here.catch_up(), here.catch_up(), here.keys()) == (2, 0, ["scene:1", "tag:1"])


@pytest.mark.parametrize(("at", "text"), [(BEGIN, "2026-02-28T10:00:00Z"), (0.0, "1970-01-01T00:00:00Z")])
def test_the_windows_edge(at: float, text: str) -> None:
    """A window begins 26 hours early, so that texts of all zones from -12 to +14 hours compare rightly with it."""
    assert stash_text(at) == text
    assert jobs.FAN_OUT > enqueue.BY_HAND
