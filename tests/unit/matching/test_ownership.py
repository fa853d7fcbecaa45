"""Which scene owns an item when files of several scenes may be in it."""

from __future__ import annotations

from itertools import permutations

import pytest

from plexsync.matching.model import Evidence
from plexsync.matching.ownership import MAX_NAMED, Claimant, Ownership, resolve, tier
from plexsync.matching.rules import Hit
from plexsync.model.scene import SceneFile
from tests.support.index import part

E = Evidence
HIGH, LOW = True, False


def claim(
    scene: int,
    evidence: Evidence,
    high: bool = HIGH,
    *,
    size: int = 2,
    suffix: int = 2,
    exact: int | None = None,
    spelt: int | None = None,
    path: str = "/p/d/x.mp4",
    duration: float = 60,
    in_batch: bool = True,
) -> Claimant:
    """Return a scene's claim to item 1; by default the common suffix is spelled alike."""
    exact = suffix if exact is None else exact
    spelt = exact if spelt is None else spelt
    hit = Hit(part(1, path, 100, 60), evidence, high, "", size, suffix, exact, spelt)
    return Claimant(scene, SceneFile(1, "/s/x.mp4", 100, duration), hit, in_batch)


KEPT, LOST = Ownership(), Ownership(lost=True)


def with_(*others: int) -> Ownership:
    """Return an ownership that these scenes contest."""
    return Ownership(others=others)


TABLE: dict[str, tuple[list[Claimant], int | None, dict[int, Ownership]]] = {
    "alone": ([claim(1, E.NAME_SIZE)], None, {1: KEPT}),
    "alone and low": ([claim(1, E.NAME_ONLY, LOW)], None, {1: KEPT}),
    "equal path before learned path": (
        [claim(1, E.EQUAL_PATH, size=0), claim(2, E.LEARNED_PATH)], 2, {1: KEPT, 2: LOST},
    ),
    "learned path before the rest": ([claim(1, E.LEARNED_PATH), claim(2, E.REMEMBERED)], 2, {1: KEPT, 2: LOST}),
    "a path in another spelling is one of the rest": (
        [claim(1, E.EQUAL_PATH, spelt=1), claim(2, E.NAME_SIZE)], None, {1: LOST, 2: KEPT},
    ),
    "high before low, by a path": ([claim(1, E.LEARNED_PATH), claim(2, E.NAME_ONLY, LOW)], None, {1: KEPT, 2: LOST}),
    "two equal paths": ([claim(1, E.EQUAL_PATH), claim(2, E.EQUAL_PATH)], None, {1: with_(2), 2: with_(1)}),
    "two equal paths, size tells": ([claim(1, E.EQUAL_PATH), claim(2, E.EQUAL_PATH, size=0)], None, {1: KEPT, 2: LOST}),
    "two files of one item": (
        [claim(1, E.EQUAL_PATH), claim(2, E.EQUAL_PATH, size=0, path="/p/d/y.mp4")], None, {1: with_(2), 2: with_(1)},
    ),
    "two files of one item, one wrote it": (
        [claim(1, E.EQUAL_PATH), claim(2, E.EQUAL_PATH, path="/p/d/y.mp4")], 2, {1: with_(2), 2: KEPT},
    ),
    "another file of the item, certain by less": (
        [claim(1, E.EQUAL_PATH), claim(2, E.NAME_SIZE, path="/p/d/y.mp4")], None, {1: with_(2), 2: with_(1)},
    ),
    "another file of the item, written by the path's": (
        [claim(1, E.EQUAL_PATH), claim(2, E.NAME_SIZE, path="/p/d/y.mp4")], 1, {1: KEPT, 2: with_(1)},
    ),
    "another file of the item, not certain": (
        [claim(1, E.EQUAL_PATH), claim(2, E.NAME_SIZE, LOW, path="/p/d/y.mp4")], None, {1: KEPT, 2: LOST},
    ),
    "the rest among themselves": ([claim(1, E.REMEMBERED), claim(2, E.NAME_SIZE)], None, {1: with_(2), 2: with_(1)}),
    "the one that wrote it": ([claim(1, E.REMEMBERED), claim(2, E.NAME_SIZE)], 1, {1: KEPT, 2: with_(1)}),
    "an uncertain file of equal size, of another duration": (
        [claim(1, E.NAME_FOLDERS, size=1), claim(2, E.NAME_SIZE, LOW, duration=90)], None, {1: with_(2), 2: with_(1)},
    ),
    "an uncertain file of unknown size, nearer by its folders": (
        [claim(1, E.NAME_SIZE, suffix=1), claim(2, E.NAME_ONLY, LOW, size=1, suffix=3)], None,
        {1: with_(2), 2: with_(1)},
    ),
    "written by a scene elsewhere that has the learned path": (
        [claim(1, E.NAME_SIZE), claim(2, E.LEARNED_PATH, in_batch=False)], 2, {1: LOST, 2: KEPT},
    ),
    "written by a scene elsewhere that has the path in another spelling": (
        [claim(1, E.NAME_SIZE), claim(2, E.EQUAL_PATH, LOW, in_batch=False)], 2, {1: with_(2), 2: with_(1)},
    ),
    "written by a scene elsewhere that has an uncertain learned path": (
        [claim(1, E.NAME_SIZE), claim(2, E.LEARNED_PATH, LOW, in_batch=False)], 2, {1: with_(2), 2: KEPT},
    ),
    "written by a scene elsewhere that has the name": (
        [claim(1, E.NAME_SIZE), claim(2, E.NAME_ONLY, LOW, in_batch=False)], 2, {1: with_(2), 2: KEPT},
    ),
    "the one that wrote it agrees less": (
        [claim(1, E.NAME_SIZE, suffix=1), claim(2, E.NAME_SIZE, suffix=3)], 1, {1: LOST, 2: KEPT},
    ),
    "the one that wrote it agrees otherwise": (
        [claim(1, E.SIZE_DURATION, suffix=0), claim(2, E.NAME_FOLDERS, size=1)], 1, {1: KEPT, 2: with_(1)},
    ),
    "the one that wrote it agrees less, sizes unknown": (
        [claim(1, E.NAME_FOLDERS, size=1), claim(2, E.NAME_FOLDERS, size=1, suffix=3)], 1, {1: with_(2), 2: with_(1)},
    ),
    "the one that wrote it is low, sizes unknown": (
        [claim(1, E.NAME_FOLDERS, size=1, suffix=3), claim(2, E.NAME_ONLY, LOW, size=1, suffix=1)], 2,
        {1: with_(2), 2: with_(1)},
    ),
    "the same, nobody wrote it": (
        [claim(1, E.NAME_FOLDERS, size=1, suffix=3), claim(2, E.NAME_ONLY, LOW, size=1, suffix=1)], None,
        {1: with_(2), 2: with_(1)},
    ),
    "nearer folders": ([claim(1, E.NAME_SIZE, suffix=3), claim(2, E.NAME_SIZE)], None, {1: KEPT, 2: LOST}),
    "exact case": ([claim(1, E.NAME_SIZE), claim(2, E.NAME_SIZE, exact=0)], None, {1: KEPT, 2: LOST}),
    "exact form": ([claim(1, E.NAME_SIZE), claim(2, E.NAME_SIZE, spelt=0)], None, {1: KEPT, 2: LOST}),
    "size against folders": (
        [claim(1, E.NAME_SIZE, suffix=1), claim(2, E.NAME_FOLDERS, size=1, suffix=3)], None, {1: with_(2), 2: with_(1)},
    ),
    "three, one best": (
        [claim(1, E.NAME_SIZE), claim(2, E.NAME_SIZE, suffix=1), claim(3, E.NAME_SIZE, suffix=3)], None,
        {1: LOST, 2: LOST, 3: KEPT},
    ),
    "a low one that nothing excludes": (
        [claim(1, E.NAME_FOLDERS, size=1), claim(2, E.NAME_FOLDERS, LOW, size=1)], None, {1: with_(2), 2: with_(1)},
    ),
    "a low one that the size excludes": (
        [claim(1, E.NAME_FOLDERS, size=1), claim(2, E.NAME_FOLDERS, LOW, size=0, suffix=9)], None, {1: KEPT, 2: LOST},
    ),
    "a low one that the duration excludes": (
        [claim(1, E.NAME_FOLDERS, size=1), claim(2, E.NAME_FOLDERS, LOW, size=1, duration=90)], None,
        {1: KEPT, 2: LOST},
    ),
    "a low one of another size, against another size": (
        [claim(1, E.NAME_FOLDERS, size=0), claim(2, E.NAME_ONLY, LOW, size=0, suffix=1)], None,
        {1: with_(2), 2: with_(1)},
    ),
    "the same, and another duration": (
        [claim(1, E.NAME_FOLDERS, size=0), claim(2, E.NAME_ONLY, LOW, size=0, suffix=1, duration=90)], None,
        {1: KEPT, 2: LOST},
    ),
    "a low one never wins": (
        [claim(1, E.NAME_FOLDERS, size=1), claim(2, E.NAME_SIZE, LOW, suffix=9)], None, {1: with_(2), 2: with_(1)},
    ),
    "several low ones": ([claim(1, E.NAME_ONLY, LOW), claim(2, E.NAME_ONLY, LOW)], 1, {1: with_(2), 2: with_(1)}),
    "written by a scene out of sight": ([claim(1, E.NAME_SIZE)], 7, {1: with_(7)}),
    "the same, by an equal path": ([claim(1, E.EQUAL_PATH)], 7, {1: KEPT}),
    "the same, low": ([claim(1, E.NAME_ONLY, LOW)], 7, {1: with_(7)}),
    "given up": ([claim(1, E.SIZE_DURATION)], 0, {1: KEPT}),
    "a rival that wrote it and may remember it": (
        [claim(1, E.NAME_FOLDERS, size=0), claim(2, E.NAME_FOLDERS, LOW, size=0, in_batch=False)],
        2,
        {1: with_(2), 2: KEPT},
    ),
    "a low scene of the batch that wrote it": (
        [claim(1, E.NAME_FOLDERS, size=0), claim(2, E.NAME_FOLDERS, LOW, size=0)], 2, {1: with_(2), 2: with_(1)},
    ),
    "the same against an equal size": (
        [claim(1, E.NAME_SIZE), claim(2, E.NAME_FOLDERS, LOW, size=0)], 2, {1: KEPT, 2: LOST},
    ),
    "the same against a path": (
        [claim(1, E.LEARNED_PATH, size=0), claim(2, E.NAME_FOLDERS, LOW, size=0)], 2, {1: KEPT, 2: LOST},
    ),
}  # fmt: skip


@pytest.mark.parametrize(("claims", "claim", "wanted"), TABLE.values(), ids=TABLE)
def test_rulings(claims: list[Claimant], claim: int | None, wanted: dict[int, Ownership]) -> None:
    """Each row of the table gives the item to one scene or to none, in whatever order the claimants come."""
    for order in permutations(claims):
        assert resolve(order, claim) == wanted


def test_tiers() -> None:
    """Equal paths come before learned ones, and those before everything else. A choice is no claim, but decides."""
    tiers = [tier(claim(1, evidence).hit) for evidence in Evidence if evidence is not Evidence.CHOSEN]
    assert tiers == [0, 1, 2, 2, 2, 2, 2]


def test_only_some_others_are_named() -> None:
    """Among thousands of equal claims each scene names the first few others, and never itself."""
    ownerships = resolve([claim(n, E.NAME_ONLY, LOW) for n in range(3000, 0, -1)], None)
    assert ownerships[1].others == tuple(range(2, MAX_NAMED + 2))
    assert ownerships[3000].others == tuple(range(1, MAX_NAMED + 1))
