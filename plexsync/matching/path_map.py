"""Path prefixes: the user's ``plexPathMap``, and the map that PlexSync learns from pairs nobody can doubt.

Pure values; knows nothing of servers, the index, or how a pair was found. ``Tally`` rows are what a caller persists.

A pair is cut at its longest common suffix, so every file below one mount gives the same two roots however deep it lies:
the shortest prefix that explains it. Because two mounts may share a parent, each pair is also counted for
``DEEPER`` levels below its root; a rule is used at the shortest level that nothing contradicts.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from plexsync.model.paths import common_suffix, components, fold, normal_path

#: Pairs that a learned rule needs (with none against it) before it counts as evidence.
ENOUGH = 5
#: Levels below a pair's root at which it is counted too.
DEEPER = 2
#: Files that one tally row remembers; more would say nothing that ``ENOUGH`` needs to know.
MOST_SEEN = 20
#: The Plex prefix of a tally row for files that no rule at its Stash prefix can explain.
UNEXPLAINED = ""


@dataclass(frozen=True, slots=True)
class Pair:
    """One file under both its paths (normal), and the two prefixes that remain without their common end."""

    stash_prefix: str
    plex_prefix: str
    stash_path: str
    plex_path: str


@dataclass(frozen=True, slots=True)
class Tally:
    """What speaks for ``stash_prefix`` being ``plex_prefix``: CRC-32 of the Stash paths seen, at most ``MOST_SEEN``."""

    stash_prefix: str
    plex_prefix: str
    seen: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Rule:
    """``support`` files lie where the rule says, ``against`` lie elsewhere (both counted up to ``MOST_SEEN`` a row)."""

    stash_prefix: str
    plex_prefix: str
    support: int
    against: int

    @property
    def usable(self) -> bool:
        """Whether the rule is evidence: ``ENOUGH`` pairs for it, none against it."""
        return self.support >= ENOUGH and not self.against


@dataclass(frozen=True, slots=True)
class LearnedMap:
    """The learned rules, longest Stash prefix first; of nested usable rules that agree, only the most general."""

    rules: tuple[Rule, ...] = ()

    def translate(self, path: str) -> tuple[str, ...]:
        """Where usable rules say that the Stash ``path`` lies in Plex; longest prefix first, ``()`` if none applies."""
        wanted = normal_path(path)
        found = (_moved(wanted, rule.stash_prefix, rule.plex_prefix) for rule in self.rules if rule.usable)
        return tuple(dict.fromkeys(one for one in found if one is not None))


def apply_map(path: str, path_map: Iterable[tuple[str, str]]) -> str:
    """The Stash ``path`` as Plex should have it (normal) by the user's pairs; the longest prefix wins, else unchanged.

    Prefixes end at whole components. One that begins with a drive letter is compared without case, as Windows does.
    """
    wanted = normal_path(path)
    for stash, plex in sorted(path_map, key=lambda pair: -len(components(normal_path(pair[0])))):
        moved = _moved(wanted, _prefix(stash), _prefix(plex))
        if moved is not None:
            return moved
    return wanted


def sole_source(path: str, path_map: Sequence[tuple[str, str]]) -> bool:
    """Whether no other prefix of the user's map leads to where ``path`` leads (several disks pooled in Plex do)."""
    wanted = normal_path(path)
    target = apply_map(wanted, path_map)
    sources = (_moved(target, _prefix(plex), _prefix(stash)) for stash, plex in path_map)
    return all(one in (None, wanted) or apply_map(one or "", path_map) != target for one in sources)


def pair_of(stash_path: str, plex_path: str) -> Pair | None:
    """The pair of two paths of one file; None if their file names differ (case included)."""
    stash, plex = normal_path(stash_path), normal_path(plex_path)
    shared = common_suffix(components(stash), components(plex))
    if not shared:
        return None
    return Pair(_cut(stash, shared), _cut(plex, shared), stash, plex)


def tally(rows: Iterable[Tally], pairs: Iterable[Pair]) -> tuple[Tally, ...]:
    """``rows`` with ``pairs`` counted in. A file counts once however often it is seen, and where it was seen last."""
    book = {(row.stash_prefix, row.plex_prefix): dict.fromkeys(row.seen) for row in rows}
    plexes: dict[str, set[str]] = {}
    for stash, plex in book:
        plexes.setdefault(stash, set()).add(plex)
    for pair in pairs:
        mark = zlib.crc32(pair.stash_path.encode("utf-8", "surrogatepass"))
        for stash, plex in _levels(pair):
            for other in plexes.setdefault(stash, set()) - {plex}:
                book[stash, other].pop(mark, None)
            plexes[stash].add(plex)
            seen = book.setdefault((stash, plex), {})
            if len(seen) < MOST_SEEN:
                seen[mark] = None
    return tuple(Tally(stash, plex, tuple(seen)) for (stash, plex), seen in sorted(book.items()) if seen)


def learned_from(rows: Iterable[Tally]) -> LearnedMap:
    """The map that tally rows amount to."""
    by_stash: dict[str, list[Tally]] = {}
    for row in rows:
        by_stash.setdefault(row.stash_prefix, []).append(row)
    kept: dict[str, Rule] = {}
    doubted: list[Rule] = []
    for stash in sorted(by_stash, key=lambda prefix: len(components(prefix))):
        for rule in _rules_at(stash, by_stash[stash]):
            if not rule.usable:
                doubted.append(rule)
            elif not _implied(rule, kept):
                kept[stash] = rule
    telling = [rule for rule in doubted if rule.support >= ENOUGH]
    return LearnedMap(tuple(sorted([*kept.values(), *telling], key=lambda rule: -len(components(rule.stash_prefix)))))


def suggestion(learned: LearnedMap) -> str:
    """The text to paste into ``plexPathMap``; ``""`` if nothing was learned or the paths are equal anyway.

    Prefixes that the setting cannot express are left out.
    """
    pairs = sorted((rule.stash_prefix, rule.plex_prefix) for rule in learned.rules if rule.usable)
    return "; ".join(
        f"{stash} => {plex}" for stash, plex in pairs if stash != plex and _typable(stash) and _typable(plex)
    )


def _rules_at(stash: str, rows: Sequence[Tally]) -> list[Rule]:
    total = sum(len(row.seen) for row in rows)
    known = [row for row in rows if row.plex_prefix != UNEXPLAINED]
    return [Rule(stash, row.plex_prefix, len(row.seen), total - len(row.seen)) for row in known]


def _implied(rule: Rule, kept: dict[str, Rule]) -> bool:
    """Whether a more general rule already says the same."""
    parents = (kept.get(prefix) for prefix in _ancestors(rule.stash_prefix))
    return any(p and _moved(rule.stash_prefix, p.stash_prefix, p.plex_prefix) == rule.plex_prefix for p in parents)


def _levels(pair: Pair) -> list[tuple[str, str]]:
    """The tally keys of a pair: unexplained above its root; its root; the same some levels deeper."""
    keys = [(prefix, UNEXPLAINED) for prefix in _ancestors(pair.stash_prefix)]
    keys.append((pair.stash_prefix, pair.plex_prefix))
    stash, plex = pair.stash_prefix, pair.plex_prefix
    below = components(pair.stash_path)[len(components(stash)) : -1]
    for folder in below[:DEEPER]:
        stash, plex = _joined(stash, folder), _joined(plex, folder)
        keys.append((stash, plex))
    return keys


def _ancestors(prefix: str) -> list[str]:
    """The folders above a prefix, the nearest last."""
    count = len(components(prefix))
    return [_cut(prefix, depth) for depth in range(count, 0, -1)]


def _cut(path: str, count: int) -> str:
    """A normal path without its last ``count`` components; ``/`` when nothing is left."""
    kept = components(path)[: len(components(path)) - count]
    text = "/".join(kept)
    return "/" + text if path.startswith("/") or not kept else text


def _joined(prefix: str, rest: str) -> str:
    return f"{prefix}{rest}" if prefix.endswith("/") else f"{prefix}/{rest}"


def _prefix(raw: str) -> str:
    """A prefix as typed, normal and without a trailing slash."""
    path = normal_path(raw.strip())
    return path.rstrip("/") or path


def _typable(prefix: str) -> bool:
    return prefix == prefix.strip() and ";" not in prefix and "=>" not in prefix


def _has_drive(path: str) -> bool:
    return len(path) > 1 and path[1] == ":" and path[0].isalpha()


def _moved(path: str, stash_prefix: str, plex_prefix: str) -> str | None:
    """``path`` with ``stash_prefix`` replaced, or None if it does not lie below it. All normal."""
    head, tail = components(stash_prefix), components(path)
    same = tail[: len(head)] == head
    if not same and _has_drive(stash_prefix):
        same = [fold(part) for part in tail[: len(head)]] == [fold(part) for part in head]
    if not same or not stash_prefix or (path.startswith("/") != stash_prefix.startswith("/") and stash_prefix != "/"):
        return None
    rest = "/".join(tail[len(head) :])
    return _joined(plex_prefix, rest) if rest else plex_prefix
