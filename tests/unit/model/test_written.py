"""What counts as written by PlexSync: what it sent, what Plex made of it, and never what others put there."""

from __future__ import annotations

import pytest

from plexsync.model.fields import Value, fingerprint
from plexsync.model.item import Item
from plexsync.model.written import MAX_REMEMBERED, Change, Written, confirmed, intended, locks_kept, owned

ITEM = Item(101, 5, title="Old", genre=("Theirs",), collection=("Theirs",))


def change(field: str, new: Value, *, desired: Value | None = None) -> Change:
    """The change of one field of ``ITEM``, to what Stash has unless ``desired`` says otherwise."""
    return Change(field, ITEM.value(field), new, new if desired is None else desired)


def prints(field: str, *values: Value) -> tuple[str, ...]:
    """The fingerprints of these values."""
    return tuple(fingerprint(field, value) for value in values)


@pytest.mark.parametrize(
    ("field", "new", "desired", "shared"),
    [
        ("title", "New", "New", False),
        ("summary", "", "", False),
        ("genre", ("Ours",), ("Ours",), False),
        ("genre", ("Theirs",), (), True),
        ("collection", ("Theirs", "Ours"), ("Ours",), True),
    ],
)
def test_a_shared_list(field: str, new: Value, desired: Value, shared: bool) -> None:
    """Others have tags in a collection, and in a list of which Stash has nothing; in no text."""
    assert change(field, new, desired=desired).is_shared is shared


def test_what_is_intended_is_ours_at_once() -> None:
    """A value counts as ours before it is known whether it arrives, beside the earlier ones, the newest last."""
    before = Written(
        {"title": prints("title", "New", "Old"), "studio": prints("studio", "S")},
        {"genre": ("Earlier",)},
        {"title": ("a", "b")},
    )
    written = intended(before, ITEM, [change("title", "New"), change("genre", ("Ours", "Theirs"))])
    assert written.ours == {
        "title": prints("title", "Old", "New"),
        "studio": prints("studio", "S"),
        "genre": prints("genre", ("Ours", "Theirs")),
    }
    assert written.names == {"genre": ("Earlier", "Ours", "Theirs")}
    assert written.kept == {"title": ("a", "b")}


def test_only_so_many_values_are_remembered() -> None:
    """Of each field the newest eight values count as ours."""
    written = Written()
    for number in range(10):
        written = intended(written, ITEM, [change("title", f"T{number}")])
    assert MAX_REMEMBERED == 8
    assert written.ours == {"title": prints("title", *(f"T{number}" for number in range(2, 10)))}


def test_tags_of_others_are_never_ours() -> None:
    """In a collection only those are ours that we add, letter case aside, or added before."""
    both = ("THEIRS", "Ours")
    assert intended(Written(), ITEM, [change("collection", both, desired=("Ours",))]).names == {"collection": ("Ours",)}
    sent = [change("collection", both, desired=("Ours",))]
    after = confirmed(Written(), sent, {"collection": "as_sent"}, ITEM)
    assert after.names == {"collection": ("Ours",)}
    again = confirmed(Written(names={"collection": ("theirs", "Gone")}), sent, {"collection": "as_sent"}, ITEM)
    assert again.names == {"collection": ("THEIRS", "Ours")}


def test_as_sent() -> None:
    """What arrived as sent is the whole of our list, and Plex keeps nothing differently any longer."""
    before = Written(
        {"title": ("x",)},
        {"genre": ("Gone",), "actor": ("A",)},
        {"title": ("a", "b"), "genre": ("c", "d"), "studio": ("e", "f")},
    )
    changes = [change("title", "New"), change("genre", ("Ours",))]
    after = confirmed(before, changes, {"title": "as_sent", "genre": "as_sent"}, ITEM)
    assert after == Written({"title": ("x",)}, {"genre": ("Ours",), "actor": ("A",)}, {"studio": ("e", "f")})


def test_kept_differently() -> None:
    """What Plex made of a value counts as ours too, and is remembered beside the value that we wanted."""
    now = Item(101, 5, title="NEW!", genre=("theirs", "Ours!"), studio="S")
    changes = [
        change("title", "New", desired="New"),
        change("genre", ("Ours",), desired=("Ours", "and more")),
        change("actor", ("A",)),
        change("studio", "S"),
    ]
    outcomes = {"title": "kept", "genre": "kept", "actor": "unchanged"}
    before = Written({"title": ("x",)}, {"genre": ("Ours",)}, {})
    after = confirmed(before, changes, outcomes, now)
    assert after.ours == {
        "title": ("x", *prints("title", "NEW!")),
        "genre": prints("genre", ("theirs", "Ours!")),
    }
    assert after.names == {"genre": ("Ours", "Ours!")}
    assert after.kept == {
        "title": (*prints("title", "New"), *prints("title", "NEW!")),
        "genre": (*prints("genre", ("Ours", "and more")), *prints("genre", ("theirs", "Ours!"))),
    }
    none = confirmed(Written(), changes[1:2], {"genre": "kept"}, now)
    assert none.names == {"genre": ("Ours!",)}


def test_the_memory_before_is_not_changed() -> None:
    """Each step makes a new memory: what is stored and what is planned cannot be confused."""
    before = Written({"title": ("x",)}, {"genre": ("Ours",)}, {"title": ("a", "b")})
    changes = [change("title", "New"), change("genre", ("New",))]
    intended(before, ITEM, changes)
    confirmed(before, changes, {"title": "as_sent", "genre": "as_sent"}, ITEM)
    confirmed(before, changes, {"title": "kept", "genre": "kept"}, ITEM)
    assert before == Written({"title": ("x",)}, {"genre": ("Ours",)}, {"title": ("a", "b")})


def test_the_first_intent_keeps_what_plex_had() -> None:
    """Value and lock before our first write to a field are kept, those of a field that we wrote before are unknown."""
    item = Item(101, 5, title="Old", genre=("Theirs",), locked=frozenset(("title", "summary")))
    known = Written(ours={"studio": ("x",)})
    changes = [Change("title", "Old", "New", "New"), Change("studio", "Ours", "S", "S")]
    written = intended(known, item, changes, ["genre", "thumb"])
    assert written.before == {"title": "Old", "genre": ("Theirs",), "locked": ("title",)}
    assert written.own == ("title", "studio", "genre")
    assert (written.ours["genre"], written.names) == (prints("genre", ("Theirs",)), {"genre": ("Theirs",)})
    assert "thumb" not in written.ours
    later = Item(101, 5, title="New", summary="S", locked=frozenset(("title", "summary")))
    again = intended(written, later, [Change("title", "New", "Newer", "Newer"), Change("summary", "S", "", "")])
    assert again.before == {"title": "Old", "genre": ("Theirs",), "summary": "S", "locked": ("summary", "title")}
    assert again.own == written.own


def test_locks_that_plex_does_not_keep_are_remembered() -> None:
    """A lock that is not there after the read-back is remembered, until it is there."""
    locked = Item(101, 5, locked=frozenset(("title",)))
    first = locks_kept(Written(kept={"genre": ("a", "b")}), ["title", "studio"], locked)
    assert first.kept == {"genre": ("a", "b"), "studio.locked": ("1", "0")}
    assert locks_kept(first, ["studio"], Item(101, 5, locked=frozenset(("studio",)))).kept == {"genre": ("a", "b")}


def test_what_a_scene_filled_after_a_sync() -> None:
    """A sync settles which of the desired fields are the scene's; those that are not synced stay as they were."""
    written = owned(Written(own=("title", "studio", "genre")), {"title": "", "studio": "S", "actor": ()}, ["studio"])
    assert written.own == ("genre", "studio")
