"""How often matching is right: a made-up library of 10,000 scenes with every kind of trouble, whose truth is known.

    python -m benchmarks.matching [scenes] [seed]

Prints, for each kind, how many scenes were certain and right, certain and wrong, LOW, or not found. Target: nothing
wrong, and at least 99 % of those that a careful person would match are certain. Exits with 1 if that is missed.
Each scene is matched in a batch of ``BATCH``, as in Sync all, and again alone on a fresh state, as a single edit (this
takes minutes: hundreds of scenes bear one name, and each is weighed against all of them).
"""

from __future__ import annotations

import random
import sys
import time
import unicodedata
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from plexsync.matching import Known, Match, Rival, match, questions, unambiguous_pairs, write_targets
from plexsync.names import base_name, name_key
from plexsync.pathmap import Tally, learned_from, tally
from plexsync.plex.item import IndexPart
from plexsync.scene import Scene, SceneFile

SCENES, SEED, BATCH = 10_000, 7, 100
WANTED_RECALL = 0.99
STUDIOS = [f"Studio {letter}{n}" for letter in "ABCDEFGHIJ" for n in range(4)]
ODD_NAMES = (
    "\u5348\u5f8c\u306e\u6620\u753b",
    "\U0001f469\u200d\U0001f469\u200d\U0001f467 film",
    "Caf\u00e9 \u00fcber",
    "A & B; #1 + 50%",
)


@dataclass(frozen=True)
class Case:
    """A scene, the rows that Plex has because of it, the items that are its own, and whether a person would see it."""

    kind: str
    scene: Scene
    rows: tuple[IndexPart, ...]
    own: frozenset[int]
    findable: bool = True


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


def _named(make: Maker, kind: str, name: str, studio: str, *, there: bool) -> Case:
    number, rest, file = make.film(name, studio)
    return make.case(kind, number, [file], [make.row(number, f"/media/{rest}", file)] if there else [])


KINDS: tuple[tuple[int, Kind], ...] = (
    (20, plain), (4, other_root), (4, windows), (4, odd_names), (3, another_case), (4, moved), (4, renamed),
    (4, re_encoded), (2, remuxed), (3, size_unknown), (3, versions), (2, two_items), (2, multi_part), (3, second_only),
    (3, trashed_twin), (3, absent), (4, twins), (4, twin_owns), (2, near_names), (1, one_item),
)  # fmt: skip


def library(count: int, rng: random.Random) -> list[Case]:
    """At least ``count`` cases of all kinds, mixed."""
    make, cases = Maker(rng), list[Case]()
    while len(cases) < count:
        [kind] = rng.choices([kind for _, kind in KINDS], [weight for weight, _ in KINDS])
        cases += kind(make, kind.__name__.replace("_", " "))
    rng.shuffle(cases)
    return cases


class Servers:
    """Plex's index and Stash's file names, as dictionaries."""

    complete, fold_case = True, False

    def __init__(self, cases: Sequence[Case]) -> None:
        self._names: dict[str, list[IndexPart]] = {}
        self._sizes: dict[int, list[IndexPart]] = {}
        self._items: dict[int, list[IndexPart]] = {}
        self._stash: dict[str, list[Scene]] = {}
        for row in (row for case in cases for row in case.rows):
            self._names.setdefault(name_key(row.path), []).append(row)
            self._sizes.setdefault(row.size, []).append(row)
            self._items.setdefault(row.rating_key, []).append(row)
        for scene in (case.scene for case in cases):
            for file in scene.files:
                self._stash.setdefault(base_name(file.path).lower(), []).append(scene)

    def by_name(self, keys: Collection[str]) -> dict[str, list[IndexPart]]:
        """Rows by name key."""
        return {key: self._names.get(key, []) for key in keys}

    def by_size(self, sizes: Collection[int]) -> dict[int, list[IndexPart]]:
        """Rows by size in bytes."""
        return {size: self._sizes.get(size, []) for size in sizes}

    def by_item(self, rating_keys: Collection[int]) -> dict[int, list[IndexPart]]:
        """Rows by rating key."""
        return {key: self._items.get(key, []) for key in rating_keys}

    def files_named(self, names: Iterable[str]) -> dict[str, tuple[Rival, ...]]:
        """What Stash answers to the question about other scenes."""
        scenes = {scene.id: scene for name in names for scene in self._stash.get(name.lower(), ())}
        found: dict[str, tuple[Rival, ...]] = {}
        for scene in scenes.values():
            for file in scene.files:
                key = name_key(file.path)
                found[key] = (*found.get(key, ()), Rival(scene.id, file))
        return found

    def look(self, scenes: Sequence[Scene], known: Known) -> dict[int, Match]:
        """Both steps of matching a batch."""
        first = match(scenes, self, known)
        names = questions(scenes, first, self)
        return match(scenes, self, replace(known, rivals=self.files_named(names))) if names else first


def verdict(case: Case, found: Match) -> str:
    """One of the columns."""
    written = {one.rating_key for one in write_targets(found, low_allowed=False)}
    if written - case.own:
        return "wrong"
    if written:
        return "right" if written == case.own else "partly"
    return found.verdict


COLUMNS = ("right", "partly", "wrong", "low", "none")


def report(title: str, cases: Sequence[Case], matches: dict[int, Match]) -> bool:
    """Prints the table; whether the targets are met."""
    counts = Counter((case.kind, verdict(case, matches[case.scene.id])) for case in cases)
    findable = [case for case in cases if case.findable]
    right = sum(verdict(case, matches[case.scene.id]) == "right" for case in findable)
    wrong = sum(number for (_, column), number in counts.items() if column == "wrong")
    print(f"\n{title}\n{'kind':<16}" + "".join(f"{column:>8}" for column in COLUMNS))
    for kind in sorted({case.kind for case in cases}):
        print(f"{kind:<16}" + "".join(f"{counts[kind, column]:>8}" for column in COLUMNS))
    recall = right / len(findable)
    print(f"wrong: {wrong} (target 0); certain and right: {recall:.2%} of {len(findable)} (target {WANTED_RECALL:.0%})")
    return not wrong and recall >= WANTED_RECALL


def main(arguments: Sequence[str]) -> int:
    """Runs both ways; the exit status."""
    count, seed = (int(arguments[0]) if arguments else SCENES), (int(arguments[1]) if len(arguments) > 1 else SEED)
    cases = library(count, random.Random(seed))
    servers = Servers(cases)
    batched: dict[int, Match] = {}
    alone: dict[int, Match] = {}
    taught: tuple[Tally, ...] = ()
    start = time.perf_counter()
    for at in range(0, len(cases), BATCH):
        batch = [case.scene for case in cases[at : at + BATCH]]
        found = servers.look(batch, Known(learned=learned_from(taught)))
        taught = tally(taught, unambiguous_pairs(found.values()))
        batched |= found
    took = time.perf_counter() - start
    for case in cases:
        alone |= servers.look([case.scene], Known())
    good = [
        report("in batches, with the learned map", cases, batched),
        report("each alone, on a fresh state", cases, alone),
    ]
    print(f"\n{len(cases)} scenes, seed {seed}; in batches {took / len(cases) * 1e6:.0f} us a scene")
    return 0 if all(good) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
