"""A made-up library in Stash and Plex with every kind of trouble, whose truth is known; and what becomes of it later.

For ``benchmarks.matching``; has no command of its own.
"""

from __future__ import annotations

import random
import re
import unicodedata
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from plexsync.model.item import IndexPart
from plexsync.model.paths import base_name
from plexsync.model.scene import Scene, SceneFile

STUDIOS = [f"Studio {letter}{n}" for letter in "ABCDEFGHIJ" for n in range(4)]
MOVED = r"/media/(Studio [AB]|T)"
ODD_NAMES = (
    "\u5348\u5f8c\u306e\u6620\u753b",
    "\U0001f469\u200d\U0001f469\u200d\U0001f467 film",
    "Caf\u00e9 \u00fcber",
    "A & B; #1 + 50%",
)


@dataclass(frozen=True)
class Case:
    """A scene, the rows that Plex has because of it, the items that are its own, and whether a person would see it.

    ``chosen``: the item that a person chose for it, 0 without.
    """

    kind: str
    scene: Scene
    rows: tuple[IndexPart, ...]
    own: frozenset[int]
    findable: bool = True
    chosen: int = 0


class Maker:
    """Makes cases; every film has its own size, and a name that repeats where names do."""

    def __init__(self, rng: random.Random) -> None:
        self.rng = rng
        self.last = 0

    def film(self, name: str = "", studio: str = "") -> tuple[int, str, SceneFile]:
        """A number, a path below the roots, and the file in Stash."""
        self.last += 1
        number = self.last
        studio = studio or self.rng.choice(STUDIOS)
        rest = f"{studio}/{name or f'{studio} - Scene {number}.mp4'}"
        size, duration = 10_000_000 + number * 997 + self.rng.randrange(997), self.rng.uniform(300, 4000)
        return number, rest, SceneFile(number, f"/data/{rest}", size, round(duration, 2))

    def row(self, number: int, path: str, file: SceneFile, **other: Any) -> IndexPart:
        """The row of ``file`` in Plex, whose durations are in milliseconds of its own measuring."""
        duration = round(file.duration + self.rng.uniform(-0.2, 0.2), 3)
        return IndexPart(number, 1, number, path, file.size, duration)._replace(**other)

    def case(
        self, kind: str, number: int, files: Iterable[SceneFile], rows: Iterable[IndexPart], **other: bool
    ) -> Case:
        """A case whose items are all those of its rows that are in no trash."""
        rows = tuple(rows)
        own = frozenset(row.rating_key for row in rows if not row.trashed and not row.optimised)
        return Case(kind, Scene(number, files=tuple(files)), rows, own, bool(own) and other.get("findable", True))


Kind = Callable[[Maker, str], list[Case]]


def plain(make: Maker, kind: str) -> list[Case]:
    """The same folder and name below another root."""
    number, rest, file = make.film()
    return [make.case(kind, number, [file], [make.row(number, f"/media/{rest}", file)])]


def other_root(make: Maker, kind: str) -> list[Case]:
    """A second root, which Plex has at quite another place."""
    number, rest, file = make.film()
    file = replace(file, path=f"/extra/{rest}")
    return [make.case(kind, number, [file], [make.row(number, f"/mnt/disk2/{rest}", file)])]


def windows(make: Maker, kind: str) -> list[Case]:
    """Stash on Windows."""
    number, rest, file = make.film()
    file = replace(file, path="D:\\clips\\" + rest.replace("/", "\\"))
    return [make.case(kind, number, [file], [make.row(number, f"/clips/{rest}", file)])]


def odd_names(make: Maker, kind: str) -> list[Case]:
    """Emoji, CJK, accents (decomposed on one side) and characters that mean something in URLs."""
    number, rest, file = make.film(f"{make.rng.choice(ODD_NAMES)} {make.last}.mp4")
    file = replace(file, path=unicodedata.normalize("NFD", file.path))
    return [make.case(kind, number, [file], [make.row(number, f"/media/{rest}", file)])]


def another_case(make: Maker, kind: str) -> list[Case]:
    """The name in another case."""
    number, rest, file = make.film()
    return [make.case(kind, number, [file], [make.row(number, f"/media/{rest.lower()}", file)])]


def moved(make: Maker, kind: str) -> list[Case]:
    """In another folder in Plex."""
    number, rest, file = make.film()
    return [make.case(kind, number, [file], [make.row(number, f"/media/sorted/{number}/{base_name(rest)}", file)])]


def renamed(make: Maker, kind: str) -> list[Case]:
    """Under another name in Plex."""
    number, _, file = make.film()
    return [make.case(kind, number, [file], [make.row(number, f"/media/old/raw_{number}.mkv", file)])]


def re_encoded(make: Maker, kind: str) -> list[Case]:
    """Encoded anew in its place: another size, the same duration."""
    number, rest, file = make.film()
    return [make.case(kind, number, [file], [make.row(number, f"/media/{rest}", file, size=file.size // 2)])]


def remuxed(make: Maker, kind: str) -> list[Case]:
    """In another container: neither name nor size is equal; only a person who looks at it would know."""
    number, rest, file = make.film()
    path = f"/media/{rest.removesuffix('.mp4')}.mkv"
    return [make.case(kind, number, [file], [make.row(number, path, file, size=file.size + 4242)], findable=False)]


def size_unknown(make: Maker, kind: str) -> list[Case]:
    """Plex tells no size."""
    number, rest, file = make.film()
    return [make.case(kind, number, [file], [make.row(number, f"/media/{rest}", file, size=0)])]


def versions(make: Maker, kind: str) -> list[Case]:
    """Two versions in one item, of which Stash has both, and an optimised copy."""
    number, rest, file = make.film()
    _, rest2, big = make.film()
    rows = [make.row(number, f"/media/{rest}", file), make.row(number, f"/media/{rest2}", big)]
    rows.append(make.row(number, f"/media/{rest}/Plex Versions/{base_name(rest)}", file, optimised=True, size=5))
    return [make.case(kind, number, [file, big], rows)]


def two_items(make: Maker, kind: str) -> list[Case]:
    """Two versions that Plex has as two items: both are the scene's."""
    number, rest, file = make.film()
    second, rest2, big = make.film()
    return [make.case(kind, number, [file, big], [
        make.row(number, f"/media/{rest}", file), make.row(second, f"/media/{rest2}", big),
    ])]  # fmt: skip


def multi_part(make: Maker, kind: str) -> list[Case]:
    """One item of two parts, which are two files of one scene."""
    number, _, file = make.film(f"part {make.last} cd1.mp4", "Parts")
    _, _, more = make.film(f"part {make.last} cd2.mp4", "Parts")
    rows = [make.row(number, one.path.replace("/data", "/media"), one) for one in (file, more)]
    return [make.case(kind, number, [file, more], rows)]


def second_only(make: Maker, kind: str) -> list[Case]:
    """Only the scene's second file is in Plex."""
    number, rest, file = make.film()
    return [make.case(kind, number, [replace(file, path="/data/master.mov", size=7), file], [
        make.row(number, f"/media/{rest}", file)
    ])]  # fmt: skip


def trashed_twin(make: Maker, kind: str) -> list[Case]:
    """The file moved: its old place is still in the trash."""
    number, rest, file = make.film()
    old = make.row(number + 500_000, f"/media/before/{base_name(rest)}", file, trashed=True)
    return [make.case(kind, number, [file], [old, make.row(number, f"/media/{rest}", file)])]


def absent(make: Maker, kind: str) -> list[Case]:
    """Not in Plex."""
    number, _, file = make.film()
    return [make.case(kind, number, [file], [])]


def twins(make: Maker, kind: str) -> list[Case]:
    """One name in two studios' folders, both in Plex."""
    return [_named(make, kind, "scene.mp4", studio, there=True) for studio in (f"T{make.last}", f"U{make.last}")]


def twin_owns(make: Maker, kind: str) -> list[Case]:
    """One name in two folders, one of them missing in Plex: an edit of that one must not reach the other."""
    return [_named(make, kind, "clip.mp4", f"{end}{make.last}", there=end == "V") for end in "VW"]


def near_names(make: Maker, kind: str) -> list[Case]:
    """Names that differ in a digit or a blank, the middle one missing."""
    base, studio = f"Part {make.last}", make.rng.choice(STUDIOS)
    names = [f"{base} 1.mp4", f"{base} 01.mp4", f"{base}  1.mp4", f"{base} 1 .mp4"]
    return [_named(make, kind, name, studio, there=n != 1) for n, name in enumerate(names)]


def one_item(make: Maker, kind: str) -> list[Case]:
    """Plex has the files of two scenes as versions of one item: nobody can say whose it is."""
    number, rest, file = make.film()
    second, rest2, other = make.film()
    rows = [make.row(number, f"/media/{rest}", file), make.row(number, f"/media/{rest2}", other)]
    cases = [make.case(kind, number, [file], rows), make.case(kind, second, [other], [])]
    return [replace(case, own=frozenset(), findable=False) for case in cases]


def letters(make: Maker, kind: str) -> list[Case]:
    """Two names in one folder that differ in case alone."""
    names = (f"Film {make.last}.mp4", f"film {make.last}.mp4")
    return [_named(make, kind, name, "Letters", there=True) for name in names]


def stranger(make: Maker, kind: str) -> list[Case]:
    """Plex has a file of that name in another studio's folder, and no scene is its."""
    number, _, file = make.film(f"take {make.last}.mp4", "Ours")
    _, rest, other = make.film(base_name(file.path), "Theirs")
    return [
        replace(
            make.case(kind, number, [file], [make.row(number, f"/media/{rest}", other)]),
            own=frozenset(),
            findable=False,
        )
    ]


def cut_name(make: Maker, kind: str) -> list[Case]:
    """One name is the end of the other, and only the longer one is in Plex."""
    rest = f"b {make.last}.mp4"
    return [_named(make, kind, name, "Cut", there=name != rest) for name in (rest, f"a{rest}")]


def other_ending(make: Maker, kind: str) -> list[Case]:
    """Another ending, the same bytes and duration."""
    number, rest, file = make.film()
    return [make.case(kind, number, [file], [make.row(number, f"/media/{rest.removesuffix('.mp4')}.m4v", file)])]


def chapters(make: Maker, kind: str) -> list[Case]:
    """A camera cuts films at a fixed size; Plex has two of them under other names: nobody can say which is which."""
    number, _, file = make.film()
    second, rest, _ = make.film()
    twin = replace(file, id=second, path=f"/data/{rest}")
    rows = [make.row(key, f"/media/camera/{key}.mp4", one) for key, one in ((number, file), (second, twin))]
    return [
        make.case(kind, n, [one], [row], findable=False)
        for n, one, row in zip((number, second), (file, twin), rows, strict=True)
    ]


def chosen_odd(make: Maker, kind: str) -> list[Case]:
    """A person chose an item that has nothing in common with the scene, while another film lies at its own path."""
    number, rest, file = make.film()
    second, _, other = make.film()
    row = make.row(number, f"/media/{rest}", other)
    rows = [row, make.row(second, f"/media/odd/{second}.avi", other, size=second, duration=1.0)]
    case = make.case(kind, number, [file], rows)
    return [replace(case, own=frozenset((second,)), chosen=second)]


def chosen_twins(make: Maker, kind: str) -> list[Case]:
    """The same bytes under one name in two scenes and two items, in other folders: a person chose one of them."""
    number, rest, file = make.film()
    second, _, _ = make.film()
    name = base_name(rest)
    twin = replace(file, id=second, path=f"/data/again {second}/{name}")
    rows = [make.row(key, f"/media/sorted {key}/{name}", file) for key in (number, second)]
    cases = [
        make.case(kind, key, [one], [row]) for key, one, row in zip((number, second), (file, twin), rows, strict=True)
    ]
    return [replace(cases[0], chosen=number), cases[1]]


def chosen_held(make: Maker, kind: str) -> list[Case]:
    """A person chose the item of another scene, which has it by its path: nobody writes what was chosen."""
    number, rest, file = make.film()
    owner = make.case(kind, number, [replace(file, path=f"/same/{rest}")], [make.row(number, f"/same/{rest}", file)])
    second, _, other = make.film()
    return [owner, replace(make.case(kind, second, [other], []), chosen=number)]


def _named(make: Maker, kind: str, name: str, studio: str, *, there: bool) -> Case:
    number, rest, file = make.film(name, studio)
    return make.case(kind, number, [file], [make.row(number, f"/media/{rest}", file)] if there else [])


KINDS: tuple[tuple[int, Kind], ...] = (
    (20, plain), (4, other_root), (4, windows), (4, odd_names), (3, another_case), (4, moved), (4, renamed),
    (4, re_encoded), (2, remuxed), (3, size_unknown), (3, versions), (2, two_items), (2, multi_part), (3, second_only),
    (3, trashed_twin), (3, absent), (4, twins), (4, twin_owns), (2, near_names), (1, one_item), (2, letters),
    (2, stranger),    (2, cut_name), (2, other_ending), (1, chapters),
    (2, chosen_odd), (2, chosen_twins), (2, chosen_held),
)  # fmt: skip


def library(count: int, rng: random.Random) -> list[Case]:
    """At least ``count`` cases of all kinds, mixed."""
    make, cases = Maker(rng), list[Case]()
    while len(cases) < count:
        [kind] = rng.choices([kind for _, kind in KINDS], [weight for weight, _ in KINDS])
        cases += kind(make, kind.__name__.replace("_", " "))
    rng.shuffle(cases)
    return cases


def _mount_moved(case: Case) -> Case:
    """Plex sees the folders of ``MOVED`` studios elsewhere; the items stay."""
    rows = [row._replace(path=re.sub(MOVED, r"/vol1/films/\1", row.path)) for row in case.rows]
    return replace(case, rows=tuple(rows))


def _made_anew(one: Case, other: Case) -> list[Case]:
    """The library was deleted and made again: other items, the same files."""
    [row] = one.rows
    row = row._replace(rating_key=row.rating_key + 1_000_000)
    return [replace(one, rows=(row,), own=frozenset((row.rating_key,))), other]


def _gone(one: Case, other: Case) -> list[Case]:
    """Plex no longer has it."""
    return [replace(one, rows=(), own=frozenset(), findable=False), other]


def _taken_over(one: Case, other: Case) -> list[Case]:
    """The item holds the other film's file by now, and its own is gone."""
    [row] = other.rows
    key = one.rows[0].rating_key
    taken = replace(other, rows=(row._replace(rating_key=key),), own=frozenset((key,)))
    return [replace(one, rows=(), own=frozenset(), findable=False), taken]


def _swapped(one: Case, other: Case) -> list[Case]:
    """Both files swapped names, which both servers know: an item stays where its path is.

    What one scene wrote the other takes over by a path only, so where none was learned a person has to look: LOW.
    """
    (mine,), (theirs,) = one.scene.files, other.scene.files
    swapped = _swapped_in_plex(one, other)
    paths = ((swapped[0], mine, theirs.path), (swapped[1], theirs, mine.path))
    return [
        replace(case, scene=replace(case.scene, files=(replace(file, path=path),)), findable=False)
        for case, file, path in paths
    ]


def _swapped_in_plex(one: Case, other: Case) -> list[Case]:
    """Both files swapped names, and Stash has not looked since."""
    (mine,), (theirs,) = one.rows, other.rows
    rows = (
        theirs._replace(size=mine.size, duration=mine.duration),
        mine._replace(size=theirs.size, duration=theirs.duration),
    )
    return [
        replace(case, rows=(row,), own=frozenset((row.rating_key,)), findable=False)
        for case, row in zip((one, other), rows, strict=True)
    ]


def _swapped_as_long(one: Case, other: Case) -> list[Case]:
    """The same with films that last equally long; as they were if Plex has other bytes: nobody could see it then."""
    pairs = [(case.scene.files[0], case.rows[0]) for case in (one, other)]
    if any(file.size != row.size for file, row in pairs):
        return [one, other]
    seconds = pairs[0][0].duration
    cases = [
        replace(
            case,
            scene=replace(case.scene, files=(replace(file, duration=seconds),)),
            rows=(row._replace(duration=seconds + 0.1),),
        )
        for case, (file, row) in zip((one, other), pairs, strict=True)
    ]
    return _swapped_in_plex(*cases)


def _overwritten(one: Case, other: Case) -> list[Case]:
    """Another film lies at the path in Plex, and Stash has not looked since: it is nobody's."""
    [row] = one.rows
    row = row._replace(size=row.size + 123_456_789, duration=row.duration + 777)
    return [replace(one, rows=(row,), own=frozenset(), findable=False), other]


def _encoded_anew(one: Case, other: Case) -> list[Case]:
    """A shorter cut in its place, which both servers know."""
    (row,), (file,) = one.rows, one.scene.files
    size, duration = file.size // 3 + 1, file.duration * 0.7
    scene = replace(one.scene, files=(replace(file, size=size, duration=duration),))
    return [replace(one, scene=scene, rows=(row._replace(size=size, duration=duration),)), other]


def _renamed_in_stash(one: Case, other: Case) -> list[Case]:
    """Stash renamed the file, and Plex has not looked since."""
    [file] = one.scene.files
    path = file.path.removesuffix(base_name(file.path)) + f"renamed {one.scene.id}.mp4"
    known = one.rows[0].size > 0 and one.rows[0].size == file.size
    return [
        replace(one, scene=replace(one.scene, files=(replace(file, path=path),)), findable=one.findable and known),
        other,
    ]


def _as_it_was(one: Case, other: Case) -> list[Case]:
    """Nothing happened."""
    return [one, other]


#: What happens to a pair of films, and how often.
CHANGES: tuple[tuple[int, Callable[[Case, Case], list[Case]]], ...] = (
    (9, _as_it_was), (3, _made_anew), (2, _gone), (2, _taken_over), (2, _swapped),
    (2, _swapped_in_plex), (2, _swapped_as_long), (2, _overwritten), (2, _encoded_anew), (2, _renamed_in_stash),
)  # fmt: skip


def later(cases: Sequence[Case], rng: random.Random) -> list[Case]:
    """The library after some time: Plex's disk of some studios moved, then pairs of films had a change each.

    Those of several files or items are as they were, and so are those where a person chose.
    """
    cases = [_mount_moved(case) for case in cases]
    by_evidence = [case for case in cases if not case.kind.startswith("chosen")]
    simple = [case for case in by_evidence if len(case.rows) == len(case.own) == len(case.scene.files) == 1]
    chosen = {case.scene.id for case in simple}
    rest = [case for case in cases if case.scene.id not in chosen]
    rng.shuffle(simple)
    changed: list[Case] = []
    for one, other in zip(simple[::2], simple[1::2], strict=False):
        [change] = rng.choices([change for _, change in CHANGES], [weight for weight, _ in CHANGES])
        kind = change.__name__.strip("_").replace("_", " ")
        changed += [replace(case, kind=kind) for case in change(one, other)]
    changed += simple[len(simple) // 2 * 2 :] + rest
    rng.shuffle(changed)
    return changed
