"""What a person chose: stronger than all evidence, but for another scene's equal path."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from plexsync.matching import (
    Confidence,
    Evidence,
    Known,
    Match,
    Remembered,
    confirm,
    match,
    names_to_ask,
    unambiguous_pairs,
    write_targets,
)
from plexsync.model.item import IndexPart, Item
from plexsync.model.scene import Scene, SceneFile
from tests.support.index import Index, file, match_batch, part, scene, shown, sole
from tests.unit.matching.test_properties import Film, films, index_of, map_of

X = file("/s/d/x.mp4", 100, 60)
#: Items that look like the scene ever more: only the name, name and size, the path.
ROWS = (part(1, "/p/e/x.mp4", 7, 7), part(2, "/p/f/x.mp4", 100, 60), part(3, "/s/d/x.mp4", 100, 60))


@pytest.mark.parametrize("key", [1, 2, 3])
def test_the_chosen_item_is_the_only_target(key: int) -> None:
    """Whatever size, name and path say, the scene is written to the chosen item alone, and the reason says why."""
    found = sole((X,), Index(ROWS), Known(chosen={1: key}))
    assert shown(found) == ("high", (key,))
    assert found.chosen == key
    [candidate] = write_targets(found, low_allowed=False)
    assert (candidate.evidence, candidate.confidence) == (Evidence.CHOSEN, Confidence.HIGH)
    assert candidate.why == "it was chosen by hand"


@pytest.mark.parametrize("files", [(), (file("", 5, 5),), (file("/s/a.mp4"), file("/s/b.mp4"))])
def test_any_scene_can_have_a_chosen_item(files: tuple[SceneFile, ...]) -> None:
    """A scene without a file, with a file that nothing is known of, or with several is written where it was chosen."""
    assert shown(sole(files, Index(ROWS), Known(chosen={1: 2}))) == ("high", (2,))


def test_the_first_playable_file_stands_for_the_item() -> None:
    """Optimised versions are passed over."""
    rows = (part(1, "/p/opt.mp4", optimised=True), part(1, "/p/a.mp4"), part(1, "/p/b.mp4"))
    [candidate] = sole((X,), Index(rows), Known(chosen={1: 1})).items
    assert candidate.part.path == "/p/a.mp4"


@pytest.mark.parametrize(
    "rows",
    [ROWS[1:], (part(1, "/p/e/x.mp4", trashed=True), *ROWS[1:]), (part(1, "/p/e/x.mp4", optimised=True), *ROWS[1:])],
    ids=["absent", "in the trash", "only an optimised version"],
)
def test_without_the_chosen_item_nothing_is_written(rows: tuple[IndexPart, ...]) -> None:
    """A chosen item that the index does not have is waited for: other evidence, even an equal path, does not count."""
    found = sole((X,), Index(rows), Known(chosen={1: 1}))
    assert (shown(found), found.chosen) == (("none", ()), 1)
    assert found.reason == (
        "The item chosen for scene 1 is in Plex's trash. Have Plex find its file again, or choose another item on"
        " PlexSync's page."
        if any(row.trashed for row in rows)
        else 'The item chosen for scene 1 is in none of your "Plex libraries". Add its library there, or choose another'
        " item on PlexSync's page."
    )


OTHER = file("/s/f/x.mp4", 100, 60)


@pytest.mark.parametrize(
    ("row", "known"),
    [
        (part(1, "/p/f/x.mp4", 100, 60), Known()),
        (part(1, "/p/f/x.mp4", 99, 60), Known()),
        (part(1, "/p/z/new.mp4", 100, 60), Known()),
        (part(1, "/p/z/x.mp4", 9, 9), Known()),
        (
            part(1, "/p/old.mp4", 100, 60),
            Known(remembered={2: (Remembered(1, "/p/old.mp4", "/s/f/x.mp4"),)}, claims={1: 2}),
        ),
    ],
    ids=["name and size", "name and folder", "renamed", "name only", "remembered"],
)
@pytest.mark.parametrize("together", [True, False])
def test_others_lose_the_chosen_item(row: IndexPart, known: Known, together: bool) -> None:
    """Evidence of the chosen item counts for nobody else, and who loses it is told which scene has it."""
    scenes = [scene(1, file("/s/a.mp4", 1, 1)), scene(2, OTHER)]
    known = replace(known, chosen={1: 1})
    found = match_batch(scenes if together else scenes[1:], Index((row,)), scenes, known)
    assert found[2].reason == (
        "Scene 2 has no item in Plex: the one most like it was chosen for scene 1."
        " If that is wrong, take that choice back on PlexSync's page."
    )
    assert shown(found[2]) == ("none", ())
    if together:
        assert shown(found[1]) == ("high", (1,))


def test_a_learned_path_loses_too() -> None:
    """Of all paths only an equal one stands against a choice."""
    known = Known(learned=map_of([]), chosen={1: 1})
    scenes = [scene(1, file("/s/a.mp4", 1, 1)), scene(2, OTHER)]
    found = match_batch(scenes, Index((part(1, "/p/f/x.mp4", 100, 60),)), known=known)
    assert (shown(found[1]), shown(found[2])) == (("high", (1,)), ("none", ()))
    assert "was chosen for scene 1" in found[2].reason


@pytest.mark.parametrize("together", [True, False])
def test_an_equal_path_keeps_its_item(together: bool) -> None:
    """Against an equal path the choice yields: nothing is written, and the reason names scene and remedy."""
    scenes = [scene(1, X), scene(2, file("/s/f/y.mp4", 5, 5))]
    index, known = Index((part(1, "/s/f/y.mp4", 100, 60),)), Known(chosen={1: 1})
    found = match_batch(scenes if together else scenes[:1], index, scenes, known)
    assert shown(found[1]) == ("low", (1,))
    assert found[1].reason == (
        "The item chosen for scene 1 belongs to scene 2, which has the same path."
        " Take the choice back or choose another item on PlexSync's page."
    )
    assert write_targets(found[1], low_allowed=True) == ()
    if together:
        assert shown(found[2]) == ("high", (1,))
        assert found[2].items[0].evidence is Evidence.EQUAL_PATH


def test_a_path_in_another_spelling_does_not() -> None:
    """Only letter by letter is a path equal enough to stand against a choice."""
    scenes = [scene(1, file("/s/a.mp4", 1, 1)), scene(2, file("/s/F/Y.mp4", 5, 5))]
    index = Index((part(1, "/s/f/y.mp4", 5, 5),), fold_case=True)
    found = match_batch(scenes, index, known=Known(chosen={1: 1}))
    assert (shown(found[1]), found[2].verdict) == (("high", (1,)), "none")


def test_between_two_equal_paths_the_choice_decides() -> None:
    """Two prefixes of the path map lead to one path: nobody has the item but by a choice, and who wrote it keeps it."""
    scenes = [scene(1, file("/a/x.mp4", 5, 5)), scene(2, file("/b/x.mp4", 5, 5))]
    index = Index((part(1, "/p/x.mp4", 5, 5),))
    known = Known(path_map=(("/a", "/p"), ("/b", "/p")))
    assert [match_batch(scenes, index, known=known)[one].verdict for one in (1, 2)] == ["low", "low"]
    chosen = replace(known, chosen={1: 1})
    assert [match_batch(scenes, index, known=chosen)[one].verdict for one in (1, 2)] == ["high", "none"]
    wrote = replace(chosen, claims={1: 2}, claim_paths={1: "/p/x.mp4"})
    assert [match_batch(scenes, index, known=wrote)[one].verdict for one in (1, 2)] == ["low", "high"]


def test_who_chose_another_item_holds_none_by_its_path() -> None:
    """A scene for which another item was chosen keeps nobody from the one at its own path that chooses it."""
    scenes = [scene(1, X), scene(2, file("/s/f/y.mp4", 5, 5))]
    rows = (part(1, "/s/f/y.mp4", 100, 60), part(2, "/p/other.mp4"))
    found = match_batch(scenes, Index(rows), known=Known(chosen={1: 1, 2: 2}))
    assert (shown(found[1]), shown(found[2])) == (("high", (1,)), ("high", (2,)))


def test_but_it_keeps_others_from_it_by_evidence() -> None:
    """Without a choice nobody gets the item at another scene's path, though that scene is written elsewhere."""
    scenes = [scene(1, file("/s/e/y.mp4", 100, 60)), scene(2, file("/s/f/y.mp4", 100, 60))]
    rows = (part(1, "/s/f/y.mp4", 100, 60), part(2, "/p/other.mp4"))
    found = match_batch(scenes, Index(rows), known=Known(chosen={2: 2}))
    assert (found[1].verdict, shown(found[2])) == ("none", ("high", (2,)))


def test_one_choice_settles_twins() -> None:
    """Two films look the same: once one is chosen, the other scene's item is the other one."""
    scenes = [scene(1, file("/s/a/x.mp4", 100, 60)), scene(2, file("/s/b/x.mp4", 100, 60))]
    rows = (part(1, "/p/e/x.mp4", 100, 60), part(2, "/p/f/x.mp4", 100, 60))
    assert {one.verdict for one in match_batch(scenes, Index(rows)).values()} == {"low"}
    for batch in (scenes, scenes[1:]):
        found = match_batch(batch, Index(rows), scenes, Known(chosen={1: 1}))
        assert shown(found[2]) == ("high", (2,))


def test_a_claim_ends_with_another_choice() -> None:
    """Who wrote an item has no claim on it once another item was chosen for it."""
    scenes = [scene(1, file("/s/a/x.mp4", 100, 60)), scene(2, file("/s/b/z.mp4", 3, 3))]
    index = Index((part(1, "/p/e/x.mp4", 100, 60), part(2, "/p/other.mp4")))
    known = Known(claims={1: 2}, claim_paths={1: "/p/e/x.mp4"})
    assert shown(match_batch(scenes[:1], index, scenes, known)[1]) == ("low", (1,))
    assert shown(match_batch(scenes[:1], index, scenes, replace(known, chosen={2: 2}))[1]) == ("high", (1,))


def test_nothing_is_learned_from_a_choice() -> None:
    """The path map does not learn from a chosen item, though name, size and folder agree."""
    index = Index((part(1, "/p/d/x.mp4", 100, 60),))
    assert unambiguous_pairs([sole((X,), index)])
    assert unambiguous_pairs([sole((X,), index, Known(chosen={1: 1}))]) == []


def test_stash_is_asked_for_the_files_of_the_chosen_item() -> None:
    """Who has the item by its path is found by the names of its files; the scene's own name is beside the point."""
    index = Index((part(1, "/p/a.mp4"), part(1, "/p/b.mp4"), part(1, "/p/opt.mp4", optimised=True)))
    for files in ((X,), ()):
        batch = [scene(1, *files)]
        assert names_to_ask(batch, match(batch, index, Known(chosen={1: 1})), index) == {"a.mp4", "b.mp4"}


def full(*parts: IndexPart, key: int = 1, trashed: bool = False) -> Item:
    """Return a full item."""
    return Item(key, 1, parts=parts, trashed=trashed)


@pytest.mark.parametrize(
    ("item", "there"),
    [
        (full(part(1, "/p/d/x.mp4", 100)), True),
        (full(part(1, "/p/renamed.mkv", 5)), True),
        (full(part(1, "/p/renamed.mkv", optimised=True)), False),
        (full(part(1, "/p/renamed.mkv", trashed=True)), False),
        (full(), False),
        (full(part(1, "/p/d/x.mp4", 100), trashed=True), False),
        (full(part(1, "/p/d/x.mp4", 100), key=2), False),
        (None, False),
    ],
    ids=["as it was", "another file", "optimised", "file in the trash", "no file", "in the trash", "another", "gone"],
)
def test_just_before_the_write(item: Item | None, there: bool) -> None:
    """A chosen item is written if it is there with a file to play, whatever file that is by now."""
    [candidate] = sole((X,), Index((part(1, "/p/d/x.mp4", 100),)), Known(chosen={1: 1})).items
    assert confirm(candidate, item) is there


def holders(library: list[Film], index: Index) -> dict[int, int]:
    """Return item -> the scene that has one of its files by an equal path."""
    paths = {film.stash.path.replace("\\", "/"): film.id for film in library}
    return {row.rating_key: paths[row.path] for row in index.rows if row.path in paths and not row.trashed}


@given(films(), st.data(), st.booleans(), st.booleans())
@settings(max_examples=250, deadline=None)
def test_a_choice_always_wins(library: list[Film], data: st.DataObject, taught: bool, complete: bool) -> None:
    """Whatever is chosen, it is written there and nowhere else, but where another scene has the item by its path.

    And whatever is chosen and whatever is alike, no item has two scenes.
    """
    index = index_of(library, complete=complete)
    keys = sorted({row.rating_key for row in index.rows})
    scenes = [film.id for film in library]
    items = data.draw(st.permutations(keys)) if keys else []
    choosers = data.draw(st.lists(st.sampled_from(scenes), unique=True)) if scenes else []
    chosen = dict(zip(choosers, items, strict=False))
    known = replace(Known(learned=map_of(library)) if taught else Known(), chosen=chosen)
    batch: list[Scene] = [film.scene for film in library if data.draw(st.booleans())]
    found = match_batch(batch, index, [film.scene for film in library], known)
    held, there = holders(library, index), {row.rating_key for row in index.rows if not row.trashed}
    for scene_id, one in found.items():
        check(scene_id, one, chosen, held, there)
    targets = [target.rating_key for one in found.values() for target in write_targets(one, low_allowed=True)]
    assert len(targets) == len(set(targets))


def check(scene_id: int, found: Match, chosen: dict[int, int], held: dict[int, int], there: set[int]) -> None:
    """Hold one match against what was chosen."""
    written = [target.rating_key for target in write_targets(found, low_allowed=True)]
    if scene_id not in chosen:
        taken = {key for scene, key in chosen.items() if held.get(key, scene) in {scene, *chosen}}
        assert not taken.intersection(written)
        return
    key = chosen[scene_id]
    holder = held.get(key, scene_id)
    yields = holder != scene_id and holder not in chosen
    assert written == ([key] if key in there and not yields else [])
    assert found.verdict == ("none" if key not in there else "low" if yields else "high")
