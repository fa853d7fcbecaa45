"""Whose item it is when files of several scenes point at it. Pure; knows neither the index nor how evidence was found.

An item belongs to the scene whose file matches it best: by an equal path, then by a learned path, then by the rest.
Between equals the scene that wrote it before keeps it, unless another agrees better with the very same file (size
included; without it nobody has it); else the scene that agrees with it in more (size, folders, spelling) has it; else
nobody. Different files of one item are not compared: where each is certain to be another scene's, nobody has it either.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import islice

from plexsync.matching.model import Evidence
from plexsync.matching.rules import Clue
from plexsync.model.paths import normal_path
from plexsync.model.scene import SceneFile, same_duration

_TIERS = {Evidence.EQUAL_PATH: 0, Evidence.LEARNED_PATH: 1}
_REST = 2
#: Other scenes that a contested candidate names; nobody reads more.
MOST_NAMED = 20


@dataclass(frozen=True, slots=True)
class Stake:
    """What one scene's file has to say for an item. ``own``: of the batch, so what it remembers is known."""

    scene_id: int
    file: SceneFile
    clue: Clue
    own: bool = True


@dataclass(frozen=True, slots=True)
class Ruling:
    """Whether a scene may have the item. ``others``: scenes that it is contested with; ``lost``: it is another's."""

    others: tuple[int, ...] = ()
    lost: bool = False


def tier(clue: Clue) -> int:
    """0 for an equal path, 1 for a learned path, 2 for the rest, and for a path that is equal in another spelling."""
    return _TIERS.get(clue.evidence, _REST) if clue.literal else _REST


def settle(stakes: Sequence[Stake], claim: int | None) -> dict[int, Ruling]:
    """The ruling for each scene with a stake in one item; ``claim``: the scene that wrote it before (0 or None: none).

    One stake a scene: its best. A scene with an empty ruling keeps the confidence of its own evidence.
    """
    ids = {stake.scene_id for stake in stakes}
    claim = claim or None
    stakes = [_standing(stake, claim) for stake in stakes]
    highs = [stake for stake in stakes if stake.clue.high]
    if not highs:
        return _among_lows(stakes, claim)
    best = min(tier(stake.clue) for stake in highs)
    tops = [stake for stake in highs if tier(stake.clue) == best]
    held = {normal_path(stake.clue.part.path) for stake in tops}
    tops += [one for one in highs if tier(one.clue) > best and normal_path(one.clue.part.path) not in held]
    rulings = {scene_id: Ruling(lost=True) for scene_id in ids}
    if claim is not None and claim not in ids and best == _REST:  # its file may bear another name by now
        return rulings | {stake.scene_id: Ruling(others=(claim,)) for stake in tops}
    keeper = next((stake for stake in tops if stake.scene_id == claim), None)
    better = [stake for stake in tops if keeper and stake is not keeper and _beats(stake, keeper)]
    if keeper and not better:
        return rulings | {s.scene_id: Ruling(others=(keeper.scene_id,)) for s in tops} | {keeper.scene_id: Ruling()}
    lows = [stake for stake in stakes if not stake.clue.high] if best == _REST else []
    doubts = [stake for stake in lows if _doubts(stake, min(1, *(top.clue.size for top in tops)))]
    wrote = [stake for stake in (keeper, *lows) if stake and stake.scene_id == claim]
    if (wrote or doubts) and all(stake.clue.size < 2 for stake in better or tops):  # their files may have moved
        return rulings | _contested(stake.scene_id for stake in (*tops, *doubts, *wrote))
    return rulings | _by_agreement([*tops, *doubts])


def _standing(stake: Stake, claim: int | None) -> Stake:
    """A rival that wrote the item before and still points at it stands as if remembered: that is not known."""
    if stake.own or stake.scene_id != claim or stake.clue.high or stake.clue.evidence is Evidence.EQUAL_PATH:
        return stake
    return replace(stake, clue=replace(stake.clue, high=True, evidence=Evidence.REMEMBERED))


def _among_lows(stakes: Sequence[Stake], claim: int | None) -> dict[int, Ruling]:
    ids = [stake.scene_id for stake in stakes]
    if len(ids) == 1 and claim not in (None, ids[0]):
        return {ids[0]: Ruling(others=(claim,) if claim is not None else ())}
    return _contested(ids)


def _contested(ids: Iterable[int]) -> dict[int, Ruling]:
    """Nobody's: each scene with the others, of which ``MOST_NAMED`` are told (thousands may have a `scene.mp4`)."""
    ordered = sorted(set(ids))
    return {one: Ruling(tuple(islice((i for i in ordered if i != one), MOST_NAMED))) for one in ordered}


def _doubts(stake: Stake, size: int) -> bool:
    """Whether weak evidence casts doubt on stronger of that ``size``: unless its own size or duration exclude it."""
    excluded_by_time = not same_duration(stake.file.duration, stake.clue.part.duration)
    return stake.clue.size == 2 or (stake.clue.size >= size and not excluded_by_time)


def _by_agreement(stakes: Sequence[Stake]) -> dict[int, Ruling]:
    for stake in stakes:
        if stake.clue.high and all(_beats(stake, other) for other in stakes if other is not stake):
            return {other.scene_id: Ruling(lost=True) for other in stakes} | {stake.scene_id: Ruling()}
    return _contested(stake.scene_id for stake in stakes)


def _beats(one: Stake, other: Stake) -> bool:
    """Whether one stake is better in something and worse in nothing. Different files of an item cannot be compared."""
    a, b = one.clue, other.clue
    if normal_path(a.part.path) != normal_path(b.part.path):
        return False
    mine, theirs = (a.size, a.suffix), (b.size, b.suffix)
    if mine == theirs:
        return (a.exact, a.spelt) > (b.exact, b.spelt)
    return mine[0] >= theirs[0] and mine[1] >= theirs[1]
