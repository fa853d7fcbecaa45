"""Path prefixes: the user's path map, and the map that PlexSync learns from unambiguous pairs of paths. Pure.

Knows nothing of servers, of the index, or of how a pair was found. The caller stores the ``Tally`` rows.

Cutting a pair of paths at its longest common suffix leaves two roots, which are the same for every file below a mount.
Two mounts may share a parent, so each pair also counts for ``EXTRA_LEVELS`` levels below its root. The rule at the
shortest level that nothing contradicts is used.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from plexsync.model.paths import common_suffix, components, fold, fold_path, ignores_case, normal_path

#: Pairs that make a learned rule evidence, if none contradicts it.
MIN_PAIRS = 5
#: Levels below its root at which a pair counts too.
EXTRA_LEVELS = 2
#: Files that a tally row remembers; more would make no rule usable or unusable.
MAX_SEEN = 20
#: The Plex prefix of a tally row for the files that no rule at its Stash prefix explains.
UNEXPLAINED = ""


@dataclass(frozen=True, slots=True)
class Pair:
    """The two normal paths of one file, and the prefixes that remain without the common suffix."""

    stash_prefix: str
    plex_prefix: str
    stash_path: str
    plex_path: str


@dataclass(frozen=True, slots=True)
class Tally:
    """The files that support a rule. ``seen``: CRC-32 of their paths in Stash, at most ``MAX_SEEN``."""

    stash_prefix: str
    plex_prefix: str
    seen: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class PrefixRule:
    """A learned rule. ``support`` files are where it says, ``against`` files are not (at most ``MAX_SEEN`` a row)."""

    stash_prefix: str
    plex_prefix: str
    support: int
    against: int

    @property
    def usable(self) -> bool:
        """Return whether the rule is evidence: ``MIN_PAIRS`` files support it, and none contradicts it."""
        return self.support >= MIN_PAIRS and not self.against


@dataclass(frozen=True, slots=True)
class LearnedMap:
    """The learned rules, the longest Stash prefix first; of nested usable rules that agree, only the most general."""

    rules: tuple[PrefixRule, ...] = ()

    def translate(self, path: str) -> tuple[str, ...]:
        """Return the Plex paths that the usable rules give for ``path`` in Stash, the longest prefix first."""
        normal = normal_path(path)
        moved = (_moved(normal, rule.stash_prefix, rule.plex_prefix) for rule in self.rules if rule.usable)
        return tuple(dict.fromkeys(target for target in moved if target is not None))


def apply_map(path: str, path_map: Iterable[tuple[str, str]]) -> str:
    """Return the normal Plex path that the user's pairs give for ``path`` in Stash; unchanged if no pair applies.

    The longest prefix wins. Prefixes end at whole components. With a drive letter or a UNC host they ignore case, as in
    Windows.
    """
    normal = normal_path(path)
    for stash, plex in sorted(path_map, key=lambda pair: -len(components(normal_path(pair[0])))):
        moved = _moved(normal, _prefix(stash), _prefix(plex), any_case=ignores_case(stash.strip()))
        if moved is not None:
            return moved
    return normal


def sole_source(path: str, path_map: Sequence[tuple[str, str]]) -> bool:
    """Return whether the map leads no other path to where it leads ``path``: several disks may be one in Plex."""
    normal = normal_path(path)
    target = apply_map(normal, path_map)
    sources = (
        _moved(target, _prefix(plex), _prefix(stash), any_case=ignores_case(plex.strip())) for stash, plex in path_map
    )
    others = (source for source in sources if source is not None and source != normal)
    return all(apply_map(source, path_map) != target for source in others)


def as_plex_spells(
    path_map: Iterable[tuple[str, str]], locations: Sequence[str], *, fold_case: bool
) -> tuple[tuple[str, str], ...]:
    """Return the user's pairs with the Plex side in the case of ``locations``, Plex's own folders, if case is ignored.

    ``fold_case``: Plex's platform ignores case; with a drive letter or a UNC host case is ignored on any.
    """
    folders = [location for location in locations if fold_case or ignores_case(location)]
    return tuple((stash, _respelled(plex, folders)) for stash, plex in path_map)


def _respelled(plex: str, folders: Iterable[str]) -> str:
    typed, best = components(normal_path(plex.strip())), plex
    deepest = 0
    for folder in folders:
        normal = normal_path(folder)
        spelled = components(normal)
        depth = min(len(typed), len(spelled))
        if depth > deepest and list(map(fold_path, typed[:depth])) == list(map(fold_path, spelled[:depth])):
            root = "/" if normal.startswith("/") else ""
            deepest, best = depth, root + "/".join(spelled[:depth] + typed[depth:])
    return best


def pair_of(stash_path: str, plex_path: str) -> Pair | None:
    """Return the pair of a file's two paths, None if the file names differ, in case too."""
    stash, plex = normal_path(stash_path), normal_path(plex_path)
    shared = common_suffix(components(stash), components(plex))
    if not shared:
        return None
    return Pair(_cut(stash, shared), _cut(plex, shared), stash, plex)


def tally(rows: Iterable[Tally], pairs: Iterable[Pair]) -> tuple[Tally, ...]:
    """Return ``rows`` with ``pairs`` added. Each file counts once at a Stash prefix, for the newest Plex prefix."""
    seen_at = {(row.stash_prefix, row.plex_prefix): dict.fromkeys(row.seen) for row in rows}
    plexes: dict[str, set[str]] = {}
    for stash, plex in seen_at:
        plexes.setdefault(stash, set()).add(plex)
    for pair in pairs:
        checksum = zlib.crc32(pair.stash_path.encode("utf-8", "surrogatepass"))
        for stash, plex in _levels(pair):
            for other in plexes.setdefault(stash, set()) - {plex}:
                seen_at[stash, other].pop(checksum, None)
            plexes[stash].add(plex)
            seen = seen_at.setdefault((stash, plex), {})
            if len(seen) < MAX_SEEN:
                seen[checksum] = None
    return tuple(Tally(stash, plex, tuple(seen)) for (stash, plex), seen in sorted(seen_at.items()) if seen)


def learned_from(rows: Iterable[Tally]) -> LearnedMap:
    """Return the learned map for the tally rows."""
    by_stash: dict[str, list[Tally]] = {}
    for row in rows:
        by_stash.setdefault(row.stash_prefix, []).append(row)
    kept: dict[str, PrefixRule] = {}
    unusable: list[PrefixRule] = []
    for stash in sorted(by_stash, key=lambda prefix: len(components(prefix))):
        for rule in _rules_at(stash, by_stash[stash]):
            if not rule.usable:
                unusable.append(rule)
            elif not _implied(rule, kept):
                kept[stash] = rule
    contradicted = [rule for rule in unusable if rule.support >= MIN_PAIRS]
    rules = sorted([*kept.values(), *contradicted], key=lambda rule: -len(components(rule.stash_prefix)))
    return LearnedMap(tuple(rules))


def suggested(learned: LearnedMap) -> list[PrefixRule]:
    """Return the usable rules whose prefixes differ, by Stash prefix, without those that the setting cannot express."""
    return sorted(
        (
            rule
            for rule in learned.rules
            if rule.usable
            and rule.stash_prefix != rule.plex_prefix
            and _typable(rule.stash_prefix)
            and _typable(rule.plex_prefix)
        ),
        key=lambda rule: (rule.stash_prefix, rule.plex_prefix),
    )


def suggestion(learned: LearnedMap) -> str:
    """Return the text to paste into "Path map"; ``""`` if nothing was learned or the paths are equal."""
    return "; ".join(f"{rule.stash_prefix} => {rule.plex_prefix}" for rule in suggested(learned))


def _rules_at(stash: str, rows: Sequence[Tally]) -> list[PrefixRule]:
    total = sum(len(row.seen) for row in rows)
    known = [row for row in rows if row.plex_prefix != UNEXPLAINED]
    return [PrefixRule(stash, row.plex_prefix, len(row.seen), total - len(row.seen)) for row in known]


def _implied(rule: PrefixRule, kept: dict[str, PrefixRule]) -> bool:
    """Return whether a more general rule gives the same path."""
    parents = (kept.get(prefix) for prefix in _ancestors(rule.stash_prefix))
    return any(p and _moved(rule.stash_prefix, p.stash_prefix, p.plex_prefix) == rule.plex_prefix for p in parents)


def _levels(pair: Pair) -> list[tuple[str, str]]:
    """Return the tally keys of a pair: unexplained above its root, the root, and the levels below it."""
    keys = [(prefix, UNEXPLAINED) for prefix in _ancestors(pair.stash_prefix)]
    keys.append((pair.stash_prefix, pair.plex_prefix))
    stash, plex = pair.stash_prefix, pair.plex_prefix
    below = components(pair.stash_path)[len(components(stash)) : -1]
    for folder in below[:EXTRA_LEVELS]:
        stash, plex = _joined(stash, folder), _joined(plex, folder)
        keys.append((stash, plex))
    return keys


def _ancestors(prefix: str) -> list[str]:
    """Return the folders above a prefix, the longest last."""
    count = len(components(prefix))
    return [_cut(prefix, depth) for depth in range(count, 0, -1)]


def _cut(path: str, count: int) -> str:
    """Return a normal path without its last ``count`` components, ``/`` if nothing is left."""
    kept = components(path)[: len(components(path)) - count]
    text = "/".join(kept)
    return "/" + text if path.startswith("/") or not kept else text


def _joined(prefix: str, rest: str) -> str:
    return f"{prefix}{rest}" if prefix.endswith("/") else f"{prefix}/{rest}"


def _prefix(raw: str) -> str:
    """Return a typed prefix in normal form, without a trailing slash."""
    path = normal_path(raw.strip())
    return path.rstrip("/") or path


def _typable(prefix: str) -> bool:
    return prefix == prefix.strip() and ";" not in prefix and "=>" not in prefix


def _moved(path: str, stash_prefix: str, plex_prefix: str, *, any_case: bool = False) -> str | None:
    """Return ``path`` with ``stash_prefix`` replaced, None if it is not below that prefix. All paths are normal."""
    head, tail = components(stash_prefix), components(path)
    same = tail[: len(head)] == head
    if not same and (any_case or ignores_case(stash_prefix)):
        same = [fold(part) for part in tail[: len(head)]] == [fold(part) for part in head]
    if not same or not stash_prefix or (path.startswith("/") != stash_prefix.startswith("/") and stash_prefix != "/"):
        return None
    rest = "/".join(tail[len(head) :])
    return _joined(plex_prefix, rest) if rest else plex_prefix
