"""Reading what Stash has saved: defaults, unusable values, and one warning for each."""

from __future__ import annotations

from dataclasses import fields, replace
from types import MappingProxyType
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from plexsync.model.errors import SetupError
from plexsync.model.settings import (
    KEYS,
    SKIP_KEYS,
    TAG_KEYS,
    Key,
    Settings,
    digest,
    display_name,
    read_settings,
    require_setup,
    setup_problem,
)

TOKEN = "Zq8-tokentoken-7X"
SWITCHES = {
    "plexSkipTlsVerify": "skip_tls_verify", "matchLowConfidence": "match_low_confidence",
    "missingIgnore": "missing_ignore", "missingScan": "missing_scan", "keepPlexEdits": "keep_plex_edits",
    "skipUnorganized": "skip_unorganized", "cleanTitles": "clean_titles", "tagStashIDs": "tag_stash_ids",
    "logDebug": "log_debug", "logHidePaths": "log_hide_paths", "dryRun": "dry_run",
}  # fmt: skip
NUMBERS = {"maxTags": ("max_tags", 100, 1000), "maxRetries": ("max_retries", 8, 100)}
DEFAULT, _ = read_settings(None)


def read(**raw: object) -> Settings:
    """Return the settings for values that need no warning."""
    result, warnings = read_settings(raw)
    assert warnings == ()
    return result


def one_warning(raw: dict[str, object], *parts: str) -> Settings:
    """Return the settings for values that need exactly one warning, and check that it has these parts."""
    result, warnings = read_settings(raw)
    assert len(warnings) == 1, warnings
    assert [part for part in parts if part not in warnings[0]] == []
    assert warnings[0].endswith(".")
    return result


def changed(name: str, value: Any) -> Settings:
    """Return the defaults with one setting changed."""
    return replace(DEFAULT, **{name: value})


def test_nothing_saved_is_all_defaults() -> None:
    """Without saved values every setting has the contract's default, and there is no warning."""
    result, warnings = read_settings(None)
    assert (result, warnings) == (Settings(), ())
    assert read_settings({}) == (Settings(), ())
    assert (result.plex_url, result.libraries, result.path_map) == ("http://localhost:32400", (), ())
    assert (result.max_tags, result.max_retries, result.skip) == (100, 8, frozenset())
    assert [getattr(result, name) for name in SWITCHES.values()] == [False] * len(SWITCHES)
    assert dict(result.stash_id_tags) == dict.fromkeys(TAG_KEYS, "")


@pytest.mark.parametrize("raw", [[], "text", 5])
def test_what_is_no_map_counts_as_nothing(raw: Any) -> None:
    """An answer of another shape gives the defaults."""
    assert read_settings(raw) == (Settings(), ())


@pytest.mark.parametrize("key", KEYS, ids=lambda key: key.name)
@pytest.mark.parametrize("value", ["", 0, None, "  ", 0.0])
def test_empty_and_zero_mean_the_default(key: Key, value: object) -> None:
    """An empty text, a 0 and a null mean the default, without a warning."""
    assert read(**{key.name: value}) == DEFAULT


def what_to_do(key: Key) -> tuple[str, ...]:
    """Return what the warning asks for."""
    if key.type == "STRING":
        return ("Enter a text.", "using the default for")
    return ("Turn it on or off.",) if key.type == "BOOLEAN" else (f"Enter a whole number from 1 to {key.highest}.",)


@pytest.mark.parametrize("key", KEYS, ids=lambda key: key.name)
@pytest.mark.parametrize("value", [[], {"a": 1}, ["x"]])
def test_a_value_of_the_wrong_type_is_the_default_and_one_warning(key: Key, value: object) -> None:
    """A list or object means the default, and a sentence with name, key, value and what to do."""
    shown = "this value" if key.name == "plexToken" else f"a {type(value).__name__}"
    wanted = (f'"{key.display_name}" ({key.name})', f"{shown} is not accepted. ", *what_to_do(key))
    assert one_warning({key.name: value}, *wanted) == DEFAULT


@pytest.mark.parametrize(("key", "name"), SWITCHES.items())
@pytest.mark.parametrize("value", [True, 1, 1.0, "true", "True", " on ", "yes", "1", '"true"', "y", "Enabled"])
def test_switches_go_on(key: str, name: str, value: object) -> None:
    """Everything that spells on turns the switch on, and changes nothing else."""
    assert read(**{key: value}) == changed(name, True)


@pytest.mark.parametrize("key", [*SWITCHES, *SKIP_KEYS.values()])
@pytest.mark.parametrize("value", [False, "false", "off", "No", "0", "'false'", "n", "Disabled"])
def test_switches_stay_off(key: str, value: object) -> None:
    """Everything that spells off leaves the switch off."""
    assert read(**{key: value}) == DEFAULT


@pytest.mark.parametrize(("value", "shown"), [("maybe", "'maybe'"), (2, "2"), (-1, "-1"), (float("nan"), "nan")])
@pytest.mark.parametrize("key", [*SWITCHES, *SKIP_KEYS.values()])
def test_an_unclear_switch_is_off_with_one_warning(key: str, value: object, shown: str) -> None:
    """Anything that spells neither on nor off means off, with one warning that shows the value."""
    parts = (key, f'using off for "{display_name(key)}"', shown, "is not accepted. Turn it on or off.")
    assert one_warning({key: value}, *parts) == DEFAULT


@pytest.mark.parametrize(("name", "key"), SKIP_KEYS.items())
def test_each_field_can_be_skipped(name: str, key: str) -> None:
    """Each of the nine switches skips its own field and no other."""
    assert read(**{key: True}).skip == {name}
    assert len(SKIP_KEYS) == 9


@pytest.mark.parametrize("key", NUMBERS)
@pytest.mark.parametrize(
    ("value", "number"), [(1, 1), (7, 7), ("42", 42), (" 9 ", 9), (12.0, 12), ("100", 100), ("'8'", 8)]
)
def test_numbers_are_read(key: str, value: object, number: int) -> None:
    """A whole number counts, also as text or with a zero after the decimal point."""
    assert getattr(read(**{key: value}), NUMBERS[key][0]) == number


@pytest.mark.parametrize("key", NUMBERS)
@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (-1, "-1"),
        (1001, "1001"),
        ("many", "'many'"),
        (2.5, "2.5"),
        (True, "True"),
        (float("inf"), "inf"),
        ("nan", "'nan'"),
        pytest.param(10**5000, "a huge number", id="huge"),
        ("9" * 60, "'" + "9" * 40 + "...'"),
    ],
)
def test_numbers_out_of_range_are_the_default_with_one_warning(key: str, value: object, shown: str) -> None:
    """Another value means the default, and the warning names the range and the default."""
    _, default, highest = NUMBERS[key]
    name = f'"{display_name(key)}" ({key})'
    parts = (f"the default {default} for {name}: {shown} is not accepted", f"a whole number from 1 to {highest}.")
    assert one_warning({key: value}, *parts) == DEFAULT


def test_the_highest_number_is_accepted() -> None:
    """The range includes its end."""
    assert read(maxTags=1000).max_tags == 1000
    assert read(maxRetries=100).max_retries == 100


@pytest.mark.parametrize("name", ["plexurl", "PlexToken", "tagID_other", "", "x" * 200, "n\u00e9", 5, None])
def test_unknown_keys_are_named_once_and_ignored(name: Any) -> None:
    """A setting of another version causes one warning, with at most 40 characters of its name."""
    shown = ascii(name[:40])[:-1] if isinstance(name, str) else ""
    assert one_warning({name: "value"}, shown, "unknown") == DEFAULT


@pytest.mark.parametrize(
    ("value", "shown"), [("x" * 40, f"'{'x' * 40}'"), ("x" * 41, f"'{'x' * 40}...'"), (2**255, str(2**255))]
)
def test_what_a_warning_shows(value: object, shown: str) -> None:
    """A text is shown with at most forty characters, and says where it was cut; a number of 77 digits is shown."""
    one_warning({"maxTags": value}, f": {shown} is not accepted")


@pytest.mark.parametrize("value", [2**256, -(2**256)])
def test_a_huge_number_is_not_shown(value: int) -> None:
    """A number that no setting can have, and Python may refuse to print, is named as such."""
    one_warning({"maxTags": value}, ": a huge number is not accepted")


def test_several_bad_values_are_all_told() -> None:
    """Each unusable value has its own warning."""
    _, warnings = read_settings({"maxTags": -1, "dryRun": "maybe", "old": 1, "plexPathMap": "nonsense"})
    assert len(warnings) == 4


@pytest.mark.parametrize(
    ("value", "names"),
    [
        ("Films", ("Films",)),
        (" Films , Other films ,", ("Films", "Other films")),
        ("A,a,A,,B", ("A", "a", "B")),
        (7, ("7",)),
        (",", ()),
        ('"Films", "Other films"', ("Films", "Other films")),
        ('"Films, Other films"', ("Films", "Other films")),
        ("Films; Other films", ("Films", "Other films")),
        ("Films\nOther films\n", ("Films", "Other films")),
        ("'Films'\uff0c\u201cOther films\u201d", ("Films", "Other films")),
    ],
)
def test_libraries_are_a_list_of_names(value: object, names: tuple[str, ...]) -> None:
    """Names are separated by commas; blanks around them do not count, and each name counts once."""
    assert read(plexLibraries=value).libraries == names


def test_path_map_pairs() -> None:
    """Pairs are separated by semicolons, their sides by an arrow; Windows paths work too."""
    result = read(plexPathMap=r"/s => /p ; D:\media=>/data/media;;")
    assert result.path_map == (("/s", "/p"), (r"D:\media", "/data/media"))


@pytest.mark.parametrize(
    "text",
    [
        '"/s" => "/p"; "/t" => "/q"', "\u201c/s\u201d => \u201c/p\u201d\n\u2018/t\u2019 => /q", '"/s => /p; /t => /q"',
        '"/s => /p"; "/t => /q"', "/s -> /p; /t --> /q", "/s \u2192 /p; /t \u21d2 /q", "/s = /p; /t > /q",
        "/s => /p, /t => /q", "/s ==> /p\n/t \uff1d\uff1e /q\n", "/s/* => /p/*; /t/ => /q/", "/s:/p;/t:/q",
        '"/s => /p; /t => /q', '/s" => /p"; /t => /q',
    ],
)  # fmt: skip
def test_the_path_map_as_people_write_it(text: str) -> None:
    """Quotes around a side, a pair or all, other arrows, lines or commas between pairs, and ``/*`` are understood."""
    result = read(plexPathMap=text)
    assert [(stash.rstrip("/"), plex.rstrip("/")) for stash, plex in result.path_map] == [("/s", "/p"), ("/t", "/q")]


@pytest.mark.parametrize(
    ("text", "pair"),
    [
        ("/a -> b => /p", ("/a -> b", "/p")),
        ("/a=b => /p", ("/a=b", "/p")),
        ("/a, b => /p, c", ("/a, b", "/p, c")),
        ("/Bob's' => /p", ("/Bob's'", "/p")),
        ("D:\\ => \\\\nas\\share\\", ("D:\\", "\\\\nas\\share\\")),
        ("/* => /p", ("/", "/p")),
    ],
)
def test_what_a_path_may_have_itself_stays(text: str, pair: tuple[str, str]) -> None:
    """Signs within a path are no arrow where there is one, nor commas the end of a pair, nor an apostrophe a quote."""
    assert read(plexPathMap=text).path_map == (pair,)


@pytest.mark.parametrize(("text", "side"), [("smb://nas/share => /p", "Stash"), ("/s => share/films", "Plex")])
def test_a_side_that_is_no_whole_path_is_told(text: str, side: str) -> None:
    """An address or half a path matches nothing: one warning says which side of which part."""
    one_warning({"plexPathMap": f"/a => /b; {text}"}, "part 2", f"without a whole path for {side}", "plexPathMap")


@pytest.mark.parametrize(
    "part",
    [
        "/private/folder",
        "/private =>",
        "=> /private",
        "/private => /b => /c",
        "private = /c",
        "/private => /b, => /c",
        "/private -> /b =>",
    ],
)
def test_a_part_of_the_path_map_that_is_none_is_left_out(part: str) -> None:
    """The other pairs still count; the warning gives the part's number and no path, which may be secret."""
    result = one_warning(
        {"plexPathMap": f"/s => /p;{part}"}, "part 2", '"Path map" (plexPathMap)', "stash prefix => plex prefix"
    )
    assert result.path_map == (("/s", "/p"),)
    assert "private" not in str(read_settings({"plexPathMap": part})[1])


@pytest.mark.parametrize(("source", "key"), TAG_KEYS.items())
def test_tag_ids(source: str, key: str) -> None:
    """Each source has its own tag; an id is a whole number, as a number or as text."""
    assert {name: tag for name, tag in read(**{key: "17"}).stash_id_tags.items() if tag} == {source: "17"}
    assert read(**{key: 17}) == read(**{key: " 17 "}) == read(**{key: '"17"'})
    assert read(**{key: 17}) == read(**{key: "http://stash:9999/tags/17/scenes?sortby=date"})
    assert read(**{key: "0"}) == DEFAULT


@pytest.mark.parametrize("key", TAG_KEYS.values())
@pytest.mark.parametrize("value", ["My tag", "-3", "1.5", "\u0661", True])
def test_a_tag_id_that_is_none_is_not_set(key: str, value: object) -> None:
    """A name instead of an id causes one warning, and the default tag is used."""
    assert one_warning({key: value}, display_name(key), key, "is not accepted. Enter ") == DEFAULT


CHANGES: dict[str, Any] = {
    "plex_url": "http://other:1", "plex_token": "t", "libraries": ("A",), "path_map": (("a", "b"),),
    "skip": frozenset({"title"}), "stash_id_tags": MappingProxyType({"none": "1"}), "max_tags": 5, "max_retries": 5,
    "url_problem": "x", "token_problem": "x", **dict.fromkeys(SWITCHES.values(), True),
}  # fmt: skip


def test_settings_differ_with_every_field() -> None:
    """Changing any setting makes other settings; equal ones are equal."""
    assert set(CHANGES) == {each.name for each in fields(Settings)}
    assert len({changed(name, value) for name, value in CHANGES.items()} | {DEFAULT}) == len(CHANGES) + 1
    two = [
        replace(DEFAULT, skip=frozenset(names)) for names in (["title", "date", "studio"], ["studio", "date", "title"])
    ]
    assert two[0] == two[1]
    assert Settings() == DEFAULT


def test_the_digest_differs_with_everything_saved() -> None:
    """Any change of a saved value changes the digest; the order of the keys does not."""
    values: tuple[dict[str, object], ...] = (
        {},
        {"maxTags": 5},
        {"maxTags": "5"},
        {"maxTags": 6},
        {"maxTags": 5, "dryRun": True},
        {"plexToken": TOKEN},
        {"plexLibraries": "\ud800\u6771"},
        {"unknown": None},
    )
    digests = [digest(value) for value in values]
    assert len(set(digests)) == len(values)
    assert {len(text) for text in digests} == {64}
    assert digest({"dryRun": True, "maxTags": 5}) == digests[4]


def test_neither_digest_nor_text_reveals_the_token() -> None:
    """The token changes the digest, and shows neither there nor in the printed settings."""
    result = read(plexToken=TOKEN)
    assert result.plex_token == TOKEN
    assert TOKEN not in repr(result) + digest({"plexToken": TOKEN})
    assert digest({"plexToken": TOKEN}) != digest({})
    assert isinstance(hash(result), int)


def test_a_setup_problem_is_raised() -> None:
    """What keeps PlexSync from working is one sentence, also as an error; nothing is raised without it."""
    require_setup(Settings(plex_token=TOKEN))
    for broken in (Settings(), Settings(plex_token=TOKEN, url_problem="url"), Settings(token_problem="token")):
        with pytest.raises(SetupError) as caught:
            require_setup(broken)
        assert str(caught.value) == setup_problem(broken)


def test_the_digest_of_what_is_saved() -> None:
    """It changes with any saved value, not with their order, is there for whatever is saved, and reveals nothing."""
    saved = {"plexToken": TOKEN, "maxTags": 5, "odd": ["\ud800\u6771", {1}]}
    assert digest(saved) == digest(dict(reversed(saved.items())))
    assert len({digest(saved), digest(saved | {"maxTags": 6}), digest(saved | {"plexToken": "x"}), digest({})}) == 4
    assert len(digest(saved)) == 64
    assert TOKEN not in digest(saved)


def test_the_digest_is_stored() -> None:
    """It stays the same from version to version: another would count as a change of settings."""
    assert digest({"b": 1, "a": "\u6771"}) == "bcdde93143e5acc48f7b6a020624327e41eda2269d93961f2c519d8fc7587756"


WORDS = st.sampled_from(
    ["", "0", "on", "http://", "https://h:1", "h", ":", "/", ";", "=>", ",", "\n", "[::1]", "@", "?", "tag", "\ud800"]
)
TEXTS = st.lists(WORDS | st.just(TOKEN) | st.text(max_size=5), max_size=5).map("".join)
NUMERIC = st.booleans() | st.integers() | st.floats()
VALUES = st.none() | NUMERIC | TEXTS | st.binary(max_size=3) | st.lists(TEXTS, max_size=2)
NAMES = st.sampled_from([key.name for key in KEYS]) | TEXTS | st.integers()


@settings(deadline=None, max_examples=200)
@given(st.dictionaries(NAMES, VALUES, max_size=12), st.sampled_from([TOKEN, f" {TOKEN}\n"]))
def test_no_map_makes_it_fail_and_no_sentence_has_the_token(raw: dict[Any, object], token: str) -> None:
    """Whatever is saved, the settings are usable, and no warning or problem shows the token."""
    result, warnings = read_settings({**raw, "plexToken": token})
    said = " ".join(
        [*warnings, result.url_problem, result.token_problem, setup_problem(result) or "", repr(result.skip)]
    )
    assert TOKEN not in said
    assert said.isprintable()
    assert 1 <= result.max_tags <= 1000
    assert 1 <= result.max_retries <= 100
    assert (result.plex_url == "") == (result.url_problem != "")
    assert len(digest({str(name): value for name, value in raw.items()})) == 64
