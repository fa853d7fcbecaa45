"""The index of Plex's files in a real SQLite file, filled from a Plex on real sockets."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from plexsync.model.errors import PlexBusy, SetupError
from plexsync.plex.client import Body, PlexClient
from plexsync.plex.index import INDEXES, PAUSE, SOONER, SWEEP, SWEEP_AGAIN, Library
from plexsync.state.ledger import open_state
from tests.servers.plex import PlexServer

START = 1_700_000_000


def indexes(conn: sqlite3.Connection) -> set[str]:
    """Return the indexes of the table of files."""
    return {
        name for (name,) in conn.execute("SELECT name FROM sqlite_master WHERE type = 'index' AND tbl_name = 'part'")
    }


class Clock:
    """A time that only the test changes."""

    def __init__(self) -> None:
        self.now = float(START)

    def __call__(self) -> float:
        """Return the seconds since the epoch."""
        return self.now


@pytest.fixture
def clock() -> Clock:
    """Return our time, which is Plex's too."""
    return Clock()


@pytest.fixture
def server(clock: Clock) -> Iterator[PlexServer]:
    """Start a Plex with two movie libraries and another one, and three items in the first."""
    with PlexServer() as running:
        running.model.clock = clock
        running.add_section("Scenes", key=5)
        running.add_section("Series", key=6, type="show")
        running.add_section("More", key=7)
        for key in (1, 2, 3):
            running.add_item(5, f"/m/File {key}.mp4", size=key * 10, duration_ms=1000, rating_key=key)
        yield running


@pytest.fixture
def conn(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    """Open a state database."""
    made = open_state(str(tmp_path))
    yield made
    made.close()


@pytest.fixture
def library(server: PlexServer, conn: sqlite3.Connection, clock: Clock) -> Library:
    """Return an empty index."""
    return again(server, conn, clock)


def again(server: PlexServer, conn: sqlite3.Connection, clock: Clock, machine: str = "m") -> Library:
    """Return the index of a new process, on the same database."""
    return Library(conn, PlexClient(server.url, server.token, client_id="c"), machine, clock)


def paths(library: Library, *names: str) -> set[str]:
    """Return the paths found for file names."""
    return {part.path for found in library.by_name(names).values() for part in found}


def test_first_listing_then_silence(server: PlexServer, library: Library) -> None:
    """The first refresh lists everything; the next is one request while no clock changes."""
    assert not library.complete
    result = library.refresh()
    assert (result.complete, result.filled, result.gained) == (True, True, frozenset())
    assert [section.title for section in result.sections] == ["Scenes", "More"]
    assert library.counts() == {"Scenes": 3, "More": 0}
    server.clear_log()
    result = library.refresh()
    assert (result.complete, result.filled, result.gained) == (True, False, frozenset())
    assert server.count() == 1


def test_look_ups(library: Library) -> None:
    """Files are found by folded name, by size and by item, also more than fit one statement."""
    library.refresh()
    assert paths(library, "file 2.mp4", "none") == {"/m/File 2.mp4"}
    assert {size: [part.rating_key for part in found] for size, found in library.by_size([30, 31]).items()} == {30: [3]}
    (part,) = library.by_item([1])[1]
    assert (part.path, part.size, part.duration, part.section) == ("/m/File 1.mp4", 10, 1.0, 5)
    assert set(library.by_item(range(5000))) == {1, 2, 3}
    assert library.by_name([]) == {}


def test_new_file_comes_by_delta(server: PlexServer, library: Library, clock: Clock) -> None:
    """A changed clock costs two small requests, and new files are reported by name and size."""
    library.refresh()
    clock.now += 600
    server.add_item(5, "/m/Fresh.MP4", size=77, rating_key=50)
    server.clear_log()
    result = library.refresh()
    assert result.gained == {("fresh.mp4", 77)}
    assert server.count() == 3
    assert paths(library, "fresh.mp4") == {"/m/Fresh.MP4"}
    assert not library.refresh().gained


def test_our_own_edits_gain_nothing(server: PlexServer, library: Library, clock: Clock) -> None:
    """An edited item is in the delta, but is no new file."""
    library.refresh()
    clock.now += 600
    server.edit_item(2, title="Edited")
    assert not library.refresh().gained


def test_moved_file_replaces_the_old_row(server: PlexServer, library: Library, clock: Clock) -> None:
    """An item whose file moved is found only by its new name."""
    library.refresh()
    clock.now += 600
    server.move_item(2, file="/m/Renamed.mp4")
    assert library.refresh().gained == {("renamed.mp4", 20)}
    assert paths(library, "file 2.mp4", "renamed.mp4") == {"/m/Renamed.mp4"}


def test_deletions_are_found_by_the_daily_sweep(server: PlexServer, library: Library, clock: Clock) -> None:
    """What Plex has deleted stays in the index until the daily sweep."""
    library.refresh()
    server.remove_item(2)
    clock.now += 600
    library.refresh()
    assert paths(library, "file 2.mp4")
    clock.now += SWEEP
    assert not library.refresh().gained
    assert not paths(library, "file 2.mp4")
    assert paths(library, "file 1.mp4", "file 3.mp4") == {"/m/File 1.mp4", "/m/File 3.mp4"}


def test_a_clock_set_back_sweeps_rather_than_waits(server: PlexServer, library: Library, clock: Clock) -> None:
    """A last sweep in the future means a wrong clock, so a sweep follows at once."""
    library.refresh()
    server.remove_item(2)
    clock.now -= 10 * SWEEP
    library.refresh()
    assert not paths(library, "file 2.mp4")


def test_missing_asks_for_a_delta_without_a_listing(server: PlexServer, library: Library, clock: Clock) -> None:
    """A missing file makes the index read new rows without a changed clock, but not within half a minute again."""
    library.refresh()
    clock.now += 600
    item = server.add_item(5, "/m/late.mp4", size=5, rating_key=60)
    library.refresh()
    library.forget(item.rating_key)
    clock.now += PAUSE
    server.clear_log()
    assert library.refresh(("Scenes",), missing=True).gained == {("late.mp4", 5)}
    assert server.count() == 3
    server.clear_log()
    clock.now += PAUSE - 1
    library.refresh(("Scenes",), missing=True)
    assert server.count() == 1


def test_forgotten_item_is_indexed_again(server: PlexServer, library: Library, clock: Clock) -> None:
    """A forgotten item is dropped at once, and is back when Plex reports a change of it."""
    library.refresh()
    library.forget(1)
    assert library.by_item([1]) == {}
    clock.now += 600
    server.edit_item(1, title="x")
    library.refresh()
    assert set(library.by_item([1])) == {1}


def test_chosen_libraries_alone_count(server: PlexServer, library: Library) -> None:
    """Look-ups see only the chosen libraries; names ignore case; an unknown name is an error."""
    server.add_item(7, "/n/File 1.mp4", rating_key=70)
    library.refresh(())
    assert len(library.by_name(["file 1.mp4"])["file 1.mp4"]) == 2
    library.refresh((" more ",))
    assert paths(library, "file 1.mp4") == {"/n/File 1.mp4"}
    assert library.counts() == {"More": 1}
    with pytest.raises(SetupError, match='"Scenes", "More"'):
        library.refresh(("Scenes", "Sceness"))


def test_interrupted_filling_is_not_complete(server: PlexServer, conn: sqlite3.Connection, clock: Clock) -> None:
    """A first listing that breaks off keeps its rows and stays incomplete, for the next process too."""
    for key in range(100, 2200):
        server.add_item(5, f"/m/{key}.mp4", rating_key=key)
    server.fault("reset", query=r"sort=id")
    library = again(server, conn, clock)
    assert not library.refresh().complete
    assert library.unlisted == {5: "Scenes", 7: "More"}
    clock.now += PAUSE
    server.clear_faults()
    pages = 0

    def after_first_page(*_: object) -> None:
        nonlocal pages
        pages += 1
        if pages == 1:
            server.fault("reset", path="/all$")

    conn.set_trace_callback(lambda statement: after_first_page() if statement == "COMMIT" else None)
    library.refresh()
    conn.set_trace_callback(None)
    server.clear_faults()
    clock.now += 60
    second = again(server, conn, clock)
    assert not second.complete
    assert sum(second.counts().values()) == 1000
    clock.now += 2 * PAUSE
    result = second.refresh()
    assert (result.complete, result.filled) == (True, True)
    assert second.counts()["Scenes"] == 2103


def test_sweep_during_a_removal_is_repeated(server: PlexServer, library: Library, clock: Clock) -> None:
    """A sweep during which the library changed drops nothing, and is repeated within the hour."""
    for key in range(100, 2200):
        server.add_item(5, f"/m/{key}.mp4", rating_key=key)
    library.refresh()
    clock.now += SWEEP
    original, calls = library._client.stream, []

    def stream(*args: object) -> object:
        calls.append(args)
        if len(calls) == 2:
            server.remove_item(100)
        return original(*args)  # type: ignore[arg-type]

    library._client.stream = stream  # type: ignore[method-assign, assignment]
    assert library.refresh(("Scenes",)).complete
    assert len(library.by_item(range(100, 2200))) == 2100
    library._client.stream = original  # type: ignore[method-assign]
    clock.now += 3600
    library.refresh(("Scenes",))
    assert library.by_item([100]) == {}
    assert len(library.by_item(range(101, 2200))) == 2099


def test_servers_do_not_mix(server: PlexServer, conn: sqlite3.Connection, clock: Clock) -> None:
    """Rows belong to one machineIdentifier: another server gets none of them."""
    again(server, conn, clock, "one").refresh()
    other = again(server, conn, clock, "two")
    assert other.by_name(["file 1.mp4"]) == {}
    assert other.counts() == {}
    other.forget(1)
    assert set(again(server, conn, clock, "one").by_item([1])) == {1}


@pytest.mark.parametrize(("platform", "folds"), [("Linux", False), ("Windows", True), ("MacOSX", True)])
def test_case_folding_follows_the_platform(server: PlexServer, library: Library, platform: str, folds: bool) -> None:
    """Names that differ in case are one name where the server's platform says so."""
    server.platform = platform
    assert library.fold_case is folds


def test_restored_from_trash_is_news(server: PlexServer, library: Library, clock: Clock) -> None:
    """A file that leaves Plex's trash counts as new, because it can be matched again."""
    server.edit_item(1, deleted_at=START)
    library.refresh()
    assert library.by_item([1])[1][0].trashed
    clock.now += 600
    server.edit_item(2, deleted_at=START)
    assert not library.refresh().gained
    clock.now += 600
    server.edit_item(1, deleted_at=None)
    assert library.refresh().gained == {("file 1.mp4", 10)}


def test_a_delta_that_shifted_is_repeated(server: PlexServer, library: Library, clock: Clock) -> None:
    """A delta during which rows disappeared keeps the old clock, so the next refresh repeats it."""
    library.refresh()
    clock.now += 600
    for key in range(100, 1200):
        server.add_item(5, f"/m/{key}.mp4", rating_key=key)
    clock.now += 600
    original, calls = library._client.stream, []

    def stream(*args: object) -> object:
        calls.append(args)
        if len(calls) == 2:
            server.remove_item(100)
        return original(*args)  # type: ignore[arg-type]

    library._client.stream = stream  # type: ignore[method-assign, assignment]
    library.refresh(("Scenes",))
    library._client.stream = original  # type: ignore[method-assign]
    library.refresh(("Scenes",))
    assert len(library.by_item(range(101, 1200))) == 1099


def test_a_first_listing_that_shifted_is_not_complete(server: PlexServer, library: Library, clock: Clock) -> None:
    """A first listing that lost rows is complete only after one without a gap."""
    for key in range(100, 1200):
        server.add_item(5, f"/m/{key}.mp4", rating_key=key)
    original, calls = library._client.stream, []

    def stream(*args: object) -> object:
        calls.append(args)
        if len(calls) == 2:
            server.remove_item(100)
        return original(*args)  # type: ignore[arg-type]

    library._client.stream = stream  # type: ignore[method-assign, assignment]
    assert not library.refresh(("Scenes",)).complete
    library._client.stream = original  # type: ignore[method-assign]
    clock.now += PAUSE
    assert library.refresh(("Scenes",)).complete
    assert len(library.by_item(range(101, 1200))) == 1099
    assert library.by_item([100]) == {}


def back_from_the_trash(server: PlexServer) -> None:
    server.items[3].deleted_at = None


def moved(server: PlexServer) -> None:
    server.items[3].parts = [replace(server.items[3].parts[0], file="/m/new.mp4")]


def dated_back(server: PlexServer) -> None:
    server.add_item(5, "/m/new.mp4", size=77, added_at=START - 9999, updated_at=START - 9999)


@pytest.mark.parametrize("change", [back_from_the_trash, moved, dated_back], ids=lambda change: change.__name__)
def test_a_file_that_no_time_tells_of(
    server: PlexServer, library: Library, clock: Clock, change: Callable[[PlexServer], None]
) -> None:
    """A file may return, move or appear without a new time: for a missing file everything is listed once."""
    if change is back_from_the_trash:
        server.items[3].deleted_at = START
    clock.now += 600
    library.refresh()
    clock.now += 600
    change(server)
    server.items[3].rows.clear()
    server.bump(5)
    assert library.refresh().gained == frozenset()
    clock.now += PAUSE
    found = library.refresh(missing=True)
    assert {name for name, _ in found.gained} == ({"file 3.mp4"} if change is back_from_the_trash else {"new.mp4"})
    clock.now += 600
    server.clear_log()
    assert library.refresh(missing=True).gained == frozenset()
    assert server.count("GET", "/all$") == 4


def test_a_large_library_is_not_listed_for_every_missing_file(
    server: PlexServer, library: Library, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between such listings lies a time that grows with the library."""
    monkeypatch.setattr("plexsync.plex.index.RELIST_PER_ITEM", 100.0)
    library.refresh()
    for seconds, listings in ((200, 2), (110, 3), (200, 2), (110, 3)):
        clock.now += seconds
        server.bump(5)
        server.clear_log()
        library.refresh(("Scenes",), missing=True)
        assert server.count("GET", "/all$") == listings


def test_two_processes_fill_it_at_once(library: Library, conn: sqlite3.Connection, server: PlexServer) -> None:
    """If two processes list Plex at once, each file is in the index once, and the table has its indexes."""
    other = Library(conn, library._client, library._machine, library._clock)
    real, once = library._client.stream, [other.refresh]

    def stream(*args: Any) -> Body:
        body = real(*args)
        if once:
            once.pop()()
        return body

    library._client.stream = stream  # type: ignore[method-assign, assignment]
    assert library.refresh().complete
    assert conn.execute("SELECT count(*), count(DISTINCT rating_key) FROM part").fetchone() == (3, 3)
    assert indexes(conn) == set(INDEXES)


def test_a_listing_that_ends_early_leaves_the_indexes(
    library: Library, conn: sqlite3.Connection, server: PlexServer
) -> None:
    """However the first listing ends, even killed, the table has its indexes afterwards."""
    server.fault("reset", path="/all$")
    library.refresh()
    assert indexes(conn) == set(INDEXES)
    for name in INDEXES:
        conn.execute(f"DROP INDEX {name}")
    Library(conn, library._client, library._machine, library._clock)
    assert indexes(conn) == set(INDEXES)


def test_an_empty_library_costs_nothing_each_time(conn: sqlite3.Connection, clock: Clock) -> None:
    """An empty library is listed once; later refreshes change nothing in the database."""
    with PlexServer() as server:
        server.model.clock = clock
        server.add_section("Scenes", key=5)
        client = PlexClient(server.url, server.token, client_id="x", connect_timeout=5, read_timeout=5)
        library = Library(conn, client, client.identity.machine, clock)
        library.refresh()
        before = conn.execute("PRAGMA schema_version").fetchone()
        library.refresh()
        assert conn.execute("PRAGMA schema_version").fetchone() == before


def test_listings_within_half_a_minute(server: PlexServer, library: Library, clock: Clock) -> None:
    """Only a moved clock brings a listing forward, a few times; over an hour there is one in 30 s at most."""
    library.refresh(("Scenes",))
    server.clear_log()
    for _ in range(30):
        clock.now += 0.5
        library.refresh(("Scenes",), missing=True)
    assert server.count("GET", "/all$") == 0
    for _ in range(3600):
        clock.now += 1
        server.bump(5)
        library.refresh(("Scenes",), missing=True)
    assert server.count("GET", "/all$") <= 2 * (3600 / PAUSE + SOONER + 2) + 3600 / PAUSE
    assert library.counts() == {"Scenes": 3}


@pytest.mark.parametrize("lost", [3, 2, 11, 300])
def test_many_rows_are_missed_twice_before_they_go(
    server: PlexServer, library: Library, clock: Clock, lost: int
) -> None:
    """All rows, or many: a second full listing must agree. Few rows go at once, if Plex does not name them alone."""
    if lost > 3:
        for key in range(100, 500):
            server.add_item(5, f"/m/{key}.mp4", rating_key=key)
    library.refresh(("Scenes",))
    rows = library.counts()["Scenes"]
    server.modes.lose_rows = lost
    for _ in range(2):
        clock.now += SWEEP
        library.refresh(("Scenes",))
        assert library.counts()["Scenes"] == rows
    server.modes.lose_rows = 0
    clock.now += SWEEP
    library.refresh(("Scenes",))
    for key in sorted(key for key, item in server.items.items() if item.section == 5)[-lost:]:
        server.remove_item(key)
    many = lost in (3, 300)
    for expected in (rows if many else rows - lost, rows - lost):
        clock.now += SWEEP
        library.refresh(("Scenes",))
        assert library.counts()["Scenes"] == expected


def test_rows_that_only_one_of_two_listings_missed_stay(server: PlexServer, library: Library, clock: Clock) -> None:
    """An empty listing between two good ones changes nothing."""
    library.refresh(("Scenes",))
    clock.now += SWEEP
    server.fault("empty_container", count=1, path="/all$")
    assert not library.refresh(("Scenes",)).complete
    assert library.counts() == {"Scenes": 3}
    clock.now += SWEEP_AGAIN
    assert library.refresh(("Scenes",)).gained == frozenset()
    assert library.counts() == {"Scenes": 3}


def test_no_library_at_all_is_no_news(server: PlexServer, library: Library) -> None:
    """A list without a library, where there were some, is a busy Plex."""
    library.refresh()
    server.fault("empty_container", path="/library/sections$")
    with pytest.raises(PlexBusy, match="none of its libraries"):
        library.refresh()
    server.clear_faults()
    assert library.refresh().complete


def test_a_library_that_is_gone_takes_its_rows_along(server: PlexServer, library: Library, clock: Clock) -> None:
    """The second time that Plex does not name a library, its rows go."""
    server.add_item(7, "/n/File 9.mp4", rating_key=70)
    library.refresh()
    gone = server.sections.pop(7)
    library.refresh()
    server.sections[7] = gone
    clock.now += 600
    library.refresh()
    assert set(library.by_item([70])) == {70}
    del server.sections[7]
    for _ in range(2):
        clock.now += 600
        library.refresh()
    assert library._conn.execute("SELECT count(*) FROM part WHERE rating_key = 70").fetchone() == (0,)


@pytest.mark.parametrize(("count", "off"), [(1000, -1), (1001, -1), (1003, -3), (20, -1)])
def test_a_total_that_is_too_low_hides_no_row(server: PlexServer, library: Library, count: int, off: int) -> None:
    """Rows are read until a page ends early, whatever the total says."""
    for key in range(100, 100 + count - 3):
        server.add_item(5, f"/m/{key}.mp4", rating_key=key)
    server.modes.total_off = off
    library.refresh(("Scenes",))
    assert library.counts() == {"Scenes": count}
