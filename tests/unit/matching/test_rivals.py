"""Rivals: which other scenes Stash is asked about, so that an edit of one scene never reaches another's item."""

from __future__ import annotations

from dataclasses import replace

import pytest

from plexsync.matching import Evidence, Known, Match, Remembered, match, names_to_ask
from plexsync.model.item import IndexPart
from plexsync.model.scene import Scene
from tests.support.index import Index, file, files_named, learned, match_batch, part, scene, shown

MINE = scene(1, file("/s/StudioB/scene.mp4", 100, 60))
#: A film of the same name that another scene has, in every way in which it can own the one item there is.
RIVAL = scene(2, file("/s/StudioA/scene.mp4", 100, 60))
ITEM = part(9, "/p/StudioA/scene.mp4", 100, 60)


def asked(scenes: list[Scene], rows: tuple[IndexPart, ...], known: Known | None = None) -> frozenset[str]:
    """Return the names that Stash is asked about."""
    index = Index(rows)
    return names_to_ask(scenes, match(scenes, index, known or Known()), index)


SEEN = Known(remembered={1: (Remembered(9, "/p/old.mp4", "/s/StudioB/scene.mp4"),)})
POOL = Known(path_map=(("/s/StudioA", "/pool"), ("/s/StudioB", "/pool")))


@pytest.mark.parametrize(
    ("rows", "known", "names"),
    [
        ((part(9, "/s/StudioB/scene.mp4"),), Known(), set()),
        ((part(9, "/p/StudioB/scene.mp4"),), Known(path_map=(("/s", "/p"),)), set()),
        ((), Known(), set()),
        ((part(9, "/s/StudioB/scene.mp4"), part(9, "/s/cut.mp4")), Known(), {"scene.mp4", "cut.mp4"}),
        ((part(9, "/s/StudioB/scene.mp4"), part(9, "/s/o.mp4", trashed=True)), Known(), set()),
        ((part(9, "/s/StudioB/scene.mp4"), part(9, "/s/o.mp4", optimised=True)), Known(), set()),
        ((part(9, "/p/StudioB/scene.mp4"),), Known(learned=learned("/s", "/p")), {"scene.mp4"}),
        ((part(9, "/p/old.mp4"),), SEEN, {"scene.mp4", "old.mp4"}),
        ((part(9, "/p/x/Scene.MP4", 100),), Known(), {"scene.mp4", "Scene.MP4"}),
        ((part(9, "/p/new.mp4", 100, 60),), Known(), {"scene.mp4", "new.mp4"}),
        ((part(9, "/pool/scene.mp4"),), POOL, {"scene.mp4"}),
    ],
    ids=[
        "equal path", "equal by the map", "nothing found", "an item with two files", "one of two in the trash",
        "one of two optimised", "learned path", "remembered", "another case", "renamed", "two prefixes, one place",
    ],
)  # fmt: skip
def test_questions(rows: tuple[IndexPart, ...], known: Known, names: set[str]) -> None:
    """Stash is asked about the names of all files concerned, except for equal paths to items with a single file."""
    assert asked([MINE], rows, known) == names


def test_names_are_asked_in_both_forms() -> None:
    """Stash compares text, so an accented name is asked about composed and decomposed."""
    assert asked([scene(1, file("/s/\u00e9.mp4", 100))], (part(9, "/p/\u00e9.mp4", 100),)) == {
        "\u00e9.mp4",
        "e\u0301.mp4",
    }


def test_an_equal_path_in_another_form_is_asked_about() -> None:
    """A path that is equal only in another Unicode form may be another file's."""
    assert asked([scene(1, file("/p/\u00e9.mp4"))], (part(9, "/p/e\u0301.mp4"),)) == {"\u00e9.mp4", "e\u0301.mp4"}


OWNS = {
    "equal path": Known(path_map=(("/s/StudioA", "/p/StudioA"),)),
    "learned path": Known(learned=learned("/s", "/p")),
    "nearer folders": Known(),
}


@pytest.mark.parametrize("known", OWNS.values(), ids=OWNS)
def test_a_rival_outside_the_batch_keeps_its_item(known: Known) -> None:
    """With only one scene in the batch, the rival that really has the file is found by asking Stash."""
    alone = match([MINE], Index((ITEM,)), known)[1]
    assert shown(alone) == ("high", (9,)), "without the question the name and size would be enough"
    result = match_batch([MINE], Index((ITEM,)), [MINE, RIVAL], known)[1]
    assert shown(result) == ("none", ())
    assert result.reason.startswith("Scene 1 is not in Plex")
    for batch in ([RIVAL], [MINE, RIVAL]):
        assert shown(match_batch(batch, Index((ITEM,)), [MINE, RIVAL], known)[2]) == ("high", (9,))


def test_the_reason_says_that_another_scene_has_it() -> None:
    """A scene that loses its only candidate to another scene gets that as the reason."""
    assert "belongs to another scene" in match_batch([MINE], Index((ITEM,)), [MINE, RIVAL])[1].reason


def test_the_own_item_is_found_once_it_is_there() -> None:
    """The rival's item is left alone, and the scene's own is found once Plex has scanned it."""
    rows = (ITEM, part(8, "/p/StudioB/scene.mp4", 100, 60))
    for batch in ([MINE], [MINE, RIVAL]):
        assert shown(match_batch(batch, Index(rows), [MINE, RIVAL])[1]) == ("high", (8,))


EVEN = part(9, "/p/elsewhere/scene.mp4", 100, 60)


def both(index: Index, known: Known) -> dict[int, Match]:
    """Return the matches of both scenes, edited one at a time; together they must get the same."""
    scenes = [MINE, RIVAL]
    alone = {edited.id: match_batch([edited], index, scenes, known)[edited.id] for edited in scenes}
    together = match_batch(scenes, index, known=known)
    assert {key: shown(result) for key, result in alone.items()} == {
        key: shown(result) for key, result in together.items()
    }
    return together


def test_between_equals_nobody_has_it() -> None:
    """Two scenes that match an item equally are both left for the user, and each reason names the other."""
    result = both(Index((EVEN,)), Known())
    assert [shown(result[n]) for n in (1, 2)] == [("low", (9,)), ("low", (9,))]
    assert [result[n].items[0].contested for n in (1, 2)] == [(2,), (1,)]
    assert "the item could also be scene 2" in result[1].reason


@pytest.mark.parametrize("writer", [1, 2])
def test_between_equals_the_writer_keeps_it(writer: int) -> None:
    """Between equals the scene that wrote the item keeps it; the other is left for the user."""
    result = both(Index((EVEN,)), Known(claims={9: writer}))
    assert result[writer].verdict == "high"
    assert shown(result[3 - writer]) == ("low", (9,))
    assert result[3 - writer].items[0].contested == (writer,)


def test_a_claim_does_not_beat_a_better_file() -> None:
    """A scene that wrote an item by mistake loses it to the scene whose file matches better."""
    result = both(Index((ITEM,)), Known(claims={9: 1}))
    assert (result[1].verdict, result[2].verdict) == ("none", "high")


def test_a_claim_ends_when_the_item_holds_another_file() -> None:
    """What was written when the item had another file says nothing about its present one."""
    known = Known(claims={9: 1}, remembered={1: (Remembered(9, "/p/former.mp4", "/s/StudioB/scene.mp4"),)})
    assert match_batch([MINE], Index((EVEN,)), [MINE, RIVAL], known)[1].verdict == "low"
    same = replace(known, remembered={1: (Remembered(9, EVEN.path, "/s/before/scene.mp4"),)})
    assert match_batch([MINE], Index((EVEN,)), [MINE, RIVAL], same)[1].verdict == "high"


RENAMED = part(9, "/p/original.mp4", 100, 60)


@pytest.mark.parametrize(
    ("rows", "known", "verdict"),
    [
        ((RENAMED,), Known(), "high"),
        ((RENAMED,), Known(claims={9: 1}), "high"),
        ((RENAMED,), Known(claims={9: 0}), "high"),
        ((RENAMED,), Known(claims={9: 7}), "low"),
        ((EVEN,), Known(claims={9: 7}), "low"),
        ((part(9, "/p/e/scene.mp4", 1, 1),), Known(claims={9: 7}), "low"),
        ((part(9, "/p/StudioB/scene.mp4"),), Known(claims={9: 7}, learned=learned("/s", "/p")), "high"),
    ],
    ids=["unclaimed", "its own", "given up", "renamed", "name and size", "name only", "by its path"],
)
def test_what_an_unknown_scene_wrote(rows: tuple[IndexPart, ...], known: Known, verdict: str) -> None:
    """Only a path takes an item from a scene that is not known here: its own file may have been renamed."""
    result = match_batch([MINE], Index(rows), [MINE], known)[1]
    assert result.verdict == verdict
    assert all(candidate.contested == ((7,) if verdict == "low" else ()) for candidate in result.items)


def test_whoever_moved_on_has_given_its_claim_up() -> None:
    """A scene whose file is certain elsewhere has no claim any more; one found nowhere still has."""
    moved = scene(2, file("/q/scene.mp4", 55, 55))
    rows = (part(9, "/p/StudioB/scene.mp4", 100, 60), part(8, "/q/scene.mp4", 55, 55))
    assert shown(match_batch([MINE], Index(rows), [MINE, moved], Known(claims={9: 2}))[1]) == ("high", (9,))
    lost = scene(2, file("/s/lost.mp4", 55, 55))
    for batch in ([MINE], [MINE, lost]):
        assert match_batch(batch, Index(rows[:1]), [MINE, lost], Known(claims={9: 2}))[1].verdict == "low"


@pytest.mark.parametrize("stash", [[], [scene(3, file("/s/original.mp4", 100, 60))]], ids=["none", "the real one"])
def test_a_renamed_file_must_be_unique_in_stash(stash: list[Scene]) -> None:
    """Size and duration prove a renamed file only if no scene has a file of the name in Plex."""
    result = match_batch([MINE], Index((RENAMED,)), [MINE, *stash])[1]
    assert result.verdict == ("none" if stash else "high")


def test_two_renamed_files_alike_in_a_batch() -> None:
    """Size and duration do not decide between two scenes of a batch that agree in both."""
    scenes = [scene(1, file("/s/a.mp4", 100, 60)), scene(2, file("/s/b.mp4", 100, 60.5))]
    result = match_batch(scenes, Index((RENAMED,)))
    assert [result[n].verdict for n in (1, 2)] == ["low", "low"]
    assert "and scene 2 has such a file too" in result[1].reason


def test_a_renamed_file_that_another_scene_has_too() -> None:
    """A renamed file is uncertain if another scene has a file of the same size and duration."""
    rival = scene(2, file("/t/else.mp4", 100, 60.5))
    result = match_batch([MINE], Index((RENAMED,)), [MINE, rival])[1]
    assert result.verdict == "low"
    assert result.ask_sizes == {(100, 60.0)}
    assert "and scene 2 has such a file too" in result.reason
    for other in (file("/t/else.mp4", 101, 60), file("/t/else.mp4", 100, 62)):
        assert match_batch([MINE], Index((RENAMED,)), [MINE, scene(2, other)])[1].verdict == "high"


@pytest.mark.parametrize(
    ("path", "verdict"), [("/p/StudioB/scene.mp4", "low"), ("/p/gone/other.mp4", "high"), ("", "low")]
)
def test_a_claim_ends_with_its_file(path: str, verdict: str) -> None:
    """An item belongs to the scene that wrote it only as long as it has the file it was matched by."""
    rows = (part(9, "/p/StudioB/scene.mp4", 100, 60), part(9, "/p/more/long.mp4", 200, 90))
    known = Known(claims={9: 7}, claim_paths={9: path} if path else {})
    assert match_batch([MINE], Index(rows), [MINE], known)[1].verdict == verdict
    assert (
        match_batch([MINE], Index(rows), [MINE], replace(known, claim_paths={9: "/p/more/long.mp4"}))[1].verdict
        == "low"
    )
    moved = Index([rows[0]._replace(size=0)])
    assert match_batch([MINE], moved, [MINE], known)[1].verdict == "low"
    assert match_batch([MINE], moved, [MINE])[1].verdict == "high"


def test_two_scenes_in_one_item() -> None:
    """An item with a file of each of two scenes belongs to neither, whichever is edited."""
    rows = (part(9, "/s/StudioB/scene.mp4", 100, 60), part(9, "/s/StudioA/scene.mp4", 100, 60))
    result = both(Index(rows), Known())
    assert [shown(result[n]) for n in (1, 2)] == [("low", (9,)), ("low", (9,))]
    assert both(Index(rows), Known(claims={9: 2}))[2].verdict == "high"


def test_several_disks_in_one_place() -> None:
    """Where the user's map leads two prefixes to one path, the size decides whose file it is, or nothing."""
    mine, rival = MINE, scene(2, file("/s/StudioA/scene.mp4", 90, 50))
    index = Index((part(9, "/pool/scene.mp4", 90, 50),))
    assert match_batch([mine], index, [mine, rival], POOL)[1].verdict == "none"
    assert match_batch([rival], index, [mine, rival], POOL)[2].verdict == "high"
    assert match_batch([mine], Index((part(9, "/pool/scene.mp4"),)), [mine, rival], POOL)[1].verdict == "low"


def test_a_doubtful_rival_casts_doubt() -> None:
    """A rival that is certain nowhere but cannot be excluded keeps weak evidence from being certain."""
    mine = scene(1, file("/s/d/scene.mp4", 100, 60))
    rows = (part(9, "/p/d/scene.mp4", 0, 60.5),)
    rival = scene(2, file("/t/d/scene.mp4", 90, 0))
    assert match_batch([mine], Index(rows), [mine, rival])[1].verdict == "low"
    other = scene(2, file("/t/d/scene.mp4", 90, 90))
    assert match_batch([mine], Index(rows), [mine, other])[1].verdict == "high"


def test_every_file_of_a_rival_is_looked_at() -> None:
    """A scene with several files owns an item by any of them, whatever its name."""
    rival = scene(2, file("/s/scene.mp4", 1, 1), file("/s/original.mp4", 100, 60))
    result = match_batch([MINE], Index((RENAMED,)), [MINE, rival])[1]
    assert result.verdict == "none"
    assert files_named([rival], ["scene.mp4"]).keys() == {"scene.mp4", "original.mp4"}


@pytest.mark.parametrize(
    ("rows", "known", "teaches"),
    [
        ((part(9, "/p/StudioB/scene.mp4", 100),), Known(), True),
        ((part(9, "/p/StudioB/scene.mp4", 100), part(8, "/p/x/scene.mp4", 100)), Known(), False),
        ((part(9, "/p/StudioB/scene.mp4", 0, 60),), Known(), False),
        ((part(9, "/p/else/scene.mp4", 100),), Known(), False),
        ((part(9, "/p/StudioB/scene.mp4", 100),), Known(rivals={}), True),
    ],
    ids=["all agree", "another of that size", "size unknown", "another folder", "nobody else"],
)
def test_what_may_teach_the_path_map(rows: tuple[IndexPart, ...], known: Known, teaches: bool) -> None:
    """Only a pair that agrees in name, size and folder and is unique on both servers may teach."""
    [one] = match_batch([MINE], Index(rows), [MINE], known)[1].items[:1]
    assert one.evidence in (Evidence.NAME_SIZE, Evidence.NAME_FOLDERS)
    assert one.sole is teaches


def test_a_pair_teaches_nothing_before_stash_was_asked() -> None:
    """Before Stash was asked, it is not known whether a name and size are unique."""
    index = Index((part(9, "/p/StudioB/scene.mp4", 100),))
    assert not match([MINE], index, Known())[1].items[0].sole
    assert not match_batch([MINE], index, [MINE, RIVAL])[1].items[0].sole
