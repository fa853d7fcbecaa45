"""The rules of evidence: what each proves, what it does not, and what is written."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from plexsync.matching import (
    RULES,
    Confidence,
    Evidence,
    Known,
    Match,
    Remembered,
    match,
    names_to_ask,
    sizes_to_ask,
    write_targets,
)
from plexsync.matching.path_map import pair_of
from plexsync.matching.rules import same_size
from plexsync.model.item import IndexPart
from plexsync.model.scene import SceneFile
from tests.support.index import Index, file, learn, learned, match_batch, part, scene, shown, sole

MAP = Known(path_map=(("/s", "/p"),))
TAUGHT = Known(learned=learned("/s", "/p"))
SEEN = Known(remembered={1: (Remembered(1, "/p/x/old.mp4", "/s/d/x.mp4"),)})
OTHER_SEEN = Known(remembered={1: (Remembered(1, "/p/x/old.mp4", "/s/d/else.mp4"),)})
SEEN_TWICE = Known(
    remembered={1: (Remembered(1, "/p/x/a.mp4", "/s/d/x.mp4"), Remembered(2, "/p/x/b.mp4", "/s/d/x.mp4"))}
)
FILE_MAP = Known(path_map=(("/s/d/x.mp4", "/p/d/y.mp4"),))
SEEN_BOTH = Known(
    remembered={1: (Remembered(9, "/p/x/no.mp4", "/s/d/else.mp4"), Remembered(1, "/p/x/b.mp4", "/s/d/x.mp4"))}
)
X = file("/s/d/x.mp4", 100, 60)


@dataclass(frozen=True)
class Case:
    """The one scene's file, Plex's rows, and the verdict and evidence of the first candidate."""

    name: str
    rows: tuple[IndexPart, ...]
    verdict: str
    evidence: Evidence | None
    known: Known = field(default_factory=Known)
    file: SceneFile = X
    items: tuple[int, ...] = (1,)


E = Evidence
CASES = [
    Case("chosen", (part(1, "/p/e/y.mkv", 7, 7), part(2, "/s/d/x.mp4", 100, 60)), "high", E.CHOSEN,
         Known(chosen={1: 1})),
    Case("equal path", (part(1, "/s/d/x.mp4"),), "high", E.EQUAL_PATH),
    Case("equal path by the user's map", (part(1, "/p/d/x.mp4"),), "high", E.EQUAL_PATH, MAP),
    Case("equal path, everything else another", (part(1, "/s/d/x.mp4", 5, 5),), "high", E.EQUAL_PATH),
    Case("no equal path by another map", (part(1, "/q/d/x.mp4"),), "low", E.NAME_FOLDERS, MAP),
    Case("learned path", (part(1, "/p/d/x.mp4"),), "high", E.LEARNED_PATH, TAUGHT),
    Case("learned path, other size", (part(1, "/p/d/x.mp4", 99, 60),), "high", E.LEARNED_PATH, TAUGHT),
    Case("learned path, other size, 3 s more", (part(1, "/p/d/x.mp4", 99, 63),), "low", E.LEARNED_PATH, TAUGHT),
    Case("learned path, a second more", (part(1, "/p/d/x.mp4", 0, 63),), "high", E.LEARNED_PATH, TAUGHT),
    Case("learned path, other duration", (part(1, "/p/d/x.mp4", 100, 90),), "high", E.LEARNED_PATH, TAUGHT),
    Case("learned path, no size, another film", (part(1, "/p/d/x.mp4", 0, 90),), "low", E.LEARNED_PATH, TAUGHT),
    Case("learned path, no size, five seconds more", (part(1, "/p/d/x.mp4", 0, 65),), "high", E.LEARNED_PATH, TAUGHT),
    Case("learned path, no size, one second and ninety", (part(1, "/p/d/x.mp4", 0, 90),), "low", E.LEARNED_PATH, TAUGHT,
         file=file("/s/d/x.mp4", 100, 1)),
    Case("learned path, both others", (part(1, "/p/d/x.mp4", 99, 90),), "low", E.LEARNED_PATH, TAUGHT),
    Case("learned from four", (part(1, "/p/d/x.mp4"),), "low", E.NAME_FOLDERS, Known(learned=learned("/s", "/p", 4))),
    Case("nothing at the learned path", (part(1, "/p/x.mp4"),), "low", E.NAME_ONLY, TAUGHT),
    Case("remembered", (part(1, "/p/x/old.mp4"),), "high", E.REMEMBERED, SEEN),
    Case("remembered for a file it lost", (part(1, "/p/x/old.mp4"),), "none", None, OTHER_SEEN, items=()),
    Case("name and size", (part(1, "/p/else/X.mp4", 100),), "high", E.NAME_SIZE),
    Case("name and size, another film", (part(1, "/p/else/x.mp4", 100, 90),), "low", E.NAME_SIZE),
    Case("name and size, a second more", (part(1, "/p/else/x.mp4", 100, 63),), "high", E.NAME_SIZE),
    Case(
        "name and size twice, folders tell", (part(1, "/p/d/x.mp4", 100), part(2, "/p/e/x.mp4", 100)), "high",
        E.NAME_SIZE,
    ),
    Case(
        "name and size twice, nothing tells", (part(1, "/p/f/x.mp4", 100), part(2, "/p/e/x.mp4", 100)), "low",
        E.NAME_SIZE, items=(1, 2),
    ),
    Case(
        "name and size, one file in two libraries", (part(1, "/p/f/x.mp4", 100), part(2, "/p/f/x.mp4", 100)), "high",
        E.NAME_SIZE, items=(1, 2),
    ),
    Case("name and size, six seconds of ninety", (part(1, "/p/else/x.mp4", 100, 84),), "high", E.NAME_SIZE,
         file=file("/s/d/x.mp4", 100, 90)),
    Case("name and size, a tenth apart", (part(1, "/p/else/x.mp4", 100, 90),), "high", E.NAME_SIZE,
         file=file("/s/d/x.mp4", 100, 100)),
    Case("name and size, five seconds apart", (part(1, "/p/else/x.mp4", 100, 10),), "high", E.NAME_SIZE,
         file=file("/s/d/x.mp4", 100, 15)),
    Case("name and size, one second and ninety", (part(1, "/p/else/x.mp4", 100, 90),), "low", E.NAME_SIZE,
         file=file("/s/d/x.mp4", 100, 1)),
    Case(
        "name and size twice, folders in another case tell",
        (part(1, "/p/D/x.mp4", 100), part(2, "/p/e/x.mp4", 100)), "high", E.NAME_SIZE,
    ),
    Case(
        "name and size twice, case alone tells nothing",
        (part(1, "/p/a/D/x.mp4", 100), part(2, "/p/b/d/x.mp4", 100)), "low", E.NAME_SIZE, items=(2, 1),
    ),
    Case(
        "name and size twice at one path, the nearer in case",
        (part(1, "/p/D/x.mp4", 100), part(2, "/p/d/X.mp4", 100)), "high", E.NAME_SIZE,
    ),
    Case(
        "name and size twice, roots in two cases, two Unicode forms",
        (part(1, "/P/d/Caf\u00e9.mp4", 100), part(2, "/p/d/Cafe\u0301.mp4", 100)), "low", E.NAME_SIZE,
        file=file("/s/d/Caf\u00e9.mp4", 100), items=(1, 2),
    ),
    Case(
        "name and size thrice, two in such a folder",
        (part(1, "/p/a/d/x.mp4", 100), part(2, "/p/b/d/x.mp4", 100), part(3, "/p/e/x.mp4", 100)), "low", E.NAME_SIZE,
        items=(1, 2, 3),
    ),
    Case(
        "two spellings of the folder in one item, one confirmed",
        (part(1, "/p/d/x.mp4"), part(1, "/p/D/x.mp4", 0, 60)), "high", E.NAME_FOLDERS,
    ),
    Case("name and folder, duration", (part(1, "/p/d/x.mp4", 99, 61),), "high", E.NAME_FOLDERS),
    Case("name and folder, other duration", (part(1, "/p/d/x.mp4", 0, 61.1),), "low", E.NAME_FOLDERS),
    Case("name and folder, nothing known", (part(1, "/p/d/x.mp4"),), "low", E.NAME_FOLDERS),
    Case(
        "name and folder twice", (part(1, "/p/a/d/x.mp4", 0, 60), part(2, "/p/b/d/x.mp4", 0, 60)), "low",
        E.NAME_FOLDERS, items=(1, 2),
    ),
    Case(
        "name and two folders",
        (part(1, "/p/a/b/d/x.mp4", 0, 60), part(2, "/p/s/d/x.mp4", 0, 60)), "high", E.NAME_FOLDERS, items=(2,),
    ),
    Case("size and duration", (part(1, "/p/e/y.mkv", 100, 61),), "high", E.SIZE_DURATION),
    Case("a file of one byte", (part(1, "/p/e/y.mkv", 1, 60),), "high", E.SIZE_DURATION, file=file("/s/x.mp4", 1, 60)),
    Case("equal path by a map of the file itself", (part(1, "/p/d/y.mp4"),), "high", E.EQUAL_PATH, FILE_MAP),
    Case("remembered behind another file's memory", (part(9, "/p/x/no.mp4"), part(1, "/p/x/b.mp4")), "high",
         E.REMEMBERED, SEEN_BOTH),
    Case(
        "what comes after uncertain evidence is uncertain",
        (part(1, "/p/else/x.mp4", 100, 90), part(2, "/p/d/x.mp4", 99, 60)), "low", E.NAME_SIZE, items=(1, 2),
    ),
    Case("name only, an unknown size before another", (part(1, "/p/e/x.mp4", 99), part(2, "/p/f/x.mp4")), "low",
         E.NAME_ONLY, items=(2, 1)),
    Case("remembered twice", (part(1, "/p/x/a.mp4"), part(2, "/p/x/b.mp4")), "high", E.REMEMBERED, SEEN_TWICE,
         items=(1, 2)),
    Case(
        "learned path, two Unicode forms: Stash's spelling",
        (part(1, "/p/d/Caf\u00e9.mp4"), part(2, "/p/d/Cafe\u0301.mp4")), "high", E.LEARNED_PATH, TAUGHT,
        file=file("/s/d/Cafe\u0301.mp4", 100, 60), items=(2,),
    ),
    Case("size and other duration", (part(1, "/p/e/y.mkv", 100, 61.5),), "none", None, items=()),
    Case("size, duration unknown", (part(1, "/p/e/y.mkv", 100),), "none", None, items=()),
    Case(
        "size and duration twice", (part(1, "/p/e/y.mkv", 100, 60), part(2, "/p/e/z.mkv", 100, 60)), "low",
        E.SIZE_DURATION, items=(1, 2),
    ),
    Case("name only", (part(1, "/p/e/x.mp4", 99, 90),), "low", E.NAME_ONLY),
    Case("another name only", (part(1, "/p/d/xx.mp4", 99, 60),), "none", None, items=()),
    Case("all sizes unknown", (part(1, "/p/e/y.mp4"),), "none", None, file=file("/s/x.mp4"), items=()),
    Case(
        "a contradicted neighbour does not hide the renamed file",
        (part(2, "/p/d/x.mp4", 99, 90), part(1, "/p/e/y.mp4", 100, 60)), "high", E.SIZE_DURATION,
    ),
    Case("in the trash", (part(1, "/s/d/x.mp4", 100, 60, trashed=True),), "none", None, items=()),
    Case("an optimised version", (part(1, "/s/d/x.mp4", 100, 60, optimised=True),), "none", None, items=()),
    Case(
        "trashed files do not count", (part(2, "/p/d/x.mp4", 100, trashed=True), part(1, "/p/e/x.mp4", 100)), "high",
        E.NAME_SIZE,
    ),
    Case(
        "an optimised copy beside the original",
        (part(1, "/p/e/x.mp4", 100), part(1, "/p/e/Plex Versions/x.mp4", 100, optimised=True)), "high", E.NAME_SIZE,
    ),
]  # fmt: skip


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_evidence(case: Case) -> None:
    """Each kind of evidence is certain if its conditions hold, and not if one is missing."""
    result = sole((case.file,), Index(case.rows), case.known)
    assert shown(result) == (case.verdict, case.items)
    assert result.scene_id == 1
    assert {candidate.section for candidate in result.items} <= {1}
    assert (result.items[0].evidence if result.items else None) is case.evidence
    wanted = Confidence.HIGH if case.verdict == "high" else Confidence.LOW
    assert all(candidate.confidence is wanted and candidate.why for candidate in result.items)


#: Name of a case -> what the user reads about its first candidate.
WHYS = {
    "equal path by the user's map": "the paths are equal",
    "learned path": "it has the path that the learned path map gives",
    "learned path, both others": "it has the path that the learned path map gives, but size and duration differ",
    "remembered": "PlexSync wrote to it before",
    "name and size": "name and size are equal",
    "name and size, another film": "name and size are equal, but the durations differ",
    "name and size twice, folders tell": "name and size are equal, and its folders are the nearest",
    "name and size twice, nothing tells": "name and size are equal, as they are in other items",
    "name and size thrice, two in such a folder": "name and size are equal, as they are in other items",
    "name and folder, duration": "name, folders and duration are equal",
    "name and folder, nothing known": "name and folders are equal, but neither size nor duration confirms it",
    "name and folder twice": "name and folders are equal, as they are in other items",
    "size and duration": "size and duration are equal, but the name differs",
    "size and duration twice": "size and duration are equal, as they are in other items, but the name differs",
    "name only": "only the name is equal",
}


@pytest.mark.parametrize("name", WHYS)
def test_why(name: str) -> None:
    """A person who reviews a match reads what speaks for it and what against it."""
    [case] = [case for case in CASES if case.name == name]
    assert sole((case.file,), Index(case.rows), case.known).items[0].why == WHYS[name]


SPELT_OTHERWISE = "it has the path that the learned path map gives, but in another spelling"


@pytest.mark.parametrize(
    ("size", "duration", "verdict", "evidence", "why"),
    [
        (100, 0, "high", E.LEARNED_PATH, WHYS["learned path"]),
        (0, 60, "high", E.LEARNED_PATH, WHYS["learned path"]),
        (100, 90, "high", E.LEARNED_PATH, WHYS["learned path"]),
        (99, 60, "high", E.NAME_FOLDERS, WHYS["name and folder, duration"]),
        (0, 0, "low", E.LEARNED_PATH, SPELT_OTHERWISE),
        (0, 63, "low", E.LEARNED_PATH, SPELT_OTHERWISE),
        (99, 90, "low", E.LEARNED_PATH, f"{SPELT_OTHERWISE}, but size and duration differ"),
    ],
)
def test_a_learned_path_in_another_spelling(
    size: int, duration: float, verdict: str, evidence: Evidence, why: str
) -> None:
    """A learned path that is equal in another Unicode form only is certain if size or duration agrees."""
    index = Index((part(1, "/p/d/Caf\u00e9.mp4", size, duration),))
    found = sole((file("/s/d/Cafe\u0301.mp4", 100, 60),), index, TAUGHT)
    assert (shown(found), found.items[0].evidence, found.items[0].why) == ((verdict, (1,)), evidence, why)


@pytest.mark.parametrize(
    ("size", "duration", "verdict", "evidence", "why"),
    [
        (100, 60, "high", E.EQUAL_PATH, "the paths are equal"),
        (0, 90, "low", E.EQUAL_PATH, "the paths are equal, but size and duration differ"),
        (0, 0, "high", E.EQUAL_PATH, "the paths are equal"),
        (99, 60, "high", E.NAME_FOLDERS, WHYS["name and folder, duration"]),
        (99, 90, "low", E.EQUAL_PATH, "the paths are equal, but size and duration differ"),
    ],
)
def test_an_equal_path_in_another_case(size: int, duration: float, verdict: str, evidence: Evidence, why: str) -> None:
    """On a server that ignores case, a path in another case is the file's unless the size differs."""
    index = Index((part(1, "/s/D/X.mp4", size, duration),), fold_case=True)
    found = sole((X,), index)
    assert (shown(found), found.items[0].evidence, found.items[0].why) == ((verdict, (1,)), evidence, why)


def test_several_equal_paths_in_another_case() -> None:
    """Where none of several is spelt as in Stash, none is certain, and the reason says why."""
    index = Index((part(1, "/s/D/X.mp4"), part(2, "/s/D/x.MP4")), fold_case=True)
    found = sole((X,), index)
    assert (shown(found), found.items[0].why) == (("low", (1, 2)), "several files have this path in another spelling")


def test_what_belongs_to_another_scene_by_its_path_is_no_candidate() -> None:
    """A file that is one scene's by its path does not make another scene's match uncertain."""
    scenes = [scene(1, X), scene(2, file("/s/e/x.mp4", 100))]
    found = match_batch(scenes, Index((part(1, "/s/d/x.mp4", 100), part(2, "/p/f/x.mp4", 100))))
    assert (shown(found[1]), shown(found[2])) == (("high", (1,)), ("high", (2,)))


def test_a_memory_does_not_beat_a_path() -> None:
    """What is another scene's by its path now is no longer what was remembered."""
    known = Known(remembered={2: (Remembered(1, "/s/d/x.mp4", "/s/e/z.mp4"),)})
    scenes = [scene(1, X), scene(2, file("/s/e/z.mp4", 7))]
    found = match_batch(scenes, Index((part(1, "/s/d/x.mp4", 100),)), known=known)
    assert (shown(found[1]), shown(found[2])) == (("high", (1,)), ("none", ()))


def test_a_rival_has_its_own_file_alone() -> None:
    """What is another scene's by its path does not make a rival's match uncertain either."""
    first, rival, third = scene(1, X), scene(2, file("/s/e/x.mp4", 100)), scene(3, file("/s/g/x.mp4", 98))
    index = Index((part(1, "/s/d/x.mp4", 100), part(2, "/p/f/x.mp4", 100)))
    found = match_batch([first, third], index, stash=[first, rival, third])[3]
    assert (found.verdict, set(found.ask_names)) == ("none", {"x.mp4"})
    assert "belongs to another scene" in found.reason


def test_a_rival_casts_doubt_on_every_item_that_it_points_at() -> None:
    """An uncertain rival makes a match uncertain, also by a row that comes after those of other items."""
    index = Index((part(9, "/p/q/x.mp4", 0, 60), part(1, "/p/d/x.mp4", 0, 60)))
    found = match_batch([scene(1, X)], index, stash=[scene(1, X), scene(2, file("/s/z/x.mp4", 0, 60))])[1]
    assert (shown(found), found.items[0].contested) == (("low", (1,)), (2,))


@pytest.mark.parametrize("turned", [False, True])
def test_the_best_file_of_a_scene_counts(turned: bool) -> None:
    """A scene whose file has an equal path has the item, whatever its other file is in it, first or last."""
    files = (X, file("/s/q/y.mp4", 5))
    index = Index((part(1, "/s/d/x.mp4", 100), part(1, "/p/e/y.mp4", 7)))
    mine, other = scene(1, *(reversed(files) if turned else files)), scene(2, file("/s/f/y.mp4", 7))
    assert shown(sole(mine.files, index)) == ("high", (1,))
    found = match_batch([mine, other], index)
    assert [found[number].items[0].contested for number in (1, 2)] == [(2,), (1,)]


@pytest.mark.parametrize(
    ("file_size", "part_size", "same"),
    [(0, 100, 1), (100, 0, 1), (0, 0, 1), (-1, 5, 1), (5, -1, 1), (1, 1, 2), (1, 2, 0), (2, 1, 0)],
)
def test_same_size(file_size: int, part_size: int, same: int) -> None:
    """Equal sizes are told from different ones, and both from unknown ones."""
    assert same_size(file("/s/x.mp4", file_size), part(1, "/p/x.mp4", part_size)) == same


def test_an_item_that_has_gone_meanwhile_is_no_error() -> None:
    """Which names to ask for is known even if the index has lost the item since."""

    class Emptied(Index):
        def by_item(self, rating_keys: object) -> dict[int, list[IndexPart]]:
            return {}

    batch = [scene(1, X)]
    found = match(batch, Index((part(1, "/p/d/x.mp4", 100),)), Known())
    assert names_to_ask(batch, found, Emptied()) == {"x.mp4"}


def test_an_item_lost_to_another_scene_hides_no_other() -> None:
    """A scene that loses its likeliest item to another still shows the next one."""
    scenes = [scene(1, X), scene(2, file("/s/f/x.mp4", 98))]
    found = match_batch(scenes, Index((part(1, "/p/e/x.mp4", 100), part(2, "/p/g/x.mp4", 77))))
    assert (shown(found[1]), shown(found[2])) == (("high", (1,)), ("low", (2,)))


def test_a_scene_outside_of_the_batch_keeps_what_it_wrote() -> None:
    """What the others remember is not known, so the scene that wrote an item counts as if it remembered it."""
    other = scene(2, file("/s/e/x.mp4", 98))
    index = Index((part(1, "/p/e/x.mp4", 100),))
    found = match_batch([scene(1, X)], index, stash=[scene(1, X), other], known=Known(claims={1: 2}))[1]
    assert (shown(found), found.items[0].contested) == (("low", (1,)), (2,))
    assert shown(match_batch([scene(1, X)], index, stash=[scene(1, X), other])[1]) == ("high", (1,))


def test_every_rule_has_both_cases() -> None:
    """The table has an uncertain case for each rule, and a certain one for all but the last."""
    assert [rule.evidence for rule in RULES] == list(Evidence)
    assert {case.evidence for case in CASES if case.verdict == "high"} == set(Evidence) - {Evidence.NAME_ONLY}
    certain = {E.CHOSEN, E.EQUAL_PATH, E.REMEMBERED}
    assert {case.evidence for case in CASES if case.verdict == "low"} >= set(Evidence) - certain


@pytest.mark.parametrize("case", [case for case in CASES if case.verdict == "high"], ids=lambda case: case.name)
def test_uniqueness_needs_the_whole_index(case: Case) -> None:
    """Until all is listed, only choices, paths and remembered items count; of another size, no learned path."""
    result = sole((case.file,), Index(case.rows, complete=False), case.known)
    by_path = case.evidence in (E.LEARNED_PATH, E.REMEMBERED) and same_size(case.file, case.rows[0]) > 0
    if case.evidence in (E.CHOSEN, E.EQUAL_PATH) or by_path:
        assert shown(result) == ("high", case.items)
    else:
        assert shown(result) == ("none", ())
        assert "still incomplete" in result.reason


UNKNOWN = Known()
WRITTEN = Known(remembered={1: (Remembered(1, "/p/d/x.mp4", "/s/d/x.mp4"),)})


@pytest.mark.parametrize("known", [TAUGHT, WRITTEN, UNKNOWN], ids=["learned path", "remembered", "name and folders"])
@pytest.mark.parametrize("size", [99, 0], ids=["another size", "no size"])
def test_a_file_whose_bytes_are_in_another_item_is_not_the_one_at_its_path(known: Known, size: int) -> None:
    """Two films of one length that swapped names in Plex: neither is written to the item at its old path."""
    here, there = part(1, "/p/d/x.mp4", size, 60.4), part(2, "/p/e/y.mp4", 100, 60.2)
    assert shown(sole((X,), Index((here,)), known)) == ("high", (1,))
    found = sole((X,), Index((here, there)), known)
    assert [candidate.rating_key for candidate in write_targets(found, low_allowed=False)] in ([], [2])
    other_film = part(2, "/p/e/y.mp4", 100, 90)
    assert shown(sole((X,), Index((here, other_film)), known)) == ("high", (1,))


def test_both_films_that_swapped_names_in_plex_find_each_other() -> None:
    """Each scene follows its bytes to the other's name; a second version in the item at the path is no doubt."""
    y = file("/s/e/y.mp4", 99, 60)
    index = Index((part(1, "/p/d/x.mp4", 99, 60), part(2, "/p/e/y.mp4", 100, 60)))
    found = match_batch([scene(1, X), scene(2, y)], index, known=TAUGHT)
    assert [shown(found[scene_id]) for scene_id in (1, 2)] == [("high", (2,)), ("high", (1,))]
    versions = Index((part(1, "/p/d/x.mp4", 99, 60), part(1, "/p/d/x (4k).mp4", 100, 60)))
    assert shown(sole((X,), versions, TAUGHT)) == ("high", (1,))


@pytest.mark.parametrize("known", [TAUGHT, WRITTEN, UNKNOWN], ids=["learned path", "remembered", "name and folders"])
def test_a_file_in_plex_that_is_another_scenes_to_the_byte_is_not_certain(known: Known) -> None:
    """Stash is asked whose file of that size and duration is: the item at the path holds another scene's film."""
    index = Index((part(1, "/p/d/x.mp4", 99, 60.3),))
    other = scene(2, file("/s/e/y.mp4", 99, 60))
    first = match([scene(1, X)], index, known)
    assert sizes_to_ask(first.values()) == {(99, 60.3)}
    assert shown(match_batch([scene(1, X)], index, known=known)[1]) == ("high", (1,))
    found = match_batch([scene(1, X)], index, stash=[scene(1, X), other], known=known)[1]
    assert shown(found) == ("low", (1,))
    assert "scene 2 has such a file too" in found.reason
    longer = scene(2, file("/s/e/y.mp4", 99, 90))
    assert shown(match_batch([scene(1, X)], index, stash=[scene(1, X), longer], known=known)[1]) == ("high", (1,))


def test_a_learned_rule_that_two_mounts_contradict_is_no_evidence() -> None:
    """A contradicted rule gives no learned path."""
    paths = [(f"/s/{n}/a.mp4", f"/p/{n}/a.mp4") for n in range(5)] + [("/s/z/b.mp4", "/q/z/b.mp4")]
    mixed = learn(pair for pair in (pair_of(*both) for both in paths) if pair)
    assert sole((X,), Index((part(1, "/p/d/x.mp4"),)), Known(learned=mixed)).verdict == "low"


def test_every_file_of_a_scene_may_have_its_item() -> None:
    """Two versions of a scene that are two items in Plex are both written, in the order of files."""
    rows = (part(5, "/p/d/x.mp4", 100, 60), part(3, "/p/d/x-4k.mp4", 400, 60))
    result = sole((X, file("/s/d/x-4k.mp4", 400, 60)), Index(rows))
    assert result.verdict == "high"
    assert {(candidate.rating_key, candidate.file.path) for candidate in result.items} == {
        (5, "/s/d/x.mp4"),
        (3, "/s/d/x-4k.mp4"),
    }


def test_versions_in_one_item_are_one_candidate() -> None:
    """An item that has several files of a scene is written once."""
    rows = (part(5, "/p/d/x.mp4", 100, 60), part(5, "/p/d/x-4k.mp4", 400, 60))
    assert shown(sole((X, file("/s/d/x-4k.mp4", 400, 60)), Index(rows))) == ("high", (5,))


def test_what_is_certain_hides_what_is_not() -> None:
    """A scene with one certain file does not list the uncertain candidates of its other files."""
    rows = (part(5, "/p/d/x.mp4", 100, 60), part(3, "/p/other/y.mp4", 7, 7))
    assert shown(sole((file("/s/d/y.mp4", 9, 90), X), Index(rows))) == ("high", (5,))


def urls(*keys: int) -> tuple[str, ...]:
    """Return URLs as 0.1 left them on scenes."""
    return tuple(f"http://plex:32400/web/plex/library/metadata/{key}?x=1" for key in keys)


AMBIGUOUS = Index((part(1, "/p/e/x.mp4", 99), part(2, "/p/f/x.mp4", 99), part(3, "/p/g/x.mp4", 99)))


@pytest.mark.parametrize(
    ("hints", "order"), [((), (1, 2, 3)), (urls(2), (2, 1, 3)), (urls(3, 2), (2, 3, 1)), (urls(9), (1, 2, 3))]
)
def test_an_old_url_only_orders(hints: tuple[str, ...], order: tuple[int, ...]) -> None:
    """The URL that 0.1 put on a scene moves a candidate to the front, and proves nothing."""
    result = match_batch([scene(1, X, urls=hints)], AMBIGUOUS)[1]
    assert shown(result) == ("low", order)
    assert write_targets(result, low_allowed=True) == ()


def test_an_old_url_makes_no_candidate() -> None:
    """An item that only a URL of 0.1 points to is not listed."""
    assert shown(match_batch([scene(1, X, urls=urls(7))], Index((part(7, "/p/other.mp4", 5, 5),)))[1]) == ("none", ())


@pytest.mark.parametrize(
    ("rows", "allowed", "written"),
    [
        ((part(1, "/p/e/x.mp4", 99),), False, ()),
        ((part(1, "/p/e/x.mp4", 99),), True, (1,)),
        ((part(1, "/p/e/x.mp4", 99), part(2, "/p/f/x.mp4", 99)), True, ()),
        ((part(1, "/s/d/x.mp4", 99),), False, (1,)),
        ((part(1, "/s/d/x.mp4", 99),), True, (1,)),
        ((), True, ()),
    ],
    ids=["one, off", "one, on", "two, on", "certain, off", "certain, on", "none"],
)
def test_what_is_written(rows: tuple[IndexPart, ...], allowed: bool, written: tuple[int, ...]) -> None:
    """ "Write uncertain matches" adds only an only candidate."""
    assert tuple(candidate.rating_key for candidate in write_targets(sole((X,), Index(rows)), allowed)) == written


def test_a_contested_candidate_is_never_written() -> None:
    """An item that two scenes may be is never written, not even with "Write uncertain matches"."""
    scenes = [scene(1, X), scene(2, file("/s/f/x.mp4", 98, 61))]
    result = match_batch(scenes, Index((part(1, "/p/e/x.mp4", 99),)))
    for edited in scenes:
        assert shown(result[edited.id]) == ("low", (1,))
        assert result[edited.id].items[0].contested == (3 - edited.id,)
        assert write_targets(result[edited.id], low_allowed=True) == ()


MAP_IT = 'Choose the right item on PlexSync\'s page, or set "Path map" to make the paths equal'
REASONS = [
    (
        "no file", (), Index(),
        "Scene 1 has no file in Stash, so it cannot match anything in Plex. Add a file, or discard this dead letter.",
    ),
    (
        "not there", (X,), Index(),
        ('Scene 1 is not in Plex. Check that one of your "Plex libraries" contains the file\'s folder'
        " and that Plex has scanned it."),
    ),
    (
        "incomplete", (X,), Index(complete=False),
        ("Scene 1 has not been found yet: the index of the Plex libraries is still incomplete."
        " PlexSync retries when the index is complete."),
    ),
    (
        "in the trash", (X,), Index((part(1, "/p/d/x.mp4", trashed=True),)),
        "Scene 1 is only in Plex's trash. Let Plex scan the folder where the file is now.",
    ),
    (
        "several", (X,), AMBIGUOUS,
        f"3 items in Plex could be scene 1. The most likely one: only the name is equal. {MAP_IT}.",
    ),
    (
        "two", (X,), Index((part(1, "/p/e/x.mp4", 99), part(2, "/p/f/x.mp4", 99))),
        f"2 items in Plex could be scene 1. The most likely one: only the name is equal. {MAP_IT}.",
    ),
    (
        "one", (X,), Index((part(1, "/p/e/x.mp4", 99),)),
        f"One item in Plex could be scene 1: only the name is equal. {MAP_IT}.",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("files", "index", "text"), [case[1:] for case in REASONS], ids=[case[0] for case in REASONS])
def test_reasons(files: tuple[SceneFile, ...], index: Index, text: str) -> None:
    """Why a scene is not written names the scene, says what is missing and what to do, and shows no path."""
    assert sole(files, index).reason == text


def test_reasons_that_name_other_scenes() -> None:
    """Who loses an item to another scene, or contests it with one, reads so."""
    scenes = [scene(1, X), scene(2, file("/s/f/x.mp4", 98, 61))]
    found = match_batch(scenes, Index((part(1, "/p/e/x.mp4", 99),)))
    assert found[1].reason == (
        "One item in Plex could be scene 1: only the name is equal, but the item could also be scene 2."
        ' Choose the right item on PlexSync\'s page, or set "Path map" to tell their paths apart.'
    )
    found = match_batch(scenes, Index((part(1, "/p/e/x.mp4", 100),)))
    assert (found[1].verdict, found[2].reason) == (
        "high",
        "Scene 2 is not in Plex: the most similar item belongs to another scene that matches it better.",
    )
    twins = [scene(1, X), scene(2, file("/s/f/z.mp4", 100, 60))]
    found = match_batch(twins, Index((part(1, "/p/e/y.mp4", 100, 60),)))
    assert found[1].items[0].why.startswith(f"{WHYS['size and duration']}, and scene 2 has such a file too")


def test_a_dead_letter_keeps_what_a_person_needs() -> None:
    """A candidate as JSON has the item, its file, the kind of evidence and the reason, and its title if known."""
    [one] = sole((X,), Index((part(1, "/p/e/x.mp4", 99, 70.5),))).items
    shows = {
        "rating_key": 1, "title": "", "path": "/p/e/x.mp4", "size": 99, "duration": 70.5, "evidence": "name_only",
        "why": "only the name is equal",
    }  # fmt: skip
    assert one.as_dict() == shows
    assert one.as_dict("X") == shows | {"title": "X"}


def test_thousands_of_one_name_stay_readable() -> None:
    """A library with thousands of files of one name gives few candidates and few rivals."""
    rows = [part(n, f"/p/{n}/scene.mp4", 1) for n in range(1, 300)]
    stash = [scene(n, file(f"/s/a{n}/scene.mp4", 2)) for n in range(1, 300)]
    result = match_batch(stash[:1], Index(rows), stash)[1]
    assert result.verdict == "low"
    assert len(result.items) == 20
    assert all(len(candidate.contested) <= 20 for candidate in result.items)
    assert "could also be scenes 2, 3, 4, 5, 6 and more." in result.reason


@pytest.mark.parametrize(
    ("count", "others"),
    [(2, "scene 2"), (3, "scenes 2, 3"), (6, "scenes 2, 3, 4, 5, 6"), (7, "scenes 2, 3, 4, 5, 6 and more")],
)
def test_five_other_scenes_are_named(count: int, others: str) -> None:
    """A contested candidate names up to five of the other scenes, and says when there are more."""
    scenes = [scene(n, file(f"/s/a{n}/x.mp4", 98)) for n in range(1, count + 1)]
    [candidate] = match_batch(scenes, Index((part(1, "/p/e/x.mp4", 99),)))[1].items
    assert candidate.why == f"only the name is equal, but the item could also be {others}"


def test_the_nearest_of_many_are_kept() -> None:
    """Of more rows than candidates the nearest by folder are kept, and come first."""
    rows = [part(n, f"/p/{n}/x.mp4", 100) for n in range(1, 30)]
    near = [part(30, "/p/a/d/x.mp4", 100), part(31, "/p/b/d/x.mp4", 100)]
    found = sole((X,), Index([*rows, *near]))
    assert [(one.rating_key, one.evidence) for one in found.items[:2]] == [(30, E.NAME_SIZE), (31, E.NAME_SIZE)]


def test_which_names_a_match_rests_on() -> None:
    """Stash is asked for a file's name in all spellings that Plex has, also of rows that were passed over."""
    rows = (part(1, "/p/e/X.mp4", 100, 60), part(2, "/p/e/x.MP4", 7), part(3, "/p/e/other.mp4", 7))
    found = match([scene(1, X)], Index(rows), Known())[1]
    assert found.ask_names == {"x.mp4", "X.mp4", "x.MP4"}
    assert found.ask_sizes == frozenset()
    renamed = match([scene(1, X)], Index((part(1, "/p/e/y.mkv", 100, 60),)), Known())[1]
    assert renamed.ask_names == {"x.mp4", "y.mkv"}
    assert renamed.ask_sizes == {(100, 60.0)}


def test_a_batch_asks_the_index_at_most_three_times() -> None:
    """A batch of any size costs one look-up by name and at most one by item and one by size."""
    calls: list[str] = []

    class Counting(Index):
        def by_name(self, keys: object) -> dict[str, list[IndexPart]]:
            calls.append("name")
            return {}

        def by_item(self, rating_keys: object) -> dict[int, list[IndexPart]]:
            calls.append("item")
            return {}

        def by_size(self, sizes: object) -> dict[int, list[IndexPart]]:
            calls.append("size")
            return {}

    result = match([scene(n, X) for n in range(1, 50)], Counting(), SEEN)
    assert calls == ["name", "item", "size"]
    calls.clear()
    match([scene(1, file("/s/d/x.mp4"))], Counting(), Known())
    assert calls == ["name"]
    assert result[1] == Match(1, "none", (), result[1].reason)
