"""The user's path map, and the one that PlexSync learns."""

from __future__ import annotations

from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from plexsync.matching import unambiguous_pairs
from plexsync.matching.path_map import (
    MAX_SEEN,
    MIN_PAIRS,
    LearnedMap,
    Pair,
    PrefixRule,
    Tally,
    apply_map,
    as_plex_spells,
    learned_from,
    pair_of,
    sole_source,
    suggestion,
    tally,
)
from plexsync.model.settings import read_settings
from tests.support.index import Index, file, learn, match_batch, part, scene

NESTED = (("/data", "/media"), ("/data/films", "/films"), ("/data/films/hd", "/hd"))


@pytest.mark.parametrize(
    ("path", "path_map", "wanted"),
    [
        ("/data/x.mp4", (("/data", "/media"),), "/media/x.mp4"),
        ("/data/films/x.mp4", NESTED, "/films/x.mp4"),
        ("/data/films/hd/a/x.mp4", NESTED, "/hd/a/x.mp4"),
        ("/data/filmsy/x.mp4", NESTED, "/media/filmsy/x.mp4"),
        ("/database/x.mp4", NESTED, "/database/x.mp4"),
        ("/other/data/x.mp4", NESTED, "/other/data/x.mp4"),
        ("/DATA/x.mp4", NESTED, "/DATA/x.mp4"),
        ("/data/x.mp4", (("/data/", "/media/"),), "/media/x.mp4"),
        ("/data/x.mp4", ((" /data ", " /media "),), "/media/x.mp4"),
        ("/data/x.mp4", (("/", "/mnt"),), "/mnt/data/x.mp4"),
        ("data/x.mp4", (("/", "/mnt"),), "/mnt/data/x.mp4"),
        ("/data/x.mp4", (("/data", "/"),), "/x.mp4"),
        ("/data", (("/data", "/media"),), "/media"),
        ("/data", (("/data", "/media/"),), "/media"),
        ("D:\\films\\x.mp4", (("D:\\films", "/films"),), "/films/x.mp4"),
        ("D:\\Films\\x.mp4", (("d:/films/", "/films"),), "/films/x.mp4"),
        ("/dataX/x.mp4", (("/dataX", "/m"),), "/m/x.mp4"),
        ("D:\\x.mp4", (("D:\\", "/d"),), "/d/x.mp4"),
        ("D:\\x.mp4", (("D:", "/d"),), "/d/x.mp4"),
        ("d:\\x.mp4", (("D:", "/d"),), "/d/x.mp4"),
        ("E:\\x.mp4", (("D:", "/d"),), "E:/x.mp4"),
        ("Films/x.mp4", (("films", "/f"),), "Films/x.mp4"),
        ("a/x.mp4", (("a", "/f"),), "/f/x.mp4"),
        ("/b/x.mp4", (("a", "/f"),), "/b/x.mp4"),
        ("/data/x.mp4", (("/data", "D:\\films"),), "D:/films/x.mp4"),
        ("\\\\nas\\share\\x.mp4", (("\\\\nas\\share", "/share"),), "/share/x.mp4"),
        ("\\\\NAS\\Share\\x.mp4", (("\\\\nas\\share\\", "/share"),), "/share/x.mp4"),
        ("//nas/share/x.mp4", (("//NAS/share", "/share"),), "/share/x.mp4"),
        ("\\\\nas/share\\x.mp4", (("//NAS\\share/", "/share\\films/"),), "/share/films/x.mp4"),
        ("/nas/share/x.mp4", (("/NAS/share", "/share"),), "/nas/share/x.mp4"),
        ("/cafe\u0301/x.mp4", (("/caf\u00e9", "/c"),), "/c/x.mp4"),
        ("data/x.mp4", (("/data", "/media"),), "data/x.mp4"),
        ("/data/x.mp4", (("", "/media"),), "/data/x.mp4"),
        ("/data/x.mp4", (), "/data/x.mp4"),
    ],
)
def test_the_users_map(path: str, path_map: tuple[tuple[str, str], ...], wanted: str) -> None:
    """The longest prefix of whole components wins; slashes, Unicode form and a drive's case do not matter."""
    assert apply_map(path, path_map) == wanted
    assert apply_map(path, reversed(path_map)) == wanted


@pytest.mark.parametrize(
    ("path", "path_map", "alone"),
    [
        ("/a/x", (), True),
        ("/a/x", (("/a", "/p"),), True),
        ("/a/x", (("/a", "/p"), ("/b", "/q")), True),
        ("/a/x", (("/a", "/p"), ("/b", "/p")), False),
        ("/a/d/x", (("/a", "/p"), ("/b", "/p/d")), False),
        ("/a/e/x", (("/a", "/p"), ("/b", "/p/d")), True),
        ("/a/x", (("/a", "/p"), ("/b", "/p"), ("/b/x", "/q")), True),
    ],
)
def test_two_prefixes_may_lead_to_one_place(path: str, path_map: tuple[tuple[str, str], ...], alone: bool) -> None:
    """Where two Stash prefixes lead to one Plex path, Stash is asked even for an equal path."""
    assert sole_source(path, path_map) is alone


@pytest.mark.parametrize(
    ("stash", "plex", "prefixes"),
    [
        ("/s/d/x.mp4", "/p/d/x.mp4", ("/s", "/p")),
        ("/s/d/x.mp4", "/p/e/x.mp4", ("/s/d", "/p/e")),
        ("D:\\media\\d\\x.mp4", "/p/d/x.mp4", ("D:/media", "/p")),
        ("D:\\d\\x.mp4", "/d/x.mp4", ("D:", "/")),
        ("/d/x.mp4", "/p/d/x.mp4", ("/", "/p")),
        ("/d/x.mp4", "/d/x.mp4", ("/", "/")),
        ("/d/cafe\u0301.mp4", "/p/d/caf\u00e9.mp4", ("/", "/p")),
        ("/s/x.mp4", "/p/X.mp4", None),
        ("/s/x.mp4", "/p/y.mp4", None),
    ],
)
def test_pairs(stash: str, plex: str, prefixes: tuple[str, str] | None) -> None:
    """Two paths of one file are cut after their longest common suffix."""
    pair = pair_of(stash, plex)
    assert (pair and (pair.stash_prefix, pair.plex_prefix)) == prefixes


@pytest.mark.parametrize(
    ("typed", "folders", "fold_case", "wanted"),
    [
        ("\\\\NAS\\share\\films", ["\\\\nas\\Share"], False, "/nas/Share/films"),
        ("d:/media/", ["D:\\Media\\Films", "E:\\"], False, "D:/Media"),
        ("d:\\media\\films\\x", ["D:\\", "D:\\Media\\Films"], True, "D:/Media/Films/x"),
        ("/volumes/films", ["/Volumes/Films"], True, "/Volumes/Films"),
        ("/volumes/films", ["/Volumes/Films"], False, "/volumes/films"),
        ("/other", ["/Volumes/Films"], True, "/other"),
        ("/media/", [], True, "/media/"),
    ],
)
def test_the_plex_side_is_spelled_as_plex_spells_it(
    typed: str, folders: list[str], fold_case: bool, wanted: str
) -> None:
    """Where case does not matter the library's own folder gives it: the paths are then equal letter by letter."""
    assert as_plex_spells((("/s", typed),), folders, fold_case=fold_case) == (("/s", wanted),)


def pairs(stash: str, plex: str, count: int = MIN_PAIRS, first: int = 0) -> list[Pair]:
    """Return files in different folders below two roots."""
    candidates = [pair_of(f"{stash}/d{n}/f{n}.mp4", f"{plex}/d{n}/f{n}.mp4") for n in range(first, first + count)]
    return [pair for pair in candidates if pair]


def usable(learned: LearnedMap) -> list[tuple[str, str]]:
    """Return the prefixes of the usable rules."""
    return [(rule.stash_prefix, rule.plex_prefix) for rule in learned.rules if rule.usable]


def test_five_pairs_make_a_rule() -> None:
    """Four pairs are not enough; with the fifth the rule is evidence, also for files never seen."""
    assert MIN_PAIRS == 5
    assert learn(pairs("/s", "/p", 4)).translate("/s/new/x.mp4") == ()
    learned = learn(pairs("/s", "/p"))
    assert usable(learned) == [("/s", "/p")]
    assert learned.rules == (PrefixRule("/s", "/p", 5, 0),)
    assert learned.translate("/s/new/x.mp4") == ("/p/new/x.mp4",)
    assert learned.translate("/t/new/x.mp4") == ()


@pytest.mark.parametrize(
    ("below", "levels"),
    [
        ("x.mp4", [("/s", "/p")]),
        ("a/x.mp4", [("/s", "/p"), ("/s/a", "/p/a")]),
        ("a/b/x.mp4", [("/s", "/p"), ("/s/a", "/p/a"), ("/s/a/b", "/p/a/b")]),
        ("a/b/c/x.mp4", [("/s", "/p"), ("/s/a", "/p/a"), ("/s/a/b", "/p/a/b")]),
    ],
)
def test_a_pair_counts_at_its_root_and_two_levels_below(below: str, levels: list[tuple[str, str]]) -> None:
    """A pair is counted for its root and the two folders below it, and above its root as unexplained."""
    pair = pair_of(f"/s/{below}", f"/p/{below}")
    assert pair is not None
    rows = tally((), [pair])
    assert [(row.stash_prefix, row.plex_prefix) for row in rows] == [("/", ""), *levels]
    assert len({row.seen for row in rows}) == 1


def test_a_pair_keeps_both_paths() -> None:
    """A pair has the two paths beside the two prefixes."""
    pair = pair_of("/s//a/x.mp4", "\\p\\a\\x.mp4")
    assert pair == Pair("/s", "/p", "/s/a/x.mp4", "/p/a/x.mp4")


def test_any_path_counts() -> None:
    """A name that is no valid Unicode, as a file system may hold it, is counted like any other."""
    pair = pair_of("/s/a\udc80.mp4", "/p/a\udc80.mp4")
    assert pair is not None
    assert [row.plex_prefix for row in tally((), [pair])] == ["", "/p"]


def test_one_file_counts_once() -> None:
    """Syncing one scene again and again counts as one file."""
    assert usable(learn(pairs("/s", "/p", 1) * 20)) == []


def test_one_contradiction_ends_a_rule() -> None:
    """A single file elsewhere makes a rule unusable."""
    learned = learn([*pairs("/s", "/p", 9), *pairs("/s", "/q", 1, first=50)])
    assert learned.translate("/s/new/x.mp4") == ()
    assert [(rule.support, rule.against) for rule in learned.rules if rule.stash_prefix == "/s"] == [(9, 1)]


def test_a_file_that_moved_counts_where_it_is_now() -> None:
    """When all files have moved to another mount, the rule follows and the old one is gone."""
    rows = tally(tally((), pairs("/s", "/p")), pairs("/s", "/q"))
    assert usable(learned_from(rows)) == [("/s", "/q")]


def test_two_mounts_below_one_parent() -> None:
    """Two mounts that share a parent in Stash are two rules, and the parent has none."""
    learned = learn([*pairs("/s/a", "/films"), *pairs("/s/b", "/clips")])
    assert sorted(usable(learned)) == [("/s/a", "/films"), ("/s/b", "/clips")]
    assert learned.translate("/s/a/n/x.mp4") == ("/films/n/x.mp4",)
    assert learned.translate("/s/c/n/x.mp4") == ()


def test_a_mount_inside_a_mount() -> None:
    """A folder elsewhere does not follow its parent's rule, and makes that rule unusable."""
    inner = [pair_of(f"/s/in/{n}/f.mp4", f"/x/{n}/f.mp4") for n in range(MIN_PAIRS)]
    outer = [pair_of(f"/s/out/{n}/f.mp4", f"/p/out/{n}/f.mp4") for n in range(MIN_PAIRS)]
    learned = learn(pair for pair in [*inner, *outer] if pair)
    assert learned.translate("/s/in/new/f.mp4") == ("/x/new/f.mp4",)
    assert learned.translate("/s/out/new/f.mp4") == ("/p/out/new/f.mp4",)
    assert learned.translate("/s/other/f.mp4") == ()


def test_the_most_general_rule_is_kept() -> None:
    """Deeper rules that agree with the root's are not listed."""
    deep = [pair_of(f"/s/a/b/{n}.mp4", f"/p/a/b/{n}.mp4") for n in range(9)]
    assert usable(learn(pair for pair in deep if pair)) == [("/s", "/p")]


def test_a_tally_stays_small() -> None:
    """A row remembers few files, however many support it."""
    rows = tally((), pairs("/s", "/p", 100))
    assert max(len(row.seen) for row in rows) == MAX_SEEN
    assert learned_from(rows).translate("/s/x/y.mp4") == ("/p/x/y.mp4",)


@given(st.lists(st.tuples(st.sampled_from("ab"), st.sampled_from("pq"), st.integers(0, 6)), max_size=30))
@hypothesis_settings(max_examples=100, deadline=None)
def test_what_is_learned_agrees_with_what_was_seen(seen: list[tuple[str, str, int]]) -> None:
    """No usable rule contradicts a file's newest place, and counting in steps gives the same map."""
    made = [pair_of(f"/s/{folder}/{n}.mp4", f"/{root}/{folder}/{n}.mp4") for folder, root, n in seen]
    known = [pair for pair in made if pair]
    rows: Iterable[Tally] = ()
    for pair in known:
        rows = tally(rows, [pair])
    learned = learned_from(rows)
    assert learned == learn(known)
    last = {pair.stash_path: pair.plex_path for pair in known}
    for stash, plex in last.items():
        assert learned.translate(stash) in ((), (plex,))


MAPS = [
    [("/s", "/p")],
    [("/s/a", "/films"), ("/s/b", "/clips")],
    [("D:/media", "/p"), ("/t", "E:/t")],
    [("/my films", "/caf\u00e9 & co")],
]


@pytest.mark.parametrize("prefixes", MAPS, ids=str)
def test_the_suggestion_can_be_pasted(prefixes: list[tuple[str, str]]) -> None:
    """The suggestion, pasted into "Path map", means the learned map."""
    learned = learn(pair for stash, plex in prefixes for pair in pairs(stash, plex))
    settings, warnings = read_settings({"plexPathMap": suggestion(learned), "plexToken": "x"})
    assert [text for text in warnings if "plexPathMap" in text] == []
    assert sorted(settings.path_map) == sorted(prefixes)
    for stash, plex in prefixes:
        assert apply_map(f"{stash}/n/x.mp4", settings.path_map) == learned.translate(f"{stash}/n/x.mp4")[0]
        assert apply_map(f"{stash}/n/x.mp4", settings.path_map) == f"{plex}/n/x.mp4"


@pytest.mark.parametrize(
    "taught",
    [[], pairs("", ""), pairs("/s", "/p", 4), pairs("/a;b", "/p"), pairs("/s", "/a=>b"), pairs("/s ", "/p")],
    ids=["nothing", "equal", "too little", "semicolon", "arrow", "blank"],
)
def test_nothing_to_suggest(taught: list[Pair]) -> None:
    """Without a rule, with equal paths, or with prefixes that the setting cannot express, there is no suggestion."""
    assert suggestion(learn(taught)) == ""


def test_matches_teach() -> None:
    """Only certain matches that agree in name, size and folder teach the path map."""
    rows = [part(n, f"/p/d{n}/f{n}.mp4", 100 + n) for n in range(1, 7)] + [part(9, "/q/else/f9.mp4", 109)]
    scenes = [scene(n, file(f"/s/d{n}/f{n}.mp4", 100 + n)) for n in (*range(1, 7), 9)]
    taught = unambiguous_pairs(match_batch(scenes, Index(rows)).values())
    assert sorted(pair.stash_path for pair in taught) == [f"/s/d{n}/f{n}.mp4" for n in range(1, 7)]
    assert usable(learn(taught)) == [("/s", "/p")]


def test_names_that_differ_in_case_teach_nothing() -> None:
    """A pair whose names differ in case does not count."""
    matches = match_batch([scene(1, file("/s/d/X.mp4", 100))], Index([part(1, "/p/d/x.mp4", 100)]))
    assert matches[1].items[0].sole
    assert unambiguous_pairs(matches.values()) == []
