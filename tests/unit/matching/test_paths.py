"""Path vectors: files that earlier tools took for the same, and those that are."""

from __future__ import annotations

from dataclasses import dataclass, replace

import pytest

from plexsync.matching import Known, Remembered, confirm, match, write_targets
from plexsync.model.item import IndexPart, Item
from plexsync.model.scene import SceneFile
from tests.support.index import Index, file, match_batch, part, scene, shown, sole

NFC, NFD = "Caf\u00e9.mp4", "Cafe\u0301.mp4"


@dataclass(frozen=True)
class Vector:
    """The scene's files in Stash, the rows of Plex, the expected verdict and items."""

    name: str
    files: tuple[SceneFile, ...]
    rows: tuple[IndexPart, ...]
    verdict: str
    items: tuple[int, ...] = ()
    fold_case: bool = False


A, B = "/p/StudioA/scene.mp4", "/p/StudioB/scene.mp4"
OWN = file("/s/StudioB/scene.mp4", 100, 60)
VECTORS = [
    Vector("only another studio's, other size", (OWN,), (part(1, A, 99, 50),), "low", (1,)),
    Vector("only another studio's, size unknown", (OWN,), (part(1, A),), "low", (1,)),
    Vector("both studios', sizes tell", (OWN,), (part(1, A, 99, 50), part(2, B, 100, 60)), "high", (2,)),
    Vector("both studios', same size", (OWN,), (part(1, A, 100, 60), part(2, B, 100, 60)), "high", (2,)),
    Vector("both studios', durations tell", (OWN,), (part(1, A, 0, 60), part(2, B, 0, 60)), "high", (2,)),
    Vector("both studios', nothing else known", (OWN,), (part(1, A), part(2, B)), "low", (2,)),
    Vector("case of the name", (file("/s/d/Movie.MP4", 9, 60),), (part(1, "/p/d/movie.mp4", 9, 60),), "high", (1,)),
    Vector(
        "the exact case wins",
        (file("/s/d/Foo.mp4", 9, 60),),
        (part(1, "/p/d/foo.mp4", 9, 60), part(2, "/p/d/Foo.mp4", 9, 60)),
        "high",
        (2,),
    ),
    Vector(
        "the exact case of an equal path wins",
        (file("/p/d/Foo.mp4", 9, 60),),
        (part(1, "/p/d/foo.mp4", 9, 60), part(2, "/p/d/Foo.mp4", 8, 60)),
        "high",
        (2,),
        True,
    ),
    Vector(
        "two other cases, none exact, on a server that folds it",
        (file("/p/d/FOO.mp4"),),
        (part(1, "/p/d/foo.mp4"), part(2, "/p/d/Foo.mp4")),
        "low",
        (1, 2),
        True,
    ),
    Vector("equal path in another case", (file("/p/D/X.mp4"),), (part(1, "/p/d/x.mp4"),), "high", (1,), True),
    Vector("the same where case matters", (file("/p/D/X.mp4"),), (part(1, "/p/d/x.mp4"),), "low", (1,)),
    Vector(
        "sharp s is no double s, even where case is folded",
        (file("/p/d/Stra\u00dfe.mp4", 9, 60),),
        (part(1, "/p/d/Strasse.mp4", 8, 90),),
        "low",
        (1,),
        True,
    ),
    Vector("decomposed and composed", (file(f"/s/{NFD}", 9),), (part(1, f"/p/{NFC}", 9),), "high", (1,)),
    Vector("the same at an equal path", (file(f"/p/{NFD}"),), (part(1, f"/p/{NFC}"),), "high", (1,)),
    Vector(
        "both forms in one folder: Stash's spelling",
        (file(f"/p/{NFD}", 9),),
        (part(1, f"/p/{NFC}", 9), part(2, f"/p/{NFD}", 8)),
        "high",
        (2,),
    ),
    Vector(
        "both forms in one folder, other root: Stash's spelling",
        (file(f"/s/d/{NFC}", 9),),
        (part(1, f"/p/d/{NFC}", 9), part(2, f"/p/d/{NFD}", 9)),
        "high",
        (1,),
    ),
    Vector("a drive letter", (file("D:\\media\\d\\x.mp4", 9, 60),), (part(1, "/p/d/x.mp4", 9, 60),), "high", (1,)),
    Vector(
        "two files, only the second is there",
        (file("/s/d/x.mkv", 7, 60), file("/s/d/y.mp4", 9, 61)),
        (part(1, "/p/d/y.mp4", 9, 61),),
        "high",
        (1,),
    ),
    Vector("a name that ends alike", (file("/s/d/b.mp4", 9, 60),), (part(1, "/p/d/ab.mp4", 8, 60),), "none"),
    Vector("another container, nothing known", (file("/s/d/x.mkv"),), (part(1, "/p/d/x.mp4"),), "none"),
    Vector("another container, other size", (file("/s/d/x.mkv", 9, 60),), (part(1, "/p/d/x.mp4", 8, 60),), "none"),
    Vector("another container, other film", (file("/s/d/x.mkv", 9, 60),), (part(1, "/p/d/x.mp4", 9, 90),), "none"),
    Vector("another container, same file", (file("/s/d/x.mkv", 9, 6),), (part(1, "/p/d/x.mp4", 9, 6.4),), "high", (1,)),
    Vector("not there", (OWN,), (), "none"),
]  # fmt: skip


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector.name)
def test_paths(vector: Vector) -> None:
    """Each vector gives the verdict and the items that a careful person would give."""
    result = sole(vector.files, Index(vector.rows, fold_case=vector.fold_case))
    assert shown(result) == (vector.verdict, vector.items)
    assert (result.reason == "") is (vector.verdict == "high")


@pytest.mark.parametrize(
    "vector", [vector for vector in VECTORS if vector.verdict != "high"], ids=lambda vector: vector.name
)
def test_nothing_is_written_without_confidence(vector: Vector) -> None:
    """An uncertain match is not written unless the user allows it."""
    assert write_targets(sole(vector.files, Index(vector.rows, fold_case=vector.fold_case)), low_allowed=False) == ()


def test_both_forms_of_a_name_are_two_scenes() -> None:
    """Two files whose names differ only in Unicode form keep their own items, even edited alone."""
    rows = (part(1, f"/p/{NFC}", 9), part(2, f"/p/{NFD}", 8))
    first, second = scene(1, file(f"/p/{NFC}", 9)), scene(2, file(f"/p/{NFD}", 8))
    for batch in ([first], [second], [first, second], [second, first]):
        result = match_batch(batch, Index(rows), [first, second])
        assert [shown(result[edited.id]) for edited in batch] == [("high", (edited.id,)) for edited in batch]


def test_a_memory_is_kept_to_the_letter() -> None:
    """Two files that differ only in Unicode form and changed places are not mixed up."""
    rows = (part(1, f"/p/{NFC}", 8, 60), part(2, f"/p/{NFD}", 9, 60))
    memory = {1: (Remembered(1, f"/p/{NFC}", f"/s/{NFC}"),), 2: (Remembered(2, f"/p/{NFD}", f"/s/{NFD}"),)}
    scenes = [scene(1, file(f"/s/{NFD}", 9, 60)), scene(2, file(f"/s/{NFC}", 8, 60))]
    for edited, item in zip(scenes, (2, 1), strict=True):
        result = match_batch([edited], Index(rows), scenes, Known(remembered=memory))
        assert [shown(each) for each in result.values()] == [("high", (item,))]


MEMORY = Known(remembered={1: (Remembered(7, "/p/old.mp4", "/s/new.mp4"),)})
RENAMED = file("/s/new.mp4", 100, 60)


@pytest.mark.parametrize(
    ("rows", "verdict", "items"),
    [
        ((part(7, "/p/old.mp4", 100, 60),), "high", (7,)),
        ((part(7, "/p/old.mp4", 90, 60),), "high", (7,)),
        ((part(7, "/p/old.mp4", 90, 90),), "low", (7,)),
        ((part(7, "/p/other.mp4", 90, 90),), "none", ()),
        ((), "none", ()),
        ((part(7, "/p/other.mp4", 90, 90), part(8, "/p/new.mp4", 100, 60)), "high", (8,)),
        ((part(7, "/p/old.mp4", 90, 90), part(8, "/p/new.mp4", 100, 60)), "high", (8,)),
        ((part(7, "/p/old.mp4", 100, 60, trashed=True),), "none", ()),
    ],
    ids=[
        "still there", "re-encoded", "another film at its path", "another file", "gone", "another file; own elsewhere",
        "another film; own elsewhere", "in the trash",
    ],
)  # fmt: skip
def test_remembered_items(rows: tuple[IndexPart, ...], verdict: str, items: tuple[int, ...]) -> None:
    """A remembered item counts only while it has that file; otherwise the scene is matched again."""
    assert shown(sole((RENAMED,), Index(rows), MEMORY)) == (verdict, items)


def test_what_stash_no_longer_has_is_not_remembered() -> None:
    """A remembered file that the scene has lost says nothing about its present files."""
    assert sole((file("/s/moved.mp4", 5, 5),), Index((part(7, "/p/old.mp4", 100, 60),)), MEMORY).verdict == "none"


@pytest.mark.parametrize(
    ("item", "kept"),
    [
        (Item(7, 1, parts=(part(7, "/p/old.mp4", 100),)), True),
        (Item(7, 1, parts=(part(7, "/p/x.mp4", 5), part(7, "\\p\\old.mp4", 0))), True),
        (Item(7, 1, parts=(part(7, "/p/old.mp4", 90),)), False),
        (Item(7, 1, parts=(part(7, "/p/other.mp4", 100),)), False),
        (Item(7, 1, parts=(part(7, "/p/old.mp4", 100, optimised=True),)), False),
        (Item(7, 1, parts=(part(7, "/p/old.mp4", 100, trashed=True),)), False),
        (Item(7, 1, parts=(part(7, "/p/old.mp4", 100),), trashed=True), False),
        (Item(8, 1, parts=(part(8, "/p/old.mp4", 100),)), False),
        (Item(7, 1), False),
    ],
    ids=[
        "same", "one of several, size unknown", "replaced in place", "another file", "an optimised version",
        "part in the trash", "item in the trash", "another item", "no file",
    ],
)  # fmt: skip
def test_nothing_is_written_to_an_item_that_changed(item: Item, kept: bool) -> None:
    """Just before the write, the item must still have the file that was matched."""
    [candidate] = sole((RENAMED,), Index((part(7, "/p/old.mp4", 100, 60),)), MEMORY).items
    assert confirm(candidate, item) is kept


def test_an_equal_path_stays_though_the_file_grew() -> None:
    """With an equal path the size is no evidence, so a re-encoded file still matches."""
    [candidate] = sole((file("/p/x.mp4", 100),), Index((part(7, "/p/x.mp4", 100),))).items
    assert confirm(candidate, Item(7, 1, parts=(part(7, "/p/x.mp4", 55),)))


@pytest.mark.parametrize(("size", "kept"), [(1, True), (0, True), (2, False)])
def test_every_known_size_counts(size: int, kept: bool) -> None:
    """Even of a file of one byte the size tells whether it was replaced; an unknown one tells nothing."""
    [candidate] = sole((file("/s/d/x.mp4", 1),), Index((part(7, "/p/d/x.mp4", 1),))).items
    assert confirm(candidate, Item(7, 1, parts=(part(7, "/p/d/x.mp4", size),))) is kept


def test_a_file_that_appears_later_is_found() -> None:
    """No negative answer is kept: a scene matches as soon as the index has its file."""
    index = Index(())
    assert match([scene(1, OWN)], index, Known())[1].verdict == "none"
    later = replace(index, rows=(part(2, B, 100, 60),))
    assert shown(match_batch([scene(1, OWN)], later)[1]) == ("high", (2,))
