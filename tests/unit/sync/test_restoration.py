"""What Undo writes back, over whatever was there before, whatever was synced, and whatever a person did since."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any
from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plexsync.model.fields import Desired, Value, same_value, tag_key
from plexsync.model.item import FIELDS, LIST_FIELDS, IndexPart, Item
from plexsync.model.written import Written, confirmed, intended, owned
from plexsync.plex.images import Picture
from plexsync.state.ledger import Record
from plexsync.sync import edit, restoration
from plexsync.sync.edit import EditPlan, Params
from plexsync.sync.restoration import BY_A_PERSON, LOST, NOT_KEPT, Shown

TAGS = st.lists(st.sampled_from(["a", "b", "B", "c", "d", "e-f", "ef", "x, y"]), max_size=5).map(tuple)
TEXTS = st.sampled_from(["", "one", "two", "three"])
LOCKED = st.frozensets(st.sampled_from(FIELDS))


def server(item: Item, edits: Sequence[Params], append: bool) -> Item:
    """What Plex makes of these requests."""
    for params in edits:
        values: dict[str, Any] = {}
        locked = set(item.locked)
        for name in LIST_FIELDS:
            values[name] = tags(item.value(name), params, name, append)
        for key, value in params:
            name, _, what = key.partition(".")
            if what == "value":
                values[name] = value
            elif what == "locked":
                (locked.add if value == "1" else locked.discard)(name)
        item = replace(item, **values, locked=frozenset(locked))
    return item


def tags(before: Value, params: Params, name: str, append: bool) -> tuple[str, ...]:
    """The tags of one list after one request."""
    have = list(before)
    adds = [value for key, value in params if key.startswith(f"{name}[") and key.endswith("].tag.tag")]
    if adds and not append:
        have = []
    for tag in adds:
        if tag_key(tag) not in map(tag_key, have):
            have.append(tag)
    gone = {tag_key(unquote(tag)) for key, value in params if key == f"{name}[].tag.tag-" for tag in value.split(",")}
    return tuple(tag for tag in have if tag_key(tag) not in gone)


def items() -> st.SearchStrategy[Item]:
    """Items as Plex may have them: tags differ by more than case."""
    lists = TAGS.map(lambda found: tuple({tag_key(tag): tag for tag in found}.values()))
    return st.builds(
        Item, st.just(101), st.just(5), title=st.just("Plex's"), studio=TEXTS, summary=TEXTS,
        originallyAvailableAt=TEXTS, actor=lists, genre=lists, collection=lists, locked=LOCKED,
    )  # fmt: skip


def scenes() -> st.SearchStrategy[Mapping[str, Value]]:
    """What Stash may want; some fields are not synced."""
    optional: dict[str, st.SearchStrategy[Value]] = {name: TAGS if name in LIST_FIELDS else TEXTS for name in FIELDS}
    return st.fixed_dictionaries({}, optional=optional)


def synced(item: Item, written: Written, desired: Mapping[str, Value], append: bool) -> tuple[Item, Written]:
    """The item and what is known of it after a sync, as the writer does it."""
    planned = edit.plan(item, Desired(desired, False, False, ()), written, keep_plex_edits=False)
    written = intended(written, item, planned.changes, planned.locks)
    after = server(item, edit.requests_for(planned, item).edits, append)
    written = confirmed(written, planned.changes, edit.verify(after, planned, item), after)
    return after, owned(written, desired, planned.filled)


def restored(item: Item, written: Written, append: bool) -> tuple[Item, EditPlan]:
    """The item after an undo, and its plan."""
    planned = restoration.plan(item, written)
    return server(item, edit.requests_for(planned, item).edits, append), planned


@given(items(), st.lists(scenes(), min_size=1, max_size=4), st.booleans())
def test_plex_is_as_before(before: Item, syncs: list[Mapping[str, Value]], append: bool) -> None:
    """After any syncs, undo leads to the values and locks of before, in one go, and a second one changes nothing."""
    item, written = before, Written()
    for desired in syncs:
        item, written = synced(item, written, desired, append)
    after, planned = restored(item, written, append)
    assert [name for name in FIELDS if not same_value(name, after.value(name), before.value(name))] == []
    assert after.locked == before.locked
    assert planned.left == ()
    assert restored(after, written, append)[1].empty


@given(items(), scenes(), scenes(), st.sampled_from(FIELDS), st.booleans(), st.booleans())
def test_a_persons_change_stays(
    before: Item, first: Mapping[str, Value], second: Mapping[str, Value], name: str, anew: bool, append: bool
) -> None:
    """A text that a person wrote stays, and the person's tags; every other field is as before."""
    item, written = synced(before, Written(), first, append)
    item, written = synced(item, written, second, append)
    old = item.value(name)
    mine: Value = "Mine" if isinstance(old, str) else ("Mine",) if anew else (*old, "Mine")
    item = replace(item, **{name: mine}, locked=item.locked | {name})  # type: ignore[arg-type]
    after, _ = restored(item, written, append)
    others = [one for one in FIELDS if one != name]
    assert [one for one in others if not same_value(one, after.value(one), before.value(one))] == []
    assert after.locked - {name} == before.locked - {name}
    assert name in after.locked
    if isinstance(mine, str):
        assert after.value(name) == mine
        return
    assert "Mine" in after.value(name)
    sent, theirs = map(tag_key, written.names.get(name, ())), set(map(tag_key, before.value(name)))
    assert not set(map(tag_key, after.value(name))) & (set(sent) - theirs)


@given(items(), scenes(), scenes(), st.booleans(), st.integers(0, 9))
def test_cut_short_and_repeated(
    before: Item, first: Mapping[str, Value], second: Mapping[str, Value], append: bool, sent: int
) -> None:
    """A worker that dies after any number of requests leaves what the next one puts back."""
    item, written = synced(before, Written(), first, append)
    item, written = synced(item, written, second, append)
    planned = restoration.plan(item, written)
    requests = edit.requests_for(planned, item, soft_limit=1, hard_limit=120).edits
    ours = dict(written.ours)
    for change in planned.changes:
        ours[change.field] = (*ours.get(change.field, ()), *edit.fingerprints_between(requests, change))
    item = server(item, requests[:sent], append)
    after, _ = restored(item, replace(written, ours=ours), append)
    assert [name for name in FIELDS if not same_value(name, after.value(name), before.value(name))] == []
    assert after.locked == before.locked


def test_what_was_not_kept_is_left() -> None:
    """A field of which an earlier version kept nothing stays."""
    planned = restoration.plan(Item(101, 5, title="New"), Written(ours={"title": ("0" * 16,)}))
    assert (planned.changes, planned.left) == ((), (("title", NOT_KEPT),))


def test_a_list_of_our_tags_alone_becomes_what_it_was() -> None:
    """If a person only took some of our tags away, the earlier tags come back instead of an empty list."""
    written = Written(ours={"genre": ("0" * 16,)}, names={"genre": ("a", "b")}, before={"genre": ("x",)})
    (change,) = restoration.plan(Item(101, 5, genre=("a",)), written).changes
    assert (change.new, change.lock) == (("x",), False)
    assert restoration.plan(Item(101, 5, genre=()), written).left == (("genre", BY_A_PERSON),)


PART = IndexPart(101, 5, 1, "/a/film.mp4", 70)


@pytest.mark.parametrize(
    ("path", "stash_path", "size", "part", "same"),
    [
        ("/a/film.mp4", "", 0, PART, True),
        ("/a/film.mp4", "", 9, PART, True),  # replaced by a better one
        ("\\a\\film.mp4", "", 0, PART, True),
        ("/b/film.mp4", "", 70, PART, True),
        ("/b/film.mp4", "", 71, PART, False),
        ("/b/film.mp4", "", 0, PART, False),
        ("/b/other.mp4", "", 70, PART, False),
        ("", "/s/film.mp4", 70, PART, True),
        ("", "/s/film.mp4", 0, PART, True),
        ("", "/s/other.mp4", 70, PART, False),
        ("", "", 70, PART, False),
        ("/a/film.mp4", "", 70, PART._replace(optimised=True), False),
    ],
)
def test_the_item_still_holds_the_file(path: str, stash_path: str, size: int, part: IndexPart, same: bool) -> None:
    """By its path, or by name and size; without a path by the name that the scene's file had."""
    record = Record(101, 7, path, stash_path, size=size)
    assert restoration.is_same_file(record, Item(101, 5, parts=(part,))) == same


OURS, THEIRS, FRAME = "upload://posters/" + "1" * 40, "upload://posters/" + "2" * 40, "media://frame"


@pytest.mark.parametrize(
    ("before", "shown", "expected"),
    [
        (FRAME, OURS, Shown(FRAME, False)),
        (THEIRS, OURS, Shown(THEIRS, False)),
        (OURS, OURS, Shown(lock=False)),
        ("", OURS, Shown("", False)),
        (None, OURS, Shown(lock=False, why=NOT_KEPT)),
        ("media://gone", OURS, Shown(lock=False, why=LOST)),
        (FRAME, THEIRS, Shown(why=BY_A_PERSON)),
        ("", THEIRS, Shown(why=BY_A_PERSON)),
        (None, THEIRS, Shown(why=BY_A_PERSON)),
        (FRAME, FRAME, Shown(lock=False)),
        (FRAME, "", Shown(FRAME, False)),
        ("", "", Shown(lock=False)),
        ("", FRAME, Shown(lock=False)),
    ],
)
def test_what_becomes_of_a_picture(before: str | None, shown: str, expected: Shown) -> None:
    """Ours gives way to the one before; one that a person chose stays, with its lock."""
    kept: dict[str, Value] = {} if before is None else {"thumb": before}
    record = Record(101, 7, written=Written(before=kept), cover=f"posters={'1' * 40}")
    pictures = [Picture(name, name == shown) for name in (OURS, THEIRS, FRAME)]
    assert restoration.shown(record, "posters", Item(101, 5), pictures) == expected
    locked = replace(record, written=Written(before={**kept, "locked": ("thumb",)}))
    again = restoration.shown(locked, "posters", Item(101, 5), pictures)
    assert again == (expected if expected.lock is None else replace(expected, lock=True))
