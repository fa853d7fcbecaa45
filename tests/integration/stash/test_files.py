"""Who else has a file of a name: queried batch by batch, listed once for many, and never out of date."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from plexsync.core.connection import Connection
from plexsync.model.scene import Scene, SceneFile
from plexsync.stash.api import Stash
from plexsync.stash.files import CHECKED, LASTS, PAUSE, QUERIES, StashFiles
from tests.servers.stash import StashServer

NAMES = ["a.mp4", "B.MP4"]
Change = Callable[[StashServer], object]


class Clock:
    """Seconds since the epoch, moved by hand."""

    def __init__(self, now: float) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def server(tmp_path: Path) -> Iterator[StashServer]:
    """Start a Stash with six old scenes; 1 and 2 have a file a.mp4 each, 3 and 4 a b.mp4, 5 and 6 others."""
    with StashServer(tmp_path / "stash") as running:
        real = running.now
        running.now = lambda: real() - timedelta(days=30)
        for number, name in enumerate(("a.mp4", "A.mp4", "b.mp4", "b.mp4", "c.mp4", "d.mp4"), 1):
            running.add_scene(files=[(f"/d{number}/{name}", number, 1.5)])
        running.now = real
        yield running


@pytest.fixture
def clock(server: StashServer) -> Clock:
    """Return the worker's clock, set to Stash's time."""
    return Clock(server.now().timestamp())


@pytest.fixture
def stash_files(clock: Clock) -> Iterator[StashFiles]:
    """Return a ``StashFiles`` without any query yet."""
    made = StashFiles(clock)
    yield made
    made.close()


def batch(stash: Stash, *ids: int) -> list[Scene]:
    """Return scenes as a batch has just read them."""
    return list(stash.batch(ids).scenes.values())


def listed(stash_files: StashFiles, stash: Stash, server: StashServer) -> None:
    """Run as many batches as it takes until a listing is used."""
    for _ in range(QUERIES + 1):
        stash_files.with_names(stash, NAMES, batch(stash, 1, 3))
    server.log.clear()
    stash_files.with_names(stash, NAMES, batch(stash, 1, 3))
    assert queries(server) == 0
    server.log.clear()
    clock = stash_files._clock
    assert isinstance(clock, Clock)
    clock.now += CHECKED


def queries(server: StashServer) -> int:
    """Return how often Stash had to read all its files."""
    return sum("MATCHES_REGEX" in str(request.variables) for request in server.log)


def test_a_few_batches_ask_and_many_list_once(server: StashServer, stash: Stash, stash_files: StashFiles) -> None:
    """After a dozen queries one listing gives the same answers, with a small request per batch."""
    asked = [stash_files.with_names(stash, NAMES, batch(stash, 1)) for _ in range(QUERIES)]
    assert (queries(server), server.count("findFiles")) == (QUERIES, 0)
    listed_answers = [stash_files.with_names(stash, NAMES, batch(stash, 1)) for _ in range(100)]
    assert asked + listed_answers == [stash.files_named(NAMES)] * (QUERIES + 100)
    assert [scene for scene, _ in listed_answers[0]] == [1, 2, 3, 4]
    assert queries(server) == QUERIES + 1
    assert server.count("findFiles") == 2  # before the listing and after it
    assert server.count(r"findScenes\(ids") == QUERIES + 100


def test_whether_anything_moved_is_asked_now_and_then(
    server: StashServer, stash: Stash, stash_files: StashFiles, clock: Clock
) -> None:
    """Batches within two seconds share one check for changes in Stash."""
    listed(stash_files, stash, server)
    for seconds, asked in ((0.0, 1), (CHECKED - 0.1, 1), (0.1, 2), (-1.0, 3)):
        clock.now += seconds
        stash_files.with_names(stash, NAMES, batch(stash, 1))
        assert server.count("findFiles") == asked
    assert queries(server) == 0


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda server: server.add_scene(files=[("/new/a.mp4", 9, 1)]), id="a scene came"),
        pytest.param(lambda server: server.scenes.pop(2), id="a scene went"),
        pytest.param(
            lambda server: server.change_scene(5, files=[*server.scenes[5].files, ("/new/b.mp4", 9, 1)]),
            id="a scene has one more file",
        ),
        pytest.param(lambda server: server.move_file(5, "/elsewhere/a.mp4"), id="a file got the name"),
        pytest.param(lambda server: server.move_file(2, "/d2/other.mp4"), id="a file lost the name"),
        pytest.param(lambda server: server.merge_scenes(5, [4]), id="scenes were merged"),
        pytest.param(lambda server: server.reassign_file(1, 5), id="a file of the batch went to another scene"),
        pytest.param(lambda server: server.reassign_file(2, 1), id="a file came to a scene of the batch"),
    ],
)
def test_a_change_in_stash_is_seen(server: StashServer, stash: Stash, stash_files: StashFiles, change: Change) -> None:
    """Whatever is added, removed or moved after the listing, the next answer is what Stash would say."""
    listed(stash_files, stash, server)
    change(server)
    assert stash_files.with_names(stash, NAMES, batch(stash, 1, 3)) == stash.files_named(NAMES)


def test_a_listing_grows_old(server: StashServer, stash: Stash, stash_files: StashFiles, clock: Clock) -> None:
    """Renaming a folder changes no time in Stash, so a listing is valid for half a minute."""
    listed(stash_files, stash, server)
    server.store.file(2)[1].path = "/renamed/a.mp4"
    clock.now += LASTS - CHECKED
    assert "/renamed/a.mp4" in [file.path for _, file in stash_files.with_names(stash, NAMES, batch(stash, 1))]
    assert queries(server) == 1


@pytest.mark.parametrize("seconds", [-3600.0, PAUSE])
def test_batches_far_apart_are_asked_about_alone(
    server: StashServer, stash: Stash, stash_files: StashFiles, clock: Clock, seconds: float
) -> None:
    """Single edits never cause a listing, and a clock that jumps back keeps no old one alive."""
    listed(stash_files, stash, server)
    for number in range(1, 4):
        clock.now += seconds
        stash_files.with_names(stash, NAMES, batch(stash, 1))
        assert (queries(server), server.count("findFiles")) == (number, 0)


def test_a_long_listing_counts_longer(server: StashServer, stash: Stash, stash_files: StashFiles, clock: Clock) -> None:
    """A slow listing is valid a few times as long as it took, so it costs a fifth of the time at most."""

    class Slow(Stash):
        def files(self) -> Iterator[list[tuple[int, SceneFile]]]:
            clock.now += 20
            yield from super().files()

    slow = Slow(Connection(port=server.port), 5, 10)
    listed(stash_files, slow, server)
    clock.now += 57
    stash_files.with_names(slow, NAMES, batch(slow, 1))
    assert queries(server) == 0
    clock.now += 2
    stash_files.with_names(slow, NAMES, batch(slow, 1))
    assert queries(server) == 1
    slow.close()


def test_a_change_while_listing_voids_it(server: StashServer, stash: Stash, stash_files: StashFiles) -> None:
    """A listing during which something changed is not used."""

    class Busy(Stash):
        def files(self) -> Iterator[list[tuple[int, SceneFile]]]:
            yield from super().files()
            server.add_scene(files=[("/new/a.mp4", 9, 1)])

    busy = Busy(Connection(port=server.port), 5, 10)
    for _ in range(QUERIES + 3):
        assert stash_files.with_names(busy, NAMES, batch(busy, 1)) == busy.files_named(NAMES)
    assert queries(server) == 2 * (QUERIES + 3)
    busy.close()


def test_what_changed_this_second_may_change_again(server: StashServer, stash: Stash, stash_files: StashFiles) -> None:
    """Right after a change nothing is listed: Stash's times are whole seconds."""
    server.move_file(5, "/d5/e.mp4")
    for _ in range(2 * QUERIES):
        stash_files.with_names(stash, NAMES, batch(stash, 1))
    assert queries(server) == 2 * QUERIES


def test_a_row_that_cannot_be_read_voids_the_listing(
    server: StashServer, stash: Stash, stash_files: StashFiles
) -> None:
    """A listing with a gap is not used: the unreadable row may be the one that matters."""
    server.broken = {5}
    for _ in range(10 * QUERIES):
        assert [scene for scene, _ in stash_files.with_names(stash, NAMES, batch(stash, 1))] == [1, 2, 3, 4]
    assert queries(server) == 10 * QUERIES
    assert server.count("findFiles") == 3  # tried ever more seldom: after 13, 25 and 49 batches


def test_an_older_stash_is_asked_each_time(server: StashServer, stash: Stash, stash_files: StashFiles) -> None:
    """A Stash that cannot report changes is queried for every batch, and never listed."""
    server.forget("Query", "findFiles")
    for _ in range(3 * QUERIES):
        stash_files.with_names(stash, NAMES, batch(stash, 1))
    assert queries(server) == 3 * QUERIES
    assert server.count("findFiles") == 1


def test_without_room_for_the_table_it_asks(
    server: StashServer, stash: Stash, stash_files: StashFiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A full temporary folder costs time, and no answer."""

    def full(*args: object, **options: object) -> sqlite3.Connection:
        raise sqlite3.OperationalError("database or disk is full")

    monkeypatch.setattr("plexsync.stash.files.sqlite3.connect", full)
    for _ in range(2 * QUERIES):
        stash_files.with_names(stash, NAMES, batch(stash, 1))
    assert queries(server) == 2 * QUERIES


def test_a_table_that_found_no_room_is_given_back(server: StashServer, stash: Stash, stash_files: StashFiles) -> None:
    """The space of a failed table is freed, because a hook's insert may need it."""

    class Full(Stash):
        def files(self) -> Iterator[list[tuple[int, SceneFile]]]:
            yield from super().files()
            raise sqlite3.OperationalError("database or disk is full")

    stash = Full(Connection(port=server.port), 5, 10)
    for _ in range(QUERIES + 2):
        stash_files.with_names(stash, NAMES, batch(stash, 1))
    assert queries(server) == QUERIES + 2
    assert stash_files._table is None
    stash.close()


@pytest.mark.parametrize("many", [False, True], ids=["asked", "listed"])
def test_files_alike_are_found(server: StashServer, stash: Stash, stash_files: StashFiles, many: bool) -> None:
    """Queried or listed, all files of a size and duration are found, whatever their names."""
    for size, seconds in ((7, 60.0), (7, 60.9), (7, 62.5), (8, 60.0), (7, 3600.2), (7, 0.0)):
        server.add_scene(
            files=[(f"/t/{size}-{seconds}.mp4", size, seconds)], updated_at=server.now() - timedelta(days=9)
        )
    for number in range(7, 13):
        server.store.file(number)[1].updated_at = server.scenes[1].updated_at
    if many:
        listed(stash_files, stash, server)
    server.log.clear()
    found = stash_files.alike(stash, [(7, 60.2), (9, 60.0)], batch(stash, 7))
    assert sorted((scene, file.path) for scene, file in found) == [
        (7, "/t/7-60.0.mp4"), (8, "/t/7-60.9.mp4"), (12, "/t/7-0.0.mp4"),
    ]  # fmt: skip
    assert sum("BETWEEN" in str(request.variables) for request in server.log) == (0 if many else 1)


def test_many_durations_are_listed_at_once(server: StashServer, stash: Stash, stash_files: StashFiles) -> None:
    """A folder of renamed files does not make Stash read its library for each of them."""
    wanted = [(number, float(number)) for number in range(1, 101)]
    server.add_scene(files=[("/t/x.mp4", 50, 50.5)])
    server.store.file(7)[1].updated_at = server.scenes[1].updated_at
    assert [scene for scene, _ in stash_files.alike(stash, wanted, [])] == [1, 2, 7]
    assert sum("BETWEEN" in str(request.variables) for request in server.log) == 0


def test_durations_are_asked_some_at_a_time(server: StashServer, stash: Stash, stash_files: StashFiles) -> None:
    """If nothing can be listed, durations are queried a few at a time, and each file is returned once."""
    server.forget("Query", "findFiles")
    wanted = [(1, 1.0), *((number, float(number)) for number in range(10, 60))]
    assert [scene for scene, _ in stash_files.alike(stash, wanted, [])] == [1]
    assert sum("BETWEEN" in str(request.variables) for request in server.log) == 3


@pytest.mark.parametrize(
    "change", [lambda server: server.reassign_file(1, 5), lambda server: server.reassign_file(2, 1)]
)
def test_a_file_that_changed_its_scene_is_seen_alike(
    server: StashServer, stash: Stash, stash_files: StashFiles, change: Change
) -> None:
    """A listing in which a file of the batch is another scene's is discarded, for sizes too."""
    listed(stash_files, stash, server)
    change(server)
    found = stash_files.alike(stash, [(1, 1.5), (2, 1.5)], batch(stash, 1, 3))
    assert {(scene, file.id) for scene, file in found} == {
        (number, file.id) for number, scene in server.scenes.items() for file in scene.files if file.size in (1, 2)
    }


def test_many_names_are_looked_up_at_once(server: StashServer, stash: Stash, stash_files: StashFiles) -> None:
    """A batch whose scenes have more files than a statement takes variables is answered whole."""
    names = [*NAMES, *(f"{number}.mp4" for number in range(1500))]
    server.add_scene(files=[("/m/1400.mp4", 1, 1)])
    server.store.file(7)[1].updated_at = server.scenes[1].updated_at
    listed(stash_files, stash, server)
    assert stash_files.with_names(stash, names, []) == stash.files_named(names)
