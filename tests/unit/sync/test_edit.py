"""The difference between an item and the desired values, the requests that carry it, and the read-back. No server."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from urllib.parse import parse_qsl, quote, unquote, urlencode

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from plexsync.model.fields import Desired, Value, field_names, fingerprint
from plexsync.model.item import FIELDS, Item
from plexsync.model.written import Change, Written
from plexsync.plex.client import require_one, url_for_edit
from plexsync.plex.images import MAX_BYTES, check_cover, image_digest
from plexsync.sync.edit import BASE_LENGTH, EditPlan, Params, fitted, plan, requests_for, verify

ITEM = Item(
    101,
    5,
    title="Old",
    studio="S",
    summary="Text",
    originallyAvailableAt="2024-01-01",
    actor=("A", "B"),
    genre=("G1", "G2"),
    collection=("Mine", "Theirs"),
)


def wanted(**values: Value) -> Desired:
    """Return the desired values, for the given fields only."""
    return Desired(values=values, poster=False, background=False, warnings=())


def wrote(item: Item, *names: str) -> Written:
    """Return the memory of having written the item's present values of these fields."""
    tags = {name: value for name in names if isinstance(value := item.value(name), tuple)}
    return Written(ours={name: (fingerprint(name, item.value(name)),) for name in names}, names=tags, own=names)


def made(item: Item, desired_values: Desired, written: Written | None = None, keep: bool = False) -> EditPlan:
    """Return the plan, without image locks."""
    return plan(item, desired_values, written or Written(), keep_plex_edits=keep)


def carried_out(before: Sequence[str], edits: Sequence[Params], name: str, append: bool) -> list[str]:
    """Return what a server makes of a tag list: appending or replacing, ignoring case, removals last."""
    have = list(before)
    for edit in edits:
        adds = [value for key, value in edit if key.startswith(f"{name}[") and key.endswith("].tag.tag")]
        gone = {
            unquote(tag).casefold() for key, value in edit if key == f"{name}[].tag.tag-" for tag in value.split(",")
        }
        if adds and not append:
            have = []
        for tag in adds:
            if tag.casefold() not in [present.casefold() for present in have]:
                have.append(tag)
        have = [tag for tag in have if tag.casefold() not in gone]
    return have


def test_equal_item_needs_nothing() -> None:
    """Values that Plex's normalisation explains (case, blanks, order) are not written again."""
    desired_values = wanted(
        title=" Old ",
        studio="S",
        summary="Text",
        originallyAvailableAt="2024-01-01",
        actor=("b", "A"),
        genre=("g2", "G1"),
        collection=("mine",),
    )
    locked = replace(ITEM, locked=frozenset(FIELDS) - {"collection"})
    assert made(locked, desired_values).empty
    assert requests_for(made(locked, desired_values), locked).edits == ()


@pytest.mark.parametrize(
    ("field", "desired_values", "ours", "new"),
    [
        ("title", "New", False, "New"),
        ("title", "", True, None),
        ("summary", "", False, None),
        ("summary", "", True, ""),
        ("studio", "", True, ""),
        ("originallyAvailableAt", "", True, ""),
        ("originallyAvailableAt", "2024-05-01", False, "2024-05-01"),
        ("genre", ("G2", "G3"), False, ("G2", "G3")),
        ("genre", (), False, None),
        ("genre", (), True, ()),
        ("actor", ("C",), False, ("C",)),
        ("collection", ("New",), False, ("Mine", "Theirs", "New")),
        ("collection", (), False, None),
    ],
)
def test_each_field_by_its_rule(field: str, desired_values: Value, ours: bool, new: Value | None) -> None:
    """A text or list replaces; empty clears only what PlexSync wrote, and never the title; collections are added to."""
    changes = made(ITEM, wanted(**{field: desired_values}), wrote(ITEM, field) if ours else None).changes
    assert [change.new for change in changes] == ([] if new is None else [new])


def test_only_our_collection_goes() -> None:
    """A changed studio removes our old collection and keeps those of others."""
    mine = Written(names={"collection": ("MINE",)}, own=("collection",))
    assert made(ITEM, wanted(collection=("New",)), mine).changes[0].new == ("Theirs", "New")
    assert made(ITEM, wanted(collection=()), mine).changes[0].new == ("Theirs",)
    assert made(ITEM, wanted(collection=("Mine",)), mine).empty


def test_clearing_a_list_keeps_foreign_tags() -> None:
    """An empty list removes the tags that we wrote, and no others."""
    edit = requests_for(
        made(ITEM, wanted(genre=()), Written(names={"genre": ("g1", "gone")}, own=("genre",))), ITEM
    ).edits
    assert edit == ((("genre[0].tag.tag", "G2"), ("genre[].tag.tag-", "G1"), ("genre.locked", "1")),)


@pytest.mark.parametrize(
    ("keep", "locked", "ours", "written"),
    [(True, True, False, False), (True, False, False, True), (True, True, True, True), (False, True, False, True)],
)
def test_a_persons_edit_is_kept_on_request(keep: bool, locked: bool, ours: bool, written: bool) -> None:
    """With keepPlexEdits a locked field that holds nothing of ours is left alone and reported; others are written."""
    item = Item(101, 5, title="Old", locked=frozenset({"title"} if locked else ()))
    result = made(item, wanted(title="New"), wrote(item, "title") if ours else None, keep)
    assert (bool(result.changes), result.left) == (written, () if written else (("title", "edited in Plex"),))
    assert result.warnings == ()


def test_what_plex_keeps_differently_is_not_sent_again() -> None:
    """A value that Plex stored differently is not sent again until either value changes."""
    kept = Written(kept={"title": (fingerprint("title", "New"), fingerprint("title", "Old"))})
    assert made(ITEM, wanted(title="New"), kept).left == (("title", "Plex stores another value"),)
    assert made(ITEM, wanted(title="Newer"), kept).changes
    assert made(Item(101, 5, title="Other"), wanted(title="New"), kept).changes


def test_locks_ride_along() -> None:
    """Every written field is locked except the collection; image locks go in the same edit."""
    item = Item(101, 5)
    desired_values = wanted(title="T", genre=("G",), collection=("C",))
    result = replace(plan(item, desired_values, Written(), keep_plex_edits=False), locks=("art",))
    assert requests_for(result, item).edits == (
        (
            ("title.value", "T"),
            ("title.locked", "1"),
            ("genre[0].tag.tag", "G"),
            ("genre.locked", "1"),
            ("collection[0].tag.tag", "C"),
            ("art.locked", "1"),
        ),
    )


def test_all_fields_go_in_one_request() -> None:
    """Normally one edit carries everything that changed."""
    desired_values = wanted(
        title="N", studio="N", summary="N", originallyAvailableAt="2025-01-01", actor=("N",), genre=("N",)
    )
    assert len(requests_for(made(ITEM, desired_values), ITEM).edits) == 1


def test_case_variant_is_never_sent_and_removed_at_once() -> None:
    """A tag that stays in another case is not among the removals."""
    item = Item(101, 5, genre=("Foo", "bar", "x"))
    edit = dict(requests_for(made(item, wanted(genre=("FOO", "Bar"))), item).edits[0])
    assert edit["genre[].tag.tag-"] == "x"


NAMES = st.lists(
    st.text(st.sampled_from("aAbB,%+&;# \u00e9\U0001f600[]-="), min_size=1, max_size=6).map(str.strip).filter(bool),
    max_size=6,
    unique_by=str.casefold,
).map(tuple)


@settings(deadline=None, max_examples=150)
@given(before=NAMES, after=NAMES, append=st.booleans())
def test_lists_arrive_under_both_semantics(before: tuple[str, ...], after: tuple[str, ...], append: bool) -> None:
    """Whatever commas, percent signs or emoji are in names, the list ends as desired, appended to or replaced."""
    item = Item(101, 5, genre=before)
    result = made(item, wanted(genre=after), wrote(item, "genre"))
    edits = requests_for(result, item).edits
    wire = [tuple(parse_qsl(url_for_edit(5, 101, edit).partition("?")[2], keep_blank_values=True)) for edit in edits]
    have = carried_out(before, wire, "genre", append)
    assert {tag.casefold() for tag in have} == {tag.casefold() for tag in after}


def line(edit: Params) -> int:
    """Return the length of the request line."""
    return len(f"PUT {url_for_edit(5, 101, edit)} HTTP/1.1")


def test_long_edits_are_split_by_field() -> None:
    """Over 4 KB the scalars go first, and each tag type stays whole in one request."""
    genres, actors = (tuple(f"{kind} number {n:03}" for n in range(70)) for kind in ("genre", "actor"))
    desired_values = wanted(title="T", summary="word " * 300, genre=genres, actor=actors)
    result = requests_for(made(ITEM, desired_values), ITEM)
    assert all(line(edit) <= 4096 for edit in result.edits)
    assert result.edits[0][0] == ("title.value", "T")
    for name, tags in (("genre", genres), ("actor", actors)):
        holders = [edit for edit in result.edits if any(key.startswith(f"{name}[") for key, _ in edit)]
        assert len(holders) == 1
        assert carried_out((), holders, name, append=False) == list(tags)
    assert not result.warnings


@pytest.mark.parametrize("count", [100, 400])
def test_a_huge_list_is_cut_with_one_warning(count: int) -> None:
    """A tag type up to 7 KB goes alone; a longer one is cut with one warning, and then counts as equal."""
    tags = tuple(f"a rather long name of a tag {n:03}" for n in range(count))
    todo = made(ITEM, wanted(title="T", genre=tags))
    result = requests_for(todo, ITEM)
    sent = carried_out((), result.edits[1:], "genre", append=False)
    assert len(result.edits) == 2
    assert max(map(line, result.edits)) <= 7168
    assert sent == list(tags[: len(sent)])
    cut = f"genres: too long for one request, the first {len(sent)} of {count} are sent"
    assert todo.warnings == (() if count == 100 else (cut,))
    assert (len(sent) == count) == (count == 100)
    after = Item(101, 5, title="T", genre=tuple(sent), locked=frozenset(("title", "genre")))
    assert verify(after, todo, ITEM) == {"title": "as_sent", "genre": "as_sent"}
    again = made(after, wanted(title="T", genre=(*tags, "one more")))
    assert (again.empty, again.warnings) == (count == 400, ())


@pytest.mark.parametrize("append", [True, False])
@pytest.mark.parametrize(
    "desired_values", [("Only",), (), tuple(f"another rather long name of a tag {n:03}" for n in range(90))]
)
def test_removals_beyond_a_request_all_go(append: bool, desired_values: tuple[str, ...]) -> None:
    """Removals that do not fit beside their list go before it: the list is right, appended to or replaced."""
    have = tuple(f"a rather long name of a tag {n:03}" for n in range(400))
    item = Item(101, 5, genre=have)
    todo = made(item, wanted(genre=desired_values), wrote(item, "genre"))
    edits = requests_for(todo, item).edits
    assert len(edits) > 2
    assert max(map(line, edits)) <= 7168
    assert [dict(edit).get("genre.locked") for edit in edits] == [None] * (len(edits) - 1) + ["1"]
    assert carried_out(have, edits, "genre", append) == list(desired_values)
    assert todo.warnings == ()


@pytest.mark.parametrize(("name", "desired_values"), [("collection", ("Ours",)), ("genre", ())])
def test_a_list_of_others_is_never_cut(name: str, desired_values: tuple[str, ...]) -> None:
    """A list with tags of others that fits no request is left alone, with one warning."""
    theirs = tuple(f"a rather long name of a tag {n:03}" for n in range(400))
    item = Item(101, 5, genre=("mine", *theirs), collection=("mine", *theirs))
    written = Written(names={name: ("mine",)}, own=(name,))
    todo = made(item, wanted(title="T", **{name: desired_values}), written)
    assert [change.field for change in todo.changes] == ["title"]
    assert todo.left == ((name, "too long for one request"),)
    assert todo.warnings == (f"{field_names([name])}: too long for one request, left alone",)
    fits = made(Item(101, 5, collection=theirs[:60]), wanted(collection=("Ours",)))
    low = requests_for(fits, item, hard_limit=1024)
    assert (low.edits, low.warnings) == ((), ("collection: too long for one request, left alone",))


def test_every_warning_is_kept() -> None:
    """What had to be cut or left alone is said for each field, whatever comes after it."""
    many = tuple(f"a rather long name of a tag {n:03}" for n in range(400))
    item = Item(101, 5, collection=many)
    wish = wanted(summary="word " * 3000, actor=("A",), genre=many, collection=("Ours",))
    summary, genre, collection = made(item, wish).warnings
    assert summary == "summary: too long for one request, shortened"
    assert genre.startswith("genres: too long for one request, the first ")
    assert collection == "collection: too long for one request, left alone"
    low = requests_for(made(item, wanted(summary="word " * 900, genre=many[:150])), item, hard_limit=2048)
    assert [text.split()[0] for text in low.warnings] == ["summary:", "genres:"]
    assert made(item, wanted(summary="word " * 3000, actor=("A",))).warnings == (summary,)


def size(*params: tuple[str, str]) -> int:
    """Characters of a request line with these parameters, by the longest address that is reckoned with."""
    return BASE_LENGTH + len("&" + urlencode(params, quote_via=quote, safe=""))


TITLE = "a \u00e9%" * 40
LOCKED = ("summary.locked", "1")


def test_a_text_fits_to_the_last_character() -> None:
    """A text goes whole as long as its request line has room for it, and is cut where the room ends, not before."""
    text = Change("title", "", TITLE, TITLE)
    limit = size(("title.value", TITLE), ("title.locked", "1"))
    assert fitted(text, limit) is text
    assert fitted(text, limit - 1) not in (text, None)
    plain = Change("summary", "", "x" * 500, "x" * 500)
    empty = size(("summary.value", ""), LOCKED)
    assert [len(cut.new) for room in (1, 2, 300) if (cut := fitted(plain, empty + room))] == [1, 2, 300]


def test_a_list_fits_to_the_last_name() -> None:
    """A list goes whole as long as its request line has room for it, and is cut after the last name that fits."""
    names = tuple(f"n\u00e9 {number}" for number in range(30))
    tags = Change("genre", (), names, names)

    def limit(count: int) -> int:
        indexed = ((f"genre[{index}].tag.tag", name) for index, name in enumerate(names[:count]))
        return size(*indexed, ("genre.locked", "1"))

    assert fitted(tags, limit(30)) is tags
    for count in (1, 2, 15, 28, 29):
        assert fitted(tags, limit(count)) == replace(tags, new=names[:count])
        assert fitted(tags, limit(count + 1) - 1) == replace(tags, new=names[:count])
    assert fitted(tags, limit(1) - 1) is None


def test_an_edit_fills_its_request() -> None:
    """Fields share a request up to the last character of the soft limit."""
    item = Item(101, 5)
    limit = size(("title.value", "T"), ("title.locked", "1"), ("studio.value", "S"), ("studio.locked", "1"))
    todo = made(item, wanted(title="T", studio="S"))
    assert len(requests_for(todo, item, soft_limit=limit).edits) == 1
    assert len(requests_for(todo, item, soft_limit=limit - 1).edits) == 2


def test_removals_go_beside_their_list_where_they_fit() -> None:
    """A list and its removals share a request up to the last character of the hard limit."""
    item = Item(101, 5, genre=("a/b", "c,d"))
    todo = made(item, wanted(genre=("new",)), wrote(item, "genre"))
    whole = (("genre[0].tag.tag", "new"), ("genre[].tag.tag-", "a%2Fb,c%2Cd"), ("genre.locked", "1"))
    assert requests_for(todo, item, hard_limit=size(*whole)).edits == (whole,)
    split = requests_for(todo, item, hard_limit=size(*whole) - 1).edits
    assert split == (whole[1:2], (whole[0], whole[2]))


def test_removals_fill_their_request() -> None:
    """Removals that go in requests of their own use the room to the last character."""
    gone = tuple(letter * 100 for letter in "abc")
    item = Item(101, 5, genre=gone)
    limit = size(("genre[].tag.tag-", ",".join(gone[:2])))
    todo = made(item, wanted(genre=("new",)), wrote(item, "genre"))
    for hard, first in ((limit, 2), (limit - 1, 1)):
        edits = requests_for(todo, item, hard_limit=hard).edits
        assert edits[0] == (("genre[].tag.tag-", ",".join(gone[:first])),)


@pytest.mark.parametrize("desired_values", [wanted(title="\u4e16" * 255), wanted(genre=("\u4e16" * 255, "G2"))])
def test_what_does_not_fit_at_all_is_not_emptied(desired_values: Desired) -> None:
    """If not even the first character or name fits, nothing is sent: an empty value would clear the field."""
    assert requests_for(made(ITEM, desired_values), ITEM, hard_limit=128).edits == ()


def test_blank_tags_are_no_tags() -> None:
    """Tags without a visible character are neither sent nor removed."""
    item = Item(101, 5, genre=("A", " "))
    edit = requests_for(made(item, wanted(genre=("B", "", "  "))), item).edits
    assert carried_out(item.genre, edit, "genre", append=False) == ["B"]
    assert dict(edit[0])["genre[].tag.tag-"] == "A"


def test_a_long_summary_is_shortened_after_414() -> None:
    """Under a lower limit the summary is cut between characters, alone in its request, with a warning."""
    result = requests_for(
        made(ITEM, wanted(title="T", summary="\u4e16\u754c" * 1000)), ITEM, soft_limit=2048, hard_limit=2048
    )
    assert max(map(line, result.edits)) <= 2048
    assert result.warnings == ("summary: too long for one request, shortened",)
    sent = dict(result.edits[-1])["summary.value"]
    assert ("\u4e16\u754c" * 1000).startswith(sent)
    assert len(sent) > 100


def test_read_back_has_three_outcomes() -> None:
    """Each changed field is as sent, kept differently, or unchanged."""
    result = made(ITEM, wanted(title="New", studio="N", genre=("X",)))
    after = Item(101, 5, title="new title", studio="S", genre=("x",))
    wanted_outcomes: Mapping[str, str] = {"title": "kept", "studio": "unchanged", "genre": "as_sent"}
    assert verify(after, result, ITEM) == wanted_outcomes
    lists = made(ITEM, wanted(actor=("C",), genre=("X",)))
    after = Item(101, 5, actor=("b", "a"), genre=("x", "G1"))
    assert verify(after, lists, ITEM) == {"actor": "unchanged", "genre": "kept"}


@pytest.mark.parametrize(
    ("section", "key"),
    [(0, 1), (-1, 1), (True, 1), (None, 1), ("5", 1), (5, 0), (5, -2), (5, True), (5, ""), (5, 1.0), (5, "1,2")],
)
def test_no_edit_without_an_id(section: object, key: object) -> None:
    """An edit is built only for a positive integer as section and id: without one Plex edits the whole section."""
    with pytest.raises(ValueError, match="positive integer"):
        url_for_edit(section, key, [("title.value", "x")])  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("PUT", "/library/sections/1/all?type=1&title.value=Everything"),
        ("PUT", "/library/sections/1/all?type=1&id=&title.value=x"),
        ("PUT", "/library/sections/1/all?type=1&id=0&title.value=x"),
        ("PUT", "/library/sections/1/all?type=1&id=1,2&title.value=x"),
        ("PUT", "/library/sections/1/all?type=1&id=1&title.value=x&id=2"),
        ("PUT", "/library/sections/1/all?type=1&id=1&title.value=x&%69d=2"),
        ("PUT", "/library/sections/1/all?type=1&id=1"),
        ("POST", "/library/sections/1/all?type=1&id=1&title.value=x"),
        ("PUT", "/library/sections/1/all/?type=1&id=1&title.value=x"),
        ("PUT", "/library/sections/1/refresh?path=%2F"),
        ("POST", "/library/sections/1/refresh"),
        ("DELETE", "/library/metadata/1"),
        ("DELETE", "/library/metadata/1/posters"),
    ],
)
def test_no_trial_writes_to_more_than_one_item(method: str, path: str) -> None:
    """The doctor's requests, too, name one item: any other write is none that it has."""
    with pytest.raises(ValueError, match=r"one item alone|positive integer|needs parameters"):
        require_one(method, path)


@pytest.mark.parametrize("params", [[], [("id", "7")], [("type", "2"), ("title.value", "x")], [("", "x")]])
def test_no_edit_may_name_another_item(params: list[tuple[str, str]]) -> None:
    """Parameters can neither be missing nor change which item is meant."""
    with pytest.raises(ValueError, match="parameters"):
        url_for_edit(5, 101, params)


@pytest.mark.parametrize(
    ("data", "kind", "refused"),
    [
        (b"\xff\xd8\xff", "image/jpeg", False),
        (b"RIFF....WEBP", "image/webp; charset=binary", False),
        (b"", "image/jpeg", True),
        (b"<svg xmlns='x'/>", "image/svg+xml", True),
        (b'<?xml version="1.0"?><svg/>', "image/png", True),
        (b"<!DOCTYPE html><html>", "image/jpeg", True),
        (b"<html>", "text/html", True),
        (b"\x00\x00\x00 ftypmp42", "video/mp4", True),
        (b"x", "", True),
        (b"x" * (MAX_BYTES + 1), "image/jpeg", True),
        (b"x" * MAX_BYTES, "IMAGE/JPEG", False),
    ],
)
def test_only_real_covers_pass(data: bytes, kind: str, refused: bool) -> None:
    """Placeholders, login pages, videos, empty and oversized bytes are rejected with a reason."""
    assert (check_cover(data, kind) is not None) == refused


def test_digest_is_the_name_plex_uses() -> None:
    """Plex stores an upload under the SHA-1 of its bytes."""
    assert image_digest(b"abc") == "a9993e364706816aba3e25717850c26c9cd0d89d"
