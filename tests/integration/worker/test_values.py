"""Which values reach Plex when scenes come and go: through the whole worker, by catch-up and by hooks."""

from __future__ import annotations

from typing import Any

import pytest

from plexsync.tasks import preview
from tests.integration.tasks.test_preview import Bar, rows
from tests.support.in_process import HOUR, Bench

COVER = b"\xff\xd8\xff\xe0 cover"


def whole(bench: Bench, **more: Any) -> dict[str, Any]:
    """Something for each field."""
    stash = bench.stash
    people, tags = [stash.add_performer("P")], [stash.add_tag("G")]
    return {"details": "D", "date": "2024", "studio": stash.add_studio("S"), "performers": people, "tags": tags} | more


def test_a_file_that_vanishes_for_a_moment_empties_nothing(bench: Bench) -> None:
    """A disk is away, Clean and Scan make new, bare scenes of all files: Plex keeps its last copy of the metadata."""
    bench.stash.configure(skipPoster=False, skipBackground=False)
    films = [bench.film(f"Title {number}", cover=COVER, **whole(bench)) for number in range(10)]
    bench.edit(*(film.scene for film in films))
    bench.work()
    before = bench.plex.snapshot()
    files = [bench.stash.scenes.pop(film.scene).files[0] for film in films]
    bench.now += HOUR
    bench.catch_up()
    bench.work()
    new = [bench.stash.add_scene("", files=[(file.path, file.size, file.duration)]) for file in files]
    bench.edit(*new)
    bench.work()
    assert bench.plex.snapshot() == before
    bench.now += HOUR
    bench.catch_up()
    bench.edit(*new)
    bench.work()
    assert bench.plex.snapshot() == before
    assert bench.keys() == []


def test_a_split_scene_adds_and_clears_nothing(bench: Bench) -> None:
    """A file that is moved to another scene takes its item along: what the first scene wrote there stays."""
    film = bench.film("First", **whole(bench))
    other = bench.stash.add_scene("", details="Other", files=[])
    bench.written(f"scene:{film.scene}")
    bench.stash.reassign_file(bench.stash.scenes[film.scene].files[0].id, other)
    bench.written(f"scene:{other}")
    item = bench.plex.items[film.item]
    assert (item.title, item.summary, item.studio, item.genres) == ("First", "Other", "S", ["G"])


def test_preview_tells_a_title_that_goes_back(bench: Bench) -> None:
    """What becomes of an emptied title stands in the preview; a lock alone is counted and has no row."""
    film, equal = bench.film("Wrong"), bench.named("equal")
    bench.written(f"scene:{film.scene}")
    bench.stash.change_scene(film.scene, title="")
    output = preview.run(bench.app, Bar())
    assert [(row["scene_id"], row["field"], row["old"], row["new"]) for row in rows(bench)] == [
        (str(film.scene), "title", "Wrong", "film1")
    ]
    assert (output["changed"], output["locked"], output["unchanged"]) == (1, 1, 0)
    bench.written(f"scene:{film.scene}", f"scene:{equal.scene}")
    assert bench.title(film.item) == "film1"
    output = preview.run(bench.app, Bar())
    assert (rows(bench), output["locked"], output["unchanged"]) == ([], 0, 2)


@pytest.mark.parametrize("dry", [True, False])
def test_a_lock_alone_is_an_edit(bench: Bench, dry: bool) -> None:
    """Equal fields are locked by one edit, which Dry run holds back and tells; the second sync writes nothing."""
    bench.stash.configure(dryRun=dry)
    film = bench.named("equal")
    bench.edit(film.scene)
    bench.work()
    assert len(bench.plex.writes()) == (0 if dry else 1)
    assert len(bench.said("would write scene" if dry else "wrote scene", "locks=title")) == 1
    bench.stash.configure(dryRun=False)
    for _ in range(2):
        bench.edit(film.scene)
        bench.work()
    assert len(bench.plex.writes()) == 1


def test_a_cover_of_the_same_second_arrives_with_catch_up(bench: Bench) -> None:
    """A cover generated in the second in which the scene was read fires no hook and has no newer time: it arrives."""
    bench.stash.configure(skipPoster=False, skipBackground=False)
    film = bench.film("A", cover=COVER)
    bench.now += 10
    bench.edit(film.scene, cover=b"\xff\xd8\xff one")
    bench.now -= 1  # ``work`` adds it
    bench.work()
    bench.stash.generate_cover(film.scene, b"\xff\xd8\xff two")
    bench.now += HOUR
    assert bench.catch_up() == 1
    bench.work()
    assert bench.plex.images[str(bench.plex.items[film.item].selected_poster)] == b"\xff\xd8\xff two"
    bench.now += HOUR
    assert bench.catch_up() == 0


def test_two_performers_of_one_name_are_two_actors(bench: Bench) -> None:
    """They are told apart in Plex, and a changed disambiguation arrives with the performer's own hook."""
    stash = bench.stash
    one, two = stash.add_performer("Ann", "US"), stash.add_performer("ann", "UK")
    film = bench.film(performers=[one, two])
    bench.written(f"scene:{film.scene}")
    assert bench.plex.items[film.item].actors == ["Ann (US)", "ann (UK)"]
    stash.update_performer(one, "Ann", hook=False, disambiguation="Canada")
    bench.written(f"performer:{one}")
    bench.work()
    assert sorted(bench.plex.items[film.item].actors) == ["Ann (Canada)", "ann (UK)"]
