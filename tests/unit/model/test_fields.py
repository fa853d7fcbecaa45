"""The values that Plex should have for a scene: the table of fields, and when two values are the same."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from urllib.parse import quote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from plexsync.model.fields import SUMMARY_BUDGET, Desired, Value, desired, fingerprint, same_value, tags_of
from plexsync.model.item import FIELDS, LIST_FIELDS, SCALAR_FIELDS
from plexsync.model.scene import Named, Performer, Scene
from plexsync.model.settings import SKIP_KEYS, Settings
from plexsync.model.text import one_line
from plexsync.sync.edit import HARD_LIMIT

PLAIN = Settings()
SCENE = Scene(
    7,
    title="A title",
    details="First.\n\nSecond.",
    date="2024-05-06",
    studio=Named(1, "Studio"),
    performers=(Performer(2, "Zoe"), Performer(1, "Ann")),
    tags=(Named(3, "zebra"), Named(4, "Apple"), Named(5, "banana")),
)
#: Member of ``Settings.skip`` -> the field that it leaves out.
SKIPPED = {
    "actors": "actor",
    "collection": "collection",
    "date": "originallyAvailableAt",
    "genres": "genre",
    "studio": "studio",
    "summary": "summary",
    "title": "title",
}
ALL: dict[str, Value] = {
    "title": "A title",
    "studio": "Studio",
    "summary": "First.\n\nSecond.",
    "originallyAvailableAt": "2024-05-06",
    "actor": ("Zoe", "Ann"),
    "genre": ("Apple", "banana", "zebra"),
    "collection": ("Studio",),
}


def names(*values: str) -> tuple[Performer, ...]:
    """Return performers or tags with these names."""
    return tuple(Performer(number, name) for number, name in enumerate(values, 1))


def test_each_field_comes_from_its_place() -> None:
    """Title, studio, summary, date, actors, genres and collection come from the right parts of the scene."""
    result = desired(SCENE, PLAIN)
    assert result == Desired(values=ALL, poster=True, background=True, warnings=())
    assert set(ALL) == set(FIELDS)


def test_an_empty_scene_wants_nothing() -> None:
    """A scene without metadata has an empty value for each field, without a warning."""
    result = desired(Scene(7), PLAIN)
    empty: dict[str, Value] = {name: () if name in LIST_FIELDS else "" for name in FIELDS}
    assert (dict(result.values), result.warnings) == (empty, ())


@pytest.mark.parametrize(("switch", "field"), SKIPPED.items())
def test_each_switch_leaves_its_field_out(switch: str, field: str) -> None:
    """A skipped field is absent and the others are unchanged; studio and collection are independent."""
    result = desired(SCENE, Settings(skip=frozenset({switch})))
    assert result.values == {name: value for name, value in ALL.items() if name != field}
    assert (result.poster, result.background) == (True, True)


def test_images_have_switches_of_their_own() -> None:
    """Poster and background each have a switch, and there are no other switches."""
    assert not desired(SCENE, Settings(skip=frozenset({"poster"}))).poster
    assert desired(SCENE, Settings(skip=frozenset({"poster"}))).background
    assert not desired(SCENE, Settings(skip=frozenset({"background"}))).background
    assert desired(SCENE, Settings(skip=frozenset({"background"}))).values == ALL
    assert set(SKIP_KEYS) == {*SKIPPED, "poster", "background"}


def test_with_everything_skipped_nothing_is_desired_or_said() -> None:
    """A skipped field causes no warning."""
    bad = replace(SCENE, title="x" * 300, date="never", details="\u6771" * 20_000, tags=names("a", "b", "c"))
    result = desired(bad, Settings(skip=frozenset(SKIP_KEYS), max_tags=1))
    assert result == Desired(values={}, poster=False, background=False, warnings=())
    assert len(desired(bad, Settings(max_tags=1)).warnings) == 4


@pytest.mark.parametrize(
    ("raw", "title", "summary"),
    [
        ("", "", ""),
        ("  \n\t ", "", ""),
        ("a\nb", "a b", "a\nb"),
        ("a\tb", "a b", "a b"),
        ("a\r\nb", "a b", "a\nb"),
        ("One.\r\n\r\nTwo.", "One. Two.", "One.\n\nTwo."),
        ("a\x00b\x1bc\u200bd\ufeffe\u202ef\xadg", "abcdefg", "abcdefg"),
        ("\u201cit\u2019s\u201d \u2014 \u2026",) * 3,
        ("a\xa0b e\u0301", "a b \xe9", "a b \xe9"),
        ("<b> & % + ; # a, b", "<b> & % + ; # a, b", "<b> & % + ; # a, b"),
        ("a\ud800b\ufffec", "abc", "abc"),
        ("\U0001f468\u200d\U0001f469\u200d\U0001f467",) * 3,
    ],
)  # fmt: skip
def test_text_arrives_as_the_rules_of_text_say(raw: str, title: str, summary: str) -> None:
    """Titles become one clean line, summaries keep their paragraphs, and names follow the rules of titles."""
    values = desired(Scene(7, title=raw, details=raw, performers=names(raw), tags=names(raw)), PLAIN).values
    assert values.get("title") == title
    assert values["summary"] == summary
    assert values["actor"] == values["genre"] == ((title,) if title else ())


def test_a_comma_in_a_name_is_one_tag() -> None:
    """Names are never split."""
    values = desired(replace(SCENE, performers=names("Smith, Ann"), tags=names("a; b, c")), PLAIN).values
    assert (values["actor"], values["genre"]) == (("Smith, Ann",), ("a; b, c",))


@pytest.mark.parametrize(
    ("raw", "title"),
    [("x" * 300, "x" * 255), ("word " * 60, ("word " * 51).strip()), ("\U0001f44b\U0001f3fd" * 128,) * 2],
)
def test_a_long_title_is_cut_and_reported(raw: str, title: str) -> None:
    """A title is cut to 255 characters at a whole word and grapheme, with a warning that names the scene."""
    result = desired(Scene(7, title=raw), PLAIN)
    sent = str(result.values["title"])
    assert title.startswith(sent)
    assert 250 <= len(sent) <= 255
    assert result.warnings == (f"Scene 7: the title was shortened from {len(raw.strip())} to {len(sent)} characters.",)


def test_long_names_are_cut_without_a_word() -> None:
    """Studio, performers and tags are cut like titles, without a warning."""
    values = desired(
        Scene(7, studio=Named(1, "s" * 300), performers=names("p" * 300), tags=names("t" * 300)), PLAIN
    ).values
    assert values["studio"] == "s" * 255
    assert (values["collection"], values["actor"], values["genre"]) == (("s" * 255,), ("p" * 255,), ("t" * 255,))


def test_clean_titles_changes_titles_alone() -> None:
    """With "Plain titles" only the title becomes ASCII; everything else is sent as typed."""
    scene = replace(SCENE, title="\u201cCaf\xe9\u201d", details="\u201cCaf\xe9\u201d", studio=Named(1, "Caf\xe9"))
    values = desired(scene, Settings(clean_titles=True)).values
    assert (values["title"], values["summary"], values["studio"]) == ('"Cafe"', "\u201cCaf\xe9\u201d", "Caf\xe9")
    assert desired(scene, PLAIN).values["title"] == "\u201cCaf\xe9\u201d"


def test_a_title_without_ascii_is_left_alone_and_reported() -> None:
    """A title that cannot be transliterated leaves Plex's, with one warning; an empty one has none."""
    result = desired(Scene(7, title="\U0001f468"), Settings(clean_titles=True))
    assert "title" not in result.values
    assert len(result.warnings) == 1
    assert '"Plain titles"' in result.warnings[0]
    assert desired(Scene(7), Settings(clean_titles=True)).warnings == ()


@pytest.mark.parametrize(
    ("raw", "day"),
    [("2024-05-06", "2024-05-06"), ("2024", "2024-01-01"), ("2024-05", "2024-05-01"), ("", ""), (" ", "")],
)
def test_dates(raw: str, day: str) -> None:
    """A partial date is its first day, and no date is an empty one, without a warning."""
    result = desired(Scene(7, date=raw), PLAIN)
    assert (result.values["originallyAvailableAt"], result.warnings) == (day, ())


@pytest.mark.parametrize("raw", ["2024-13-40", "soon", "2024-02-30"])
def test_a_date_that_is_none_is_left_out_and_reported(raw: str) -> None:
    """An invalid date leaves Plex's, and the warning names the scene, the value and what to do."""
    result = desired(Scene(7, date=raw), PLAIN)
    assert "originallyAvailableAt" not in result.values
    assert len(result.warnings) == 1
    assert result.warnings[0].startswith(f'Scene 7: "{raw}" is not a date')
    assert "Correct the scene's date in Stash" in result.warnings[0]


def test_performers_keep_stashs_order_and_count_once() -> None:
    """Performers whose names differ only in case are one actor, the first; blank names are left out."""
    values = desired(Scene(7, performers=names("Zoe", "ann", "ZOE", " ", "Ann", "\u200b", "Bea")), PLAIN).values
    assert values["actor"] == ("Zoe", "ann", "Bea")


@pytest.mark.parametrize(
    ("performers", "actors"),
    [
        ([("Ann", "US"), ("Ann", "UK")], ("Ann (US)", "Ann (UK)")),
        ([("Ann", ""), ("ann", "UK")], ("Ann", "ann (UK)")),
        ([("Ann", "US"), ("Bea", "UK")], ("Ann", "Bea")),
        ([("Ann", " "), ("Ann", "\u200b")], ("Ann",)),
        ([("Zo\u0065\u0301", "a\n b"), ("ZO\u00c9", "")], ("Zo\u00e9 (a b)", "ZO\u00c9")),
        ([("Ann", "x"), ("Ann", "X"), ("Bea", "")], ("Ann (x)", "Bea")),
        ([("", "x"), ("", "y"), ("Bea", "")], ("Bea",)),
        ([("n" * 255, "US"), ("n" * 255, "UK")], ("n" * 250 + " (US)", "n" * 250 + " (UK)")),
        ([("Ann", "d" * 300), ("Ann", "")], ("Ann (" + "d" * 127 + ")", "Ann")),
    ],
)
def test_performers_of_one_name_are_told_apart(performers: list[tuple[str, str]], actors: tuple[str, ...]) -> None:
    """Where names of a scene are one name to Plex, each that has a disambiguation carries it; nowhere else."""
    cast = tuple(Performer(number, *both) for number, both in enumerate(performers))
    assert desired(Scene(7, performers=cast), PLAIN).values["actor"] == actors


def test_genres_are_sorted_without_case_and_count_once() -> None:
    """Tags are sorted without case and then as text, so the same tags always give the same list."""
    values = desired(Scene(7, tags=names("b", "B", "a", "C", "\xe4", "c", "")), PLAIN).values
    assert values["genre"] == ("a", "B", "C", "\xe4")
    assert desired(Scene(7, tags=names("\xe4", "c", "C", "a", "B", "b")), PLAIN).values["genre"] == values["genre"]


def test_only_the_first_tags_are_sent() -> None:
    """Of 105 tags the first 100 of the sorted list are sent, and one warning says how many there are."""
    tags = names(*(f"Tag {number:03}" for number in reversed(range(105))))
    result = desired(Scene(7, tags=tags), PLAIN)
    assert result.values["genre"] == tuple(f"Tag {number:03}" for number in range(100))
    assert result.warnings == ('Scene 7: only the first 100 of 105 tags are sent ("Maximum genres").',)
    assert desired(Scene(7, tags=tags), Settings(max_tags=105)).warnings == ()
    assert desired(Scene(7, tags=tags), Settings(max_tags=1)).values["genre"] == ("Tag 000",)


def test_an_unnamed_studio_is_no_studio() -> None:
    """A studio without a visible name gives neither studio nor collection."""
    values = desired(Scene(7, studio=Named(1, " \u200b")), PLAIN).values
    assert (values["studio"], values["collection"]) == ("", ())


def test_a_huge_summary_is_shortened_to_what_a_request_takes() -> None:
    """20,000 CJK characters are cut to the byte budget, and a warning has both lengths."""
    result = desired(Scene(7, details="\u6771" * 20_000), PLAIN)
    summary = str(result.values["summary"])
    assert summary == "\u6771" * (SUMMARY_BUDGET // 9)
    assert len(quote(summary, safe="")) <= SUMMARY_BUDGET < HARD_LIMIT
    assert len(result.warnings) == 1
    assert f"shortened from 20000 to {len(summary)} characters" in result.warnings[0]
    assert desired(Scene(7, details="x" * SUMMARY_BUDGET), PLAIN).warnings == ()
    assert len(str(desired(Scene(7, details="\u6771" * 900), PLAIN, summary_budget=90).values["summary"])) == 10


def test_what_is_desired_cannot_be_changed() -> None:
    """The values are read-only, because several modules share them."""
    values = desired(SCENE, PLAIN).values
    assert isinstance(values, Mapping)
    assert not hasattr(values, "__setitem__")


@pytest.mark.parametrize(
    ("field", "a", "b", "same"),
    [
        ("title", "A", " A\n", True),
        ("title", "A", "a", False),
        ("title", "A", "", False),
        ("summary", "a\nb", "a b", False),
        ("originallyAvailableAt", "2024-01-01", "2024-01-02", False),
        ("genre", ("A", "b"), ("B ", "a"), True),
        ("genre", ("A", "a"), ("a",), True),
        ("genre", ("A", ""), ("a", " "), True),
        ("genre", ("A",), ("A", "B"), False),
        ("actor", ("Stra\xdfe",), ("STRASSE",), True),
        ("collection", (), ("",), True),
        ("collection", (), ("A",), False),
        ("actor", ("a,b",), ("a", "b"), False),
    ],
)
def test_same_values(field: str, a: Value, b: Value, same: bool) -> None:
    """Blanks around texts do not count, nor order, case and repetition in lists."""
    assert same_value(field, a, b) is same
    assert same_value(field, b, a) is same
    assert (fingerprint(field, a) == fingerprint(field, b)) is same


@pytest.mark.parametrize(("field", "value"), [("title", ("A",)), ("genre", "A")])
def test_a_value_of_the_wrong_kind_is_a_mistake(field: str, value: Value) -> None:
    """A list for a text field, and the reverse, raises an error."""
    with pytest.raises(TypeError, match=field):
        fingerprint(field, value)
    with pytest.raises(TypeError, match=field):
        same_value(field, value, value)


def test_a_fingerprint_is_short_and_steady() -> None:
    """A fingerprint has 16 hex digits and is the same in every process, because it is stored."""
    assert fingerprint("title", "Caf\xe9") == "58e6552dbb641285"
    assert fingerprint("genre", ("b", "A")) == "14683f87f0aaf263"


TEXTS = st.text(st.characters(), max_size=30) | st.sampled_from(["", "a", "A", "2024", "\u6771" * 800, "x y " * 200])
NAMED = st.builds(Named, st.integers(1, 9), TEXTS)
PERFORMERS = st.builds(Performer, st.integers(1, 9), TEXTS, TEXTS)
SCENES = st.builds(
    Scene,
    id=st.integers(1, 9),
    title=TEXTS,
    details=TEXTS,
    date=TEXTS,
    studio=st.none() | NAMED,
    performers=st.lists(PERFORMERS, max_size=4).map(tuple),
    tags=st.lists(NAMED, max_size=4).map(tuple),
)
OPTIONS = st.builds(
    Settings,
    skip=st.frozensets(st.sampled_from(sorted(SKIP_KEYS))),
    clean_titles=st.booleans(),
    max_tags=st.integers(1, 3),
)


@settings(deadline=None, max_examples=100)
@given(SCENES, OPTIONS)
def test_every_scene_has_an_answer(scene: Scene, options: Settings) -> None:
    """No scene and no setting makes it fail; the result is stable, comparable and within the limits."""
    result = desired(scene, options)
    assert result == desired(scene, options)
    assert set(result.values) <= set(FIELDS)
    assert result.values.get("title", "x") or not one_line(scene.title)
    for field, value in result.values.items():
        assert isinstance(value, str) == (field in SCALAR_FIELDS)
        assert same_value(field, value, value)
        if isinstance(value, tuple):
            assert "" not in value
            assert len({name.casefold() for name in value}) == len(value)
    assert len(result.values.get("genre", ())) <= options.max_tags
    assert len(quote(str(result.values.get("summary", "")), safe="")) <= SUMMARY_BUDGET
    assert all(line.startswith(f"Scene {scene.id}: ") and line.endswith(".") for line in result.warnings)


NEAR = st.text(st.sampled_from("aAb \u00df"), max_size=3)


@settings(deadline=None, max_examples=300)
@given(st.sampled_from(FIELDS), st.lists(NEAR, max_size=3), st.lists(NEAR, max_size=3))
def test_fingerprints_agree_with_sameness(field: str, letters: list[str], two: list[str]) -> None:
    """Two values have the same fingerprint exactly when they are the same value."""
    a: Value = tuple(letters) if field in LIST_FIELDS else "".join(letters)
    b: Value = tuple(two) if field in LIST_FIELDS else "".join(two)
    assert (fingerprint(field, a) == fingerprint(field, b)) == same_value(field, a, b)


@pytest.mark.parametrize(("value", "tags"), [("A text", ("A text",)), (("A", "B"), ("A", "B")), ((), ())])
def test_tags_of_a_value(value: Value, tags: tuple[str, ...]) -> None:
    """A text counts as a list of one."""
    assert tags_of(value) == tags


def test_fingerprints_are_stored() -> None:
    """They stay the same from version to version: others would make everything look like an edit by others."""
    assert fingerprint("title", " Gr\u00f6\u00dfe ") == "677a221323642330"
    assert fingerprint("genre", ("b", "A", "a")) == "14683f87f0aaf263"
