"""What catch-up leaves alone: what is older than PlexSync or a Clear queue, what is queued, and what was seen."""

from __future__ import annotations

from datetime import timedelta

import pytest

from plexsync.core import enqueue
from plexsync.queue import dead_letters, jobs
from plexsync.stash.queries import stash_text
from tests.support.in_process import DAY, HOUR, Bench
from tests.support.queue_tools import NOW


@pytest.mark.parametrize("zone", [-12, -3.5, 0, 5.75, 14])
def test_a_fresh_install_overwrites_nothing_old(bench: Bench, zone: float) -> None:
    """In any time zone: edits before the start are left, edits in that very second or later are found."""
    bench.stash.clock = timedelta(hours=zone)
    for seconds in (-10 * DAY, -1, 0, 1):
        bench.now = NOW + seconds
        bench.named(f"s{seconds}")
        for kind in ("performer", "studio", "tag"):
            bench.stash.store.add_entity(kind, f"n{seconds}")
    bench.now = NOW + HOUR
    expected = [f"{kind}:{number}" for kind in ("performer", "scene", "studio", "tag") for number in (3, 4)]
    assert (bench.catch_up(), bench.keys()) == (8, expected)
    bench.work()
    assert [bench.title(key) for key in (102, 103)] == ["s0", "s1"]
    assert [bench.plex.items[key].locked for key in (100, 101)] == [set(), set()]
    bench.now += HOUR
    assert bench.catch_up() == 0


@pytest.mark.parametrize("zone", [-12, 14])
@pytest.mark.parametrize("kind", ["performer", "studio", "tag"])
def test_a_window_holds_every_zone(bench: Bench, zone: float, kind: str) -> None:
    """A name changed right after the last catch-up, or in that second, is found whatever the server's time zone."""
    bench.stash.clock = timedelta(hours=zone)
    first, second = (bench.stash.store.add_entity(kind, name) for name in ("a", "b"))
    bench.now += HOUR
    bench.catch_up()
    bench.work()
    bench.stash._rename(kind, first, "same second", (), False)
    bench.now += 1
    bench.stash._rename(kind, second, "a second later", (), False)
    bench.now += HOUR
    assert (bench.catch_up(), bench.keys()) == (2, [f"{kind}:1", f"{kind}:2"])


def test_an_hour_that_comes_twice(bench: Bench) -> None:
    """When the clock falls back, later times are smaller as text: edits of that hour are still found."""
    bench.named("one")
    tag = bench.stash.add_tag("t")
    bench.stash.clock = timedelta(hours=2)
    bench.now += HOUR
    bench.catch_up()
    bench.work()
    before = bench.stash.store.stamp()
    bench.stash.clock = timedelta(hours=1)
    bench.now += 60
    assert bench.stash.store.stamp() < before
    bench.stash.update_scene(1, hook=False, title="after")
    bench.stash.update_tag(tag, "after", hook=False)
    assert (bench.catch_up(), bench.keys()) == (2, ["scene:1", "tag:1"])


@pytest.mark.parametrize("wrong", [-400 * DAY, 1500 * DAY])
def test_a_clock_that_was_wrong(bench: Bench, wrong: float) -> None:
    """Edits and a catch-up made while the clock was years off hide no edit, then or afterwards."""
    bench.named("one")
    bench.named("two")
    bench.written("scene:1", "scene:2")
    bench.catch_up()
    right = bench.now
    bench.now = right + wrong
    bench.stash.update_scene(1, hook=False, title="under the wrong clock")
    assert (bench.catch_up(), bench.keys()) == (1, ["scene:1"])
    bench.work()
    bench.now = right + HOUR
    bench.stash.update_scene(2, hook=False, title="afterwards")
    tag = bench.stash.add_tag("afterwards")
    assert (bench.catch_up(), bench.keys()) == (2, ["scene:2", f"tag:{tag}"])
    bench.work()
    assert [bench.title(key) for key in (100, 101)] == ["under the wrong clock", "afterwards"]
    bench.now += HOUR
    assert bench.catch_up() == 0


def test_no_existing_row_is_touched(bench: Bench) -> None:
    """Pending, waiting and dead rows stay exactly as they are, although the scene was edited without a hook."""
    for name in ("pending", "waiting", "dead"):
        bench.stash.add_scene(name)
        bench.hook(f"scene:{len(bench.stash.scenes)}")
    conn = bench.conn
    conn.execute("UPDATE ack_queue_default SET waiting = 5, due = ? WHERE key = 'scene:2'", (bench.now + DAY,))
    conn.execute("UPDATE ack_queue_default SET status = 9, reason = 'rejected' WHERE key = 'scene:3'")
    before = conn.execute("SELECT * FROM ack_queue_default ORDER BY key").fetchall()
    bench.now += HOUR
    for number in (1, 2, 3):
        bench.stash.update_scene(number, hook=False, title="edited")
    assert bench.catch_up() == 0
    assert conn.execute("SELECT * FROM ack_queue_default ORDER BY key").fetchall() == before


@pytest.mark.parametrize(
    ("settings", "reason"), [({}, "low_confidence"), ({"skipUnorganized": True}, ""), ({"missingIgnore": True}, "")]
)
def test_what_ended_otherwise_stays_until_it_is_edited(bench: Bench, settings: dict[str, bool], reason: str) -> None:
    """A scene whose last job was discarded as dead, or skipped, is left alone until it is edited again."""
    bench.stash.configure(**settings)
    twins = 0 if settings else 2
    for number in range(twins):
        bench.plex.add_item(1, file=f"/{number}/twin.mp4", size=9, duration_ms=60_000)
    bench.stash.add_scene("twin", files=[("/stash/twin.mp4", 9, 60.0)])
    assert bench.catch_up() == 1
    bench.work()
    assert dead_letters.by_reason(bench.conn) == ({reason: 1} if reason else {})
    bench.now += HOUR
    assert bench.catch_up() == 0
    dead_letters.clear_dead(bench.conn)
    assert (bench.catch_up(), bench.keys()) == (0, [])
    bench.now += HOUR
    bench.stash.update_scene(1, hook=False, title="edited")
    assert bench.catch_up() == 1


def test_what_clear_queue_swept_away_stays_away(bench: Bench) -> None:
    """Cleared jobs do not come back, not even for edits in that very second; later edits do."""
    for name in ("seen", "edited", "moved", "later"):
        bench.named(name)
    bench.written("scene:1", "scene:2", "scene:3", "scene:4")
    bench.catch_up()
    bench.now += HOUR
    bench.stash.update_scene(2, hook=False, title="cleared")
    bench.stash.scenes[3].files[0].path = "/media/elsewhere.mp4"
    bench.named("new")
    performer = bench.stash.add_performer("cleared")
    assert (bench.catch_up(), bench.keys()) == (4, ["performer:1", "scene:2", "scene:3", "scene:5"])
    dead_letters.clear_pending(bench.conn, bench.now + 0.5)
    bench.now += HOUR
    assert (bench.catch_up(), bench.catch_up(), bench.keys()) == (0, 0, [])
    bench.stash.update_scene(4, hook=False, title="later")
    bench.stash.update_scene(2, hook=False, title="later")
    bench.stash.update_performer(performer, "later", hook=False)
    bench.stash.scenes[3].files[0].path = "/media/again.mp4"
    assert (bench.catch_up(), bench.keys()) == (4, ["performer:1", "scene:2", "scene:3", "scene:4"])


def test_an_edit_in_the_second_of_the_clear_is_found(bench: Bench) -> None:
    """A scene that had no job when the queue was cleared is found, though Stash's times know whole seconds only."""
    bench.named("one")
    bench.now += HOUR
    dead_letters.clear_pending(bench.conn, bench.now + 0.2)
    bench.stash.update_scene(1, hook=False, title="in the same second")
    bench.now += 1
    assert (bench.catch_up(), bench.keys()) == (1, ["scene:1"])


def test_a_time_that_cannot_be_read_hides_nothing(bench: Bench) -> None:
    """A scene whose time cannot be read counts as changed now, once; one without a time as never."""
    bench.named("odd")
    bench.named("none")
    bench.stash.scenes[1].updated_at = "yesterday"
    bench.stash.scenes[1].files[0].updated_at = "2020-01-01T00:00:00Z"
    bench.stash.scenes[2].updated_at = bench.stash.scenes[2].files[0].updated_at = ""
    assert (bench.catch_up(), bench.keys()) == (1, ["scene:1"])
    bench.work()
    assert bench.catch_up() == 0


def test_nothing_is_repeated_while_its_job_waits(bench: Bench) -> None:
    """A second catch-up makes and counts no second job for what the first one found."""
    bench.named("one")
    bench.stash.add_tag("t")
    assert (bench.catch_up(), bench.catch_up(), bench.keys()) == (2, 0, ["scene:1", "tag:1"])


@pytest.mark.parametrize(("at", "text"), [(NOW, "2024-03-08T14:00:00Z"), (0.0, "1970-01-01T00:00:00Z")])
def test_the_windows_edge(at: float, text: str) -> None:
    """A window begins 26 hours early, so that texts of all zones from -12 to +14 hours compare rightly with it."""
    assert stash_text(at) == text
    assert jobs.FAN_OUT > enqueue.BY_HAND
