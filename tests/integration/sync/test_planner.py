"""The planner in this process: how often the index is refreshed, what it learns, and what another server inherits."""

from __future__ import annotations

import pytest

from plexsync.state.ledger import Record
from plexsync.sync.planner import FRESH, SCAN_PAUSE
from tests.support.writing_bench import WritingBench

SECTIONS = r"^/library/sections$"
LISTING = r"^/library/sections/5/all$"


def moved(bench: WritingBench, *names: str) -> list[int]:
    """Return scenes whose files are under ``/data`` in Stash and under ``/films`` in Plex."""
    scenes = []
    for name in names:
        scene = bench.scene(name)
        bench.stash.scenes[scene].files[0].path = f"/data/{name}/{name}.mp4"
        scenes.append(scene)
    return scenes


def test_the_index_is_refreshed_once_in_a_while(bench: WritingBench) -> None:
    """Batches within ``FRESH`` seconds share one refresh; after that, or a clock set back, there is another."""
    bench.scene()
    assert bench.planner.refresh() is not None
    for seconds, asked in ((0.0, 1), (FRESH - 1, 1), (2.0, 2), (1.0, 2), (-500.0, 3), (FRESH + 1, 4)):
        bench.now += seconds
        bench.planner.refresh()
        assert bench.plex.count("GET", SECTIONS) == asked


def test_a_missing_file_refreshes_the_index_at_once(bench: WritingBench) -> None:
    """For a scene without an item Plex is asked what it has gained, however fresh the index is."""
    bench.scene()
    bench.planner.refresh()
    bench.plex.modes.edits_move_clocks = False
    listed = bench.plex.count("GET", LISTING)
    bench.now += FRESH - 1
    assert bench.planner.refresh() is None
    bench.now += 1
    bench.planner.refresh(missing=True)
    assert bench.plex.count("GET", LISTING) == listed + 2
    bench.planner.refresh(missing=True)
    assert bench.plex.count("GET", LISTING) == listed + 2
    bench.now += FRESH
    bench.planner.refresh(missing=True)
    assert bench.plex.count("GET", LISTING) == listed + 4


def test_an_item_that_is_not_as_in_the_index_makes_it_stale(bench: WritingBench) -> None:
    """The next refresh asks for the section clocks at once."""
    bench.scene()
    bench.planner.refresh()
    bench.planner.stale()
    assert bench.planner.refresh() is not None


def test_a_folder_is_scanned_once_in_a_while(bench: WritingBench) -> None:
    """Plex is asked to scan a folder at most every ``SCAN_PAUSE`` seconds, each folder separately."""
    for folder in ("/films/a", "/films/a", "/films/b"):
        bench.planner.scan_once(5, folder)
    assert bench.plex.scans == [(5, "/films/a"), (5, "/films/b")]
    bench.now += SCAN_PAUSE
    bench.planner.scan_once(5, "/films/a")
    assert len(bench.plex.scans) == 3


def test_the_path_map_is_learned_and_stored(bench: WritingBench) -> None:
    """Files made unambiguous by name, size and folders teach a path map, which a new process has at once."""
    scenes = moved(bench, *"abcdef")
    assert len(bench.works(*scenes)) == 6
    stored = bench.state.tallies(bench.planner.machine)
    assert ("/data", "/films") in [row[:2] for row in stored]
    assert "/films/new/x.mp4" in bench.new_planner().learned().translate("/data/new/x.mp4")
    bench.works(*scenes)
    assert bench.state.tallies(bench.planner.machine) == stored


def test_a_doubtful_match_teaches_nothing(bench: WritingBench) -> None:
    """A file of the same name but another size and duration teaches no path map."""
    (scene,) = moved(bench, "a")
    bench.stash.scenes[scene].files[0].size, bench.stash.scenes[scene].files[0].duration = 5, 5.0
    assert bench.works(scene) == []
    assert bench.state.tallies(bench.planner.machine) == []


def test_another_server_inherits_nothing(bench: WritingBench) -> None:
    """Under another machineIdentifier no path map, record or claim of the first server counts."""
    scenes = moved(bench, *"abcdef")
    bench.sync(*scenes)
    first = bench.planner.machine
    bench.plex.machine = "another"
    planner = bench.new_planner(keep_plex_edits=True)
    assert planner.machine == "another"
    assert planner.learned().translate("/data/new/x.mp4") == ()
    assert bench.state.records_of(planner.machine, scenes) == {}
    bench.stash.change_scene(scenes[0], title="Changed")
    assert bench.one(scenes[0]).outcome == "unchanged"
    assert bench.plex.items[100].title == "Title of a"
    assert len(bench.state.records_of(first, scenes)) == 6
    bench.plex.machine = first
    bench.new_planner()
    assert bench.one(scenes[0]).outcome == "synced"


def test_twins_cost_one_question(bench: WritingBench) -> None:
    """For anything weaker than an equal path Stash is asked once for similar files, for the whole batch."""
    scenes = moved(bench, *"abcdef")
    bench.works(*scenes)
    assert bench.stash.count("MATCHES_REGEX") + bench.stash.count(r"scene_filter: \$scenes") == 1
    alone = bench.scene("z")
    bench.works(alone)
    assert bench.stash.count(r"scene_filter: \$scenes") == 1


def test_the_twin_is_not_touched(bench: WritingBench) -> None:
    """Of two items with one file name each scene writes the right one, though the other scene is not in the batch."""
    bench.plex.add_item(5, "/films/StudioA/scene.mp4", 1_000, 60_000)
    bench.plex.add_item(5, "/films/StudioB/scene.mp4", 2_000, 60_000)
    ours = bench.stash.add_scene("B", files=[("/data/StudioB/scene.mp4", 2_000, 60.0)])
    bench.stash.add_scene("A", files=[("/data/StudioA/scene.mp4", 1_000, 60.0)])
    (work,) = bench.sync(ours)
    assert work.target.item.rating_key == 101
    assert [bench.plex.items[key].title for key in (100, 101)] == ["scene", "B"]


def test_a_renamed_file_is_compared_with_all_scenes(bench: WritingBench) -> None:
    """A file with another name in Plex is certain only while no other scene in Stash has a similar one."""
    bench.plex.add_item(5, "/films/camera/0001.mp4", 4_000, 60_000)
    one = bench.stash.add_scene("One", files=[("/data/one.mp4", 4_000, 60.0)])
    other = bench.stash.add_scene("Other", files=[("/data/other.mp4", 4_000, 60.4)])
    assert bench.works(one) == []
    bench.stash.scenes.pop(other)
    assert [work.target.item.rating_key for work in bench.works(one)] == [100]


def test_an_item_that_holds_another_file_by_now_is_free(bench: WritingBench) -> None:
    """An earlier writer of an item does not keep it from the scene whose file it holds now."""
    bench.plex.add_item(5, "/films/new/a.mp4", 4_000, 60_000)
    scene = bench.stash.add_scene("A", files=[("/data/a.mp4", 4_000, 60.0)])
    bench.planner.refresh()
    for path, number in (("/films/new/a.mp4", 0), ("/films/old/b.mp4", 1)):
        bench.state.store(bench.planner.machine, [Record(100, 999, path, "/gone/b.mp4")])
        assert len(bench.works(scene)) == number


@pytest.mark.parametrize("path", ["/mnt2/StudioB/scene.mp4", "/films/2026/StudioB/scene.mp4"])
def test_an_item_whose_file_moved_stays_its_owners(bench: WritingBench, path: str) -> None:
    """If a mount or folder moved, an item is not taken by a scene whose file only resembles the one in it."""
    bench.plex.add_item(5, "/films/StudioB/scene.mp4", 4_000, 60_000)
    bench.sync(bench.stash.add_scene("Owner", files=[("/data/owner.mp4", 4_000, 60.0)]))
    like = bench.stash.add_scene("Like it", files=[("/data/StudioB/scene.mp4", 9_999, 60.5)])
    assert bench.works(like) == []
    bench.plex.move_item(100, path)
    bench.now += 4_000
    assert bench.works(like) == []
    assert bench.plex.items[100].title == "Owner"


def test_a_scene_that_stash_cannot_read_holds_up_no_other(bench: WritingBench) -> None:
    """A renamed file is found although a scene of similar length cannot be read."""
    bench.plex.add_item(5, "/films/camera/0001.mp4", 4_000, 60_000)
    one = bench.stash.add_scene("One", files=[("/data/one.mp4", 4_000, 60.0)])
    bench.stash.broken = {bench.stash.add_scene("Broken", files=[("/data/else.avi", 777, 61.7)])}
    assert [work.target.item.rating_key for work in bench.works(one)] == [100]
    twin = bench.stash.add_scene("Twin", files=[("/data/twin.avi", 4_000, 60.7)])
    assert bench.works(one) == []
    bench.stash.scenes.pop(twin)


def test_two_files_two_items(bench: WritingBench) -> None:
    """A scene with two files writes both items, and a file with several paths asks the index once."""
    bench.plex.add_item(5, "/films/a/cut.mp4", 1_000, 60_000)
    bench.plex.add_item(5, "/films/b/long.mp4", 2_000, 90_000)
    scene = bench.stash.add_scene("Both", files=[("/films/a/cut.mp4", 1_000, 60.0), ("/films/b/long.mp4", 2_000, 90.0)])
    assert len(bench.sync(scene)) == 2
    assert [bench.plex.items[key].title for key in (100, 101)] == ["Both", "Both"]
    assert bench.quiet(scene)


def test_nothing_to_read_asks_nothing(bench: WritingBench) -> None:
    """A batch without a match reads no item."""
    assert bench.planner.read([]) == {}
    assert bench.plex.count("GET", "/library/metadata") == 0


def test_an_item_found_only_by_the_second_match_stays_its_owners(bench: WritingBench) -> None:
    """A scene that loses its item to a twin and falls back to another sees who wrote that one before."""
    plex, stash = bench.plex, bench.stash
    plex.add_item(5, "/films/x/x.mp4", 777, 60_000, rating_key=110)
    plex.add_item(5, "/films/y/y.mp4", 777, 60_000, rating_key=111)
    stash.add_scene("twin", files=[("/films/x/x.mp4", 0, 0.0)])
    one = stash.add_scene("falls back", files=[("/data/elsewhere/x.mp4", 777, 60.0)])
    bench.planner.refresh()
    scenes = list(bench.link.batch([one]).scenes.values())
    before = bench.planner.match(scenes)[one]
    assert (before.verdict, [candidate.rating_key for candidate in before.items]) == ("high", [111])
    bench.state.store(bench.planner.machine, [Record(111, 999, "/films/y/y.mp4", "/gone/y.mp4")])
    assert bench.planner.match(scenes)[one].verdict != "high"
