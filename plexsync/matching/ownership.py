"""Decide which scene owns an item that files of several scenes may be. Pure; knows neither the index nor the rules.

Evidence has three tiers: equal path, learned path, everything else. The writer is the scene that the item was last
written from. The first row that applies decides::

  | claimants | owner |
  |---|---|
  | none is certain | the only claimant; nobody if there are several |
  | one tier is better than the others | decided within the best tier, apart from other files of the item |
  | no path agrees, and the writer claims nothing | nobody: the writer's file may have been renamed |
  | the writer, and no other agrees better with the same file | the writer |
  | the writer or an uncertain file of equal or unknown size, against files of different or unknown size | nobody |
  | one agrees better than each of the others with the same file (size, folders, spelling), and never worse | that one |
  | otherwise, and where the certain files of different scenes are different files of the item | nobody |

An item that a person chose for a scene is that scene's, whatever the others claim, unless one has it by an equal path.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import islice

from plexsync.matching.model import Evidence
from plexsync.matching.rules import Hit
from plexsync.model.paths import normal_path
from plexsync.model.scene import SceneFile, same_duration

_TIERS = {Evidence.EQUAL_PATH: 0, Evidence.LEARNED_PATH: 1}
_REST = 2
#: Other scenes kept for a contested candidate; nobody reads more.
MAX_NAMED = 20


@dataclass(frozen=True, slots=True)
class Claimant:
    """A scene, and its file that may be in the item. ``in_batch``: what the scene wrote before is known."""

    scene_id: int
    file: SceneFile
    hit: Hit
    in_batch: bool = True

    @property
    def path(self) -> str:
        """Return the normal path of the item's file that the scene's file may be."""
        return normal_path(self.hit.part.path)


@dataclass(frozen=True, slots=True)
class Ownership:
    """A scene's right to an item. ``others``: scenes that contest it; ``lost``: the item belongs to another scene.

    ``chosen_for``: the scene for which a person chose it, if that is why it is lost.
    """

    others: tuple[int, ...] = ()
    lost: bool = False
    chosen_for: int = 0


def tier(hit: Hit) -> int:
    """Return 0 for an equal path, 1 for a learned path, 2 for anything else and for paths in another spelling."""
    return _TIERS.get(hit.evidence, _REST) if hit.literal else _REST


def by_choice(
    chooser: int, claimants: Sequence[Claimant], claim: int | None, choosers: Collection[int]
) -> dict[int, Ownership]:
    """Return each scene's right to an item that a person chose for the scene ``chooser``, which need not claim it.

    Where another scene has the item by an equal path, that one keeps it, and the choice is contested: unless the
    chooser has such a path too, and the item did not belong to the other before. ``choosers``: the scenes for which any
    item was chosen; for those that chose another, their path says nothing here.
    """
    others = [claimant for claimant in claimants if claimant.scene_id != chooser]
    holders = [one.scene_id for one in others if _has_path(one) and one.scene_id not in choosers]
    if holders and any(_has_path(one) for one in claimants if one.scene_id == chooser):
        rights = resolve(claimants, claim)
        holders = [scene_id for scene_id in holders if rights[scene_id] == Ownership()]
    if holders:
        return resolve(others, claim) | {chooser: Ownership(others=tuple(sorted(holders)[:MAX_NAMED]))}
    lost = {one.scene_id: Ownership(lost=True, chosen_for=chooser) for one in others}
    return lost | {chooser: Ownership()}


def _has_path(claimant: Claimant) -> bool:
    return claimant.hit.high and tier(claimant.hit) == 0


def resolve(claimants: Sequence[Claimant], claim: int | None) -> dict[int, Ownership]:
    """Return each scene's right to the item, by scene id; an empty ``Ownership`` means that the scene owns it.

    ``claimants``: the best one of each scene. ``claim``: the scene that the item was last written from (0 or None: no
    scene).
    """
    claim = claim or None
    claimants = [_as_remembered(claimant, claim) for claimant in claimants]
    highs = [claimant for claimant in claimants if claimant.hit.high]
    if not highs:
        return _among_uncertain(claimants, claim)
    best = min(tier(claimant.hit) for claimant in highs)
    tops = [claimant for claimant in highs if tier(claimant.hit) == best]
    paths = {claimant.path for claimant in tops}
    tops += [claimant for claimant in highs if tier(claimant.hit) > best and claimant.path not in paths]
    lost = {claimant.scene_id: Ownership(lost=True) for claimant in claimants}
    if claim is not None and claim not in lost and best == _REST:  # the writer's file may have been renamed
        return lost | {claimant.scene_id: Ownership(others=(claim,)) for claimant in tops}
    keeper = next((claimant for claimant in tops if claimant.scene_id == claim), None)
    better = [claimant for claimant in tops if keeper and claimant is not keeper and _beats(claimant, keeper)]
    if keeper and not better:
        contested = {claimant.scene_id: Ownership(others=(keeper.scene_id,)) for claimant in tops}
        return lost | contested | {keeper.scene_id: Ownership()}
    lows = [claimant for claimant in claimants if not claimant.hit.high] if best == _REST else []
    doubts = [low for low in lows if _casts_doubt(low, min(1, *(top.hit.size for top in tops)))]
    wrote = [claimant for claimant in (keeper, *lows) if claimant and claimant.scene_id == claim]
    if (wrote or doubts) and all(claimant.hit.size < 2 for claimant in better or tops):  # the files may have moved
        return lost | _contested(claimant.scene_id for claimant in (*tops, *doubts, *wrote))
    return lost | _by_agreement([*tops, *doubts])


def _as_remembered(claimant: Claimant, claim: int | None) -> Claimant:
    """Return a rival that wrote the item before as remembered: for rivals, ``Known.remembered`` is not read."""
    if claimant.in_batch or claimant.scene_id != claim:
        return claimant
    if claimant.hit.high or claimant.hit.evidence is Evidence.EQUAL_PATH:
        return claimant
    return replace(claimant, hit=replace(claimant.hit, high=True, evidence=Evidence.REMEMBERED))


def _among_uncertain(claimants: Sequence[Claimant], claim: int | None) -> dict[int, Ownership]:
    ids = [claimant.scene_id for claimant in claimants]
    if len(ids) == 1 and claim is not None and claim != ids[0]:
        return {ids[0]: Ownership(others=(claim,))}
    return _contested(ids)


def _contested(ids: Iterable[int]) -> dict[int, Ownership]:
    """Return ownerships by which nobody owns the item: each scene with up to ``MAX_NAMED`` of the others."""
    ordered = sorted(set(ids))
    return {
        scene_id: Ownership(tuple(islice((other for other in ordered if other != scene_id), MAX_NAMED)))
        for scene_id in ordered
    }


def _casts_doubt(low: Claimant, size: int) -> bool:
    """Return whether the uncertain claimant ``low`` casts doubt on certain ones that agree in size by ``size``.

    It does unless its size agrees less, or its duration differs.
    """
    same_time = same_duration(low.file.duration, low.hit.part.duration)
    return low.hit.size == 2 or bool(low.hit.size >= size and same_time)


def _by_agreement(claimants: Sequence[Claimant]) -> dict[int, Ownership]:
    for claimant in claimants:
        if claimant.hit.high and all(_beats(claimant, other) for other in claimants if other is not claimant):
            return {other.scene_id: Ownership(lost=True) for other in claimants} | {claimant.scene_id: Ownership()}
    return _contested(claimant.scene_id for claimant in claimants)


def _beats(claimant: Claimant, other: Claimant) -> bool:
    """Return whether ``claimant`` agrees better in something and worse in nothing, with the same file of the item."""
    if claimant.path != other.path:
        return False
    hit, rival = claimant.hit, other.hit
    if (hit.size, hit.suffix) == (rival.size, rival.suffix):
        return (hit.exact, hit.spelt) > (rival.exact, rival.spelt)
    return hit.size >= rival.size and hit.suffix >= rival.suffix
