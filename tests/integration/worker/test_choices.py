"""What a person chose is written, and stays so whatever happens to files, items and processes."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from contextlib import closing
from types import SimpleNamespace
from typing import Any

import pytest

from plexsync.core import wake
from plexsync.model.errors import PlexSyncError
from plexsync.queue import dead_letters
from plexsync.state.ledger import Record, State, open_state
from plexsync.tasks import check_setup, choice, preview
from tests.support.in_process import DAY, HOUR, Bench, Film


@pytest.fixture(autouse=True)
def one_process(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Operations are called in this process: at its time, and without starting another."""
    monkeypatch.setattr(choice, "time", SimpleNamespace(time=bench.clock))
    monkeypatch.setattr(wake, "wake", lambda folder: False)


def choose(bench: Bench, scene: int, item: int) -> str:
    """Choose an item; return the answer's sentence."""
    answer = choice.choose(str(bench.folder), {"scene_id": scene, "rating_key": str(item)})
    assert answer["chosen"] == item
    return str(answer["sentence"])


def unchoose(bench: Bench, scene: int) -> str:
    """Take the choice back; return the answer's sentence."""
    answer = choice.unchoose(str(bench.folder), {"scene_id": str(scene)})
    assert answer["chosen"] is None
    return str(answer["sentence"])


def chosen(bench: Bench) -> dict[int, int]:
    """Return the choices in force."""
    with closing(open_state(str(bench.folder))) as conn:
        return State(conn).choices.in_force(bench.plex.machine)


def records(bench: Bench) -> dict[int, Record]:
    """Return what is known of the items that were written."""
    with closing(open_state(str(bench.folder))) as conn:
        return State(conn).records(bench.plex.machine, range(1, 500))


def candidates(bench: Bench, scene: int) -> list[dict[str, Any]]:
    """Return the candidates of a scene's dead letter."""
    [row] = [row for row in dead_letters.dead_letters(bench.conn) if row.key == f"scene:{scene}"]
    return list(json.loads(row.candidates or "[]"))


def odd_item(bench: Bench, name: str, **values: Any) -> int:
    """Plex gains an item that looks like no scene's; its rating key."""
    file = f"/films/odd/{name}.mp4"
    return bench.plex.add_item(1, file=file, size=77, duration_ms=7000, **values).rating_key


def doubtful(bench: Bench) -> Film:
    """Return a scene that is dead because two items bear its file's name alone, and the second of them."""
    film = bench.film("Doubtful", in_plex=False)
    name = bench.stash.scenes[film.scene].files[0].path.rpartition("/")[2]
    for number in (1, 2):
        title = f"In folder {number}"
        item = bench.plex.add_item(1, file=f"/films/{number}x/{name}", size=5, duration_ms=9500, title=title)
    bench.edit(film.scene)
    bench.turn()
    assert bench.dead_letter(film.scene)[0] == "low_confidence"
    return Film(film.scene, item.rating_key)


def written(bench: Bench) -> Film:
    """Return a scene that was written to the item that was chosen for it."""
    film = doubtful(bench)
    choose(bench, film.scene, film.item)
    bench.live(5)
    assert (bench.title(film.item), bench.keys()) == ("Doubtful", [])
    bench.plex.clear_log()
    return film


def renamed_to(bench: Bench, film: Film, title: str) -> str:
    """Edit the scene's title; return what is then its item's, where nothing was left undone."""
    bench.edit(film.scene, title=title)
    bench.live(60)
    assert bench.keys() == []
    return bench.title(film.item)


def test_a_dead_letter_shows_what_there_is_to_choose_from(bench: Bench) -> None:
    """Each candidate has its title, file, size, duration and evidence; the titles of a batch cost one request."""
    films = [doubtful(bench) for _ in range(2)]
    shown = [(one["title"], one["size"], one["duration"], one["evidence"]) for one in candidates(bench, films[0].scene)]
    assert shown == [("In folder 1", 5, 9.5, "name_only"), ("In folder 2", 5, 9.5, "name_only")]
    bench.plex.clear_log()
    bench.edit(*[film.scene for film in films])
    bench.turn()
    assert bench.plex.count("GET", r"/library/metadata/[\d,]+$") == 1


@pytest.mark.parametrize("kind", ["404", "500", "empty_container", "403"])
def test_titles_that_cannot_be_read_hold_up_nothing(bench: Bench, kind: str) -> None:
    """Where Plex does not show the items in full, the dead letter comes without titles, and nothing is paused."""
    bench.plex.fault(kind, path=r"/library/metadata/[\d,]+$")
    film = doubtful(bench)
    assert {one["title"] for one in candidates(bench, film.scene)} == {""}
    assert (bench.breaker.failures, bench.pause) == (0, None)


def test_the_chosen_item_is_written(bench: Bench) -> None:
    """A choice revives the dead letter with a clean slate, and the scene is written there, and nowhere else."""
    film = doubtful(bench)
    others = {key: item.title for key, item in bench.plex.items.items() if key != film.item}
    assert choose(bench, film.scene, film.item) == f"Item {film.item} is chosen for scene {film.scene}."
    row = bench.job(film.scene)
    assert (row["status"], row["attempts"], row["priority"], row["reason"]) == (1, 0, 0, None)
    bench.live(5)
    assert bench.title(film.item) == "Doubtful"
    assert {key: item.title for key, item in bench.plex.items.items() if key != film.item} == others
    assert records(bench)[film.item].evidence == "chosen"
    assert bench.keys() == []


def test_it_is_written_instead_of_the_certain_one(bench: Bench) -> None:
    """A scene whose path is equal to one item's is written to the other that was chosen; the first stays as it is."""
    film = bench.film("Sure")
    other = odd_item(bench, "other")
    bench.edit(film.scene)
    bench.live(5)
    choose(bench, film.scene, other)
    bench.live(5)
    bench.edit(film.scene, title="New")
    bench.live(5)
    assert (bench.title(film.item), bench.title(other)) == ("Sure", "New")


def stash_renames(bench: Bench, film: Film) -> int:
    """Rename the scene's file in Stash."""
    bench.edit(film.scene, files=[("/films/1/another name.mkv", 1_000_001, 60.0)])
    return film.item


def stash_moves(bench: Bench, film: Film) -> int:
    """Move the scene's file in Stash, to another disk and encoded anew."""
    bench.edit(film.scene, files=[("/elsewhere/film1.mp4", 9, 9.0)])
    return film.item


def stash_loses(bench: Bench, film: Film) -> int:
    """Take the scene's file away."""
    bench.edit(film.scene, files=[])
    return film.item


def plex_moves(bench: Bench, film: Film) -> int:
    """Move the item's file."""
    return bench.plex.move_item(film.item, "/films/moved/quite other.mp4").rating_key


def plex_replaces(bench: Bench, film: Film) -> int:
    """Replace the item's file with another."""
    bench.plex.items[film.item].parts = bench.plex.model.make_parts([[("/films/new.mkv", 12, 3000)]])
    bench.plex.bump(1)
    return film.item


def plex_renames(bench: Bench, film: Film) -> int:
    """Rename the item's file: Plex makes a new item of it, and the old one goes to the trash."""
    return bench.plex.rename_file(film.item, "/films/1x/renamed.mp4").rating_key


def plex_renames_for_good(bench: Bench, film: Film) -> int:
    """Rename the item's file: Plex makes a new item of it, and the old one is gone."""
    return bench.plex.rename_file(film.item, "/films/1x/renamed.mp4", trash=False).rating_key


def plex_makes_anew(bench: Bench, film: Film) -> int:
    """Make the library anew: all items have other keys."""
    keys = {key: bench.plex.recreate(key).rating_key for key in sorted(bench.plex.items)}
    return keys[film.item]


def plex_scans(bench: Bench, film: Film) -> int:
    """Scan the library anew: its clocks move, and other items come."""
    odd_item(bench, "more")
    bench.plex.bump(1)
    return film.item


def restarts(bench: Bench, film: Film) -> int:
    """Nothing is left of the process."""
    bench.reopen()
    return film.item


CHANGES: list[Callable[[Bench, Film], int]] = [
    stash_renames, stash_moves, stash_loses, plex_moves, plex_replaces, plex_renames, plex_renames_for_good,
    plex_makes_anew, plex_scans, restarts,
]  # fmt: skip


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.__name__)
def test_it_survives(bench: Bench, change: Callable[[Bench, Film], int]) -> None:
    """Whatever is renamed, moved, replaced or scanned anew: the next edits arrive in that item, whatever its key."""
    film = written(bench)
    item = change(bench, film)
    bench.live(2 * HOUR)
    assert bench.title(item) == "Doubtful"
    assert renamed_to(bench, Film(film.scene, item), "Edited") == "Edited"
    assert chosen(bench) == {film.scene: item}
    assert [one.title for one in bench.plex.items.values()].count("Edited") == 1


def test_it_waits_while_the_item_is_in_the_trash(bench: Bench) -> None:
    """An unmounted disk puts all items into the trash: the scene waits for its item, and is written to no other."""
    film = written(bench)
    bench.plex.edit_item(film.item, deleted_at=int(bench.now))
    twin = bench.arrives(film.scene)  # certain by its path, but not what was chosen
    bench.edit(film.scene, title="Edited")
    bench.live(HOUR)
    assert bench.count("waiting") == 1
    assert bench.job(film.scene)["message"] == (
        f"The item chosen for scene {film.scene} is in Plex's trash. Have Plex find its file again, or choose another"
        " item on PlexSync's page."
    )
    assert bench.title(twin) == "film1"
    bench.plex.edit_item(film.item, deleted_at=None)
    bench.live(2 * HOUR)
    assert (bench.title(film.item), bench.title(twin), bench.keys()) == ("Edited", "film1", [])


@pytest.mark.parametrize("settings", [{}, {"missingIgnore": True}, {"matchLowConfidence": True}], ids=str)
def test_it_waits_while_its_library_is_not_used(bench: Bench, settings: dict[str, object]) -> None:
    """A chosen item in a library that is not synced any more: nothing else is written, and the scene says why."""
    film = written(bench)
    bench.plex.add_section("Others", key=2, locations=("/others",))
    bench.stash.configure(plexLibraries="Others", **settings)
    twin = bench.plex.add_item(2, file="/films/1/film1.mp4", size=1_000_001, duration_ms=60_000).rating_key
    bench.edit(film.scene, title="Edited")
    bench.live(60)
    assert bench.job(film.scene)["message"] == (
        f'The item chosen for scene {film.scene} is in none of your "Plex libraries".'
        " Add its library there, or choose another item on PlexSync's page."
    )
    assert (bench.title(film.item), bench.title(twin)) == ("Doubtful", "film1")
    bench.stash.configure(plexLibraries="Films, Others")
    bench.live(HOUR)
    assert (bench.title(film.item), bench.title(twin)) == ("Edited", "film1")


@pytest.mark.parametrize("files", [[], [("/films/1/film1.mp4", 1_000_001, 60.0)]], ids=["no file", "a file"])
def test_it_waits_while_its_library_cannot_be_listed(bench: Bench, files: list[tuple[str, int, float]]) -> None:
    """A chosen item that the index lost while Plex cannot list the library is waited for, with a file or without."""
    film = written(bench)
    bench.edit(film.scene, files=files, title="Edited")
    with closing(open_state(str(bench.folder))) as conn:
        conn.execute("DELETE FROM part WHERE rating_key = ?", (film.item,))
    bench.plex.fault("500", path="/sections/1/all")
    bench.live(60)
    assert "Plex cannot list the library" in bench.job(film.scene)["message"]
    assert bench.job(film.scene)["attempts"] == 0
    bench.plex.clear_faults()
    bench.live(2 * HOUR)
    assert bench.title(film.item) == "Edited"


def test_it_is_found_at_once_where_the_index_was_behind(bench: Bench) -> None:
    """A chosen item that the index lost is looked for at once, for a scene without files too."""
    film = written(bench)
    bench.edit(film.scene, files=[], title="Edited")
    with closing(open_state(str(bench.folder))) as conn:
        conn.execute("DELETE FROM part WHERE rating_key = ?", (film.item,))
        conn.execute("UPDATE section SET listed_clock = ''")
    bench.live(60)
    assert bench.title(film.item) == "Edited"


def test_one_answer_without_the_item_ends_nothing(bench: Bench) -> None:
    """Plex does not name the item once: the choice stays, and the edit arrives there."""
    film = written(bench)
    bench.plex.fault("empty_container", count=1, path=r"/library/metadata/[\d,]+$")
    bench.edit(film.scene, title="Edited")
    bench.live(60)
    assert (bench.title(film.item), chosen(bench)) == ("Edited", {film.scene: film.item})


@pytest.mark.parametrize("was_written", [True, False])
def test_it_ends_with_the_item_and_comes_back_with_it(bench: Bench, was_written: bool) -> None:
    """Two looks find the item gone: the choice ends, and the scene is matched by its files until the item is back."""
    film = doubtful(bench)
    choose(bench, film.scene, film.item)
    if was_written:
        bench.live(5)
    item = bench.plex.remove_item(film.item)
    bench.edit(film.scene, title="Edited")
    bench.live(2 * HOUR)
    assert chosen(bench) == {}
    assert bench.dead_letter(film.scene)[0] == "low_confidence"
    assert len(bench.said("dropped choice", f"scene={film.scene} ", f"item={film.item}")) == 1
    bench.plex.model.add(item)
    bench.live(DAY)
    assert chosen(bench) == {film.scene: film.item}
    assert (bench.title(film.item), bench.keys()) == ("Edited", [])


def test_it_is_forgotten_with_its_scene(bench: Bench) -> None:
    """A scene that is gone from Stash has no choice any more, though it was never written and no hook told."""
    film = doubtful(bench)
    choose(bench, film.scene, film.item)
    del bench.stash.scenes[film.scene]
    bench.conn.execute("DELETE FROM ack_queue_default")
    bench.live(2 * HOUR)
    assert chosen(bench) == {}


def test_taken_back(bench: Bench) -> None:
    """Without the choice the scene is as doubtful as before: what was written by it proves nothing, and stays."""
    film = written(bench)
    assert unchoose(bench, film.scene) == (
        f"The choice of item {film.item} for scene {film.scene} is taken back. What was written there stays."
    )
    bench.edit(film.scene, title="Edited")
    bench.live(60)
    assert bench.dead_letter(film.scene)[0] == "low_confidence"
    assert bench.title(film.item) == "Doubtful"
    assert unchoose(bench, film.scene) == f"No item is chosen for scene {film.scene}. Nothing was changed."


def test_a_choice_taken_back_is_not_remembered(bench: Bench) -> None:
    """That PlexSync wrote to the item before is evidence, unless it was because of the choice."""
    film = bench.film("Lost", in_plex=False)
    item = bench.plex.add_item(1, file="/films/odd.mp4", size=0, duration_ms=60_000).rating_key
    bench.edit(bench.film().scene)
    bench.live(5)
    choose(bench, film.scene, item)
    bench.live(5)
    assert bench.title(item) == "Lost"
    unchoose(bench, film.scene)
    bench.edit(film.scene, title="Edited")
    bench.live(60)
    assert (bench.title(item), bench.count("waiting")) == ("Lost", 1)


def test_the_later_choice_wins(bench: Bench) -> None:
    """An item that is chosen for another scene goes over to it; the first scene is told, and written nowhere."""
    film, other = written(bench), bench.film("Other", in_plex=False)
    assert choose(bench, other.scene, film.item) == (
        f"Item {film.item} is chosen for scene {other.scene}. It was chosen for scene {film.scene} before, which has no"
        " choice any more."
    )
    bench.live(60)
    assert bench.title(film.item) == "Other"
    assert chosen(bench) == {other.scene: film.item}
    bench.edit(film.scene, title="Edited")
    bench.live(60)
    assert bench.title(film.item) == "Other"
    assert bench.dead_letter(film.scene)[0] == "low_confidence"
    assert film.item not in [one["rating_key"] for one in candidates(bench, film.scene)]


def test_who_had_the_item_by_its_evidence_is_told(bench: Bench) -> None:
    """A scene that was written to the item by name and size loses it to the choice, and its job says to whom."""
    sure, other = bench.film("Sure", in_plex=False), bench.film("Other", in_plex=False)
    item = bench.arrives(sure.scene, "/films/elsewhere/film1.mp4")
    bench.edit(sure.scene, other.scene)
    bench.live(5)
    assert bench.title(item) == "Sure"
    choose(bench, other.scene, item)
    bench.live(60)
    assert bench.title(item) == "Other"
    assert bench.job(sure.scene)["message"] == (
        f"Scene {sure.scene} has no item in Plex: the one most like it was chosen for scene {other.scene}."
        " If that is wrong, take that choice back on PlexSync's page."
    )
    unchoose(bench, other.scene)
    bench.live(60)
    assert bench.title(item) == "Sure"


def test_an_item_with_another_scenes_path_is_refused(bench: Bench) -> None:
    """What another scene has by an equal path cannot be chosen: nothing is stored, queued or written."""
    film, other = bench.film("Sure"), bench.film("Other", in_plex=False)
    bench.edit(film.scene)
    bench.live(5)
    with pytest.raises(PlexSyncError) as refused:
        choose(bench, other.scene, film.item)
    assert str(refused.value) == (
        f"Item {film.item} belongs to scene {film.scene}, whose file has the same path. Choose another for scene"
        f" {other.scene}. Nothing was changed."
    )
    assert (chosen(bench), bench.keys()) == ({}, [])


@pytest.mark.parametrize(("path", "refused"), [("/films/1/film1.mp4", True), ("/films/x/film1.mp4", False)])
def test_records_of_earlier_versions(bench: Bench, path: str, refused: bool) -> None:
    """A record that does not say its evidence holds the item only if both paths are letter by letter equal."""
    film, other = bench.film("Sure"), bench.film("Other", in_plex=False)
    bench.edit(film.scene)
    bench.live(5)
    with closing(open_state(str(bench.folder))) as conn:
        State(conn).store(bench.plex.machine, [Record(film.item, film.scene, path, "/films/1/film1.mp4")])
    if refused:
        with pytest.raises(PlexSyncError, match="the same path"):
            choose(bench, other.scene, film.item)
    else:
        choose(bench, other.scene, film.item)


@pytest.mark.parametrize("settings", [{}, {"matchLowConfidence": True}, {"keepPlexEdits": True}], ids=str)
def test_a_path_that_turns_out_equal_keeps_its_item(bench: Bench, settings: dict[str, object]) -> None:
    """The other scene was never synced when its item was chosen: the choice yields, and the letter says to whom."""
    bench.stash.configure(**settings)
    film, other = bench.film("Sure"), doubtful(bench)
    choose(bench, other.scene, film.item)
    bench.live(60)
    reason, message = bench.dead_letter(other.scene)
    assert reason == "low_confidence"
    assert message == (
        f"The item chosen for scene {other.scene} belongs to scene {film.scene}, which has the same path."
        " Take the choice back or choose another item on PlexSync's page."
    )
    assert bench.title(film.item) == "film1"
    bench.edit(film.scene)
    bench.live(60)
    assert bench.title(film.item) == "Sure"
    choose(bench, other.scene, other.item)
    bench.live(60)
    assert (bench.title(film.item), bench.title(other.item)) == ("Sure", "Doubtful")


def test_after_the_write_an_equal_path_takes_the_item(bench: Bench) -> None:
    """A file comes to lie at the item's path: the item is that scene's from then on, whatever was chosen before."""
    film = written(bench)
    part = bench.plex.items[film.item].parts[0]
    other = bench.stash.add_scene("By its path", files=[(part.file, part.size, 9.5)])
    bench.edit(other)
    bench.live(60)
    assert bench.title(film.item) == "By its path"
    bench.edit(film.scene, title="Edited")
    bench.live(60)
    assert "belongs to scene" in bench.dead_letter(film.scene)[1]
    assert bench.title(film.item) == "By its path"


@pytest.mark.parametrize("back", [True, False])
def test_an_item_that_is_the_scenes_no_more_wakes_nobody(bench: Bench, back: bool) -> None:
    """A person mends what was written to the earlier item: that is no reason to look at the scene, ever again."""
    film = bench.film("Sure")
    other, earlier = odd_item(bench, "other"), film.item
    bench.edit(film.scene)
    bench.live(5)
    choose(bench, film.scene, other)
    bench.live(60)
    if back:
        unchoose(bench, film.scene)
        bench.live(60)
        earlier = other
    bench.plex.edit_item(earlier, title="By hand")
    bench.stash.configure(logDebug=True)
    bench.edit(bench.film().scene)
    bench.live(60)
    bench.log.lines.clear()
    bench.live(5 * HOUR)
    assert bench.said(f"scene={film.scene} ") == []
    assert bench.title(earlier) == "By hand"


def test_dry_run_writes_no_choice(bench: Bench) -> None:
    """Under dryRun the choice is held back like any edit, and written once it is switched off."""
    film = doubtful(bench)
    bench.stash.configure(dryRun=True)
    choose(bench, film.scene, film.item)
    bench.live(60)
    assert bench.title(film.item) == "In folder 2"
    assert bench.said("would write scene", f"scene={film.scene} ")
    bench.stash.configure(dryRun=False)
    bench.live(2 * HOUR)
    assert bench.title(film.item) == "Doubtful"


def test_what_a_person_changed_in_plex_stays(bench: Bench) -> None:
    """With keepPlexEdits a chosen item is written like any other: a person's later title stays."""
    bench.stash.configure(keepPlexEdits=True)
    film = written(bench)
    bench.plex.edit_item(film.item, title="By hand")
    bench.edit(film.scene, title="Edited")
    bench.live(60)
    assert bench.title(film.item) == "By hand"


def test_another_server_has_no_choices(bench: Bench) -> None:
    """A choice belongs to one Plex server: an item of the same number on another one is not chosen."""
    film = written(bench)
    bench.plex.machine = "another"
    bench.edit(film.scene, title="Edited")
    bench.live(60)
    assert bench.dead_letter(film.scene)[0] == "low_confidence"
    assert bench.title(film.item) == "Doubtful"


class Bar:
    """No progress bar."""

    def progress(self, done: float) -> None:
        """Nothing."""


def table(bench: Bench, name: str) -> list[dict[str, str]]:
    """Return the rows of one of Preview's files."""
    with (bench.folder / name).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_preview_and_check_setup_count_it(bench: Bench) -> None:
    """Before it is written, Preview shows the choice as the evidence, and Check setup counts the scene as matching."""
    film, held = doubtful(bench), bench.film("Held", in_plex=False)
    sure = bench.film("Sure")
    bench.edit(sure.scene)
    bench.live(5)
    assert check_setup.run(bench.app)["sample"]["matched"] == 1
    choose(bench, film.scene, film.item)
    assert check_setup.run(bench.app)["sample"]["matched"] == 2
    preview.run(bench.app, Bar())
    columns = ("scene_id", "rating_key", "confidence", "evidence", "new")
    [row] = table(bench, "preview.csv")
    assert [row[name] for name in columns] == [str(film.scene), str(film.item), "high", "chosen", "Doubtful"]
    bench.plex.edit_item(film.item, deleted_at=int(bench.now))
    bench.now += HOUR
    preview.run(bench.app, Bar())
    assert table(bench, "preview.csv") == []
    reasons = {int(row["scene_id"]): row["reason"] for row in table(bench, "unmatched.csv")}
    assert reasons.keys() == {film.scene, held.scene}
    assert reasons[film.scene].startswith(f"The item chosen for scene {film.scene} is in Plex's trash.")


REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"scene_id": 1}, "rating_key is missing"),
    ({"rating_key": 1}, "scene_id is missing"),
    ({"scene_id": 0, "rating_key": 1}, "scene_id cannot be '0'"),
    ({"scene_id": True, "rating_key": 1}, "scene_id cannot be 'True'"),
    ({"scene_id": [1], "rating_key": 1}, "scene_id cannot be '[1]'"),
    ({"scene_id": 1, "rating_key": "1.5"}, "rating_key cannot be '1.5'"),
    ({"scene_id": 1, "rating_key": -5}, "rating_key cannot be '-5'"),
    ({"scene_id": 1, "rating_key": 10**19}, "rating_key cannot be '10000000000000000000'"),
]


@pytest.mark.parametrize(("args", "what"), REFUSED)
def test_what_is_no_choice(bench: Bench, args: dict[str, Any], what: str) -> None:
    """Anything but two positive integers, as numbers or texts, is refused in one sentence."""
    with pytest.raises(PlexSyncError) as refused:
        choice.choose(str(bench.folder), args)
    assert str(refused.value) == f"The {what}: send a positive integer. Nothing was changed."
    assert bench.keys() == []


def test_before_plex_is_known_nothing_can_be_chosen(bench: Bench) -> None:
    """Without a server there are no items: the answer says what to do."""
    with pytest.raises(PlexSyncError, match=r"^PlexSync has not reached Plex yet\. Run Check setup, "):
        choose(bench, 1, 1)


def test_which_items_cannot_be_chosen(bench: Bench) -> None:
    """An unknown item, one in the trash, one without a file to play, and one of a library that is not used."""
    film = written(bench)
    bench.plex.add_section("Others", key=2, locations=("/others",))
    unused = bench.plex.add_item(2, file="/others/a.mp4", size=4, duration_ms=4000).rating_key
    trashed = odd_item(bench, "trashed", trashed=True)
    bench.edit(film.scene)
    bench.live(60)
    bench.stash.configure(plexLibraries="Films")
    bench.edit(film.scene)
    bench.live(60)
    for item, why in (
        (999, "is not known. Let Plex scan its library, or choose another"),
        (trashed, "is in Plex's trash. Choose another"),
        (unused, 'is in the library "Others", which is none of your "Plex libraries". Choose another'),
    ):
        with pytest.raises(PlexSyncError) as refused:
            choose(bench, film.scene, item)
        assert str(refused.value) == f"Item {item} {why} for scene {film.scene}. Nothing was changed."
    assert chosen(bench) == {film.scene: film.item}
